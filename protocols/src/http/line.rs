//! Lines out of bytes that come in any pieces. What is incomplete is kept, within a cap; each byte is looked at once.

/// Bytes of a line that is not complete yet.
#[derive(Debug, Default)]
pub struct LineBuffer {
    kept: Vec<u8>,
    /// Bytes of it that were beyond the cap.
    cut: bool,
}

/// A line without its LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes, CR and LF away.
    pub text: &'a [u8],
    /// A CR stood before the LF.
    pub crlf: bool,
    /// A cap took its end.
    pub cut: bool,
}

impl LineBuffer {
    /// Takes bytes up to the next LF; returns how many, and the line if it is complete. `max`: bytes of a line that are kept.
    pub fn take<'a>(&'a mut self, bytes: &'a [u8], max: usize, store: &'a mut Vec<u8>) -> (usize, Option<Line<'a>>) {
        let end = memchr::memchr(b'\n', bytes);
        let piece = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let Some(end) = end else {
            self.keep(piece, max);
            return (bytes.len(), None);
        };
        if self.kept.is_empty() && piece.len() <= max {
            return (end + 1, Some(Line::of(piece, false)));
        }
        self.keep(piece, max);
        // The buffer changes hands, so that an idle direction holds nothing.
        *store = std::mem::take(&mut self.kept);
        let cut = std::mem::take(&mut self.cut);
        (end + 1, Some(Line::of(store, cut)))
    }

    fn keep(&mut self, piece: &[u8], max: usize) {
        let room = max.saturating_sub(self.kept.len());
        self.cut |= piece.len() > room;
        self.kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    /// Forgets what is kept; what it was.
    pub fn clear(&mut self) -> Vec<u8> {
        self.cut = false;
        std::mem::take(&mut self.kept)
    }

    /// Bytes kept.
    pub const fn held(&self) -> usize {
        self.kept.capacity()
    }
}

impl<'a> Line<'a> {
    fn of(bytes: &'a [u8], cut: bool) -> Self {
        match bytes.split_last() {
            Some((b'\r', text)) if !cut => Self { text, crlf: true, cut },
            _ => Self { text: bytes, crlf: false, cut },
        }
    }
}
