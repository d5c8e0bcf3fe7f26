//! Headers of PDUs, and numbers in either order.

use crate::cursor::{Cursor, Short};

/// Bytes of the common header.
pub const HEADER: usize = 16;

/// What a PDU is (C706 12.6.3.1, [MS-RPCH] 2.2.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request,
    Response,
    Fault,
    Bind,
    BindAck,
    BindNak,
    AlterContext,
    AlterContextResp,
    Auth3,
    Shutdown,
    CoCancel,
    Orphaned,
    Rts,
    Other(u8),
}

impl Kind {
    const fn of(number: u8) -> Self {
        match number {
            0 => Self::Request,
            2 => Self::Response,
            3 => Self::Fault,
            11 => Self::Bind,
            12 => Self::BindAck,
            13 => Self::BindNak,
            14 => Self::AlterContext,
            15 => Self::AlterContextResp,
            16 => Self::Auth3,
            17 => Self::Shutdown,
            18 => Self::CoCancel,
            19 => Self::Orphaned,
            20 => Self::Rts,
            other => Self::Other(other),
        }
    }

    /// Whether the client sends it; `None`: either may.
    pub const fn is_of_client(self) -> Option<bool> {
        match self {
            Self::Request | Self::Bind | Self::AlterContext | Self::Auth3 | Self::CoCancel | Self::Orphaned => Some(true),
            Self::Response | Self::Fault | Self::BindAck | Self::BindNak | Self::AlterContextResp | Self::Shutdown => Some(false),
            Self::Rts | Self::Other(_) => None,
        }
    }

    /// The shortest PDU of its kind.
    const fn min_len(self) -> u16 {
        match self {
            Self::Request | Self::Response | Self::Fault | Self::BindAck | Self::AlterContextResp => 24,
            Self::Bind | Self::AlterContext => 28,
            Self::Auth3 | Self::Rts => 20,
            Self::BindNak => 18,
            Self::Shutdown | Self::CoCancel | Self::Orphaned | Self::Other(_) => 16,
        }
    }
}

/// The common header (C706 12.6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version 5.0, or 5.1.
    pub minor: u8,
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
    /// What pairs an answer with its request.
    pub call_id: u32,
}

impl Header {
    /// Reads one, as leniently as servers do. `None`: it is none.
    pub fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let mut cursor = Reading { cursor: Cursor::new(bytes), little: true };
        let [version, minor, kind, flags] = cursor.cursor.array().ok()?;
        let [representation, _, _, _] = cursor.cursor.array::<4>().ok()?;
        cursor.little = representation & 0xf0 == 0x10;
        let (len, auth_len, call_id) = (cursor.u16().ok()?, cursor.u16().ok()?, cursor.u32().ok()?);
        if version != 5 || minor > 1 || usize::from(len) < HEADER {
            return None;
        }
        let (first, last, object) = (flags & 1 != 0, flags & 2 != 0, flags & 0x80 != 0);
        Some(Self { minor, kind: Kind::of(kind), first, last, object, little: cursor.little, len, auth_len, call_id })
    }

    /// Whether so many of the first bytes look like a header: for a place that may be none. `None`: too few to say.
    pub fn fits(bytes: &[u8]) -> Option<bool> {
        // Version, minor version, kind, flags; order of bytes and characters, floats, and two that are zero (C706 14.1).
        let one = |at: usize, good: fn(u8) -> bool| bytes.get(at).is_none_or(|byte| good(*byte));
        let fits = one(0, |version| version == 5)
            && one(1, |minor| minor <= 1)
            && one(2, |kind| !matches!(Kind::of(kind), Kind::Other(_)))
            && one(4, |order| order & 0xee == 0)
            && one(5, |float| float <= 3)
            && one(6, |zero| zero == 0)
            && one(7, |zero| zero == 0);
        if !fits {
            return Some(false);
        }
        let header = Self::parse(bytes.first_chunk()?);
        Some(header.is_some_and(|header| header.len >= header.kind.min_len() && header.verifier_at().is_some()))
    }

    /// Where the verifier begins, or the PDU ends ([MS-RPCE] 2.2.2.11). `None`: it does not fit.
    pub fn verifier_at(&self) -> Option<usize> {
        let len = usize::from(self.len);
        if self.auth_len == 0 {
            return Some(len);
        }
        len.checked_sub(usize::from(self.auth_len) + super::auth::TRAILER).filter(|at| *at >= HEADER)
    }
}

/// Reads numbers in the order that a header says.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    pub cursor: Cursor<'a>,
    pub little: bool,
}

impl<'a> Reading<'a> {
    /// The body of a PDU, as far as it is there.
    pub fn body(header: &Header, pdu: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(pdu.get(HEADER..).unwrap_or_default()), little: header.little }
    }

    pub fn u16(&mut self) -> Result<u16, Short> {
        if self.little { self.cursor.u16_le() } else { self.cursor.u16_be() }
    }

    pub fn u32(&mut self) -> Result<u32, Short> {
        if self.little { self.cursor.u32_le() } else { self.cursor.u32_be() }
    }

    /// A UUID, as the number that its text is (C706 appendix A).
    pub fn uuid(&mut self) -> Result<u128, Short> {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.cursor.array::<16>()?;
        let [i, j, k, l, m, n, o, p] = rest;
        Ok(u128::from_be_bytes(if self.little {
            [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
        } else {
            [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
        }))
    }

    /// Major and minor version: one number, the minor one in its upper half (C706 12.6.3.1).
    pub fn version(&mut self) -> Result<(u16, u16), Short> {
        let version = self.u32()?;
        let [a, b, c, d] = version.to_be_bytes();
        Ok((u16::from_be_bytes([c, d]), u16::from_be_bytes([a, b])))
    }
}
