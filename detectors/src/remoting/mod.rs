//! Detections on serialised objects and the product's HTTP services (section 1 of the catalogue): 9401011 to 9401013.
//!
//! ```text
//! remoting over TCP ─┐
//! bodies of HTTP ────┼─► facts of [MS-NRBF] ─► deserialisation (9401011), trigger (9401012); texts to the content decoder
//! WCF messages ──────┘
//! bodies of HTTP ──────► logins with a token: manager (9401013)
//! ```
//! Requests are told with the outcome of their replies. A reply without exception is a success; an exception is an attempt, although
//! what reads an object has read it by then.

mod body;
mod config;
pub mod deserialisation;
mod gadgets;
mod held;
pub mod manager;
mod objects;
#[cfg(test)]
mod tests;
pub mod trigger;

pub use config::RemotingConfig;

use std::collections::VecDeque;

use backstop_protocols::nrbf::{self, Facts, Returned};
use backstop_protocols::soap::{Element, xml};
use backstop_protocols::{AppProto, Limits, Transaction, http, nmf, nrtp};
use backstop_types::{Direction, Endpoint, Fields};

use self::body::Bodies;
use self::deserialisation::Carried;
use self::held::Held;
use crate::content::{Carrier, Kind, inspect, may_be_code};
use crate::finding::Role;
use crate::veeam::evidence::{bounded, plain, shown};
use crate::{Confidence, Context, Detector, Finding, Findings, Meta, Outcome};

/// What it can find.
pub static METAS: &[&Meta] = &[&deserialisation::META, &trigger::META, &manager::META];

/// Requests of HTTP whose body may come.
const MAX_ASKED: usize = 64;
/// Elements of a WCF message on the way to a text.
const MAX_DEPTH: usize = 32;
/// How remoting over HTTP says that it is binary.
const BINARY: &str = "application/octet-stream";
/// Bytes of a URI shown.
const MAX_URI: usize = 512;
/// Texts of one stream that are unfolded.
const MAX_INSPECTED: usize = 256;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Remoting::default())
}

#[derive(Default)]
struct Remoting {
    held: Held,
    bodies: Bodies,
    asked: VecDeque<Asked>,
    /// Causes that were told: sid and what is the same.
    told: Vec<(u64, String)>,
}

/// A request of HTTP.
struct Asked {
    tx_id: u64,
    target: String,
    /// It goes to the session manager.
    is_login: bool,
    content_type: Option<String>,
    /// Its record as it was asked.
    fields: Fields,
}

/// Where a stream was found, and what is told beside it.
struct Place<'a> {
    carrier: &'static str,
    tx_id: u64,
    /// Who sent it.
    direction: Direction,
    uri: Option<&'a str>,
    is_request: bool,
    /// It is a reply. That a service hands out objects of its own is ordinary, so of addresses nothing is claimed; but what runs code
    /// runs in a client as well.
    is_reply: bool,
    /// The protocol's own object.
    object: (&'static str, Fields),
}

impl Place<'_> {
    /// Who sent it and who reads it.
    const fn ends(&self, context: &Context<'_>) -> (Endpoint, Endpoint) {
        match self.direction {
            Direction::ToServer => (context.client, context.server),
            Direction::ToClient => (context.server, context.client),
        }
    }
}

impl Remoting {
    /// Whether a cause is new in this flow, and there is room for it.
    fn is_new(&mut self, context: &Context<'_>, sid: u64, key: String) -> bool {
        if self.told.len() >= context.config.max_per_flow.max(1) || self.told.iter().any(|known| known.0 == sid && known.1 == key)
        {
            return false;
        }
        self.told.push((sid, key));
        true
    }

