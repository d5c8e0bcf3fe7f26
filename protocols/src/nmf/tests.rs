#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use backstop_types::{Direction, Fields, Value};

use super::anomaly;
use super::resync::{self, Search};
use crate::contract::{Limits, Probe};
use crate::driver::Driver;
use crate::registry::AppProto;
use crate::testing::{self, Event, Recorder};

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

/// Version 1.0, duplex, Via, binary with in-band dictionary ([MC-NMF] 4.1).
fn preamble() -> Vec<u8> {
    let mut bytes = b"\x00\x01\x00\x01\x02\x02\x1bnet.tcp://10.20.30.10:9401/\x03\x08".to_vec();
    bytes[6] = 0x1b;
    bytes
}

fn request(action: &str, id: u8, body: &[u8]) -> Vec<u8> {
    let mut document = b"\x00\x56\x02\x0b\x01s\x04\x0b\x01a\x06\x56\x08\x44\x0a\x99".to_vec();
    document.push(action.len() as u8);
    document.extend_from_slice(action.as_bytes());
    document.extend_from_slice(b"\x44\x1a\xad");
    document.extend_from_slice(&[id; 16]);
    document.extend_from_slice(b"\x01\x56\x0e");
    document.extend_from_slice(body);
    document.extend_from_slice(b"\x01\x01");
    envelope(&document)
}

fn reply(id: u8, body: &[u8]) -> Vec<u8> {
    let mut document = b"\x00\x56\x02\x0b\x01s\x04\x0b\x01a\x06\x56\x08\x44\x12\xad".to_vec();
    document.extend_from_slice(&[id; 16]);
    document.extend_from_slice(b"\x01\x56\x0e");
    document.extend_from_slice(body);
    document.extend_from_slice(b"\x01\x01");
    envelope(&document)
}

