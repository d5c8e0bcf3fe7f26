//! What a receiver does not take, and how it is told from what it takes.

use super::*;

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
