//! What the template promises: the attack, its nearest look-alike, and a storm.

use backstop_protocols::{echo, testing::Script};
use backstop_types::Direction::ToServer;

use super::*;
use crate::testing::{Flow, object, text};

/// A conversation that goes through the real parser.
fn conversation(lines: &[&str]) -> Script {
    let mut bytes = echo::GREETING.to_vec();
    for line in lines {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    vec![(ToServer, bytes)]
}

fn said(lines: &[&str], piece: usize) -> Flow {
    let mut flow = Flow::default();
    flow.replay_script(&conversation(lines), piece);
    flow
}

#[test]
fn the_test_line_is_told_with_its_evidence_however_it_is_cut() {
    for piece in [1, 7, 1_000] {
        let flow = said(&["hello", "BACKSTOP-DETECTION-TEST"], piece);
        let alerts = flow.alerts(META.sid);
        assert_eq!(alerts.len(), 1);
        assert_eq!(text(&object(&alerts[0].context, "echo"), "line"), "BACKSTOP-DETECTION-TEST");
        assert_eq!((alerts[0].tx_id, alerts[0].attacker), (Some(1), flow.client));
    }
}

#[test]
fn a_longer_line_that_mentions_it_is_silent() {
    assert!(said(&["see BACKSTOP-DETECTION-TEST", "backstop-detection-test"], 1_000).out.is_empty());
}

#[test]
fn a_storm_is_told_once() {
    assert_eq!(said(&["BACKSTOP-DETECTION-TEST"; 10_000], 4_096).alerts(META.sid).len(), 1);
}
