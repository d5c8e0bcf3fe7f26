use backstop_types::Direction;

use super::*;
use crate::testing::{Event, fixture, run};

const SRVSVC: u128 = 0x4b32_4fc8_1670_01d3_1278_5a47_bf6e_e188;
const WKSSVC: u128 = 0x6bff_d098_a112_3610_9833_46c3_f87e_345a;

/// Interfaces that are bound, operations that are called, kinds of answers with their last number.
type Said = (Vec<u128>, Vec<u16>, Vec<(Kind, Option<u32>)>);

/// What a direction of the pipe of a conversation says.
fn calls(name: &str, of: Direction, piece: usize) -> Said {
    let recorder = run(&fixture(name).unwrap());
    let mut out = (Vec::new(), Vec::new(), Vec::new());
    let mut reader = Reader::default();
    for event in &recorder.events {
        let Event::Content(layers, bytes, direction) = event else { continue };
        if layers != &["smb.pipe"] || *direction != of {
            continue;
        }
        for bytes in bytes.chunks(piece) {
            reader.push(bytes, &mut |pdu| match pdu.header.kind {
                Kind::Bind => out.0.extend(bound(&pdu.header, pdu.head).iter().map(|bound| bound.interface)),
                Kind::Request => out.1.push(request(&pdu.header, pdu.head).unwrap().opnum),
                kind => out.2.push((kind, pdu.tail.map(u32::from_le_bytes))),
            });
        }
    }
    assert!(!reader.is_lost() && reader.held() == 0);
    out
}

#[test]
fn operations_of_a_recorded_pipe_are_named_however_it_is_cut() {
    for piece in [1, 7, 4_096] {
        let (bound, called, _) = calls("smb_enum_0", Direction::ToServer, piece);
        assert_eq!((bound, called), (vec![SRVSVC], vec![12, 15, 21]));
        let (bound, called, _) = calls("smb_enum_1", Direction::ToServer, piece);
        assert_eq!((bound, called), (vec![WKSSVC], vec![2]));
        let (_, _, answers) = calls("smb_enum_0", Direction::ToClient, piece);
        // ERROR_ACCESS_DENIED, and two that worked.
        assert_eq!(answers[0].0, Kind::Other(12));
        assert_eq!(answers[1..], [(Kind::Response, Some(5)), (Kind::Response, Some(0)), (Kind::Response, Some(0))]);
    }
}

#[test]
fn what_is_no_pdu_ends_the_reading() {
    let mut reader = Reader::default();
    reader.push(b"MZ\x90\0............", &mut |_| panic!("no PDU"));
    assert!(reader.is_lost() && reader.held() == 0);
    // A length below that of the header would never end.
    let mut reader = Reader::default();
    reader.push(&[5, 0, 0, 3, 0x10, 0, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0], &mut |_| panic!("no PDU"));
    assert!(reader.is_lost());
}

#[test]
fn memory_is_bounded_and_big_endian_is_read() {
    let mut pdu = vec![5, 0, 0, 3, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 1, 0, 12];
    pdu.resize(0xffff, 7);
    let mut told = Vec::new();
    let mut reader = Reader::default();
    for _ in 0..3 {
        for piece in pdu.chunks(1_000) {
            reader.push(piece, &mut |pdu| told.push((pdu.header.call_id, request(&pdu.header, pdu.head), pdu.tail)));
            assert!(reader.held() <= 1_024);
        }
    }
    let request = Request { context: 1, opnum: 12, stub: 24 };
    assert_eq!(told, [(9, Some(request), Some([7; 4])); 3]);
    // A bind that promises more contexts than it has.
    let bind = [&[5, 0, 11, 3, 0x10, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0][..], &[0; 8], &[255, 0, 0, 0], &[1; 12]].concat();
    let header = Header::parse(&bind).unwrap().unwrap();
    assert_eq!(bound(&header, &bind), []);
}
