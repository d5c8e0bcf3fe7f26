//! Frames: NetBIOS session service (RFC 1002 §4.3.1), and the same four bytes on port 445 ([MS-SMB2] 2.1).

/// Type and length.
pub const HEADER: usize = 4;
/// Names in a session request are no longer (§4.3.2: two of 34 bytes, and scopes).
const MAX_REQUEST: u32 = 512;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Carries messages.
    Message,
    /// Session request or its answer (§4.3.2 to §4.3.5).
    Session,
    /// Keeps the connection open (§4.3.6).
    KeepAlive,
}

/// A frame's header: what it is, and bytes that follow. `None`: none.
pub fn parse(bytes: [u8; HEADER]) -> Option<(Kind, u32)> {
    let [kind, high, middle, low] = bytes;
    let len = u32::from_be_bytes([0, high, middle, low]);
    match kind {
        0x00 => Some((Kind::Message, len)),
        0x81..=0x84 if len <= MAX_REQUEST => Some((Kind::Session, len)),
        0x85 if len == 0 => Some((Kind::KeepAlive, 0)),
        _ => None,
    }
}
