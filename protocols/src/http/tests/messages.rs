//! Framing and pairing.

use super::*;
use crate::contract::Probe;
use crate::http::anomaly;
use crate::http::probe::probe;
use crate::registry::PROTOCOLS;

#[test]
fn the_example_of_rfc_9112_is_read() {
    // RFC 9110 §3.9.
    let recorder = said(&[
        (C, "GET /hello.txt HTTP/1.1\r\nUser-Agent: curl/7.64.1\r\nHost: www.example.com\r\nAccept-Language: en, mi\r\n\r\n"),
        (
            S,
            "HTTP/1.1 200 OK\r\nDate: Mon, 27 Jul 2009 12:28:53 GMT\r\nServer: Apache\r\nETag: \"34aa387-d-1568eb00\"\r\n\
             Content-Length: 51\r\nVary: Accept-Encoding\r\nContent-Type: text/plain\r\n\r\n\
             Hello World! My content includes a trailing CRLF.\r\n",
        ),
    ]);
    assert_eq!(recorder.anomalies(), [""; 0]);
    let (_, last) = recorder.transactions().last().unwrap();
    assert_eq!(last.get("hostname"), Some(&Value::from("www.example.com")));
    assert_eq!(last.get("http_user_agent"), Some(&Value::from("curl/7.64.1")));
    assert_eq!(last.get("http_content_type"), Some(&Value::from("text/plain")));
    assert_eq!(last.get("length"), Some(&Value::from(51_u64)));
    assert!(recorder.events.contains(&Event::Confirmed(AppProto::Http)));
}

