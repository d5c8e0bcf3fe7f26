//! TCP reassembly: what a receiver would hand to its application, and the rest counted.
//!
//! Read RFC 9293 §3.10.7 before working on this; the rules that differ from it, or that it leaves open, stand in
//! `docs/reassembly.md` and each has a counter in [`StreamCounters`].

mod deliver;
mod handshake;
mod history;
mod overlap;
mod queue;
mod recent;
mod segment;
mod seq;
#[cfg(test)]
mod tests;

use backstop_types::PacketTime;
pub(crate) use deliver::{expire_held, finish_direction, hole_tick};
pub(crate) use handshake::{SynOnFlow, anchor_from_half_open, anchor_syn, syn_on_flow, synack_fits, synack_on_flow};
pub(crate) use history::Histories;
pub use overlap::OverlapPolicy;
pub(crate) use recent::digest;
pub(crate) use segment::{Segment, count, forget, is_repetition, segment, skips_checksum};
use seq::Place;

use crate::counters::StreamCounters;
use crate::flow::FlowConfig;

/// What reassembly works with besides the flow.
pub(crate) struct Env<'a> {
    pub config: &'a FlowConfig,
    pub counters: &'a mut StreamCounters,
    pub histories: &'a mut Histories,
    /// Bytes queued behind holes, all flows of the shard.
    pub queued: &'a mut usize,
    pub scratch: &'a mut Vec<u8>,
}

/// A segment whose acknowledgement runs ahead of what was captured: a decoy, or the peer's data was lost on the way to
/// the sensor. The peer's next packets tell.
struct Held {
    start: Place,
    bytes: Vec<u8>,
    /// What it acknowledges in the other direction.
    ack: Place,
    fin: bool,
    time: PacketTime,
}

/// One direction of a TCP flow.
pub(crate) struct Half {
    /// Next byte expected, as a place and as its sequence number.
    next: Place,
    next_seq: u32,
    /// Sequence number of the SYN.
    isn: u32,
    /// Behind the last byte seen sent.
    max_end: Place,
    /// What the receiver has acknowledged.
    acked: Place,
    /// Behind the last byte that the receiver said it takes.
    window_end: Place,
    /// The window it announced last, scaled.
    window: u32,
    /// Where the FIN stands.
    fin: Place,
    /// Where the urgent byte announced last stands.
    urgent: Place,
    /// Stream bytes delivered, gaps included.
    offset: u64,
    queue: Option<Box<queue::Queue>>,
    #[allow(clippy::box_collection, reason = "one word in every flow instead of three")]
    held: Option<Box<Vec<Held>>>,
    /// When the hole at `next` came to be.
    hole_since: PacketTime,
    claim: history::Claim,
    pub(crate) recent: recent::Recent,
    /// Time stamp of the last segment in order.
    ts_recent: u32,
    /// Segments queued since the hole came to be.
    hole_segments: u16,
    ttl: u8,
    /// Scale of the windows that this side announces.
    scale: u8,
    flags: u16,
}

/// Facts of a direction, one bit each.
mod fact {
    /// A packet of this direction was seen.
    pub const SEEN: u16 = 1;
    /// `next` is known.
    pub const ANCHORED: u16 = 1 << 1;
    /// … but only from what the other side acknowledged.
    pub const SOFT: u16 = 1 << 2;
    /// Its SYN was seen.
    pub const SYN: u16 = 1 << 3;
    /// Time stamps are in use.
    pub const TIMESTAMPS: u16 = 1 << 4;
    /// Its SYN was signed.
    pub const SIGNED: u16 = 1 << 5;
    /// Nobody wants more of it.
    pub const BYPASS: u16 = 1 << 6;
    /// Its end was told.
    pub const ENDED: u16 = 1 << 7;
    /// The SYN carried data that nobody has acknowledged yet.
    pub const SYN_DATA: u16 = 1 << 8;
    /// The SYN asked for fast open.
    pub const FAST_OPEN: u16 = 1 << 9;
    /// A window was announced for this direction.
    pub const WINDOW: u16 = 1 << 10;
    /// The SYN was seen, so that the window scale (or its absence) is known.
    pub const SCALE: u16 = 1 << 11;
    /// A valid RST ended the connection.
    pub const RESET: u16 = 1 << 12;
    /// The SYN carried the window scale option.
    pub const WSCALE: u16 = 1 << 13;
    /// Its checksums mean nothing in this capture.
    pub const UNSUMMED: u16 = 1 << 14;
}