fn size(mut len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while len > 0x7f {
        bytes.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes
}

fn envelope(payload: &[u8]) -> Vec<u8> {
    [b"\x06".as_slice(), &size(payload.len()), payload].concat()
}

fn run(script: &[(Direction, Vec<u8>)]) -> Recorder {
    testing::run(script)
}

fn open() -> Vec<(Direction, Vec<u8>)> {
    vec![(UP, [preamble(), b"\x0c".to_vec()].concat()), (DOWN, b"\x0b".to_vec())]
}

fn sessions(recorder: &Recorder) -> Vec<Fields> {
    let inner =
        |fields: &Fields| if let Some(Value::Object(session)) = fields.get("session") { Some(session.clone()) } else { None };
    recorder.transactions().filter(|(of, _)| *of == AppProto::Nmf).filter_map(|(_, fields)| inner(fields)).collect()
}

/// Action of each request, and whether the record shows a reply.
fn exchanges(recorder: &Recorder) -> Vec<(String, bool)> {
    recorder
        .transactions()
        .filter(|(of, _)| *of == AppProto::Nmf)
        .filter_map(|(_, fields)| {
            let Some(Value::Object(request)) = fields.get("request") else { return None };
            let action = match request.get("action") {
                Some(Value::Text(action)) => action.to_string(),
                _ => String::new(),
            };
            Some((action, fields.get("reply").is_some()))
        })
        .collect()
}

#[test]
fn a_session_is_told_when_the_server_acknowledges_it() {
    let recorder = run(&open());
    let sessions = sessions(&recorder);
    assert_eq!(sessions.len(), 1);
    assert_eq!(
        sessions[0],
        Fields::new()
            .with("version", "1.0".to_owned())
            .with("mode", "duplex")
            .with("via", "net.tcp://10.20.30.10:9401/".to_owned())
            .with("encoding", "binary_session".to_owned())
            .with("acknowledged", true)
    );
    assert!(recorder.anomalies().is_empty());
    assert!(recorder.events.contains(&Event::Confirmed(AppProto::Nmf)));
}

#[test]
fn requests_find_their_replies_by_message_id_in_any_order() {
    let mut script = open();
    script.push((UP, [request("one", 1, b"\x40\x01x\x01"), request("two", 2, b"\x40\x01y\x01")].concat()));
    script.push((DOWN, [reply(2, b"\x40\x01b\x01"), reply(1, b"\x40\x01a\x01")].concat()));
    let recorder = run(&script);
    let told = exchanges(&recorder);
    assert_eq!(told, [("one".to_owned(), false), ("two".to_owned(), false), ("two".to_owned(), true), ("one".to_owned(), true)]);
}

#[test]
fn a_request_without_a_reply_is_told_at_the_end() {
    let mut script = open();
    script.push((UP, request("one", 1, b"\x40\x01x\x01")));
    let told = exchanges(&run(&script));
    assert_eq!(told, [("one".to_owned(), false), ("one".to_owned(), false)]);
}

#[test]
fn too_many_waiting_requests_give_up_the_oldest() {
    let mut driver = Driver::new(Limits { max_pending: 3, ..Limits::default() });
    let mut recorder = Recorder::default();
    for (direction, bytes) in open() {
        driver.data(direction, &bytes, &mut recorder);
    }
    for id in 0..10 {
        driver.data(UP, &request("one", id, b"\x40\x01x\x01"), &mut recorder);
    }
    assert_eq!(exchanges(&recorder).len(), 10 + 7);
}

#[test]
fn all_four_modes_are_understood() {
    for (mode, name) in [(1, "singleton_unsized"), (2, "duplex"), (3, "simplex"), (4, "singleton_sized")] {
        let mut start = preamble();
        start[4] = mode;
        let message = request("act", 1, b"\x40\x01x\x01");
        let payload = &message[2..];
        let script = match mode {
            // [MC-NMF] 2.2.4.1: chunks up to one of size zero.
            1 => {
                let (one, two) = payload.split_at(20);
                let chunk = |bytes: &[u8]| [size(bytes.len()), bytes.to_vec()].concat();
                let unsized_envelope = [b"\x05".to_vec(), chunk(one), chunk(two), b"\x00\x07".to_vec()].concat();
                vec![(UP, [start, b"\x0c".to_vec()].concat()), (DOWN, b"\x0b".to_vec()), (UP, unsized_envelope)]
            }
            4 => vec![(UP, [start, payload.to_vec()].concat())],
            _ => vec![
                (UP, [start, b"\x0c".to_vec()].concat()),
                (DOWN, b"\x0b".to_vec()),
                (UP, [message, b"\x07".to_vec()].concat()),
            ],
        };
        let recorder = run(&script);
        assert_eq!(recorder.anomalies(), Vec::<&str>::new(), "{name}");
        assert_eq!(sessions(&recorder)[0].get("mode"), Some(&Value::from(name)));
        assert_eq!(exchanges(&recorder)[0].0, "act", "{name}");
        testing::assert_every_segmentation_is_equal(&script);
    }
}

#[test]
fn every_encoding_has_its_name_and_the_text_ones_are_read() {
    let xml = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:a='http://www.w3.org/2005/08/addressing'>\
               <s:Header><a:Action>act</a:Action></s:Header><s:Body><Ask/></s:Body></s:Envelope>";
    let wide = |little: bool| -> Vec<u8> {
        xml.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    };
    let binary = request("act", 1, b"\x40\x01x\x01")[2..].to_vec();
    for (number, name, payload) in [
        (0, "soap11_utf8", Some(xml.as_bytes().to_vec())),
        (1, "soap11_utf16", Some(wide(false))),
        (2, "soap11_unicode_le", Some(wide(true))),
        (3, "soap12_utf8", Some(xml.as_bytes().to_vec())),
        (4, "soap12_utf16", Some([b"\xfe\xff".to_vec(), wide(false)].concat())),
        (5, "soap12_unicode_le", Some(wide(true))),
        (6, "soap12_mtom", None),
        (7, "binary", Some(binary[1..].to_vec())),
        (8, "binary_session", Some(binary)),
    ] {
        let mut start = preamble();
        let last = start.len() - 1;
        start[last] = number;
        let sent = envelope(payload.as_deref().unwrap_or(b"opaque bytes"));
        let recorder = run(&[(UP, [start, b"\x0c".to_vec()].concat()), (DOWN, b"\x0b".to_vec()), (UP, sent)]);
        assert_eq!(sessions(&recorder)[0].get("encoding"), Some(&Value::from(name.to_owned())));
        assert!(recorder.anomalies().is_empty(), "{name}: {:?}", recorder.anomalies());
        assert_eq!(exchanges(&recorder).first().is_some_and(|(action, _)| action == "act"), payload.is_some(), "{name}");
    }
}

#[test]
fn an_upgrade_hands_both_directions_to_tls() {
    let upgrade = b"\x09\x13application/ssl-tls".to_vec();
    let hello = b"\x16\x03\x01\x00\x2e\x01\x00\x00\x2a\x03\x03".to_vec();
    let script = vec![(UP, [preamble(), upgrade].concat()), (DOWN, b"\x0a".to_vec()), (UP, hello)];
    let recorder = run(&script);
    let session = &sessions(&recorder)[0];
    assert_eq!(session.get("upgrades"), Some(&Value::from(vec!["application/ssl-tls".to_owned()])));
    assert_eq!(session.get("acknowledged"), Some(&Value::Bool(true)));
    assert!(!recorder.anomalies().iter().any(|event| event.starts_with("nmf_")), "{:?}", recorder.anomalies());
}

#[test]
fn violations_are_named() {
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = preamble();
        change(&mut bytes);
        run(&[(UP, [bytes, b"\x0c".to_vec()].concat()), (DOWN, b"\x0b".to_vec())]).anomalies()
    };
    assert_eq!(with(&|bytes| bytes[1] = 9), [anomaly::BAD_VERSION]);
    assert_eq!(with(&|bytes| *bytes.last_mut().unwrap() = 77), [anomaly::UNKNOWN_ENCODING]);
    assert_eq!(with(&|bytes| bytes.push(0x55)), [anomaly::UNEXPECTED_RECORD]);
    assert_eq!(with(&|bytes| bytes.extend_from_slice(b"\x06\xff\xff\xff\xff\xff")), [anomaly::BAD_SIZE]);
    assert_eq!(with(&|bytes| bytes.extend_from_slice(b"\x09\x07x/other")), [anomaly::UNKNOWN_UPGRADE]);
    assert_eq!(with(&|_| ()), Vec::<&str>::new());
    let mut long = preamble()[..5].to_vec();
    long.extend_from_slice(b"\x02\x80\x20");
    long.extend(std::iter::repeat_n(b'a', 4_096));
    assert_eq!(run(&[(UP, long)]).anomalies(), [anomaly::BAD_VIA]);
    let mut script = open();
    script.push((UP, b"\x06\xff\xff\xff\xff\x07\x00".to_vec()));
    let mut driver = Driver::new(Limits::default());
    let mut recorder = Recorder::default();
    for (direction, bytes) in &script {
        driver.data(*direction, bytes, &mut recorder);
    }
    assert_eq!(recorder.anomalies(), [anomaly::ENVELOPE_TOO_LARGE]);
    for event in [anomaly::BAD_VERSION, anomaly::UNKNOWN_ENCODING, anomaly::ENVELOPE_TOO_LARGE] {
        assert!(super::is_violation(event));
    }
    assert!(!super::is_violation(anomaly::REQUEST_CUT) && !super::is_violation("buffer_limit"));
}

