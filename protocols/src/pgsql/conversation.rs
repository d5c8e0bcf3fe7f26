//! Messages to meaning: what each one does to the session, the requests and the statements.

use std::borrow::Cow;
use std::sync::Arc;

use backstop_types::Direction;

use super::anomaly;
use super::backend::{self, Authentication};
use super::exchange::{Asked, Exchanges};
use super::frontend::{self, Values};
use super::message::{Code, Header, Side, cstring, head, printable};
use super::queue::Step;
use super::session::{Encryption, Session};
use super::statement::{Portal, Prepared, Statement};
use super::transaction::Kind;
use crate::contract::{Content, Limits, Sink};
use crate::cursor::Cursor;
use crate::sql;

/// Bytes of COPY data from the client that are offered to the scanner.
const COPY_HEAD: usize = 16 * 1024;
/// Bytes of a message of the server that are read.
const SERVER_HEAD: usize = 16 * 1024;
/// Parameters of a startup, and of a server, that are kept.
pub const MAX_PARAMETERS: usize = 32;
/// Bytes of a parameter's name and of its value that are kept.
pub const MAX_NAME: usize = 64;
pub const MAX_VALUE: usize = 256;
/// Shorter parameters of a statement are not worth a scan of their own.
const MIN_CONTENT: usize = 16;

/// A message, as far as it is there.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    pub direction: Direction,
    pub kind: u8,
    pub body: &'a [u8],
    /// Bytes of the whole body.
    pub len: usize,
}

impl Message<'_> {
    const fn is_whole(&self) -> bool {
        self.body.len() == self.len
    }
}

/// What became of an encryption request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asking {
    #[default]
    None,
    Asked(Encryption),
    Accepted(Encryption),
}

/// The beginning of COPY data.
#[derive(Default)]
struct CopyHead {
    tx_id: Option<u64>,
    bytes: Vec<u8>,
}

/// What is known of the conversation. Calls answer with an anomaly to tell, if there is one.
pub struct Conversation {
    max_message: usize,
    max_text: usize,
    pub session: Session,
    pub exchanges: Exchanges,
    prepared: Prepared,
    pub asking: Asking,
    copy_head: CopyHead,
    /// Told once each.
    statement_limit: bool,
}

impl Conversation {
    pub fn new(limits: &Limits) -> Self {
        Self {
            // A message and its header fit the buffer, whatever is configured.
            max_message: limits.max_message.min(limits.max_buffer.saturating_sub(16)),
            max_text: limits.max_text,
            session: Session::default(),
            exchanges: Exchanges::new(limits),
            prepared: Prepared::new(limits),
            asking: Asking::None,
            copy_head: CopyHead::default(),
            statement_limit: false,
        }
    }

    pub fn held(&self) -> usize {
        self.exchanges.held() + self.prepared.held() + self.copy_head.bytes.capacity()
    }

    /// Bytes of a message that are read.
    pub const fn max_message(&self) -> usize {
        self.max_message
    }

    /// How much of a message is read; the rest is passed over.
    pub fn wanted(&self, side: Side, header: Header) -> usize {
        let most = match (side, header.kind) {
            (Side::Frontend, b'Q' | b'P' | b'B' | b'F' | b'E' | b'D' | b'C') => self.max_message,
            (Side::Frontend, b'd') => COPY_HEAD.saturating_sub(self.copy_head.bytes.len()),
            // The mechanism's name; no proof of any kind is read.
            (Side::Frontend, b'p') if self.names_mechanism() => MAX_NAME,
            (Side::Backend, b'D') => 2,
            (Side::Backend, b'K') => 4,
            (Side::Backend, b'R' | b'S' | b'T' | b'E' | b'C' | b'Z' | b'G' | b'H' | b'W' | b'v') => SERVER_HEAD,
            _ => 0,
        };
        header.len.min(most).min(self.max_message)
    }

    /// Bytes of a startup packet that are read.
    pub fn wanted_of_startup(&self, len: usize) -> usize {
        len.min(self.max_message)
    }

    /// Whether a cap left something out that may matter.
    pub const fn is_cut(kind: u8) -> bool {
        matches!(kind, b'Q' | b'P' | b'B' | b'F')
    }

    /// Bytes of the client are missing.
    pub fn lose_client(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.prepared.lose();
        self.offer_copy(direction, out);
    }

    fn names_mechanism(&self) -> bool {
        matches!(self.session.authentication, Some(Authentication::Sasl(_))) && self.session.mechanism.is_none()
    }