#[test]
fn the_chunks_of_rfc_9112_are_joined() {
    // RFC 9112 §7.1: extensions and a trailer.
    let recorder = said(&[
        (C, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (
            S,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nWiki\r\n5  \r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\nX: y\r\n\r\n",
        ),
    ]);
    assert_eq!(recorder.anomalies(), [""; 0]);
    assert_eq!(contents(&recorder), [(vec!["http.body", "chunked"], b"Wikipedia in\r\n\r\nchunks.".to_vec())]);
}

#[test]
fn pipelined_requests_are_paired_in_order() {
    let recorder = said(&[
        (
            C,
            "GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\n\
             POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyzGET /d HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        (S, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
        (S, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
    ]);
    assert_eq!(recorder.anomalies(), [""; 0]);
    let told: Vec<_> = exchanges(&recorder).into_iter().map(|(_, url, status)| (url, status.unwrap())).collect();
    let expected = [("/a", 200), ("/b", 200), ("/c", 204), ("/d", 304)];
    assert_eq!(told, expected.map(|(url, status)| (url.to_owned(), status)));
}

#[test]
fn an_interim_response_does_not_answer() {
    let recorder = said(&[
        (C, "POST /up HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
        (S, "HTTP/1.1 100 Continue\r\n\r\n"),
        (C, "body"),
        (S, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(exchanges(&recorder), [("POST".to_owned(), "/up".to_owned(), Some(201))]);
    assert_eq!(recorder.anomalies(), [""; 0]);
}

#[test]
fn what_follows_connect_is_probed() {
    let recorder = said(&[
        (C, "CONNECT db:1433 HTTP/1.1\r\nHost: db:1433\r\n\r\n"),
        (S, "HTTP/1.1 200 Connection established\r\n\r\n"),
        (C, "BACKSTOP-ECHO/1\nline\n"),
        (S, "line\n"),
    ]);
    assert!(recorder.transactions().any(|(app_proto, _)| app_proto == AppProto::Echo));
    assert_eq!(exchanges(&recorder)[0], ("CONNECT".to_owned(), "db:1433".to_owned(), Some(200)));
    assert_eq!(recorder.anomalies(), [""; 0]);
}

#[test]
fn a_refused_connect_is_followed_by_requests() {
    let recorder = said(&[
        (C, "CONNECT db:1433 HTTP/1.1\r\nHost: db:1433\r\n\r\n"),
        (S, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno"),
        (C, "GET http://user:pw@in.side/x?token=abc&y=1 HTTP/1.1\r\nHost: other\r\n\r\n"),
        (S, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]);
    let last = exchanges(&recorder).pop().unwrap();
    assert_eq!(last.1, "http://***@in.side/x?token=***&y=1", "no secret of a target is written");
    assert_eq!(recorder.transactions().last().unwrap().1.get("hostname"), Some(&Value::from("in.side")));
}

#[test]
fn an_upgrade_gives_the_connection_over() {
    let recorder = said(&[
        (C, "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"),
        (S, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"),
        (C, "BACKSTOP-ECHO/1\nab\n"),
        (S, "ab\n"),
    ]);
    assert!(recorder.transactions().any(|(app_proto, _)| app_proto == AppProto::Echo));
}

#[test]
fn http_2_is_said_and_not_read() {
    let recorder = said(&[(C, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0"), (S, "\0\0\0\u{4}\0\0\0\0\0")]);
    assert_eq!(recorder.transactions().count(), 1);
    assert_eq!(recorder.transactions().next().unwrap().1.get("version"), Some(&Value::from("2")));
    assert_eq!(recorder.anomalies(), [""; 0]);
}

#[test]
fn a_body_without_length_ends_with_the_stream() {
    let recorder = said(&[(C, "GET / HTTP/1.0\r\n\r\n"), (S, "HTTP/1.0 200 OK\r\n\r\nall of it\r\n\r\nHTTP/1.1 500 x\r\n\r\n")]);
    assert_eq!(exchanges(&recorder), [("GET".to_owned(), "/".to_owned(), Some(200))]);
    assert_eq!(recorder.anomalies(), [""; 0]);
}

#[test]
fn only_one_side_is_enough() {
    let requests = said(&[(C, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")]);
    assert_eq!(requests.transactions().count(), 4, "each asked, and each unanswered");
    let responses = said(&[(S, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")]);
    assert_eq!(exchanges(&responses).len(), 2);
}

#[test]
fn other_traffic_is_not_taken() {
    for (direction, bytes) in [
        (C, b"USER anonymous\r\n".as_slice()),
        (C, b"EHLO mail.example.com\r\n"),
        (C, b"SSH-2.0-OpenSSH_9.2\r\n"),
        (C, b"OPTIONS sip:a@b SIP/2.0\r\n"),
        (C, b"DESCRIBE rtsp://h/a RTSP/1.0\r\n"),
        (C, b"Q\0\0\0\x08SELECT 1"),
        (C, b"\x16\x03\x01\x02\0\x01\0"),
        (C, b"get / HTTP/1.1\r\n"),
        (S, b"HTTP/2 200\r\n"),
        (S, b"RTSP/1.0 200 OK\r\n"),
        (S, b"220 ready\r\n"),
    ] {
        assert_eq!(probe(direction, bytes), Probe::No, "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(probe(C, b"\r\nM-SEARCH * HTTP/1.1\r\n"), Probe::Certain);
    // However a first line comes, it is one or it is none.
    for line in [&b"GET /a\x0bb HTTP/1.1\r\n"[..], &[b"GET /", &[b'a'; 600][..], b" HTTP/1.1\r\n"].concat()[..512]] {
        let whole = probe(C, line);
        let cut = (1..line.len()).map(|len| probe(C, &line[..len])).find(|cut| *cut != Probe::MoreBytes);
        assert_eq!(cut.unwrap_or(whole), whole);
    }
    assert_eq!(probe(C, b"GE"), Probe::MoreBytes);
    assert_eq!(probe(S, b"HTTP/1.1 2"), Probe::MoreBytes);
    for other in PROTOCOLS.iter().filter(|protocol| protocol.app_proto != AppProto::Http) {
        assert_ne!((other.probe)(C, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Probe::Certain, "{}", other.name);
    }
}

#[test]
fn shapes_that_smuggle_requests_are_named() {
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    for (text, event) in [
        (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", anomaly::LENGTH_AND_TRANSFER),
        (post("Content-Length: 2\r\nContent-Length: 2\r\n") + "ab", anomaly::DUPLICATE_LENGTH),
        (post("Content-Length: 2\r\nContent-Length: 3\r\n") + "ab", anomaly::CONFLICTING_LENGTH),
        (post("Content-Length: 2, 3\r\n") + "ab", anomaly::CONFLICTING_LENGTH),
        (post("Content-Length: +2\r\n") + "ab", anomaly::BAD_LENGTH),
        (post("Content-Length: 0x2\r\n"), anomaly::BAD_LENGTH),
        (post("Content-Length: 99999999999999999999\r\n"), anomaly::BAD_LENGTH),
        (post("Content-Length : 2\r\n") + "ab", anomaly::SPACE_BEFORE_COLON),
        (post("X: a\r\n b\r\n"), anomaly::OBS_FOLD),
        (post(" X: a\r\n"), anomaly::OBS_FOLD),
        (post("X: a\nY: b\r\n"), anomaly::BARE_LF),
        (post("X: a\rY: b\r\n"), anomaly::BARE_CR),
        (post("X: a\0b\r\n"), anomaly::NUL_BYTE),
        (post("no field\r\n"), anomaly::BAD_FIELD),
        (post("X[]: y\r\n"), anomaly::BAD_FIELD),
        (post("Host: other\r\n"), anomaly::DUPLICATE_HOST),
        ("GET / HTTP/1.1\r\nX: y\r\n\r\n".to_owned(), anomaly::MISSING_HOST),
        ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), anomaly::LENIENT_START_LINE),
        ("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), anomaly::LENIENT_START_LINE),
        (post("Transfer-Encoding: xchunked\r\n"), anomaly::BAD_TRANSFER),
        (post("Transfer-Encoding: \x0bchunked\r\n") + "0\r\n\r\n", anomaly::BAD_TRANSFER),
        (post("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n", anomaly::BAD_TRANSFER),
        (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n") + "0\r\n\r\n", anomaly::BAD_TRANSFER),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), anomaly::TRANSFER_IN_1_0),
        (post("Transfer-Encoding: chunked\r\n") + "0x1\r\na\r\n0\r\n\r\n", anomaly::LENIENT_CHUNK_SIZE),
        (post("Transfer-Encoding: chunked\r\n") + "+1\r\na\r\n0\r\n\r\n", anomaly::LENIENT_CHUNK_SIZE),
        (post("Transfer-Encoding: chunked\r\n") + "1\na\r\n0\r\n\r\n", anomaly::LENIENT_CHUNK_SIZE),
        (post("Transfer-Encoding: chunked\r\n") + "-1\r\na\r\n0\r\n\r\n", anomaly::BAD_CHUNK_SIZE),
        (post("Transfer-Encoding: chunked\r\n") + "10000000000000001\r\na", anomaly::BAD_CHUNK_SIZE),
        (post("Transfer-Encoding: chunked\r\n") + "1\r\nabc\r\n0\r\n\r\n", anomaly::BAD_CHUNK_END),
    ] {
        let anomalies = said(&[(C, &text)]).anomalies();
        assert!(anomalies.contains(&event), "{text:?}: {anomalies:?}");
        assert!(anomalies.iter().all(|event| anomaly::is_violation(event)), "{text:?}: {anomalies:?}");
    }
    // What RFC 9112 allows stays unsaid: empty lines before a request, blanks around values, zeros and blanks at a chunk size.
    let fine = "\r\nPOST / HTTP/1.1\r\nHost:h\r\nX:\t a \r\nTransfer-Encoding:  Chunked\r\n\r\n0001 ;x=\"y\"\r\na\r\n0\r\n\r\n";
    assert_eq!(said(&[(C, fine)]).anomalies(), [""; 0]);
    let typed = "GET / HTTP/1.1\nHost: h\n\n";
    assert_eq!(said(&[(C, typed)]).anomalies(), [""; 0]);
}

#[test]
fn chunks_win_over_a_length() {
    let recorder = said(&[(
        C,
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    )]);
    assert!(exchanges(&recorder).iter().any(|(_, url, _)| url == "/smuggled"));
}
