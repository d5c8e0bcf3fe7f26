//! Many calls and large ones: findings, their size and memory stay bounded.

use backstop_protocols::veeam::{Call, Param, Spec};

use crate::testing::{Flow, call, credentials, fault, number, object, session_storm, spec_call, sql_call, value};
use crate::{DetectConfig, Finding};

/// Bytes that a finding holds, as far as its evidence goes.
fn weight(finding: &Finding) -> usize {
    format!("{:?}", finding.context).len() + finding.excerpt.len()
}

#[test]
fn ten_thousand_calls_of_one_flow_are_a_handful_of_findings() {
    let mut flow = Flow::default();
    for number in 0..10_000 {
        let id = number.to_string();
        flow.exchange(&call("CredentialsDbScopeGetAllCreds"), &credentials(6));
        flow.exchange(&spec_call("CredentialsDbScopeFindCredentials", &[("credsId", &id)]), &credentials(1));
        flow.exchange(&sql_call(&format!("EXEC xp_cmdshell 'echo {number}'")), &value());
    }
    flow.end();
    assert_eq!(flow.exploits(), [(9_401_001, 1), (9_401_002, 1), (9_401_003, 2), (9_401_004, 32), (9_401_005, 32)]);
    assert!(flow.out.findings.len() < 80, "{}", flow.out.findings.len());
    let total = |sid| object(&flow.updates(sid)[0].context, "veeam");
    for sid in [9_401_001, 9_401_002, 9_401_004, 9_401_005] {
        assert_eq!(number(&total(sid), "count"), Some(10_000), "{sid}");
    }
    assert_eq!(number(&total(9_401_005), "count_untold"), Some(9_968));
    assert_eq!(number(&total(9_401_002), "distinct_ids"), Some(4_096), "a number at least");
    assert_eq!(number(&object(&flow.updates(9_401_003)[0].context, "veeam"), "credential_count"), Some(60_000));
}

#[test]
fn requests_that_nobody_answers_are_bounded_too() {
    let mut flow = Flow::default();
    for number in 0..10_000 {
        flow.ask(&sql_call(&format!("EXEC xp_cmdshell 'echo {number}'")));
        flow.ask(&call("CredentialsDbScopeGetAllCreds"));
        if number % 100 == 0 {
            flow.wait(50);
        }
    }
    flow.end();
    assert_eq!(flow.exploits(), [(9_401_001, 1), (9_401_004, 32), (9_401_005, 32)]);
    assert!(flow.out.findings.len() < 80);
}

#[test]
fn faults_without_end_bring_nothing_up_to_date() {
    let mut flow = Flow::default();
    for _ in 0..10_000 {
        flow.exchange(&call("CredentialsDbScopeGetAllCreds"), &fault());
    }
    assert_eq!(flow.out.findings.len(), 1);
}

#[test]
fn sessions_without_end_on_one_connection_are_one() {
    let mut flow = Flow::from_outside();
    session_storm(&mut flow, 10_000);
    assert_eq!((flow.out.findings.len(), flow.out.facts.len()), (1, 1));
}

#[test]
fn the_configured_number_of_causes_holds() {
    let config = DetectConfig { max_per_flow: 3, ..DetectConfig::default() };
    let mut flow = Flow::new(config);
    for number in 0..10 {
        flow.exchange(&sql_call(&format!("SELECT {number}")), &value());
    }
    flow.end();
    assert_eq!(flow.exploits(), [(9_401_004, 3)]);
    let mut none = Flow::new(DetectConfig { max_per_flow: 0, ..DetectConfig::default() });
    none.exchange(&sql_call("SELECT 1"), &value());
    assert_eq!(none.exploits(), [(9_401_004, 1)], "never blind");
}

#[test]
fn hostile_sizes_give_evidence_of_ordinary_size() {
    let huge = "x".repeat(200_000);
    let param = Param { name: huge.clone(), kind: huge.clone(), value: Some(huge.clone()), length: u64::MAX };
    let call = Call {
        contract: huge.clone(),
        operation: huge.clone(),
        scope: Some(huge.clone()),
        method: Some("CredentialsDbScopeGetAllCreds".to_owned()),
        spec: Some(Spec {
            kind: "DbGetDataTableRemoteInvokeSpec".to_owned(),
            context_session_id: Some(huge.clone()),
            scope: Some(huge.clone()),
            method: Some(huge.clone()),
            params: vec![param; 1_000],
        }),
        sql: Some(format!("EXEC xp_cmdshell '{huge}' -- {}", "é".repeat(100_000))),
        truncated: true,
        more_methods: Vec::new(),
        sql_texts: Vec::new(),
        sql_hidden: false,
    };
    let mut flow = Flow::default();
    flow.exchange(&call, &credentials(u64::MAX));
    flow.exchange(&call, &credentials(u64::MAX));
    flow.end();
    assert_eq!(flow.exploits(), [(9_401_001, 1), (9_401_003, 1), (9_401_004, 2), (9_401_005, 2)]);
    for finding in &flow.out.findings {
        assert!(weight(finding) < 48 * 1_024, "{} has {} bytes", finding.meta.sid(), weight(finding));
        assert!(finding.excerpt.len() <= flow.config.max_excerpt);
    }
}

#[test]
fn sql_behind_padding_is_told_to_be_unread() {
    let unread = |hidden: bool, sql: Option<&str>| {
        let mut flow = Flow::default();
        let call = Call { sql_hidden: hidden, truncated: true, sql: sql.map(str::to_owned), ..sql_call("") };
        flow.exchange(&call, &value());
        assert_eq!(flow.exploits(), [(9_401_004, 1)]);
        format!("{:?}", flow.out.findings).contains("sql_unread")
    };
    assert!(unread(true, None) && unread(true, Some("-- x")));
    assert!(!unread(false, Some("-- x")) && !unread(false, Some("SELECT 1")));
}
