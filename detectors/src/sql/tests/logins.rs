use super::*;
use crate::testing::{number, object};
use std::sync::Arc;

fn tds_login(server: &mut Server, user: &str, error: Option<i32>) {
    let mut reply = tds::Reply::default();
    reply.complete = true;
    match error {
        Some(number) => reply.errors.push(tds::ServerMessage { number, ..tds::ServerMessage::default() }),
        None => reply.login_ack = Some(tds::LoginAck::default()),
    }
    let login = tds::Login { user: Some(user.to_owned()), ..tds::Login::default() };
    let session = tds::Session { user: Some(user.to_owned()), logged_in: Some(error.is_none()), ..server.session.clone() };
    for (stage, reply) in [(tds::Stage::Seen, None), (tds::Stage::Answered, Some(&reply))] {
        let exchange = tds::LoginExchange { tx_id: 0, stage, login: Some(&login), reply, session: &session };
        server.flow.transaction(&Transaction::Tds(tds::Transaction::Login(exchange)));
    }
}

fn pgsql_login(server: &mut Server, user: &str, code: Option<&str>) {
    let error = code.map(|code| pgsql::Report { code: code.to_owned(), ..pgsql::Report::default() });
    let outcome = if error.is_some() { pgsql::Login::Refused } else { pgsql::Login::Accepted };
    let parameters = vec![("user".to_owned(), user.to_owned()), ("database".to_owned(), "VeeamBackup".to_owned())];
    let session = pgsql::Session { parameters, login: Some(outcome), error, ..pgsql::Session::default() };
    let startup = pgsql::Startup { tx_id: 0, stage: pgsql::Stage::Answered, session: &session };
    server.flow.transaction(&Transaction::Pgsql(pgsql::Transaction::Startup(startup)));
}

/// Alerts of so many failures, one flow each, this many seconds apart.
fn alerts(failures: u64, seconds: u64, fail: &dyn Fn(&mut Server)) -> Vec<Finding> {
    let mut correlator = Correlator::new(Arc::new(DetectConfig::default()));
    let mut found = Vec::new();
    for number in 0..failures {
        let mut server = Server::new("VeeamBackup");
        server.flow.server.addr = format!("10.20.30.{}", 10 + number % 2).parse().unwrap();
        server.flow.wait(number * seconds * 1_000);
        fail(&mut server);
        found.extend(admitted(&mut correlator, &server.flow));
    }
    found
}

#[test]
fn ten_failures_in_a_minute_over_flows_and_servers_are_one_alert() {
    for fail in [
        &(|server: &mut Server| tds_login(server, "sa", Some(18_456))) as &dyn Fn(&mut Server),
        &|server| pgsql_login(server, "postgres", Some("28P01")),
        &|server| pgsql_login(server, "postgres", Some("28000")),
    ] {
        let found = alerts(30, 2, fail);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].meta.sid(), 9_402_009);
        let tally = object(&found[0].context, "tally");
        assert_eq!(number(&tally, "count"), Some(10));
        assert!(format!("{:?}", tally.get("servers")).contains("10.20.30.11:1433"));
        assert!(alerts(9, 2, fail).is_empty(), "nine");
        assert!(alerts(30, 7, fail).is_empty(), "never ten in a minute");
    }
}

#[test]
fn other_errors_and_successes_are_no_failures() {
    assert!(alerts(30, 1, &|server| pgsql_login(server, "app", Some("3D000"))).is_empty());
    assert!(alerts(30, 1, &|server| tds_login(server, "app", Some(4_060))).is_empty());
    assert!(alerts(30, 1, &|server| tds_login(server, "app", None)).is_empty());
}

#[test]
fn an_administrator_from_an_unlisted_host_is_told_once() {
    const SID: u64 = 9_402_010;
    let login = |database: &str, user: &str, config: &DetectConfig| {
        let mut server = Server::with(database, config.clone());
        tds_login(&mut server, user, None);
        server.sids()
    };
    let config = DetectConfig::default();
    assert_eq!(login("VeeamBackup", "SA", &config), [SID]);
    assert!(login("VeeamBackup", "app", &config).is_empty() && login("master", "sa", &config).is_empty());
    let client = Server::new("").flow.client.addr;
    let listed = DetectConfig { known_clients: vec![client.into()], ..DetectConfig::default() };
    assert!(login("VeeamBackup", "sa", &listed).is_empty());
    let own = DetectConfig { backup_servers: vec![client.into()], ..DetectConfig::default() };
    assert!(login("VeeamBackup", "sa", &own).is_empty());
    let mut server = Server::new("VeeamBackup");
    pgsql_login(&mut server, "postgres", None);
    assert_eq!(server.sids(), [SID]);
    let mut failed = Server::new("VeeamBackup");
    pgsql_login(&mut failed, "postgres", Some("28P01"));
    assert!(failed.sids().is_empty());
    // The database is changed to later.
    let mut later = Server::new("master");
    later.session.user = Some("sa".to_owned());
    let mut reply = tds::Reply::default();
    (reply.complete, reply.database) = (true, Some("VeeamBackup".to_owned()));
    later.run_with(&[batch("USE VeeamBackup")], &reply);
    later.run_with(&[batch("USE VeeamBackup")], &reply);
    assert_eq!(later.sids(), [SID]);
}
