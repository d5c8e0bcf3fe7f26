//! TDS packets with right lengths, so that mutations reach requests, parameters and tokens.
//!
//! The first byte: [`RAW`] keeps the bytes as they are, [`SMP`] puts each packet into one of two multiplexed sessions. The
//! second is the size of pieces. Each part becomes a message; its byte: the direction (lowest bit), [`CUT`] for a packet that
//! does not end its message, and the type (upper bits, an index into [`KINDS`]).

use backstop_protocols::{AppProto, Limits};

use crate::{parser, split};

/// First byte: the bytes are packets already.
pub const RAW: u8 = 0x80;
/// First byte: packets are in multiplexed sessions.
pub const SMP: u8 = 0x40;
/// First byte: small packets.
pub const SMALL: u8 = 0x20;
/// Part: the message goes on in the next part.
pub const CUT: u8 = 0x02;
/// Packet types ([MS-TDS] 2.2.3.1.1).
pub const KINDS: [u8; 10] = [1, 3, 4, 6, 7, 8, 14, 16, 17, 18];
/// Header of a packet.
pub const HEADER: usize = 8;

/// The byte of a part that becomes a packet of this type.
#[must_use]
pub fn op(kind: u8, to_client: bool, ends: bool) -> Option<u8> {
    let index = KINDS.iter().position(|known| *known == kind)? as u8;
    Some(index << 2 | u8::from(to_client) | if ends { 0 } else { CUT })
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[mode, size], rest)) = input.split_first_chunk::<2>() else { return };
    let parts = split::parts(rest);
    let (limits, piece) = (Limits::default(), usize::from(size) + 1);
    if mode & RAW != 0 {
        parser::check(Some(AppProto::Tds), &parts, &limits, piece);
        return;
    }
    let packets: Vec<(u8, Vec<u8>)> = parts.iter().map(|(op, body)| (op & parser::TO_CLIENT, packets(mode, *op, body))).collect();
    let packets: Vec<(u8, &[u8])> = packets.iter().map(|(op, bytes)| (*op, bytes.as_slice())).collect();
    parser::check(Some(AppProto::Tds), &packets, &limits, piece);
}

/// A message in as many packets as it needs.
fn packets(mode: u8, op: u8, body: &[u8]) -> Vec<u8> {
    let kind = KINDS[usize::from(op >> 2) % KINDS.len()];
    let size = if mode & SMALL == 0 { 4_096 } else { 61 } - HEADER;
    let pieces: Vec<&[u8]> = if body.is_empty() { vec![body] } else { body.chunks(size).collect() };
    let mut out = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let ends = number + 1 == pieces.len() && op & CUT == 0;
        let len = u16::try_from(piece.len() + HEADER).unwrap().to_be_bytes();
        if mode & SMP != 0 {
            let len = u32::try_from(piece.len() + HEADER + 16).unwrap().to_le_bytes();
            out.extend([0x53, 8, op >> 6 & 1, 0].into_iter().chain(len).chain([0; 8]));
        }
        out.extend([kind, u8::from(ends), len[0], len[1], 0, 0, 1, 0]);
        out.extend_from_slice(piece);
    }
    out
}
