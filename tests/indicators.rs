//! Lists of indicators, as a user gives them: what is told, how it ages, and what is wrong with a list.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::path::PathBuf;

use common::{backstop, of_type, records, replay, schema, stderr};
use serde_json::Value;

/// Alerts of a case, with a list.
fn alerts(case: &str, list: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    std::fs::write(&path, list).unwrap();
    let capture = PathBuf::from(common::top()).join("pcaps").join(case).join("input.pcap");
    let once = replay(&capture, &["--indicators", path.to_str().unwrap()]);
    assert_eq!(once, replay(&capture, &["--indicators", path.to_str().unwrap(), "--workers", "4"]), "any number of workers");
    let records = records(&once);
    schema::assert_all_fit(&records);
    let is_indicator = |record: &&&Value| record["alert"]["signature_id"].as_u64().is_some_and(|sid| sid / 1_000 == 9_405);
    of_type(&records, "alert").iter().filter(is_indicator).map(|record| (*record).clone()).collect()
}

#[test]
fn an_address_and_a_sum_of_a_list_are_told_with_their_source_and_age() {
    let sum = "42e0470e724aabc6c7c601eb92d5b0e7";
    let told = alerts("http/h2_http_loader", "# source: team\n# date: 2026-11-01\n203.0.113.7 web server\n");
    assert_eq!(told.len(), 1);
    let alert = &told[0]["alert"];
    assert_eq!((&alert["signature_id"], &alert["severity"]), (&9_405_001.into(), &1.into()));
    assert_eq!((&alert["source"]["ip"], &alert["target"]["ip"]), (&"203.0.113.7".into(), &"10.20.30.10".into()));
    let indicator = &alert["context"]["indicator"];
    assert_eq!(
        (&indicator["source"], &indicator["note"], &indicator["age_days"]),
        (&"team".into(), &"web server".into(), &23.into())
    );
    assert_eq!(alert["metadata"]["outcome"][0], "success");
    // The sum of the file that it sends, as `fileinfo` has it.
    let md5 = "7f0218112c8ae73ae35813282aeb2bbf";
    let told = alerts("http/h2_http_loader", &format!("type,value,note,date\nmd5,{md5},loader,2020-01-01\nmd5,{sum},,\n"));
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["alert"]["signature_id"], &told[0]["alert"]["severity"]), (&9_405_002.into(), &3.into()));
    assert_eq!((&told[0]["files"][0]["md5"], &told[0]["http"]["url"]), (&md5.into(), &"/icsnd16_64refl.ps1".into()));
}

#[test]
fn a_name_of_a_bundle_is_told_with_the_question() {
    let bundle = r#"{"type":"bundle","objects":[{"type":"indicator","pattern_type":"stix","name":"n","valid_from":"2026-11-01T00:00:00Z",
        "pattern":"[domain-name:value = 'myip.opendns.com']"}]}"#;
    let told = alerts("dns/d1_dns_myip", bundle);
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["alert"]["signature_id"], &told[0]["dns"]["rrname"]), (&9_405_003.into(), &"myip.opendns.com".into()));
    assert_eq!(alerts("dns/d1_dns_myip", "opendns.com\n").len(), 0);
    let told = alerts("dns/d1_dns_myip", "*.opendns.com\n");
    assert_eq!(told.len(), 1, "two names below a listed one, by one host, are one cause");
    assert_eq!(told[0]["alert"]["context"]["indicator"]["listed"], "opendns.com");
}

#[test]
fn an_address_is_told_over_udp_too() {
    let told = alerts("dns/d1_dns_myip", "208.67.222.0/24 resolver\n");
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["proto"], &told[0]["alert"]["signature_id"]), (&"UDP".into(), &9_405_001.into()));
    assert_eq!((&told[0]["alert"]["source"]["ip"], &told[0]["alert"]["severity"]), (&"208.67.222.222".into(), &2.into()));
    assert_eq!(
        (&told[0]["alert"]["metadata"]["outcome"][0], &told[0]["alert"]["context"]["indicator"]["undated"]),
        (&"success".into(), &true.into())
    );
    assert_eq!(alerts("dns/d1_dns_myip", "208.67.221.0/24\n208.67.222.223\n").len(), 0);
}

#[test]
fn what_a_bundle_does_not_mean_is_silent() {
    let bundle = |pattern: &str, until: &str| {
        format!(
            r#"{{"type":"bundle","objects":[{{"type":"indicator","pattern_type":"stix","valid_until":"{until}","pattern":"{pattern}"}}]}}"#
        )
    };
    for (pattern, until, expected) in [
        ("[ipv4-addr:value = '203.0.113.7']", "2030-01-01T00:00:00Z", 1),
        ("[ipv4-addr:value IN ('192.0.2.1', '203.0.113.7')]", "2030-01-01T00:00:00Z", 1),
        ("[ipv4-addr:value = '203.0.113.7']", "2025-01-01T00:00:00Z", 0),
        ("[ipv4-addr:value != '203.0.113.7']", "2030-01-01T00:00:00Z", 0),
        ("[ipv4-addr:value NOT = '203.0.113.7']", "2030-01-01T00:00:00Z", 0),
        ("[ipv4-addr:value = '203.0.113.7' AND domain-name:value = 'a.example']", "2030-01-01T00:00:00Z", 0),
    ] {
        assert_eq!(alerts("http/h2_http_loader", &bundle(pattern, until)).len(), expected, "{pattern} {until}");
    }
}

#[test]
fn statistics_say_how_the_lists_do_and_the_cap_holds() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.csv");
    std::fs::write(&list, "type,value\nip,198.51.100.1\nip,198.51.100.2\nip,10.0.0.1\nmutex,x\nip,203.0.113.7\n").unwrap();
    let capture = PathBuf::from(common::top()).join("pcaps/http/h2_http_loader/input.pcap");
    let counters = |cap: &str| {
        let options = ["--indicators", list.to_str().unwrap(), "--set", "indicators.builtin=false", "--set", cap];
        let records = records(&replay(&capture, &options));
        schema::assert_all_fit(&records);
        let told = of_type(&records, "alert").iter().filter(|record| record["alert"]["signature_id"] == 9_405_001).count();
        let counters = common::final_counters(&records)["indicators"].clone();
        let of = |name: &str| counters[name].as_u64().unwrap();
        ([of("entries"), of("over_cap"), of("too_broad"), of("other_kinds"), of("reloads")], told)
    };
    assert_eq!(counters("indicators.max_entries=100"), ([3, 0, 1, 1, 0], 1));
    assert_eq!(counters("indicators.max_entries=2"), ([2, 1, 1, 1, 0], 0));
}

#[test]
fn a_wrong_list_is_one_error_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let (list, output) = (folder.path().join("list"), folder.path().join("eve.json"));
    std::fs::write(&list, "203.0.113.7\nno:indicator\n").unwrap();
    std::fs::write(&output, "kept\n").unwrap();
    let capture = PathBuf::from(common::top()).join("pcaps/dns/d1_dns_myip/input.pcap");
    let ended = backstop().arg("replay").arg(capture).arg("--indicators").arg(&list).arg("-o").arg(&output).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(stderr(&ended).lines().count(), 1);
    assert!(stderr(&ended).contains(&format!("{}:2: ", list.display())), "{}", stderr(&ended));
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "kept\n");
}
