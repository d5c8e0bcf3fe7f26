//! Requests and their replies.

use super::*;
use crate::pgsql::{Copy, anomaly};
use crate::testing::assert_every_segmentation_is_equal;

fn reply_of(told: &Told) -> &Reply {
    told.reply.as_ref().unwrap()
}

#[test]
fn a_query_has_its_rows_columns_and_tag() {
    let answer = [columns(&["user_name", "password"]), row(&["a", "bcd"]), row(&["", "x"]), tag("SELECT 2"), ready()].concat();
    let script = after_login(&[(UP, query("SELECT * FROM credentials")), (DOWN, answer), (UP, message(b'X', b""))]);
    let heard = hear(&script);
    assert_eq!(heard.texts(), [(Stage::Requested, "SELECT * FROM credentials"), (Stage::Answered, "SELECT * FROM credentials")]);
    let reply = reply_of(&heard.requests[1]);
    assert!(reply.ok() && reply.complete);
    assert_eq!((reply.rows, reply.row_bytes, reply.tag()), (2, 5, Some("SELECT 2")));
    assert_eq!((reply.column_count, &reply.columns[..]), (Some(2), &["user_name".to_owned(), "password".to_owned()][..]));
    assert_eq!(heard.contents, [("pgsql.query", b"SELECT * FROM credentials".to_vec())]);
    assert_eq!(heard.records, 2, "the startup and the request");
    assert!(heard.anomalies.is_empty());
    assert_every_segmentation_is_equal(&script);
}

#[test]
fn several_statements_of_a_query_are_one_request() {
    let answer = [
        tag("BEGIN"),
        message(b'N', b"SNOTICE\0C00000\0Mhm\0\0"),
        message(b'I', b""),
        error("ERROR", "42P01", "no table"),
        ready(),
    ];
    let heard = hear(&after_login(&[(UP, query("BEGIN; ; SELECT 1 FROM no")), (DOWN, answer.concat())]));
    let reply = reply_of(heard.over()[0]);
    assert_eq!((reply.tags.len(), reply.error.as_ref().unwrap().code.as_str(), reply.ok()), (1, "42P01", false));
}

#[test]
fn a_fatal_error_answers_although_nothing_follows() {
    let heard = hear(&after_login(&[(UP, query("SELECT 1")), (DOWN, error("FATAL", "57P01", "terminating"))]));
    let told = heard.over()[0];
    assert_eq!((told.stage, reply_of(told).complete), (Stage::Answered, false));
}

#[test]
fn an_execute_has_its_statement_and_parameters() {
    let values: [Option<&[u8]>; 3] = [Some(b"powershell -enc AAAA"), None, Some(b"\0\0\0\x01")];
    let batch = [parse("", "SELECT $1, $2, $3"), bind("", "", 0, &values[..2]), describe(), execute(""), sync()].concat();
    let answer = [bound(), columns(&["a"]), row(&["1"]), tag("SELECT 1"), ready()].concat();
    // A named statement stays, also with parameters in binary format.
    let named = [parse("s", "CALL p($1, $2, $3)"), sync()].concat();
    let again = [bind("c", "s", 1, &values), execute("c"), sync()].concat();
    let script = after_login(&[
        (UP, batch),
        (DOWN, answer),
        (UP, named),
        (DOWN, [message(b'1', b""), ready()].concat()),
        (UP, again),
        (DOWN, [message(b'2', b""), tag("CALL"), ready()].concat()),
    ]);
    let heard = hear(&script);
    let over = heard.over();
    let text = Parameter::Text("powershell -enc AAAA".to_owned());
    assert_eq!(over[0].kind, Kind::Execute);
    assert_eq!(over[0].text.as_deref(), Some("SELECT $1, $2, $3"));
    assert_eq!(over[0].parameters, [text.clone(), Parameter::Null]);
    assert_eq!((reply_of(over[0]).tag(), &reply_of(over[0]).columns[..]), (Some("SELECT 1"), &["a".to_owned()][..]));
    assert_eq!((over[1].kind, over[1].text.as_deref()), (Kind::Prepare, Some("CALL p($1, $2, $3)")));
    assert!(reply_of(over[1]).ok());
    assert_eq!((over[2].kind, over[2].text.as_deref()), (Kind::Execute, Some("CALL p($1, $2, $3)")));
    assert_eq!(over[2].parameters, [text, Parameter::Null, Parameter::Binary(4)]);
    assert_eq!(over.len(), 3);
    assert!(heard.contents.contains(&("pgsql.parameter", b"powershell -enc AAAA".to_vec())));
    assert!(heard.anomalies.is_empty());
    assert_every_segmentation_is_equal(&script);
}

