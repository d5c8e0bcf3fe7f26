//! Names that are looked for, each beside what looks most like it.

use backstop_protocols::dns::{Message, Question, Transaction as Dns};
use backstop_protocols::{Transaction, http, tls};
use backstop_types::Endpoint;

use crate::testing::Flow;
use crate::{Finding, Outcome};

fn flow() -> Flow {
    let mut flow = Flow::default();
    flow.client = Endpoint::new("10.20.30.10".parse().unwrap(), 50_000);
    flow.server = Endpoint::new("203.0.113.53".parse().unwrap(), 53);
    flow
}

fn message(name: &str, flags: u16) -> Message {
    Message { id: 7, flags, questions: vec![Question { name: name.to_owned(), kind: 1, class: 1 }], ..Message::default() }
}

/// A question, and its answer where it has one.
fn ask(flow: &mut Flow, name: &str, answer: Option<u16>) -> Vec<Finding> {
    let tx_id = flow.next_number();
    flow.transaction(&Transaction::Dns(Dns { tx_id, message: &message(name, 0x0100) }));
    if let Some(flags) = answer {
        flow.transaction(&Transaction::Dns(Dns { tx_id, message: &message(name, flags) }));
    }
    flow.take()
}

fn sids(findings: &[Finding]) -> Vec<u64> {
    findings.iter().map(|finding| finding.meta.sid()).collect()
}

#[test]
fn questions_for_the_own_address_and_for_file_drops_are_told_and_others_are_not() {
    for (name, sid, benign) in [
        ("myip.opendns.com", 9_404_008, "opendns.com"),
        ("MyIP.OpenDNS.com.", 9_404_008, "notmyip.opendns.com.example"),
        ("o-o.myaddr.l.google.com", 9_404_008, "www.google.com"),
        ("whoami.akamai.net", 9_404_008, "e123.akamai.net"),
        ("api.ipify.org", 9_404_008, "ipify.org.example"),
        ("checkip.amazonaws.com", 9_404_008, "s3.amazonaws.com"),
        ("temp.sh", 9_404_009, "template.sh"),
        ("x.temp.sh", 9_404_009, "temp.share.example"),
        ("transfer.sh", 9_404_009, "transfer.example"),
        ("file.io", 9_404_009, "profile.io"),
        ("store1.gofile.io", 9_404_009, "notgofile.io"),
        ("files.catbox.moe", 9_404_009, "catbox.example"),
    ] {
        let found = ask(&mut flow(), name, Some(0x8183));
        assert_eq!((sids(&found), found[0].outcome), (vec![sid], Outcome::Attempt), "{name}");
        assert_eq!(found[0].victim.addr.to_string(), "10.20.30.10");
        assert!(found[0].threshold.is_some() && !found[0].requires.is_empty());
        assert!(ask(&mut flow(), benign, Some(0x8180)).is_empty(), "{benign}");
    }
}

#[test]
fn names_below_one_service_are_one_cause() {
    let mut flow = flow();
    let mut keys = std::collections::BTreeSet::new();
    for number in 0..100 {
        let found = ask(&mut flow, &format!("store{number}.gofile.io"), Some(0x8180));
        assert_eq!(sids(&found), [9_404_009], "no question of a flow is one too many");
        keys.insert(found[0].threshold.clone().unwrap().key);
    }
    assert_eq!(keys.len(), 1);
}

#[test]
fn a_question_without_an_answer_is_told_after_the_hold_and_at_the_end() {
    let mut waits = flow();
    assert!(ask(&mut waits, "myip.opendns.com", None).is_empty());
    assert!(waits.wants_tick());
    waits.wait(900);
    let found = waits.take();
    assert_eq!((sids(&found), found[0].outcome), (vec![9_404_008], Outcome::Unknown));
    let mut ends = flow();
    ask(&mut ends, "myip.opendns.com", None);
    ends.end();
    assert_eq!(sids(&ends.take()), [9_404_008]);
}

#[test]
fn a_name_of_http_and_tls_counts_as_one_of_dns() {
    let request = http::Request {
        method: "PUT".to_owned(),
        target: "/a".to_owned(),
        host: Some("temp.sh".to_owned()),
        ..Default::default()
    };
    let response = http::Response { status: 200, ..Default::default() };
    let exchange = http::Exchange {
        tx_id: 0,
        stage: http::Stage::Answered,
        request: Some(&request),
        request_head: None,
        response: Some(&response),
        response_head: None,
    };
    let mut of_http = flow();
    of_http.transaction(&Transaction::Http(http::Transaction::Exchange(exchange)));
    let mut found = of_http.take();
    let hello = tls::ClientHello { sni: Some("temp.sh".to_owned()), ..Default::default() };
    let facts = tls::Facts { client_hello: Some(hello), ..Default::default() };
    let mut of_tls = flow();
    of_tls.transaction(&Transaction::Tls(tls::Transaction { stage: tls::Stage::Handshake, facts: &facts }));
    found.extend(of_tls.take());
    found.extend(ask(&mut flow(), "temp.sh", Some(0x8180)));
    assert_eq!(sids(&found), [9_404_009; 3]);
    // One threshold: of the three the first is an alert.
    assert!(found.iter().all(|finding| finding.threshold == found[0].threshold));
}
