//! The state machine of both directions.

use backstop_types::{Direction, PerDirection};

use super::anomaly;
use super::conversation::{Asking, Conversation, Message};
use super::long::Long;
use super::message::{Code, HEADER, Header, HeaderError, STARTUP_HEADER, Side, header, startup_header};
use super::resync::{self, Search};
use super::session::Encryption;
use crate::contract::{Advance, Anomaly, Limits, ParseError, Parser, Sink};
use crate::registry::AppProto;

/// A longer message is not the first of a server.
const MAX_FIRST: usize = 1 << 24;

/// Where a direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Before the StartupMessage, or the first message of the server.
    #[default]
    Start,
    /// At a message.
    Messages,
    /// After Terminate or CancelRequest, or closed.
    Ended,
    /// Out of step: the next message is looked for.
    Lost,
}

#[derive(Default)]
struct Lane {
    phase: Phase,
    /// Bytes were seen.
    begun: bool,
    /// Goes on inside the encryption that was agreed upon.
    wrapped: bool,
    /// Bytes were passed over undecoded: told to be in step again at the next message.
    passed_over: bool,
}

/// One step through a stream.
enum Step {
    Used(usize),
    Need(usize),
    Skip { used: usize, len: usize },
    Wrap { used: usize, within: Option<AppProto> },
}

/// Parses one connection.
pub struct PgsqlParser {
    lanes: PerDirection<Lane>,
    /// Who sends as the client; by the first bytes of the flow.
    client: Direction,
    conversation: Conversation,
    /// Bytes are missing, or the middle of a session was picked up: what does not fit is nobody's violation.
    unsure: bool,
    confirmed: bool,
    /// A statement of the client that is longer than the cap.
    long: Option<Long>,
}

impl PgsqlParser {
    pub fn new(limits: &Limits) -> Self {
        Self {
            lanes: PerDirection::default(),
            client: Direction::ToServer,
            conversation: Conversation::new(limits),
            unsure: false,
            confirmed: false,
            long: None,
        }
    }

    fn side(&self, direction: Direction) -> Side {
        if direction == self.client { Side::Frontend } else { Side::Backend }
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        if !self.lanes.to_server.begun && !self.lanes.to_client.begun {
            self.choose_roles(direction, bytes);
        }
        if direction == self.client
            && let Some(long) = self.long.take()
        {
            return Ok(self.long_bytes(long, direction, bytes, out));
        }
        let lane = self.lanes.get_mut(direction);
        let begins = !std::mem::replace(&mut lane.begun, true);
        if std::mem::take(&mut lane.passed_over) {
            out.in_sync(AppProto::Pgsql, direction, true);
        }
        if let Some(within) = self.enters_encryption(direction, bytes) {
            let lane = self.lanes.get_mut(direction);
            lane.wrapped = true;
            lane.phase = Phase::Start;
            return Ok(Step::Wrap { used: 0, within });
        }
        match (self.lanes.get(direction).phase, self.side(direction)) {
            (Phase::Lost, _) => Ok(self.search(direction, bytes, out)),
            (Phase::Start, Side::Frontend) if bytes.first() == Some(&0) || !begins => self.startup(direction, bytes, out),
            (Phase::Ended, Side::Frontend) => self.violation(direction, anomaly::UNEXPECTED_MESSAGE, out),
            (_, Side::Backend) if self.conversation.exchanges.awaits_encryption() => self.answer(direction, bytes, out),
            (Phase::Start, Side::Backend) if matches!(bytes.first(), Some(b'S' | b'N' | b'G')) => {
                self.unasked_answer(direction, bytes, out)
            }
            (Phase::Start, side) => {
                self.lanes.get_mut(direction).phase = Phase::Messages;
                // The client begins with a message: the middle of a session. What the server says first may be its very first.
                self.unsure |= side == Side::Frontend || !matches!(bytes.first(), Some(b'R' | b'E'));
                self.message(direction, bytes, out)
            }
            (Phase::Messages | Phase::Ended, _) => self.message(direction, bytes, out),
        }
    }

