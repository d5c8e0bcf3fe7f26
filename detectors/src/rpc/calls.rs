//! Calls that make something run: each is given to the content decoder once, and told once, with how it ended and whether it was
//! started.
//!
//! ```text
//! request ─► findings held ─► answer: outcome ─► start of the same service, run of the same task: evidence ─► alerts
//!               └───► time is up, or no answer will come: alerts ─► answer or start later: update
//! ```

use std::collections::VecDeque;

use backstop_protocols::Transaction as Any;
use backstop_protocols::dcerpc::calls::{Asked, Executed, Handle, Service, Task, Wmi};
use backstop_protocols::dcerpc::{Exchange, Stage, Told as Of, calls};
use backstop_types::{Direction, Fields, PacketTime, Value};

use super::evidence::{Seen, amend};
use super::interpreter::is_interpreted;
use super::wmi::{self, Doors};
use super::{SERVICE, TASK, WMI};
use crate::content::{Carrier, Inspection, Kind, inspect};
use crate::veeam::evidence::plain;
use crate::{Confidence, Context, Detector, Finding, Findings, Meta, Outcome};

/// Calls whose answer or start is waited for, and calls that were told and may yet be started.
const MAX_OPEN: usize = 64;
const MAX_TOLD: usize = 64;
/// Handles of services.
const MAX_HANDLES: usize = 64;
/// An encoded command: a form, not a content. Whoever is listed may use it.
const ENCODED: u64 = 9_403_004;
/// Operations by number, where arguments cannot be seen ([MS-SCMR] 3.1.4, [MS-TSCH] 3.2.5).
const CREATES: [u16; 5] = [12, 24, 44, 45, 60];

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Calls::default())
}

/// Whom a later call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    /// A service, by its name in lower case.
    Service(String),
    /// A service, by the handle it was changed through.
    Handle(Handle),
    /// A task, by its path in lower case.
    Task(String),
    /// Nobody.
    None,
}

/// A call that waits.
struct Open {
    pipe: u64,
    call_id: u32,
    until: PacketTime,
    answered: bool,
    subject: Subject,
    meta: &'static Meta,
    findings: Vec<Finding>,
}

/// A call that was told.
struct Told {
    subject: Subject,
    meta: &'static Meta,
    tx_id: Option<u64>,
}

#[derive(Default)]
struct Calls {
    open: VecDeque<Open>,
    told: VecDeque<Told>,
    /// Which service a handle stands for.
    handles: VecDeque<(u64, Handle, String)>,
    /// Opens and creations that have no answer yet: pipe, call id, name.
    opening: VecDeque<(u64, u32, String)>,
    /// Starts that have no answer yet.
    starting: VecDeque<(u64, u32, Subject)>,
    doors: Doors,
    alerts: usize,
    untold: u64,
}

fn bound<T>(queue: &mut VecDeque<T>, max: usize, item: T) -> Option<T> {
    queue.push_back(item);
    if queue.len() > max { queue.pop_front() } else { None }
}

/// What a call makes, and under which name.
fn makes(call: &calls::Call) -> Option<(&'static Meta, Subject)> {
    Some(match &call.what {
        Asked::Service(Service::Create(create)) => (&SERVICE, Subject::Service(create.name.text.to_lowercase())),
        Asked::Service(Service::Change(change)) if change.binary.is_some() => (&SERVICE, Subject::Handle(change.service)),
        Asked::Service(Service::Configure { service, failure: Some(failure), .. })
            if failure.command.as_ref().is_some_and(|command| !command.text.is_empty()) =>
        {
            (&SERVICE, Subject::Handle(*service))
        }
        Asked::Task(Task::Register(register)) => {
            (&TASK, register.path.as_ref().map_or(Subject::None, |path| Subject::Task(path.text.to_lowercase())))
        }
        Asked::Task(Task::AddJob { .. }) => (&TASK, Subject::None),
        _ if wmi::runs(call) => (&WMI, Subject::None),
        _ => return None,
    })
}

/// What a call makes whose arguments cannot be seen.
fn hidden(call: &Exchange) -> Option<&'static Meta> {
    let (interface, opnum) = (calls::interface_name(call.interface()?)?, call.opnum?);
    match interface {
        "svcctl" if CREATES.contains(&opnum) => Some(&SERVICE),
        "ITaskSchedulerService" if opnum == 1 => Some(&TASK),
        "atsvc" if opnum == 0 => Some(&TASK),
        // ExecMethod, ExecMethodAsync ([MS-WMI] 3.1.4.3.22).
        "IWbemServices" if matches!(opnum, 24 | 25) => Some(&WMI),
        _ => None,
    }
}

