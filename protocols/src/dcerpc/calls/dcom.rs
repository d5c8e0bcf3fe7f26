//! DCOM ([MS-DCOM] 3.1): objects activated on other machines, and their references.

use backstop_types::{Fields, Value};

use super::activation::{self, Activation};
use super::objref::{self, Reference};
use super::text::Text;
use super::{Reply, names, uuid_text};
use crate::dcerpc::ndr::{MAX_NAME, Ndr};

/// Extents of a call that are stepped over.
const MAX_EXTENTS: usize = 64;
/// Interface pointers of a call that are kept.
const MAX_POINTERS: usize = 64;

/// A call about objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// `RemoteActivation`, `RemoteGetClassObject`, `RemoteCreateInstance`.
    Activate(Box<Activation>),
    /// `ResolveOxid`, `ResolveOxid2`: where is the exporter?
    Resolve(u64),
    /// `ServerAlive`, `ServerAlive2`.
    Alive,
    /// `RemQueryInterface`: other interfaces of an object.
    Query {
        /// A pointer to the object.
        ipid: u128,
        /// The interfaces.
        interfaces: Vec<u128>,
    },
    /// `RemAddRef`, `RemRelease`: the pointers.
    References(Vec<u128>),
}

/// A request of the activation, resolution and reference interfaces.
pub fn request(interface: u128, opnum: u16, ndr: &mut Ndr<'_>) -> Option<Object> {
    Some(match (interface, opnum) {
        (names::ACTIVATION, 0) => {
            this(ndr)?;
            let mut activation = Activation { class: Some(ndr.uuid()?), ..Activation::default() };
            let _ = remote_activation(&mut activation, ndr);
            Object::Activate(Box::new(activation))
        }
        (names::ACTIVATOR, 3 | 4) => {
            this(ndr)?;
            if opnum == 4 {
                let _outer = objref::unique_interface_pointer(ndr)?;
            }
            let properties = objref::unique_interface_pointer(ndr)??;
            let asked = activation::requested(properties).unwrap_or_else(|| {
                ndr.give_up();
                Activation::default()
            });
            Object::Activate(Box::new(asked))
        }
        (names::EXPORTER, 0 | 4) => Object::Resolve(ndr.u64()?),
        (names::EXPORTER, 3 | 5) => Object::Alive,
        (names::REM_UNKNOWN | names::REM_UNKNOWN2, 3) => {
            this(ndr)?;
            let (ipid, _references, _count) = (ndr.uuid()?, ndr.u32()?, ndr.u16()?);
            Object::Query { ipid, interfaces: objref::uuids(ndr)? }
        }
        (names::REM_UNKNOWN | names::REM_UNKNOWN2, 4 | 5) => {
            this(ndr)?;
            let _count = ndr.u16()?;
            let mut pointers = Vec::new();
            for _ in 0..ndr.count()? {
                // `REMINTERFACEREF` ([MS-DCOM] 2.2.23).
                let (ipid, _public, _private) = (ndr.uuid()?, ndr.u32()?, ndr.u32()?);
                if pointers.len() < MAX_POINTERS {
                    pointers.push(ipid);
                }
            }
            Object::References(pointers)
        }
        _ => return None,
    })
}

/// [MS-DCOM] 3.1.2.5.2.3.1, from behind the class.
fn remote_activation(activation: &mut Activation, ndr: &mut Ndr<'_>) -> Option<()> {
    activation.file = ndr.unique_string(true, MAX_NAME)?;
    let _storage = objref::unique_interface_pointer(ndr)?;
    let _level_mode_count = (ndr.u32()?, ndr.u32()?, ndr.u32()?);
    if ndr.pointer()? {
        activation.interfaces = objref::uuids(ndr)?;
    }
    Some(())
}

/// `ORPCTHIS` ([MS-DCOM] 2.2.13.3), which stands before the arguments of every call to an object.
pub fn this(ndr: &mut Ndr<'_>) -> Option<()> {
    let _version_flags_reserved = (ndr.u16()?, ndr.u16()?, ndr.u32()?, ndr.u32()?);
    let _causality = ndr.uuid()?;
    extensions(ndr)
}

