//! Finds the flow of a packet, begins and ends flows.

mod datagrams;
mod lifetime;
mod sums;

use backstop_types::{Direction, FlowId, PacketTime, Side};
use hashbrown::HashTable;

use super::FlowConfig;
use super::entry::{Class, Flow};
use super::half_open::{HalfOpenTable, Known};
use super::slab::Slab;
use super::wheel::Wheel;
use crate::counters::StreamCounters;
use crate::handler::{Cause, EndReason, StreamHandler};
use crate::packet::{Packet, TcpFacts, Transport, flags};
use crate::tcp::{self, Env, Histories, Segment, SynOnFlow};

/// Flows with one key (other VLANs) at most; beyond, the oldest of them gives way.
const MAX_SAME_KEY: usize = 8;
/// Flows looked at to find one to evict.
const EVICTION_SAMPLE: u32 = 16;
/// A packet continues a connection attempt when its numbers lie this close behind the SYN.
const NEAR: u32 = 1 << 20;

/// All flows of one shard.
pub struct FlowTable<H: StreamHandler> {
    config: FlowConfig,
    seed: u64,
    counters: StreamCounters,
    flows: Slab<H::App>,
    index: HashTable<u32>,
    half_open: HalfOpenTable,
    histories: Histories,
    queued: usize,
    scratch: Vec<u8>,
    wheel: Wheel,
    /// Flows that want the next tick.
    listed: Vec<(u32, u32)>,
    due: Vec<(u32, u32)>,
    /// Where the next eviction sample begins.
    hand: u32,
    /// Flows that the end of the capture still has to end, in the order in which they began: by their first packet and slot.
    ending: Option<std::iter::Peekable<std::vec::IntoIter<(u64, u32)>>>,
}

/// The parts of a table that reassembly works with, beside the flow.
macro_rules! env {
    ($table:ident) => {
        Env {
            config: &$table.config,
            counters: &mut $table.counters,
            histories: &mut $table.histories,
            queued: &mut $table.queued,
            scratch: &mut $table.scratch,
        }
    };
}

use env;

impl<H: StreamHandler> FlowTable<H> {
    /// An empty table. `seeds` go into flow ids: fixed in a replay, so that ids repeat.
    #[must_use]
    pub fn new(config: FlowConfig, seeds: [u64; 2]) -> Self {
        Self {
            seed: seeds[0] ^ seeds[1].rotate_left(32),
            counters: StreamCounters::default(),
            flows: Slab::new(),
            index: HashTable::new(),
            half_open: HalfOpenTable::new(config.max_half_open),
            histories: Histories::new(config.history_buffers),
            queued: 0,
            scratch: Vec::new(),
            wheel: Wheel::new(),
            listed: Vec::new(),
            due: Vec::new(),
            hand: 0,
            ending: None,
            config,
        }
    }

    /// Counters so far.
    #[must_use]
    pub const fn counters(&self) -> &StreamCounters {
        &self.counters
    }

    /// Flows tracked now.
    #[must_use]
    pub const fn active(&self) -> usize {
        self.flows.active()
    }

