//! Runs the binary as its user would.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub mod schema;

/// The top of the tree; tests run the binary there, so that paths in records are relative.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Captures beside the tree, where they are.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let path = top().join("../shared").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: ../shared/{folder} is not here");
    None
}

/// The binary with its own cache, so that tests neither read nor change the user's.
pub fn backstop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backstop"));
    command
        .current_dir(top())
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env_remove("CACHE_DIRECTORY")
        .stdin(Stdio::null());
    command
}

/// Runs to the end.
pub fn run(args: &[&str]) -> Output {
    backstop().args(args).output().unwrap()
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The EVE lines of a replay that must succeed.
pub fn replay(capture: &Path, args: &[&str]) -> Vec<u8> {
    let output = backstop().arg("replay").arg(capture).args(["-o", "-", "-q"]).args(args).output().unwrap();
    assert!(output.status.success(), "{}: {:?} {}", capture.display(), output.status, stderr(&output));
    assert_eq!(stderr(&output), "", "{}: nothing to say", capture.display());
    output.stdout
}

/// Lines as JSON; each must be a whole record.
pub fn records(lines: &[u8]) -> Vec<Value> {
    assert!(lines.is_empty() || lines.ends_with(b"\n"), "the last line is whole");
    std::str::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The records of one type.
pub fn of_type<'a>(records: &'a [Value], event_type: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["event_type"] == event_type).collect()
}

/// How many alerts of each signature.
pub fn alert_counts(records: &[Value]) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for alert in of_type(records, "alert") {
        *counts.entry(alert["alert"]["signature_id"].as_u64().unwrap()).or_default() += 1;
    }
    counts
}

/// The counters at the end, by layer.
pub fn final_counters(records: &[Value]) -> Value {
    of_type(records, "sensor_stats").last().expect("a replay ends with its counters")["sensor_stats"].clone()
}