#[test]
fn a_message_that_breaks_its_encoding_is_told_and_the_next_one_is_read() {
    let mut script = open();
    script.push((UP, [envelope(b"\x00\x56\x02\xff\xff\xff"), request("next", 1, b"\x40\x01x\x01")].concat()));
    let recorder = run(&script);
    assert_eq!(recorder.anomalies(), [anomaly::MALFORMED_MESSAGE]);
    assert!(exchanges(&recorder).iter().any(|(action, _)| action == "next"));
}

#[test]
fn a_reply_of_megabytes_is_not_held() {
    let mut driver = Driver::new(Limits::default());
    let mut recorder = Recorder::default();
    let mut script = open();
    script.push((UP, request("ask", 1, b"\x40\x01x\x01")));
    let mut body = b"\x40\x01r\x9d".to_vec();
    body.extend_from_slice(&5_000_000_u32.to_le_bytes());
    body.extend(std::iter::repeat_n(b'x', 5_000_000));
    script.push((DOWN, reply(1, &body)));
    script.push((UP, request("more", 2, b"\x40\x01x\x01")));
    for (direction, bytes) in &script {
        for piece in bytes.chunks(1_400) {
            driver.data(*direction, piece, &mut recorder);
            assert!(driver.buffered() <= 2 * Limits::default().max_buffer);
        }
    }
    assert_eq!(exchanges(&recorder).iter().map(|(action, _)| action.as_str()).collect::<Vec<_>>(), ["ask", "ask", "more"]);
    assert!(recorder.anomalies().is_empty());
}

