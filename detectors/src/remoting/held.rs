//! Findings on requests, told with the outcome that the reply shows.

use std::collections::VecDeque;

use backstop_protocols::AppProto;
use backstop_types::{Fields, PacketTime};

use crate::{Context, Finding, Findings, Outcome};

/// Requests whose reply is waited for.
const MAX_OPEN: usize = 64;

struct Open {
    of: AppProto,
    tx_id: u64,
    until: PacketTime,
    findings: Vec<Finding>,
}

/// What waits for replies.
#[derive(Default)]
pub struct Held(VecDeque<Open>);

impl Held {
    /// A request gave these findings.
    pub fn hold(&mut self, context: &Context<'_>, of: AppProto, tx_id: u64, findings: Vec<Finding>, out: &mut Findings) {
        if findings.is_empty() {
            return;
        }
        if self.0.len() >= MAX_OPEN
            && let Some(oldest) = self.0.pop_front()
        {
            out.findings.extend(oldest.findings);
        }
        self.0.push_back(Open { of, tx_id, until: context.now.plus(context.config.hold), findings });
    }

    /// Its reply is there, or will not come; `reply` is what is told of it.
    pub fn resolve(
        &mut self,
        of: AppProto,
        tx_id: u64,
        outcome: Outcome,
        reply: impl Fn() -> Option<(&'static str, Fields)>,
        out: &mut Findings,
    ) {
        while let Some(at) = self.0.iter().position(|open| open.of == of && open.tx_id == tx_id) {
            let Some(open) = self.0.remove(at) else { return };
            for mut finding in open.findings {
                finding.outcome = outcome;
                if let Some((name, fields)) = reply() {
                    finding.context.set(name, fields);
                }
                out.findings.push(finding);
            }
        }
    }

    /// Time has passed.
    pub fn on_tick(&mut self, now: PacketTime, out: &mut Findings) {
        while let Some(open) = self.0.pop_front_if(|open| open.until <= now) {
            out.findings.extend(open.findings);
        }
    }

    /// Whether time will decide something.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The flow is over.
    pub fn end(&mut self, out: &mut Findings) {
        out.findings.extend(self.0.drain(..).flat_map(|open| open.findings));
    }
}
