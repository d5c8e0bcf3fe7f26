//! Finding the protocol at the beginning of a flow or in its middle, and the next packet after a gap.

use backstop_types::Direction;

use super::connection::version_name;
use super::packet::{self, HEADER, Header};
use super::{request, smp};
use crate::contract::Probe;
use crate::cursor::Cursor;

/// ALL_HEADERS of a request in the middle are not longer, where they are looked for.
const MAX_HEADERS: u32 = 256;

/// Recognises a PRELOGIN or LOGIN7; or, in the middle of a session, a request or reply by its first packet.
pub fn probe(_: Direction, bytes: &[u8]) -> Probe {
    if bytes.first() == Some(&smp::SMID) { probe_smp(bytes) } else { probe_packet(bytes) }
}

fn probe_packet(bytes: &[u8]) -> Probe {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        // What is not there yet could still fit.
        let mut perhaps = [0, 0, 1, 0, 0, 0, 0, 0];
        if let [_, _, _, ..] = bytes {
            perhaps[3] = 0xff;
        }
        for (slot, &byte) in perhaps.iter_mut().zip(bytes) {
            *slot = byte;
        }
        let fits = bytes.is_empty() || Header::parse(perhaps).is_some();
        return if fits { Probe::MoreBytes } else { Probe::No };
    };
    // Of what looks like a login the contents are proof enough; in the middle of a session the header has to be as it should.
    let begins = |header: &Header| header.clean || matches!(header.kind, packet::PRELOGIN | packet::LOGIN7);
    let Some(header) = Header::parse(*header).filter(begins) else { return Probe::No };
    let payload = bytes.get(HEADER..).unwrap_or_default();
    let payload = payload.get(..header.payload).unwrap_or(payload);
    match header.kind {
        packet::PRELOGIN => probe_prelogin(&header, payload),
        packet::TABULAR_RESULT if payload.first() == Some(&0) => probe_prelogin(&header, payload),
        packet::TABULAR_RESULT => probe_reply(&header, payload),
        packet::LOGIN7 => probe_login(&header, payload),
        packet::SQL_BATCH | packet::RPC | packet::TRANSACTION_MANAGER => probe_request(&header, payload),
        _ => Probe::No,
    }
}

/// The first option is the version, of six bytes, behind all options (2.2.6.5).
fn probe_prelogin(header: &Header, payload: &[u8]) -> Probe {
    if !header.ends() || header.payload < 12 {
        return Probe::No;
    }
    match *payload {
        [0, high, low, 0, 6, ..] => {
            let offset = usize::from(u16::from_be_bytes([high, low]));
            let fits = offset >= 6 && offset + 6 <= header.payload;
            if fits { Probe::Certain } else { Probe::No }
        }
        [] | [0] | [0, _] | [0, _, _] | [0, _, _, 0] => Probe::MoreBytes,
        _ => Probe::No,
    }
}

/// The length of LOGIN7 and its version (2.2.6.4).
fn probe_login(header: &Header, payload: &[u8]) -> Probe {
    if header.payload < 8 {
        return Probe::No;
    }
    let mut cursor = Cursor::new(payload);
    let (Ok(len), Ok(version)) = (cursor.u32_le(), cursor.u32_le()) else { return Probe::MoreBytes };
    let fits = if header.ends() { len as usize == header.payload } else { len as usize > header.payload };
    if fits && version_name(version).is_some() { Probe::Certain } else { Probe::No }
}

/// Headers of the right shape, or else a text or call that begins as they do.
fn probe_request(header: &Header, payload: &[u8]) -> Probe {
    if header.payload < 4 {
        return Probe::No;
    }
    let Some(&[a, b, c, d]) = payload.first_chunk::<4>() else { return Probe::MoreBytes };
    let total = u32::from_le_bytes([a, b, c, d]);
    if (10..=MAX_HEADERS).contains(&total) && total as usize <= header.payload {
        return match payload.get(..total as usize) {
            Some(_) if request::split_headers(payload).1 => Probe::Possible,
            Some(_) => Probe::No,
            None => Probe::MoreBytes,
        };
    }
    // Up to 7.1: two letters, or a number or name.
    let letter = |low: u8, high: u8| high == 0 && (low.is_ascii_graphic() || low.is_ascii_whitespace());
    let looks = match header.kind {
        packet::SQL_BATCH => letter(a, b) && letter(c, d),
        packet::RPC => (a == 0xff && b == 0xff && (1..=15).contains(&c) && d == 0) || (a > 0 && b == 0 && letter(c, d)),
        _ => false,
    };
    if looks { Probe::Possible } else { Probe::No }
}

