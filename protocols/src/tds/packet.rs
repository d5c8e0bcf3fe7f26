//! Packet headers ([MS-TDS] 2.2.3.1).
//!
//! ```text
//! HEADER = type status length:be16 spid:be16 packet-id window       8 bytes, counted by length
//! ```

/// Bytes of a header.
pub const HEADER: usize = 8;
/// The largest packet size that can be negotiated (2.2.6.4).
pub const MAX_PACKET: usize = 32_767;

/// 2.2.3.1.1.
pub const SQL_BATCH: u8 = 1;
pub const RPC: u8 = 3;
pub const TABULAR_RESULT: u8 = 4;
pub const ATTENTION: u8 = 6;
pub const BULK_LOAD: u8 = 7;
pub const FEDAUTH_TOKEN: u8 = 8;
pub const TRANSACTION_MANAGER: u8 = 14;
pub const LOGIN7: u8 = 16;
pub const SSPI: u8 = 17;
pub const PRELOGIN: u8 = 18;

/// 2.2.3.1.2: the last packet of a message.
const END_OF_MESSAGE: u8 = 0x01;
/// The client takes the message back.
const IGNORE: u8 = 0x02;
/// The session's state is to be reset before this message: both kinds.
const RESET: u8 = 0x08 | 0x10;

/// A packet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: u8,
    pub status: u8,
    /// Bytes of the packet behind its header.
    pub payload: usize,
    pub spid: u16,
    pub id: u8,
    /// Bits that have no meaning are clear, as everybody writes them. A server does not look.
    pub clean: bool,
}

impl Header {
    /// Reads a header; `None` is something else.
    pub fn parse(bytes: [u8; HEADER]) -> Option<Self> {
        let [kind, status, high, low, spid_high, spid_low, id, window] = bytes;
        let len = usize::from(u16::from_be_bytes([high, low]));
        let known = matches!(
            kind,
            SQL_BATCH
                | RPC
                | TABULAR_RESULT
                | ATTENTION
                | BULK_LOAD
                | FEDAUTH_TOKEN
                | TRANSACTION_MANAGER
                | LOGIN7
                | SSPI
                | PRELOGIN
        );
        let fits = known && (HEADER..=MAX_PACKET).contains(&len);
        // 2.2.3.1.2, 2.2.3.1.7: receivers ignore the other bits of the status, and the window.
        let clean = status & 0xe0 == 0 && window == 0;
        let payload = len.saturating_sub(HEADER);
        fits.then(|| Self { kind, status, payload, spid: u16::from_be_bytes([spid_high, spid_low]), id, clean })
    }

    /// The message ends with this packet.
    pub const fn ends(&self) -> bool {
        self.status & END_OF_MESSAGE != 0
    }

    /// The message is taken back: with its last packet only (2.2.3.1.2).
    pub const fn ignored(&self) -> bool {
        self.status & IGNORE != 0 && self.ends()
    }

    /// The session begins anew with this message.
    pub const fn resets(&self) -> bool {
        self.status & RESET != 0
    }

    /// Only a server sends this.
    pub const fn is_servers(&self) -> bool {
        self.kind == TABULAR_RESULT
    }
}

/// The first byte of a TLS record, which no packet type is (RFC 8446 §5.1).
pub const fn is_tls(first: u8) -> bool {
    matches!(first, 0x14..=0x17)
}
