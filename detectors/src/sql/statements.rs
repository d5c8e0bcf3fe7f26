//! 9402001 to 9402008: what requests do. Each is read once.
//!
//! ```text
//! request ─► findings held ─► reply in time: alerts with their outcome
//!               └───► time is up, or no reply will come: alerts, outcome unknown ─► a later reply: update (TDS)
//! prepare ─► dormant ─► run without a text that was seen, or end of the flow: alert
//! the same query of secrets again, and findings past `max_per_flow`: counted, told at the end of the flow as an update
//! ```

use std::collections::VecDeque;

use backstop_protocols::Transaction;
use backstop_types::{Direction, Fields, PacketTime};

use super::asked::{Progress, Request};
use super::secrets::{Kind, kind};
use super::{commands, evidence, secrets};
use crate::content::sql::{Around, Asked, Memory, Reading, offer, read_request};
use crate::finding::{Role, Tally, Threshold};
use crate::veeam::watch::key;
use crate::{Confidence, Context, Detector, Finding, Findings, Meta, MetaRef, Outcome};

/// Requests whose reply is waited for.
const MAX_OPEN: usize = 256;
/// Texts known to be harmless, so that a poll repeated for hours is read once.
const MAX_HARMLESS: usize = 64;
/// Findings of statements that were prepared and did not run yet.
const MAX_DORMANT: usize = 16;
/// Queries of secrets that are told apart.
const MAX_QUERIES: usize = 256;
/// Tables shown.
const MAX_TABLES: usize = 16;

/// What it can find.
pub static METAS: &[&Meta] = &[
    &commands::ENABLED,
    &commands::EXECUTED,
    &commands::AUTOMATION,
    &commands::ASSEMBLY,
    &commands::JOB_STEP,
    &commands::PROGRAM,
    &secrets::SECRETS,
    &secrets::INVENTORY,
];

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Statements::default())
}

/// What waits for the reply to a request.
struct Open {
    tx_id: u64,
    until: PacketTime,
    /// Not told yet.
    held: Vec<Finding>,
    /// Told with this outcome, for an update.
    told: Vec<(&'static Meta, Outcome)>,
}

/// What was counted of one detection.
struct Count {
    meta: &'static Meta,
    told: usize,
    untold: u64,
    best: Outcome,
}

#[derive(Default)]
struct Statements {
    memory: Memory,
    /// The database of a `USE` whose reply was not seen yet, and its request.
    used: Option<(u64, String)>,
    harmless: VecDeque<u128>,
    open: VecDeque<Open>,
    held: usize,
    dormant: Vec<Finding>,
    queries: VecDeque<u128>,
    counts: Vec<Count>,
    object: &'static str,
}

impl Statements {
    fn seen(&mut self, context: &Context<'_>, request: &Request<'_>, out: &mut Findings) {
        self.object = evidence::object(request);
        let mut held = Vec::new();
        for part in request.parts() {
            let reading = self.read(context, request, &part.asked);
            if let Some(database) = &reading.database {
                self.used = Some((request.tx_id(), database.clone()));
            }
            let mut findings = findings(context, request, &reading);
            let of_content = offer(context, &reading.hits, Direction::ToServer, Some(request.tx_id()), out);
            findings.extend(of_content.into_iter().map(|finding| evidence::carried(finding, request)));
            if part.prepares {
                let room = MAX_DORMANT.saturating_sub(self.dormant.len());
                self.dormant.extend(findings.into_iter().take(room));
            } else {
                // What was prepared runs now: told as that.
                self.wake(&findings);
                held.extend(findings);
            }
        }
        if request.runs_unseen() {
            for mut finding in self.dormant.drain(..) {
                finding.confidence = Confidence::Medium;
                finding.tx_id = Some(request.tx_id());
                held.push(finding);
            }
        }
        held.retain(|finding| self.admits(context, finding));
        if held.is_empty() {
            return;
        }
        if self.open.len() >= MAX_OPEN
            && let Some(mut oldest) = self.open.pop_front()
        {
            self.say(&mut oldest, Outcome::Unknown, out);
        }
        self.held += 1;
        let until = context.now.plus(context.config.hold);
        self.open.push_back(Open { tx_id: request.tx_id(), until, held, told: Vec::new() });
    }

