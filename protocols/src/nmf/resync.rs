//! Finding the protocol at the beginning of a flow, and its next message after a gap.

use backstop_types::Direction;

use super::record::{self, Record, RecordError};
use crate::contract::Probe;
use crate::nbfse::Dictionary;

/// `<s:Envelope`: PrefixDictionaryElementS and the static string 2, with which every SOAP message begins.
const ENVELOPE: [u8; 2] = [0x56, 0x02];
/// A string table in front of a message is not longer, where a message is looked for.
const MAX_TABLE: usize = 4 * 1024;
/// Sizes of envelopes that are believed, where a message is looked for.
const PLAUSIBLE: core::ops::RangeInclusive<u32> = 16..=256 * 1024 * 1024;

/// Recognises the preamble of a client, or a message in the middle of a session.
pub fn probe(_: Direction, bytes: &[u8]) -> Probe {
    match bytes {
        [0x00, 0x01, _, 0x01, 0x01..=0x04, 0x02, ..] => Probe::Certain,
        // A version of its own, and yet this framing: worth to be told.
        [0x00, _, _, 0x01, 0x01..=0x04, 0x02, _, b'n', b'e', b't', b'.', ..] => Probe::Certain,
        // Any version here too, or it would depend on the segments whether the framing is seen.
        [0x00, _, _, 0x01, 0x01..=0x04] | [0x00, _, _, 0x01] | [0x00, _, _] | [0x00, _] | [0x00] => Probe::MoreBytes,
        [0x00, _, _, 0x01, 0x01..=0x04, 0x02, rest @ ..] if rest.len() < 5 => Probe::MoreBytes,
        [0x0a, 0x16, 0x03, ..] => Probe::Possible,
        [0x0a | 0x0b] | [0x0a, 0x16] => Probe::MoreBytes,
        [0x0b, rest @ ..] | rest => match looks_like_envelope(rest) {
            Looks::Yes(_) => Probe::Possible,
            Looks::Need(_) => Probe::MoreBytes,
            Looks::No => Probe::No,
        },
    }
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// A sized envelope of the binary encoding.
    Yes(u32),
    /// Perhaps: so many bytes are needed to tell.
    Need(usize),
    /// Something else.
    No,
}

/// Whether a sized envelope with a string table and a SOAP message begins here.
pub fn looks_like_envelope(bytes: &[u8]) -> Looks {
    if bytes.first() != Some(&0x06) {
        return Looks::No;
    }
    let (size, header) = match record::parse(bytes) {
        Ok((Record::SizedEnvelope(size), header)) if PLAUSIBLE.contains(&size) => (size, header),
        Err(RecordError::Need(need)) => return Looks::Need(need),
        _ => return Looks::No,
    };
    let payload = bytes.get(header..).unwrap_or_default();
    let Some(table) = Dictionary::table_len(payload) else {
        return if payload.len() < 5 { Looks::Need(header + payload.len() + 1) } else { Looks::No };
    };
    if table > MAX_TABLE || table + ENVELOPE.len() > size as usize {
        return Looks::No;
    }
    match payload.get(table..table + ENVELOPE.len()) {
        Some(begin) if begin == ENVELOPE => Looks::Yes(size),
        Some(_) => Looks::No,
        None => Looks::Need(header + table + ENVELOPE.len()),
    }
}

/// Where the next message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Behind so many bytes.
    Found(usize),
    /// Perhaps behind `skip` bytes: `need` bytes from there tell.
    Perhaps { skip: usize, need: usize },
    /// Not in these bytes.
    Nowhere,
}

/// Looks for the next message. Each byte is looked at once; a candidate costs a bounded look ahead.
pub fn search(bytes: &[u8]) -> Search {
    let mut from = 0;
    while let Some(found) = bytes.get(from..).and_then(|rest| rest.iter().position(|&byte| byte == 0x06)) {
        let at = from + found;
        match looks_like_envelope(bytes.get(at..).unwrap_or_default()) {
            Looks::Yes(_) => return Search::Found(at),
            Looks::Need(need) => return Search::Perhaps { skip: at, need },
            Looks::No => from = at + 1,
        }
    }
    Search::Nowhere
}
