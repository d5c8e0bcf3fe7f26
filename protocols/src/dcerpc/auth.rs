//! Verifiers: the sec_trailer and the token behind it ([MS-RPCE] 2.2.2.11).

use super::pdu::Header;
use crate::cursor::Cursor;

/// Bytes of a sec_trailer.
pub const TRAILER: usize = 8;

/// A verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verifier<'a> {
    /// Who authenticates ([MS-RPCE] 2.2.1.1.7).
    pub kind: u8,
    /// How much is protected (2.2.1.1.8).
    pub level: u8,
    /// Bytes between the body and it.
    pub pad: u8,
    /// Which security context.
    pub context: u32,
    /// The token, as far as it is there.
    pub token: &'a [u8],
}

/// The verifier of a PDU, where it has one and it is there.
pub fn verifier<'a>(header: &Header, pdu: &'a [u8]) -> Option<Verifier<'a>> {
    let at = header.verifier_at().filter(|_| header.auth_len > 0)?;
    let mut cursor = Cursor::new(pdu.get(at..)?);
    let [kind, level, pad, _] = cursor.array().ok()?;
    let context = cursor.array().ok()?;
    let context = if header.little { u32::from_le_bytes(context) } else { u32::from_be_bytes(context) };
    Some(Verifier { kind, level, pad, context, token: cursor.rest() })
}
