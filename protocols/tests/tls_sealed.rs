//! Sessions that the test kit seals: what they say is read in every suite, in any pieces, and bulk data costs nothing to keep.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::sync::Arc;

use backstop_protocols::testing;
use backstop_protocols::tls::{Facts, KeyRing, why_not};
use backstop_protocols::{Anomaly, AppProto, Content, Driver, Limits, Sink, Transaction};
use backstop_testkit::tls::{SUITES, Session, Suite, message};
use backstop_types::Direction;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

#[derive(Default)]
struct Counted {
    bytes: u64,
    facts: Facts,
    anomalies: Vec<&'static str>,
}

impl Sink for Counted {
    fn transaction(&mut self, transaction: &Transaction<'_>) {
        if let Transaction::Tls(tx) = transaction {
            self.facts = tx.facts.clone();
        }
    }
    fn anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.push(anomaly.event);
    }
    fn content(&mut self, _: Content<'_>) {}
    fn plaintext(&mut self, _: Direction, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
    }
    fn confirmed(&mut self, _: AppProto) {}
    fn in_sync(&mut self, _: AppProto, _: Direction, _: bool) {}
}

fn session(suite: Suite) -> (Session, Arc<KeyRing>) {
    let session = Session::new(suite, 9);
    let ring = KeyRing::new();
    assert!(ring.add_whole_key_log(session.key_log().as_bytes()).added > 0);
    (session, Arc::new(ring))
}

#[test]
fn every_suite_is_read_whatever_the_border_between_two_deliveries() {
    for suite in SUITES {
        let (mut session, keys) = session(suite);
        let mut script = session.handshake();
        script.push((UP, session.seal(UP, 23, b"BACKSTOP-ECHO/1\n")));
        script.push((DOWN, [session.seal(DOWN, 23, b""), session.seal(DOWN, 23, b"1/OHCE-POTSKCAB\n")].concat()));
        if suite.tls13 {
            // RFC 8446 §4.6.3: the next record is under the next key.
            script.push((UP, session.seal(UP, 22, &message(24, &[0]))));
            session.update(UP);
        }
        script.push((UP, [session.seal(UP, 23, b"fi"), session.seal(UP, 23, b"rst\n")].concat()));
        let whole = testing::run_with_keys(&script, Some(&keys));
        assert!(whole.anomalies().is_empty(), "{}: {:?}", suite.name, whole.anomalies());
        let read = |direction| -> Vec<u8> {
            let plain = whole.events.iter().filter_map(|event| match event {
                testing::Event::Plaintext(from, bytes) if *from == direction => Some(bytes.clone()),
                _ => None,
            });
            plain.collect::<Vec<_>>().concat()
        };
        assert_eq!(read(UP), b"BACKSTOP-ECHO/1\nfirst\n", "{}", suite.name);
        assert_eq!(read(DOWN), b"1/OHCE-POTSKCAB\n", "{}", suite.name);
        // Every single border, in every turn at once.
        let longest = script.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
        for at in 1..longest {
            let cut = testing::run_in_pieces(&script, Some(&keys), |_| vec![at]);
            assert!(cut.events == whole.events, "{} cut at {at}", suite.name);
        }
    }
}

#[test]
fn a_changed_record_ends_its_direction_in_every_suite() {
    for suite in SUITES {
        let (mut session, keys) = session(suite);
        let mut script = session.handshake();
        script.push((UP, session.seal(UP, 23, b"before")));
        let mut changed = session.seal(UP, 23, b"this one");
        let middle = changed.len() / 2;
        changed[middle] ^= 0x40;
        script.push((UP, changed));
        script.push((UP, session.seal(UP, 23, b"behind")));
        script.push((DOWN, session.seal(DOWN, 23, b"answer")));
        let (mut out, mut driver) = (Counted::default(), Driver::with_keys(Limits::default(), Some(keys)));
        script.iter().for_each(|(direction, bytes)| driver.data(*direction, bytes, &mut out));
        testing::close(&mut driver, &mut out);
        assert_eq!(out.bytes, 12, "{}", suite.name);
        assert_eq!(
            (out.anomalies, out.facts.why_not),
            (vec!["tls_bad_record_mac"], Some(why_not::BAD_RECORD_MAC)),
            "{}",
            suite.name
        );
    }
}

