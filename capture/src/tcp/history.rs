//! The last bytes delivered of recently active directions, so that later copies can be compared with what was used.
//!
//! A fixed pool: a direction that needs a buffer takes the one that was given back last, which the cache still holds, else the one
//! that was taken longest ago. Who lost its buffer compares nothing until it takes another, so memory is bounded whatever the
//! number of flows.

use super::seq::Place;

/// Bytes of one buffer.
pub const HISTORY: usize = 4_096;

struct Buffer {
    bytes: Vec<u8>,
    /// Where in `bytes` the next byte goes.
    at: usize,
    /// Place behind the last byte.
    end: Place,
    /// How many bytes are valid.
    len: usize,
    /// Which loan it is: a holder with another number has lost it.
    loan: u32,
}

/// A direction's claim on a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    slot: u32,
    loan: u32,
}

/// All buffers of a shard.
pub struct Histories {
    buffers: Vec<Buffer>,
    /// Buffers that were given back. The oldest loan is ended only when there is none, so that no other holder can have one of these.
    free: Vec<u32>,
    max: usize,
    hand: usize,
    loans: u32,
}

/// What a comparison with delivered bytes says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// All bytes that are still known are the same.
    Same,
    /// They differ from this byte of the compared ones on.
    Different(usize),
    /// None is known any more.
    Unknown,
}

impl Histories {
    pub fn new(max: usize) -> Self {
        Self { buffers: Vec::new(), free: Vec::new(), max, hand: 0, loans: 0 }
    }

    pub fn memory(&self) -> usize {
        self.buffers.len() * (HISTORY + size_of::<Buffer>())
    }

    fn held(&mut self, claim: Claim) -> Option<&mut Buffer> {
        self.buffers.get_mut(claim.slot as usize).filter(|buffer| claim.loan != 0 && buffer.loan == claim.loan)
    }

    /// Remembers bytes delivered at a place.
    pub fn record(&mut self, claim: &mut Claim, place: Place, bytes: &[u8]) {
        if self.max == 0 {
            return;
        }
        if self.held(*claim).is_none() {
            *claim = self.lend();
        }
        let Some(buffer) = self.held(*claim) else { return };
        if buffer.end != place {
            buffer.len = 0;
            buffer.at = 0;
        }
        buffer.end = place.plus(bytes.len());
        let tail = bytes.get(bytes.len().saturating_sub(HISTORY)..).unwrap_or(bytes);
        let (first, second) = tail.split_at_checked(HISTORY - buffer.at).unwrap_or((tail, &[]));
        if let Some(target) = buffer.bytes.get_mut(buffer.at..buffer.at + first.len()) {
            target.copy_from_slice(first);
        }
        if let Some(target) = buffer.bytes.get_mut(..second.len()) {
            target.copy_from_slice(second);
        }
        buffer.at = (buffer.at + tail.len()) % HISTORY;
        buffer.len = (buffer.len + tail.len()).min(HISTORY);
    }

    fn lend(&mut self) -> Claim {
        self.loans = self.loans.wrapping_add(1).max(1);
        let slot = if let Some(slot) = self.free.pop() {
            slot as usize
        } else if self.buffers.len() < self.max {
            self.buffers.push(Buffer { bytes: vec![0; HISTORY], at: 0, end: Place::ORIGIN, len: 0, loan: 0 });
            self.buffers.len() - 1
        } else {
            self.hand = (self.hand + 1) % self.max;
            self.hand
        };
        if let Some(buffer) = self.buffers.get_mut(slot) {
            buffer.loan = self.loans;
            buffer.len = 0;
            buffer.at = 0;
        }
        Claim { slot: u32::try_from(slot).unwrap_or(u32::MAX), loan: self.loans }
    }

    /// The direction is over: another may have its buffer.
    pub fn give_back(&mut self, claim: &mut Claim) {
        let claim = core::mem::take(claim);
        if let Some(buffer) = self.held(claim) {
            buffer.loan = 0;
            self.free.push(claim.slot);
        }
    }

