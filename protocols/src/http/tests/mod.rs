//! Tests by what they are about. Examples are those of RFC 9110 and RFC 9112 where these have some.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bodies;
mod hostile;
mod messages;

use backstop_types::{Direction, Fields, Value};

use crate::registry::AppProto;
use crate::testing::{Event, Recorder, Script, assert_every_segmentation_is_equal, run, run_every_truncation};

const C: Direction = Direction::ToServer;
const S: Direction = Direction::ToClient;

fn talk(turns: &[(Direction, &str)]) -> Script {
    turns.iter().map(|(direction, text)| (*direction, text.as_bytes().to_vec())).collect()
}

/// Runs a conversation after checking that no segmentation changes what it says, and that no truncation breaks.
fn checked(script: &Script) -> Recorder {
    assert_every_segmentation_is_equal(script);
    let total: usize = script.iter().map(|(_, bytes)| bytes.len()).sum();
    run_every_truncation(script, total / 300 + 1);
    run(script)
}

fn said(turns: &[(Direction, &str)]) -> Recorder {
    checked(&talk(turns))
}

/// Records of exchanges that have ended: method, target and status.
fn exchanges(recorder: &Recorder) -> Vec<(String, String, Option<u64>)> {
    let text = |fields: &Fields, name: &str| match fields.get(name) {
        Some(Value::Text(text)) => text.to_string(),
        _ => String::new(),
    };
    let number = |fields: &Fields, name: &str| match fields.get(name) {
        Some(Value::Uint(number)) => Some(*number),
        _ => None,
    };
    let mut all: Vec<_> = recorder
        .transactions()
        .filter(|(app_proto, fields)| *app_proto == AppProto::Http && fields.get("protocol").is_some())
        .map(|(_, fields)| (text(fields, "http_method"), text(fields, "url"), number(fields, "status")))
        .collect();
    // The stage of the request comes before that of the response.
    let answered: Vec<_> = all.iter().filter(|(.., status)| status.is_some()).cloned().collect();
    if !answered.is_empty() {
        all = answered;
    }
    all
}

/// Bytes offered to the scanner that did not stand in the stream as they are, by how they came about.
fn contents(recorder: &Recorder) -> Vec<(Vec<&'static str>, Vec<u8>)> {
    let content = |event: &Event| match event {
        Event::Content(layers, bytes, _) if layers.len() > 1 => Some((layers.clone(), bytes.clone())),
        _ => None,
    };
    recorder.events.iter().filter_map(content).collect()
}

fn chunked(pieces: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        out.extend_from_slice(piece);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n\r\n");
    out
}
