//! The state machine of both directions.

mod contents;

use backstop_types::{Direction, PerDirection};

use super::anomaly;
use super::exchange::Exchanges;
use super::frame::{self, Delivery, FrameError, Header, Operation};
use super::negotiate::{self, Kind};
use super::resync::{self, Search};
use super::transaction::{Message, Secured, Transaction};
use crate::contract::{Advance, Anomaly, Limits, ParseError, Parser, Sink};
use crate::nrbf::Behind;
use crate::registry::AppProto;
use crate::tds::ntlm;

/// Headers of one message.
const MAX_HEADERS: usize = 256;
/// Headers of the application's own that are kept.
const MAX_KEPT_HEADERS: usize = 16;
/// URIs kept besides the first.
const MAX_URIS: usize = 8;
/// The longest chunk header, and CR LF.
const CRLF: &[u8] = b"\r\n";
/// What is passed over at once where nothing can be read any more.
const REST: u64 = 1 << 40;

/// Where a direction is.
#[derive(Default)]
enum Phase {
    /// Before a message.
    #[default]
    Start,
    /// In the headers of one.
    Headers(Box<Building>),
    /// Before its content of so many bytes.
    Sized(Box<Building>, u32),
    /// Before a chunk of its content.
    Chunks(Box<Building>),
    /// Behind the part of a chunk that was kept, before CR LF.
    ChunkEnd(Box<Building>),
    /// In the rest of a chunk, of so many bytes, that is not kept.
    ChunkRest(Box<Building>, usize),
    /// In the rest of sized content.
    Rest(Box<Rest>),
    /// Inside a negotiated stream.
    Opaque,
    /// Out of step: the next message is looked for.
    Lost,
}

/// A message on its way.
#[derive(Default)]
struct Building {
    message: Message,
    delivery: Option<Delivery>,
    headers: usize,
    /// The name of a header whose value comes next.
    name: Option<String>,
    /// Chunks, up to the cap.
    chunks: Vec<u8>,
    /// What is behind it.
    behind: Option<Behind>,
}

/// What is behind the decoded part of a request that was told.
struct Rest {
    tx_id: u64,
    message: Message,
    left: usize,
    behind: Behind,
}

#[derive(Default)]
struct Lane {
    phase: Phase,
    /// Content was passed over undecoded: told to be in step again at the next message.
    passed_over: bool,
    /// This side finished a handshake.
    handshake: Option<bool>,
}

/// One step through a stream.
enum Step {
    Used(usize),
    Need(usize),
    Skip { used: usize, len: u64 },
}

