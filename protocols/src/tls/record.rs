//! Record headers (RFC 8446 §5.1, RFC 5246 §6.2.1), the probe, and the next header after a gap.

use backstop_types::Direction;

use super::anomaly;
use crate::contract::Probe;

/// Bytes of a record header.
pub const HEADER: usize = 5;
/// The longest fragment in the clear (RFC 8446 §5.1).
pub const MAX_PLAINTEXT: usize = 1 << 14;
/// The longest fragment with encryption and compression (RFC 5246 §6.2.3).
pub const MAX_FRAGMENT: usize = MAX_PLAINTEXT + 2048;
/// The shortest hello: version, random and an empty session id (RFC 8446 §4.1.3).
const MIN_HELLO: u32 = 35;
/// The longest hello that is believed by the probe.
const MAX_HELLO: u32 = 1 << 17;

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// 20 (RFC 5246 §7.1).
    ChangeCipherSpec,
    /// 21.
    Alert,
    /// 22.
    Handshake,
    /// 23.
    ApplicationData,
    /// 24 (RFC 6520).
    Heartbeat,
}

impl ContentType {
    /// As it stands on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::ChangeCipherSpec => 20,
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::ApplicationData => 23,
            Self::Heartbeat => 24,
        }
    }
}

/// A record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: ContentType,
    pub version: u16,
    /// Bytes of the fragment.
    pub len: usize,
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// So many bytes tell.
    Need(usize),
    /// Something else stands here.
    Bad(&'static str),
}

/// Reads a header.
pub fn header(bytes: &[u8]) -> Result<Header, HeaderError> {
    let Some(&[kind, major, minor, high, low]) = bytes.first_chunk::<HEADER>() else { return Err(HeaderError::Need(HEADER)) };
    let kind = match kind {
        20 => ContentType::ChangeCipherSpec,
        21 => ContentType::Alert,
        22 => ContentType::Handshake,
        23 => ContentType::ApplicationData,
        24 => ContentType::Heartbeat,
        _ => return Err(HeaderError::Bad(anomaly::BAD_RECORD)),
    };
    if major != 3 || minor > 4 {
        return Err(HeaderError::Bad(anomaly::BAD_RECORD));
    }
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_FRAGMENT {
        return Err(HeaderError::Bad(anomaly::RECORD_TOO_LONG));
    }
    Ok(Header { kind, version: u16::from_be_bytes([major, minor]), len })
}

/// Recognises a hello, whole or in fragments, or application data in the middle of a session. A hello in the form of
/// SSL 2.0 (RFC 5246 appendix E.2) is not for this parser.
pub fn probe(_: Direction, bytes: &[u8]) -> Probe {
    match bytes {
        [] | [22 | 23] | [22 | 23, 3] => Probe::MoreBytes,
        [22, 3, 0..=4, ..] => probe_hello(bytes),
        [23, 3, 1..=3, ..] => probe_application_data(bytes),
        _ => Probe::No,
    }
}

/// The first six bytes of the message, from as many records as they take.
fn probe_hello(bytes: &[u8]) -> Probe {
    let mut start = [0_u8; 6];
    let mut seen = 0;
    let mut rest = bytes;
    while seen < start.len() {
        let len = match header(rest) {
            Ok(Header { kind: ContentType::Handshake, len, .. }) if (1..=MAX_PLAINTEXT).contains(&len) => len,
            Err(HeaderError::Need(_)) if rest.first().is_none_or(|&kind| kind == 22) => return Probe::MoreBytes,
            _ => return Probe::No,
        };
        let body = rest.get(HEADER..).unwrap_or_default();
        let body = body.get(..len).unwrap_or(body);
        if seen == 0 && body.first().is_some_and(|kind| !matches!(kind, 1 | 2)) {
            return Probe::No;
        }
        for (slot, byte) in start.iter_mut().skip(seen).zip(body) {
            *slot = *byte;
        }
        seen += body.len();
        if body.len() < len {
            break;
        }
        rest = rest.get(HEADER + len..).unwrap_or_default();
    }
    if seen < start.len() {
        return Probe::MoreBytes;
    }
    let [_, high, middle, low, major, _] = start;
    let len = u32::from_be_bytes([0, high, middle, low]);
    if major == 3 && (MIN_HELLO..=MAX_HELLO).contains(&len) { Probe::Certain } else { Probe::No }
}

/// Three bytes prove little: the record behind must be there too.
fn probe_application_data(bytes: &[u8]) -> Probe {
    let first = match header(bytes) {
        Ok(first) if first.len > 0 => first,
        Err(HeaderError::Need(_)) => return Probe::MoreBytes,
        _ => return Probe::No,
    };
    match bytes.get(HEADER + first.len..).map(header) {
        Some(Ok(second)) if second.version == first.version && second.len > 0 => Probe::Possible,
        None | Some(Err(HeaderError::Need(_))) => Probe::MoreBytes,
        Some(_) => Probe::No,
    }
}

/// Where the next header may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Behind so many bytes.
    Found(usize, Header),
    /// Perhaps behind so many bytes: a whole header tells.
    Perhaps(usize),
    /// Not in these bytes.
    Nowhere,
}

/// A header that a search believes. Heartbeats are too rare.
pub fn is_plausible(header: &Header, version: Option<u16>) -> bool {
    header.len > 0 && header.kind != ContentType::Heartbeat && version.is_none_or(|version| version == header.version)
}

/// Looks for the next header. Each byte is looked at once.
pub fn search(bytes: &[u8], version: Option<u16>) -> Search {
    for (at, &byte) in bytes.iter().enumerate() {
        if !(20..=23).contains(&byte) {
            continue;
        }
        match header(bytes.get(at..).unwrap_or_default()) {
            Ok(header) if is_plausible(&header, version) => return Search::Found(at, header),
            Err(HeaderError::Need(_)) => return Search::Perhaps(at),
            _ => {}
        }
    }
    Search::Nowhere
}
