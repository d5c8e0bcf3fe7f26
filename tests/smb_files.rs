//! Files over SMB as the binary tells them: their sums in alerts, what is scanned of them and how often, files in several opens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};

use backstop_testkit::Conversation;
use backstop_testkit::pcap::{ETHERNET, PcapWriter};
use backstop_testkit::smb::{OK, Talk};
use backstop_types::{Direction, Endpoint, PacketTime};
use common::{final_counters, of_type, records, replay, schema};
use serde_json::Value;
use sha2::Digest as _;

/// The shape of a loader, and nothing that runs.
const LOADER: &str = "return\r\n$b = [Convert]::FromBase64String('AAAA')\r\n$s = New-Object IO.Compression.DeflateStream($b, 0)\r\n\
    [Runtime.InteropServices.Marshal]::GetDelegateForFunctionPointer($p, $t)\r\n";
const ADMIN: &str = r"\\10.20.30.10\ADMIN$";

fn on(share: &str) -> Talk {
    let mut talk = Talk::default();
    talk.connect(share, 1, OK);
    talk
}

/// A capture of one connection that says nothing for two minutes from one message on, and is not closed.
fn paused(folder: &Path, talk: &Talk, from: usize) -> PathBuf {
    let path = folder.join("input.pcap");
    let mut out = PcapWriter::new(std::fs::File::create(&path).unwrap(), ETHERNET).unwrap();
    let client = Endpoint::new("10.20.30.41".parse().unwrap(), 50_000);
    let server = Endpoint::new("10.20.30.10".parse().unwrap(), 445);
    let mut wire = Conversation::new(client, server, (1, 1));
    let mut micros = 1_768_384_800_000_000;
    let mut segments = wire.handshake();
    for (number, (direction, bytes)) in talk.script.iter().enumerate() {
        segments.extend(wire.data(*direction, bytes));
        if number == from {
            micros += 120_000_000;
        }
        for segment in segments.drain(..) {
            micros += 10;
            out.write(PacketTime::from_micros(micros), &wire.frame(&segment)).unwrap();
        }
    }
    out.finish().unwrap();
    path
}

/// A capture of one connection. It is closed, or goes on for a minute without a word: then `closed` is false.
fn capture(folder: &Path, talk: &Talk, closed: bool) -> PathBuf {
    let path = folder.join("input.pcap");
    let mut out = PcapWriter::new(std::fs::File::create(&path).unwrap(), ETHERNET).unwrap();
    let client = Endpoint::new("10.20.30.41".parse().unwrap(), 50_000);
    let server = Endpoint::new("10.20.30.10".parse().unwrap(), 445);
    let mut wire = Conversation::new(client, server, (1, 1));
    let mut segments = wire.handshake();
    for (direction, bytes) in &talk.script {
        segments.extend(wire.data(*direction, bytes));
    }
    if closed {
        segments.extend(wire.close(Direction::ToServer));
    }
    let mut micros = 1_768_384_800_000_000;
    for segment in &segments {
        micros += 10;
        out.write(PacketTime::from_micros(micros), &wire.frame(segment)).unwrap();
    }
    out.finish().unwrap();
    path
}

fn replayed(talk: &Talk, closed: bool, args: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = capture(folder.path(), talk, closed);
    let lines = replay(&path, args);
    assert!(lines == replay(&path, &[args, &["--workers", "3"]].concat()), "workers change nothing");
    let records = records(&lines);
    schema::assert_all_fit(&records);
    records
}

fn alerts(records: &[Value], sid: u64) -> Vec<&Value> {
    of_type(records, "alert").into_iter().filter(|alert| alert["alert"]["signature_id"] == sid).collect()
}

fn executable(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3c] = 0x80;
    bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
    bytes
}

fn sha256(bytes: &[u8]) -> Value {
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes)).into()
}

