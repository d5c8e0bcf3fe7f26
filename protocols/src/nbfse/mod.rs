//! Binary XML of WCF: [MC-NBFX] records, [MC-NBFS] static dictionary, [MC-NBFSE] in-band dictionary.
//!
//! ```text
//! message   = [string-table] document             the table with encoding 8 only
//! document  = *comment element *comment
//! element   = start *attribute *(text / comment / element / array) end
//! end       = EndElement, or a text record of odd type
//! ```
//! The reader builds a bounded tree. A message that is cut off, or reaches a cap, gives the tree as far as it goes.

mod dictionary;
mod names;
mod reader;
mod static_strings;
#[cfg(test)]
mod tests;
mod text;

pub use dictionary::{Dictionary, TableError};
pub use reader::{Document, ReadError, read};
pub use static_strings::STRINGS;

use crate::cursor::{Cursor, Short};

/// Why a `MultiByteInt31` cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntError {
    /// More bytes are needed.
    Short(Short),
    /// More than 31 bits.
    TooLong,
}

impl From<Short> for IntError {
    fn from(short: Short) -> Self {
        Self::Short(short)
    }
}

/// A `MultiByteInt31` ([MC-NBFX] 2.1.2): seven bits a byte, the lowest first, at most five bytes and 31 bits.
///
/// # Errors
/// Bytes are missing, or the number is too large.
pub fn multi_byte_int31(cursor: &mut Cursor<'_>) -> Result<u32, IntError> {
    let mut value = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = cursor.u8()?;
        let bits = u32::from(byte & 0x7f);
        if shift == 28 && byte > 0x07 {
            return Err(IntError::TooLong);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(IntError::TooLong)
}
