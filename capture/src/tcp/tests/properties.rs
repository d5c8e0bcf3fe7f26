//! Any segments, in any order, as often as one likes.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Any segmentation, order, retransmission, overlap and copy of the same stream gives the same bytes.
    #[test]
    fn the_stream_is_the_same_whatever_the_segments(
        text in proptest::collection::vec(any::<u8>(), 1..3_000),
        cuts in proptest::collection::vec((0_usize..3_000, 1_usize..700), 1..60),
        swaps in proptest::collection::vec((0_usize..200, 0_usize..200), 0..60),
        copies in proptest::collection::vec(0_usize..200, 0..20),
        acks in any::<bool>(),
    ) {
        let mut pieces: Vec<(usize, usize)> = cuts.iter().map(|&(at, len)| (at % text.len(), len)).collect();
        // Every byte at least once, in pieces of at most 500.
        pieces.extend((0..text.len()).step_by(500).map(|at| (at, 500)));
        let count = pieces.len();
        for &(a, b) in &swaps {
            pieces.swap(a % count, b % count);
        }
        let mut wire = Wire::new();
        wire.handshake();
        for (number, &(at, len)) in pieces.iter().enumerate() {
            let bytes = &text[at..(at + len).min(text.len())];
            let shape = Shape { seq: at as i64, payload: bytes, flags: ACK | PSH, ..Shape::default() };
            let packet = wire.send(Direction::ToServer, shape);
            if copies.contains(&number) {
                wire.give(&packet, bytes);
            }
            if acks {
                let have = wire.handler.flows.values().next().map_or(0, |seen| seen.data[0].len());
                wire.server(0, have as i64, b"");
            }
        }
        let (seen, counters) = wire.finish();
        prop_assert_eq!(&seen.data[0], &text);
        prop_assert_eq!(counters.gap + counters.overlap_different_data, 0);
    }

    /// Each policy against a byte map that is obviously right.
    #[test]
    fn a_queue_keeps_what_the_policy_says(
        segments in proptest::collection::vec((0_usize..60, 1_usize..30, any::<u8>()), 1..12),
        policy in proptest::sample::select(OverlapPolicy::NAMES.map(|(_, policy)| policy).to_vec()),
    ) {
        let mut queue = Queue::default();
        // For each byte: its value, and the piece it belongs to now.
        let mut model: BTreeMap<usize, u8> = BTreeMap::new();
        let mut owners: Vec<(usize, usize)> = Vec::new();
        for &(start, len, fill) in &segments {
            let end = start + len;
            let mut next = Vec::new();
            let mut taken: Vec<(usize, usize)> = Vec::new();
            for &(old_start, old_end) in &owners {
                let (low, high) = (old_start.max(start), old_end.min(end));
                if low >= high {
                    next.push((old_start, old_end));
                    continue;
                }
                let place = |at: usize| Place::ORIGIN.plus(at);
                if policy.new_wins((place(start), place(end)), (place(old_start), place(old_end))) {
                    next.extend([(old_start, low), (high, old_end)].into_iter().filter(|(from, to)| from < to));
                } else {
                    next.push((old_start, old_end));
                    taken.push((low, high));
                }
            }
            let mut fresh: Vec<usize> = (start..end).filter(|at| !taken.iter().any(|&(from, to)| (from..to).contains(at))).collect();
            for at in &fresh {
                model.insert(*at, fill);
            }
            while let Some(&first) = fresh.first() {
                let run = fresh.iter().enumerate().take_while(|&(index, &at)| at == first + index).count();
                next.push((first, first + run));
                fresh.drain(..run);
            }
            next.sort_unstable();
            owners = next;
            queue.insert(Place::ORIGIN.plus(start), &Fresh::Data(&vec![fill; len]), policy);
        }
        let mut got: BTreeMap<usize, u8> = BTreeMap::new();
        while let Some((place, piece)) = queue.pop() {
            let Piece::Data(bytes) = piece else { panic!("only data was queued") };
            for (index, byte) in bytes.into_iter().enumerate() {
                prop_assert!(got.insert(place.since(Place::ORIGIN) + index, byte).is_none(), "pieces do not overlap");
            }
        }
        prop_assert_eq!(got, model);
        prop_assert_eq!(queue.cost(), 0);
    }

    /// The queue's invariant for all that it may hold: pieces do not overlap and are not empty, and nothing is left of them.
    #[test]
    fn pieces_of_any_kind_do_not_overlap(
        segments in proptest::collection::vec((0_usize..60, 1_usize..30, 0_u8..3), 1..16),
        policy in proptest::sample::select(OverlapPolicy::NAMES.map(|(_, policy)| policy).to_vec()),
    ) {
        let mut queue = Queue::default();
        for &(start, len, kind) in &segments {
            let bytes = vec![b'x'; len];
            let fresh = [Fresh::Data(&bytes), Fresh::Missing(len), Fresh::Urgent][usize::from(kind)];
            queue.insert(Place::ORIGIN.plus(start), &fresh, policy);
        }
        let mut free = Place::ORIGIN;
        while let Some((place, piece)) = queue.pop() {
            let len = match piece {
                Piece::Data(bytes) => bytes.len(),
                Piece::Missing(len) => len,
                Piece::Urgent => 1,
            };
            prop_assert!(len > 0 && place >= free, "{len} bytes at {place:?}, free from {free:?}");
            free = place.plus(len);
        }
        prop_assert_eq!(queue.cost(), 0);
    }

    /// Nothing that a wire may carry makes the table panic, deliver a byte twice, or keep anything.
    #[test]
    fn any_segments_at_all_are_survived(
        segments in proptest::collection::vec(
            (any::<bool>(), -70_000_i64..70_000, -70_000_i64..70_000, any::<u8>(), 0_usize..40, any::<u16>(), any::<u16>(), 0_u64..400),
            0..120,
        ),
    ) {
        let mut wire = Wire::with(FlowConfig { max_flows: 3, max_queued_bytes: 5_000, max_half_open: 2, ..FlowConfig::default() });
        for (to_server, seq, ack, flags, len, window, urgent, wait) in segments {
            let from = if to_server { Direction::ToServer } else { Direction::ToClient };
            let payload = vec![b'z'; len];
            wire.port = 50_000 + (urgent % 5);
            wire.send(from, Shape { seq: seq % 300, ack: ack % 300, flags: flags & 0x3f, payload: &payload, window, urgent, ..Shape::default() });
            if wait > 300 {
                wire.wait(wait);
            }
            prop_assert!(wire.table.active() <= 3);
        }
        let (flows, counters) = wire.finish_all();
        prop_assert_eq!(flows.len() as u64, counters.flows_ended.min(flows.len() as u64));
        prop_assert_eq!(counters.flows, counters.flows_ended);
        prop_assert!(flows.iter().all(|flow| flow.end.is_some()));
    }
}
