//! How the layers of a flow follow each other: successors, wrappers, and what one hands to the next.

use backstop_types::Direction;

use super::layer::{Lane, Layer, State};
use super::layer_sink::{Plain, Run};
use super::{Driver, UNKNOWN_GAP};
use crate::contract::{Anomaly, ParseError, Sink};
use crate::registry::AppProto;

impl Driver {
    /// Puts the successor of a layer behind it, once.
    pub(super) fn upgrade(&mut self, level: usize, to: Option<AppProto>) {
        let both = self.layers.get(level).is_some_and(|layer| layer.lanes.to_server.through && layer.lanes.to_client.through);
        if both && self.layers.len() > level + 1 {
            return;
        }
        let next = if self.layers.len() < self.around.limits.max_layers { Layer::new(to, &self.around) } else { Layer::dead() };
        self.layers.insert(level + 1, next);
    }

    /// Puts a wrapping layer before a layer, once for both directions; returns where it is.
    pub(super) fn wrap(&mut self, level: usize, direction: Direction, within: Option<AppProto>) -> usize {
        let waiting = level.checked_sub(1).and_then(|outer| self.layers.get_mut(outer));
        if let Some(outer) = waiting
            && outer.lanes.get(direction).through
            && !outer.lanes.get(direction.reverse()).through
        {
            outer.lanes.get_mut(direction).through = false;
            return level - 1;
        }
        let mut outer = match within {
            Some(_) if self.layers.len() < self.around.limits.max_layers => Layer::new(within, &self.around),
            _ => Layer::dead(),
        };
        outer.lanes.get_mut(direction.reverse()).through = true;
        self.layers.insert(level, outer);
        level
    }

    pub(super) fn give_up(&mut self, level: usize, direction: Direction, error: ParseError, out: &mut dyn Sink) {
        let Some(layer) = self.layers.get_mut(level) else { return };
        if let Some(app_proto) = layer.app_proto {
            out.anomaly(Anomaly { app_proto, event: error.event, direction });
            for each in Direction::BOTH {
                out.in_sync(app_proto, each, false);
            }
        }
        layer.state = State::Dead;
        for each in Direction::BOTH {
            let lane = layer.lanes.get_mut(each);
            *lane = Lane { closed: lane.closed, ..Lane::default() };
        }
    }

    /// Hands what a layer unwrapped to the next one, which begins by probing if it is not there yet.
    pub(super) fn hand_inwards(&mut self, level: usize, plain: Plain, out: &mut dyn Sink) {
        for run in plain.runs {
            match run {
                Run::Bytes(direction, range) => {
                    if self.layers.len() <= level + 1 {
                        let room = self.layers.len() < self.around.limits.max_layers;
                        self.layers.push(if room { Layer::new(None, &self.around) } else { Layer::dead() });
                    }
                    let bytes = plain.bytes.get(range).unwrap_or_default();
                    out.enter(direction, self.unconsumed_from(level + 1, direction));
                    out.plaintext(direction, bytes);
                    self.feed(level + 1, direction, bytes, out);
                    out.leave();
                }
                Run::Gap(direction, len) => {
                    out.enter(direction, self.unconsumed_from(level + 1, direction));
                    out.plaintext_gap(direction, len);
                    self.gap_from(level + 1, direction, len.unwrap_or(UNKNOWN_GAP), out);
                    out.leave();
                }
                Run::End(direction) => {
                    out.enter(direction, self.unconsumed_from(level + 1, direction));
                    out.plaintext_end(direction);
                    self.close_from(level + 1, direction, out);
                    out.leave();
                }
            }
        }
    }

    /// The layer in front of this one unwraps what it is given of a direction.
    pub(super) fn is_wrapped(&self, level: usize, direction: Direction) -> bool {
        self.layers.iter().take(level).any(|outer| {
            matches!(outer.state, State::Parsing(_))
                && outer.app_proto == Some(AppProto::Tls)
                && !outer.lanes.get(direction).through
        })
    }
}
