//! The chunked transfer coding (RFC 9112 §7.1).
//!
//! ```text
//! body = *( 1*HEXDIG [ext] CRLF data CRLF ) 1*"0" [ext] CRLF *( field CRLF ) CRLF
//! ```

use super::anomaly;
use super::head::{Deviations, trim};
use super::line::{Line, LineBuffer};

/// Bytes of a line with a chunk size, extensions included, that are kept.
const MAX_LINE: usize = 4 * 1024;

/// Where in the coding a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before a chunk size.
    Size,
    /// Inside data.
    Data(u64),
    /// Behind data.
    End,
    /// In the trailer.
    Trailer,
}

/// What bytes of the coding are.
pub enum Piece<'a> {
    /// So many bytes of the coding itself.
    Coding(usize),
    /// Data.
    Data(&'a [u8]),
    /// So many bytes of the coding, and it is over.
    Over(usize),
    /// This is no chunk: nothing behind it is known.
    Lost(usize),
}

/// Reads chunks.
#[derive(Debug)]
pub struct Chunks {
    place: Place,
}

impl Chunks {
    pub const fn new() -> Self {
        Self { place: Place::Size }
    }

    /// The next piece; `bytes` is not empty.
    pub fn next<'a>(&mut self, bytes: &'a [u8], lines: &mut LineBuffer, deviations: &mut Deviations) -> Piece<'a> {
        if let Place::Data(left) = self.place {
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let left = left - here as u64;
            self.place = if left == 0 { Place::End } else { Place::Data(left) };
            return Piece::Data(bytes.get(..here).unwrap_or(bytes));
        }
        let mut store = Vec::new();
        let (used, Some(line)) = lines.take(bytes, MAX_LINE, &mut store) else { return Piece::Coding(bytes.len()) };
        match self.place {
            Place::End => {
                if !line.text.is_empty() {
                    deviations.push(anomaly::BAD_CHUNK_END);
                    return Piece::Lost(used);
                }
                if !line.crlf {
                    deviations.push(anomaly::LENIENT_CHUNK_SIZE);
                }
                self.place = Place::Size;
                Piece::Coding(used)
            }
            Place::Trailer if line.text.is_empty() => Piece::Over(used),
            Place::Trailer | Place::Data(_) => Piece::Coding(used),
            Place::Size => match size(&line, deviations) {
                Some(0) => {
                    self.place = Place::Trailer;
                    Piece::Coding(used)
                }
                Some(size) => {
                    self.place = Place::Data(size);
                    Piece::Coding(used)
                }
                None => {
                    deviations.push(anomaly::BAD_CHUNK_SIZE);
                    Piece::Lost(used)
                }
            },
        }
    }

    /// Bytes are missing; whether the place is still known.
    pub fn gap(&mut self, len: u64) -> bool {
        let Place::Data(left) = self.place else { return false };
        let Some(left) = left.checked_sub(len) else { return false };
        self.place = if left == 0 { Place::End } else { Place::Data(left) };
        true
    }
}

fn size(line: &Line<'_>, deviations: &mut Deviations) -> Option<u64> {
    let end = memchr::memchr(b';', line.text).unwrap_or(line.text.len());
    let written = line.text.get(..end).unwrap_or_default();
    let mut digits = trim(written);
    // Blanks behind the size are padding that old servers write (RFC 9112 §7.1.1, BWS).
    let mut lenient = !line.crlf || matches!(written.first(), Some(b' ' | b'\t')) || memchr::memchr(b'\r', line.text).is_some();
    // Forms that careless readers take for numbers.
    if let Some(rest) = digits.strip_prefix(b"0x").or_else(|| digits.strip_prefix(b"0X")).or_else(|| digits.strip_prefix(b"+")) {
        digits = rest;
        lenient = true;
    }
    // Room for padding with zeros, as some servers write.
    if digits.is_empty() || digits.len() > 32 {
        return None;
    }
    let size = digits.iter().try_fold(0_u64, |size, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        size.checked_mul(16)?.checked_add(u64::from(digit))
    })?;
    if lenient {
        deviations.push(anomaly::LENIENT_CHUNK_SIZE);
    }
    Some(size)
}