    /// The first bytes of the flow tell the roles, also when it was picked up in its middle the wrong way round.
    fn choose_roles(&mut self, direction: Direction, bytes: &[u8]) {
        self.client = match resync::side(bytes) {
            Some(Side::Frontend) => direction,
            Some(Side::Backend) => direction.reverse(),
            None => self.client,
        };
    }

    /// The bytes of the client behind an encryption request that was accepted, or that it goes on with as if it were.
    fn enters_encryption(&self, direction: Direction, bytes: &[u8]) -> Option<Option<AppProto>> {
        let lane = self.lanes.get(direction);
        if direction != self.client || lane.wrapped {
            return None;
        }
        match self.conversation.asking {
            Asking::Accepted(Encryption::Tls) => Some(Some(AppProto::Tls)),
            Asking::Accepted(Encryption::Gss) => Some(None),
            Asking::Asked(Encryption::Tls) if lane.phase == Phase::Start && bytes.first() == Some(&0x16) => {
                Some(Some(AppProto::Tls))
            }
            Asking::Asked(_) | Asking::None => None,
        }
    }

    fn startup(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let head = match startup_header(bytes) {
            Ok(head) => head,
            Err(HeaderError::Need(need)) => return Ok(Step::Need(need)),
            Err(HeaderError::UnknownType) => return self.violation(direction, anomaly::UNSUPPORTED_VERSION, out),
            Err(HeaderError::BadLength) => return self.violation(direction, anomaly::BAD_STARTUP, out),
        };
        let wanted = self.conversation.wanted_of_startup(head.len);
        let Some(body) = bytes.get(STARTUP_HEADER..STARTUP_HEADER + wanted) else {
            return Ok(Step::Need(STARTUP_HEADER + wanted));
        };
        self.startup_packet(direction, head.code, body, head.len, out);
        Ok(Step::Skip { used: STARTUP_HEADER + wanted, len: head.len - wanted })
    }

    fn startup_packet(&mut self, direction: Direction, code: Code, body: &[u8], len: usize, out: &mut dyn Sink) {
        self.lanes.get_mut(direction).phase = match code {
            Code::Startup(_) => Phase::Messages,
            Code::CancelRequest => Phase::Ended,
            Code::SslRequest | Code::GssEncRequest => Phase::Start,
        };
        // An encryption request alone is what scanners send to anything: the answer confirms it.
        if matches!(code, Code::Startup(_) | Code::CancelRequest) {
            self.confirm(out);
        }
        let event = self.conversation.startup(code, Message { direction, kind: 0, body, len }, out);
        self.tell(direction, event, out);
    }

    /// The one byte that answers an encryption request, or an error.
    fn answer(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let accepted = match (bytes.first(), self.conversation.asking) {
            (Some(b'S'), Asking::Asked(Encryption::Tls)) => Some(Encryption::Tls),
            (Some(b'G'), Asking::Asked(Encryption::Gss)) => Some(Encryption::Gss),
            (Some(b'N'), _) => None,
            (Some(b'E'), _) => return self.message(direction, bytes, out),
            _ if self.unsure => {
                self.conversation.exchanges.encryption_answered(None, &self.conversation.session, out);
                return Ok(Step::Used(0));
            }
            _ => return self.violation(direction, anomaly::BAD_ENCRYPTION_ANSWER, out),
        };
        Ok(self.answered(direction, accepted, out))
    }

    /// One byte, or a message: the request was not seen, if there was one.
    fn unasked_answer(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        self.unsure = true;
        match header(Side::Backend, bytes) {
            Err(HeaderError::Need(need)) => Ok(Step::Need(need)),
            Ok(Header { len, .. }) if len < MAX_FIRST => {
                self.lanes.get_mut(direction).phase = Phase::Messages;
                self.message(direction, bytes, out)
            }
            _ => Ok(self.answered(direction, (bytes.first() == Some(&b'S')).then_some(Encryption::Tls), out)),
        }
    }

