//! The requests of one connection, their bodies and responses.
//!
//! ```text
//! head ─► body, up to a cap ─► Requested ─► response's body ─► Answered
//!   └ encrypted, or no body: Requested at once
//! ```

use std::collections::VecDeque;

use backstop_types::{Direction, PerDirection};

use super::anomaly;
use super::envelope::{self, Body, Reader};
use super::fragments::Defragmenter;
use super::identity;
use super::streams::Lines;
use super::transaction::{Call, Operation, Protection, Reply, Stage, Transaction};
use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::http::{self, Head, Part, PartState, Request, Response};
use crate::registry::{self, AppProto};
use crate::smb::Identity;

/// Bytes of waiting requests that one connection may keep; beyond, the oldest is told as unanswered.
const MAX_KEPT: usize = 256 * 1024;

/// A body that comes in parts.
#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    cut: bool,
    capped: bool,
}

impl Gathered {
    fn push(&mut self, part: &Part<'_>, max: usize) {
        // Behind a hole nothing is put: what stands before it is read.
        self.cut |= part.state == PartState::Truncated || (!self.capped && part.offset != self.bytes.len() as u64);
        if self.cut && part.offset != self.bytes.len() as u64 {
            return;
        }
        let room = max.saturating_sub(self.bytes.len());
        self.capped |= part.bytes.len() > room;
        self.bytes.extend_from_slice(part.bytes.get(..room).unwrap_or(part.bytes));
    }

    fn body(&self) -> Body<'_> {
        Body { bytes: &self.bytes, cut: self.cut, capped: self.capped }
    }
}

struct Open {
    tx_id: u64,
    request: Request,
    /// The target or the type says that it is WinRM.
    sure: bool,
    credentials: bool,
    body: Gathered,
    /// Decoded and told.
    call: Option<Call>,
    kept: usize,
    reply: Gathered,
    /// The response, where it came before the request was over.
    answer: Option<Response>,
}

/// The requests of one connection.
pub struct Exchanges {
    open: VecDeque<Open>,
    kept: usize,
    identity: Option<Identity>,
    fragments: PerDirection<Defragmenter>,
    lines: Lines,
    told: Vec<(&'static str, Direction)>,
    /// The direction of requests: a connection may be seen the other way round.
    client: Direction,
    /// The last exchange, for what is left at the end.
    last: Option<(u64, Request)>,
}

impl Default for Exchanges {
    fn default() -> Self {
        Self {
            open: VecDeque::new(),
            kept: 0,
            identity: None,
            fragments: PerDirection::default(),
            lines: Lines::default(),
            told: Vec::new(),
            client: Direction::ToServer,
            last: None,
        }
    }
}

/// The path of a target.
fn path(target: &str) -> &str {
    let target = target.split_once("://").map_or(target, |(_, rest)| rest.find('/').map_or("/", |at| rest.split_at(at).1));
    target.split(['?', '#']).next().unwrap_or(target)
}

fn is_wsman(request: &Request) -> bool {
    let path = path(&request.target);
    let head = path.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("/wsman"));
    head && path.get(6..).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '-', ';']))
}

/// The type in lower case, without parameters.
fn media_type(content_type: Option<&str>) -> String {
    content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase()
}

/// [MS-WSMV] 2.2.9.1: `multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"`.
fn protection(content_type: Option<&str>) -> Option<Protection> {
    let kind = media_type(content_type);
    if !matches!(kind.as_str(), "multipart/encrypted" | "multipart/x-multi-encrypted") {
        return None;
    }
    let value = content_type.unwrap_or_default().to_ascii_lowercase();
    Some(if value.contains("http-spnego-session-encrypted") {
        Protection::Spnego
    } else if value.contains("http-kerberos-session-encrypted") {
        Protection::Kerberos
    } else if value.contains("http-credssp-session-encrypted") {
        Protection::CredSsp
    } else {
        Protection::Unknown
    })
}

impl Exchanges {
    /// Whether a request may be one of WinRM.
    pub fn concerns(request: &Request) -> bool {
        if request.method != "POST" {
            return false;
        }
        let content_type = request.content_type.as_deref();
        is_wsman(request)
            || protection(content_type).is_some_and(|kind| kind != Protection::Unknown)
            || media_type(content_type) == "application/soap+xml"
    }