    /// A startup packet.
    pub fn startup(&mut self, code: Code, message: Message<'_>, out: &mut dyn Sink) -> Option<&'static str> {
        let mut kept = true;
        let mut event = None;
        match code {
            Code::Startup(minor) => {
                let well_formed = self.startup_parameters(message.body);
                event = (message.is_whole() && !well_formed).then_some(anomaly::BAD_STARTUP);
                self.session.version = Some((3, minor));
                kept = self.exchanges.startup(&self.session, out);
            }
            Code::SslRequest | Code::GssEncRequest => {
                let (kind, encryption) = match code {
                    Code::SslRequest => (Kind::SslRequest, Encryption::Tls),
                    _ => (Kind::GssEncRequest, Encryption::Gss),
                };
                self.asking = Asking::Asked(encryption);
                kept = self.exchanges.request(Asked::plain(Step::Encryption, kind), Arc::default(), &self.session, out);
            }
            Code::CancelRequest => {
                let process_id = Cursor::new(message.body).u32_be().ok();
                self.exchanges.cancel(process_id, &self.session, out);
            }
        }
        if kept { event } else { Some(anomaly::PENDING_LIMIT) }
    }

    /// Names and values up to an empty name, and nothing behind it.
    fn startup_parameters(&mut self, body: &[u8]) -> bool {
        let mut cursor = Cursor::new(body);
        self.session.parameters.clear();
        while cursor.remaining() > 1 {
            let Some((name, value)) = backend::pair(&mut cursor) else { return false };
            if name.is_empty() {
                return false;
            }
            if self.session.parameters.len() < MAX_PARAMETERS {
                self.session.parameters.push((printable(name, MAX_NAME), printable(value, MAX_VALUE)));
            }
        }
        cursor.u8() == Ok(0)
    }

    /// The server's answer to an encryption request.
    pub fn encryption_answer(&mut self, accepted: Option<Encryption>, out: &mut dyn Sink) -> Option<&'static str> {
        let ahead = accepted.is_some() && self.exchanges.is_ahead_of_encryption();
        self.asking = accepted.map_or(Asking::None, Asking::Accepted);
        self.session.encryption = accepted;
        self.exchanges.encryption_answered(Some(accepted.is_some()), &self.session, out);
        ahead.then_some(anomaly::CLEAR_BEFORE_ENCRYPTION)
    }

    /// A message of the client.
    pub fn client(&mut self, message: Message<'_>, out: &mut dyn Sink) -> Option<&'static str> {
        let mut well_formed = true;
        let kept = match message.kind {
            b'Q' => {
                let (text, ends) = frontend::query(message.body);
                well_formed = ends;
                let relieved = relieved(text, self.max_text);
                let lossy = String::from_utf8_lossy(&relieved);
                let shown = head(&lossy, self.max_text);
                let text_cut = !message.is_whole() || shown.len() < lossy.len();
                let asked = Asked { text: Some(shown), text_cut, ..Asked::plain(Step::Query, Kind::SimpleQuery) };
                let tx_id = self.begins_request();
                let kept = self.exchanges.request(asked, Arc::default(), &self.session, out);
                offer(text, &["pgsql.query"], message.direction, Some(tx_id), out);
                kept
            }
            b'P' => match frontend::parse(message.body) {
                Some(parse) => {
                    well_formed = parse.well_formed;
                    return self.parse(parse, message, out).or_else(|| malformed(message, well_formed));
                }
                None => {
                    well_formed = false;
                    self.exchanges.step(Step::Parse, &self.session, out)
                }
            },
            b'B' => {
                well_formed = frontend::bind(message.body).is_some_and(|bind| self.bind(&bind, message.direction, out));
                self.exchanges.step(Step::Bind, &self.session, out)
            }
            b'E' => {
                let portal = frontend::execute(message.body);
                well_formed = portal.is_some();
                self.begins_request();
                let portal = portal.and_then(|portal| self.prepared.portals.get(portal));
                self.exchanges.execute(portal, &self.session, out)
            }
            b'F' => {
                let call = frontend::function_call(message.body);
                well_formed = call.as_ref().is_some_and(|call| call.values.well_formed);
                let asked = Asked {
                    function: call.as_ref().map(|call| call.function),
                    text_cut: !message.is_whole(),
                    ..Asked::plain(Step::Function, Kind::FunctionCall)
                };
                let tx_id = self.begins_request();
                let values = call.map(|call| call.values).unwrap_or_default();
                let kept = self.exchanges.request(asked, values.keep().into(), &self.session, out);
                offer_values(&values, message.direction, Some(tx_id), out);
                kept
            }
            b'D' => {
                well_formed = frontend::target(message.body).is_some();
                self.exchanges.step(Step::Describe, &self.session, out)
            }
            b'C' => {
                let target = frontend::target(message.body);
                well_formed = target.is_some();
                match target {
                    Some((true, name)) => self.prepared.statements.remove(name),
                    Some((false, name)) => self.prepared.portals.remove(name),
                    None => {}
                }
                self.exchanges.step(Step::Close, &self.session, out)
            }
            b'S' => self.exchanges.step(Step::Sync, &self.session, out),
            b'c' | b'f' => {
                self.offer_copy(message.direction, out);
                self.exchanges.step(Step::CopyEnd, &self.session, out)
            }
            b'd' => {
                self.exchanges.copied_in(message.len);
                self.copy_head.bytes.extend_from_slice(message.body);
                if self.copy_head.bytes.len() >= COPY_HEAD {
                    self.offer_copy_head(message.direction, out);
                }
                true
            }
            b'p' => {
                self.session.proof_sent = true;
                if self.session.mechanism.is_none()
                    && let Some(Authentication::Sasl(offered)) = &self.session.authentication
                {
                    // Only a name that was offered: anything else may be a secret.
                    let name = cstring(&mut Cursor::new(message.body)).map(|name| printable(name, MAX_NAME));
                    self.session.mechanism = name.filter(|name| offered.contains(name));
                }
                true
            }
            _ => true,
        };
        if kept { malformed(message, well_formed) } else { Some(anomaly::PENDING_LIMIT) }
    }

    fn parse(&mut self, parse: frontend::Parse<'_>, message: Message<'_>, out: &mut dyn Sink) -> Option<&'static str> {
        offer(parse.text, &["pgsql.query"], message.direction, None, out);
        let relieved = relieved(parse.text, self.max_text);
        let lossy = String::from_utf8_lossy(&relieved);
        let shown = head(&lossy, self.max_text);
        let statement = Statement { text: Arc::from(shown), cut: !message.is_whole() || shown.len() < lossy.len() };
        let kept = self.exchanges.parse(&statement, &self.session, out);
        let bytes = statement.text.len();
        let remembered = self.prepared.statements.insert(parse.name, statement, bytes);
        match (kept, remembered || std::mem::replace(&mut self.statement_limit, true)) {
            (false, _) => Some(anomaly::PENDING_LIMIT),
            (true, false) => Some(anomaly::STATEMENT_LIMIT),
            (true, true) => None,
        }
    }

