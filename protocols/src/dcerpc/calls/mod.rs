//! What calls say: the arguments of the operations by which commands are run, tasks and services made, registries changed and
//! objects activated on other machines, and the handles and endpoints in their answers.
//!
//! ```text
//! stub = *argument                  in the order of the interface's IDL; [in] in requests, [out] and the return code in responses
//! ```

mod activation;
mod dcom;
mod listing;
mod names;
mod objref;
mod operations;
mod svcctl;
mod task_xml;
mod tasks;
#[cfg(test)]
mod tests;
mod text;
mod tower;
mod winreg;
mod wmi;
mod wmio;

use std::borrow::Cow;

pub use activation::Activation;
use backstop_types::{Fields, Value};
pub use dcom::Object;
pub use listing::Listing;
pub use names::{class_name, interface_name, operation_name};
pub use objref::Remote;
pub use svcctl::{Change, Create, FailureActions, Service};
pub use task_xml::{Action, Definition};
pub use tasks::{Registration, Task};
pub use text::Text;
pub use tower::Mapping;
pub use winreg::{Registry, SetValue};
pub use wmi::{Method, Wmi};
pub use wmio::{Datum, Object as WmiObject};

pub use super::ndr::Handle;
use super::ndr::Ndr;
use super::transaction::Interface;

/// How arguments are marshalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marshalling {
    /// Numbers are little-endian.
    pub little: bool,
    /// By NDR64 ([MS-RPCE] 2.2.5) instead of NDR.
    pub ndr64: bool,
}

/// The arguments of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it asks for.
    pub what: Asked,
    /// Arguments are missing: the stub ends before them, or they are not readable.
    pub truncated: bool,
}

/// What a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Of the service control manager.
    Service(Service),
    /// Of the task scheduler, by the old interface or the new one.
    Task(Task),
    /// Of the registry.
    Registry(Registry),
    /// Of the endpoint mapper.
    Mapping(Mapping),
    /// Of a server or workstation service.
    Listing(Listing),
    /// Of DCOM: objects are activated, their references kept.
    Object(Object),
    /// Of WMI.
    Wmi(Wmi),
}

/// A text of a call that is run, or that says what is: for those who look at contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed<'a> {
    /// What it is: `service_binary`, `task_action`, …
    pub what: &'static str,
    /// The text.
    pub text: Cow<'a, str>,
}

impl Call {
    /// The texts that contents are looked at of.
    #[must_use]
    pub fn texts(&self) -> Vec<Executed<'_>> {
        match &self.what {
            Asked::Service(service) => service.texts(),
            Asked::Task(task) => task.texts(),
            Asked::Registry(registry) => registry.texts(),
            Asked::Wmi(wmi) => wmi.texts(),
            Asked::Mapping(_) | Asked::Listing(_) | Asked::Object(_) => Vec::new(),
        }
    }

    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = match &self.what {
            Asked::Service(service) => service.fields(),
            Asked::Task(task) => task.fields(),
            Asked::Registry(registry) => registry.fields(),
            Asked::Mapping(mapping) => mapping.fields(),
            Asked::Listing(listing) => listing.fields(),
            Asked::Object(object) => object.fields(),
            Asked::Wmi(wmi) => wmi.fields(),
        };
        if self.truncated {
            fields.set("truncated", true);
        }
        fields
    }

    /// The context handle that the call is for: of a service, a key, or what holds them.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        match &self.what {
            Asked::Service(service) => service.handle(),
            Asked::Registry(registry) => registry.handle(),
            Asked::Task(_) | Asked::Mapping(_) | Asked::Listing(_) | Asked::Object(_) | Asked::Wmi(_) => None,
        }
    }
}

/// What an answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// What the operation returns: 0 where it worked.
    pub code: Option<u32>,
    /// The context handle it hands out.
    pub handle: Option<Handle>,
    /// The endpoints it hands out.
    pub endpoints: Vec<Endpoint>,
    /// The interfaces of objects it hands out.
    pub objects: Vec<Remote>,
    /// The output of a method of WMI.
    pub output: Option<Box<WmiObject>>,
}

impl Reply {
    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.set_some("code", self.code);
        if !self.endpoints.is_empty() {
            fields.set("endpoints", self.endpoints.iter().map(|one| Value::from(one.fields())).collect::<Vec<_>>());
        }
        if !self.objects.is_empty() {
            fields.set("objects", self.objects.iter().map(|one| Value::from(one.fields())).collect::<Vec<_>>());
        }
        fields.set_some("output", self.output.as_ref().map(|output| output.fields()));
        fields
    }
}

/// Where an interface or an object is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The interface, where one is named, and its version.
    pub interface: Option<(u128, u16)>,
    /// `ncacn_ip_tcp`, `ncacn_np`, …; empty where it is none of those known.
    pub protocol: &'static str,
    /// The machine, as it is written.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The pipe.
    pub pipe: Option<String>,
}

impl Endpoint {
    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        if let Some((interface, version)) = self.interface {
            fields.set("uuid", uuid_text(interface));
            fields.set_some("interface", interface_name(interface));
            fields.set("version", version);
        }
        if !self.protocol.is_empty() {
            fields.set("protocol", self.protocol);
        }
        fields.set_some("host", self.host.clone());
        fields.set_some("port", self.port);
        fields.set_some("pipe", self.pipe.clone());
        fields
    }
}

