//! Content to matches: YARA-X rules compiled once, scanned by every worker.
//!
//! Sees byte slices and what they are (stream or decoded content); never flows or protocols.
//! Without the cargo feature `yara` the types stay and a rule set is always empty.

mod matches;

pub use matches::{Match, MatchedString, RuleInfo, Scope};