/// Parses one connection.
pub struct NrtpParser {
    limits: Limits,
    /// Bytes of content that are decoded.
    max_message: usize,
    lanes: PerDirection<Lane>,
    /// Who sends requests, once known.
    client: Option<Direction>,
    exchanges: Exchanges,
    secured: Option<Box<Secured>>,
    secured_told: bool,
    confirmed: bool,
    told: Vec<(&'static str, Direction)>,
}

impl NrtpParser {
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            // Content fits the buffer, whatever is configured.
            max_message: limits.max_message.min(limits.max_buffer.saturating_sub(16)),
            lanes: PerDirection::default(),
            client: None,
            exchanges: Exchanges::default(),
            secured: None,
            secured_told: false,
            confirmed: false,
            told: Vec::new(),
        }
    }

    /// Each thing once a flow and direction.
    fn tell(&mut self, direction: Direction, event: &'static str, out: &mut dyn Sink) {
        if !self.told.contains(&(event, direction)) {
            self.told.push((event, direction));
            out.anomaly(Anomaly { app_proto: AppProto::Nrtp, event, direction });
        }
    }

    fn set(&mut self, direction: Direction, phase: Phase) {
        self.lanes.get_mut(direction).phase = phase;
    }

    fn confirm(&mut self, out: &mut dyn Sink) {
        if !self.confirmed {
            self.confirmed = true;
            out.confirmed(AppProto::Nrtp);
        }
    }

    fn lose(&mut self, direction: Direction, out: &mut dyn Sink) {
        if !matches!(self.lanes.get(direction).phase, Phase::Lost) {
            self.set(direction, Phase::Lost);
            out.in_sync(AppProto::Nrtp, direction, false);
        }
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let lane = self.lanes.get_mut(direction);
        match std::mem::take(&mut lane.phase) {
            Phase::Start => self.start(direction, bytes, out),
            Phase::Headers(building) => self.header(direction, building, bytes, out),
            Phase::Sized(building, len) => self.sized(direction, building, len, bytes, out),
            Phase::Chunks(building) => self.chunk(direction, building, bytes, out),
            Phase::ChunkEnd(building) => self.chunk_end(direction, building, bytes, out),
            Phase::ChunkRest(building, left) => self.chunk_rest(direction, building, left, bytes),
            Phase::Rest(rest) => self.rest(direction, rest, bytes, out),
            Phase::Opaque => {
                lane.phase = Phase::Opaque;
                Step::Skip { used: 0, len: REST }
            }
            Phase::Lost => {
                lane.phase = Phase::Lost;
                self.resync(direction, bytes, out)
            }
        }
    }

    fn start(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        if let Some(step) = self.secured(direction, bytes, out) {
            return step;
        }
        let (start, used) = match frame::start(bytes) {
            Ok(read) => read,
            Err(FrameError::Need(need)) => return Step::Need(need),
            Err(FrameError::Bad(event)) => {
                self.tell(direction, event, out);
                self.lose(direction, out);
                // The byte that is no beginning is passed; what follows is looked at again.
                return Step::Used(1);
            }
        };
        if std::mem::take(&mut self.lanes.get_mut(direction).passed_over) {
            out.in_sync(AppProto::Nrtp, direction, true);
        }
        if start.odd_version {
            self.tell(direction, anomaly::BAD_VERSION, out);
        }
        let sends = if start.operation == Operation::Reply { direction.reverse() } else { direction };
        match self.client {
            None => self.client = Some(sends),
            Some(client) if client != sends => self.tell(direction, anomaly::WRONG_SIDE, out),
            Some(_) => {}
        }
        let chunked = start.delivery == Delivery::Chunked;
        let message = Message { operation: start.operation, chunked, ..Message::default() };
        let building = Building { message, delivery: Some(start.delivery), ..Building::default() };
        self.set(direction, Phase::Headers(Box::new(building)));
        Step::Used(used)
    }

    /// A negotiated stream, or what is left of its handshake.
    fn secured(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Option<Step> {
        let begun = self.secured.is_some();
        // Behind its end there are records, and a length may look like another message.
        let ended = self.lanes.get(direction).handshake == Some(true);
        if !begun && !matches!(bytes.first(), Some(0x14..=0x16)) {
            return None;
        }
        let message = match if ended { Ok(None) } else { negotiate::message(bytes) } {
            Err(need) => return Some(Step::Need(need)),
            Ok(Some(message)) => message,
            // Behind the handshake: plain remoting where nothing is signed or sealed, otherwise records.
            Ok(None) if begun && frame::begins(bytes) != Some(false) => return None,
            Ok(None) if begun => {
                if self.lanes.get(direction).handshake.is_none() && self.lanes.get(direction.reverse()).handshake.is_none() {
                    self.tell(direction, anomaly::BAD_HANDSHAKE, out);
                }
                self.tell_secured(out);
                self.set(direction, Phase::Opaque);
                out.in_sync(AppProto::Nrtp, direction, false);
                return Some(Step::Skip { used: 0, len: REST });
            }
            Ok(None) => return None,
        };
        let Some(token) = bytes.get(message.header..message.header + message.len) else {
            return Some(Step::Need(message.header + message.len));
        };
        let secured = self.secured.get_or_insert_default();
        if message.len > 8 {
            let sspi = ntlm::parse(token);
            if secured.mechanism.is_empty() || secured.mechanism == "spnego" {
                secured.mechanism = sspi.mechanism;
            }
            if let Some(principal) = sspi.principal() {
                secured.user = Some(principal);
                secured.workstation = sspi.workstation;
            }
        }
        match message.kind {
            Kind::InProgress => {}
            Kind::Done => self.lanes.get_mut(direction).handshake = Some(true),
            Kind::Error => self.lanes.get_mut(direction).handshake = Some(false),
        }
        let done = [self.lanes.to_server.handshake, self.lanes.to_client.handshake];
        if done.contains(&Some(false)) {
            secured.established = Some(false);
            self.tell_secured(out);
        } else if done == [Some(true), Some(true)] {
            secured.established = Some(true);
            self.confirm(out);
            self.tell_secured(out);
        }
        Some(Step::Used(message.header + message.len))
    }

    fn tell_secured(&mut self, out: &mut dyn Sink) {
        if let Some(secured) = &self.secured
            && !std::mem::replace(&mut self.secured_told, true)
        {
            out.transaction(&crate::Transaction::Nrtp(Transaction::Secured(secured)));
        }
    }

    fn header(&mut self, direction: Direction, mut building: Box<Building>, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let read = if building.name.is_some() { frame::custom(bytes) } else { frame::header(bytes) };
        let frame::Read { header, used, skip } = match read {
            Ok(read) => read,
            Err(FrameError::Need(need)) => {
                self.set(direction, Phase::Headers(building));
                return Step::Need(need);
            }
            Err(FrameError::Bad(event)) => return self.broken(direction, *building, event, out),
        };
        building.headers += 1;
        if building.headers == MAX_HEADERS + 1 && header != Header::End {
            self.tell(direction, anomaly::TOO_MANY_HEADERS, out);
        }
        let message = &mut building.message;
        match header {
            Header::End => {
                self.confirm(out);
                let phase = match building.delivery {
                    Some(Delivery::Sized(0)) | None => {
                        self.complete(direction, *building, &[], true, out);
                        Phase::Start
                    }
                    Some(Delivery::Sized(len)) => Phase::Sized(building, len),
                    Some(Delivery::Chunked) => Phase::Chunks(building),
                };
                self.set(direction, phase);
                return Step::Used(used);
            }
            Header::Name(name) => building.name = Some(name),
            Header::Custom(value) => {
                let name = building.name.take().unwrap_or_default();
                if message.headers.len() < MAX_KEPT_HEADERS {
                    message.headers.push((name, value));
                }
            }
            Header::StatusCode(code) => message.status = Some(code),
            Header::StatusPhrase(phrase) => message.status_phrase = Some(phrase),
            Header::RequestUri(uri) if message.uri.is_none() => message.uri = Some(uri),
            Header::RequestUri(uri) => {
                if message.more_uris.len() < MAX_URIS {
                    message.more_uris.push(uri);
                }
            }
            Header::CloseConnection => message.closes = true,
            Header::ContentType(kind) => message.content_type = Some(kind),
            Header::Other(_) => {}
        }
        self.set(direction, Phase::Headers(building));
        if skip == 0 {
            return Step::Used(used);
        }
        self.tell(direction, anomaly::BAD_HEADER, out);
        self.pass_over(direction, out);
        Step::Skip { used, len: skip }
    }

    /// Headers that cannot be read: what was seen of the message is told, and the next one looked for.
    fn broken(&mut self, direction: Direction, building: Building, event: &'static str, out: &mut dyn Sink) -> Step {
        self.tell(direction, event, out);
        self.complete(direction, building, &[], false, out);
        self.lose(direction, out);
        Step::Used(0)
    }

    fn resync(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        match resync::search(bytes) {
            Search::Found(at) => {
                self.set(direction, Phase::Start);
                out.in_sync(AppProto::Nrtp, direction, true);
                Step::Used(at)
            }
            Search::Perhaps(0) => Step::Need(bytes.len() + 1),
            Search::Perhaps(at) => Step::Used(at),
            Search::Nowhere => Step::Used(bytes.len()),
        }
    }
}

