//! Not written yet.

mod tracker;
mod transaction;

pub use tracker::Tracker;
pub use transaction::{Call, Param, Reply, ReplyKind, Spec, Stage, Transaction};

use crate::contract::{Advance, Limits, ParseError, Parser, Probe, Protocol, Sink};
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol =
    Protocol { app_proto: AppProto::Veeam, name: "veeam", probe: |_, _| Probe::No, parser: |_: &Limits| Box::new(Nothing) };

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
