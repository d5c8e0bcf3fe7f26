//! 9404006: what runs through Windows Remote Management, and sessions of it that nobody can look into.

pub mod commands;
mod config;
mod evidence;
mod session;
#[cfg(test)]
mod tests;

pub use config::WinrmConfig;

use crate::Meta;
use crate::finding::Stage;
use crate::mitre::T1021_006;

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_404_006,
    rev: 1,
    title: "BACKSTOP WinRM command",
    category: "Potentially Bad Traffic",
    severity: 2,
    mitre: &[T1021_006],
    cve: &[],
    stage: Stage::Move,
    help: "A command line, a PowerShell pipeline, input of one of them, or a process of WMI was sent through WS-Management. Severity 1 \
           where it meets a detection on content (9403001 to 9403007), whoever sends it; severity 2 otherwise, once an hour for each \
           command and pair of hosts. Severity 3 and suspected: the first encrypted session of a host with a backup server. Silent: \
           known_clients, as long as nothing but an encoded command (9403004) is found in what they run; reading, enumerating and \
           subscribing, as monitoring does; the server itself.",
};