impl Parser for NrtpParser {
    fn advance(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Advance::Consumed);
            }
            match self.step(direction, rest, out) {
                Step::Used(used) => consumed += used,
                Step::Need(need) => return Ok(Advance::Need { consumed, need }),
                Step::Skip { used, len } => return Ok(Advance::Skip { consumed: consumed + used, len }),
            }
        }
    }

    fn gap(&mut self, direction: Direction, left: &[u8], len: u64, out: &mut dyn Sink) -> Result<Advance, ParseError> {
        if matches!(self.lanes.get(direction).phase, Phase::Opaque) {
            return Ok(Advance::Consumed);
        }
        // The end of sized content is known. Of what is missing nothing is guessed.
        if let Some(missing) = self.abandon(direction, left, out).filter(|missing| *missing >= len) {
            if missing > len {
                return Ok(Advance::Skip { consumed: 0, len: missing - len });
            }
            return Ok(Advance::Consumed);
        }
        self.lose(direction, out);
        if let Some(client) = self.client.filter(|client| *client != direction) {
            // A reply may be among what is missing: what comes next answers what is asked next.
            self.exchanges.give_up(client, out);
        }
        Ok(Advance::Consumed)
    }

    fn close(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) {
        self.abandon(direction, left, out);
        self.tell_secured(out);
        if self.client != Some(direction) {
            self.exchanges.give_up(self.client.unwrap_or(Direction::ToServer), out);
        }
    }

    fn is_ciphertext(&self) -> bool {
        matches!(self.lanes.to_server.phase, Phase::Opaque) || matches!(self.lanes.to_client.phase, Phase::Opaque)
    }

    fn held(&self) -> usize {
        let building = |lane: &Lane| match &lane.phase {
            Phase::Headers(building)
            | Phase::Sized(building, _)
            | Phase::Chunks(building)
            | Phase::ChunkEnd(building)
            | Phase::ChunkRest(building, _) => {
                building.chunks.capacity() + size_of::<Building>() + building.behind.as_ref().map_or(0, Behind::held)
            }
            Phase::Rest(rest) => size_of::<Rest>() + rest.message.size() + rest.behind.held(),
            _ => 0,
        };
        building(&self.lanes.to_server) + building(&self.lanes.to_client) + self.exchanges.held()
    }
}
