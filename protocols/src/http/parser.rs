//! Bytes to messages: a state for each direction, and what both share.

use backstop_types::{Direction, PerDirection};

use super::anomaly;
use super::body::{About, Body, Budget, Finished};
use super::channel::Channel;
use super::chunked::Chunks;
use super::exchanges::{Current, Exchanges};
use super::framing::{self, Framing};
use super::head::{Deviations, Head, Start};
use super::line::{Line, LineBuffer};
use super::message::{End, Ends, Message};
use super::multipart;
use super::name;
use super::probe;
use super::ranges::Ranges;
use super::transaction::Transaction;
use crate::contract::{Advance, Anomaly, Limits, ParseError, Parser, Sink};
use crate::registry::{self, AppProto};
use crate::winrm::Follower;

/// Bytes of a line behind a gap that are looked at.
const MAX_LOST_LINE: usize = 16 * 1024;
/// Bytes behind CONNECT that wait for its answer.
const MAX_EARLY: usize = 4 * 1024;
/// What is passed over at once where nothing is read any more.
const REST: u64 = 1 << 40;

/// Where a direction is.
#[derive(Default)]
enum State {
    /// Before a message.
    #[default]
    Start,
    /// In a head.
    Head(Box<Head>),
    /// In a body.
    Body(Box<Message>),
    /// Behind CONNECT: its answer decides.
    Awaiting,
    /// The connection was given over to something else.
    Through,
    /// HTTP/2, or nothing that is read here.
    Opaque,
    /// Sync is lost.
    Lost,
}

#[derive(Default)]
struct Lane {
    state: State,
    lines: LineBuffer,
    closed: bool,
}

