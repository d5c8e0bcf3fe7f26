//! One file, put together from pieces at any offsets and in any order.
//!
//! The contiguous bytes from its beginning are hashed as they come and kept up to a cap; what is ahead of them waits. Each piece
//! costs its own length and a constant: bytes that are written over are replaced in place, nothing is moved.

use std::collections::BTreeMap;

use super::hashes::{Hashers, Hashes, Wanted};

/// What a piece that waits costs besides its bytes.
const PIECE: usize = 96;

/// A file on its way.
pub struct Assembly {
    wanted: Wanted,
    /// Bytes kept at most.
    max_kept: usize,
    /// The beginning of the file, as much as is kept.
    kept: Vec<u8>,
    /// More came than is kept.
    cut: bool,
    /// Contiguous bytes from the beginning.
    next: u64,
    hashers: Option<Hashers>,
    /// Hashed bytes were written over: the sums must be made anew.
    stale: bool,
    /// Written over where they are no longer kept, or dropped: there are no sums.
    lost: bool,
    /// By their offsets; none overlaps another, none begins before `next`.
    ahead: BTreeMap<u64, Vec<u8>>,
    ahead_bytes: usize,
    /// Behind the last byte that was seen.
    end: u64,
}

/// What came of a file.
#[derive(Debug, Default)]
pub struct Assembled {
    /// The beginning of the file, as much as was kept.
    pub bytes: Vec<u8>,
    /// What was seen behind holes, in order.
    pub behind: Vec<Vec<u8>>,
    /// Bytes seen, each once.
    pub size: u64,
    /// Bytes between them are missing.
    pub gaps: bool,
    /// Sums, of a file without gaps.
    pub hashes: Hashes,
}

impl Assembly {
    /// Of nothing so far.
    pub fn new(wanted: Wanted, max_kept: usize) -> Self {
        Self {
            wanted,
            max_kept,
            kept: Vec::new(),
            cut: false,
            next: 0,
            hashers: Hashers::new(wanted),
            stale: false,
            lost: false,
            ahead: BTreeMap::new(),
            ahead_bytes: 0,
            end: 0,
        }
    }

    /// Bytes that it holds.
    pub fn held(&self) -> usize {
        self.kept.capacity() + self.ahead_bytes + self.ahead.len() * PIECE
    }

    /// All bytes up to here are kept.
    pub const fn is_kept(&self) -> bool {
        !self.cut
    }

    /// No sums are needed.
    pub fn forget_sums(&mut self) {
        self.hashers = None;
        self.wanted = Wanted::NONE;
    }

    /// Keeps no more than what is there.
    pub fn stop_keeping(&mut self) {
        self.max_kept = self.kept.len();
    }

    /// Gives back what is kept of a file that is too long to be kept; its first `head` bytes stay.
    pub fn give_up(&mut self, head: usize) -> Vec<u8> {
        self.max_kept = 0;
        self.cut = true;
        self.lost |= self.stale;
        let head = self.kept.get(..head).unwrap_or(&self.kept).to_vec();
        std::mem::replace(&mut self.kept, head)
    }

    /// Whether a piece changes bytes that are held.
    pub fn writes_over(&self, offset: u64, bytes: &[u8]) -> bool {
        let end = offset.saturating_add(bytes.len() as u64);
        let differs = |start: u64, held: &[u8]| {
            let (from, to) = (offset.max(start), end.min(start.saturating_add(held.len() as u64)));
            from < to && held.get(index(from - start)..index(to - start)) != bytes.get(index(from - offset)..index(to - offset))
        };
        let first = self.ahead.range(..=offset).next_back().map_or(offset, |(start, _)| *start);
        differs(0, &self.kept) || self.ahead.range(first..end.max(first)).any(|(start, held)| differs(*start, held))
    }

    /// Whether with so many bytes more what is ahead may not be kept where it becomes the beginning.
    pub fn may_overflow(&self, len: usize) -> bool {
        !self.ahead.is_empty() && self.kept.len().saturating_add(len).saturating_add(self.ahead_bytes) > self.max_kept
    }

    /// A copy of what is held: the beginning, and what is ahead of it, joined where it touches.
    pub fn runs(&self) -> Vec<Vec<u8>> {
        let ahead = join(self.ahead.iter().map(|(start, bytes)| (*start, bytes.clone())));
        std::iter::once(self.kept.clone()).filter(|bytes| !bytes.is_empty()).chain(ahead).collect()
    }

