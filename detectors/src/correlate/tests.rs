use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use backstop_signatures::RuleInfo;
use backstop_types::{Endpoint, Value};

use super::*;
use crate::testing::{Flow, number, object};
use crate::veeam::{credential_dump, outside};
use crate::{Meta, Outcome};

fn addr(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

fn finding(meta: &'static Meta) -> Finding {
    let mut flow = Flow::from_outside();
    flow.session(true);
    let mut finding = flow.out.findings.into_iter().next().unwrap();
    finding.meta = MetaRef::Builtin(meta);
    finding.requires.clear();
    finding.threshold = None;
    finding
}

fn limited(key: &[u8], seconds: u64) -> Finding {
    let threshold = Threshold { key: key.to_vec(), window: Duration::from_secs(seconds) };
    Finding { threshold: Some(threshold), ..finding(&outside::META) }
}

fn at(seconds: u64) -> PacketTime {
    PacketTime::from_micros(seconds * 1_000_000)
}

fn stands(admit: &Admit) -> bool {
    matches!(admit, Admit::Alert(_))
}

fn correlator(config: DetectConfig) -> Correlator {
    Correlator::with_caps(Arc::new(config), 4, 4)
}

#[test]
fn a_role_is_configured_or_learned_before() {
    let needs = |last| Finding { requires: vec![Role::BackupServer(addr(last))], ..finding(&outside::META) };
    let config = DetectConfig { backup_servers: vec!["10.0.0.1/32".parse().unwrap()], ..DetectConfig::default() };
    let mut correlator = correlator(config);
    assert!(stands(&correlator.admit(needs(1), at(1))));
    assert!(!stands(&correlator.admit(needs(2), at(1))));
    correlator.fact(Fact::BackupServer(addr(2)));
    assert!(stands(&correlator.admit(needs(2), at(1))));
    let both = Finding { requires: vec![Role::BackupServer(addr(2)), Role::BackupServer(addr(3))], ..needs(2) };
    assert!(!stands(&correlator.admit(both, at(1))));
    assert_eq!(correlator.counters().role_missing, 2);
}

#[test]
fn a_suspicion_falls_where_another_flow_shows_since_then_what_it_was() {
    let suspects = |client, second| Finding {
        requires: vec![Role::Unexplained { client: addr(client), server: addr(9), since: at(second) }],
        ..finding(&outside::META)
    };
    let mut correlator = correlator(DetectConfig::default());
    assert!(stands(&correlator.admit(suspects(1, 10), at(13))));
    correlator.fact(Fact::WmiInClear { client: addr(1), server: addr(9), at: at(20) });
    assert!(!stands(&correlator.admit(suspects(1, 19), at(22))));
    // It came before; and it is of another host.
    assert!(stands(&correlator.admit(suspects(1, 21), at(24))));
    assert!(stands(&correlator.admit(suspects(2, 19), at(22))));
    assert_eq!((correlator.counters().explained, correlator.counters().role_missing), (1, 0));
    // What is forgotten is counted, and explains nothing any more.
    for last in 20..24 {
        correlator.fact(Fact::WmiInClear { client: addr(last), server: addr(9), at: at(30) });
    }
    assert!(stands(&correlator.admit(suspects(1, 19), at(32))));
    assert_eq!(correlator.counters().explanations_evicted, 1);
}

#[test]
fn repetitions_are_held_back_for_the_window_and_counted_on_the_next_alert() {
    let mut correlator = correlator(DetectConfig::default());
    assert!(stands(&correlator.admit(limited(b"a", 60), at(100))));
    for second in [100, 130, 159] {
        assert!(!stands(&correlator.admit(limited(b"a", 60), at(second))));
    }
    assert!(stands(&correlator.admit(limited(b"b", 60), at(159))));
    let Admit::Alert(next) = correlator.admit(limited(b"a", 60), at(160)) else { panic!("held back") };
    assert_eq!(number(&object(&next.context, "threshold"), "held_back"), Some(3));
    // The window begins with the alert, not with the last repetition.
    assert!(!stands(&correlator.admit(limited(b"a", 60), at(219))));
    assert_eq!(correlator.counters().repeated, 4);
}

#[test]
fn another_sid_is_another_cause() {
    let mut correlator = correlator(DetectConfig::default());
    assert!(stands(&correlator.admit(limited(b"a", 60), at(1))));
    let other = Finding { meta: MetaRef::Builtin(&credential_dump::META), ..limited(b"a", 60) };
    assert!(stands(&correlator.admit(other, at(1))));
}

#[test]
fn time_that_runs_backwards_is_no_time() {
    let mut correlator = correlator(DetectConfig::default());
    assert!(stands(&correlator.admit(limited(b"a", 60), at(1_000))));
    assert!(!stands(&correlator.admit(limited(b"a", 60), at(1))));
    assert!(!stands(&correlator.admit(limited(b"a", 60), at(1_059))));
    // One packet with a time far off freezes its own cause only.
    assert!(stands(&correlator.admit(limited(b"b", 60), at(9_999_999))));
    assert!(stands(&correlator.admit(limited(b"a", 60), at(1_060))));
}

#[test]
fn memory_is_bounded_and_forgets_the_oldest() {
    let mut correlator = correlator(DetectConfig::default());
    for last in 0..200 {
        correlator.fact(Fact::BackupServer(addr(0)));
        correlator.fact(Fact::BackupServer(addr(last)));
        drop(correlator.admit(limited(&[last], 60), at(1)));
    }
    let counters = correlator.counters();
    assert_eq!((counters.roles, counters.thresholds, counters.thresholds_evicted), (4, 4, 196));
    assert!(counters.roles_evicted > 190);
    // What is confirmed again and again stays.
    let needs = Finding { requires: vec![Role::BackupServer(addr(0))], ..finding(&outside::META) };
    assert!(stands(&correlator.admit(needs, at(1))));
    // What was forgotten is an alert again, never silence.
    assert!(stands(&correlator.admit(limited(&[0], 60), at(1))));
}

#[test]
fn findings_without_conditions_always_stand() {
    let mut correlator = correlator(DetectConfig::default());
    for _ in 0..100 {
        assert!(stands(&correlator.admit(finding(&credential_dump::META), at(1))));
    }
}

#[test]
fn a_learned_backup_server_is_the_victim_of_what_rules_find() {
    let rule = |stage: &str| {
        let info = RuleInfo { stage: Some(stage.to_owned()), ..RuleInfo::default() };
        let mut finding = finding(&outside::META);
        finding.meta = MetaRef::Rule(Arc::new(info));
        finding.attacker = Endpoint::new(addr(9), 9_401);
        finding.victim = Endpoint::new(addr(5), 50_000);
        finding.outcome = Outcome::Unknown;
        finding
    };
    let mut correlator = correlator(DetectConfig::default());
    let mut sides = |stage: &str, learned: Option<u8>| {
        if let Some(last) = learned {
            correlator.fact(Fact::BackupServer(addr(last)));
        }
        let Admit::Alert(finding) = correlator.admit(rule(stage), at(1)) else { panic!("held back") };
        finding.victim.addr
    };
    assert_eq!(sides("collect", None), addr(5));
    assert_eq!(sides("collect", Some(9)), addr(9));
    assert_eq!(sides("move", None), addr(5));
    assert_eq!(sides("collect", Some(5)), addr(5));
}

#[test]
fn the_count_is_part_of_the_evidence_only_where_there_is_one() {
    let mut correlator = correlator(DetectConfig::default());
    let Admit::Alert(first) = correlator.admit(limited(b"a", 60), at(1)) else { panic!("held back") };
    assert!(first.context.get("threshold").is_none());
    assert!(matches!(first.context.get("nmf"), Some(Value::Object(_))));
}

#[test]
fn a_finding_may_stand_for_later_ones_without_being_held_back_itself() {
    let mut correlator = correlator(DetectConfig::default());
    let seen = || Finding {
        stands_for: Some(Threshold { key: b"pair".to_vec(), window: Duration::from_secs(60) }),
        ..finding(&outside::META)
    };
    assert!(stands(&correlator.admit(seen(), at(1))));
    assert!(stands(&correlator.admit(seen(), at(2))));
    assert!(!stands(&correlator.admit(limited(b"pair", 60), at(3))));
    assert!(stands(&correlator.admit(limited(b"other", 60), at(3))));
    assert!(stands(&correlator.admit(limited(b"pair", 60), at(63))));
}
