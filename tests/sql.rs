//! The SQL captures beside the tree: what their manifest states is in the records, nothing is violated, and no password is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use common::{final_counters, of_type, records, replay, schema, shared};
use serde_json::Value;

/// Captures with how many TDS and PostgreSQL connections are in each.
const CAPTURES: [(&str, u64, u64); 11] = [
    ("t1_tds_benign", 5, 0),
    ("t1b_tds_benign_words", 2, 0),
    ("t2_xp_cmdshell", 2, 0),
    ("t3_veeam_credentials", 2, 0),
    ("t5_rpc", 4, 0),
    ("t6_multi_packet", 3, 0),
    ("t8_tls_full", 3, 0),
    ("t8b_tls_login_only", 3, 0),
    ("p1_pg_benign", 0, 2),
    ("p2_pg_credentials", 0, 1),
    ("p5_pg_ssl_refused", 0, 2),
];
/// What the clients of the captures log in with begins so; the SQL Server ones have it in LOGIN7, readable to anybody.
const PASSWORD: &str = "Inert-Pass";

fn capture(name: &str, args: &[&str]) -> Option<Vec<Value>> {
    let folder = shared("captures/lateral")?;
    Some(records(&replay(&folder.join(name).with_extension("pcap"), args)))
}

/// The statements of a record, whichever protocol carried them.
fn texts(record: &Value) -> Vec<&str> {
    let tds = record["tds"]["statements"].as_array().into_iter().flatten();
    let tds = tds.flat_map(|statement| [&statement["text"], &statement["procedure"]]);
    tds.chain([&record["pgsql"]["request"]["simple_query"]]).filter_map(Value::as_str).collect()
}

fn with_text<'a>(records: &'a [Value], part: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| texts(record).iter().any(|text| text.contains(part))).collect()
}

#[test]
fn every_capture_is_understood_without_a_violation() {
    for (name, tds, pgsql) in CAPTURES {
        let Some(records) = capture(name, &[]) else { return };
        schema::assert_all_fit(&records);
        assert_eq!(of_type(&records, "anomaly"), Vec::<&Value>::new(), "{name}");
        let app = &final_counters(&records)["app"];
        assert_eq!((&app["tds_flows"], &app["pgsql_flows"]), (&tds.into(), &pgsql.into()), "{name}");
        assert_eq!(app["unknown_flows"], 0, "{name}");
        for record in records.iter().filter(|record| !texts(record).is_empty()) {
            let answer = [&record["tds"]["reply"], &record["pgsql"]["response"]];
            assert!(answer.iter().any(|answer| answer.is_object()), "{name}: no reply: {record}");
        }
        assert!(!records.iter().any(|record| record.to_string().contains(PASSWORD)), "{name}");
    }
}

#[test]
fn statements_of_the_manifest_are_in_the_records_as_often_as_it_says() {
    for (name, part, least) in [
        ("t2_xp_cmdshell", "sp_configure", 2),
        ("t2_xp_cmdshell", "xp_cmdshell", 4),
        ("t2_xp_cmdshell", "icsnd16_64refl.ps1", 2),
        ("t3_veeam_credentials", "Credentials", 2),
        ("t3_veeam_credentials", "HostCreds", 1),
        ("t3_veeam_credentials", "JobSourceRepositories", 1),
        ("t3_veeam_credentials", "BackupRepositories", 1),
        ("t5_rpc", "xp_cmdshell", 3),
        ("t5_rpc", "Credentials", 2),
        ("t8b_tls_login_only", "sp_configure", 1),
        ("t8b_tls_login_only", "xp_cmdshell", 1),
        ("t8b_tls_login_only", "icsnd16_64refl.ps1", 1),
        ("t8b_tls_login_only", "Credentials", 1),
        ("p2_pg_credentials", "credentials", 2),
        ("p5_pg_ssl_refused", "credentials", 1),
    ] {
        let Some(records) = capture(name, &[]) else { return };
        let found = with_text(&records, part).len();
        assert!(found >= least, "{name}: {part} is in {found} records");
    }
}

/// The word lies across a packet boundary: between two characters, and inside one.
#[test]
fn messages_over_packets_are_put_together() {
    let Some(records) = capture("t6_multi_packet", &["--set", "sql.max_statement=64KiB"]) else { return };
    assert!(with_text(&records, "xp_cmdshell").len() >= 2);
    assert!(!with_text(&records, "icsnd16_64refl.ps1").is_empty());
    assert_eq!(final_counters(&records)["app"]["statements_cut"], 0);
    let Some(records) = capture("t6_multi_packet", &[]) else { return };
    assert!(final_counters(&records)["app"]["statements_cut"].as_u64().unwrap() >= 2);
    for record in of_type(&records, "tds") {
        for text in texts(record) {
            assert!(text.len() <= 4_096);
        }
    }
}

#[test]
fn logins_are_told_with_their_outcome() {
    let Some(records) = capture("t1_tds_benign", &[]) else { return };
    let logins: Vec<&Value> = records.iter().filter(|record| record["tds"]["login"].is_object()).collect();
    assert_eq!(logins.len(), 5);
    for login in logins {
        let login = &login["tds"];
        assert_eq!((&login["login"]["user"], &login["login"]["host"]), (&"sa".into(), &"OPS-022".into()));
        assert_eq!(login["reply"]["ok"], true);
    }
    let Some(records) = capture("p1_pg_benign", &[]) else { return };
    let startup = records.iter().find(|record| record["pgsql"]["request"]["startup_parameters"].is_object()).unwrap();
    assert_eq!(startup["pgsql"]["request"]["password_redacted"], true);
    assert_eq!(startup["pgsql"]["response"]["message"], "authentication_ok");
}

