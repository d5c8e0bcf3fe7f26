//! Inside TLS, with keys: the same findings as in the clear, from every source of keys; and a clear word where they do not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use common::{alert_counts, backstop, of_type, records, replay, run, schema, shared, stderr, top};
use serde_json::Value;

/// What the attacker's sessions of `a5_*` give, decrypted: the manifest's calls, repetitions of one cause being one alert.
fn attack() -> BTreeMap<u64, u64> {
    BTreeMap::from([(9_401_001, 2), (9_401_002, 1), (9_401_003, 3)])
}

/// Findings that need no keys (the TLS stack, the shape of a session) are another test's.
fn decoded(records: &[Value]) -> BTreeMap<u64, u64> {
    let mut counts = alert_counts(records);
    counts.retain(|sid, _| *sid <= 9_401_008);
    counts
}

fn key_log(name: &str) -> String {
    format!("../shared/captures/veeam/{name}")
}

/// Replays a capture of the lab with one, two and eight workers, which must agree.
fn replay_with(folder: &Path, file: &str, options: &[&str]) -> Vec<Value> {
    let lines = replay(&folder.join(file), options);
    for workers in ["2", "8"] {
        let again = replay(&folder.join(file), &[options, &["--workers", workers]].concat());
        assert!(lines == again, "{file}: {workers} workers write other lines than one");
    }
    let records = records(&lines);
    schema::assert_all_fit(&records);
    records
}

fn sessions(records: &[Value]) -> Vec<Value> {
    of_type(records, "tls_session").into_iter().map(|record| record["tls_session"].clone()).collect()
}

fn assert_opened(records: &[Value], source: &str) {
    for session in sessions(records) {
        assert_eq!((&session["decrypted"], &session["key_source"]), (&Value::Bool(true), &Value::from(source)), "{session}");
        assert!(session.get("why_not").is_none(), "{session}");
    }
    for found in records.iter().filter(|record| record["event_type"] == "alert" && record["alert"]["gid"] == 9401) {
        if found["alert"]["context"].get("veeam").is_some() {
            assert_eq!(found["alert"]["context"]["decrypted"], true, "{found}");
            assert_eq!(found["alert"]["metadata"]["decrypted"][0], "true");
            assert_eq!(found["tls"]["version"], "TLS 1.2");
        }
    }
    let calls = of_type(records, "veeam");
    assert!(!calls.is_empty());
    assert!(calls.iter().all(|call| call["veeam"]["decrypted"] == true && call["tls"]["ja3"].is_object()));
}

#[test]
fn every_source_of_keys_opens_what_the_plain_twin_shows() {
    let Some(folder) = shared("captures/veeam") else { return };
    let log = key_log("a5_tls12_ecdhe.keylog.txt");
    let by_rsa = format!("tls.rsa_keys={}", key_log("server_key.pem"));
    let by_folder = format!("tls.rsa_keys={}", key_log(""));
    let by_file = format!("tls.keylog={log}");
    for (file, options, source) in [
        ("a5_tls12_ecdhe.pcap", &["--keylog", log.as_str()][..], "key_log"),
        ("a5_tls12_ecdhe.pcap", &["--set", by_file.as_str()], "key_log"),
        ("a5_tls12_ecdhe_dsb.pcapng", &[], "key_log"),
        ("a5_tls12_rsa_gcm.pcap", &["--set", by_rsa.as_str()], "rsa_key"),
        ("a5_tls12_rsa_gcm.pcap", &["--set", by_folder.as_str()], "rsa_key"),
    ] {
        let records = replay_with(&folder, file, options);
        assert_eq!(decoded(&records), attack(), "{file} {options:?}");
        assert_opened(&records, source);
        assert!(of_type(&records, "anomaly").is_empty(), "{file}");
    }
    let log = key_log("b1_tls12.keylog.txt");
    let records = replay_with(&folder, "b1_tls12.pcap", &["--keylog", &log]);
    assert!(decoded(&records).is_empty(), "ordinary calls are no finding inside TLS either");
    assert_opened(&records, "key_log");
}