    /// The head of a request.
    pub fn requested(
        &mut self,
        client: Direction,
        tx_id: u64,
        request: &Request,
        head: &Head,
        limits: &Limits,
        out: &mut dyn Sink,
    ) {
        if !Self::concerns(request) {
            return;
        }
        self.client = client;
        let identity = identity::of(head);
        let credentials = identity.is_some();
        if let Some(identity) = identity {
            // The round that names nobody says nothing new.
            let knows = self.identity.as_ref().is_some_and(Identity::is_known);
            if identity.is_known() || !knows {
                self.identity = Some(identity);
            }
        }
        let protection = protection(request.content_type.as_deref());
        let mut open = Open {
            tx_id,
            request: request.clone(),
            sure: is_wsman(request) || protection.is_some_and(|kind| kind != Protection::Unknown),
            credentials,
            body: Gathered::default(),
            call: None,
            kept: 0,
            reply: Gathered::default(),
            answer: None,
        };
        let chunked = head.first("transfer-encoding").is_some();
        let length = head.text("content-length", 32);
        let has_body = chunked || length.is_some_and(|length| !length.trim().trim_start_matches('0').is_empty());
        if protection.is_some() || !has_body {
            let operation = if protection.is_some() { Operation::Other } else { Operation::Authenticate };
            let call = Call { operation, encrypted: protection, ..Call::default() };
            self.call(&mut open, call, out);
        }
        self.open.push_back(open);
        self.bound(limits, out);
    }

    /// A part of a body.
    pub fn body(&mut self, part: &Part<'_>, limits: &Limits, out: &mut dyn Sink) {
        let Some(at) = self.open.iter().position(|open| open.tx_id == part.tx_id) else { return };
        let Some(open) = self.open.get_mut(at) else { return };
        if part.direction != self.client {
            open.reply.push(part, limits.max_envelope);
            return;
        }
        if open.call.is_some() {
            return;
        }
        open.body.push(part, limits.max_envelope);
        // The namespace stands at the beginning: of other SOAP nothing is kept.
        open.sure = open.sure || envelope::may_be(&open.body.bytes);
        if part.state == PartState::More && open.sure {
            return;
        }
        let Some(mut open) = self.open.remove(at).filter(|open| open.sure) else { return };
        self.decode(&mut open, limits, out);
        match open.answer.take() {
            Some(response) => self.answered(&open, &response, None, limits, out),
            None => {
                self.open.insert(at, open);
                self.bound(limits, out);
            }
        }
    }

    fn decode(&mut self, open: &mut Open, limits: &Limits, out: &mut dyn Sink) {
        let mut contents = Vec::new();
        let mut events = Vec::new();
        let body = std::mem::take(&mut open.body);
        let call = Reader {
            limits,
            fragments: &mut self.fragments.to_server,
            lines: &mut self.lines,
            tell: &mut |event| events.push(event),
            contents: &mut contents,
        }
        .call(body.body());
        self.tell(&events, self.client, out);
        self.call(open, call, out);
        offer(&contents, self.client, open.tx_id, out);
    }

    /// A request is known: says so, and offers what runs to the scanner.
    fn call(&mut self, open: &mut Open, mut call: Call, out: &mut dyn Sink) {
        self.last = Some((open.tx_id, open.request.clone()));
        self.say(open, Stage::Requested, &call, None, None, out);
        for command in &call.commands {
            let (layers, tx_id) = (command.kind.layers(), Some(open.tx_id));
            out.content(Content { bytes: command.text.as_bytes(), layers, direction: self.client, tx_id });
            if let Some(unread) = &command.unread {
                let layers = &["winrm.psrp"];
                out.content(Content { bytes: unread.as_bytes(), layers, direction: self.client, tx_id });
            }
        }
        call.trim();
        open.kept = call.size();
        self.kept += open.kept;
        open.call = Some(call);
    }

    /// A response is over, or none will be seen.
    pub fn over(&mut self, exchange: &http::Exchange<'_>, limits: &Limits, out: &mut dyn Sink) {
        let Some(at) = self.open.iter().position(|open| open.tx_id == exchange.tx_id) else { return };
        let Some(mut open) = self.open.remove(at) else { return };
        match exchange.response {
            // The request goes on, and is told when it is over.
            Some(response) if open.call.is_none() => {
                open.answer = Some(response.clone());
                self.open.insert(at, open);
            }
            Some(response) => self.answered(&open, response, Some(*exchange), limits, out),
            None => {
                if open.call.is_none() && (open.sure || envelope::may_be(&open.body.bytes)) {
                    open.body.cut = true;
                    self.decode(&mut open, limits, out);
                }
                self.unanswered(&open, out);
            }
        }
    }

    fn answered(
        &mut self,
        open: &Open,
        response: &Response,
        exchange: Option<http::Exchange<'_>>,
        limits: &Limits,
        out: &mut dyn Sink,
    ) {
        let Some(call) = &open.call else { return };
        self.kept -= open.kept;
        // Of a response's type the parameters are not kept: it is encrypted as its request is.
        let encrypted = protection(response.content_type.as_deref()).map(|kind| call.encrypted.unwrap_or(kind));
        let mut reply = Reply { status: response.status, encrypted, ..Reply::default() };
        let mut contents = Vec::new();
        let mut events = Vec::new();
        let is_soap = media_type(response.content_type.as_deref()) == "application/soap+xml";
        if encrypted.is_none() && !open.reply.bytes.is_empty() && (is_soap || envelope::may_be(&open.reply.bytes)) {
            Reader {
                limits,
                fragments: &mut self.fragments.to_client,
                lines: &mut self.lines,
                tell: &mut |event| events.push(event),
                contents: &mut contents,
            }
            .reply(open.reply.body(), call, &mut reply);
        }
        self.tell(&events, self.client.reverse(), out);
        self.say(open, Stage::Answered, call, Some(&reply), exchange.or(Some(with(open, response))), out);
        offer(&contents, self.client.reverse(), open.tx_id, out);
    }

