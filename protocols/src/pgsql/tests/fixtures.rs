//! Recorded conversations, and what their manifests say of them.

use super::*;
use crate::pgsql::{Authentication, Login};
use crate::testing::fixture;

fn heard(name: &str) -> Heard {
    let heard = hear(&fixture(name).unwrap());
    assert!(heard.anomalies.is_empty(), "{name}: {:?}", heard.anomalies);
    assert!(heard.sync.is_empty(), "{name}");
    heard
}

/// Text, tag and rows of the requests with a text, all of which are answered.
fn answers(heard: &Heard) -> Vec<(&str, String, u64)> {
    heard
        .over()
        .into_iter()
        .filter_map(|told| {
            let reply = told.reply.as_ref().unwrap();
            let text = told.text.as_deref()?;
            assert!(reply.ok() && reply.complete, "{text}");
            Some((text, reply.tags.join("; "), reply.rows))
        })
        .collect()
}

fn session(heard: &Heard) -> &Session {
    let (stage, session) = heard.startups.last().unwrap();
    assert_eq!((*stage, session.login), (Stage::Answered, Some(Login::Accepted)));
    assert!(session.proof_sent && session.process_id.is_some());
    session
}

#[test]
fn ordinary_work_in_the_simple_protocol() {
    let heard = heard("pgsql_benign_0");
    let session = session(&heard);
    assert_eq!((session.user(), session.database(), session.application()), (Some("vbrapp"), Some("sales"), Some("psql")));
    assert_eq!(session.mechanism.as_deref(), Some("SCRAM-SHA-256"));
    let answers = answers(&heard);
    assert_eq!(answers[0], ("SELECT version()", "SELECT 1".to_owned(), 1));
    assert_eq!(answers[1].2, 10);
    assert_eq!(answers[2].1, "BEGIN; UPDATE 1; COMMIT");
    assert_eq!(heard.over()[3].reply.as_ref().unwrap().copy_out.messages, 3);
    assert_eq!(answers.len(), 4);
}

#[test]
fn ordinary_work_in_the_extended_protocol() {
    let heard = heard("pgsql_benign_1");
    assert_eq!(answers(&heard), [("SELECT name FROM items WHERE id = $1", "SELECT 1".to_owned(), 1)]);
    assert_eq!(heard.requests[0].kind, Kind::Execute);
    assert_eq!(heard.requests[0].parameters, [Parameter::Binary(2)]);
    assert_eq!(heard.requests[1].reply.as_ref().unwrap().columns, ["name"]);
}

#[test]
fn credentials_that_are_read() {
    let heard = heard("pgsql_credentials_0");
    assert_eq!(session(&heard).database(), Some("VeeamBackup"));
    let answers = answers(&heard);
    assert_eq!(answers[0], ("SELECT * FROM credentials", "SELECT 6".to_owned(), 6));
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|(text, _, rows)| text.contains("credentials") && *rows == 6));
    assert_eq!(heard.over()[0].reply.as_ref().unwrap().columns, ["id", "user_name", "password", "description"]);
}

#[test]
fn encryption_that_is_refused() {
    let goes_on = heard("pgsql_ssl_refused_0");
    assert_eq!(goes_on.over()[0].reply.as_ref().unwrap().accepted, Some(false));
    assert_eq!(answers(&goes_on), [("SELECT * FROM credentials", "SELECT 6".to_owned(), 6)]);
    let gives_up = heard("pgsql_ssl_refused_1");
    assert_eq!((gives_up.over().len(), gives_up.startups.len()), (1, 0));
    assert_eq!(gives_up.confirmed, [AppProto::Pgsql]);
}

#[test]
fn what_suricata_records_of_its_captures() {
    let first = heard("pgsql_md5_0");
    assert_eq!(first.over()[0].reply.as_ref().unwrap().accepted, Some(false));
    assert_eq!((first.startups[0].1.user(), first.startups[0].1.version), (Some("indexer"), Some((3, 0))));
    let second = heard("pgsql_md5_1");
    let session = session(&second);
    assert_eq!((session.authentication.as_ref(), session.process_id), (Some(&Authentication::Md5), Some(61)));
    assert_eq!(session.server_parameter("server_version"), Some("13.0 (Debian 13.0-1.pgdg100+1)"));
    assert_eq!(answers(&second), [("select * from rules where sid = 2021701;", "SELECT 3".to_owned(), 3)]);
    let reply = second.over()[1].reply.clone().unwrap();
    assert_eq!((reply.row_bytes, reply.column_count), (1_104, Some(10)));
    let copy = heard("pgsql_copy_out");
    let reply = copy.over()[1].reply.clone().unwrap();
    assert_eq!((reply.copy_out, reply.tag()), (Copied { messages: 5, bytes: 2_779 }, Some("COPY 5")));
}

#[test]
fn what_zeek_records_of_its_capture() {
    let heard = heard("pgsql_create_drop");
    let tags: Vec<_> = answers(&heard).into_iter().map(|(_, tag, rows)| (tag, rows)).collect();
    let expected = [
        ("DROP TABLE", 0),
        ("CREATE TABLE", 0),
        ("INSERT 0 1", 0),
        ("INSERT 0 1", 0),
        ("SELECT 2", 2),
        ("DELETE 2", 0),
        ("DROP TABLE", 0),
    ];
    assert_eq!(tags, expected.map(|(tag, rows)| (tag.to_owned(), rows)));
}

#[test]
fn a_server_of_today_in_the_simple_protocol() {
    let heard = heard("pgsql_live_simple");
    let over = heard.over();
    let find = |text: &str| over.iter().find(|told| told.text.as_ref().is_some_and(|known| known.contains(text))).unwrap();
    let copied = find("COPY  credentials FROM STDIN");
    assert_eq!((copied.copy_in.bytes, copied.reply.as_ref().unwrap().tag()), (12, Some("COPY 2")));
    assert_eq!(find("no_such_table").reply.as_ref().unwrap().error.as_ref().unwrap().code, "42P01");
    assert!(find("TO PROGRAM").reply.as_ref().unwrap().ok());
    assert!(over.iter().all(|told| told.stage == Stage::Answered));
}

#[test]
fn a_server_of_today_refuses_a_login() {
    let heard = heard("pgsql_live_refused");
    let (stage, session) = heard.startups.last().unwrap();
    assert_eq!((*stage, session.login), (Stage::Answered, Some(Login::Refused)));
    assert!(session.error.as_ref().unwrap().is_authentication_failure());
}

#[test]
fn a_server_of_today_in_the_extended_protocol() {
    let prepared = heard("pgsql_live_prepared");
    let text = "SELECT user_name FROM credentials WHERE id = $1 + 1;";
    let kinds: Vec<_> = prepared.over().iter().map(|told| told.kind).collect();
    assert_eq!(kinds, [Kind::Prepare, Kind::Execute, Kind::Execute, Kind::Execute]);
    assert!(prepared.requests.iter().all(|told| told.text.as_deref() == Some(text)));
    assert!(prepared.over()[1..].iter().all(|told| told.parameters == [Parameter::Text("0".to_owned())]));
    let pipeline = heard("pgsql_live_pipeline");
    let rows: Vec<_> = answers(&pipeline).into_iter().map(|(text, _, rows)| (text, rows)).collect();
    let pair = [("SELECT 1;", 1), ("SELECT user_name FROM credentials WHERE id = 2;", 1)];
    assert_eq!(rows, [pair, pair].concat());
}
