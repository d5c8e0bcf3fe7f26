//! How a connection begins: SYN, SYN-ACK, fast open, both at once, in the wrong order, or not seen at all.

use super::deliver::{drain, drop_queue};
use super::queue::{Fresh, Queue};
use super::segment::Segment;
use super::{Env, Half, fact};
use crate::flow::{Flow, HalfOpen};
use crate::handler::{FlowState, StreamHandler};
use crate::packet::{TcpFacts, flags};

/// What a SYN means to a flow of the same addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SynOnFlow {
    /// It belongs to the flow.
    Taken,
    /// The flow is over: a new connection begins.
    Reuse,
    /// The peer answers with a challenge (RFC 5961 §4): only a SYN-ACK makes it a new connection.
    Challenge,
}

/// Sets what a SYN of this side says.
fn take_syn(half: &mut Half, facts: &TcpFacts) {
    half.isn = facts.seq;
    half.anchor(facts.seq.wrapping_add(1));
    half.set(fact::SOFT, false);
    half.set(fact::SYN, true);
    half.set(fact::SEEN, true);
    half.set(fact::SCALE, true);
    half.set(fact::WSCALE, facts.window_scale.is_some());
    half.scale = facts.window_scale.unwrap_or(0).min(14);
    half.set(fact::SIGNED, facts.signed);
    half.set(fact::FAST_OPEN, facts.fast_open);
    if let Some((value, _)) = facts.timestamps {
        half.set(fact::TIMESTAMPS, true);
        half.ts_recent = value;
    }
}

/// RFC 7323 §1.3: window scaling and time stamps are in use when both SYNs carry the option.
fn agree(one: &mut Half, other: &mut Half) {
    if !(one.is(fact::WSCALE) && other.is(fact::WSCALE)) {
        one.scale = 0;
        other.scale = 0;
    }
    if !(one.is(fact::TIMESTAMPS) && other.is(fact::TIMESTAMPS)) {
        one.set(fact::TIMESTAMPS, false);
        other.set(fact::TIMESTAMPS, false);
    }
}

/// The window in a SYN is never scaled (RFC 7323 §2.2).
fn take_syn_window(limited: &mut Half, window: u16) {
    limited.window = u32::from(window);
    limited.window_end = limited.window_end.max(limited.next.plus(usize::from(window)));
    limited.set(fact::WINDOW, true);
}

/// A new flow from a remembered SYN. The caller goes on with the packet that continued it.
pub(crate) fn anchor_from_half_open<A>(flow: &mut Flow<A>, entry: &HalfOpen) {
    let direction = flow.direction(entry.client);
    let facts = entry.facts();
    let (half, other) = flow.tcp.pair_mut(direction);
    take_syn(half, &facts);
    half.ttl = entry.ttl;
    half.set_unsummed(entry.unsummed);
    other.set_unsummed(entry.server_unsummed);
    half.recent.remember(entry.digest, entry.time);
    take_syn_window(other, entry.window);
    let counts = flow.counts.get_mut(direction);
    counts.packets += 1;
    counts.bytes += u64::from(entry.wire_len);
    counts.tcp_flags |= flags::SYN;
    *flow.vlan.get_mut(direction) = Some(entry.vlan);
}

/// A new flow from a SYN that carries data: the data waits for the SYN-ACK to say whether it was taken.
pub(crate) fn anchor_syn<A>(flow: &mut Flow<A>, env: &mut Env<'_>, segment: &Segment<'_>) {
    let (half, other) = flow.tcp.pair_mut(segment.direction);
    take_syn(half, segment.facts);
    take_syn_window(other, segment.facts.window);
    if *env.queued + segment.payload.len() > env.config.max_queued_bytes {
        env.counters.memcap_drop += 1;
        return;
    }
    let mut queue = Queue::default();
    queue.insert(half.next, &Fresh::Data(segment.payload), super::OverlapPolicy::First);
    *env.queued += queue.cost();
    half.max_end = half.next.plus(segment.payload.len());
    half.hole_since = segment.cause.time;
    half.queue = Some(Box::new(queue));
    half.set(fact::SYN_DATA, true);
}

/// A SYN (without ACK) that meets a flow.
pub(crate) fn syn_on_flow<A>(flow: &mut Flow<A>, env: &mut Env<'_>, segment: &Segment<'_>) -> SynOnFlow {
    if flow.state == FlowState::Closed {
        return SynOnFlow::Reuse;
    }
    let facts = segment.facts;
    let (half, other) = flow.tcp.pair_mut(segment.direction);
    if half.is(fact::SYN) {
        if half.isn == facts.seq {
            env.counters.retransmission += 1;
            return SynOnFlow::Taken;
        }
        if !other.was_seen() {
            env.counters.syn_resent_different += 1;
            return SynOnFlow::Challenge;
        }
    } else if other.is(fact::SYN) && half.offset == 0 && half.place(facts.seq.wrapping_add(1)) == half.next {
        // The SYN-ACK was captured before the SYN.
        take_syn(half, facts);
        agree(half, other);
        take_syn_window(other, facts.window);
        return SynOnFlow::Taken;
    }
    env.counters.syn_in_established += 1;
    SynOnFlow::Challenge
}

/// Whether a SYN-ACK belongs to a flow as it stands.
pub(crate) fn synack_fits<A>(flow: &Flow<A>, segment: &Segment<'_>) -> bool {
    let half = flow.tcp.get(segment.direction);
    let other = flow.tcp.get(segment.direction.reverse());
    if flow.state == FlowState::Closed {
        return false;
    }
    if half.is(fact::SYN) {
        return half.isn == segment.facts.seq;
    }
    let ack = other.place(segment.facts.ack);
    half.offset == 0 && (!other.is(fact::ANCHORED) || (ack >= other.next && ack <= other.max_end))
}

/// A SYN-ACK that fits its flow.
pub(crate) fn synack_on_flow<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    segment: &Segment<'_>,
    handler: &mut H,
) {
    let facts = segment.facts;
    let direction = segment.direction;
    let (half, other) = flow.tcp.pair_mut(direction);
    if half.is(fact::SYN) {
        // Sent again, or both sides opened at once: what it acknowledges counts.
        if other.acked >= other.place(facts.ack) {
            env.counters.retransmission += 1;
        }
        other.acked = other.acked.max(other.place(facts.ack).min(other.max_end));
        return;
    }
    take_syn(half, facts);
    if other.is(fact::SYN) {
        agree(half, other);
    }
    if !other.is(fact::ANCHORED) {
        other.anchor(facts.ack);
        other.set(fact::SOFT, true);
    }
    // The client's SYN announced the window for this side before its place was known.
    if half.is(fact::WINDOW) {
        half.window_end = half.window_end.max(half.next.plus(half.window as usize));
    }
    let acked = other.place(facts.ack);
    other.acked = other.acked.max(acked);
    take_syn_window(other, facts.window);
    if !other.is(fact::SYN_DATA) {
        return;
    }
    other.set(fact::SYN_DATA, false);
    if acked == other.next {
        drop_queue(other, env);
        other.max_end = other.next;
        return;
    }
    if other.is(fact::FAST_OPEN) {
        env.counters.tfo += 1;
    }
    let before = other.queue_cost();
    if let Some(queue) = other.queue.as_mut() {
        queue.truncate(acked);
    }
    *env.queued = (*env.queued + other.queue_cost()).saturating_sub(before);
    other.max_end = acked;
    drain(flow, env, direction.reverse(), segment.cause, handler);
}
