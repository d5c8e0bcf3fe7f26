//! Sessions of one host to one address outside, and whether they come like a clock.
//!
//! Of the last sessions (32 at most) the median interval between their starts is taken, and the median distance of the intervals
//! from it (MAD): both are robust, so that a session too many or too few does not hide a beacon. Jitter of ±40 % of the interval,
//! evenly spread, gives a MAD of 20 %; sessions that people cause have 50 % and more. The same is asked of the bytes sent.

use std::collections::VecDeque;

use backstop_types::{Fields, PacketTime};

use super::bounded::Bounded;
use crate::beacon::BeaconConfig;
use crate::finding::Beat;

/// Sessions kept of one pair.
const MAX_SESSIONS: usize = 32;
/// Pairs. About 1 KiB each.
const MAX_PAIRS: usize = 16_384;

#[derive(Clone, Copy, Debug)]
struct Session {
    start: PacketTime,
    sent: u64,
    received: u64,
}

/// All pairs.
#[derive(Debug)]
pub struct Beats(Bounded<Vec<u8>, VecDeque<Session>>);

impl Beats {
    pub fn new() -> Self {
        Self(Bounded::new(MAX_PAIRS))
    }

    /// Counts a session: what is to be told where they are regular.
    pub fn count(&mut self, beat: &Beat, config: &BeaconConfig) -> Option<Fields> {
        let mut sessions = self.0.peek_mut(&beat.key).map(std::mem::take).unwrap_or_default();
        if sessions.len() >= MAX_SESSIONS {
            sessions.pop_front();
        }
        sessions.push_back(Session { start: beat.start, sent: beat.sent, received: beat.received });
        let told = judge(&sessions, config);
        self.0.put(beat.key.clone(), sessions);
        told
    }
}

fn judge(sessions: &VecDeque<Session>, config: &BeaconConfig) -> Option<Fields> {
    if sessions.len() < config.min_sessions.max(4) {
        return None;
    }
    let mut starts: Vec<u64> = sessions.iter().map(|session| session.start.as_nanos()).collect();
    starts.sort_unstable();
    let intervals: Vec<u64> = starts.iter().zip(starts.iter().skip(1)).map(|(one, next)| next - one).collect();
    let (interval, jitter) = spread(&intervals)?;
    let within = (config.min_interval.as_nanos()..=config.max_interval.as_nanos()).contains(&u128::from(interval));
    let (sent, sizes) = spread(&sessions.iter().map(|session| session.sent).collect::<Vec<_>>())?;
    let (received, _) = spread(&sessions.iter().map(|session| session.received).collect::<Vec<_>>())?;
    let regular = jitter <= u64::from(config.max_jitter) && sizes <= u64::from(config.max_jitter);
    (within && regular && sent.saturating_add(received) <= config.max_bytes as u64).then(|| {
        Fields::new()
            .with("sessions", sessions.len())
            .with("interval_seconds", interval / 1_000_000_000)
            .with("interval_spread_percent", jitter)
            .with("sent_bytes", sent)
            .with("sent_spread_percent", sizes)
            .with("received_bytes", received)
    })
}

/// The median, and the median distance from it in percent of it.
fn spread(values: &[u64]) -> Option<(u64, u64)> {
    let middle = median(values)?;
    let distances: Vec<u64> = values.iter().map(|value| value.abs_diff(middle)).collect();
    let distance = u128::from(median(&distances)?);
    let percent = (distance * 100).checked_div(u128::from(middle)).unwrap_or(if distance == 0 { 0 } else { 100 });
    Some((middle, u64::try_from(percent).unwrap_or(u64::MAX)))
}

fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions at seconds, with bytes sent; whether the last one is told.
    fn told(sessions: &[(u64, u64)]) -> Option<Fields> {
        let (mut beats, config) = (Beats::new(), BeaconConfig::default());
        let beat = |&(second, sent): &(u64, u64)| Beat {
            key: b"pair".to_vec(),
            start: PacketTime::from_nanos(second * 1_000_000_000),
            sent,
            received: 900,
        };
        sessions.iter().map(|session| beats.count(&beat(session), &config)).last().flatten()
    }

    #[test]
    fn sessions_that_come_like_a_clock_are_told_and_others_are_not() {
        let clock: Vec<_> = (0..12).map(|beat| (1_000 + beat * 60, 700)).collect();
        let fields = told(&clock).unwrap();
        assert_eq!(crate::testing::number(&fields, "interval_seconds"), Some(60));
        // With jitter of ±20 %, one beat missing, and one session besides.
        let jitter = [0, 55, 121, 190, 239, 300, 372, 420, 545, 600, 612, 655].map(|second| (second, 690 + second % 20));
        assert!(told(&jitter).is_some());
        for (what, sessions) in [
            ("too few", clock.iter().take(7).copied().collect::<Vec<_>>()),
            ("a person", [0, 5, 9, 300, 310, 2_000, 2_004, 2_100, 9_000, 9_001].map(|second| (second, 700)).to_vec()),
            ("other sizes", clock.iter().enumerate().map(|(at, (second, _))| (*second, 500 << (at % 6))).collect()),
            ("too fast", (0..12).map(|beat| (1_000 + beat, 700)).collect()),
            ("too large", clock.iter().map(|(second, _)| (*second, 10_000_000)).collect()),
            ("too slow", (0..12).map(|beat| (beat * 90_000, 700)).collect()),
        ] {
            assert!(told(&sessions).is_none(), "{what}");
        }
    }
}
