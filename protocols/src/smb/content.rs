//! Contents of a file, put together from reads or writes at any offsets.
//!
//! Contiguous bytes are an extent. An extent is offered to the content rules when it is as long as the window, when it makes
//! room for another, and at the end; its last bytes stay, so that what lies across is found. Bytes that are written over are
//! offered before, with what stands around them, as long as what was written pays for it ([`AGAIN`]). The cost of an addition
//! is bounded by its length and a constant.

/// Bytes of one piece of data.
pub const CHUNK: usize = 64 * 1024;
/// Bytes of an extent that are offered at once.
const WINDOW: usize = 128 * 1024;
/// Bytes that stay of what was offered, and that go with what is written over.
const OVERLAP: usize = 4 * 1024;
/// Extents of a file.
const MAX_EXTENTS: usize = 32;
/// Bytes that may be offered again for each that is written, and those that may be besides.
const AGAIN: usize = 32;
const AGAIN_FIRST: usize = 1024 * 1024;

/// Contiguous bytes.
#[derive(Debug)]
struct Extent {
    offset: u64,
    bytes: Vec<u8>,
    /// Bytes at the front that were offered.
    offered: usize,
}

impl Extent {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }

    /// Offers what was not.
    fn offer(&self, offer: &mut dyn FnMut(&[u8])) {
        if self.offered < self.bytes.len() {
            offer(&self.bytes);
        }
    }
}

/// One direction of an open file.
#[derive(Debug)]
pub struct Contents {
    /// In the order of their offsets; none touches the next one.
    extents: Vec<Extent>,
    /// Bytes that may be offered again.
    credit: usize,
    /// Something was written over that was not offered before.
    pub lost: bool,
}

impl Default for Contents {
    fn default() -> Self {
        Self { extents: Vec::new(), credit: AGAIN_FIRST, lost: false }
    }
}

impl Contents {
    /// Bytes held.
    pub fn held(&self) -> usize {
        self.extents.iter().map(|extent| extent.bytes.len()).sum()
    }

    /// Adds a piece.
    pub fn add(&mut self, offset: u64, bytes: &[u8], offer: &mut dyn FnMut(&[u8])) {
        if bytes.is_empty() {
            return;
        }
        let end = offset.saturating_add(bytes.len() as u64);
        self.credit = self.credit.saturating_add(bytes.len().saturating_mul(AGAIN)).min(AGAIN_FIRST);
        // The first extent that ends where this begins, or later.
        let at = self.extents.partition_point(|extent| extent.end() < offset);
        let until = self.extents.partition_point(|extent| extent.offset <= end);
        let mut joined = Extent { offset, bytes: Vec::new(), offered: 0 };
        if at >= until {
            joined.bytes.extend_from_slice(bytes);
        } else if let Some(first) = self.extents.get_mut(at)
            && until == at + 1
            && offset == first.end()
        {
            // The usual case: the file goes on.
            first.bytes.extend_from_slice(bytes);
            Self::pass_window(first, offer);
            return;
        } else {
            for extent in self.extents.drain(at..until) {
                self.lost |= !join(&mut joined, extent, (offset, bytes), &mut self.credit, offer);
            }
            let covered = joined.end();
            if covered < end {
                let from = bytes.len().saturating_sub(usize::try_from(end - covered).unwrap_or(usize::MAX));
                joined.bytes.extend_from_slice(bytes.get(from..).unwrap_or_default());
            }
        }
        Self::pass_window(&mut joined, offer);
        self.extents.insert(at.min(self.extents.len()), joined);
        if self.extents.len() > MAX_EXTENTS {
            // The one that is not the newest and has waited in front makes room.
            let oldest = usize::from(at == 0);
            self.extents.remove(oldest.min(self.extents.len() - 1)).offer(offer);
        }
    }

    /// Offers all that was not, and holds nothing.
    pub fn finish(&mut self, offer: &mut dyn FnMut(&[u8])) {
        for extent in self.extents.drain(..) {
            extent.offer(offer);
        }
    }

    fn pass_window(extent: &mut Extent, offer: &mut dyn FnMut(&[u8])) {
        if extent.bytes.len() >= WINDOW {
            offer(&extent.bytes);
            let gone = extent.bytes.len() - OVERLAP;
            extent.bytes.drain(..gone);
            extent.offset += gone as u64;
            extent.offered = extent.bytes.len();
        }
    }
}

