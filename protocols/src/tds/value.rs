//! Values of parameters ([MS-TDS] 2.2.5.5), bounded.

use super::scalar::scalar;
use super::types::{Bad, IMAGE, Layout, NTEXT, TEXT, TypeInfo, UDT, VARIANT, XML, fixed_len};
use super::{squeeze, text};
use crate::cursor::Cursor;

/// Bytes of a binary value that are kept.
const MAX_BINARY: usize = 64 * 1024;

/// A typed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// NULL, of any type.
    Null,
    /// `bit`.
    Bool(bool),
    /// `tinyint` to `bigint`.
    Int(i64),
    /// `decimal`, `money`, `float`, dates and times and `uniqueidentifier`, as SQL writes them.
    Scalar(String),
    /// A text, at most `Limits::max_text` bytes of it.
    Text {
        /// The text, or its head.
        text: String,
        /// All of it.
        whole: bool,
    },
    /// Bytes, or their head.
    Binary {
        /// At most 64 KiB.
        head: Vec<u8>,
        /// Bytes there are.
        len: u64,
    },
    /// A table: what it is of, and how large.
    Table {
        /// Schema and name of its type.
        name: String,
        /// Columns.
        columns: usize,
        /// Rows.
        rows: u64,
    },
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text { text, .. } = self { Some(text) } else { None }
    }

    /// Bytes that this value holds.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) => 0,
            Self::Scalar(text) | Self::Text { text, .. } | Self::Table { name: text, .. } => text.len(),
            Self::Binary { head, .. } => head.len(),
        }
    }
}

/// Reads a value whose type came before (2.2.5.2).
pub fn read(cursor: &mut Cursor<'_>, info: &TypeInfo, max_text: usize) -> Result<Value, Bad> {
    if info.layout == Layout::Partial {
        // All of it, for it lies in a message that is bounded.
        let mut whole = Vec::new();
        let there = chunks(cursor, |chunk| whole.extend_from_slice(chunk))?;
        return Ok(if there { decode(info, &whole, max_text) } else { Value::Null });
    }
    Ok(plain(cursor, info)?.map_or(Value::Null, |bytes| decode(info, bytes, max_text)))
}

/// Steps over a value.
pub fn skip(cursor: &mut Cursor<'_>, info: &TypeInfo) -> Result<(), Bad> {
    if info.layout == Layout::Partial {
        chunks(cursor, |_| {})?;
    } else {
        plain(cursor, info)?;
    }
    Ok(())
}

/// Takes the padding out of a text.
pub type Squeezer = fn(&[u8]) -> Vec<u8>;

/// What squeezes values of a type: of texts that may be long.
pub fn squeezer(info: &TypeInfo) -> Option<Squeezer> {
    match (info.token, info.layout) {
        (_, Layout::Fixed(_) | Layout::Byte | Layout::Pointer) => None,
        (0xe7 | 0xef | NTEXT, _) => Some(squeeze::wide),
        (0xa7 | 0xaf | TEXT, _) => Some(squeeze::narrow),
        _ => None,
    }
}

/// Writes a text as far as it is there, squeezed. Its lengths count what is not there yet.
///
/// # Errors
/// Where it is not all there. What was read of it is written.
pub fn squeeze(cursor: &mut Cursor<'_>, info: &TypeInfo, squeezer: Squeezer, out: &mut Vec<u8>) -> Result<(), Bad> {
    if info.layout == Layout::Partial {
        return squeeze_chunks(cursor, squeezer, out);
    }
    let short = info.layout == Layout::Short;
    let len = if short { u32::from(cursor.u16_le()?) } else { cursor.u32_le()? };
    let is_null = len == if short { 0xffff } else { u32::MAX };
    let here = if is_null { 0 } else { cursor.remaining().min(len as usize) };
    let text = squeezer(cursor.take(here)?);
    let freed = u32::try_from(here.saturating_sub(text.len())).unwrap_or_default();
    let left = len.saturating_sub(freed);
    let bytes = left.to_le_bytes();
    out.extend_from_slice(bytes.get(..if short { 2 } else { 4 }).unwrap_or_default());
    out.extend_from_slice(&text);
    if is_null || here == len as usize { Ok(()) } else { Err(Bad::Short(len as usize)) }
}

