//! One segment of a tracked connection: what its receiver would do with it.
//!
//! ```text
//! SYN ─► handshake     RST ─► reset     no ACK flag ─► ignored
//! else: keep-alive? PAWS? signature? ─► acknowledgement ─► window ─► data, urgent byte, FIN ─► both ends done?
//! ```

use backstop_types::Direction;

use super::deliver::{MAX_HELD, MAX_HELD_BYTES, accept, end_at_fin, finish_direction};
use super::history::Compared;
use super::queue::Fresh;
use super::seq::Place;
use super::{Env, Half, Held, fact};
use crate::flow::{Class, Flow};
use crate::handler::{Cause, FlowState, StreamEnd, StreamHandler};
use crate::packet::{Packet, TcpFacts, flags};

/// A time to live that differs by more than this from that of the direction's first packet is an anomaly.
const TTL_TOLERANCE: u8 = 5;
/// Scale assumed for a window whose SYN was not seen: the largest (RFC 7323 §2.3).
const UNKNOWN_SCALE: u8 = 14;
/// Data sent into a closed window is held at most this far behind it.
const PROBE_REACH: usize = 64 * 1024;

/// A segment with what is known about it.
#[derive(Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub packet: &'a Packet,
    pub facts: &'a TcpFacts,
    /// As captured.
    pub payload: &'a [u8],
    pub direction: Direction,
    pub cause: &'a Cause,
}

impl Segment<'_> {
    const fn has(&self, flag: u8) -> bool {
        self.facts.flags & flag != 0
    }

    /// Payload on the wire, bytes.
    const fn len(&self) -> usize {
        self.packet.payload_wire_len as usize
    }
}

/// Adds a packet to its flow's counts.
pub(crate) fn count<A>(flow: &mut Flow<A>, packet: &Packet, direction: Direction, tcp_flags: u8) {
    flow.last = flow.last.max(packet.time);
    let counts = flow.counts.get_mut(direction);
    counts.packets += 1;
    counts.bytes += u64::from(packet.wire_len);
    counts.tcp_flags |= tcp_flags;
}

/// Plain data of a direction that nobody reads: its checksum does not matter.
pub(crate) fn skips_checksum<A>(flow: &Flow<A>, direction: Direction, facts: &TcpFacts) -> bool {
    flow.tcp.get(direction).is_bypassed() && facts.flags & (flags::SYN | flags::FIN | flags::RST) == 0
}

/// Whether what looks like a copy of a known packet carries the same bytes: who builds two payloads with one checksum
/// gets no copy's silence.
pub(crate) fn is_repetition<A>(flow: &Flow<A>, env: &mut Env<'_>, segment: &Segment<'_>) -> bool {
    let half = flow.tcp.get(segment.direction);
    if segment.payload.is_empty() || half.is_bypassed() || !half.is(fact::ANCHORED) {
        return true;
    }
    let start = half.place(segment.facts.seq);
    !matches!(env.histories.compare(half.claim, start, segment.payload, env.scratch), Compared::Different(_))
}

