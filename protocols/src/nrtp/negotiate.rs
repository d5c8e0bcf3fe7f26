//! [MS-NNS] 2.2: the handshake of a negotiated stream, with which a channel secures itself before anything else is said.

use crate::contract::Probe;

/// Bytes of a handshake message's header (2.2.1): kind, version, length.
const HEADER: usize = 5;

/// Kind of a handshake message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 0x14: this side is done.
    Done,
    /// 0x15: it failed.
    Error,
    /// 0x16: more follows.
    InProgress,
}

/// One handshake message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Bytes of its header.
    pub header: usize,
    /// Bytes of its token.
    pub len: usize,
}

/// The message at the front: `Err` is the number of bytes that tell; `None`: none.
pub fn message(bytes: &[u8]) -> Result<Option<Message>, usize> {
    let kind = match bytes {
        [0x14, ..] => Kind::Done,
        [0x15, ..] => Kind::Error,
        [0x16, ..] => Kind::InProgress,
        [] => return Err(1),
        _ => return Ok(None),
    };
    if bytes.get(1).is_some_and(|major| *major != 1) || bytes.get(2).is_some_and(|minor| *minor != 0) {
        return Ok(None);
    }
    match bytes {
        [_, 1, 0, high, low, ..] => {
            Ok(Some(Message { kind, header: HEADER, len: usize::from(u16::from_be_bytes([*high, *low])) }))
        }
        // The next byte may tell already, and must, however the stream is cut.
        _ => Err(bytes.len() + 1),
    }
}

/// Recognises the first message: its token is one of NTLM, or of GSS-API (RFC 2743 §3.1, RFC 4178 §4.2).
pub fn probe(bytes: &[u8]) -> Probe {
    match message(bytes) {
        Ok(Some(Message { kind: Kind::InProgress | Kind::Done, header, len })) if len >= 8 => {
            let token = bytes.get(header..).unwrap_or_default();
            let ntlm = b"NTLMSSP\0";
            let seen = token.len().min(ntlm.len());
            match token {
                [] => Probe::MoreBytes,
                [0x60 | 0xa1, 0x01..=0x7f, ..] if len < 130 => Probe::Certain,
                [0x60 | 0xa1, 0x81 | 0x82, ..] => Probe::Certain,
                [0x60 | 0xa1] => Probe::MoreBytes,
                _ if token.get(..seen) == ntlm.get(..seen) => {
                    if seen == ntlm.len() {
                        Probe::Certain
                    } else {
                        Probe::MoreBytes
                    }
                }
                _ => Probe::No,
            }
        }
        Err(_) if bytes.first() == Some(&0x16) || bytes.first() == Some(&0x14) => Probe::MoreBytes,
        _ => Probe::No,
    }
}
