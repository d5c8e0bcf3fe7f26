#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;

use backstop_types::{Direction, Fields};

use super::*;
use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::driver::Driver;
use crate::testing::{self, Event, Recorder, Script};

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

/// Keeps what was unwrapped, the last facts, and the names of what was told.
#[derive(Default)]
pub(super) struct Opened {
    pub up: Vec<u8>,
    pub down: Vec<u8>,
    pub gaps: Vec<(Direction, Option<u64>)>,
    pub ends: Vec<Direction>,
    pub facts: Facts,
    pub stages: Vec<Stage>,
    pub record: Option<Fields>,
    pub anomalies: Vec<&'static str>,
}

impl Sink for Opened {
    fn transaction(&mut self, transaction: &crate::Transaction<'_>) {
        if let crate::Transaction::Tls(tx) = transaction {
            self.facts = tx.facts.clone();
            if !matches!(tx.stage, Stage::Record(_)) {
                self.stages.push(tx.stage);
            }
            if tx.is_record() {
                self.record = Some(tx.fields());
            }
        }
    }
    fn anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.push(anomaly.event);
    }
    fn content(&mut self, _: Content<'_>) {}
    fn plaintext(&mut self, direction: Direction, bytes: &[u8]) {
        if direction == UP { self.up.extend_from_slice(bytes) } else { self.down.extend_from_slice(bytes) }
    }
    fn plaintext_gap(&mut self, direction: Direction, len: Option<u64>) {
        self.gaps.push((direction, len));
    }
    fn plaintext_end(&mut self, direction: Direction) {
        self.ends.push(direction);
    }
    fn confirmed(&mut self, _: AppProto) {}
    fn in_sync(&mut self, _: AppProto, _: Direction, _: bool) {}
}

pub(super) fn open(script: &[(Direction, Vec<u8>)], keys: &Arc<KeyRing>) -> Opened {
    let (mut opened, mut driver) = (Opened::default(), Driver::with_keys(Limits::default(), Some(Arc::clone(keys))));
    for (direction, bytes) in script {
        driver.data(*direction, bytes, &mut opened);
    }
    testing::close(&mut driver, &mut opened);
    opened
}

fn veeam(recorder: &Recorder) -> Vec<Fields> {
    recorder.transactions().filter(|(app_proto, _)| *app_proto == AppProto::Veeam).map(|(_, fields)| fields.clone()).collect()
}

pub(super) fn keys_of(name: &str) -> Arc<KeyRing> {
    testing::fixture_keys(name).unwrap().unwrap()
}

/// A fixture whose client says a line at a time to a server that answers them backwards.
const ECHOES: [&str; 4] = ["tls13_echo", "tls12_echo_gcm", "tls12_echo_cbc", "tls10_echo_cbc"];
const SAID: &[u8] = b"BACKSTOP-ECHO/1\nfirst\nsecond\nthird\n";

fn lines(recorder: &Recorder) -> Vec<String> {
    let text = |fields: &Fields| match fields.get("line") {
        Some(backstop_types::Value::Text(text)) => text.to_string(),
        other => panic!("{other:?}"),
    };
    recorder.transactions().filter(|(app_proto, _)| *app_proto == AppProto::Echo).map(|(_, fields)| text(fields)).collect()
}

/// The names of the methods called, and what became of the calls.
fn calls(recorder: &Recorder) -> Vec<(String, String)> {
    veeam(recorder)
        .iter()
        .map(|fields| {
            let part = |name: &str| fields.get(name).map_or_else(String::new, |value| format!("{value:?}"));
            (part("method"), part("reply"))
        })
        .collect()
}