#[test]
fn a_gap_inside_a_message_keeps_the_place_and_one_across_messages_finds_the_next() {
    for inside in [true, false] {
        let mut driver = Driver::new(Limits::default());
        let mut recorder = Recorder::default();
        for (direction, bytes) in open() {
            driver.data(direction, &bytes, &mut recorder);
        }
        let first = request("first", 1, &[b"\x40\x01x\x99\x64".as_slice(), &[b'x'; 100]].concat());
        let len = first.len();
        driver.data(UP, &first[..80], &mut recorder);
        let missing = if inside { 20 } else { len - 80 + 30 };
        driver.gap(UP, missing as u64, &mut recorder);
        if inside {
            driver.data(UP, &first[100..], &mut recorder);
        } else {
            driver.data(UP, b"rest of a message that nobody saw", &mut recorder);
        }
        driver.data(UP, &request("second", 2, b"\x40\x01x\x01"), &mut recorder);
        let actions: Vec<String> = exchanges(&recorder).into_iter().map(|(action, _)| action).collect();
        assert_eq!(actions, ["first", "second"], "inside: {inside}");
        let lost = recorder.events.contains(&Event::InSync(AppProto::Nmf, UP, false));
        let found = recorder.events.contains(&Event::InSync(AppProto::Nmf, UP, true));
        assert!(lost && found);
        assert!(recorder.anomalies().is_empty());
    }
}

#[test]
fn a_session_is_picked_up_in_its_middle() {
    let recorder = run(&[(UP, request("act", 1, b"\x40\x01x\x01")), (DOWN, reply(1, b"\x40\x01r\x01"))]);
    assert_eq!(exchanges(&recorder), [("act".to_owned(), false), ("act".to_owned(), true)]);
    assert!(recorder.anomalies().is_empty());
}

#[test]
fn a_pooled_connection_carries_a_second_session() {
    let mut script = open();
    script.push((UP, b"\x07".to_vec()));
    script.push((DOWN, b"\x07".to_vec()));
    script.extend(open());
    script.push((UP, request("act", 1, b"\x40\x01x\x01")));
    let recorder = run(&script);
    assert_eq!(sessions(&recorder).len(), 2);
    assert!(recorder.anomalies().is_empty(), "{:?}", recorder.anomalies());
}

#[test]
fn a_fault_of_the_server_is_part_of_the_session() {
    let recorder = run(&[(UP, [preamble(), b"\x0c".to_vec()].concat()), (DOWN, b"\x08\x05fault".to_vec())]);
    assert_eq!(sessions(&recorder)[0].get("fault"), Some(&Value::from("fault".to_owned())));
}

