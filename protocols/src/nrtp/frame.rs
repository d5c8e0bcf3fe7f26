//! Message frames ([MS-NRTP] 2.2.3), a field group at a time: what is not whole says exactly how many bytes it needs.

use super::anomaly;
use crate::cursor::{Cursor, Short};

/// 2.2.3.3: `.NET`.
pub const PREAMBLE: &[u8] = b".NET";
/// Bytes of a text in a header that are waited for; of a longer one the head is read and the rest passed over.
const MAX_STRING: usize = 16 * 1024;
/// Bytes of one that are kept.
pub const MAX_KEPT: usize = 1_024;

/// 2.2.3.1.1 `OperationType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// 0: an answer follows.
    #[default]
    Request,
    /// 1: none does.
    OneWay,
    /// 2.
    Reply,
}

/// How content follows the headers (2.2.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// So many bytes.
    Sized(u32),
    /// In chunks.
    Chunked,
}

/// The fixed part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// What it is.
    pub operation: Operation,
    /// How its content comes.
    pub delivery: Delivery,
    /// The version is another than 1.0.
    pub odd_version: bool,
}

/// A header (2.2.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// 0: content follows.
    End,
    /// 1: its name. The value follows.
    Name(String),
    /// Its value.
    Custom(String),
    /// 2: 0 is success.
    StatusCode(u16),
    /// 3.
    StatusPhrase(String),
    /// 4.
    RequestUri(String),
    /// 5.
    CloseConnection,
    /// 6.
    ContentType(String),
    /// One that is not known, by its token.
    Other(u16),
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// So many bytes are needed, from the first.
    Need(usize),
    /// It breaks the format: name of the anomaly.
    Bad(&'static str),
}

impl From<Short> for FrameError {
    fn from(short: Short) -> Self {
        Self::Need(short.need)
    }
}

/// Reads the fixed part; and the bytes it takes.
///
/// # Errors
/// It is not whole, or none.
pub fn start(bytes: &[u8]) -> Result<(Start, usize), FrameError> {
    let mut cursor = Cursor::new(bytes);
    // Something else is seen by its first byte that differs, however the stream is cut.
    let head = bytes.get(..PREAMBLE.len().min(bytes.len())).unwrap_or_default();
    if !PREAMBLE.starts_with(head) {
        return Err(FrameError::Bad(anomaly::BAD_PREAMBLE));
    }
    if head.len() < PREAMBLE.len() {
        return Err(FrameError::Need(head.len() + 1));
    }
    cursor.take(PREAMBLE.len())?;
    let version = [cursor.u8()?, cursor.u8()?];
    let operation = match cursor.u16_le()? {
        0 => Operation::Request,
        1 => Operation::OneWay,
        2 => Operation::Reply,
        _ => return Err(FrameError::Bad(anomaly::BAD_OPERATION)),
    };
    let delivery = match cursor.u16_le()? {
        0 => Delivery::Sized(u32::try_from(cursor.i32_le()?).map_err(|_| FrameError::Bad(anomaly::BAD_LENGTH))?),
        1 => Delivery::Chunked,
        _ => return Err(FrameError::Bad(anomaly::BAD_OPERATION)),
    };
    Ok((Start { operation, delivery, odd_version: version != [1, 0] }, cursor.position()))
}

/// Whether a frame begins here: `None` where more bytes tell.
pub fn begins(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [b'.', b'N', b'E', b'T', major, minor, operation, 0, delivery, 0, ..] => {
            Some(*operation <= 2 && *delivery <= 1 && *major <= 4 && *minor <= 9)
        }
        [] => None,
        _ if bytes.len() >= 10 => Some(false),
        head => {
            let text = head.get(..PREAMBLE.len().min(head.len())).unwrap_or_default();
            let fits = PREAMBLE.starts_with(text)
                && head.get(4).is_none_or(|major| *major <= 4)
                && head.get(5).is_none_or(|minor| *minor <= 9)
                && head.get(6).is_none_or(|operation| *operation <= 2)
                && head.get(7).is_none_or(|high| *high == 0)
                && head.get(8).is_none_or(|delivery| *delivery <= 1);
            if fits { None } else { Some(false) }
        }
    }
}