/// All chunks become one.
fn squeeze_chunks(cursor: &mut Cursor<'_>, squeezer: Squeezer, out: &mut Vec<u8>) -> Result<(), Bad> {
    /// The length of a text is not known beforehand (2.2.5.2.3).
    const UNKNOWN: u64 = u64::MAX - 1;
    let total = cursor.u64_le()?;
    if total == u64::MAX {
        out.extend_from_slice(&total.to_le_bytes());
        return Ok(());
    }
    out.extend_from_slice(&UNKNOWN.to_le_bytes());
    let (mut text, mut missing, mut ends) = (Vec::new(), 0, false);
    while let Ok(len) = cursor.u32_le() {
        if len == 0 {
            ends = true;
            break;
        }
        let here = cursor.remaining().min(len as usize);
        text.extend_from_slice(cursor.take(here)?);
        missing = len as usize - here;
    }
    let text = squeezer(&text);
    let len = u32::try_from(text.len() + missing).unwrap_or(u32::MAX);
    if len > 0 {
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&text);
    }
    if ends {
        out.extend_from_slice(&[0; 4]);
        return Ok(());
    }
    Err(Bad::Short(missing))
}

/// A value in one piece; `None` is NULL.
fn plain<'a>(cursor: &mut Cursor<'a>, info: &TypeInfo) -> Result<Option<&'a [u8]>, Bad> {
    let len = match info.layout {
        Layout::Fixed(len) => usize::from(len),
        Layout::Byte => match cursor.u8()? {
            0 => return Ok(None),
            len => usize::from(len),
        },
        Layout::Short => match cursor.u16_le()? {
            0xffff => return Ok(None),
            len => usize::from(len),
        },
        Layout::Long | Layout::Pointer | Layout::Partial => match cursor.u32_le()? {
            0xffff_ffff => return Ok(None),
            0 if info.token == VARIANT => return Ok(None),
            len => len as usize,
        },
    };
    Ok(Some(cursor.take(len)?))
}

/// `PLP_BODY` (2.2.5.2.3); `false` is NULL.
fn chunks<'a>(cursor: &mut Cursor<'a>, mut each: impl FnMut(&'a [u8])) -> Result<bool, Bad> {
    if cursor.u64_le()? == u64::MAX {
        return Ok(false);
    }
    loop {
        match cursor.u32_le()? as usize {
            0 => return Ok(true),
            len => each(cursor.take(len)?),
        }
    }
}

/// The value of bytes.
pub fn decode(info: &TypeInfo, bytes: &[u8], max_text: usize) -> Value {
    let text = |(text, whole)| Value::Text { text, whole };
    match info.token {
        0xe7 | 0xef | NTEXT => text(text::utf16(bytes, max_text)),
        // A document of its own encoding; UTF-16 has a mark.
        XML => match bytes.strip_prefix(&[0xff, 0xfe]) {
            Some(body) => text(text::utf16(body, max_text)),
            None => text(text::narrow(bytes, max_text)),
        },
        0xa7 | 0xaf | 0x27 | 0x2f | TEXT | 0xf4 => text(text::narrow(bytes, max_text)),
        0xa5 | 0xad | 0x25 | 0x2d | IMAGE | UDT | 0xf5 => binary(bytes),
        VARIANT => variant(bytes, max_text).unwrap_or_else(|| binary(bytes)),
        _ => scalar(info, bytes).unwrap_or_else(|| binary(bytes)),
    }
}

fn binary(bytes: &[u8]) -> Value {
    Value::Binary { head: bytes.get(..MAX_BINARY).unwrap_or(bytes).to_vec(), len: bytes.len() as u64 }
}

/// `sql_variant` (2.2.5.5.4): base type, properties, value.
fn variant(bytes: &[u8], max_text: usize) -> Option<Value> {
    let mut cursor = Cursor::new(bytes);
    let token = cursor.u8().ok()?;
    let properties = usize::from(cursor.u8().ok()?);
    let properties = cursor.take(properties).ok()?;
    let scale = match token {
        0x29..=0x2b => properties.first().copied()?,
        0x6a | 0x6c => properties.get(1).copied()?,
        VARIANT => return None,
        _ => 0,
    };
    let layout = fixed_len(token).map_or(Layout::Byte, Layout::Fixed);
    Some(decode(&TypeInfo { token, layout, scale }, cursor.rest(), max_text))
}