impl Calls {
    fn requested(&mut self, context: &Context<'_>, seen: &Seen<'_>, call: &Exchange, out: &mut Findings) {
        let Some(asked) = call.call.as_deref() else {
            if let Some(meta) = hidden(call).filter(|_| !is_listed(context)) {
                if meta.sid == WMI.sid {
                    self.doors.known();
                }
                self.open(context, seen, call, (meta, Subject::None), vec![suspected(context, seen, meta, call)], out);
            }
            return;
        };
        match &asked.what {
            // What is asked can be seen, whatever it is.
            Asked::Wmi(Wmi::Method(_) | Wmi::Query { .. } | Wmi::Named(_) | Wmi::Put { .. }) => self.doors.seen(context, out),
            Asked::Service(Service::Open { name, .. }) => {
                bound(&mut self.opening, MAX_OPEN, (seen.pipe, call.call_id, name.text.to_lowercase()));
            }
            Asked::Service(Service::Create(create)) => {
                bound(&mut self.opening, MAX_OPEN, (seen.pipe, call.call_id, create.name.text.to_lowercase()));
            }
            Asked::Service(Service::Start { service, .. }) => {
                let subject = self.named(seen.pipe, service).map_or(Subject::Handle(*service), Subject::Service);
                bound(&mut self.starting, MAX_OPEN, (seen.pipe, call.call_id, subject));
            }
            Asked::Task(Task::Run { path, .. }) => {
                bound(&mut self.starting, MAX_OPEN, (seen.pipe, call.call_id, Subject::Task(path.text.to_lowercase())));
            }
            _ => {}
        }
        let mut inspection = looked_at(context, seen, asked);
        inspection.offer(Direction::ToServer, out);
        let of_content = inspection.findings;
        let made = makes(asked);
        let only_form = of_content.iter().all(|finding| finding.meta.sid() == ENCODED);
        if (is_listed(context) && only_form) || (made.is_none() && of_content.is_empty()) {
            return;
        }
        let mut findings = Vec::new();
        let texts = asked.texts();
        let severe = of_content.iter().any(|finding| finding.severity.unwrap_or(finding.meta.severity()) < 3);
        let (meta, subject) = match made {
            Some((meta, subject)) => {
                let mut first = seen.finding(meta, context, texts.first());
                first.severity = (severe || texts.iter().any(|text| is_interpreted(&text.text))).then_some(1);
                if meta.sid == WMI.sid {
                    // What the activation before it makes suspect is this.
                    first.stands_for = Some(wmi::once(context));
                }
                let matches: Vec<Value> = of_content.iter().map(|finding| Value::from(finding.meta.sid().to_string())).collect();
                if !matches.is_empty() {
                    amend(&mut first, |fields| {
                        fields.set("matches", matches);
                    });
                }
                findings.push(first);
                (meta, self.known(seen.pipe, subject))
            }
            None => (&SERVICE, Subject::None),
        };
        findings.extend(of_content.into_iter().map(|mut finding| {
            seen.attach(&mut finding);
            finding
        }));
        self.open(context, seen, call, (meta, subject), findings, out);
    }