    /// Bytes held, what handlers keep not included.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.flows.memory() + self.index.capacity() * 5 + self.half_open.memory() + self.histories.memory() + self.queued
    }

    /// Takes a packet. `transport` is its transport header and payload as captured.
    pub fn packet(&mut self, packet: &Packet, transport: &[u8], payload: &[u8], handler: &mut H) {
        match &packet.transport {
            Transport::Tcp(facts) => self.tcp(packet, facts, transport, payload, handler),
            Transport::Udp => self.udp(packet, transport, payload, handler),
            Transport::Icmp(..) => self.counted(packet, Class::Icmp, handler),
            Transport::Other => self.counted(packet, Class::Other, handler),
        }
    }

    fn tcp(&mut self, packet: &Packet, facts: &TcpFacts, transport: &[u8], payload: &[u8], handler: &mut H) {
        let cause = cause_of(packet);
        let digest = tcp::digest(packet, facts, transport);
        let selected = self.select(
            packet,
            |flow, direction| {
                let (half, other) = (flow.tcp.get(direction), flow.tcp.get(direction.reverse()));
                half.continues(facts.seq) || (facts.flags & flags::ACK != 0 && !half.was_seen() && other.fits_ack(facts.ack))
            },
            digest,
        );
        if let Some(Selected { slot, copy }) = selected
            && let Some(flow) = self.flows.get_mut(slot)
        {
            let direction = flow.direction(packet.side);
            let segment = Segment { packet, facts, payload, direction, cause: &cause };
            if copy && tcp::is_repetition(flow, &mut env!(self), &segment) {
                self.counters.duplicate_packet += 1;
                return;
            }
            let skips = tcp::skips_checksum(flow, direction, facts);
            let unsummed = flow.tcp.get(direction).is_unsummed();
            if !skips && !self.accepts_checksum(packet, transport, unsummed, Some((slot, direction))) {
                if let Some(flow) = self.flows.get_mut(slot) {
                    tcp::count(flow, packet, direction, 0);
                }
                return;
            }
            self.known(slot, &segment, digest, handler);
            return;
        }
        let unsummed = self.half_open.is_unsummed(packet, |entry| continues(entry, packet, facts));
        if self.accepts_checksum(packet, transport, unsummed, None) {
            self.unknown(packet, facts, payload, digest, handler);
        } else {
            self.unsummed_handshake(packet, facts, payload, digest);
        }
    }

    /// The flow a packet belongs to. Between flows of one key (VLANs): the one with the packet's tags, the one that
    /// knows the packet (a copy), the one it continues.
    fn select(&self, packet: &Packet, fits: impl Fn(&Flow<H::App>, Direction) -> bool, digest: u64) -> Option<Selected> {
        let head = *self.index.find(packet.hash, |&slot| self.flows.get(slot).is_some_and(|flow| flow.key == packet.key))?;
        let chain = || Chain { flows: &self.flows, slot: head };
        for (slot, flow) in chain() {
            let direction = flow.direction(packet.side);
            let tags = flow.vlan.get(direction).or(*flow.vlan.get(direction.reverse()));
            if tags == Some(packet.vlan) {
                return Some(Selected { slot, copy: flow.tcp.get(direction).recent.knows(digest, packet) });
            }
        }
        for (slot, flow) in chain() {
            if flow.tcp.get(flow.direction(packet.side)).recent.knows(digest, packet) {
                return Some(Selected { slot, copy: true });
            }
        }
        chain().find(|(_, flow)| fits(flow, flow.direction(packet.side))).map(|(slot, _)| Selected { slot, copy: false })
    }

    /// A TCP packet of a tracked flow.
    fn known(&mut self, slot: u32, segment: &Segment<'_>, digest: u64, handler: &mut H) {
        let Segment { packet, facts, payload, direction, cause } = *segment;
        let is_syn = facts.flags & flags::SYN != 0;
        let is_synack = is_syn && facts.flags & flags::ACK != 0;
        if is_synack && self.flows.get(slot).is_some_and(|flow| !tcp::synack_fits(flow, segment)) {
            // An answer to a SYN that came while this connection seemed alive: the connection is a new one.
            let answered = self.half_open.take(packet, |entry| answers(entry, packet, facts));
            if let Some(entry) = answered {
                self.counters.tuple_reuse += 1;
                self.end(slot, EndReason::TcpReuse, cause, handler);
                self.promote(&entry, packet, facts, payload, digest, handler);
            } else {
                self.counters.synack += 1;
                self.counters.synack_wrong_ack += 1;
            }
            return;
        }
        let Some(flow) = self.flows.get_mut(slot) else { return };
        flow.tcp.get_mut(direction).recent.remember(digest, packet.time);
        flow.vlan.get_mut(direction).get_or_insert(packet.vlan);
        if is_syn && !is_synack {
            self.counters.syn += 1;
            match tcp::syn_on_flow(flow, &mut env!(self), segment) {
                SynOnFlow::Taken => tcp::count(flow, packet, direction, facts.flags),
                SynOnFlow::Challenge => {
                    tcp::count(flow, packet, direction, 0);
                    self.remember_syn(packet, facts, digest);
                }
                SynOnFlow::Reuse => {
                    self.counters.syn -= 1;
                    self.counters.tuple_reuse += 1;
                    self.end(slot, EndReason::TcpReuse, cause, handler);
                    self.unknown(packet, facts, payload, digest, handler);
                }
            }
            return;
        }
        tcp::count(flow, packet, direction, facts.flags);
        let class = flow.class;
        if is_synack {
            self.counters.synack += 1;
            tcp::synack_on_flow(flow, &mut env!(self), segment, handler);
        } else {
            tcp::segment(flow, &mut env!(self), segment, handler);
        }
        self.after(slot, class, handler);
    }

    /// What a packet may have changed about a flow's timers.
    fn after(&mut self, slot: u32, class: Class, handler: &H) {
        let Some(flow) = self.flows.get_mut(slot) else { return };
        let id = (slot, flow.generation);
        if flow.class != class && flow.class == Class::TcpClosed {
            self.wheel.arm(flow.last.plus(self.config.timeout(flow.class)), id);
        }
        if !flow.listed && wants_tick(flow, handler) {
            flow.listed = true;
            self.listed.push(id);
        }
    }

    /// A TCP packet with a right checksum of no tracked flow.
    fn unknown(&mut self, packet: &Packet, facts: &TcpFacts, payload: &[u8], digest: u64, handler: &mut H) {
        let has = |flag: u8| facts.flags & flag != 0;
        if has(flags::SYN) && !has(flags::ACK) {
            self.counters.syn += u64::from(self.syn(packet, facts, payload, digest, handler));
            return;
        }
        if has(flags::SYN) {
            let answered = self.half_open.take(packet, |entry| answers(entry, packet, facts));
            if let Some(entry) = answered {
                self.promote(&entry, packet, facts, payload, digest, handler);
            } else if self.half_open.waits_for(packet) {
                self.counters.synack += 1;
                self.counters.synack_wrong_ack += 1;
            } else {
                // Captured before its SYN, or the SYN was not captured.
                let slot = self.begin(packet, Class::TcpNew, packet.side.other(), handler);
                self.resume(slot, packet, facts, payload, digest, handler);
            }
            return;
        }
        if !has(flags::ACK) && !has(flags::RST) {
            self.counters.no_ack_flag += 1;
            return;
        }
        if let Some(entry) = self.half_open.take(packet, |entry| continues(entry, packet, facts)) {
            self.promote(&entry, packet, facts, payload, digest, handler);
            return;
        }
        if self.half_open.waits_for(packet) {
            // Somebody answers for the server without knowing the client's number.
            if has(flags::RST) {
                self.counters.rst += 1;
                self.counters.rst_invalid += 1;
            } else if has(flags::FIN) {
                self.counters.fin_invalid += 1;
            } else {
                self.counters.invalid_ack += 1;
            }
            return;
        }
        if packet.payload_wire_len == 0 || has(flags::RST) {
            self.counters.stray_segments += 1;
            return;
        }
        self.counters.midstream_pickup += 1;
        let slot = self.begin(packet, Class::TcpNew, likely_client(packet), handler);
        if let Some(flow) = self.flows.get_mut(slot) {
            flow.midstream = true;
        }
        self.resume(slot, packet, facts, payload, digest, handler);
    }

    /// A SYN of no flow; false for the copy of a known one.
    fn syn(&mut self, packet: &Packet, facts: &TcpFacts, payload: &[u8], digest: u64, handler: &mut H) -> bool {
        if packet.payload_wire_len == 0 {
            return self.remember_syn(packet, facts, digest);
        }
        self.counters.data_on_syn += 1;
        let slot = self.begin(packet, Class::TcpNew, packet.side, handler);
        let cause = cause_of(packet);
        if let Some(flow) = self.flows.get_mut(slot) {
            let direction = Direction::ToServer;
            flow.tcp.get_mut(direction).recent.remember(digest, packet.time);
            *flow.vlan.get_mut(direction) = Some(packet.vlan);
            tcp::count(flow, packet, direction, facts.flags);
            tcp::anchor_syn(flow, &mut env!(self), &Segment { packet, facts, payload, direction, cause: &cause });
        }
        self.after(slot, Class::TcpNew, handler);
        true
    }

    fn remember_syn(&mut self, packet: &Packet, facts: &TcpFacts, digest: u64) -> bool {
        match self.half_open.classify(packet, facts, digest) {
            Known::Duplicate => {
                self.counters.duplicate_packet += 1;
                return false;
            }
            Known::Again => {
                self.counters.retransmission += 1;
                self.half_open.mark_summed(packet, |entry| entry.client == packet.side && entry.seq == facts.seq);
                return true;
            }
            Known::Different => self.counters.syn_resent_different += 1,
            Known::New => {}
        }
        self.counters.half_open_evicted += u64::from(self.half_open.insert(packet, facts, digest));
        true
    }

    /// A remembered SYN becomes a flow, because `packet` continues it.
    fn promote(
        &mut self,
        entry: &super::HalfOpen,
        packet: &Packet,
        facts: &TcpFacts,
        payload: &[u8],
        digest: u64,
        handler: &mut H,
    ) {
        // Both sides sent a SYN: who sent the first is the client (RFC 9293 §3.5, figure 8).
        let both = self.half_open.take(packet, |other| {
            other.client == packet.side && facts.flags & flags::SYN != 0 && other.seq == facts.seq && entry.client != packet.side
        });
        let (first, second) = match &both {
            Some(other) if other.number < entry.number => (other, Some(entry)),
            Some(other) => (entry, Some(other)),
            None => (entry, None),
        };
        let slot = self.begin(packet, Class::TcpNew, first.client, handler);
        let Some(flow) = self.flows.get_mut(slot) else { return };
        flow.start = first.time;
        flow.first_number = first.number;
        flow.file = first.file;
        flow.id = flow_id(self.seed, packet.hash, first.time, first.number);
        tcp::anchor_from_half_open(flow, first);
        if let Some(second) = second {
            tcp::anchor_from_half_open(flow, second);
        }
        if first.server_unsummed && facts.flags & flags::RST == 0 && packet.side == first.client {
            // The SYN-ACK was set aside, and the client takes it.
            flow.handshake = true;
            self.counters.sessions += 1;
        }
        self.resume(slot, packet, facts, payload, digest, handler);
    }

    /// Gives a new flow the packet for which it was made.
    fn resume(&mut self, slot: u32, packet: &Packet, facts: &TcpFacts, payload: &[u8], digest: u64, handler: &mut H) {
        let Some(flow) = self.flows.get(slot) else { return };
        let cause = cause_of(packet);
        let segment = Segment { packet, facts, payload, direction: flow.direction(packet.side), cause: &cause };
        self.known(slot, &segment, digest, handler);
    }

    /// Time has passed: everything that waits is looked at. The same packets and ticks give the same calls, always.
    pub fn tick(&mut self, cause: &Cause, handler: &mut H) {
        let mut listed = core::mem::take(&mut self.listed);
        listed.retain(|&(slot, generation)| {
            let Some(flow) = self.flows.get_mut(slot).filter(|flow| flow.in_use && flow.generation == generation) else {
                return false;
            };
            let class = flow.class;
            tcp::hole_tick(flow, &mut env!(self), cause, handler);
            tcp::expire_held(flow, &mut env!(self), cause.time);
            let view = flow.view();
            flow.listed = handler.tick(&view, &mut flow.app, cause) || wants_tick(flow, handler);
            if flow.class != class && flow.class == Class::TcpClosed {
                self.wheel.arm(cause.time.plus(self.config.timeout(flow.class)), (slot, generation));
            }
            flow.listed
        });
        listed.append(&mut self.listed);
        self.listed = listed;
        let mut due = core::mem::take(&mut self.due);
        self.wheel.due(cause.time, &mut due);
        for (slot, generation) in due.drain(..) {
            let Some(flow) = self.flows.get(slot).filter(|flow| flow.in_use && flow.generation == generation) else { continue };
            let deadline = flow.last.plus(self.config.timeout(flow.class));
            if deadline < cause.time {
                self.end(slot, EndReason::Timeout, cause, handler);
            } else {
                self.wheel.arm(deadline, (slot, generation));
            }
        }
        self.due = due;
        let patience = u64::try_from(self.config.tcp_half_open.as_nanos()).unwrap_or(u64::MAX);
        let before = PacketTime::from_nanos(cause.time.as_nanos().saturating_sub(patience));
        self.counters.half_open_expired += self.half_open.expire(before);
    }

    /// The capture is over: ends all flows, in the order in which they began.
    pub fn finish(&mut self, cause: &Cause, handler: &mut H) {
        self.finish_until(u64::MAX, cause, handler);
    }

    /// The same for flows that began with packet `until` or before, so that what ends can be written before more does. No packets
    /// may come between the calls.
    pub fn finish_until(&mut self, until: u64, cause: &Cause, handler: &mut H) {
        let mut ending = self.ending.take().unwrap_or_else(|| {
            let mut all: Vec<(u64, u32)> = (0..self.flows.slots())
                .filter_map(|slot| self.flows.get(slot).filter(|flow| flow.in_use).map(|flow| (flow.first_number, slot)))
                .collect();
            all.sort_unstable();
            all.into_iter().peekable()
        });
        while let Some((_, slot)) = ending.next_if(|(first, _)| *first <= until) {
            self.end(slot, EndReason::Shutdown, cause, handler);
        }
        self.ending = Some(ending);
    }
}

