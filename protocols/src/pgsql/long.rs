//! A statement of the client that is longer than the cap of a message: put together without its padding.

use super::message::Header;
use crate::sql::{self, Dialect};

/// A Query or Parse as it comes.
pub struct Long {
    kind: u8,
    /// Bytes that are not there yet.
    pub left: usize,
    pub bytes: Vec<u8>,
}

impl Long {
    pub const fn new(header: Header) -> Self {
        Self { kind: header.kind, left: header.len, bytes: Vec::new() }
    }

    /// Whether blanks of a message mean nothing.
    pub const fn is_statement(kind: u8) -> bool {
        matches!(kind, b'Q' | b'P')
    }

    /// The head as it stands: what is there, and what is not.
    pub const fn header(&self) -> Header {
        Header { kind: self.kind, len: self.bytes.len() + self.left }
    }

    /// Takes bytes of it; how many: fewer than all where there is too much beside padding. Squeezes only a text that has
    /// reached the cap, so that it does not matter how the bytes were cut.
    pub fn take(&mut self, bytes: &[u8], max: usize) -> usize {
        let here = bytes.get(..self.left).unwrap_or(bytes);
        let mut rest = here;
        loop {
            let room = max.saturating_sub(self.bytes.len());
            let (taken, more) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            self.bytes.extend_from_slice(taken);
            self.left -= taken.len();
            rest = more;
            if rest.is_empty() {
                break;
            }
            // Where padding is little, the pass over it is the last one.
            let freed = self.squeeze();
            if freed == 0 || freed < max / 8 {
                break;
            }
        }
        here.len() - rest.len()
    }

    /// Takes the padding out; bytes that this freed. Of a Parse a name stands in front.
    pub fn squeeze(&mut self) -> usize {
        let before = self.bytes.len();
        let name = if self.kind == b'P' { self.bytes.iter().position(|&byte| byte == 0).map(|end| end + 1) } else { Some(0) };
        let text = self.bytes.split_off(name.unwrap_or(before));
        self.bytes.extend(sql::squeeze(&text, Dialect::Postgres));
        before - self.bytes.len()
    }
}
