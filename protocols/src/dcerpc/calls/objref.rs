//! References to objects ([MS-DCOM] 2.2.18) and bindings (2.2.19).
//!
//! ```text
//! objref  = "MEOW" flags iid (standard / handler / custom / extended)      little-endian, whatever the call is
//! custom  = clsid extension-size size data
//! binding = tower-id address 0                                             UTF-16; "host[port]"
//! ```

use backstop_types::Fields;

use super::{Endpoint, Marshalling, interface_name, uuid_text};
use crate::dcerpc::ndr::{MAX_NAME, Ndr};

const SIGNATURE: u32 = 0x574f_454d;

/// Interfaces that are kept.
const MAX_INTERFACES: usize = 64;
/// Bindings that are kept.
const MAX_BINDINGS: usize = 64;

const LITTLE: Marshalling = Marshalling { little: true, ndr64: false };

/// A reference to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// To an interface of an object that is elsewhere.
    Remote(Remote),
    /// The object itself, as its class writes it.
    Custom {
        /// The class that reads it.
        class: u128,
        /// What it wrote.
        data: &'a [u8],
        /// Bytes of an extension that its sender says to be in front of that.
        extension: usize,
    },
}

/// An interface of an object on another machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// The interface.
    pub interface: u128,
    /// Its pointer's id: the object UUID of calls to it.
    pub ipid: u128,
    /// Who exports it.
    pub oxid: u64,
    /// Where its resolver is.
    pub bindings: Vec<Endpoint>,
}

impl Remote {
    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        if self.interface != 0 {
            fields.set("uuid", uuid_text(self.interface)).set_some("interface", interface_name(self.interface));
        }
        fields.set("ipid", uuid_text(self.ipid)).set("oxid", format!("{:016x}", self.oxid));
        fields
    }
}

/// Reads a reference.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Reference<'_>> {
    let mut ndr = Ndr::new(bytes, LITTLE);
    let (signature, flags, interface) = (ndr.u32()?, ndr.u32()?, ndr.uuid()?);
    if signature != SIGNATURE {
        return None;
    }
    Some(match flags {
        4 => {
            let (class, extension, _size) = (ndr.uuid()?, ndr.u32()?, ndr.u32()?);
            Reference::Custom { class, data: ndr.rest(), extension: usize::try_from(extension).ok()? }
        }
        1 | 2 | 8 => {
            let mut remote = standard(&mut ndr)?;
            remote.interface = interface;
            match flags {
                2 => {
                    let _handler = ndr.uuid()?;
                }
                8 => {
                    let _signature = ndr.u32()?;
                }
                _ => {}
            }
            remote.bindings = packed(&mut ndr).unwrap_or_default();
            Reference::Remote(remote)
        }
        _ => return None,
    })
}

