//! Finding the protocol at the beginning of a flow or in its middle, and the next frame after a gap.

use backstop_types::Direction;

use super::frame;
use crate::contract::Probe;

/// A frame's header, a message's first four bytes, and the size of an SMB 2 header behind them.
const SEEN: usize = 10;
/// Two names of 34 bytes (RFC 1002 §4.3.2).
const SESSION_REQUEST: &[u8] = b"\x81\x00\x00\x44\x20";

/// Whether a frame with a message may begin so: `None`: too few bytes.
fn begins(bytes: &[u8]) -> Option<bool> {
    let mut fits = bytes.first().is_none_or(|first| *first == 0)
        && bytes.get(4).is_none_or(|magic| matches!(magic, 0xfc..=0xff))
        && bytes.iter().skip(5).zip(b"SMB").all(|(byte, expected)| byte == expected);
    if bytes.get(4) == Some(&0xfe) {
        // 2.2.1: the structure's size.
        fits &= bytes.iter().skip(8).zip([64, 0]).all(|(byte, expected)| *byte == expected);
    }
    // No message is shorter than a header.
    if let Some(header) = bytes.first_chunk::<{ frame::HEADER }>() {
        fits &= frame::parse(*header).is_some_and(|(_, len)| len >= 32);
    }
    match fits {
        true if bytes.len() < SEEN => None,
        fits => Some(fits),
    }
}

/// Recognises a frame with a message, or a session request.
pub fn probe(_: Direction, bytes: &[u8]) -> Probe {
    match begins(bytes) {
        Some(true) => return Probe::Certain,
        None => return Probe::MoreBytes,
        Some(false) => {}
    }
    if bytes.len() < SESSION_REQUEST.len() {
        return if SESSION_REQUEST.starts_with(bytes) { Probe::MoreBytes } else { Probe::No };
    }
    if bytes.starts_with(SESSION_REQUEST) { Probe::Certain } else { Probe::No }
}

/// Where the next frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Behind so many bytes.
    Found(usize),
    /// Perhaps behind `skip` bytes: `need` bytes from there tell.
    Perhaps { skip: usize, need: usize },
    /// Not in these bytes.
    Nowhere,
}

/// Looks for a frame with a message. Each byte is looked at once, a candidate costs a few more.
pub fn search(bytes: &[u8]) -> Search {
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == 0) {
        match begins(bytes.get(at..at + SEEN).or_else(|| bytes.get(at..)).unwrap_or_default()) {
            Some(true) => return Search::Found(at),
            None => return Search::Perhaps { skip: at, need: SEEN },
            Some(false) => {}
        }
    }
    Search::Nowhere
}
