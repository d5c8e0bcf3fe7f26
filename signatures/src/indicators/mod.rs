//! Indicators of compromise: addresses, networks, host names and sums of files, from plain lists, CSV and STIX 2.1 bundles.
//!
//! A table a kind; an entry takes 12 to 40 bytes, and what the tables leave free. Names are kept as 128 bits of a hash: what
//! matched is named by what was seen.

mod columns;
mod entry;
mod pattern;
mod stix;
mod table;
mod text;
mod value;

pub use entry::{Age, Indicator};
pub use table::{Counts, Indicators, Loader, MAX_ENTRIES};

/// The list that is shipped: FIN7's campaign of 2023 against Veeam.
pub const SHIPPED: (&str, &str) = ("fin7veeam.csv", include_str!("../../indicators/fin7veeam.csv"));

/// Why a list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct ListError {
    /// The list.
    pub file: String,
    /// Line, from 1; in a STIX bundle that where the object begins.
    pub line: u64,
    /// What is wrong there.
    pub what: String,
}

#[cfg(test)]
mod tests;