    fn wake(&mut self, running: &[Finding]) {
        self.dormant.retain(|dormant| !running.iter().any(|run| run.meta.sid() == dormant.meta.sid()));
    }

    fn read(&mut self, context: &Context<'_>, request: &Request<'_>, asked: &Asked<'_>) -> Reading {
        let used = self.used.as_ref().map(|(_, database)| database.as_str());
        let database = used.or_else(|| request.database());
        let cached = match asked {
            Asked::Text(text, bound) if bound.is_empty() && self.memory.is_empty() => Some(key(text)),
            _ => None,
        };
        let cached = cached.map(|text| text ^ key(database.unwrap_or_default()).rotate_left(1));
        if cached.is_some_and(|known| self.harmless.contains(&known)) {
            return Reading { complete: true, ..Reading::default() };
        }
        let config = &context.config.sql;
        let around = Around { dialect: request.dialect(), database, matters: &|table| kind(table, config).is_some() };
        let reading = read_request(asked, &around, &mut self.memory);
        let harmless = reading.hits.is_empty() && reading.tables.is_empty() && reading.database.is_none();
        if let Some(text) = cached.filter(|_| harmless && self.memory.is_empty()) {
            if self.harmless.len() >= MAX_HARMLESS {
                self.harmless.pop_front();
            }
            self.harmless.push_back(text);
        }
        reading
    }

    /// Whether a finding becomes an alert; counts it where not.
    fn admits(&mut self, context: &Context<'_>, finding: &Finding) -> bool {
        let MetaRef::Builtin(meta) = finding.meta else { return true };
        // The same query again is the same cause; a command that runs twice did its work twice. How many inventory tables
        // it takes, the correlator counts.
        if meta.sid == secrets::INVENTORY.sid {
            return true;
        }
        let mut again = false;
        if meta.sid == secrets::SECRETS.sid {
            let query = key(&String::from_utf8_lossy(&finding.excerpt)) ^ u128::from(finding.excerpt_of);
            again = self.queries.contains(&query);
            if !again {
                if self.queries.len() >= MAX_QUERIES {
                    self.queries.pop_front();
                }
                self.queries.push_back(query);
            }
        }
        if !self.counts.iter().any(|count| count.meta.sid == meta.sid) {
            self.counts.push(Count { meta, told: 0, untold: 0, best: Outcome::Unknown });
        }
        let Some(count) = self.counts.iter_mut().find(|count| count.meta.sid == meta.sid) else { return true };
        let admits = !again && count.told < context.config.max_per_flow.max(1);
        count.told += usize::from(admits);
        count.untold += u64::from(!admits);
        admits
    }

    fn answered(&mut self, context: &Context<'_>, request: &Request<'_>, out: &mut Findings) {
        // The session has it by now, if it came to be.
        self.used = self.used.take().filter(|(tx_id, _)| *tx_id != request.tx_id());
        let Some(at) = self.open.iter().position(|open| open.tx_id == request.tx_id()) else { return };
        let Some(mut open) = self.open.remove(at) else { return };
        let object = evidence::object(request);
        let reply = evidence::reply(request);
        for finding in &mut open.held {
            finding.outcome = request.outcome(finding.meta.sid());
            if let Some(reply) = &reply {
                evidence::amend(finding, object, |fields| {
                    fields.set("reply", reply.clone());
                });
            }
        }
        for (meta, told) in std::mem::take(&mut open.told) {
            let outcome = request.outcome(meta.sid);
            // Suricata's object has no place for an update.
            if outcome > told && object == "tds" {
                let mut fields = Fields::new();
                fields.set_some("reply", reply.clone());
                self.update(context, meta, fields, outcome, Some(open.tx_id), out);
            }
        }
        self.tell(&mut open, out);
    }

    fn update(
        &mut self,
        context: &Context<'_>,
        meta: &'static Meta,
        fields: Fields,
        outcome: Outcome,
        tx_id: Option<u64>,
        out: &mut Findings,
    ) {
        let mut update = evidence::plain(meta, context, Fields::new().with(self.object, fields));
        (update.outcome, update.tx_id, update.update) = (outcome, tx_id, true);
        out.findings.push(update);
    }

