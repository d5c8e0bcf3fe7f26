//! Conversations of the lab captures, through the real parsers.

use crate::testing::{Flow, number, object, text};
use crate::{DetectConfig, Outcome};

/// Exploit alerts of a conversation, in whole deliveries and cut small: the same.
fn replayed(name: &str) -> Flow {
    let replay = |piece| {
        let mut flow = Flow::default();
        flow.replay(name, piece);
        flow
    };
    let whole = replay(65_536);
    for piece in [1, 13] {
        let cut = replay(piece);
        let said = |flow: &Flow| format!("{:?}", flow.out.findings);
        assert_eq!(said(&whole), said(&cut), "{name} in pieces of {piece}");
    }
    whole
}

#[test]
fn attacks_are_told_as_the_manifest_of_the_captures_states() {
    for (name, expected) in [
        ("nmf_getall_1", &[(9_401_001, 1), (9_401_003, 1)][..]),
        ("nmf_getall_0", &[(9_401_001, 1), (9_401_003, 1)]),
        ("nmf_sql_0", &[(9_401_004, 1), (9_401_005, 1)]),
        ("nmf_dotnet_1", &[(9_401_001, 1), (9_401_003, 1)]),
        ("nmf_dotnet_2", &[(9_401_001, 1), (9_401_002, 1), (9_401_003, 2)]),
        ("nmf_dotnet_3", &[(9_401_004, 1), (9_401_005, 1)]),
        ("nmf_dotnet_0", &[(9_401_004, 1)]),
    ] {
        let flow = replayed(name);
        assert_eq!(flow.exploits(), expected, "{name}");
        let alerts = flow.out.findings.iter().filter(|finding| !finding.update && finding.meta.sid() < 9_401_006);
        assert!(alerts.clone().all(|finding| finding.outcome == Outcome::Success), "{name}");
        assert!(alerts.clone().all(|finding| finding.attacker == flow.client && finding.victim == flow.server), "{name}");
        assert!(!flow.wants_tick());
    }
}

#[test]
fn ordinary_work_and_mere_mentions_are_silent() {
    for name in ["nmf_ordinary_0", "nmf_mention_0", "nmf_mention_1", "remoting_0"] {
        let flow = replayed(name);
        assert_eq!(flow.exploits(), [], "{name}");
        assert!(flow.out.findings.is_empty(), "{name}: {:?}", flow.out.findings);
    }
    // Inside TLS nothing is claimed, and what is inferred says so.
    for (name, inferred) in [("nmf_tls12_0", &[9_401_010][..]), ("nmf_tls12_1", &[9_401_010, 9_401_009])] {
        let flow = replayed(name);
        assert_eq!(flow.exploits(), [], "{name}");
        let sids: Vec<u64> = flow.out.findings.iter().map(|finding| finding.meta.sid()).collect();
        assert_eq!(sids, inferred, "{name}");
        assert!(flow.out.findings.iter().all(|finding| finding.suspected), "{name}");
    }
}

#[test]
fn every_conversation_with_the_service_teaches_the_role_and_no_other_does() {
    for name in backstop_protocols::testing::fixture_names().unwrap() {
        assert_eq!(replayed(&name).learned(), name.starts_with("nmf_"), "{name}");
    }
}

#[test]
fn the_certificate_teaches_the_role_on_any_port_but_from_inside_only() {
    let learned = |home_net: &str| {
        let home_net = vec![home_net.parse().unwrap()];
        let mut flow = Flow::new(DetectConfig { veeam_ports: vec![1], home_net, ..DetectConfig::default() });
        flow.replay("nmf_tls12_0", 65_536);
        flow.learned()
    };
    assert!(learned("0.0.0.0/0"));
    assert!(!learned("192.0.2.0/24"));
}

#[test]
fn the_evidence_of_a_dump_names_call_reply_and_session() {
    let flow = replayed("nmf_dotnet_2");
    let dump = flow.alerts(9_401_001)[0];
    let veeam = object(&dump.context, "veeam");
    assert_eq!(text(&veeam, "contract"), "IRemoteInvokeService");
    assert_eq!(text(&veeam, "operation"), "Invoke");
    assert_eq!(text(&veeam, "method"), "CredentialsDbScopeGetAllCreds");
    assert_eq!(number(&veeam, "credential_count"), Some(6));
    assert_eq!(text(&object(&veeam, "reply"), "kind"), "value");
    let nmf = object(&dump.context, "nmf");
    assert_eq!(text(&nmf, "via"), "net.tcp://10.20.30.10:9401/");
    assert_eq!(text(&nmf, "encoding"), "binary_session");
    assert!(String::from_utf8_lossy(&dump.excerpt).contains("CredentialsDbScopeGetAllCreds"));
    assert!(dump.tx_id.is_some());
}

