//! What a receiver hands to its application, told segment by segment.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use backstop_types::{Direction, Endpoint, FlowKey, IpProto, PacketTime};
use proptest::prelude::*;

use super::OverlapPolicy;
use super::queue::{Fresh, Piece, Queue};
use super::seq::Place;
use crate::counters::StreamCounters;
use crate::flow::{FlowConfig, FlowTable};
use crate::handler::{Cause, EndReason, FlowState, FlowView, Interest, StreamEnd, StreamHandler};
use crate::packet::flags::{ACK, FIN, PSH, RST, SYN, URG};
use crate::packet::{Packet, TcpFacts, Transport, VlanTags};

/// What the layer above saw of one flow.
#[derive(Clone, Debug, Default)]
struct Seen {
    data: [Vec<u8>; 2],
    gaps: [Vec<(u64, u64)>; 2],
    ends: Vec<(Direction, StreamEnd)>,
    conflicts: Vec<(Vec<u8>, Vec<u8>)>,
    end: Option<(EndReason, FlowState)>,
}

#[derive(Default)]
struct Recorder {
    flows: BTreeMap<u64, Seen>,
    bypass: bool,
}

fn at(direction: Direction) -> usize {
    usize::from(direction == Direction::ToClient)
}

impl StreamHandler for Recorder {
    type App = ();

    fn data(&mut self, flow: &FlowView, (): &mut (), direction: Direction, offset: u64, bytes: &[u8], _: &Cause) -> Interest {
        let seen = self.flows.entry(flow.first_number).or_default();
        let before: u64 = seen.gaps[at(direction)].iter().map(|(_, len)| len).sum();
        assert_eq!(offset, seen.data[at(direction)].len() as u64 + before, "offsets count every byte once");
        seen.data[at(direction)].extend_from_slice(bytes);
        if self.bypass { Interest::Bypass } else { Interest::Continue }
    }
    fn gap(&mut self, flow: &FlowView, (): &mut (), direction: Direction, offset: u64, len: u64, _: &Cause) -> Interest {
        self.flows.entry(flow.first_number).or_default().gaps[at(direction)].push((offset, len));
        Interest::Continue
    }
    fn conflict(&mut self, flow: &FlowView, (): &mut (), _: Direction, _: u64, used: &[u8], other: &[u8], _: &Cause) {
        self.flows.entry(flow.first_number).or_default().conflicts.push((used.to_vec(), other.to_vec()));
    }
    fn end_of_stream(&mut self, flow: &FlowView, (): &mut (), direction: Direction, end: StreamEnd, _: &Cause) {
        self.flows.entry(flow.first_number).or_default().ends.push((direction, end));
    }
    fn flow_end(&mut self, flow: &FlowView, (): (), reason: EndReason, _: &Cause) {
        let seen = self.flows.entry(flow.first_number).or_default();
        assert!(seen.end.is_none(), "a flow ends once");
        seen.end = Some((reason, flow.state));
    }
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

/// Two hosts, a wire between them, and a table that listens.
struct Wire {
    table: FlowTable<Recorder>,
    handler: Recorder,
    number: u64,
    /// Microseconds.
    now: u64,
    ip_id: u16,
    vlan: Option<u16>,
    port: u16,
}

const CLIENT_ISN: u32 = 0xffff_ff00;
const SERVER_ISN: u32 = 7_000;

/// A segment's numbers relative to the first byte of each direction.
#[derive(Clone, Copy)]
struct Shape<'a> {
    seq: i64,
    ack: i64,
    flags: u8,
    payload: &'a [u8],
    window: u16,
    timestamps: Option<(u32, u32)>,
    urgent: u16,
    signed: bool,
    fast_open: bool,
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Self {
            seq: 0,
            ack: 0,
            flags: ACK,
            payload: b"",
            window: 60_000,
            timestamps: None,
            urgent: 0,
            signed: false,
            fast_open: false,
        }
    }
}

impl Wire {
    fn new() -> Self {
        Self::with(FlowConfig::default())
    }

