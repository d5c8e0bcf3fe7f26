//! Violations, gaps, truncation.

use super::*;
use crate::contract::Parser;
use crate::pgsql::message::Side;
use crate::pgsql::resync::{self, Search};
use crate::pgsql::{anomaly, parser::PgsqlParser};

#[test]
fn what_no_server_takes_is_a_violation() {
    for (bytes, event) in [
        (message(b'Y', b""), anomaly::UNEXPECTED_MESSAGE),
        (message(b'T', b"\0\0"), anomaly::UNEXPECTED_MESSAGE),
        (b"Q\0\0\0\x03".to_vec(), anomaly::BAD_LENGTH),
        (b"Q\x7f\xff\xff\xff".to_vec(), anomaly::BAD_LENGTH),
        (message(b'S', b"x"), anomaly::BAD_LENGTH),
        (message(b'Q', b"SELECT 1\0; DROP\0"), anomaly::MALFORMED_MESSAGE),
        (message(b'Q', b"SELECT 1"), anomaly::MALFORMED_MESSAGE),
        (message(b'P', b"name without an end"), anomaly::MALFORMED_MESSAGE),
        (message(b'B', b"\0\0\0\0\0\x01\0\0\x10\0x\0"), anomaly::MALFORMED_MESSAGE),
        (message(b'C', b"X\0"), anomaly::MALFORMED_MESSAGE),
        ([message(b'X', b""), query("SELECT 1")].concat(), anomaly::UNEXPECTED_MESSAGE),
    ] {
        let heard = hear(&after_login(&[(UP, bytes.clone())]));
        assert_eq!(heard.anomalies, [event], "{bytes:?}");
        assert!(anomaly::is_violation(event));
    }
    for (bytes, event) in [
        (message(b'Q', b"SELECT 1\0"), anomaly::UNEXPECTED_MESSAGE),
        (message(b'Z', b"X"), anomaly::MALFORMED_MESSAGE),
        (message(b'Z', b"II"), anomaly::BAD_LENGTH),
        (message(b'E', b"SERROR\0"), anomaly::MALFORMED_MESSAGE),
    ] {
        assert_eq!(hear(&after_login(&[(DOWN, bytes.clone())])).anomalies, [event], "{bytes:?}");
    }
    let after_refusal = |bytes: &[u8]| hear(&[(UP, SSL_REQUEST.to_vec()), (DOWN, b"N".to_vec()), (UP, bytes.to_vec())]).anomalies;
    assert_eq!(after_refusal(b"\0\0\0\x10\0\x02\0\0user\0ann"), [anomaly::UNSUPPORTED_VERSION]);
    assert_eq!(after_refusal(b"\0\0\xff\xff\0\x03\0\0"), [anomaly::BAD_STARTUP]);
    assert_eq!(after_refusal(&startup_of(0, b"user\0ann\0novalue")), [anomaly::BAD_STARTUP]);
}

#[test]
fn what_is_pending_at_a_violation_is_over() {
    let heard = hear(&after_login(&[(UP, query("SELECT 1")), (DOWN, b"nonsense".to_vec())]));
    assert_eq!(heard.texts(), [(Stage::Requested, "SELECT 1"), (Stage::Unanswered, "SELECT 1")]);
}

#[test]
fn a_gap_inside_a_message_keeps_the_place() {
    let (mut heard, mut driver) = (Heard::default(), Driver::new(Limits::default()));
    for (direction, bytes) in login() {
        driver.data(direction, &bytes, &mut heard);
    }
    let text = query("SELECT * FROM credentials WHERE name = 'x'");
    driver.data(UP, &text[..30], &mut heard);
    driver.gap(UP, 10, &mut heard);
    driver.data(UP, &[&text[40..], &query("SELECT 2")].concat(), &mut heard);
    driver.data(DOWN, &[tag("SELECT 1"), ready(), tag("SELECT 2"), ready()].concat(), &mut heard);
    assert_eq!(heard.texts()[0], (Stage::Requested, "SELECT * FROM credentials"));
    assert!(heard.requests[0].text_cut);
    let over = heard.over();
    assert_eq!((over.len(), over[1].reply.as_ref().unwrap().tag()), (2, Some("SELECT 2")));
    assert!(heard.anomalies.is_empty());
    assert_eq!(heard.sync, [(UP, false), (UP, true)]);
}

#[test]
fn behind_a_gap_the_next_message_beyond_doubt_is_found() {
    let (mut heard, mut driver) = (Heard::default(), Driver::new(Limits::default()));
    for (direction, bytes) in login() {
        driver.data(direction, &bytes, &mut heard);
    }
    driver.data(UP, &query("SELECT 1"), &mut heard);
    driver.data(DOWN, &columns(&["a"]), &mut heard);
    driver.gap(DOWN, 500, &mut heard);
    driver.data(DOWN, &[b"rest of a row Z\0\0\0\x06".to_vec(), tag("SELECT 7"), ready()].concat(), &mut heard);
    let reply = heard.over()[0].reply.clone().unwrap();
    assert_eq!((reply.tag(), reply.complete), (Some("SELECT 7"), false));
    // The client, too; what was lost with it is not guessed.
    driver.gap(UP, 500, &mut heard);
    driver.data(UP, &[b"tail of something'\0".to_vec(), query("SELECT 2")].concat(), &mut heard);
    driver.data(DOWN, &[tag("SELECT 2"), ready()].concat(), &mut heard);
    assert_eq!(heard.over()[1].text.as_deref(), Some("SELECT 2"));
    assert!(heard.anomalies.is_empty());
    assert_eq!(heard.sync, [(DOWN, false), (DOWN, true), (UP, false), (UP, true)]);
}

