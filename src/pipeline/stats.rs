//! When statistics are due, and what they add up.

use std::time::Duration;

use backstop_capture::counters::DecodeCounters;
use backstop_capture::handler::Cause;
use backstop_capture::source::SourceStats;
use backstop_detectors::indicators::StoreCounters;
use backstop_protocols::tls::KeyCounters;
use backstop_types::PacketTime;

use super::collector::Collector;
use super::worker::WorkerStats;
use crate::eve;

/// Everything counted so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Decoding.
    pub decode: DecodeCounters,
    /// Capture.
    pub source: SourceStats,
    /// All workers together.
    pub workers: WorkerStats,
    /// Time of the first packet.
    pub first: PacketTime,
    /// The last packet.
    pub last: Cause,
    /// Keys, where there are some.
    pub keys: Option<KeyCounters>,
    /// Lists of indicators, where some were given.
    pub indicators: Option<StoreCounters>,
    /// Bytes that flows and reassembly may hold.
    pub memory_cap: u64,
}

impl Totals {
    /// Whole seconds of packet time.
    pub fn uptime(&self) -> u64 {
        self.last.time.since(self.first).as_secs()
    }
}

/// Tells when a statistics record is due, by packet time.
#[derive(Debug)]
pub struct StatsClock {
    interval: Duration,
    next: Option<PacketTime>,
}

impl StatsClock {
    /// An interval of zero: only at the end.
    pub const fn new(interval: Duration) -> Self {
        Self { interval, next: None }
    }

    /// Whether one is due at this time; then the next is due an interval later.
    pub fn due(&mut self, now: PacketTime) -> bool {
        if self.interval.is_zero() || now == PacketTime::ZERO {
            return false;
        }
        match self.next {
            Some(next) if now < next => false,
            before => {
                self.next = Some(now.plus(self.interval));
                before.is_some()
            }
        }
    }
}

/// Writes `stats` and `sensor_stats`.
pub fn write(collector: &mut Collector<'_>, totals: &Totals) {
    let written = collector.written();
    let mut totals = *totals;
    totals.workers.add(&collector.joined());
    let totals = &totals;
    collector.line(|out, settings| {
        if settings.eve.types.stats {
            eve::stats::write(out, &settings.eve, totals, &written);
        }
    });
    collector.line(|out, settings| {
        if settings.eve.types.sensor_stats {
            eve::sensor_stats::write(out, &settings.eve, totals, &written);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_due_once_an_interval_of_packet_time() {
        let at = |secs: u64| PacketTime::from_nanos(secs * 1_000_000_000);
        let mut clock = StatsClock::new(Duration::from_secs(60));
        assert!(!clock.due(at(100)), "nothing to tell yet");
        assert!(!clock.due(at(159)));
        assert!(clock.due(at(160)));
        assert!(!clock.due(at(161)));
        assert!(clock.due(at(5_000)), "a long silence is one record");
        assert!(!clock.due(at(5_001)));
        assert!(!StatsClock::new(Duration::ZERO).due(at(7)));
    }
}
