//! The lists in use.

use std::sync::{Arc, PoisonError, RwLock};

use backstop_signatures::indicators::{Age, Indicators};

/// What detections on indicators are configured with.
#[derive(Clone, Debug, Default)]
pub struct IndicatorConfig {
    /// The lists.
    pub store: IndicatorStore,
    /// Ages at which they count for less.
    pub ages: Age,
}

/// Lists that may be replaced as a whole. Asked once a flow, name, or file, and never for a packet.
#[derive(Clone, Debug, Default)]
pub struct IndicatorStore(Arc<RwLock<Arc<Indicators>>>);

impl IndicatorStore {
    /// The lists that are in use now.
    #[must_use]
    pub fn current(&self) -> Arc<Indicators> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes others from now on.
    pub fn replace(&self, with: Indicators) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(with);
    }
}
