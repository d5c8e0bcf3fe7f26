//! Examples of the specifications, and messages built as their grammars say.

use super::super::anomaly;
use super::*;
use crate::contract::Probe;

/// [MS-TDS] 4.1.
pub const PRELOGIN: &str = "12 01 00 2F 00 00 01 00 00 00 1A 00 06 01 00 20 00 01 02 00 21 00 01 03 00 22 00 04 04 00 26 00 01
    FF 09 00 00 00 00 00 01 00 B8 0D 00 00 01";
/// [MS-TDS] 4.2.
pub const LOGIN7: &str = "10 01 00 90 00 00 01 00 88 00 00 00 02 00 09 72 00 10 00 00 00 00 00 07 00 01 00 00 00 00 00 00
    E0 03 00 00 E0 01 00 00 09 04 00 00 5E 00 08 00 6E 00 02 00 72 00 00 00 72 00 07 00 80 00 00 00 80 00 00 00 80 00 04 00
    88 00 00 00 88 00 00 00 00 50 8B E2 B7 8F 88 00 00 00 88 00 00 00 88 00 00 00 00 00 00 00 73 00 6B 00 6F 00 73 00 74 00
    6F 00 76 00 31 00 73 00 61 00 4F 00 53 00 51 00 4C 00 2D 00 33 00 32 00 4F 00 44 00 42 00 43 00";
/// [MS-TDS] 4.7.
const BATCH_RESPONSE: &str = "04 01 00 33 00 00 01 00 81 01 00 00 00 00 00 20 00 A7 03 00 09 04 D0 00 34 03 62 00 61 00 72 00
    D1 03 00 66 6F 6F FD 10 00 C1 00 01 00 00 00 00 00 00 00";
/// [MC-SMP] 4.3.
const SMP_DATA: &str = "53 08 05 00 60 00 00 00 01 00 00 00 04 00 00 00
    01 01 00 50 00 00 01 00 16 00 00 00 12 00 00 00 02 00 00 00 00 00 00 00 00 00 01 00 00 00
    53 00 45 00 54 00 20 00 51 00 55 00 4F 00 54 00 45 00 44 00 5F 00 49 00 44 00 45 00 4E 00 54 00 49 00 46 00 49 00 45 00
    52 00 20 00 4F 00 46 00 46 00";

fn smp(flags: u8, sid: u8, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len() + 16).unwrap().to_le_bytes();
    [&[0x53, flags, sid, 0], len.as_slice(), &[0; 8], data].concat()
}

#[test]
fn the_login_of_the_specification_is_read() {
    let recorder = testing::run(&logged_in());
    assert!(recorder.anomalies().is_empty(), "{:?}", recorder.anomalies());
    assert!(recorder.events.contains(&Event::Confirmed(AppProto::Tds)));
    let fields = login(&recorder);
    let said = object(&fields, "login");
    for (name, value) in
        [("version", "7.2"), ("host", "skostov1"), ("user", "sa"), ("application", "OSQL-32"), ("library", "ODBC")]
    {
        assert_eq!(text(said, name), value);
    }
    let answer = object(&fields, "reply");
    assert_eq!(answer.get("ok"), Some(&Fact::Bool(true)));
    assert_eq!((text(answer, "program"), text(answer, "program_version")), ("AB", "15.0.2000"));
}

#[test]
fn the_batch_response_of_the_specification_is_walked() {
    let recorder = testing::run(&session([batch("select 'foo' as 'bar'"), (DOWN, hex(BATCH_RESPONSE))]));
    let told = requests(&recorder);
    let answer = object(&told[1], "reply");
    assert_eq!(answer.get("columns"), Some(&Fact::List(vec![Fact::from("bar")])));
    assert_eq!((answer.get("rows"), answer.get("complete")), (Some(&Fact::Uint(1)), Some(&Fact::Bool(true))));
    assert!(recorder.anomalies().is_empty());
}

