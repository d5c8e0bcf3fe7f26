//! HTTP messages with right lengths, so that mutations reach fields, codings and what follows.
//!
//! The first byte: [`RAW`] keeps the bytes as they are, [`SMALL`] takes small caps. The second is the size of pieces. Each part
//! becomes a message; its byte: the direction (lowest bit), [`CHUNKED`], and the coding (upper bits, an index into [`CODINGS`]).
//! A part is what stands in the head after the start line, an empty line, and the body as it is after its coding.

use backstop_protocols::{AppProto, Limits};

use crate::{parser, split};

/// First byte: the bytes are messages already.
pub const RAW: u8 = 0x80;
/// First byte: small caps.
pub const SMALL: u8 = 0x40;
/// Part: the body comes in chunks.
pub const CHUNKED: u8 = 0x02;
/// Codings of bodies.
pub const CODINGS: [&str; 6] = ["", "gzip", "deflate", "br", "zstd", "gzip, br"];

/// The byte of a part.
#[must_use]
pub fn op(to_client: bool, chunked: bool, coding: &str) -> Option<u8> {
    let index = CODINGS.iter().position(|known| *known == coding)? as u8;
    Some(index << 2 | if chunked { CHUNKED } else { 0 } | u8::from(to_client))
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[mode, size], rest)) = input.split_first_chunk::<2>() else { return };
    let parts = split::parts(rest);
    let piece = usize::from(size) + 1;
    let default = Limits::default();
    let small =
        Limits { max_message: 512, max_buffer: 16 * 1024, max_pending: 3, max_decoded: 8 * 1024, max_range: 512, ..default };
    let limits = if mode & SMALL == 0 { default } else { small };
    if mode & RAW != 0 {
        parser::check(Some(AppProto::Http), &parts, &limits, piece);
        return;
    }
    let messages: Vec<(u8, Vec<u8>)> = parts.iter().map(|(op, part)| (op & parser::TO_CLIENT, message(*op, part))).collect();
    let messages: Vec<(u8, &[u8])> = messages.iter().map(|(op, bytes)| (*op, bytes.as_slice())).collect();
    parser::check(Some(AppProto::Http), &messages, &limits, piece);
}

fn message(op: u8, part: &[u8]) -> Vec<u8> {
    let end = part.windows(4).position(|four| four == b"\r\n\r\n");
    let (fields, body) = end.map_or((part, [].as_slice()), |end| (&part[..end + 2], &part[end + 4..]));
    let start: &[u8] = if op & parser::TO_CLIENT == 0 { b"POST /f HTTP/1.1\r\nHost: h\r\n" } else { b"HTTP/1.1 200 OK\r\n" };
    let mut out = [start, fields].concat();
    let coding = CODINGS[usize::from(op >> 2) % CODINGS.len()];
    if !coding.is_empty() {
        out.extend(format!("Content-Encoding: {coding}\r\n").into_bytes());
    }
    if op & CHUNKED == 0 {
        out.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
        out.extend_from_slice(body);
    } else {
        out.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(23) {
            out.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            out.extend_from_slice(chunk);
            out.extend(b"\r\n");
        }
        out.extend(b"0\r\n\r\n");
    }
    out
}