#[test]
fn the_probe_knows_a_preamble_and_leaves_look_alikes_alone() {
    assert_eq!(resync::probe(UP, &preamble()), Probe::Certain);
    for len in 1..5 {
        assert_eq!(resync::probe(UP, &preamble()[..len]), Probe::MoreBytes);
    }
    assert_eq!(resync::probe(UP, &request("act", 1, b"\x40\x01x\x01")), Probe::Possible);
    for bytes in [
        b"GET / HTTP/1.1\r\n".as_slice(),
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x00\x00\x00\x85\xfeSMB",
        b"\x00\x01\x00\x00\x00\x00",
        b"\x06\x00\x00\x00\x00\x00\x00\x00",
        b"\x12\x01\x00\x34\x00\x00\x00\x00",
        b"\x0b\x20\x20\x20\x20\x20",
    ] {
        assert_eq!(resync::probe(UP, bytes), Probe::No, "{bytes:02x?}");
    }
}

/// A stream of candidates is searched once, whatever they promise.
#[test]
fn the_search_for_a_message_is_linear() {
    let bytes = b"\x06\x80\x01\xff\x1f".repeat(200_000);
    let started = backstop_testkit::Stopwatch::start();
    let (mut at, mut steps) = (0, 0);
    loop {
        steps += 1;
        match resync::search(&bytes[at..]) {
            Search::Found(_) => panic!("there is none"),
            Search::Perhaps { skip, .. } => at += skip + 1,
            Search::Nowhere => break,
        }
    }
    assert!(started.elapsed().as_secs() < 5 && steps < 10_000, "{steps} steps");
}

#[test]
fn real_conversations_are_read_to_the_last_exchange() {
    for (name, calls) in [
        ("nmf_getall_1", 1),
        ("nmf_ordinary_0", 3),
        ("nmf_sql_0", 0),
        ("nmf_dotnet_0", 0),
        ("nmf_dotnet_2", 0),
        ("nmf_mention_0", 0),
        ("nmf_mention_1", 0),
    ] {
        let recorder = run(&testing::fixture(name).unwrap());
        assert_eq!(recorder.anomalies(), Vec::<&str>::new(), "{name}");
        let told = exchanges(&recorder);
        let answered = told.iter().filter(|(_, reply)| *reply).count();
        println!("{name}: {told:?}");
        assert!(answered > 0 && answered * 2 == told.len(), "{name}: each request has its reply");
        assert!(calls == 0 || answered >= calls, "{name}: {answered}");
        assert!(told.iter().all(|(action, _)| action.starts_with("http://tempuri.org/IRemoteInvokeService/")), "{name}");
    }
}

/// Found by fuzzing: the probe gave up after two bytes of a preamble whose version is not 1, and took it when it came whole.
#[test]
fn a_preamble_of_another_version_is_recognised_in_any_pieces() {
    let preamble = b"\x00\x78\x00\x01\x02\x02\x10net.tcp://a:1/b/\x03\x08\x0c".to_vec();
    let script = vec![(Direction::ToServer, preamble)];
    assert!(testing::run(&script).anomalies().contains(&"nmf_bad_version"));
    testing::assert_every_segmentation_is_equal(&script);
}

#[test]
fn a_header_that_reaches_a_cap_alone_is_a_violation() {
    // Envelope, Header, then one text after the other in an element: 40 bytes of names, 200 KB of junk.
    let mut message = vec![0x00, 0x56, 0x02, 0x56, 0x08, 0x40, 0x01, b'j'];
    for _ in 0..800 {
        message.extend([0x98, 250]);
        message.extend([b'x'; 250]);
    }
    message.push(0x01);
    let mut script = open();
    script.push((UP, envelope(&message)));
    let recorder = run(&script);
    assert!(recorder.anomalies().contains(&anomaly::HEADER_LIMIT), "{:?}", recorder.anomalies());
    assert!(super::is_violation(anomaly::HEADER_LIMIT));
}
