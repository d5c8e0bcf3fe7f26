//! 9401009: sizes inside TLS.

use backstop_protocols::testing::{Script, fixture};

use super::wire::{ALL, DOWN, GCM12, GCM13, Tls, UP, VIA, data, opening, session};
use crate::testing::{Flow, number, object, text};
use crate::{Confidence, DetectConfig, Outcome};

const SID: u64 = 9_401_009;
/// A request for all credentials and a list of six, as measured in `a5_tls12_ecdhe`.
const DUMP: (usize, usize) = (647, 2_134);
/// A lookup behind it.
const LOOKUP: (usize, usize) = (701, 745);

fn known(config: DetectConfig) -> DetectConfig {
    DetectConfig { known_clients: vec!["10.20.30.5/32".parse().unwrap()], ..config }
}

fn replayed(script: &Script) -> Flow {
    let mut flow = Flow::new(known(DetectConfig::default()));
    flow.replay_script(script, 65_536);
    flow
}

fn told(tls: Tls, calls: &[(usize, usize)]) -> usize {
    replayed(&session(tls, VIA, calls)).alerts(SID).len()
}

#[test]
fn a_dump_is_suspected_whatever_protects_it_and_ordinary_sessions_are_not() {
    for tls in ALL {
        let name = format!("{:04x} {:04x} {}", tls.version, tls.suite, tls.etm);
        assert_eq!(told(tls, &[DUMP]), 1, "{name}");
        assert_eq!(told(tls, &[DUMP, LOOKUP, LOOKUP, LOOKUP]), 1, "{name}");
        assert_eq!(told(tls, &[(723, 745), (545, 745), (545, 749)]), 1, "{name}");
        // Sessions of b1_tls12 and a5_*: the first reply is small.
        assert_eq!(told(tls, &[(597, 395), (573, 382), (603, 1_593), (603, 1_689)]), 0, "{name}");
        assert_eq!(told(tls, &[(651, 422), (627, 376), (579, 349)]), 0, "{name}");
        assert_eq!(told(tls, &[(597, 395), (683, 461), (683, 529)]), 0, "{name}");
        assert_eq!(told(tls, &[]), 0, "{name}");
    }
}

#[test]
fn both_writers_and_other_names_fit() {
    for (via, request) in [
        ("net.tcp://10.20.30.10:9401/", 641),
        ("net.tcp://10.20.30.10:9401/", 672),
        ("net.tcp://b:9401/", 631),
        ("net.tcp://a-very-long-name-of-a-backup-server.branch.example.internal:9401/", 690),
        // Microsoft's layout, indented as the Mono client does it.
        (VIA, 645 + 33 + 24),
    ] {
        // From one credential to some hundreds.
        for reply in [1_170, 2_134, 16_384, 200_000] {
            let flow = replayed(&session(GCM12, via, &[(request, reply)]));
            assert_eq!(flow.alerts(SID).len(), 1, "{via} {request} {reply}");
        }
    }
}

#[test]
fn what_does_not_fit_is_silent() {
    for (calls, why) in [
        (&[(647, 1_000 - 1)][..], "less than one credential"),
        (&[(647, 300_000)], "more than a list of them"),
        (&[(600, 2_134)], "a shorter request"),
        (&[(760, 2_134)], "a longer request"),
        (&[(597, 395), DUMP], "not the first call"),
        (&[DUMP, (597, 395)], "another call behind it"),
        (&[DUMP, LOOKUP, (703, 745)], "lookups of two lengths"),
        (&[LOOKUP], "one lookup is any call"),
        (&[(725, 745), (701, 529)], "a lookup that found too little"),
        (&[(676, 884)], "SQL"),
        (&[(589, 1_212), (652, 865), (652, 865)], "SQL, several"),
    ] {
        assert_eq!(told(GCM12, calls), 0, "{why}");
    }
}

#[test]
fn a_long_session_that_begins_alike_is_an_ordinary_one() {
    let long = vec![LOOKUP; 40];
    assert_eq!(told(GCM12, &[&[DUMP][..], &long].concat()), 0);
    assert_eq!(told(GCM12, &[&[DUMP][..], &long[..20]].concat()), 1);
    assert_eq!(told(GCM13, &long), 0);
}

/// The session with its records cut and joined differently.
fn rewritten(tls: Tls, request: &[usize], reply: &[usize]) -> Script {
    let mut script = opening(tls, VIA);
    script.extend([(UP, data(tls, 1)), (DOWN, data(tls, 1))]);
    script.extend(request.iter().map(|&content| (UP, data(tls, content))));
    script.extend(reply.iter().map(|&content| (DOWN, data(tls, content))));
    script.push((UP, data(tls, 1)));
    script
}