/// `ORPCTHAT` ([MS-DCOM] 2.2.13.4), which stands before the results.
pub fn that(ndr: &mut Ndr<'_>) -> Option<()> {
    let _flags = ndr.u32()?;
    extensions(ndr)
}

/// A pointer to `ORPC_EXTENT_ARRAY` ([MS-DCOM] 2.2.13.2): an array of pointers to conformant structures.
fn extensions(ndr: &mut Ndr<'_>) -> Option<()> {
    if !ndr.pointer()? {
        return Some(());
    }
    ndr.align_pointer();
    let (_size, _reserved) = (ndr.u32()?, ndr.u32()?);
    if !ndr.pointer()? {
        return Some(());
    }
    let mut present = 0_usize;
    for _ in 0..ndr.count()? {
        present += usize::from(ndr.pointer()?);
    }
    if present > MAX_EXTENTS {
        ndr.give_up();
        return None;
    }
    for _ in 0..present {
        let max = ndr.count()?;
        let (_id, _size) = (ndr.uuid()?, ndr.u32()?);
        let _data = ndr.bytes(max)?;
    }
    Some(())
}

/// What an answer hands out.
pub fn answered(interface: u128, opnum: u16, ndr: &mut Ndr<'_>, little: bool, reply: &mut Reply) -> Option<()> {
    match (interface, opnum) {
        (names::ACTIVATION, 0) => {
            that(ndr)?;
            let _oxid = ndr.u64()?;
            reply.endpoints = objref::unique_bindings(ndr, little)?;
            let _unknown_hint_version_result = (ndr.uuid()?, ndr.u32()?, ndr.u16()?, ndr.u16()?, ndr.u32()?);
            reply.objects = objref::pointed(ndr)?;
        }
        (names::ACTIVATOR, 3 | 4) => {
            that(ndr)?;
            let activated = activation::handed_out(objref::unique_interface_pointer(ndr)??)?;
            reply.endpoints = activated.endpoints;
            reply.objects = activated.objects;
        }
        (names::EXPORTER, 0 | 4) => reply.endpoints = objref::unique_bindings(ndr, little)?,
        (names::EXPORTER, 5) => {
            let _version = (ndr.u16()?, ndr.u16()?);
            reply.endpoints = objref::unique_bindings(ndr, little)?;
        }
        (names::REM_UNKNOWN | names::REM_UNKNOWN2, 3) => {
            that(ndr)?;
            if ndr.pointer()? {
                for _ in 0..ndr.count()? {
                    // `REMQIRESULT` ([MS-DCOM] 2.2.24).
                    ndr.align(8);
                    let result = ndr.u32()?;
                    let object = objref::standard(ndr)?;
                    if result == 0 && reply.objects.len() < MAX_POINTERS {
                        reply.objects.push(object);
                    }
                }
            }
        }
        (names::WBEM_LOGIN, 6) => {
            that(ndr)?;
            if let Some(Reference::Remote(remote)) = objref::read(objref::unique_interface_pointer(ndr)??) {
                reply.objects.push(remote);
            }
        }
        _ => {}
    }
    Some(())
}

impl Object {
    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        match self {
            Self::Activate(activation) => {
                if let Some(class) = activation.class {
                    fields.set("class", uuid_text(class)).set_some("class_name", names::class_name(class));
                }
                fields.set("interfaces", listed(&activation.interfaces));
                fields.set_some("server", activation.server.as_ref().map(Text::shown));
                fields.set_some("file", activation.file.as_ref().map(Text::shown));
            }
            Self::Resolve(oxid) => {
                fields.set("oxid", format!("{oxid:016x}"));
            }
            Self::Alive => {}
            Self::Query { ipid, interfaces } => {
                fields.set("ipid", uuid_text(*ipid)).set("interfaces", listed(interfaces));
            }
            Self::References(pointers) => {
                fields.set("ipids", listed(pointers));
            }
        }
        fields
    }
}

/// UUIDs for a record, by name where they have one.
fn listed(uuids: &[u128]) -> Vec<Value> {
    uuids.iter().map(|&uuid| names::interface_name(uuid).map_or_else(|| Value::from(uuid_text(uuid)), Value::from)).collect()
}