/// Takes a segment that is no SYN (those go to [`super::handshake`]) and has a right checksum.
pub(crate) fn segment<H: StreamHandler>(flow: &mut Flow<H::App>, env: &mut Env<'_>, segment: &Segment<'_>, handler: &mut H) {
    if segment.len() > 0 {
        note_ttl(flow.tcp.get_mut(segment.direction), segment.packet.ttl, env);
    }
    if segment.has(flags::RST) {
        reset(flow, env, segment, handler);
        return;
    }
    if !segment.has(flags::ACK) {
        env.counters.no_ack_flag += 1;
        return;
    }
    anchor(flow.tcp.get_mut(segment.direction), segment.facts.seq);
    if is_keepalive(flow.tcp.get(segment.direction), segment) {
        env.counters.keepalive += 1;
        if judge_ack(flow, env, segment, false) == Verdict::Take {
            take_ack(flow, env, segment);
        }
        return;
    }
    if !passes_options(flow, env, segment) {
        return;
    }
    let carries = segment.len() > 0 || segment.has(flags::FIN);
    match judge_ack(flow, env, segment, carries) {
        Verdict::Drop => return,
        Verdict::Hold => {
            hold(flow, env, segment);
            return;
        }
        Verdict::Take => take_ack(flow, env, segment),
    }
    establish(flow, env, segment);
    if carries {
        match judge_window(flow.tcp.get(segment.direction), segment) {
            Verdict::Take => {}
            Verdict::Hold => {
                hold(flow, env, segment);
                return;
            }
            Verdict::Drop if segment.len() == 0 => {
                env.counters.fin_invalid += 1;
                return;
            }
            Verdict::Drop => {
                env.counters.out_of_window += 1;
                return;
            }
        }
        let half = flow.tcp.get_mut(segment.direction);
        let start = half.place(segment.facts.seq);
        note_timestamp(half, segment.facts, start);
        drop_contradicted(half, env, start, segment.payload);
        if segment.has(flags::URG) && segment.facts.urgent > 0 {
            env.counters.urgent += 1;
            half.urgent = start.plus(usize::from(segment.facts.urgent) - 1);
        }
        take_data(flow, env, segment.direction, start, segment, segment.has(flags::FIN), handler);
    }
    release_held(flow, env, segment.direction.reverse(), segment.cause, handler);
    release_held(flow, env, segment.direction, segment.cause, handler);
    end_at_fin(flow, env, segment.direction, segment.cause, handler);
    settle(flow, env);
}

fn note_ttl(half: &mut Half, ttl: u8, env: &mut Env<'_>) {
    if half.ttl == 0 {
        half.ttl = ttl;
    } else if half.ttl.abs_diff(ttl) > TTL_TOLERANCE {
        env.counters.ttl_anomaly += 1;
    }
}

/// The first packet of a side whose beginning was not captured says where its stream is picked up.
fn anchor(half: &mut Half, seq: u32) {
    if !half.is(fact::ANCHORED) || (half.is(fact::SOFT) && !half.was_seen()) {
        // What the other side acknowledged before keeps its distance.
        let place = if half.is(fact::ANCHORED) { half.place(seq) } else { half.next };
        let place = if place.since(half.next) > 1 << 20 || half.next.since(place) > 1 << 20 { half.next } else { place };
        half.next = place;
        half.anchor(seq);
        half.set(fact::SOFT, false);
    }
    half.set(fact::SEEN, true);
}

/// RFC 9293 §3.8.4: one below the next number, no or one byte, and nothing else.
fn is_keepalive(half: &Half, segment: &Segment<'_>) -> bool {
    segment.len() <= 1 && !segment.has(flags::FIN) && half.place(segment.facts.seq).plus(1) == half.next
}

/// Time stamps (RFC 7323 §5) and signatures (RFC 2385).
fn passes_options<A>(flow: &mut Flow<A>, env: &mut Env<'_>, segment: &Segment<'_>) -> bool {
    let (half, other) = flow.tcp.pair_mut(segment.direction);
    if segment.facts.signed && half.is(fact::SYN) && !half.is(fact::SIGNED) {
        env.counters.unexpected_md5 += 1;
        return false;
    }
    let Some((value, _)) = segment.facts.timestamps else { return true };
    if half.is(fact::TIMESTAMPS) {
        if value.wrapping_sub(half.ts_recent).cast_signed() < 0 {
            env.counters.paws_drop += 1;
            return false;
        }
    } else if !(half.is(fact::SYN) && other.is(fact::SYN)) {
        // The agreement was not captured.
        half.set(fact::TIMESTAMPS, true);
        half.ts_recent = value;
    }
    true
}