#[test]
fn net_tcp_inside_tls_gives_the_calls_of_its_twin_in_the_clear() {
    let twin = calls(&testing::run(&testing::fixture("nmf_getall_1").unwrap()));
    assert!(twin.iter().any(|(method, _)| method.contains("CredentialsDbScopeGetAllCreds")), "{twin:?}");
    for (name, source) in [("nmf_tls12_1", KeySource::KeyLog), ("nmf_tls12_rsa_0", KeySource::RsaKey)] {
        let (script, keys) = (testing::fixture(name).unwrap(), keys_of(name));
        let inside = testing::run_with_keys(&script, Some(&keys));
        assert!(inside.anomalies().is_empty(), "{name}: {:?}", inside.anomalies());
        assert_eq!(calls(&inside), twin, "{name}");
        let opened = open(&script, &keys);
        assert_eq!((opened.facts.decrypted, opened.facts.why_not), (true, None), "{name}");
        assert_eq!(opened.facts.key_source, Some(source), "{name}");
        assert!(opened.gaps.is_empty());
        // Without keys nothing of it is known, and the record is the same.
        let closed = testing::run(&script);
        assert!(veeam(&closed).is_empty());
        let record = |recorder: &Recorder| {
            recorder.transactions().find(|(app_proto, _)| *app_proto == AppProto::Tls).map(|(_, fields)| fields.clone())
        };
        assert_eq!(record(&closed), record(&inside), "{name}");
    }
    for (name, at_least) in [("nmf_tls12_0", 20), ("nmf_tls12_rsa_1", 10)] {
        let inside = testing::run_with_keys(&testing::fixture(name).unwrap(), Some(&keys_of(name)));
        assert!(inside.anomalies().is_empty() && calls(&inside).len() >= at_least, "{name}: {:?}", calls(&inside));
    }
}

#[test]
fn the_trace_of_rfc_8448_is_read_to_its_end() {
    let (script, keys) = (testing::fixture("tls13_rfc8448").unwrap(), keys_of("tls13_rfc8448"));
    let opened = open(&script, &keys);
    let said: Vec<u8> = (0..50).collect();
    assert_eq!((&opened.up, &opened.down), (&said, &said));
    assert_eq!(opened.ends, [UP, DOWN]);
    assert!(opened.anomalies.is_empty() && opened.gaps.is_empty(), "{:?}", opened.anomalies);
    assert_eq!((opened.facts.decrypted, opened.facts.why_not), (true, None));
    assert_eq!(opened.stages, [Stage::Hello, Stage::Handshake, Stage::End]);
    // RFC 8448 §2: the certificate of the server, which is in the record as its flight was opened.
    assert_eq!(opened.facts.certificate().unwrap().subject, "CN=rsa");
    assert!(opened.record.unwrap().get("subject").is_some());
    testing::assert_every_segmentation_is_equal_with_keys(&script, Some(&keys));
    testing::run_every_truncation_with_keys(&script, 1, Some(&keys));
}

#[test]
fn what_plain_tls_carries_is_recognised_and_parsed() {
    for name in ECHOES {
        let (script, keys) = (testing::fixture(name).unwrap(), keys_of(name));
        let inside = testing::run_with_keys(&script, Some(&keys));
        assert_eq!(lines(&inside), ["first", "second", "third"], "{name}");
        assert!(inside.anomalies().is_empty(), "{name}: {:?}", inside.anomalies());
        let mut driver = Driver::with_keys(Limits::default(), Some(Arc::clone(&keys)));
        for (direction, bytes) in &script {
            driver.data(*direction, bytes, &mut Recorder::default());
        }
        assert_eq!(driver.app_proto(), Some(AppProto::Echo), "{name}");
        let opened = open(&script, &keys);
        assert_eq!(opened.up, SAID, "{name}");
        assert_eq!(opened.down.len(), SAID.len());
        testing::assert_every_segmentation_is_equal_with_keys(&script, Some(&keys));
    }
}

#[test]
fn one_direction_may_be_delivered_before_the_other() {
    for name in ["tls13_rfc8448", "tls13_echo", "tls12_echo_gcm", "tls12_echo_cbc", "tls10_echo_cbc"] {
        let (script, keys) = (testing::fixture(name).unwrap(), keys_of(name));
        let expected = open(&script, &keys);
        for first in Direction::BOTH {
            let (mut sorted, second): (Script, Script) = script.iter().cloned().partition(|(direction, _)| *direction == first);
            sorted.extend(second);
            let opened = open(&sorted, &keys);
            assert_eq!((opened.up, opened.down), (expected.up.clone(), expected.down.clone()), "{name} {first:?}");
            assert_eq!(opened.facts.why_not, None, "{name} {first:?}");
            assert!(opened.anomalies.is_empty(), "{name} {first:?}: {:?}", opened.anomalies);
            // Many records in one delivery say what they say one by one.
            let join =
                |direction| sorted.iter().filter(|(each, _)| *each == direction).flat_map(|(_, bytes)| bytes.clone()).collect();
            let joined = vec![(first, join(first)), (first.reverse(), join(first.reverse()))];
            testing::assert_every_segmentation_is_equal_with_keys(&joined, Some(&keys));
            // One side alone is not opened, and says why.
            let alone = open(&joined[..1], &keys);
            assert!(!alone.facts.decrypted && alone.anomalies.is_empty(), "{name} {first:?}: {:?}", alone.anomalies);
            assert_eq!(alone.facts.why_not, Some(why_not::MIDSTREAM), "{name} {first:?}");
        }
    }
}

