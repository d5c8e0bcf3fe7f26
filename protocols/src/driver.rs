//! Runs the parsers of one flow: probes, keeps what a parser left unconsumed, passes over what it skips, and follows
//! upgrades.
//!
//! ```text
//! stream ─► layer 0 ─► layer 1 ─► …      NMF: [Nmf]      after its upgrade: [Tls, Nmf]
//! ```
//! A layer that is done with a direction lets its bytes through to the next. What a layer unwraps goes to the next, too, in
//! the order in which it was unwrapped; where there is none yet, one is put there that probes. Invariant: a direction's buffer
//! is empty unless its parser asked for more than there was.

use std::sync::Arc;

use backstop_types::Direction;

use crate::contract::{Advance, Limits, ParseError, Parser, Sink, Surroundings};
use crate::registry::AppProto;
use crate::tls::KeyRing;

mod layer;
mod layer_sink;
mod probe;
mod stack;

use layer::{Layer, State};
use layer_sink::{LayerSink, Plain};

/// Bytes looked at before a flow is given up as unknown.
pub(crate) const MAX_PROBE: usize = 512;
/// A gap of a length that nobody knows: longer than any message, so that no parser believes to know where it ends.
const UNKNOWN_GAP: u64 = 1 << 40;

/// The parsers of one flow, outermost first.
pub struct Driver {
    layers: Vec<Layer>,
    around: Surroundings,
    /// Each delivery is a datagram.
    datagrams: bool,
}

