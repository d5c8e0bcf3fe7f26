//! The state machine of both directions.

use backstop_types::{Direction, PerDirection};

use super::anomaly;
use super::codec::{self, Codec};
use super::exchange::Exchanges;
use super::record::{self, Record, RecordError};
use super::resync::{self, Looks, Search};
use super::transaction::{Session, Transaction};
use crate::contract::{Advance, Anomaly, Limits, ParseError, Parser, Sink};
use crate::nbfse::Dictionary;
use crate::registry::AppProto;
use crate::soap::Message;

/// Longer than any URI a WCF service is reached by.
const MAX_VIA: usize = 2_048;
/// WCF's own limit is 64 KiB by default and 2 GiB at most; backup services use some MiB.
const MAX_ENVELOPE: u64 = 256 * 1024 * 1024;
/// Upgrades remembered of a session.
const MAX_UPGRADES: usize = 4;

/// Where a direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing seen yet.
    #[default]
    Start,
    /// In the preamble, or before its acknowledgement.
    Preamble,
    /// Between messages.
    Messages,
    /// Inside an unsized envelope, between chunks.
    Chunks,
    /// The rest of the stream is one message.
    Singleton,
    /// After the end record.
    Ended,
    /// Out of step: the next message is looked for.
    Lost,
}

#[derive(Default)]
struct Lane {
    phase: Phase,
    dictionary: Dictionary,
    /// Chunks of an unsized envelope, up to the cap.
    chunks: Vec<u8>,
    /// Bytes of the unsized envelope so far.
    chunked: u64,
    /// Bytes were passed over undecoded: told to be in step again at the next record.
    passed_over: bool,
}

/// One step through a stream.
enum Step {
    Used(usize),
    Need(usize),
    Skip { used: usize, len: u64 },
    Wrap { used: usize, within: Option<AppProto> },
}

/// Parses one connection.
pub struct NmfParser {
    limits: Limits,
    /// Bytes of a message that are decoded.
    max_message: usize,
    lanes: PerDirection<Lane>,
    /// Who sent the preamble.
    client: Direction,
    codec: Codec,
    sized_singleton: bool,
    session: Session,
    session_told: bool,
    within: Option<AppProto>,
    exchanges: Exchanges,
}

