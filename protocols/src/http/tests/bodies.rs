//! Codings, windows, ranges, names.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;
use crate::http::anomaly;
use crate::http::body::{OVERLAP, WINDOW};

/// `Hello, codings! ` twenty times.
fn text() -> Vec<u8> {
    b"Hello, codings! ".repeat(20)
}

/// The same as the reference encoder of br writes it (window 22).
const BR: &[u8] = b"1b3f01f8454f96ea7529281d33dbe7412c1803a88e26e548d5debc01";
/// The same as zstd 1.5 writes it, with its size and a checksum.
const ZSTD: &[u8] = b"28b52ffd644000bd00008048656c6c6f2c20636f64696e6773212001005a469d4bad1c42b7";

fn hex(digits: &[u8]) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(digits).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn answer(fields: &str, body: &[u8]) -> Script {
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    vec![(C, b"GET /f HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()), (S, response)]
}

#[test]
fn codings_are_undone() {
    let mut named = vec![0x1f, 0x8b, 8, 4 | 8 | 16 | 2, 0, 0, 0, 0, 0, 3, 3, 0];
    named.extend(b"abcname\0a comment\0HH");
    named.extend_from_slice(&gzip(&text())[10..]);
    let members = [gzip(&text()[..100]), gzip(&text()[100..])].concat();
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
    raw.write_all(&text()).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&text()).unwrap();
    for (coding, layer, body) in [
        ("gzip", "gzip", gzip(&text())),
        ("X-GZIP", "gzip", named),
        ("gzip", "gzip", members),
        ("deflate", "deflate", raw.finish().unwrap()),
        ("deflate", "deflate", zlib.finish().unwrap()),
        ("br", "br", hex(BR)),
        ("zstd", "zstd", hex(ZSTD)),
        // A skippable frame before it.
        ("zstd", "zstd", [b"\x5a\x2a\x4d\x18\x02\0\0\0ab".to_vec(), hex(ZSTD)].concat()),
    ] {
        let recorder = checked(&answer(&format!("Content-Encoding: {coding}\r\n"), &body));
        assert_eq!(contents(&recorder), [(vec!["http.body", layer], text())], "{coding}");
        assert_eq!(recorder.anomalies(), [""; 0]);
    }
}

#[test]
fn codings_on_codings_are_undone() {
    let twice = gzip(&gzip(&text()));
    let recorder = checked(&answer("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", &twice));
    assert_eq!(contents(&recorder), [(vec!["http.body", "gzip", "gzip"], text())]);
    let body = chunked(&gzip(&text()).chunks(7).collect::<Vec<_>>());
    let mut response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".to_vec();
    response.extend(body);
    let recorder = checked(&vec![(C, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()), (S, response)]);
    assert_eq!(contents(&recorder), [(vec!["http.body", "chunked", "gzip"], text())]);
    assert_eq!(recorder.anomalies(), [""; 0]);
}

#[test]
fn a_window_repeats_the_end_of_the_one_before() {
    let body: Vec<u8> =
        (0..3 * WINDOW as u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes().into_iter().take(1)).collect();
    let recorder = run(&answer("Content-Encoding: gzip\r\n", &gzip(&body)));
    let windows = contents(&recorder);
    assert_eq!(windows.len(), 3);
    assert_eq!(windows[0].1, body[..WINDOW]);
    assert_eq!(windows[1].1, body[WINDOW - OVERLAP..2 * WINDOW]);
    assert_eq!(windows[2].1, body[2 * WINDOW - OVERLAP..]);
}

#[test]
fn a_body_in_the_clear_is_a_content_as_well() {
    let recorder = checked(&answer("", &text()));
    let expected = Event::Content(vec!["http.body"], text(), S);
    assert_eq!(recorder.events.iter().filter(|event| **event == expected).count(), 1);
}

#[test]
fn a_body_that_is_not_what_it_says_is_a_violation() {
    let recorder = checked(&answer("Content-Encoding: gzip\r\n", b"this is no gzip"));
    assert_eq!(recorder.anomalies(), [anomaly::BAD_CODING]);
    // Who does not undo it gets it all the same.
    assert!(recorder.events.contains(&Event::Content(vec!["http.body"], b"this is no gzip".to_vec(), S)));
    let recorder = checked(&answer("Content-Encoding: aes128gcm\r\n", b"anything"));
    assert_eq!(recorder.anomalies(), [anomaly::UNKNOWN_CODING]);
    assert!(recorder.events.contains(&Event::Content(vec!["http.body"], b"anything".to_vec(), S)));
    for coding in ["deflate", "br", "zstd", "gzip, br"] {
        let recorder = checked(&answer(&format!("Content-Encoding: {coding}\r\n"), &text()));
        assert!(recorder.events.contains(&Event::Content(vec!["http.body"], text(), S)), "{coding}");
    }
    let long: Vec<u8> = (0..20_000_u32).flat_map(|number| format!("{number} ").into_bytes()).take(20_000).collect();
    let recorder = checked(&answer("Content-Encoding: gzip\r\n", &long));
    assert!(recorder.events.contains(&Event::Content(vec!["http.body"], long, S)));
    // What was decoded before it broke stays what it is.
    let mut broken = gzip(&vec![b'x'; 1 << 20]);
    let half = broken.len() / 2;
    broken.truncate(half);
    broken.extend([0xff; 8_192]);
    let recorder = run(&answer("Content-Encoding: gzip\r\n", &broken));
    assert!(contents(&recorder).iter().all(|(layers, _)| layers.contains(&"gzip")));
}

fn range(url: &str, first: usize, last: usize, size: usize, body: &[u8]) -> Script {
    let mut response = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend_from_slice(body);
    vec![(C, format!("GET {url} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()), (S, response)]
}

#[test]
fn ranges_are_put_together() {
    let file = text();
    let parts = [(100, 199), (0, 99), (150, 319)];
    let mut script: Script = parts.iter().flat_map(|&(a, b)| range("/f.ps1", a, b, 320, &file[a..=b])).collect();
    let recorder = checked(&script);
    assert_eq!(contents(&recorder), [(vec!["http.body", "http.range"], file.clone())]);
    assert_eq!(recorder.anomalies(), [""; 0]);
    script = [range("/f.ps1", 0, 99, 320, &file[..100]), range("/g.ps1", 100, 319, 320, &file[100..])].concat();
    assert_eq!(contents(&run(&script)), [], "ranges of two files");
    let large: Script = (0..3).flat_map(|at| range("/l", at * 320, at * 320 + 319, 1 << 30, &file)).collect();
    assert_eq!(run(&large).anomalies(), [""; 0], "a large file in ranges is ordinary");
    let many: Script = (0..30).flat_map(|at| range(&format!("/{at}"), 0, 99_999, 200_000, &vec![b'x'; 100_000])).collect();
    assert_eq!(run(&many).anomalies(), [anomaly::RANGE_LIMIT]);
}

#[test]
fn a_file_has_its_name_from_its_sender() {
    let name = |fields: &str| {
        let recorder = run(&answer(fields, b"x"));
        let mut names = recorder.transactions().filter_map(|(_, fields)| fields.get("filename").cloned());
        names.next().unwrap()
    };
    assert_eq!(name(""), Value::from("f"));
    assert_eq!(name("Content-Disposition: attachment; filename=\"C:\\a b.ps1\"\r\n"), Value::from("a b.ps1"));
    // RFC 6266 §5.
    let both = "Content-Disposition: attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates\r\n";
    assert_eq!(name(both), Value::from("€ rates"));
}

/// RFC 7578: files of a form, before the part of the body that they stand in, wherever the stream is cut.
#[test]
fn files_of_a_form_are_told_with_their_body() {
    let body = "--b\r\nContent-Disposition: form-data; name=a; filename=\"c:\\d\\x.ps1\"\r\n\r\none\r\n--b\r\n\r\nfield\r\n--b--";
    let head = format!(
        "POST /u HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let recorder = said(&[(C, &head), (C, body), (S, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]);
    let parts: Vec<_> =
        recorder.transactions().filter(|(_, fields)| fields.get("state").is_some()).map(|(_, fields)| fields).collect();
    assert_eq!(parts.len(), 2);
    assert_eq!((parts[0].get("filename"), parts[0].get("size")), (Some(&Value::from("x.ps1".to_owned())), Some(&Value::Uint(3))));
    assert!(parts[0].get("upload").is_some() && parts[1].get("upload").is_none());
    assert_eq!(parts[1].get("size"), Some(&Value::Uint(body.len() as u64)));
    // Of another type it is no form.
    let other = said(&[(C, &head.replace("form-data", "mixed")), (C, body)]);
    assert!(other.transactions().all(|(_, fields)| fields.get("upload").is_none()));
}
