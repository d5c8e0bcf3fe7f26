//! TLS inside TDS ([MS-TDS] 2.2.6.5, 3.2.5.1): one session whose handshake is the payload of PRELOGIN packets and whose other
//! records stand on the stream.
//!
//! The session is read by a driver with TLS as its only layer: handshake facts are told as those of any TLS, and what keys
//! open comes back to the TDS parser ([`Tunnel::take`]), which alone knows what is packet and what is record.

use std::ops::Range;
use std::sync::Arc;

use backstop_types::Direction;

use crate::contract::{Anomaly, Content, Limits, Sink, Surroundings};
use crate::driver::Driver;
use crate::registry::{AppProto, Transaction};

/// A piece of what was unwrapped.
pub enum Run {
    /// These bytes of [`Plain::bytes`].
    Bytes(Direction, Range<usize>),
    /// Missing bytes; `None`: nobody knows how many.
    Gap(Direction, Option<u64>),
}

/// What was unwrapped, in order. Never more than went in.
#[derive(Default)]
pub struct Plain {
    pub bytes: Vec<u8>,
    pub runs: Vec<Run>,
}

/// The TLS session of a connection.
pub struct Tunnel {
    driver: Driver,
    plain: Plain,
}

impl Tunnel {
    pub fn new(around: &Surroundings) -> Self {
        let limits = Arc::new(Limits { max_layers: 1, ..*around.limits });
        let driver = Driver::with_surroundings(Some(AppProto::Tls), Surroundings { limits, inside_tls: false, ..around.clone() });
        Self { driver, plain: Plain::default() }
    }

    fn call(&mut self, out: &mut dyn Sink, call: impl FnOnce(&mut Driver, &mut dyn Sink)) {
        call(&mut self.driver, &mut TunnelSink { out, plain: &mut self.plain });
    }

    /// Bytes of records, from a packet or from the stream.
    pub fn data(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) {
        self.call(out, |driver, out| driver.data(direction, bytes, out));
    }

    /// Bytes of records are missing.
    pub fn gap(&mut self, direction: Direction, len: u64, out: &mut dyn Sink) {
        self.call(out, |driver, out| driver.gap(direction, len, out));
    }

    /// A direction has ended.
    pub fn close(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.call(out, |driver, out| driver.close(direction, out));
    }

    /// Time has passed: are there keys?
    pub fn poll(&mut self, out: &mut dyn Sink) {
        self.call(out, |driver, out| driver.poll(out));
    }

    /// No keys will come.
    pub fn stop_waiting(&mut self, out: &mut dyn Sink) {
        self.call(out, |driver, out| driver.stop_waiting(out));
    }

    /// It holds bytes that wait for keys.
    pub fn is_waiting(&self) -> bool {
        self.driver.is_waiting()
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.driver.buffered() + self.plain.bytes.capacity()
    }

    /// What was unwrapped since the last call.
    pub fn take(&mut self) -> Plain {
        std::mem::take(&mut self.plain)
    }
}

/// Passes on what TLS says and keeps what it unwraps. That this is TLS does not name the flow.
struct TunnelSink<'a> {
    out: &'a mut dyn Sink,
    plain: &'a mut Plain,
}

impl Sink for TunnelSink<'_> {
    fn transaction(&mut self, transaction: &Transaction<'_>) {
        self.out.transaction(transaction);
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.out.anomaly(anomaly);
    }

    fn content(&mut self, content: Content<'_>) {
        self.out.content(content);
    }

    fn plaintext(&mut self, direction: Direction, bytes: &[u8]) {
        self.out.unwrapped(direction, bytes);
        let start = self.plain.bytes.len();
        self.plain.bytes.extend_from_slice(bytes);
        self.plain.runs.push(Run::Bytes(direction, start..self.plain.bytes.len()));
    }

    fn plaintext_gap(&mut self, direction: Direction, len: Option<u64>) {
        self.out.unwrapped_gap(direction, len);
        self.plain.runs.push(Run::Gap(direction, len));
    }

    fn plaintext_end(&mut self, direction: Direction) {
        self.out.unwrapped_end(direction);
    }

    fn enter(&mut self, direction: Direction, unconsumed: usize) {
        self.out.enter(direction, unconsumed);
    }

    fn leave(&mut self) {
        self.out.leave();
    }

    fn confirmed(&mut self, _: AppProto) {}

    fn in_sync(&mut self, app_proto: AppProto, direction: Direction, in_sync: bool) {
        self.out.in_sync(app_proto, direction, in_sync);
    }
}
