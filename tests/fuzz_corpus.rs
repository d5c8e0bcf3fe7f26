//! What fuzzing began from and what it found, replayed on every test run without a fuzzer: see `fuzz/README.md`.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use backstop_fuzz::TARGETS;

fn inputs(area: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(area).join(target);
    // Not every target has found something.
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn replay(area: &str) -> usize {
    let mut count = 0;
    for target in TARGETS {
        for path in inputs(area, target.name) {
            // The last line before a panic names the input.
            println!("{}", path.display());
            (target.run)(&std::fs::read(&path).unwrap());
            count += 1;
        }
    }
    count
}

#[test]
fn every_seed_holds_and_every_target_has_seeds() {
    assert!(replay("corpora") >= 100);
    for target in TARGETS {
        assert!(!inputs("corpora", target.name).is_empty(), "{} has no seeds", target.name);
    }
}

#[test]
fn what_was_found_stays_mended() {
    assert!(replay("regressions") >= 5);
}
