//! The state machine of both directions.

use backstop_types::{Direction, PerDirection};

use super::anomaly::{self, Defects};
use super::handshake::{Piece, Reassembly};
use super::ja3::Ja3;
use super::record::{self, ContentType, HEADER, Header, HeaderError, MAX_PLAINTEXT, Search};
use super::transaction::{Alert, Facts, MAX_SIZES, Stage, TLS13, Transaction};
use super::{certificate, hello, ja4};
use crate::contract::{Advance, Anomaly, ParseError, Parser, Sink, Surroundings};
use crate::registry::AppProto;

/// The longest handshake message that is decoded; hellos and chains of real services have some KiB.
const MAX_MESSAGE: usize = 64 * 1024;

/// Handshake types (RFC 5246 §7.4, RFC 8446 §4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_HELLO_DONE: u8 = 14;

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
struct Lane {
    place: Place,
    /// In step by a search: a bad header is no violation but a wrong guess.
    found: bool,
    /// Records are encrypted from here on.
    ciphered: bool,
    /// Bytes are missing in the clear part: where messages begin is not known any more.
    broken: bool,
    closed: bool,
    handshake: Reassembly,
}

/// One step through a stream.
enum Step {
    Used(usize),
    Need(usize),
    Skip { used: usize, len: usize },
}

/// Parses one session.
pub struct TlsParser {
    max_message: usize,
    max_record: usize,
    lanes: PerDirection<Lane>,
    facts: Facts,
    /// The server's flight of a full handshake ended (RFC 5246 §7.4.5).
    server_done: bool,
    /// Anomalies told: each once a session.
    told: Defects,
    confirmed: bool,
    handshake_told: bool,
    end_told: bool,
}

impl TlsParser {
    pub fn new(around: &Surroundings) -> Self {
        let limits = &around.limits;
        Self {
            max_message: MAX_MESSAGE.min(limits.max_message),
            max_record: limits.max_buffer,
            lanes: PerDirection::default(),
            facts: Facts::default(),
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
            self.count(direction, header);
            self.clear_record(direction, header, body, out);
            return Step::Used(HEADER + header.len);
        }
        // Decryption with keys begins here: it asks for the whole record, and hands what it gets to `Sink::plaintext`.
        self.count(direction, header);
        self.closed_record(direction, header, out);
        Step::Skip { used, len: header.len }
    }

    fn count(&mut self, direction: Direction, header: Header) {
        let traffic = self.facts.traffic.get_mut(direction);
        traffic.records += 1;
        traffic.bytes += header.len as u64;
        if header.kind == ContentType::ApplicationData {
            traffic.application_records += 1;
            traffic.application_bytes += header.len as u64;
            if traffic.application_sizes.len() < MAX_SIZES {
                traffic.application_sizes.extend(u16::try_from(header.len));
            }
        }
    }

