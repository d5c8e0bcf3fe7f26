//! Frames: the untyped startup packets and the typed messages (55.7), and texts in them.

use std::ops::RangeInclusive;

use crate::cursor::Cursor;

/// Type and length of a message.
pub const HEADER: usize = 5;
/// Length and code of a startup packet.
pub const STARTUP_HEADER: usize = 8;
/// The longest startup packet that a server takes (`MAX_STARTUP_PACKET_LENGTH`).
pub const MAX_STARTUP: usize = 10_000;
/// `PQ_SMALL_MESSAGE_LIMIT` of the server.
const SMALL: usize = 10_000;
/// `PQ_LARGE_MESSAGE_LIMIT` of the server: a GiB less one.
const LARGE: usize = 0x3fff_ffff;
/// `PG_MAX_AUTH_TOKEN_LENGTH` of the server.
const TOKEN: usize = 65_535;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Frontend,
    /// The server.
    Backend,
}

impl Side {
    pub const fn other(self) -> Self {
        match self {
            Self::Frontend => Self::Backend,
            Self::Backend => Self::Frontend,
        }
    }
}

/// What a startup packet asks for, by its code (55.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// StartupMessage of version 3 and this minor one.
    Startup(u16),
    SslRequest,
    GssEncRequest,
    CancelRequest,
}

/// Head of a startup packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartupHeader {
    pub code: Code,
    /// Bytes behind the head.
    pub len: usize,
}

/// Head of a typed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type byte.
    pub kind: u8,
    /// Bytes behind the head.
    pub len: usize,
}

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// So many bytes tell.
    Need(usize),
    /// No such type from this side; in a startup packet: no such code.
    UnknownType,
    /// No message of this type has this length.
    BadLength,
}

/// The head of a startup packet.
pub fn startup_header(bytes: &[u8]) -> Result<StartupHeader, HeaderError> {
    let Some(head) = bytes.first_chunk::<STARTUP_HEADER>() else { return Err(HeaderError::Need(STARTUP_HEADER)) };
    let [l0, l1, l2, l3, major_high, major_low, minor_high, minor_low] = *head;
    let total = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    let minor = u16::from_be_bytes([minor_high, minor_low]);
    let (code, plausible) = match (u16::from_be_bytes([major_high, major_low]), minor) {
        (3, minor) => (Code::Startup(minor), STARTUP_HEADER + 1..=MAX_STARTUP),
        // A key of four bytes, or since 3.2 of up to 256.
        (1234, 5678) => (Code::CancelRequest, 16..=12 + 256),
        (1234, 5679) => (Code::SslRequest, 8..=8),
        (1234, 5680) => (Code::GssEncRequest, 8..=8),
        _ => return Err(HeaderError::UnknownType),
    };
    if !plausible.contains(&total) {
        return Err(HeaderError::BadLength);
    }
    Ok(StartupHeader { code, len: total - STARTUP_HEADER })
}

/// The head of a message from a side.
pub fn header(side: Side, bytes: &[u8]) -> Result<Header, HeaderError> {
    let Some(&kind) = bytes.first() else { return Err(HeaderError::Need(HEADER)) };
    let plausible = body_len(side, kind).ok_or(HeaderError::UnknownType)?;
    let Some(&[_, l0, l1, l2, l3]) = bytes.first_chunk::<HEADER>() else { return Err(HeaderError::Need(HEADER)) };
    let len = (u32::from_be_bytes([l0, l1, l2, l3]) as usize).checked_sub(4).ok_or(HeaderError::BadLength)?;
    if plausible.contains(&len) { Ok(Header { kind, len }) } else { Err(HeaderError::BadLength) }
}

/// How long the body of a message is, by its format in 55.7 and by the caps of the server.
fn body_len(side: Side, kind: u8) -> Option<RangeInclusive<usize>> {
    Some(match (side, kind) {
        (Side::Frontend, b'Q') => 1..=LARGE,
        (Side::Frontend, b'P') => 4..=LARGE,
        (Side::Frontend, b'B') => 8..=LARGE,
        (Side::Frontend, b'F') => 10..=LARGE,
        (Side::Frontend, b'E') => 5..=SMALL,
        (Side::Frontend, b'C' | b'D') => 2..=SMALL,
        (Side::Frontend, b'f') => 1..=SMALL,
        (Side::Frontend, b'p') => 0..=TOKEN,
        (Side::Frontend, b'S' | b'H' | b'X') => 0..=0,
        (Side::Backend, b'R') => 4..=LARGE,
        (Side::Backend, b'K') => 8..=4 + 256,
        (Side::Backend, b'v') => 8..=LARGE,
        (Side::Backend, b'Z') => 1..=1,
        (Side::Backend, b'1' | b'2' | b'3' | b'I' | b'n' | b's') => 0..=0,
        (Side::Backend, b'C') => 1..=SMALL,
        (Side::Backend, b'E' | b'N') => 1..=LARGE,
        (Side::Backend, b'A') => 6..=LARGE,
        (Side::Backend, b'S' | b'D' | b'T' | b't') => 2..=LARGE,
        (Side::Backend, b'G' | b'H' | b'W') => 3..=LARGE,
        (Side::Backend, b'V') => 4..=LARGE,
        (_, b'd') => 0..=LARGE,
        (_, b'c') => 0..=0,
        _ => return None,
    })
}

/// The next string up to its NUL, which is passed over; `None`, and nothing is read, where there is no NUL.
pub fn cstring<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = cursor.rest().iter().position(|&byte| byte == 0)?;
    let text = cursor.take(len).ok()?;
    cursor.u8().ok()?;
    Some(text)
}

/// A short text for a record: bounded, without control characters.
pub fn printable(bytes: &[u8], max: usize) -> String {
    String::from_utf8_lossy(bytes.get(..bytes.len().min(max)).unwrap_or_default())
        .chars()
        .map(|character| if character.is_control() { '.' } else { character })
        .collect()
}

/// The head of a text of at most so many bytes, cut between characters.
pub fn head(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