#[test]
fn an_error_answers_all_up_to_the_sync_and_nothing_behind() {
    let first = [parse("", "SELECT broken"), bind("", "", 0, &[]), execute(""), sync()].concat();
    let second = [parse("", "SELECT fine"), bind("", "", 0, &[]), execute(""), sync()].concat();
    let answer = [error("ERROR", "42703", "no column"), ready(), bound(), tag("SELECT 1"), ready()].concat();
    let heard = hear(&after_login(&[(UP, [first, second].concat()), (DOWN, answer)]));
    let over: Vec<_> = heard.over().iter().map(|told| (told.text.clone().unwrap(), reply_of(told).ok())).collect();
    assert_eq!(over, [("SELECT broken".to_owned(), false), ("SELECT fine".to_owned(), true)]);
    // What the client sends before it knows of the error is discarded, too.
    let late = [bind("", "", 0, &[]), execute(""), sync()].concat();
    let script = [
        (UP, parse("", "SELECT broken")),
        (DOWN, error("ERROR", "42703", "no column")),
        (UP, late),
        (DOWN, ready()),
        (UP, query("SELECT 2")),
        (DOWN, [tag("SELECT 1"), ready()].concat()),
    ];
    let heard = hear(&after_login(&script));
    let over: Vec<_> = heard.over().iter().map(|told| (told.kind, reply_of(told).ok())).collect();
    assert_eq!(over, [(Kind::Prepare, false), (Kind::Execute, false), (Kind::SimpleQuery, true)]);
}

#[test]
fn a_portal_in_parts_and_its_close() {
    let batch = [parse("", "SELECT 1"), bind("p", "", 0, &[]), execute("p"), message(b'H', b"")].concat();
    let more = [execute("p"), message(b'C', b"Pp\0"), sync()].concat();
    let script = [
        (UP, batch),
        (DOWN, [bound(), row(&["1"]), message(b's', b"")].concat()),
        (UP, more),
        (DOWN, [row(&["2"]), tag("SELECT 1"), message(b'3', b""), ready()].concat()),
        (UP, [execute("p"), sync()].concat()),
        (DOWN, [error("ERROR", "34000", "portal \"p\" does not exist"), ready()].concat()),
    ];
    let heard = hear(&after_login(&script));
    let over = heard.over();
    assert_eq!((reply_of(over[0]).suspended, reply_of(over[0]).rows), (true, 1));
    assert_eq!((reply_of(over[1]).suspended, reply_of(over[1]).rows), (false, 1));
    assert_eq!((over[2].text.as_deref(), reply_of(over[2]).ok()), (None, false));
}

#[test]
fn a_function_call_has_its_object_id() {
    let call = message(b'F', b"\0\0\x02\xfd\0\x01\0\0\0\x02\0\0\0\x041234\0\0\0\x16/var/lib/postgresql/x\0\0\0");
    let heard = hear(&after_login(&[(UP, call), (DOWN, [message(b'V', b"\0\0\0\x011"), ready()].concat())]));
    let told = heard.over()[0];
    assert_eq!((told.kind, told.function), (Kind::FunctionCall, Some(765)), "lo_export");
    assert_eq!(told.parameters[0], Parameter::Text("1234".to_owned()));
    assert!(reply_of(told).returned && reply_of(told).ok());
}

#[test]
fn copy_from_the_client_is_counted_and_its_head_is_offered() {
    let data = [message(b'd', b"1\tMZ"), message(b'd', &vec![b'x'; 40_000]), message(b'c', b"")].concat();
    let script = after_login(&[
        (UP, query("COPY t FROM STDIN")),
        (DOWN, message(b'G', b"\0\0\x02\0\0\0\0")),
        (UP, data),
        (DOWN, [tag("COPY 2"), ready()].concat()),
    ]);
    let heard = hear(&script);
    let told = heard.over()[0];
    assert_eq!(told.copy_in, Copied { messages: 2, bytes: 40_004 });
    assert_eq!((reply_of(told).copy, reply_of(told).tag()), (Some(Copy::In(2)), Some("COPY 2")));
    assert_eq!(heard.contents.len(), 2);
    assert_eq!((heard.contents[1].0, heard.contents[1].1.len()), ("pgsql.copy", 16 * 1024));
    assert!(heard.contents[1].1.starts_with(b"1\tMZ"));
    assert_every_segmentation_is_equal(&script);
}

