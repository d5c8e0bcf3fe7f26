#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use backstop_types::{Direction, Fields, Value};

use super::anomaly::{self, Defects};
use super::handshake::{Piece, Reassembly};
use super::record;
use super::*;
use crate::contract::{Anomaly, Content, Limits, Probe, Sink};
use crate::driver::Driver;
use crate::testing::{self, Event, Recorder};

mod records;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

/// RFC 8448 §3: ClientHello and ServerHello, without their record headers.
const RFC8448_CLIENT_HELLO: &str = "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302010000\
    910000000b0009000006736572766572ff01000100000a00140012001d0017001800190100010101020103010400230000003300260024001d002099381de560\
    e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304000d0020001e040305030603020308040805080604010501060102010402\
    050206020202002d00020101001c00024001";
const RFC8448_SERVER_HELLO: &str = "020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e003300240\
    01d0020c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304";

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.replace([' ', '\n'], "").as_bytes()).unwrap()
}

fn record_of(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], &(body.len() as u16).to_be_bytes()[..], body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_be_bytes();
    [&[kind], &len[1..], body].concat()
}

fn vector16(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes()[..], body].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector16(body)].concat()
}

fn sni(name: &[u8]) -> Vec<u8> {
    extension(0, &vector16(&[b"\0".as_slice(), &vector16(name)].concat()))
}

fn client_hello(session_id: &[u8], ciphers: &[u8], extensions: &[u8]) -> Vec<u8> {
    let head = [b"\x03\x03".as_slice(), &[7; 32], &[session_id.len() as u8], session_id].concat();
    message(1, &[head, vector16(ciphers), b"\x01\x00".to_vec(), vector16(extensions)].concat())
}

fn server_hello(session_id: &[u8], random: [u8; 32], extensions: &[u8]) -> Vec<u8> {
    let head = [b"\x03\x03".as_slice(), &random, &[session_id.len() as u8], session_id, b"\xc0\x2f\x00"].concat();
    message(2, &[head, vector16(extensions)].concat())
}

fn certificate() -> Vec<u8> {
    let server: Vec<u8> = testing::fixture("nmf_tls12_0")
        .unwrap()
        .into_iter()
        .filter(|(way, _)| *way == DOWN)
        .flat_map(|(_, bytes)| bytes)
        .collect();
    // NMF's upgrade response, the record's header, the ServerHello.
    let flight = &server[1 + 5 + 65..];
    let flight = if flight[0] == 22 { &flight[5..] } else { flight };
    assert_eq!(flight[0], 11);
    let len = u32::from_be_bytes([0, flight[7], flight[8], flight[9]]) as usize;
    flight[10..10 + len].to_vec()
}

fn chain_of(certificates: &[&[u8]]) -> Vec<u8> {
    let vector24 = |body: &[u8]| [&(body.len() as u32).to_be_bytes()[1..], body].concat();
    let list: Vec<u8> = certificates.iter().flat_map(|der| vector24(der)).collect();
    message(11, &vector24(&list))
}

/// Keeps the stages with all that is known.
#[derive(Default)]
struct Stages {
    told: Vec<(Stage, Facts)>,
    records: Vec<Fields>,
    anomalies: Vec<&'static str>,
    confirmed: Vec<AppProto>,
    in_sync: Vec<(Direction, bool)>,
}

impl Sink for Stages {
    fn transaction(&mut self, transaction: &crate::Transaction<'_>) {
        if let crate::Transaction::Tls(tx) = transaction {
            assert_eq!(tx.tx_id(), Some(0));
            if matches!(tx.stage, Stage::Record(_)) {
                return;
            }
            self.told.push((tx.stage, tx.facts.clone()));
            if tx.is_record() {
                self.records.push(tx.fields());
            }
        }
    }
    fn anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.push(anomaly.event);
    }
    fn content(&mut self, _: Content<'_>) {}
    fn plaintext(&mut self, _: Direction, _: &[u8]) {}
    fn confirmed(&mut self, app_proto: AppProto) {
        self.confirmed.push(app_proto);
    }
    fn in_sync(&mut self, _: AppProto, direction: Direction, in_sync: bool) {
        self.in_sync.push((direction, in_sync));
    }
}

