//! Content to matches: YARA-X rules compiled once, scanned by every worker.
//!
//! Sees byte slices and what they are (stream or decoded content); never flows or protocols.
//! Without the cargo feature `yara` the types stay and a rule set is always empty.
//!
//! [`RuleSet`] is shared, [`Scanner`] is a worker's own, [`StreamScan`] is kept in a flow, one a direction.

mod cache;
mod engine;
mod error;
pub mod indicators;
#[cfg_attr(not(feature = "yara"), allow(dead_code, reason = "only an engine reads rules"))]
mod info;
mod matches;
mod prefilter;
mod report;
mod ruleset;
mod scanner;
#[cfg_attr(not(feature = "yara"), allow(dead_code, reason = "only an engine reads rules"))]
mod source;
mod window;

pub use error::{RuleError, ScanError};
pub use matches::{Match, MatchedString, RuleInfo, Scope};
pub use ruleset::{RuleOptions, RuleSet, ScanLimits};
pub use scanner::{BufferPool, MAX_EXCERPT, MAX_PLACES, ScanCounters, Scanner};
pub use source::SHIPPED_NAMESPACE;
pub use window::{Flush, Interest, StreamScan};
