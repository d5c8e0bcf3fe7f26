//! 9404003 to 9404005: what runs on another machine through DCE/RPC. One detector reads a call once for all that it may be.

mod calls;
mod evidence;
mod interpreter;
#[cfg(test)]
mod tests;
mod wmi;

pub use calls::detector;
pub use evidence::RECORD;

use crate::finding::Stage;
use crate::mitre::{T1021_002, T1047, T1053_005, T1569_002};
use crate::{Meta, Technique};

const fn meta(sid: u64, title: &'static str, mitre: &'static [Technique], help: &'static str) -> Meta {
    let category = "Potentially Bad Traffic";
    Meta { sid, rev: 1, title, category, severity: 2, mitre, cve: &[], stage: Stage::Move, help }
}

/// A service is made or changed from another machine.
pub static SERVICE: Meta = meta(
    9_404_003,
    "BACKSTOP Service created or changed from another machine",
    &[T1569_002, T1021_002],
    "RCreateService, or RChangeServiceConfig with a new program, or a failure command, of svcctl ([MS-SCMR]) over a pipe or TCP; the \
     evidence has the program, how the call ended, and whether the service was started. Severity 1 where the program is a command \
     interpreter or a script or meets a detection on content (9403001 to 9403007), 2 otherwise; 3 and suspected, once an hour for each \
     pair of hosts, where the arguments are sealed. Silent: known_clients, and a backup server with its \
     listed agents (detect_smb.agents), as long as no content is met; changes of the start type or account alone; queries.",
);
/// A task is made from another machine.
pub static TASK: Meta = meta(
    9_404_004,
    "BACKSTOP Scheduled task created from another machine",
    &[T1053_005],
    "SchRpcRegisterTask or NetrJobAdd ([MS-TSCH]) over a pipe or TCP; the evidence has what the task runs, as whom, and whether it was \
     run at once. Severities and silence as of 9404003. Silent besides: reading, enabling and running tasks that are there.",
);

/// A process is started through WMI.
pub static WMI: Meta = Meta {
    severity: 1,
    ..meta(
        9_404_005,
        "BACKSTOP Command run through WMI",
        &[T1047],
        "ExecMethod of IWbemServices ([MS-WMI]) with Create of Win32_Process, or a CommandLineEventConsumer or ActiveScriptEventConsumer \
         that is put; the evidence has the command line, and what the method returned. Severity 3 and suspected, for backup servers (all \
         servers, where none is configured) and once an hour for each pair of hosts: ExecMethod sealed, or WbemLevel1Login activated or bound and nothing else to be seen. \
         Silent: known_clients, and a backup server with its agents, as long as no content is met; queries, objects that are read, \
         other methods.",
    )
};

/// All of them.
pub static METAS: &[&Meta] = &[&SERVICE, &TASK, &WMI];