#[test]
fn a_multiplexed_request_finds_its_reply_in_its_session() {
    let other = batch("select 2").1;
    let script = session([
        (UP, [smp(1, 5, &[]), hex(SMP_DATA), smp(1, 6, &[]), smp(8, 6, &other)].concat()),
        (DOWN, [smp(8, 6, &reply(DONE).1), smp(2, 5, &[])].concat()),
        (
            DOWN,
            [smp(8, 5, &reply("aa 1200 0a000000 01 10 0200 6e006f00 00 00 01000000 fd 0200 c100 0000000000000000").1)].concat(),
        ),
        (UP, smp(4, 5, &[])),
        (DOWN, smp(4, 5, &[])),
    ]);
    let recorder = testing::run(&script);
    let told = requests(&recorder);
    let sessions: Vec<_> =
        told.iter().map(|fields| (fields.get("smp_session").cloned().unwrap(), fields.get("reply").is_some())).collect();
    assert_eq!(sessions, [(Fact::Uint(5), false), (Fact::Uint(6), false), (Fact::Uint(6), true), (Fact::Uint(5), true)]);
    assert_eq!(texts(&recorder), ["SET QUOTED_IDENTIFIER OFF", "select 2"]);
    let answer = object(&told[3], "reply");
    assert_eq!(answer.get("ok"), Some(&Fact::Bool(false)));
    assert_eq!(text(list(answer, "errors")[0], "message"), "no");
    assert!(recorder.anomalies().is_empty(), "{:?}", recorder.anomalies());
    testing::assert_every_segmentation_is_equal(&script);
    testing::run_every_truncation(&script, 1);
}

#[test]
fn a_handle_stands_for_its_text() {
    // sp_prepare @handle output, @params, @stmt; then sp_execute 7; then sp_unprepare 7 and sp_execute 7.
    let stmt = utf16("EXEC xp_cmdshell @c");
    let text_parameter = format!("00 00 e7 401f 0904d00034 {:02x}00 {}", stmt.len(), data_encoding::HEXLOWER.encode(&stmt));
    let prepare = format!("ffff 0b00 0000 00 01 26 04 00  00 00 e7 401f 0904d00034 ffff  {text_parameter}");
    let handle = "ac 0000 00 01 00000000 0000 26 04 04 07000000 79 00000000 fe 0000 e000 0000000000000000";
    let execute = "ffff 0c00 0000 00 00 26 04 04 07000000";
    let unprepare = "ffff 0f00 0000 00 00 26 04 04 07000000";
    let done = "fe 0000 e000 0000000000000000";
    let script = session([
        rpc(&prepare),
        reply(handle),
        rpc(execute),
        reply(done),
        rpc(unprepare),
        reply(done),
        rpc(execute),
        reply(done),
    ]);
    let recorder = testing::run(&script);
    assert_eq!(texts(&recorder), ["EXEC xp_cmdshell @c"; 2]);
    assert!(recorder.anomalies().is_empty(), "{:?}", recorder.anomalies());
    let told = requests(&recorder);
    assert_eq!(list(&told[2], "statements")[0].get("prepared"), Some(&Fact::Bool(true)));
    assert_eq!(list(&told[6], "statements")[0].get("text"), None);
}

