//! Datagrams, or the messages of a stream, to transactions.

use std::collections::VecDeque;

use backstop_types::{Direction, PerDirection};

use super::anomaly;
use super::message::Message;
use super::probe::PREFIX;
use super::transaction::Transaction;
use crate::contract::{Advance, Anomaly, Limits, ParseError, Parser, Sink};
use crate::registry::{self, AppProto};

/// What is passed over at once where nothing is read any more.
const REST: u64 = 1 << 40;

/// Reads both directions.
pub struct DnsParser {
    limits: Limits,
    /// Each call has one message and nothing else.
    datagrams: bool,
    next: u64,
    /// Ids and numbers of queries without answer.
    pending: VecDeque<(u16, u64)>,
    confirmed: bool,
    lost: PerDirection<bool>,
    told: Vec<(&'static str, Direction)>,
}

impl DnsParser {
    pub fn new(limits: &Limits, datagrams: bool) -> Self {
        Self {
            limits: *limits,
            datagrams,
            next: 0,
            pending: VecDeque::new(),
            confirmed: false,
            lost: PerDirection::default(),
            told: Vec::new(),
        }
    }

    fn tell(&mut self, direction: Direction, event: &'static str, out: &mut dyn Sink) {
        if !self.told.contains(&(event, direction)) {
            self.told.push((event, direction));
            out.anomaly(Anomaly { app_proto: AppProto::Dns, event, direction });
        }
    }

    fn message(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) {
        let Some(message) = Message::read(bytes) else {
            self.tell(direction, anomaly::MALFORMED, out);
            return;
        };
        if !std::mem::replace(&mut self.confirmed, true) {
            out.confirmed(AppProto::Dns);
        }
        for event in &message.faults {
            self.tell(direction, event, out);
        }
        if message.is_response() != (direction == Direction::ToClient) {
            self.tell(direction, anomaly::WRONG_DIRECTION, out);
        }
        let tx_id = self.number(direction, &message, out);
        out.transaction(&registry::Transaction::Dns(Transaction { tx_id, message: &message }));
    }

    /// A response has the number of the query with its id that waits longest.
    fn number(&mut self, direction: Direction, message: &Message, out: &mut dyn Sink) -> u64 {
        if message.is_response() {
            let at = self.pending.iter().position(|(id, _)| *id == message.id);
            if let Some((_, tx_id)) = at.and_then(|at| self.pending.remove(at)) {
                return tx_id;
            }
        }
        let tx_id = self.next;
        self.next += 1;
        if !message.is_response() {
            if self.pending.len() >= self.limits.max_pending.max(1) {
                self.pending.pop_front();
                self.tell(direction, anomaly::PENDING_LIMIT, out);
            }
            self.pending.push_back((message.id, tx_id));
        }
        tx_id
    }

    fn lose(&mut self, direction: Direction, out: &mut dyn Sink) -> Advance {
        if !std::mem::replace(self.lost.get_mut(direction), true) {
            out.in_sync(AppProto::Dns, direction, false);
        }
        Advance::Skip { consumed: 0, len: REST }
    }
}

impl Parser for DnsParser {
    fn advance(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Advance, ParseError> {
        if self.datagrams {
            self.message(direction, bytes, out);
            return Ok(Advance::Consumed);
        }
        if *self.lost.get(direction) {
            return Ok(Advance::Skip { consumed: bytes.len(), len: REST });
        }
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            let Some((prefix, after)) = rest.split_first_chunk::<PREFIX>() else {
                return Ok(if rest.is_empty() { Advance::Consumed } else { Advance::Need { consumed, need: PREFIX } });
            };
            let len = usize::from(u16::from_be_bytes(*prefix));
            let Some(message) = after.get(..len) else { return Ok(Advance::Need { consumed, need: PREFIX + len }) };
            self.message(direction, message, out);
            consumed += PREFIX + len;
        }
    }

    /// Where the message that has begun ends is known; behind more than that, nothing marks the next.
    fn gap(&mut self, direction: Direction, left: &[u8], len: u64, out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let whole = left.first_chunk::<PREFIX>().map(|prefix| PREFIX + usize::from(u16::from_be_bytes(*prefix)));
        let missing = whole.and_then(|whole| (whole - left.len().min(whole)).checked_sub(usize::try_from(len).ok()?));
        Ok(match missing {
            Some(0) => Advance::Consumed,
            Some(missing) => Advance::Skip { consumed: 0, len: missing as u64 },
            None => self.lose(direction, out),
        })
    }

    fn close(&mut self, _: Direction, _: &[u8], _: &mut dyn Sink) {}

    fn held(&self) -> usize {
        self.pending.capacity() * size_of::<(u16, u64)>()
    }
}
