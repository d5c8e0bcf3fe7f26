//! Scheduled tasks: ATSvc ([MS-TSCH] 3.2.5.2) and ITaskSchedulerService (3.2.5.4).

use backstop_types::{Fields, Value};

use super::Executed;
use super::task_xml::{self, Definition};
use super::text::Text;
use crate::dcerpc::ndr::{MAX_NAME, MAX_TEXT, Ndr};

/// Arguments of a run that are kept.
const MAX_ARGUMENTS: usize = 64;

/// A call about tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// `NetrJobAdd`.
    AddJob {
        /// The machine, as the caller names it.
        server: Option<Text>,
        /// When, in milliseconds after midnight.
        time: u32,
        /// Days of the month, a bit each.
        days_of_month: u32,
        /// Days of the week, a bit each.
        days_of_week: u8,
        /// `JOB_RUN_PERIODICALLY`, … ([MS-TSCH] 2.3.4).
        flags: u8,
        /// What is run.
        command: Option<Text>,
    },
    /// `NetrJobDel`: from an id to an id.
    DeleteJobs(u32, u32),
    /// `NetrJobGetInfo`.
    GetJob(u32),
    /// `NetrJobEnum`.
    EnumJobs,
    /// `SchRpcRegisterTask`.
    Register(Box<Registration>),
    /// `SchRpcRun`.
    Run {
        /// The task.
        path: Text,
        /// What it is run with.
        arguments: Vec<Text>,
        /// As whom.
        user: Option<Text>,
    },
    /// `SchRpcEnableTask`.
    Enable {
        /// The task.
        path: Text,
        /// On, or off.
        enabled: Option<bool>,
    },
    /// `SchRpcRename`.
    Rename {
        /// The task.
        path: Text,
        /// Its new name.
        new: Option<Text>,
    },
    /// An operation that names a task or a folder: deletion, questions, …
    Named(Option<Text>),
}

/// `SchRpcRegisterTask` ([MS-TSCH] 3.2.5.4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// Where; the server makes a name where there is none.
    pub path: Option<Text>,
    /// The definition as it came, its beginning.
    pub xml: Text,
    /// What it says, where it can be read.
    pub definition: Option<Definition>,
    /// `TASK_CREATE`, … ([MS-TSCH] 3.2.5.4.2).
    pub flags: Option<u32>,
    /// The security descriptor.
    pub sddl: Option<Text>,
    /// `TASK_LOGON_TYPE`.
    pub logon: Option<u32>,
    /// The account whose credentials are given. The password is not kept.
    pub user: Option<Text>,
}

