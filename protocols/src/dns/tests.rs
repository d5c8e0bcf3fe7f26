//! Messages of RFC 1035 and others, damage, directions, time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Instant;

use backstop_types::{Direction, Fields, Value};

use super::anomaly;
use super::probe::{datagram, stream};
use crate::contract::{Limits, Probe, Surroundings};
use crate::driver::Driver;
use crate::registry::AppProto;
use crate::testing::{Event, Recorder, Script, assert_every_segmentation_is_equal, close, run, run_every_truncation};

const C: Direction = Direction::ToServer;
const S: Direction = Direction::ToClient;

fn name(text: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = text.split('.').filter(|label| !label.is_empty()).flat_map(label).collect();
    bytes.push(0);
    bytes
}

fn label(label: &str) -> Vec<u8> {
    [&[label.len() as u8], label.as_bytes()].concat()
}

fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    [id, flags].into_iter().chain(counts).flat_map(u16::to_be_bytes).collect()
}

fn query(id: u16, of: &str, kind: u16) -> Vec<u8> {
    [header(id, 0x0100, [1, 0, 0, 0]), name(of), vec![(kind >> 8) as u8, kind as u8, 0, 1]].concat()
}

/// A record whose name points to the question.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc0, 12];
    bytes.extend([kind, 1].iter().flat_map(|word| word.to_be_bytes()));
    bytes.extend([0, 0, 1, 44, (data.len() >> 8) as u8, data.len() as u8]);
    bytes.extend_from_slice(data);
    bytes
}

fn response(id: u16, of: &str, kind: u16, answers: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = header(id, 0x8180, [1, answers.len() as u16, 0, 0]);
    bytes.extend([name(of), vec![(kind >> 8) as u8, kind as u8, 0, 1]].concat());
    bytes.extend(answers.concat());
    bytes
}

fn datagrams(all: &[(Direction, Vec<u8>)]) -> Recorder {
    let (mut recorder, mut driver) = (Recorder::default(), Driver::of_datagrams(Surroundings::default()));
    for (direction, bytes) in all {
        driver.data(*direction, bytes, &mut recorder);
    }
    close(&mut driver, &mut recorder);
    recorder
}

fn streamed(all: &[(Direction, Vec<u8>)]) -> Script {
    all.iter().map(|(direction, bytes)| (*direction, [&(bytes.len() as u16).to_be_bytes(), bytes.as_slice()].concat())).collect()
}

fn list<'a>(fields: &'a Fields, name: &str) -> &'a [Value] {
    match fields.get(name) {
        Some(Value::List(list)) => list,
        _ => &[],
    }
}

fn rdata(record: &Value) -> Option<&Value> {
    if let Value::Object(fields) = record { fields.get("rdata") } else { None }
}

#[test]
fn a_query_and_its_answer_share_a_number_in_datagrams_and_streams() {
    let script = vec![
        (C, query(7, "a.example", 1)),
        (C, query(8, "b.example", 28)),
        (S, response(8, "b.example", 28, &[record(28, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])])),
        (S, response(7, "a.example", 1, &[record(5, &[1, b'c', 0xc0, 12]), record(1, &[192, 0, 2, 7])])),
    ];
    assert_every_segmentation_is_equal(&streamed(&script));
    run_every_truncation(&streamed(&script), 1);
    for recorder in [datagrams(&script), run(&streamed(&script))] {
        assert_eq!(recorder.anomalies(), [""; 0]);
        assert!(recorder.events.contains(&Event::Confirmed(AppProto::Dns)));
        let all: Vec<_> = recorder.transactions().map(|(_, fields)| fields.clone()).collect();
        let numbers: Vec<_> = all.iter().map(|fields| fields.get("tx_id").cloned().unwrap()).collect();
        assert_eq!(numbers, [0_u64, 1, 1, 0].map(Value::from));
        assert_eq!(all[0].get("rrname"), Some(&Value::from("a.example")));
        assert_eq!(rdata(&list(&all[2], "answers")[0]), Some(&Value::from("2001:db8::1")));
        assert_eq!(rdata(&list(&all[3], "answers")[0]), Some(&Value::from("c.a.example")));
        assert_eq!(rdata(&list(&all[3], "answers")[1]), Some(&Value::from("192.0.2.7")));
        assert_eq!(all[3].get("flags"), Some(&Value::from("8180")));
    }
}

