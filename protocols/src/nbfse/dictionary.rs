//! The in-band dictionary of one direction ([MC-NBFSE] 2.1): each message may begin with new strings, which keep their
//! numbers for the rest of the session.

use super::{IntError, STRINGS, multi_byte_int31};
use crate::contract::Limits;
use crate::cursor::Cursor;

/// What became of a string table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// The message ends inside the table.
    Short,
    /// A length contradicts the table's size.
    Malformed,
    /// A cap was reached; the table was read, further strings have no number.
    Limit,
}

/// Strings by their odd numbers.
#[derive(Debug, Default)]
pub struct Dictionary {
    strings: Vec<Box<str>>,
    bytes: usize,
    /// Strings were lost: numbers given out from now on are not known.
    broken: bool,
}

impl Dictionary {
    /// The strings known.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.strings.len()
    }

    /// No strings yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.strings.is_empty()
    }

    /// Some strings have no number.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Some of the stream was not seen: strings that come now cannot be numbered. Those known stay.
    pub const fn lose(&mut self) {
        self.broken = true;
    }

    /// The string of a number: even ones are static ([MC-NBFS]), odd ones in-band ([MC-NBFSE] 2.2).
    #[must_use]
    pub fn get(&self, value: u32) -> Option<&str> {
        let index = (value / 2) as usize;
        if value.is_multiple_of(2) { STRINGS.get(index).copied() } else { self.strings.get(index).map(AsRef::as_ref) }
    }

    /// Reads the table at the front of a message and adds its strings; how many bytes it takes.
    ///
    /// # Errors
    /// The table is cut off or malformed (then nothing of it can be trusted), or a cap was reached.
    pub fn read_table(&mut self, message: &[u8], limits: &Limits) -> Result<usize, TableError> {
        let outcome = self.try_table(message, limits);
        if outcome.is_err() {
            self.broken = true;
        }
        outcome
    }

    fn try_table(&mut self, message: &[u8], limits: &Limits) -> Result<usize, TableError> {
        let mut cursor = Cursor::new(message);
        let size = multi_byte_int31(&mut cursor).map_err(int)? as usize;
        let table = cursor.take(size).map_err(|_| TableError::Short)?;
        let mut strings = Cursor::new(table);
        while !strings.is_empty() {
            let len = multi_byte_int31(&mut strings).map_err(|_| TableError::Malformed)? as usize;
            let bytes = strings.take(len).map_err(|_| TableError::Malformed)?;
            if self.broken {
                continue;
            }
            if self.strings.len() >= limits.max_dictionary_strings || self.bytes + len > limits.max_dictionary_bytes {
                return Err(TableError::Limit);
            }
            self.bytes += len;
            self.strings.push(String::from_utf8_lossy(bytes).into());
        }
        Ok(cursor.position())
    }

    /// The bytes that a table takes, where its size is there.
    #[must_use]
    pub fn table_len(message: &[u8]) -> Option<usize> {
        let mut cursor = Cursor::new(message);
        let size = multi_byte_int31(&mut cursor).ok()?;
        cursor.position().checked_add(size as usize)
    }
}

const fn int(error: IntError) -> TableError {
    match error {
        IntError::Short(_) => TableError::Short,
        IntError::TooLong => TableError::Malformed,
    }
}
