//! Bytes to lines.

use backstop_types::Direction;

use super::{MAX_LINE, Transaction};
use crate::contract::{Advance, ParseError, Parser, Sink};
use crate::registry::{self, AppProto};

/// Counts lines; keeps no bytes.
#[derive(Debug, Default)]
pub struct EchoParser {
    greeted: bool,
    lines: u64,
}

impl Parser for EchoParser {
    fn advance(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Advance, ParseError> {
        if direction == Direction::ToClient {
            return Ok(Advance::Consumed);
        }
        let Some(end) = bytes.iter().take(MAX_LINE).position(|&byte| byte == b'\n') else {
            if bytes.len() >= MAX_LINE {
                return Err(ParseError { offset: 0, event: "line_too_long" });
            }
            // A line protocol has no length field: one more byte may end the line. The cap keeps this linear.
            return Ok(Advance::Need { consumed: 0, need: bytes.len() + 1 });
        };
        if std::mem::replace(&mut self.greeted, true) {
            let line = bytes.get(..end).unwrap_or_default();
            out.transaction(&registry::Transaction::Echo(Transaction { tx_id: self.lines, line }));
            self.lines += 1;
        } else {
            out.confirmed(AppProto::Echo);
        }
        Ok(Advance::Skip { consumed: end + 1, len: 0 })
    }

    fn gap(&mut self, _: Direction, _left: &[u8], _: u64, _: &mut dyn Sink) -> Result<Advance, ParseError> {
        // The next LF ends a line of which we know the tail only; that is still a line.
        Ok(Advance::Consumed)
    }

    fn close(&mut self, _: Direction, _left: &[u8], _: &mut dyn Sink) {}
}
