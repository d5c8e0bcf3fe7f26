//! The lists in use.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use backstop_signatures::indicators::{Age, Counts, Indicators};

/// What detections on indicators are configured with.
#[derive(Clone, Debug, Default)]
pub struct IndicatorConfig {
    /// The lists.
    pub store: IndicatorStore,
    /// Ages at which they count for less.
    pub ages: Age,
}

/// What became of the lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounters {
    /// What loading those in use met.
    pub lists: Counts,
    /// Bytes that they take.
    pub bytes: u64,
    /// Times that others were taken while the sensor ran.
    pub reloads: u64,
    /// Times that others were wrong, and those in use stayed.
    pub reload_errors: u64,
}

/// Lists that may be replaced as a whole. Asked once a flow, name, or file, and never for a packet.
#[derive(Clone, Debug, Default)]
pub struct IndicatorStore(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lists: RwLock<Arc<Indicators>>,
    reloads: AtomicU64,
    reload_errors: AtomicU64,
}

impl IndicatorStore {
    /// The lists that are in use now.
    #[must_use]
    pub fn current(&self) -> Arc<Indicators> {
        Arc::clone(&self.0.lists.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes others from now on.
    pub fn replace(&self, with: Indicators) {
        let before = {
            let mut lists = self.0.lists.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *lists, Arc::new(with))
        };
        // Millions of entries take a while to free: not while others wait.
        drop(before);
    }

    /// Takes others while the sensor runs.
    pub fn reload(&self, with: Indicators) {
        self.replace(with);
        self.0.reloads.fetch_add(1, Ordering::Relaxed);
    }

    /// Others were wrong.
    pub fn reload_failed(&self) {
        self.0.reload_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts so far.
    #[must_use]
    pub fn counters(&self) -> StoreCounters {
        let lists = self.current();
        StoreCounters {
            lists: lists.counts(),
            bytes: lists.bytes() as u64,
            reloads: self.0.reloads.load(Ordering::Relaxed),
            reload_errors: self.0.reload_errors.load(Ordering::Relaxed),
        }
    }
}
