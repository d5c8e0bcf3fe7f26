//! Commands: each is given to the content decoder once, and told once, with how it ended.
//!
//! ```text
//! request ─► findings held ─► response: alerts with their outcome        401 ─► the same again on this connection: one cause
//!               └───► time is up, or no response will come: alerts, outcome unknown ─► a later response: update
//! ```

use std::collections::VecDeque;

use backstop_protocols::Transaction as Any;
use backstop_protocols::winrm::{Command, CommandKind, Reply, Stage, Transaction};
use backstop_types::{Direction, Fields, PacketTime, Value};

use super::session::Session;
use super::{META, evidence};
use crate::content::{Carrier, Inspection, Kind, inspect};
use crate::finding::Threshold;
use crate::veeam::evidence::plain;
use crate::veeam::outside::pair;
use crate::veeam::watch::key;
use crate::{Context, Detector, Finding, Findings, Outcome};

/// Requests whose response is waited for.
const MAX_OPEN: usize = 64;
/// Commands whose end may yet be seen.
const MAX_TOLD: usize = 64;
/// Bytes of a line of input that tell whether it is the same line.
const MAX_BEGIN: usize = 48;
/// An encoded command: how ordinary tools send scripts. What is in it is looked at by the other detections.
const ENCODED: u64 = 9_403_004;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Commands::default())
}

/// A request that waits for its response.
struct Open {
    tx_id: u64,
    until: PacketTime,
    /// What runs, so that a repetition is known.
    cause: u128,
    /// The server wants credentials first.
    refused: bool,
    /// How many of them there are, as they are counted.
    alerts: [usize; 2],
    findings: Vec<Finding>,
}

/// A command that was told before its end was seen.
struct Told {
    tx_id: u64,
    command_id: Option<String>,
}

#[derive(Default)]
struct Commands {
    session: Session,
    open: VecDeque<Open>,
    told: VecDeque<Told>,
    /// On commands alone, and on what stands in them.
    alerts: [usize; 2],
    untold: u64,
}

impl Commands {
    fn requested(&mut self, context: &Context<'_>, of: &Transaction<'_>, out: &mut Findings) {
        if of.call.commands.is_empty() {
            return;
        }
        let mut cause = 0;
        for (number, command) in of.call.commands.iter().enumerate() {
            cause ^= key(&command.text).rotate_left(number as u32 % 128);
        }
        // The same again behind a 401 on this connection: the first try was the challenge, or a wrong password.
        for open in self.open.iter().filter(|open| open.refused && open.cause == cause) {
            for (all, one) in self.alerts.iter_mut().zip(open.alerts) {
                *all = all.saturating_sub(one);
            }
        }
        self.open.retain(|open| !(open.refused && open.cause == cause));
        let mut findings = Vec::new();
        let mut alerts = [0; 2];
        for command in &of.call.commands {
            let found = judge(context, of, command, out);
            // Any number of harmless commands takes no room from what content says.
            let by_content = found.len() > 1 || found.first().is_some_and(|first| first.severity.is_some());
            let (Some(before), Some(now)) =
                (self.alerts.get_mut(usize::from(by_content)), alerts.get_mut(usize::from(by_content)))
            else {
                continue;
            };
            if !found.is_empty() && *before >= context.config.max_per_flow.max(1) {
                self.untold += 1;
                continue;
            }
            *before += found.len();
            *now += found.len();
            findings.extend(found);
        }
        if findings.is_empty() {
            return;
        }
        if self.open.len() >= MAX_OPEN
            && let Some(oldest) = self.open.pop_front()
        {
            self.say(oldest, Outcome::Unknown, out);
        }
        let until = context.now.plus(context.config.hold);
        self.open.push_back(Open { tx_id: of.tx_id, until, cause, refused: false, alerts, findings });
    }

