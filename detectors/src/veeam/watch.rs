//! Calls of one technique in one flow: each cause is an alert, which waits a moment for its reply; the rest is counted.
//!
//! ```text
//! request ─► held ─► reply in time: alert with its outcome
//!              └───► time is up, or no reply will come: alert, outcome unknown ─► a later reply: update
//! further calls of the same cause, and causes past the cap: counted, told once at the end of the flow as an update
//! ```

use std::collections::VecDeque;

use backstop_protocols::veeam::{Call, Reply, ReplyKind, Stage};
use backstop_protocols::{Transaction, nmf, veeam};
use backstop_types::{Fields, PacketTime};

use super::evidence::{self, SessionFacts};
use crate::{Context, Detector, Finding, Findings, Meta, Outcome};

/// Calls whose reply is waited for. The parser waits for no more either.
const MAX_OPEN: usize = 256;

/// What makes a call one of the technique's.
pub struct Cause {
    /// Calls with the same key are the same cause.
    pub key: u128,
    /// Evidence besides the call's own, for the object `veeam`.
    pub evidence: Fields,
}

/// A technique: which calls are of it.
pub trait Technique: Send {
    /// What is fixed about it.
    const META: &'static Meta;

    /// The cause, where the call is of this technique. Asked once a request.
    fn cause(&mut self, context: &Context<'_>, call: &Call) -> Option<Cause>;

    /// Causes that become alerts of their own.
    fn max_causes(&self, context: &Context<'_>) -> usize {
        let _ = context;
        1
    }

    /// What a reply says about success.
    fn outcome(&self, reply: &Reply) -> Outcome {
        if reply.kind == ReplyKind::Value { Outcome::Success } else { Outcome::Attempt }
    }

    /// Adds what was counted so far.
    fn totals(&self, veeam: &mut Fields) {
        let _ = veeam;
    }
}

/// A cause that was met.
struct Met {
    key: u128,
    calls: u64,
    state: State,
}

enum State {
    /// Waits for a reply. Boxed: most of the time there is none.
    Held { tx_id: u64, until: PacketTime, finding: Box<Finding> },
    /// The alert was raised with this outcome.
    Said(Outcome),
}

/// The detector of a technique.
pub struct Watch<T> {
    pub technique: T,
    session: SessionFacts,
    met: Vec<Met>,
    /// Calls that may still be answered, with their cause.
    open: VecDeque<(u64, u128)>,
    calls: u64,
    /// Calls that no alert told of.
    untold: u64,
    /// The first call, for the totals.
    first: Option<Box<Fields>>,
    held: usize,
}

impl<T: Technique> Watch<T> {
    pub fn new(technique: T) -> Self {
        Self {
            technique,
            session: SessionFacts::default(),
            met: Vec::new(),
            open: VecDeque::new(),
            calls: 0,
            untold: 0,
            first: None,
            held: 0,
        }
    }

    fn requested(&mut self, context: &Context<'_>, of: &veeam::Transaction<'_>) {
        let Some(cause) = self.technique.cause(context, of.call) else { return };
        self.calls += 1;
        if self.first.is_none() {
            self.first = Some(Box::new(evidence::brief(of.call)));
        }
        if self.open.len() >= MAX_OPEN {
            self.open.pop_front();
        }
        self.open.push_back((of.tx_id, cause.key));
        if let Some(met) = self.met.iter_mut().find(|met| met.key == cause.key) {
            met.calls += 1;
            if matches!(met.state, State::Said(_)) {
                self.untold += 1;
            }
            return;
        }
        if self.met.len() >= self.technique.max_causes(context) {
            self.untold += 1;
            return;
        }
        let mut finding = evidence::finding(T::META, context, of, &self.session);
        evidence::amend(&mut finding, |veeam| {
            for (name, value) in cause.evidence.iter() {
                veeam.set(name.to_owned(), value.clone());
            }
        });
        let until = context.now.plus(context.config.hold);
        self.met.push(Met {
            key: cause.key,
            calls: 1,
            state: State::Held { tx_id: of.tx_id, until, finding: Box::new(finding) },
        });
        self.held += 1;
    }