    fn with(config: FlowConfig) -> Self {
        // The segments of these tests carry no checksum.
        let config = FlowConfig { verify_checksums: false, ..config };
        let table = FlowTable::new(config, [1, 2]);
        Self { table, handler: Recorder::default(), number: 0, now: 1_000_000, ip_id: 1, vlan: None, port: 50_000 }
    }

    fn packet(&mut self, from: Direction, shape: &Shape<'_>) -> Packet {
        self.number += 1;
        self.now += 100;
        self.ip_id = self.ip_id.wrapping_add(1).max(1);
        let client = Endpoint::new(Ipv4Addr::new(10, 0, 0, 1).into(), self.port);
        let server = Endpoint::new(Ipv4Addr::new(10, 0, 0, 2).into(), 9401);
        let (source, destination) = if from == Direction::ToServer { (client, server) } else { (server, client) };
        let (key, side) = FlowKey::new(IpProto::TCP, source, destination);
        let (own, other) = if from == Direction::ToServer { (CLIENT_ISN, SERVER_ISN) } else { (SERVER_ISN, CLIENT_ISN) };
        let mut vlan = VlanTags::default();
        if let Some(id) = self.vlan {
            vlan.push(id);
        }
        let facts = TcpFacts {
            seq: own.wrapping_add(1).wrapping_add(shape.seq as u32),
            ack: other.wrapping_add(1).wrapping_add(shape.ack as u32),
            flags: shape.flags,
            window: shape.window,
            urgent: shape.urgent,
            timestamps: shape.timestamps,
            window_scale: None,
            fast_open: shape.fast_open,
            signed: shape.signed,
        };
        let len = u32::try_from(shape.payload.len()).unwrap();
        Packet {
            time: PacketTime::from_micros(self.now),
            number: self.number,
            file: 0,
            file_number: self.number,
            key,
            side,
            hash: 0x1234_5678_9abc_def0 ^ u64::from(self.port),
            vlan,
            ttl: 64,
            ip_unsummed: false,
            ip_id: self.ip_id,
            wire_len: 54 + len,
            transport_offset: 0,
            transport_len: 20 + len,
            payload_offset: 20,
            payload_len: len,
            payload_wire_len: len,
            transport: Transport::Tcp(facts),
        }
    }

    fn give(&mut self, packet: &Packet, payload: &[u8]) {
        let mut transport = vec![0_u8; 20];
        // Stands for the checksum: the digest of a copy looks at it.
        let sum = payload.iter().fold(1_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(*byte)));
        transport[16..18].copy_from_slice(&sum.to_be_bytes());
        transport.extend_from_slice(payload);
        self.table.packet(packet, &transport, payload, &mut self.handler);
    }

    fn send(&mut self, from: Direction, shape: Shape<'_>) -> Packet {
        let packet = self.packet(from, &shape);
        self.give(&packet, shape.payload);
        packet
    }

    fn client(&mut self, seq: i64, ack: i64, payload: &[u8]) {
        self.send(Direction::ToServer, Shape { seq, ack, payload, flags: ACK | PSH, ..Shape::default() });
    }

    fn server(&mut self, seq: i64, ack: i64, payload: &[u8]) {
        self.send(Direction::ToClient, Shape { seq, ack, payload, flags: ACK | PSH, ..Shape::default() });
    }

    fn handshake(&mut self) {
        self.send(Direction::ToServer, Shape { seq: -1, ack: 0, flags: SYN, ..Shape::default() });
        self.send(Direction::ToClient, Shape { seq: -1, ack: 0, flags: SYN | ACK, ..Shape::default() });
        self.client(0, 0, b"");
    }

    fn wait(&mut self, millis: u64) {
        for _ in 0..millis.div_ceil(50) {
            self.now += 50_000;
            let cause = Cause { time: PacketTime::from_micros(self.now), number: self.number, file: 0, file_number: 0 };
            self.table.tick(&cause, &mut self.handler);
        }
    }

    /// Ends the capture; what was seen of the first flow.
    fn finish(mut self) -> (Seen, StreamCounters) {
        let (flows, counters) = self.finish_all();
        (flows.into_iter().next().unwrap_or_default(), counters)
    }

    fn finish_all(&mut self) -> (Vec<Seen>, StreamCounters) {
        let cause = Cause { time: PacketTime::from_micros(self.now), number: self.number, file: 0, file_number: 0 };
        self.table.finish(&cause, &mut self.handler);
        assert_eq!(self.table.active(), 0);
        (std::mem::take(&mut self.handler.flows).into_values().collect(), *self.table.counters())
    }
}

