//! The template: a line protocol that answers each line with the same line (after RFC 862), behind a greeting
//! of our own so that no real traffic is taken for it.
//!
//! ```text
//! CONVERSATION = GREETING *LINE      GREETING = "BACKSTOP-ECHO/1" LF      LINE = *OCTET LF
//! ```
//! Copy this folder to begin a protocol; CI builds and tests it, so the recipe cannot rot.
//! Known limits: a line of more than [`MAX_LINE`] bytes ends parsing.

mod parser;
#[cfg(test)]
mod tests;

use backstop_types::{Direction, Fields};

use crate::contract::{Probe, Protocol};
use crate::registry::AppProto;

/// The first bytes of the client.
pub const GREETING: &[u8] = b"BACKSTOP-ECHO/1\n";
/// The longest line, bytes.
pub const MAX_LINE: usize = 1024;

/// The registered protocol.
pub static PROTOCOL: Protocol =
    Protocol { app_proto: AppProto::Echo, name: "echo", probe, parser: |_around| Box::new(parser::EchoParser::default()) };

/// A line and whether the answer was the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction<'a> {
    /// Number of the line, from 0.
    pub tx_id: u64,
    /// The line without its LF.
    pub line: &'a [u8],
}

impl Transaction<'_> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        Some(self.tx_id)
    }

    /// The decoded facts.
    #[must_use]
    pub fn fields(&self) -> Fields {
        Fields::new().with("line", String::from_utf8_lossy(self.line).into_owned())
    }

    /// Whether a record is written.
    #[must_use]
    pub const fn is_record(&self) -> bool {
        false
    }
}

fn probe(direction: Direction, bytes: &[u8]) -> Probe {
    if direction == Direction::ToClient {
        return Probe::No;
    }
    let seen = bytes.len().min(GREETING.len());
    match bytes.get(..seen) == GREETING.get(..seen) {
        true if seen == GREETING.len() => Probe::Certain,
        true => Probe::MoreBytes,
        false => Probe::No,
    }
}