    fn answered(&mut self, direction: Direction, accepted: Option<Encryption>, out: &mut dyn Sink) -> Step {
        self.confirm(out);
        let event = self.conversation.encryption_answer(accepted, out);
        self.tell(direction, event, out);
        match accepted {
            None => Step::Used(1),
            Some(encryption) => {
                self.lanes.get_mut(direction).wrapped = true;
                Step::Wrap { used: 1, within: (encryption == Encryption::Tls).then_some(AppProto::Tls) }
            }
        }
    }

    fn message(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let side = self.side(direction);
        let header = match header(side, bytes) {
            Ok(header) => header,
            Err(HeaderError::Need(need)) => return Ok(Step::Need(need)),
            Err(HeaderError::UnknownType) => return self.violation(direction, anomaly::UNEXPECTED_MESSAGE, out),
            Err(HeaderError::BadLength) => return self.violation(direction, anomaly::BAD_LENGTH, out),
        };
        let wanted = self.conversation.wanted(side, header);
        if wanted < header.len && side == Side::Frontend && Long::is_statement(header.kind) {
            self.long = Some(Long::new(header));
            return Ok(Step::Used(HEADER));
        }
        let Some(body) = bytes.get(HEADER..HEADER + wanted) else { return Ok(Step::Need(HEADER + wanted)) };
        self.typed(direction, header, body, out);
        if wanted < header.len && side == Side::Frontend && Conversation::is_cut(header.kind) {
            self.tell(direction, Some(anomaly::REQUEST_CUT), out);
            self.leave_undecoded(direction, out);
        }
        let (used, len) = (HEADER + wanted, header.len - wanted);
        // What is here already is passed over here.
        Ok(if bytes.len() - used >= len { Step::Used(used + len) } else { Step::Skip { used, len } })
    }

    fn long_bytes(&mut self, mut long: Long, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let used = long.take(bytes, self.conversation.max_message());
        if long.left == 0 {
            long.squeeze();
            self.typed(direction, long.header(), &long.bytes, out);
            return Step::Used(used);
        }
        if used == bytes.len() {
            self.long = Some(long);
            return Step::Used(used);
        }
        self.typed(direction, long.header(), &long.bytes, out);
        self.tell(direction, Some(anomaly::REQUEST_CUT), out);
        self.leave_undecoded(direction, out);
        let len = long.left;
        if bytes.len() - used >= len { Step::Used(used + len) } else { Step::Skip { used, len } }
    }

    fn typed(&mut self, direction: Direction, header: Header, body: &[u8], out: &mut dyn Sink) {
        let message = Message { direction, kind: header.kind, body, len: header.len };
        let event = match self.side(direction) {
            Side::Frontend => {
                if header.kind == b'X' {
                    self.lanes.get_mut(direction).phase = Phase::Ended;
                }
                self.conversation.client(message, out)
            }
            Side::Backend => {
                self.lanes.get_mut(direction).phase = Phase::Messages;
                self.conversation.server(message, out)
            }
        };
        if matches!(header.kind, b'R' | b'Z' | b'Q') {
            self.confirm(out);
        }
        self.tell(direction, event, out);
    }

    fn search(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let startup = self.conversation.session.version.is_none();
        match resync::search(self.side(direction), bytes, startup) {
            Search::Found { at, startup } => {
                self.lanes.get_mut(direction).phase = if startup { Phase::Start } else { Phase::Messages };
                out.in_sync(AppProto::Pgsql, direction, true);
                Step::Used(at)
            }
            Search::Perhaps { skip: 0, need } => Step::Need(need),
            Search::Perhaps { skip, .. } => Step::Used(skip),
            Search::Nowhere => Step::Used(bytes.len()),
        }
    }

