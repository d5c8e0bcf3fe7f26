//! TLS records, hellos above all: with the lengths of record and handshake put right, so that mutations reach the inside.
//!
//! The first byte: 0x80 keeps the bytes as they are, otherwise each part becomes the body of a handshake message in a
//! record of its own, its byte the handshake type (upper bits) and the direction (lowest bit). The second byte is the size of pieces.

use backstop_protocols::{AppProto, Limits};

use crate::{parser, split};

/// First byte: the bytes are records already.
pub const RAW: u8 = 0x80;

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[mode, size], rest)) = input.split_first_chunk::<2>() else { return };
    let parts = split::parts(rest);
    let limits = Limits::default();
    let piece = usize::from(size) + 1;
    if mode & RAW != 0 {
        parser::check(Some(AppProto::Tls), &parts, &limits, piece);
        return;
    }
    let records: Vec<(u8, Vec<u8>)> = parts.iter().map(|(op, body)| (op & parser::TO_CLIENT, record(op >> 1, body))).collect();
    let records: Vec<(u8, &[u8])> = records.iter().map(|(op, bytes)| (*op, bytes.as_slice())).collect();
    parser::check(Some(AppProto::Tls), &records, &limits, piece);
}

/// A handshake message in as many records as it needs (RFC 8446 §4, §5.1).
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[kind], &len[1..], body].concat();
    let mut out = Vec::new();
    for piece in message.chunks(1 << 14) {
        out.extend_from_slice(&[22, 3, 1]);
        out.extend_from_slice(&u16::try_from(piece.len()).unwrap().to_be_bytes());
        out.extend_from_slice(piece);
    }
    out
}
