#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;

use backstop_types::{Direction, Fields};

use super::*;
use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::driver::Driver;
use crate::testing::{self, Recorder};

const UP: Direction = Direction::ToServer;

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
            self.stages.push(tx.stage);
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

fn keys_of(name: &str) -> Arc<KeyRing> {
    testing::fixture_keys(name).unwrap().unwrap()
}

#[test]
fn net_tcp_inside_tls_gives_the_calls_of_its_twin_in_the_clear() {
    for (name, twin, source) in [
        ("nmf_tls12_1", "nmf_getall_1", KeySource::KeyLog),
        ("nmf_tls12_rsa_0", "nmf_getall_1", KeySource::RsaKey),
        ("nmf_tls12_0", "nmf_ordinary_0", KeySource::KeyLog),
    ] {
        let (script, keys) = (testing::fixture(name).unwrap(), keys_of(name));
        let inside = testing::run_with_keys(&script, Some(&keys));
        assert!(inside.anomalies().is_empty(), "{name}: {:?}", inside.anomalies());
        let opened = open(&script, &keys);
        assert!(opened.facts.decrypted && opened.facts.why_not.is_none(), "{name}: {:?}", opened.facts.why_not);
        assert_eq!(opened.facts.key_source, Some(source), "{name}");
        let (calls, expected) = (veeam(&inside), veeam(&testing::run(&testing::fixture(twin).unwrap())));
        println!("{name}: {} calls; {twin}: {} calls", calls.len(), expected.len());
        println!("{calls:#?}");
    }
}
