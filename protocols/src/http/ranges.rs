//! Files that come in ranges, put together within one connection (RFC 9110 §14.4, §15.3.7).
//!
//! Known limits: `multipart/byteranges` stays as it is; ranges over several connections are told one by one
//! ([`RangePart`]), for somebody who sees all connections.

use std::collections::BTreeMap;

use super::body::{About, OVERLAP, WINDOW};
use super::transaction::{Part, PartState, RangePart, Transaction};
use crate::contract::{Content, Sink};
use crate::registry;

/// Files that are put together at once.
const MAX_FILES: usize = 16;
/// Ranges of one file.
const MAX_PIECES: usize = 256;
/// How the bytes came about.
const LAYERS: &[&str] = &["http.body", "http.range"];

struct File {
    /// Host, target and entity tag.
    key: String,
    size: u64,
    pieces: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
}

/// The files of a flow of which ranges have come.
#[derive(Default)]
pub struct Ranges {
    files: Vec<File>,
}

impl Ranges {
    /// Adds a range that is whole; false when a cap took it. `max`: bytes kept, all files together.
    pub fn add(&mut self, key: String, about: &About, bytes: Vec<u8>, max: usize, out: &mut dyn Sink) -> bool {
        let Some(range) = &about.range else { return true };
        let (Some((start, end)), Some(size)) = (range.span, range.size) else { return true };
        if end - start + 1 != bytes.len() as u64 || bytes.len() as u64 == size {
            return true;
        }
        // Large files in ranges are ordinary (updates, media): their ranges are told one by one.
        if size > max as u64 {
            return true;
        }
        let range = RangePart { of: &key, bytes: &bytes, ..range_of(about, start, size) };
        out.transaction(&registry::Transaction::Http(Transaction::Range(range)));
        if self.held() + bytes.len() > max {
            self.files.retain(|file| file.key != key);
            return false;
        }
        let mut within = true;
        let at = self.files.iter().position(|file| file.key == key && file.size == size).unwrap_or_else(|| {
            if self.files.len() >= MAX_FILES {
                self.files.remove(0);
                within = false;
            }
            self.files.push(File { key, size, pieces: BTreeMap::new(), bytes: 0 });
            self.files.len() - 1
        });
        let Some(file) = self.files.get_mut(at) else { return true };
        if file.pieces.len() >= MAX_PIECES {
            self.files.remove(at);
            return false;
        }
        file.bytes += bytes.len();
        if let Some(before) = file.pieces.insert(start, bytes) {
            file.bytes -= before.len();
        }
        if let Some(whole) = file.joined() {
            let File { key, .. } = self.files.remove(at);
            tell(about, &whole, out);
            let range = RangePart { of: &key, bytes: &[], joined: true, ..range_of(about, start, size) };
            out.transaction(&registry::Transaction::Http(Transaction::Range(range)));
        }
        within
    }

    /// Bytes kept.
    pub fn held(&self) -> usize {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl File {
    /// The whole file, when no byte of it is missing. Where ranges overlap, the one that begins first has the bytes.
    fn joined(&self) -> Option<Vec<u8>> {
        let mut next = 0_u64;
        for (start, piece) in &self.pieces {
            if *start > next {
                return None;
            }
            next = next.max(start + piece.len() as u64);
        }
        if next != self.size {
            return None;
        }
        let mut whole = Vec::with_capacity(usize::try_from(self.size).ok()?);
        for (start, piece) in &self.pieces {
            let known = usize::try_from(whole.len() as u64 - start).ok()?;
            whole.extend_from_slice(piece.get(known..).unwrap_or_default());
        }
        Some(whole)
    }
}

fn range_of(about: &About, start: u64, size: u64) -> RangePart<'_> {
    let About { tx_id, direction, name, .. } = about;
    RangePart { tx_id: *tx_id, direction: *direction, name: name.as_deref(), of: "", start, size, bytes: &[], joined: false }
}

fn tell(about: &About, whole: &[u8], out: &mut dyn Sink) {
    let About { tx_id, direction, name, .. } = about;
    let mut start = 0;
    while start < whole.len() {
        let end = whole.len().min(start + WINDOW);
        let state = if end == whole.len() { PartState::Complete } else { PartState::More };
        out.transaction(&registry::Transaction::Http(Transaction::Body(Part {
            tx_id: *tx_id,
            direction: *direction,
            name: name.as_deref(),
            layers: LAYERS,
            offset: start as u64,
            bytes: whole.get(start..end).unwrap_or_default(),
            state,
            range: None,
        })));
        let bytes = whole.get(start.saturating_sub(OVERLAP)..end).unwrap_or_default();
        out.content(Content { bytes, layers: LAYERS, direction: *direction, tx_id: Some(*tx_id) });
        start = end;
    }
}
