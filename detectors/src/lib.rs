//! Transactions to findings: one file a technique.
//!
//! A detector sees typed transactions, matches and the roles of both ends; it never sees packets, JSON, files or sockets.

pub mod beacon;
mod config;
pub mod content;
mod context;
pub mod correlate;
#[cfg(test)]
mod example;
mod finding;
pub mod http;
pub mod indicators;
mod matches;
pub mod mitre;
pub mod names;
mod of_flow;
pub mod powershell;
mod registry;
pub mod remoting;
pub mod rpc;
pub mod smb;
pub mod sql;
#[cfg(test)]
mod testing;
pub mod veeam;
pub mod winrm;

use backstop_protocols::mask;

pub use config::{DetectConfig, EncryptedDump, TlsStack};
pub use context::{Context, Detector, Fact, FileFacts, Findings, Scanned, Unfolded};
pub use correlate::{Admit, Correlator, CorrelatorCounters};
pub use finding::{Confidence, Finding, Meta, MetaRef, Outcome, RULE_WITHOUT_SID, Role, Stage, Tally, Technique, Threshold};
pub use matches::finding_for_match;
pub use mitre::technique;
pub use of_flow::FlowDetectors;
pub use registry::{REGISTRY, Registered};
pub use remoting::RemotingConfig;
