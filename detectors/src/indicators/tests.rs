//! Indicators, each beside what looks most like it.

use backstop_protocols::dns::{Message, Question, Transaction as Dns};
use backstop_protocols::{AppProto, Transaction};
use backstop_signatures::indicators::{Loader, MAX_ENTRIES};
use backstop_types::Direction;

use super::*;
use crate::testing::{Flow, number, object, text};
use crate::{DetectConfig, Outcome};

fn config(list: &str) -> DetectConfig {
    let mut loader = Loader::new(MAX_ENTRIES);
    loader.add("list", list.as_bytes()).unwrap();
    let config = DetectConfig::default();
    config.indicators.store.replace(loader.finish().0);
    config
}

const LIST: &str = "# source: test\n# date: 2023-11-01\n203.0.113.7 C2\n198.51.100.0/24\n*.evil.example\nexact.example\n\
    a9993e364706816aba3e25717850c26c9cd0d89d\n";

fn flow(client: &str, server: &str) -> Flow {
    let mut flow = Flow::new(config(LIST));
    flow.client.addr = client.parse().unwrap();
    flow.server.addr = server.parse().unwrap();
    flow
}

#[test]
fn a_listed_end_of_a_flow_is_the_attacker() {
    for (client, server, attacker) in [
        ("10.20.30.10", "203.0.113.7", "203.0.113.7"),
        ("203.0.113.7", "10.20.30.10", "203.0.113.7"),
        ("10.20.30.10", "198.51.100.200", "198.51.100.200"),
    ] {
        let found = address(&flow(client, server).context(), Heard::Both).unwrap();
        assert_eq!((found.attacker.addr.to_string().as_str(), found.outcome), (attacker, Outcome::Success));
        assert_eq!(found.severity, Some(1));
    }
    for server in ["203.0.113.8", "198.51.101.1", "2001:db8::7"] {
        assert!(address(&flow("10.20.30.10", server).context(), Heard::Both).is_none(), "{server}");
    }
}

#[test]
fn an_address_is_told_as_far_as_the_conversation_went() {
    let mut udp = flow("10.20.30.10", "203.0.113.7");
    udp.handshake = false;
    let tcp = flow("10.20.30.10", "203.0.113.7");
    let outcome = |flow: &Flow, heard| address(&flow.context(), heard).unwrap().outcome;
    assert_eq!(
        [Heard::Nothing, Heard::OneSide, Heard::Both].map(|heard| (outcome(&tcp, heard), outcome(&udp, heard))),
        [(Outcome::Attempt, Outcome::Attempt), (Outcome::Attempt, Outcome::Unknown), (Outcome::Success, Outcome::Success)]
    );
    // An attempt does not hide the first success; two successes are one.
    let threshold = |heard| address(&tcp.context(), heard).unwrap().threshold;
    assert_ne!(threshold(Heard::Nothing), threshold(Heard::Both));
    assert_eq!(threshold(Heard::Nothing), threshold(Heard::OneSide));
}

#[test]
fn what_a_list_no_longer_stands_for_is_silent_and_what_has_no_date_says_so() {
    let bundle = r#"{"type":"bundle","objects":[{"type":"indicator","pattern_type":"stix","valid_from":"2023-11-01T00:00:00Z",
        "valid_until":"2023-12-01T00:00:00Z","confidence":20,"pattern":"[ipv4-addr:value = '203.0.113.9' OR domain-name:value = 'late.example']"}]}"#;
    let mut flow = flow("10.20.30.10", "203.0.113.9");
    flow.config = config(bundle);
    let found = address(&flow.context(), Heard::Both).unwrap();
    assert_eq!((found.severity, found.confidence), (Some(1), Confidence::Low));
    assert_eq!(number(&object(&found.context, "indicator"), "confidence"), Some(20));
    assert!(name(&flow.context(), "late.example").is_some() && has_address(&flow.context()));
    flow.now = flow.now.plus(std::time::Duration::from_secs(60 * 86_400));
    assert!(address(&flow.context(), Heard::Both).is_none() && !has_address(&flow.context()));
    assert!(name(&flow.context(), "late.example").is_none());
    flow.config = config("203.0.113.9\n");
    let found = address(&flow.context(), Heard::Both).unwrap();
    assert_eq!(found.severity, Some(2));
    assert!(object(&found.context, "indicator").get("undated").is_some());
}

