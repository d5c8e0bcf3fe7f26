//! Processor time of the thread at hand: what a test that bounds work should measure, for machines are shared. The kernel brings it up to
//! date some hundred times a second: for limits of seconds, not for ratios of short times.

use std::time::{Duration, Instant};

/// Runs from its making.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Option<Duration>,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    /// What this thread computed since; where the kernel does not say, what the clock on the wall does.
    pub fn elapsed(self) -> Duration {
        match (self.cpu, cpu()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => self.wall.elapsed(),
        }
    }
}

/// The first number of `schedstat` is the time on the processor, in nanoseconds (proc(5)).
fn cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_counts_and_sleep_does_not() {
        let watch = Stopwatch::start();
        std::thread::sleep(Duration::from_millis(300));
        let asleep = watch.elapsed();
        let mut sum = 0_u64;
        while watch.wall.elapsed() < Duration::from_millis(600) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        // Only where the kernel says: elsewhere it is the wall's clock.
        assert!(watch.cpu.is_none() || (asleep < Duration::from_millis(200) && watch.elapsed() > asleep));
    }
}
