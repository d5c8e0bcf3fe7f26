//! Inputs that want more than there is to give, and bytes that are missing.

use super::super::tokens::MAX_WALKED;
use super::super::{anomaly, is_violation};
use super::*;
use crate::contract::Limits;
use crate::driver::Driver;

fn run_limited(script: &Script, limits: Limits) -> (Recorder, usize) {
    let (mut recorder, mut driver, mut most) = (Recorder::default(), Driver::new(limits), 0);
    for (direction, bytes) in script {
        driver.data(*direction, bytes, &mut recorder);
        most = most.max(driver.buffered());
    }
    testing::close(&mut driver, &mut recorder);
    (recorder, most)
}

#[test]
fn of_a_long_batch_the_head_is_told_and_the_reply_still_found() {
    let limits = Limits { max_message: 4_096, ..Limits::default() };
    let long = format!("EXEC xp_cmdshell 'a' {}", "-- x ".repeat(20_000));
    let payload = [hex(HEADERS), utf16(&long)].concat();
    let script = session([(UP, message(packet::SQL_BATCH, &payload, 4_088)), reply(DONE), batch("select 1"), reply(DONE)]);
    let (recorder, most) = run_limited(&script, limits);
    assert_eq!(recorder.anomalies(), [anomaly::MESSAGE_TOO_LONG]);
    let told = requests(&recorder);
    assert_eq!(told.iter().filter(|fields| fields.get("reply").is_some()).count(), 2);
    assert_eq!(told[0].get("truncated"), Some(&Fact::Bool(true)));
    assert!(texts(&recorder)[0].starts_with("EXEC xp_cmdshell 'a' "));
    assert!(most < 32 * 1024, "{most}");
}

#[test]
fn rows_without_end_cost_no_memory_and_their_end_is_seen() {
    let columns = hex("81 0100 00000000 0000 a5 401f 01 6100");
    let row = [&[0xd1, 0x40, 0x1f], [0x55; 8_000].as_slice()].concat();
    let rows = usize::try_from(MAX_WALKED).unwrap() / row.len() + 500;
    let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
    for (direction, bytes) in session([batch("select a from t")]) {
        driver.data(direction, &bytes, &mut recorder);
    }
    driver.data(DOWN, &packet_of(packet::TABULAR_RESULT, 0, &columns), &mut recorder);
    for _ in 0..rows {
        driver.data(DOWN, &packet_of(packet::TABULAR_RESULT, 0, &row), &mut recorder);
        assert!(driver.buffered() < 4_096);
    }
    driver.data(DOWN, &reply("fd 1000 c100 e803000000000000").1, &mut recorder);
    driver.data(UP, &batch("select 2").1, &mut recorder);
    let told = requests(&recorder);
    let answer = object(&told[1], "reply");
    assert_eq!((answer.get("complete"), answer.get("ok")), (Some(&Fact::Bool(false)), Some(&Fact::Bool(true))));
    assert!(recorder.anomalies().is_empty() && told.len() == 3);
}

#[test]
fn declared_lengths_are_not_believed() {
    for tokens in [
        // A value of 4 GiB; a chunk of 4 GiB; features and session state of 4 GiB; 65,534 columns; a row of nobody's columns.
        "81 0100 00000000 0000 62 491f0000 01 6100 d1 feffffff 00",
        "81 0100 00000000 0000 a5 ffff 01 6100 d1 feffffffffffffff ffffffff 00",
        "ae 01 ffffffff 00",
        "e4 ffffffff 00",
        "81 feff 00000000",
        "d1 00 00 00",
        "ab ffff 00",
        "81 0100 00000000 0000 1f 01 6100",
        "99 99 99",
    ] {
        let (recorder, most) =
            run_limited(&session([batch("select 1"), reply(tokens), batch("select 2"), reply(DONE)]), Limits::default());
        let told = requests(&recorder);
        assert_eq!(told.len(), 4, "{tokens}");
        assert_eq!(object(&told[1], "reply").get("complete"), Some(&Fact::Bool(false)), "{tokens}");
        assert_eq!(object(&told[3], "reply").get("ok"), Some(&Fact::Bool(true)), "{tokens}");
        assert_eq!(recorder.anomalies().len(), 1, "{tokens}");
        assert!(most < 16 * 1024, "{tokens}: {most}");
    }
}

