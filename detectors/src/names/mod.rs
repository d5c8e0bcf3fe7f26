//! Detections on host names: in DNS, in the server name of TLS, in requests of HTTP (section 4 of the catalogue).

mod address;
mod config;
mod file_drop;
#[cfg(test)]
mod tests;

pub use config::{NamesConfig, is_inside, is_listed, listed};

use std::collections::VecDeque;

use backstop_protocols::{Transaction, dns, http, tls};
use backstop_types::{Fields, PacketTime};

use crate::finding::{Role, Threshold};
use crate::indicators;
use crate::veeam::evidence::{bounded, plain};
use crate::{Confidence, Context, Detector, Finding, Findings, Meta, Outcome};

/// What it can find.
pub static METAS: &[&Meta] = &[&address::META, &file_drop::META, &indicators::NAME];

/// Questions of one flow that wait for their answers; past that the oldest is told without.
const MAX_WAITING: usize = 64;
/// Bytes of a name shown.
const MAX_NAME: usize = 256;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Names::default())
}

#[derive(Default)]
struct Names {
    /// Questions that wait for their answer: number, when they are told without, what is told.
    waiting: VecDeque<(u64, PacketTime, Finding)>,
}

/// A name, what of a list it is or lies below, and where it stood.
#[derive(Clone, Copy)]
struct Seen<'a> {
    name: &'a str,
    listed: &'a str,
    source: &'static str,
    tx_id: Option<u64>,
    outcome: Outcome,
}

/// The finding for a name of a backup server's.
fn finding(meta: &'static Meta, context: &Context<'_>, seen: &Seen<'_>) -> Finding {
    let name = seen.name.trim_end_matches('.').to_ascii_lowercase();
    let fields = Fields::new().with("name", Fields::new().with("value", bounded(&name, MAX_NAME)).with("source", seen.source));
    let mut finding = plain(meta, context, fields);
    std::mem::swap(&mut finding.attacker, &mut finding.victim);
    finding.outcome = seen.outcome;
    finding.confidence = Confidence::Medium;
    finding.tx_id = seen.tx_id;
    finding.excerpt = bounded(&name, MAX_NAME).into_bytes();
    finding.excerpt_of = name.len() as u64;
    finding.requires = vec![Role::BackupServer(context.client.addr)];
    let mut key = context.client.addr.to_string().into_bytes();
    key.push(b' ');
    // By the service: who makes up names below it causes one alert.
    key.extend_from_slice(bounded(seen.listed, MAX_NAME).as_bytes());
    finding.threshold = Some(Threshold { key, window: context.config.policy_window });
    finding
}

impl Names {
    fn question(&mut self, context: &Context<'_>, dns: &dns::Transaction<'_>, out: &mut Findings) {
        let message = dns.message;
        if message.is_response() {
            self.answer(dns, out);
            return;
        }
        for question in message.questions.iter().take(4) {
            let (name, tx_id) = (question.name.as_str(), Some(dns.tx_id));
            if let Some(finding) = indicators::name(context, name) {
                self.wait(context, dns, finding, out);
            }
            let names = &context.config.names;
            let services = [(&address::META, &names.address_services), (&file_drop::META, &names.file_drops)];
            let service = services.into_iter().find_map(|(meta, list)| Some((meta, listed(name, list)?)));
            if let Some((meta, listed)) = service {
                let seen = Seen { name, listed, source: "dns", tx_id, outcome: Outcome::Unknown };
                self.wait(context, dns, finding(meta, context, &seen), out);
            }
        }
    }

    fn wait(&mut self, context: &Context<'_>, dns: &dns::Transaction<'_>, mut finding: Finding, out: &mut Findings) {
        if self.waiting.len() >= MAX_WAITING {
            out.findings.extend(self.waiting.pop_front().map(|(_, _, finding)| finding));
        }
        finding.tx_id = Some(dns.tx_id);
        finding.context.set("dns", dns.fields());
        self.waiting.push_back((dns.tx_id, context.now.plus(context.config.hold), finding));
    }

    fn answer(&mut self, dns: &dns::Transaction<'_>, out: &mut Findings) {
        while let Some(at) = self.waiting.iter().position(|(tx_id, ..)| *tx_id == dns.tx_id) {
            let Some((_, _, mut finding)) = self.waiting.remove(at) else { return };
            let [answers, ..] = &dns.message.sections;
            let answered = dns.message.flags & 15 == 0 && !answers.is_empty();
            finding.outcome = if answered { Outcome::Success } else { Outcome::Attempt };
            finding.context.set("dns", dns.fields());
            out.findings.push(finding);
        }
    }
}

/// A host that the client speaks with by TLS or HTTP.
fn host(context: &Context<'_>, seen: &Seen<'_>, object: impl Fn() -> (&'static str, Fields), out: &mut Findings) {
    let service = listed(seen.name, &context.config.names.file_drops);
    let service = service.map(|listed| finding(&file_drop::META, context, &Seen { listed, ..*seen }));
    let indicator = indicators::name(context, seen.name).map(|mut finding| {
        finding.outcome = seen.outcome;
        finding.tx_id = seen.tx_id;
        finding
    });
    for mut finding in service.into_iter().chain(indicator) {
        let (name, object) = object();
        finding.context.set(name, object);
        out.findings.push(finding);
    }
}

impl Detector for Names {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        match transaction {
            Transaction::Dns(dns) => self.question(context, dns, out),
            Transaction::Tls(tls) if tls.stage == tls::Stage::Handshake => {
                if let Some(name) = tls.facts.sni() {
                    let outcome = if tls.facts.server_hello.is_some() { Outcome::Success } else { Outcome::Unknown };
                    let seen = Seen { name, listed: name, source: "tls", tx_id: None, outcome };
                    host(context, &seen, || ("tls", tls.fields()), out);
                }
            }
            Transaction::Http(http::Transaction::Exchange(exchange)) if exchange.stage != http::Stage::Requested => {
                let Some(name) = exchange.request.and_then(|request| request.host.as_deref()) else { return };
                let outcome = crate::http::outcome(exchange.response.map(|response| response.status));
                let seen = Seen { name, listed: name, source: "http", tx_id: Some(exchange.tx_id), outcome };
                host(context, &seen, || ("http", transaction.fields()), out);
            }
            _ => {}
        }
    }

    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        while let Some((_, _, finding)) = self.waiting.pop_front_if(|(_, due, _)| *due <= context.now) {
            out.findings.push(finding);
        }
    }

    fn wants_tick(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn on_flow_end(&mut self, _: &Context<'_>, out: &mut Findings) {
        out.findings.extend(self.waiting.drain(..).map(|(_, _, finding)| finding));
    }
}
