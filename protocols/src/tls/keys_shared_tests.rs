//! One ring and several workers: sessions that are taken up again, and what all sessions together may hold and do.

use std::sync::Arc;

use backstop_types::PacketTime;

use super::keys_tests::{Opened, keys_of, open};
use super::*;
use crate::contract::Limits;
use crate::driver::Driver;
use crate::testing::{self, Event, Recorder, Script};

/// As many epochs as may be in flight.
const LAG: u64 = 8;
const KINDS: [&str; 2] = ["tls12_rsa_id", "tls12_rsa_ticket"];

/// Who goes on, given how far each worker is.
type Order = dyn Fn(&[u64]) -> usize;

/// A session as a worker sees it: from which epoch on, one turn an epoch, and then it is only polled.
struct Session {
    script: Script,
    begins: u64,
    worker: usize,
}

/// One worker with its handle and its flows; remembers in which epoch each of them said what.
struct Worker {
    ring: Arc<KeyRing>,
    flows: Vec<(usize, Driver)>,
    said: Vec<(usize, u64, Event)>,
}

impl Worker {
    fn epoch(&mut self, epoch: u64, sessions: &[Session]) {
        self.ring.begin_epoch(epoch, PacketTime::from_micros(epoch * 1_000));
        for (number, driver) in &mut self.flows {
            let session = &sessions[*number];
            let mut recorder = Recorder::default();
            driver.poll(&mut recorder);
            if let Some((direction, bytes)) = epoch.checked_sub(session.begins).and_then(|at| session.script.get(at as usize)) {
                driver.data(*direction, bytes, &mut recorder);
            }
            self.said.extend(recorder.events.into_iter().map(|event| (*number, epoch, event)));
        }
    }
}

/// Runs sessions on `count` workers; `next` says who goes on to its next epoch, given how far each is.
fn run(
    ring: &KeyRing,
    sessions: &[Session],
    count: usize,
    last: u64,
    next: impl Fn(&[u64]) -> usize,
) -> Vec<(usize, u64, Event)> {
    let mut workers: Vec<Worker> = (0..count)
        .map(|index| {
            let ring = Arc::new(ring.for_worker(LAG));
            let flows = sessions.iter().enumerate().filter(|(_, session)| session.worker % count == index);
            let flows = flows.map(|(at, _)| (at, Driver::with_keys(Limits::default(), Some(Arc::clone(&ring))))).collect();
            Worker { ring, flows, said: Vec::new() }
        })
        .collect();
    let mut done = vec![0_u64; count];
    while done.iter().any(|epoch| *epoch < last) {
        let slowest = *done.iter().min().unwrap();
        let wanted = next(&done);
        // What the pipeline promises: nobody is a whole lag ahead.
        let at = if done[wanted] < last && done[wanted] + 1 < slowest + 1 + LAG {
            wanted
        } else {
            done.iter().position(|epoch| *epoch == slowest).unwrap()
        };
        done[at] += 1;
        workers[at].epoch(done[at], sessions);
    }
    let mut said: Vec<_> = workers.into_iter().flat_map(|worker| worker.said).collect();
    // Those of one flow and epoch stay in order.
    said.sort_by_key(|(flow, epoch, _)| (*epoch, *flow));
    said
}

fn with_private_key(name: &str) -> KeyRing {
    let ring = KeyRing::new();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).with_extension("pem");
    assert_eq!(ring.add_rsa_key(&std::fs::read(path).unwrap()), Ok(true));
    ring
}