/// Reads both directions of a connection.
pub struct HttpParser {
    limits: Limits,
    lanes: PerDirection<Lane>,
    exchanges: Exchanges,
    /// The response whose body is on its way.
    current: Option<Box<Current>>,
    budget: Budget,
    ranges: Ranges,
    channel: Option<Box<Channel>>,
    confirmed: bool,
    /// The direction of requests.
    client: Option<Direction>,
    told: Vec<(&'static str, Direction)>,
    deviations: Deviations,
    winrm: Follower,
}

/// What a step did.
enum Step {
    Used(usize),
    Done(Advance),
}

impl HttpParser {
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            lanes: PerDirection::default(),
            exchanges: Exchanges::default(),
            current: None,
            budget: Budget::default(),
            ranges: Ranges::default(),
            channel: None,
            confirmed: false,
            client: None,
            told: Vec::new(),
            deviations: Vec::new(),
            winrm: Follower::default(),
        }
    }

    /// Says what was found wrong: each thing once a flow and direction.
    fn tell(&mut self, direction: Direction, out: &mut dyn Sink) {
        for event in std::mem::take(&mut self.deviations) {
            if !self.told.contains(&(event, direction)) {
                self.told.push((event, direction));
                out.anomaly(Anomaly { app_proto: AppProto::Http, event, direction });
            }
        }
    }

    fn set(&mut self, direction: Direction, state: State) {
        self.lanes.get_mut(direction).state = state;
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let lane = self.lanes.get_mut(direction);
        match &mut lane.state {
            State::Through => Ok(Step::Done(Advance::Upgrade { consumed: 0, to: None })),
            State::Opaque => Ok(Step::Done(Advance::Skip { consumed: 0, len: REST })),
            State::Awaiting if bytes.len() > MAX_EARLY => {
                self.deviations.push(anomaly::EARLY_TUNNEL_DATA);
                self.set(direction, State::Through);
                Ok(Step::Used(0))
            }
            State::Awaiting => Ok(Step::Done(Advance::Need { consumed: 0, need: bytes.len() + 1 })),
            State::Body(message) => {
                let (used, ends) = message.push(bytes, &mut lane.lines, self.channel.as_deref_mut(), out, &mut self.deviations);
                match ends {
                    Ends::No => {}
                    Ends::Here => self.end_of_body(direction, true, out),
                    Ends::Lost => self.lose(direction, out),
                }
                Ok(Step::Used(used))
            }
            State::Start | State::Head(_) | State::Lost => {
                let lost = matches!(lane.state, State::Lost);
                let max = if lost { MAX_LOST_LINE } else { self.limits.max_message };
                let mut lines = std::mem::take(&mut lane.lines);
                let mut store = Vec::new();
                let (used, line) = lines.take(bytes, max, &mut store);
                let result = match line {
                    Some(line) if lost => {
                        self.search(direction, &line, out);
                        Ok(())
                    }
                    Some(line) => self.line(direction, &line, out),
                    None => Ok(()),
                };
                self.lanes.get_mut(direction).lines = lines;
                result.map(|()| Step::Used(used))
            }
        }
    }

    fn search(&mut self, direction: Direction, line: &Line<'_>, out: &mut dyn Sink) {
        let from_client = self.client.map_or(direction == Direction::ToServer, |client| client == direction);
        let Some(text) = probe::resume(line.text, from_client).filter(|_| !line.cut) else { return };
        let line = Line { text, ..*line };
        if let Some(head) = Head::begin(&line, &mut self.deviations) {
            out.in_sync(AppProto::Http, direction, true);
            self.set(direction, State::Head(Box::new(head)));
        }
    }

    fn line(&mut self, direction: Direction, line: &Line<'_>, out: &mut dyn Sink) -> Result<(), ParseError> {
        let max = self.limits.max_message;
        let lane = self.lanes.get_mut(direction);
        match std::mem::take(&mut lane.state) {
            State::Head(mut head) => {
                if line.text.is_empty() && !line.cut {
                    head.end(line, &mut self.deviations);
                    self.head(direction, *head, out);
                } else {
                    head.push(line, max, &mut self.deviations);
                    lane.state = State::Head(head);
                }
                Ok(())
            }
            // RFC 9112 §2.2: empty lines before a start line.
            _ if line.text.is_empty() && !line.cut => Ok(()),
            _ => self.start(direction, line, out),
        }
    }

    fn start(&mut self, direction: Direction, line: &Line<'_>, out: &mut dyn Sink) -> Result<(), ParseError> {
        if line.text == b"PRI * HTTP/2.0" {
            self.http2(direction, out);
            return Ok(());
        }
        let is_request = |head: &Head| matches!(head.start, Start::Request { .. });
        let head = Head::begin(line, &mut self.deviations)
            .filter(|head| self.client.is_none_or(|client| (client == direction) == is_request(head)));
        match head {
            Some(head) => {
                if self.client.is_none() {
                    self.client = Some(if is_request(&head) { direction } else { direction.reverse() });
                }
                self.set(direction, State::Head(Box::new(head)));
            }
            None if !self.confirmed => return Err(ParseError { offset: 0, event: anomaly::BAD_START_LINE }),
            None => {
                self.deviations.push(anomaly::BAD_START_LINE);
                self.lose(direction, out);
            }
        }
        Ok(())
    }

    fn http2(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.confirm(out);
        self.client.get_or_insert(direction);
        let tx_id = self.exchanges.number();
        out.transaction(&registry::Transaction::Http(Transaction::Http2 { tx_id }));
        for each in Direction::BOTH {
            self.set(each, State::Opaque);
        }
    }

    fn confirm(&mut self, out: &mut dyn Sink) {
        if !std::mem::replace(&mut self.confirmed, true) {
            out.confirmed(AppProto::Http);
        }
    }

    fn head(&mut self, direction: Direction, head: Head, out: &mut dyn Sink) {
        self.confirm(out);
        match head.start.clone() {
            Start::Request { method, target, .. } => self.request(direction, &head, &method, &target, out),
            Start::Status { code, .. } => self.response(direction, head, code, out),
        }
    }

    fn request(&mut self, direction: Direction, head: &Head, method: &str, target: &str, out: &mut dyn Sink) {
        let (framing, transfer) = framing::of(head, None, &mut self.deviations);
        framing::check_host(head, &mut self.deviations);
        let tx_id = self.exchanges.number();
        let request = name::request(head, method, target);
        // What is wrong with a request is known before the request itself.
        self.tell(direction, out);
        if !self.exchanges.requested(tx_id, request, head, &self.limits, out) {
            self.deviations.push(anomaly::PENDING_LIMIT);
        }
        let form = head.first("content-type").and_then(multipart::boundary);
        let about = About { tx_id, direction, name: name::file(head, Some(target)), range: None, form };
        if !self.begin_body(direction, head, framing, &transfer, about) && method == "CONNECT" {
            self.set(direction, State::Awaiting);
        }
        self.begin_channel(direction, method);
    }

    fn response(&mut self, direction: Direction, head: Head, code: u16, out: &mut dyn Sink) {
        let request = self.exchanges.first();
        let method = request.map(|request| request.method.clone());
        let target = request.map(|request| request.target.clone());
        let (framing, transfer) = framing::of(&head, method.as_deref(), &mut self.deviations);
        // RFC 9110 §15.2: what comes before the response.
        if (100..200).contains(&code) && code != 101 {
            self.set(direction, State::Start);
            return;
        }
        let mut response = name::response(&head, code);
        let connected = method.as_deref() == Some("CONNECT");
        let through = code == 101 || (connected && (200..300).contains(&code));
        if through {
            response.upgrade = Some(head.text("upgrade", 64).unwrap_or_else(|| "CONNECT".to_owned()));
        }
        self.end_of_response(out);
        let range = response.range.clone().filter(|range| code == 206 && range.span.is_some());
        let name = name::file(&head, target.as_deref());
        let current = Box::new(self.exchanges.answered(response, head));
        let about = About { tx_id: current.tx_id, direction, name, range, form: None };
        self.tell(direction, out);
        let has_body = self.begin_body(direction, &current.head, framing, &transfer, about);
        self.current = Some(current);
        self.begin_channel(direction, method.as_deref().unwrap_or_default());
        if !has_body {
            self.end_of_response(out);
        }
        let client = direction.reverse();
        if through {
            self.set(direction, State::Through);
            self.set(client, State::Through);
        } else if connected && matches!(self.lanes.get(client).state, State::Awaiting) {
            self.set(client, State::Start);
        }
    }

    /// Whether there is one.
    fn begin_body(&mut self, direction: Direction, head: &Head, framing: Framing, transfer: &[String], about: About) -> bool {
        let end = match framing {
            Framing::None => {
                self.set(direction, State::Start);
                return false;
            }
            Framing::Length(length) => End::Length(length),
            Framing::Chunked => End::Chunks(Chunks::new()),
            Framing::UntilClose => End::Close,
        };
        let mut codings = head.list("content-encoding");
        codings.extend_from_slice(transfer);
        let chunked = framing == Framing::Chunked;
        let body = Body::new(about, chunked, &codings, &self.budget, &self.limits, &mut self.deviations);
        self.set(direction, State::Body(Box::new(Message { end, body, rpc: None })));
        true
    }

    /// A body that began is a channel, where the method says so.
    fn begin_channel(&mut self, direction: Direction, method: &str) {
        if let State::Body(message) = &mut self.lanes.get_mut(direction).state
            && Channel::is_method(method)
        {
            message.rpc = Some(direction);
            self.channel.get_or_insert_with(|| Box::new(Channel::new(&self.limits))).begin(direction);
        }
    }

    fn end_of_body(&mut self, direction: Direction, complete: bool, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        if !matches!(lane.state, State::Body(_)) {
            return;
        }
        let State::Body(message) = std::mem::take(&mut lane.state) else { return };
        let Finished { facts, about, whole } = message.body.finish(complete, &mut self.budget, out, &mut self.deviations);
        self.tell(direction, out);
        if self.client == Some(direction) {
            self.exchanges.request_body(about.tx_id, facts);
            return;
        }
        if let Some(current) = &mut self.current {
            current.response.body = facts;
            if let Some(whole) = whole {
                let request = current.request.as_ref();
                let key =
                    |request: &super::Request| format!("{}\n{}", request.host.as_deref().unwrap_or_default(), request.target);
                let key = request.map(key).unwrap_or_default() + &current.head.text("etag", 256).unwrap_or_default();
                if !self.ranges.add(key, &about, whole, self.limits.max_range, out) {
                    self.deviations.push(anomaly::RANGE_LIMIT);
                }
            }
        }
        self.end_of_response(out);
    }

    fn end_of_response(&mut self, out: &mut dyn Sink) {
        if let Some(current) = self.current.take() {
            current.tell(out);
        }
    }

    /// Nothing of this direction is known until the next head.
    fn lose(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.end_of_body(direction, false, out);
        let lane = self.lanes.get_mut(direction);
        lane.lines.clear();
        if matches!(lane.state, State::Lost | State::Opaque | State::Through) {
            return;
        }
        lane.state = State::Lost;
        out.in_sync(AppProto::Http, direction, false);
        let client = self.client.unwrap_or(Direction::ToServer);
        if direction != client {
            self.server_unknown(client, out);
        }
    }

    /// Which of the waiting requests the next response is to is not known.
    fn server_unknown(&mut self, client: Direction, out: &mut dyn Sink) {
        self.end_of_response(out);
        self.exchanges.give_up(out);
        if matches!(self.lanes.get(client).state, State::Awaiting) {
            self.set(client, State::Through);
        }
    }
}