#[test]
fn keys_may_come_after_the_packets_and_even_after_the_end() {
    for name in ["nmf_tls12_1", "nmf_tls12_rsa_0", "tls13_echo", "tls12_echo_gcm", "tls12_echo_cbc", "tls10_echo_cbc"] {
        let script = testing::fixture(name).unwrap();
        let expected = testing::run_with_keys(&script, Some(&keys_of(name)));
        let wanted = |recorder: &Recorder| -> Vec<Event> {
            let inside = |event: &Event| match event {
                Event::Transaction(app_proto, _) => *app_proto != AppProto::Tls,
                Event::Plaintext(..) | Event::PlaintextEnd(_) => true,
                _ => false,
            };
            recorder.events.iter().filter(|event| inside(event)).cloned().collect()
        };
        for (at, after_end) in [(2, false), (4, false), (script.len() - 1, false), (script.len(), true)] {
            let ring = Arc::new(KeyRing::new());
            let (mut recorder, mut driver) = (Recorder::default(), Driver::with_keys(Limits::default(), Some(Arc::clone(&ring))));
            for (direction, bytes) in &script[..at] {
                driver.data(*direction, bytes, &mut recorder);
                driver.poll(&mut recorder);
            }
            if after_end {
                Direction::BOTH.into_iter().for_each(|direction| driver.close(direction, &mut recorder));
                assert!(driver.is_waiting(), "{name}");
            }
            give(&ring, name);
            driver.poll(&mut recorder);
            assert!(!driver.is_waiting(), "{name} at {at}");
            for (direction, bytes) in &script[at..] {
                driver.data(*direction, bytes, &mut recorder);
            }
            testing::close(&mut driver, &mut recorder);
            let (told, due) = (wanted(&recorder), wanted(&expected));
            let differs = told.iter().zip(&due).position(|(told, due)| told != due).unwrap_or(told.len().min(due.len()));
            assert!(told == due, "{name} at {at}: {:?} instead of {:?}", told.get(differs..), due.get(differs..));
            assert!(recorder.anomalies().is_empty(), "{name} at {at}: {:?}", recorder.anomalies());
            let ends = recorder.events.iter().filter(|event| matches!(event, Event::Transaction(AppProto::Tls, _))).count();
            assert_eq!(ends, 3, "{name} at {at}: a hello, a handshake, an end");
        }
    }
}

/// Adds the keys of a fixture to a ring that exists.
fn give(ring: &KeyRing, name: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    match std::fs::read(path.with_extension("keylog")) {
        Ok(log) => assert!(ring.add_key_log(&log).added > 0),
        Err(_) => assert_eq!(ring.add_rsa_key(&std::fs::read(path.with_extension("pem")).unwrap()), Ok(true)),
    }
}

#[test]
fn traffic_secrets_may_come_later_than_those_of_the_handshake() {
    let script = testing::fixture("tls13_echo").unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls13_echo.keylog");
    let log = std::fs::read_to_string(path).unwrap();
    let ring = Arc::new(KeyRing::new());
    let (early, late): (Vec<&str>, Vec<&str>) = log.lines().partition(|line| line.contains("HANDSHAKE"));
    ring.add_whole_key_log(early.join("\n").as_bytes());
    let (mut opened, mut driver) = (Opened::default(), Driver::with_keys(Limits::default(), Some(Arc::clone(&ring))));
    for (direction, bytes) in &script {
        driver.data(*direction, bytes, &mut opened);
    }
    assert!(driver.is_waiting() && opened.up.is_empty());
    assert_eq!(opened.facts.certificate().unwrap().subject, "CN=lab.example");
    ring.add_whole_key_log(late.join("\n").as_bytes());
    driver.poll(&mut opened);
    assert_eq!(opened.up, SAID);
}