/// RFC 7323 §4.3: the time stamp of a segment that begins at or before the next byte counts.
fn note_timestamp(half: &mut Half, facts: &TcpFacts, start: Place) {
    if let Some((value, _)) = facts.timestamps
        && half.is(fact::TIMESTAMPS)
        && start <= half.next
    {
        half.ts_recent = value;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Take,
    /// Ahead of what was captured: the peer's next packets tell.
    Hold,
    Drop,
}

/// RFC 9293 §3.10.7.4, fifth: an acknowledgement of something not yet sent is dropped. The SPAN port may show the two
/// directions out of order, so that "not yet sent" may mean "not yet seen".
fn judge_ack<A>(flow: &mut Flow<A>, env: &mut Env<'_>, segment: &Segment<'_>, carries: bool) -> Verdict {
    let other = flow.tcp.get_mut(segment.direction.reverse());
    if !other.is(fact::ANCHORED) {
        other.anchor(segment.facts.ack);
        other.set(fact::SOFT, true);
        return Verdict::Take;
    }
    let ack = other.place(segment.facts.ack);
    if !other.was_seen() {
        // One-sided: the acknowledgements are all that is known of the other side.
        other.max_end = other.max_end.max(ack);
        return Verdict::Take;
    }
    if ack <= other.max_end {
        return Verdict::Take;
    }
    let allowed = other.window_end.plus(other.window as usize);
    if other.is(fact::WINDOW) && ack > allowed {
        env.counters.invalid_ack += 1;
        return Verdict::Drop;
    }
    if carries {
        return Verdict::Hold;
    }
    env.counters.ack_before_data += 1;
    Verdict::Take
}

fn take_ack<A>(flow: &mut Flow<A>, env: &mut Env<'_>, segment: &Segment<'_>) {
    let (half, other) = flow.tcp.pair_mut(segment.direction);
    let ack = other.place(segment.facts.ack);
    other.acked = other.acked.max(ack);
    let scale = if half.is(fact::SCALE) { half.scale } else { UNKNOWN_SCALE };
    other.window = u32::from(segment.facts.window) << scale.min(14);
    other.window_end = other.window_end.max(ack.plus(other.window as usize));
    other.set(fact::WINDOW, true);
    if segment.facts.window == 0 && !segment.has(flags::FIN) {
        env.counters.zero_window += 1;
    }
}

/// The state of the connection after a valid acknowledgement.
fn establish<A>(flow: &mut Flow<A>, env: &mut Env<'_>, segment: &Segment<'_>) {
    if flow.state != FlowState::New {
        return;
    }
    let (client, server) = (&flow.tcp.to_server, &flow.tcp.to_client);
    if client.is(fact::SYN) && server.is(fact::SYN) {
        // The server's SYN stands one before the origin of its stream; simultaneous open counts either way.
        if segment.direction == Direction::ToServer && server.acked >= Place::ORIGIN {
            flow.handshake = true;
            env.counters.sessions += 1;
        }
    }
    let both = client.was_seen() && server.was_seen();
    let unseen_handshake = !(client.is(fact::SYN) && server.is(fact::SYN));
    if flow.handshake || (both && unseen_handshake) {
        flow.state = FlowState::Established;
        flow.class = Class::TcpEstablished;
    }
}

/// RFC 9293 §3.10.7.4, first: data outside the window is not taken. One window of slack, because window updates may be
/// captured late; none where the window is closed.
fn judge_window(half: &Half, segment: &Segment<'_>) -> Verdict {
    if !half.is(fact::WINDOW) {
        return Verdict::Take;
    }
    let start = half.place(segment.facts.seq);
    if segment.len() == 0 && start <= half.max_end {
        return Verdict::Take;
    }
    if start < half.window_end.plus(half.window as usize) {
        return Verdict::Take;
    }
    if half.window == 0 && start < half.window_end.plus(PROBE_REACH) { Verdict::Hold } else { Verdict::Drop }
}

fn hold<A>(flow: &mut Flow<A>, env: &mut Env<'_>, segment: &Segment<'_>) {
    let ack = flow.tcp.get(segment.direction.reverse()).place(segment.facts.ack);
    let half = flow.tcp.get_mut(segment.direction);
    if half.is_bypassed() || half.is(fact::ENDED) {
        return;
    }
    let start = half.place(segment.facts.seq);
    let held = half.held.get_or_insert_default();
    let bytes: usize = held.iter().map(|held| held.bytes.len()).sum();
    let over_all = *env.queued + segment.payload.len() > env.config.max_queued_bytes;
    if held.len() >= MAX_HELD || bytes + segment.payload.len() > MAX_HELD_BYTES || over_all {
        env.counters.invalid_ack += 1;
        return;
    }
    let fin = segment.has(flags::FIN) && segment.payload.len() == segment.len();
    *env.queued += segment.payload.len();
    held.push(Held { start, bytes: segment.payload.to_vec(), ack, fin, time: segment.cause.time });
}

/// A valid segment over the range of a held one says what the held one was: a copy, or a decoy.
fn drop_contradicted(half: &mut Half, env: &mut Env<'_>, start: Place, payload: &[u8]) {
    let Some(held) = half.held.as_mut() else { return };
    let end = start.plus(payload.len());
    held.retain(|segment| {
        let held_end = segment.start.plus(segment.bytes.len());
        let (low, high) = (start.max(segment.start), end.min(held_end));
        if low >= high {
            return true;
        }
        let theirs = segment.bytes.get(low.since(segment.start)..high.since(segment.start));
        let ours = payload.get(low.since(start)..high.since(start));
        let contradicted = theirs != ours;
        let repeated = low == segment.start && high == held_end && !segment.fin;
        env.counters.invalid_ack += u64::from(contradicted);
        if contradicted || repeated {
            *env.queued = env.queued.saturating_sub(segment.bytes.len());
        }
        !(contradicted || repeated)
    });
    if held.is_empty() {
        half.held = None;
    }
}

/// Held segments whose acknowledgement the peer's packets now explain, or which the peer has acknowledged.
fn release_held<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    cause: &Cause,
    handler: &mut H,
) {
    let (half, other) = flow.tcp.pair_mut(direction);
    let Some(held) = half.held.take() else { return };
    let (acked, window_end, window, sent) = (half.acked, half.window_end, half.window as usize, other.max_end);
    let is_ready = |segment: &Held| {
        let taken = !segment.bytes.is_empty() && acked >= segment.start.plus(segment.bytes.len());
        taken || (segment.ack <= sent && segment.start < window_end.plus(window))
    };
    let (ready, waiting): (Vec<Held>, Vec<Held>) = held.into_iter().partition(is_ready);
    if !waiting.is_empty() {
        half.held = Some(Box::new(waiting));
    }
    for segment in ready {
        *env.queued = env.queued.saturating_sub(segment.bytes.len());
        let other = flow.tcp.get_mut(direction.reverse());
        if segment.ack > other.acked {
            env.counters.ack_before_data += 1;
            other.acked = segment.ack;
        }
        if segment.fin {
            take_fin(flow, env, direction, segment.start.plus(segment.bytes.len()), cause);
        }
        // A FIN may have come, and have ended the stream, while this one was held.
        let kept = flow.tcp.get(direction).fin.since(segment.start).min(segment.bytes.len());
        env.counters.data_after_fin += u64::from(kept < segment.bytes.len());
        if let Some(bytes) = segment.bytes.get(..kept).filter(|bytes| !bytes.is_empty()) {
            accept(flow, env, direction, segment.start, &Fresh::Data(bytes), cause, handler);
        }
        end_at_fin(flow, env, direction, cause, handler);
    }
}