    fn open(
        &mut self,
        context: &Context<'_>,
        seen: &Seen<'_>,
        call: &Exchange,
        (meta, subject): (&'static Meta, Subject),
        mut findings: Vec<Finding>,
        out: &mut Findings,
    ) {
        let room = context.config.max_per_flow.max(1).saturating_sub(self.alerts);
        self.untold += findings.len().saturating_sub(room) as u64;
        findings.truncate(room);
        if findings.is_empty() {
            return;
        }
        self.alerts += findings.len();
        let until = context.now.plus(context.config.hold);
        let open = Open { pipe: seen.pipe, call_id: call.call_id, until, answered: false, subject, meta, findings };
        if let Some(oldest) = bound(&mut self.open, MAX_OPEN, open) {
            self.say(oldest, out);
        }
    }

    /// The service that a handle stands for.
    fn named(&self, pipe: u64, handle: &Handle) -> Option<String> {
        self.handles.iter().rev().find(|(of, known, _)| *of == pipe && known == handle).map(|(.., name)| name.clone())
    }

    /// A handle by the name behind it, where that is known.
    fn known(&self, pipe: u64, subject: Subject) -> Subject {
        match subject {
            Subject::Handle(handle) => self.named(pipe, &handle).map_or(Subject::Handle(handle), Subject::Service),
            other => other,
        }
    }

    fn over(&mut self, context: &Context<'_>, seen: &Seen<'_>, call: &Exchange, out: &mut Findings) {
        let is_it = |pipe: u64, id: u32| pipe == seen.pipe && id == call.call_id;
        if let Some(at) = self.opening.iter().position(|(pipe, id, _)| is_it(*pipe, *id))
            && let Some((pipe, _, name)) = self.opening.remove(at)
            && let Some(handle) =
                call.reply.as_ref().and_then(|reply| reply.handle).filter(|handle| handle.iter().any(|byte| *byte != 0))
        {
            bound(&mut self.handles, MAX_HANDLES, (pipe, handle, name));
        }
        if let Some(at) = self.starting.iter().position(|(pipe, id, _)| is_it(*pipe, *id))
            && let Some((.., subject)) = self.starting.remove(at)
        {
            self.started(context, &subject, call, out);
        }
        let Some(at) = self.open.iter().position(|open| !open.answered && is_it(open.pipe, open.call_id)) else { return };
        let outcome = seen.outcome();
        let waits = outcome == Outcome::Success && self.open.get(at).is_some_and(|open| open.subject != Subject::None);
        if let Some(open) = self.open.get_mut(at) {
            open.answered = true;
            for finding in &mut open.findings {
                seen.attach(finding);
                finding.outcome = outcome;
            }
        }
        if !waits && let Some(open) = self.open.remove(at) {
            self.say(open, out);
        }
    }

    /// A service was started, or a task run.
    fn started(&mut self, context: &Context<'_>, subject: &Subject, call: &Exchange, out: &mut Findings) {
        let code = call.reply.as_ref().and_then(|reply| reply.code).or(call.returned);
        let started = |fields: &mut Fields| {
            fields.set("started", true).set_some("start_code", code);
        };
        if let Some(at) = self.open.iter().rposition(|open| open.subject == *subject) {
            if let Some(open) = self.open.get_mut(at) {
                open.findings.iter_mut().for_each(|finding| amend(finding, started));
            }
            let answered = self.open.get(at).is_some_and(|open| open.answered);
            if let Some(open) = answered.then(|| self.open.remove(at)).flatten() {
                self.say(open, out);
            }
        } else if let Some(at) = self.told.iter().rposition(|told| told.subject == *subject)
            && let Some(told) = self.told.remove(at)
        {
            let mut fields = Fields::new();
            started(&mut fields);
            let mut update = plain(told.meta, context, Fields::new().with("dcerpc", fields));
            (update.outcome, update.tx_id, update.update) = (Outcome::Success, told.tx_id, true);
            out.findings.push(update);
        }
    }

    fn say(&mut self, open: Open, out: &mut Findings) {
        if open.subject != Subject::None {
            let tx_id = open.findings.first().and_then(|finding| finding.tx_id);
            bound(&mut self.told, MAX_TOLD, Told { subject: open.subject, meta: open.meta, tx_id });
        }
        out.findings.extend(open.findings);
    }

    fn say_where(&mut self, out: &mut Findings, is_due: impl Fn(&Open) -> bool) {
        let (due, later) = std::mem::take(&mut self.open).into_iter().partition::<VecDeque<_>, _>(is_due);
        self.open = later;
        for open in due {
            self.say(open, out);
        }
    }
}

/// Hosts that administer: those that are listed, the machine itself, and a backup server with its agents.
pub fn is_listed(context: &Context<'_>) -> bool {
    let (client, server) = (context.client.addr, context.server.addr);
    let agent = || context.config.smb.agents.iter().any(|net| net.contains(&server));
    context.config.is_known_client(client) || client == server || (context.config.is_backup_server(client) && agent())
}

/// A call that makes something which cannot be seen.
fn suspected(context: &Context<'_>, seen: &Seen<'_>, meta: &'static Meta, call: &Exchange) -> Finding {
    let mut finding = seen.finding(meta, context, None);
    let why = if call.is_sealed() { "arguments are sealed" } else { "arguments could not be read" };
    amend(&mut finding, |fields| {
        fields.set("not_visible", why);
    });
    wmi::suspect(&mut finding, context, Confidence::Medium);
    // That a service or task was made is said by the number; what a method of WMI does, is not.
    if meta.sid != WMI.sid {
        finding.requires.clear();
    }
    finding
}

/// Gives the texts of a call to the content decoder.
fn looked_at(context: &Context<'_>, seen: &Seen<'_>, asked: &calls::Call) -> Inspection {
    let mut all = Inspection::default();
    for Executed { what, text } in asked.texts() {
        let kind = if what == "task_xml" { Kind::Script } else { Kind::Command };
        let carrier = Carrier { name: "dcerpc", kind, direction: Direction::ToServer, tx_id: seen.rpc.tx_id() };
        all.join(inspect(text.as_bytes(), &carrier, context));
    }
    all
}

impl Detector for Calls {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Any<'_>, out: &mut Findings) {
        let Some(seen) = Seen::of(transaction) else { return };
        let call = match seen.rpc.told {
            Of::Call(call) => call,
            Of::Bind(bind) => return self.doors.bound(context, &seen, bind),
        };
        match seen.rpc.stage {
            Stage::Requested => {
                self.doors.activated(context, &seen, call);
                self.requested(context, &seen, call, out);
            }
            _ => self.over(context, &seen, call, out),
        }
    }

    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.say_where(out, |open| context.now >= open.until);
        out.findings.extend(self.doors.due(Some(context.now)));
    }

    fn wants_tick(&self) -> bool {
        !self.open.is_empty() || self.doors.wants_tick()
    }

    fn on_flow_end(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.say_where(out, |_| true);
        out.findings.extend(self.doors.due(None));
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            let counts = Fields::new().with("count", self.alerts as u64 + untold).with("count_untold", untold);
            let mut update = plain(&SERVICE, context, Fields::new().with("dcerpc", counts));
            update.update = true;
            out.findings.push(update);
        }
    }
}