#[test]
fn parameters_of_every_layout_are_read() {
    let calls = "0300 6600 6f00 6f00 0000";
    let parameters = [
        ("01 4000 00 38 2a000000", "int", "42"),
        ("00 01 26 08 08 ffffffffffffffff", "int", "-1"),
        ("00 00 68 01 01 01", "bit", "true"),
        ("00 00 a5 0800 0300 010203", "varbinary", "3 bytes"),
        ("00 00 a7 0800 0904d00034 0300 666f6f", "varchar", "foo"),
        ("00 00 e7 ffff 0904d00034 feffffffffffffff 02000000 6100 02000000 6200 00000000", "nvarchar", "ab"),
        ("00 00 23 ff000000 0904d00034 03000000 666f6f", "text", "foo"),
        ("00 00 f1 00 0800000000000000 08000000 3c612f3e20202020 00000000", "xml", "<a/>    "),
        ("00 00 f0 00 00 01 6700 0200000000000000 02000000 0102 00000000", "udt", "2 bytes"),
        ("00 00 62 491f0000 06000000 3800 2a000000", "sql_variant", "42"),
        ("00 00 6c 11 12 02 05 01 d2040000", "decimal", "12.34"),
        ("00 00 f3 00 00 01 5400 0100 00000000 0000 26 04 00 00 01 04 01000000 01 00 00", "table", "T: 2 rows of 1 columns"),
    ];
    let all = parameters.iter().map(|(bytes, _, _)| *bytes).collect::<Vec<_>>().join(" ");
    let recorder = testing::run(&session([rpc(&format!("{calls} {all} ff ffff 0a00 0000")), reply(DONE)]));
    assert!(recorder.anomalies().is_empty(), "{:?}", recorder.anomalies());
    let told = requests(&recorder);
    let statements = list(&told[0], "statements");
    assert_eq!((text(statements[0], "procedure"), text(statements[1], "procedure")), ("foo", "sp_executesql"));
    let read: Vec<_> =
        list(statements[0], "parameters").into_iter().map(|each| (text(each, "type"), text(each, "value"))).collect();
    assert_eq!(read, parameters.map(|(_, kind, value)| (kind, value)));
}

#[test]
fn attention_stops_what_goes_on() {
    let attention = (UP, packet_of(packet::ATTENTION, 1, &[]));
    let recorder = testing::run(&session([batch("waitfor delay '1:0'"), attention, reply("fd 2000 fd00 0000000000000000")]));
    let told = requests(&recorder);
    let kinds: Vec<_> = told.iter().map(|fields| (text(fields, "kind"), fields.get("reply").is_some())).collect();
    assert_eq!(kinds, [("batch", false), ("attention", false), ("batch", true), ("attention", true)]);
    assert_eq!(object(&told[2], "reply").get("attention"), Some(&Fact::Bool(true)));
}

#[test]
fn transactions_and_bulk_loads_are_requests() {
    let begin = (UP, packet_of(packet::TRANSACTION_MANAGER, 1, &[hex(HEADERS), hex("0500 00 00")].concat()));
    let rows = (UP, message(packet::BULK_LOAD, &[7; 5_000], 4_088));
    let recorder = testing::run(&session([begin, reply(DONE), rows, reply("fd 1000 f000 0300000000000000")]));
    let told = requests(&recorder);
    assert_eq!(text(list(&told[0], "statements")[0], "procedure"), "TM_BEGIN_XACT");
    assert_eq!((text(&told[2], "kind"), object(&told[3], "reply").get("rows")), ("bulk", Some(&Fact::Uint(3))));
    assert!(recorder.anomalies().is_empty());
}

#[test]
fn rows_of_every_layout_are_stepped_over() {
    // int; nvarchar(max) in chunks; text with a pointer; sql_variant; then one row with values, one of NULLs, two in NBCROW.
    let columns = "81 0400  00000000 0100 26 04 01 6100  00000000 0100 e7 ffff 0904d00034 01 6200
        00000000 0100 23 ffffff7f 0904d00034 01 0100 7400 01 6300  00000000 0100 62 491f0000 01 6400";
    let row = "d1 04 01000000 0400000000000000 02000000 6100 02000000 6200 00000000 10 000102030405060708090a0b0c0d0e0f
        0001020304050607 03000000 666f6f 06000000 3800 2a000000";
    let nulls = "d1 00 ffffffffffffffff 00 00000000";
    let compressed = "d2 0e 04 01000000 d2 0f";
    let tokens = format!("{columns} {row} {nulls} {compressed} fd 1000 c100 0400000000000000");
    let script = session([batch("select * from t"), reply(&tokens)]);
    let recorder = testing::run(&script);
    assert!(recorder.anomalies().is_empty(), "{:?}", recorder.anomalies());
    let told = requests(&recorder);
    let answer = object(&told[1], "reply");
    assert_eq!((answer.get("rows"), answer.get("complete")), (Some(&Fact::Uint(4)), Some(&Fact::Bool(true))));
    testing::assert_every_segmentation_is_equal(&script);
}

