//! A bounds-checked reader over borrowed bytes: no indexing, no panic.

/// More bytes are needed than there are: how many from the cursor's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// Total bytes needed, counted from where the cursor began.
    pub need: usize,
}

/// Reads from the front of a slice. Copy it to look ahead.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// No byte is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Short`] when fewer are left.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Short> {
        let end = self.position.saturating_add(len);
        let bytes = self.bytes.get(self.position..end).ok_or(Short { need: end })?;
        self.position = end;
        Ok(bytes)
    }

    /// The next `N` bytes by value.
    ///
    /// # Errors
    /// [`Short`] when fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let need = Short { need: self.position.saturating_add(N) };
        let bytes = self.rest().first_chunk::<N>().ok_or(need)?;
        self.position = need.need;
        Ok(*bytes)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`Short`] at the end.
    pub fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next byte, not consumed.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }
}

macro_rules! numbers {
    ($($le:ident $be:ident $type:ty),*) => {
        impl Cursor<'_> {
            $(
                /// A little-endian number.
                ///
                /// # Errors
                /// [`Short`] when too few bytes are left.
                pub fn $le(&mut self) -> Result<$type, Short> {
                    self.array().map(<$type>::from_le_bytes)
                }

                /// A big-endian number.
                ///
                /// # Errors
                /// [`Short`] when too few bytes are left.
                pub fn $be(&mut self) -> Result<$type, Short> {
                    self.array().map(<$type>::from_be_bytes)
                }
            )*
        }
    };
}
numbers!(u16_le u16_be u16, u32_le u32_be u32, u64_le u64_be u64, i16_le i16_be i16, i32_le i32_be i32, i64_le i64_be i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_read_says_how_much_it_takes_and_moves_nothing() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.u8(), Ok(1));
        assert_eq!(cursor.u32_le(), Err(Short { need: 5 }));
        assert_eq!(cursor.u16_be(), Ok(0x0203));
        assert!(cursor.is_empty());
    }
}
