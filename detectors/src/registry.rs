//! The list of detectors. A new one is its folder or file, its `mod` line and its line in the list.

use crate::{Detector, Meta};

/// A registered detector.
pub struct Registered {
    /// What it can find.
    pub metas: &'static [&'static Meta],
    /// One for a new flow.
    pub new: fn() -> Box<dyn Detector>,
}

/// Every detector, in the order in which they are asked.
pub static REGISTRY: &[Registered] = &[];