impl Stages {
    fn last(&self) -> &Facts {
        &self.told.last().unwrap().1
    }
    fn stages(&self) -> Vec<Stage> {
        self.told.iter().map(|(stage, _)| *stage).collect()
    }
}

fn run(script: &[(Direction, Vec<u8>)]) -> Stages {
    let (mut stages, mut driver) = (Stages::default(), Driver::new(Limits::default()));
    for (direction, bytes) in script {
        driver.data(*direction, bytes, &mut stages);
    }
    for direction in Direction::BOTH {
        driver.close(direction, &mut stages);
    }
    stages
}

fn text(fields: &Fields, path: &[&str]) -> String {
    let mut fields = fields;
    let (last, outer) = path.split_last().unwrap();
    for name in outer {
        let Some(Value::Object(inner)) = fields.get(name) else { panic!("no {name}") };
        fields = inner;
    }
    match fields.get(last) {
        Some(Value::Text(text)) => text.to_string(),
        other => panic!("{last}: {other:?}"),
    }
}

/// A TLS 1.2 handshake up to the keys, with what stands between ServerHello and ChangeCipherSpec.
fn tls12(id_up: &[u8], id_down: &[u8], between: &[u8], extensions: &[u8]) -> testing::Script {
    vec![
        (UP, record_of(22, &client_hello(id_up, b"\xc0\x2f", extensions))),
        (DOWN, record_of(22, &[server_hello(id_down, [9; 32], b""), between.to_vec()].concat())),
        (UP, [record_of(22, &message(16, b"key")), record_of(20, b"\x01"), record_of(22, &[0x55; 40])].concat()),
        (DOWN, [record_of(20, b"\x01"), record_of(22, &[0xaa; 40])].concat()),
        (UP, record_of(23, &[1; 300])),
        (DOWN, record_of(23, &[2; 500])),
    ]
}

#[test]
fn the_trace_of_rfc_8448_is_read_up_to_the_keys() {
    let script = vec![
        (UP, record_of(22, &hex(RFC8448_CLIENT_HELLO))),
        (DOWN, [record_of(22, &hex(RFC8448_SERVER_HELLO)), record_of(23, &[7; 674])].concat()),
        (UP, [record_of(23, &[7; 53]), record_of(23, &[7; 67])].concat()),
    ];
    let stages = run(&script);
    assert_eq!(stages.stages(), [Stage::Hello, Stage::Handshake, Stage::End]);
    assert_eq!(stages.confirmed, [AppProto::Tls]);
    assert!(stages.anomalies.is_empty(), "{:?}", stages.anomalies);
    let facts = stages.last();
    assert_eq!((facts.version(), facts.sni(), facts.cipher_name()), (Some(0x0304), Some("server"), Some("AES_128_GCM_SHA256")));
    let hello = facts.client_hello.as_ref().unwrap();
    assert_eq!(hello.random[..4], [0xcb, 0x34, 0xec, 0xb1]);
    assert_eq!(hello.ciphers, [0x1301, 0x1303, 0x1302]);
    assert_eq!(hello.extensions, [0, 0xff01, 10, 35, 51, 43, 13, 45, 28]);
    assert_eq!(hello.groups, [0x1d, 0x17, 0x18, 0x19, 0x100, 0x101, 0x102, 0x103, 0x104]);
    assert_eq!(hello.signature_algorithms.len(), 15);
    assert_eq!(facts.server_hello.as_ref().unwrap().extensions, [51, 43]);
    assert_eq!(facts.traffic.to_server.application_sizes, [53, 67]);
    assert_eq!(facts.traffic.to_client.application_bytes, 674);
    let record = &stages.records[0];
    assert_eq!(text(record, &["version"]), "TLS 1.3");
    assert_eq!(
        text(record, &["ja3", "string"]),
        "771,4865-4867-4866,0-65281-10-35-51-43-13-45-28,29-23-24-25-256-257-258-259-260,"
    );
    assert_eq!(text(record, &["ja3s", "string"]), "771,4865,51-43");
    testing::assert_every_segmentation_is_equal(&script);
    testing::run_every_truncation(&script, 1);
}

