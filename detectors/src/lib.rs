//! Transactions to findings: one file a technique.
//!
//! A detector sees typed transactions, matches and the roles of both ends; it never sees packets, JSON, files or sockets.

pub mod finding;

pub use finding::{Confidence, Finding, Meta, MetaRef, Outcome, Role, Stage, Technique, Threshold};