#[test]
fn a_plain_connection_is_delivered_and_ends_closed() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(0, 0, b"request");
    wire.server(0, 7, b"reply");
    wire.send(Direction::ToServer, Shape { seq: 7, ack: 5, flags: FIN | ACK, ..Shape::default() });
    wire.send(Direction::ToClient, Shape { seq: 5, ack: 8, flags: FIN | ACK, ..Shape::default() });
    wire.client(8, 6, b"");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data, [b"request".to_vec(), b"reply".to_vec()]);
    assert_eq!(seen.ends, [(Direction::ToServer, StreamEnd::Fin), (Direction::ToClient, StreamEnd::Fin)]);
    assert_eq!(seen.end, Some((EndReason::Shutdown, FlowState::Closed)));
    assert_eq!((counters.syn, counters.synack, counters.sessions, counters.flows), (1, 1, 1, 1));
    assert_eq!(counters.r#async + counters.gap + counters.invalid_ack + counters.retransmission, 0);
}

#[test]
fn an_unanswered_syn_is_no_flow() {
    let mut wire = Wire::new();
    wire.send(Direction::ToServer, Shape { seq: -1, flags: SYN, ..Shape::default() });
    wire.send(Direction::ToServer, Shape { seq: -1, flags: SYN, ..Shape::default() });
    wire.wait(31_000);
    let (flows, counters) = wire.finish_all();
    assert!(flows.is_empty());
    assert_eq!((counters.syn, counters.retransmission, counters.half_open_expired), (2, 1, 1));
}

#[test]
fn a_refused_connection_is_a_closed_flow() {
    let mut wire = Wire::new();
    wire.send(Direction::ToServer, Shape { seq: -1, flags: SYN, ..Shape::default() });
    wire.send(Direction::ToClient, Shape { seq: -1, ack: 0, flags: RST | ACK, ..Shape::default() });
    let (seen, counters) = wire.finish();
    assert_eq!(seen.end, Some((EndReason::Shutdown, FlowState::Closed)));
    assert_eq!((counters.rst, counters.rst_invalid), (1, 0));
}

#[test]
fn a_forged_answer_does_not_refuse_a_connection() {
    let mut wire = Wire::new();
    wire.send(Direction::ToServer, Shape { seq: -1, flags: SYN, ..Shape::default() });
    wire.send(Direction::ToClient, Shape { seq: 90, ack: 1234, flags: RST | ACK, ..Shape::default() });
    wire.send(Direction::ToClient, Shape { seq: 90, ack: 1 << 22, flags: FIN | ACK, ..Shape::default() });
    wire.send(Direction::ToClient, Shape { seq: -1, ack: 0, flags: SYN | ACK, ..Shape::default() });
    wire.client(0, 0, b"hello");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], b"hello");
    assert_eq!((counters.rst_invalid, counters.fin_invalid, counters.sessions), (1, 1, 1));
}

#[test]
fn a_hole_is_filled_by_the_late_segment() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(3, 0, b"def");
    wire.client(6, 0, b"ghi");
    wire.client(0, 0, b"abc");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], b"abcdefghi");
    assert_eq!((counters.out_of_order, counters.gap), (2, 0));
}

#[test]
fn a_hole_that_the_peer_acknowledged_is_a_gap_after_a_while() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(0, 0, b"abc");
    wire.client(6, 0, b"ghi");
    wire.server(0, 9, b"");
    wire.wait(300);
    assert_eq!(wire.handler.flows.values().next().unwrap().gaps[0], [(3, 3)]);
    wire.client(9, 0, b"jkl");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], b"abcghijkl");
    assert_eq!((counters.gap, counters.gap_bytes), (1, 3));
}