    /// Keeps no more than its first bytes from here on: what is kept by now.
    pub fn keep_head(&mut self, head: usize) -> Vec<u8> {
        let kept = self.kept.clone();
        self.max_kept = self.max_kept.min(head);
        if self.kept.len() > head {
            self.give_up(head);
        }
        kept
    }

    /// Bytes from the beginning without a hole.
    pub const fn contiguous(&self) -> u64 {
        self.next
    }

    /// Adds a piece. `room`: bytes that may be held besides; false when it was not enough for a piece that has to wait.
    pub fn add(&mut self, offset: u64, bytes: &[u8], room: usize) -> bool {
        if bytes.is_empty() {
            return true;
        }
        self.end = self.end.max(offset.saturating_add(bytes.len() as u64));
        if offset > self.next {
            return self.wait(offset, bytes, room);
        }
        let known = usize::try_from(self.next - offset).unwrap_or(usize::MAX).min(bytes.len());
        let (again, new) = bytes.split_at_checked(known).unwrap_or((bytes, &[]));
        self.over(offset, again);
        if !new.is_empty() {
            self.append(new);
            self.settle();
        }
        true
    }

    /// Bytes that were there before.
    fn over(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(below) = self.kept.get_mut(start..start.saturating_add(bytes.len())) else {
            // What was there is no longer known.
            self.lost = true;
            return;
        };
        if below != bytes {
            below.copy_from_slice(bytes);
            self.stale = true;
            // The sums cannot be made anew from a part of the file.
            self.lost |= self.cut;
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if let Some(hashers) = &mut self.hashers {
            hashers.update(bytes);
        }
        self.next = self.next.saturating_add(bytes.len() as u64);
        let room = self.max_kept.saturating_sub(self.kept.len());
        if !self.cut && bytes.len() <= room {
            self.kept.extend_from_slice(bytes);
        } else {
            self.cut = true;
            self.lost |= self.stale;
        }
    }

    /// What waited and is next now. A piece that reaches behind it has its bytes replaced already.
    fn settle(&mut self) {
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.next {
                return;
            }
            let (start, bytes) = entry.remove_entry();
            self.ahead_bytes -= bytes.len();
            let known = usize::try_from(self.next - start).unwrap_or(usize::MAX).min(bytes.len());
            let (_, new) = bytes.split_at_checked(known).unwrap_or((&bytes, &[]));
            if !new.is_empty() {
                self.append(new);
            }
        }
    }

    /// A piece that begins ahead: what lies over pieces that wait replaces their bytes, the rest waits between them.
    fn wait(&mut self, offset: u64, bytes: &[u8], room: usize) -> bool {
        let end = offset.saturating_add(bytes.len() as u64);
        let before = self.ahead.range(..=offset).next_back().map(|(start, _)| *start);
        let first = before.unwrap_or(offset);
        let mut at = offset;
        let mut free: Vec<(u64, u64)> = Vec::new();
        for (start, piece) in self.ahead.range_mut(first..end) {
            let piece_end = *start + piece.len() as u64;
            if piece_end <= at {
                continue;
            }
            if *start > at {
                free.push((at, *start));
            }
            let (from, to) = (at.max(*start), end.min(piece_end));
            let into = index(from - *start)..index(to - *start);
            let of = index(from - offset)..index(to - offset);
            if let (Some(below), Some(over)) = (piece.get_mut(into), bytes.get(of)) {
                below.copy_from_slice(over);
            }
            at = to;
        }
        if at < end {
            free.push((at, end));
        }
        let cost: usize = free.iter().map(|(from, to)| index(to - from) + PIECE).sum();
        if cost > room {
            self.lost = true;
            return false;
        }
        for (from, to) in free {
            let piece = bytes.get(index(from - offset)..index(to - offset)).unwrap_or_default().to_vec();
            self.ahead_bytes += piece.len();
            self.ahead.insert(from, piece);
        }
        true
    }

    /// It is over. `size`: what the whole was said to have.
    pub fn finish(mut self, size: Option<u64>) -> Assembled {
        let gaps = self.next < self.end;
        let complete = !gaps && size.is_none_or(|size| size <= self.next);
        if self.stale && !self.lost {
            self.hashers = Hashers::new(self.wanted).map(|mut hashers| {
                hashers.update(&self.kept);
                hashers
            });
        }
        let sums = complete && !self.lost;
        Assembled {
            behind: join(self.ahead.into_iter()),
            size: self.next + self.ahead_bytes as u64,
            gaps,
            hashes: self.hashers.take().filter(|_| sums).map(Hashers::finish).unwrap_or_default(),
            bytes: self.kept,
        }
    }
}

