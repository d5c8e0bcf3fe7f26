//! Every shipped rule against samples: what it must find, the nearest benign text, and scripts as administrators write them.
//!
//! `samples/RULE/match*` and `nomatch*` are inert: they have the shape of an indicator and do nothing. `*.hex` holds bytes as hex.
//! `samples/benign/*` are whole scripts on which no rule of severity 1 or 2 may fire.
#![cfg(feature = "yara")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use backstop_signatures::{Flush, Match, RuleInfo, RuleOptions, RuleSet, Scanner, Scope, StreamScan};

static RULES: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::load(&RuleOptions::default()).unwrap());

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

/// Name and bytes of the files of a folder whose name begins so.
fn files(folder: &str, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(samples().join(folder)) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_str().unwrap().starts_with(prefix))
        .map(|entry| {
            let path = entry.path();
            let bytes = fs::read(&path).unwrap();
            let bytes = if path.extension().unwrap() == "hex" { unhex(&bytes) } else { bytes };
            (format!("{folder}/{}", entry.file_name().to_str().unwrap()), bytes)
        })
        .collect();
    files.sort();
    files
}

fn unhex(text: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn wide(bytes: &[u8]) -> Vec<u8> {
    std::str::from_utf8(bytes).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The text of each rule in the rule files.
static SOURCES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let mut rules = BTreeMap::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for rule in text.split("\nrule ").skip(1) {
            let name = rule.split_whitespace().next().unwrap().to_owned();
            assert!(rules.insert(name, rule.to_owned()).is_none(), "two rules with one name");
        }
    }
    rules
});

/// Whether every string of the rule carries the modifier.
fn all_strings_are(rule: &str, modifier: &str) -> bool {
    let text = SOURCES[rule].split_once("strings:").unwrap().1.split_once("condition:").unwrap().0;
    text.lines().filter(|line| line.trim_start().starts_with('$')).all(|line| {
        let after = line.rsplit(['"', '/', '}']).next().unwrap();
        after.split_whitespace().any(|word| word == modifier)
    })
}

/// What fires on the bytes: as content, and as a stream in one piece, flushed in between, and cut small.
fn scan(bytes: &[u8]) -> Vec<Match> {
    let mut scanner = Scanner::new(&RULES);
    let mut out = Vec::new();
    scanner.scan_content(bytes, &mut out).unwrap();
    for (chunk, flush) in [(bytes.len().max(1), false), (7, false), (61, true)] {
        let mut scan = StreamScan::new(RULES.limits());
        let mut at = 0;
        for part in bytes.chunks(chunk) {
            scan.push(&mut scanner, at, part, &mut out).unwrap();
            if flush {
                scan.flush(&mut scanner, Flush::More, &mut out).unwrap();
            }
            at += part.len() as u64;
        }
        scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
    }
    out
}

/// How often the rule fires: once as content unless that is out of scope, and in each of the three streams.
fn fires(rule: &RuleInfo, bytes: &[u8]) -> bool {
    let found = scan(bytes);
    let times = found.iter().filter(|m| m.rule.name == rule.name).count();
    let least = match rule.scope {
        Scope::Any => 4,
        Scope::Content => 1,
        Scope::Undecoded => 3,
    };
    assert!(times == 0 || times >= least, "{} fires in one way and not in another: {times}", rule.name);
    times > 0
}

#[test]
fn every_rule_is_complete() {
    let mut sids = BTreeSet::new();
    for rule in RULES.rules() {
        let name = &rule.name;
        let sid = rule.sid.unwrap_or_else(|| panic!("{name} has no sid"));
        assert!((9_411_001..9_412_000).contains(&sid), "{name}: {sid} is not of the shipped range");
        assert!(sids.insert(sid), "{name}: sid {sid} is used twice");
        assert!(rule.description.as_ref().is_some_and(|d| d.len() > 10), "{name} has no description");
        let technique =
            |id: &String| id.strip_prefix('T').is_some_and(|n| n.len() >= 4 && n.chars().all(|c| c.is_ascii_digit() || c == '.'));
        assert!(!rule.mitre.is_empty() && rule.mitre.iter().all(technique), "{name}: {:?}", rule.mitre);
        assert!(
            !rule.references.is_empty() && rule.references.iter().all(|r| r.starts_with("https://")),
            "{name} has no reference"
        );
        assert!(rule.stage.is_some(), "{name} has no stage of the catalogue");
        let meta = &SOURCES[name];
        for key in ["sid", "rev", "severity", "scope"] {
            assert!(meta.contains(&format!("        {key} = ")), "{name} does not say its {key}");
        }
    }
    assert_eq!(RULES.rules().len(), SOURCES.len());
}