    /// What a stream gives: 9401011, and section 3 on its texts.
    fn stream(&mut self, context: &Context<'_>, facts: &Facts, place: &Place<'_>, out: &mut Findings) -> Vec<Finding> {
        let (sender, reader) = place.ends(context);
        let carried = Carried {
            carrier: place.carrier,
            sender: sender.addr,
            reader: reader.addr,
            uri: place.uri,
            is_request: place.is_request,
            is_reply: place.is_reply,
        };
        let mut findings = Vec::new();
        if let Some(cause) =
            deserialisation::judge(facts, &carried, &context.config.remoting.gadget_types, &|ip| context.config.is_home(ip))
            && self.is_new(context, deserialisation::META.sid, cause.key())
        {
            let max = context.config.max_excerpt;
            let mut finding = self.finding(&deserialisation::META, context, place);
            finding.context.set("nrbf", deserialisation::evidence(facts, &cause, &carried, max));
            finding.confidence = cause.confidence();
            if cause.is_suspicion() {
                (finding.severity, finding.suspected) = (Some(3), true);
            }
            let text = format!("{} {}", cause.key().replace('\n', " "), facts.texts.join(" "));
            finding.excerpt = shown(&text, max).into_bytes();
            finding.excerpt_of = text.len() as u64;
            // A service of the product by its port, or else a server that is known to be one.
            if place.is_reply || !context.config.remoting.ports.contains(&reader.port) {
                finding.requires = vec![Role::BackupServer(reader.addr)];
            }
            findings.push(finding);
        }
        if !place.is_reply {
            findings.extend(self.commands(context, facts, place, out));
        }
        findings
    }

    /// Texts that are commands or scripts.
    fn commands(&mut self, context: &Context<'_>, facts: &Facts, place: &Place<'_>, out: &mut Findings) -> Vec<Finding> {
        let mut findings = Vec::new();
        let worth = facts.texts.iter().filter(|text| text.len() > 3 && may_be_code(text.as_bytes()));
        for (number, text) in worth.enumerate() {
            if number >= MAX_INSPECTED {
                out.content_cut += 1;
                break;
            }
            let carrier =
                Carrier { name: place.carrier, kind: Kind::Unknown, direction: place.direction, tx_id: Some(place.tx_id) };
            let mut inspection = inspect(text.as_bytes(), &carrier, context);
            inspection.offer(place.direction, out);
            for mut finding in inspection.findings {
                let sid = finding.meta.sid();
                if self.is_new(context, sid, bounded(text, MAX_URI)) {
                    finding.context.set(place.object.0, place.object.1.clone());
                    findings.push(finding);
                }
            }
        }
        findings
    }

    fn finding(&self, meta: &'static Meta, context: &Context<'_>, place: &Place<'_>) -> Finding {
        let mut finding = plain(meta, context, Fields::new().with(place.object.0, place.object.1.clone()));
        (finding.attacker, finding.victim) = place.ends(context);
        finding.direction = place.direction;
        finding.tx_id = Some(place.tx_id);
        finding
    }

    /// 9401012, where a request names the object.
    fn trigger(&mut self, context: &Context<'_>, uri: &str, place: &Place<'_>) -> Option<Finding> {
        if !trigger::is_trigger(uri) || !trigger::is_mount_service(context) {
            return None;
        }
        if !self.is_new(context, trigger::META.sid, String::new()) {
            return None;
        }
        let mut finding = self.finding(&trigger::META, context, place);
        let uri = shown(uri, MAX_URI);
        finding.excerpt_of = uri.len() as u64;
        finding.excerpt = uri.into_bytes();
        Some(finding)
    }

    fn nrtp(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, exchange: &nrtp::Exchange<'_>, out: &mut Findings) {
        match (exchange.stage, exchange.request, exchange.reply) {
            (nrtp::Stage::Requested, Some(request), _) => {
                let object = ("nrtp", transaction.fields());
                let uri = request.uri.as_deref();
                let (tx_id, direction) = (exchange.tx_id, exchange.client);
                let place = Place { carrier: "nrtp", tx_id, direction, uri, is_request: true, is_reply: false, object };
                let mut findings: Vec<Finding> =
                    request.uris().find_map(|uri| self.trigger(context, uri, &place)).into_iter().collect();
                if let Some(facts) = &request.facts {
                    findings.extend(self.stream(context, facts, &place, out));
                }
                self.held.hold(context, AppProto::Nrtp, tx_id, findings, out);
            }
            (nrtp::Stage::Answered, _, Some(reply)) => {
                let outcome = match (reply.status, reply.facts.as_ref().and_then(|facts| facts.returned)) {
                    (Some(status), _) if status != 0 => Outcome::Attempt,
                    (_, Some(Returned::Exception)) => Outcome::Attempt,
                    (_, Some(_)) => Outcome::Success,
                    _ => Outcome::Unknown,
                };
                self.held.resolve(AppProto::Nrtp, exchange.tx_id, outcome, || Some(("nrtp", transaction.fields())), out);
                if let Some(facts) = &reply.facts {
                    let object = ("nrtp", transaction.fields());
                    let direction = exchange.client.reverse();
                    let (tx_id, is_reply) = (exchange.tx_id, true);
                    let place = Place { carrier: "nrtp", tx_id, direction, uri: None, is_request: false, is_reply, object };
                    let findings = self.stream(context, facts, &place, out);
                    out.findings.extend(findings);
                }
            }
            _ => self.held.resolve(AppProto::Nrtp, exchange.tx_id, Outcome::Unknown, || None, out),
        }
    }

