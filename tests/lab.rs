//! The captures beside the tree: every finding their manifests expect and none that they do not; public captures parsed
//! without anomaly of our making. Skipped where they are not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{alert_counts, final_counters, of_type, records, replay, schema, shared};
use serde_json::{Value, json};

/// What a manifest expects of one client in one capture: sid, client, fewest and most alerts.
type Expected = (u64, &'static str, u64, u64);

/// From `MANIFEST.md` of the folder, plain captures. Fewest: connections, most: calls (repetitions of one cause are one alert).
const VEEAM: [(&str, &[Expected]); 8] = [
    ("b1_ordinary.pcap", &[]),
    ("b2_large.pcap", &[]),
    ("b3_mention.pcap", &[]),
    ("a1_getall.pcap", &[(9_401_001, "10.20.30.77", 2, 2), (9_401_003, "10.20.30.77", 2, 2)]),
    ("a3_sql_shell.pcap", &[(9_401_004, "10.20.30.77", 2, 4), (9_401_005, "10.20.30.77", 2, 3)]),
    (
        "a4_split_13.pcap",
        &[
            (9_401_001, "10.20.30.77", 1, 1),
            (9_401_003, "10.20.30.77", 1, 1),
            (9_401_004, "10.20.30.77", 1, 1),
            (9_401_005, "10.20.30.77", 1, 1),
        ],
    ),
    (
        "s1_dotnet_writer.pcap",
        &[
            (9_401_004, "10.20.30.5", 1, 1),
            (9_401_001, "10.20.30.77", 2, 2),
            (9_401_002, "10.20.30.77", 1, 1),
            (9_401_003, "10.20.30.77", 3, 7),
            (9_401_004, "10.20.30.77", 1, 1),
            (9_401_005, "10.20.30.77", 1, 1),
        ],
    ),
    ("r1_remoting_6170.pcap", &[]),
];

fn by_client(records: &[Value]) -> BTreeMap<(u64, String), u64> {
    let mut counts = BTreeMap::new();
    for alert in of_type(records, "alert") {
        let sid = alert["alert"]["signature_id"].as_u64().unwrap();
        let client = alert["alert"]["source"]["ip"].as_str().unwrap().to_owned();
        assert_eq!(alert["alert"]["target"]["ip"], "10.20.30.10", "the victim is the backup server");
        assert_eq!(alert["alert"]["metadata"]["outcome"][0], "success", "{alert}");
        *counts.entry((sid, client)).or_default() += 1;
    }
    counts
}

#[test]
fn the_lab_captures_give_what_their_manifest_expects_and_nothing_else() {
    let Some(folder) = shared("captures/veeam") else { return };
    for (file, expected) in VEEAM {
        let records = records(&replay(&folder.join(file), &[]));
        schema::assert_all_fit(&records);
        let found = by_client(&records);
        for (sid, client, fewest, most) in expected {
            let count = found.get(&(*sid, (*client).to_owned())).copied().unwrap_or(0);
            assert!((*fewest..=*most).contains(&count), "{file}: {sid} by {client}: {count} alerts, {fewest} to {most} expected");
        }
        let known: BTreeSet<(u64, String)> = expected.iter().map(|(sid, client, ..)| (*sid, (*client).to_owned())).collect();
        let surplus: Vec<_> = found.keys().filter(|key| !known.contains(key)).collect();
        assert!(surplus.is_empty(), "{file}: not expected: {surplus:?}");
        // A request of some MiB is decoded up to the cap, and that is said.
        let cut = |anomaly: &&&Value| file == "b2_large.pcap" && anomaly["anomaly"]["event"] == "NMF_REQUEST_CUT";
        let anomalies = of_type(&records, "anomaly");
        let surplus: Vec<_> = anomalies.iter().filter(|anomaly| !cut(anomaly)).collect();
        assert!(surplus.is_empty(), "{file}: {surplus:?}");
    }
}

/// From the manifest of the folder: SQL, and the cradle in its commands; what it fetches has the loader's name.
const SQL: [(&str, &[Expected]); 11] = [
    ("t1_tds_benign.pcap", &[]),
    ("t1b_tds_benign_words.pcap", &[]),
    (
        "t2_xp_cmdshell.pcap",
        &[(9_402_001, "10.20.30.41", 2, 2), (9_402_002, "10.20.30.41", 4, 4), (9_403_003, "10.20.30.41", 2, 2)],
    ),
    ("t3_veeam_credentials.pcap", &[(9_402_007, "10.20.30.41", 3, 3), (9_402_008, "10.20.30.41", 1, 1)]),
    ("t5_rpc.pcap", &[(9_402_002, "10.20.30.41", 3, 4), (9_403_003, "10.20.30.41", 2, 2), (9_402_007, "10.20.30.41", 2, 2)]),
    ("t6_multi_packet.pcap", &[(9_402_002, "10.20.30.41", 2, 2), (9_403_003, "10.20.30.41", 1, 1)]),
    ("t8_tls_full.pcap", &[]),
    (
        "t8b_tls_login_only.pcap",
        &[
            (9_402_001, "10.20.30.41", 1, 1),
            (9_402_002, "10.20.30.41", 1, 1),
            (9_403_003, "10.20.30.41", 1, 1),
            (9_402_007, "10.20.30.41", 1, 1),
        ],
    ),
    ("p1_pg_benign.pcap", &[]),
    ("p2_pg_credentials.pcap", &[(9_402_007, "10.20.30.41", 2, 2)]),
    ("p5_pg_ssl_refused.pcap", &[(9_402_007, "10.20.30.41", 1, 1)]),
];

#[test]
fn the_sql_captures_give_what_their_manifest_expects_and_nothing_else() {
    let Some(folder) = shared("captures/lateral") else { return };
    for (file, expected) in SQL {
        let mut records = records(&replay(&folder.join(file), &[]));
        // What is above the informational level, and no content rule.
        records.retain(|record| {
            let alert = &record["alert"];
            alert["severity"].as_u64().is_some_and(|severity| severity < 3)
                && alert["signature_id"].as_u64().is_some_and(|sid| sid < 9_410_000)
        });
        let found = by_client(&records);
        for (sid, client, fewest, most) in expected {
            let count = found.get(&(*sid, (*client).to_owned())).copied().unwrap_or(0);
            assert!((*fewest..=*most).contains(&count), "{file}: {sid} by {client}: {count} alerts, {fewest} to {most} expected");
        }
        let known: BTreeSet<(u64, String)> = expected.iter().map(|(sid, client, ..)| (*sid, (*client).to_owned())).collect();
        let surplus: Vec<_> = found.keys().filter(|key| !known.contains(key)).collect();
        assert!(surplus.is_empty(), "{file}: not expected: {surplus:?}");
    }
}

#[test]
fn a_known_client_may_log_in_as_an_administrator() {
    let Some(folder) = shared("captures/lateral") else { return };
    let file = folder.join("t1b_tds_benign_words.pcap");
    assert_eq!(alert_counts(&records(&replay(&file, &[]))), BTreeMap::from([(9_402_010, 1)]));
    assert!(alert_counts(&records(&replay(&file, &["--set", "known_clients=10.20.30.22"]))).is_empty());
    assert!(alert_counts(&records(&replay(&file, &["--set", "detect_sql.admin_users=root"]))).is_empty());
}

#[test]
fn credentials_that_came_back_are_counted_and_never_shown() {
    let Some(folder) = shared("captures/veeam") else { return };
    let lines = replay(&folder.join("s1_dotnet_writer.pcap"), &[]);
    let records = records(&lines);
    let counts: Vec<u64> = of_type(&records, "alert")
        .iter()
        .filter(|alert| alert["alert"]["signature_id"] == 9_401_003)
        .map(|alert| alert["alert"]["context"]["veeam"]["credential_count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts.iter().filter(|count| **count == 6).count(), 2, "{counts:?}");
    let text = String::from_utf8(lines).unwrap();
    // The invented names and passwords of the replies begin so.
    for secret in ["fake-", "invented-placeholder"] {
        assert!(!text.contains(secret), "{secret} must not be written");
    }
}

#[test]
fn encrypted_sessions_are_seen_as_far_as_they_are_in_the_clear() {
    let Some(folder) = shared("captures/veeam") else { return };
    // The file that carries its keys is among those of `tls_keys.rs`.
    for (file, sessions) in [("a5_tls12_ecdhe.pcap", 4), ("a5_tls12_rsa_gcm.pcap", 4), ("b1_tls12.pcap", 3)] {
        let records = records(&replay(&folder.join(file), &[]));
        schema::assert_all_fit(&records);
        for alert in of_type(&records, "alert") {
            let (sid, alert) = (alert["alert"]["signature_id"].as_u64().unwrap(), &alert["alert"]);
            assert!(matches!(sid, 9_401_009 | 9_401_010), "{file}: nothing is claimed of what cannot be seen");
            assert_eq!(alert["metadata"]["suspected"][0], "true", "{file}");
            assert!(sid == 9_401_010 || alert["source"]["ip"] == "10.20.30.77", "{file}");
        }
        let tls = of_type(&records, "tls");
        assert_eq!(tls.len(), sessions, "{file}");
        for session in tls {
            assert_eq!(session["tls"]["subject"], "CN=Veeam Backup Server Certificate", "{file}");
            assert_eq!(session["tls"]["version"], "TLS 1.2");
            assert_eq!(session["app_proto"], "nmf", "the service, not its wrapping");
        }
        let nmf = of_type(&records, "nmf");
        assert_eq!(nmf.len(), sessions, "{file}: the preamble is in the clear");
        assert!(nmf.iter().all(|session| session["nmf"]["session"]["upgrades"][0] == "application/ssl-tls"));
        assert!(of_type(&records, "anomaly").is_empty(), "{file}");
    }
}

/// The public captures whose manifest names an attack of the catalogue; the others are silent.
const ATTACKS_OF_PUBLIC_CAPTURES: [(&str, u64); 2] = [
    // "svcctl over TCP, service creation"
    ("sv_dcerpc-dce-iface-01_20171220_smb_psexec_mimikatz_ticket_dump-s2.pcap", 9_404_003),
    // "remote scheduled task over atsvc"
    ("sv_smb2-04_20171220_smb_at_schedule.pcap", 9_404_004),
];

/// What the manifest of the public captures says, as far as today's protocols go: TCP and UDP flows, and facts of TLS.
/// Counts are of flows that carry or complete something; attempts without an answer are no flows here.
#[test]
fn public_captures_are_parsed_without_anomalies_of_our_making() {
    let Some(folder) = shared("captures/public") else { return };
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "pcap" || end == "pcapng"));
    files.sort();
    assert!(files.len() > 30);
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let records = records(&replay(&path, &[]));
        schema::assert_all_fit(&records);
        let expected = ATTACKS_OF_PUBLIC_CAPTURES.iter().filter(|(file, _)| *file == name).map(|(_, sid)| (*sid, 1)).collect();
        assert_eq!(alert_counts(&records), expected, "{name}");
        let counters = final_counters(&records);
        assert_eq!(counters["app"]["parser_panics"], 0, "{name}");
        let violations: Vec<_> =
            of_type(&records, "anomaly").into_iter().filter(|anomaly| anomaly["anomaly"]["type"] == "applayer").collect();
        assert!(violations.is_empty(), "{name}: {violations:?}");
    }
}