#[test]
fn a_hole_that_nobody_acknowledged_is_waited_for() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(6, 0, b"ghi");
    wire.wait(5_000);
    wire.client(0, 0, b"abcdef");
    let (seen, counters) = wire.finish();
    assert_eq!((seen.data[0].as_slice(), counters.gap), (b"abcdefghi".as_slice(), 0));
}

#[test]
fn bytes_delivered_never_change_and_the_other_copy_is_told() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(0, 0, b"genuine");
    wire.client(0, 0, b"forgery");
    wire.client(3, 0, b"XXXX tail");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], b"genuine tail");
    assert_eq!(counters.overlap_different_data, 2);
    assert_eq!(seen.conflicts[0], (b"genuine".to_vec(), b"forgery".to_vec()));
    assert_eq!(seen.conflicts[1], (b"uine".to_vec(), b"XXXX".to_vec()), "the new tail is in the stream, so it is no other copy");
}

#[test]
fn a_copy_of_a_packet_is_not_counted_and_one_with_other_bytes_is_no_copy() {
    let mut wire = Wire::new();
    wire.handshake();
    let shape = Shape { payload: b"payload", flags: ACK | PSH, ..Shape::default() };
    let packet = wire.send(Direction::ToServer, shape);
    wire.give(&packet, b"payload");
    let view_packets = |wire: &Wire| wire.table.counters().duplicate_packet;
    assert_eq!(view_packets(&wire), 1);
    let mut tagged = packet;
    tagged.vlan.push(100);
    wire.give(&tagged, b"payload");
    assert_eq!(view_packets(&wire), 2);
    let (seen, counters) = wire.finish();
    assert_eq!((seen.data[0].as_slice(), counters.retransmission, counters.flows), (b"payload".as_slice(), 0, 1));
}

#[test]
fn the_urgent_byte_is_not_in_the_stream() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.send(Direction::ToServer, Shape { payload: b"abXcd", flags: ACK | URG, urgent: 3, ..Shape::default() });
    wire.client(5, 0, b"ef");
    let (seen, counters) = wire.finish();
    assert_eq!((seen.data[0].as_slice(), counters.urgent), (b"abcdef".as_slice(), 1));
}

/// Found by fuzzing: nothing of an urgent byte is left when queued data covers it; an empty piece was kept there, below
/// the next expected byte in the end, and ending the flow never came to an end.
#[test]
fn an_urgent_byte_over_queued_data_leaves_nothing_behind() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(17, 0, &[b'a'; 28]);
    wire.send(Direction::ToServer, Shape { seq: 28, payload: &[b'b'; 116], flags: ACK | URG, urgent: 7, ..Shape::default() });
    wire.server(0, 144, b"");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], [[b'a'; 28].as_slice(), &[b'b'; 99]].concat());
    assert_eq!((seen.gaps[0].as_slice(), counters.overlap_different_data), ([(0, 17)].as_slice(), 2));
}

/// Found by fuzzing: a segment that was held for a sign of the peer is released after the FIN.
#[test]
fn held_data_does_not_come_behind_the_end() {
    let mut wire = Wire::new();
    wire.handshake();
    // Both acknowledge what the server has not been seen to send.
    wire.send(Direction::ToServer, Shape { seq: 0, ack: 9, payload: b"data", flags: ACK | FIN, ..Shape::default() });
    wire.send(Direction::ToServer, Shape { seq: 4, ack: 9, payload: b"late", ..Shape::default() });
    wire.server(0, 0, b"the reply");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], b"data");
    assert_eq!(counters.data_after_fin, 1);
    assert!(seen.ends.contains(&(Direction::ToServer, StreamEnd::Fin)));
}

