//! Requests and their replies: in their order, one connection at a time serves one call ([MS-NRTP] 3.2.5).

use std::collections::VecDeque;

use backstop_types::Direction;

use super::frame::Operation;
use super::transaction::{Exchange, Message, Stage, Transaction};
use crate::contract::{Limits, Sink};

/// Where a message comes from.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// Who sends the requests.
    pub client: Direction,
    /// It comes from the side that sends such messages: nobody answers his own requests.
    pub fits: bool,
}

/// All calls of a flow.
#[derive(Default)]
pub struct Exchanges {
    next: u64,
    pending: VecDeque<(u64, Message)>,
    held: usize,
}

impl Exchanges {
    /// The number that the next message gets.
    pub fn number(&self, operation: Operation, side: Side) -> u64 {
        match self.pending.front() {
            Some((tx_id, _)) if operation == Operation::Reply && side.fits => *tx_id,
            _ => self.next,
        }
    }

    /// A message is complete, or as complete as it will be.
    pub fn message(&mut self, mut message: Message, side: Side, limits: &Limits, out: &mut dyn Sink) {
        let tx_id = self.number(message.operation, side);
        if message.operation == Operation::Reply {
            let request = if side.fits { self.pending.pop_front().map(|(_, request)| request) } else { None };
            match &request {
                Some(request) => self.held -= request.size(),
                None => self.next += 1,
            }
            tell(side.client, tx_id, Stage::Answered, request.as_ref(), Some(&message), out);
            return;
        }
        self.next += 1;
        tell(side.client, tx_id, Stage::Requested, Some(&message), None, out);
        message.trim();
        if message.operation == Operation::OneWay || !side.fits {
            tell(side.client, tx_id, Stage::Unanswered, Some(&message), None, out);
            return;
        }
        self.held += message.size();
        self.pending.push_back((tx_id, message));
        let full = |this: &Self| this.pending.len() > limits.max_pending.max(1) || this.held > limits.max_buffer;
        while full(self) && self.pending.len() > 1 {
            self.give_up_first(side.client, out);
        }
    }

    /// More of a request that was told already.
    pub fn more(tx_id: u64, message: &Message, client: Direction, out: &mut dyn Sink) {
        tell(client, tx_id, Stage::Requested, Some(message), None, out);
    }

    fn give_up_first(&mut self, client: Direction, out: &mut dyn Sink) {
        if let Some((tx_id, request)) = self.pending.pop_front() {
            self.held -= request.size();
            tell(client, tx_id, Stage::Unanswered, Some(&request), None, out);
        }
    }

    /// No reply to what waits will be seen.
    pub fn give_up(&mut self, client: Direction, out: &mut dyn Sink) {
        while !self.pending.is_empty() {
            self.give_up_first(client, out);
        }
    }

    /// Bytes it holds.
    pub const fn held(&self) -> usize {
        self.held
    }
}

fn tell(client: Direction, tx_id: u64, stage: Stage, request: Option<&Message>, reply: Option<&Message>, out: &mut dyn Sink) {
    let exchange = Exchange { tx_id, stage, client, request, reply };
    out.transaction(&crate::Transaction::Nrtp(Transaction::Exchange(exchange)));
}
