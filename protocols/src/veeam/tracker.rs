//! Follows the exchanges of one net.tcp session that are Veeam invocations.

use crate::contract::{Limits, Sink};
use crate::soap::Message;

/// The invocations of one session that wait for their reply.
pub struct Tracker {
    limits: Limits,
}

impl Tracker {
    /// A tracker for a new session.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self { limits: *limits }
    }

    /// A request was decoded: says [`Stage::Requested`](super::Stage) where it is an invocation.
    pub fn request(&mut self, tx_id: u64, message: &Message, out: &mut dyn Sink) {
        let _ = (tx_id, message, out, self.limits);
    }

    /// The reply to a request was decoded.
    pub fn reply(&mut self, tx_id: u64, message: &Message, out: &mut dyn Sink) {
        let _ = (tx_id, message, out);
    }

    /// No reply to a request will be seen.
    pub fn unanswered(&mut self, tx_id: u64, out: &mut dyn Sink) {
        let _ = (tx_id, out);
    }
}