    /// A record of which the header is all that is read.
    fn closed_record(&mut self, direction: Direction, header: Header, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        match header.kind {
            ContentType::ApplicationData => {
                if lane.handshake.is_pending() {
                    lane.handshake = Reassembly::default();
                    self.tell(direction, anomaly::INTERLEAVED_RECORD, out);
                }
                if self.confirmed {
                    self.lanes.get_mut(direction).ciphered = true;
                } else {
                    self.picked_up();
                }
                // Early data comes before the server's hello (RFC 8446 §4.2.10).
                if self.facts.server_hello.is_some() || self.is_server(direction) {
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
                self.facts.traffic.get_mut(direction).incomplete = true;
            }
        }
    }

    /// Application data without a hello: the middle of a session. The other direction need not begin at a record.
    fn picked_up(&mut self) {
        for lane in [&mut self.lanes.to_server, &mut self.lanes.to_client] {
            lane.ciphered = true;
            lane.found = true;
        }
    }

    fn clear_record(&mut self, direction: Direction, header: Header, body: &[u8], out: &mut dyn Sink) {
        if body.is_empty() {
            self.tell(direction, anomaly::EMPTY_RECORD, out);
            return;
        }
        if body.len() > MAX_PLAINTEXT {
            self.tell(direction, anomaly::RECORD_TOO_LONG, out);
        }
        if header.kind == ContentType::Handshake {
            self.fragment(direction, body, out);
            return;
        }
        if self.lanes.get(direction).handshake.is_pending() {
            self.tell(direction, anomaly::INTERLEAVED_RECORD, out);
        }
        match (header.kind, body) {
            (ContentType::Alert, &[level @ 1..=2, description]) => self.alert(Alert { direction, level, description }, out),
            (ContentType::Alert, _) => self.tell(direction, anomaly::BAD_ALERT, out),
            (_, [1]) if self.facts.client.is_some() => self.keys_change(direction, out),
            _ => self.tell(direction, anomaly::BAD_CHANGE_CIPHER_SPEC, out),
        }
    }

    fn alert(&mut self, alert: Alert, out: &mut dyn Sink) {
        self.facts.traffic.get_mut(alert.direction).clear_alerts += 1;
        if alert.level == 2 && self.facts.fatal_alert.is_none() {
            self.facts.fatal_alert = Some(alert);
            self.tell_handshake(out);
        }
    }

    /// ChangeCipherSpec. After a HelloRetryRequest it means nothing (RFC 8446 appendix D.4).
    fn keys_change(&mut self, direction: Direction, out: &mut dyn Sink) {
        if self.facts.retried {
            return;
        }
        let server = self.is_server(direction);
        let lane = self.lanes.get_mut(direction);
        lane.ciphered = true;
        lane.handshake = Reassembly::default();
        if server {
            let broken = lane.broken;
            self.facts.resumed = !broken && self.is_abbreviated();
            self.tell_handshake(out);
        }
    }

    /// The server changes its keys without a certificate and without the end of a full flight, and it took up the
    /// client's session (RFC 5246 §7.3) or ticket (RFC 5077 §3.1).
    fn is_abbreviated(&self) -> bool {
        let (Some(client), Some(server)) = (&self.facts.client_hello, &self.facts.server_hello) else { return false };
        let echoed = !server.session_id.is_empty() && server.session_id == client.session_id;
        server.version() < TLS13 && self.facts.chain.sha256.is_empty() && !self.server_done && (echoed || client.ticket)
    }

    /// A fragment of handshake messages in the clear.
    fn fragment(&mut self, direction: Direction, body: &[u8], out: &mut dyn Sink) {
        let mut handshake = std::mem::take(&mut self.lanes.get_mut(direction).handshake);
        let max = self.max_message;
        let left = handshake.feed(body, max, |piece| {
            match piece {
                Piece::Message(kind, body) => self.message(direction, kind, body, true, out),
                Piece::TooLong => self.tell(direction, anomaly::HANDSHAKE_TOO_LONG, out),
            }
            !self.lanes.get(direction).ciphered
        });
        // RFC 8446 §5.1: the message before a change of keys ends its record.
        if !left.is_empty() {
            self.tell(direction, anomaly::UNEXPECTED_MESSAGE, out);
        }
        self.lanes.get_mut(direction).handshake = handshake;
    }

    /// A message, or (`whole` false) as much of it as arrived.
    fn message(&mut self, direction: Direction, kind: u8, body: &[u8], whole: bool, out: &mut dyn Sink) {
        match kind {
            CLIENT_HELLO if whole => self.client_hello(direction, body, out),
            SERVER_HELLO if whole => self.server_hello(direction, body, out),
            CERTIFICATE if self.is_server(direction) => {
                let mut defects = Defects::default();
                if self.facts.chain.sha256.is_empty() {
                    self.facts.chain = certificate::parse_chain(body, whole, &mut defects);
                }
                self.tell_all(direction, &defects, out);
            }
            CERTIFICATE if self.facts.client == Some(direction) => {
                self.facts.client_certificate |= certificate::has_certificate(body);
            }
            SERVER_HELLO_DONE if self.is_server(direction) => self.server_done = true,
            _ => {}
        }
    }

    fn client_hello(&mut self, direction: Direction, body: &[u8], out: &mut dyn Sink) {
        if self.facts.client_hello.is_some() || self.is_server(direction) {
            // The answer to a HelloRetryRequest repeats the first hello in all that is kept (RFC 8446 §4.1.2).
            if !self.facts.retried || self.is_server(direction) {
                self.tell(direction, anomaly::UNEXPECTED_MESSAGE, out);
            }
            return;
        }
        let mut defects = Defects::default();
        let Some(hello) = hello::parse_client(body, &mut defects) else {
            self.tell(direction, anomaly::MALFORMED_HELLO, out);
            return;
        };
        // A fingerprint of half the values would be that of another client.
        if !defects.contains(anomaly::HELLO_CUT) {
            self.facts.ja3 = Some(Ja3::of_client(&hello));
            self.facts.ja4 = Some(ja4::of_client(&hello));
        }
        self.tell_all(direction, &defects, out);
        self.facts.client_hello = Some(hello);
        self.hello_seen(direction, out);
    }

    fn server_hello(&mut self, direction: Direction, body: &[u8], out: &mut dyn Sink) {
        if self.facts.server_hello.is_some() || self.facts.client == Some(direction) {
            self.tell(direction, anomaly::UNEXPECTED_MESSAGE, out);
            return;
        }
        let mut defects = Defects::default();
        let Some(hello) = hello::parse_server(body, &mut defects) else {
            self.tell(direction, anomaly::MALFORMED_HELLO, out);
            return;
        };
        self.tell_all(direction, &defects, out);
        if hello.is_retry() {
            self.facts.retried = true;
            self.hello_seen(direction.reverse(), out);
            return;
        }
        if !defects.contains(anomaly::HELLO_CUT) {
            self.facts.ja3s = Some(Ja3::of_server(&hello));
        }
        let version = hello.version();
        self.facts.server_hello = Some(hello);
        self.hello_seen(direction.reverse(), out);
        if version >= TLS13 {
            // RFC 8446 §4.3: from here on the server's messages are encrypted.
            self.lanes.get_mut(direction).ciphered = true;
            self.tell_handshake(out);
        }
    }

    fn hello_seen(&mut self, client: Direction, out: &mut dyn Sink) {
        self.facts.client = Some(client);
        if !std::mem::replace(&mut self.confirmed, true) {
            out.confirmed(AppProto::Tls);
            self.transaction(Stage::Hello, out);
        }
    }

    fn is_server(&self, direction: Direction) -> bool {
        self.facts.client == Some(direction.reverse())
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

    /// What arrived of a record that never will be whole; what is missing of it.
    fn cut_record(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) -> Option<u64> {
        if self.lanes.get(direction).place != Place::InStep {
            return None;
        }
        let header = record::header(left).ok()?;
        let body = left.get(HEADER..).unwrap_or_default();
        self.count(direction, header);
        match header.kind {
            ContentType::Handshake => {
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
        if let Some((kind, body)) = lane.handshake.take_partial() {
            self.message(direction, kind, &body, false, out);
        }
    }

    fn lose(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.break_handshake(direction, out);
        let place = std::mem::replace(&mut self.lanes.get_mut(direction).place, Place::Lost);
        if place == Place::InStep {
            out.in_sync(AppProto::Tls, direction, false);
        }
        if self.is_server(direction) {
            self.tell_handshake(out);
        }
    }

    fn tell_handshake(&mut self, out: &mut dyn Sink) {
        if self.confirmed && !std::mem::replace(&mut self.handshake_told, true) {
            self.transaction(Stage::Handshake, out);
        }
    }

    /// Nothing follows.
    fn finish(&mut self, out: &mut dyn Sink) {
        self.tell_handshake(out);
        if !std::mem::replace(&mut self.end_told, true) {
            self.transaction(Stage::End, out);
        }
    }

    fn transaction(&self, stage: Stage, out: &mut dyn Sink) {
        out.transaction(&crate::Transaction::Tls(Transaction { stage, facts: &self.facts }));
    }

    fn tell(&mut self, direction: Direction, event: &'static str, out: &mut dyn Sink) {
        if self.told.add(event) {
            out.anomaly(Anomaly { app_proto: AppProto::Tls, event, direction });
        }
    }

    fn tell_all(&mut self, direction: Direction, defects: &Defects, out: &mut dyn Sink) {
        for event in defects.iter() {
            self.tell(direction, event, out);
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
            Some(missing) if missing >= len => Ok(Advance::Skip { consumed: 0, len: missing - len }),
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
        if self.lanes.to_server.closed && self.lanes.to_client.closed {
            self.finish(out);
        }
    }
}