#[test]
fn a_reply_that_was_lost_is_not_given_to_the_next_request() {
    let (mut heard, mut driver) = (Heard::default(), Driver::new(Limits::default()));
    for (direction, bytes) in login() {
        driver.data(direction, &bytes, &mut heard);
    }
    driver.data(UP, &query("SELECT 1"), &mut heard);
    driver.gap(DOWN, 100, &mut heard);
    driver.data(UP, &query("SELECT 2"), &mut heard);
    driver.data(DOWN, &[tag("SELECT 2"), ready()].concat(), &mut heard);
    let over: Vec<_> = heard.over().iter().map(|told| (told.stage, told.text.clone().unwrap())).collect();
    assert_eq!(over, [(Stage::Unanswered, "SELECT 1".to_owned()), (Stage::Answered, "SELECT 2".to_owned())]);
}

#[test]
fn a_query_that_the_capture_cuts_is_told_with_what_is_there() {
    let text = query("DROP TABLE backups");
    let heard = hear(&after_login(&[(UP, text[..15].to_vec())]));
    assert_eq!(heard.texts(), [(Stage::Requested, "DROP TABLE"), (Stage::Unanswered, "DROP TABLE")]);
    assert!(heard.requests[0].text_cut && heard.anomalies.is_empty());
}

#[test]
fn one_direction_alone_is_read() {
    let heard = hear(&[(UP, [startup(), message(b'p', b"x\0"), query("SELECT 1"), query("SELECT 2")].concat())]);
    assert_eq!(heard.over().len(), 2);
    assert_eq!(heard.startups.len(), 2);
    let heard = hear(&[(DOWN, [b"N".to_vec(), ok(), ready(), tag("SELECT 1"), ready()].concat())]);
    assert!(heard.requests.is_empty() && heard.anomalies.is_empty());
    assert_eq!(heard.confirmed, [AppProto::Pgsql]);
}

#[test]
fn the_search_asks_for_what_it_needs_and_no_more() {
    let text = query("SELECT 1");
    assert_eq!(resync::search(Side::Frontend, &[b"xx", &text[..]].concat(), false), Search::Found { at: 2, startup: false });
    assert_eq!(resync::search(Side::Frontend, b"xxQ\0\0", false), Search::Perhaps { skip: 2, need: 4 });
    assert_eq!(resync::search(Side::Frontend, b"xxQabc", false), Search::Nowhere);
    assert_eq!(resync::search(Side::Backend, &[b"SS", &ready()[..]].concat(), false), Search::Found { at: 2, startup: false });
    assert_eq!(resync::search(Side::Frontend, &startup(), true), Search::Found { at: 0, startup: true });
}

#[test]
fn need_is_exact() {
    let mut parser = PgsqlParser::new(&Limits::default());
    let mut heard = Heard::default();
    let bytes = startup();
    let need = |len| crate::Advance::Need { consumed: 0, need: len };
    assert_eq!(parser.advance(UP, &bytes[..3], &mut heard), Ok(need(8)));
    assert_eq!(parser.advance(UP, &bytes[..9], &mut heard), Ok(need(bytes.len())));
    parser.advance(UP, &bytes, &mut heard).unwrap();
    let text = query("SELECT 1");
    assert_eq!(parser.advance(UP, &text[..1], &mut heard), Ok(need(5)));
    assert_eq!(parser.advance(UP, &text[..6], &mut heard), Ok(need(text.len())));
    // A row is passed over.
    let row = row(&["x".repeat(1_000).as_str()]);
    assert_eq!(parser.advance(DOWN, &row[..7], &mut heard), Ok(crate::Advance::Skip { consumed: 7, len: 1_004 }));
}

/// Thousands of steps wait, and each small message would look for its own among them.
#[test]
fn answers_to_nobody_do_not_take_time() {
    let waiting: Vec<u8> = [parse("", "SELECT 1"), bind("", "", 0, &[]).repeat(1_800), sync()].concat();
    let answers =
        [message(b'1', b"").repeat(20_000), message(b'3', b"").repeat(100_000), message(b'G', b"\0\0\0").repeat(50_000)];
    let copied = message(b'd', b"").repeat(100_000);
    let started = backstop_testkit::Stopwatch::start();
    for answers in answers {
        let script = after_login(&[
            (UP, waiting.clone()),
            (DOWN, answers),
            (UP, copied.clone()),
            (DOWN, ready()),
            (UP, query("SELECT 2")),
        ]);
        let heard = hear(&script);
        assert!(heard.requests.iter().any(|told| told.text.as_deref() == Some("SELECT 2")));
    }
    assert!(started.elapsed().as_secs() < 4, "{:?}", started.elapsed());
}