    /// Compares bytes at a place with what was delivered there. `scratch` receives the delivered bytes from the first
    /// different one on.
    pub fn compare(&mut self, claim: Claim, place: Place, bytes: &[u8], scratch: &mut Vec<u8>) -> Compared {
        scratch.clear();
        let Some(buffer) = self.held(claim) else { return Compared::Unknown };
        let known = buffer.end.minus(buffer.len);
        let (low, high) = (place.max(known), place.plus(bytes.len()).min(buffer.end));
        if low >= high {
            return Compared::Unknown;
        }
        let skip = low.since(place);
        let ours = bytes.get(skip..high.since(place)).unwrap_or_default();
        // Distance of `low` from the write position, backwards round the ring.
        let back = buffer.end.since(low);
        let begin = (buffer.at + HISTORY - back) % HISTORY;
        let ring = buffer.bytes.iter().skip(begin).chain(buffer.bytes.iter());
        let Some(differs) = ours.iter().zip(ring).position(|(a, b)| a != b) else { return Compared::Same };
        let ring = buffer.bytes.iter().skip(begin).chain(buffer.bytes.iter());
        scratch.extend(ring.skip(differs).take((ours.len() - differs).min(256)));
        Compared::Different(skip + differs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_compared_and_older_ones_are_unknown() {
        let mut histories = Histories::new(1);
        let mut claim = Claim::default();
        let text: Vec<u8> = (0..10_000_u32).map(|number| (number % 253) as u8).collect();
        let mut place = Place::ORIGIN;
        for piece in text.chunks(700) {
            histories.record(&mut claim, place, piece);
            place = place.plus(piece.len());
        }
        let mut scratch = Vec::new();
        let mut compare = |from: usize, bytes: &[u8]| histories.compare(claim, Place::ORIGIN.plus(from), bytes, &mut scratch);
        assert_eq!(compare(9_000, &text[9_000..]), Compared::Same);
        assert_eq!(compare(6_000, &text[6_000..9_999]), Compared::Same);
        assert_eq!(compare(100, &text[100..200]), Compared::Unknown);
        let mut other = text[9_500..9_600].to_vec();
        other[40] ^= 1;
        assert_eq!(compare(9_500, &other), Compared::Different(40));
        assert_eq!(scratch[0], text[9_540]);
    }

    #[test]
    fn a_buffer_given_back_is_lent_next_and_to_one_direction_only() {
        let mut histories = Histories::new(2);
        let [mut first, mut second, mut third, mut fourth] = [Claim::default(); 4];
        histories.record(&mut first, Place::ORIGIN, b"one");
        histories.record(&mut second, Place::ORIGIN, b"two");
        let lost = first;
        histories.give_back(&mut first);
        histories.give_back(&mut { lost });
        histories.record(&mut third, Place::ORIGIN, b"three");
        let mut scratch = Vec::new();
        assert_eq!(histories.compare(second, Place::ORIGIN, b"two", &mut scratch), Compared::Same);
        assert_eq!(histories.compare(third, Place::ORIGIN, b"three", &mut scratch), Compared::Same);
        assert_eq!(histories.compare(lost, Place::ORIGIN, b"one", &mut scratch), Compared::Unknown);
        // Nothing is free: one of the two loans ends.
        histories.record(&mut fourth, Place::ORIGIN, b"four");
        let mut held = |claim, bytes: &[u8]| histories.compare(claim, Place::ORIGIN, bytes, &mut scratch) == Compared::Same;
        assert!(held(fourth, b"four") && (held(second, b"two") != held(third, b"three")));
    }

    #[test]
    fn who_lost_its_buffer_compares_nothing() {
        let mut histories = Histories::new(1);
        let (mut first, mut second) = (Claim::default(), Claim::default());
        histories.record(&mut first, Place::ORIGIN, b"one");
        histories.record(&mut second, Place::ORIGIN, b"two");
        let mut scratch = Vec::new();
        assert_eq!(histories.compare(first, Place::ORIGIN, b"one", &mut scratch), Compared::Unknown);
        assert_eq!(histories.compare(second, Place::ORIGIN, b"two", &mut scratch), Compared::Same);
    }
}
