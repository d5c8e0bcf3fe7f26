//! Objects of WMI as they travel ([MS-WMIO] 2.2): a class's layout, a table of values, and a heap that both refer to.
//!
//! ```text
//! unit     = 0x12345678 length block                              block: flags [decoration] (class / instance)
//! part     = length reserved name-ref nd-length derivation qualifiers count *(name-ref info-ref) nd-table values heap
//! instance = part length flags class-ref nd-table values qualifiers [property-qualifiers] heap
//! class    = part methods part methods                            of the parent, of the class itself
//! ```

use backstop_types::{Fields, Value};

use super::text::{Text, head};
use crate::cursor::Cursor;
use crate::dcerpc::ndr::{MAX_NAME, MAX_TEXT};

const SIGNATURE: u32 = 0x1234_5678;
/// Properties that are kept.
const MAX_PROPERTIES: usize = 256;
/// Elements of an array that are kept.
const MAX_ELEMENTS: usize = 64;
/// Bytes of text of one object: references may all point at the same long text.
const MAX_ALL: usize = 2 * MAX_TEXT;
/// Names that the format knows by number ([MS-WMIO] 2.2.80).
const DICTIONARY: [&str; 11] =
    ["\"", "key", "", "read", "write", "volatile", "provider", "dynamic", "cimwin32", "DWORD", "CIMTYPE"];

/// An instance, or a class with its default values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// The name of the class.
    pub class: String,
    /// It is the class itself.
    pub is_class: bool,
    /// Properties that have a value.
    pub properties: Vec<(String, Datum)>,
    /// Something is missing.
    pub truncated: bool,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    /// A string, a date or a reference.
    Text(Text),
    /// A number, signed ones by their sign.
    Number(i64),
    /// An unsigned number of 64 bits.
    Unsigned(u64),
    /// A truth.
    Truth(bool),
    /// Strings.
    Texts(Vec<Text>),
    /// Something else: an object, a list of numbers.
    Opaque,
}

/// The layout and the defaults of a class ([MS-WMIO] 2.2.15).
struct Part<'a> {
    name: u32,
    properties: &'a [[u8; 8]],
    values: &'a [u8],
    heap: &'a [u8],
}

/// Reads an encoded object. `None`: it is none, or its layout cannot be followed.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Object> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u32_le().ok()? != SIGNATURE {
        return None;
    }
    let _length = cursor.u32_le().ok()?;
    let flags = cursor.u8().ok()?;
    if flags & 4 != 0 {
        // Names of the server and the namespace.
        skip_string(&mut cursor)?;
        skip_string(&mut cursor)?;
    }
    let mut out = Object { is_class: flags & 1 != 0, ..Object::default() };
    let mut room = MAX_ALL;
    if out.is_class {
        let _parent = (part(&mut cursor)?, sized(&mut cursor)?);
        let class = part(&mut cursor)?;
        out.class = string(class.heap, class.name, MAX_NAME).map(|text| text.text).unwrap_or_default();
        read_properties(&mut out, &class, None, &mut room);
    } else {
        let class = part(&mut cursor)?;
        let (_length, _flags, name) = (cursor.u32_le().ok()?, cursor.u8().ok()?, cursor.u32_le().ok()?);
        let values = cursor.take(class.values.len()).ok()?;
        let _qualifiers = sized(&mut cursor)?;
        if cursor.u8().ok()? == 2 {
            for _ in class.properties {
                let _qualifiers = sized(&mut cursor)?;
            }
        }
        let heap = heap(&mut cursor)?;
        let named = string(heap, name, MAX_NAME).or_else(|| string(class.heap, class.name, MAX_NAME));
        out.class = named.map(|text| text.text).unwrap_or_default();
        read_properties(&mut out, &class, Some((values, heap)), &mut room);
    }
    Some(out)
}

