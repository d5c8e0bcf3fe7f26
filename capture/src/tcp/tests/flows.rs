//! Handshakes, flows and their ends.

use super::*;

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
