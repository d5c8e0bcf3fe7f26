//! Transactions to findings: one file a technique.
//!
//! A detector sees typed transactions, matches and the roles of both ends; it never sees packets, JSON, files or sockets.

mod config;
pub mod content;
mod context;
pub mod correlate;
pub mod finding;
mod matches;
mod registry;

pub use config::DetectConfig;
pub use context::{Context, Detector, Fact, Findings, Scanned};
pub use correlate::{Admit, Correlator};
pub use finding::{Confidence, Finding, Meta, MetaRef, Outcome, Role, Stage, Technique, Threshold};
pub use matches::finding_for_match;
pub use registry::{REGISTRY, Registered};
