//! The service control manager ([MS-SCMR] 3.1.4).

use backstop_types::{Fields, Value};

use super::text::Text;
use super::{Executed, Handle, handle_text};
use crate::dcerpc::ndr::{MAX_NAME, MAX_TEXT, Ndr};

/// Arguments of a start that are kept.
const MAX_ARGUMENTS: usize = 64;
/// `SERVICE_NO_CHANGE` ([MS-SCMR] 3.1.4.11).
const NO_CHANGE: u32 = u32::MAX;

/// A call of the service control manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// `ROpenSCManager`: a connection to the manager.
    OpenManager {
        /// The machine, as the caller names it.
        machine: Option<Text>,
        /// The database.
        database: Option<Text>,
        /// What it wants to do.
        access: Option<u32>,
    },
    /// `ROpenService`.
    Open {
        /// The manager.
        manager: Handle,
        /// The service.
        name: Text,
        /// What it wants to do.
        access: Option<u32>,
    },
    /// `RCreateService` and its kin.
    Create(Box<Create>),
    /// `RChangeServiceConfig`.
    Change(Box<Change>),
    /// `RChangeServiceConfig2`.
    Configure {
        /// The service.
        service: Handle,
        /// What of it ([MS-SCMR] 2.2.1.1): 1 description, 2 failure actions, …
        level: u32,
        /// The description.
        description: Option<Text>,
        /// What happens when it fails.
        failure: Option<FailureActions>,
    },
    /// `RStartService`.
    Start {
        /// The service.
        service: Handle,
        /// What it is started with.
        arguments: Vec<Text>,
    },
    /// `RDeleteService`.
    Delete(Handle),
    /// `RCloseServiceHandle`.
    Close(Handle),
    /// `RControlService`.
    Control {
        /// The service.
        service: Handle,
        /// What it shall do: 1 is stop.
        control: u32,
    },
    /// A question about a service or the manager.
    Query(Handle),
}

/// `RCreateServiceW` ([MS-SCMR] 3.1.4.12), `RCreateServiceA`, `RCreateServiceWOW64W` and `A`, `RCreateWowService`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Create {
    /// The manager.
    pub manager: Handle,
    /// The service's name.
    pub name: Text,
    /// The name that is shown.
    pub display: Option<Text>,
    /// What the caller wants to do with it.
    pub access: Option<u32>,
    /// Its type: 0x10 a process of its own, 1 a driver, …
    pub kind: Option<u32>,
    /// When it starts: 2 with the machine, 3 on demand, …
    pub start: Option<u32>,
    /// The command line of its process.
    pub binary: Option<Text>,
    /// The account it runs as; none is LocalSystem.
    pub account: Option<Text>,
    /// A password was given. It is not kept.
    pub password: bool,
}

impl Create {
    /// Names are there, and type and start are some that exist ([MS-SCMR] 3.1.4.12): for arguments that may be none of this call.
    pub(super) fn is_plausible(&self) -> bool {
        let has = |text: &Text| !text.text.is_empty() && !text.truncated;
        // Drivers, processes, user services and their instances, interactive.
        let kind = self.kind.is_some_and(|kind| kind != 0 && kind & !0x1ff == 0);
        kind && self.start.is_some_and(|start| start <= 4) && has(&self.name) && self.binary.as_ref().is_some_and(has)
    }
}

/// `RChangeServiceConfigW` ([MS-SCMR] 3.1.4.11) and `A`: what is not given stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The service.
    pub service: Handle,
    /// Its new type.
    pub kind: Option<u32>,
    /// When it starts from now on.
    pub start: Option<u32>,
    /// The new command line of its process.
    pub binary: Option<Text>,
    /// The account it runs as.
    pub account: Option<Text>,
    /// A password was given. It is not kept.
    pub password: bool,
    /// The name that is shown.
    pub display: Option<Text>,
}

/// `SERVICE_FAILURE_ACTIONS` ([MS-SCMR] 2.2.39).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureActions {
    /// What is told to users before a restart.
    pub message: Option<Text>,
    /// What is run.
    pub command: Option<Text>,
}