    /// The head of a message whose rest is missing. How many bytes of it are.
    fn partial(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) -> Option<u64> {
        let side = self.side(direction);
        if side == Side::Frontend
            && let Some(long) = self.long.take()
        {
            self.typed(direction, long.header(), &long.bytes, out);
            return Some(long.left as u64);
        }
        let (used, len) = match self.lanes.get(direction).phase {
            Phase::Messages if side == Side::Frontend || !self.conversation.exchanges.awaits_encryption() => {
                let header = header(side, left).ok()?;
                let body = left.get(HEADER..).unwrap_or_default();
                self.typed(direction, header, body.get(..header.len).unwrap_or(body), out);
                (HEADER, header.len)
            }
            Phase::Start if side == Side::Frontend => {
                let head = startup_header(left).ok()?;
                let body = left.get(STARTUP_HEADER..).unwrap_or_default();
                self.startup_packet(direction, head.code, body.get(..head.len).unwrap_or(body), head.len, out);
                (STARTUP_HEADER, head.len)
            }
            Phase::Start | Phase::Messages | Phase::Ended | Phase::Lost => return None,
        };
        Some((used + len).saturating_sub(left.len()) as u64)
    }

    /// What is not decoded of a request is left to the content rules, up to the next message.
    fn leave_undecoded(&mut self, direction: Direction, out: &mut dyn Sink) {
        if direction == self.client {
            out.in_sync(AppProto::Pgsql, direction, false);
            self.lanes.get_mut(direction).passed_over = true;
        }
    }

    fn lose(&mut self, direction: Direction, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        lane.phase = Phase::Lost;
        lane.begun = true;
        lane.passed_over = false;
        self.unsure = true;
        if direction == self.client {
            self.conversation.lose_client(direction, out);
        } else {
            self.conversation.exchanges.lose();
        }
        out.in_sync(AppProto::Pgsql, direction, false);
    }

    fn confirm(&mut self, out: &mut dyn Sink) {
        if !std::mem::replace(&mut self.confirmed, true) {
            out.confirmed(AppProto::Pgsql);
        }
    }

    fn tell(&self, direction: Direction, event: Option<&'static str>, out: &mut dyn Sink) {
        if let Some(event) = event.filter(|event| !self.unsure || !anomaly::is_violation(event)) {
            out.anomaly(Anomaly { app_proto: AppProto::Pgsql, event, direction });
        }
    }

    /// Nothing can be read behind this, unless the place was a guess.
    fn violation(&mut self, direction: Direction, event: &'static str, out: &mut dyn Sink) -> Result<Step, ParseError> {
        if self.unsure {
            self.lose(direction, out);
            return Ok(Step::Used(0));
        }
        self.conversation.exchanges.close(&self.conversation.session, out);
        Err(ParseError { offset: 0, event })
    }
}

impl Parser for PgsqlParser {
    fn advance(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Advance::Consumed);
            }
            match self.step(direction, rest, out).map_err(|error| ParseError { offset: consumed, ..error })? {
                Step::Used(used) | Step::Skip { used, len: 0 } => consumed += used,
                Step::Need(need) => return Ok(Advance::Need { consumed, need }),
                Step::Skip { used, len } => return Ok(Advance::Skip { consumed: consumed + used, len: len as u64 }),
                Step::Wrap { used, within } => return Ok(Advance::Wrap { consumed: consumed + used, within }),
            }
        }
    }

    fn gap(&mut self, direction: Direction, left: &[u8], len: u64, out: &mut dyn Sink) -> Result<Advance, ParseError> {
        self.unsure = true;
        // Inside a message: its head is worth reading, and its end is known.
        if let Some(missing) = self.partial(direction, left, out)
            && missing >= len
        {
            self.leave_undecoded(direction, out);
            return Ok(Advance::Skip { consumed: 0, len: missing - len });
        }
        self.lose(direction, out);
        Ok(Advance::Consumed)
    }

    fn close(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) {
        self.partial(direction, left, out);
        self.lanes.get_mut(direction).phase = Phase::Ended;
        if direction == self.client {
            self.conversation.offer_copy(direction, out);
        }
        // A request that was seen behind the end of the server has no reply either.
        if self.lanes.get(self.client.reverse()).phase == Phase::Ended {
            self.conversation.exchanges.close(&self.conversation.session, out);
        }
    }

    fn held(&self) -> usize {
        self.conversation.held() + self.long.as_ref().map_or(0, |long| long.bytes.capacity())
    }
}