#[test]
fn every_rule_has_samples_of_both_kinds_and_no_sample_is_without_a_rule() {
    let rules: BTreeSet<&str> = RULES.rules().iter().map(|rule| rule.name.as_str()).collect();
    for rule in &rules {
        assert!(!files(rule, "match").is_empty(), "{rule} has no positive sample");
        assert!(!files(rule, "nomatch").is_empty(), "{rule} has no negative sample");
    }
    for entry in fs::read_dir(samples()).unwrap() {
        let folder = entry.unwrap().file_name().into_string().unwrap();
        assert!(folder == "benign" || rules.contains(folder.as_str()), "{folder} is no rule");
        for (name, _) in files(&folder, "") {
            let file = name.rsplit('/').next().unwrap();
            assert!(folder == "benign" || file.starts_with("match") || file.starts_with("nomatch"), "{name} is not looked at");
        }
    }
}

#[test]
fn every_rule_finds_its_indicator() {
    let mut missed = Vec::new();
    for rule in RULES.rules() {
        for (name, bytes) in files(&rule.name, "match") {
            let mut check = |bytes: &[u8], how: &str| {
                if !fires(rule, bytes) {
                    missed.push(format!("{name}{how}"));
                }
            };
            check(&bytes, "");
            let (upper, lower) = (bytes.to_ascii_uppercase(), bytes.to_ascii_lowercase());
            if all_strings_are(&rule.name, "nocase") {
                check(&upper, " in upper case");
                check(&lower, " in lower case");
            }
            if all_strings_are(&rule.name, "wide") {
                check(&wide(&bytes), " as UTF-16");
                // In the middle of something else, at an odd place: here the headers of a TDS batch.
                let within = [&b".\x16\0\0\0\x12\0\0\0\x02\0\0\0\0\0\0\0\0\0\x01\0\0\0"[..], &wide(&bytes), b"\0"].concat();
                check(&within, " as UTF-16 within a message");
            }
        }
    }
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

#[test]
fn no_rule_fires_on_its_look_alike() {
    let mut wrong = Vec::new();
    for rule in RULES.rules() {
        for (name, bytes) in files(&rule.name, "nomatch") {
            if fires(rule, &bytes) {
                wrong.push(name.clone());
            }
            if all_strings_are(&rule.name, "wide") && fires(rule, &wide(&bytes)) {
                wrong.push(format!("{name} as UTF-16"));
            }
        }
    }
    assert!(wrong.is_empty(), "found: {wrong:#?}");
}

#[test]
fn no_rule_that_alerts_fires_on_the_look_alikes_and_scripts_of_administrators() {
    let scripts = files("benign", "");
    assert!(scripts.len() >= 15, "{}", scripts.len());
    for (name, bytes) in scripts {
        let mut all = bytes.clone();
        if let Ok(text) = std::str::from_utf8(&bytes) {
            // As files have them: other line ends, upper case, UTF-16.
            let dos = text.replace('\n', "\r\n");
            all = [all, dos.clone().into_bytes(), text.to_ascii_uppercase().into_bytes()].join(&b'\n');
            check_benign(&name, dos.as_bytes());
            check_benign(&name, &wide(dos.as_bytes()));
        }
        check_benign(&name, &all);
    }
}

fn check_benign(name: &str, bytes: &[u8]) {
    for found in scan(bytes) {
        let places: Vec<_> = found.strings.iter().map(|s| String::from_utf8_lossy(&s.excerpt).into_owned()).collect();
        assert!(found.rule.severity > 2, "{} fires on {name}: {places:?}", found.rule.name);
    }
}

#[test]
fn every_sample_is_inert_and_names_no_real_host() {
    // Addresses of documentation (RFC 5737), names below `.invalid`: a copy of a sample reaches nobody.
    for folder in fs::read_dir(samples()).unwrap() {
        for (name, bytes) in files(&folder.unwrap().file_name().into_string().unwrap(), "") {
            let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
            for (at, _) in text.match_indices("://") {
                let host: String =
                    text[at + 3..].chars().take_while(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
                assert!(host.starts_with("192.0.2.") || host.ends_with(".invalid"), "{name}: {host}");
            }
            assert!(bytes.len() < 16 << 10, "{name} is large");
        }
    }
}