/// Data and FIN of an acceptable segment.
fn take_data<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    start: Place,
    segment: &Segment<'_>,
    fin: bool,
    handler: &mut H,
) {
    let half = flow.tcp.get(direction);
    let len = segment.len();
    if half.is(fact::RESET) {
        env.counters.data_after_rst += u64::from(len > 0);
        return;
    }
    if len > 0 && len < env.config.small_segment as usize && !fin {
        env.counters.small_segments += 1;
    }
    let (mut data, mut missing) = (segment.payload, len - segment.payload.len().min(len));
    if half.fin < start.plus(len) {
        env.counters.data_after_fin += 1;
        let kept = half.fin.since(start);
        missing = missing.min(kept.saturating_sub(data.len()));
        data = data.get(..kept.min(data.len())).unwrap_or_default();
    }
    if fin {
        take_fin(flow, env, direction, start.plus(len), segment.cause);
    }
    let cause = segment.cause;
    let urgent = flow.tcp.get(direction).urgent;
    let mut at = start;
    if !env.config.urgent_inline && urgent >= start && urgent < start.plus(data.len()) {
        // RFC 6093 §3: the byte before the urgent pointer.
        let (before, rest) = data.split_at_checked(urgent.since(start)).unwrap_or((data, &[]));
        if !before.is_empty() {
            accept(flow, env, direction, at, &Fresh::Data(before), cause, handler);
        }
        accept(flow, env, direction, urgent, &Fresh::Urgent, cause, handler);
        at = urgent.plus(1);
        data = rest.get(1..).unwrap_or_default();
    }
    if !data.is_empty() {
        accept(flow, env, direction, at, &Fresh::Data(data), cause, handler);
        at = at.plus(data.len());
    }
    if missing > 0 {
        accept(flow, env, direction, at, &Fresh::Missing(missing), cause, handler);
    }
}

