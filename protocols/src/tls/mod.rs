//! Not written yet.

use backstop_types::Fields;

use crate::contract::{Advance, Limits, ParseError, Parser, Probe, Protocol, Sink};
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol =
    Protocol { app_proto: AppProto::Tls, name: "tls", probe: |_, _| Probe::No, parser: |_: &Limits| Box::new(Nothing) };

struct Nothing;

impl Parser for Nothing {
    fn advance(&mut self, _: backstop_types::Direction, _: &[u8], _: &mut dyn Sink) -> Result<Advance, ParseError> {
        Ok(Advance::Consumed)
    }
    fn gap(&mut self, _: backstop_types::Direction, _: &[u8], _: u64, _: &mut dyn Sink) -> Result<Advance, ParseError> {
        Ok(Advance::Consumed)
    }
    fn close(&mut self, _: backstop_types::Direction, _: &[u8], _: &mut dyn Sink) {}
}

/// A transaction.
#[derive(Clone, Debug)]
pub struct Transaction<'a> {
    nothing: &'a [u8],
}

impl Transaction<'_> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        None
    }
    /// The decoded facts.
    #[must_use]
    pub fn fields(&self) -> Fields {
        Fields::new().with("length", self.nothing.len())
    }
    /// Whether a record is written.
    #[must_use]
    pub const fn is_record(&self) -> bool {
        false
    }
}