impl HttpParser {
    fn read(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            // An upgrade is said with its last byte: what comes next goes to the next layer.
            if rest.is_empty() && !matches!(self.lanes.get(direction).state, State::Through) {
                return Ok(Advance::Consumed);
            }
            let step = self.step(direction, rest, out);
            self.tell(direction, out);
            match step.map_err(|error| ParseError { offset: consumed, ..error })? {
                Step::Used(used) => consumed += used,
                Step::Done(Advance::Need { need, .. }) => return Ok(Advance::Need { consumed, need }),
                Step::Done(Advance::Skip { len, .. }) => return Ok(Advance::Skip { consumed, len }),
                Step::Done(Advance::Upgrade { to, .. }) => return Ok(Advance::Upgrade { consumed, to }),
                Step::Done(other) => return Ok(other),
            }
        }
    }

    fn miss(&mut self, direction: Direction, len: u64, out: &mut dyn Sink) {
        if let State::Body(message) = &self.lanes.get(direction).state
            && let Some((direction, channel)) = message.rpc.zip(self.channel.as_mut())
        {
            channel.gap(direction, out);
        }
        match &mut self.lanes.get_mut(direction).state {
            State::Body(message) => match message.gap(len, out, &mut self.deviations) {
                Some(true) => self.end_of_body(direction, true, out),
                Some(false) => {}
                None => self.lose(direction, out),
            },
            State::Awaiting => self.set(direction, State::Through),
            State::Start | State::Head(_) => self.lose(direction, out),
            State::Through | State::Opaque | State::Lost => {}
        }
        self.tell(direction, out);
    }

    fn end(&mut self, direction: Direction, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        lane.closed = true;
        lane.lines.clear();
        let until_close = matches!(&lane.state, State::Body(message) if matches!(message.end, End::Close));
        self.end_of_body(direction, until_close, out);
        let client = self.client.unwrap_or(Direction::ToServer);
        let both = self.lanes.to_server.closed && self.lanes.to_client.closed;
        if let Some(channel) = self.channel.as_mut().filter(|_| both) {
            channel.end(out);
        }
        if direction != client || both {
            self.server_unknown(client, out);
        }
    }
}