#[test]
fn records_may_be_cut_and_joined() {
    for tls in [ALL[0], ALL[4], ALL[8], GCM12, GCM13] {
        for (request, reply) in [
            (&[647][..], &[1_460, 674][..]),
            // TLS 1.0 against BEAST: one byte, then the rest; or an empty record before each.
            (&[1, 646], &[1, 2_133]),
            (&[0, 647], &[0, 2_134]),
            (&[300, 347], &[512, 512, 512, 512, 86]),
            // The End in the record of the reply's neighbour, and in one with the request.
            (&[648], &[2_135]),
        ] {
            let flow = replayed(&rewritten(tls, request, reply));
            assert_eq!(flow.alerts(SID).len(), 1, "{:04x} {:04x} {request:?} {reply:?}", tls.version, tls.suite);
        }
    }
    // The PreambleEnd and the request in one record.
    let mut joined = opening(GCM12, VIA);
    joined.extend([(UP, data(GCM12, 648)), (DOWN, data(GCM12, 1)), (DOWN, data(GCM12, 2_134))]);
    assert_eq!(replayed(&joined).alerts(SID).len(), 1);
}

#[test]
fn zeros_of_tls_1_3_are_measured_by_the_record_whose_content_is_known() {
    let padded = |block| {
        let fragment: fn(usize) -> usize = match block {
            32 => |n| n.div_ceil(32) * 32 + 17,
            64 => |n| n.div_ceil(64) * 64 + 17,
            _ => |n| n.div_ceil(1_024) * 1_024 + 17,
        };
        Tls { fragment, ..GCM13 }
    };
    assert_eq!(told(padded(32), &[DUMP, LOOKUP]), 1);
    assert_eq!(told(padded(64), &[DUMP]), 1);
    assert_eq!(told(padded(64), &[(597, 395), (603, 1_593)]), 0);
    // More than is followed: not judged.
    assert_eq!(told(padded(1_024), &[DUMP]), 0);
}

#[test]
fn the_evidence_says_what_it_is_and_never_more() {
    let flow = replayed(&session(GCM12, VIA, &[DUMP, LOOKUP]));
    let finding = flow.alerts(SID)[0];
    assert!(finding.suspected && finding.outcome == Outcome::Unknown && finding.confidence == Confidence::Medium);
    assert_eq!((finding.attacker, finding.victim), (flow.client, flow.server));
    assert!(finding.context.get("veeam").is_none() && finding.excerpt.is_empty() && finding.threshold.is_none());
    let inference = object(&finding.context, "inference");
    assert_eq!(text(&inference, "basis"), "record_sizes");
    assert_eq!(text(&inference, "looks_like"), "request_for_all_credentials");
    assert_eq!((text(&inference, "client").as_str(), text(&inference, "decided").as_str()), ("not_listed", "session_end"));
    assert_eq!((number(&inference, "calls"), number(&inference, "via_length")), (Some(2), Some(33)));
    assert_eq!(number(&object(&inference, "request_size"), "min"), Some(647));
    assert_eq!(number(&object(&inference, "reply_size"), "max"), Some(2_134));
    let tls = object(&finding.context, "tls");
    assert_eq!((text(&tls, "version").as_str(), text(&tls, "not_opened").as_str()), ("TLS 1.2", "no_keys"));
    assert_eq!(text(&object(&finding.context, "nmf"), "via"), VIA);
    let lookups = replayed(&session(GCM13, VIA, &[(725, 745), LOOKUP]));
    assert_eq!(text(&object(&lookups.alerts(SID)[0].context, "inference"), "looks_like"), "credential_lookups");
}

#[test]
fn without_a_list_of_clients_it_says_so_and_habits_are_held_back() {
    let mut correlator = crate::Correlator::new(std::sync::Arc::new(DetectConfig::default()));
    let mut admitted = 0;
    for _ in 0..50 {
        let mut flow = Flow::default();
        flow.replay_script(&session(GCM12, VIA, &[DUMP]), 65_536);
        let finding = flow.alerts(SID)[0];
        assert_eq!(finding.confidence, Confidence::Low);
        assert_eq!(text(&object(&finding.context, "inference"), "client"), "no_list");
        admitted += flow.admitted(&mut correlator).iter().filter(|finding| finding.meta.sid() == SID).count();
    }
    assert_eq!(admitted, 1);
}