/// What `fileinfo` says of a file that was closed, alerts on it say as well.
#[test]
fn alerts_on_a_file_that_is_closed_have_its_sums() {
    let program = executable(70_000);
    for (name, bytes, sids) in
        [("tools\\check.ps1", LOADER.as_bytes(), &[9_404_001, 9_403_001][..]), ("tools\\a.dat", &program, &[9_404_002])]
    {
        let mut talk = on(ADMIN);
        talk.put(name, bytes, 30_000);
        let records = replayed(&talk, true, &[]);
        let [info] = of_type(&records, "fileinfo")[..] else { panic!("{name}: one file") };
        assert_eq!((&info["fileinfo"]["sha256"], &info["fileinfo"]["size"]), (&sha256(bytes), &bytes.len().into()));
        for sid in sids {
            let [alert] = alerts(&records, *sid)[..] else { panic!("{sid} is told once") };
            let [file] = &alert["files"].as_array().unwrap()[..] else { panic!("{sid} has one file") };
            for field in ["filename", "size", "magic", "md5", "sha1", "sha256", "state", "gaps"] {
                assert!(!file[field].is_null(), "{sid}: {field}");
                assert_eq!(file[field], info["fileinfo"][field], "{sid}: {field}");
            }
            assert_eq!(alert["alert"]["metadata"]["outcome"][0], "success");
        }
    }
}

/// What cannot be known yet, or is not all of it, is not said.
#[test]
fn alerts_on_what_is_not_whole_have_no_sums() {
    // A hole.
    let mut holed = on(ADMIN);
    let id = holed.create("tools\\check.ps1", OK);
    holed.write(id, 0, LOADER.as_bytes(), OK);
    holed.write(id, 4_000, b"# the end", OK);
    holed.close(id);
    // Read, and told at once.
    let mut read = on(ADMIN);
    let id = read.open("tools\\check.ps1", LOADER.len() as u64 + 4);
    read.read(id, 0, LOADER.as_bytes());
    read.close(id);
    for (talk, sid) in [(holed, 9_404_001), (read, 9_403_001)] {
        let records = replayed(&talk, true, &[]);
        let [alert] = alerts(&records, sid)[..] else { panic!("{sid} is told once") };
        assert_eq!((&alert["files"][0]["state"], &alert["files"][0]["sha256"]), (&"UNKNOWN".into(), &Value::Null));
    }
}

/// A file that was renamed before it was closed has its new name in the alert.
#[test]
fn a_file_that_is_renamed_has_its_sums_under_its_new_name() {
    let mut talk = on(ADMIN);
    let id = talk.create("tools\\a.tmp", OK);
    talk.write(id, 0, LOADER.as_bytes(), OK);
    let request = backstop_testkit::smb::set_info(id, 10, &backstop_testkit::smb::rename("tools\\check.ps1"));
    talk.exchange(backstop_testkit::smb::command::SET_INFO, &request, OK, &[2, 0]);
    talk.close(id);
    let records = replayed(&talk, true, &[]);
    let [alert] = alerts(&records, 9_404_001)[..] else { panic!("it is told once") };
    let file = &alert["files"][0];
    assert_eq!((&file["filename"], &file["sha256"]), (&"tools\\check.ps1".into(), &sha256(LOADER.as_bytes())));
}

/// Bytes of a piece, and how many of them are a file.
const PIECE: usize = 60_000;
const PIECES: usize = 20;

/// Texts that a rule looks for: one within each piece, and one across each end of one.
fn marked() -> (Vec<u8>, String, usize) {
    let mut bytes = vec![b'.'; PIECE * PIECES];
    let mut rules = String::new();
    for at in 1..PIECES * 2 {
        let text = format!("MARK-{at:04}-MARK");
        bytes[at * PIECE / 2 - 7..][..text.len()].copy_from_slice(text.as_bytes());
        rules.push_str(&format!("rule m_{at:04} {{ meta: scope = \"content\" strings: $m = \"{text}\" condition: $m }}\n"));
    }
    (bytes, rules, PIECES * 2 - 1)
}

