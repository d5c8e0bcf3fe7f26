//! Datagrams: each is whole, so nothing is kept between them, and there are no layers.

use backstop_types::Direction;

use super::{Driver, Layer, LayerSink, State};
use crate::contract::{Probe, Sink, Surroundings};
use crate::registry::DATAGRAMS;

impl Driver {
    /// A flow of datagrams of which nothing is known.
    #[must_use]
    pub fn of_datagrams(around: Surroundings) -> Self {
        Self { datagrams: true, ..Self::with_surroundings(None, around) }
    }

    /// The next datagram. The first of each direction decides what the flow is.
    pub(super) fn datagram(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) {
        let Some(layer) = self.layers.first_mut() else { return };
        if matches!(layer.state, State::Probing) {
            let known = DATAGRAMS.iter().find(|known| (known.probe)(direction, bytes) == Probe::Certain);
            match known {
                Some(known) => {
                    layer.app_proto = Some(known.app_proto);
                    layer.state = State::Parsing((known.parser)(&self.around));
                }
                None => {
                    layer.lanes.get_mut(direction).through = true;
                    if layer.lanes.to_server.through && layer.lanes.to_client.through {
                        *layer = Layer::dead();
                    }
                    return;
                }
            }
        }
        if let State::Parsing(parser) = &mut layer.state {
            let mut inner = LayerSink::new(out, &mut layer.confirmed, true);
            if let Err(error) = parser.advance(direction, bytes, &mut inner) {
                self.give_up(0, direction, error, out);
            }
        }
    }
}
