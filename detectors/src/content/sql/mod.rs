//! SQL as an attacker writes it: tokens, folded constants, and the calls that a batch makes.
//!
//! ```text
//! text ─► tokens (comments, quotes, escapes) ─► statements ─► tables read, calls with constant arguments
//!                                                   └─► text that is run as SQL (EXEC, sp_executesql, DO): the same again
//! ```
//! By the rules of the server it goes to; by those of both where nobody says which. Nothing is matched on raw text, so a word
//! in a comment, a literal or a quoted name is not what it looks like. Depth, output and tokens are bounded; the work is
//! linear in the text and in what is unfolded from it.

#[cfg(test)]
mod administration;
mod assign;
mod conditions;
#[cfg(test)]
mod evasions;
mod execute;
mod fold;
mod functions;
mod reader;
mod script;
mod tables;
#[cfg(test)]
mod tests;
mod token;
mod words;

use std::collections::HashMap;

use backstop_types::Direction;

use super::{Carrier, Kind, inspect};
use crate::{Context, Finding, Findings, Unfolded};

pub use conditions::{Around, Asked, Hit, Reading, conditions, read, read_request};
pub use reader::script;
pub use script::{Argument, Call, Script, Table, Visitor};
pub use token::{Dialect, Token, tokens};

/// What one text leaves behind for the next ones of its session. Bounded.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Name → parts of the name it stands for.
    synonyms: HashMap<String, Vec<String>>,
    /// An object that runs programs was made.
    automation: bool,
}

impl Memory {
    /// Nothing was left behind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.synonyms.is_empty() && !self.automation
    }
}

/// Hands what the conditions unfolded to the content rules and to the detections on content; what these found. Commands that would
/// run, the bytes of an assembly.
pub fn offer(context: &Context<'_>, hits: &[Hit], direction: Direction, tx_id: Option<u64>, out: &mut Findings) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let give = |bytes: &[u8], layers: &[&'static str], out: &mut Findings| {
        if !bytes.is_empty() {
            out.unfolded.push(Unfolded { bytes: bytes.to_vec(), layers: layers.to_vec(), direction, tx_id });
        }
    };
    for hit in hits {
        for command in hit.command.iter().chain(&hit.more_commands) {
            let carrier = Carrier { name: "sql", kind: kind(hit.sid, command), direction, tx_id };
            let mut inspection = inspect(command.as_bytes(), &carrier, context);
            for finding in inspection.findings.drain(..) {
                let same = |known: &Finding| known.meta.sid() == finding.meta.sid() && known.excerpt == finding.excerpt;
                if !findings.iter().any(same) {
                    findings.push(finding);
                }
            }
            inspection.offer(direction, out);
            give(command.as_bytes(), &["sql", "command"], out);
        }
        give(&hit.assembly, &["sql", "assembly"], out);
    }
    findings
}

/// A step of a job may be PowerShell; all other commands are lines that the system runs.
fn kind(sid: u64, command: &str) -> Kind {
    let is_code = command.trim_start().starts_with(['$', '[', '(', '&', '#', '<']) || command.contains('\n');
    if sid == 9_402_005 && is_code { Kind::Script } else { Kind::Command }
}