/// Which marks were found in what a client wrote, and how many bytes were scanned for it.
fn found(talk: &Talk, closed: bool, rules: &str, args: &[&str]) -> (Vec<String>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks.yar");
    std::fs::write(&path, rules).unwrap();
    let base = ["--rules", path.to_str().unwrap(), "--set", "scan.prefilter=false", "--set", "scan.max_depth=1"];
    let records = replayed(talk, closed, &[&base, args].concat());
    let of = of_type(&records, "alert").into_iter().filter_map(|alert| {
        let rule = alert["alert"]["context"]["yara"]["rule"].as_str()?;
        assert_eq!(alert["smb"]["filename"], "big.bin", "{rule}");
        Some(rule.to_owned())
    });
    let mut marks: Vec<String> = of.collect();
    marks.sort();
    (marks, final_counters(&records)["scan"]["scanned_bytes"].as_u64().unwrap())
}

/// The pieces of a file written at their places, in this order.
fn written(bytes: &[u8], order: impl IntoIterator<Item = usize>) -> (Talk, [u8; 16]) {
    let mut talk = on(r"\\h\Backups");
    let id = talk.create("big.bin", OK);
    for at in order {
        talk.write(id, (at * PIECE) as u64, &bytes[at * PIECE..][..PIECE], OK);
    }
    (talk, id)
}

/// A file of a megabyte that is kept is scanned once; before, it was twice: in windows, and whole.
#[test]
fn a_long_file_that_is_kept_is_scanned_once() {
    let (bytes, rules, all) = marked();
    let (mut talk, id) = written(&bytes, 0..PIECES);
    talk.close(id);
    let (marks, scanned) = found(&talk, true, &rules, &[]);
    assert_eq!(marks.len(), all);
    // The messages around the data are scanned as well.
    let once = bytes.len() as u64 + 20_000;
    assert!((bytes.len() as u64..once).contains(&scanned), "{scanned} of {}", bytes.len());
    // The same in the order of a client that writes from both ends, and of one that never says that it is done.
    let mut order: Vec<usize> = (1..PIECES).rev().collect();
    order.insert(0, 0);
    let (mut talk, id) = written(&bytes, order);
    talk.close(id);
    let (marks, scanned) = found(&talk, true, &rules, &[]);
    assert!(marks.len() == all && scanned < once, "{} marks, {scanned}", marks.len());
    for closed in [true, false] {
        let (talk, _) = written(&bytes, 0..PIECES);
        let (marks, scanned) = found(&talk, closed, &rules, &[]);
        assert!(marks.len() == all && scanned < once, "{} marks, {scanned}", marks.len());
    }
}

