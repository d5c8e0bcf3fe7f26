//! Primitive values ([MS-NRBF] 2.1.2.3, 2.2.2).

use super::record::{Stop, length_prefixed};
use crate::cursor::Cursor;

/// `PrimitiveTypeEnum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primitive {
    /// 1.
    Boolean,
    /// 2.
    Byte,
    /// 3: one UTF-8 character.
    Char,
    /// 5: text.
    Decimal,
    /// 6.
    Double,
    /// 7.
    Int16,
    /// 8.
    Int32,
    /// 9.
    Int64,
    /// 10.
    SByte,
    /// 11.
    Single,
    /// 12.
    TimeSpan,
    /// 13.
    DateTime,
    /// 14.
    UInt16,
    /// 15.
    UInt32,
    /// 16.
    UInt64,
    /// 17.
    Null,
    /// 18.
    String,
}

/// A value that can be written as a number or a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// Signed, boolean, character as its code.
    Int(i64),
    /// Unsigned.
    Uint(u64),
    /// Floating point.
    Float(f64),
    /// Text.
    Text(&'a [u8]),
    /// All elements of an array of bytes.
    Bytes(&'a [u8]),
    /// The object of that id, defined elsewhere in the stream, or in this place.
    Reference(i32),
    /// Nothing.
    Null,
}

impl Primitive {
    pub(super) fn from_wire(value: u8) -> Result<Self, Stop> {
        Ok(match value {
            1 => Self::Boolean,
            2 => Self::Byte,
            3 => Self::Char,
            5 => Self::Decimal,
            6 => Self::Double,
            7 => Self::Int16,
            8 => Self::Int32,
            9 => Self::Int64,
            10 => Self::SByte,
            11 => Self::Single,
            12 => Self::TimeSpan,
            13 => Self::DateTime,
            14 => Self::UInt16,
            15 => Self::UInt32,
            16 => Self::UInt64,
            17 => Self::Null,
            18 => Self::String,
            _ => return Err(Stop::Malformed),
        })
    }

    /// Bytes of one value, where all values have the same.
    pub(super) const fn fixed_size(self) -> Option<usize> {
        match self {
            Self::Boolean | Self::Byte | Self::SByte => Some(1),
            Self::Int16 | Self::UInt16 => Some(2),
            Self::Int32 | Self::UInt32 | Self::Single => Some(4),
            Self::Double | Self::Int64 | Self::UInt64 | Self::TimeSpan | Self::DateTime => Some(8),
            Self::Null => Some(0),
            Self::Char | Self::Decimal | Self::String => None,
        }
    }

    pub(super) fn read<'a>(self, cursor: &mut Cursor<'a>) -> Result<Scalar<'a>, Stop> {
        Ok(match self {
            Self::Boolean | Self::Byte => Scalar::Uint(u64::from(cursor.u8()?)),
            Self::SByte => Scalar::Int(i64::from(cursor.u8()?.cast_signed())),
            Self::Char => {
                let len = match cursor.peek().ok_or(Stop::Short)? {
                    0x00..=0x7f => 1,
                    0xc0..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf7 => 4,
                    _ => return Err(Stop::Malformed),
                };
                Scalar::Text(cursor.take(len)?)
            }
            Self::Decimal | Self::String => Scalar::Text(length_prefixed(cursor)?),
            Self::Double => Scalar::Float(f64::from_le_bytes(cursor.array()?)),
            Self::Single => Scalar::Float(f64::from(f32::from_le_bytes(cursor.array()?))),
            Self::Int16 => Scalar::Int(i64::from(cursor.i16_le()?)),
            Self::Int32 => Scalar::Int(i64::from(cursor.i32_le()?)),
            Self::Int64 | Self::TimeSpan | Self::DateTime => Scalar::Int(cursor.i64_le()?),
            Self::UInt16 => Scalar::Uint(u64::from(cursor.u16_le()?)),
            Self::UInt32 => Scalar::Uint(u64::from(cursor.u32_le()?)),
            Self::UInt64 => Scalar::Uint(cursor.u64_le()?),
            Self::Null => Scalar::Null,
        })
    }
}

impl Scalar<'_> {
    /// As text, bounded to `max` bytes.
    #[must_use]
    pub fn to_text(&self, max: usize) -> String {
        match self {
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(bytes) => String::from_utf8_lossy(bytes.get(..max.min(bytes.len())).unwrap_or_default()).into_owned(),
            Self::Bytes(_) | Self::Reference(_) | Self::Null => String::new(),
        }
    }
}