/// What was read of the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What it is.
    pub header: Header,
    /// The bytes it takes …
    pub used: usize,
    /// … and those behind them that are passed over.
    pub skip: u64,
}

/// Reads the value of a header whose name was read.
///
/// # Errors
/// It is not whole, or breaks the format.
pub fn custom(bytes: &[u8]) -> Result<Read, FrameError> {
    let mut cursor = Cursor::new(bytes);
    let (value, skip) = counted(&mut cursor)?;
    Ok(Read { header: Header::Custom(value), used: cursor.position(), skip })
}

/// Reads the next header.
///
/// # Errors
/// It is not whole, or breaks the format.
pub fn header(bytes: &[u8]) -> Result<Read, FrameError> {
    let mut cursor = Cursor::new(bytes);
    let token = cursor.u16_le()?;
    let mut skip = 0;
    let header = match token {
        0 => Header::End,
        // Without a format: a name and a value.
        1 => {
            let (name, behind) = counted(&mut cursor)?;
            skip = behind;
            Header::Name(name)
        }
        _ => {
            let (value, behind) = value(&mut cursor)?;
            skip = behind;
            match (token, value) {
                (2, Value::Number(code)) => Header::StatusCode(u16::try_from(code).unwrap_or(u16::MAX)),
                (3, Value::Text(text)) => Header::StatusPhrase(text),
                (4, Value::Text(text)) => Header::RequestUri(text),
                (5, _) => Header::CloseConnection,
                (6, Value::Text(text)) => Header::ContentType(text),
                _ => Header::Other(token),
            }
        }
    };
    Ok(Read { header, used: cursor.position(), skip })
}

enum Value {
    Void,
    Text(String),
    Number(u32),
}

/// 2.2.3.1.3 `HeaderDataFormat`.
fn value(cursor: &mut Cursor<'_>) -> Result<(Value, u64), FrameError> {
    let value = match cursor.u8()? {
        0 => Value::Void,
        1 => {
            let (text, skip) = counted(cursor)?;
            return Ok((Value::Text(text), skip));
        }
        2 => Value::Number(u32::from(cursor.u8()?)),
        3 => Value::Number(u32::from(cursor.u16_le()?)),
        4 => Value::Number(cursor.u32_le()?),
        _ => return Err(FrameError::Bad(anomaly::BAD_HEADER)),
    };
    Ok((value, 0))
}

/// 2.2.3.2.1 `CountedString`: encoding (0 UTF-16, 1 UTF-8), length in bytes, text. Readers take a length that is not positive for no
/// text, and look at the encoding of others only. How much of the text is not among the bytes taken.
fn counted(cursor: &mut Cursor<'_>) -> Result<(String, u64), FrameError> {
    let encoding = cursor.u8()?;
    let len = usize::try_from(cursor.i32_le()?).unwrap_or(0);
    if encoding > 1 && len > 0 {
        return Err(FrameError::Bad(anomaly::BAD_HEADER));
    }
    let waited_for = if len > MAX_STRING { MAX_KEPT } else { len };
    let bytes = cursor.take(waited_for)?;
    let head = bytes.get(..MAX_KEPT.min(waited_for)).unwrap_or_default();
    let text = if encoding == 1 {
        String::from_utf8_lossy(head).into_owned()
    } else {
        let units = head.chunks_exact(2).map(|pair| u16::from_le_bytes(pair.first_chunk().copied().unwrap_or_default()));
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    let text = text.chars().map(|character| if character.is_control() { '.' } else { character }).collect();
    Ok((text, (len - waited_for) as u64))
}

/// A chunk's length (2.2.3.3.1); its data and CR LF follow. Zero: the last.
///
/// # Errors
/// It is not whole, or negative.
pub fn chunk(bytes: &[u8]) -> Result<(u32, usize), FrameError> {
    let mut cursor = Cursor::new(bytes);
    let len = u32::try_from(cursor.i32_le()?).map_err(|_| FrameError::Bad(anomaly::BAD_LENGTH))?;
    Ok((len, cursor.position()))
}