    fn over(&mut self, context: &Context<'_>, of: &Transaction<'_>, out: &mut Findings) {
        let Some(reply) = of.reply else {
            if let Some(at) = self.open.iter().position(|open| open.tx_id == of.tx_id) {
                self.say_at(at, Outcome::Unknown, out);
            }
            return;
        };
        if let Some(at) = self.open.iter().position(|open| open.tx_id == of.tx_id) {
            let outcome = outcome(of, reply);
            if let Some(open) = self.open.get_mut(at) {
                for finding in &mut open.findings {
                    evidence::amend(finding, |fields| {
                        fields.set("reply", reply.fields());
                    });
                    finding.context.set("http", of.http_fields());
                    finding.outcome = outcome;
                }
                if reply.status == 401 {
                    open.refused = true;
                    open.until = context.now.plus(context.config.hold);
                    return;
                }
            }
            self.say_at(at, outcome, out);
        } else if let Some(at) = self.told.iter().position(|told| told.tx_id == of.tx_id || ends(told, reply)) {
            self.update(context, at, of, reply, out);
        }
    }

    /// The response to a request, or the end of its command, after it was told.
    fn update(&mut self, context: &Context<'_>, at: usize, of: &Transaction<'_>, reply: &Reply, out: &mut Findings) {
        let of_receive = self.told.get(at).is_some_and(|told| told.tx_id != of.tx_id);
        let outcome = if of_receive { Outcome::Success } else { outcome(of, reply) };
        if outcome == Outcome::Unknown {
            return;
        }
        let Some(told) = self.told.remove(at) else { return };
        let mut update = plain(&META, context, Fields::new().with("winrm", Fields::new().with("reply", reply.fields())));
        (update.outcome, update.tx_id, update.update) = (outcome, Some(told.tx_id), true);
        out.findings.push(update);
    }

    fn say_at(&mut self, at: usize, outcome: Outcome, out: &mut Findings) {
        if let Some(open) = self.open.remove(at) {
            self.say(open, outcome, out);
        }
    }

    fn say(&mut self, open: Open, outcome: Outcome, out: &mut Findings) {
        if outcome == Outcome::Unknown {
            if self.told.len() >= MAX_TOLD {
                self.told.pop_front();
            }
            let command_id = open.findings.iter().find_map(|finding| match finding.context.get("winrm") {
                Some(Value::Object(fields)) => match fields.get("command_id") {
                    Some(Value::Text(id)) => Some(id.to_string()),
                    _ => None,
                },
                _ => None,
            });
            self.told.push_back(Told { tx_id: open.tx_id, command_id });
        }
        out.findings.extend(open.findings);
    }

    fn say_where(&mut self, out: &mut Findings, is_due: impl Fn(&Open) -> bool) {
        let (due, later) = std::mem::take(&mut self.open).into_iter().partition::<VecDeque<_>, _>(is_due);
        self.open = later;
        for open in due {
            let outcome = if open.refused { Outcome::Attempt } else { Outcome::Unknown };
            self.say(open, outcome, out);
        }
    }
}

/// A command has an end, and this is it.
fn ends(told: &Told, reply: &Reply) -> bool {
    reply.state == Some("done") && told.command_id.is_some() && told.command_id == reply.command_id
}

/// What a response proves.
fn outcome(of: &Transaction<'_>, reply: &Reply) -> Outcome {
    if reply.fault.is_some() || !(200..300).contains(&reply.status) {
        return Outcome::Attempt;
    }
    if of.call.commands.iter().any(|command| command.kind == CommandKind::Process) {
        return match reply.return_value {
            Some(0) => Outcome::Success,
            Some(_) => Outcome::Attempt,
            None => Outcome::Unknown,
        };
    }
    let starts = of.call.operation == backstop_protocols::winrm::Operation::Command;
    if starts && reply.command_id.is_none() { Outcome::Unknown } else { Outcome::Success }
}

