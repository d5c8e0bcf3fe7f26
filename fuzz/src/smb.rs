//! SMB messages in frames of right lengths, with headers that fit together, so that mutations reach bodies, compounds and files.
//!
//! The first byte chooses the caps ([`parser::SMALL`]) and the second the size of pieces. Each part becomes a message; its byte:
//! the direction (lowest bit), [`RELATED`] for one that goes on in the frame of the part before, [`OTHER`] for one that is not of
//! SMB 2 (its first byte says of what), and the command (upper bits). The body begins with the message's id and its status.

use backstop_protocols::{AppProto, Limits};
use backstop_testkit::smb::{self, Header};

use crate::{parser, split};

/// Part: in the same frame as the one before.
pub const RELATED: u8 = 0x02;
/// Part: compressed, encrypted, or of SMB 1.
pub const OTHER: u8 = 0x04;
/// Statuses that matter: success, pending, buffer overflow, more processing required, access denied.
pub const STATUSES: [u32; 5] = [0, 0x103, 0x8000_0005, 0xc000_0016, 0xc000_0022];
/// Commands of SMB 2.
const COMMANDS: u8 = 19;

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[mode, size], rest)) = input.split_first_chunk::<2>() else { return };
    let mut frames: Vec<(u8, Vec<Vec<u8>>)> = Vec::new();
    for (op, body) in split::parts(rest) {
        let message = message(op, body);
        match frames.last_mut() {
            Some((before, messages)) if op & RELATED != 0 && (*before ^ op) & parser::TO_CLIENT == 0 => messages.push(message),
            _ => frames.push((op & parser::TO_CLIENT, vec![message])),
        }
    }
    let frames: Vec<(u8, Vec<u8>)> = frames.iter().map(|(op, messages)| (*op, smb::frame(messages))).collect();
    let frames: Vec<(u8, &[u8])> = frames.iter().map(|(op, bytes)| (*op, bytes.as_slice())).collect();
    let limits = if mode & parser::SMALL == 0 { Limits::default() } else { parser::SMALL_LIMITS };
    parser::check(Some(AppProto::Smb), &frames, &limits, usize::from(size) + 1);
}

fn message(op: u8, body: &[u8]) -> Vec<u8> {
    if op & OTHER != 0 {
        let (kind, rest) = body.split_first().unwrap_or((&0, &[]));
        return [&[[0xfc, 0xfd, 0xff][usize::from(*kind) % 3]][..], b"SMB", rest].concat();
    }
    let (&[id, status], rest) = body.split_first_chunk::<2>().unwrap_or((&[0, 0], &[]));
    let response = op & parser::TO_CLIENT != 0;
    let header = Header {
        command: u16::from(op >> 3) % u16::from(COMMANDS),
        status: if response { STATUSES[usize::from(status) % STATUSES.len()] } else { 0 },
        flags: u32::from(response) | if op & RELATED != 0 { 4 } else { 0 } | if status == 1 { 2 } else { 0 },
        message_id: u64::from(id),
        tree: 1,
        session: 1,
    };
    header.with(rest)
}

/// The part that becomes this message: its byte and its body. `None`: it is too short, or nothing of SMB.
#[must_use]
pub fn part(message: &[u8], to_client: bool, related: bool) -> Option<(u8, Vec<u8>)> {
    let direction = u8::from(to_client);
    let magic = [0xfc, 0xfd, 0xff].iter().position(|first| message.starts_with(&[*first, b'S', b'M', b'B']));
    if let Some(kind) = magic {
        return Some((direction | OTHER, [&[kind as u8][..], message.get(4..)?].concat()));
    }
    let (head, body) = message.split_at_checked(64)?;
    let status = u32::from_le_bytes(*head.get(8..)?.first_chunk()?);
    let status = STATUSES.iter().position(|known| *known == status).unwrap_or(4);
    let op = direction | if related { RELATED } else { 0 } | head[12] << 3;
    Some((op, [&[head[24], status as u8][..], body].concat()))
}