    fn answered(&mut self, context: &Context<'_>, of: &veeam::Transaction<'_>, reply: &Reply, out: &mut Findings) {
        let Some(key) = self.take_open(of.tx_id) else { return };
        let outcome = self.technique.outcome(reply);
        let Some(met) = self.met.iter_mut().find(|met| met.key == key) else { return };
        match &mut met.state {
            // A reply to a repetition says as much as one to the first call, where it is better news to nobody.
            State::Held { tx_id, finding, .. } if *tx_id == of.tx_id || outcome == Outcome::Success => {
                evidence::add_reply(finding, reply);
                self.say(key, outcome, out);
            }
            State::Held { .. } => {}
            State::Said(said) if outcome > *said => {
                *said = outcome;
                let calls = met.calls;
                let mut update = evidence::update(T::META, context, evidence::brief(of.call), outcome);
                update.tx_id = Some(of.tx_id);
                evidence::add_reply(&mut update, reply);
                evidence::amend(&mut update, |veeam| {
                    veeam.set("count", calls);
                    self.technique.totals(veeam);
                });
                out.findings.push(update);
            }
            State::Said(_) => {}
        }
    }

    fn unanswered(&mut self, tx_id: u64, out: &mut Findings) {
        let Some(key) = self.take_open(tx_id) else { return };
        let is_held = |met: &Met| met.key == key && matches!(met.state, State::Held { tx_id: held, .. } if held == tx_id);
        if self.met.iter().any(is_held) {
            self.say(key, Outcome::Unknown, out);
        }
    }

    fn take_open(&mut self, tx_id: u64) -> Option<u128> {
        let at = self.open.iter().position(|(open, _)| *open == tx_id)?;
        self.open.remove(at).map(|(_, key)| key)
    }

    /// Raises what is held.
    fn say(&mut self, key: u128, outcome: Outcome, out: &mut Findings) {
        let Some(met) = self.met.iter_mut().find(|met| met.key == key) else { return };
        let calls = met.calls;
        if let State::Held { mut finding, .. } = std::mem::replace(&mut met.state, State::Said(outcome)) {
            self.held -= 1;
            finding.outcome = outcome;
            evidence::amend(&mut finding, |veeam| {
                veeam.set("count", calls);
                self.technique.totals(veeam);
            });
            out.findings.push(*finding);
        }
    }

    fn say_where(&mut self, out: &mut Findings, is_due: impl Fn(PacketTime) -> bool) {
        let due = |met: &Met| matches!(met.state, State::Held { until, .. } if is_due(until)).then_some(met.key);
        let keys: Vec<u128> = self.met.iter().filter_map(due).collect();
        for key in keys {
            self.say(key, Outcome::Unknown, out);
        }
    }
}

impl<T: Technique> Detector for Watch<T> {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        match transaction {
            Transaction::Nmf(nmf::Transaction::Session(session)) => self.session.note(session),
            Transaction::Veeam(of) => match (of.stage, of.reply) {
                (Stage::Requested, _) => self.requested(context, of),
                (Stage::Answered, Some(reply)) => self.answered(context, of, reply, out),
                (Stage::Answered | Stage::Unanswered, _) => self.unanswered(of.tx_id, out),
            },
            _ => {}
        }
    }

    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.say_where(out, |until| context.now >= until);
    }

    fn wants_tick(&self) -> bool {
        self.held > 0
    }

    fn on_flow_end(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.say_where(out, |_| true);
        if self.untold == 0 {
            return;
        }
        let best = |met: &Met| if let State::Said(outcome) = met.state { outcome } else { Outcome::Unknown };
        let outcome = self.met.iter().map(best).max().unwrap_or(Outcome::Unknown);
        let mut veeam = self.first.as_deref().cloned().unwrap_or_default();
        veeam.set("count", self.calls);
        veeam.set("count_untold", self.untold);
        self.technique.totals(&mut veeam);
        out.findings.push(evidence::update(T::META, context, veeam, outcome));
        self.untold = 0;
    }
}

/// 128 bits that tell texts apart. For telling repetitions only; two hashes of 64 bits, so that nobody finds two texts
/// of which the second would go untold.
pub fn key(text: &str) -> u128 {
    use std::hash::{DefaultHasher, Hasher};
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(seed);
        hasher.write(text.as_bytes());
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}
