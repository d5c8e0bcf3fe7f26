//! What holds for every parser of the registry: any segmentation of a conversation says the same, any truncation and any
//! damage is survived, and nothing is kept beyond the caps.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::sync::Arc;

use backstop_protocols::testing::{self, Recorder, Script};
use backstop_protocols::tls::KeyRing;
use backstop_protocols::{Driver, Limits, PROTOCOLS, Surroundings, dcerpc, dns, http, nmf, pgsql, smb, tds, tls, winrm};
use backstop_types::Direction;
use proptest::prelude::*;

type Keys = Option<Arc<KeyRing>>;

/// Every conversation without keys, with its own if it has some, and with keys that are not its own.
fn fixtures() -> Vec<(String, Script, Keys)> {
    let names = testing::fixture_names().unwrap();
    assert!(!names.is_empty());
    let other = testing::fixture_keys("tls13_rfc8448").unwrap();
    assert!(other.is_some());
    names
        .into_iter()
        .flat_map(|name| {
            let script = testing::fixture(&name).unwrap();
            let mut all = vec![(name.clone(), script.clone(), None)];
            if let Some(keys) = testing::fixture_keys(&name).unwrap() {
                all.push((format!("{name} with keys"), script.clone(), Some(keys)));
                all.push((format!("{name} with other keys"), script, other.clone()));
            }
            all
        })
        .collect()
}

fn driver(keys: &Keys) -> Driver {
    Driver::with_keys(Limits::default(), keys.clone())
}

#[test]
fn any_segmentation_says_the_same() {
    for (name, script, keys) in fixtures() {
        println!("{name}");
        testing::assert_every_segmentation_is_equal_with_keys(&script, keys.as_ref());
    }
}

#[test]
fn any_truncation_is_survived() {
    for (_, script, keys) in fixtures() {
        let total: usize = script.iter().map(|(_, bytes)| bytes.len()).sum();
        testing::run_every_truncation_with_keys(&script, (total / 400).max(1), keys.as_ref());
    }
}

#[test]
fn a_gap_anywhere_is_survived() {
    for (name, script, keys) in fixtures() {
        let total: usize = script.iter().map(|(_, bytes)| bytes.len()).sum();
        for (step, len) in [(total / 97 + 1, 1), (total / 31 + 1, 100), (total / 7 + 1, 5_000)] {
            for at in (0..total).step_by(step) {
                let (mut recorder, mut driver) = (Recorder::default(), driver(&keys));
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
                testing::close(&mut driver, &mut recorder);
                let violations: Vec<_> = recorder
                    .anomalies()
                    .into_iter()
                    .filter(|event| {
                        nmf::is_violation(event)
                            || pgsql::is_violation(event)
                            || tds::is_violation(event)
                            || tls::is_violation(event)
                            || http::is_violation(event)
                            || dns::is_violation(event)
                            || smb::is_violation(event)
                            || dcerpc::is_violation(event)
                            || winrm::is_violation(event)
                    })
                    .collect();
                assert!(violations.is_empty(), "{name}: a gap of {len} at {at} is nobody's violation: {violations:?}");
            }
        }
    }
}

#[test]
fn a_parser_keeps_no_more_than_its_caps() {
    let limits = Limits::default();
    for (_, script, keys) in fixtures() {
        let (mut recorder, mut driver) = (Recorder::default(), driver(&keys));
        for (direction, bytes) in script.iter().cycle().take(script.len() * 20) {
            driver.data(*direction, bytes, &mut recorder);
            recorder.events.clear();
            assert!(driver.buffered() <= 4 * limits.max_buffer + limits.max_undecrypted, "{} bytes", driver.buffered());
        }
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
        let at = which.index(all.len());
        let mut script = all[at].1.clone();
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
        drop(testing::run_with_keys(&script, all[at].2.as_ref()));
    }

    #[test]
    fn any_bytes_for_any_parser_are_survived(
        turns in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8),
        which in 0..PROTOCOLS.len(),
        keys in any::<bool>(),
    ) {
        let (mut recorder, mut driver) =
            (Recorder::default(), Driver::with_surroundings(Some(PROTOCOLS[which].app_proto), Surroundings { keys: keys.then(|| Arc::new(KeyRing::new())), ..Surroundings::default() }));
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
