//! What a ring may hold and do, over all sessions, and what it counts.

use std::time::Duration;

use backstop_types::PacketTime;

use super::{MAX_RSA_KEYS, MAX_SESSIONS};

/// Caps over all sessions of a ring. Each is counted in [`KeyCounters`] when it bites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLimits {
    /// Sessions with secrets from key logs; the oldest give way.
    pub max_sessions: usize,
    /// Names (session ids, tickets) under which a session may be taken up again; the oldest give way.
    pub max_resumable: usize,
    /// Private keys.
    pub max_rsa_keys: usize,
    /// Encrypted bytes that wait for keys, all sessions together. A session that finds no room stays closed.
    pub max_waiting: usize,
    /// Private-key operations a second of packet time; a session above it waits for its turn. One costs a millisecond or two, and
    /// any client can ask for it.
    pub rsa_per_second: u32,
    /// Such operations that may be done at once after a quiet time.
    pub rsa_burst: u32,
}

impl Default for KeyLimits {
    fn default() -> Self {
        Self {
            max_sessions: MAX_SESSIONS,
            max_resumable: MAX_SESSIONS,
            max_rsa_keys: MAX_RSA_KEYS,
            max_waiting: 256 * 1024 * 1024,
            rsa_per_second: 200,
            rsa_burst: 2_000,
        }
    }
}

/// What a ring met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounters {
    /// Sessions of key logs that gave way to newer ones.
    pub sessions_evicted: u64,
    /// Names of sessions to be taken up again that were filed.
    pub resumable_filed: u64,
    /// Names that gave way to newer ones.
    pub resumable_evicted: u64,
    /// Masters that found their name taken by too many others.
    pub resumable_refused: u64,
    /// Sessions that found no room to wait for their keys in.
    pub waiting_refused: u64,
    /// Private-key operations done.
    pub rsa_operations: u64,
    /// Times that one was put off.
    pub rsa_deferred: u64,
}

/// A store of turns that fills with packet time.
#[derive(Debug, Default)]
pub struct Budget {
    /// Millionths of turns that are used up.
    used: u64,
    last: PacketTime,
}

impl Budget {
    const TURN: u64 = 1_000_000;

    /// Takes a turn; `false` when there is none left.
    pub fn take(&mut self, now: PacketTime, limits: &KeyLimits) -> bool {
        // Workers are not equally far: the latest time counts, so that none fills it twice.
        if now > self.last {
            let passed: Duration = now.since(self.last);
            let micros = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
            self.used = self.used.saturating_sub(micros.saturating_mul(u64::from(limits.rsa_per_second)));
            self.last = now;
        }
        let free = self.used + Self::TURN <= u64::from(limits.rsa_burst) * Self::TURN;
        self.used += if free { Self::TURN } else { 0 };
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_back_with_packet_time_and_never_above_the_burst() {
        let limits = KeyLimits { rsa_per_second: 10, rsa_burst: 3, ..KeyLimits::default() };
        let mut budget = Budget::default();
        let mut at =
            |seconds: u64, millis: u64| budget.take(PacketTime::from_micros(seconds * 1_000_000 + millis * 1_000), &limits);
        assert_eq!([at(9, 0), at(9, 0), at(9, 0), at(9, 0)], [true, true, true, false]);
        // A tenth of a second later one is back; a worker that is behind gets nothing for it.
        assert_eq!([at(9, 99), at(9, 100), at(9, 100), at(8, 0)], [false, true, false, false]);
        assert_eq!([at(99, 0), at(99, 0), at(99, 0), at(99, 0)], [true, true, true, false]);
    }
}