/// A UUID as text.
#[must_use]
pub fn uuid_text(uuid: u128) -> String {
    let hex = format!("{uuid:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// Whether what runs may stand behind any amount of text that says nothing: definitions of tasks have descriptions and comments.
#[must_use]
pub const fn is_long(interface: u128, opnum: u16) -> bool {
    interface == names::TASKS && opnum == 1
}

/// The decoded arguments of a call this reader knows. `None`: it is no such call, or nothing of it can be read.
#[must_use]
pub fn request(interface: u128, opnum: u16, stub: &[u8], how: Marshalling) -> Option<Call> {
    read(interface, opnum, stub, how).map(|(call, _)| call)
}

/// The same where nobody saw which way of marshalling was agreed upon: the one by which the arguments come out even. `None`: by
/// neither do they.
#[must_use]
pub fn request_either_way(interface: u128, opnum: u16, stub: &[u8], little: bool) -> Option<(Call, Marshalling)> {
    /// Bytes behind the last argument that alignment may leave.
    const PADDING: usize = 7;
    either_way(interface, opnum, stub, little, PADDING)
}

/// … with so many bytes left at most.
fn either_way(interface: u128, opnum: u16, stub: &[u8], little: bool, max_left: usize) -> Option<(Call, Marshalling)> {
    let ways = [false, true].map(|ndr64| Marshalling { little, ndr64 });
    let read = ways.into_iter().filter_map(|how| read(interface, opnum, stub, how).map(|(call, left)| (call, how, left)));
    let even = read.filter(|(call, _, left)| !call.truncated && *left <= max_left);
    even.min_by_key(|(.., left)| *left).map(|(call, how, _)| (call, how))
}

/// The same where nobody saw of which interface it is either: a call that makes something run, whose arguments are those and no others.
#[must_use]
pub fn recognised(opnum: u16, stub: &[u8], little: bool) -> Option<(Call, Interface, Marshalling)> {
    const CANDIDATES: [(u128, (u16, u16)); 3] = [(names::SVCCTL, (2, 0)), (names::TASKS, (1, 0)), (names::WBEM_SERVICES, (0, 0))];
    // Where results are to be put ([MS-WMI] 3.1.4.3.22): two pointers, and alignment.
    const MAX_LEFT: usize = 16 + 7;
    CANDIDATES.into_iter().find_map(|(uuid, version)| {
        let (call, how) = either_way(uuid, opnum, stub, little, MAX_LEFT)?;
        let is_it = match &call.what {
            Asked::Service(Service::Create(create)) => create.is_plausible(),
            Asked::Task(Task::Register(register)) => register.definition.is_some(),
            Asked::Wmi(Wmi::Method(method)) => method.input.is_some(),
            _ => false,
        };
        is_it.then_some((call, Interface { uuid, version, assumed: true }, how))
    })
}

/// A call, and how many bytes were not asked for.
fn read(interface: u128, opnum: u16, stub: &[u8], how: Marshalling) -> Option<(Call, usize)> {
    let mut ndr = Ndr::new(stub, how);
    let what = match interface {
        names::SVCCTL => Asked::Service(svcctl::request(opnum, &mut ndr)?),
        names::ATSVC => Asked::Task(tasks::job(opnum, &mut ndr)?),
        names::TASKS => Asked::Task(tasks::task(opnum, &mut ndr)?),
        names::WINREG => Asked::Registry(winreg::request(opnum, &mut ndr)?),
        names::EPMAPPER => Asked::Mapping(tower::request(opnum, &mut ndr)?),
        names::SRVSVC => Asked::Listing(listing::server(opnum, &mut ndr)?),
        names::WKSSVC => Asked::Listing(listing::workstation(opnum, &mut ndr)?),
        names::WBEM_LOGIN | names::WBEM_SERVICES => Asked::Wmi(wmi::request(interface, opnum, &mut ndr)?),
        _ => Asked::Object(dcom::request(interface, opnum, &mut ndr)?),
    };
    let left = ndr.rest().len();
    Some((Call { what, truncated: ndr.is_cut() }, left))
}

/// What the answer of a call says. `None`: of an interface this reader does not know, or too short to say anything.
#[must_use]
pub fn response(interface: u128, opnum: u16, stub: &[u8], how: Marshalling) -> Option<Reply> {
    interface_name(interface)?;
    let mut ndr = Ndr::new(stub, how);
    let code = returned(stub, how);
    let mut reply = Reply { code, ..Reply::default() };
    match interface {
        names::SVCCTL => reply.handle = svcctl::handed_out(opnum, &mut ndr),
        names::WINREG => reply.handle = winreg::handed_out(opnum, &mut ndr),
        names::EPMAPPER => reply.endpoints = tower::answered(opnum, &mut ndr),
        names::WBEM_SERVICES if opnum == 24 => reply.output = wmi::output(&mut ndr),
        _ => {
            let _ = dcom::answered(interface, opnum, &mut ndr, how.little, &mut reply);
        }
    }
    code.map(|_| reply)
}

/// The return code: the last parameter of all operations of these interfaces, a number of 32 bits (C706 14.2.14).
fn returned(stub: &[u8], how: Marshalling) -> Option<u32> {
    let mut ndr = Ndr::new(stub.get(stub.len().checked_sub(4)?..)?, how);
    if stub.len().is_multiple_of(4) { ndr.u32() } else { None }
}

/// A context handle as text, for evidence; its attributes are always 0.
fn handle_text(handle: &Handle) -> String {
    data_encoding::HEXLOWER.encode(handle.get(4..).unwrap_or_default())
}
