//! The properties of an activation ([MS-DCOM] 2.2.22): what is activated, and what is handed out.
//!
//! ```text
//! blob   = size reserved header *property      each with the two headers of type serialization 1
//! header = total header-size reserved context count class → *class → *size
//! ```

use super::objref::{Remote, conformant, pointed, read, uuids};
use super::text::Text;
use super::{Endpoint, Marshalling};
use crate::dcerpc::ndr::{MAX_NAME, Ndr};

const INSTANTIATION_INFO: u128 = 0x0000_01ab_0000_0000_c000_0000_0000_0046;
const INSTANCE_INFO: u128 = 0x0000_01ad_0000_0000_c000_0000_0000_0046;
const SECURITY_INFO: u128 = 0x0000_01a6_0000_0000_c000_0000_0000_0046;
const SCM_REPLY_INFO: u128 = 0x0000_01b6_0000_0000_c000_0000_0000_0046;
const PROPS_OUT_INFO: u128 = 0x0000_0339_0000_0000_c000_0000_0000_0046;

/// Properties of an activation that are read; a client sends up to ten ([MS-DCOM] 2.2.28.1).
const MAX_PROPERTIES: usize = 16;

/// What is to be activated, as properties of a request say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// The class of the object.
    pub class: Option<u128>,
    /// Interfaces of it that are wanted.
    pub interfaces: Vec<u128>,
    /// The machine, as the caller names it.
    pub server: Option<Text>,
    /// The file that the object is loaded from.
    pub file: Option<Text>,
}

/// What an activation hands out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activated {
    /// Where the object's process listens.
    pub endpoints: Vec<Endpoint>,
    /// Interfaces of the object.
    pub objects: Vec<Remote>,
}

/// The properties of a request. `None`: there are none that can be read.
#[must_use]
pub fn requested(reference: &[u8]) -> Option<Activation> {
    let mut out = Activation::default();
    properties(reference, &mut |class, ndr| {
        let _ = match class {
            INSTANTIATION_INFO => instantiation(&mut out, ndr),
            INSTANCE_INFO => instance(&mut out, ndr),
            SECURITY_INFO => security(&mut out, ndr),
            _ => None,
        };
    })?;
    Some(out)
}

/// The properties of an answer.
#[must_use]
pub fn handed_out(reference: &[u8]) -> Option<Activated> {
    let mut out = Activated::default();
    properties(reference, &mut |class, ndr| {
        let _ = match class {
            SCM_REPLY_INFO => scm_reply(&mut out, ndr),
            PROPS_OUT_INFO => props_out(&mut out, ndr),
            _ => None,
        };
    })?;
    Some(out)
}

/// The blob of an activation ([MS-DCOM] 2.2.22): a header that lists classes and sizes, and the properties behind it.
fn properties(reference: &[u8], each: &mut dyn FnMut(u128, &mut Ndr<'_>)) -> Option<()> {
    // Size and a reserved number; the header's size counts from behind them.
    let (body, mut ndr) = read(reference)?.custom(|data| data.get(8..).and_then(|body| Some((body, serialized(body)?))))?;
    let (_total, header, _reserved, _context, _count) = (ndr.u32()?, ndr.u32()?, ndr.u32()?, ndr.u32()?, ndr.u32()?);
    let _class_info = ndr.uuid()?;
    let (classes, sizes, _reserved) = (ndr.pointer()?, ndr.pointer()?, ndr.pointer()?);
    if !classes || !sizes {
        return None;
    }
    let mut listed = Vec::new();
    for _ in 0..ndr.count()? {
        let class = ndr.uuid()?;
        if listed.len() < MAX_PROPERTIES {
            listed.push(class);
        }
    }
    let _count = ndr.count()?;
    let mut rest = body.get(usize::try_from(header).ok()?..)?;
    for class in listed {
        let size = usize::try_from(ndr.u32()?).ok()?;
        let (property, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        rest = after;
        if let Some(mut property) = serialized(property) {
            each(class, &mut property);
        }
    }
    Some(())
}

/// What type serialization 1 wrote ([MS-RPCE] 2.2.6): two headers of 8 bytes, and NDR.
fn serialized(bytes: &[u8]) -> Option<Ndr<'_>> {
    let [version, order, ..] = *bytes.first_chunk::<16>()?;
    (version == 1)
        .then(|| Ndr::new(bytes.get(16..).unwrap_or_default(), Marshalling { little: order & 0xf0 == 0x10, ndr64: false }))
}

/// `InstantiationInfoData` ([MS-DCOM] 2.2.22.2.1).
fn instantiation(out: &mut Activation, ndr: &mut Ndr<'_>) -> Option<()> {
    out.class = Some(ndr.uuid()?);
    let _context_and_flags = (ndr.u32()?, ndr.u32()?, ndr.u32()?, ndr.u32()?, ndr.u32()?);
    let interfaces = ndr.pointer()?;
    let _size_and_version = (ndr.u32()?, ndr.u16()?, ndr.u16()?);
    if interfaces {
        out.interfaces = uuids(ndr)?;
    }
    Some(())
}

/// `InstanceInfoData` ([MS-DCOM] 2.2.22.2.3).
fn instance(out: &mut Activation, ndr: &mut Ndr<'_>) -> Option<()> {
    let file = ndr.pointer()?;
    let _mode_and_storage = (ndr.u32()?, ndr.pointer()?, ndr.pointer()?);
    if file {
        out.file = Some(ndr.wide(MAX_NAME)?);
    }
    Some(())
}

/// `SecurityInfoData` ([MS-DCOM] 2.2.22.2.7), for the name in its `COSERVERINFO`.
fn security(out: &mut Activation, ndr: &mut Ndr<'_>) -> Option<()> {
    let (_flags, server, _reserved) = (ndr.u32()?, ndr.pointer()?, ndr.pointer()?);
    if server {
        let (_reserved, name, _more) = (ndr.u32()?, ndr.pointer()?, (ndr.pointer()?, ndr.u32()?));
        if name {
            out.server = Some(ndr.wide(MAX_NAME)?);
        }
    }
    Some(())
}

/// `ScmReplyInfoData` ([MS-DCOM] 2.2.22.2.8).
fn scm_reply(out: &mut Activated, ndr: &mut Ndr<'_>) -> Option<()> {
    let (_reserved, reply) = (ndr.pointer()?, ndr.pointer()?);
    if reply {
        let (_oxid, there) = (ndr.u64()?, ndr.pointer()?);
        let _unknown_hint_version = (ndr.uuid()?, ndr.u32()?, ndr.u16()?, ndr.u16()?);
        if there {
            out.endpoints = conformant(ndr, true)?;
        }
    }
    Some(())
}

/// `PropsOutInfo` ([MS-DCOM] 2.2.22.2.9): interfaces, results, and references to those that were got.
fn props_out(out: &mut Activated, ndr: &mut Ndr<'_>) -> Option<()> {
    let (_count, interfaces, results, references) = (ndr.u32()?, ndr.pointer()?, ndr.pointer()?, ndr.pointer()?);
    if interfaces {
        let _interfaces = uuids(ndr)?;
    }
    if results {
        for _ in 0..ndr.count()? {
            let _result = ndr.u32()?;
        }
    }
    if references {
        out.objects = pointed(ndr)?;
    }
    Some(())
}
