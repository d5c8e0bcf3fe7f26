//! The calls of a net.tcp session inside TLS, as sizes: who sent how much before the other side spoke.
//!
//! ```text
//! client  [Finished] PreambleEnd(1)            request          request          End(1)
//! server  [tickets]             PreambleAck(1)          reply            reply         [End(1)]
//! ```
//! A call is what the client sends until the server answers, and what the server sends until the client goes on. So it does not
//! matter into how many TLS records a side cuts an envelope, or how many it puts into one.

use std::ops::RangeInclusive;

use backstop_protocols::tls::{Facts, MAX_SIZES, Wrapping};
use backstop_types::Direction;

use crate::EncryptedDump;

/// Content that is no envelope: the records of one byte of [MC-NMF] §2.2.3, the first byte that TLS 1.0 stacks split off, empty
/// records, alerts and key updates.
const MAX_CONTROL: usize = 5;
/// TLS 1.3.
const TLS13: u16 = 0x0304;

/// Least and most bytes that something had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub least: usize,
    pub most: usize,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.least = self.least.saturating_add(other.least);
        self.most = self.most.saturating_add(other.most);
    }

    fn meets(self, window: RangeInclusive<usize>) -> bool {
        self.least <= *window.end() && self.most >= *window.start()
    }

    /// Without so many bytes.
    fn without(self, bytes: usize) -> Self {
        Self { least: self.least.saturating_sub(bytes), most: self.most.saturating_sub(bytes) }
    }
}

/// A request and its reply, none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    pub request: Size,
    pub reply: Option<Size>,
}

/// What a session looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All credentials are asked for, then perhaps single ones.
    AllCredentials,
    /// Nothing but single credentials is asked for.
    Lookups,
}

/// The sizes of one session, up to the caps of [`EncryptedDump`].
#[derive(Debug, Default)]
pub struct Shape {
    calls: Vec<Call>,
    /// Who is sending an envelope.
    speaker: Option<Direction>,
    /// Small records of one side that may be the head of an envelope.
    held: Option<(Direction, Size)>,
    /// Records of the client so far.
    from_client: usize,
    /// Zeros that this stack adds, at most; shown by the PreambleEnd, of which the length is known.
    padding: usize,
    /// No short session, or one of which the sizes say nothing.
    over: bool,
}

impl Shape {
    /// Nothing that comes can make this session one of the shape.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// The calls so far.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The record that was counted last, in its place between both directions.
    pub fn record(&mut self, direction: Direction, facts: &Facts, config: &EncryptedDump) {
        if self.over {
            return;
        }
        let (there, back) = (facts.traffic.get(direction), facts.traffic.get(direction.reverse()));
        let records = usize::try_from(there.application_records).unwrap_or(usize::MAX);
        let bytes = there.application_bytes.saturating_add(back.application_bytes);
        let content = there.application_sizes.last().and_then(|&len| Wrapping::of(facts)?.content(len.into()));
        let is_short = records <= config.max_records.min(MAX_SIZES) && bytes <= config.max_bytes as u64;
        match content {
            // Bytes that are missing, early data, suites of unknown lengths: sizes that say nothing are not judged.
            Some(content) if is_short && facts.early_records == 0 && !there.incomplete && !back.incomplete => {
                self.content(direction, content, facts.version() == Some(TLS13), config.max_padding);
            }
            _ => self.give_up(),
        }
    }

    fn give_up(&mut self) {
        *self = Self { over: true, ..Self::default() };
    }

    fn content(&mut self, direction: Direction, content: RangeInclusive<usize>, is_tls13: bool, max_padding: usize) {
        if direction == Direction::ToServer {
            self.from_client += 1;
            // RFC 8446 §4.4.4: the client's Finished is the first record that counts as application data.
            if is_tls13 && self.from_client == 1 {
                return;
            }
            let padding = content.end().saturating_sub(1);
            if is_tls13 && self.from_client == 2 && padding <= max_padding {
                self.padding = padding;
            }
        }
        let size = Size { least: content.start().saturating_sub(self.padding), most: *content.end() };
        if size.least <= MAX_CONTROL {
            self.control(direction, size);
        } else {
            self.envelope(direction, size);
        }
    }

    fn control(&mut self, direction: Direction, size: Size) {
        match &mut self.held {
            Some((holder, held)) if *holder == direction => held.add(size),
            held => *held = Some((direction, size)),
        }
    }

    fn envelope(&mut self, direction: Direction, mut size: Size) {
        if let Some((_, held)) = self.held.take().filter(|(holder, _)| *holder == direction) {
            // Whether they belong to it is not known.
            size.add(Size { least: 0, ..held });
        }
        let continues = self.speaker == Some(direction);
        match (direction, self.calls.last_mut()) {
            (Direction::ToServer, Some(call)) if continues => call.request.add(size),
            (Direction::ToServer, _) => self.calls.push(Call { request: size, reply: None }),
            (Direction::ToClient, Some(call)) => call.reply.get_or_insert_default().add(size),
            // The flight and the tickets of TLS 1.3.
            (Direction::ToClient, None) => return,
        }
        self.speaker = Some(direction);
    }

    /// What the calls look like, where each has its reply.
    pub fn kind(&self, config: &EncryptedDump, via: usize) -> Option<Kind> {
        let (first, rest) = self.calls.split_first()?;
        let is_lookup = |call: &Call| {
            let reply = call.reply.is_some_and(|reply| reply.meets(config.lookup_reply_min..=config.lookup_reply_max));
            reply
                && call.request.most >= config.lookup_request_min
                && call.request.without(via).least <= config.lookup_request_max
        };
        // What is looked up is a GUID: after the first call, which brings the dictionary, every request is of one length.
        let are_lookups = rest.iter().all(|call| is_lookup(call) && Some(call.request) == rest.first().map(|call| call.request));
        if !are_lookups {
            return None;
        }
        let asks = first.request.without(via).meets(config.request_min..=config.request_max);
        if asks && first.reply.is_some_and(|reply| reply.meets(config.reply_min..=config.reply_max)) {
            return Some(Kind::AllCredentials);
        }
        let opens = first.request.without(via).most >= config.first_lookup_min;
        (opens && is_lookup(first) && self.calls.len() >= config.min_lookups).then_some(Kind::Lookups)
    }
}