/// A request of ATSvc.
pub fn job(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Task> {
    let server = ndr.unique_string(true, MAX_NAME)?;
    Some(match opnum {
        0 => {
            ndr.align_pointer();
            let (time, days_of_month, days_of_week, flags) = (ndr.u32()?, ndr.u32()?, ndr.u8()?, ndr.u8()?);
            let command = ndr.unique_string(true, MAX_TEXT).flatten();
            Task::AddJob { server, time, days_of_month, days_of_week, flags, command }
        }
        1 => Task::DeleteJobs(ndr.u32()?, ndr.u32()?),
        2 => Task::EnumJobs,
        3 => Task::GetJob(ndr.u32()?),
        _ => return None,
    })
}

/// A request of ITaskSchedulerService.
pub fn task(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Task> {
    Some(match opnum {
        1 => {
            let mut registration = Registration { path: ndr.unique_string(true, MAX_NAME)?, ..Registration::default() };
            let xml = ndr.wide(usize::MAX)?;
            registration.definition = task_xml::read(&xml);
            registration.xml = xml.cut(MAX_TEXT);
            let _ = read_registration(&mut registration, ndr);
            Task::Register(Box::new(registration))
        }
        12 => {
            let (path, mut arguments) = (ndr.wide(MAX_NAME)?, Vec::new());
            let user = read_run(&mut arguments, ndr).flatten();
            Task::Run { path, arguments, user }
        }
        14 => Task::Rename { path: ndr.wide(MAX_NAME)?, new: ndr.wide(MAX_NAME) },
        19 => Task::Enable { path: ndr.wide(MAX_NAME)?, enabled: ndr.u32().map(|enabled| enabled != 0) },
        2..=7 | 13 | 15..=18 => Task::Named(Some(ndr.wide(MAX_NAME)?)),
        // Here the path may be null.
        8 | 11 => Task::Named(ndr.unique_string(true, MAX_NAME)?),
        _ => return None,
    })
}

fn read_registration(registration: &mut Registration, ndr: &mut Ndr<'_>) -> Option<()> {
    registration.flags = Some(ndr.u32()?);
    registration.sddl = ndr.unique_string(true, MAX_NAME)?;
    registration.logon = Some(ndr.u32()?);
    let _credentials = ndr.u32()?;
    if !ndr.pointer()? || ndr.count()? == 0 {
        return Some(());
    }
    // `TASK_USER_CRED` ([MS-TSCH] 2.3.7): of the first, whose two pointers come before the strings. A server takes no more than one.
    ndr.align_pointer();
    let (user, _password, _flags) = (ndr.pointer()?, ndr.pointer()?, ndr.u32()?);
    ndr.align64(8);
    if user {
        registration.user = Some(ndr.wide(MAX_NAME)?);
    }
    Some(())
}

/// The arguments, and the account.
fn read_run(arguments: &mut Vec<Text>, ndr: &mut Ndr<'_>) -> Option<Option<Text>> {
    let _count = ndr.u32()?;
    if ndr.pointer()? {
        let mut present = 0_usize;
        for _ in 0..ndr.count()? {
            present += usize::from(ndr.pointer()?);
        }
        if present > MAX_ARGUMENTS {
            ndr.give_up();
        }
        for _ in 0..present {
            let argument = ndr.wide(MAX_NAME)?;
            if arguments.len() < MAX_ARGUMENTS {
                arguments.push(argument);
            }
        }
    }
    let _flags_and_session = (ndr.u32()?, ndr.u32()?);
    ndr.unique_string(true, MAX_NAME)
}

impl Registration {
    /// What the actions run. Of a definition that is no XML, or not all of one, the text itself besides.
    fn texts(&self) -> Vec<Executed<'_>> {
        let actions =
            self.definition.iter().flat_map(|definition| &definition.actions).filter_map(task_xml::Action::command_line);
        let mut texts: Vec<_> = actions.map(|line| Executed { what: "task_action", text: line.into() }).collect();
        if self.definition.as_ref().is_none_or(|definition| definition.truncated) {
            texts.push(Executed { what: "task_xml", text: self.xml.text.as_str().into() });
        }
        texts
    }
}

impl Task {
    /// What is run, or the definition where it cannot be read.
    #[must_use]
    pub fn texts(&self) -> Vec<Executed<'_>> {
        match self {
            Self::AddJob { command: Some(command), .. } => {
                vec![Executed { what: "task_command", text: command.text.as_str().into() }]
            }
            Self::Register(registration) => registration.texts(),
            Self::Run { arguments, .. } if !arguments.is_empty() => {
                let joined = arguments.iter().map(|text| text.text.as_str()).collect::<Vec<_>>().join(" ");
                vec![Executed { what: "task_arguments", text: joined.into() }]
            }
            _ => Vec::new(),
        }
    }

    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        match self {
            Self::AddJob { server, time, days_of_month, days_of_week, flags, command } => {
                fields.set_some("server", server.as_ref()).set_some("command", command.as_ref());
                fields.set("time", *time).set("days_of_month", *days_of_month);
                fields.set("days_of_week", *days_of_week).set("flags", *flags);
            }
            Self::DeleteJobs(from, to) => {
                fields.set("from_job", *from).set("to_job", *to);
            }
            Self::GetJob(id) => {
                fields.set("job", *id);
            }
            Self::EnumJobs => {}
            Self::Register(registration) => {
                fields.set_some("path", registration.path.as_ref()).set_some("flags", registration.flags);
                fields.set_some("logon_type", registration.logon).set_some("account", registration.user.as_ref());
                fields.set_some("sddl", registration.sddl.as_ref());
                match &registration.definition {
                    Some(definition) => fields.set("definition", definition.fields()),
                    None => fields.set("xml", &registration.xml),
                };
            }
            Self::Run { path, arguments, user } => {
                fields.set("path", path).set_some("account", user.as_ref());
                if !arguments.is_empty() {
                    fields.set("arguments", arguments.iter().map(Value::from).collect::<Vec<_>>());
                }
            }
            Self::Enable { path, enabled } => {
                fields.set("path", path).set_some("enabled", *enabled);
            }
            Self::Rename { path, new } => {
                fields.set("path", path).set_some("new", new.as_ref());
            }
            Self::Named(path) => {
                fields.set_some("path", path.as_ref());
            }
        }
        fields
    }
}