/// Found by fuzzing: the excerpt of a conflict began with the overlap and could end before the first difference.
#[test]
fn the_excerpt_of_a_conflict_holds_the_difference() {
    let mut wire = Wire::new();
    wire.handshake();
    let mut other = [b'x'; 600];
    other[500] = b'y';
    wire.client(10, 0, &[b'x'; 600]);
    wire.client(10, 0, &other);
    let (seen, _) = wire.finish();
    let (used, dropped) = &seen.conflicts[0];
    assert_eq!((used[0], dropped[0], used.len(), dropped.len()), (b'x', b'y', 100, 100));
}

#[test]
fn the_urgent_byte_stays_where_it_is_configured_to() {
    let mut wire = Wire::with(FlowConfig { urgent_inline: true, ..FlowConfig::default() });
    wire.handshake();
    wire.send(Direction::ToServer, Shape { payload: b"abXcd", flags: ACK | URG, urgent: 3, ..Shape::default() });
    let (seen, _) = wire.finish();
    assert_eq!(seen.data[0], b"abXcd");
}

#[test]
fn what_a_receiver_ignores_is_ignored_and_counted() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(0, 0, b"one ");
    wire.server(0, 4, b"");
    let evil = b"evil";
    wire.send(Direction::ToServer, Shape { seq: 4, payload: evil, flags: PSH, ..Shape::default() });
    wire.send(Direction::ToServer, Shape { seq: 4, ack: 1 << 24, payload: evil, ..Shape::default() });
    wire.send(Direction::ToServer, Shape { seq: 400_000, payload: evil, ..Shape::default() });
    wire.send(Direction::ToServer, Shape { seq: 4, payload: evil, signed: true, ..Shape::default() });
    wire.send(Direction::ToServer, Shape { seq: 40, flags: RST, ..Shape::default() });
    wire.send(Direction::ToServer, Shape { seq: 40, flags: SYN, ..Shape::default() });
    wire.client(4, 0, b"two");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], b"one two");
    assert_eq!(
        [counters.no_ack_flag, counters.invalid_ack, counters.out_of_window, counters.unexpected_md5, counters.rst_invalid],
        [1; 5]
    );
    assert_eq!(counters.syn_in_established, 1);
}

#[test]
fn an_old_time_stamp_is_dropped() {
    let mut wire = Wire::new();
    let stamp = |value| Some((value, 0));
    wire.send(Direction::ToServer, Shape { seq: -1, flags: SYN, timestamps: stamp(100), ..Shape::default() });
    wire.send(Direction::ToClient, Shape { seq: -1, flags: SYN | ACK, timestamps: stamp(900), ..Shape::default() });
    wire.send(Direction::ToServer, Shape { timestamps: stamp(101), ..Shape::default() });
    wire.send(Direction::ToServer, Shape { payload: b"evil", timestamps: stamp(50), ..Shape::default() });
    wire.send(Direction::ToServer, Shape { payload: b"good", timestamps: stamp(102), ..Shape::default() });
    let (seen, counters) = wire.finish();
    assert_eq!((seen.data[0].as_slice(), counters.paws_drop), (b"good".as_slice(), 1));
}

#[test]
fn an_acknowledgement_ahead_of_the_data_is_explained_by_the_data() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(0, 0, b"ask");
    // The client's next request acknowledges a reply that the SPAN port shows a moment later.
    wire.client(3, 6, b"again");
    wire.server(0, 3, b"answer");
    wire.server(6, 8, b"second");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data, [b"askagain".to_vec(), b"answersecond".to_vec()]);
    assert!(counters.ack_before_data >= 1 && counters.invalid_ack == 0);
}

#[test]
fn a_decoy_that_acknowledges_what_was_never_sent_is_dropped_when_the_real_segment_comes() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(0, 4_000, b"decoy");
    wire.client(0, 0, b"truth");
    let (seen, counters) = wire.finish();
    assert_eq!((seen.data[0].as_slice(), counters.invalid_ack), (b"truth".as_slice(), 1));
}

/// Capture loss in one direction: the replies acknowledge a request byte that was never captured.
#[test]
fn replies_to_a_request_that_was_not_captured_are_delivered_when_the_client_acknowledges_them() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(0, 0, b"ask");
    for number in 0..40 {
        wire.server(number * 10, 8, b"0123456789");
    }
    wire.client(8, 400, b"");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[1].len(), 400);
    assert_eq!(counters.invalid_ack, 0);
}