#[test]
fn real_sessions_have_their_known_fingerprints() {
    for (name, sni, version, ja3, ja3s, ja4) in [
        (
            "tls12_no_sni",
            None,
            "TLS 1.2",
            "308b0bd904abbef5e0034a1ff7a78920",
            "ccc514751b175866924439bdbb5bba34",
            "t12i1810s1_27d4652c4487_06a4338d0495",
        ),
        (
            "tls12_mtu300",
            Some("www.google.com"),
            "TLS 1.2",
            "a64c29923906f2a1be278be1da0714fa",
            "a27e76e64afe9199440ad714848966f8",
            "t12d8008h2_9cedc1f1428b_046e095b7c4a",
        ),
        (
            "tls13_kyber",
            Some("lh3.google.com"),
            "TLS 1.3",
            "9d33d8206d4fec4c8b1423c728f4cd3c",
            "eb1d94daa7e0344597e756a1fb6e7054",
            "t13d1516h2_8daaf6152771_02713d6af862",
        ),
    ] {
        let stages = run(&testing::fixture(name).unwrap());
        assert_eq!(stages.stages(), [Stage::Hello, Stage::Handshake, Stage::End], "{name}");
        assert!(stages.anomalies.is_empty(), "{name}: {:?}", stages.anomalies);
        assert!(stages.in_sync.is_empty(), "{name}");
        let record = &stages.records[0];
        assert_eq!(stages.last().sni(), sni, "{name}");
        assert_eq!(text(record, &["version"]), version, "{name}");
        assert_eq!(text(record, &["ja3", "hash"]), ja3, "{name}");
        assert_eq!(text(record, &["ja3s", "hash"]), ja3s, "{name}");
        assert_eq!(text(record, &["ja4"]), ja4, "{name}");
    }
}

#[test]
fn tls_inside_net_tcp_tells_its_certificate_and_the_flow_stays_net_tcp() {
    for name in ["nmf_tls12_0", "nmf_tls12_1"] {
        let (mut stages, mut driver) = (Stages::default(), Driver::new(Limits::default()));
        for (direction, bytes) in testing::fixture(name).unwrap() {
            driver.data(direction, &bytes, &mut stages);
        }
        for direction in Direction::BOTH {
            driver.close(direction, &mut stages);
        }
        assert_eq!(driver.app_proto(), Some(AppProto::Nmf), "{name}");
        assert!(!stages.confirmed.contains(&AppProto::Tls), "{name}");
        assert!(stages.anomalies.is_empty(), "{name}: {:?}", stages.anomalies);
        assert_eq!(stages.records.len(), 1);
        let record = &stages.records[0];
        assert_eq!(text(record, &["subject"]), "CN=Veeam Backup Server Certificate");
        assert_eq!(text(record, &["issuerdn"]), "CN=Veeam Backup Server Certificate");
        assert_eq!(text(record, &["version"]), "TLS 1.2");
        let names: Vec<&str> = record.iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["subject", "issuerdn", "serial", "fingerprint", "version", "notbefore", "notafter", "ja3", "ja3s", "ja4"],
            "{name}"
        );
        let end = stages.last();
        assert_eq!(end.chain.sha256.len(), 1);
        assert!(!end.resumed && end.fatal_alert.is_none() && !end.client_certificate);
        let traffic = &end.traffic.to_server;
        assert!(traffic.application_records > 0 && traffic.encrypted_alerts == 1 && !traffic.incomplete, "{traffic:?}");
        assert_eq!(traffic.application_sizes.len() as u64, traffic.application_records.min(MAX_SIZES as u64));
    }
}

