//! What a start-element or attribute record says ([MC-NBFX] 2.2.1, 2.2.2).

use super::reader::Stop;
use super::{Dictionary, multi_byte_int31};
use crate::cursor::Cursor;

/// A name that a record carries.
pub(super) struct Name {
    pub prefix: String,
    pub local: String,
}

/// A namespace declaration or an attribute, before its value.
pub(super) enum Attribute {
    Xmlns { prefix: String, namespace: String },
    Named(Name),
}

/// Whether a record type begins an attribute.
pub(super) const fn is_attribute(kind: u8) -> bool {
    matches!(kind, 0x04..=0x3f)
}

/// Whether a record type begins an element.
pub(super) const fn is_element(kind: u8) -> bool {
    matches!(kind, 0x40..=0x77)
}

/// The records that carry their prefix letter in their type: A is the first of each row.
fn letter(kind: u8, first: u8) -> String {
    char::from(b'a' + kind.saturating_sub(first).min(25)).to_string()
}

/// A `String` ([MC-NBFX] 2.1.3): length, UTF-8.
pub(super) fn string(cursor: &mut Cursor<'_>) -> Result<String, Stop> {
    let len = multi_byte_int31(cursor)? as usize;
    let bytes = cursor.take(len)?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// A `DictionaryString` ([MC-NBFS] 2.1). A number that names nothing gives a placeholder and is told.
pub(super) fn dictionary_string(cursor: &mut Cursor<'_>, dictionary: &Dictionary, unknown: &mut bool) -> Result<String, Stop> {
    let value = multi_byte_int31(cursor)?;
    if let Some(text) = dictionary.get(value) {
        return Ok(text.to_owned());
    }
    *unknown = true;
    Ok(format!("#{value}"))
}

/// The name of an element record.
pub(super) fn element(kind: u8, cursor: &mut Cursor<'_>, dictionary: &Dictionary, unknown: &mut bool) -> Result<Name, Stop> {
    let mut from_dictionary = |cursor: &mut Cursor<'_>| dictionary_string(cursor, dictionary, unknown);
    Ok(match kind {
        0x40 => Name { prefix: String::new(), local: string(cursor)? },
        0x41 => Name { prefix: string(cursor)?, local: string(cursor)? },
        0x42 => Name { prefix: String::new(), local: from_dictionary(cursor)? },
        0x43 => Name { prefix: string(cursor)?, local: from_dictionary(cursor)? },
        0x44..=0x5d => Name { prefix: letter(kind, 0x44), local: from_dictionary(cursor)? },
        0x5e..=0x77 => Name { prefix: letter(kind, 0x5e), local: string(cursor)? },
        _ => return Err(Stop::Malformed),
    })
}

/// An attribute record, up to its value.
pub(super) fn attribute(
    kind: u8,
    cursor: &mut Cursor<'_>,
    dictionary: &Dictionary,
    unknown: &mut bool,
) -> Result<Attribute, Stop> {
    let mut from_dictionary = |cursor: &mut Cursor<'_>| dictionary_string(cursor, dictionary, unknown);
    let named = |prefix, local| Attribute::Named(Name { prefix, local });
    let xmlns = |prefix, namespace| Attribute::Xmlns { prefix, namespace };
    Ok(match kind {
        0x04 => named(String::new(), string(cursor)?),
        0x05 => named(string(cursor)?, string(cursor)?),
        0x06 => named(String::new(), from_dictionary(cursor)?),
        0x07 => named(string(cursor)?, from_dictionary(cursor)?),
        0x08 => xmlns(String::new(), string(cursor)?),
        0x09 => xmlns(string(cursor)?, string(cursor)?),
        0x0a => xmlns(String::new(), from_dictionary(cursor)?),
        0x0b => xmlns(string(cursor)?, from_dictionary(cursor)?),
        0x0c..=0x25 => named(letter(kind, 0x0c), from_dictionary(cursor)?),
        0x26..=0x3f => named(letter(kind, 0x26), string(cursor)?),
        _ => return Err(Stop::Malformed),
    })
}