/// A file that is left open, in a connection that goes on, is scanned when nothing came of it for as long as alerts wait.
#[test]
fn a_file_that_is_left_open_is_not_kept_from_the_rules() {
    let (bytes, rules, all) = marked();
    for late in [false, true] {
        let (mut talk, id) = written(&bytes, 0..PIECES - usize::from(late));
        let pause = talk.script.len();
        // Another file, and the rest of the first one.
        talk.connect(r"\\h\Backups", 1, OK);
        if late {
            talk.write(id, ((PIECES - 1) * PIECE) as u64, &bytes[(PIECES - 1) * PIECE..], OK);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks.yar");
        std::fs::write(&path, &rules).unwrap();
        let capture = paused(folder.path(), &talk, pause);
        let records = records(&replay(&capture, &["--rules", path.to_str().unwrap()]));
        let told = of_type(&records, "alert");
        assert_eq!(told.len(), all, "{late}");
        let last_piece = |alert: &&&Value| alert["timestamp"].as_str().unwrap() >= "2026-01-14T10:01:00";
        let after = told.iter().filter(last_piece).count();
        assert_eq!(after, if late { 2 } else { 0 }, "{late}: alerts are about the packets that brought the bytes");
        assert!(told.iter().all(|alert| alert["smb"]["filename"] == "big.bin"));
    }
}

/// What is not kept is found as before.
#[test]
fn what_is_not_kept_of_a_file_is_scanned_as_it_comes() {
    let (bytes, rules, all) = marked();
    for args in [
        &["--set", "files.enabled=false"][..],
        &["--set", "files.max_file=300KiB"],
        &["--set", "files.max_file=1"],
        &["--set", "files.max_flow=200KiB"],
        &["--set", "files.max_total=1MiB"],
        &["--set", "scan.max_content=100KiB"],
        &["--set", "parser.max_file_bytes=64KiB"],
    ] {
        for closed in [true, false] {
            let (mut talk, id) = written(&bytes, 0..PIECES);
            if closed {
                talk.close(id);
            }
            assert_eq!(found(&talk, closed, &rules, args).0.len(), all, "{args:?} {closed}");
        }
        let (mut talk, id) = written(&bytes, [0].into_iter().chain((1..PIECES).rev()));
        talk.close(id);
        // Windows end where a piece does that is written before the one in front of it: what lies across is seen by who keeps the file.
        assert!(found(&talk, true, &rules, args).0.len() >= PIECES, "{args:?} backwards");
    }
}

/// A hole hides nothing behind it, and what was written over was seen before.
#[test]
fn holes_and_what_is_written_over_hide_nothing() {
    let (bytes, rules, all) = marked();
    // Without the fifth piece two marks are cut at its ends, and the one in it is gone.
    let (mut talk, id) = written(&bytes, (0..PIECES).filter(|at| *at != 5));
    talk.close(id);
    assert_eq!(found(&talk, true, &rules, &[]).0.len(), all - 3);
    // All but the last mark is in the file by the time when it is blanked.
    for closed in [true, false] {
        let (mut talk, id) = written(&bytes, 0..PIECES);
        for at in 0..PIECES {
            talk.write(id, (at * PIECE) as u64, &vec![b' '; PIECE], OK);
        }
        if closed {
            talk.close(id);
        }
        assert_eq!(found(&talk, closed, &rules, &[]).0.len(), all, "{closed}");
    }
    // Blank first, then written: what is there at the end counts.
    let (mut talk, id) = written(&vec![b' '; bytes.len()], 0..PIECES);
    for at in 0..PIECES {
        talk.write(id, (at * PIECE) as u64, &bytes[at * PIECE..][..PIECE], OK);
    }
    talk.close(id);
    assert_eq!(found(&talk, true, &rules, &[]).0.len(), all);
}

/// Two opens of one file: each half is a file of its own for the record, and the script that a reader of the share sees is told.
#[test]
fn a_script_in_two_opens_is_told() {
    let (first, second) = LOADER.as_bytes().split_at(LOADER.find("DeflateStream").unwrap() + 4);
    for halves in [[(0, first), (first.len(), second)], [(first.len(), second), (0, first)]] {
        let mut talk = on(ADMIN);
        for (number, (offset, bytes)) in halves.into_iter().enumerate() {
            let name = "tools\\check.ps1";
            let id = if number == 0 { talk.create(name, OK) } else { talk.open(name, 0) };
            talk.write(id, offset as u64, bytes, OK);
            talk.close(id);
        }
        let records = replayed(&talk, true, &[]);
        let [alert] = alerts(&records, 9_403_001)[..] else { panic!("it is told once") };
        assert_eq!((&alert["alert"]["severity"], &alert["files"][0]["filename"]), (&1.into(), &"tools\\check.ps1".into()));
        assert_eq!(
            (&alert["files"][0]["size"], &alert["alert"]["context"]["file"]["joined"]),
            (&LOADER.len().into(), &true.into())
        );
        assert_eq!(alert["files"][0]["sha256"], Value::Null, "no open saw all of it");
        assert_eq!(alerts(&records, 9_404_001).len(), 1);
    }
}
