//! Where a layer's results go: outwards, and what it unwrapped to the layer inside.

use std::ops::Range;

use backstop_types::Direction;

use crate::contract::{Anomaly, Content, Sink};
use crate::registry::{AppProto, Transaction};

/// What a layer unwrapped in one call, in order. Never more than it was given: unwrapping expands nothing.
#[derive(Default)]
pub(super) struct Plain {
    pub(super) bytes: Vec<u8>,
    pub(super) runs: Vec<Run>,
}

pub(super) enum Run {
    /// These bytes of a direction.
    Bytes(Direction, Range<usize>),
    /// Missing bytes.
    Gap(Direction, Option<u64>),
    /// The end of a direction.
    End(Direction),
}

/// Passes everything on and keeps what is meant for the layer inside.
pub(super) struct LayerSink<'a> {
    pub(super) outer: &'a mut dyn Sink,
    pub(super) confirmed: &'a mut Option<AppProto>,
    /// What this layer confirms names the flow.
    pub(super) names: bool,
    pub(super) plain: Plain,
}

impl<'a> LayerSink<'a> {
    pub(super) fn new(outer: &'a mut dyn Sink, confirmed: &'a mut Option<AppProto>, names: bool) -> Self {
        Self { outer, confirmed, names, plain: Plain::default() }
    }
}

impl Sink for LayerSink<'_> {
    fn transaction(&mut self, transaction: &Transaction<'_>) {
        self.outer.transaction(transaction);
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.outer.anomaly(anomaly);
    }

    fn content(&mut self, content: Content<'_>) {
        self.outer.content(content);
    }

    fn content_of(&mut self, of: (AppProto, u64), content: Content<'_>) {
        self.outer.content_of(of, content);
    }

    fn plaintext(&mut self, direction: Direction, bytes: &[u8]) {
        let start = self.plain.bytes.len();
        self.plain.bytes.extend_from_slice(bytes);
        self.plain.runs.push(Run::Bytes(direction, start..self.plain.bytes.len()));
    }

    fn plaintext_gap(&mut self, direction: Direction, len: Option<u64>) {
        self.plain.runs.push(Run::Gap(direction, len));
    }

    fn plaintext_end(&mut self, direction: Direction) {
        self.plain.runs.push(Run::End(direction));
    }

    fn unwrapped(&mut self, direction: Direction, bytes: &[u8]) {
        self.outer.plaintext(direction, bytes);
    }

    fn unwrapped_gap(&mut self, direction: Direction, len: Option<u64>) {
        self.outer.plaintext_gap(direction, len);
    }

    fn unwrapped_end(&mut self, direction: Direction) {
        self.outer.plaintext_end(direction);
    }

    fn enter(&mut self, direction: Direction, unconsumed: usize) {
        self.outer.enter(direction, unconsumed);
    }

    fn leave(&mut self) {
        self.outer.leave();
    }

    fn confirmed(&mut self, app_proto: AppProto) {
        *self.confirmed = Some(app_proto);
        if self.names {
            self.outer.confirmed(app_proto);
        }
    }

    fn in_sync(&mut self, app_proto: AppProto, direction: Direction, in_sync: bool) {
        self.outer.in_sync(app_proto, direction, in_sync);
    }
}
