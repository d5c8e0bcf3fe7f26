//! What holds for every parser of the registry: any segmentation of a conversation says the same, any truncation and any
//! damage is survived, and nothing is kept beyond the caps.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use backstop_protocols::testing::{self, Recorder, Script};
use backstop_protocols::{Driver, Limits, PROTOCOLS, nmf, pgsql, tls};
use backstop_types::Direction;
use proptest::prelude::*;

fn fixtures() -> Vec<(String, Script)> {
    let names = testing::fixture_names().unwrap();
    assert!(!names.is_empty());
    names.into_iter().map(|name| (name.clone(), testing::fixture(&name).unwrap())).collect()
}

#[test]
fn any_segmentation_says_the_same() {
    for (name, script) in fixtures() {
        println!("{name}");
        testing::assert_every_segmentation_is_equal(&script);
    }
}

#[test]
fn any_truncation_is_survived() {
    for (_, script) in fixtures() {
        let total: usize = script.iter().map(|(_, bytes)| bytes.len()).sum();
        testing::run_every_truncation(&script, (total / 400).max(1));
    }
}

#[test]
fn a_gap_anywhere_is_survived() {
    for (name, script) in fixtures() {
        let total: usize = script.iter().map(|(_, bytes)| bytes.len()).sum();
        for (step, len) in [(total / 97 + 1, 1), (total / 31 + 1, 100), (total / 7 + 1, 5_000)] {
            for at in (0..total).step_by(step) {
                let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
                let mut position = 0;
                for (direction, bytes) in &script {
                    let (start, end) = (position, position + bytes.len());
                    position = end;
                    let (low, high) = (at.clamp(start, end), (at + len).clamp(start, end));
                    driver.data(*direction, &bytes[..low - start], &mut recorder);
                    if high > low {
                        driver.gap(*direction, (high - low) as u64, &mut recorder);
                    }
                    driver.data(*direction, &bytes[high - start..], &mut recorder);
                }
                for direction in Direction::BOTH {
                    driver.close(direction, &mut recorder);
                }
                let violations: Vec<_> = recorder
                    .anomalies()
                    .into_iter()
                    .filter(|event| nmf::is_violation(event) || tls::is_violation(event) || pgsql::is_violation(event))
                    .collect();
                assert!(violations.is_empty(), "{name}: a gap of {len} at {at} is nobody's violation: {violations:?}");
            }
        }
    }
}

#[test]
fn a_parser_keeps_no_more_than_its_caps() {
    let limits = Limits::default();
    for (_, script) in fixtures() {
        let (mut recorder, mut driver) = (Recorder::default(), Driver::new(limits));
        for (direction, bytes) in script.iter().cycle().take(script.len() * 20) {
            driver.data(*direction, bytes, &mut recorder);
            recorder.events.clear();
            assert!(driver.buffered() <= 4 * limits.max_buffer, "{} bytes", driver.buffered());
        }
    }
}

fn run(script: &Script) {
    let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
    for (direction, bytes) in script {
        driver.data(*direction, bytes, &mut recorder);
    }
    for direction in Direction::BOTH {
        driver.close(direction, &mut recorder);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_survived(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        swap in any::<bool>(),
    ) {
        let all = fixtures();
        let mut script = which.get(&all).1.clone();
        for (at, byte) in changes {
            let turns = script.len();
            let turn = &mut script[at.index(turns)].1;
            let len = turn.len();
            turn[at.index(len)] = byte;
        }
        if swap {
            for (direction, _) in &mut script {
                *direction = direction.reverse();
            }
        }
        run(&script);
    }

    #[test]
    fn any_bytes_for_any_parser_are_survived(
        turns in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8),
        which in 0..PROTOCOLS.len(),
    ) {
        let (mut recorder, mut driver) =
            (Recorder::default(), Driver::with_protocol(PROTOCOLS[which].app_proto, Limits::default()));
        for (to_server, bytes) in turns {
            let direction = if to_server { Direction::ToServer } else { Direction::ToClient };
            driver.data(direction, &bytes, &mut recorder);
            if bytes.len() == 7 {
                driver.gap(direction, 9, &mut recorder);
            }
        }
        for direction in Direction::BOTH {
            driver.close(direction, &mut recorder);
        }
    }
}