#[test]
fn a_certificate_is_told_as_suricata_tells_it() {
    let mut defects = Defects::default();
    let der = certificate();
    let chain = certificate::parse_chain(&chain_of(&[&der, b"other"])[4..], true, &mut defects);
    let leaf = chain.leaf.unwrap();
    assert_eq!(leaf.serial, "24:57:D0:F8:1C:6A:20:02:DD:4A:AB:14:19:3D:71:DC:34:E1:57:FC");
    assert_eq!(leaf.not_before, "2026-11-24T06:45:24");
    assert_eq!(leaf.not_after, "2036-11-21T06:45:24");
    assert_eq!(leaf.fingerprint, "1b:e7:40:00:aa:8e:ef:86:21:fa:cb:03:8a:65:4e:d4:e6:f7:55:8d");
    assert_eq!(chain.sha256[0], "a89a4ba721e7cd0f4739b5ac6dd99254ba45a5b34611c752b5da067e90635688");
    assert_eq!(chain.sha256.len(), 2);
    assert_eq!(defects, Defects::default());
    let google = run(&testing::fixture("tls12_mtu300").unwrap());
    let leaf = google.last().certificate().unwrap();
    assert_eq!(leaf.subject, "CN=www.google.com");
    assert_eq!(leaf.issuer, "C=US, O=Google Trust Services LLC, CN=GTS CA 1C3");
    assert_eq!(leaf.subject_alt_names, ["www.google.com"]);
    assert!(google.last().chain.sha256.len() >= 2);
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00"),
        (951_782_399, "2000-02-28T23:59:59"),
        (951_782_400, "2000-02-29T00:00:00"),
        (-1, "1969-12-31T23:59:59"),
        (4_102_444_800, "2100-01-01T00:00:00"),
        (253_402_300_799, "9999-12-31T23:59:59"),
    ] {
        assert_eq!(certificate::date(seconds), expected);
    }
}

#[test]
fn every_damage_to_a_certificate_is_survived() {
    let der = certificate();
    for at in 0..der.len() {
        for value in [0, 0x7f, 0x80, 0xff] {
            let mut bad = der.clone();
            bad[at] = value;
            drop(certificate::parse_chain(&chain_of(&[&bad])[4..], true, &mut Defects::default()));
        }
    }
    for len in 0..der.len() {
        let mut defects = Defects::default();
        let chain = certificate::parse_chain(&chain_of(&[&der[..len]])[4..], true, &mut defects);
        assert!(chain.leaf.is_none() && defects.contains(anomaly::MALFORMED_CERTIFICATE));
    }
}

#[test]
fn a_session_is_resumed_when_the_server_takes_it_up_without_a_full_flight() {
    let ticket = extension(35, b"ticket");
    let done = [chain_of(&[&certificate()]), message(14, b"")].concat();
    for (id_up, id_down, between, extensions, resumed) in [
        (b"same".as_slice(), b"same".as_slice(), b"".as_slice(), b"".as_slice(), true),
        (b"same", b"same", &message(4, b"new ticket"), b"", true),
        (b"", b"", b"", &ticket, true),
        (b"same", b"other", b"", b"", false),
        (b"same", b"same", &done, b"", false),
        (b"same", b"same", &message(14, b""), b"", false),
        (b"", b"", b"", b"", false),
    ] {
        let script = tls12(id_up, id_down, between, extensions);
        let stages = run(&script);
        assert_eq!(stages.last().resumed, resumed, "{id_up:?} {id_down:?} {between:?}");
        assert_eq!(stages.records.len(), 1);
        assert_eq!(stages.records[0].get("session_resumed"), resumed.then_some(&Value::Bool(true)));
        assert!(stages.anomalies.is_empty());
        testing::assert_every_segmentation_is_equal(&script);
    }
}

#[test]
fn a_retry_request_is_not_the_server_hello() {
    let retry = hex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c");
    let hello = hex(RFC8448_CLIENT_HELLO);
    let change = record_of(20, b"\x01");
    let script = vec![
        (UP, record_of(22, &hello)),
        (DOWN, [record_of(22, &server_hello(b"", retry.try_into().unwrap(), b"\0\x2b\0\x02\x03\x04")), change.clone()].concat()),
        (UP, [change, record_of(22, &hello)].concat()),
        (DOWN, [record_of(22, &hex(RFC8448_SERVER_HELLO)), record_of(23, &[7; 99])].concat()),
    ];
    let stages = run(&script);
    assert!(stages.anomalies.is_empty(), "{:?}", stages.anomalies);
    assert_eq!(stages.stages(), [Stage::Hello, Stage::Handshake, Stage::End]);
    assert!(stages.last().retried);
    assert_eq!(text(&stages.records[0], &["ja3s", "string"]), "771,4865,51-43");
    testing::assert_every_segmentation_is_equal(&script);
}

