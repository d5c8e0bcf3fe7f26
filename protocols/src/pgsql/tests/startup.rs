//! Startup, encryption, authentication, and who is recognised.

use super::*;
use crate::contract::{Advance, Parser, Probe};
use crate::pgsql::parser::PgsqlParser;
use crate::pgsql::{Authentication, Encryption, Login, Status, anomaly, resync};
use crate::testing::{assert_every_segmentation_is_equal, fixture};

#[test]
fn a_startup_is_told_when_asked_and_when_the_server_is_ready() {
    let server =
        [message(b'v', b"\0\x03\0\x02\0\0\0\x01_pq_.x\0"), message(b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")];
    let proof = message(b'p', b"SCRAM-SHA-256\0\0\0\0\x05PROOF");
    let last =
        [message(b'R', b"\0\0\0\x0cv=SERVERPROOF"), ok(), message(b'S', b"TimeZone\0UTC\0"), message(b'S', b"TimeZone\0CET\0")];
    let keys = [message(b'K', &[b"\0\0\x12\x34".as_slice(), &[b'k'; 32]].concat()), ready()];
    let script = vec![
        (UP, startup_of(9_999, b"user\0ann\0_pq_.x\0\x31\0")),
        (DOWN, server.concat()),
        (UP, proof),
        (DOWN, message(b'R', b"\0\0\0\x0br=NONCE")),
        (UP, message(b'p', b"c=biws,p=PROOF")),
        (DOWN, [last.concat(), keys.concat()].concat()),
    ];
    let heard = hear(&script);
    assert!(heard.anomalies.is_empty() && heard.requests.is_empty());
    assert_eq!(heard.confirmed, [AppProto::Pgsql]);
    assert_eq!(heard.startups.iter().map(|(stage, _)| *stage).collect::<Vec<_>>(), [Stage::Requested, Stage::Answered]);
    let session = &heard.startups[1].1;
    assert_eq!((session.version, session.negotiated_minor), (Some((3, 9_999)), Some(2)));
    assert_eq!((session.user(), session.database(), session.application()), (Some("ann"), Some("ann"), None));
    let offered = vec!["SCRAM-SHA-256-PLUS".to_owned(), "SCRAM-SHA-256".to_owned()];
    assert_eq!(session.authentication, Some(Authentication::Sasl(offered)));
    assert_eq!(session.mechanism.as_deref(), Some("SCRAM-SHA-256"));
    assert_eq!((session.login, session.status), (Some(Login::Accepted), Some(Status::Idle)));
    assert_eq!((session.server_parameter("TimeZone"), session.process_id), (Some("CET"), Some(0x1234)));
    assert!(session.proof_sent);
    let all = format!("{heard:?}");
    assert!(!all.contains("PROOF") && !all.contains("NONCE") && !all.contains("kkkk"), "nothing secret is kept");
    assert_every_segmentation_is_equal(&script);
}

#[test]
fn every_kind_of_authentication_has_its_name() {
    for (code, body, name) in [
        (2, b"".as_slice(), "kerberos"),
        (3, b"", "cleartext"),
        (5, b"salt", "md5"),
        (7, b"", "gss"),
        (9, b"", "sspi"),
        (10, b"X\0\0", "sasl"),
        (0, b"", "none"),
    ] {
        let asked = message(b'R', &[&[0, 0, 0, code], body].concat());
        let heard = hear(&[(UP, startup()), (DOWN, asked), (UP, message(b'p', b"Passw0rd\0")), (DOWN, [ok(), ready()].concat())]);
        let session = &heard.startups[1].1;
        assert_eq!(session.authentication.as_ref().map(Authentication::name), Some(name));
        assert!(heard.anomalies.is_empty());
        assert!(!format!("{heard:?}").contains("Passw0rd"));
    }
}

#[test]
fn a_refused_login_says_why() {
    let refused =
        [message(b'R', b"\0\0\0\x03"), error("FATAL", "28P01", "password authentication failed for user \"ann\"")].concat();
    let heard = hear(&[(UP, startup()), (DOWN, refused)]);
    let (stage, session) = &heard.startups[1];
    assert_eq!((*stage, session.login), (Stage::Answered, Some(Login::Refused)));
    let report = session.error.as_ref().unwrap();
    assert_eq!((report.severity(), report.code.as_str()), ("FATAL", "28P01"));
    assert!(report.is_authentication_failure());
    // The proof was good, the database was not.
    let heard = hear(&[(UP, startup()), (DOWN, [ok(), error("FATAL", "3D000", "database does not exist")].concat())]);
    let session = &heard.startups[1].1;
    assert_eq!(session.login, Some(Login::Refused));
    assert!(!session.error.as_ref().unwrap().is_authentication_failure());
    assert_eq!(heard.records, 1);
}

#[test]
fn a_startup_without_an_answer_is_told_at_the_end() {
    let stages: Vec<_> = hear(&[(UP, startup())]).startups.into_iter().map(|(stage, _)| stage).collect();
    assert_eq!(stages, [Stage::Requested, Stage::Unanswered]);
}

#[test]
fn a_refused_encryption_goes_on_in_the_clear() {
    let script =
        [vec![(UP, GSSENC_REQUEST.to_vec()), (DOWN, b"N".to_vec()), (UP, SSL_REQUEST.to_vec()), (DOWN, b"N".to_vec())], login()];
    let script = script.concat();
    let heard = hear(&script);
    let told: Vec<_> =
        heard.over().iter().map(|told| (told.kind, told.reply.as_ref().and_then(|reply| reply.accepted))).collect();
    assert_eq!(told, [(Kind::GssEncRequest, Some(false)), (Kind::SslRequest, Some(false))]);
    assert_eq!(heard.startups[1].1.login, Some(Login::Accepted));
    assert!(heard.anomalies.is_empty());
    assert_every_segmentation_is_equal(&script);
}

#[test]
fn an_error_may_answer_an_encryption_request() {
    let heard = hear(&[(UP, SSL_REQUEST.to_vec()), (DOWN, error("FATAL", "53300", "too many connections"))]);
    let reply = heard.over()[0].reply.clone().unwrap();
    assert_eq!(reply.error.unwrap().code, "53300");
    assert!(heard.anomalies.is_empty());
}

fn advance(parser: &mut PgsqlParser, direction: Direction, bytes: &[u8], heard: &mut Heard) -> Advance {
    parser.advance(direction, bytes, heard).unwrap()
}

#[test]
fn an_accepted_encryption_wraps_both_directions() {
    for (request, answer, within, encryption) in
        [(SSL_REQUEST, b"S", Some(AppProto::Tls), Encryption::Tls), (GSSENC_REQUEST, b"G", None, Encryption::Gss)]
    {
        let (mut parser, mut heard) = (PgsqlParser::new(&Limits::default()), Heard::default());
        assert_eq!(advance(&mut parser, UP, request, &mut heard), Advance::Consumed);
        assert_eq!(advance(&mut parser, DOWN, answer, &mut heard), Advance::Wrap { consumed: 1, within });
        assert_eq!(advance(&mut parser, UP, b"\x16\x03\x01", &mut heard), Advance::Wrap { consumed: 0, within });
        assert_eq!(heard.over()[0].reply.as_ref().unwrap().accepted, Some(true));
        // What is unwrapped goes on as a session.
        assert_eq!(advance(&mut parser, UP, &startup(), &mut heard), Advance::Consumed);
        assert_eq!(advance(&mut parser, DOWN, &[ok(), ready()].concat(), &mut heard), Advance::Consumed);
        let session = &heard.startups[1].1;
        assert_eq!((session.encryption, session.login), (Some(encryption), Some(Login::Accepted)));
        assert!(heard.anomalies.is_empty());
    }
}

#[test]
fn tls_of_the_client_alone_shows_that_it_was_accepted() {
    let (mut parser, mut heard) = (PgsqlParser::new(&Limits::default()), Heard::default());
    advance(&mut parser, UP, SSL_REQUEST, &mut heard);
    let wraps = Advance::Wrap { consumed: 0, within: Some(AppProto::Tls) };
    assert_eq!(advance(&mut parser, UP, b"\x16\x03\x01\0\0", &mut heard), wraps);
}

/// Client and server of a TLS session behind SSLRequest and S.
fn tls_behind_request() -> Script {
    let mut script = vec![(UP, SSL_REQUEST.to_vec()), (DOWN, b"S".to_vec())];
    script.extend(fixture("tls12_no_sni").unwrap());
    script
}

#[test]
fn tls_behind_a_request_is_read_as_tls() {
    let script = tls_behind_request();
    let recorder = crate::testing::run(&script);
    assert!(recorder.transactions().any(|(of, _)| of == AppProto::Tls));
    assert!(recorder.anomalies().is_empty());
    assert_every_segmentation_is_equal(&script);
}

/// SSLRequest, TLS, and inside it what the same conversation says in the clear.
#[test]
fn with_keys_the_inside_of_tls_is_the_same_session() {
    for (name, clear) in [("pgsql_tls_credentials", "pgsql_credentials_0"), ("pgsql_tls_prepared", "pgsql_live_prepared")] {
        let keys = crate::testing::fixture_keys(name).unwrap().unwrap();
        let script = fixture(name).unwrap();
        let recorder = crate::testing::run_with_keys(&script, Some(&keys));
        assert!(recorder.anomalies().is_empty(), "{name}: {:?}", recorder.anomalies());
        let told = |recorder: &crate::testing::Recorder| {
            let told = recorder.transactions().filter(|(of, _)| *of == AppProto::Pgsql).map(|(_, fields)| {
                let facts = ["request", "response"].map(|side| fields.get(side).cloned());
                (facts, fields.get("tx_id").cloned())
            });
            told.collect::<Vec<_>>()
        };
        let inside: Vec<_> = told(&recorder).into_iter().map(|(facts, _)| facts).collect();
        let clear: Vec<_> = told(&crate::testing::run(&fixture(clear).unwrap())).into_iter().map(|(facts, _)| facts).collect();
        let request = inside.len() - clear.len();
        assert!(request > 0 && clear.len() > 2, "{name}: the request for TLS is in front");
        assert_eq!(inside[request..], clear, "{name}");
    }
}

#[test]
fn clear_bytes_before_an_accepted_encryption_are_a_violation() {
    let heard = hear(&[(UP, [SSL_REQUEST, &startup()].concat()), (DOWN, b"S".to_vec())]);
    assert_eq!(heard.anomalies, [anomaly::CLEAR_BEFORE_ENCRYPTION]);
    let heard = hear(&[(UP, [SSL_REQUEST, &startup()].concat()), (DOWN, [b"N".to_vec(), ok(), ready()].concat())]);
    assert!(heard.anomalies.is_empty());
    assert_eq!(heard.startups.len(), 2);
}

#[test]
fn another_answer_is_a_violation() {
    let heard = hear(&[(UP, SSL_REQUEST.to_vec()), (DOWN, b"HTTP/1.1 400".to_vec())]);
    assert_eq!(heard.anomalies, [anomaly::BAD_ENCRYPTION_ANSWER]);
    assert!(heard.confirmed.is_empty(), "a server that speaks something else");
    assert_eq!(heard.over()[0].stage, Stage::Unanswered);
}

#[test]
fn a_cancel_request_names_its_process_and_no_key() {
    let heard = hear(&[(UP, b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07keyy".to_vec())]);
    let told: Vec<_> = heard.requests.iter().map(|told| (told.stage, told.kind, told.process_id)).collect();
    assert_eq!(told, [(Stage::Requested, Kind::Cancel, Some(7)), (Stage::Unanswered, Kind::Cancel, Some(7))]);
    assert!(heard.anomalies.is_empty());
    // Since 3.2 the key may be longer.
    let long = [b"\0\0\0\x2c\x04\xd2\x16\x2e\0\0\0\x07".as_slice(), &[b'k'; 32]].concat();
    assert_eq!(hear(&[(UP, long)]).over()[0].process_id, Some(7));
}

#[test]
fn both_sides_are_recognised_by_what_they_say_first() {
    for (direction, bytes) in [
        (UP, startup()),
        (UP, SSL_REQUEST.to_vec()),
        (UP, GSSENC_REQUEST.to_vec()),
        (DOWN, ok()),
        (DOWN, message(b'R', b"\0\0\0\x05salt")),
        (DOWN, message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0")),
        (DOWN, error("FATAL", "28000", "no")),
        (DOWN, [b"N".to_vec(), ok()].concat()),
        (DOWN, b"S\x16\x03\x03\0\x5a\x02".to_vec()),
    ] {
        for each in [direction, direction.reverse()] {
            assert_eq!(resync::probe(each, &bytes), Probe::Certain, "{bytes:?}");
        }
        // Less never says something else.
        for len in 0..bytes.len() {
            let probe = resync::probe(direction, &bytes[..len]);
            assert!(matches!(probe, Probe::MoreBytes | Probe::Certain), "{len} of {bytes:?}: {probe:?}");
        }
    }
}

#[test]
fn the_middle_of_a_session_is_recognised_by_messages_beyond_doubt() {
    for (direction, bytes) in [
        (UP, query("select 1")),
        (UP, query("  (SELECT 1)")),
        (UP, query("/* tool */ SELECT 1")),
        (UP, parse("S_1", "UPDATE t SET a = $1")),
        (UP, [bind("", "S_1", 0, &[Some(b"x")]), execute(""), sync()].concat()),
        (DOWN, [row(&["1", "2"]), tag("SELECT 1")].concat()),
        (DOWN, [bound(), ready()].concat()),
    ] {
        assert_eq!(resync::probe(direction, &bytes), Probe::Possible, "{bytes:?}");
    }
    let heard = hear(&[(UP, query("SELECT 1")), (DOWN, [columns(&["a"]), row(&["1"]), tag("SELECT 1"), ready()].concat())]);
    assert_eq!(heard.texts(), [(Stage::Requested, "SELECT 1"), (Stage::Answered, "SELECT 1")]);
    assert!(heard.over()[0].reply.as_ref().unwrap().ok());
    // Picked up the wrong way round.
    let heard = hear(&[(DOWN, query("SELECT 1")), (UP, [columns(&["a"]), row(&["1"]), tag("SELECT 1"), ready()].concat())]);
    assert_eq!(heard.texts(), [(Stage::Requested, "SELECT 1"), (Stage::Answered, "SELECT 1")]);
}

#[test]
fn look_alikes_are_something_else() {
    for (direction, bytes) in [
        (UP, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice()),
        (UP, b"POST / HTTP/1.1\r\n\r\n"),
        (UP, b"QUIT\r\n"),
        (UP, b"EHLO example\r\n"),
        (UP, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
        (UP, b"\x12\x01\0\x2f\0\0\x01\0\0\0\x1a\0\x06\x01\0\x20\0\x01\x02"),
        (UP, b"\0\0\0\x54\xffSMB\x72\0\0\0\0\x18\x01\x28"),
        (UP, b"\0\0\0\xa4\xfeSMB\x40\0\0\0"),
        (UP, b"\0\x01\0\x01\x02\x02\x1bnet.tcp://10.20.30.10:9401/"),
        (UP, b"\0\x1c\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0"),
        (UP, b"\0\0\x05\xa1\x6a\x82\x05\x9d\x30"),
        // Version 2, and a StartupMessage without names.
        (UP, b"\0\0\x01\x28\0\x02\0\0template1\0\0\0"),
        (UP, b"\0\0\0\x10\0\x03\0\0\x80\x81\x82\x83\0\0\0\0"),
        (UP, b"\0\0\xff\xff\0\x03\0\0user\0ann\0"),
        (UP, b"S\0\0\0\x04"),
        (UP, b"Q\0\0\0\x0ahello\0"),
        (DOWN, b"HTTP/1.1 200 OK\r\n"),
        (DOWN, b"SSH-2.0-OpenSSH_9.2\r\n"),
        (DOWN, b"\x4a\0\0\0\x0a5.7.42\0\x08\0\0\0"),
        (DOWN, b"R\0\0\0\x08\0\0\0\x63"),
        (DOWN, b"Z\0\0\0\x05X"),
        (DOWN, b"220 mail ESMTP\r\n"),
        (DOWN, b"NOTICE AUTH\r\n"),
    ] {
        let probe = resync::probe(direction, bytes);
        assert!(matches!(probe, Probe::No | Probe::MoreBytes), "{bytes:?}: {probe:?}");
        assert!(probe == Probe::No || bytes == b"S\0\0\0\x04", "{bytes:?}: {probe:?}");
    }
}