    fn unanswered(&mut self, open: &Open, out: &mut dyn Sink) {
        let Some(call) = &open.call else { return };
        self.kept -= open.kept;
        self.say(open, Stage::Unanswered, call, None, None, out);
    }

    fn say(
        &self,
        open: &Open,
        stage: Stage,
        call: &Call,
        reply: Option<&Reply>,
        exchange: Option<http::Exchange<'_>>,
        out: &mut dyn Sink,
    ) {
        let http = exchange.unwrap_or(http::Exchange {
            tx_id: open.tx_id,
            stage,
            request: Some(&open.request),
            request_head: None,
            response: None,
            response_head: None,
        });
        out.transaction(&registry::Transaction::Winrm(Transaction {
            tx_id: open.tx_id,
            stage,
            call,
            reply,
            identity: self.identity.as_ref(),
            credentials: open.credentials,
            http,
        }));
    }

    /// Says what is wrong: each thing once a flow and direction.
    fn tell(&mut self, events: &[&'static str], direction: Direction, out: &mut dyn Sink) {
        for event in events {
            if !self.told.contains(&(event, direction)) {
                self.told.push((event, direction));
                out.anomaly(Anomaly { app_proto: AppProto::Winrm, event, direction });
            }
        }
    }

    /// The caps on what waits.
    fn bound(&mut self, limits: &Limits, out: &mut dyn Sink) {
        while self.open.len() > limits.max_pending.max(1) || (self.kept > MAX_KEPT && self.open.len() > 1) {
            let Some(oldest) = self.open.pop_front() else { break };
            self.tell(&[anomaly::PENDING_LIMIT], self.client, out);
            self.unanswered(&oldest, out);
        }
    }

    /// The connection is over: requests that wait, and objects that wait for fragments.
    pub fn close(&mut self, limits: &Limits, out: &mut dyn Sink) {
        while let Some(mut open) = self.open.pop_front() {
            let answer = open.answer.take();
            if open.call.is_none() && !open.body.bytes.is_empty() && (open.sure || envelope::may_be(&open.body.bytes)) {
                open.body.cut = true;
                self.decode(&mut open, limits, out);
            }
            match answer {
                Some(response) => self.answered(&open, &response, None, limits, out),
                None => self.unanswered(&open, out),
            }
        }
        let mut events = Vec::new();
        let left = self.fragments.to_server.finish(&mut |event| events.push(event));
        let mut contents = Vec::new();
        let mut call = Call { operation: Operation::Other, truncated: true, ..Call::default() };
        for message in left {
            let mut fragments = Defragmenter::default();
            Reader {
                limits,
                fragments: &mut fragments,
                lines: &mut self.lines,
                tell: &mut |event| events.push(event),
                contents: &mut contents,
            }
            .message(message, &mut call);
        }
        self.tell(&events, self.client, out);
        let (false, Some((tx_id, request))) = (call.psrp.is_empty() && call.commands.is_empty(), self.last.take()) else {
            return;
        };
        let mut open = Open {
            tx_id,
            request,
            sure: true,
            credentials: false,
            body: Gathered::default(),
            call: None,
            kept: 0,
            reply: Gathered::default(),
            answer: None,
        };
        self.call(&mut open, call, out);
        self.unanswered(&open, out);
    }

    /// Bytes it holds.
    pub fn held(&self) -> usize {
        let bodies = self.open.iter().map(|open| open.body.bytes.capacity() + open.reply.bytes.capacity() + size_of::<Open>());
        bodies.sum::<usize>() + self.kept + self.fragments.to_server.held() + self.fragments.to_client.held() + self.lines.held()
    }
}

/// Decoded bytes for the scanner.
fn offer(contents: &[(&'static [&'static str], Vec<u8>)], direction: Direction, tx_id: u64, out: &mut dyn Sink) {
    for (layers, bytes) in contents {
        out.content(Content { bytes, layers, direction, tx_id: Some(tx_id) });
    }
}

fn with<'a>(open: &'a Open, response: &'a Response) -> http::Exchange<'a> {
    http::Exchange {
        tx_id: open.tx_id,
        stage: Stage::Answered,
        request: Some(&open.request),
        request_head: None,
        response: Some(response),
        response_head: None,
    }
}
