//! The state machine of both directions: records, and the way back to them.

use std::sync::Arc;

use backstop_types::{Direction, PerDirection};

use super::anomaly::{self, Defects};
use super::decryptor::Decryptor;
use super::handshake::Reassembly;
use super::record::{self, ContentType, HEADER, Header, HeaderError, Search};
use super::transaction::{Facts, MAX_SIZES, Stage, why_not};
use crate::contract::{Advance, ParseError, Parser, Sink, Surroundings};
use crate::registry::AppProto;

/// The longest handshake message that is decoded; hellos and chains of real services have some KiB.
const MAX_MESSAGE: usize = 64 * 1024;

/// Where a direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// At a record header.
    #[default]
    InStep,
    /// Out of step: the next header is looked for.
    Lost,
    /// Behind a record that a search believed: the header here proves it, or not.
    Trial,
}

#[derive(Default)]
pub(super) struct Lane {
    place: Place,
    /// In step by a search: a bad header is no violation but a wrong guess.
    found: bool,
    /// Records are encrypted from here on.
    pub(super) ciphered: bool,
    /// Bytes are missing in the clear part: where messages begin is not known any more.
    pub(super) broken: bool,
    closed: bool,
    /// A close_notify was opened.
    pub(super) ended: bool,
    pub(super) handshake: Reassembly,
}

/// One step through a stream.
enum Step {
    Used(usize),
    /// Used, and perhaps something was unwrapped: the layer inside comes first.
    Opened(usize),
    Need(usize),
    Skip {
        used: usize,
        len: usize,
    },
}

/// Parses one session.
pub struct TlsParser {
    pub(super) max_message: usize,
    max_record: usize,
    pub(super) lanes: PerDirection<Lane>,
    pub(super) facts: Facts,
    /// With a ring, until it is known that the session stays closed.
    pub(super) decryptor: Option<Box<Decryptor>>,
    /// The server takes early data, and what it was is not known.
    pub(super) early_data_taken: bool,
    /// The server's flight of a full handshake ended (RFC 5246 §7.4.5).
    pub(super) server_done: bool,
    /// Anomalies told: each once a session.
    pub(super) told: Defects,
    pub(super) confirmed: bool,
    pub(super) handshake_told: bool,
    pub(super) end_told: bool,
}

impl TlsParser {
    pub fn new(around: &Surroundings) -> Self {
        let limits = &around.limits;
        let decryptor = |ring: &Arc<_>| {
            let mut decryptor = Box::new(Decryptor::new(Arc::clone(ring), limits.max_undecrypted));
            decryptor.exchange.ends = around.ends;
            decryptor
        };
        Self {
            max_message: MAX_MESSAGE.min(limits.max_message),
            max_record: limits.max_buffer,
            lanes: PerDirection::default(),
            facts: Facts::default(),
            decryptor: around.keys.as_ref().filter(|ring| ring.expects_keys()).map(decryptor),
            early_data_taken: false,
            server_done: false,
            told: Defects::default(),
            confirmed: false,
            handshake_told: false,
            end_told: false,
        }
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let lane = self.lanes.get(direction);
        if lane.place == Place::Lost {
            return Ok(self.search(direction, bytes));
        }
        let found = lane.found || lane.place == Place::Trial;
        let header = match record::header(bytes) {
            Ok(header) if lane.place == Place::InStep || record::is_plausible(&header, self.record_version()) => header,
            Err(HeaderError::Need(need)) => return Ok(Step::Need(need)),
            Err(HeaderError::Bad(event)) if !found => {
                self.finish(out);
                return Err(ParseError { offset: 0, event });
            }
            Ok(_) | Err(HeaderError::Bad(_)) => {
                if self.lanes.get(direction).place == Place::InStep {
                    self.lose(direction, out);
                }
                self.lanes.get_mut(direction).place = Place::Lost;
                return Ok(Step::Used(0));
            }
        };
        let lane = self.lanes.get_mut(direction);
        if std::mem::replace(&mut lane.place, Place::InStep) == Place::Trial {
            lane.found = true;
            out.in_sync(AppProto::Tls, direction, true);
        }
        Ok(self.record(direction, header, bytes, out))
    }