impl Default for Half {
    fn default() -> Self {
        Self {
            next: Place::ORIGIN,
            next_seq: 0,
            isn: 0,
            max_end: Place::ORIGIN,
            acked: Place::NOWHERE,
            window_end: Place::ORIGIN,
            window: 0,
            fin: Place::NEVER,
            urgent: Place::NOWHERE,
            offset: 0,
            queue: None,
            held: None,
            hole_since: PacketTime::ZERO,
            claim: history::Claim::default(),
            recent: recent::Recent::default(),
            ts_recent: 0,
            hole_segments: 0,
            ttl: 0,
            scale: 0,
            flags: 0,
        }
    }
}

impl Half {
    const fn is(&self, fact: u16) -> bool {
        self.flags & fact != 0
    }

    const fn set(&mut self, fact: u16, value: bool) {
        if value {
            self.flags |= fact;
        } else {
            self.flags &= !fact;
        }
    }

    fn place(&self, seq: u32) -> Place {
        Place::near(self.next, self.next_seq, seq)
    }

    /// Sets where the next byte is expected; nothing has been delivered yet.
    fn anchor(&mut self, seq: u32) {
        self.next_seq = seq;
        self.max_end = self.next;
        self.set(fact::ANCHORED, true);
    }

    /// Known from a packet of its own.
    const fn is_firm(&self) -> bool {
        self.is(fact::ANCHORED) && !self.is(fact::SOFT)
    }

    /// Its handshake packet had a wrong checksum and was answered all the same.
    pub(crate) const fn is_unsummed(&self) -> bool {
        self.is(fact::UNSUMMED)
    }

    pub(crate) const fn set_unsummed(&mut self, value: bool) {
        self.set(fact::UNSUMMED, value);
    }

    pub(crate) const fn was_seen(&self) -> bool {
        self.is(fact::SEEN)
    }

    pub(crate) const fn ended(&self) -> bool {
        self.is(fact::ENDED)
    }

    /// Data or a FIN waits behind a hole, or for a sign of the peer.
    pub(crate) fn is_waiting(&self) -> bool {
        let fin_waits = self.fin != Place::NEVER && !self.ended();
        fin_waits || self.held.is_some() || self.queue.as_ref().is_some_and(|queue| !queue.is_empty())
    }

    pub(crate) const fn is_bypassed(&self) -> bool {
        self.is(fact::BYPASS)
    }

    /// UDP: the next datagram's place in the flow, and whether anybody wants it.
    pub(crate) fn datagram(&mut self, len: usize) -> u64 {
        let offset = self.offset;
        self.offset += len as u64;
        offset
    }

    pub(crate) const fn bypass(&mut self) {
        self.set(fact::BYPASS, true);
    }

    pub(crate) const fn see(&mut self) {
        self.set(fact::SEEN, true);
    }

    fn queue_cost(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.cost())
    }

    /// Whether a packet fits the place of this direction: for telling flows of the same addresses and ports apart.
    pub(crate) fn continues(&self, seq: u32) -> bool {
        let place = self.place(seq);
        self.is_firm() && place >= self.next.minus(1) && place.since(self.next) <= 1 << 20
    }

    /// Whether an acknowledgement fits what this direction has sent.
    pub(crate) fn fits_ack(&self, ack: u32) -> bool {
        let place = self.place(ack);
        self.is_firm() && place <= self.max_end && self.max_end.since(place) <= 1 << 20
    }
}
