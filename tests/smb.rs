//! The SMB captures beside the tree: what their manifest states is in records and alerts, nothing is violated, and the same comes
//! of any number of workers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use common::{final_counters, of_type, records, replay, schema, shared};
use serde_json::Value;

/// Captures with how many SMB connections are in each, and how many records at least.
const CAPTURES: [(&str, u64, usize); 7] = [
    ("s1_smb_benign_copy", 2, 40),
    ("s1b_smb_benign_script", 1, 15),
    ("s2_smb_admin_share_script", 3, 40),
    ("s3_smb3_encrypted", 1, 4),
    ("s4_svcctl_create", 1, 10),
    ("s6_session_enum", 2, 20),
    ("s8_compound_large", 2, 30),
];
const BACKUP: [&str; 2] = ["--set", "backup_servers=10.20.30.10"];

fn capture(name: &str, args: &[&str]) -> Option<Vec<Value>> {
    let folder = shared("captures/lateral")?;
    Some(records(&replay(&folder.join(name).with_extension("pcap"), args)))
}

/// Initiator, signature and severity of the alerts.
fn alerts(records: &[Value]) -> Vec<(&str, u64, u64)> {
    let all = of_type(records, "alert").into_iter().map(|alert| {
        let of = &alert["alert"];
        (alert["flow"]["src_ip"].as_str().unwrap(), of["signature_id"].as_u64().unwrap(), of["severity"].as_u64().unwrap())
    });
    all.collect()
}

fn with<'a>(records: &'a [Value], key: &str, part: &str) -> Vec<&'a Value> {
    let all = of_type(records, "smb").into_iter();
    all.filter(|record| record["smb"][key].as_str().is_some_and(|text| text.contains(part))).collect()
}

#[test]
fn every_capture_is_understood_without_a_violation() {
    for (name, flows, least) in CAPTURES {
        let Some(records) = capture(name, &[]) else { return };
        schema::assert_all_fit(&records);
        assert_eq!(of_type(&records, "anomaly"), Vec::<&Value>::new(), "{name}");
        let counters = final_counters(&records);
        let smb = of_type(&records, "smb");
        assert_eq!(counters["app"]["smb_flows"], flows, "{name}");
        assert_eq!(counters["app"]["smb_transactions"], smb.len(), "{name}");
        assert!(smb.len() >= least, "{name}: {} records", smb.len());
        assert_eq!(of_type(&records, "stats")[0]["stats"]["app_layer"]["flow"]["smb"], flows, "{name}");
        for flow in of_type(&records, "flow") {
            assert_eq!(flow["app_proto"], "smb", "{name}");
        }
    }
}

#[test]
fn ordinary_work_raises_nothing() {
    for name in ["s1_smb_benign_copy", "s1b_smb_benign_script", "s8_compound_large"] {
        for args in [&[][..], &BACKUP] {
            let Some(records) = capture(name, args) else { return };
            assert_eq!(alerts(&records), [], "{name}");
        }
    }
}

#[test]
fn scripts_on_an_administrative_share_are_told_as_the_manifest_says() {
    let Some(records) = capture("s2_smb_admin_share_script", &[]) else { return };
    let attacker = "10.20.30.41";
    let expected = [(attacker, 9_404_001, 1), (attacker, 9_404_001, 1), (attacker, 9_403_001, 1), ("10.20.30.22", 9_403_001, 1)];
    let mut found = alerts(&records);
    for alert in expected {
        let at = found.iter().position(|known| *known == alert).unwrap_or_else(|| panic!("{alert:?} is missing"));
        found.remove(at);
    }
    assert_eq!(found, []);
    for file in ["nFcv5ke38cnE.ps1", "8MDg144UDiaz.ps1"] {
        let written = of_type(&records, "alert").into_iter().filter(|alert| alert["alert"]["signature_id"] == 9_404_001);
        let [alert] = written.filter(|alert| alert["files"][0]["filename"].to_string().contains(file)).collect::<Vec<_>>()[..]
        else {
            panic!("{file}")
        };
        assert_eq!(alert["smb"]["share"], r"\\10.20.30.10\ADMIN$");
        assert_eq!((&alert["smb"]["status"], &alert["app_proto"]), (&"STATUS_SUCCESS".into(), &"smb".into()));
        assert_eq!(alert["alert"]["metadata"]["outcome"][0], "success");
        assert_eq!(alert["alert"]["source"]["ip"], attacker);
    }
    assert!(with(&records, "share", "ADMIN$").len() >= 10 && with(&records, "filename", "nFcv5ke38cnE.ps1").len() >= 6);
    // What the server reads to somebody comes from the server.
    let read = of_type(&records, "alert").into_iter().find(|alert| alert["flow"]["src_ip"] == "10.20.30.22").unwrap();
    assert_eq!((&read["alert"]["source"]["ip"], &read["direction"]), (&"10.20.30.10".into(), &"to_client".into()));
    assert!(read["smb"]["filename"].to_string().contains("nFcv5ke38cnE.ps1"));
}

#[test]
fn an_encrypted_session_is_told_and_nothing_more() {
    let Some(records) = capture("s3_smb3_encrypted", &BACKUP) else { return };
    assert_eq!(alerts(&records), []);
    let [told] = with(&records, "command", "SMB3_ENCRYPTED")[..] else { panic!("not told once") };
    assert_eq!(told["smb"]["dialect"], "3.11");
    assert!(told["smb"]["ntlmssp"]["user"].is_string());
}

#[test]
fn enumeration_is_told_for_a_backup_server_and_not_for_known_clients() {
    let Some(records) = capture("s6_session_enum", &BACKUP) else { return };
    schema::assert_all_fit(&records);
    assert_eq!(alerts(&records), [("10.20.30.41", 9_404_011, 3)]);
    let alert = of_type(&records, "alert")[0];
    assert_eq!(alert["smb"]["named_pipe"], "srvsvc");
    let techniques = alert["alert"]["metadata"]["mitre_technique_id"].to_string();
    assert!(techniques.contains("T1049") && techniques.contains("T1135"));
    let known = [&BACKUP[..], &["--set", "known_clients=10.20.30.41"]].concat();
    for args in [&[][..], &known] {
        assert_eq!(alerts(&capture("s6_session_enum", args).unwrap()), []);
    }
}

/// The NTLM response of a login is in the captures; records have names only.
#[test]
fn no_record_has_a_secret_of_a_login() {
    for (name, ..) in CAPTURES {
        let Some(records) = capture(name, &[]) else { return };
        for record in of_type(&records, "smb") {
            let keys: Vec<&String> = record["smb"]["ntlmssp"].as_object().into_iter().flat_map(|names| names.keys()).collect();
            assert!(keys.iter().all(|key| ["domain", "user", "host", "version"].contains(&key.as_str())), "{record}");
        }
    }
}

#[test]
fn workers_change_nothing() {
    let Some(one) = capture("s2_smb_admin_share_script", &[]) else { return };
    assert_eq!(capture("s2_smb_admin_share_script", &["--workers", "3"]).unwrap(), one);
}