#[test]
fn sync_during_copy_is_not_answered() {
    let batch = [parse("", "COPY t FROM STDIN"), bind("", "", 0, &[]), execute(""), sync()].concat();
    let data = [message(b'd', b"1"), sync(), message(b'c', b""), sync()].concat();
    let next = [parse("", "SELECT 1"), bind("", "", 0, &[]), execute(""), sync()].concat();
    let answer = [bound(), message(b'G', b"\0\0\x01\0\0")].concat();
    let script = [
        (UP, batch.clone()),
        (DOWN, answer.clone()),
        (UP, data),
        (DOWN, [tag("COPY 1"), ready()].concat()),
        (UP, next.clone()),
        (DOWN, [bound(), tag("SELECT 1"), ready()].concat()),
    ];
    let tags = |heard: &Heard| heard.over().iter().map(|told| reply_of(told).tag().map(str::to_owned)).collect::<Vec<_>>();
    let expected = [Some("COPY 1".to_owned()), Some("SELECT 1".to_owned())];
    assert_eq!(tags(&hear(&after_login(&script))), expected);
    // All of it sent before the server says a word.
    let at_once = [batch, message(b'd', b"1"), message(b'c', b""), sync(), next].concat();
    let answer = [answer, tag("COPY 1"), ready(), bound(), tag("SELECT 1"), ready()].concat();
    assert_eq!(tags(&hear(&after_login(&[(UP, at_once), (DOWN, answer)]))), expected);
}

#[test]
fn copy_to_the_client_is_counted() {
    let answer = [
        message(b'H', b"\0\0\x01\0\0"),
        message(b'd', b"one\n"),
        message(b'd', b"two\n"),
        message(b'c', b""),
        tag("COPY 2"),
        ready(),
    ];
    let heard = hear(&after_login(&[(UP, query("COPY t TO STDOUT")), (DOWN, answer.concat())]));
    let reply = reply_of(heard.over()[0]);
    assert_eq!((reply.copy, reply.copy_out), (Some(Copy::Out(1)), Copied { messages: 2, bytes: 8 }));
}

