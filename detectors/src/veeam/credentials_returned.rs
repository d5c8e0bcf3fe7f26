//! 9401003: credentials were returned.

use backstop_protocols::veeam::{self, Reply, Stage as CallStage};
use backstop_protocols::{Transaction, nmf};
use backstop_types::{Direction, Fields};

use super::evidence::{self, SessionFacts};
use crate::finding::Stage;
use crate::mitre::T1555;
use crate::{Context, Detector, Findings, Meta, Outcome};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_003,
    rev: 1,
    title: "BACKSTOP Veeam credentials returned",
    category: "Successful Credential Theft Detected",
    severity: 1,
    mitre: &[T1555],
    cve: &["CVE_2023_27532"],
    stage: Stage::Collect,
    help: "The reply to a credential dump or lookup is not a fault and holds a value. credential_count is the number of credential \
           objects where the returned data could be walked to its end; the secrets are never kept. One alert a flow and method; the \
           totals follow at the end of the flow. Change every credential stored in the configuration. Silent: faults, replies \
           without a value, lists that were read to their end and hold no credential.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Returned::default())
}

#[derive(Default)]
struct Returned {
    session: SessionFacts,
    /// By method, in the order of [`METHODS`].
    totals: [Totals; 2],
}

const METHODS: [&str; 2] = [super::GET_ALL, super::FIND];

#[derive(Default)]
struct Totals {
    replies: u64,
    credentials: u64,
    /// Replies whose data could not be walked to the end.
    uncounted: u64,
    first: Option<Box<Fields>>,
}

impl Returned {
    fn answered(&mut self, context: &Context<'_>, of: &veeam::Transaction<'_>, reply: &Reply, out: &mut Findings) {
        if !super::returns_something(reply) {
            return;
        }
        let method = METHODS.iter().position(|method| super::names(of.call, method));
        let Some(totals) = method.and_then(|at| self.totals.get_mut(at)) else { return };
        totals.replies += 1;
        totals.credentials = totals.credentials.saturating_add(reply.credential_count.unwrap_or(0));
        totals.uncounted += u64::from(reply.credential_count.is_none());
        if totals.first.is_some() {
            return;
        }
        totals.first = Some(Box::new(evidence::brief(of.call)));
        let mut finding = evidence::finding(&META, context, of, &self.session);
        finding.outcome = Outcome::Success;
        finding.direction = Direction::ToClient;
        out.findings.push(finding);
    }
}

impl Detector for Returned {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        match transaction {
            Transaction::Nmf(nmf::Transaction::Session(session)) => self.session.note(session),
            Transaction::Veeam(of) if of.stage == CallStage::Answered => {
                if let Some(reply) = of.reply {
                    self.answered(context, of, reply, out);
                }
            }
            _ => {}
        }
    }

    fn on_flow_end(&mut self, context: &Context<'_>, out: &mut Findings) {
        for totals in &mut self.totals {
            let Some(mut veeam) = totals.first.take().map(|first| *first) else { continue };
            if totals.replies < 2 {
                continue;
            }
            veeam.set("count", totals.replies);
            veeam.set("credential_count", totals.credentials);
            if totals.uncounted > 0 {
                veeam.set("replies_uncounted", totals.uncounted);
            }
            let mut update = evidence::update(&META, context, veeam, Outcome::Success);
            update.direction = Direction::ToClient;
            out.findings.push(update);
        }
    }
}
