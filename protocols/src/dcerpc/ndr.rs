//! Arguments as NDR (C706 chapter 14) and NDR64 ([MS-RPCE] 2.2.5) marshal them: alignment, counts, pointers, strings, out of the
//! bytes that are there. Nothing is allocated or repeated by a count alone.
//!
//! ```text
//! pointer = referent-id                          0 is null; 4 bytes, 8 in NDR64; what it points at follows where it is due
//! string  = max offset actual *unit              counts of 4 bytes, 8 in NDR64; the terminator is counted
//! array   = max *element / max offset actual *element
//! ```

use super::calls::{Marshalling, Text};

/// Bytes of a context handle: attributes and a UUID (C706 14.2.16.6).
pub type Handle = [u8; 20];

/// Bytes of a text that are kept: a command line of Windows (32,767 units) fits.
pub const MAX_TEXT: usize = 96 * 1024;
/// The same of a name.
pub const MAX_NAME: usize = 1_024;

/// Reads a stub from its front. Each read is `None` where too few bytes are left, and nothing that follows can be read then.
#[derive(Clone, Debug)]
pub struct Ndr<'a> {
    bytes: &'a [u8],
    at: usize,
    how: Marshalling,
    cut: bool,
}

impl<'a> Ndr<'a> {
    /// At the first byte, from which alignment counts.
    #[must_use]
    pub const fn new(bytes: &'a [u8], how: Marshalling) -> Self {
        Self { bytes, at: 0, how, cut: false }
    }

    /// Bytes read, those of alignment with them.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Something that was asked for is not there, or was not read.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Says that not all is read.
    pub const fn give_up(&mut self) {
        self.cut = true;
    }

    /// What is not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Steps to a multiple of `to`, a power of two (C706 14.2.2).
    pub fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to.max(1));
    }

    /// Aligns a structure that holds pointers or counts: by their size.
    pub fn align_pointer(&mut self) {
        self.align(if self.how.ndr64 { 8 } else { 4 });
    }

    /// Aligns where only NDR64 does: before a structure or union whose first member is smaller than its largest, and behind it.
    pub fn align64(&mut self, to: usize) {
        if self.how.ndr64 {
            self.align(to);
        }
    }

    /// The next bytes, as they are.
    pub fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let bytes = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        match bytes {
            Some(bytes) => {
                self.at += bytes.len();
                Some(bytes)
            }
            None => {
                self.cut = true;
                None
            }
        }
    }

    /// The next bytes by value, as they are.
    pub fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.first_chunk().copied()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = self.chunk::<N>()?;
        if !self.how.little {
            bytes.reverse();
        }
        Some(bytes)
    }

    /// An octet.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// A number of 16 bits.
    pub fn u16(&mut self) -> Option<u16> {
        self.align(2);
        self.array().map(u16::from_le_bytes)
    }

    /// A number of 32 bits.
    pub fn u32(&mut self) -> Option<u32> {
        self.align(4);
        self.array().map(u32::from_le_bytes)
    }

    /// A number of 64 bits.
    pub fn u64(&mut self) -> Option<u64> {
        self.align(8);
        self.array().map(u64::from_le_bytes)
    }

    /// A count or a referent id: 64 bits in NDR64 ([MS-RPCE] 2.2.5.3.2.1, 2.2.5.3.5).
    pub fn long(&mut self) -> Option<u64> {
        if self.how.ndr64 { self.u64() } else { self.u32().map(u64::from) }
    }

    /// A count of elements.
    pub fn count(&mut self) -> Option<usize> {
        usize::try_from(self.long()?).ok()
    }

    /// A unique pointer: whether something is pointed at (C706 14.3.10).
    pub fn pointer(&mut self) -> Option<bool> {
        Some(self.long()? != 0)
    }

    /// A UUID in the order of its text.
    pub fn uuid(&mut self) -> Option<u128> {
        let (a, b, c) = (self.u32()?, self.u16()?, self.u16()?);
        let rest = self.chunk()?;
        Some(u128::from(a) << 96 | u128::from(b) << 80 | u128::from(c) << 64 | u128::from(u64::from_be_bytes(rest)))
    }

    /// A context handle, as it is on the wire.
    pub fn handle(&mut self) -> Option<Handle> {
        self.align(4);
        self.chunk()
    }

    /// A conformant array of bytes: as many as are there; whether all.
    pub fn byte_array(&mut self) -> Option<(&'a [u8], bool)> {
        let count = self.count()?;
        Some(self.up_to(count))
    }

    /// As many of `len` bytes as are there; whether all.
    pub fn up_to(&mut self, len: usize) -> (&'a [u8], bool) {
        match self.bytes(len) {
            Some(bytes) => (bytes, true),
            None => {
                let rest = self.rest();
                self.at = self.bytes.len().saturating_add(1);
                (rest, false)
            }
        }
    }

    /// The bytes of a conformant and varying array with elements of `unit` bytes: as many as are there; whether all.
    pub fn varying(&mut self, unit: usize) -> Option<(&'a [u8], bool)> {
        let _max = self.count()?;
        let _offset = self.count()?;
        let actual = self.count()?;
        Some(self.up_to(actual.saturating_mul(unit)))
    }

    /// A conformant and varying string of UTF-16.
    pub fn wide(&mut self, max: usize) -> Option<Text> {
        let (bytes, whole) = self.varying(2)?;
        Some(self.utf16(bytes, whole, max))
    }

    /// The same of bytes.
    pub fn narrow(&mut self, max: usize) -> Option<Text> {
        let (bytes, whole) = self.varying(1)?;
        Some(Text::narrow(bytes, whole, max))
    }

    /// A string of the kind the call has.
    pub fn string(&mut self, wide: bool, max: usize) -> Option<Text> {
        if wide { self.wide(max) } else { self.narrow(max) }
    }

    /// A string behind a unique pointer of the call itself.
    pub fn unique_string(&mut self, wide: bool, max: usize) -> Option<Option<Text>> {
        if self.pointer()? { self.string(wide, max).map(Some) } else { Some(None) }
    }

    /// UTF-16 in the order of the call, up to the first null.
    #[must_use]
    pub fn utf16(&self, bytes: &[u8], whole: bool, max: usize) -> Text {
        Text::utf16(bytes, whole, max, self.how.little)
    }

    /// A conformant array of bytes behind a unique pointer is stepped over: whether there was one that holds something.
    pub fn skip_unique_bytes(&mut self) -> Option<bool> {
        if !self.pointer()? {
            return Some(false);
        }
        let (bytes, whole) = self.byte_array()?;
        whole.then_some(!bytes.is_empty())
    }
}
