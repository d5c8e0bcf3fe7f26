//! First bytes, and the next head behind a gap.

use backstop_types::Direction;

use super::head::{Start, is_token, parse_start};
use crate::contract::Probe;
use crate::driver::MAX_PROBE;

/// The client's first bytes in HTTP/2 (RFC 9113 §3.4).
pub const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The longest method.
const MAX_METHOD: usize = 24;
/// Methods that are known behind a gap and in lines that are too long for a probe.
const METHODS: [&[u8]; 16] = [
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"CONNECT",
    b"TRACE",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"REPORT",
    b"MOVE",
    b"COPY",
    b"M-POST",
];

/// Whether the first bytes of a direction are a request or a response.
pub fn probe(direction: Direction, bytes: &[u8]) -> Probe {
    match direction {
        Direction::ToServer => request(bytes),
        Direction::ToClient => status(bytes),
    }
}

fn request(bytes: &[u8]) -> Probe {
    // RFC 9112 §2.2: an empty line or two may stand before the first request.
    let empty = bytes.iter().take(4).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let bytes = bytes.get(empty..).unwrap_or_default();
    let method = bytes.iter().take(MAX_METHOD + 1).take_while(|byte| is_token(**byte)).count();
    let word = bytes.get(..method).unwrap_or_default();
    if method > MAX_METHOD || !word.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_')) {
        return Probe::No;
    }
    if method == bytes.len() {
        return Probe::MoreBytes;
    }
    if method < 3 || !matches!(bytes.get(method), Some(b' ' | b'\t')) {
        return Probe::No;
    }
    let end = memchr::memchr(b'\n', bytes);
    let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    if !line.iter().all(|byte| matches!(byte, 0x20..=0x7e | b'\t' | b'\r' | 0x80..)) {
        return Probe::No;
    }
    if end.is_none() {
        // A target that is longer than what is looked at.
        let long = bytes.len() + empty >= MAX_PROBE && METHODS.contains(&word);
        return if long { Probe::Possible } else { Probe::MoreBytes };
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if HTTP2.starts_with(line) && line.len() == 14 {
        return Probe::Certain;
    }
    match parse_start(line) {
        Some((Start::Request { .. }, _)) => Probe::Certain,
        _ => Probe::No,
    }
}

fn status(bytes: &[u8]) -> Probe {
    let known = b"HTTP/1.";
    let seen = bytes.len().min(known.len());
    if bytes.get(..seen) != known.get(..seen) {
        return Probe::No;
    }
    match bytes.get(7..12) {
        Some(&[minor, b' ', a, b, c]) if [minor, a, b, c].iter().all(u8::is_ascii_digit) => Probe::Certain,
        Some(_) => Probe::No,
        None => Probe::MoreBytes,
    }
}

/// The start line at the end of a line behind a gap: a body may end in front of it without a line end of its own.
pub fn resume(line: &[u8], from_client: bool) -> Option<&[u8]> {
    if from_client {
        let target = memchr::memmem::rfind(line, b" HTTP/1.").filter(|at| line.len() == at + 9)?;
        let blank = line.get(..target)?.iter().rposition(|&byte| byte == b' ')?;
        let before = line.get(..blank)?;
        let method = METHODS.iter().filter(|method| before.ends_with(method)).max_by_key(|method| method.len())?;
        line.get(blank - method.len()..)
    } else {
        let at = memchr::memmem::rfind(line, b"HTTP/1.")?;
        let line = line.get(at..)?;
        matches!(status(line), Probe::Certain).then_some(line)
    }
}