#[test]
fn known_clients_the_server_itself_and_other_services_are_silent() {
    let script = session(GCM12, VIA, &[DUMP]);
    let with = |change: &dyn Fn(&mut Flow)| {
        let mut flow = Flow::new(known(DetectConfig::default()));
        change(&mut flow);
        flow.replay_script(&script, 65_536);
        flow.admitted_sids().contains(&SID)
    };
    assert!(with(&|_| {}));
    assert!(!with(&|flow| flow.client.addr = "10.20.30.5".parse().unwrap()));
    assert!(!with(&|flow| flow.client.addr = flow.server.addr));
    assert!(!with(&|flow| flow.server.port = 808));
    assert!(!with(&|flow| flow.config.encrypted_dump.enabled = false));
    assert!(!with(&|flow| flow.config.encrypted_dump.request_max = 610));
    assert!(!with(&|flow| flow.config.encrypted_dump.max_records = 2));
    assert!(!with(&|flow| flow.config.encrypted_dump.max_bytes = 2_000));
    // The same TLS without net.tcp around it.
    let mut flow = Flow::new(known(DetectConfig::default()));
    flow.replay_script(&script[2..].to_vec(), 65_536);
    assert!(flow.alerts(SID).is_empty());
}

#[test]
fn a_session_that_stays_open_is_decided_by_silence_and_told_once() {
    let script = session(GCM12, VIA, &[DUMP]);
    let open = script[..script.len() - 2].to_vec();
    let mut flow = Flow::new(known(DetectConfig::default()));
    let mut driver = flow.start(&open);
    assert!(flow.alerts(SID).is_empty() && flow.wants_tick());
    flow.wait(59_000);
    assert!(flow.alerts(SID).is_empty());
    flow.wait(2_000);
    assert_eq!(flow.alerts(SID).len(), 1);
    assert_eq!(text(&object(&flow.alerts(SID)[0].context, "inference"), "decided"), "idle");
    assert!(!flow.wants_tick());
    flow.go_on(&mut driver, &script[script.len() - 2..]);
    flow.end();
    assert_eq!(flow.alerts(SID).len(), 1);
    // One that goes on in time is an ordinary one.
    let mut flow = Flow::new(known(DetectConfig::default()));
    let mut driver = flow.start(&open);
    flow.wait(20_000);
    flow.go_on(&mut driver, &[(UP, data(GCM12, 597)), (DOWN, data(GCM12, 395))]);
    assert!(!flow.wants_tick());
    flow.wait(400_000);
    flow.end();
    assert!(flow.alerts(SID).is_empty());
    // Without an end of the session, that of the flow decides: a capture that breaks off, a timeout.
    let mut flow = Flow::new(known(DetectConfig {
        encrypted_dump: crate::EncryptedDump { settle: std::time::Duration::ZERO, ..Default::default() },
        ..DetectConfig::default()
    }));
    flow.start(&open);
    flow.wait(4_000_000);
    assert!(flow.alerts(SID).is_empty());
    flow.end();
    assert_eq!(text(&object(&flow.alerts(SID)[0].context, "inference"), "decided"), "flow_end");
}

#[test]
fn missing_bytes_are_no_ground_for_a_claim() {
    let script = session(GCM12, VIA, &[DUMP]);
    for at in 4..script.len() {
        let mut flow = Flow::new(known(DetectConfig::default()));
        let mut driver = flow.start(&script[..at]);
        flow.gap(&mut driver, script[at].0, script[at].1.len() as u64);
        flow.go_on(&mut driver, &script[at + 1..]);
        flow.finish(driver);
        assert!(flow.alerts(SID).is_empty(), "record {at} is missing");
    }
    // A reply that breaks off: its header has said its size.
    let mut cut = script[..script.len() - 2].to_vec();
    cut.last_mut().unwrap().1.truncate(1_500);
    assert_eq!(replayed(&cut).alerts(SID).len(), 1);
}

#[test]
fn real_sessions_are_judged_as_the_manifest_says_and_keys_decide_where_there_are_some() {
    for (name, expected) in [("nmf_tls12_0", 0), ("nmf_tls12_1", 1), ("nmf_tls12_rsa_0", 1), ("nmf_tls12_rsa_1", 1)] {
        for piece in [1, 13, 65_536] {
            let mut flow = Flow::new(known(DetectConfig::default()));
            flow.client.addr = "10.20.30.77".parse().unwrap();
            flow.replay_script(&fixture(name).unwrap(), piece);
            assert_eq!(flow.alerts(SID).len(), expected, "{name} in pieces of {piece}");
        }
        let mut flow = Flow::new(known(DetectConfig::default()));
        flow.replay_with_keys(name);
        assert!(flow.alerts(SID).is_empty(), "{name}");
        assert_eq!(flow.alerts(9_401_001).len(), expected, "{name}");
    }
}
