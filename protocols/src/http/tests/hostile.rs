//! Gaps, caps, bombs, time.

use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::contract::Limits;
use crate::driver::Driver;
use crate::http::anomaly;
use crate::testing::close;

fn request(url: &str) -> String {
    format!("GET {url} HTTP/1.1\r\nHost: h\r\n\r\n")
}

#[test]
fn a_gap_in_a_body_keeps_the_place() {
    let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
    driver.data(C, request("/a").as_bytes(), &mut recorder);
    driver.data(S, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", &mut recorder);
    driver.gap(S, 80, &mut recorder);
    driver.data(S, b"0123456789HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &mut recorder);
    driver.data(C, request("/b").as_bytes(), &mut recorder);
    close(&mut driver, &mut recorder);
    assert_eq!(exchanges(&recorder).len(), 2);
    assert_eq!(recorder.anomalies(), [""; 0]);
    assert!(!recorder.events.iter().any(|event| matches!(event, Event::InSync(..))));
}

#[test]
fn the_next_head_is_found_behind_a_gap() {
    let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
    driver.data(C, b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Le", &mut recorder);
    driver.gap(C, 200, &mut recorder);
    driver.data(C, b"ength: 7\r\n\r\n{\"a\":1}GET /b HTTP/1.1\r\nHost: h\r\n\r\n", &mut recorder);
    driver.data(S, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &mut recorder);
    close(&mut driver, &mut recorder);
    assert_eq!(exchanges(&recorder), [("GET".to_owned(), "/b".to_owned(), Some(200))]);
    assert_eq!(recorder.anomalies(), [""; 0]);
}

#[test]
fn a_bomb_meets_its_cap() {
    // 64 MiB of zeros.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..1024 {
        std::io::Write::write_all(&mut encoder, &[0; 65_536]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let mut response =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len()).into_bytes();
    response.extend(bomb);
    let script: Script = (0..4).flat_map(|_| vec![(C, request("/").into_bytes()), (S, response.clone())]).collect();
    let recorder = run(&script);
    assert_eq!(recorder.anomalies(), [anomaly::DECODE_LIMIT]);
    let decoded: usize = contents(&recorder).iter().map(|(_, bytes)| bytes.len()).sum();
    let allowed = 16 * 1024 * 1024 + 128 * 4 * response.len();
    assert!(decoded <= allowed + allowed / 8, "{decoded} of {allowed}");
    assert_eq!(exchanges(&recorder).len(), 4, "bombs do not hide what follows");
}

#[test]
fn a_head_without_end_is_capped_and_still_framed() {
    let mut text = "POST /a HTTP/1.1\r\nHost: h\r\n".to_owned();
    for number in 0..9_000 {
        text.push_str(&format!("X-{number}: {number:0>40}\r\n"));
    }
    text.push_str("Content-Length: 3\r\n\r\nabc");
    text.push_str(&request("/b"));
    let recorder = run(&talk(&[(C, &text)]));
    assert_eq!(recorder.anomalies(), [anomaly::HEAD_TOO_LONG]);
    assert!(exchanges(&recorder).iter().any(|(_, url, _)| url == "/b"), "the body was passed over");
}

#[test]
fn requests_that_wait_are_capped() {
    let recorder = run(&talk(&[(C, &request("/a").repeat(2_000))]));
    assert_eq!(recorder.anomalies(), [anomaly::PENDING_LIMIT]);
    let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
    for _ in 0..300 {
        driver.data(C, request(&"/x".repeat(4_000)).as_bytes(), &mut recorder);
        recorder.events.clear();
        assert!(driver.buffered() <= 2 * Limits::default().max_buffer, "{}", driver.buffered());
    }
}

/// How much longer sixteen times the input takes. Machines are busy: what is told apart is linear (16) and quadratic (256).
fn growth(make: impl Fn(usize) -> Script) -> f64 {
    let time = |size: usize| {
        let script = make(size);
        let once = || {
            let start = Instant::now();
            drop(run(&script));
            start.elapsed()
        };
        (0..3).map(|_| once()).min().unwrap_or(Duration::MAX).max(Duration::from_micros(200))
    };
    time(8_000).as_secs_f64() / time(500).as_secs_f64()
}

#[test]
fn hostile_input_costs_linear_time() {
    let bytewise = |bytes: Vec<u8>| bytes.into_iter().map(|byte| (C, vec![byte])).collect::<Script>();
    let start = "POST / HTTP/1.1\r\nHost: h\r\n";
    type Make<'a> = (&'a str, &'a dyn Fn(usize) -> Script);
    let cases: [Make<'_>; 6] = [
        ("one byte a segment", &|n| bytewise(format!("{start}X: {}\r\n\r\n", "a".repeat(n * 10)).into_bytes())),
        ("folds", &|n| talk(&[(C, &format!("{start}X: a\r\n{}\r\n", " b\r\n".repeat(n * 10)))])),
        ("fields", &|n| talk(&[(C, &format!("{start}{}\r\n", "A:b\r\n".repeat(n * 10)))])),
        ("chunks", &|n| {
            talk(&[(C, &format!("{start}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", "1\r\na\r\n".repeat(n * 10)))])
        }),
        ("empty lines", &|n| talk(&[(C, &format!("{}{}", request("/"), "\r\n".repeat(n * 40)))])),
        ("starts that are none", &|n| {
            talk(&[(C, &format!("{}\r\n{}", request("/"), "GET HTTP/1.1 GET HTTP/1. ".repeat(n * 4)))])
        }),
    ];
    for (name, make) in cases {
        let factor = growth(make);
        assert!(factor < 80.0, "{name}: sixteen times the input takes {factor:.1} times the time");
    }
}