impl NmfParser {
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            // A message and its header fit the buffer, whatever is configured.
            max_message: limits.max_message.min(limits.max_buffer.saturating_sub(16)),
            lanes: PerDirection::default(),
            client: Direction::ToServer,
            // In the middle of a session this is what Veeam speaks, and what the search for messages looks for.
            codec: Codec::BinarySession,
            sized_singleton: false,
            session: Session::default(),
            session_told: false,
            within: None,
            exchanges: Exchanges::new(limits),
        }
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let lane = self.lanes.get_mut(direction);
        if std::mem::take(&mut lane.passed_over) {
            out.in_sync(AppProto::Nmf, direction, true);
        }
        match lane.phase {
            Phase::Lost => Ok(self.resync(direction, bytes, out)),
            Phase::Chunks => self.chunk(direction, bytes, out),
            Phase::Singleton => Ok(self.singleton(direction, bytes, out)),
            Phase::Start if direction != self.client || bytes.first() == Some(&0x06) => {
                self.first_of_server(direction, bytes, out)
            }
            Phase::Start | Phase::Preamble | Phase::Messages | Phase::Ended => self.record(direction, bytes, out),
        }
    }

    /// The first bytes of the side that is taken for the server: it may turn out to be the client, or be picked up in
    /// the middle.
    fn first_of_server(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        if bytes.first() == Some(&0x06) {
            return match resync::looks_like_envelope(bytes) {
                Looks::Need(need) => Ok(Step::Need(need)),
                Looks::Yes(_) => {
                    out.confirmed(AppProto::Nmf);
                    for lane in [&mut self.lanes.to_server, &mut self.lanes.to_client] {
                        lane.dictionary.lose();
                    }
                    self.lanes.get_mut(direction).phase = Phase::Messages;
                    self.record(direction, bytes, out)
                }
                Looks::No => Err(self.violation(anomaly::UNEXPECTED_RECORD, out)),
            };
        }
        if bytes.first() == Some(&0x00) && self.lanes.get(self.client).phase == Phase::Start {
            self.client = direction;
        }
        self.record(direction, bytes, out)
    }

    fn record(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let (record, used) = match record::parse(bytes) {
            Ok(parsed) => parsed,
            Err(RecordError::Need(need)) => return Ok(Step::Need(need)),
            Err(RecordError::UnknownType) => return Err(self.violation(anomaly::UNEXPECTED_RECORD, out)),
            Err(RecordError::BadSize) => return Err(self.violation(anomaly::BAD_SIZE, out)),
            Err(RecordError::TooLong) => return Err(self.violation(anomaly::BAD_VIA, out)),
        };
        let phase = self.lanes.get(direction).phase;
        let from_client = direction == self.client;
        match record {
            Record::Version(major, minor) if from_client && matches!(phase, Phase::Start | Phase::Ended) => {
                self.begin(direction, major, minor, out);
            }
            Record::Mode(mode) if from_client && phase == Phase::Preamble => self.mode(mode, out)?,
            Record::Via(via) if from_client && phase == Phase::Preamble => self.via(direction, via, out),
            Record::KnownEncoding(number) if from_client && phase == Phase::Preamble => self.encoding(direction, number, out),
            Record::ExtensibleEncoding(name) if from_client && phase == Phase::Preamble => {
                self.codec = Codec::Opaque;
                self.session.encoding = Some(format!("extensible:{}", printable(name)));
                out.in_sync(AppProto::Nmf, direction, false);
                self.singleton_begins(direction);
            }
            Record::UpgradeRequest(name) if from_client && phase == Phase::Preamble => {
                self.upgrade(direction, name, out);
                return Ok(Step::Wrap { used, within: self.within });
            }
            Record::PreambleEnd if from_client && phase == Phase::Preamble => {
                self.lanes.get_mut(direction).phase = Phase::Messages
            }
            Record::UpgradeResponse if !from_client && matches!(phase, Phase::Start | Phase::Preamble) => {
                self.acknowledged(out);
                self.lanes.get_mut(direction).phase = Phase::Preamble;
                return Ok(Step::Wrap { used, within: self.within });
            }
            Record::PreambleAck if !from_client && matches!(phase, Phase::Start | Phase::Preamble | Phase::Ended) => {
                self.acknowledged(out);
                self.lanes.get_mut(direction).phase = Phase::Messages;
            }
            Record::Fault(text) => {
                self.session.fault = Some(printable(text));
                self.lanes.get_mut(direction).phase = Phase::Ended;
                out.confirmed(AppProto::Nmf);
                self.tell_session(out);
            }
            Record::SizedEnvelope(size) if phase == Phase::Messages => return Ok(self.sized(direction, bytes, used, size, out)),
            Record::UnsizedEnvelope if phase == Phase::Messages => {
                let lane = self.lanes.get_mut(direction);
                lane.phase = Phase::Chunks;
                lane.chunks.clear();
                lane.chunked = 0;
            }
            // 2.2.3.9: nothing follows but, on a pooled connection, the next session.
            Record::End if matches!(phase, Phase::Messages | Phase::Preamble) => {
                self.lanes.get_mut(direction).phase = Phase::Ended
            }
            Record::End if phase == Phase::Ended => {}
            _ => return Err(self.violation(anomaly::UNEXPECTED_RECORD, out)),
        }
        Ok(Step::Used(used))
    }

    /// A client's preamble begins: the first of the connection, or the next on a pooled one.
    fn begin(&mut self, direction: Direction, major: u8, minor: u8, out: &mut dyn Sink) {
        self.session = Session { version: Some(format!("{major}.{minor}")), ..Session::default() };
        self.session_told = false;
        self.sized_singleton = false;
        for lane in [&mut self.lanes.to_server, &mut self.lanes.to_client] {
            lane.dictionary = Dictionary::default();
        }
        self.lanes.get_mut(direction).phase = Phase::Preamble;
        if major != 1 {
            tell(direction, anomaly::BAD_VERSION, out);
        }
    }

    fn mode(&mut self, mode: u8, out: &mut dyn Sink) -> Result<(), ParseError> {
        self.session.mode = Some(match mode {
            1 => "singleton_unsized",
            2 => "duplex",
            3 => "simplex",
            4 => "singleton_sized",
            _ => return Err(self.violation(anomaly::BAD_MODE, out)),
        });
        self.sized_singleton = mode == 4;
        Ok(())
    }

    fn via(&mut self, direction: Direction, via: &[u8], out: &mut dyn Sink) {
        if via.len() > MAX_VIA || std::str::from_utf8(via).is_err() {
            tell(direction, anomaly::BAD_VIA, out);
        }
        self.session.via = Some(printable(via));
        // Version, mode and Via in their places: nothing else looks like this.
        out.confirmed(AppProto::Nmf);
    }

    fn encoding(&mut self, direction: Direction, number: u8, out: &mut dyn Sink) {
        if let Some((codec, name)) = Codec::known(number) {
            self.codec = codec;
            self.session.encoding = Some(name.to_owned());
        } else {
            self.codec = Codec::Opaque;
            self.session.encoding = Some(format!("unknown_{number}"));
            tell(direction, anomaly::UNKNOWN_ENCODING, out);
        }
        if self.codec == Codec::Opaque {
            out.in_sync(AppProto::Nmf, direction, false);
        }
        self.singleton_begins(direction);
    }

    fn singleton_begins(&mut self, direction: Direction) {
        if self.sized_singleton {
            self.lanes.get_mut(direction).phase = Phase::Singleton;
        }
    }

    fn upgrade(&mut self, direction: Direction, name: &[u8], out: &mut dyn Sink) {
        let name = printable(name);
        self.within = match name.as_str() {
            "application/ssl-tls" => Some(AppProto::Tls),
            "application/negotiate" => None,
            _ => {
                tell(direction, anomaly::UNKNOWN_UPGRADE, out);
                None
            }
        };
        if self.session.upgrades.len() < MAX_UPGRADES {
            self.session.upgrades.push(name);
        }
    }

    fn acknowledged(&mut self, out: &mut dyn Sink) {
        self.session.acknowledged = true;
        out.confirmed(AppProto::Nmf);
        self.tell_session(out);
    }

    /// A sized envelope: whole where it fits the cap, its head where it does not.
    fn sized(&mut self, direction: Direction, bytes: &[u8], header: usize, size: u32, out: &mut dyn Sink) -> Step {
        let len = size as usize;
        if u64::from(size) > MAX_ENVELOPE {
            tell(direction, anomaly::ENVELOPE_TOO_LARGE, out);
        }
        let head = len.min(self.max_message);
        let Some(payload) = bytes.get(header..header + head) else { return Step::Need(header + head) };
        self.envelope(direction, payload, u64::from(size), head == len, out);
        if head == len {
            return Step::Used(header + len);
        }
        self.pass_over(direction, out);
        Step::Skip { used: header + head, len: (len - head) as u64 }
    }

    /// What is not decoded of a request is left to the content rules. Of a reply it is not: long replies carry log text
    /// that may well mention what requests look like.
    fn pass_over(&mut self, direction: Direction, out: &mut dyn Sink) {
        if direction == self.client {
            tell(direction, anomaly::REQUEST_CUT, out);
            self.leave_undecoded(direction, out);
        }
    }

    /// Up to the next record.
    fn leave_undecoded(&mut self, direction: Direction, out: &mut dyn Sink) {
        if direction == self.client {
            out.in_sync(AppProto::Nmf, direction, false);
            self.lanes.get_mut(direction).passed_over = true;
        }
    }

    fn chunk(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let (size, header) = match record::chunk_size(bytes) {
            Ok(parsed) => parsed,
            Err(RecordError::Need(need)) => return Ok(Step::Need(need)),
            Err(_) => return Err(self.violation(anomaly::BAD_SIZE, out)),
        };
        let lane = self.lanes.get_mut(direction);
        if size == 0 {
            lane.phase = Phase::Messages;
            self.unsized_ends(direction, true, out);
            return Ok(Step::Used(header));
        }
        let len = size as usize;
        let room = self.max_message.saturating_sub(lane.chunks.len());
        let head = len.min(room);
        let Some(payload) = bytes.get(header..header + head) else { return Ok(Step::Need(header + head)) };
        lane.chunks.extend_from_slice(payload);
        lane.chunked += u64::from(size);
        if head == len {
            return Ok(Step::Used(header + len));
        }
        if lane.chunked > MAX_ENVELOPE && lane.chunked - u64::from(size) <= MAX_ENVELOPE {
            tell(direction, anomaly::ENVELOPE_TOO_LARGE, out);
        }
        if room > 0 {
            self.pass_over(direction, out);
        }
        Ok(Step::Skip { used: header + head, len: (len - head) as u64 })
    }

    fn unsized_ends(&mut self, direction: Direction, whole: bool, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        let payload = std::mem::take(&mut lane.chunks);
        let len = lane.chunked;
        if !payload.is_empty() {
            let whole = whole && len == payload.len() as u64;
            self.envelope(direction, &payload, len, whole, out);
        }
    }

    /// Singleton-sized mode: the payload is the rest of the stream.
    fn singleton(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let Some(head) = bytes.get(..self.max_message) else { return Step::Need(self.max_message) };
        self.envelope(direction, head, head.len() as u64, false, out);
        self.pass_over(direction, out);
        Step::Skip { used: head.len(), len: u64::MAX }
    }

    fn envelope(&mut self, direction: Direction, payload: &[u8], wire_len: u64, whole: bool, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        let decoded = codec::decode(self.codec, payload, wire_len, whole, &mut lane.dictionary, &self.limits);
        if let Some(event) = decoded.anomaly {
            tell(direction, event, out);
        }
        match decoded.message {
            Some(mut message) => {
                // A cap of ours was reached before the body; bytes that a gap took are nobody's doing.
                let capped = whole || payload.len() >= self.max_message;
                let unbroken = decoded.anomaly.is_none() && !self.lanes.get(direction).dictionary.is_broken();
                message.capped = capped && unbroken && message.truncated;
                if message.capped && message.body.is_none() && direction == self.client {
                    tell(direction, anomaly::HEADER_LIMIT, out);
                }
                if !message.more_actions.is_empty() && direction == self.client {
                    tell(direction, anomaly::AMBIGUOUS_REQUEST, out);
                }
                if message.truncated && whole {
                    // Strings that a gap took are no cap of ours, and a broken message was told.
                    if decoded.anomaly.is_none() && !self.lanes.get(direction).dictionary.is_broken() {
                        self.pass_over(direction, out);
                    } else {
                        self.leave_undecoded(direction, out);
                    }
                }
                self.message(direction, message, out);
            }
            None if decoded.anomaly.is_some() => self.leave_undecoded(direction, out),
            None => {}
        }
    }

    fn message(&mut self, direction: Direction, message: Message, out: &mut dyn Sink) {
        self.tell_session(out);
        self.exchanges.message(direction, direction == self.client, message, out);
    }

    fn resync(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        match resync::search(bytes) {
            Search::Found(at) => {
                self.lanes.get_mut(direction).phase = Phase::Messages;
                out.in_sync(AppProto::Nmf, direction, true);
                Step::Used(at)
            }
            Search::Perhaps { skip: 0, need } => Step::Need(need),
            Search::Perhaps { skip, .. } => Step::Used(skip),
            Search::Nowhere => Step::Used(bytes.len()),
        }
    }

    /// Bytes are missing, and with them perhaps strings of the dictionary and the ends of records.
    fn lose(&mut self, direction: Direction, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        lane.dictionary.lose();
        lane.phase = Phase::Lost;
        lane.passed_over = false;
        out.in_sync(AppProto::Nmf, direction, false);
    }

    fn tell_session(&mut self, out: &mut dyn Sink) {
        if !self.session_told && self.session.version.is_some() {
            self.session_told = true;
            out.transaction(&crate::Transaction::Nmf(Transaction::Session(&self.session)));
        }
    }

    /// A violation after which nothing can be read. The driver tells it.
    fn violation(&mut self, event: &'static str, out: &mut dyn Sink) -> ParseError {
        self.tell_session(out);
        ParseError { offset: 0, event }
    }
}

