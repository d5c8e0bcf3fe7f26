//! Bodies that are encrypted, cut, too long, or no envelope.

use super::*;
use crate::contract::Limits;
use crate::driver::Driver;
use crate::winrm::anomaly;

#[test]
fn an_encrypted_body_is_told_and_not_read() {
    for (name, expected) in [
        ("application/HTTP-SPNEGO-session-encrypted", "spnego"),
        ("application/HTTP-Kerberos-session-encrypted", "kerberos"),
        ("application/HTTP-CredSSP-session-encrypted", "credssp"),
    ] {
        let kind = format!("multipart/encrypted;protocol=\"{name}\";boundary=\"Encrypted Boundary\"");
        let mut body = format!(
            "--Encrypted Boundary\r\n\tContent-Type: {name}\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;\
             Length=1684\r\n--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
        )
        .into_bytes();
        body.extend(16_u32.to_le_bytes());
        // What looks like a command in ciphertext is none.
        body.extend(command("<rsp:Command>whoami</rsp:Command>").bytes());
        body.extend(b"--Encrypted Boundary--\r\n");
        let mut answer = format!("HTTP/1.1 200\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend_from_slice(&body);
        let recorder = said(vec![(C, post_as(&kind, "", &body)), (S, answer)]);
        let all = told(&recorder);
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!((text(&all[0], "encrypted").as_str(), text(&all[0], "operation").as_str()), (expected, "other"));
        assert_eq!(text(&object(&all[1], "reply"), "encrypted"), expected);
        assert_eq!((commands(&recorder), recorder.anomalies()), (Vec::new(), Vec::new()));
    }
}

#[test]
fn other_soap_and_other_paths_are_not_winrm() {
    let soap = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body><GetStatus/></s:Body></s:Envelope>";
    let elsewhere = |body: &str| {
        format!(
            "POST /service HTTP/1.1\r\nHost: h\r\nContent-Type: application/soap+xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let page = "POST /wsmanual HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    for request in [elsewhere(soap), page.to_owned(), "GET /wsman HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()] {
        let recorder = said(vec![(C, request.clone().into_bytes()), (S, response("200", soap))]);
        assert!(told(&recorder).is_empty(), "{request}");
        assert_eq!(recorder.anomalies(), [""; 0]);
    }
    // The same content under a listener's own prefix.
    let recorder = said(vec![(C, elsewhere(&command("<rsp:Command>ver</rsp:Command>")).into_bytes())]);
    assert_eq!(commands(&recorder)[0].1, "ver");
}

#[test]
fn messages_in_utf_16_and_in_chunks_are_read() {
    let plain = command("<rsp:Command>ver</rsp:Command>");
    let wide: Vec<u8> = "\u{feff}".encode_utf16().chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(commands(&said(vec![(C, post_as("application/soap+xml;charset=UTF-16", "", &wide))]))[0].1, "ver");
    let mut chunked =
        b"POST /wsman HTTP/1.1\r\nHost: h\r\nContent-Type: application/soap+xml\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in plain.as_bytes().chunks(100) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    assert_eq!(commands(&said(vec![(C, chunked)]))[0].1, "ver");
}

#[test]
fn what_is_no_envelope_is_told() {
    let after = |body: &str| said(vec![(C, post("", body))]).anomalies();
    assert_eq!(after("no XML"), [anomaly::BAD_ENVELOPE]);
    assert_eq!(after("<html><body/></html>"), [anomaly::BAD_ENVELOPE]);
    assert_eq!(after("<Envelope><Body>"), [anomaly::BAD_ENVELOPE]);
    let bomb =
        "<!DOCTYPE a [<!ENTITY b 'bbb'>]><Envelope><Body><CommandLine><Command>&b;</Command></CommandLine></Body></Envelope>";
    assert_eq!(after(bomb), [anomaly::FORBIDDEN_XML]);
}

#[test]
fn what_stands_before_a_hole_is_read_and_the_hole_is_told() {
    let body = command("<rsp:Command>first</rsp:Command><rsp:Arguments>second third</rsp:Arguments>");
    let request = post("", &body);
    let at = request.windows(5).position(|five| five == b"third").unwrap();
    let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
    driver.data(C, &request[..at], &mut recorder);
    driver.gap(C, 5, &mut recorder);
    driver.data(C, &request[at + 5..], &mut recorder);
    driver.data(S, &command_response("X"), &mut recorder);
    crate::testing::close(&mut driver, &mut recorder);
    assert_eq!(recorder.anomalies(), [anomaly::MESSAGE_CUT]);
    assert_eq!(commands(&recorder)[0].1, "first second ");
    assert_eq!(told(&recorder)[0].get("truncated"), Some(&Value::Bool(true)));
    assert_eq!(text(&object(&told(&recorder)[1], "reply"), "command_id"), "X");
}

#[test]
fn a_message_beyond_the_cap_is_told() {
    let long = command(&format!("<rsp:Command>{}</rsp:Command>", "x".repeat(2 << 20)));
    let recorder = run(&[(C, post("", &long)), (S, command_response("X"))]);
    assert_eq!(recorder.anomalies(), [anomaly::MESSAGE_LIMIT]);
    assert!(commands(&recorder)[0].1.starts_with("xxx"));
    assert_eq!(list(&told(&recorder)[0], "commands")[0].get("truncated"), Some(&Value::Bool(true)));
    let many = command(&format!("<rsp:Arguments>{}</rsp:Arguments>", "<x/>".repeat(20_000)));
    assert_eq!(run(&[(C, post("", &many))]).anomalies(), [anomaly::MESSAGE_LIMIT]);
}

#[test]
fn an_early_answer_waits_for_its_request() {
    let request = post("", &command("<rsp:Command>ver</rsp:Command>"));
    let (head, tail) = request.split_at(request.len() - 40);
    let recorder = run(&[(C, head.to_vec()), (S, response("401", "")), (C, tail.to_vec())]);
    let all = told(&recorder);
    assert_eq!(all.len(), 2);
    assert_eq!(object(&all[1], "reply").get("status"), Some(&Value::Uint(401)));
    assert_eq!(commands(&recorder)[0].1, "ver");
}

#[test]
fn work_and_memory_are_in_proportion_to_the_input() {
    let started = backstop_testkit::Stopwatch::start();
    let deep = format!("{}x", "<a>".repeat(200_000));
    let attributes = format!("<Envelope {}/>", "a='b' ".repeat(100_000));
    let references = command(&format!("<rsp:Command>{}</rsp:Command>", "&amp;".repeat(150_000)));
    for body in [deep, attributes, references, "<".repeat(900_000), "&".repeat(900_000)] {
        let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
        for _ in 0..3 {
            driver.data(C, &post("", &body), &mut recorder);
            assert!(driver.buffered() < 4 << 20);
        }
        crate::testing::close(&mut driver, &mut recorder);
    }
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}
