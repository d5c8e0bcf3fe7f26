//! What is delivered, and when: holes, copies, overlaps, urgent bytes.

use super::*;

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