    fn bind(&mut self, bind: &frontend::Bind<'_>, direction: Direction, out: &mut dyn Sink) -> bool {
        offer_values(&bind.values, direction, None, out);
        let statement = self.prepared.statements.get(bind.statement).cloned();
        let parameters = Arc::<[frontend::Parameter]>::from(bind.values.keep());
        let bytes = frontend::held(&parameters) + statement.as_ref().map_or(0, |statement| statement.text.len());
        self.prepared.portals.insert(bind.portal, Portal { statement, parameters }, bytes);
        bind.values.well_formed
    }

    /// The number of the request that comes now; COPY data behind it is its own.
    fn begins_request(&mut self) -> u64 {
        let tx_id = self.exchanges.next_tx();
        self.copy_head = CopyHead { tx_id: Some(tx_id), bytes: Vec::new() };
        tx_id
    }

    fn offer_copy_head(&mut self, direction: Direction, out: &mut dyn Sink) {
        offer(&self.copy_head.bytes, &["pgsql.copy"], direction, self.copy_head.tx_id, out);
    }

    /// The end of COPY data from the client, or of what is known of it.
    pub fn offer_copy(&mut self, direction: Direction, out: &mut dyn Sink) {
        let bytes = self.copy_head.bytes.len();
        if (1..COPY_HEAD).contains(&bytes) {
            self.offer_copy_head(direction, out);
        }
        self.copy_head.bytes = Vec::new();
    }
}

/// A text above its cap without its padding.
fn relieved(text: &[u8], max: usize) -> Cow<'_, [u8]> {
    if text.len() > max { Cow::Owned(sql::squeeze(text, sql::Dialect::Postgres)) } else { Cow::Borrowed(text) }
}

/// A whole message that does not fit its format.
pub fn malformed(message: Message<'_>, well_formed: bool) -> Option<&'static str> {
    (message.is_whole() && !well_formed).then_some(anomaly::MALFORMED_MESSAGE)
}

fn offer(bytes: &[u8], layers: &[&'static str], direction: Direction, tx_id: Option<u64>, out: &mut dyn Sink) {
    if !bytes.is_empty() {
        out.content(Content { bytes, layers, direction, tx_id });
    }
}

fn offer_values(values: &Values<'_>, direction: Direction, tx_id: Option<u64>, out: &mut dyn Sink) {
    for text in values.texts().filter(|text| text.len() >= MIN_CONTENT) {
        offer(text, &["pgsql.parameter"], direction, tx_id, out);
    }
}