#[test]
fn without_keys_nothing_inside_is_claimed() {
    let Some(folder) = shared("captures/veeam") else { return };
    let records = replay_with(&folder, "a5_tls12_ecdhe.pcap", &[]);
    assert!(decoded(&records).is_empty());
    assert!(of_type(&records, "veeam").is_empty());
    for session in sessions(&records) {
        assert_eq!(session["decrypted"], false);
        assert!(session.get("why_not").is_none(), "nobody asked for it: {session}");
        assert_eq!(session["certificate_sha256"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn keys_of_another_session_open_nothing_and_the_record_says_so() {
    let Some(folder) = shared("captures/veeam") else { return };
    let other = key_log("b1_tls12.keylog.txt");
    let records = replay_with(&folder, "a5_tls12_ecdhe.pcap", &["--keylog", &other]);
    assert!(decoded(&records).is_empty());
    assert!(sessions(&records).iter().all(|session| session["why_not"] == "no_keys"));
    let rsa = format!("tls.rsa_keys={}", key_log("server_key.pem"));
    let records = replay_with(&folder, "a5_tls12_ecdhe.pcap", &["--set", &rsa]);
    assert!(sessions(&records).iter().all(|session| session["why_not"] == "dhe_needs_key_log"));
}

/// The right names with wrong secrets, and a log that breaks off in a line.
#[test]
fn wrong_secrets_are_an_anomaly_and_a_cut_line_costs_its_session_only() {
    let Some(folder) = shared("captures/veeam") else { return };
    let text = std::fs::read_to_string(folder.join("a5_tls12_ecdhe.keylog.txt")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let wrong = scratch.path().join("wrong");
    let swapped: String = text
        .lines()
        .map(|line| match line.rsplit_once(' ') {
            Some((head, secret)) => format!("{head} {}\n", secret.chars().rev().collect::<String>()),
            None => format!("{line}\n"),
        })
        .collect();
    std::fs::write(&wrong, swapped).unwrap();
    let records = replay_with(&folder, "a5_tls12_ecdhe.pcap", &["--keylog", wrong.to_str().unwrap()]);
    assert!(decoded(&records).is_empty());
    assert!(sessions(&records).iter().all(|session| session["decrypted"] == false && session["why_not"] == "wrong_keys"));
    let told = of_type(&records, "anomaly").iter().filter(|anomaly| anomaly["anomaly"]["event"] == "TLS_WRONG_KEYS").count();
    assert!(told >= 4, "each of the four sessions says so: {told}");

    let secrets: Vec<&str> = text.lines().filter(|line| line.starts_with("CLIENT_RANDOM")).collect();
    let cut = scratch.path().join("cut");
    let whole = secrets[..secrets.len() - 1].join("\n");
    let last = &secrets[secrets.len() - 1][..120];
    std::fs::write(&cut, format!("{whole}\n{last}")).unwrap();
    let output =
        run(&["replay", folder.join("a5_tls12_ecdhe.pcap").to_str().unwrap(), "--keylog", cut.to_str().unwrap(), "-o", "-"]);
    assert!(output.status.success());
    let said = stderr(&output);
    assert!(said.contains(&format!("cut:{}: not a line of a key log", secrets.len())), "{said}");
    let opened = sessions(&common::records(&output.stdout)).iter().filter(|session| session["decrypted"] == true).count();
    assert_eq!(opened, secrets.len() - 1);
    for secret in secrets.iter().map(|line| line.rsplit(' ').next().unwrap()) {
        assert!(!said.contains(&secret[..16]), "a secret was written");
    }
}

/// One byte of ciphertext turned on the wire, sums not looked at: told, and nothing behind it in that direction is parsed.
#[test]
fn a_record_that_does_not_authenticate_is_an_anomaly_and_never_parsed() {
    let Some(folder) = shared("captures/veeam") else { return };
    let mut capture = std::fs::read(folder.join("a5_tls12_ecdhe.pcap")).unwrap();
    // An application record of TLS 1.2 whose header stands in the capture: the first long one.
    let at = capture
        .windows(5)
        .enumerate()
        .skip(24)
        .filter(|(_, head)| head.starts_with(&[23, 3, 3]) && u16::from_be_bytes([head[3], head[4]]) > 300)
        .map(|(at, _)| at)
        .next()
        .unwrap();
    capture[at + 40] ^= 1;
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("damaged.pcap");
    std::fs::write(&path, capture).unwrap();
    let log = key_log("a5_tls12_ecdhe.keylog.txt");
    let lines = replay(&path, &["--keylog", &log, "--set", "flow.verify_checksums=false"]);
    let records = records(&lines);
    let told: Vec<_> = of_type(&records, "anomaly").iter().map(|anomaly| anomaly["anomaly"]["event"].clone()).collect();
    assert_eq!(told, ["TLS_BAD_RECORD_MAC"], "{told:?}");
    let broken: Vec<_> = sessions(&records).into_iter().filter(|session| session["why_not"] == "bad_record_mac").collect();
    assert_eq!(broken.len(), 1);
}

/// Starts a replay of standard input that writes to a file.
fn piped(keys: &str, output: &Path) -> std::process::Child {
    backstop()
        .args(["replay", "-", "-q", "--keylog", keys, "-o"])
        .arg(output)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn alerts_of(output: &Path) -> BTreeMap<u64, u64> {
    decoded(&records(&std::fs::read(output).unwrap()))
}

/// Packets first, keys later: in a file that is made later, over a socket of the sensor's own, and through a pipe.
#[test]
fn keys_that_come_after_the_packets_open_what_waited() {
    let Some(folder) = shared("captures/veeam") else { return };
    let capture = std::fs::read(folder.join("a5_tls12_ecdhe.pcap")).unwrap();
    let keys = std::fs::read(folder.join("a5_tls12_ecdhe.keylog.txt")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { scratch.path().join(name) };
    let pipe = at("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let cases = [at("later").display().to_string(), format!("unix:{}", at("socket").display()), pipe.display().to_string()];
    for (number, source) in cases.iter().enumerate() {
        let output = at(&format!("out{number}"));
        let mut child = piped(source, &output);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&capture).unwrap();
        stdin.flush().unwrap();
        // All packets are there, and no flow has ended for want of packets: each waits.
        std::thread::sleep(Duration::from_secs(1));
        let path = source.strip_prefix("unix:").unwrap_or(source);
        if source.starts_with("unix:") {
            std::os::unix::net::UnixStream::connect(path).unwrap().write_all(&keys).unwrap();
        } else {
            std::fs::File::options().create(true).append(true).open(path).unwrap().write_all(&keys).unwrap();
        }
        std::thread::sleep(Duration::from_millis(500));
        drop(stdin);
        assert!(child.wait().unwrap().success());
        assert_eq!(alerts_of(&output), attack(), "{source}");
    }
}

/// `--keylog <(command)`: a replay of files reads the pipe to its end before the first packet.
#[test]
fn a_replay_reads_a_pipe_of_keys_first() {
    let Some(folder) = shared("captures/veeam") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let pipe = scratch.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let keys = std::fs::read(folder.join("a5_tls12_ecdhe.keylog.txt")).unwrap();
    let to = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(to, keys).unwrap());
    let lines = replay(&folder.join("a5_tls12_ecdhe.pcap"), &["--keylog", pipe.to_str().unwrap()]);
    writer.join().unwrap();
    assert_eq!(decoded(&records(&lines)), attack());
}

/// The secrets of a pcapng that comes through a pipe stand in front of its packets.
#[test]
fn a_piped_capture_brings_its_own_keys() {
    let Some(folder) = shared("captures/veeam") else { return };
    let input = std::fs::File::open(folder.join("a5_tls12_ecdhe_dsb.pcapng")).unwrap();
    let output = backstop().args(["replay", "-", "-q", "-o", "-"]).stdin(input).output().unwrap();
    assert!(output.status.success());
    assert_eq!(decoded(&records(&output.stdout)), attack());
}

#[test]
fn keys_that_cannot_be_used_are_one_clear_error_before_anything_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let output = scratch.path().join("eve.json");
    std::fs::write(&output, "earlier\n").unwrap();
    let no_key = scratch.path().join("server.pem");
    std::fs::write(&no_key, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let rsa = format!("tls.rsa_keys={}", no_key.display());
    let capture = top().join("pcaps/veeam/a1_getall/input.pcap");
    for (options, says) in [
        (["--keylog", "no/such/log"], "no/such/log: No such file"),
        (["--keylog", "."], ".: is a folder"),
        (["--set", rsa.as_str()], "server.pem: there is no private key in it"),
        (["--set", "tls.rsa_keys=src"], "src: no RSA private key here"),
    ] {
        let result = backstop().arg("replay").arg(&capture).args(options).arg("-o").arg(&output).output().unwrap();
        assert_eq!(result.status.code(), Some(2), "{options:?}");
        assert!(stderr(&result).contains(says), "{options:?}: {}", stderr(&result));
        assert_eq!(stderr(&result).lines().filter(|line| line.starts_with("backstop:")).count(), 1);
        assert_eq!(std::fs::read_to_string(&output).unwrap(), "earlier\n", "nothing is lost");
    }
}

#[test]
fn a_key_file_that_others_can_read_raises_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("keys");
    std::fs::write(&log, "# empty\n").unwrap();
    let capture = top().join("pcaps/veeam/a1_getall/input.pcap");
    let said = |mode: u32| {
        std::fs::set_permissions(&log, std::fs::Permissions::from_mode(mode)).unwrap();
        stderr(&backstop().arg("replay").arg(&capture).arg("--keylog").arg(&log).args(["-o", "-"]).output().unwrap())
    };
    assert!(said(0o644).contains("keys: others can read this key file"));
    assert!(!said(0o600).contains("others can read"));
}

/// Two sessions: one that an RSA key opens, and one that takes it up again, with packets of another flow between, so that another
/// worker has it. The result is the same for any number of workers.
#[test]
fn a_session_that_takes_up_another_is_opened_alike_by_any_number_of_workers() {
    use backstop_protocols::testing::fixture;
    use backstop_testkit::conversation::Conversation;
    use backstop_testkit::pcap::PcapWriter;
    use backstop_types::{Direction, Endpoint, PacketTime};

    let scratch = tempfile::tempdir().unwrap();
    for kind in ["id", "ticket"] {
        let path = scratch.path().join(format!("{kind}.pcap"));
        let mut writer = PcapWriter::new(std::fs::File::create(&path).unwrap(), 1).unwrap();
        let mut time = 1_700_000_000_000_000_u64;
        for (number, name) in ["first", "again", "again", "again"].iter().enumerate() {
            let port = 40_000 + 7 * u16::try_from(number).unwrap();
            let client = Endpoint { addr: [10, 1, 2, 3].into(), port };
            let server = Endpoint { addr: [10, 1, 2, 9].into(), port: 9_401 };
            let mut conversation = Conversation::new(client, server, (1, 1));
            let mut segments = conversation.handshake();
            segments.extend(conversation.script(&fixture(&format!("tls12_rsa_{kind}_{name}")).unwrap()));
            segments.extend(conversation.close(Direction::ToServer));
            for segment in segments {
                let frame = conversation.frame(&segment);
                time += 1_000;
                writer.write(PacketTime::from_micros(time), &frame).unwrap();
            }
        }
        writer.finish().unwrap();
        let key = format!("tls.rsa_keys=protocols/fixtures/tls12_rsa_{kind}_first.pem");
        let records = replay_with(scratch.path(), &format!("{kind}.pcap"), &["--set", &key]);
        let sessions = sessions(&records);
        assert_eq!(sessions.len(), 4);
        assert!(sessions.iter().all(|session| session["decrypted"] == true), "{kind}: {sessions:?}");
        assert_eq!(sessions.iter().filter(|session| session["resumed"] == true).count(), 3);
    }
}
