//! Data types ([MS-TDS] 2.2.5.4, 2.2.5.5, 2.2.5.6): what a type takes in metadata, and how its values lie.

use super::text::{b_varchar, us_varchar};
use crate::cursor::{Cursor, Short};

/// What differs between the versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// 7.2 and later: wide row counts and user types.
    pub wide: bool,
    /// 7.1 and later: texts have a collation.
    pub collation: bool,
    /// Columns may be encrypted (column encryption was acknowledged).
    pub encryption: bool,
}

/// Why something cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// So many bytes are needed, from where the reading began.
    Short(usize),
    /// It is not what is expected.
    Malformed,
}

impl From<Short> for Bad {
    fn from(short: Short) -> Self {
        Self::Short(short.need)
    }
}

/// How a value lies in a stream (2.2.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// So many bytes.
    Fixed(u8),
    /// A byte with the length; zero is NULL.
    Byte,
    /// 16 bits with the length; all ones are NULL.
    Short,
    /// 32 bits with the length; all ones are NULL.
    Long,
    /// A text pointer and a time stamp, then 32 bits with the length.
    Pointer,
    /// 64 bits with the length or NULL, then chunks (2.2.5.2.3).
    Partial,
}

/// A type as metadata tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeInfo {
    pub token: u8,
    pub layout: Layout,
    pub scale: u8,
}

/// Where a type stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the metadata of a result.
    Column,
    /// In front of a parameter.
    Parameter,
}

pub const TVP: u8 = 0xf3;
pub const UDT: u8 = 0xf0;
pub const XML: u8 = 0xf1;
pub const TEXT: u8 = 0x23;
pub const IMAGE: u8 = 0x22;
pub const NTEXT: u8 = 0x63;
pub const VARIANT: u8 = 0x62;

/// The length of a type that always has the same (2.2.5.4.1).
pub const fn fixed_len(token: u8) -> Option<u8> {
    Some(match token {
        0x1f => 0,
        0x30 | 0x32 => 1,
        0x34 => 2,
        0x38 | 0x3a | 0x3b | 0x7a => 4,
        0x3c..=0x3e | 0x7f => 8,
        _ => return None,
    })
}

/// `TYPE_INFO` (2.2.5.6).
pub fn type_info(cursor: &mut Cursor<'_>, dialect: Dialect, place: Place) -> Result<TypeInfo, Bad> {
    let token = cursor.u8()?;
    let mut scale = 0;
    let layout = match token {
        // Dates have a scale at most.
        0x28 => Layout::Byte,
        0x29..=0x2b => {
            scale = cursor.u8()?;
            Layout::Byte
        }
        // decimal and numeric, of old and now: length, precision, scale.
        0x37 | 0x3f | 0x6a | 0x6c => {
            let [_, _, of] = cursor.array()?;
            scale = of;
            Layout::Byte
        }
        0x24..=0x27 | 0x2d | 0x2f | 0x68 | 0x6d..=0x6f => {
            cursor.u8()?;
            Layout::Byte
        }
        0xa5 | 0xa7 | 0xad | 0xaf | 0xe7 | 0xef => {
            let max = cursor.u16_le()?;
            if dialect.collation && !matches!(token, 0xa5 | 0xad) {
                cursor.take(5)?;
            }
            if max == 0xffff && matches!(token, 0xa5 | 0xa7 | 0xe7) { Layout::Partial } else { Layout::Short }
        }
        TEXT | NTEXT | IMAGE => {
            cursor.u32_le()?;
            if dialect.collation && token != IMAGE {
                cursor.take(5)?;
            }
            if place == Place::Column { Layout::Pointer } else { Layout::Long }
        }
        VARIANT => {
            cursor.u32_le()?;
            Layout::Long
        }
        XML => {
            if cursor.u8()? != 0 {
                b_varchar(cursor)?;
                b_varchar(cursor)?;
                us_varchar(cursor)?;
            }
            Layout::Partial
        }
        UDT => {
            if place == Place::Column {
                cursor.u16_le()?;
            }
            for _ in 0..3 {
                b_varchar(cursor)?;
            }
            if place == Place::Column {
                us_varchar(cursor)?;
            }
            Layout::Partial
        }
        // json, and vector: a length and the type of a dimension.
        0xf4 => Layout::Partial,
        0xf5 => {
            cursor.take(3)?;
            Layout::Short
        }
        _ => Layout::Fixed(fixed_len(token).ok_or(Bad::Malformed)?),
    };
    Ok(TypeInfo { token, layout, scale })
}

/// The SQL name of a type.
pub const fn type_name(token: u8) -> &'static str {
    match token {
        0x1f => "null",
        0x24 => "uniqueidentifier",
        0x26 | 0x30 | 0x34 | 0x38 | 0x7f => "int",
        0x28 => "date",
        0x29 => "time",
        0x2a => "datetime2",
        0x2b => "datetimeoffset",
        0x32 | 0x68 => "bit",
        0x37 | 0x3f | 0x6a | 0x6c => "decimal",
        0x3a | 0x3d | 0x6f => "datetime",
        0x3b | 0x3e | 0x6d => "float",
        0x3c | 0x6e | 0x7a => "money",
        TEXT => "text",
        NTEXT => "ntext",
        IMAGE => "image",
        0x25 | 0xa5 => "varbinary",
        0x2d | 0xad => "binary",
        0x27 | 0xa7 => "varchar",
        0x2f | 0xaf => "char",
        0xe7 => "nvarchar",
        0xef => "nchar",
        VARIANT => "sql_variant",
        XML => "xml",
        UDT => "udt",
        TVP => "table",
        0xf4 => "json",
        0xf5 => "vector",
        _ => "unknown",
    }
}
