//! Knowledge across flows: roles and thresholds. Fed in packet order.

use std::sync::Arc;

use backstop_types::PacketTime;

use crate::{DetectConfig, Fact, Finding};

/// What becomes of a finding.
#[derive(Debug)]
pub enum Admit {
    /// It is an alert.
    Alert(Box<Finding>),
    /// A repetition within its window, or a role it needs does not hold.
    Suppressed,
}

/// One a sensor.
pub struct Correlator {
    config: Arc<DetectConfig>,
}

impl Correlator {
    /// A correlator that knows the configured roles only.
    #[must_use]
    pub const fn new(config: Arc<DetectConfig>) -> Self {
        Self { config }
    }

    /// Learns.
    pub fn fact(&mut self, _fact: Fact) {}

    /// Decides on a finding. `now` never runs backwards.
    pub fn admit(&mut self, finding: Finding, _now: PacketTime) -> Admit {
        let _ = &self.config;
        Admit::Alert(Box::new(finding))
    }
}
