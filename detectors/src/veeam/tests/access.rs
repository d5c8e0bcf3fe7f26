//! 9401006 to 9401008: who talks to the service, and how.

use std::sync::Arc;

use backstop_protocols::nmf::anomaly;
use backstop_types::Direction;

use crate::testing::{Flow, call, number, object, text, value};
use crate::{Correlator, DetectConfig, Outcome};

fn servers(net: &str) -> DetectConfig {
    DetectConfig { backup_servers: vec![net.parse().unwrap()], ..DetectConfig::default() }
}

#[test]
fn a_session_from_outside_is_told_and_teaches_its_own_role() {
    let mut flow = Flow::from_outside();
    flow.session(true);
    assert!(flow.learned());
    assert_eq!(flow.admitted_sids(), [9_401_006]);
    let finding = flow.alerts(9_401_006)[0];
    assert_eq!(finding.outcome, Outcome::Success);
    let nmf = object(&finding.context, "nmf");
    assert_eq!(text(&nmf, "via"), "net.tcp://vbr01.example.lan:9401/");
    assert_eq!(text(&nmf, "upgrade"), "application/ssl-tls");
}

#[test]
fn nearest_to_it_and_silent() {
    let silent = |what: &str, flow: &Flow| assert_eq!(flow.admitted_sids(), [0_u64; 0], "{what}");
    let mut inside = Flow::default();
    inside.session(true);
    silent("from inside", &inside);
    let mut scan = Flow::from_outside();
    scan.end();
    silent("a port scan", &scan);
    let mut half = Flow::from_outside();
    half.handshake = false;
    half.session(true);
    silent("no handshake was seen", &half);
    let mut stranger = Flow::from_outside();
    stranger.session(false);
    silent("no answer, and nobody knows the server", &stranger);
    let mut other = Flow::from_outside();
    other.server.port = 808;
    other.session(true);
    silent("net.tcp of another service", &other);
    let mut known = Flow::from_outside();
    known.config.known_clients = vec!["198.51.100.0/24".parse().unwrap()];
    known.session(true);
    silent("a known client outside", &known);
}

#[test]
fn an_unanswered_session_with_a_configured_server_is_an_open_question() {
    let mut flow = Flow::from_outside();
    flow.config.backup_servers = servers("10.20.30.10/32").backup_servers;
    flow.session(false);
    assert_eq!(flow.admitted_sids(), [9_401_006]);
    assert_eq!(flow.outcomes(9_401_006), [Outcome::Unknown]);
    assert!(!flow.learned());
}

#[test]
fn the_service_is_found_on_any_port_once_it_answers_a_call() {
    let mut flow = Flow::from_outside();
    flow.server.port = 29_401;
    flow.session(true);
    assert!(flow.out.is_empty());
    let tx_id = flow.ask(&call("GetVersion"));
    assert!(flow.out.is_empty(), "a client alone proves nothing");
    flow.answer(tx_id, &call("GetVersion"), &value());
    assert_eq!(flow.admitted_sids(), [9_401_006]);
}

#[test]
fn one_pair_of_hosts_is_told_once_in_the_window() {
    let mut correlator = Correlator::new(Arc::new(DetectConfig::default()));
    let mut told = 0;
    for second in 0..4_000 {
        let mut flow = Flow::from_outside();
        flow.client.port = u16::try_from(20_000 + second).unwrap();
        flow.wait(second * 1_000);
        flow.session(true);
        told += flow.admitted(&mut correlator).len();
    }
    assert_eq!(told, 2);
    let mut other = Flow::from_outside();
    other.client.addr = "198.51.100.8".parse().unwrap();
    other.session(true);
    assert_eq!(other.admitted(&mut correlator).len(), 1);
    assert_eq!(correlator.counters().repeated, 3_998);
}