#[test]
fn a_failed_login_is_told() {
    let mut script = logged_in();
    let message = utf16("Login failed for user 'sa'.");
    let len = u16::try_from(message.len() / 2).unwrap().to_le_bytes();
    let body = [&18_456_i32.to_le_bytes(), [8, 14].as_slice(), &len, &message, &[0, 0, 1, 0, 0, 0]].concat();
    let error = [&[0xaa], u16::try_from(body.len()).unwrap().to_le_bytes().as_slice(), &body].concat();
    script[3].1 = packet_of(packet::TABULAR_RESULT, 1, &[error, hex("fd 0200 0000 0000000000000000")].concat());
    let fields = login(&testing::run(&script));
    let answer = object(&fields, "reply");
    assert_eq!(answer.get("ok"), Some(&Fact::Bool(false)));
    let error = list(answer, "errors")[0];
    assert_eq!((error.get("number"), error.get("state")), (Some(&Fact::Int(18_456)), Some(&Fact::Uint(8))));
}

#[test]
fn integrated_logins_say_who() {
    let mut fields = vec![0; 64];
    let names: Vec<_> = ["CORP", "eve", "WKS"].map(utf16).into();
    let mut data = Vec::new();
    for (at, name) in [28, 36, 44].into_iter().zip(&names) {
        fields[at..at + 2].copy_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        fields[at + 4..at + 8].copy_from_slice(&u32::try_from(64 + data.len()).unwrap().to_le_bytes());
        data.extend_from_slice(name);
    }
    fields[..12].copy_from_slice(b"NTLMSSP\0\x03\0\0\0");
    fields[60] = 1;
    let mut script = logged_in();
    let acknowledged = script.pop().unwrap();
    script.push(reply("ed 0400 01020304"));
    script.push((UP, packet_of(packet::SSPI, 1, &[fields, data].concat())));
    script.push(acknowledged);
    let recorder = testing::run(&script);
    let fields = login(&recorder);
    let sspi = object(object(&fields, "login"), "sspi");
    assert_eq!((text(sspi, "mechanism"), text(sspi, "domain"), text(sspi, "user")), ("ntlm", "CORP", "eve"));
    assert_eq!(object(&fields, "reply").get("ok"), Some(&Fact::Bool(true)));
    assert_eq!(recorder.transactions().filter(|(_, fields)| fields.get("login").is_some()).count(), 3);
}

#[test]
fn the_probe_knows_both_sides_and_refuses_look_alikes() {
    let probe = super::super::resync::probe;
    for start in logged_in().iter().take(3).map(|(_, bytes)| bytes) {
        assert_eq!(probe(UP, start), Probe::Certain);
        assert_eq!(probe(DOWN, start), Probe::Certain);
        for len in 0..8 {
            assert_eq!(probe(UP, &start[..len]), Probe::MoreBytes, "{len} bytes");
        }
    }
    assert_eq!(probe(UP, &batch("select 1").1), Probe::Possible);
    assert_eq!(probe(DOWN, &reply(DONE).1), Probe::Possible);
    assert_eq!(probe(UP, &hex(SMP_DATA)), Probe::Possible);
    let others: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www",
        b"\x04\x01\x00\x50\x0a\x14\x1e\x0aabc\x00\x00\x00",
        b"\x10\x1a\x00\x04MQTT\x04\x02\x00\x3c\x00\x0eclient-0001\x00\x00",
        b"\x01\x01\x00\x30\x00\x00\x01\x00\x99\x98\x97\x96\x95\x94\x93\x92",
    ];
    for other in others {
        assert_eq!(probe(UP, other), Probe::No, "{:?}", String::from_utf8_lossy(other));
    }
}

#[test]
fn names_of_anomalies_are_sorted_into_violations_and_others() {
    assert!(anomaly::is_violation(anomaly::BAD_HEADER) && anomaly::is_violation(anomaly::MALFORMED_TOKENS));
    for name in [anomaly::MESSAGE_TOO_LONG, anomaly::UNDECODED_REPLY, anomaly::SESSION_LIMIT, anomaly::NOT_RECOGNISED] {
        assert!(!anomaly::is_violation(name));
    }
}
