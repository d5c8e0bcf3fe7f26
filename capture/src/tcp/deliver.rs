//! From an acceptable segment to stream bytes: in order, behind a hole, again, or lost.

use backstop_types::{Direction, PacketTime, PerDirection};

use super::history::Compared;
use super::queue::{Fresh, Inserted, Piece, Queue};
use super::seq::Place;
use super::{Env, Half, fact};
use crate::flow::Flow;
use crate::handler::{Cause, Interest, StreamEnd, StreamHandler};

/// Segments behind an acknowledged hole after which it is given up: reordering across directions is shorter.
const HOLE_SEGMENTS: u16 = 8;
/// The same for a hole that nobody can acknowledge, because the other direction is not captured.
const ONE_SIDED_HOLE_SEGMENTS: u16 = 32;
/// Segments held for a sign of the peer, and their bytes.
pub(super) const MAX_HELD: usize = 256;
pub(super) const MAX_HELD_BYTES: usize = 256 * 1024;
/// How long a segment is held.
const HELD_FOR: core::time::Duration = core::time::Duration::from_secs(1);

/// Takes a segment's bytes at their place. `cause` is the packet.
pub(super) fn accept<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    start: Place,
    fresh: &Fresh<'_>,
    cause: &Cause,
    handler: &mut H,
) {
    let end = start.plus(fresh.len());
    let half = flow.tcp.get_mut(direction);
    if half.is(fact::SYN_DATA) {
        // No SYN-ACK was captured: where this segment begins tells whether the SYN's data was taken.
        half.set(fact::SYN_DATA, false);
        if start > half.next {
            drain(flow, env, direction, cause, handler);
        } else {
            drop_queue(half, env);
        }
    }
    let half = flow.tcp.get_mut(direction);
    half.max_end = half.max_end.max(end);
    if half.is(fact::BYPASS) {
        if end > half.next {
            let len = end.since(half.next);
            half.next = end;
            half.next_seq = half.next_seq.wrapping_add(len as u32);
            half.offset += len as u64;
        }
        return;
    }
    if end <= half.next {
        if fresh.len() > 0 {
            compare_old(flow, env, direction, start, fresh, true, cause, handler);
        }
        return;
    }
    let (start, fresh) = if start < half.next {
        let old = half.next.since(start);
        if let Fresh::Data(bytes) = fresh {
            let (head, tail) = bytes.split_at_checked(old).unwrap_or((bytes, &[]));
            let next = half.next;
            compare_old(flow, env, direction, start, &Fresh::Data(head), false, cause, handler);
            (next, Fresh::Data(tail))
        } else {
            (half.next, Fresh::Missing(fresh.len() - old))
        }
    } else {
        (start, *fresh)
    };
    let half = flow.tcp.get_mut(direction);
    let in_order = start == half.next;
    let overlaps_queue = half.queue.as_ref().and_then(|queue| queue.first()).is_some_and(|first| first < end);
    if in_order && !overlaps_queue {
        deliver(flow, env, direction, &fresh, cause, handler);
    } else {
        if !in_order {
            env.counters.out_of_order += 1;
        }
        enqueue(flow, env, direction, start, &fresh, cause, handler);
    }
    drain(flow, env, direction, cause, handler);
    if !in_order {
        skip_lost_holes(flow, env, direction, cause, handler);
    }
}

/// Bytes that were delivered before: they never change, but a copy that differs is worth telling.
fn compare_old<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    start: Place,
    fresh: &Fresh<'_>,
    whole: bool,
    cause: &Cause,
    handler: &mut H,
) {
    let Fresh::Data(bytes) = fresh else { return };
    let half = flow.tcp.get(direction);
    match env.histories.compare(half.claim, start, bytes, env.scratch) {
        Compared::Different(at) => {
            env.counters.overlap_different_data += 1;
            let behind = half.next.since(start.plus(at)) as u64;
            let offset = half.offset.saturating_sub(behind);
            // Only the range that was compared: what follows may still go into the stream.
            let other = bytes.get(at..).unwrap_or_default();
            let other = other.get(..env.scratch.len()).unwrap_or(other);
            let view = flow.view();
            handler.conflict(&view, &mut flow.app, direction, offset, env.scratch, other, cause);
        }
        Compared::Same | Compared::Unknown if whole => env.counters.retransmission += 1,
        Compared::Same => env.counters.overlap_same_data += 1,
        Compared::Unknown => {}
    }
}

fn enqueue<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    start: Place,
    fresh: &Fresh<'_>,
    cause: &Cause,
    handler: &mut H,
) {
    if *env.queued + fresh.len() > env.config.max_queued_bytes {
        env.counters.memcap_drop += 1;
        return;
    }
    let receiver = match direction {
        Direction::ToServer => flow.client.other(),
        Direction::ToClient => flow.client,
    };
    let policy = env.config.policy_for(flow.key.endpoint(receiver).addr);
    let half = flow.tcp.get_mut(direction);
    let queue = half.queue.get_or_insert_with(|| Box::new(Queue::default()));
    if queue.is_empty() {
        half.hole_since = cause.time;
        half.hole_segments = 0;
    }
    let before = queue.cost();
    let inserted = queue.insert(start, fresh, policy);
    *env.queued = (*env.queued + queue.cost()).saturating_sub(before);
    half.hole_segments = half.hole_segments.saturating_add(1);
    tell_overlap(flow, env, direction, inserted, cause, handler);
}