/// The findings on a command, outcome unknown.
fn judge(context: &Context<'_>, of: &Transaction<'_>, command: &Command, out: &mut Findings) -> Vec<Finding> {
    let mut inspection = looked_at(context, of, command);
    inspection.offer(Direction::ToServer, out);
    let of_content = inspection.findings;
    let same_host = context.client.addr == context.server.addr;
    let listed = context.config.is_known_client(context.client.addr) || same_host;
    // An encoded command is a form, not a content: whoever is listed may use it.
    let only_form = of_content.iter().all(|finding| finding.meta.sid() == ENCODED);
    if listed && only_form {
        return Vec::new();
    }
    let is_input = matches!(command.kind, CommandKind::Input | CommandKind::PipelineInput | CommandKind::Pool);
    if is_input && of_content.is_empty() {
        // Told with the command that reads it.
        return Vec::new();
    }
    let fields = evidence::of_command(of, command, context.config.max_excerpt);
    let severe = of_content.iter().any(|finding| finding.severity.unwrap_or(finding.meta.severity()) < 3);
    let matches: Vec<Value> = of_content.iter().map(|finding| Value::from(finding.meta.sid().to_string())).collect();
    let mut first = evidence::finding(context, of, command, fields.clone());
    if !matches.is_empty() {
        evidence::amend(&mut first, |fields| {
            fields.set("matches", matches);
        });
    }
    first.severity = severe.then_some(1);
    let mut findings = vec![first];
    findings.extend(of_content.into_iter().map(|mut finding| {
        finding.context.set("winrm", fields.clone());
        finding
    }));
    for finding in &mut findings {
        finding.context.set("http", of.http_fields());
        if only_form {
            // What is polled for hours is one cause.
            let key = [&key(&command.text).to_be_bytes()[..], &pair(context)].concat();
            finding.threshold = Some(Threshold { key, window: context.config.policy_window });
        } else if command.kind == CommandKind::Input {
            // A line that is sent sign by sign is read again with each.
            let line = command.text.trim_start();
            let begin = line.get(..line.floor_char_boundary(MAX_BEGIN)).unwrap_or(line);
            let begin = format!("{}\0{begin}", command.id.as_deref().unwrap_or_default());
            let key = [&key(&begin).to_be_bytes()[..], &pair(context)].concat();
            finding.threshold = Some(Threshold { key, window: context.config.policy_window });
        }
    }
    findings
}

fn looked_at(context: &Context<'_>, of: &Transaction<'_>, command: &Command) -> Inspection {
    let kinds: &[Kind] = match command.kind {
        CommandKind::Line | CommandKind::Process => &[Kind::Command],
        // Who reads it, a shell or PowerShell, is not known.
        CommandKind::Input => &[Kind::Command, Kind::Script],
        CommandKind::Pipeline | CommandKind::PipelineInput | CommandKind::Pool => &[Kind::Script],
    };
    let look = |bytes: &[u8], kind| {
        let carrier = Carrier { name: "winrm", kind, direction: Direction::ToServer, tx_id: Some(of.tx_id) };
        inspect(bytes, &carrier, context)
    };
    let mut all = Inspection::default();
    let texts = kinds.iter().map(|kind| (command.text.as_bytes(), *kind));
    let unread = command.unread.iter().map(|unread| (unread.as_bytes(), Kind::Script));
    for (bytes, kind) in texts.chain(unread) {
        all.join(look(bytes, kind));
    }
    all
}

impl Detector for Commands {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Any<'_>, out: &mut Findings) {
        match transaction {
            Any::Winrm(of) => {
                self.session.on_winrm(context, of, out);
                if of.stage == Stage::Requested { self.requested(context, of, out) } else { self.over(context, of, out) }
            }
            Any::Tls(tls) => self.session.on_tls(context, tls),
            _ => {}
        }
    }

    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.session.on_tick(context.now, out);
        self.say_where(out, |open| context.now >= open.until);
    }

    fn wants_tick(&self) -> bool {
        !self.open.is_empty() || self.session.wants_tick()
    }

    fn on_flow_end(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.session.on_flow_end(out);
        self.say_where(out, |_| true);
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            let counts =
                Fields::new().with("count", self.alerts.iter().sum::<usize>() as u64 + untold).with("count_untold", untold);
            let mut update = plain(&META, context, Fields::new().with("winrm", counts));
            update.update = true;
            out.findings.push(update);
        }
    }
}
