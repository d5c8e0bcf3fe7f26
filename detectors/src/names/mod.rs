//! Detections on host names: in DNS, in the server name of TLS, in requests of HTTP (section 4 of the catalogue).

mod address;
mod config;
mod file_drop;
#[cfg(test)]
mod tests;

pub use config::{NamesConfig, is_listed};

use std::collections::VecDeque;

use backstop_protocols::{Transaction, dns, http, tls};
use backstop_types::{Fields, PacketTime};

use crate::finding::{Role, Threshold};
use crate::indicators;
use crate::veeam::evidence::{bounded, plain};
use crate::{Confidence, Context, Detector, Finding, Findings, Meta, Outcome};

/// What it can find.
pub static METAS: &[&Meta] = &[&address::META, &file_drop::META, &indicators::NAME];

/// Names of one flow that are told.
const MAX_TOLD: usize = 16;
/// Bytes of a name shown.
const MAX_NAME: usize = 256;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Names::default())
}

#[derive(Default)]
struct Names {
    told: usize,
    /// Questions that wait for their answer: number, when they are told without, what is told.
    waiting: VecDeque<(u64, PacketTime, Finding)>,
}

/// A name, and where it stood.
struct Seen<'a> {
    name: &'a str,
    source: &'static str,
    tx_id: Option<u64>,
    outcome: Outcome,
}

impl Names {
    fn finding(&mut self, meta: &'static Meta, context: &Context<'_>, seen: &Seen<'_>) -> Option<Finding> {
        if self.told >= MAX_TOLD {
            return None;
        }
        self.told += 1;
        let name = seen.name.trim_end_matches('.').to_ascii_lowercase();
        let fields =
            Fields::new().with("name", Fields::new().with("value", bounded(&name, MAX_NAME)).with("source", seen.source));
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
        key.extend_from_slice(bounded(&name, MAX_NAME).as_bytes());
        finding.threshold = Some(Threshold { key, window: context.config.policy_window });
        Some(finding)
    }

    fn question(&mut self, context: &Context<'_>, dns: &dns::Transaction<'_>, out: &mut Findings) {
        let message = dns.message;
        if message.is_response() {
            self.answer(dns, out);
            return;
        }
        for question in message.questions.iter().take(4) {
            if let Some(finding) = self.listed(context, &question.name, Some(dns.tx_id)) {
                self.wait(context, dns, finding);
            }
            let names = &context.config.names;
            let meta = if is_listed(&question.name, &names.address_services) {
                &address::META
            } else if is_listed(&question.name, &names.file_drops) {
                &file_drop::META
            } else {
                continue;
            };
            let seen = Seen { name: &question.name, source: "dns", tx_id: Some(dns.tx_id), outcome: Outcome::Unknown };
            if let Some(finding) = self.finding(meta, context, &seen) {
                self.wait(context, dns, finding);
            }
        }
    }

    /// A name of a list of indicators.
    fn listed(&mut self, context: &Context<'_>, name: &str, tx_id: Option<u64>) -> Option<Finding> {
        let mut finding = indicators::name(context, name).filter(|_| self.told < MAX_TOLD)?;
        self.told += 1;
        finding.tx_id = tx_id;
        Some(finding)
    }

    fn wait(&mut self, context: &Context<'_>, dns: &dns::Transaction<'_>, mut finding: Finding) {
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

    fn host(&mut self, context: &Context<'_>, seen: &Seen<'_>, object: impl Fn() -> (&'static str, Fields), out: &mut Findings) {
        let drop = is_listed(seen.name, &context.config.names.file_drops);
        let drop = drop.then(|| self.finding(&file_drop::META, context, seen)).flatten();
        let listed = self.listed(context, seen.name, seen.tx_id).map(|mut finding| {
            finding.outcome = seen.outcome;
            finding
        });
        for mut finding in drop.into_iter().chain(listed) {
            let (name, object) = object();
            finding.context.set(name, object);
            out.findings.push(finding);
        }
    }
}

impl Detector for Names {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        match transaction {
            Transaction::Dns(dns) => self.question(context, dns, out),
            Transaction::Tls(tls) if tls.stage == tls::Stage::Handshake => {
                if let Some(name) = tls.facts.sni() {
                    let outcome = if tls.facts.server_hello.is_some() { Outcome::Success } else { Outcome::Unknown };
                    let seen = Seen { name, source: "tls", tx_id: None, outcome };
                    self.host(context, &seen, || ("tls", tls.fields()), out);
                }
            }
            Transaction::Http(http::Transaction::Exchange(exchange)) if exchange.stage != http::Stage::Requested => {
                let Some(name) = exchange.request.and_then(|request| request.host.as_deref()) else { return };
                let outcome = crate::http::outcome(exchange.response.map(|response| response.status));
                let seen = Seen { name, source: "http", tx_id: Some(exchange.tx_id), outcome };
                self.host(context, &seen, || ("http", transaction.fields()), out);
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
