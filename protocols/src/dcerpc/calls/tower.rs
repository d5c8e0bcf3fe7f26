//! The endpoint mapper (C706 appendix O): which interface is served where, as towers (appendix L, [MS-RPCE] 2.2.1.2).
//!
//! ```text
//! tower = count *floor              little-endian, whatever the call is
//! floor = length left length right  left: a protocol, of an interface its UUID and version behind; right: the address in it
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use backstop_types::Fields;

use super::text::head;
use super::{Endpoint, uuid_text};
use crate::cursor::Cursor;
use crate::dcerpc::ndr::{MAX_NAME, Ndr};

/// Towers of an answer that are kept: `ept_lookup` gives up to some hundreds.
const MAX_TOWERS: usize = 512;
/// Floors of a tower that are read; five are usual.
const MAX_FLOORS: u16 = 8;

/// A question to the endpoint mapper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// `ept_map`: where is this served?
    Map {
        /// The object, where one is named.
        object: Option<u128>,
        /// The interface and the protocol.
        wanted: Option<Endpoint>,
    },
    /// `ept_lookup`: what is served?
    Lookup {
        /// 0 is all, 1 by interface, 2 by object, 3 by both.
        inquiry: u32,
        /// The interface and its major version.
        interface: Option<(u128, u16)>,
    },
}

/// A request, as far as it can be read.
pub fn request(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Mapping> {
    Some(match opnum {
        2 => {
            let inquiry = ndr.u32()?;
            if ndr.pointer()? {
                let _object = ndr.uuid()?;
            }
            let interface = if ndr.pointer()? { Some((ndr.uuid()?, ndr.u16()?)) } else { None };
            Mapping::Lookup { inquiry, interface }
        }
        3 => {
            let object = if ndr.pointer()? { Some(ndr.uuid()?) } else { None };
            let wanted = if ndr.pointer()? { tower_argument(ndr)? } else { None };
            Mapping::Map { object: object.filter(|&object| object != 0), wanted }
        }
        _ => return None,
    })
}

/// `twr_t`: a conformant structure of a length and as many octets. `Some(None)`: not a tower that is understood.
fn tower_argument(ndr: &mut Ndr<'_>) -> Option<Option<Endpoint>> {
    let max = ndr.count()?;
    let len = usize::try_from(ndr.u32()?).ok()?;
    let octets = ndr.bytes(max)?;
    Some(tower(octets.get(..len).unwrap_or(octets)))
}

/// The endpoints of an answer.
pub fn answered(opnum: u16, ndr: &mut Ndr<'_>) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    let _ = match opnum {
        2 => looked_up(ndr, &mut endpoints),
        3 => mapped(ndr, &mut endpoints),
        _ => None,
    };
    endpoints
}

fn mapped(ndr: &mut Ndr<'_>, endpoints: &mut Vec<Endpoint>) -> Option<()> {
    let _entry = ndr.handle()?;
    let _count = ndr.u32()?;
    let (_max, _offset, actual) = (ndr.count()?, ndr.count()?, ndr.count()?);
    let mut referents = Vec::new();
    for _ in 0..actual {
        referents.push(ndr.long()?);
    }
    towers(ndr, referents, endpoints)
}

fn looked_up(ndr: &mut Ndr<'_>, endpoints: &mut Vec<Endpoint>) -> Option<()> {
    let _entry = ndr.handle()?;
    let _count = ndr.u32()?;
    let (_max, _offset, actual) = (ndr.count()?, ndr.count()?, ndr.count()?);
    let mut referents = Vec::new();
    for _ in 0..actual {
        ndr.align_pointer();
        let _object = ndr.uuid()?;
        referents.push(ndr.long()?);
        // The annotation: a varying string in its place.
        let (_offset, len) = (ndr.count()?, ndr.count()?);
        let _annotation = ndr.bytes(len)?;
    }
    towers(ndr, referents, endpoints)
}