#[test]
fn the_names_of_rfc_1035_are_compressed() {
    // RFC 1035 §4.1.4: F.ISI.ARPA, FOO.F.ISI.ARPA, ARPA, the root.
    let mut bytes = vec![0; 20];
    bytes.extend(b"\x01F\x03ISI\x04ARPA\x00");
    bytes.resize(40, 0);
    bytes.extend(b"\x03FOO\xc0\x14");
    bytes.resize(64, 0);
    bytes.extend(b"\xc0\x1a");
    bytes.resize(92, 0);
    bytes.push(0);
    let read = |at| super::name::read(&bytes, at).unwrap();
    assert_eq!(read(20), ("F.ISI.ARPA".to_owned(), 32));
    assert_eq!(read(40), ("FOO.F.ISI.ARPA".to_owned(), 46));
    assert_eq!(read(64), ("ARPA".to_owned(), 66));
    assert_eq!(read(92), (".".to_owned(), 93));
    let odd = b"\x05a.b\\\x00\x00".as_slice();
    assert_eq!(super::name::read(odd, 0).unwrap().0, "a\\.b\\\\\\000");
}

#[test]
fn each_type_has_its_text() {
    let soa = [vec![0xc0, 12], name("host.master"), vec![0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]].concat();
    let srv = [vec![0, 1, 0, 2, 0x24, 0xc0], name("t.example")].concat();
    let answers = [
        record(6, &soa),
        record(33, &srv),
        record(15, &[0, 9, 0xc0, 12]),
        record(16, b"\x02ab\x01c"),
        record(44, &[4, 2, 0xab, 1]),
    ];
    let recorder = datagrams(&[(S, response(1, "x.example", 255, &answers))]);
    assert_eq!(recorder.anomalies(), [""; 0]);
    let (_, fields) = recorder.transactions().next().unwrap();
    let told = format!("{:?}", list(fields, "answers"));
    for part in ["host.master", "Uint(9408)", "t.example", "x.example", "\"abc\"", "ab:01"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn damage_is_named_and_what_is_whole_is_told() {
    let good = (C, query(1, "a.example", 1));
    let mut looped = response(1, "a.example", 1, &[record(5, &[0xc0, 40])]);
    let at = looped.len() as u8 - 2;
    looped[usize::from(at) + 1] = at;
    let mut short = response(1, "a.example", 1, &[record(1, &[192, 0, 2, 1]), record(1, &[192, 0, 2, 2])]);
    short.truncate(short.len() - 3);
    let mut truncated = short.clone();
    truncated[2] |= 2;
    let trailing = [response(1, "a.example", 1, &[]), vec![0, 1, 0]].concat();
    let padded = [response(1, "a.example", 1, &[]), vec![0; 9]].concat();
    for (message, expected) in [
        (looped, vec![anomaly::BAD_NAME]),
        (short, vec![anomaly::MALFORMED]),
        (truncated, vec![]),
        (trailing, vec![anomaly::TRAILING_BYTES]),
        (padded, vec![]),
        (vec![1, 2, 3], vec![anomaly::MALFORMED]),
        (query(9, "a.example", 1), vec![anomaly::WRONG_DIRECTION]),
    ] {
        let recorder = datagrams(&[good.clone(), (S, message.clone())]);
        assert_eq!(recorder.anomalies(), expected, "{message:?}");
        assert_eq!(recorder.transactions().count(), if message.len() > 12 { 2 } else { 1 });
        assert_eq!(run(&streamed(&[good.clone(), (S, message)])).anomalies(), expected);
    }
}

#[test]
fn other_datagrams_are_not_taken() {
    let netbios = [header(1, 0x0110, [1, 0, 0, 0]), name("CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), vec![0, 0x21, 0, 1]].concat();
    let ntp = [vec![0x23, 2, 6, 0xec], vec![0; 44]].concat();
    let quic = [vec![0xc3, 0, 0, 0, 1, 8], vec![0x5a; 1194]].concat();
    for bytes in [netbios, ntp, quic, vec![0; 64], vec![0xff; 64], b"M-SEARCH * HTTP/1.1\r\nHOST: a\r\n\r\n".to_vec()] {
        for direction in Direction::BOTH {
            assert_eq!(datagram(direction, &bytes), Probe::No);
            assert_eq!(datagrams(&[(direction, bytes.clone())]).events, []);
        }
    }
    assert_eq!(datagram(C, &query(1, "a.example", 1)), Probe::Certain);
    assert_eq!(datagram(S, &query(1, "a.example", 1)), Probe::No);
    let other: [&[u8]; 4] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaa",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
        b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for bytes in other {
        assert_eq!(stream(C, bytes), Probe::No, "{bytes:?}");
    }
}

#[test]
fn a_gap_inside_a_message_keeps_the_place() {
    let script = streamed(&[(C, query(1, "a.example", 1)), (C, query(2, "b.example", 1)), (C, query(3, "c.example", 1))]);
    let bytes: Vec<u8> = script.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let third = bytes.len() / 3;
    for (at, len, expected) in [(third + 5, 10, 2), (third + 2, third - 2, 2), (third + 5, third, 1)] {
        let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
        driver.data(C, &bytes[..at], &mut recorder);
        driver.gap(C, len as u64, &mut recorder);
        driver.data(C, &bytes[at + len..], &mut recorder);
        close(&mut driver, &mut recorder);
        assert_eq!(recorder.transactions().count(), expected);
        assert_eq!(recorder.anomalies(), [""; 0]);
    }
}

#[test]
fn caps_bite_and_are_told() {
    let many = response(1, "a.example", 1, &vec![record(1, &[192, 0, 2, 1]); 100]);
    let recorder = datagrams(&[(S, many)]);
    assert_eq!(recorder.anomalies(), [anomaly::RECORD_LIMIT]);
    assert_eq!(list(recorder.transactions().next().unwrap().1, "answers").len(), 64);
    let queries: Vec<_> = (0..300).map(|id| (C, query(id, "a.example", 1))).collect();
    assert_eq!(datagrams(&queries).anomalies(), [anomaly::PENDING_LIMIT]);
}

#[test]
fn a_chain_of_pointers_costs_nothing() {
    // Each pointer leads to the one before, and each record begins at the last of them.
    let message = |len: usize| {
        let mut bytes = response(1, "a.example", 1, &[]);
        let start = bytes.len() + 11;
        let mut data = vec![0];
        for at in 1..len {
            let to = start - 1 + (at - 1) * 2;
            data.extend((0xc000 | to as u16).to_be_bytes());
        }
        let count = 1 + (len / 6) as u16;
        bytes[7] = count as u8;
        bytes[6] = (count >> 8) as u8;
        bytes.extend(record(10, &data));
        for _ in 1..count {
            bytes.extend(record(5, &[0xff, 0xff]));
        }
        (S, bytes)
    };
    let time = |len: usize| {
        let script = vec![(C, query(1, "a.example", 1)), message(len)];
        (0..3)
            .map(|_| {
                let start = Instant::now();
                drop(datagrams(&script));
                start.elapsed()
            })
            .min()
            .unwrap()
            .as_secs_f64()
            .max(0.0001)
    };
    assert!(time(6_400) / time(400) < 80.0);
}

#[test]
fn any_bytes_are_survived() {
    let message =
        response(1, "a.example", 255, &[record(6, &[0xc0, 12, 0xc0, 12, 0, 0]), record(16, b"\x09a"), record(33, &[0; 9])]);
    for at in 0..message.len() {
        for byte in [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff] {
            let mut changed = message.clone();
            changed[at] = byte;
            drop(datagrams(&[(C, query(1, "a.example", 1)), (S, changed.clone()), (S, changed[..at].to_vec())]));
            drop(run(&streamed(&[(C, query(1, "a.example", 1)), (S, changed)])));
        }
    }
}
