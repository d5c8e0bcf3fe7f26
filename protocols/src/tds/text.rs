//! Texts: UTF-16 little-endian nearly everywhere ([MS-TDS] 2.2.5.1), bounded.

use crate::cursor::{Cursor, Short};

/// Names, messages and other short texts that are kept, bytes.
pub const MAX_NAME: usize = 512;

/// UTF-16 to at most `max` bytes of text; whether all of it.
pub fn utf16(bytes: &[u8], max: usize) -> (String, bool) {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    let mut text = String::with_capacity((bytes.len() / 2).min(max));
    for character in char::decode_utf16(units).map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER)) {
        if text.len() + character.len_utf8() > max {
            return (text, false);
        }
        text.push(character);
    }
    (text, true)
}

/// A single-byte text: UTF-8 where it is that, or else by Latin-1, whatever the collation says.
pub fn narrow(bytes: &[u8], max: usize) -> (String, bool) {
    let head = bytes.get(..max).unwrap_or(bytes);
    let whole = head.len() == bytes.len();
    match std::str::from_utf8(head) {
        Ok(text) => (text.to_owned(), whole),
        // The cap went through a character.
        Err(error) if error.error_len().is_none() && !whole => {
            (String::from_utf8_lossy(head.get(..error.valid_up_to()).unwrap_or_default()).into_owned(), false)
        }
        Err(_) => {
            let head = head.get(..max / 2).unwrap_or(head);
            (head.iter().map(|&byte| char::from(byte)).collect(), head.len() == bytes.len())
        }
    }
}

/// A short text without control characters.
pub fn name(bytes: &[u8]) -> String {
    printable(utf16(bytes, MAX_NAME).0)
}

/// A short single-byte text without control characters.
pub fn narrow_name(bytes: &[u8]) -> String {
    printable(narrow(bytes, MAX_NAME).0)
}

fn printable(text: String) -> String {
    if text.contains(char::is_control) { text.replace(char::is_control, ".") } else { text }
}

/// `B_VARCHAR`: the UTF-16 of as many characters as the byte in front says.
pub fn b_varchar<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Short> {
    let len = usize::from(cursor.u8()?);
    cursor.take(len * 2)
}

/// `US_VARCHAR`: the same with 16 bits in front.
pub fn us_varchar<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Short> {
    let len = usize::from(cursor.u16_le()?);
    cursor.take(len * 2)
}

/// At most `max` bytes of a text, cut between characters.
pub fn head(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