#[test]
fn what_is_taken_up_again_is_opened_at_the_same_place_for_any_number_of_workers() {
    for kind in KINDS {
        let session = |part: &str, begins, worker| {
            let script = testing::fixture(&format!("{kind}_{part}")).unwrap();
            Session { script, begins, worker }
        };
        // The second session begins as the first one does, so that it is all over before what it needs may be used; a third comes late.
        let sessions = [session("first", 2, 0), session("again", 2, 1), session("again", 25, 2)];
        let go = |count: usize, next: &Order| run(&with_private_key(&format!("{kind}_first")), &sessions, count, 45, next);
        let expected = go(1, &|_| 0);
        let plain = |number: usize| -> Vec<u64> {
            let of = |(flow, epoch, event): &(usize, u64, Event)| {
                (*flow == number && matches!(event, Event::Plaintext(..))).then_some(*epoch)
            };
            expected.iter().filter_map(of).collect()
        };
        for number in 0..3 {
            assert_eq!(plain(number).len(), 8, "{kind} {number}");
        }
        // All at once, a lag behind the first record that was opened of the first session.
        let first_opened = 2 + sessions[0]
            .script
            .iter()
            .position(|(direction, bytes)| {
                *direction == backstop_types::Direction::ToServer && bytes.windows(3).any(|window| window == b"\x14\x03\x03")
            })
            .unwrap() as u64;
        let (began, after) = (plain(1)[0], first_opened + LAG);
        assert!(began == after || began == after + 1, "{kind}: {began} and not {after}");
        assert!(plain(2).iter().all(|epoch| *epoch < 25 + 14), "{kind}");
        for count in 1..=3 {
            let orders: [&Order; 4] = [
                &|_| 0,
                &|done| done.len() - 1,
                &|done| done.len() / 2,
                // In turns, now this one ahead, now that one.
                &|done| (done.iter().sum::<u64>() / 5) as usize % done.len(),
            ];
            for (at, next) in orders.iter().enumerate() {
                let said = go(count, next);
                assert!(said == expected, "{kind}: {count} workers in order {at}");
            }
        }
    }
}

#[test]
fn a_key_log_inside_the_input_is_not_seen_before_its_place() {
    let script = testing::fixture("tls12_echo_gcm").unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls12_echo_gcm.keylog");
    let log = std::fs::read(path).unwrap();
    let sessions = [
        Session { script, begins: 1, worker: 0 },
        Session { script: testing::fixture("tls12_echo_gcm").unwrap(), begins: 3, worker: 1 },
    ];
    let mut expected = None;
    for count in 1..=2 {
        for ahead in 0..count {
            let ring = KeyRing::new();
            // Whoever reads ahead adds it before any worker is there.
            assert!(ring.add_key_log_in_epoch(9, &log).added > 0);
            let said = run(&ring, &sessions, count, 30, |_| ahead);
            let first = said.iter().find(|(_, _, event)| matches!(event, Event::Plaintext(..))).unwrap().1;
            assert_eq!(first, 9);
            assert_eq!(said.iter().filter(|(_, _, event)| matches!(event, Event::Plaintext(..))).count(), 16);
            assert!(*expected.get_or_insert_with(|| said.clone()) == said, "{count} workers");
        }
    }
}

#[test]
fn without_epochs_what_was_learnt_may_be_used_at_once_and_late() {
    for kind in KINDS {
        let (first, again) = (format!("{kind}_first"), format!("{kind}_again"));
        let keys = keys_of(&first);
        let (mut waiting, mut driver) = (Opened::default(), Driver::with_keys(Limits::default(), Some(Arc::clone(&keys))));
        for (direction, bytes) in testing::fixture(&again).unwrap() {
            driver.data(direction, &bytes, &mut waiting);
        }
        assert!(driver.is_waiting() && waiting.facts.resumed && keys.waiting() > 0, "{kind}");
        assert!(!open(&testing::fixture(&first).unwrap(), &keys).up.is_empty(), "{kind}");
        driver.poll(&mut waiting);
        testing::close(&mut driver, &mut waiting);
        assert_eq!(waiting.up, b"BACKSTOP-ECHO/1\nfirst\nsecond\nthird\n", "{kind}");
        assert_eq!(
            (waiting.facts.why_not, waiting.facts.key_source, keys.waiting()),
            (None, Some(KeySource::RsaKey), 0),
            "{kind}"
        );
        let counters = keys.counters();
        assert_eq!(counters.rsa_operations, 1, "{kind}: once a handshake");
        assert!(counters.resumable_filed > 0 && counters.resumable_refused == 0);
        testing::assert_every_segmentation_is_equal_with_keys(&testing::fixture(&again).unwrap(), Some(&keys));
        // Alone it says why it stays closed.
        let alone = open(&testing::fixture(&again).unwrap(), &keys_of(&first));
        assert_eq!((alone.facts.decrypted, alone.facts.why_not), (false, Some(why_not::RESUMED_UNKNOWN)), "{kind}");
    }
}

