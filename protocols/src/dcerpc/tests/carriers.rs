//! Streams whose bytes come in pieces.

use super::talk::{FIRST, LAST, LITTLE, WHOLE};
use super::*;
use crate::dcerpc::parser::Direct;
use crate::dcerpc::{Carrier, Stream};

fn streamed(script: &Script, piece: usize, pipe: &str) -> Lines {
    let mut out = Lines::default();
    let mut stream = Stream::new(Carrier::Pipe(pipe.to_owned()), &Limits::default());
    for (direction, bytes) in script {
        for bytes in bytes.chunks(piece) {
            stream.push(*direction, bytes, Some(1), &mut Direct(&mut out));
        }
    }
    stream.end(&mut Direct(&mut out));
    out
}

#[test]
fn pieces_of_any_size_say_the_same() {
    let mut script = LITTLE.bound();
    script.push((UP, LITTLE.request(FIRST, 2, (0, 12), b"abc", None)));
    script.push((UP, [LITTLE.request(LAST, 2, (0, 12), b"def", None), b"junk \x05\0".to_vec()].concat()));
    script.push((UP, LITTLE.request(WHOLE, 3, (0, 13), b"after", None)));
    script.push((DOWN, LITTLE.response(WHOLE, 2, 0, &[0; 4])));
    let whole = streamed(&script, usize::MAX, "svcctl");
    assert_eq!(whole.anomalies, ["dcerpc_bad_header"]);
    let stubs: Vec<&[u8]> = whole.lines.iter().map(|line| line.stub.as_slice()).filter(|stub| !stub.is_empty()).collect();
    assert_eq!(stubs, [b"abcdef".as_slice(), b"after"]);
    for piece in [1, 2, 3, 7, 16, 17, 64] {
        let cut = streamed(&script, piece, "svcctl");
        assert_eq!(whole.lines, cut.lines, "{piece}");
    }
}

#[test]
fn a_pipe_names_the_interface_of_a_bind_that_was_not_seen() {
    let script = vec![(UP, LITTLE.request(WHOLE, 3, (0, 12), b"", None))];
    for (pipe, known) in [("svcctl", true), (r"\PIPE\SvcCtl", true), ("other", false)] {
        let out = streamed(&script, 5, pipe);
        let call = out.records()[0];
        assert_eq!(call.context.get("assumed").is_some(), known, "{pipe}");
        assert_eq!(text(&call.context, "uuid").starts_with("367abb81"), known, "{pipe}");
    }
}

#[test]
fn a_pipe_that_carries_something_else_is_left_alone() {
    let mut stream = Stream::new(Carrier::Pipe("mine".to_owned()), &Limits::default());
    let mut out = Lines::default();
    for direction in [UP, DOWN] {
        assert!(!stream.is_foreign());
        stream.push(direction, b"MZ\x90\0 and a long way to go on", None, &mut Direct(&mut out));
    }
    assert!(stream.is_foreign() && stream.held() < 64);
    assert!(out.lines.is_empty() && out.anomalies.is_empty());
}

#[test]
fn a_hole_ends_the_pdu_that_it_is_in() {
    let mut stream = Stream::new(Carrier::Pipe("svcctl".to_owned()), &Limits::default());
    let mut out = Lines::default();
    let request = LITTLE.request(WHOLE, 3, (0, 12), &[7; 100], None);
    stream.push(UP, &request[..50], Some(1), &mut Direct(&mut out));
    stream.gap(UP, &mut Direct(&mut out));
    stream.push(UP, &request[70..], Some(2), &mut Direct(&mut out));
    stream.push(UP, &LITTLE.request(WHOLE, 4, (0, 13), b"after", None), Some(3), &mut Direct(&mut out));
    stream.end(&mut Direct(&mut out));
    assert_eq!(out.anomalies, Vec::<&str>::new());
    let stubs: Vec<usize> = out.lines.iter().map(|line| line.stub.len()).filter(|len| *len > 0).collect();
    assert_eq!(stubs, [26, 5]);
}

/// An RTS PDU ([MS-RPCH] 2.2.4.2): version, cookie of the virtual connection, cookie of the channel, window.
fn conn() -> Vec<u8> {
    let mut body = vec![0, 0, 4, 0, 6, 0, 0, 0, 1, 0, 0, 0];
    for cookie in [0x1234_u128, 0x5678] {
        body.extend([3, 0, 0, 0]);
        body.extend(LITTLE.uuid(cookie));
    }
    body.extend([0, 0, 0, 0, 0, 0, 1, 0]);
    LITTLE.pdu(20, WHOLE, 0, &body, None)
}

#[test]
fn channels_of_http_are_read_as_far_as_each_shows() {
    let [(_, bind), (_, ack)] = LITTLE.bound().try_into().unwrap();
    let request = LITTLE.request(WHOLE, 2, (0, 12), b"stub", None);
    let head = |method: &str, len: usize| {
        format!("{method} /rpc/rpcproxy.dll?srv:593 HTTP/1.1\r\nHost: srv\r\nContent-Length: {len}\r\n\r\n").into_bytes()
    };
    // An echo first (2.1.2.1.5), which is no PDU.
    let inward = vec![
        (UP, [head("RPC_IN_DATA", 4), b"echo".to_vec()].concat()),
        (DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        (UP, [head("RPC_IN_DATA", 1 << 30), conn(), bind].concat()),
        (UP, request),
    ];
    let outward = vec![
        (UP, [head("RPC_OUT_DATA", conn().len()), conn()].concat()),
        (DOWN, b"HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nContent-Length: 1073741824\r\n\r\n".to_vec()),
        (DOWN, [conn(), ack, LITTLE.response(WHOLE, 2, 0, &[0; 4])].concat()),
    ];
    for script in [&inward, &outward] {
        testing::assert_every_segmentation_is_equal(script);
    }
    let (inward, outward) = (lines(&inward), lines(&outward));
    assert_eq!((inward.anomalies.len(), outward.anomalies.len()), (0, 0));
    let said = |out: &Lines| -> Vec<(String, String)> {
        out.records()
            .iter()
            .map(|line| (text(&line.fields, "request").to_owned(), text(&line.fields, "response").to_owned()))
            .collect()
    };
    let pairs = |pairs: [(&str, &str); 2]| pairs.map(|(request, response)| (request.to_owned(), response.to_owned())).to_vec();
    assert_eq!(said(&inward), pairs([("BIND", "RESPONSE_LOST"), ("REQUEST", "RESPONSE_LOST")]));
    assert_eq!(said(&outward), pairs([("REQUEST_LOST", "BINDACK"), ("REQUEST_LOST", "RESPONSE")]));
    // The cookie joins both.
    let cookie = "00000000-0000-0000-0000-000000001234";
    assert!(inward.records().iter().chain(&outward.records()).all(|line| text(&line.context, "virtual_connection") == cookie));
    assert!(inward.lines.iter().any(|line| line.stub == b"stub"));
}