#[test]
fn without_its_keys_a_session_waits_within_the_cap_and_says_why_it_stays_closed() {
    let other = keys_of("tls13_rfc8448");
    for name in ECHOES {
        let script = testing::fixture(name).unwrap();
        let opened = open(&script, &other);
        assert_eq!((opened.facts.decrypted, opened.facts.why_not), (false, Some(why_not::NO_KEYS)), "{name}");
        assert!(opened.anomalies.is_empty() && opened.gaps.is_empty() && opened.up.is_empty());
        assert_eq!(opened.stages, [Stage::Hello, Stage::Handshake, Stage::End], "{name}");
        let limits = Limits { max_undecrypted: 400, ..Limits::default() };
        let (mut opened, mut driver) = (Opened::default(), Driver::with_keys(limits, Some(Arc::clone(&other))));
        for (direction, bytes) in &script {
            driver.data(*direction, bytes, &mut opened);
            assert!(driver.buffered() <= 400 + 64 + 2_048, "{name}: {}", driver.buffered());
        }
        assert!(!driver.is_waiting());
        testing::close(&mut driver, &mut opened);
        assert_eq!(opened.facts.why_not, Some(why_not::KEYS_TOO_LATE), "{name}");
        assert_eq!(opened.anomalies, [anomaly::KEYS_TOO_LATE], "{name}");
        assert!(!is_violation(anomaly::KEYS_TOO_LATE));
    }
}

#[test]
fn bulk_data_of_a_closed_session_costs_the_cap_and_then_nothing() {
    let script = testing::fixture("tls12_echo_gcm").unwrap();
    let limits = Limits::default();
    let (mut opened, mut driver) = (Opened::default(), Driver::with_keys(limits, Some(keys_of("tls13_rfc8448"))));
    for (direction, bytes) in &script[..6] {
        driver.data(*direction, bytes, &mut opened);
    }
    let record = [b"\x17\x03\x03\x40\x18".as_slice(), &[9; 16_408]].concat();
    for _ in 0..200 {
        for piece in record.chunks(1_460) {
            driver.data(DOWN, piece, &mut opened);
            assert!(driver.buffered() <= limits.max_undecrypted + 2 * record.len(), "{}", driver.buffered());
        }
    }
    assert!(driver.buffered() < 1_024, "{}", driver.buffered());
    assert_eq!(opened.anomalies, [anomaly::KEYS_TOO_LATE]);
}

#[test]
fn wrong_keys_are_no_violation_and_give_nothing() {
    for name in ECHOES {
        let script = testing::fixture(name).unwrap();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).with_extension("keylog");
        // The last digit of each secret is another.
        let log: String = std::fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(|line| format!("{}{}\n", &line[..line.len() - 1], if line.ends_with('0') { '1' } else { '0' }))
            .collect();
        let ring = Arc::new(KeyRing::new());
        ring.add_whole_key_log(log.as_bytes());
        let opened = open(&script, &ring);
        assert_eq!((opened.facts.decrypted, opened.facts.why_not), (false, Some(why_not::WRONG_KEYS)), "{name}");
        assert_eq!(opened.anomalies, [anomaly::WRONG_KEYS], "{name}");
        assert!(!is_violation(anomaly::WRONG_KEYS) && opened.up.is_empty() && opened.down.is_empty());
        assert_eq!(opened.stages, [Stage::Hello, Stage::Handshake, Stage::End], "{name}");
    }
}

#[test]
fn a_record_that_was_changed_is_told_and_never_parsed() {
    for name in ECHOES {
        let keys = keys_of(name);
        let mut script = testing::fixture(name).unwrap();
        // The client's second line.
        let turn = script.iter().enumerate().filter(|(_, (direction, _))| *direction == UP).nth(3).unwrap().0;
        let last = script[turn].1.len() - 1;
        script[turn].1[last] ^= 1;
        let opened = open(&script, &keys);
        assert_eq!(opened.anomalies, [anomaly::BAD_RECORD_MAC], "{name}");
        assert!(is_violation(anomaly::BAD_RECORD_MAC));
        assert_eq!(opened.facts.why_not, Some(why_not::BAD_RECORD_MAC), "{name}");
        assert_eq!(opened.up, b"BACKSTOP-ECHO/1\n", "{name}");
        assert_eq!(opened.gaps, [(UP, None)], "{name}");
        // The other direction goes on.
        assert_eq!(opened.down.len(), SAID.len(), "{name}");
        testing::assert_every_segmentation_is_equal_with_keys(&script, Some(&keys));
    }
}

