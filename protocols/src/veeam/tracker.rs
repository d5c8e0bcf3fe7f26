//! Follows the exchanges of one net.tcp session that are Veeam invocations.

use std::collections::VecDeque;

use super::transaction::{Call, Reply, Transaction};
use super::{Stage, call, reply};
use crate::contract::{Limits, Sink};
use crate::soap::Message;

/// The invocations of one session that wait for their reply.
pub struct Tracker {
    limits: Limits,
    waiting: VecDeque<(u64, Call)>,
    /// Bytes that they keep.
    kept: usize,
}

/// Bytes of waiting invocations that one session may keep; beyond, the oldest is told as unanswered.
const MAX_KEPT: usize = 256 * 1024;

impl Tracker {
    /// A tracker for a new session.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self { limits: *limits, waiting: VecDeque::new(), kept: 0 }
    }

    /// A request was decoded: says [`Stage::Requested`] where it is an invocation.
    pub fn request(&mut self, tx_id: u64, message: &Message, out: &mut dyn Sink) {
        let Some(mut call) = call::decode(tx_id, message, &self.limits, out) else { return };
        tell(tx_id, Stage::Requested, &call, None, out);
        call.trim();
        self.kept += call.size();
        self.waiting.push_back((tx_id, call));
        while self.waiting.len() > self.limits.max_pending.max(1) || (self.kept > MAX_KEPT && self.waiting.len() > 1) {
            let Some((oldest, call)) = self.waiting.pop_front() else { break };
            self.kept -= call.size();
            tell(oldest, Stage::Unanswered, &call, None, out);
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// The reply to a request was decoded.
    pub fn reply(&mut self, tx_id: u64, message: &Message, out: &mut dyn Sink) {
        if let Some(call) = self.take(tx_id) {
            let reply = reply::decode(message, &self.limits);
            tell(tx_id, Stage::Answered, &call, Some(&reply), out);
        }
    }

    /// No reply to a request will be seen.
    pub fn unanswered(&mut self, tx_id: u64, out: &mut dyn Sink) {
        if let Some(call) = self.take(tx_id) {
            tell(tx_id, Stage::Unanswered, &call, None, out);
        }
    }

    fn take(&mut self, tx_id: u64) -> Option<Call> {
        let at = self.waiting.iter().position(|(known, _)| *known == tx_id)?;
        let (_, call) = self.waiting.remove(at)?;
        self.kept -= call.size();
        Some(call)
    }
}

fn tell(tx_id: u64, stage: Stage, call: &Call, reply: Option<&Reply>, out: &mut dyn Sink) {
    out.transaction(&crate::Transaction::Veeam(Transaction { tx_id, stage, call, reply }));
}