/// 200 MB with optimisation; as much as a debug build opens in a second without.
#[test]
fn a_long_transfer_is_read_within_a_few_records_of_memory() {
    let records: u64 = if cfg!(debug_assertions) { 120 } else { 12_800 };
    let (mut session, keys) = session(SUITES[0]);
    let (mut out, mut driver) = (Counted::default(), Driver::with_keys(Limits::default(), Some(Arc::clone(&keys))));
    session.handshake().iter().for_each(|(direction, bytes)| driver.data(*direction, bytes, &mut out));
    let content = vec![0xe5; 16_384];
    let mut most = 0;
    for _ in 0..records {
        for segment in session.seal(DOWN, 23, &content).chunks(1_460) {
            driver.data(DOWN, segment, &mut out);
            most = most.max(driver.buffered());
        }
    }
    assert_eq!(out.bytes, records * 16_384);
    assert!(most < 4 * 16_384, "{most} bytes held");
    assert_eq!((driver.buffered(), keys.waiting()), (0, 0));
    assert!(out.anomalies.is_empty(), "{:?}", out.anomalies);
}

/// RFC 8446 §4.6.2: a client that is asked for its certificate later sends a Finished that changes no keys.
#[test]
fn a_certificate_asked_for_later_changes_no_keys() {
    let (mut session, keys) = session(SUITES[7]);
    let mut script = session.handshake();
    script.push((UP, session.seal(UP, 23, b"before")));
    script.push((DOWN, session.seal(DOWN, 22, &message(13, &[1, 7, 0, 0]))));
    let flight = [message(11, &[1, 7, 0, 0, 0]), message(20, &[0; 32])].concat();
    script.push((UP, session.seal(UP, 22, &flight)));
    script.push((UP, session.seal(UP, 23, b"behind")));
    let (mut out, mut driver) = (Counted::default(), Driver::with_keys(Limits::default(), Some(keys)));
    script.iter().for_each(|(direction, bytes)| driver.data(*direction, bytes, &mut out));
    testing::close(&mut driver, &mut out);
    assert_eq!((out.bytes, out.anomalies.as_slice(), out.facts.why_not), (12, &[][..], None));
}

/// RFC 8446 §4.1.2 wants the same random in both hellos, and a lenient server's keys go by the second.
#[test]
fn the_random_of_the_second_hello_finds_the_keys() {
    let retry = from_hex(b"cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c");
    let (mut session, keys) = session(SUITES[7]);
    let mut script = session.handshake();
    let (mut first, mut answer) = (script[0].1.clone(), script[1].1.clone());
    // Behind the headers of record and message, and the version.
    first[11..43].fill(0xaa);
    answer.truncate(5 + usize::from(u16::from_be_bytes([answer[3], answer[4]])));
    answer[11..43].copy_from_slice(&retry);
    script.splice(..0, [(UP, first), (DOWN, answer)]);
    script.push((UP, session.seal(UP, 23, b"inside")));
    let (mut out, mut driver) = (Counted::default(), Driver::with_keys(Limits::default(), Some(keys)));
    script.iter().for_each(|(direction, bytes)| driver.data(*direction, bytes, &mut out));
    testing::close(&mut driver, &mut out);
    assert!(out.facts.retried);
    assert_eq!((out.bytes, out.facts.why_not), (6, None));
}

fn from_hex(hex: &[u8]) -> Vec<u8> {
    hex.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// RFC 5246 §7.4.1.1: a HelloRequest before the handshake is in no hash, so it does not change what a private key gives.
#[test]
fn a_request_for_a_hello_is_in_no_session_hash() {
    let name = "tls12_rsa_id_first";
    let mut script = testing::fixture(name).unwrap();
    let keys = testing::fixture_keys(name).unwrap().unwrap();
    script.insert(1, (DOWN, b"\x16\x03\x03\x00\x04\x00\x00\x00\x00".to_vec()));
    let (mut out, mut driver) = (Counted::default(), Driver::with_keys(Limits::default(), Some(keys)));
    script.iter().for_each(|(direction, bytes)| driver.data(*direction, bytes, &mut out));
    testing::close(&mut driver, &mut out);
    assert!(out.bytes > 60 && out.anomalies.is_empty(), "{:?} {:?}", out.facts.why_not, out.anomalies);
}