/// Runs a script without some bytes of the client's third turn with a line in it.
fn with_gap(name: &str, from: usize, len: usize) -> Opened {
    let script = testing::fixture(name).unwrap();
    let turn = script.iter().enumerate().filter(|(_, (direction, _))| *direction == UP).nth(3).unwrap().0;
    let (mut opened, mut driver) = (Opened::default(), Driver::with_keys(Limits::default(), Some(keys_of(name))));
    for (at, (direction, bytes)) in script.iter().enumerate() {
        if at == turn {
            driver.data(*direction, &bytes[..from], &mut opened);
            driver.gap(*direction, len as u64, &mut opened);
            driver.data(*direction, bytes.get(from + len..).unwrap_or_default(), &mut opened);
        } else {
            driver.data(*direction, bytes, &mut opened);
        }
    }
    testing::close(&mut driver, &mut opened);
    opened
}

#[test]
fn a_gap_inside_one_record_loses_that_record_only() {
    for (name, known) in [("tls13_echo", None), ("tls12_echo_gcm", Some(6)), ("tls12_echo_cbc", None)] {
        let opened = with_gap(name, 9, 7);
        assert_eq!(String::from_utf8_lossy(&opened.up), "BACKSTOP-ECHO/1\nsecond\nthird\n", "{name}");
        assert_eq!(opened.gaps, [(UP, known)], "{name}");
        assert_eq!(opened.facts.why_not, Some(why_not::GAP), "{name}");
        assert!(opened.anomalies.is_empty(), "{name}");
    }
    // TLS 1.0: the next record needs the last block of this one.
    let opened = with_gap("tls10_echo_cbc", 9, 7);
    assert_eq!((opened.up.as_slice(), opened.gaps.as_slice()), (&SAID[..16], &[(UP, None)][..]));
    assert_eq!(opened.down.len(), SAID.len());
    assert!(opened.anomalies.is_empty());
}

#[test]
fn a_gap_over_records_ends_that_direction() {
    for name in ECHOES {
        let opened = with_gap(name, 0, 500);
        assert_eq!(opened.facts.why_not, Some(why_not::GAP), "{name}");
        assert_eq!((opened.up.as_slice(), opened.down.len()), (&SAID[..16], SAID.len()), "{name}");
        assert!(opened.anomalies.is_empty() && opened.gaps == [(UP, None)], "{name}: {:?}", opened.anomalies);
    }
}

#[test]
fn a_session_that_is_picked_up_in_its_middle_says_so() {
    let script = testing::fixture("tls12_echo_gcm").unwrap();
    let opened = open(&script[4..], &keys_of("tls12_echo_gcm"));
    assert_eq!((opened.facts.decrypted, opened.facts.why_not), (false, Some(why_not::MIDSTREAM)));
    let closed = testing::run(&script[4..]);
    assert!(closed.anomalies().is_empty());
}

#[test]
fn a_suite_that_is_not_supported_says_so() {
    let mut script = testing::fixture("tls12_echo_gcm").unwrap();
    let at = script[1].1.windows(2).position(|pair| pair == b"\xc0\x2b").unwrap();
    script[1].1[at + 1] = 0x08;
    let opened = open(&script, &keys_of("tls12_echo_gcm"));
    assert_eq!(opened.facts.why_not, Some(why_not::UNSUPPORTED_CIPHER));
    assert_eq!(opened.facts.cipher_name(), Some("ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"));
    assert!(opened.anomalies.is_empty() && opened.up.is_empty());
}

/// Seals records of `tls12_echo_gcm` as one of its sides would.
struct Sealer {
    cipher: aes_gcm::Aes128Gcm,
    iv: [u8; 4],
    sequence: u64,
}

impl Sealer {
    fn new(direction: Direction, sequence: u64) -> Self {
        use aes_gcm::aead::KeyInit as _;
        let keys = keys_of("tls12_echo_gcm");
        let facts = open(&testing::fixture("tls12_echo_gcm").unwrap(), &keys).facts;
        let (client, server) = (facts.client_hello.unwrap(), facts.server_hello.unwrap());
        let master = keys.secret(&client.random, keys::Label::Master).unwrap();
        let prf = prf::Prf::of(0x0303, suites::find(server.cipher).unwrap().hash);
        let block = prf.expand(master.expose(), b"key expansion", &[&server.random, &client.random], 40);
        let at = usize::from(direction == DOWN);
        let cipher = aes_gcm::Aes128Gcm::new_from_slice(&block[16 * at..16 * at + 16]).unwrap();
        Self { cipher, iv: block[32 + 4 * at..36 + 4 * at].try_into().unwrap(), sequence }
    }