/// Appends an extent to what was joined by now, the new bytes over it. False: something was lost that `credit` did not pay for.
fn join(
    joined: &mut Extent,
    old: Extent,
    (offset, bytes): (u64, &[u8]),
    credit: &mut usize,
    offer: &mut dyn FnMut(&[u8]),
) -> bool {
    let Extent { offset: start, bytes: mut under, offered } = old;
    // Where the new bytes lie in the old ones.
    let (skip, into) = if offset >= start { (0, offset - start) } else { (start - offset, 0) };
    let (skip, into) = (usize::try_from(skip).unwrap_or(usize::MAX), usize::try_from(into).unwrap_or(usize::MAX));
    let over = bytes.get(skip..).unwrap_or_default();
    let over = over.get(..under.len().saturating_sub(into)).unwrap_or(over);
    let range = into..into.saturating_add(over.len());
    let mut told = true;
    if under.get(range.clone()).is_some_and(|below| below != over) {
        let from = into.saturating_sub(OVERLAP);
        let to = range.end.saturating_add(OVERLAP).min(under.len());
        let around = under.get(from..to).unwrap_or_default();
        match credit.checked_sub(around.len()) {
            Some(left) => {
                *credit = left;
                offer(around);
            }
            None => told = false,
        }
    }
    if let Some(below) = under.get_mut(range.clone()) {
        below.copy_from_slice(over);
    }
    if joined.bytes.is_empty() && start <= offset {
        // What was offered and is not changed need not be again.
        *joined = Extent { offset: start, bytes: under, offered: offered.min(into) };
        return told;
    }
    // New bytes between what is joined and this extent.
    let from = usize::try_from(joined.end().saturating_sub(offset)).unwrap_or(usize::MAX);
    joined.bytes.extend_from_slice(bytes.get(from..skip).unwrap_or_default());
    joined.bytes.append(&mut under);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(pieces: &[(u64, &[u8])]) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let mut contents = Contents::default();
        for (offset, bytes) in pieces {
            contents.add(*offset, bytes, &mut |bytes| out.push(bytes.to_vec()));
        }
        contents.finish(&mut |bytes| out.push(bytes.to_vec()));
        assert_eq!(contents.held(), 0);
        out
    }

    #[test]
    fn pieces_in_any_order_become_one() {
        for pieces in [
            [(0, b"abc".as_slice()), (3, b"def"), (6, b"ghi")],
            [(6, b"ghi"), (3, b"def"), (0, b"abc")],
            [(0, b"abc"), (6, b"ghi"), (3, b"def")],
            [(0, b"abcd"), (6, b"ghi"), (2, b"cdefg")],
            [(3, b"d"), (5, b"f"), (0, b"abcdefghi")],
        ] {
            assert_eq!(offers(&pieces), [b"abcdefghi".to_vec()]);
        }
    }

    #[test]
    fn a_hole_separates_and_what_is_written_over_was_offered() {
        assert_eq!(offers(&[(0, b"abc"), (4, b"efg")]), [b"abc".to_vec(), b"efg".to_vec()]);
        assert_eq!(offers(&[(0, b"abcdef"), (2, b"XY")]), [b"abcdef".to_vec(), b"abXYef".to_vec()]);
        assert_eq!(offers(&[(u64::MAX - 1, b"abcd"), (0, b"x")]).len(), 2);
    }

    #[test]
    fn a_long_file_passes_in_windows_that_overlap() {
        let piece = vec![b'x'; 50_000];
        let pieces: Vec<(u64, &[u8])> = (0..10).map(|at| (at * 50_000, piece.as_slice())).collect();
        let out = offers(&pieces);
        assert!(out.iter().all(|bytes| bytes.len() < WINDOW + CHUNK));
        assert_eq!(out.iter().map(Vec::len).sum::<usize>(), 500_000 + (out.len() - 1) * OVERLAP);
    }

    /// Against a map of bytes: what is offered last has the bytes that were written last, whatever the order.
    #[test]
    fn random_writes_agree_with_a_map_of_bytes() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let mut map = std::collections::BTreeMap::new();
            let mut contents = Contents::default();
            for _ in 0..random(20) {
                let (offset, len) = (random(60), random(12));
                let bytes: Vec<u8> = (0..len).map(|_| u8::try_from(random(256)).unwrap()).collect();
                map.extend(bytes.iter().enumerate().map(|(at, byte)| (offset + at as u64, *byte)));
                contents.add(offset, &bytes, &mut |_| ());
            }
            let held: Vec<(u64, u8)> = contents
                .extents
                .iter()
                .flat_map(|extent| extent.bytes.iter().enumerate().map(|(at, byte)| (extent.offset + at as u64, *byte)))
                .collect();
            assert_eq!(held, map.into_iter().collect::<Vec<_>>());
        }
    }
}