#[test]
fn data_past_a_fin_and_after_a_reset_is_ignored() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.send(Direction::ToServer, Shape { payload: b"last", flags: ACK | FIN, ..Shape::default() });
    wire.client(4, 0, b"decoy");
    wire.client(5, 0, b"decoy");
    wire.send(Direction::ToClient, Shape { seq: 0, ack: 5, flags: RST | ACK, ..Shape::default() });
    wire.client(5, 0, b"decoy");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], b"last");
    assert_eq!((counters.data_after_fin, counters.data_after_rst, counters.rst), (2, 1, 1));
    assert_eq!(seen.ends, [(Direction::ToServer, StreamEnd::Fin), (Direction::ToClient, StreamEnd::Rst)]);
}

#[test]
fn data_queued_beyond_a_fin_is_cut_off() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(2, 0, b"cdEVIL");
    wire.send(Direction::ToServer, Shape { seq: 2, payload: b"cd", flags: ACK | FIN, ..Shape::default() });
    wire.client(0, 0, b"ab");
    let (seen, _) = wire.finish();
    assert_eq!(seen.data[0], b"abcd");
    assert_eq!(seen.ends[0], (Direction::ToServer, StreamEnd::Fin));
}

#[test]
fn a_keep_alive_is_no_data() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(0, 0, b"abc");
    wire.client(2, 0, b"");
    wire.client(2, 0, b"#");
    wire.client(3, 0, b"def");
    let (seen, counters) = wire.finish();
    assert_eq!((seen.data[0].as_slice(), counters.keepalive), (b"abcdef".as_slice(), 2));
    assert_eq!(counters.overlap_different_data, 0);
}

#[test]
fn data_sent_into_a_closed_window_waits_for_the_window() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(0, 0, b"abc");
    wire.send(Direction::ToClient, Shape { ack: 3, window: 0, ..Shape::default() });
    // All of the window announced before is used up first.
    let fill = vec![b'.'; 60_000 - 3];
    wire.client(3, 0, &fill);
    wire.send(Direction::ToClient, Shape { ack: 60_000, window: 0, ..Shape::default() });
    wire.client(60_000, 0, b"probe");
    assert_eq!(wire.handler.flows.values().next().unwrap().data[0].len(), 60_000);
    wire.send(Direction::ToClient, Shape { ack: 60_000, window: 1_000, ..Shape::default() });
    let (seen, counters) = wire.finish();
    assert!(seen.data[0].ends_with(b"probe"));
    assert_eq!((counters.zero_window, counters.out_of_window), (2, 0));
}

#[test]
fn syn_data_counts_only_when_the_answer_acknowledges_it() {
    for taken in [false, true] {
        let mut wire = Wire::new();
        let syn = Shape { seq: -1, flags: SYN, payload: b"first ", fast_open: true, ..Shape::default() };
        // The payload of a SYN begins behind the SYN itself.
        wire.send(Direction::ToServer, syn);
        let ack = if taken { 6 } else { 0 };
        wire.send(Direction::ToClient, Shape { seq: -1, ack, flags: SYN | ACK, ..Shape::default() });
        wire.client(ack, 0, if taken { b"second" } else { b"real first" });
        let (seen, counters) = wire.finish();
        let expected: &[u8] = if taken { b"first second" } else { b"real first" };
        assert_eq!(seen.data[0], expected);
        assert_eq!((counters.data_on_syn, counters.tfo, counters.sessions), (1, u64::from(taken), 1));
    }
}

#[test]
fn a_wrong_syn_ack_is_ignored() {
    let mut wire = Wire::new();
    wire.send(Direction::ToServer, Shape { seq: -1, flags: SYN, ..Shape::default() });
    wire.send(Direction::ToClient, Shape { seq: 500, ack: 77, flags: SYN | ACK, ..Shape::default() });
    wire.send(Direction::ToClient, Shape { seq: -1, ack: 0, flags: SYN | ACK, ..Shape::default() });
    wire.client(0, 0, b"x");
    wire.server(0, 1, b"y");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data, [b"x".to_vec(), b"y".to_vec()]);
    assert_eq!((counters.synack_wrong_ack, counters.sessions), (1, 1));
}