impl<'a> Reference<'a> {
    /// What a class wrote, by what `read` makes of it: there should be no extension ([MS-DCOM] 2.2.18.6), and whether one that
    /// is told is stepped over differs.
    pub fn custom<T>(self, read: impl Fn(&'a [u8]) -> Option<T>) -> Option<T> {
        let Self::Custom { data, extension, .. } = self else { return None };
        read(data).or_else(|| read(data.get(extension..)?))
    }
}

/// `STDOBJREF` ([MS-DCOM] 2.2.18.2).
pub fn standard(ndr: &mut Ndr<'_>) -> Option<Remote> {
    ndr.align(8);
    let (_flags, _references, oxid, _oid, ipid) = (ndr.u32()?, ndr.u32()?, ndr.u64()?, ndr.u64()?, ndr.uuid()?);
    Some(Remote { ipid, oxid, ..Remote::default() })
}

/// `DUALSTRINGARRAY` as it stands in a reference, without a count in front ([MS-DCOM] 2.2.19.1).
fn packed(ndr: &mut Ndr<'_>) -> Option<Vec<Endpoint>> {
    let (entries, security) = (ndr.u16()?, ndr.u16()?);
    let (bytes, _) = ndr.up_to(usize::from(entries) * 2);
    Some(bindings(bytes, security, true))
}

/// The same behind a unique pointer of a call.
pub fn unique_bindings(ndr: &mut Ndr<'_>, little: bool) -> Option<Vec<Endpoint>> {
    if ndr.pointer()? { conformant(ndr, little) } else { Some(Vec::new()) }
}

/// `DUALSTRINGARRAY` in NDR: a conformant structure.
pub fn conformant(ndr: &mut Ndr<'_>, little: bool) -> Option<Vec<Endpoint>> {
    let max = ndr.count()?;
    let (_entries, security) = (ndr.u16()?, ndr.u16()?);
    let bytes = ndr.bytes(max.checked_mul(2)?)?;
    Some(bindings(bytes, security, little))
}

fn bindings(bytes: &[u8], security: u16, little: bool) -> Vec<Endpoint> {
    let strings = bytes.get(..usize::from(security) * 2).unwrap_or(bytes);
    let mut units =
        strings.as_chunks::<2>().0.iter().map(|pair| if little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) });
    let mut out = Vec::new();
    while out.len() < MAX_BINDINGS {
        let Some(tower) = units.next().filter(|&tower| tower != 0) else { break };
        let address: Vec<u16> = units.by_ref().take_while(|&unit| unit != 0).collect();
        let address = String::from_utf16_lossy(address.get(..MAX_NAME).unwrap_or(&address));
        out.push(endpoint(tower, &address));
    }
    out
}

/// `host[endpoint]`, the endpoint left out where the well-known one is meant.
fn endpoint(tower: u16, address: &str) -> Endpoint {
    let (host, inside) = match address.split_once('[') {
        Some((host, rest)) => (host, rest.trim_end_matches(']')),
        None => (address, ""),
    };
    let protocol = match tower {
        0x07 => "ncacn_ip_tcp",
        0x08 => "ncadg_ip_udp",
        0x0f => "ncacn_np",
        0x1f => "ncacn_http",
        _ => "",
    };
    let (port, pipe) = match (protocol, inside) {
        (_, "") => (None, None),
        ("ncacn_np", pipe) => (None, Some(pipe.to_owned())),
        (_, port) => (port.parse().ok(), None),
    };
    let host = Some(host.to_owned()).filter(|host| !host.is_empty());
    Endpoint { interface: None, protocol, host, port, pipe }
}

/// UUIDs of a conformant array.
pub fn uuids(ndr: &mut Ndr<'_>) -> Option<Vec<u128>> {
    let mut out = Vec::new();
    for _ in 0..ndr.count()? {
        let uuid = ndr.uuid()?;
        if out.len() < MAX_INTERFACES {
            out.push(uuid);
        } else {
            ndr.give_up();
        }
    }
    Some(out)
}

/// A conformant array of pointers to references, and those behind it.
pub fn pointed(ndr: &mut Ndr<'_>) -> Option<Vec<Remote>> {
    let mut present = 0_usize;
    for _ in 0..ndr.count()? {
        present += usize::from(ndr.pointer()?);
    }
    let mut out = Vec::new();
    for _ in 0..present.min(MAX_INTERFACES) {
        if let Some(Reference::Remote(remote)) = read(interface_pointer(ndr)?) {
            out.push(remote);
        }
    }
    Some(out)
}

/// `MInterfacePointer` ([MS-DCOM] 2.2.14): a conformant structure of a length and as many bytes. Of a cut one, what is there.
pub fn interface_pointer<'a>(ndr: &mut Ndr<'a>) -> Option<&'a [u8]> {
    let max = ndr.count()?;
    let len = usize::try_from(ndr.u32()?).ok()?;
    let (bytes, _) = ndr.up_to(max);
    Some(bytes.get(..len).unwrap_or(bytes))
}

/// The same behind a unique pointer.
pub fn unique_interface_pointer<'a>(ndr: &mut Ndr<'a>) -> Option<Option<&'a [u8]>> {
    if ndr.pointer()? { interface_pointer(ndr).map(Some) } else { Some(None) }
}
