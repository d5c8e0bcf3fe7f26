//! PDUs of DCE/RPC with right lengths around free bodies, over TCP and in a pipe of SMB.
//!
//! The first byte chooses the caps ([`parser::SMALL`]) and the second the size of pieces. Each part becomes a PDU; its byte: the
//! direction (lowest bit), [`BIG`] for numbers that are big-endian, [`SIGNED`] for a verifier, and the kind (upper bits). The part
//! begins with its flags and its call id; a verifier takes the last [`TOKEN`] bytes of it.

use backstop_protocols::testing::Recorder;
use backstop_protocols::{AppProto, Driver, Limits};
use backstop_testkit::smb::{OK, Talk};
use backstop_types::Direction;

use crate::{parser, split};

/// Part: numbers are big-endian.
pub const BIG: u8 = 0x02;
/// Part: with a verifier.
pub const SIGNED: u8 = 0x04;
/// Bytes of a verifier: a sec_trailer and eight more.
pub const TOKEN: usize = 16;
/// Kinds of PDUs: those of connections, and one that is none.
const KINDS: u8 = 22;

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[mode, size], rest)) = input.split_first_chunk::<2>() else { return };
    let pdus: Vec<(u8, Vec<u8>)> =
        split::parts(rest).into_iter().map(|(op, part)| (op & parser::TO_CLIENT, pdu(op, part))).collect();
    let parts: Vec<(u8, &[u8])> = pdus.iter().map(|(op, bytes)| (*op, bytes.as_slice())).collect();
    let limits = if mode & parser::SMALL == 0 { Limits::default() } else { parser::SMALL_LIMITS };
    parser::check(Some(AppProto::Dcerpc), &parts, &limits, usize::from(size) + 1);
    in_pipe(&parts, &limits, usize::from(size) + 1);
}

/// The same through a pipe, cut into reads and writes: bytes held stay within the caps.
fn in_pipe(parts: &[(u8, &[u8])], limits: &Limits, piece: usize) {
    let mut talk = Talk::default();
    talk.connect(r"\\VBR01\IPC$", 2, OK);
    let id = talk.create("svcctl", OK);
    for (op, bytes) in parts {
        for bytes in bytes.chunks(piece.max(64)) {
            if op & parser::TO_CLIENT == 0 { talk.write(id, 0, bytes, OK) } else { talk.read(id, 0, bytes) }
        }
    }
    let (mut recorder, mut driver) = (Recorder::default(), Driver::with_protocol(AppProto::Smb, *limits));
    for (direction, bytes) in &talk.script {
        driver.data(*direction, bytes, &mut recorder);
        let held = driver.buffered();
        assert!(held <= 8 * limits.max_buffer + 256 * 1024, "{held} bytes held");
    }
    for direction in Direction::BOTH {
        driver.close(direction, &mut recorder);
    }
}

fn pdu(op: u8, part: &[u8]) -> Vec<u8> {
    let (&[flags, call_id], body) = part.split_first_chunk::<2>().unwrap_or((&[3, 1], &[]));
    let body = body.get(..usize::from(u16::MAX) - 16).unwrap_or(body);
    let signed = op & SIGNED != 0 && body.len() >= TOKEN;
    let (len, auth_len) = (body.len() as u16 + 16, if signed { TOKEN as u16 - 8 } else { 0 });
    let big = op & BIG != 0;
    let number = |number: u16| if big { number.to_be_bytes() } else { number.to_le_bytes() };
    let id = if big { u32::from(call_id).to_be_bytes() } else { u32::from(call_id).to_le_bytes() };
    let head = [5, 0, (op >> 3) % KINDS, flags, if big { 0 } else { 0x10 }, 0, 0, 0];
    [&head[..], &number(len), &number(auth_len), &id, body].concat()
}

/// The part that becomes this PDU: its byte and what follows. `None`: it is too short.
#[must_use]
pub fn part(pdu: &[u8], to_client: bool) -> Option<(u8, Vec<u8>)> {
    let (head, body) = pdu.split_at_checked(16)?;
    let big = head[4] & 0xf0 == 0;
    let signed = head[10] != 0 || head[11] != 0;
    let op = u8::from(to_client) | if big { BIG } else { 0 } | if signed { SIGNED } else { 0 } | head[2] << 3;
    Some((op, [&[head[3], head[if big { 15 } else { 12 }]][..], body].concat()))
}
