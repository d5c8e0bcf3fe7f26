//! 9401005: SQL sent through the remote invocation runs an operating system command.

use backstop_protocols::veeam::Call;
use backstop_types::{Fields, Value};

use super::evidence;
use super::watch::{Cause, Technique};
use crate::content::sql;
use crate::finding::Stage;
use crate::mitre::{T1059, T1190};
use crate::{Context, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_005,
    rev: 1,
    title: "BACKSTOP Veeam command execution through SQL",
    category: "Attempted Administrator Privilege Gain",
    severity: 1,
    mitre: &[T1190, T1059],
    cve: &["CVE_2023_27532"],
    stage: Stage::Execute,
    help: "SQL sent through IRemoteInvokeService meets one of the conditions 9402001 to 9402006 once it is tokenised and unfolded: it \
           enables or runs xp_cmdshell, uses OLE automation, creates an assembly from bytes, adds a job step that runs commands, or \
           runs a program from PostgreSQL. The evidence names the conditions and the command. Silent: SQL that has such words in a \
           literal, a comment or a name only, and switching xp_cmdshell off.",
};

/// Calls that run commands. The SQL is read by [`super::sql`], which has the detector for both.
#[derive(Default)]
pub struct Command {
    /// What the SQL at hand does.
    pub hits: Vec<sql::Hit>,
    runs: u128,
}

impl Technique for Command {
    const META: &'static Meta = &META;

    fn cause(&mut self, context: &Context<'_>, _: &Call) -> Option<Cause> {
        if self.hits.is_empty() {
            return None;
        }
        let max = context.config.max_excerpt;
        let conditions: Vec<Value> = self.hits.iter().map(|hit| condition(hit, max).into()).collect();
        // Each run is a cause of its own: a command that runs twice did its work twice.
        self.runs += 1;
        Some(Cause { key: self.runs, evidence: Fields::new().with("conditions", conditions) })
    }

    fn max_causes(&self, context: &Context<'_>) -> usize {
        context.config.max_per_flow.max(1)
    }
}

fn condition(hit: &sql::Hit, max: usize) -> Fields {
    let mut fields = Fields::new().with("signature_id", hit.sid).with("name", hit.name);
    fields.set_some("command", hit.command.as_deref().map(|command| evidence::shown(command, max)));
    fields
}
