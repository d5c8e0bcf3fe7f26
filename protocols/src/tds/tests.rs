#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod captured;
mod hostile;
mod specified;
mod tunnelled;

use backstop_types::{Direction, Fields, Value as Fact};

use super::packet::{self, HEADER};
use crate::registry::AppProto;
use crate::testing::{self, Event, Recorder, Script};

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

/// ALL_HEADERS with a transaction descriptor (2.2.5.3.2).
const HEADERS: &str = "16000000 12000000 0200 0000000000000000 01000000";
/// DONE of 7.2 and later, without anything to tell.
const DONE: &str = "fd 0000 c100 0000000000000000";

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn packet_of(kind: u8, status: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + HEADER).unwrap().to_be_bytes();
    [&[kind, status, len[0], len[1], 0, 0, 1, 0], payload].concat()
}

/// A message in packets of a size.
fn message(kind: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let pieces: Vec<_> = payload.chunks(size).collect();
    let last = pieces.len() - 1;
    pieces.iter().enumerate().flat_map(|(at, piece)| packet_of(kind, u8::from(at == last), piece)).collect()
}

fn reply(tokens: &str) -> (Direction, Vec<u8>) {
    (DOWN, packet_of(packet::TABULAR_RESULT, 1, &hex(tokens)))
}

fn batch(text: &str) -> (Direction, Vec<u8>) {
    (UP, packet_of(packet::SQL_BATCH, 1, &[hex(HEADERS), utf16(text)].concat()))
}

fn rpc(calls: &str) -> (Direction, Vec<u8>) {
    (UP, packet_of(packet::RPC, 1, &[hex(HEADERS), hex(calls)].concat()))
}

/// PRELOGIN of both sides, no encryption; LOGIN7 of the specification, for 7.2; its acknowledgement.
fn logged_in() -> Script {
    let server = hex("04 01 0020 0000 01 00  00 000b 0006  01 0011 0001  ff  0f0007d00000 02 000000000000");
    let ack = "ad 0e00 01 72090002 02 41004200 0f0007d0";
    vec![(UP, hex(specified::PRELOGIN)), (DOWN, server), (UP, hex(specified::LOGIN7)), reply(&format!("{ack} {DONE}"))]
}

fn session(turns: impl IntoIterator<Item = (Direction, Vec<u8>)>) -> Script {
    logged_in().into_iter().chain(turns).collect()
}

/// Records after the login, in order.
fn requests(recorder: &Recorder) -> Vec<Fields> {
    recorder
        .transactions()
        .filter(|(of, fields)| *of == AppProto::Tds && fields.get("kind").is_some())
        .map(|(_, fields)| fields.clone())
        .collect()
}

fn object<'a>(fields: &'a Fields, name: &str) -> &'a Fields {
    match fields.get(name) {
        Some(Fact::Object(inner)) => inner,
        other => panic!("{name}: {other:?}"),
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    match fields.get(name) {
        Some(Fact::Text(text)) => text,
        other => panic!("{name}: {other:?}"),
    }
}

fn list<'a>(fields: &'a Fields, name: &str) -> Vec<&'a Fields> {
    let Some(Fact::List(values)) = fields.get(name) else { return Vec::new() };
    values.iter().filter_map(|value| if let Fact::Object(inner) = value { Some(inner) } else { None }).collect()
}

/// SQL of every request as it was seen, in order.
fn texts(recorder: &Recorder) -> Vec<String> {
    let seen = requests(recorder).into_iter().filter(|fields| fields.get("reply").is_none());
    seen.flat_map(|fields| list(&fields, "statements").into_iter().cloned().collect::<Vec<_>>())
        .filter_map(|fields| fields.get("text").map(|_| text(&fields, "text").to_owned()))
        .collect()
}

fn login(recorder: &Recorder) -> Fields {
    let all: Vec<_> = recorder.transactions().filter(|(_, fields)| fields.get("login").is_some()).collect();
    all.last().unwrap().1.clone()
}
