//! Parts of records ([MS-NRBF] 2.1.1, 2.3).

use super::primitive::Primitive;
use crate::cursor::{Cursor, Short};

/// Why a walk stops before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The bytes end.
    Short,
    /// The format is broken.
    Malformed,
    /// A cap was reached.
    Limit,
}

impl From<Short> for Stop {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

/// 2.1.1.6: a length in seven bits a byte, at most five bytes, then UTF-8.
pub(super) fn length_prefixed<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Stop> {
    let mut len = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = cursor.u8()?;
        if shift == 28 && byte > 0x07 {
            return Err(Stop::Malformed);
        }
        len |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(cursor.take(len as usize)?);
        }
    }
    Err(Stop::Malformed)
}

pub(super) fn text(cursor: &mut Cursor<'_>) -> Result<String, Stop> {
    length_prefixed(cursor).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A count that must not be negative.
pub(super) fn count(cursor: &mut Cursor<'_>) -> Result<u64, Stop> {
    u64::try_from(cursor.i32_le()?).map_err(|_| Stop::Malformed)
}

/// What a member or an array's elements are ([MS-NRBF] 2.1.2.2 `BinaryTypeEnum`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Primitive(Primitive),
    /// A record: string, object, array, reference, null.
    Record,
}

/// Reads the additional information of a type (2.3.1.2).
pub(super) fn kind(binary_type: u8, cursor: &mut Cursor<'_>) -> Result<Kind, Stop> {
    Ok(match binary_type {
        0 => Kind::Primitive(Primitive::from_wire(cursor.u8()?)?),
        1 | 2 | 5 | 6 => Kind::Record,
        3 => {
            length_prefixed(cursor)?;
            Kind::Record
        }
        4 => {
            length_prefixed(cursor)?;
            cursor.i32_le()?;
            Kind::Record
        }
        7 => {
            Primitive::from_wire(cursor.u8()?)?;
            Kind::Record
        }
        _ => return Err(Stop::Malformed),
    })
}
