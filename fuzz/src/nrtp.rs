//! Messages of .NET remoting with right lengths around free headers and content, so that mutations reach what content says.
//!
//! The first byte: [`RAW`] keeps the bytes as they are, [`SMALL`] takes small caps. The second is the size of pieces. Each part
//! becomes a message; its byte: the direction (lowest bit), [`CHUNKED`], [`ONE_WAY`], [`RECORDS`]. A part is the headers behind the
//! URI, an empty line, and the content.

use backstop_protocols::{AppProto, Limits, nrbf};

use crate::{parser, split};

/// First byte: the bytes are messages already.
pub const RAW: u8 = 0x80;
/// First byte: small caps.
pub const SMALL: u8 = 0x40;
/// Part: the content comes in chunks.
pub const CHUNKED: u8 = 0x02;
/// Part: nobody answers.
pub const ONE_WAY: u8 = 0x04;
/// Part: the content is the records of a stream, its header and end left out.
pub const RECORDS: u8 = 0x08;
/// Between headers and content of a part.
pub const BREAK: &[u8] = b"\r\n\r\n";

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[mode, size], rest)) = input.split_first_chunk::<2>() else { return };
    let parts = split::parts(rest);
    let piece = usize::from(size) + 1;
    let limits = if mode & SMALL == 0 { Limits::default() } else { parser::SMALL_LIMITS };
    if mode & RAW != 0 {
        parser::check(Some(AppProto::Nrtp), &parts, &limits, piece);
        return;
    }
    let messages: Vec<(u8, Vec<u8>)> = parts.iter().map(|(op, part)| (op & parser::TO_CLIENT, message(*op, part))).collect();
    let messages: Vec<(u8, &[u8])> = messages.iter().map(|(op, bytes)| (*op, bytes.as_slice())).collect();
    parser::check(Some(AppProto::Nrtp), &messages, &limits, piece);
    for (op, part) in &parts {
        bounded(&content(*op, part.get(headers(part).len()..).unwrap_or_default()), &limits);
    }
}

/// What is told of a stream stays in proportion to it, with those inside it.
fn bounded(content: &[u8], limits: &Limits) {
    let facts = nrbf::facts(content, limits);
    let texts: usize = facts.texts.iter().map(String::len).sum();
    // A byte that is no UTF-8 is replaced by three.
    assert!(texts <= 3 * limits.max_text, "{texts} bytes of texts");
    assert!(facts.size() <= 64 * 1024 + 128 * content.len(), "{} bytes told of {}", facts.size(), content.len());
    assert!(!(facts.complete && facts.nested == 0 && facts.malformed), "whole and malformed at once");
}

fn headers(part: &[u8]) -> &[u8] {
    part.windows(BREAK.len()).position(|window| window == BREAK).map_or(&[], |end| &part[..end])
}

fn content(op: u8, bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.strip_prefix(BREAK).unwrap_or(bytes);
    if op & RECORDS == 0 {
        return bytes.to_vec();
    }
    [b"\0\x01\0\0\0\xff\xff\xff\xff\x01\0\0\0\0\0\0\0".as_slice(), bytes, b"\x0b"].concat()
}

fn message(op: u8, part: &[u8]) -> Vec<u8> {
    let headers = headers(part);
    let content = content(op, &part[headers.len()..]);
    let operation = if op & parser::TO_CLIENT != 0 { 2 } else { u8::from(op & ONE_WAY != 0) };
    let chunked = op & CHUNKED != 0;
    let mut out = [b".NET\x01\0".as_slice(), &[operation, 0, u8::from(chunked), 0]].concat();
    if !chunked {
        out.extend((content.len() as i32).to_le_bytes());
    }
    if operation != 2 {
        out.extend(b"\x04\0\x01\x01\x09\0\0\0tcp://h/o");
    }
    out.extend_from_slice(headers);
    out.extend([0, 0]);
    if chunked {
        for chunk in content.chunks(19) {
            out.extend((chunk.len() as i32).to_le_bytes());
            out.extend_from_slice(chunk);
            out.extend(b"\r\n");
        }
        out.extend(b"\0\0\0\0\r\n");
    } else {
        out.extend_from_slice(&content);
    }
    out
}
