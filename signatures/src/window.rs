//! One direction of a flow, scanned in overlapping windows.
//!
//! Bytes are held back until a window is full or the caller flushes: at a change of direction, on its tick, at the end. So small
//! payloads share a scan, and each window begins with the last bytes of the one before, so that a match across the cut is found.
//! A rule is reported once a direction, or, with `once` off, at each distinct place; never twice for the same place. Rules of scope
//! `undecoded` are reported at each place in any case: which of them a parser understood, the caller knows and filters.
//!
//! Known limits: the strings that a condition combines must lie within one window, and within the overlap where a window or a flush
//! may cut between them; `filesize`, `at`, `in` and `uint16(..)` see the window, not the stream (rules about files belong to scope
//! `content`). What ends where the bytes end so far counts as ended: `\bword\b` is found before the letter after it arrives, and a
//! match may be given shorter than it grows. Nothing matches across a gap. A direction whose scan exceeds its time limit is not
//! scanned any further.

use crate::engine::Places;
use crate::error::ScanError;
use crate::matches::Match;
use crate::report::{Report, Reported};
use crate::ruleset::ScanLimits;
use crate::scanner::{Held, SMALL, Scanner};

/// Whether a direction wants more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Go on.
    More,
    /// Nothing more will be scanned: the caller may bypass it.
    Done,
}

/// What comes after a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// The stream may go on: the overlap is kept.
    More,
    /// The stream has ended, or will not be looked at for long: nothing is kept.
    End,
}

#[derive(Debug)]
struct Pending {
    held: Held,
    /// How many of the held bytes were examined before; the rest waits.
    examined: usize,
    /// Whether the examined bytes hold a literal of the rules.
    hot: bool,
}

/// The scanning state of one direction: 40 bytes, and a buffer while bytes wait or an overlap is kept.
#[derive(Debug)]
pub struct StreamScan {
    pending: Option<Box<Pending>>,
    /// Offset after the last byte taken.
    position: u64,
    max_depth: u64,
    /// Of the set of rules `generation`.
    reported: Reported,
    generation: u32,
    depth_reached: bool,
    failed: bool,
}

impl StreamScan {
    /// A direction at its first byte.
    #[must_use]
    pub fn new(limits: &ScanLimits) -> Self {
        Self {
            pending: None,
            position: 0,
            max_depth: limits.max_depth,
            reported: Reported::default(),
            generation: 0,
            depth_reached: false,
            failed: false,
        }
    }

    /// How far into the stream bytes are scanned; none: without end. A direction that had reached a smaller depth goes on, with a gap.
    pub fn set_max_depth(&mut self, depth: Option<u64>) {
        self.max_depth = depth.unwrap_or(u64::MAX);
        if self.position < self.max_depth {
            self.depth_reached = false;
        }
    }