#[test]
fn a_service_that_psexec_makes_over_sealed_calls_is_suspected_by_its_operation() {
    let Some(folder) = shared("captures/public") else { return };
    let file = folder.join("sv_dcerpc-dce-iface-01_20171220_smb_psexec_mimikatz_ticket_dump-s2.pcap");
    let records = records(&replay(&file, &[]));
    let alerts = of_type(&records, "alert");
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!((&alert["alert"]["signature_id"], &alert["alert"]["severity"]), (&json!(9_404_003), &json!(3)));
    assert_eq!(alert["alert"]["metadata"]["suspected"], json!(["true"]), "what is sealed is not told as seen");
    let call = &alert["alert"]["context"]["dcerpc"];
    // RCreateServiceWOW64W, what CreateService of a 32-bit program becomes.
    assert_eq!((&call["opnum"], &call["sealed"]), (&json!(45), &json!(true)));
    assert_eq!(
        (&alert["alert"]["source"]["ip"], &alert["alert"]["target"]["ip"]),
        (&json!("192.168.10.31"), &json!("192.168.10.30"))
    );
}

#[test]
fn a_job_of_a_real_windows_is_read_from_its_ndr64() {
    let Some(folder) = shared("captures/public") else { return };
    let records = records(&replay(&folder.join("sv_smb2-04_20171220_smb_at_schedule.pcap"), &[]));
    let alerts = of_type(&records, "alert");
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    let call = &alert["alert"]["context"]["dcerpc"];
    assert_eq!((&call["operation"], &call["syntax"]), (&json!("NetrJobAdd"), &json!("ndr64")));
    assert_eq!(call["arguments"]["command"], "c:\\mimikatz.exe");
    assert_eq!(alert["alert"]["metadata"]["outcome"], json!(["success"]), "the job's answer has code 0");
}