fn tell_overlap<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    inserted: Inserted,
    cause: &Cause,
    handler: &mut H,
) {
    if inserted.overlapped == 0 {
        return;
    }
    let Some((place, used, other)) = inserted.conflict else {
        if inserted.exact {
            env.counters.retransmission += 1;
        } else {
            env.counters.overlap_same_data += 1;
        }
        return;
    };
    env.counters.overlap_different_data += 1;
    let half = flow.tcp.get(direction);
    let offset = half.offset + place.since(half.next) as u64;
    let view = flow.view();
    handler.conflict(&view, &mut flow.app, direction, offset, &used, &other, cause);
}

/// Hands on what stands at the next place.
fn deliver<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    fresh: &Fresh<'_>,
    cause: &Cause,
    handler: &mut H,
) {
    let view = flow.view();
    let half = flow.tcp.get_mut(direction);
    let (place, offset, len) = (half.next, half.offset, fresh.len());
    half.next = place.plus(len);
    half.next_seq = half.next_seq.wrapping_add(len as u32);
    let interest = match fresh {
        Fresh::Data(bytes) => {
            half.offset += len as u64;
            env.histories.record(&mut half.claim, place, bytes);
            if half.is(fact::BYPASS) {
                return;
            }
            env.counters.delivered_bytes += len as u64;
            handler.data(&view, &mut flow.app, direction, offset, bytes, cause)
        }
        Fresh::Missing(_) => {
            half.offset += len as u64;
            env.counters.gap += 1;
            env.counters.gap_bytes += len as u64;
            flow.counts.get_mut(direction).gap = true;
            if half.is(fact::BYPASS) {
                return;
            }
            handler.gap(&view, &mut flow.app, direction, offset, len as u64, cause)
        }
        // RFC 6093: out of band, in the sequence but not in the stream.
        Fresh::Urgent => return,
    };
    if interest == Interest::Bypass {
        env.counters.bypassed += 1;
        let half = flow.tcp.get_mut(direction);
        half.set(fact::BYPASS, true);
        for segment in half.held.take().into_iter().flat_map(|held| *held) {
            *env.queued = env.queued.saturating_sub(segment.bytes.len());
        }
        drop_queue(half, env);
    }
}

pub(super) fn drop_queue(half: &mut Half, env: &mut Env<'_>) {
    *env.queued = env.queued.saturating_sub(half.queue_cost());
    half.queue = None;
}

/// Hands on what the queue now continues.
pub(super) fn drain<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    cause: &Cause,
    handler: &mut H,
) {
    loop {
        let half = flow.tcp.get_mut(direction);
        let Some(queue) = half.queue.as_mut() else { return };
        if queue.first() != Some(half.next) {
            if queue.is_empty() {
                half.queue = None;
            }
            return;
        }
        let before = queue.cost();
        let Some((_, piece)) = queue.pop() else { return };
        *env.queued = (*env.queued + queue.cost()).saturating_sub(before);
        half.hole_since = cause.time;
        half.hole_segments = 0;
        let fresh = match &piece {
            Piece::Data(bytes) => Fresh::Data(bytes),
            Piece::Missing(len) => Fresh::Missing(*len),
            Piece::Urgent => Fresh::Urgent,
        };
        deliver(flow, env, direction, &fresh, cause, handler);
    }
}

/// Whether the hole at the next place will not be filled: lost on the way to the sensor.
fn is_lost<A>(flow: &Flow<A>, env: &Env<'_>, direction: Direction, now: PacketTime) -> bool {
    let half = flow.tcp.get(direction);
    let Some(queue) = half.queue.as_ref() else { return false };
    let Some(first) = queue.first() else { return false };
    if queue.cost() > env.config.max_flow_queued_bytes || queue.pieces() > env.config.max_flow_queued_segments {
        return true;
    }
    let waited = now.since(half.hole_since);
    if flow.tcp.get(direction.reverse()).was_seen() {
        // The receiver has it: it was not lost on the way to the receiver.
        half.acked >= first && (half.hole_segments >= HOLE_SEGMENTS || waited >= env.config.gap_patience)
    } else {
        half.hole_segments >= ONE_SIDED_HOLE_SEGMENTS || waited >= env.config.gap_patience
    }
}

fn skip_lost_holes<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    cause: &Cause,
    handler: &mut H,
) {
    while is_lost(flow, env, direction, cause.time) {
        let half = flow.tcp.get(direction);
        if half.queue.as_ref().is_some_and(|queue| queue.cost() > env.config.max_flow_queued_bytes) {
            env.counters.flow_memcap_drop += 1;
        }
        skip_hole(flow, env, direction, cause, handler);
    }
}

