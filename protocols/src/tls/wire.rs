//! The presentation language of TLS (RFC 8446 §3.4): vectors with a length in front.

use crate::cursor::{Cursor, Short};

/// `<0..2^8-1>`
pub fn vector8<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Short> {
    let len = cursor.u8()?;
    cursor.take(usize::from(len))
}

/// `<0..2^16-1>`
pub fn vector16<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Short> {
    let len = cursor.u16_be()?;
    cursor.take(usize::from(len))
}

/// `uint24`
pub fn u24(cursor: &mut Cursor<'_>) -> Result<usize, Short> {
    let [high, middle, low] = cursor.array()?;
    Ok(u32::from_be_bytes([0, high, middle, low]) as usize)
}

/// `<0..2^24-1>`
pub fn vector24<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Short> {
    let len = u24(cursor)?;
    cursor.take(len)
}

/// The two-byte values of a vector; an odd byte at the end is left out.
pub fn u16s(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair))
}

/// A value that means nothing and keeps servers tolerant (RFC 8701 §2): `0x?a?a`, both bytes the same.
#[must_use]
pub const fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// A text for a record: at most `max` bytes of it, without control characters.
pub fn printable(bytes: &[u8], max: usize) -> String {
    String::from_utf8_lossy(bytes.get(..bytes.len().min(max)).unwrap_or_default())
        .chars()
        .map(|character| if character.is_control() { '.' } else { character })
        .collect()
}
