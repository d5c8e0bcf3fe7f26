//! TLS through the whole sensor: on any port, with its fingerprints, and what is inferred from it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::path::PathBuf;

use backstop_protocols::testing::fixture;
use backstop_testkit::conversation::{Conversation, Segment};
use backstop_testkit::pcap::PcapWriter;
use backstop_types::{Direction, Endpoint, PacketTime};
use common::{alert_counts, of_type, records, replay, schema, shared};
use serde_json::Value;

type Script = Vec<(Direction, Vec<u8>)>;

/// How the flow ends.
#[derive(Clone, Copy)]
enum End {
    Close,
    Reset,
    Never,
}

/// A capture of a conversation with a port.
fn capture(name: &str, script: &Script, port: u16, end: End) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{name}.pcap"));
    let client = Endpoint::new("10.20.30.77".parse().unwrap(), 50_123);
    let server = Endpoint::new("10.20.30.10".parse().unwrap(), port);
    let mut conversation = Conversation::new(client, server, (1_000, 2_000));
    let mut segments: Vec<Segment> = conversation.handshake();
    for (direction, bytes) in script {
        segments.extend(conversation.data(*direction, bytes));
    }
    match end {
        End::Close => segments.extend(conversation.close(Direction::ToServer)),
        End::Reset => segments.push(conversation.reset(Direction::ToServer)),
        End::Never => {}
    }
    let mut writer = PcapWriter::new(std::fs::File::create(&path).unwrap(), 1).unwrap();
    for (at, segment) in segments.iter().enumerate() {
        let time = PacketTime::from_micros(1_700_000_000_000_000 + at as u64 * 1_000);
        writer.write(time, &conversation.frame(segment)).unwrap();
    }
    drop(writer.finish().unwrap());
    path
}

fn replayed(path: &std::path::Path, options: &[&str]) -> Vec<Value> {
    let records = records(&replay(path, options));
    schema::assert_all_fit(&records);
    records
}

/// The TLS of a fixture without the net.tcp before it.
fn plain(name: &str) -> Script {
    let mut script: Script = fixture(name).unwrap();
    let at = script.iter().position(|(direction, bytes)| *direction == Direction::ToServer && bytes[0] == 22).unwrap();
    script.drain(..at);
    script
}

#[test]
fn tls_is_found_on_any_port_with_fingerprints_and_certificates() {
    for (name, script) in [("plain", plain("nmf_tls12_1")), ("inside", fixture("nmf_tls12_1").unwrap())] {
        let path = capture(name, &script, 5_555, End::Close);
        let records = replayed(&path, &[]);
        let tls = of_type(&records, "tls");
        assert_eq!(tls.len(), 1, "{name}");
        let record = tls[0];
        assert_eq!(record["dest_port"], 5_555);
        let tls = &record["tls"];
        assert_eq!(tls["version"], "TLS 1.2");
        assert_eq!(tls["ja3"]["hash"], "92659f5693282bf99753dcde56cba637");
        assert_eq!(tls["ja3s"]["hash"], "ec74a5c51106f0419184d0dd08fb05bc");
        assert_eq!(tls["ja4"], "t12i020600_f09d9ff7e6fc_e7e480e5a997");
        assert_eq!(tls["subject"], "CN=Veeam Backup Server Certificate");
        assert_eq!(tls["fingerprint"], "1b:e7:40:00:aa:8e:ef:86:21:fa:cb:03:8a:65:4e:d4:e6:f7:55:8d");
        let own = record["metadata"]["flowvars"].as_array().unwrap();
        let value = |key: &str| own.iter().find(|one| one["key"] == key).unwrap()["value"].as_str().unwrap();
        assert_eq!(value("tls_cipher"), "ECDHE_RSA_WITH_AES_256_GCM_SHA384");
        assert_eq!(value("tls_certificate_sha256"), "a89a4ba721e7cd0f4739b5ac6dd99254ba45a5b34611c752b5da067e90635688");
    }
}

#[test]
fn what_is_suspected_says_so_in_its_record_however_the_flow_ends() {
    let script = fixture("nmf_tls12_1").unwrap();
    for (name, end) in [("close", End::Close), ("reset", End::Reset), ("timeout", End::Never)] {
        let path = capture(name, &script, 9_401, end);
        let records = replayed(&path, &["--set", "known_clients=10.20.30.5"]);
        let alerts = of_type(&records, "alert");
        let alert = alerts.iter().find(|alert| alert["alert"]["signature_id"] == 9_401_009).expect(name);
        let alert = &alert["alert"];
        assert_eq!((alert["severity"].as_u64(), &alert["source"]["ip"]), (Some(2), &Value::from("10.20.30.77")));
        assert_eq!(alert["metadata"]["suspected"], serde_json::json!(["true"]));
        assert_eq!(alert["metadata"]["outcome"], serde_json::json!(["unknown"]));
        assert_eq!(alert["context"]["inference"]["looks_like"], "request_for_all_credentials");
        assert!(alert["context"].get("veeam").is_none());
        let counts = alert_counts(&records);
        assert_eq!((counts[&9_401_009], counts[&9_401_010]), (1, 1), "{name}");
        // On another port the product's certificate shows what it is.
        let other = capture(&format!("{name}-5555"), &script, 5_555, end);
        assert_eq!(alert_counts(&replayed(&other, &[])).get(&9_401_009), Some(&1), "{name}");
        let known = replayed(&path, &["--set", "known_clients=10.20.30.77"]);
        assert!(alert_counts(&known).is_empty(), "{name}");
        let off = ["--set", "encrypted_dump.enabled=false", "--set", "tls_stack.enabled=false"];
        assert!(alert_counts(&replayed(&path, &off)).is_empty(), "{name}");
        let allowed = replayed(&path, &["--set", "tls_stack.allowed=t12i020600_f09d9ff7e6fc_e7e480e5a997"]);
        assert_eq!(alert_counts(&allowed).into_iter().collect::<Vec<_>>(), [(9_401_009, 1)], "{name}");
    }
}

#[test]
fn the_encrypted_lab_captures_are_judged_by_client() {
    let Some(folder) = shared("captures/veeam") else { return };
    let clients = ["--set", "known_clients=10.20.30.250", "--set", "tls_stack.enabled=false"];
    for (file, sessions) in
        [("a5_tls12_ecdhe.pcap", 2), ("a5_tls12_rsa_gcm.pcap", 2), ("b1_tls12.pcap", 0), ("b1_ordinary.pcap", 0)]
    {
        let records = replayed(&folder.join(file), &clients);
        let suspected: Vec<&Value> =
            of_type(&records, "alert").into_iter().filter(|alert| alert["alert"]["signature_id"] == 9_401_009).collect();
        assert_eq!(suspected.len(), sessions, "{file}");
        assert!(suspected.iter().all(|alert| alert["src_ip"] == "10.20.30.77"), "{file}");
    }
}