fn take_fin<A>(flow: &mut Flow<A>, env: &mut Env<'_>, direction: Direction, place: Place, cause: &Cause) {
    let half = flow.tcp.get_mut(direction);
    if half.fin == Place::NEVER {
        if place < half.next {
            env.counters.fin_invalid += 1;
            return;
        }
        half.fin = place;
        half.max_end = half.max_end.max(place.plus(1));
        half.hole_since = cause.time;
        let before = half.queue_cost();
        if let Some(queue) = half.queue.as_mut() {
            queue.truncate(place);
        }
        *env.queued = (*env.queued + half.queue_cost()).saturating_sub(before);
    } else if place != half.fin {
        env.counters.fin_invalid += 1;
    }
}

/// RFC 5961 §3: only a RST exactly at the next expected number is believed. Where bytes are missing from the capture,
/// the next number is what the receiver has acknowledged.
fn reset<H: StreamHandler>(flow: &mut Flow<H::App>, env: &mut Env<'_>, segment: &Segment<'_>, handler: &mut H) {
    env.counters.rst += 1;
    if flow.state == FlowState::Closed {
        return;
    }
    let half = flow.tcp.get(segment.direction);
    let other = flow.tcp.get(segment.direction.reverse());
    let valid = if half.is(fact::ANCHORED) {
        let place = half.place(segment.facts.seq);
        place == half.next || (place == half.acked && half.acked > half.next)
    } else {
        // The answer to a SYN (RFC 9293 §3.10.7.3): it must acknowledge the SYN, or the SYN and its data.
        let ack = other.place(segment.facts.ack);
        segment.has(flags::ACK) && other.is(fact::ANCHORED) && ack >= other.next && ack <= other.max_end
    };
    if !valid {
        env.counters.rst_invalid += 1;
        return;
    }
    flow.tcp.get_mut(segment.direction).set(fact::SEEN, true);
    for direction in Direction::BOTH {
        finish_direction(flow, env, direction, StreamEnd::Rst, segment.cause, handler);
        flow.tcp.get_mut(direction).set(fact::RESET, true);
    }
    settle(flow, env);
}

/// Closed when both directions have ended.
pub(super) fn settle<A>(flow: &mut Flow<A>, env: &mut Env<'_>) {
    if flow.tcp.to_server.ended() && flow.tcp.to_client.ended() && flow.state != FlowState::Closed {
        flow.state = FlowState::Closed;
        flow.class = Class::TcpClosed;
        forget(flow, env);
    }
}

/// Nothing is delivered any more: the bytes kept for comparisons go.
pub(crate) fn forget<A>(flow: &mut Flow<A>, env: &mut Env<'_>) {
    for direction in Direction::BOTH {
        env.histories.give_back(&mut flow.tcp.get_mut(direction).claim);
    }
}
