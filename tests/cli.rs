//! The binary end to end: what it says, where, and with which exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{alert_counts, backstop, records, run, schema, stderr};

const ATTACK: &str = "pcaps/veeam/a1_getall/input.pcap";

fn attack_bytes() -> Vec<u8> {
    std::fs::read(common::top().join(ATTACK)).unwrap()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn with_input(args: &[&str], input: &[u8]) -> std::process::Output {
    let mut child = backstop().args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    drop(writer.join().unwrap());
    output
}

fn terminate(child: &Child, signal: &str) {
    let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn wait_at_most(child: &mut Child, limit: Duration) -> std::process::ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(started.elapsed() < limit, "still running after {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn quiet_replay_to_stdout_writes_records_and_nothing_else() {
    let output = run(&["replay", ATTACK, "-o", "-", "-q"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
    let records = records(&output.stdout);
    schema::assert_all_fit(&records);
    assert_eq!(alert_counts(&records)[&9_401_001], 2);
    assert_eq!(records.last().unwrap()["event_type"], "sensor_stats");
}

#[test]
fn standard_input_gives_the_same_as_the_file() {
    let file = run(&["replay", ATTACK, "-o", "-", "-q"]).stdout;
    let piped = with_input(&["replay", "-", "-o", "-", "-q"], &attack_bytes());
    assert_eq!(piped.status.code(), Some(0));
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert_eq!(piped.replace("\"pcap_filename\":\"-\"", &format!("\"pcap_filename\":\"{ATTACK}\"")).as_bytes(), file);
}

#[test]
fn the_summary_is_for_people() {
    let output = run(&["replay", ATTACK, "--summary"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("9401001") && text.contains("10.20.30.77") && text.contains("4 alerts"), "{text}");
}

#[test]
fn a_missing_file_is_named_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let before = write(folder.path(), "eve.json", b"{\"kept\":true}\n");
    let output = run(&["replay", "no/such.pcap", "-o", &before]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("no/such.pcap: No such file"), "{said}");
    assert_eq!(said.lines().count(), 1, "one clear error: {said}");
    assert_eq!(std::fs::read(&before).unwrap(), b"{\"kept\":true}\n");
}

#[test]
fn what_is_no_capture_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("text.pcap", b"this is no capture".as_slice()), ("empty.pcap", b"")] {
        let path = write(folder.path(), name, bytes);
        let output = run(&["replay", &path]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains(&format!("{name}: not a capture file")), "{}", stderr(&output));
    }
    let output = run(&["replay", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let empty = tempfile::tempdir().unwrap();
    let output = run(&["replay", empty.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no capture files here"));
}

#[test]
fn a_truncated_file_is_used_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = attack_bytes();
    let path = write(folder.path(), "cut.pcap", &whole[..whole.len() - 20]);
    let output = run(&["replay", &path, "-o", "-", "-q"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cut.pcap: cut short in packet 58"), "{}", stderr(&output));
    assert_eq!(alert_counts(&records(&output.stdout))[&9_401_001], 2);
}

#[test]
fn a_damaged_packet_record_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = attack_bytes();
    // The captured length of the second packet.
    let first = u32::from_le_bytes(bytes[32..36].try_into().unwrap()) as usize;
    let second = 24 + 16 + first;
    bytes[second + 8..second + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let path = write(folder.path(), "damaged.pcap", &bytes);
    let output = run(&["replay", &path, "-o", "-", "-q"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("damaged.pcap: ") && stderr(&output).contains("packet 2"), "{}", stderr(&output));
}

#[test]
fn an_unknown_link_type_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = attack_bytes();
    bytes[20..24].copy_from_slice(&147_u32.to_le_bytes());
    let path = write(folder.path(), "user0.pcap", &bytes);
    let output = run(&["replay", &path, "-o", "-"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("user0.pcap: packets of link type 147"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    // From a pipe the head cannot be looked at first: the run ends, and says so.
    let output = with_input(&["replay", "-", "-o", "-", "-q"], &bytes);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("link type 147"), "{}", stderr(&output));
}

#[test]
fn a_wrong_rule_is_named_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "mine.yar", b"rule ok { condition: false }\nrule bad {\n  condition: $missing\n}\n");
    for command in [vec!["replay", ATTACK, "--rules", &path], vec!["test", "--rules", &path], vec!["rules", "--rules", &path]] {
        let output = run(&command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert!(stderr(&output).contains("mine.yar:3:"), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1);
    }
    let output = run(&["replay", ATTACK, "--rules", "no/such/rules"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no/such/rules"));
}

#[test]
fn a_wrong_configuration_is_named_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "backstop.toml", b"home_net = [\"10.0.0.0/8\"]\n\n[tcp]\npolicy = \"vista\"\n");
    let output = run(&["replay", ATTACK, "--config", &path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("backstop.toml:4:10: \"vista\" is no overlap policy"), "{}", stderr(&output));
    let output = run(&["test", "--set", "home_nett=10.0.0.0/8"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--set home_nett=10.0.0.0/8: unknown field"), "{}", stderr(&output));
    let output = run(&["replay", ATTACK, "--filter", "tcp prot 9401"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("tcp prot 9401"));
    let output = run(&["replay", ATTACK, "-o", "no/such/folder/eve.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no/such/folder/eve.json"));
}

#[test]
fn a_full_disk_is_told_with_what_was_lost() {
    let output = run(&["replay", ATTACK, "-o", "/dev/full", "-q"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("records could not be written: /dev/full: No space left"), "{}", stderr(&output));
}

#[test]
fn a_reader_that_leaves_ends_the_replay() {
    let mut child =
        backstop().args(["replay", ATTACK, "-o", "-", "-q"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let status = wait_at_most(&mut child, Duration::from_secs(20));
    assert_eq!(status.code(), Some(1));
}

#[test]
fn sigterm_in_the_middle_of_a_replay_loses_nothing_written() {
    let folder = tempfile::tempdir().unwrap();
    let eve = folder.path().join("eve.json");
    let mut child = backstop()
        .args(["replay", "-", "-o", eve.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // All packets and no end: the replay waits for more.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&attack_bytes()).unwrap();
    stdin.flush().unwrap();
    // What came is processed without waiting for more.
    let started = Instant::now();
    while !std::fs::read_to_string(&eve).unwrap_or_default().contains("\"signature_id\":9401001") {
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    terminate(&child, "-TERM");
    let status = wait_at_most(&mut child, Duration::from_secs(2));
    assert_eq!(status.code(), Some(0));
    let records = records(&std::fs::read(&eve).unwrap());
    schema::assert_all_fit(&records);
    assert_eq!(alert_counts(&records)[&9_401_001], 2);
    assert_eq!(records.last().unwrap()["event_type"], "sensor_stats");
    drop(stdin);
}

#[test]
fn sighup_opens_the_output_again_after_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let (eve, rotated) = (folder.path().join("eve.json"), folder.path().join("eve.json.1"));
    let mut child = backstop().args(["replay", "-", "-o", eve.to_str().unwrap(), "-q"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = attack_bytes();
    // The head of the file first: without it nothing is opened.
    stdin.write_all(&bytes[..24]).unwrap();
    let started = Instant::now();
    while !eve.exists() {
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::rename(&eve, &rotated).unwrap();
    terminate(&child, "-HUP");
    stdin.write_all(&bytes[24..]).unwrap();
    drop(stdin);
    assert_eq!(wait_at_most(&mut child, Duration::from_secs(20)).code(), Some(0));
    let both: Vec<u8> = [&rotated, &eve].iter().flat_map(|path| std::fs::read(path).unwrap_or_default()).collect();
    assert!(eve.exists(), "the file is opened under its name again");
    assert_eq!(alert_counts(&records(&both))[&9_401_001], 2);
}

#[test]
fn several_files_play_in_time_order_and_name_their_records() {
    let later = "pcaps/veeam/s1_dotnet_writer/input.pcap";
    let lines = run(&["replay", later, ATTACK, "-o", "-", "-q"]).stdout;
    let records = records(&lines);
    let times: Vec<&str> = common::of_type(&records, "alert").iter().map(|alert| alert["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let from = |file: &str| records.iter().filter(|record| record["pcap_filename"] == file).count();
    assert!(from(ATTACK) > 0 && from(later) > 0);
}

#[test]
fn appending_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let eve = write(folder.path(), "eve.json", b"{\"event_type\":\"old\"}\n{\"half");
    assert_eq!(run(&["replay", ATTACK, "-o", &eve, "-q", "--append"]).status.code(), Some(0));
    let text = std::fs::read_to_string(&eve).unwrap();
    assert!(text.starts_with("{\"event_type\":\"old\"}\n{\"timestamp\""));
    assert_eq!(run(&["replay", ATTACK, "-o", &eve, "-q"]).status.code(), Some(0));
    assert!(std::fs::read_to_string(&eve).unwrap().starts_with("{\"timestamp\""));
}

#[test]
fn detections_and_rules_are_listed_and_explained() {
    let list = String::from_utf8(run(&["rules"]).stdout).unwrap();
    assert!(list.contains("9401001") && list.contains("9411001"));
    let explained = String::from_utf8(run(&["rules", "explain", "9401001"]).stdout).unwrap();
    assert!(explained.contains("T1212") && explained.contains("Veeam"), "{explained}");
    let output = run(&["rules", "explain", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no signature 1"));
}

#[test]
fn completions_and_the_manual_come_from_the_definition() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("replay"), "{shell}");
    }
    let page = String::from_utf8(run(&["man"]).stdout).unwrap();
    assert!(page.contains(".TH backstop") && page.contains("Exit codes"));
    let folder = tempfile::tempdir().unwrap();
    assert!(run(&["man", "--output", folder.path().to_str().unwrap()]).status.success());
    assert!(folder.path().join("backstop-replay.1").is_file());
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let output = run(&["run", "-i", "nosuch0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("interface nosuch0"), "{}", stderr(&output));
    let output = run(&["run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no interface"));
}

#[test]
fn strict_output_has_only_what_suricata_knows() {
    let output = run(&["replay", ATTACK, "-o", "-", "-q", "--set", "eve.strict=true"]);
    let types: std::collections::BTreeSet<String> =
        records(&output.stdout).iter().map(|record| record["event_type"].as_str().unwrap().to_owned()).collect();
    assert!(types.iter().all(|known| ["alert", "flow", "stats", "anomaly", "tls"].contains(&known.as_str())), "{types:?}");
}

#[test]
fn help_teaches() {
    let mut text = String::new();
    let mut child = backstop().arg("--help").stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    for word in ["Examples:", "replay", "run", "test", "rules", "completions", "man", "Exit codes"] {
        assert!(text.contains(word), "{word}");
    }
}
