//! Indicators, each beside what looks most like it.

use backstop_protocols::dns::{Message, Question, Transaction as Dns};
use backstop_protocols::{AppProto, Transaction};
use backstop_signatures::indicators::{Loader, MAX_ENTRIES};
use backstop_types::Direction;

use super::*;
use crate::testing::Flow;
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
        let found = address(&flow(client, server).context(), true).unwrap();
        assert_eq!((found.attacker.addr.to_string().as_str(), found.outcome), (attacker, Outcome::Success));
        assert_eq!(found.severity, Some(1));
    }
    for server in ["203.0.113.8", "198.51.101.1", "2001:db8::7"] {
        assert!(address(&flow("10.20.30.10", server).context(), true).is_none(), "{server}");
    }
    assert_eq!(address(&flow("10.20.30.10", "203.0.113.7").context(), false).unwrap().outcome, Outcome::Attempt);
}

#[test]
fn severity_falls_with_age_and_lists_can_be_replaced() {
    let mut old = flow("10.20.30.10", "203.0.113.7");
    old.now = old.now.plus(std::time::Duration::from_secs(500 * 86_400));
    let found = address(&old.context(), true).unwrap();
    assert_eq!((found.severity, found.confidence), (Some(2), Confidence::Medium));
    old.context().config.indicators.store.replace(Loader::new(1).finish().0);
    assert!(address(&old.context(), true).is_none());
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