#[test]
fn both_sides_may_open_at_once() {
    let mut wire = Wire::new();
    wire.send(Direction::ToServer, Shape { seq: -1, flags: SYN, ..Shape::default() });
    wire.send(Direction::ToClient, Shape { seq: -1, flags: SYN, ..Shape::default() });
    wire.send(Direction::ToServer, Shape { seq: -1, ack: 0, flags: SYN | ACK, ..Shape::default() });
    wire.send(Direction::ToClient, Shape { seq: -1, ack: 0, flags: SYN | ACK, ..Shape::default() });
    wire.client(0, 0, b"one");
    wire.server(0, 3, b"two");
    let (flows, counters) = wire.finish_all();
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0].data, [b"one".to_vec(), b"two".to_vec()]);
    assert_eq!((counters.sessions, counters.flows), (1, 1));
}

#[test]
fn a_handshake_in_the_wrong_order_is_a_handshake() {
    let mut wire = Wire::new();
    wire.send(Direction::ToClient, Shape { seq: -1, ack: 0, flags: SYN | ACK, ..Shape::default() });
    wire.send(Direction::ToServer, Shape { seq: -1, flags: SYN, ..Shape::default() });
    wire.client(0, 0, b"x");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], b"x");
    assert_eq!((counters.sessions, counters.syn_in_established, counters.flows), (1, 0, 1));
}

#[test]
fn a_new_connection_on_the_same_ports_is_a_new_flow() {
    for closed in [true, false] {
        let mut wire = Wire::new();
        wire.handshake();
        wire.client(0, 0, b"old");
        if closed {
            wire.send(Direction::ToServer, Shape { seq: 3, ack: 0, flags: FIN | ACK, ..Shape::default() });
            wire.send(Direction::ToClient, Shape { seq: 0, ack: 4, flags: FIN | ACK, ..Shape::default() });
        }
        wire.send(Direction::ToServer, Shape { seq: 99_999, flags: SYN, ..Shape::default() });
        wire.send(Direction::ToClient, Shape { seq: 49_999, ack: 100_000, flags: SYN | ACK, ..Shape::default() });
        wire.client(100_000, 50_000, b"new");
        let (flows, counters) = wire.finish_all();
        assert_eq!(flows.iter().map(|flow| flow.data[0].clone()).collect::<Vec<_>>(), [b"old".to_vec(), b"new".to_vec()]);
        assert_eq!(flows[0].end.unwrap().0, EndReason::TcpReuse);
        assert_eq!((counters.tuple_reuse, counters.sessions), (1, 2));
    }
}

#[test]
fn two_vlans_with_the_same_addresses_are_two_flows() {
    let mut wire = Wire::new();
    for (id, text) in [(100, b"real "), (200, b"decoy")] {
        wire.vlan = Some(id);
        wire.handshake();
        wire.client(0, 0, text);
    }
    wire.vlan = Some(100);
    wire.client(5, 0, b"more");
    let (flows, counters) = wire.finish_all();
    assert_eq!(flows.iter().map(|flow| flow.data[0].clone()).collect::<Vec<_>>(), [b"real more".to_vec(), b"decoy".to_vec()]);
    assert_eq!(counters.flows, 2);
}

#[test]
fn one_conversation_under_two_tags_is_one_flow() {
    let mut wire = Wire::new();
    wire.vlan = Some(10);
    wire.send(Direction::ToServer, Shape { seq: -1, flags: SYN, ..Shape::default() });
    wire.vlan = Some(20);
    wire.send(Direction::ToClient, Shape { seq: -1, flags: SYN | ACK, ..Shape::default() });
    wire.vlan = Some(10);
    wire.client(0, 0, b"ask");
    wire.vlan = Some(20);
    wire.server(0, 3, b"answer");
    let (flows, counters) = wire.finish_all();
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0].data, [b"ask".to_vec(), b"answer".to_vec()]);
    assert_eq!(counters.sessions, 1);
}