/// Gives up the hole at the next place and goes on behind it.
fn skip_hole<H: StreamHandler>(flow: &mut Flow<H::App>, env: &mut Env<'_>, direction: Direction, cause: &Cause, handler: &mut H) {
    let half = flow.tcp.get(direction);
    let Some(first) = half.queue.as_ref().and_then(|queue| queue.first()) else { return };
    let len = first.since(half.next);
    if len > 0 {
        deliver(flow, env, direction, &Fresh::Missing(len), cause, handler);
    }
    drain(flow, env, direction, cause, handler);
}

/// A tick: holes that have waited long enough.
pub(crate) fn hole_tick<H: StreamHandler>(flow: &mut Flow<H::App>, env: &mut Env<'_>, cause: &Cause, handler: &mut H) {
    for direction in Direction::BOTH {
        skip_lost_holes(flow, env, direction, cause, handler);
        end_at_fin(flow, env, direction, cause, handler);
    }
}

/// A tick: held segments that no sign of the peer confirmed were decoys, or were sent into a closed window.
pub(crate) fn expire_held<A>(flow: &mut Flow<A>, env: &mut Env<'_>, now: PacketTime) {
    let others = PerDirection { to_server: flow.tcp.to_server.max_end, to_client: flow.tcp.to_client.max_end };
    for direction in Direction::BOTH {
        let half = flow.tcp.get_mut(direction);
        let Some(held) = half.held.as_mut() else { continue };
        let others_end = others.get(direction.reverse());
        held.retain(|segment| {
            let keep = now.since(segment.time) < HELD_FOR;
            if !keep {
                *env.queued = env.queued.saturating_sub(segment.bytes.len());
            }
            if !keep && segment.ack > *others_end {
                env.counters.invalid_ack += 1;
            } else if !keep {
                env.counters.out_of_window += 1;
            }
            keep
        });
        if held.is_empty() {
            half.held = None;
        }
    }
}

/// Tells the end when the FIN's place is reached. A FIN behind data that was acknowledged but not captured waits for it a
/// while; then the gap comes first.
pub(super) fn end_at_fin<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    cause: &Cause,
    handler: &mut H,
) {
    let half = flow.tcp.get(direction);
    if half.is(fact::ENDED) || half.fin == Place::NEVER {
        return;
    }
    if is_lost_before_fin(flow, env, direction, cause.time) {
        let half = flow.tcp.get(direction);
        let len = half.fin.since(half.next);
        deliver(flow, env, direction, &Fresh::Missing(len), cause, handler);
    }
    let half = flow.tcp.get_mut(direction);
    if half.next < half.fin {
        return;
    }
    half.next = half.fin.plus(1);
    half.next_seq = half.next_seq.wrapping_add(1);
    half.set(fact::ENDED, true);
    let view = flow.view();
    handler.end_of_stream(&view, &mut flow.app, direction, StreamEnd::Fin, cause);
}

fn is_lost_before_fin<A>(flow: &Flow<A>, env: &Env<'_>, direction: Direction, now: PacketTime) -> bool {
    let half = flow.tcp.get(direction);
    let queue_empty = half.queue.as_ref().is_none_or(|queue| queue.is_empty());
    if !queue_empty || half.next >= half.fin {
        return false;
    }
    let nobody_tells = !flow.tcp.get(direction.reverse()).was_seen();
    (half.acked > half.fin || nobody_tells) && now.since(half.hole_since) >= env.config.gap_patience
}

/// Ends a direction that has not ended: what waits behind holes is handed on when the receiver had it or nobody can tell.
pub(crate) fn finish_direction<H: StreamHandler>(
    flow: &mut Flow<H::App>,
    env: &mut Env<'_>,
    direction: Direction,
    end: StreamEnd,
    cause: &Cause,
    handler: &mut H,
) {
    if flow.tcp.get(direction).is(fact::ENDED) {
        return;
    }
    let half = flow.tcp.get_mut(direction);
    for segment in half.held.take().into_iter().flat_map(|held| *held) {
        *env.queued = env.queued.saturating_sub(segment.bytes.len());
        env.counters.invalid_ack += 1;
    }
    if half.is(fact::SYN_DATA) {
        half.set(fact::SYN_DATA, false);
        drop_queue(half, env);
    }
    let one_sided = !flow.tcp.get(direction.reverse()).was_seen();
    loop {
        let half = flow.tcp.get(direction);
        let Some(first) = half.queue.as_ref().and_then(|queue| queue.first()) else { break };
        if !one_sided && half.acked < first {
            break;
        }
        skip_hole(flow, env, direction, cause, handler);
    }
    let half = flow.tcp.get_mut(direction);
    drop_queue(half, env);
    if half.fin != Place::NEVER && (one_sided || half.acked > half.fin) && half.next < half.fin {
        let len = half.fin.since(half.next);
        deliver(flow, env, direction, &Fresh::Missing(len), cause, handler);
    }
    let half = flow.tcp.get_mut(direction);
    half.set(fact::ENDED, true);
    let view = flow.view();
    handler.end_of_stream(&view, &mut flow.app, direction, end, cause);
}