    /// Whether bytes wait for a flush.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.pending.as_ref().is_some_and(|p| p.examined < p.held.bytes.len())
    }

    /// Whether more bytes will be scanned.
    #[must_use]
    pub fn interest(&self) -> Interest {
        if self.failed || self.depth_reached { Interest::Done } else { Interest::More }
    }

    /// Takes the bytes at `offset`. What was taken before is passed over, what is missing before them counts as a gap.
    ///
    /// # Errors
    /// A scan did not finish; the direction is not scanned any further. Matches found before are in `out`.
    pub fn push(
        &mut self,
        scanner: &mut Scanner<'_>,
        offset: u64,
        bytes: &[u8],
        out: &mut Vec<Match>,
    ) -> Result<Interest, ScanError> {
        if !scanner.rules.has_stream_rules || self.interest() == Interest::Done {
            self.pending = None;
            return Ok(Interest::Done);
        }
        if offset > self.position {
            self.gap(scanner, offset.saturating_sub(self.position), out)?;
        }
        let known = usize::try_from(self.position.saturating_sub(offset)).unwrap_or(usize::MAX);
        let Some(bytes) = bytes.get(known..) else { return Ok(Interest::More) };
        let room = usize::try_from(self.max_depth.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let (bytes, beyond) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.take(scanner, bytes, out)?;
        if !beyond.is_empty() || self.position >= self.max_depth {
            self.depth_reached = true;
            scanner.counters.depth_reached = scanner.counters.depth_reached.saturating_add(1);
            self.flush(scanner, Flush::End, out)?;
        }
        Ok(self.interest())
    }

    /// `len` bytes of the stream are missing.
    ///
    /// # Errors
    /// As [`StreamScan::push`].
    pub fn gap(&mut self, scanner: &mut Scanner<'_>, len: u64, out: &mut Vec<Match>) -> Result<(), ScanError> {
        let result = self.flush(scanner, Flush::End, out);
        self.position = self.position.saturating_add(len);
        result
    }

    /// Examines what waits.
    ///
    /// # Errors
    /// As [`StreamScan::push`].
    pub fn flush(&mut self, scanner: &mut Scanner<'_>, flush: Flush, out: &mut Vec<Match>) -> Result<(), ScanError> {
        let Some(mut pending) = self.pending.take() else { return Ok(()) };
        let base = self.position.saturating_sub(pending.held.bytes.len() as u64);
        let overlap = scanner.rules.limits.overlap;
        let examined = self.examine(scanner, &pending.held.bytes, base, pending.examined, pending.hot, out);
        match (&examined, flush) {
            (Ok(hot), Flush::More) if overlap > 0 => {
                pending.hot = *hot;
                shrink(&mut pending, scanner, overlap);
                if scanner.held() > scanner.rules.limits.max_held {
                    scanner.counters.overlaps_dropped = scanner.counters.overlaps_dropped.saturating_add(1);
                } else {
                    self.pending = Some(pending);
                }
            }
            _ => scanner.pool.give_back(pending.held),
        }
        examined.map(|_| ())
    }

    /// Adds bytes that follow directly, examining each window that fills.
    fn take(&mut self, scanner: &mut Scanner<'_>, mut bytes: &[u8], out: &mut Vec<Match>) -> Result<(), ScanError> {
        let (window, overlap) = (scanner.rules.limits.window, scanner.rules.limits.overlap);
        let mut examined = 0;
        let mut hot = false;
        while !bytes.is_empty() {
            if self.pending.is_none()
                && let Some(whole) = bytes.get(..window)
            {
                // Enough for a window: examined where it lies, without a copy.
                hot = self.examine(scanner, whole, self.position, examined, hot, out)?;
                let advance = window.saturating_sub(overlap);
                bytes = bytes.get(advance..).unwrap_or_default();
                self.position = self.position.saturating_add(advance as u64);
                examined = overlap;
                continue;
            }
            let pending = self
                .pending
                .get_or_insert_with(|| Box::new(Pending { held: scanner.pool.take_small(), examined: 0, hot: false }));
            if pending.held.bytes.is_empty() {
                pending.examined = examined;
                pending.hot = hot;
            }
            let room = window.saturating_sub(pending.held.bytes.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            if pending.held.bytes.len().saturating_add(now.len()) > SMALL {
                scanner.pool.enlarge(&mut pending.held, window);
            }
            pending.held.bytes.extend_from_slice(now);
            pending.held.settle();
            self.position = self.position.saturating_add(now.len() as u64);
            bytes = later;
            if pending.held.bytes.len() >= window {
                self.turn_window(scanner, out)?;
            } else if scanner.held() > scanner.rules.limits.max_held {
                scanner.counters.overlaps_dropped = scanner.counters.overlaps_dropped.saturating_add(1);
                self.flush(scanner, Flush::End, out)?;
            }
        }
        Ok(())
    }

    /// Examines a full window and keeps its overlap in the same buffer.
    fn turn_window(&mut self, scanner: &mut Scanner<'_>, out: &mut Vec<Match>) -> Result<(), ScanError> {
        let Some(mut pending) = self.pending.take() else { return Ok(()) };
        let base = self.position.saturating_sub(pending.held.bytes.len() as u64);
        let examined = self.examine(scanner, &pending.held.bytes, base, pending.examined, pending.hot, out);
        match examined {
            Ok(hot) => {
                let cut = pending.held.bytes.len().saturating_sub(scanner.rules.limits.overlap);
                pending.held.bytes.drain(..cut);
                pending.examined = pending.held.bytes.len();
                pending.hot = hot;
                self.pending = Some(pending);
                Ok(())
            }
            Err(error) => {
                scanner.pool.give_back(pending.held);
                Err(error)
            }
        }
    }

    /// Scans a window unless it cannot match. `examined` bytes at its beginning were part of the one before. Tells whether the
    /// overlap that follows from it holds a literal.
    fn examine(
        &mut self,
        scanner: &mut Scanner<'_>,
        window: &[u8],
        base: u64,
        examined: usize,
        hot: bool,
        out: &mut Vec<Match>,
    ) -> Result<bool, ScanError> {
        if examined >= window.len() {
            return Ok(hot);
        }
        let rules = scanner.rules;
        let mut hot = hot;
        if self.generation != rules.generation {
            // After a reload nothing is known of the bytes before: the former rules had other literals.
            hot = examined > 0;
            self.generation = rules.generation;
            self.reported.clear();
        }
        if let Some(filter) = &rules.stream_filter {
            let fresh = window.get(examined.saturating_sub(filter.overlap())..).unwrap_or(window);
            if !hot && !filter.may_match(fresh) {
                scanner.spared(fresh);
                return Ok(false);
            }
        }
        let mut report = Report {
            reported: &mut self.reported,
            once: rules.limits.once,
            base,
            window,
            examined,
            overlap: rules.limits.overlap,
            matches: 0,
            dropped: 0,
            out,
        };
        let result = scanner.scan(window, Places::All, |number, info, hit| report.rule(number, info, hit));
        let (matches, dropped) = (report.matches, report.dropped);
        scanner.counters.matches = scanner.counters.matches.saturating_add(matches);
        scanner.counters.matches_dropped = scanner.counters.matches_dropped.saturating_add(dropped);
        if let Err(error) = result {
            self.failed = true;
            return Err(error);
        }
        let tail = window.get(window.len().saturating_sub(rules.limits.overlap)..).unwrap_or_default();
        Ok(rules.stream_filter.as_ref().is_some_and(|filter| filter.may_match(tail)))
    }
}

/// Keeps the last `overlap` bytes, in a buffer of their size.
fn shrink(pending: &mut Pending, scanner: &mut Scanner<'_>, overlap: usize) {
    let cut = pending.held.bytes.len().saturating_sub(overlap);
    if pending.held.bytes.capacity() > SMALL {
        let mut small = scanner.pool.take_small();
        small.bytes.extend_from_slice(pending.held.bytes.get(cut..).unwrap_or_default());
        scanner.pool.give_back(std::mem::replace(&mut pending.held, small));
    } else {
        pending.held.bytes.drain(..cut);
    }
    pending.held.settle();
    pending.examined = pending.held.bytes.len();
}

#[cfg(test)]
mod tests {
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_direction_costs_as_little_as_it_says() {
        assert_eq!(size_of::<super::StreamScan>(), 40);
    }
}
