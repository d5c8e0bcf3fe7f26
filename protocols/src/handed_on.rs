//! The parser of protocols that another one hands on: they come out of its messages, not out of a stream.

use backstop_types::Direction;

use crate::contract::{Advance, ParseError, Parser, Sink};

/// Nothing reaches it.
pub struct HandedOn;

impl Parser for HandedOn {
    fn advance(&mut self, _: Direction, _: &[u8], _: &mut dyn Sink) -> Result<Advance, ParseError> {
        Ok(Advance::Consumed)
    }

    fn gap(&mut self, _: Direction, _: &[u8], _: u64, _: &mut dyn Sink) -> Result<Advance, ParseError> {
        Ok(Advance::Consumed)
    }

    fn close(&mut self, _: Direction, _: &[u8], _: &mut dyn Sink) {}
}