fn part<'a>(cursor: &mut Cursor<'a>) -> Option<Part<'a>> {
    let from = cursor.position();
    let (length, _reserved, name) = (cursor.u32_le().ok()?, cursor.u8().ok()?, cursor.u32_le().ok()?);
    let values = usize::try_from(cursor.u32_le().ok()?).ok()?;
    let _derivation = sized(cursor)?;
    let _qualifiers = sized(cursor)?;
    let count = usize::try_from(cursor.u32_le().ok()?).ok()?;
    let properties = cursor.take(count.checked_mul(8)?).ok()?.as_chunks::<8>().0;
    let values = cursor.take(values).ok()?;
    let heap = heap(cursor)?;
    // What the length says beyond that is not used.
    let beyond = from.saturating_add(usize::try_from(length).ok()?).saturating_sub(cursor.position());
    cursor.take(beyond).ok()?;
    Some(Part { name, properties, values, heap })
}

/// A part that begins with its length, itself included.
fn sized<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = usize::try_from(cursor.u32_le().ok()?).ok()?;
    cursor.take(length.checked_sub(4)?).ok()
}

/// A heap: its length has the highest bit set ([MS-WMIO] 2.2.66). What is cut off is missing from it.
fn heap<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = usize::try_from(cursor.u32_le().ok()? & 0x7fff_ffff).ok()?;
    cursor.take(length.min(cursor.remaining())).ok()
}

fn read_properties(out: &mut Object, class: &Part<'_>, instance: Option<(&[u8], &[u8])>, room: &mut usize) {
    out.truncated |= class.properties.len() > MAX_PROPERTIES;
    for lookup in class.properties.iter().take(MAX_PROPERTIES) {
        let [a, b, c, d, e, f, g, h] = *lookup;
        let (name, info) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        match property(class, instance, name, info, room) {
            Some((name, Some(value))) => out.properties.push((name, value)),
            Some((_, None)) => {}
            None => out.truncated = true,
        }
    }
}

/// A property's name, and its value if it has one ([MS-WMIO] 2.2.30 and 2.2.26).
fn property(
    class: &Part<'_>,
    instance: Option<(&[u8], &[u8])>,
    name: u32,
    info: u32,
    room: &mut usize,
) -> Option<(String, Option<Datum>)> {
    let name = string(class.heap, name, MAX_NAME.min(*room))?;
    *room = room.saturating_sub(name.text.len());
    let mut cursor = Cursor::new(class.heap.get(usize::try_from(info).ok()?..)?);
    let (kind, order) = (cursor.u32_le().ok()?, usize::from(cursor.u16_le().ok()?));
    let at = usize::try_from(cursor.u32_le().ok()?).ok()?;
    let table = class.properties.len().div_ceil(4);
    let state = |values: &[u8]| values.get(order / 4).map(|four| four >> ((order % 4) * 2) & 3);
    let own = (class.values, class.heap);
    let (values, heap) = match instance {
        // The second bit: as the class has it.
        Some((values, heap)) if state(values)? & 2 == 0 => (values, heap),
        _ => own,
    };
    // The first bit: nothing.
    if state(values)? & 1 != 0 {
        return Some((name.text, None));
    }
    let value = datum(kind, values.get(table..)?.get(at..)?, heap, room)?;
    Some((name.text, Some(value)))
}

/// A value by its type ([MS-WMIO] 2.2.82).
fn datum(kind: u32, value: &[u8], heap: &[u8], room: &mut usize) -> Option<Datum> {
    let mut cursor = Cursor::new(value);
    if kind & 0x2000 != 0 {
        let at = cursor.u32_le().ok()?;
        return if matches!(kind & 0xff, 8 | 101 | 102) { texts(heap, at, room) } else { Some(Datum::Opaque) };
    }
    Some(match kind & 0xff {
        8 | 101 | 102 => Datum::Text(text(heap, cursor.u32_le().ok()?, room)?),
        16 => Datum::Number(i64::from(cursor.u8().ok()?.cast_signed())),
        17 => Datum::Number(i64::from(cursor.u8().ok()?)),
        2 => Datum::Number(i64::from(cursor.i16_le().ok()?)),
        18 | 103 => Datum::Number(i64::from(cursor.u16_le().ok()?)),
        3 => Datum::Number(i64::from(cursor.i32_le().ok()?)),
        19 => Datum::Number(i64::from(cursor.u32_le().ok()?)),
        20 => Datum::Number(cursor.i64_le().ok()?),
        21 => Datum::Unsigned(cursor.u64_le().ok()?),
        11 => Datum::Truth(cursor.u16_le().ok()? != 0),
        _ => Datum::Opaque,
    })
}