#[test]
fn messages_may_span_records_and_share_one() {
    let hello = hex(RFC8448_CLIENT_HELLO);
    for piece in [1, 2, 3, 5, 50, 195] {
        let records: Vec<u8> = hello.chunks(piece).flat_map(|part| record_of(22, part)).collect();
        let script = vec![(UP, records), (DOWN, record_of(22, &hex(RFC8448_SERVER_HELLO)))];
        let stages = run(&script);
        assert_eq!(stages.last().sni(), Some("server"), "pieces of {piece}");
        assert!(stages.anomalies.is_empty());
        testing::assert_every_segmentation_is_equal(&script);
    }
    let mut whole = Reassembly::default();
    let mut kinds = Vec::new();
    let three = [message(0, b""), message(1, b"x"), message(14, b"")].concat();
    for part in three.chunks(3) {
        whole.feed(part, 100, |piece| {
            if let Piece::Message(kind, _) = piece {
                kinds.push(kind);
            }
            true
        });
    }
    assert_eq!(kinds, [0, 1, 14]);
    assert!(!whole.is_pending());
}

#[test]
fn a_message_above_the_cap_is_passed_over_and_the_next_is_read() {
    let long = message(11, &[0; 70_000]);
    let flight = [server_hello(b"", [9; 32], b""), long, message(14, b"")].concat();
    let script = vec![
        (UP, record_of(22, &client_hello(b"", b"\xc0\x2f", b""))),
        (DOWN, flight.chunks(16_000).flat_map(|part| record_of(22, part)).collect()),
        (DOWN, record_of(20, b"\x01")),
    ];
    let stages = run(&script);
    assert_eq!(stages.anomalies, [anomaly::HANDSHAKE_TOO_LONG]);
    assert!(!is_violation(anomaly::HANDSHAKE_TOO_LONG));
    assert_eq!(stages.stages(), [Stage::Hello, Stage::Handshake, Stage::End]);
    testing::assert_every_segmentation_is_equal(&script);
}

#[test]
fn violations_are_named_once() {
    let grease = b"\x0a\x0a\x00\x00";
    let hello = |extensions: &[u8]| record_of(22, &client_hello(b"", b"\xc0\x2f", extensions));
    let good = hello(b"");
    let many: Vec<u8> = (0..600_u16).flat_map(|value| extension(1_000 + value, b"")).collect();
    let (first, second) = good[5..].split_at(20);
    let split_by = |kind: u8, body: &[u8]| [record_of(22, first), record_of(kind, body), record_of(22, second)].concat();
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (good.clone(), &[]),
        (hello(grease), &[]),
        ([good.clone(), b"GET / HTTP/1.1".to_vec()].concat(), &[anomaly::BAD_RECORD]),
        ([good.clone(), b"\x17\x03\x03\xff\xff".to_vec()].concat(), &[anomaly::RECORD_TOO_LONG]),
        ([good.clone(), record_of(22, &[0; MAX_SIZES * 515])].concat(), &[anomaly::RECORD_TOO_LONG]),
        ([good.clone(), record_of(22, b""), record_of(22, b"")].concat(), &[anomaly::EMPTY_RECORD]),
        ([good.clone(), record_of(20, b"\x02")].concat(), &[anomaly::BAD_CHANGE_CIPHER_SPEC]),
        ([good.clone(), record_of(21, b"\x02\x28\x00")].concat(), &[anomaly::BAD_ALERT]),
        ([good.clone(), record_of(21, b"\x09\x28")].concat(), &[anomaly::BAD_ALERT]),
        ([good.clone(), good.clone()].concat(), &[anomaly::UNEXPECTED_MESSAGE]),
        ([good.clone(), record_of(22, &server_hello(b"", [9; 32], b""))].concat(), &[anomaly::UNEXPECTED_MESSAGE]),
        (split_by(21, b"\x01\x00"), &[anomaly::INTERLEAVED_RECORD]),
        (hello(&[sni(b"a"), sni(b"b")].concat()), &[anomaly::DUPLICATE_EXTENSION]),
        (hello(&sni(b"")), &[anomaly::BAD_SNI]),
        (hello(&sni(b"two words")), &[anomaly::BAD_SNI]),
        (hello(&sni(&[b'a'; 300])), &[anomaly::BAD_SNI]),
        (hello(b"\x00\x00\x00\x09\x00"), &[anomaly::MALFORMED_HELLO]),
        (hello(&extension(10, b"\x00\x09\x00")), &[anomaly::MALFORMED_HELLO]),
        (record_of(22, &client_hello(&[1; 33], b"\xc0\x2f", b"")), &[anomaly::MALFORMED_HELLO]),
        (record_of(22, &client_hello(b"", b"", b"")), &[anomaly::MALFORMED_HELLO]),
        (record_of(22, &message(1, &[3; 36])), &[anomaly::MALFORMED_HELLO]),
        (hello(&many), &[anomaly::HELLO_CUT]),
    ];
    for (at, (bytes, expected)) in cases.into_iter().enumerate() {
        let script = vec![(UP, bytes)];
        assert_eq!(run(&script).anomalies, expected, "case {at}");
        for event in expected {
            assert_eq!(is_violation(event), *event != anomaly::HELLO_CUT);
        }
        testing::assert_every_segmentation_is_equal(&script);
    }
    let certificates = vec![b"x".as_slice(); 9];
    for (between, expected) in [
        (chain_of(&[b"no der"]), vec![anomaly::MALFORMED_CERTIFICATE]),
        (message(11, b"\x00\x00\x09\x00"), vec![anomaly::MALFORMED_CERTIFICATE]),
        (chain_of(&certificates), vec![anomaly::MALFORMED_CERTIFICATE, anomaly::CHAIN_TOO_LONG]),
    ] {
        let stages = run(&tls12(b"", b"", &between, b""));
        assert_eq!(stages.anomalies, expected);
        assert_eq!(stages.records.len(), 1);
    }
}