    fn record(&mut self, direction: Direction, header: Header, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let lane = self.lanes.get(direction);
        let used = HEADER;
        // An encrypted alert is longer than the two bytes of one in the clear.
        let clear = match header.kind {
            ContentType::Alert if header.len == 2 => true,
            ContentType::ChangeCipherSpec | ContentType::Alert | ContentType::Handshake => !lane.ciphered && !lane.broken,
            ContentType::ApplicationData | ContentType::Heartbeat => false,
        };
        if clear && header.len <= self.max_record.saturating_sub(HEADER) {
            let Some(body) = bytes.get(HEADER..HEADER + header.len) else { return Step::Need(HEADER + header.len) };
            let waited = self.is_waiting_for_keys();
            self.count(direction, header, out);
            self.clear_record(direction, header, body, out);
            let used = HEADER + header.len;
            return if waited { Step::Opened(used) } else { Step::Used(used) };
        }
        if self.wants(direction, header) {
            if header.len <= self.max_record.saturating_sub(HEADER) {
                let Some(body) = bytes.get(HEADER..HEADER + header.len) else { return Step::Need(HEADER + header.len) };
                self.count(direction, header, out);
                self.closed_record(direction, header, out);
                self.sealed(direction, header, body, out);
                return Step::Opened(HEADER + header.len);
            }
            self.stop(direction, why_not::RECORD_ABOVE_BUFFER, out);
        }
        self.count(direction, header, out);
        self.closed_record(direction, header, out);
        Step::Skip { used, len: header.len }
    }

    fn count(&mut self, direction: Direction, header: Header, out: &mut dyn Sink) {
        let traffic = self.facts.traffic.get_mut(direction);
        traffic.records += 1;
        traffic.bytes += header.len as u64;
        if header.kind == ContentType::ApplicationData {
            traffic.application_records += 1;
            traffic.application_bytes += header.len as u64;
            if traffic.application_sizes.len() < MAX_SIZES {
                traffic.application_sizes.extend(u16::try_from(header.len));
            }
            if self.confirmed && traffic.application_records <= MAX_SIZES as u64 + 1 {
                self.transaction(Stage::Record(direction), out);
            }
        }
    }

    /// What the header of an encrypted record, or of one that is passed over, says.
    fn closed_record(&mut self, direction: Direction, header: Header, out: &mut dyn Sink) {
        // Application data where it cannot be: what changed the keys was lost.
        if header.kind == ContentType::ApplicationData && self.confirmed && !self.is_sealed(direction, header) {
            self.stop(direction, why_not::GAP, out);
        }
        let lane = self.lanes.get_mut(direction);
        match header.kind {
            ContentType::ApplicationData => {
                // An encrypted message may still be in pieces.
                if !lane.ciphered && lane.handshake.is_pending() {
                    lane.handshake = Reassembly::default();
                    self.tell(direction, anomaly::INTERLEAVED_RECORD, out);
                }
                if self.confirmed {
                    self.lanes.get_mut(direction).ciphered = true;
                } else {
                    self.picked_up(out);
                }
                // Early data comes before the server's hello (RFC 8446 §4.2.10).
                if (self.facts.server_hello.is_some() || self.is_server(direction)) && !self.holds_back() {
                    self.tell_handshake(out);
                }
            }
            ContentType::Heartbeat => {}
            kind if lane.ciphered => {
                let traffic = self.facts.traffic.get_mut(direction);
                traffic.encrypted_others += 1;
                traffic.encrypted_alerts += u64::from(kind == ContentType::Alert);
            }
            ContentType::ChangeCipherSpec => self.keys_change(direction, out),
            _ => {
                // Behind a gap, or larger than the buffer.
                lane.broken = true;
                lane.handshake = Reassembly::default();
                self.lose_exchange();
                self.facts.traffic.get_mut(direction).incomplete = true;
            }
        }
    }

    /// Application data without a hello: the middle of a session. The other direction need not begin at a record.
    fn picked_up(&mut self, out: &mut dyn Sink) {
        for lane in [&mut self.lanes.to_server, &mut self.lanes.to_client] {
            lane.ciphered = true;
            lane.found = true;
        }
        self.give_up(why_not::MIDSTREAM, out);
    }

    /// What stands in the header of every record of this session, once the server chose (RFC 8446 §5.1).
    fn record_version(&self) -> Option<u16> {
        self.facts.version().map(|version| version.min(0x0303))
    }

    fn search(&mut self, direction: Direction, bytes: &[u8]) -> Step {
        match record::search(bytes, self.record_version()) {
            Search::Found(at, header) => {
                self.lanes.get_mut(direction).place = Place::Trial;
                Step::Skip { used: at + HEADER, len: header.len }
            }
            Search::Perhaps(0) => Step::Need(HEADER),
            Search::Perhaps(at) => Step::Used(at),
            Search::Nowhere => Step::Used(bytes.len()),
        }
    }

