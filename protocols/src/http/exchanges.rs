//! Requests and their responses, paired in their order (RFC 9112 §9.3.2).

use std::collections::VecDeque;

use super::head::Head;
use super::transaction::{BodyFacts, Exchange, Request, Response, Stage, Transaction};
use crate::contract::{Limits, Sink};
use crate::registry;

struct Pending {
    tx_id: u64,
    request: Request,
}

/// A response on its way.
pub struct Current {
    /// Number of the exchange.
    pub tx_id: u64,
    /// The request, where it was seen.
    pub request: Option<Request>,
    /// The response.
    pub response: Response,
    /// Its head.
    pub head: Head,
}

/// All of a flow.
#[derive(Default)]
pub struct Exchanges {
    next: u64,
    pending: VecDeque<Pending>,
    held: usize,
}

impl Exchanges {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// A request's head is complete; false when a cap made the oldest give way.
    pub fn requested(&mut self, tx_id: u64, request: Request, head: &Head, limits: &Limits, out: &mut dyn Sink) -> bool {
        tell(out, tx_id, Stage::Requested, Some(&request), Some(head), None);
        self.held += held(&request);
        self.pending.push_back(Pending { tx_id, request });
        let mut within = true;
        while self.pending.len() > limits.max_pending.max(1) || (self.held > limits.max_buffer && self.pending.len() > 1) {
            within = false;
            self.give_up_first(out);
        }
        within
    }

    /// The body of a request is over; it matters as long as its response is not there.
    pub fn request_body(&mut self, tx_id: u64, facts: BodyFacts) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.tx_id == tx_id) {
            pending.request.body = facts;
        }
    }

    /// The request that the next response is to.
    pub fn first(&self) -> Option<&Request> {
        self.pending.front().map(|pending| &pending.request)
    }

    /// A final response's head is complete.
    pub fn answered(&mut self, response: Response, head: Head) -> Current {
        let (tx_id, request) = match self.pending.pop_front() {
            Some(Pending { tx_id, request }) => (tx_id, Some(request)),
            None => (self.number(), None),
        };
        self.held -= request.as_ref().map_or(0, held);
        Current { tx_id, request, response, head }
    }

    fn give_up_first(&mut self, out: &mut dyn Sink) {
        if let Some(Pending { tx_id, request }) = self.pending.pop_front() {
            self.held -= held(&request);
            tell(out, tx_id, Stage::Unanswered, Some(&request), None, None);
        }
    }

    /// No response to what waits will be seen.
    pub fn give_up(&mut self, out: &mut dyn Sink) {
        while !self.pending.is_empty() {
            self.give_up_first(out);
        }
    }

    /// Bytes it holds.
    pub const fn held(&self) -> usize {
        self.held
    }
}

impl Current {
    /// It is over.
    pub fn tell(&self, out: &mut dyn Sink) {
        tell(out, self.tx_id, Stage::Answered, self.request.as_ref(), None, Some(self));
    }
}

fn held(request: &Request) -> usize {
    let texts = [&request.host, &request.user_agent, &request.referer, &request.forwarded_for, &request.content_type];
    let texts: usize = texts.into_iter().flatten().map(String::len).sum();
    size_of::<Pending>() + request.target.len() + request.method.len() + texts
}

fn tell(
    out: &mut dyn Sink,
    tx_id: u64,
    stage: Stage,
    request: Option<&Request>,
    request_head: Option<&Head>,
    current: Option<&Current>,
) {
    let response = current.map(|current| &current.response);
    let response_head = current.map(|current| &current.head);
    let exchange = Exchange { tx_id, stage, request, request_head, response, response_head };
    out.transaction(&registry::Transaction::Http(Transaction::Exchange(exchange)));
}