/// A token that begins a reply, and its length.
fn probe_reply(header: &Header, payload: &[u8]) -> Probe {
    if header.payload < 5 {
        return Probe::No;
    }
    let Some((&token, rest)) = payload.split_first() else { return Probe::MoreBytes };
    if !matches!(token, 0x79 | 0x81 | 0xaa | 0xab | 0xad | 0xe3 | 0xfd..=0xff) {
        return Probe::No;
    }
    let Some(&[low, high]) = rest.first_chunk::<2>() else { return Probe::MoreBytes };
    let number = u16::from_le_bytes([low, high]);
    let fits = match token {
        0x79 => true,
        0x81 => (1..=4_096).contains(&number) || number == u16::MAX,
        0xaa | 0xab | 0xad | 0xe3 => number > 2 && (usize::from(number) + 3 <= header.payload || !header.ends()),
        _ => number & !0x01ff == 0 && header.payload >= 9,
    };
    if fits { Probe::Possible } else { Probe::No }
}

/// Data of a session that begins with a packet, or another header behind one without data.
fn probe_smp(bytes: &[u8]) -> Probe {
    let Some(header) = bytes.first_chunk::<{ smp::HEADER }>() else {
        let begins = matches!(bytes, [_] | [_, 1 | 2 | 4 | 8, ..]);
        return if begins { Probe::MoreBytes } else { Probe::No };
    };
    let Some(header) = smp::Header::parse(*header) else { return Probe::No };
    let rest = bytes.get(smp::HEADER..).unwrap_or_default();
    if header.kind == smp::Kind::Data {
        // Inside a packet nothing can be told.
        return match probe_packet(rest) {
            Probe::Certain if header.payload > 8 => Probe::Possible,
            other if header.payload > 8 => other,
            _ => Probe::No,
        };
    }
    match rest.first_chunk::<{ smp::HEADER }>() {
        Some(next) if smp::Header::parse(*next).is_some() => Probe::Possible,
        None if rest.first().is_none_or(|&first| first == smp::SMID) => Probe::MoreBytes,
        _ => Probe::No,
    }
}

/// What is known of the packets of a direction.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub from_client: Option<bool>,
    /// The packet size in use.
    pub size: Option<usize>,
    /// The server writes the same number in every packet.
    pub spid: Option<u16>,
    /// Sessions are multiplexed.
    pub multiplexed: bool,
}

impl Expected {
    fn allows(&self, header: &Header) -> bool {
        let (size, len) = (self.size.unwrap_or(packet::MAX_PACKET), header.payload + HEADER);
        let kind = match header.kind {
            packet::TABULAR_RESULT => {
                self.from_client != Some(true) && header.payload > 0 && self.spid.is_none_or(|spid| spid == header.spid)
            }
            packet::SQL_BATCH | packet::RPC | packet::BULK_LOAD | packet::TRANSACTION_MANAGER => {
                self.from_client != Some(false) && header.payload > 0
            }
            packet::ATTENTION => self.from_client != Some(false) && header.payload == 0 && header.ends(),
            _ => false,
        };
        // A packet that does not end its message is full.
        kind && header.clean && if header.ends() { len <= size } else { len >= 512 && self.size.is_none_or(|size| len == size) }
    }
}

/// Where the next packet begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Behind so many bytes, and whether it may be the first of its message.
    Found(usize, bool),
    /// Perhaps behind `skip` bytes: `need` bytes from there tell.
    Perhaps { skip: usize, need: usize },
    /// Not in these bytes.
    Nowhere,
}

/// Looks for a packet. Each byte is looked at once, a candidate costs a header.
pub fn search(bytes: &[u8], expected: &Expected) -> Search {
    for (at, &byte) in bytes.iter().enumerate() {
        let rest = bytes.get(at..).unwrap_or_default();
        let found = if expected.multiplexed {
            if byte != smp::SMID || !matches!(rest, [_] | [_, 1 | 2 | 4 | 8, ..]) {
                continue;
            }
            multiplexed(rest, expected)
        } else {
            if !matches!(byte, 1 | 3 | 4 | 6 | 7 | 14) {
                continue;
            }
            let header = rest.first_chunk::<HEADER>().map(|head| Header::parse(*head));
            header.map(|header| header.filter(|header| expected.allows(header)))
        };
        match found {
            None => return Search::Perhaps { skip: at, need: if expected.multiplexed { smp::HEADER + HEADER } else { HEADER } },
            Some(Some(header)) => return Search::Found(at, !header.is_servers() || header.id <= 1),
            Some(None) => {}
        }
    }
    Search::Nowhere
}

/// A packet inside a session; `None`: too few bytes.
fn multiplexed(bytes: &[u8], expected: &Expected) -> Option<Option<Header>> {
    let outer = smp::Header::parse(*bytes.first_chunk()?);
    let inner = Header::parse(*bytes.get(smp::HEADER..)?.first_chunk()?);
    let data = outer.is_some_and(|outer| outer.kind == smp::Kind::Data);
    Some(inner.filter(|inner| data && expected.allows(inner)))
}