#[test]
fn an_unlisted_client_is_told_where_a_list_exists() {
    let with = |known: &str| {
        let mut flow = Flow::default();
        flow.config.known_clients = vec![known.parse().unwrap()];
        flow.session(true);
        flow
    };
    assert_eq!(with("10.20.30.5/32").admitted_sids(), [9_401_007]);
    assert_eq!(with("10.20.30.77/32").admitted_sids(), [0_u64; 0]);
    let mut no_list = Flow::default();
    no_list.session(true);
    assert_eq!(no_list.admitted_sids(), [0_u64; 0]);
    let mut outside = Flow::from_outside();
    outside.config.known_clients = vec!["10.20.30.5/32".parse().unwrap()];
    outside.session(true);
    assert_eq!(outside.admitted_sids(), [9_401_006]);
    let mut other_service = with("10.20.30.5/32");
    other_service.server.port = 808;
    assert_eq!(other_service.alerts(9_401_007)[0].requires.len(), 1);
}

#[test]
fn net_tcp_of_other_services_is_not_the_veeam_service() {
    let mut flow = Flow::default();
    flow.config.known_clients = vec!["10.20.30.5/32".parse().unwrap()];
    flow.config.backup_servers = servers("10.20.30.10/32").backup_servers;
    flow.server.port = 808;
    flow.session(true);
    flow.end();
    assert!(flow.out.is_empty());
}

#[test]
fn a_violation_by_the_client_is_told_with_its_name() {
    let mut flow = Flow::default();
    flow.session(true);
    flow.anomaly(anomaly::UNKNOWN_UPGRADE, Direction::ToServer);
    assert_eq!(flow.admitted_sids(), [9_401_008]);
    let nmf = object(&flow.alerts(9_401_008)[0].context, "nmf");
    assert_eq!((text(&nmf, "event"), text(&nmf, "encoding")), ("nmf_unknown_upgrade".to_owned(), "binary_session".to_owned()));
}

#[test]
fn what_is_nobodys_fault_is_no_violation() {
    for (event, direction, midstream, port) in [
        (anomaly::REQUEST_CUT, Direction::ToServer, false, 9_401),
        (anomaly::DICTIONARY_LIMIT, Direction::ToClient, false, 9_401),
        ("buffer_limit", Direction::ToServer, false, 9_401),
        (anomaly::UNEXPECTED_RECORD, Direction::ToServer, true, 9_401),
        (anomaly::MALFORMED_MESSAGE, Direction::ToClient, false, 9_401),
        // Another net.tcp service on a host that is no backup server.
        (anomaly::MALFORMED_MESSAGE, Direction::ToServer, false, 808),
    ] {
        let mut flow = Flow::default();
        flow.midstream = midstream;
        flow.server.port = port;
        flow.anomaly(event, direction);
        flow.end();
        assert_eq!(flow.admitted_sids(), [0_u64; 0], "{event}");
    }
}

#[test]
fn violations_that_the_parser_finds_are_told() {
    let bad = b"\x00\x09\x00\x01\x02\x02\x1bnet.tcp://10.20.30.10:9401/\x03\x4d".to_vec();
    let mut flow = Flow::default();
    flow.replay_script(&vec![(Direction::ToServer, bad)], 1_000);
    assert_eq!(flow.admitted_sids(), [9_401_008]);
    assert_eq!(text(&object(&flow.alerts(9_401_008)[0].context, "nmf"), "event"), "nmf_bad_version");
}

#[test]
fn a_host_that_probes_is_told_once_in_the_window() {
    let mut correlator = Correlator::new(Arc::new(DetectConfig::default()));
    let mut told = Vec::new();
    for second in 0..700 {
        let mut flow = Flow::default();
        flow.wait(second * 1_000);
        for _ in 0..20 {
            flow.anomaly(anomaly::BAD_MODE, Direction::ToServer);
        }
        assert_eq!(flow.alerts(9_401_008).len(), 1);
        told.extend(flow.admitted(&mut correlator));
    }
    assert_eq!(told.len(), 2);
    assert_eq!(number(&object(&told[1].context, "threshold"), "held_back"), Some(599));
}