impl Driver {
    /// A flow of which nothing is known.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::with_keys(limits, None)
    }

    /// A flow of which nothing is known, and keys for what may be encrypted in it.
    #[must_use]
    pub fn with_keys(limits: Limits, keys: Option<Arc<KeyRing>>) -> Self {
        Self::with_surroundings(None, Surroundings { limits: Arc::new(limits), keys, ..Surroundings::default() })
    }

    /// A flow whose outermost protocol is known (tests, fuzzing, nested streams).
    #[must_use]
    pub fn with_protocol(app_proto: AppProto, limits: Limits) -> Self {
        Self::with_surroundings(Some(app_proto), Surroundings { limits: Arc::new(limits), ..Surroundings::default() })
    }

    /// A flow whose outermost protocol may be known, and all that its parsers are given.
    #[must_use]
    pub fn with_surroundings(app_proto: Option<AppProto>, around: Surroundings) -> Self {
        Self { layers: vec![Layer::new(app_proto, &around)], around, datagrams: false }
    }

    /// The protocol that names the flow: what the innermost layer that confirmed anything confirmed last. A layer around
    /// it (the TLS that net.tcp was upgraded to) does not rename the flow, however late it is sure of itself.
    #[must_use]
    pub fn app_proto(&self) -> Option<AppProto> {
        self.layers.iter().rev().find_map(|layer| layer.confirmed)
    }

    /// No layer wants any more bytes: the flow need not be reassembled for parsing.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.layers.iter().all(|layer| matches!(layer.state, State::Dead))
    }

    /// What the outermost layer carries is ciphertext: the raw stream says nothing.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.layers.first().is_some_and(|layer| {
            let by_parser = matches!(&layer.state, State::Parsing(parser) if parser.is_ciphertext());
            layer.app_proto == Some(AppProto::Tls) || by_parser
        })
    }

    /// Still looking at the first bytes.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer.state, State::Probing))
    }

    /// Bytes of a direction that the innermost parser of the stream itself has not consumed yet: its next message begins
    /// so far back.
    #[must_use]
    pub fn unconsumed(&self, direction: Direction) -> usize {
        self.unconsumed_from(0, direction)
    }

    fn unconsumed_from(&self, level: usize, direction: Direction) -> usize {
        self.layers.iter().skip(level).map(|layer| layer.lanes.get(direction).buffer.len()).sum()
    }

    /// Bytes held for parsers and by them, all layers.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let held = |layer: &Layer| match &layer.state {
            State::Parsing(parser) => parser.held(),
            State::Probing | State::Dead => 0,
        };
        self.layers
            .iter()
            .map(|layer| layer.lanes.to_server.buffer.capacity() + layer.lanes.to_client.buffer.capacity() + held(layer))
            .sum()
    }

    /// A layer holds bytes that it can read when keys come: worth a [`Driver::poll`] now and then, and worth keeping for a
    /// while after both directions were closed.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.layers.iter().any(Layer::is_waiting)
    }

    /// Time has passed: layers that wait for keys look again. Costs a comparison when nothing was added.
    pub fn poll(&mut self, out: &mut dyn Sink) {
        self.each_layer(out, |parser, out| parser.poll(out));
    }

    /// No keys will come any more: what waited is given up, and what was put off (the end of a session, the ends of the layers
    /// inside) is told. To be called before a driver that [is waiting](Driver::is_waiting) is dropped.
    pub fn stop_waiting(&mut self, out: &mut dyn Sink) {
        self.each_layer(out, |parser, out| parser.stop_waiting(out));
    }

    fn each_layer(&mut self, out: &mut dyn Sink, mut call: impl FnMut(&mut dyn Parser, &mut dyn Sink)) {
        let mut level = 0;
        while level < self.layers.len() {
            let names = self.names_flow(level);
            let waited = self.layers.get(level).is_some_and(Layer::is_waiting);
            // Whoever waited and does no more is called again: what was unwrapped goes before the end of it.
            let calls = if waited { 2 } else { 1 };
            for _ in 0..calls {
                let Some(Layer { state: State::Parsing(parser), confirmed, .. }) = self.layers.get_mut(level) else { break };
                let mut inner = LayerSink::new(out, confirmed, names);
                call(parser.as_mut(), &mut inner);
                let plain = inner.plain;
                self.hand_inwards(level, plain, out);
            }
            self.close_behind(level, waited, out);
            level += 1;
        }
    }

    /// What a call of a layer's parser brings about further inside.
    fn after_call(&mut self, level: usize, plain: Plain, waited: bool, out: &mut dyn Sink) {
        self.hand_inwards(level, plain, out);
        self.close_behind(level, waited, out);
    }

    /// The ends of a layer that waited reach the next one when it does no more.
    fn close_behind(&mut self, level: usize, waited: bool, out: &mut dyn Sink) {
        let Some(layer) = self.layers.get(level) else { return };
        if !waited || layer.is_waiting() {
            return;
        }
        for direction in Direction::BOTH {
            if self.layers.get(level).is_some_and(|layer| layer.lanes.get(direction).closed) {
                self.close_from(level + 1, direction, out);
            }
        }
    }

    /// The next contiguous bytes of a direction, or the next datagram.
    pub fn data(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) {
        if self.datagrams {
            self.datagram(direction, bytes, out);
        } else {
            self.feed(0, direction, bytes, out);
        }
    }

    /// Bytes of a direction are missing.
    pub fn gap(&mut self, direction: Direction, len: u64, out: &mut dyn Sink) {
        self.gap_from(0, direction, len, out);
    }

    fn gap_from(&mut self, from: usize, direction: Direction, len: u64, out: &mut dyn Sink) {
        let Some(level) = self.entry(from, direction) else { return };
        let names = self.names_flow(level);
        let Some(layer) = self.layers.get_mut(level) else { return };
        let lane = layer.lanes.get_mut(direction);
        let passed_over = lane.skip.min(len);
        lane.skip -= passed_over;
        let missing = len - passed_over;
        if missing == 0 {
            return;
        }
        lane.need = 0;
        let left = std::mem::take(&mut lane.buffer);
        match &mut layer.state {
            // A first message with a hole in it cannot be recognised; the other direction still may be.
            State::Probing => {
                lane.through = true;
                lane.missed = lane.missed.saturating_add(missing).saturating_add(left.len() as u64);
            }
            State::Parsing(parser) => {
                let waited = parser.is_waiting();
                let mut inner = LayerSink::new(out, &mut layer.confirmed, names);
                let answer = parser.gap(direction, &left, missing, &mut inner);
                let plain = inner.plain;
                match answer {
                    Ok(advance) => {
                        let lane = layer.lanes.get_mut(direction);
                        match advance {
                            Advance::Need { need, .. } => lane.need = need,
                            Advance::Skip { len, .. } => lane.skip = len,
                            Advance::Consumed | Advance::Upgrade { .. } | Advance::Wrap { .. } => {}
                        }
                    }
                    Err(error) => self.give_up(level, direction, error, out),
                }
                self.after_call(level, plain, waited, out);
            }
            State::Dead => {}
        }
    }

    /// A direction has ended. A layer that waits for keys keeps the end to itself, see [`Driver::is_waiting`].
    pub fn close(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.close_from(0, direction, out);
    }

    fn close_from(&mut self, from: usize, direction: Direction, out: &mut dyn Sink) {
        let mut level = from;
        while level < self.layers.len() {
            let names = self.names_flow(level);
            let wrapped = self.is_wrapped(level, direction);
            let Some(layer) = self.layers.get_mut(level) else { return };
            let lane = layer.lanes.get_mut(direction);
            if !std::mem::replace(&mut lane.closed, true) && !lane.through {
                let left = std::mem::take(&mut lane.buffer);
                if let State::Parsing(parser) = &mut layer.state {
                    let waited = parser.is_waiting();
                    if wrapped {
                        out.enter(direction, left.len());
                    }
                    let mut inner = LayerSink::new(out, &mut layer.confirmed, names);
                    parser.close(direction, &left, &mut inner);
                    let plain = inner.plain;
                    self.after_call(level, plain, waited, out);
                    if wrapped {
                        out.leave();
                    }
                }
            }
            if self.layers.get(level).is_some_and(Layer::is_waiting) {
                return;
            }
            level += 1;
        }
    }

    /// No layer further inside has confirmed a protocol: this one's names the flow.
    fn names_flow(&self, level: usize) -> bool {
        self.layers.iter().skip(level + 1).all(|layer| layer.confirmed.is_none())
    }

    /// The first layer from `level` on that takes bytes of this direction.
    fn entry(&self, level: usize, direction: Direction) -> Option<usize> {
        (level..self.layers.len()).find(|&at| self.layers.get(at).is_some_and(|layer| !layer.lanes.get(direction).through))
    }

    fn feed(&mut self, from: usize, direction: Direction, mut bytes: &[u8], out: &mut dyn Sink) {
        let mut from = from;
        while !bytes.is_empty() {
            let Some(level) = self.entry(from, direction) else {
                self.note_missed(direction, bytes.len());
                return;
            };
            let Some(layer) = self.layers.get_mut(level) else { return };
            let lane = layer.lanes.get_mut(direction);
            let passed_over = usize::try_from(lane.skip).unwrap_or(usize::MAX).min(bytes.len());
            lane.skip -= passed_over as u64;
            bytes = bytes.get(passed_over..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            match layer.state {
                State::Dead => return,
                State::Probing => {
                    self.probe(level, direction, bytes, out);
                    return;
                }
                State::Parsing(_) => {
                    let (used, next) = self.parse(level, direction, bytes, out);
                    bytes = bytes.get(used..).unwrap_or_default();
                    // An upgrade or a wrap moved the lane: what is left goes to whoever takes it now.
                    from = next;
                }
            }
        }
    }

    /// Gives bytes to the parser of a layer until it wants more than there is; returns how many of `bytes` are done with
    /// (used, skipped or buffered). Fewer than all only after an upgrade or a wrap; then also the level from which on the
    /// rest is taken.
    fn parse(&mut self, level: usize, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> (usize, usize) {
        let Some(layer) = self.layers.get_mut(level) else { return (bytes.len(), level) };
        let lane = layer.lanes.get_mut(direction);
        if !lane.buffer.is_empty() {
            // A lane without a stated need (after a gap) takes what comes.
            let room = lane.need.saturating_sub(lane.buffer.len()).max(1);
            if bytes.len() < room {
                lane.buffer.extend_from_slice(bytes);
                return (bytes.len(), level);
            }
            // Only what completes the need: the rest is read where it lies.
            let (head, _) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            lane.buffer.extend_from_slice(head);
            let mut buffer = std::mem::take(&mut lane.buffer);
            let outcome = self.step_all(level, direction, &buffer, out);
            return match outcome {
                Outcome::Left(used) => {
                    buffer.drain(..used.min(buffer.len()));
                    self.keep(level, direction, buffer, out);
                    (head.len(), level)
                }
                Outcome::Moved(used, next) => {
                    // Bytes behind an upgrade inside the buffer belong to the next layer.
                    let rest = buffer.get(used..).unwrap_or_default();
                    self.feed(next, direction, rest, out);
                    (head.len(), next)
                }
            };
        }
        match self.step_all(level, direction, bytes, out) {
            Outcome::Left(used) => {
                let rest = bytes.get(used..).unwrap_or_default();
                if !rest.is_empty() {
                    let lane_is_live = self.layers.get(level).is_some_and(|layer| matches!(layer.state, State::Parsing(_)));
                    if lane_is_live {
                        self.keep(level, direction, rest.to_vec(), out);
                    }
                }
                (bytes.len(), level)
            }
            Outcome::Moved(used, next) => (used, next),
        }
    }

    /// Calls the parser as long as it makes progress.
    fn step_all(&mut self, level: usize, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Outcome {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let names = self.names_flow(level);
            let Some(layer) = self.layers.get_mut(level) else { return Outcome::Left(bytes.len()) };
            let State::Parsing(parser) = &mut layer.state else { return Outcome::Left(bytes.len()) };
            if rest.is_empty() {
                return Outcome::Left(used);
            }
            let waited = parser.is_waiting();
            let mut inner = LayerSink::new(out, &mut layer.confirmed, names);
            let answer = parser.advance(direction, rest, &mut inner);
            let plain = inner.plain;
            let lane = layer.lanes.get_mut(direction);
            lane.need = 0;
            let mut moved = None;
            let mut stalled = false;
            match answer {
                Ok(Advance::Consumed) => used = bytes.len(),
                Ok(Advance::Need { consumed, need }) => {
                    used += consumed.min(rest.len());
                    lane.need = need;
                    // A parser that wants what it has would be called forever.
                    stalled = need <= rest.len().saturating_sub(consumed);
                    if !stalled {
                        self.after_call(level, plain, waited, out);
                        return Outcome::Left(used);
                    }
                }
                Ok(Advance::Skip { consumed, len }) => {
                    used += consumed.min(rest.len());
                    let here = usize::try_from(len).unwrap_or(usize::MAX).min(bytes.len() - used);
                    used += here;
                    lane.skip = len - here as u64;
                    stalled = consumed == 0 && len == 0;
                }
                Ok(Advance::Upgrade { consumed, to }) => {
                    used += consumed.min(rest.len());
                    lane.through = true;
                    self.upgrade(level, to);
                    moved = Some(level);
                }
                Ok(Advance::Wrap { consumed, within }) => {
                    used += consumed.min(rest.len());
                    moved = Some(self.wrap(level, direction, within));
                }
                Err(error) => {
                    self.give_up(level, direction, error, out);
                    self.after_call(level, plain, waited, out);
                    return Outcome::Left(bytes.len());
                }
            }
            if stalled {
                self.give_up(level, direction, ParseError { offset: used, event: "parser_stalled" }, out);
                return Outcome::Left(bytes.len());
            }
            self.after_call(level, plain, waited, out);
            if let Some(next) = moved {
                return Outcome::Moved(used, next);
            }
        }
    }

    /// Keeps unconsumed bytes, within the cap.
    fn keep(&mut self, level: usize, direction: Direction, rest: Vec<u8>, out: &mut dyn Sink) {
        let max = self.around.limits.max_buffer;
        let Some(layer) = self.layers.get_mut(level) else { return };
        let lane = layer.lanes.get_mut(direction);
        if rest.len().max(lane.need) > max {
            self.give_up(level, direction, ParseError { offset: 0, event: "buffer_limit" }, out);
            return;
        }
        // What is idle holds nothing, not even room.
        lane.buffer = if rest.is_empty() { Vec::new() } else { rest };
    }
}

enum Outcome {
    /// The parser is done with this many bytes and wants more than the rest, or all are used.
    Left(usize),
    /// An upgrade or a wrap after this many bytes: the rest goes to who takes it from this level on.
    Moved(usize, usize),
}

mod datagram;
#[cfg(test)]
mod tests;