#[test]
fn lookups_of_a_flow_are_one_alert_and_their_number_follows() {
    let flow = replayed("nmf_dotnet_2");
    let first = object(&flow.alerts(9_401_002)[0].context, "veeam");
    assert_eq!((number(&first, "count"), number(&first, "distinct_ids")), (Some(1), Some(1)));
    let updates = flow.updates(9_401_002);
    assert_eq!(updates.len(), 1);
    let last = object(&updates[0].context, "veeam");
    assert_eq!((number(&last, "count"), number(&last, "distinct_ids")), (Some(5), Some(5)));
    assert_eq!(updates[0].outcome, Outcome::Success);
    let returned = flow.updates(9_401_003);
    assert_eq!(returned.len(), 1);
    assert_eq!(number(&object(&returned[0].context, "veeam"), "credential_count"), Some(5));
}

#[test]
fn no_evidence_holds_a_secret() {
    for name in ["nmf_dotnet_1", "nmf_dotnet_2", "nmf_getall_1", "nmf_getall_0"] {
        let shown = format!("{:?}", replayed(name).out.findings);
        assert!(!shown.contains("inventedplaceholder") && !shown.contains("invented-placeholder"), "{name}");
    }
}

#[test]
fn the_evidence_of_a_command_names_condition_and_command() {
    let flow = replayed("nmf_dotnet_3");
    let veeam = object(&flow.alerts(9_401_005)[0].context, "veeam");
    let shown = format!("{:?}", veeam.get("conditions"));
    assert!(shown.contains("940200"), "{shown}");
    assert!(text(&veeam, "sql").contains("xp_cmdshell"));
    assert!(String::from_utf8_lossy(&flow.alerts(9_401_004)[0].excerpt).contains("xp_cmdshell"));
}

#[test]
fn exploits_by_known_clients_are_told_all_the_same() {
    let config = DetectConfig { known_clients: vec!["10.20.30.0/24".parse().unwrap()], ..DetectConfig::default() };
    for name in ["nmf_dotnet_1", "nmf_dotnet_2", "nmf_dotnet_3"] {
        let mut known = Flow::new(config.clone());
        known.replay(name, 65_536);
        assert_eq!(known.exploits(), replayed(name).exploits());
        assert!(known.alerts(9_401_007).is_empty());
    }
}

#[test]
fn a_capture_that_ends_in_the_middle_of_an_attack_tells_it_without_claiming_success() {
    let script = backstop_protocols::testing::fixture("nmf_dotnet_1").unwrap();
    // Preamble, acknowledgement, request.
    let mut flow = Flow::default();
    flow.replay_script(&script[..3].to_vec(), 65_536);
    assert_eq!(flow.exploits(), [(9_401_001, 1)]);
    assert_eq!(flow.outcomes(9_401_001), [Outcome::Unknown]);
    assert!(flow.alerts(9_401_008).is_empty());
}

#[test]
fn one_direction_alone_still_tells_the_attack() {
    let script = backstop_protocols::testing::fixture("nmf_dotnet_3").unwrap();
    let requests = script.into_iter().filter(|(direction, _)| *direction == backstop_types::Direction::ToServer).collect();
    let mut flow = Flow::default();
    flow.replay_script(&requests, 65_536);
    assert_eq!(flow.exploits(), [(9_401_004, 1), (9_401_005, 1)]);
    assert_eq!(flow.outcomes(9_401_005), [Outcome::Unknown]);
    assert!(!flow.learned(), "a client alone makes no backup server");
}

#[test]
fn truncation_anywhere_neither_breaks_nor_claims_violations() {
    for name in ["nmf_dotnet_2", "nmf_getall_1"] {
        let script = backstop_protocols::testing::fixture(name).unwrap();
        let total: usize = script.iter().map(|(_, bytes)| bytes.len()).sum();
        for keep in (0..total).step_by(97) {
            let mut left = keep;
            let cut = script
                .iter()
                .map(|(direction, bytes)| {
                    let len = bytes.len().min(left);
                    left -= len;
                    (*direction, bytes[..len].to_vec())
                })
                .collect();
            let mut flow = Flow::default();
            flow.replay_script(&cut, 65_536);
            assert!(flow.alerts(9_401_008).is_empty(), "{name} cut at {keep}");
        }
    }
}
