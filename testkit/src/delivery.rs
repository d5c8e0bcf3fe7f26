//! What a network does to segments on the way: cut, shuffle, copy, lose and send again. The bytes stay what they were.

use crate::conversation::Segment;
use crate::rng::Rng;

/// Cuts bytes at these piece lengths; the last piece takes the rest. Pieces of no bytes are left out.
#[must_use]
pub fn cut<'a>(bytes: &'a [u8], pieces: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut out = Vec::new();
    for &len in pieces {
        let (piece, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        if !piece.is_empty() {
            out.push(piece);
        }
        rest = after;
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

/// Cuts bytes at random into pieces of 1 to `max` bytes.
#[must_use]
pub fn cut_at_random<'a>(bytes: &'a [u8], max: usize, rng: &mut Rng) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut left = bytes.len();
    while left > 0 {
        let len = rng.between(1, max.max(1)).min(left);
        pieces.push(len);
        left -= len;
    }
    cut(bytes, &pieces)
}

/// Shuffles so that nothing moves by more than `window` places.
pub fn shuffle_within<T>(items: &mut [T], window: usize, rng: &mut Rng) {
    for block in items.chunks_mut(window.max(1)) {
        for place in (1..block.len()).rev() {
            block.swap(place, rng.below(place + 1));
        }
    }
}

/// Sends some items twice, the copy up to `delay` places later.
#[must_use]
pub fn duplicate<T: Clone>(items: &[T], percent: usize, delay: usize, rng: &mut Rng) -> Vec<T> {
    later(items, percent, delay, rng, true)
}

/// A lossy link before the point of capture: what is lost comes again up to `delay` places later, so that the stream is
/// complete in the end. Acknowledgements stay as they were made, from a receiver that missed nothing: a sensor that sees one
/// may take a hole for lost when it is not filled soon.
#[must_use]
pub fn lossy<T: Clone>(items: &[T], percent: usize, delay: usize, rng: &mut Rng) -> Vec<T> {
    later(items, percent, delay, rng, false)
}

fn later<T: Clone>(items: &[T], percent: usize, delay: usize, rng: &mut Rng, keep: bool) -> Vec<T> {
    let mut out = Vec::with_capacity(items.len() * 2);
    let mut waiting: Vec<(usize, T)> = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let hit = rng.chance(percent);
        if hit {
            waiting.push((place + rng.between(1, delay.max(1)), item.clone()));
        }
        if keep || !hit {
            out.push(item.clone());
        }
        let (due, left): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(at, _)| *at <= place);
        out.extend(due.into_iter().map(|(_, item)| item));
        waiting = left;
    }
    out.extend(waiting.into_iter().map(|(_, item)| item));
    out
}

/// Sends the bytes of some segments again, right behind them, in other segments: the same bytes, other borders.
#[must_use]
pub fn retransmit(segments: &[Segment], percent: usize, rng: &mut Rng) -> Vec<Segment> {
    let mut out = Vec::with_capacity(segments.len() * 2);
    for segment in segments {
        out.push(segment.clone());
        if segment.payload.len() > 1 && rng.chance(percent) {
            let at = rng.between(1, segment.payload.len() - 1);
            let (head, tail) = segment.payload.split_at(at);
            out.push(Segment { payload: head.to_vec(), ..segment.clone() });
            out.push(Segment { seq: segment.seq.wrapping_add(at as u32), payload: tail.to_vec(), ..segment.clone() });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_the_whole_again() {
        let text = b"the quick brown fox";
        assert_eq!(cut(text, &[3, 0, 100]).concat(), text);
        assert_eq!(cut(text, &[1, 1]).len(), 3);
        let mut rng = Rng::new(3);
        assert_eq!(cut_at_random(text, 4, &mut rng).concat(), text);
        assert!(cut(b"", &[4]).is_empty());
    }

    #[test]
    fn a_link_loses_nothing_for_good() {
        let items: Vec<u32> = (0..500).collect();
        let mut rng = Rng::new(5);
        let mut carried = lossy(&items, 20, 9, &mut rng);
        assert_ne!(carried, items);
        carried.sort_unstable();
        assert_eq!(carried, items);
        let copied = duplicate(&items, 10, 5, &mut rng);
        assert!(copied.len() > items.len());
        let mut shuffled = items.clone();
        shuffle_within(&mut shuffled, 8, &mut rng);
        assert!(shuffled.iter().enumerate().all(|(place, item)| place.abs_diff(*item as usize) < 8));
    }
}