    fn asked(&self, tx_id: u64) -> Option<&Asked> {
        self.asked.iter().find(|asked| asked.tx_id == tx_id)
    }

    fn http(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, http: &http::Transaction<'_>, out: &mut Findings) {
        match http {
            http::Transaction::Exchange(exchange) if exchange.stage == http::Stage::Requested => {
                let has_body = |method: &str| !matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE" | "CONNECT" | "TRACE");
                let Some(request) = exchange.request.filter(|request| has_body(&request.method)) else { return };
                if self.asked.len() >= MAX_ASKED {
                    self.asked.pop_front();
                }
                self.asked.push_back(Asked {
                    tx_id: exchange.tx_id,
                    is_login: manager::is_login(&request.method, &request.target),
                    target: bounded(&request.target, 2 * MAX_URI),
                    content_type: request.content_type.clone(),
                    fields: transaction.fields(),
                });
            }
            http::Transaction::Exchange(exchange) => {
                let outcome = crate::http::outcome(exchange.response.map(|response| response.status));
                self.held.resolve(AppProto::Http, exchange.tx_id, outcome, || Some(("http", transaction.fields())), out);
                self.asked.retain(|asked| asked.tx_id != exchange.tx_id);
            }
            http::Transaction::Body(part) => {
                let remoting = &context.config.remoting;
                let wanted = part.direction == Direction::ToServer
                    && (remoting.ports.contains(&context.server.port)
                        || remoting.mount_ports.contains(&context.server.port)
                        || self.asked(part.tx_id).is_some_and(|asked| asked.is_login));
                if let Some((mut body, bytes)) = self.bodies.take(part, wanted, remoting.max_body) {
                    let behind = body.behind();
                    self.body(context, &body, &bytes, behind, out);
                }
            }
            http::Transaction::Upload(_) | http::Transaction::Range(_) | http::Transaction::Http2 { .. } => {}
        }
    }

