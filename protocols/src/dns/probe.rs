//! First bytes. A message has no mark of its own: everything in it must fit.

use backstop_types::Direction;

use super::message::{HEADER, Header, words};
use super::name;
use crate::contract::Probe;

/// Bytes of the length before a message in a stream (RFC 7766 §8).
pub const PREFIX: usize = 2;

/// A whole datagram.
pub fn datagram(direction: Direction, bytes: &[u8]) -> Probe {
    let Some(header) = Header::read(bytes).filter(|header| fits(direction, header)) else { return Probe::No };
    let Ok(Some(mut at)) = question(bytes) else { return Probe::No };
    // A record has 11 bytes at least.
    let records: usize = header.counts.iter().skip(1).map(|count| usize::from(*count)).sum();
    if records * 11 > bytes.len() {
        return Probe::No;
    }
    for _ in 0..records {
        let Ok(end) = name::skip(bytes, at) else { return Probe::No };
        let Some(&[high, low]) = bytes.get(end + 8..).and_then(<[u8]>::first_chunk::<2>) else { return Probe::No };
        at = end + 10 + usize::from(u16::from_be_bytes([high, low]));
    }
    if at == bytes.len() { Probe::Certain } else { Probe::No }
}

/// The first bytes of a stream.
pub fn stream(direction: Direction, bytes: &[u8]) -> Probe {
    let Some(len) = bytes.first_chunk::<PREFIX>().map(|len| usize::from(u16::from_be_bytes(*len))) else {
        return Probe::MoreBytes;
    };
    if len < HEADER + 5 {
        return Probe::No;
    }
    let here = bytes.get(PREFIX..bytes.len().min(PREFIX + len)).unwrap_or_default();
    let Some(header) = Header::read(here) else {
        // The first byte of the flags already tells the direction, and that it is a standard query.
        let flags = here.get(2).map(|high| high >> 7 == u8::from(direction == Direction::ToClient) && high & 0x78 == 0);
        return if flags == Some(false) { Probe::No } else { Probe::MoreBytes };
    };
    if !fits(direction, &header) {
        return Probe::No;
    }
    match question(here) {
        Ok(Some(_)) => Probe::Certain,
        Ok(None) if here.len() < len => Probe::MoreBytes,
        Ok(None) | Err(()) => Probe::No,
    }
}

/// A standard query, or the answer to one, with one question.
fn fits(direction: Direction, header: &Header) -> bool {
    let response = header.flags & 0x8000 != 0;
    let [questions, answers, authorities, additionals] = header.counts;
    let counts = if response { true } else { answers == 0 && authorities <= 1 && additionals <= 2 };
    // Opcode and the reserved bit are zero; a query has no code, and is not authoritative.
    let flags = header.flags & 0x7840 == 0 && (response || header.flags & 0x048f == 0);
    response == (direction == Direction::ToClient) && questions == 1 && counts && flags
}

/// Where the question ends; `None`: further on than the bytes.
fn question(bytes: &[u8]) -> Result<Option<usize>, ()> {
    let end = match name::skip(bytes, HEADER) {
        Ok(end) => end,
        Err(name::NameError::Short) => return Ok(None),
        Err(name::NameError::Bad) => return Err(()),
    };
    let label = usize::from(bytes.get(HEADER).copied().unwrap_or(0));
    let first = bytes.get(HEADER + 1..HEADER + 1 + label).unwrap_or_default();
    // NetBIOS names (RFC 1002 §4.1) are half bytes as letters from A to P. Nothing is before a first name to point to.
    let netbios = label == 32 && first.iter().all(|byte| matches!(byte, b'A'..=b'P'));
    if netbios || label > 63 {
        return Err(());
    }
    let Ok([kind, class]) = words(bytes, end) else { return Ok(None) };
    let known = matches!(kind, 1..=110 | 249..=262 | 32_768..=32_769) && matches!(class, 1 | 3 | 4 | 254 | 255);
    if known { Ok(Some(end + 4)) } else { Err(()) }
}
