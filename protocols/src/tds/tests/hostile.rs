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
    let long = format!("EXEC xp_cmdshell 'a' {}", "PRINT 1 ".repeat(20_000));
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
fn blanks_and_comments_do_not_count() {
    let limits = Limits { max_message: 4_096, ..Limits::default() };
    let pad = format!("{}/* {} */ -- {}\n", " ".repeat(20_000), "' /* x */ ".repeat(5_000), "y ".repeat(9_000));
    for pieces in [4_088, 4_087, 511] {
        let payload = [hex(HEADERS), utf16(&format!("SELECT 1 {pad}{pad}EXEC xp_cmdshell 'a  b'"))].concat();
        let script = session([(UP, message(packet::SQL_BATCH, &payload, pieces)), reply(DONE)]);
        let (recorder, most) = run_limited(&script, limits);
        assert!(recorder.anomalies().is_empty(), "{:?}", recorder.anomalies());
        assert_eq!(texts(&recorder), ["SELECT 1 EXEC xp_cmdshell 'a  b'"]);
        assert!(most < 32 * 1024, "{most}");
    }
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
    let (recorder, _) = run_limited(&session((0..80).map(|sid| (UP, smp(sid)))), Limits::default());
    assert_eq!(recorder.anomalies(), [anomaly::SESSION_LIMIT]);
    assert_eq!(texts(&recorder).len(), 2 * 80, "seen, and given up when others came or at the end");
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
    let started = backstop_testkit::Stopwatch::start();
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

/// 2.2.3.1.2, 2.2.3.1.7: what receivers ignore hides nothing from the sensor.
#[test]
fn bits_without_meaning_hide_nothing() {
    let mut script = session([batch("EXEC xp_cmdshell 'id'"), reply(DONE)]);
    for (_, bytes) in &mut script {
        bytes[1] |= 0xe0;
        bytes[7] = 0x7f;
    }
    let recorder = testing::run(&script);
    assert_eq!(recorder.anomalies(), Vec::<&str>::new());
    assert_eq!(texts(&recorder), ["EXEC xp_cmdshell 'id'"]);
}

/// A message is taken back with its last packet; the bit alone takes nothing back.
#[test]
fn the_ignore_bit_counts_in_the_last_packet_only() {
    let payload = [hex(HEADERS), utf16("EXEC xp_cmdshell 'id'")].concat();
    let (head, tail) = payload.split_at(40);
    let halves = |status: u8| {
        let bytes = [packet_of(packet::SQL_BATCH, status & 2, head), packet_of(packet::SQL_BATCH, 1 | (status >> 4), tail)];
        session([(UP, bytes.concat()), reply(DONE)])
    };
    assert_eq!(texts(&testing::run(&halves(0x02))).len(), 1, "not the last packet");
    assert!(texts(&testing::run(&halves(0x20))).is_empty(), "the last packet");
}

/// Where a message is too long its rest is told to be undecoded, so that raw bytes count; and the next one is decoded again.
#[test]
fn behind_the_head_of_a_long_message_the_stream_is_out_of_step() {
    let limits = Limits { max_message: 4_096, ..Limits::default() };
    let payload = [hex(HEADERS), utf16(&"PRINT 1 ".repeat(5_000))].concat();
    let script = session([(UP, message(packet::SQL_BATCH, &payload, 4_088)), reply(DONE), batch("select 1"), reply(DONE)]);
    let (recorder, _) = run_limited(&script, limits);
    let told: Vec<_> = recorder
        .events
        .iter()
        .filter_map(|event| if let Event::InSync(_, UP, step) = event { Some(*step) } else { None })
        .collect();
    assert_eq!(told, [false, true]);
}

/// Names of tables of which each part is as long as can be, and key stores: megabytes of metadata for one column.
#[test]
fn metadata_is_not_put_together_without_end() {
    let name = [hex("ffff"), vec![0x41; 2 * 0xffff]].concat();
    let table = [hex("81 0100 00000000 0000 23 ffffff7f 0000000000 ff"), name.repeat(40)].concat();
    let keys = [hex("81 0100 0100"), vec![0; 20], hex("ff ffff"), vec![0x41; 3 * 0xffff]].concat();
    let features = hex("ae 04 01000000 01 ff");
    for tokens in [table, [features, keys].concat()] {
        let script = session([batch("select 1"), (DOWN, message(packet::TABULAR_RESULT, &tokens, 4_000))]);
        let (recorder, most) = run_limited(&script, Limits::default());
        assert!(most < 160 * 1024, "{most}");
        assert!(!recorder.anomalies().iter().any(|event| is_violation(event)), "{:?}", recorder.anomalies());
    }
}

/// Sessions that come and go: whoever was silent gives way, and a request in a new one is read.
#[test]
fn a_session_beyond_the_cap_is_read() {
    let request = batch("EXEC xp_cmdshell 'id'").1;
    let smp = |kind: u8, sid: u16, payload: &[u8]| {
        let (sid, len) = (sid.to_le_bytes(), u32::try_from(payload.len() + 16).unwrap().to_le_bytes());
        [&[0x53, kind], sid.as_slice(), len.as_slice(), &[0; 8], payload].concat()
    };
    let opened = (0..300_u16).map(|sid| (UP, smp(1, sid, &[])));
    let (recorder, _) = run_limited(&session(opened.chain([(UP, smp(8, 299, &request))])), Limits::default());
    assert_eq!(recorder.anomalies(), [anomaly::SESSION_LIMIT]);
    assert_eq!(texts(&recorder)[0], "EXEC xp_cmdshell 'id'");
}

/// Other protocols, and noise, are not taken for TDS.
#[test]
fn other_traffic_is_not_recognised() {
    let http = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice();
    let tls = hex("16 0301 0200 0100 01fc 0303");
    for bytes in [
        http,
        b"HTTP/1.1 200 OK\r\n",
        &tls,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\0\0\x2c\x04\xd2\x16\x2e",
        b"\xfeSMB@\0\0\0",
        b"EHLO a\r\n",
    ] {
        for direction in Direction::BOTH {
            assert!(
                !matches!(
                    (super::super::PROTOCOL.probe)(direction, bytes),
                    crate::contract::Probe::Certain | crate::contract::Probe::Possible
                ),
                "{bytes:?}"
            );
        }
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut taken = 0;
    for _ in 0..200_000 {
        let mut bytes = [0_u8; 64];
        for eight in bytes.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            eight.copy_from_slice(&state.to_le_bytes());
        }
        taken += u32::from(matches!(
            (super::super::PROTOCOL.probe)(UP, &bytes),
            crate::contract::Probe::Certain | crate::contract::Probe::Possible
        ));
    }
    assert!(taken <= 2, "{taken} of 200000 random beginnings");
}

/// A direction that ends inside a packet and yet goes on: the bytes of what is no header are searched, however they come.
#[test]
fn behind_an_end_inside_a_packet_the_next_is_searched_in_all_bytes() {
    let begun = packet_of(packet::RPC, 1, &[0; 65]);
    let behind = [hex("00 01 05 00 31"), batch("EXEC xp_cmdshell 'a'").1].concat();
    let told = |piece: usize| {
        let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
        for (direction, bytes) in session([]) {
            driver.data(direction, &bytes, &mut recorder);
        }
        driver.data(UP, &begun[..40], &mut recorder);
        driver.close(UP, &mut recorder);
        for bytes in behind.chunks(piece) {
            driver.data(UP, bytes, &mut recorder);
        }
        testing::close(&mut driver, &mut recorder);
        recorder
    };
    let whole = told(usize::MAX);
    assert!(texts(&whole).iter().any(|text| text == "EXEC xp_cmdshell 'a'"), "{:?}", texts(&whole));
    for piece in 1..16 {
        assert_eq!(told(piece).events, whole.events, "{piece}");
    }
}

/// Padding in a text that a procedure runs does not count either, however it is sent: in chunks, in one piece, in a parameter
/// in front of the text, as bytes.
#[test]
fn padding_of_procedures_does_not_count() {
    let limits = Limits { max_message: 4_096, max_text: 3_000, ..Limits::default() };
    let pad = format!("{}/* {} */ -- {}\n", " ".repeat(2_000), "' /* x */ ".repeat(500), "y ".repeat(900));
    let text = |text: &str| utf16(&format!("{pad}{text}"));
    let chunked = |text: Vec<u8>, size: usize| {
        let chunk = |chunk: &[u8]| [u32::try_from(chunk.len()).unwrap().to_le_bytes().as_slice(), chunk].concat();
        let chunks: Vec<u8> = text.chunks(size).flat_map(chunk).collect();
        [hex("00 00 e7 ffff 0904d00034 feffffffffffffff"), chunks, hex("00000000")].concat()
    };
    let long = |text: Vec<u8>| {
        let len = u32::try_from(text.len()).unwrap().to_le_bytes();
        [hex("00 00 63 ffffff7f 0904d00034"), len.to_vec(), text].concat()
    };
    let command = "EXEC xp_cmdshell 'a  b'";
    let executesql = hex("ffff 0a00 0000");
    for call in [
        [executesql.clone(), chunked(text(command), 777)].concat(),
        [executesql.clone(), chunked(text(command), 100_000)].concat(),
        [executesql.clone(), long(text(command)), hex("00 00 26 04 04 07000000")].concat(),
        // sp_prepare, with declarations in front.
        [hex("ffff 0b00 0000 00 01 26 04 00"), long(text("")), chunked(text(command), 999)].concat(),
        [executesql.clone(), long(text("SELECT 1")), hex("ff"), executesql, chunked(text(command), 64)].concat(),
    ] {
        for size in [4_088, 511] {
            let payload = [hex(HEADERS), call.clone()].concat();
            let script = session([(UP, message(packet::RPC, &payload, size)), reply(DONE)]);
            let (recorder, most) = run_limited(&script, limits);
            assert!(recorder.anomalies().is_empty(), "{:?}", recorder.anomalies());
            assert!(texts(&recorder).iter().any(|text| text.trim() == command), "{:?}", texts(&recorder));
            assert!(most < 32 * 1024, "{most}");
        }
    }
    // What is no padding is cut as before.
    let call = [hex("ffff 0a00 0000"), chunked(utf16(&"PRINT 1 ".repeat(5_000)), 4_000)].concat();
    let script = session([(UP, message(packet::RPC, &[hex(HEADERS), call].concat(), 4_088)), reply(DONE)]);
    let (recorder, most) = run_limited(&script, limits);
    assert_eq!(recorder.anomalies(), [anomaly::MESSAGE_TOO_LONG]);
    assert!(most < 32 * 1024, "{most}");
}