    /// A body is over, or as much of it as is read.
    fn body(&mut self, context: &Context<'_>, body: &body::Body, bytes: &[u8], behind: Option<Facts>, out: &mut Findings) {
        let tx_id = body.tx_id;
        let asked = self.asked(tx_id);
        let (is_login, target) = asked.map_or_else(Default::default, |asked| (asked.is_login, asked.target.clone()));
        let content_type = asked.and_then(|asked| asked.content_type.clone());
        let object = ("http", asked.map_or_else(Fields::new, |asked| asked.fields.clone()));
        let limits = Limits::default();
        let to_server = body.direction == Direction::ToServer;
        let content_type = if to_server { content_type } else { None };
        // What says that it is binary and is none gives nothing.
        let decoded = nrtp::decode(content_type.as_deref(), bytes, body.is_whole(), &limits);
        let says_binary = content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with(BINARY));
        let says_so = says_binary && nrbf::may_be_header(bytes);
        let is_remoting = decoded.formatter == nrtp::Formatter::Soap || nrbf::is_header(bytes) || says_so;
        let mut facts = if is_remoting { decoded.facts.map(|facts| *facts) } else { nrbf::facts_inside(bytes, &limits) };
        if let Some(behind) = behind {
            facts.get_or_insert_default().join(behind);
        }
        let place = Place {
            carrier: "http",
            tx_id,
            direction: body.direction,
            uri: None,
            is_reply: !to_server,
            is_request: to_server && is_remoting && (says_so || facts.as_ref().is_some_and(|facts| facts.call.is_some())),
            object,
        };
        let mut findings = Vec::new();
        if to_server && is_remoting {
            findings.extend(self.trigger(context, &target, &place));
        }
        if let Some(facts) = &facts {
            findings.extend(self.stream(context, facts, &place, out));
        }
        if to_server && is_login {
            // A token may stand behind what is held.
            out.content_cut += u64::from(!body.is_whole());
            findings.extend(self.login(context, &target, bytes, &place));
        }
        if to_server {
            self.held.hold(context, AppProto::Http, tx_id, findings, out);
        } else {
            out.findings.extend(findings);
        }
    }

    /// 9401013.
    fn login(&mut self, context: &Context<'_>, target: &str, bytes: &[u8], place: &Place<'_>) -> Option<Finding> {
        let tokens = manager::tokens(bytes);
        let foreign = manager::foreign(&tokens, &context.config.remoting);
        if foreign.is_empty() || !self.is_new(context, manager::META.sid, foreign.join("\n")) {
            return None;
        }
        let mut finding = self.finding(&manager::META, context, place);
        finding.context.set("veeam_manager", manager::evidence(&tokens, &foreign));
        if context.config.remoting.sso_issuers.is_empty() {
            finding.confidence = Confidence::Low;
        }
        let line = format!("POST {} issuer={}", http::mask_target(target), foreign.join(" "));
        finding.excerpt = shown(&line, context.config.max_excerpt).into_bytes();
        finding.excerpt_of = line.len() as u64;
        Some(finding)
    }

    /// Streams in the texts of a WCF message: those of Veeam's invocations stand in attributes of a text that is XML itself.
    fn wcf(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, exchange: &nmf::Exchange<'_>, out: &mut Findings) {
        match exchange.stage {
            nmf::Stage::Requested => {
                let Some(body) = &exchange.request.body else { return };
                let mut streams = Vec::new();
                each_text(body, MAX_DEPTH, &mut |text| streams_of(text, &mut streams));
                let mut findings = Vec::new();
                for facts in &streams {
                    let place = Place {
                        carrier: "wcf",
                        tx_id: exchange.tx_id,
                        direction: Direction::ToServer,
                        uri: exchange.request.to.as_deref(),
                        is_request: false,
                        is_reply: false,
                        object: ("nmf", transaction.fields()),
                    };
                    findings.extend(self.stream(context, facts, &place, out));
                }
                self.held.hold(context, AppProto::Nmf, exchange.tx_id, findings, out);
            }
            nmf::Stage::Answered => {
                let outcome = match exchange.reply {
                    Some(reply) if reply.fault.is_some() => Outcome::Attempt,
                    Some(_) => Outcome::Success,
                    None => Outcome::Unknown,
                };
                self.held.resolve(AppProto::Nmf, exchange.tx_id, outcome, || Some(("nmf", transaction.fields())), out);
            }
            nmf::Stage::Unanswered => self.held.resolve(AppProto::Nmf, exchange.tx_id, Outcome::Unknown, || None, out),
        }
    }
}

/// The texts and attributes of a tree. It is bounded.
fn each_text(element: &Element, depth: usize, see: &mut dyn FnMut(&str)) {
    element.attributes.iter().for_each(|(_, value)| see(value));
    see(&element.text());
    if depth > 0 {
        element.elements().for_each(|child| each_text(child, depth - 1, see));
    }
}

/// The streams of a text; where it is XML with escapes, of what they stand for.
fn streams_of(text: &str, out: &mut Vec<Facts>) {
    let limits = Limits::default();
    if text.contains("&#")
        && text.trim_start().starts_with('<')
        && let Ok(tree) = xml::parse(text.trim_start(), &limits)
    {
        each_text(&tree.root, MAX_DEPTH, &mut |text| out.extend(nrbf::facts_in_text(text.as_bytes(), &limits)));
        return;
    }
    out.extend(nrbf::facts_in_text(text.as_bytes(), &limits));
}

impl Detector for Remoting {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        match transaction {
            Transaction::Nrtp(nrtp::Transaction::Exchange(exchange)) => self.nrtp(context, transaction, exchange, out),
            Transaction::Http(http) => self.http(context, transaction, http, out),
            Transaction::Nmf(nmf::Transaction::Exchange(exchange)) => self.wcf(context, transaction, exchange, out),
            _ => {}
        }
    }

    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.held.on_tick(context.now, out);
    }

    fn wants_tick(&self) -> bool {
        !self.held.is_empty()
    }

    fn on_flow_end(&mut self, _: &Context<'_>, out: &mut Findings) {
        self.held.end(out);
    }
}
