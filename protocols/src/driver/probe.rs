//! Which protocol a layer is of: its first bytes decide.

use backstop_types::{Direction, PerDirection};

use super::layer::{Layer, State};
use super::layer_sink::LayerSink;
use super::{Driver, MAX_PROBE};
use crate::contract::{Probe, Sink, Surroundings};
use crate::registry::{AppProto, PROTOCOLS};

impl Driver {
    pub(super) fn probe(&mut self, level: usize, direction: Direction, bytes: &[u8], out: &mut dyn Sink) {
        let Some(layer) = self.layers.get_mut(level) else { return };
        let lane = layer.lanes.get_mut(direction);
        // Probing looks at a bounded head; in the usual case the first segment decides without a copy.
        let mut head = std::mem::take(&mut lane.buffer);
        let first_look = head.is_empty();
        if !first_look {
            head.extend_from_slice(bytes);
        }
        let seen: &[u8] = if first_look { bytes } else { &head };
        // However the bytes were cut, the same of them decide.
        let (found, more) = recognise(direction, seen.get(..MAX_PROBE).unwrap_or(seen));
        let more = more && seen.len() < MAX_PROBE;
        match found {
            Some(app_proto) => {
                let lanes = std::mem::take(&mut layer.lanes);
                let within = level.checked_sub(1).and_then(|outer| self.layers.get(outer)).and_then(|outer| outer.app_proto);
                let around = Surroundings { inside_tls: within == Some(AppProto::Tls), ..self.around.clone() };
                let Some(layer) = self.layers.get_mut(level) else { return };
                *layer = Layer { lanes, ..Layer::new(Some(app_proto), &around) };
                // What one side could not tell, the other just did: both belong to this layer.
                layer.lanes.to_server.through = false;
                layer.lanes.to_client.through = false;
                let early = std::mem::take(&mut layer.lanes.get_mut(direction.reverse()).buffer);
                let seen = seen.to_vec();
                for each in Direction::BOTH {
                    self.tell_missed(level, each, out);
                }
                if !early.is_empty() {
                    self.feed(level, direction.reverse(), &early, out);
                }
                self.feed(level, direction, &seen, out);
            }
            None if more => layer.lanes.get_mut(direction).buffer = if first_look { bytes.to_vec() } else { head },
            None => {
                // The other side may still say what this is (a server that speaks first).
                let other = layer.lanes.get(direction.reverse());
                if other.through || other.closed {
                    layer.state = State::Dead;
                    layer.lanes = PerDirection::default();
                } else {
                    let seen = seen.len() as u64;
                    let lane = layer.lanes.get_mut(direction);
                    lane.through = true;
                    lane.missed = lane.missed.saturating_add(seen);
                }
            }
        }
    }

    /// Bytes that no layer took: should the other direction tell what this flow is, its parser must know of them.
    pub(super) fn note_missed(&mut self, direction: Direction, len: usize) {
        if let Some(Layer { state: State::Probing, lanes, .. }) = self.layers.last_mut() {
            let missed = &mut lanes.get_mut(direction).missed;
            *missed = missed.saturating_add(len as u64);
        }
    }

    pub(super) fn tell_missed(&mut self, level: usize, direction: Direction, out: &mut dyn Sink) {
        let names = self.names_flow(level);
        let Some(Layer { state: State::Parsing(parser), lanes, confirmed, .. }) = self.layers.get_mut(level) else { return };
        let missed = std::mem::take(&mut lanes.get_mut(direction).missed);
        if missed == 0 {
            return;
        }
        let mut inner = LayerSink::new(out, confirmed, names);
        if let Err(error) = parser.gap(direction, &[], missed, &mut inner) {
            self.give_up(level, direction, error, out);
        }
    }
}

/// The protocol of the first bytes, and whether more bytes could tell.
fn recognise(direction: Direction, bytes: &[u8]) -> (Option<AppProto>, bool) {
    let mut possible = None;
    let mut more = false;
    for protocol in PROTOCOLS {
        match (protocol.probe)(direction, bytes) {
            Probe::Certain => return (Some(protocol.app_proto), false),
            Probe::Possible if possible.is_none() => possible = Some(protocol.app_proto),
            Probe::MoreBytes => more = true,
            Probe::Possible | Probe::No => {}
        }
    }
    if more { (None, true) } else { (possible, false) }
}