impl Parser for NmfParser {
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
                Step::Skip { used, len } => return Ok(Advance::Skip { consumed: consumed + used, len }),
                Step::Wrap { used, within } => return Ok(Advance::Wrap { consumed: consumed + used, within }),
            }
        }
    }

    fn gap(&mut self, direction: Direction, left: &[u8], len: u64, out: &mut dyn Sink) -> Result<Advance, ParseError> {
        // Inside a sized envelope: its head is worth reading, and its end is known.
        if self.lanes.get(direction).phase == Phase::Messages
            && let Ok((Record::SizedEnvelope(size), header)) = record::parse(left)
        {
            let payload = left.get(header..).unwrap_or_default();
            self.envelope(direction, payload, u64::from(size), false, out);
            let missing = u64::from(size).saturating_sub(payload.len() as u64);
            // Strings of its table, or the table itself, may be among what is missing.
            if Dictionary::table_len(payload).is_none_or(|table| table > payload.len()) {
                self.lanes.get_mut(direction).dictionary.lose();
            }
            if missing >= len {
                self.leave_undecoded(direction, out);
                return Ok(Advance::Skip { consumed: 0, len: missing - len });
            }
        }
        if self.lanes.get(direction).phase == Phase::Chunks {
            self.unsized_ends(direction, false, out);
        }
        self.lose(direction, out);
        Ok(Advance::Consumed)
    }

    fn close(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) {
        match self.lanes.get(direction).phase {
            Phase::Messages => {
                if let Ok((Record::SizedEnvelope(size), header)) = record::parse(left) {
                    self.envelope(direction, left.get(header..).unwrap_or_default(), u64::from(size), false, out);
                }
            }
            Phase::Chunks => self.unsized_ends(direction, false, out),
            Phase::Singleton if !left.is_empty() => self.envelope(direction, left, left.len() as u64, true, out),
            _ => {}
        }
        self.lanes.get_mut(direction).phase = Phase::Ended;
        self.tell_session(out);
        self.exchanges.close(direction, out);
    }
}

fn tell(direction: Direction, event: &'static str, out: &mut dyn Sink) {
    out.anomaly(Anomaly { app_proto: AppProto::Nmf, event, direction });
}

/// A text for a record: bounded, without control characters.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..bytes.len().min(MAX_VIA)).unwrap_or_default())
        .chars()
        .map(|character| if character.is_control() { '.' } else { character })
        .collect()
}
