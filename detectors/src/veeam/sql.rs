//! 9401004: SQL is sent through the remote invocation.
//!
//! Here SQL is read, once for this detection and for 9401005 ([`super::command`]).

use std::collections::VecDeque;

use backstop_protocols::veeam::{Call, Stage as CallStage};
use backstop_protocols::{Anomaly, Transaction};
use backstop_types::{Direction, Fields};

use super::command::Command;
use super::content::Held;
use super::watch::{self, Cause, Technique, Watch};
use crate::content::sql;
use crate::finding::Stage;
use crate::mitre::{T1190, T1210};
use crate::{Context, Detector, Findings, Meta};

/// Texts known to run no command, so that a poll repeated for hours is read once.
const MAX_HARMLESS: usize = 32;

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_004,
    rev: 1,
    title: "BACKSTOP Veeam SQL through RemoteInvoke",
    category: "Attempted Administrator Privilege Gain",
    severity: 2,
    mitre: &[T1190, T1210],
    cve: &["CVE_2023_27532"],
    stage: Stage::Exploit,
    help: "A request to IRemoteInvokeService carries a DbGetDataTableRemoteInvokeSpec or an SqlCommand element: its SQL runs with the \
           rights of the service. Each distinct SQL text of a flow is an alert, and each run of one that runs commands, up to a limit; \
           further ones are counted. Fires for known clients too. Silent: other methods, and SQL text in a reply or in another \
           argument.",
};

/// A detector for a new flow: of this and of 9401005.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(SqlCalls {
        sql: Watch::new(Sql::default()),
        command: Watch::new(Command::default()),
        content: Held::default(),
        harmless: VecDeque::new(),
    })
}

struct SqlCalls {
    sql: Watch<Sql>,
    command: Watch<Command>,
    content: Held,
    harmless: VecDeque<u128>,
}

impl SqlCalls {
    /// The conditions that the SQL of a call meets.
    fn read(&mut self, call: &Call) -> sql::Reading {
        let nothing = sql::Reading { complete: true, ..sql::Reading::default() };
        let Some(text) = call.sql.as_deref() else { return nothing };
        let key = watch::key(text);
        if self.harmless.contains(&key) {
            return nothing;
        }
        // Each text for itself: what one opens, the next does not close.
        let mut reading = sql::Reading { complete: true, ..sql::Reading::default() };
        for text in call.each_sql() {
            let of_one = sql::read(text);
            reading.complete &= of_one.complete;
            for hit in of_one.hits {
                if !reading.hits.iter().any(|known| known.sid == hit.sid) {
                    reading.hits.push(hit);
                }
            }
        }
        if reading.hits.is_empty() {
            if self.harmless.len() >= MAX_HARMLESS {
                self.harmless.pop_front();
            }
            self.harmless.push_back(key);
        }
        reading
    }
}

impl Detector for SqlCalls {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        if let Transaction::Veeam(of) = transaction
            && of.stage == CallStage::Requested
        {
            let reading = self.read(of.call);
            self.sql.technique.runs_commands = !reading.hits.is_empty();
            // Behind padding there is something that was not seen.
            self.sql.technique.complete = reading.complete && !of.call.sql_hidden;
            let findings = sql::offer(context, &reading.hits, Direction::ToServer, transaction.tx_id(), out);
            self.content.hold(context, of.tx_id, findings, out);
            self.command.technique.hits = reading.hits;
        }
        self.sql.on_transaction(context, transaction, out);
        self.command.on_transaction(context, transaction, out);
        self.content.on_transaction(transaction, out);
    }

    fn on_anomaly(&mut self, context: &Context<'_>, anomaly: &Anomaly, out: &mut Findings) {
        self.sql.on_anomaly(context, anomaly, out);
        self.command.on_anomaly(context, anomaly, out);
    }

    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.sql.on_tick(context, out);
        self.command.on_tick(context, out);
        self.content.on_tick(context.now, out);
    }

    fn wants_tick(&self) -> bool {
        self.sql.wants_tick() || self.command.wants_tick() || self.content.wants_tick()
    }

    fn on_flow_end(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.sql.on_flow_end(context, out);
        self.command.on_flow_end(context, out);
        self.content.on_flow_end(out);
    }
}

#[derive(Default)]
struct Sql {
    /// The SQL at hand meets a condition of 9401005.
    runs_commands: bool,
    /// It was read to its end.
    complete: bool,
    /// Calls that ran commands so far.
    runs: u128,
}

impl Technique for Sql {
    const META: &'static Meta = &META;

    fn cause(&mut self, _: &Context<'_>, call: &Call) -> Option<Cause> {
        if !super::carries_sql(call) {
            return None;
        }
        let key = if self.runs_commands {
            // A command that runs twice did its work twice.
            self.runs += 1;
            self.runs
        } else {
            watch::key(call.sql.as_deref().unwrap_or_default())
        };
        let mut evidence = Fields::new();
        if !self.complete {
            // Nothing honest needs so much unfolding: an analyst should read it.
            evidence.set("sql_unread", true);
        }
        Some(Cause { key, evidence })
    }

    fn max_causes(&self, context: &Context<'_>) -> usize {
        context.config.max_per_flow.max(1)
    }
}
