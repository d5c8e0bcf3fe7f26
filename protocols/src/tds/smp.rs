//! Headers of the session multiplexing ([MC-SMP] 2.2.1).
//!
//! ```text
//! HEADER = %x53 flags sid:le16 length:le32 seqnum:le32 window:le32       16 bytes, counted by length
//! ```

use crate::cursor::Cursor;

/// Bytes of a header.
pub const HEADER: usize = 16;
/// The first byte, which no packet type is.
pub const SMID: u8 = 0x53;
/// One SMP packet carries one TDS packet; anything longer is believed up to this.
const MAX_LENGTH: u32 = 1 << 20;

/// Flags (2.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A session begins.
    Syn,
    /// The window moves.
    Ack,
    /// A session ends in this direction.
    Fin,
    /// Bytes of a session.
    Data,
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub sid: u16,
    /// Bytes behind the header.
    pub payload: u32,
}

impl Header {
    /// Reads a header; `None` is something else.
    pub fn parse(bytes: [u8; HEADER]) -> Option<Self> {
        let mut cursor = Cursor::new(&bytes);
        let (smid, flags) = (cursor.u8().ok()?, cursor.u8().ok()?);
        let (sid, length) = (cursor.u16_le().ok()?, cursor.u32_le().ok()?);
        let kind = match flags {
            1 => Kind::Syn,
            2 => Kind::Ack,
            4 => Kind::Fin,
            8 => Kind::Data,
            _ => return None,
        };
        let payload = length.checked_sub(16)?;
        let fits = smid == SMID && length <= MAX_LENGTH && (kind == Kind::Data || payload == 0);
        fits.then_some(Self { kind, sid, payload })
    }
}