#[test]
fn tls_facts_of_public_captures() {
    let Some(folder) = shared("captures/public") else { return };
    let expected = [
        ("sv_ja4-tls_input.pcap", None, "308b0bd904abbef5e0034a1ff7a78920", "ccc514751b175866924439bdbb5bba34"),
        (
            "sv_tls-client-hello-frag-01_dump_mtu300.pcap",
            Some("www.google.com"),
            "a64c29923906f2a1be278be1da0714fa",
            "a27e76e64afe9199440ad714848966f8",
        ),
        (
            "zk_tls_chrome-1250-tls-x25519-kyber.pcap",
            Some("lh3.google.com"),
            "9d33d8206d4fec4c8b1423c728f4cd3c",
            "eb1d94daa7e0344597e756a1fb6e7054",
        ),
    ];
    for (file, sni, ja3, ja3s) in expected {
        let records = records(&replay(&folder.join(file), &[]));
        let tls = of_type(&records, "tls");
        assert_eq!(tls.len(), 1, "{file}");
        let tls = &tls[0]["tls"];
        assert_eq!(tls["sni"].as_str(), sni, "{file}");
        assert_eq!((tls["ja3"]["hash"].as_str(), tls["ja3s"]["hash"].as_str()), (Some(ja3), Some(ja3s)), "{file}");
        if file == "sv_ja4-tls_input.pcap" {
            assert_eq!(tls["ja4"], "t12i1810s1_27d4652c4487_06a4338d0495");
        }
    }
}