fn text(heap: &[u8], at: u32, room: &mut usize) -> Option<Text> {
    let text = string(heap, at, MAX_TEXT.min(*room))?;
    *room = room.saturating_sub(text.text.len());
    Some(text)
}

/// An array of references to strings ([MS-WMIO] 2.2.78).
fn texts(heap: &[u8], at: u32, room: &mut usize) -> Option<Datum> {
    let mut cursor = Cursor::new(heap.get(usize::try_from(at).ok()?..)?);
    let count = usize::try_from(cursor.u32_le().ok()?).ok()?;
    let mut out = Vec::new();
    for _ in 0..count.min(MAX_ELEMENTS) {
        out.push(text(heap, cursor.u32_le().ok()?, room)?);
    }
    Some(Datum::Texts(out))
}

/// A string in a heap ([MS-WMIO] 2.2.77): a flag, and characters of 8 or 16 bits up to a null.
fn string(heap: &[u8], at: u32, max: usize) -> Option<Text> {
    if at == u32::MAX {
        return None;
    }
    if at & 0x8000_0000 != 0 {
        let name = DICTIONARY.get(usize::try_from(at & 0x7fff_ffff).ok()?)?;
        return Some(Text { text: (*name).to_owned(), truncated: false });
    }
    let (&flag, rest) = heap.get(usize::try_from(at).ok()?..)?.split_first()?;
    // No more is searched than is kept: references may all point at one long text.
    let unit = if flag == 0 { 1 } else { 2 };
    let rest = rest.get(..max.saturating_add(1).saturating_mul(unit)).unwrap_or(rest);
    if flag != 0 {
        let ended = rest.as_chunks::<2>().0.contains(&[0, 0]);
        return Some(Text::utf16(rest, ended, max, true));
    }
    // The low bytes of the characters of 16 bits, whose high ones are all 0.
    let end = memchr::memchr(0, rest);
    let bytes = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let whole: String = bytes.iter().take(max).map(|&byte| char::from(byte)).collect();
    let kept = head(&whole, max);
    Some(Text { truncated: end.is_none() || bytes.len() > max || kept.len() < whole.len(), text: kept.to_owned() })
}

fn skip_string(cursor: &mut Cursor<'_>) -> Option<()> {
    let wide = cursor.u8().ok()? != 0;
    let rest = cursor.rest();
    let len = if wide {
        rest.as_chunks::<2>().0.iter().position(|unit| *unit == [0, 0])? * 2 + 2
    } else {
        memchr::memchr(0, rest)? + 1
    };
    cursor.take(len).ok().map(|_| ())
}

impl Object {
    /// A property by name, whatever its case.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Datum> {
        self.properties.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names and texts.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.properties.iter().flat_map(|(name, value)| {
            let texts = match value {
                Datum::Text(text) => std::slice::from_ref(text),
                Datum::Texts(texts) => texts.as_slice(),
                _ => &[],
            };
            texts.iter().map(move |text| (name.as_str(), text))
        })
    }

    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut properties = Fields::new();
        for (name, value) in self.properties.iter().take(MAX_SHOWN) {
            properties.set(name.clone(), value);
        }
        let mut fields = Fields::new();
        fields.set("class", self.class.clone());
        if !properties.is_empty() {
            fields.set("properties", properties);
        }
        if self.truncated {
            fields.set("truncated", true);
        }
        fields
    }
}

/// Properties that a record shows.
const MAX_SHOWN: usize = 32;

impl From<&Datum> for Value {
    fn from(datum: &Datum) -> Self {
        match datum {
            Datum::Text(text) => Self::from(text),
            Datum::Number(number) => Self::Int(*number),
            Datum::Unsigned(number) => Self::Uint(*number),
            Datum::Truth(truth) => Self::Bool(*truth),
            Datum::Texts(texts) => Self::List(texts.iter().map(Self::from).collect()),
            Datum::Opaque => Self::from("…"),
        }
    }
}