#[test]
fn many_names_below_a_listed_one_are_one_cause_and_another_one_is_still_told() {
    let mut flow = flow("10.20.30.77", "10.20.30.1");
    let ask = |flow: &mut Flow, name: &str| {
        let questions = vec![Question { name: name.to_owned(), kind: 16, class: 1 }];
        let message = Message { id: 1, flags: 0x0100, questions, ..Message::default() };
        let tx_id = flow.next_number();
        flow.transaction(&Transaction::Dns(Dns { tx_id, message: &message }));
        flow.take()
    };
    let mut told: Vec<_> = (0..500).flat_map(|number| ask(&mut flow, &format!("{number}.data.evil.example"))).collect();
    assert!(told.len() >= 400, "what waits for answers is bounded");
    told.extend(ask(&mut flow, "exact.example"));
    flow.end();
    told.extend(flow.take());
    assert_eq!(told.len(), 501);
    let keys: std::collections::BTreeSet<_> = told.iter().map(|finding| finding.threshold.clone().unwrap().key).collect();
    assert_eq!(keys.len(), 2);
    let indicator = object(&told[0].context, "indicator");
    assert_eq!((&*text(&indicator, "value"), &*text(&indicator, "listed")), ("0.data.evil.example", "evil.example"));
}

#[test]
fn names_of_hosts_and_addresses_asked_of_a_proxy_are_told_and_their_look_alikes_are_not() {
    let flow = flow("10.20.30.77", "10.20.30.8");
    for (host, benign) in [
        ("203.0.113.7", "203.0.113.8"),
        ("198.51.100.1", "198.51.101.1"),
        ("sub.evil.example", "evil.example.com"),
        ("EXACT.example.", "in.exact.example"),
        ("evil.example", "vil.example"),
        ("a.b.evil.example", "evil-example"),
    ] {
        assert_eq!(name(&flow.context(), host).unwrap().attacker.addr, flow.server.addr, "{host}");
        assert!(name(&flow.context(), benign).is_none(), "{benign}");
    }
    // Without a proxy it is the flow's own address, and 9405001.
    let direct = self::flow("10.20.30.77", "203.0.113.7");
    assert!(name(&direct.context(), "203.0.113.7").is_none() && has_address(&direct.context()));
}

#[test]
fn severity_falls_with_age_and_lists_can_be_replaced() {
    let mut old = flow("10.20.30.10", "203.0.113.7");
    old.now = old.now.plus(std::time::Duration::from_secs(500 * 86_400));
    let found = address(&old.context(), Heard::Both).unwrap();
    assert_eq!((found.severity, found.confidence), (Some(2), Confidence::Medium));
    old.context().config.indicators.store.replace(Loader::new(1).finish().0);
    assert!(address(&old.context(), Heard::Both).is_none());
}

#[test]
fn a_name_in_dns_is_told_for_any_host_and_names_beside_it_are_not() {
    let ask = |name: &str| {
        let mut flow = flow("10.20.30.77", "10.20.30.1");
        let questions = vec![Question { name: name.to_owned(), kind: 1, class: 1 }];
        let message = Message { id: 1, flags: 0x0100, questions, ..Message::default() };
        flow.transaction(&Transaction::Dns(Dns { tx_id: 0, message: &message }));
        flow.end();
        flow.take().iter().map(|finding| finding.meta.sid()).collect::<Vec<_>>()
    };
    for name in ["a.evil.example", "evil.example.", "EXACT.example"] {
        assert_eq!(ask(name), [9_405_003], "{name}");
    }
    for name in ["devil.example", "www.exact.example", "example"] {
        assert!(ask(name).is_empty(), "{name}");
    }
}

#[test]
fn a_file_with_a_listed_sum_is_told() {
    let mut flow = flow("10.20.30.77", "10.20.30.99");
    flow.file_with_sha1("a9993e364706816aba3e25717850c26c9cd0d89d", AppProto::Smb, Direction::ToServer);
    let found = flow.take();
    assert_eq!(found[0].meta.sid(), 9_405_002);
    assert_eq!(found[0].attacker.addr.to_string(), "10.20.30.77");
    flow.file_with_sha1("a9993e364706816aba3e25717850c26c9cd0d89e", AppProto::Smb, Direction::ToServer);
    assert!(flow.take().is_empty());
}