#[test]
fn a_connection_is_picked_up_in_the_middle() {
    let mut wire = Wire::new();
    wire.client(5_000, 9_000, b"ask");
    wire.server(9_000, 5_003, b"answer");
    wire.client(5_003, 9_006, b"again");
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data, [b"askagain".to_vec(), b"answer".to_vec()]);
    assert_eq!((counters.midstream_pickup, counters.r#async), (1, 0));
}

#[test]
fn one_direction_alone_is_delivered_and_counted() {
    let mut wire = Wire::new();
    wire.send(Direction::ToServer, Shape { seq: -1, flags: SYN, ..Shape::default() });
    for (number, piece) in b"one direction only".chunks(3).enumerate() {
        wire.client(number as i64 * 3, number as i64 * 700, piece);
    }
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], b"one direction only");
    assert_eq!((counters.r#async, counters.gap), (1, 0));
}

#[test]
fn what_the_snap_length_cut_off_is_a_gap() {
    let mut wire = Wire::new();
    wire.handshake();
    let mut packet = wire.packet(Direction::ToServer, &Shape { payload: b"0123456789", ..Shape::default() });
    packet.payload_len = 4;
    wire.give(&packet, b"0123");
    wire.client(10, 0, b"next");
    let (seen, _) = wire.finish();
    assert_eq!(seen.data[0], b"0123next");
    assert_eq!(seen.gaps[0], [(4, 6)]);
}

#[test]
fn a_direction_that_nobody_wants_costs_nothing_and_still_ends() {
    let mut wire = Wire::new();
    wire.handler.bypass = true;
    wire.handshake();
    wire.client(0, 0, b"first");
    wire.client(9_000, 0, b"far behind a hole");
    wire.client(5, 0, b"second");
    wire.send(Direction::ToServer, Shape { seq: 9_017, flags: FIN | ACK, ..Shape::default() });
    let (seen, counters) = wire.finish();
    assert_eq!(seen.data[0], b"first");
    assert_eq!((counters.bypassed, counters.gap), (1, 0));
    assert_eq!(seen.ends[0], (Direction::ToServer, StreamEnd::Fin));
}

#[test]
fn over_its_cap_the_table_forgets_the_idle_flow() {
    let mut wire = Wire::with(FlowConfig { max_flows: 4, ..FlowConfig::default() });
    for number in 0..20 {
        wire.port = 40_000 + number;
        wire.handshake();
        wire.client(0, 0, b"x");
        assert!(wire.table.active() <= 4);
    }
    let (flows, counters) = wire.finish_all();
    assert_eq!((flows.len(), counters.flows_evicted), (20, 16));
    assert!(flows.iter().all(|flow| flow.data[0] == b"x"));
}

#[test]
fn queued_bytes_are_bounded_for_each_flow() {
    let config = FlowConfig { max_flow_queued_bytes: 10_000, ..FlowConfig::default() };
    let mut wire = Wire::with(config);
    wire.handshake();
    for number in 0..50 {
        wire.client(10 + number * 1_000, 0, &[b'x'; 1_000]);
        assert!(wire.table.memory() < 2_000_000);
    }
    let (seen, counters) = wire.finish();
    assert!(counters.flow_memcap_drop >= 1);
    assert_eq!(seen.gaps[0][0], (0, 10));
}

#[test]
fn idle_flows_end_in_their_time() {
    let mut wire = Wire::new();
    wire.handshake();
    wire.client(0, 0, b"x");
    wire.wait(3_590_000);
    assert_eq!(wire.table.active(), 1);
    wire.wait(20_000);
    assert_eq!(wire.table.active(), 0);
    assert_eq!(wire.handler.flows.values().next().unwrap().end, Some((EndReason::Timeout, FlowState::Established)));
}

#[test]
fn a_flow_is_small() {
    let size = size_of::<crate::flow::Flow<Option<Box<u8>>>>();
    assert!(size + 5 + 8 <= 512, "{size} bytes a flow, its index and its timer");
}

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