    fn seal(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        use aes_gcm::aead::AeadInOut as _;
        let number = self.sequence.to_be_bytes();
        self.sequence += 1;
        let nonce: [u8; 12] = [&self.iv[..], &number].concat().try_into().unwrap();
        let associated = [&number[..], &[kind, 3, 3], &(content.len() as u16).to_be_bytes()].concat();
        let mut body = content.to_vec();
        let tag = self.cipher.encrypt_inout_detached(&nonce.into(), &associated, body.as_mut_slice().into()).unwrap();
        let len = (content.len() as u16 + 24).to_be_bytes();
        [&[kind, 3, 3][..], &len, &number, &body, &tag].concat()
    }
}

#[test]
fn what_follows_a_close_notify_is_ignored_and_told() {
    let (mut script, keys) = (testing::fixture("tls12_echo_gcm").unwrap(), keys_of("tls12_echo_gcm"));
    assert_eq!(open(&script, &keys).ends, [UP, DOWN]);
    // Finished, four lines and the alert came before.
    let more = Sealer::new(UP, 6).seal(23, b"fourth\n");
    script.push((UP, more));
    let opened = open(&script, &keys);
    assert_eq!((opened.up.as_slice(), opened.anomalies.as_slice()), (SAID, &[anomaly::DATA_AFTER_CLOSE][..]));
    assert!(is_violation(anomaly::DATA_AFTER_CLOSE));
}

#[test]
fn what_is_inside_is_named_as_it_would_be_outside() {
    let (script, keys) = (testing::fixture("tls12_echo_gcm").unwrap(), keys_of("tls12_echo_gcm"));
    let add = |records: &[(u8, &[u8])]| {
        let mut sealer = Sealer::new(UP, 5);
        let mut script = script.clone();
        script.truncate(script.len() - 2);
        script.push((UP, records.iter().flat_map(|(kind, content)| sealer.seal(*kind, content)).collect()));
        open(&script, &keys)
    };
    // An empty record is no end, a heartbeat nothing, a fatal alert a fact.
    let opened = add(&[(23, b""), (24, b"beat"), (21, b"\x02\x28"), (23, b"more")]);
    assert!(opened.anomalies.is_empty() && opened.up.ends_with(b"third\nmore"));
    assert_eq!(opened.facts.sealed_alert, Some(Alert { direction: UP, level: 2, description: 40 }));
    // The layer inside gets it nevertheless, and has its own view of such a line.
    assert_eq!(add(&[(23, &[7; 16_385])]).anomalies, [anomaly::RECORD_TOO_LONG, "line_too_long"]);
    assert_eq!(add(&[(21, b"\x02")]).anomalies, [anomaly::UNEXPECTED_MESSAGE]);
    assert_eq!(add(&[(22, b"\x00\x00"), (23, b"x")]).anomalies, [anomaly::INTERLEAVED_RECORD]);
    // A second handshake changes the keys.
    let opened = add(&[(22, b"\x00\x00\x00\x00"), (20, b"\x01"), (23, b"x")]);
    assert!(opened.anomalies.is_empty() && opened.up == SAID);
    assert_eq!((opened.facts.why_not, opened.gaps), (Some(why_not::RENEGOTIATED), vec![(UP, None)]));
}