/// What pointers point at, in their order; a full pointer whose referent was there already brings none (C706 14.3.11).
fn towers(ndr: &mut Ndr<'_>, referents: Vec<u64>, endpoints: &mut Vec<Endpoint>) -> Option<()> {
    let mut seen = std::collections::HashSet::new();
    for referent in referents {
        if endpoints.len() == MAX_TOWERS {
            ndr.give_up();
            break;
        }
        if referent != 0 && seen.insert(referent) {
            endpoints.extend(tower_argument(ndr)?);
        }
    }
    Some(())
}

/// A tower as an endpoint.
#[must_use]
pub fn tower(octets: &[u8]) -> Option<Endpoint> {
    let mut cursor = Cursor::new(octets);
    let floors = cursor.u16_le().ok()?.min(MAX_FLOORS);
    let mut endpoint = Endpoint::default();
    let mut identifiers = 0;
    for _ in 0..floors {
        let left = usize::from(cursor.u16_le().ok()?);
        let left = cursor.take(left).ok()?;
        let right = usize::from(cursor.u16_le().ok()?);
        let right = cursor.take(right).ok()?;
        let (&protocol, named) = left.split_first()?;
        match protocol {
            // An interface, and behind it the transfer syntax.
            0x0d => {
                identifiers += 1;
                if identifiers == 1 {
                    endpoint.interface = identifier(named);
                }
            }
            _ => address(protocol, right, &mut endpoint),
        }
    }
    (identifiers > 0).then_some(endpoint)
}

fn identifier(named: &[u8]) -> Option<(u128, u16)> {
    let mut cursor = Cursor::new(named);
    let (a, b, c) = (cursor.u32_le().ok()?, cursor.u16_le().ok()?, cursor.u16_le().ok()?);
    let rest = cursor.u64_be().ok()?;
    let uuid = u128::from(a) << 96 | u128::from(b) << 80 | u128::from(c) << 64 | u128::from(rest);
    Some((uuid, cursor.u16_le().ok()?))
}

/// The right side of a floor (C706 appendix I; [MS-RPCE] 2.2.1.2.4 and onwards). A port and an address of 0 are questions.
fn address(protocol: u8, right: &[u8], endpoint: &mut Endpoint) {
    let port = || right.first_chunk().map(|two| u16::from_be_bytes(*two)).filter(|&port| port != 0);
    match protocol {
        0x07 => (endpoint.protocol, endpoint.port) = ("ncacn_ip_tcp", port()),
        0x08 => (endpoint.protocol, endpoint.port) = ("ncadg_ip_udp", port()),
        0x1f => (endpoint.protocol, endpoint.port) = ("ncacn_http", port()),
        0x09 => {
            if let Ok(four) = <[u8; 4]>::try_from(right) {
                endpoint.host = Some(Ipv4Addr::from(four)).filter(|host| !host.is_unspecified()).map(|host| host.to_string());
            } else if let Ok(all) = <[u8; 16]>::try_from(right) {
                endpoint.host = Some(Ipv6Addr::from(all)).filter(|host| !host.is_unspecified()).map(|host| host.to_string());
            }
        }
        0x0f => (endpoint.protocol, endpoint.pipe) = ("ncacn_np", name(right)),
        0x0c => endpoint.protocol = "ncalrpc",
        0x10 => endpoint.pipe = name(right),
        0x11 => endpoint.host = name(right),
        _ => {}
    }
}

fn name(right: &[u8]) -> Option<String> {
    let name = right.split(|&byte| byte == 0).next().filter(|name| !name.is_empty())?;
    Some(head(&String::from_utf8_lossy(name), MAX_NAME).to_owned())
}

impl Mapping {
    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        match self {
            Self::Map { object, wanted } => {
                let mut fields = wanted.as_ref().map(Endpoint::fields).unwrap_or_default();
                fields.set_some("object", object.map(uuid_text));
                fields
            }
            Self::Lookup { inquiry, interface } => {
                let wanted = Endpoint { interface: *interface, ..Endpoint::default() };
                let mut fields = wanted.fields();
                fields.set("inquiry", *inquiry);
                fields
            }
        }
    }
}
