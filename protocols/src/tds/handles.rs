//! Prepared statements: what text a handle stands for.

use std::collections::VecDeque;

/// One text that is kept.
const MAX_TEXT: usize = 16 * 1024;
/// Handles that are kept.
const MAX_HANDLES: usize = 256;

/// The handles of a connection, oldest first.
#[derive(Debug)]
pub struct Handles {
    known: VecDeque<(i64, String)>,
    bytes: usize,
    max_handles: usize,
    max_bytes: usize,
}

impl Handles {
    pub fn new(max_handles: usize, max_bytes: usize) -> Self {
        Self { known: VecDeque::new(), bytes: 0, max_handles: max_handles.min(MAX_HANDLES), max_bytes }
    }

    /// A statement was prepared. The oldest gives way.
    pub fn prepared(&mut self, handle: i64, text: &str) {
        self.forget(handle);
        let text = super::text::head(text, MAX_TEXT.min(self.max_bytes)).to_owned();
        self.bytes += text.len();
        self.known.push_back((handle, text));
        while (self.known.len() > self.max_handles || self.bytes > self.max_bytes)
            && let Some((_, text)) = self.known.pop_front()
        {
            self.bytes -= text.len();
        }
    }

    /// The text of a handle.
    pub fn text(&self, handle: i64) -> Option<&str> {
        self.known.iter().rev().find(|(known, _)| *known == handle).map(|(_, text)| text.as_str())
    }

    /// A handle is given up.
    pub fn forget(&mut self, handle: i64) {
        if let Some(at) = self.known.iter().position(|(known, _)| *known == handle)
            && let Some((_, text)) = self.known.remove(at)
        {
            self.bytes -= text.len();
        }
    }

    /// The session begins anew.
    pub fn clear(&mut self) {
        self.known.clear();
        self.bytes = 0;
    }

    /// Bytes held.
    pub const fn held(&self) -> usize {
        self.bytes
    }
}
