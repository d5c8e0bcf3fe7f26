//! The evasion captures through the whole sensor: a content rule for each marker and decoy, and, where the conversation is the
//! attack itself, the detection. Skipped where the captures are not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::{alert_counts, final_counters, of_type, records, replay, schema, shared};
use serde_json::Value;

/// SHA-256 of the request stream of the attack, delivered whole.
const ATTACK: &str = "629c907c8a5108b9429545142f85aadc4501749ff4207d7ba4d4cbbf2ebc269d";

struct Entry {
    needle: String,
    direction: &'static str,
    found: bool,
    strict: bool,
    counters: BTreeMap<String, u64>,
    attack: bool,
    complete: bool,
}

fn manifest(folder: &Path) -> BTreeMap<String, Vec<Entry>> {
    let text = std::fs::read_to_string(folder.join("MANIFEST.json")).unwrap();
    let mut files: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
        let streams = entry["stream"].as_array().cloned().unwrap_or_default();
        files.entry(entry["file"].as_str().unwrap().to_owned()).or_default().push(Entry {
            needle: entry["expect_marker_hex"].as_str().unwrap().to_owned(),
            direction: if entry["direction"] == "c2s" { "to_server" } else { "to_client" },
            found: entry["expect_found"].as_bool().unwrap(),
            strict: entry["strict"].as_bool().unwrap(),
            counters: entry["events"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, count)| (name.clone(), count.as_u64().unwrap()))
                .collect(),
            attack: entry["expect_marker"].as_str().unwrap().contains("CredentialsDbScopeGetAllCreds"),
            complete: streams.iter().any(|stream| stream["sha256"] == ATTACK),
        });
    }
    files
}

/// One rule for each text to look for; the rule's name says which.
fn rules(needles: &BTreeSet<&str>, folder: &Path) -> std::path::PathBuf {
    let rule = |needle: &&str| format!("rule n_{needle} {{ strings: $n = {{ {needle} }} condition: $n }}\n");
    let path = folder.join("needles.yar");
    std::fs::write(&path, needles.iter().map(rule).collect::<String>()).unwrap();
    path
}

fn reported(records: &[Value]) -> Vec<(String, String)> {
    of_type(records, "alert")
        .into_iter()
        .filter(|alert| alert["alert"]["signature_id"] == 9_410_000)
        .map(|alert| {
            let rule = alert["alert"]["context"]["yara"]["rule"].as_str().unwrap();
            (rule.trim_start_matches("n_").to_owned(), alert["direction"].as_str().unwrap().to_owned())
        })
        .collect()
}

fn counter(counters: &Value, name: &str) -> u64 {
    ["stream", "decode"].iter().find_map(|layer| counters[*layer][name].as_u64()).unwrap_or_else(|| panic!("no counter {name}"))
}

/// Returns what is wrong, a line each.
fn check(folder: &Path) -> Vec<String> {
    let files = manifest(folder);
    let scratch = tempfile::tempdir().unwrap();
    let needles: BTreeSet<&str> = files.values().flatten().map(|entry| entry.needle.as_str()).collect();
    let rules = rules(&needles, scratch.path());
    let mut wrong = Vec::new();
    for (file, entries) in &files {
        let lines = replay(&folder.join(file), &["--rules", rules.to_str().unwrap()]);
        let records = records(&lines);
        schema::assert_all_fit(&records);
        let reported = reported(&records);
        let counters = final_counters(&records);
        let alerts = alert_counts(&records);
        for entry in entries.iter().filter(|entry| entry.strict) {
            let times = reported.iter().filter(|(rule, direction)| *rule == entry.needle && direction == entry.direction).count();
            if times != usize::from(entry.found) {
                wrong.push(format!("{file}: {} {} was reported {times} times", entry.direction, entry.needle));
            }
            for (name, least) in &entry.counters {
                let counted = counter(&counters, name);
                if counted < *least || (*least == 0 && counted != 0) {
                    wrong.push(format!("{file}: {name} is {counted}, {least} expected"));
                }
            }
            if entry.attack && entry.complete && alerts.get(&9_401_001) != Some(&1) {
                wrong.push(format!("{file}: 9401001 {:?} times", alerts.get(&9_401_001)));
            }
            // Without the whole request the raw bytes are all there is.
            let raw = alerts.get(&9_401_001).or_else(|| alerts.get(&9_411_001));
            if entry.attack && !entry.complete && entry.found && file.starts_with("loss") && raw != Some(&1) {
                wrong.push(format!("{file}: the attack beside a gap is reported {raw:?} times"));
            }
        }
    }
    wrong
}

fn check_all(folder: &str) {
    let Some(folder) = shared(folder) else { return };
    let wrong = check(&folder);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn http_conversations_are_reassembled_as_the_receiver_would() {
    check_all("captures/evasion");
}

#[test]
fn the_attack_is_found_however_it_is_delivered() {
    check_all("captures/evasion/nettcp");
}
