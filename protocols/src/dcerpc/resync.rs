//! Finding the protocol at the beginning of a flow or in its middle, and the next PDU after a gap.

use backstop_types::Direction;

use super::pdu::{HEADER, Header};
use crate::contract::Probe;

/// What a server of ncacn_http says first where no proxy stands before it ([MS-RPCE] 2.1.1.8).
pub const BANNER: &[u8] = b"ncacn_http/1.0";

/// Recognises a PDU, or the banner of a server.
pub fn probe(direction: Direction, bytes: &[u8]) -> Probe {
    if direction == Direction::ToClient && bytes.first() == BANNER.first() {
        let seen = bytes.len().min(BANNER.len());
        return match bytes.get(..seen) == BANNER.get(..seen) {
            true if seen == BANNER.len() => Probe::Certain,
            true => Probe::MoreBytes,
            false => Probe::No,
        };
    }
    match Header::fits(bytes.get(..HEADER).unwrap_or(bytes)) {
        Some(true) => Probe::Certain,
        Some(false) => Probe::No,
        None => Probe::MoreBytes,
    }
}

/// Where the next PDU begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Behind so many bytes.
    Found(usize),
    /// Perhaps behind so many bytes: a header's length from there tells.
    Perhaps(usize),
    /// Not in these bytes.
    Nowhere,
}

/// Looks for a PDU. Each byte is looked at once, a candidate costs a few more.
pub fn search(bytes: &[u8]) -> Search {
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == 5) {
        match Header::fits(bytes.get(at..at + HEADER).or_else(|| bytes.get(at..)).unwrap_or_default()) {
            Some(true) => return Search::Found(at),
            None => return Search::Perhaps(at),
            Some(false) => {}
        }
    }
    Search::Nowhere
}