#[test]
fn malformed_messages_are_told_by_name() {
    let mut prelogin = logged_in();
    prelogin[0].1[14] = 0xff;
    let mut login7 = logged_in();
    login7[2].1[8 + 48] = 0xff;
    let cases = [
        (prelogin, anomaly::MALFORMED_PRELOGIN),
        (login7, anomaly::MALFORMED_LOGIN),
        (session([rpc("0500 6600")]), anomaly::MALFORMED_REQUEST),
        (
            session([(UP, packet_of(packet::TRANSACTION_MANAGER, 1, &[hex(HEADERS), hex("7700")].concat()))]),
            anomaly::MALFORMED_REQUEST,
        ),
        (session([batch("select 1"), reply("fd 00f0 c100 0000000000000000")]), anomaly::MALFORMED_TOKENS),
        (session([(DOWN, batch("select 1").1)]), anomaly::UNEXPECTED_PACKET),
        (session([(UP, b"nothing of the kind".to_vec())]), anomaly::BAD_HEADER),
        (session([(UP, hex("53 ff 0000 10000000 00000000 00000000"))]), anomaly::BAD_SMP_HEADER),
    ];
    for (script, event) in cases {
        let recorder = testing::run(&script);
        assert_eq!(recorder.anomalies(), [event]);
        assert!(is_violation(event));
        testing::assert_every_segmentation_is_equal(&script);
    }
}

#[test]
fn too_many_sessions_and_requests_reach_their_caps() {
    let request = batch("select 1").1;
    let smp = |sid: u8| {
        [&[0x53, 8, sid, 0], u32::try_from(request.len() + 16).unwrap().to_le_bytes().as_slice(), &[0; 8], &request].concat()
    };
    let (recorder, _) = run_limited(&session((0..40).map(|sid| (UP, smp(sid)))), Limits::default());
    assert_eq!(recorder.anomalies(), [anomaly::SESSION_LIMIT]);
    assert_eq!(texts(&recorder).len(), 2 * 32, "seen, and given up at the end");
    let long = batch(&"x".repeat(10_000));
    let (recorder, most) = run_limited(
        &session((0..200).map(|_| long.clone())),
        Limits { max_pending: 8, max_message: 32_000, ..Limits::default() },
    );
    assert_eq!(requests(&recorder).len(), 400);
    assert!(most < 4 * 32_000, "{most}");
}

#[test]
fn tables_without_bytes_do_not_take_time() {
    // 1,024 columns of the type of NULL, and as many rows as fit.
    let mut payload = [hex(HEADERS), hex("0300 6600 6f00 6f00 0000 00 00 f3 00 00 00 0004")].concat();
    for _ in 0..1_024 {
        payload.extend_from_slice(&hex("00000000 0000 1f 00"));
    }
    payload.push(0);
    payload.extend(std::iter::repeat_n(1, 100_000));
    payload.extend_from_slice(&[0, 0xff]);
    let started = std::time::Instant::now();
    let recorder = testing::run(&session([(UP, message(packet::RPC, &payload, 4_088)), reply(DONE)]));
    assert_eq!(requests(&recorder).len(), 2);
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn a_gap_inside_a_packet_keeps_the_place_and_a_longer_one_is_made_up_for() {
    let text = format!("EXEC xp_cmdshell 'a' {}", "-- x ".repeat(100));
    let first = batch(&text).1;
    for (from, to) in [(100, 200), (200, first.len()), (4, 300)] {
        let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
        for (direction, bytes) in logged_in() {
            driver.data(direction, &bytes, &mut recorder);
        }
        driver.data(UP, &first[..from], &mut recorder);
        driver.gap(UP, (to - from) as u64, &mut recorder);
        driver.data(UP, &first[to..], &mut recorder);
        driver.data(DOWN, &reply(DONE).1, &mut recorder);
        driver.data(UP, &batch("select 2").1, &mut recorder);
        driver.data(DOWN, &reply(DONE).1, &mut recorder);
        testing::close(&mut driver, &mut recorder);
        let found = texts(&recorder);
        assert_eq!(found.last().unwrap(), "select 2", "{from}..{to}");
        assert_eq!(found[0].starts_with("EXEC xp_cmdshell"), from >= 100, "{from}..{to}");
        let told = requests(&recorder);
        assert_eq!(object(told.last().unwrap(), "reply").get("ok"), Some(&Fact::Bool(true)));
        let lost = recorder.events.contains(&Event::InSync(AppProto::Tds, UP, false));
        assert_eq!(lost, from < 100, "{from}..{to}");
        assert!(recorder.anomalies().iter().all(|event| !is_violation(event)), "{:?}", recorder.anomalies());
    }
}

#[test]
fn a_session_is_picked_up_in_its_middle_on_either_side() {
    let script = vec![batch("select 1"), reply(DONE), batch("select 2"), reply(DONE)];
    let recorder = testing::run(&script);
    assert_eq!((texts(&recorder).len(), requests(&recorder).len()), (2, 4));
    // The roles swapped: the side that answers opened the flow, as far as the capture shows.
    let swapped: Script = script.iter().map(|(direction, bytes)| (direction.reverse(), bytes.clone())).collect();
    assert_eq!(requests(&testing::run(&swapped)).len(), 4);
    // Only one side is there.
    for side in [UP, DOWN] {
        let one: Script = script.iter().filter(|(direction, _)| *direction == side).cloned().collect();
        assert!(testing::run(&one).anomalies().is_empty());
    }
}