#[test]
fn a_hello_that_was_cut_has_no_fingerprint() {
    let many: Vec<u8> = (0..600_u16).flat_map(u16::to_be_bytes).collect();
    let stages = run(&[(UP, record_of(22, &client_hello(b"", &many, &sni(b"name"))))]);
    let record = &stages.records[0];
    assert!(record.get("ja3").is_none() && record.get("ja4").is_none());
    assert_eq!(text(record, &["sni"]), "name");
    assert_eq!(text(record, &["version"]), "UNDETERMINED");
}

#[test]
fn grease_is_kept_in_the_facts_and_left_out_of_fingerprints() {
    let alpn = |name: &[u8]| extension(16, &vector16(&[&[name.len() as u8], name].concat()));
    let groups = extension(10, &vector16(b"\x1a\x1a\x00\x1d"));
    let versions = extension(43, b"\x06\xfa\xfa\x03\x04\x03\x03");
    let extensions = [b"\x0a\x0a\x00\x00".to_vec(), groups, versions, alpn(b"h2"), sni(b"name")].concat();
    let stages = run(&[(UP, record_of(22, &client_hello(b"", b"\x2a\x2a\x13\x01", &extensions)))]);
    let facts = stages.last();
    let hello = facts.client_hello.as_ref().unwrap();
    assert_eq!((hello.ciphers[0], hello.groups[0], hello.highest_version()), (0x2a2a, 0x1a1a, 0x0304));
    assert_eq!(facts.ja3.as_ref().unwrap().string, "771,4865,10-43-16-0,29,");
    assert!(facts.ja4.as_ref().unwrap().starts_with("t13d0104h2_"));
    assert_eq!(stages.records[0].get("client_alpns"), Some(&Value::from(vec!["h2".to_owned()])));
    for (name, expected) in [(b"h".as_slice(), "hh_"), (b"http/1.1", "h1_"), (b"\xab\xcd", "ad_"), (b"\x30\xab", "3b_")] {
        let stages = run(&[(UP, record_of(22, &client_hello(b"", b"\x13\x01", &alpn(name))))]);
        assert!(stages.last().ja4.as_ref().unwrap().starts_with(&format!("t12i0101{expected}")), "{name:?}");
    }
    let bare = run(&[(UP, record_of(22, &client_hello(b"", b"\x0a\x0a", b"")))]);
    assert_eq!(bare.last().ja4.as_deref(), Some("t12i000000_000000000000_000000000000"));
}

