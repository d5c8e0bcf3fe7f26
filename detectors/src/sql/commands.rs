//! 9402001 to 9402006: statements that run commands, or make ready for it. What meets them is in `content::sql`.

use crate::finding::Stage;
use crate::mitre::{T1053, T1059_003, T1059_004, T1059_005, T1505_001};
use crate::{Meta, Technique};

const fn meta(sid: u64, title: &'static str, mitre: &'static [Technique], help: &'static str) -> Meta {
    let category = "Attempted Administrator Privilege Gain";
    Meta { sid, rev: 1, title, category, severity: 1, mitre, cve: &[], stage: Stage::Execute, help }
}

/// `xp_cmdshell` is switched on.
pub static ENABLED: Meta = meta(
    9_402_001,
    "BACKSTOP SQL xp_cmdshell enabled",
    &[T1505_001, T1059_003],
    "sp_configure switches xp_cmdshell on, in a batch, a remote procedure call or a text that one of them runs. Silent: switching it \
     off, reading its value, the words in a literal or comment.",
);
/// `xp_cmdshell` is executed.
pub static EXECUTED: Meta = meta(
    9_402_002,
    "BACKSTOP SQL xp_cmdshell executed",
    &[T1059_003],
    "xp_cmdshell is executed, by a statement, a remote procedure call, a prepared statement or a text that one of them runs. The \
     evidence has the command where it is constant. Silent: the word in a literal, a comment or a column, GRANT and DENY.",
);
/// OLE automation.
pub static AUTOMATION: Meta = meta(
    9_402_003,
    "BACKSTOP SQL OLE automation execution",
    &[T1059_005],
    "sp_OACreate makes an object that runs programs or fetches files, and sp_OAMethod calls it, in the same request or a later one of \
     the session. Silent: other objects, and making one without calling it.",
);
/// An assembly from bytes.
pub static ASSEMBLY: Meta = meta(
    9_402_004,
    "BACKSTOP SQL CLR assembly from bytes",
    &[T1505_001],
    "CREATE ASSEMBLY or ALTER ASSEMBLY from bytes that begin as an executable does. Silent: assemblies from files, and bytes that are \
     stored in a table.",
);
/// A job step that runs commands.
pub static JOB_STEP: Meta = meta(
    9_402_005,
    "BACKSTOP SQL Agent step runs commands",
    &[T1053],
    "sp_add_jobstep or sp_update_jobstep with the subsystem CmdExec or PowerShell. The evidence has the command. Silent: steps of other \
     subsystems, as maintenance plans have them, unless their SQL meets another detection.",
);
/// A program started by PostgreSQL.
pub static PROGRAM: Meta = meta(
    9_402_006,
    "BACKSTOP SQL PostgreSQL program execution",
    &[T1059_004],
    "COPY FROM or TO PROGRAM, a function or block in an untrusted language, or lo_export, in a query, a prepared statement, a function \
     call or a text that one of them runs. Silent: COPY FROM STDIN and of files, functions of installed modules.",
);

/// The detection behind a condition.
pub fn of(sid: u64) -> Option<&'static Meta> {
    [&ENABLED, &EXECUTED, &AUTOMATION, &ASSEMBLY, &JOB_STEP, &PROGRAM].into_iter().find(|meta| meta.sid == sid)
}
