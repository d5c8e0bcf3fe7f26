//! Every case of `pcaps/`: what must be found is found, nothing else is, the lines are those of the golden file, and they are
//! the same for any number of workers.
//!
//! A case is a folder with `input.pcap` (or `.pcapng`) and `case.toml`. `UPDATE_GOLDEN=1` writes the golden files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{alert_counts, records, replay, schema, top};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Options of the replay, besides the capture.
    #[serde(default)]
    options: Vec<String>,
    /// Signature ids and how many alerts of each.
    must: BTreeMap<String, u64>,
}

fn cases(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries.into_iter().filter(|path| path.is_dir()) {
        if path.join("case.toml").is_file() { found.push(path) } else { cases(&path, found) }
    }
}

#[test]
fn every_case_says_what_its_golden_file_says() {
    let mut found = Vec::new();
    cases(&top().join("pcaps"), &mut found);
    assert!(found.len() >= 9, "cases went missing: {}", found.len());
    for folder in found {
        let relative = folder.strip_prefix(top()).unwrap();
        println!("{}", relative.display());
        let case: Case = toml::from_str(&std::fs::read_to_string(folder.join("case.toml")).unwrap()).unwrap();
        let input =
            ["input.pcap", "input.pcapng"].map(|name| relative.join(name)).into_iter().find(|path| top().join(path).is_file());
        let input = input.expect("a case has a capture");
        let options: Vec<&str> = case.options.iter().map(String::as_str).collect();
        let lines = replay(&input, &options);
        for workers in ["2", "8"] {
            let again = replay(&input, &[options.as_slice(), &["--workers", workers]].concat());
            assert!(lines == again, "{}: {workers} workers write other lines than one", relative.display());
        }
        let records = records(&lines);
        schema::assert_all_fit(&records);
        let must: BTreeMap<u64, u64> = case.must.iter().map(|(sid, count)| (sid.parse().unwrap(), *count)).collect();
        assert_eq!(alert_counts(&records), must, "{}", relative.display());
        assert!(folder.join("README.md").is_file(), "{}: a case says where it comes from", relative.display());
        backstop_testkit::golden::assert_golden(&folder.join("eve.golden.jsonl"), std::str::from_utf8(&lines).unwrap());
    }
}
