//! The task scheduler: `atsvc` ([MS-TSCH] 3.2.5.2) and `ITaskSchedulerService` ([MS-TSCH] 3.2.5.4).

use backstop_types::{Fields, Value};

use super::Executed;
use super::task_xml::{self, Definition};
use super::text::Text;
use crate::dcerpc::ndr::{MAX_NAME, MAX_TEXT, Ndr};

/// Arguments of a run that are kept.
const MAX_ARGUMENTS: usize = 64;

/// A call of the task scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// `NetrJobAdd`: a command at a time of the day.
    AddJob {
        /// Milliseconds after midnight, days of the month as bits, days of the week as bits, flags ([MS-TSCH] 2.3.4).
        time: u32,
        /// The command line.
        command: Option<Text>,
    },
    /// `NetrJobDel`: jobs of these numbers.
    DeleteJobs(u32, u32),
    /// `SchRpcRegisterTask`.
    Register(Box<Register>),
    /// `SchRpcRun`: now.
    Run {
        /// The task.
        path: Text,
        /// What stands for `$(Arg0)` and so on in its actions.
        arguments: Vec<Text>,
    },
    /// `SchRpcDelete`.
    Delete(Text),
    /// `SchRpcRename`.
    Rename(Text, Text),
    /// `SchRpcEnableTask`.
    Enable(Text, bool),
    /// A question about tasks, folders, jobs, by its path where it has one.
    Query(Option<Text>),
}

/// `SchRpcRegisterTask` ([MS-TSCH] 3.2.5.4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// Where the task stands; without one the server names it.
    pub path: Option<Text>,
    /// Its definition as it came.
    pub xml: Text,
    /// What the definition says.
    pub definition: Definition,
    /// 2 create, 4 update, 8 disable, … ([MS-TSCH] 2.3.11).
    pub flags: Option<u32>,
    /// How it logs on ([MS-TSCH] 2.3.9).
    pub logon: Option<u32>,
}

/// A request of `atsvc`, as far as it can be read.
pub fn job(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Task> {
    let _server = ndr.unique_string(true, MAX_NAME)?;
    Some(match opnum {
        0 => {
            // AT_INFO ([MS-TSCH] 2.3.4): it holds a pointer.
            ndr.align_pointer();
            let (time, _month) = (ndr.u32()?, ndr.u32()?);
            let (_week, _flags) = (ndr.u8()?, ndr.u8()?);
            ndr.align_pointer();
            Task::AddJob { time, command: ndr.unique_string(true, MAX_TEXT)? }
        }
        1 => Task::DeleteJobs(ndr.u32()?, ndr.u32()?),
        2 | 3 => Task::Query(None),
        _ => return None,
    })
}

/// A request of `ITaskSchedulerService`, as far as it can be read.
pub fn request(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Task> {
    Some(match opnum {
        1 => {
            let path = ndr.unique_string(true, MAX_NAME)?;
            let xml = ndr.wide(MAX_TEXT)?;
            let definition = task_xml::read(&xml);
            let mut register = Register { path, xml, definition, ..Register::default() };
            let _ = read_register(&mut register, ndr);
            Task::Register(Box::new(register))
        }
        2 | 4..=7 | 15 | 16 | 17 => Task::Query(Some(ndr.wide(MAX_NAME)?)),
        12 => {
            let (path, mut arguments) = (ndr.wide(MAX_NAME)?, Vec::new());
            let _ = read_arguments(&mut arguments, ndr);
            Task::Run { path, arguments }
        }
        13 => Task::Delete(ndr.wide(MAX_NAME)?),
        14 => Task::Rename(ndr.wide(MAX_NAME)?, ndr.wide(MAX_NAME)?),
        19 => Task::Enable(ndr.wide(MAX_NAME)?, ndr.u32()? != 0),
        _ => return None,
    })
}

fn read_register(register: &mut Register, ndr: &mut Ndr<'_>) -> Option<()> {
    register.flags = Some(ndr.u32()?);
    let _sddl = ndr.unique_string(true, MAX_NAME)?;
    register.logon = Some(ndr.u32()?);
    // Credentials follow; they are not read.
    let _count = ndr.u32()?;
    Some(())
}

/// `pArgs`: a pointer to an array of pointers to strings, which follow it.
fn read_arguments(arguments: &mut Vec<Text>, ndr: &mut Ndr<'_>) -> Option<()> {
    let _count = ndr.u32()?;
    if !ndr.pointer()? {
        return Some(());
    }
    let mut present = 0_usize;
    for _ in 0..ndr.count()? {
        present += usize::from(ndr.pointer()?);
    }
    for _ in 0..present.min(MAX_ARGUMENTS) {
        arguments.push(ndr.wide(MAX_NAME)?);
    }
    if present > MAX_ARGUMENTS {
        ndr.give_up();
    }
    Some(())
}

impl Task {
    /// What is run.
    #[must_use]
    pub fn texts(&self) -> Vec<Executed<'_>> {
        match self {
            Self::AddJob { command: Some(command), .. } => {
                vec![Executed { what: "job_command", text: command.text.as_str().into() }]
            }
            // A definition of which nothing can be said is looked at as it is.
            Self::Register(register) if register.definition.actions.is_empty() => {
                vec![Executed { what: "task_definition", text: register.xml.text.as_str().into() }]
            }
            Self::Register(register) => register
                .definition
                .actions
                .iter()
                .map(|action| Executed { what: "task_action", text: action.line().into() })
                .collect(),
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
            Self::AddJob { time, command } => {
                fields.set("time_of_day_ms", *time).set_some("command", command.as_ref());
            }
            Self::DeleteJobs(from, to) => {
                fields.set("first_job", *from).set("last_job", *to);
            }
            Self::Register(register) => {
                fields.set_some("task", register.path.as_ref());
                fields.set_some("flags", register.flags).set_some("logon_type", register.logon);
                register.definition.add_to(&mut fields);
            }
            Self::Run { path, arguments } => {
                fields.set("task", path);
                if !arguments.is_empty() {
                    fields.set("arguments", arguments.iter().map(Value::from).collect::<Vec<_>>());
                }
            }
            Self::Delete(path) => {
                fields.set("task", path);
            }
            Self::Rename(path, name) => {
                fields.set("task", path).set("new_name", name);
            }
            Self::Enable(path, enabled) => {
                fields.set("task", path).set("enabled", *enabled);
            }
            Self::Query(path) => {
                fields.set_some("path", path.as_ref());
            }
        }
        fields
    }
}
