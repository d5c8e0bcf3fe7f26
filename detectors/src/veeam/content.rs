//! Findings on the commands that SQL of a call runs, told with the outcome of the call.

use std::collections::VecDeque;

use backstop_protocols::Transaction;
use backstop_protocols::veeam::Stage;
use backstop_types::PacketTime;

use super::command::Command;
use super::watch::Technique;
use crate::{Context, Finding, Findings, Outcome};

/// Calls whose reply is waited for.
const MAX_OPEN: usize = 64;

/// What waits for a reply.
#[derive(Default)]
pub struct Held {
    open: VecDeque<(u64, PacketTime, Vec<Finding>)>,
    told: usize,
}

impl Held {
    /// A call was seen, with these findings.
    pub fn hold(&mut self, context: &Context<'_>, tx_id: u64, findings: Vec<Finding>, out: &mut Findings) {
        // A command that runs twice did its work twice.
        let room = context.config.max_per_flow.max(1).saturating_sub(self.told);
        let findings: Vec<Finding> = findings.into_iter().take(room).collect();
        self.told += findings.len();
        if findings.is_empty() {
            return;
        }
        if self.open.len() >= MAX_OPEN
            && let Some((.., oldest)) = self.open.pop_front()
        {
            out.findings.extend(oldest);
        }
        self.open.push_back((tx_id, context.now.plus(context.config.hold), findings));
    }

    /// A reply, or the news that none will come.
    pub fn on_transaction(&mut self, transaction: &Transaction<'_>, out: &mut Findings) {
        let Transaction::Veeam(of) = transaction else { return };
        if of.stage == Stage::Requested {
            return;
        }
        let Some(at) = self.open.iter().position(|(tx_id, ..)| *tx_id == of.tx_id) else { return };
        let Some((.., findings)) = self.open.remove(at) else { return };
        let outcome = of.reply.map_or(Outcome::Unknown, |reply| Command::default().outcome(reply));
        out.findings.extend(findings.into_iter().map(|finding| Finding { outcome, ..finding }));
    }

    /// Time has passed.
    pub fn on_tick(&mut self, now: PacketTime, out: &mut Findings) {
        while self.open.front().is_some_and(|(_, until, _)| now >= *until) {
            out.findings.extend(self.open.pop_front().into_iter().flat_map(|(.., findings)| findings));
        }
    }

    /// Whether time will decide something.
    pub fn wants_tick(&self) -> bool {
        !self.open.is_empty()
    }

    /// The flow is over.
    pub fn on_flow_end(&mut self, out: &mut Findings) {
        out.findings.extend(self.open.drain(..).flat_map(|(.., findings)| findings));
    }
}
