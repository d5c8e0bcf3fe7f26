//! Messages of the client (55.7), parsed as far as the bytes reach.

use super::message::{cstring, head};
use crate::cursor::Cursor;

/// Parameters of one request that are kept.
const MAX_PARAMETERS: usize = 64;
/// Bytes of the parameters of one request that are kept.
const MAX_PARAMETER_BYTES: usize = 16 * 1024;

/// A value bound to a placeholder, or an argument of a function call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// NULL.
    Null,
    /// In text format, or in binary format and readable as text, which is what the text types look like; bounded.
    Text(String),
    /// In binary format: so many bytes.
    Binary(usize),
}

/// Parse: a statement is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parse<'a> {
    pub name: &'a [u8],
    pub text: &'a [u8],
    /// All of the message was there, and in its format.
    pub well_formed: bool,
}

/// Bind: a prepared statement and its parameters make a portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    pub portal: &'a [u8],
    pub statement: &'a [u8],
    pub values: Values<'a>,
}

/// Values as they stand in the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values<'a> {
    /// The first ones, at most 64: bytes and whether the format is binary.
    list: Vec<(Option<&'a [u8]>, bool)>,
    /// All of the message was there, and in its format.
    pub well_formed: bool,
}

/// FunctionCall: a function by its object id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCall<'a> {
    pub function: u32,
    pub values: Values<'a>,
}

/// The text of a Query: up to its NUL, and whether that was where it belongs.
pub fn query(body: &[u8]) -> (&[u8], bool) {
    match body.iter().position(|&byte| byte == 0) {
        Some(end) => (body.get(..end).unwrap_or_default(), end + 1 == body.len()),
        None => (body, false),
    }
}

pub fn parse(body: &[u8]) -> Option<Parse<'_>> {
    let mut cursor = Cursor::new(body);
    let name = cstring(&mut cursor)?;
    let Some(text) = cstring(&mut cursor) else { return Some(Parse { name, text: cursor.rest(), well_formed: false }) };
    let types = cursor.u16_be().map(|types| usize::from(types) * 4);
    Some(Parse { name, text, well_formed: types == Ok(cursor.remaining()) })
}

pub fn bind(body: &[u8]) -> Option<Bind<'_>> {
    let mut cursor = Cursor::new(body);
    let portal = cstring(&mut cursor)?;
    let statement = cstring(&mut cursor)?;
    let mut values = values(&mut cursor).unwrap_or_default();
    let formats = cursor.u16_be().map(|formats| usize::from(formats) * 2);
    values.well_formed &= formats == Ok(cursor.remaining());
    Some(Bind { portal, statement, values })
}

pub fn function_call(body: &[u8]) -> Option<FunctionCall<'_>> {
    let mut cursor = Cursor::new(body);
    let function = cursor.u32_be().ok()?;
    let mut values = values(&mut cursor).unwrap_or_default();
    values.well_formed &= cursor.remaining() == 2;
    Some(FunctionCall { function, values })
}

/// Execute: the portal's name.
pub fn execute(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(body);
    let portal = cstring(&mut cursor)?;
    (cursor.remaining() == 4).then_some(portal)
}

/// Describe and Close: whether a statement (or else a portal) is meant, and its name.
pub fn target(body: &[u8]) -> Option<(bool, &[u8])> {
    let mut cursor = Cursor::new(body);
    let statement = match cursor.u8().ok()? {
        b'S' => true,
        b'P' => false,
        _ => return None,
    };
    let name = cstring(&mut cursor)?;
    cursor.is_empty().then_some((statement, name))
}

/// Formats, then values, of Bind and FunctionCall. `None`: not even the formats are whole.
fn values<'a>(cursor: &mut Cursor<'a>) -> Option<Values<'a>> {
    let count = usize::from(cursor.u16_be().ok()?);
    let formats = cursor.take(count * 2).ok()?;
    let binary = |at: usize| {
        let at = if count == 1 { 0 } else { at };
        formats.get(at * 2..at * 2 + 2) == Some(&[0, 1])
    };
    let mut values = Values::default();
    let Ok(count) = cursor.u16_be() else { return Some(values) };
    for at in 0..usize::from(count) {
        let Ok(len) = cursor.i32_be() else { return Some(values) };
        let (value, whole) = match usize::try_from(len).map(|len| cursor.take(len)) {
            Err(_) => (None, true),
            Ok(Ok(value)) => (Some(value), true),
            // What is there of it is worth reading.
            Ok(Err(_)) => (Some(cursor.rest()), false),
        };
        if values.list.len() < MAX_PARAMETERS {
            values.list.push((value, binary(at)));
        }
        if !whole {
            return Some(values);
        }
    }
    values.well_formed = true;
    Some(values)
}

impl<'a> Values<'a> {
    /// Values that are text.
    pub fn texts(&self) -> impl Iterator<Item = &'a [u8]> {
        self.list.iter().filter_map(|&(value, binary)| value.filter(|value| !binary || reads_as_text(value)))
    }

    /// What is kept of them.
    pub fn keep(&self) -> Vec<Parameter> {
        let mut room = MAX_PARAMETER_BYTES;
        let mut keep = |&(value, binary): &(Option<&'a [u8]>, bool)| match value {
            None => Parameter::Null,
            Some(value) if binary && !reads_as_text(value) => Parameter::Binary(value.len()),
            Some(value) => {
                let text = String::from_utf8_lossy(value.get(..value.len().min(room)).unwrap_or_default());
                let text = head(&text, room);
                room -= text.len();
                Parameter::Text(text.to_owned())
            }
        };
        self.list.iter().map(&mut keep).collect()
    }
}

/// Bytes that kept parameters take.
pub fn held(parameters: &[Parameter]) -> usize {
    let text = |parameter: &Parameter| if let Parameter::Text(text) = parameter { text.len() } else { 0 };
    parameters.iter().map(|parameter| size_of::<Parameter>() + text(parameter)).sum()
}

/// Numbers, dates and the like hold control characters in binary format.
fn reads_as_text(value: &[u8]) -> bool {
    std::str::from_utf8(value)
        .is_ok_and(|text| !text.chars().any(|character| character.is_control() && !matches!(character, '\t' | '\n' | '\r')))
}
