//! WinRM messages with right lengths, base64 and fragments, so that mutations reach envelopes, fragments and CLIXML.
//!
//! The first byte: [`SMALL`] takes small caps. The second is the size of pieces. Each part becomes a message; its byte: the
//! direction (lowest bit), a gap in the body ([`HOLE`]), and what the part is (upper bits, an index into [`KINDS`]).

use backstop_protocols::{AppProto, Limits};
use backstop_testkit::winrm;

use crate::parser::{self, SMALL_LIMITS};
use crate::split;

/// First byte: small caps.
pub const SMALL: u8 = 0x40;
/// Part: its last bytes are missing, and the message ends all the same.
pub const HOLE: u8 = 0x02;
/// What a part is.
pub const KINDS: [Kind; 7] =
    [Kind::Body, Kind::Envelope, Kind::Command, Kind::Fragments, Kind::Message, Kind::Fields, Kind::Stream];

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole body.
    Body,
    /// What stands in the body of an envelope.
    Envelope,
    /// What stands in a command line.
    Command,
    /// Fragments, not in base64 yet: those of a pipeline, or of its output.
    Fragments,
    /// The data of a message: a pipeline.
    Message,
    /// Fields of the head, with an empty body.
    Fields,
    /// Bytes of a stream of input, not in base64 yet: the rest of a fragment, compressed blocks.
    Stream,
}

/// The byte of a part.
#[must_use]
pub fn op(to_client: bool, kind: Kind) -> Option<u8> {
    let index = KINDS.iter().position(|known| *known == kind)? as u8;
    Some(index << 2 | u8::from(to_client))
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[mode, size], rest)) = input.split_first_chunk::<2>() else { return };
    let limits = if mode & SMALL == 0 { Limits::default() } else { SMALL_LIMITS };
    let mut messages: Vec<(u8, Vec<u8>)> = Vec::new();
    for (op, part) in split::parts(rest) {
        let direction = op & parser::TO_CLIENT;
        let mut bytes = message(op, part);
        if op & HOLE != 0 && bytes.len() > 200 {
            let tail = bytes.split_off(bytes.len() - 20);
            messages.push((direction, bytes));
            // The gap stands for as many bytes as it replaces.
            messages.push((direction | parser::GAP | 4 << 3, tail.get(16..).unwrap_or_default().to_vec()));
        } else {
            messages.push((direction, bytes));
        }
    }
    let messages: Vec<(u8, &[u8])> = messages.iter().map(|(op, bytes)| (*op, bytes.as_slice())).collect();
    parser::check(Some(AppProto::Http), &messages, &limits, usize::from(size) + 1);
}

fn message(op: u8, part: &[u8]) -> Vec<u8> {
    let to_client = op & parser::TO_CLIENT != 0;
    let text = String::from_utf8_lossy(part);
    let kind = KINDS[usize::from(op >> 2) % KINDS.len()];
    if to_client {
        let body = match kind {
            Kind::Body => text.into_owned(),
            Kind::Fragments | Kind::Stream => {
                let stream = winrm::base64(part);
                let inner =
                    format!("<rsp:ReceiveResponse><rsp:Stream Name=\"stdout\">{stream}</rsp:Stream></rsp:ReceiveResponse>");
                winrm::envelope("r", "", "", &inner)
            }
            _ => winrm::envelope("r", "", "", &text),
        };
        return winrm::response("200", &body);
    }
    match kind {
        Kind::Body => winrm::post_as("application/soap+xml", "", part),
        Kind::Envelope => winrm::post("", &winrm::envelope("a", winrm::CMD, "", &text)),
        Kind::Command => winrm::post("", &winrm::command(&text)),
        Kind::Fragments => winrm::post("", &winrm::pipeline_command(part)),
        Kind::Stream => winrm::post("", &winrm::send(part)),
        Kind::Message => {
            let whole = winrm::fragment(1, 0, 3, &winrm::message(0x0002_1006, &text));
            winrm::post("", &winrm::pipeline_command(&whole))
        }
        Kind::Fields => {
            let fields: String = text.lines().map(|line| format!("{line}\r\n")).collect();
            winrm::post(&fields, "")
        }
    }
}
