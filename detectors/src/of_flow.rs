//! The detectors of one flow: made when a protocol that they know speaks for the first time, asked about no other.
//!
//! Most flows are of one protocol, and most detectors of another: a flow pays for those that can say something.

use backstop_protocols::AppProto;

use crate::{Detector, REGISTRY};

/// Detectors of one flow, in the order of [`REGISTRY`]. Nothing but a pointer until a protocol speaks: many flows never do.
#[derive(Default)]
pub struct FlowDetectors(Option<Box<Made>>);

#[derive(Default)]
struct Made {
    detectors: Vec<(usize, Box<dyn Detector>)>,
    /// Protocols that have spoken.
    spoke: Vec<AppProto>,
}

impl FlowDetectors {
    /// Those that a transaction or an anomaly of a protocol concerns.
    pub fn of(&mut self, app_proto: AppProto) -> impl Iterator<Item = &mut dyn Detector> {
        let made = self.0.get_or_insert_default();
        if !made.spoke.contains(&app_proto) {
            made.spoke.push(app_proto);
            made.add(app_proto);
        }
        let concerned = move |index: usize| REGISTRY.get(index).is_some_and(|registered| registered.of.contains(&app_proto));
        made.detectors
            .iter_mut()
            .filter(move |(index, _)| concerned(*index))
            .map(|(_, detector)| &mut **detector as &mut dyn Detector)
    }

    /// All that were made.
    pub fn all(&mut self) -> impl Iterator<Item = &mut dyn Detector> {
        self.0.iter_mut().flat_map(|made| &mut made.detectors).map(|(_, detector)| &mut **detector as &mut dyn Detector)
    }

    /// Whether one of them holds what time will decide.
    #[must_use]
    pub fn wants_tick(&self) -> bool {
        self.0.iter().flat_map(|made| &made.detectors).any(|(_, detector)| detector.wants_tick())
    }
}

impl Made {
    fn add(&mut self, app_proto: AppProto) {
        for (index, registered) in REGISTRY.iter().enumerate().filter(|(_, registered)| registered.of.contains(&app_proto)) {
            if let Err(at) = self.detectors.binary_search_by_key(&index, |(index, _)| *index) {
                self.detectors.insert(at, (index, (registered.new)()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_has_the_detectors_of_the_protocols_that_spoke_each_once_and_in_order() {
        let mut detectors = FlowDetectors::default();
        let of = |app_proto| REGISTRY.iter().filter(|registered| registered.of.contains(&app_proto)).count();
        assert_eq!(detectors.all().count(), 0);
        assert_eq!(detectors.of(AppProto::Tls).count(), of(AppProto::Tls));
        assert_eq!(detectors.of(AppProto::Nmf).count(), of(AppProto::Nmf));
        assert_eq!(detectors.of(AppProto::Tls).count(), of(AppProto::Tls));
        assert!(of(AppProto::Tls) > 0 && of(AppProto::Tls) < of(AppProto::Nmf));
        let made = &detectors.0.unwrap().detectors;
        assert!(made.is_sorted_by(|(one, _), (other, _)| one < other));
        assert!(made.len() < REGISTRY.len());
    }
}
