//! Data that arrived behind a hole, held until the hole is filled or given up.
//!
//! Invariant: pieces do not overlap, are not empty, and lie at or behind the next expected byte.

use std::collections::BTreeMap;

use super::overlap::OverlapPolicy;
use super::seq::Place;

/// What a queued range holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes.
    Data(Vec<u8>),
    /// Bytes that the snap length cut off.
    Missing(usize),
    /// The urgent byte: in the sequence, not in the stream.
    Urgent,
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Data(bytes) => bytes.len(),
            Self::Missing(len) => *len,
            Self::Urgent => 1,
        }
    }

    fn part(&self, from: usize, to: usize) -> Self {
        match self {
            Self::Data(bytes) => Self::Data(bytes.get(from..to).unwrap_or_default().to_vec()),
            Self::Urgent if from < to => Self::Urgent,
            Self::Missing(_) | Self::Urgent => Self::Missing(to.saturating_sub(from)),
        }
    }

    const fn cost(&self) -> usize {
        match self {
            Self::Data(bytes) => bytes.len() + OVERHEAD,
            Self::Missing(_) | Self::Urgent => OVERHEAD,
        }
    }
}

/// What a piece costs besides its bytes.
const OVERHEAD: usize = 64;

/// What a new segment is, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Fresh<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// Bytes that the snap length cut off.
    Missing(usize),
    /// The urgent byte.
    Urgent,
}

impl Fresh<'_> {
    pub const fn len(&self) -> usize {
        match self {
            Self::Data(bytes) => bytes.len(),
            Self::Missing(len) => *len,
            Self::Urgent => 1,
        }
    }

    fn piece(&self, from: usize, to: usize) -> Piece {
        match self {
            Self::Data(bytes) => Piece::Data(bytes.get(from..to).unwrap_or_default().to_vec()),
            Self::Urgent if from < to => Piece::Urgent,
            Self::Missing(_) | Self::Urgent => Piece::Missing(to.saturating_sub(from)),
        }
    }
}

/// What an insertion met.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Bytes that lay over queued ones.
    pub overlapped: usize,
    /// The new segment lies exactly on one queued piece.
    pub exact: bool,
    /// The first overlap whose copies differ: place, bytes kept, bytes dropped.
    pub conflict: Option<(Place, Vec<u8>, Vec<u8>)>,
}

/// Most bytes of a conflict that are kept as evidence.
const MAX_CONFLICT: usize = 256;

/// The pieces behind a hole.
#[derive(Debug, Default)]
pub struct Queue {
    pieces: BTreeMap<Place, Piece>,
    cost: usize,
}

impl Queue {
    /// Memory of the pieces, bytes.
    pub const fn cost(&self) -> usize {
        self.cost
    }

    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Where the first piece begins.
    pub fn first(&self) -> Option<Place> {
        self.pieces.first_key_value().map(|(&place, _)| place)
    }

    /// Takes the first piece.
    pub fn pop(&mut self) -> Option<(Place, Piece)> {
        let (place, piece) = self.pieces.pop_first()?;
        self.cost -= piece.cost();
        Some((place, piece))
    }

    fn put(&mut self, place: Place, piece: Piece) {
        if piece.len() > 0 {
            self.cost += piece.cost();
            self.pieces.insert(place, piece);
        }
    }

    /// Drops everything from a place on: the stream ends there.
    pub fn truncate(&mut self, end: Place) {
        let cut = self.pieces.split_off(&end);
        self.cost -= cut.values().map(Piece::cost).sum::<usize>();
        let Some((&place, piece)) = self.pieces.last_key_value() else { return };
        if place.plus(piece.len()) > end {
            let kept = piece.part(0, end.since(place));
            self.cost -= piece.cost();
            self.pieces.remove(&place);
            self.put(place, kept);
        }
    }

    /// Adds a segment under a policy.
    pub fn insert(&mut self, start: Place, fresh: &Fresh<'_>, policy: OverlapPolicy) -> Inserted {
        let end = start.plus(fresh.len());
        let mut inserted = Inserted::default();
        if fresh.len() == 0 {
            return inserted;
        }
        // The piece before may reach into the new segment.
        let from = self
            .pieces
            .range(..=start)
            .next_back()
            .filter(|(place, piece)| place.plus(piece.len()) > start)
            .map_or(start, |(&place, _)| place);
        let touched: Vec<Place> = self.pieces.range(from..end).map(|(&place, _)| place).collect();
        let mut at = start;
        for old_start in touched {
            let Some(old) = self.pieces.get(&old_start) else { continue };
            let old_end = old_start.plus(old.len());
            let (low, high) = (old_start.max(start), old_end.min(end));
            inserted.overlapped += high.since(low);
            inserted.exact |= old_start == start && old_end == end;
            let new_wins = policy.new_wins((start, end), (old_start, old_end));
            if let (Piece::Data(old_bytes), Fresh::Data(new_bytes)) = (old, fresh) {
                let theirs = old_bytes.get(low.since(old_start)..high.since(old_start)).unwrap_or_default();
                let ours = new_bytes.get(low.since(start)..high.since(start)).unwrap_or_default();
                let differs = theirs.iter().zip(ours).position(|(a, b)| a != b);
                if let Some(differs) = differs
                    && inserted.conflict.is_none()
                {
                    // From the first different byte on: a bounded excerpt must hold the difference.
                    let (kept, dropped) = if new_wins { (ours, theirs) } else { (theirs, ours) };
                    let excerpt = |bytes: &[u8]| bytes.iter().skip(differs).take(MAX_CONFLICT).copied().collect();
                    inserted.conflict = Some((low.plus(differs), excerpt(kept), excerpt(dropped)));
                }
            }
            if new_wins {
                let Some(old) = self.pieces.remove(&old_start) else { continue };
                self.cost -= old.cost();
                self.put(old_start, old.part(0, low.since(old_start)));
                self.put(high, old.part(high.since(old_start), old_end.since(old_start)));
            } else {
                self.put(at, fresh.piece(at.since(start), low.max(at).since(start)));
                at = high;
            }
        }
        self.put(at, fresh.piece(at.since(start), end.since(start)));
        inserted
    }
}