/// Whoever holds both ends of a connection can have any master filed under any name; that must not keep others closed.
#[test]
fn masters_that_others_filed_under_the_same_name_change_nothing() {
    let again = testing::fixture("tls12_rsa_id_again").unwrap();
    let id = open(&again, &KeyRing::new().into()).facts.server_hello.unwrap().session_id;
    let keys = keys_of("tls12_rsa_id_first");
    let wrong = |number: u8| keys::shared(zeroize::Zeroizing::new(vec![number; 48]));
    for number in 0..3 {
        keys.remember(&id, &wrong(number), KeySource::RsaKey);
    }
    let mut waiting = Opened::default();
    let mut driver = Driver::with_keys(Limits::default(), Some(Arc::clone(&keys)));
    for (direction, bytes) in &again {
        driver.data(*direction, bytes, &mut waiting);
    }
    assert!(driver.is_waiting() && waiting.anomalies.is_empty(), "none of them fits");
    open(&testing::fixture("tls12_rsa_id_first").unwrap(), &keys);
    for number in 3..20 {
        keys.remember(&id, &wrong(number), KeySource::RsaKey);
    }
    assert_eq!(keys.counters().resumable_refused, 20 - 7);
    driver.poll(&mut waiting);
    assert!(waiting.up.ends_with(b"third\n") && waiting.anomalies.is_empty());
    assert!(open(&again, &keys).up.ends_with(b"third\n"));
}

#[test]
fn a_ticket_of_a_session_in_the_key_log_opens_the_next_one() {
    // The key log has the first session only.
    let ring = KeyRing::new();
    let first = testing::fixture("tls12_rsa_ticket_first").unwrap();
    let private = keys_of("tls12_rsa_ticket_first");
    let random = open(&first, &private).facts.client_hello.unwrap().random;
    let ticket =
        open(&testing::fixture("tls12_rsa_ticket_again").unwrap(), &private).facts.client_hello.unwrap().ticket_sha256.unwrap();
    let master = private.remembered(&ticket)[0].master.clone();
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let line = format!("CLIENT_RANDOM {} {}\n", hex(&random), hex(master.expose()));
    assert_eq!(ring.add_key_log(line.as_bytes()).added, 1);
    let ring = Arc::new(ring);
    open(&first, &ring);
    let opened = open(&testing::fixture("tls12_rsa_ticket_again").unwrap(), &ring);
    assert!(opened.up.ends_with(b"third\n"));
    assert_eq!(opened.facts.key_source, Some(KeySource::KeyLog));
}