#[test]
fn a_fatal_alert_before_the_keys_ends_the_clear_part() {
    let stages = run(&[(UP, record_of(22, &client_hello(b"", b"\xc0\x2f", b""))), (DOWN, record_of(21, b"\x02\x28"))]);
    assert_eq!(stages.stages(), [Stage::Hello, Stage::Handshake, Stage::End]);
    assert_eq!(stages.last().fatal_alert, Some(Alert { direction: DOWN, level: 2, description: 40 }));
    assert_eq!(stages.last().traffic.to_client.clear_alerts, 1);
}

#[test]
fn a_client_certificate_is_noted() {
    for (chain, expected) in [(chain_of(&[b"x"]), true), (chain_of(&[]), false)] {
        let mut script = tls12(b"", b"", &message(14, b""), b"");
        script.insert(2, (UP, record_of(22, &chain)));
        assert_eq!(run(&script).last().client_certificate, expected);
    }
}

#[test]
fn one_side_alone_and_swapped_sides_are_read() {
    let script = tls12(b"", b"", &[chain_of(&[&certificate()]), message(14, b"")].concat(), &sni(b"name"));
    for side in Direction::BOTH {
        let alone: testing::Script = script.iter().filter(|(direction, _)| *direction == side).cloned().collect();
        let stages = run(&alone);
        assert!(stages.anomalies.is_empty(), "{:?}", stages.anomalies);
        assert_eq!(stages.records.len(), 1);
        assert_eq!(stages.last().sni().is_some(), side == UP);
        assert_eq!(stages.last().certificate().is_some(), side == DOWN);
    }
    let swapped: testing::Script = script.into_iter().map(|(direction, bytes)| (direction.reverse(), bytes)).collect();
    let stages = run(&swapped);
    assert_eq!(stages.last().client, Some(DOWN));
    assert!(stages.anomalies.is_empty() && stages.last().certificate().is_some());
}

#[test]
fn a_hello_alone_is_a_record() {
    let recorder = testing::run(&[(UP, record_of(22, &hex(RFC8448_CLIENT_HELLO)))]);
    assert_eq!(recorder.transactions().count(), 3);
    assert!(recorder.events.contains(&Event::Confirmed(AppProto::Tls)));
    let stages = run(&[(UP, record_of(22, &hex(RFC8448_CLIENT_HELLO)))]);
    assert_eq!(stages.stages(), [Stage::Hello, Stage::Handshake, Stage::End]);
    assert_eq!(text(&stages.records[0], &["version"]), "UNDETERMINED");
}

/// The keys of Suricata's `tls` object, with which its schema is closed.
#[test]
fn fields_are_those_of_the_schema() {
    let text_keys = ["version", "sni", "subject", "issuerdn", "serial", "fingerprint", "notbefore", "notafter", "ja4"];
    for name in ["tls12_no_sni", "tls12_mtu300", "tls13_kyber", "nmf_tls12_0"] {
        for record in run(&testing::fixture(name).unwrap()).records {
            for (key, value) in record.iter() {
                let fits = match value {
                    Value::Text(text) => text_keys.contains(&key) && !text.is_empty(),
                    Value::List(list) => ["subjectaltname", "client_alpns", "server_alpns"].contains(&key) && !list.is_empty(),
                    Value::Object(inner) => {
                        ["ja3", "ja3s"].contains(&key) && inner.iter().map(|(key, _)| key).eq(["hash", "string"])
                    }
                    Value::Bool(truth) => key == "session_resumed" && *truth,
                    Value::Uint(_) | Value::Int(_) => false,
                };
                assert!(fits, "{name}: {key}");
            }
        }
    }
}

#[test]
fn a_date_that_the_schema_does_not_know_stays_out_of_the_record() {
    let leaf = Certificate {
        not_before: "2026-01-01T00:00:00".to_owned(),
        not_after: "9999-12-31T23:59:59".to_owned(),
        ..Certificate::default()
    };
    let facts = Facts { chain: Chain { leaf: Some(leaf), ..Chain::default() }, ..Facts::default() };
    let fields = Transaction { stage: Stage::Handshake, facts: &facts }.fields();
    assert_eq!(text(&fields, &["notbefore"]), "2026-01-01T00:00:00");
    assert!(fields.get("notafter").is_none());
}
