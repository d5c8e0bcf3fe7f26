//! PostgreSQL messages with right lengths, so that mutations reach their insides and their order.
//!
//! The first byte: [`RAW`] keeps the bytes as they are. The second is the size of pieces. Each part becomes a message; its byte:
//! the direction (lowest bit) and the type (upper bits, an index into [`CLIENT`] or [`SERVER`]). The flow is probed: roles are
//! told by the bytes that the probe decides on.

use backstop_protocols::Limits;

use crate::{parser, split};

/// First byte: the bytes are messages already.
pub const RAW: u8 = 0x80;
/// Types of a client (55.7); the first stands for a startup packet, which has no type.
pub const CLIENT: &[u8] = b"\0QPBEDCSHFdcfpX";
/// Types of a server; the first stands for bytes without a header, as the answer to SSLRequest is.
pub const SERVER: &[u8] = b"\0RKSZTDCEN123InstGHWdcAvV";

/// The byte of a part that becomes a message of this type.
#[must_use]
pub fn op(kind: u8, to_client: bool) -> Option<u8> {
    let known = if to_client { SERVER } else { CLIENT };
    let index = known.iter().position(|known| *known == kind)? as u8;
    Some(index << 1 | u8::from(to_client))
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[mode, size], rest)) = input.split_first_chunk::<2>() else { return };
    let parts = split::parts(rest);
    let (limits, piece) = (Limits::default(), usize::from(size) + 1);
    if mode & RAW != 0 {
        parser::check(None, &parts, &limits, piece);
        return;
    }
    let messages: Vec<(u8, Vec<u8>)> = parts.iter().map(|(op, body)| (op & parser::TO_CLIENT, message(*op, body))).collect();
    let messages: Vec<(u8, &[u8])> = messages.iter().map(|(op, bytes)| (*op, bytes.as_slice())).collect();
    parser::check(None, &messages, &limits, piece);
}

fn message(op: u8, body: &[u8]) -> Vec<u8> {
    let to_client = op & parser::TO_CLIENT != 0;
    let known = if to_client { SERVER } else { CLIENT };
    let kind = known[usize::from(op >> 1) % known.len()];
    let len = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    match kind {
        0 if to_client => body.to_vec(),
        0 => [len.as_slice(), body].concat(),
        kind => [&[kind], len.as_slice(), body].concat(),
    }
}
