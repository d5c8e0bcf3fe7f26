//! Requests find their replies: by message id, or in their order.

use std::collections::VecDeque;

use backstop_types::Direction;

use super::transaction::{Exchange, Stage, Transaction};
use crate::contract::{Limits, Sink};
use crate::soap::Message;
use crate::veeam::Tracker;

struct Pending {
    tx_id: u64,
    from: Direction,
    /// Without its body.
    request: Message,
}

/// The exchanges of one session.
pub struct Exchanges {
    pending: VecDeque<Pending>,
    next: u64,
    max: usize,
    tracker: Tracker,
}

impl Exchanges {
    pub fn new(limits: &Limits) -> Self {
        Self { pending: VecDeque::new(), next: 0, max: limits.max_pending.max(1), tracker: Tracker::new(limits) }
    }

    /// A message was decoded. `from_client` says whether its sender opened the session.
    pub fn message(&mut self, direction: Direction, from_client: bool, message: Message, out: &mut dyn Sink) {
        let answers = |pending: &Pending| pending.from != direction;
        let answered = match &message.relates_to {
            Some(id) => {
                let found =
                    self.pending.iter().position(|pending| answers(pending) && pending.request.message_id.as_ref() == Some(id));
                if found.is_none() && !from_client {
                    // The answer to a request that was not seen.
                    return;
                }
                found
            }
            // Without addressing the order tells ([MC-NMF] 1.3: one connection, one conversation).
            None if from_client => None,
            None => self.pending.iter().position(answers),
        };
        match answered.and_then(|at| self.pending.remove(at)) {
            Some(pending) => {
                self.answered(&pending, &message, out);
                if from_client {
                    // What calls itself an answer may be a call all the same.
                    let tx_id = self.next;
                    self.next += 1;
                    self.tracker.request(tx_id, &message, out);
                }
            }
            None => self.requested(direction, message, out),
        }
    }

    fn requested(&mut self, direction: Direction, mut message: Message, out: &mut dyn Sink) {
        let tx_id = self.next;
        self.next += 1;
        tell(&Exchange { tx_id, stage: Stage::Requested, request: &message, reply: None }, out);
        self.tracker.request(tx_id, &message, out);
        message.body = None;
        self.pending.push_back(Pending { tx_id, from: direction, request: message });
        if self.pending.len() > self.max
            && let Some(oldest) = self.pending.pop_front()
        {
            self.unanswered(&oldest, out);
        }
    }

    fn answered(&mut self, pending: &Pending, reply: &Message, out: &mut dyn Sink) {
        tell(&Exchange { tx_id: pending.tx_id, stage: Stage::Answered, request: &pending.request, reply: Some(reply) }, out);
        self.tracker.reply(pending.tx_id, reply, out);
    }

    fn unanswered(&mut self, pending: &Pending, out: &mut dyn Sink) {
        tell(&Exchange { tx_id: pending.tx_id, stage: Stage::Unanswered, request: &pending.request, reply: None }, out);
        self.tracker.unanswered(pending.tx_id, out);
    }

    /// No more messages of a direction will come.
    pub fn close(&mut self, direction: Direction, out: &mut dyn Sink) {
        let (lost, kept) =
            std::mem::take(&mut self.pending).into_iter().partition::<VecDeque<_>, _>(|pending| pending.from != direction);
        self.pending = kept;
        for pending in &lost {
            self.unanswered(pending, out);
        }
    }
}

fn tell(exchange: &Exchange<'_>, out: &mut dyn Sink) {
    out.transaction(&crate::Transaction::Nmf(Transaction::Exchange(*exchange)));
}
