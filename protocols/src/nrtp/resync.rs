//! Finding the protocol at the beginning of a flow, and its next message behind a gap.

use backstop_types::Direction;

use super::frame;
use super::negotiate;
use crate::contract::Probe;

/// Recognises a message frame, or the handshake of a negotiated stream.
pub fn probe(_: Direction, bytes: &[u8]) -> Probe {
    match frame::begins(bytes) {
        Some(true) => Probe::Certain,
        None => Probe::MoreBytes,
        Some(false) => negotiate::probe(bytes),
    }
}

/// Where the next message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Behind so many bytes.
    Found(usize),
    /// Perhaps behind so many: more bytes tell.
    Perhaps(usize),
    /// Not in these bytes.
    Nowhere,
}

/// Looks for the next message. Each byte is looked at once; a candidate costs ten bytes.
pub fn search(bytes: &[u8]) -> Search {
    let first = frame::PREAMBLE.first().copied().unwrap_or_default();
    for at in memchr::memchr_iter(first, bytes) {
        match frame::begins(bytes.get(at..).unwrap_or_default()) {
            Some(true) => return Search::Found(at),
            None => return Search::Perhaps(at),
            Some(false) => {}
        }
    }
    Search::Nowhere
}