#[test]
fn a_key_log_is_read_in_any_pieces_and_its_faults_are_numbered() {
    let random = "ab".repeat(32);
    let master = format!("CLIENT_RANDOM {random} {}", "01".repeat(48));
    let log = format!(
        "# made up\r\n\n{master}\r\nCLIENT_RANDOM {random} {short}\nEARLY_EXPORTER_SECRET {random} 00\nCLIENT_RANDOM zz 00\n\
         what is this\nSERVER_TRAFFIC_SECRET_0 {random} {short}\n{master}\n",
        short = "02".repeat(32),
    );
    let ring = KeyRing::new();
    let report = ring.add_key_log(log.as_bytes());
    assert_eq!((report.added, report.known, report.ignored, report.malformed, report.leftover), (2, 1, 1, 3, 0));
    assert_eq!(report.malformed_lines, [4, 6, 7]);
    assert_eq!((ring.sessions(), ring.generation()), (1, 1));
    // Someone who follows the file gives again what was left over.
    let (ring, mut kept, mut added) = (KeyRing::new(), Vec::new(), 0);
    for piece in log.as_bytes().chunks(11) {
        kept.extend_from_slice(piece);
        let report = ring.add_key_log(&kept);
        added += report.added;
        kept.drain(..kept.len() - report.leftover);
    }
    assert_eq!((added, kept.len(), ring.sessions()), (2, 0, 1));
    // A line that is cut is a line without end, not a short secret.
    let ring = KeyRing::new();
    let report = ring.add_key_log(&master.as_bytes()[..master.len() - 1]);
    assert_eq!((report.added, report.malformed, report.leftover), (0, 0, master.len() - 1));
    let report = ring.add_whole_key_log(master.as_bytes());
    assert_eq!(report.added, 1);
    assert_eq!(ring.add_key_log(&[b'x'; 5_000]).malformed, 1);
}

#[test]
fn the_oldest_sessions_give_way() {
    let ring = KeyRing::with_max_sessions(3);
    for number in 0..10_u8 {
        let line = format!("CLIENT_RANDOM {} {}\n", format!("{number:02x}").repeat(32), "01".repeat(48));
        assert_eq!(ring.add_key_log(line.as_bytes()).added, 1);
    }
    assert_eq!((ring.sessions(), ring.evicted()), (3, 7));
    assert!(ring.secret(&[6; 32], keys::Label::Master).is_none() && ring.secret(&[9; 32], keys::Label::Master).is_some());
}

#[test]
fn private_keys_are_read_in_every_form_and_refused_in_words_without_secrets() {
    use rsa::pkcs1::EncodeRsaPrivateKey as _;
    use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nmf_tls12_rsa_0.pem");
    let pem = std::fs::read_to_string(path).unwrap();
    let key = rsa::PrivateKey::from_pkcs8_pem(&pem).unwrap();
    let ring = KeyRing::new();
    assert_eq!(ring.add_rsa_key(pem.as_bytes()), Ok(true));
    let with_more = format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{}", pem.replace('\n', "\r\n"));
    for same in [
        with_more.into_bytes(),
        key.to_pkcs1_pem(LineEnding::LF).unwrap().as_bytes().to_vec(),
        key.to_pkcs1_der().unwrap().as_bytes().to_vec(),
        key.to_pkcs8_der().unwrap().as_bytes().to_vec(),
    ] {
        assert_eq!(ring.add_rsa_key(&same), Ok(false));
    }
    assert_eq!(ring.rsa_keys(), 1);
    let block = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    for (text, expected) in [
        (String::new(), KeyError::NotAKey),
        ("no key".to_owned(), KeyError::NotAKey),
        (block("CERTIFICATE", "AAAA"), KeyError::NotAKey),
        (block("ENCRYPTED PRIVATE KEY", "AAAA"), KeyError::Encrypted),
        (block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: x"), KeyError::Encrypted),
        (block("EC PRIVATE KEY", "AAAA"), KeyError::NotRsa),
        (block("PRIVATE KEY", "AAAA"), KeyError::NotRsa),
        (block("RSA PRIVATE KEY", "AAAA"), KeyError::BadKey),
        (block("RSA PRIVATE KEY", "!"), KeyError::BadBase64),
        (pem.replace("\nMI", "\nMX"), KeyError::BadKey),
    ] {
        assert_eq!(ring.add_rsa_key(text.as_bytes()), Err(expected), "{text:.60}");
        assert!(!expected.to_string().is_empty());
    }
    assert!(!format!("{ring:?}").contains("inner"));
}

#[test]
fn secrets_are_not_printed() {
    let ring = keys_of("nmf_tls12_1");
    let random = {
        let mut opened = Opened::default();
        let mut driver = Driver::new(Limits::default());
        for (direction, bytes) in testing::fixture("nmf_tls12_1").unwrap() {
            driver.data(direction, &bytes, &mut opened);
        }
        opened.facts.client_hello.unwrap().random
    };
    let secret = ring.secret(&random, keys::Label::Master).unwrap();
    assert_eq!(format!("{secret:?}"), "[secret]");
    assert_eq!(format!("{ring:?}"), "KeyRing { generation: 1, .. }");
}