#[test]
fn queries_sent_at_once_have_their_own_replies() {
    let both = [query("SELECT 1"), query("SELECT 2")].concat();
    let heard = hear(&after_login(&[(UP, both), (DOWN, [tag("SELECT 1"), ready(), error("ERROR", "1", "x"), ready()].concat())]));
    let ok: Vec<_> = heard.over().iter().map(|told| (told.text.clone().unwrap(), reply_of(told).ok())).collect();
    assert_eq!(ok, [("SELECT 1".to_owned(), true), ("SELECT 2".to_owned(), false)]);
    let ids: Vec<_> = heard.over().iter().map(|told| told.tx_id).collect();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn passwords_in_a_statement_stay_out_of_the_record() {
    let recorder = crate::testing::run(&after_login(&[(UP, query("ALTER ROLE ann PASSWORD 'Passw0rd'"))]));
    let records: Vec<_> = recorder.transactions().map(|(_, fields)| format!("{fields:?}")).collect();
    assert!(records.iter().any(|record| record.contains("PASSWORD '***'")));
    assert!(!records.iter().any(|record| record.contains("Passw0rd")));
}

#[test]
fn more_requests_than_may_wait_are_given_up_and_the_next_is_paired_again() {
    let limits = Limits { max_pending: 4, ..Limits::default() };
    let many: Vec<u8> = (0..5).flat_map(|number| query(&format!("SELECT {number}"))).collect();
    let answers: Vec<u8> = (0..5).flat_map(|number| [tag(&format!("SELECT {number}")), ready()].concat()).collect();
    let next = [(UP, query("SELECT 9")), (DOWN, [tag("SELECT 9"), ready()].concat())];
    let heard = hear_with(limits, &after_login(&[[(UP, many), (DOWN, answers)], next].concat()));
    assert_eq!(heard.anomalies, [anomaly::PENDING_LIMIT]);
    let over = heard.over();
    assert!(over[..5].iter().all(|told| told.stage == Stage::Unanswered));
    assert_eq!((over[5].text.as_deref(), reply_of(over[5]).tag()), (Some("SELECT 9"), Some("SELECT 9")));
    // The same inside a batch.
    let step = [bind("", "", 0, &[]), execute("")].concat();
    let batch = [parse("", "SELECT 1"), step.repeat(7), sync()].concat();
    let answers = [message(b'1', b""), [message(b'2', b""), tag("SELECT 1")].concat().repeat(7), ready()].concat();
    let heard = hear_with(
        limits,
        &after_login(
            &[[(UP, batch), (DOWN, answers)], [(UP, query("SELECT 9")), (DOWN, [tag("SELECT 9"), ready()].concat())]].concat(),
        ),
    );
    let over = heard.over();
    assert_eq!(over.len(), 8);
    assert_eq!(reply_of(over[7]).tag(), Some("SELECT 9"));
}

#[test]
fn the_oldest_statements_are_forgotten_beyond_the_cap() {
    let limits = Limits { max_dictionary_strings: 2, ..Limits::default() };
    let run = |name: &str| [bind("", name, 0, &[]), execute(""), sync()].concat();
    let prepared: Vec<u8> = ["a", "b", "c", "d"].iter().flat_map(|name| parse(name, &format!("SELECT '{name}'"))).collect();
    let heard = hear_with(limits, &after_login(&[(UP, prepared), (UP, run("a")), (UP, run("d"))]));
    assert_eq!(heard.anomalies, [anomaly::STATEMENT_LIMIT], "once");
    let texts: Vec<_> =
        heard.requests.iter().filter(|told| told.stage == Stage::Requested && told.kind == Kind::Execute).collect();
    assert_eq!((texts[0].text.as_deref(), texts[1].text.as_deref()), (None, Some("SELECT 'd'")));
}

#[test]
fn a_long_query_gives_its_head() {
    let limits = Limits { max_message: 1_000, ..Limits::default() };
    let long = format!("SELECT '{}'", "x".repeat(5_000));
    let heard = hear_with(limits, &after_login(&[(UP, query(&long)), (UP, query("SELECT 2"))]));
    assert_eq!(heard.anomalies, [anomaly::REQUEST_CUT]);
    let told = &heard.requests[0];
    assert_eq!((told.text_cut, told.text.as_ref().unwrap().len()), (true, 1_000));
    assert_eq!(heard.sync, [(UP, false), (UP, true)]);
    assert_eq!(heard.requests[1].text.as_deref(), Some("SELECT 2"));
}

#[test]
fn padding_does_not_count() {
    let pad = format!("{}/* {} */ -- {}\n", " ".repeat(2_000), "' /* x */ ".repeat(500), "y ".repeat(900));
    let command = "COPY t FROM PROGRAM 'a  b'";
    for limits in [Limits { max_message: 1_000, ..Limits::default() }, Limits { max_text: 600, ..Limits::default() }] {
        let padded = format!("SELECT 1;{pad}{pad}{command}");
        let run = [parse("a", &padded), bind("", "a", 0, &[]), execute(""), sync()].concat();
        let heard = hear_with(limits, &after_login(&[(UP, query(&padded)), (UP, run), (UP, query("SELECT 2"))]));
        assert!(heard.anomalies.is_empty(), "{:?}", heard.anomalies);
        let texts: Vec<_> = heard.requests.iter().filter_map(|told| told.text.as_deref()).collect();
        assert!(texts.iter().filter(|text| **text == format!("SELECT 1;\n{command}")).count() >= 2, "{texts:?}");
        assert!(texts.contains(&"SELECT 2"));
        assert!(heard.requests.iter().all(|told| !told.text_cut));
    }
}

#[test]
fn however_a_padded_statement_is_cut_the_same_is_told() {
    let limits = Limits { max_message: 500, ..Limits::default() };
    let told = |piece: usize| {
        let padded = query(&format!("{}DROP TABLE a{}", "/* x */ \n".repeat(300), " -- y\n".repeat(300)));
        let long = query(&format!("SELECT '{}'", "x".repeat(2_000)));
        let mut recorder = crate::testing::Recorder::default();
        let mut driver = Driver::new(limits);
        for (direction, bytes) in after_login(&[(UP, padded.clone()), (UP, long), (UP, query("SELECT 2"))]) {
            for bytes in bytes.chunks(piece) {
                driver.data(direction, bytes, &mut recorder);
                assert!(driver.buffered() < 32 * 1024);
            }
        }
        // A hole inside: what was read of it counts, and the next is found.
        driver.data(UP, &padded[..3_000], &mut recorder);
        driver.gap(UP, 50, &mut recorder);
        driver.data(UP, &padded[3_050..], &mut recorder);
        driver.data(UP, &query("SELECT 3"), &mut recorder);
        crate::testing::close(&mut driver, &mut recorder);
        recorder.events
    };
    let whole = told(usize::MAX);
    let shown = format!("{whole:?}");
    assert!(shown.contains("DROP TABLE a") && shown.contains("SELECT 2") && shown.contains("SELECT 3"), "{shown}");
    for piece in [1, 7, 499, 500, 501, 1_000] {
        assert_eq!(told(piece), whole, "{piece}");
    }
}