#[test]
fn private_keys_are_used_only_so_often_and_the_rest_waits_for_its_turn() {
    let name = "tls12_rsa_id_first";
    let ring = KeyRing::with_limits(KeyLimits { rsa_per_second: 1, rsa_burst: 2, ..KeyLimits::default() });
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).with_extension("pem");
    ring.add_rsa_key(&std::fs::read(path).unwrap()).unwrap();
    let handle = Arc::new(ring.for_worker(LAG));
    handle.begin_epoch(1, PacketTime::from_micros(5_000_000));
    let script = testing::fixture(name).unwrap();
    let mut flows: Vec<_> =
        (0..4).map(|_| (Opened::default(), Driver::with_keys(Limits::default(), Some(Arc::clone(&handle))))).collect();
    for (opened, driver) in &mut flows {
        script.iter().for_each(|(direction, bytes)| driver.data(*direction, bytes, opened));
        driver.poll(opened);
    }
    let open_ones = |flows: &[(Opened, Driver)]| flows.iter().filter(|(opened, _)| !opened.up.is_empty()).count();
    assert_eq!((open_ones(&flows), ring.counters().rsa_operations), (2, 2));
    assert!(ring.counters().rsa_deferred > 0);
    handle.begin_epoch(2, PacketTime::from_micros(6_500_000));
    flows.iter_mut().for_each(|(opened, driver)| driver.poll(opened));
    assert_eq!(open_ones(&flows), 3);
    for (opened, driver) in &mut flows {
        testing::close(driver, opened);
    }
    assert_eq!(flows[3].0.facts.why_not, Some(why_not::RSA_BUDGET));
    assert!(flows.iter().all(|(opened, _)| opened.anomalies.is_empty()));
}

#[test]
fn all_sessions_together_wait_within_one_cap() {
    let ring = Arc::new(KeyRing::with_limits(KeyLimits { max_waiting: 10_000, ..KeyLimits::default() }));
    ring.expect_key_log();
    let script = testing::fixture("tls12_echo_gcm").unwrap();
    let mut flows: Vec<_> =
        (0..40).map(|_| (Opened::default(), Driver::with_keys(Limits::default(), Some(Arc::clone(&ring))))).collect();
    for (opened, driver) in &mut flows {
        script.iter().for_each(|(direction, bytes)| driver.data(*direction, bytes, opened));
    }
    assert!(ring.waiting() <= 10_000 && ring.waiting() > 5_000);
    let refused = ring.counters().waiting_refused;
    assert!(refused > 20 && refused < 40, "{refused}");
    drop(flows.split_off(20));
    for (opened, driver) in &mut flows {
        testing::close(driver, opened);
    }
    assert!(flows.iter().any(|(opened, _)| opened.facts.why_not == Some(why_not::TOO_MANY_WAIT)));
    assert_eq!(ring.waiting(), 0, "what is gone holds nothing");
}

#[test]
fn a_second_handshake_inside_a_session_is_followed() {
    for name in ["tls_renegotiated_gcm", "tls_renegotiated_cbc"] {
        let script = testing::fixture(name).unwrap();
        let private = Arc::new(with_private_key(name));
        for (keys, source) in [(keys_of(name), KeySource::KeyLog), (Arc::clone(&private), KeySource::RsaKey)] {
            let opened = open(&script, &keys);
            assert_eq!(String::from_utf8_lossy(&opened.up), "BACKSTOP-ECHO/1\nfirst\nsecond\nthird\n", "{name} {source:?}");
            assert_eq!((opened.facts.why_not, opened.facts.key_source), (None, Some(source)), "{name}");
            assert!(opened.anomalies.is_empty() && opened.gaps.is_empty(), "{name}: {:?}", opened.anomalies);
            testing::assert_every_segmentation_is_equal_with_keys(&script, Some(&keys));
        }
        assert_eq!(private.counters().rsa_operations, 2 * 7, "{name}: once a handshake");
        // With the keys of the first handshake only, what is behind the second waits.
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).with_extension("keylog");
        let log = std::fs::read_to_string(path).unwrap();
        let ring = KeyRing::new();
        ring.add_whole_key_log(log.lines().find(|line| line.starts_with("CLIENT_RANDOM")).unwrap().as_bytes());
        let opened = open(&script, &Arc::new(ring));
        assert_eq!(opened.up, b"BACKSTOP-ECHO/1\nfirst\n", "{name}");
        assert_eq!(opened.facts.why_not, Some(why_not::NO_KEYS), "{name}");
        assert!(opened.anomalies.is_empty(), "{name}: {:?}", opened.anomalies);
    }
}