struct Selected {
    slot: u32,
    /// It looks like a copy of a packet that was seen.
    copy: bool,
}

/// The flows of one key.
struct Chain<'a, A> {
    flows: &'a Slab<A>,
    slot: u32,
}

impl<'a, A: Default> Iterator for Chain<'a, A> {
    type Item = (u32, &'a Flow<A>);

    fn next(&mut self) -> Option<Self::Item> {
        let flow = self.flows.get(self.slot)?;
        let slot = core::mem::replace(&mut self.slot, flow.same_key);
        Some((slot, flow))
    }
}

fn wants_tick<H: StreamHandler>(flow: &Flow<H::App>, handler: &H) -> bool {
    flow.tcp.to_server.is_waiting() || flow.tcp.to_client.is_waiting() || handler.wants_tick(&flow.app)
}

/// A SYN-ACK that acknowledges the attempt.
fn answers(entry: &super::HalfOpen, packet: &Packet, facts: &TcpFacts) -> bool {
    entry.client != packet.side && facts.ack == entry.seq.wrapping_add(1)
}

/// Any other packet that continues the attempt: the rest of the handshake was not captured, or it is refused.
fn continues(entry: &super::HalfOpen, packet: &Packet, facts: &TcpFacts) -> bool {
    let begin = entry.seq.wrapping_add(1);
    let number = if entry.client == packet.side { facts.seq } else { facts.ack };
    let near = number.wrapping_sub(begin) <= NEAR;
    if facts.flags & flags::RST != 0 {
        return number == begin && (entry.client == packet.side || facts.flags & flags::ACK != 0);
    }
    near
}

/// Who most likely began a conversation whose beginning is not known: the side with the higher port, else the sender.
fn likely_client(packet: &Packet) -> Side {
    let (low, high) = (packet.key.endpoint_port(Side::Low), packet.key.endpoint_port(Side::High));
    match low.cmp(&high) {
        core::cmp::Ordering::Less => Side::High,
        core::cmp::Ordering::Greater => Side::Low,
        core::cmp::Ordering::Equal => packet.side,
    }
}

const fn cause_of(packet: &Packet) -> Cause {
    Cause { time: packet.time, number: packet.number, file: packet.file, file_number: packet.file_number }
}

/// A flow's id: from its key's hash, its start and its first packet, never from a VLAN.
fn flow_id(seed: u64, hash: u64, start: PacketTime, first_number: u64) -> FlowId {
    let word = hash ^ start.as_nanos().rotate_left(17) ^ first_number.rotate_left(41);
    let product = u128::from(word ^ seed) * u128::from(0x9e37_79b9_7f4a_7c15_u64 | 1);
    FlowId::from_hash((product >> 64) as u64 ^ product as u64)
}