/// A request, as far as it can be read.
pub fn request(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Service> {
    Some(match opnum {
        0 => Service::Close(ndr.handle()?),
        1 => {
            let service = ndr.handle()?;
            Service::Control { service, control: ndr.u32()? }
        }
        2 => Service::Delete(ndr.handle()?),
        // Status, configuration, dependents, lists, names, in wide and narrow form.
        4 | 6 | 13 | 14 | 17 | 18 | 20 | 21 | 25 | 26 | 29 | 30 | 32 | 33 | 35 | 38..=42 | 56 => Service::Query(ndr.handle()?),
        11 | 23 => {
            let mut change = Change { service: ndr.handle()?, ..Change::default() };
            let _ = read_change(&mut change, ndr, opnum == 11);
            Service::Change(Box::new(change))
        }
        12 | 24 | 44 | 45 | 60 => {
            let wide = matches!(opnum, 12 | 45 | 60);
            let mut create = Create { manager: ndr.handle()?, name: ndr.string(wide, MAX_NAME)?, ..Create::default() };
            let _ = read_create(&mut create, ndr, wide);
            Service::Create(Box::new(create))
        }
        15 | 27 => open_manager(ndr, opnum == 15)?,
        16 | 28 => {
            let (manager, name) = (ndr.handle()?, ndr.string(opnum == 16, MAX_NAME)?);
            Service::Open { manager, name, access: ndr.u32() }
        }
        19 | 31 => {
            let (service, mut arguments) = (ndr.handle()?, Vec::new());
            let _ = read_arguments(&mut arguments, ndr, opnum == 19);
            Service::Start { service, arguments }
        }
        36 | 37 => configure(ndr, opnum == 37)?,
        _ => return None,
    })
}

fn open_manager(ndr: &mut Ndr<'_>, wide: bool) -> Option<Service> {
    let machine = ndr.unique_string(wide, MAX_NAME)?;
    let database = ndr.unique_string(wide, MAX_NAME);
    let access = database.as_ref().and_then(|_| ndr.u32());
    Some(Service::OpenManager { machine, database: database.flatten(), access })
}

fn read_create(create: &mut Create, ndr: &mut Ndr<'_>, wide: bool) -> Option<()> {
    create.display = ndr.unique_string(wide, MAX_NAME)?;
    create.access = Some(ndr.u32()?);
    create.kind = Some(ndr.u32()?);
    create.start = Some(ndr.u32()?);
    let _error_control = ndr.u32()?;
    create.binary = Some(ndr.string(wide, MAX_TEXT)?);
    let (account, password) = read_account(ndr, wide)?;
    create.account = account;
    create.password = password;
    Some(())
}

fn read_change(change: &mut Change, ndr: &mut Ndr<'_>, wide: bool) -> Option<()> {
    change.kind = Some(ndr.u32()?).filter(|&kind| kind != NO_CHANGE);
    change.start = Some(ndr.u32()?).filter(|&start| start != NO_CHANGE);
    let _error_control = ndr.u32()?;
    change.binary = ndr.unique_string(wide, MAX_TEXT)?;
    let (account, password) = read_account(ndr, wide)?;
    change.account = account;
    change.password = password;
    change.display = ndr.unique_string(wide, MAX_NAME)?;
    Some(())
}

/// Group, tag, dependencies, account and password: the same in creation and change.
fn read_account(ndr: &mut Ndr<'_>, wide: bool) -> Option<(Option<Text>, bool)> {
    let _group = ndr.unique_string(wide, MAX_NAME)?;
    if ndr.pointer()? {
        let _tag = ndr.u32()?;
    }
    let _dependencies = ndr.skip_unique_bytes()?;
    let _size = ndr.u32()?;
    let account = ndr.unique_string(wide, MAX_NAME)?;
    let password = ndr.skip_unique_bytes()?;
    let _size = ndr.u32()?;
    Some((account, password))
}

/// `argv` of [MS-SCMR] 3.1.4.19: a pointer to an array of pointers, whose strings follow it.
fn read_arguments(arguments: &mut Vec<Text>, ndr: &mut Ndr<'_>, wide: bool) -> Option<()> {
    let _count = ndr.u32()?;
    if !ndr.pointer()? {
        return Some(());
    }
    let mut present = 0_usize;
    for _ in 0..ndr.count()? {
        present += usize::from(ndr.pointer()?);
    }
    for _ in 0..present.min(MAX_ARGUMENTS) {
        arguments.push(ndr.string(wide, MAX_NAME)?);
    }
    if present > MAX_ARGUMENTS {
        ndr.give_up();
    }
    Some(())
}

/// `SC_RPC_CONFIG_INFO` ([MS-SCMR] 2.2.21 and 2.2.22): a level, and a union of pointers by it.
fn configure(ndr: &mut Ndr<'_>, wide: bool) -> Option<Service> {
    let service = ndr.handle()?;
    ndr.align_pointer();
    let level = ndr.u32()?;
    let (mut description, mut failure) = (None, None);
    let _ = read_configuration(ndr, level, wide, &mut description, &mut failure);
    Some(Service::Configure { service, level, description, failure })
}

fn read_configuration(
    ndr: &mut Ndr<'_>,
    level: u32,
    wide: bool,
    description: &mut Option<Text>,
    failure: &mut Option<FailureActions>,
) -> Option<()> {
    ndr.align_pointer();
    // The discriminant of the union, which its caller said already.
    if ndr.u32()? != level || !ndr.pointer()? {
        return Some(());
    }
    match level {
        1 => *description = ndr.unique_string(wide, MAX_NAME)?,
        2 => {
            ndr.align_pointer();
            let _reset = ndr.u32()?;
            let (message, command) = (ndr.pointer()?, ndr.pointer()?);
            let _actions = (ndr.u32()?, ndr.pointer()?);
            let actions = failure.insert(FailureActions::default());
            if message {
                actions.message = Some(ndr.string(wide, MAX_NAME)?);
            }
            if command {
                actions.command = Some(ndr.string(wide, MAX_TEXT)?);
            }
        }
        _ => {}
    }
    Some(())
}

/// The handle that an answer hands out.
pub fn handed_out(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Handle> {
    match opnum {
        12 | 24 | 44 | 45 | 60 => {
            if ndr.pointer()? {
                let _tag = ndr.u32()?;
            }
            ndr.handle()
        }
        15 | 16 | 27 | 28 | 64 => ndr.handle(),
        _ => None,
    }
}

impl Service {
    /// The handle that the call is for.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        Some(match self {
            Self::OpenManager { .. } => return None,
            Self::Open { manager, .. } => *manager,
            Self::Create(create) => create.manager,
            Self::Change(change) => change.service,
            Self::Configure { service, .. } | Self::Start { service, .. } | Self::Control { service, .. } => *service,
            Self::Delete(service) | Self::Close(service) | Self::Query(service) => *service,
        })
    }

    /// What is run.
    #[must_use]
    pub fn texts(&self) -> Vec<Executed<'_>> {
        let text = match self {
            Self::Create(create) => ("service_binary", create.binary.as_ref()),
            Self::Change(change) => ("service_binary", change.binary.as_ref()),
            Self::Configure { failure, .. } => {
                ("service_failure_command", failure.as_ref().and_then(|failure| failure.command.as_ref()))
            }
            Self::Start { arguments, .. } if !arguments.is_empty() => {
                let joined = arguments.iter().map(|text| text.text.as_str()).collect::<Vec<_>>().join(" ");
                return vec![Executed { what: "service_arguments", text: joined.into() }];
            }
            _ => return Vec::new(),
        };
        let (what, text) = text;
        text.map(|text| Executed { what, text: text.text.as_str().into() }).into_iter().collect()
    }

    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        match self {
            Self::OpenManager { machine, database, .. } => {
                fields.set_some("machine", machine.as_ref()).set_some("database", database.as_ref());
            }
            Self::Open { name, .. } => {
                fields.set("service", name);
            }
            Self::Create(create) => {
                fields.set("service", &create.name).set_some("display_name", create.display.as_ref());
                fields.set_some("service_type", create.kind).set_some("start_type", create.start);
                fields.set_some("binary_path", create.binary.as_ref()).set_some("account", create.account.as_ref());
            }
            Self::Change(change) => {
                fields.set_some("display_name", change.display.as_ref());
                fields.set_some("service_type", change.kind).set_some("start_type", change.start);
                fields.set_some("binary_path", change.binary.as_ref()).set_some("account", change.account.as_ref());
            }
            Self::Configure { level, description, failure, .. } => {
                fields.set("level", *level).set_some("description", description.as_ref());
                if let Some(failure) = failure {
                    fields.set_some("failure_command", failure.command.as_ref());
                }
            }
            Self::Start { arguments, .. } if !arguments.is_empty() => {
                fields.set("arguments", arguments.iter().map(Value::from).collect::<Vec<_>>());
            }
            Self::Control { control, .. } => {
                fields.set("control", *control);
            }
            Self::Start { .. } | Self::Delete(_) | Self::Close(_) | Self::Query(_) => {}
        }
        if let Some(handle) = self.handle() {
            fields.set("handle", handle_text(&handle));
        }
        fields
    }
}
