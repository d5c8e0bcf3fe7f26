//! Channels of ncacn_http ([MS-RPCH] 2.1.2): PDUs of DCE/RPC in the body of a request or a response that does not end.

use backstop_types::Direction;

use crate::contract::{Limits, Sink};
use crate::dcerpc::{Carrier, Direct, Stream};

/// What a connection carries of one.
pub struct Channel {
    stream: Stream,
}

impl Channel {
    pub fn new(limits: &Limits) -> Self {
        Self { stream: Stream::new(Carrier::Http, limits) }
    }

    /// Whether requests with a method, and the responses to them, carry PDUs (2.1.2.1.1, 2.1.2.1.2).
    pub fn is_method(method: &str) -> bool {
        matches!(method, "RPC_IN_DATA" | "RPC_OUT_DATA")
    }

    /// A body begins.
    pub fn begin(&mut self, direction: Direction) {
        self.stream.begin(direction);
    }

    pub fn push(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) {
        self.stream.push(direction, bytes, None, &mut Direct(out));
    }

    pub fn gap(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.stream.gap(direction, &mut Direct(out));
    }

    pub fn end(&mut self, out: &mut dyn Sink) {
        self.stream.end(&mut Direct(out));
    }

    pub fn held(&self) -> usize {
        self.stream.held()
    }
}
