//! Headers and heads of bodies.

use crate::cursor::{Cursor, Short};

/// Bytes of the common header.
pub const HEADER: usize = 16;
/// Contexts of one bind that are read.
const MAX_CONTEXTS: usize = 16;

/// What a PDU is (C706 12.6.3.1), as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call.
    Request,
    /// Its answer.
    Response,
    /// It failed.
    Fault,
    /// Contexts are agreed upon: bind, or alter_context.
    Bind,
    /// Anything else, by its number.
    Other(u8),
}

/// The common header (C706 12.6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// The first fragment of its call.
    pub first: bool,
    /// The last one.
    pub last: bool,
    /// An object's UUID stands before the arguments.
    pub object: bool,
    /// Numbers are little-endian.
    pub little: bool,
    /// Bytes of the PDU, this header with them.
    pub len: u16,
    /// Bytes of the verifier's value at its end.
    pub auth_len: u16,
    /// What pairs a response with its request.
    pub call_id: u32,
}

impl Header {
    /// Reads one. `Ok(None)`: it is none.
    ///
    /// # Errors
    /// Too few bytes.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Short> {
        let mut cursor = Cursor::new(bytes);
        let [version, minor, kind, flags] = cursor.array()?;
        let [representation, _, _, _] = cursor.array::<4>()?;
        let little = representation & 0xf0 == 0x10;
        let (len, auth_len) = (number(&mut cursor, little)?, number(&mut cursor, little)?);
        let call_id = cursor.array()?;
        let call_id = if little { u32::from_le_bytes(call_id) } else { u32::from_be_bytes(call_id) };
        if version != 5 || minor > 1 || usize::from(len) < HEADER {
            return Ok(None);
        }
        let kind = match kind {
            0 => Kind::Request,
            2 => Kind::Response,
            3 => Kind::Fault,
            11 | 14 => Kind::Bind,
            other => Kind::Other(other),
        };
        let (first, last, object) = (flags & 1 != 0, flags & 2 != 0, flags & 0x80 != 0);
        Ok(Some(Self { kind, first, last, object, little, len, auth_len, call_id }))
    }
}

fn number(cursor: &mut Cursor<'_>, little: bool) -> Result<u16, Short> {
    if little { cursor.u16_le() } else { cursor.u16_be() }
}

/// A context of a bind: the interface that calls with its id are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its id.
    pub context: u16,
    /// UUID of the interface, in the order of its text.
    pub interface: u128,
    /// Major and minor version.
    pub version: (u16, u16),
}

/// The contexts of a bind (C706 12.6.4.3), of as many bytes as are there.
#[must_use]
pub fn bound(header: &Header, pdu: &[u8]) -> Vec<Bound> {
    let mut out = Vec::new();
    // Sizes of fragments, group, number of contexts.
    let mut cursor = Cursor::new(pdu.get(HEADER..).unwrap_or_default());
    let Ok(head) = cursor.take(12) else { return out };
    let count = usize::from(head.get(8).copied().unwrap_or_default()).min(MAX_CONTEXTS);
    for _ in 0..count {
        match context(&mut cursor, header.little) {
            Ok(context) => out.push(context),
            Err(_) => break,
        }
    }
    out
}

fn context(cursor: &mut Cursor<'_>, little: bool) -> Result<Bound, Short> {
    let context = number(cursor, little)?;
    let transfers = usize::from(cursor.u8()?);
    cursor.take(1)?;
    let interface = uuid(cursor, little)?;
    let version = if little {
        (cursor.u16_le()?, cursor.u16_le()?)
    } else {
        // One number: the minor version in its upper half.
        let minor = cursor.u16_be()?;
        (cursor.u16_be()?, minor)
    };
    cursor.take(transfers * 20)?;
    Ok(Bound { context, interface, version })
}

fn uuid(cursor: &mut Cursor<'_>, little: bool) -> Result<u128, Short> {
    let [a, b, c, d, e, f, g, h, rest @ ..] = cursor.array::<16>()?;
    let [i, j, k, l, m, n, o, p] = rest;
    Ok(u128::from_be_bytes(if little {
        [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
    } else {
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }))
}

/// A call (C706 12.6.4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The context that it is of.
    pub context: u16,
    /// The operation's number in its interface.
    pub opnum: u16,
    /// Where its arguments begin in the PDU.
    pub stub: usize,
}

/// The head of a request.
#[must_use]
pub fn request(header: &Header, pdu: &[u8]) -> Option<Request> {
    let mut cursor = Cursor::new(pdu.get(HEADER + 4..)?);
    let context = number(&mut cursor, header.little).ok()?;
    let opnum = number(&mut cursor, header.little).ok()?;
    Some(Request { context, opnum, stub: HEADER + 8 + if header.object { 16 } else { 0 } })
}
