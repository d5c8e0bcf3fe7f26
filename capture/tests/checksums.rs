//! Wrong checksums: a receiver drops such segments, unless they are wrong in the capture only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::BTreeMap;

use backstop_capture::batch::{Batch, Frame};
use backstop_capture::counters::StreamCounters;
use backstop_capture::decode::{DecodeConfig, Decoder};
use backstop_capture::flow::{FlowConfig, FlowTable};
use backstop_capture::handler::{Cause, EndReason, FlowView, Interest, StreamEnd, StreamHandler};
use backstop_testkit::Conversation;
use backstop_types::{Direction, Endpoint, PacketTime};

#[derive(Default)]
struct Streams(BTreeMap<Direction, Vec<u8>>);

impl StreamHandler for Streams {
    type App = ();

    fn data(&mut self, _: &FlowView, (): &mut (), direction: Direction, _: u64, bytes: &[u8], _: &Cause) -> Interest {
        self.0.entry(direction).or_default().extend_from_slice(bytes);
        Interest::Continue
    }
    fn gap(&mut self, _: &FlowView, (): &mut (), _: Direction, _: u64, _: u64, _: &Cause) -> Interest {
        Interest::Continue
    }
    fn conflict(&mut self, _: &FlowView, (): &mut (), _: Direction, _: u64, _: &[u8], _: &[u8], _: &Cause) {}
    fn end_of_stream(&mut self, _: &FlowView, (): &mut (), _: Direction, _: StreamEnd, _: &Cause) {}
    fn flow_end(&mut self, _: &FlowView, (): (), _: EndReason, _: &Cause) {}
    fn wants_tick(&self, (): &()) -> bool {
        false
    }
    fn tick(&mut self, _: &FlowView, (): &mut (), _: &Cause) -> bool {
        false
    }
    fn is_precious(&self, (): &()) -> bool {
        false
    }
}

/// Offsets in an Ethernet frame with a plain IPv4 header.
const IP_SUM: usize = 14 + 10;
const TCP_SUM: usize = 14 + 20 + 16;

fn spoil(frame: &mut [u8]) {
    frame[TCP_SUM] ^= 0x5a;
}

fn run(frames: &[Vec<u8>]) -> (Streams, StreamCounters) {
    let mut batch = Batch::default();
    for (at, frame) in (1_u32..).zip(frames) {
        let len = u32::try_from(frame.len()).unwrap();
        let time = PacketTime::from_micros(u64::from(at) * 1_000);
        let frame_of = Frame {
            offset: 0,
            captured_len: len,
            wire_len: len,
            time,
            link_type: 1,
            file: 0,
            file_number: u64::from(at),
            number: u64::from(at),
            from_block: false,
        };
        batch.push_frame(frame_of, frame);
    }
    Decoder::new(DecodeConfig::default(), [1, 2]).decode(&mut batch);
    let mut table = FlowTable::new(FlowConfig::default(), [1, 2]);
    let mut streams = Streams::default();
    for packet in &batch.packets {
        table.packet(packet, batch.transport(packet), batch.payload(packet), &mut streams);
    }
    let counters = *table.counters();
    (streams, counters)
}

/// A handshake, a request, a reply, with `change` applied to each frame and its sender.
fn conversation(change: impl Fn(Direction, &mut Vec<u8>)) -> Vec<Vec<u8>> {
    let end = |last, port| Endpoint::new([10, 0, 0, last].into(), port);
    let mut conversation = Conversation::new(end(1, 50_000), end(2, 9_401), (1_000, 9_000));
    let mut segments = conversation.handshake();
    segments.extend(conversation.data(Direction::ToServer, b"request"));
    segments.extend(conversation.data(Direction::ToClient, b"reply"));
    segments
        .iter()
        .map(|segment| {
            let mut frame = conversation.frame(segment);
            change(segment.direction, &mut frame);
            frame
        })
        .collect()
}

fn assert_whole(streams: &Streams) {
    let text = |direction| streams.0.get(&direction).map(Vec::as_slice).unwrap_or_default();
    assert_eq!((text(Direction::ToServer), text(Direction::ToClient)), (b"request".as_slice(), b"reply".as_slice()));
}

#[test]
fn sums_that_are_wrong_from_the_handshake_on_are_wrong_in_the_capture_only() {
    for wrong in [vec![Direction::ToServer], vec![Direction::ToClient], Direction::BOTH.to_vec()] {
        let frames = conversation(|direction, frame| {
            if wrong.contains(&direction) {
                spoil(frame);
            }
        });
        let (streams, counters) = run(&frames);
        assert_whole(&streams);
        assert!(counters.checksum_unusable > 0);
        assert_eq!((counters.tcp_flows, counters.sessions), (1, 1));
    }
}

#[test]
fn a_zero_ip_sum_from_the_handshake_on_is_left_to_hardware() {
    let frames = conversation(|direction, frame| {
        if direction == Direction::ToClient {
            frame[IP_SUM..IP_SUM + 2].fill(0);
        }
    });
    assert_whole(&run(&frames).0);
}

/// The same place in the stream, other bytes, and a wrong sum of one kind or the other: sent first, taken never.
#[test]
fn a_single_wrong_sum_in_a_flow_with_right_ones_is_dropped() {
    for ip in [false, true] {
        let frames = conversation(|_, _| {});
        let mut decoy = frames[3].clone();
        assert!(decoy.ends_with(b"request"));
        let len = decoy.len();
        decoy[len - 7..].copy_from_slice(b"DECOY!!");
        if ip {
            decoy[IP_SUM..IP_SUM + 2].fill(0);
        }
        let mut with_decoy = frames.clone();
        with_decoy.insert(3, decoy);
        let (streams, counters) = run(&with_decoy);
        assert_whole(&streams);
        assert!(counters.bad_checksum >= 1);
    }
}

/// A SYN that no host takes, then the real one: the side's sums do mean something.
#[test]
fn a_forged_syn_does_not_open_the_door_to_wrong_sums() {
    let frames = conversation(|_, _| {});
    let mut forged = frames[0].clone();
    spoil(&mut forged);
    let mut decoy = frames[3].clone();
    let len = decoy.len();
    decoy[len - 7..].copy_from_slice(b"DECOY!!");
    let mut all = vec![forged];
    all.extend(frames[..3].iter().cloned());
    all.push(decoy);
    all.extend(frames[3..].iter().cloned());
    let (streams, _) = run(&all);
    assert_whole(&streams);
}

/// Only the client's own continuation makes a SYN-ACK with a wrong sum count.
#[test]
fn a_forged_syn_ack_with_a_wrong_sum_changes_nothing() {
    let frames = conversation(|_, _| {});
    let mut forged = frames[1].clone();
    // Another sequence number, and the sum left as it was.
    forged[14 + 20 + 4] ^= 0x11;
    let mut all = frames.clone();
    all.insert(1, forged);
    let (streams, counters) = run(&all);
    assert_whole(&streams);
    assert_eq!(counters.sessions, 1);
}