    /// Raises what is held with the outcome it has by now.
    fn tell(&mut self, open: &mut Open, out: &mut Findings) {
        if open.held.is_empty() {
            return;
        }
        self.held = self.held.saturating_sub(1);
        for finding in open.held.drain(..) {
            if let MetaRef::Builtin(meta) = finding.meta {
                if let Some(count) = self.counts.iter_mut().find(|count| count.meta.sid == meta.sid) {
                    count.best = count.best.max(finding.outcome);
                }
                open.told.push((meta, finding.outcome));
            }
            out.findings.push(finding);
        }
    }

    fn say(&mut self, open: &mut Open, outcome: Outcome, out: &mut Findings) {
        for finding in &mut open.held {
            finding.outcome = outcome;
        }
        self.tell(open, out);
    }

    fn say_where(&mut self, out: &mut Findings, is_due: impl Fn(&Open) -> bool) {
        let mut open = std::mem::take(&mut self.open);
        for one in open.iter_mut().filter(|one| is_due(one)) {
            self.say(one, Outcome::Unknown, out);
        }
        self.open = open;
    }
}

impl Detector for Statements {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        let Some(request) = Request::of(transaction) else { return };
        match request.progress() {
            Progress::Seen => self.seen(context, &request, out),
            Progress::Answered => self.answered(context, &request, out),
            Progress::Unanswered => {
                let tx_id = request.tx_id();
                self.say_where(out, |open| open.tx_id == tx_id);
                self.open.retain(|open| open.tx_id != tx_id);
            }
        }
    }

    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.say_where(out, |open| context.now >= open.until);
    }

    fn wants_tick(&self) -> bool {
        self.held > 0
    }

    fn on_flow_end(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.say_where(out, |_| true);
        self.open.clear();
        // Prepared, and as far as anybody saw never run.
        for mut finding in std::mem::take(&mut self.dormant) {
            if self.admits(context, &finding) {
                finding.outcome = Outcome::Attempt;
                finding.confidence = Confidence::Medium;
                out.findings.push(finding);
            }
        }
        if self.object != "tds" {
            return;
        }
        for count in std::mem::take(&mut self.counts).into_iter().filter(|count| count.untold > 0) {
            let fields = Fields::new().with("count", count.told as u64 + count.untold).with("count_untold", count.untold);
            self.update(context, count.meta, fields, count.best, None, out);
        }
    }
}

/// The findings for what a request was read as.
fn findings(context: &Context<'_>, request: &Request<'_>, reading: &Reading) -> Vec<Finding> {
    let object = evidence::object(request);
    let mut findings = Vec::new();
    for hit in &reading.hits {
        let Some(meta) = commands::of(hit.sid) else { continue };
        let mut finding = evidence::finding(meta, context, request, reading);
        evidence::amend(&mut finding, object, |fields| evidence::set_command(fields, hit, context.config.max_excerpt));
        findings.push(finding);
    }
    let client = context.client.addr;
    if reading.tables.is_empty() || client.is_loopback() || client == context.server.addr {
        return findings;
    }
    let config = &context.config.sql;
    for (wanted, meta) in [(Kind::Secret, &secrets::SECRETS), (Kind::Inventory, &secrets::INVENTORY)] {
        let of_kind = reading.tables.iter().filter_map(|table| {
            let (kind, confidence) = kind(table, config)?;
            (kind == wanted).then_some((table, confidence))
        });
        let tables: Vec<_> = of_kind.collect();
        if tables.is_empty() {
            continue;
        }
        let mut finding = evidence::finding(meta, context, request, reading);
        if tables.iter().all(|(_, confidence)| *confidence == Confidence::Medium) {
            finding.confidence = Confidence::Medium;
        }
        let names: Vec<String> = tables.iter().map(|(table, _)| table.name.clone()).collect();
        evidence::amend(&mut finding, object, |fields| {
            let shown = tables.iter().take(MAX_TABLES).map(|(table, _)| table.to_string());
            fields.set("tables", shown.collect::<Vec<_>>());
        });
        finding.requires = vec![Role::Stranger(client)];
        if wanted == Kind::Inventory {
            let key = client.to_string().into_bytes();
            finding.tally = Some(Tally {
                key: key.clone(),
                items: names,
                needed: config.inventory_count,
                window: config.inventory_window,
                notes: vec![("servers", context.server.addr.to_string())],
            });
            finding.threshold = Some(Threshold { key, window: context.config.policy_window });
        }
        findings.push(finding);
    }
    findings
}