#[test]
fn masked_literals_are_in_no_record() {
    for key in ["sql.mask_literals=true", "sql.mask-literals=true"] {
        let Some(records) = capture("t1_tds_benign", &["--set", key]) else { return };
        schema::assert_all_fit(&records);
        let [insert, ..] = with_text(&records, "INSERT INTO dbo.audit")[..] else { panic!("no such statement") };
        assert_eq!(texts(insert), ["INSERT INTO dbo.audit(who, what) VALUES (N'?', N'?')\n"]);
        assert!(!records.iter().any(|record| record.to_string().contains("opsadmin")));
    }
}

/// Who has `mask-literals` in the file, as in the documents of other sensors, is understood.
#[test]
fn the_file_takes_either_spelling() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"[sql]\nmask-literals = true\nmax_statement = \"1KiB\"\n").unwrap();
    let config = file.path().to_str().unwrap();
    let Some(records) = capture("p2_pg_credentials", &["--config", config]) else { return };
    assert!(!with_text(&records, "credentials").is_empty());
}

/// Without keys nothing is claimed of what is inside; with those of the server's log it is as in the clear.
#[test]
fn keys_open_what_tds_carries_in_tls() {
    let folded = |records: &[Value]| {
        let mut sids: Vec<u64> =
            of_type(records, "alert").iter().map(|alert| alert["alert"]["signature_id"].as_u64().unwrap()).collect();
        sids.sort_unstable();
        sids
    };
    let Some(closed) = capture("t8_tls_full", &[]) else { return };
    assert_eq!(folded(&closed), Vec::<u64>::new());
    let keys = "../shared/captures/lateral/t8_tls_full.keys";
    let opened = capture("t8_tls_full", &["--keylog", keys]).unwrap();
    schema::assert_all_fit(&opened);
    for sid in [9_402_001, 9_402_002, 9_402_007] {
        assert_eq!(folded(&opened).iter().filter(|found| **found == sid).count(), 1, "{sid}");
    }
    for alert in of_type(&opened, "alert") {
        assert_eq!(alert["alert"]["context"]["decrypted"], true, "{alert}");
        assert_eq!(alert["tls"]["version"], "TLS 1.2");
    }
    for record in of_type(&opened, "tds").iter().filter(|record| !texts(record).is_empty()) {
        assert_eq!(record["tds"]["decrypted"], true, "{record}");
    }
    assert!(of_type(&opened, "tls_session").iter().all(|session| session["tls_session"]["decrypted"] == true));
    // Only the login is inside: what follows is not said to have been.
    let login_only = capture("t8b_tls_login_only", &[]).unwrap();
    assert!(folded(&login_only).contains(&9_402_002));
    assert!(of_type(&login_only, "alert").iter().all(|alert| alert["alert"]["context"].get("decrypted").is_none()));
}

/// `CREATE ASSEMBLY … FROM 0x…` brings a file to the server, whatever the protocol around it.
#[test]
fn the_bytes_of_an_assembly_are_a_file() {
    use backstop_testkit::Conversation;
    use backstop_testkit::pcap::{ETHERNET, PcapWriter};
    use backstop_types::{Direction, Endpoint, PacketTime};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assembly.pcap");
    let mut out = PcapWriter::new(std::fs::File::create(&path).unwrap(), ETHERNET).unwrap();
    let end = |host: &str, port| Endpoint::new(host.parse().unwrap(), port);
    let mut talk = Conversation::new(end("10.20.30.41", 40_000), end("10.20.30.10", 1_433), (1, 1));
    let message = |kind: u8, payload: &[u8]| {
        let len = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
        [&[kind, 1, len[0], len[1], 0, 0, 1, 0], payload].concat()
    };
    // [MS-TDS] 2.2.6.5 with VERSION and ENCRYPTION, which is not supported; its answer; a batch of 7.1, which has no headers.
    let options = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 8, 0, 1, 0x55, 0, 0, 2];
    let (prelogin, answer) = (message(0x12, &options), message(0x04, &options));
    let text: Vec<u8> = "CREATE ASSEMBLY x FROM 0x4D5A616263".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut segments = talk.handshake();
    segments.extend(talk.data(Direction::ToServer, &prelogin));
    segments.extend(talk.data(Direction::ToClient, &answer));
    segments.extend(talk.data(Direction::ToServer, &message(0x01, &text)));
    for (at, segment) in segments.iter().enumerate() {
        out.write(PacketTime::from_micros(1_768_384_800_000_000 + at as u64 * 1_000), &talk.frame(segment)).unwrap();
    }
    out.finish().unwrap();
    let records = records(&replay(&path, &[]));
    schema::assert_all_fit(&records);
    let files = of_type(&records, "fileinfo");
    assert_eq!(files.len(), 1, "{records:#?}");
    assert_eq!((&files[0]["src_ip"], &files[0]["app_proto"]), (&"10.20.30.41".into(), &"tds".into()));
    // As `sha1sum` says of "MZabc".
    assert_eq!(files[0]["fileinfo"]["sha1"], "d3b2a5018575b9ee86286c82abc0496684c80fa4");
}