    /// Both directions have ended, and nothing waits for keys any more.
    fn end(&mut self, out: &mut dyn Sink) {
        if self.lanes.to_server.closed && self.lanes.to_client.closed && !self.is_waiting_for_keys() {
            self.finish(out);
        }
    }

    /// What arrived of a record that never will be whole; what is missing of it.
    fn cut_record(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) -> Option<u64> {
        if self.lanes.get(direction).place != Place::InStep {
            return None;
        }
        let header = record::header(left).ok()?;
        let body = left.get(HEADER..).unwrap_or_default();
        self.count(direction, header, out);
        match header.kind {
            ContentType::Handshake if !self.lanes.get(direction).ciphered => {
                self.fragment(direction, body, out);
                self.break_handshake(direction, out);
            }
            ContentType::ChangeCipherSpec => self.keys_change(direction, out),
            _ => {}
        }
        Some((header.len as u64).saturating_sub(body.len() as u64))
    }

    /// The unfinished message will not be finished: what is there of it counts.
    fn break_handshake(&mut self, direction: Direction, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        if lane.ciphered {
            return;
        }
        lane.broken = true;
        let partial = lane.handshake.take_partial();
        self.lose_exchange();
        if let Some((kind, body)) = partial {
            self.message(direction, kind, &body, false, out);
        }
    }

    fn lose_exchange(&mut self) {
        if let Some(decryptor) = &mut self.decryptor {
            decryptor.exchange.lose();
        }
    }

    fn lose(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.break_handshake(direction, out);
        // How many records are lost is not known, and each has its number.
        self.flush(out);
        self.stop(direction, why_not::GAP, out);
        let place = std::mem::replace(&mut self.lanes.get_mut(direction).place, Place::Lost);
        if place == Place::InStep {
            out.in_sync(AppProto::Tls, direction, false);
        }
        if self.is_server(direction) {
            self.tell_handshake(out);
        }
    }
}

impl Parser for TlsParser {
    fn advance(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Advance::Consumed);
            }
            match self.step(direction, rest, out).map_err(|error| ParseError { offset: consumed, ..error })? {
                Step::Used(used) => consumed += used,
                Step::Opened(used) => return Ok(Advance::Skip { consumed: consumed + used, len: 0 }),
                Step::Need(need) => return Ok(Advance::Need { consumed, need }),
                Step::Skip { used, len } if rest.len() >= used + len => consumed += used + len,
                Step::Skip { used, len } => return Ok(Advance::Skip { consumed: consumed + used, len: len as u64 }),
            }
        }
    }

    fn gap(&mut self, direction: Direction, left: &[u8], len: u64, out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let missing = self.cut_record(direction, left, out);
        self.facts.traffic.get_mut(direction).incomplete = true;
        match missing {
            // The end of the record is known.
            Some(missing) if missing >= len => {
                if let Ok(header) = record::header(left) {
                    self.lose_record(direction, header, out);
                }
                Ok(Advance::Skip { consumed: 0, len: missing - len })
            }
            _ => {
                self.lose(direction, out);
                Ok(Advance::Consumed)
            }
        }
    }

    fn close(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) {
        if self.cut_record(direction, left, out).is_some() {
            self.facts.traffic.get_mut(direction).incomplete = true;
        }
        self.break_handshake(direction, out);
        self.lanes.get_mut(direction).closed = true;
        // A client that never had an answer ends the clear part, too.
        if self.is_server(direction) || self.facts.traffic.get(direction.reverse()).records == 0 {
            self.tell_handshake(out);
        }
        self.flush(out);
        self.end(out);
    }

    fn poll(&mut self, out: &mut dyn Sink) {
        if self.is_waiting() { self.flush(out) } else { self.end(out) }
    }

    fn is_waiting(&self) -> bool {
        self.is_waiting_for_keys()
    }

    fn stop_waiting(&mut self, out: &mut dyn Sink) {
        if !self.is_waiting() {
            self.end(out);
            return;
        }
        self.flush(out);
        if self.is_waiting() {
            self.give_up(self.why_waiting(), out);
        }
    }

    fn held(&self) -> usize {
        self.decryptor.as_ref().map_or(0, |decryptor| decryptor.held())
    }
}