/// Pieces in order, those that touch as one.
fn join(pieces: impl Iterator<Item = (u64, Vec<u8>)>) -> Vec<Vec<u8>> {
    let mut runs: Vec<Vec<u8>> = Vec::new();
    let mut end = None;
    for (start, mut bytes) in pieces {
        let next = start.saturating_add(bytes.len() as u64);
        match runs.last_mut().filter(|_| end == Some(start)) {
            Some(run) => run.append(&mut bytes),
            None => runs.push(bytes),
        }
        end = Some(next);
    }
    runs
}

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Wanted = Wanted { md5: true, sha1: true, sha256: true };

    fn sums(bytes: &[u8]) -> Hashes {
        let mut hashers = Hashers::new(ALL).unwrap();
        hashers.update(bytes);
        hashers.finish()
    }

    fn assembled(pieces: &[(u64, &[u8])], max_kept: usize) -> Assembled {
        let mut assembly = Assembly::new(ALL, max_kept);
        for (offset, bytes) in pieces {
            assembly.add(*offset, bytes, 1 << 20);
        }
        assembly.finish(None)
    }

    #[test]
    fn the_sums_are_those_of_the_standards() {
        // FIPS 180-4 and RFC 1321: "abc".
        let of = assembled(&[(0, b"abc")], 10).hashes;
        assert_eq!(of.md5.unwrap(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(of.sha1.unwrap(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(of.sha256.unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_hole_leaves_no_sums_and_what_is_written_over_counts_as_written_last() {
        let hole = assembled(&[(0, b"abc"), (5, b"xyz")], 100);
        assert!(hole.gaps && hole.behind == [b"xyz"] && hole.hashes == Hashes::default());
        assert_eq!(hole.size, 6);
        let over = assembled(&[(0, b"abcdef"), (2, b"XY")], 100);
        assert!(over.bytes == b"abXYef");
        assert_eq!(over.hashes, sums(b"abXYef"));
        // Beyond what is kept nobody knows what was written over.
        let beyond = assembled(&[(0, b"abcdef"), (2, b"XY")], 3);
        assert!(beyond.hashes == Hashes::default());
        assert_eq!(assembled(&[(0, b"abc"), (3, b"def")], 3).hashes, sums(b"abcdef"));
    }

    #[test]
    fn less_than_was_said_is_not_the_whole() {
        let mut assembly = Assembly::new(ALL, 100);
        assembly.add(0, b"abc", 0);
        let file = assembly.finish(Some(10));
        assert!(!file.gaps && file.hashes == Hashes::default());
    }

    #[test]
    fn what_has_to_wait_needs_room() {
        let mut assembly = Assembly::new(ALL, 100);
        assert!(!assembly.add(50, &[0; 60], 100));
        assert_eq!(assembly.held(), 0);
        assert!(assembly.add(50, &[0; 4], 100));
        assert!(assembly.finish(None).gaps);
    }

    #[test]
    fn a_million_pieces_backwards_take_a_moment() {
        let mut assembly = Assembly::new(ALL, 1 << 20);
        let began = backstop_testkit::Stopwatch::start();
        for offset in (0..1_000_000_u64).rev() {
            assembly.add(offset, b"x", usize::MAX);
        }
        let file = assembly.finish(None);
        assert_eq!(file.hashes, sums(&vec![b'x'; 1_000_000]));
        assert!(began.elapsed().as_secs() < 60);
    }

    proptest! {
        /// Any pieces in any order, some of them over others: the bytes that were written last, and their sums.
        #[test]
        fn pieces_in_any_order_are_the_file(pieces in prop::collection::vec((0_u64..64, prop::collection::vec(any::<u8>(), 0..16)), 0..24)) {
            let mut map = BTreeMap::new();
            let mut assembly = Assembly::new(ALL, 1 << 10);
            for (offset, bytes) in &pieces {
                assembly.add(*offset, bytes, 1 << 20);
                map.extend(bytes.iter().enumerate().map(|(at, byte)| (offset + at as u64, *byte)));
            }
            let file = assembly.finish(None);
            let whole: Vec<u8> = map.values().copied().collect();
            let gaps = map.keys().enumerate().any(|(at, offset)| at as u64 != *offset);
            prop_assert_eq!(file.size, whole.len() as u64);
            prop_assert_eq!(file.gaps, gaps);
            if !gaps {
                prop_assert_eq!(&file.bytes, &whole);
                prop_assert_eq!(file.hashes, sums(&whole));
            }
        }
    }
}