impl Parser for HttpParser {
    fn advance(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let (limits, mut winrm) = (self.limits, std::mem::take(&mut self.winrm));
        let result = self.read(direction, bytes, &mut winrm.watch(direction, &limits, out));
        self.winrm = winrm;
        result
    }

    fn gap(&mut self, direction: Direction, _left: &[u8], len: u64, out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let (limits, mut winrm) = (self.limits, std::mem::take(&mut self.winrm));
        self.miss(direction, len, &mut winrm.watch(direction, &limits, out));
        self.winrm = winrm;
        Ok(Advance::Consumed)
    }

    fn close(&mut self, direction: Direction, _left: &[u8], out: &mut dyn Sink) {
        let (limits, mut winrm) = (self.limits, std::mem::take(&mut self.winrm));
        let mut watch = winrm.watch(direction, &limits, out);
        self.end(direction, &mut watch);
        if self.lanes.to_server.closed && self.lanes.to_client.closed {
            watch.close();
        }
        self.winrm = winrm;
    }

    fn held(&self) -> usize {
        let lane = |lane: &Lane| {
            lane.lines.held()
                + match &lane.state {
                    State::Head(head) => head.held(),
                    State::Body(message) => message.body.held(),
                    _ => 0,
                }
        };
        let current = self.current.as_ref().map_or(0, |current| current.head.held());
        let channel = self.channel.as_ref().map_or(0, |channel| channel.held());
        lane(&self.lanes.to_server)
            + lane(&self.lanes.to_client)
            + self.exchanges.held()
            + self.ranges.held()
            + current
            + channel
            + self.winrm.held()
    }
}
