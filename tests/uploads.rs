//! Files in forms (RFC 7578) as the binary tells them: each a file of its own, with its sums, and looked at as one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use backstop_testkit::Conversation;
use backstop_testkit::pcap::{ETHERNET, PcapWriter};
use backstop_types::{Direction, Endpoint, PacketTime};
use common::{alert_counts, final_counters, of_type, records, replay, schema};
use serde_json::Value;
use sha2::Digest as _;

const LOADER: &[u8] = b"$p='AAAA'\n$b=[Convert]::FromBase64String($p)\n$d=New-Object IO.Compression.DeflateStream($m,0)\n\
    [Runtime.InteropServices.Marshal]::GetDelegateForFunctionPointer($a,$t).Invoke()\n";

/// A form with a field, and with these files.
fn form(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"--AaB03x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nJoe\r\n".to_vec();
    for (name, bytes) in files {
        let head = format!(
            "--AaB03x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        out.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    out.extend(b"--AaB03x--\r\n");
    out
}

/// What is said of a form that is sent; `chunked` in chunks that end anywhere.
fn sent(body: &[u8], chunked: bool, args: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.pcap");
    let mut out = PcapWriter::new(std::fs::File::create(&path).unwrap(), ETHERNET).unwrap();
    let client = Endpoint::new("10.0.0.5".parse().unwrap(), 40_000);
    let server = Endpoint::new("203.0.113.9".parse().unwrap(), 80);
    let mut talk = Conversation::new(client, server, (1, 1));
    let head = "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=\"AaB03x\"\r\n";
    let request = if chunked {
        let mut request = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        for chunk in body.chunks(3_331) {
            request.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        [request.as_slice(), b"0\r\n\r\n"].concat()
    } else {
        [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
    };
    let mut segments = talk.handshake();
    segments.extend(talk.data(Direction::ToServer, &request));
    segments.extend(talk.data(Direction::ToClient, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"));
    segments.extend(talk.close(Direction::ToServer));
    let mut micros = 1_768_384_800_000_000;
    for segment in &segments {
        micros += 10;
        out.write(PacketTime::from_micros(micros), &talk.frame(segment)).unwrap();
    }
    out.finish().unwrap();
    let lines = replay(&path, args);
    assert!(lines == replay(&path, &[args, &["--workers", "3"]].concat()), "workers change nothing");
    let records = records(&lines);
    schema::assert_all_fit(&records);
    records
}

fn sha256(bytes: &[u8]) -> Value {
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes)).into()
}

/// Bytes that no rule tells of.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 | 0x80
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn each_file_of_a_form_is_a_file() {
    let large = noise(300_000);
    let files: [(&str, &[u8]); 4] =
        [("report.txt", b"all is well\r\n"), ("large.bin", &large), ("empty", b""), ("b.txt", b"\n--AaB03\n")];
    for chunked in [false, true] {
        let records = sent(&form(&files), chunked, &[]);
        let told = of_type(&records, "fileinfo");
        for (name, bytes) in files.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            let [file] = told.iter().filter(|file| file["fileinfo"]["filename"] == *name).collect::<Vec<_>>()[..] else {
                panic!("{name} is told once")
            };
            assert_eq!(file["fileinfo"]["sha256"], sha256(bytes), "{name}");
            assert_eq!((&file["fileinfo"]["size"], &file["fileinfo"]["state"]), (&bytes.len().into(), &"CLOSED".into()));
            assert_eq!((&file["http"]["url"], &file["http"]["status"]), (&"/upload".into(), &201.into()));
        }
        // The body is one still, of nothing that is said twice.
        let body = form(&files);
        let [whole] = told.iter().filter(|file| file["fileinfo"]["filename"] == "upload").collect::<Vec<_>>()[..] else {
            panic!("the body is told")
        };
        assert_eq!((&whole["fileinfo"]["sha256"], told.len()), (&sha256(&body), 4));
        assert_eq!(of_type(&records, "alert"), Vec::<&Value>::new());
        assert_eq!(of_type(&records, "anomaly"), Vec::<&Value>::new());
    }
}

#[test]
fn what_stands_in_a_file_of_a_form_is_told_once_and_with_its_sums() {
    // In one window with its form, and behind a file of many.
    let large = noise(200_000);
    let padded = [LOADER, &b"# nothing but padding stands in this line of the script\n".repeat(3_000)].concat();
    for files in [
        &[("check.ps1", LOADER)][..],
        &[("large.bin", &large), ("check.ps1", LOADER)],
        &[("check.ps1", &padded), ("large.bin", &large)],
        &[("large.bin", &large), ("check.ps1", &padded)],
    ] {
        for chunked in [false, true] {
            let records = sent(&form(files), chunked, &[]);
            // The stream of a long request is ahead of its body: what its raw bytes say waits for what is said of the file.
            let found = of_type(&records, "alert");
            let [alert] = found[..] else { panic!("{:?}", alert_counts(&records)) };
            assert_eq!(alert["alert"]["signature_id"], 9_403_001);
            let script = files.iter().find(|(name, _)| *name == "check.ps1").unwrap().1;
            let file = &alert["files"][0];
            assert_eq!((&file["filename"], &file["sha256"]), (&"check.ps1".into(), &sha256(script)));
            assert_eq!(alert["http"]["status"], 201);
        }
    }
    // In a field, it is told as before.
    let field = [b"--AaB03x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n", LOADER, b"\r\n--AaB03x--"].concat();
    assert_eq!(alert_counts(&sent(&field, false, &[])).get(&9_403_001), Some(&1));
}

/// Rules of a file see it from its beginning on, and a listed sum is one of a file in a form as well.
#[test]
fn rules_and_indicators_look_at_files_of_forms() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("begins.yar");
    std::fs::write(&rules, "rule begins { meta: scope = \"content\" strings: $m = \"BEGINS\" condition: $m at 0 }").unwrap();
    let large = [b"BEGINS".as_slice(), &noise(150_000)].concat();
    for files in [&[("a.bin", b"BEGINS here".as_slice())][..], &[("x", b"x"), ("a.bin", &large)]] {
        let records = sent(&form(files), false, &["--rules", rules.to_str().unwrap()]);
        let found = of_type(&records, "alert");
        let [alert] = found[..] else { panic!("{:?}", alert_counts(&records)) };
        assert_eq!(alert["alert"]["context"]["yara"]["rule"], "begins");
        assert_eq!(alert["files"][0]["filename"], "a.bin");
    }
    let list = folder.path().join("list");
    std::fs::write(&list, format!("{} listed\n", sha256(&large).as_str().unwrap())).unwrap();
    let files = form(&[("x", b"x"), ("a.bin", &large)]);
    let records = sent(&files, false, &["--indicators", list.to_str().unwrap()]);
    assert_eq!(alert_counts(&records).get(&9_405_002), Some(&1));
}

/// More files than are told are a part of the body, and that is said; long ones hold no more than they may.
#[test]
fn forms_are_capped() {
    let names: Vec<String> = (0..10).map(|number| format!("{number}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"text".as_slice())).collect();
    let records = sent(&form(&files), false, &["--set", "parser.max_uploads=3"]);
    assert_eq!(of_type(&records, "fileinfo").len(), 4);
    assert_eq!(of_type(&records, "anomaly")[0]["anomaly"]["event"], "HTTP_UPLOAD_LIMIT");
    let large = noise(400_000);
    let args = ["--set", "files.max_file=100KiB"];
    let records = sent(&form(&[("large.bin", &large)]), true, &args);
    let told = of_type(&records, "fileinfo");
    assert!(told.iter().any(|file| file["fileinfo"]["sha256"] == sha256(&large)), "it is hashed all the same");
    assert_eq!(final_counters(&records)["files"]["too_long"], 1, "the form itself is not kept for that");
}
