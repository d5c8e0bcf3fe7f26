//! Arguments or results, put together from fragments (C706 12.6.2).

use super::association::Level;

/// Arguments or results of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Fragments seen.
    pub fragments: u32,
    /// Bytes of the stub, those that were not kept too.
    pub len: u64,
    /// The stub, as far as it is kept: in the clear, up to a cap, and until it was told.
    pub stub: Vec<u8>,
    /// It is encrypted: nothing of it is kept.
    pub sealed: bool,
    /// Bytes are missing: behind a cap, or behind a hole.
    pub truncated: bool,
    /// How it is protected, by its verifier.
    pub level: Option<Level>,
    /// The last fragment was seen.
    pub complete: bool,
    /// Its beginning is missing: what is there cannot be decoded.
    pub(super) headless: bool,
    /// A cap bit.
    pub(super) capped: bool,
    /// The last four bytes of the stub, as far as they are there one behind the other.
    tail: ([u8; 4], usize),
}

/// What a fragment brings.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The bytes that are there.
    pub bytes: &'a [u8],
    /// How many it should be.
    pub len: usize,
    pub level: Option<Level>,
    pub sealed: bool,
    pub last: bool,
}

impl Part {
    /// Nothing yet; `headless`: its first fragment was not seen.
    pub(super) fn new(headless: bool) -> Self {
        Self { headless, ..Self::default() }
    }

    /// Appends a fragment, up to `max` bytes in all.
    pub(super) fn push(&mut self, piece: &Piece<'_>, max: usize) {
        self.fragments = self.fragments.saturating_add(1);
        self.len = self.len.saturating_add(piece.len as u64);
        self.level = piece.level.or(self.level);
        self.sealed |= piece.sealed;
        self.complete |= piece.last;
        if self.sealed {
            self.stub = Vec::new();
            return;
        }
        // What stands behind a hole would be read as something else.
        if !self.truncated {
            let room = max.saturating_sub(self.stub.len());
            self.stub.extend_from_slice(piece.bytes.get(..room).unwrap_or(piece.bytes));
            self.capped |= piece.bytes.len() > room;
        }
        let whole = piece.bytes.len() >= piece.len;
        self.truncated |= self.capped || !whole;
        let (tail, seen) = &mut self.tail;
        for byte in piece.bytes.get(piece.bytes.len().saturating_sub(4)..).unwrap_or_default() {
            tail.rotate_left(1);
            if let Some(last) = tail.last_mut() {
                *last = *byte;
            }
        }
        *seen = if whole { seen.saturating_add(piece.bytes.len()) } else { 0 };
    }

    /// Bytes are missing here.
    pub(super) const fn lose(&mut self) {
        self.truncated = true;
        self.tail.1 = 0;
    }

    /// What can be decoded.
    pub(super) fn readable(&self) -> Option<&[u8]> {
        (!self.sealed && !self.headless).then_some(self.stub.as_slice())
    }

    /// The last four bytes: what most operations return.
    #[must_use]
    pub fn tail(&self) -> Option<[u8; 4]> {
        let (tail, seen) = self.tail;
        (self.complete && !self.sealed && seen >= 4).then_some(tail)
    }
}
