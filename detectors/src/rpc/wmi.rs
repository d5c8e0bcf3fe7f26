//! 9404005: what runs through WMI, and its doors being opened where nobody can see what for.

use std::time::Duration;

use backstop_protocols::dcerpc::calls::{Asked, Call, Datum, Object, Reply, Wmi, class_name, interface_name};
use backstop_protocols::dcerpc::{Bind, BindEnd, Exchange};
use backstop_types::PacketTime;

use super::WMI;
use super::evidence::{Seen, amend};
use crate::finding::{Role, Threshold};
use crate::veeam::outside::pair;
use crate::{Confidence, Context, Fact, Finding, Findings};

/// The object behind which WMI is ([MS-WMI] 1.9).
const LOGIN: &str = "WbemLevel1Login";
/// Consumers of events that run something when the event comes.
const CONSUMERS: [&str; 2] = ["CommandLineEventConsumer", "ActiveScriptEventConsumer"];
/// The activation is one connection, and what is called another one: it waits for what that one says of the same cause.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether a call starts a process, or makes a consumer that will.
pub fn runs(call: &Call) -> bool {
    match &call.what {
        Asked::Wmi(Wmi::Method(method)) => {
            let path = method.path.as_ref().map_or("", |path| path.text.as_str());
            // `\\.\root\cimv2:Win32_Process`, `Win32_Process.Handle="…"`.
            let class = path.rsplit(':').next().unwrap_or_default().split(['.', '=']).next().unwrap_or_default();
            // A class that is derived from it has another name, and the same argument.
            let has_line =
                || method.input.iter().flat_map(|input| input.texts()).any(|(name, _)| name.eq_ignore_ascii_case("CommandLine"));
            method.name.as_ref().is_some_and(|name| name.text.trim().eq_ignore_ascii_case("Create"))
                && (class.trim().eq_ignore_ascii_case("Win32_Process") || has_line())
        }
        Asked::Wmi(Wmi::Put { object: Some(object) }) => {
            !object.is_class && CONSUMERS.iter().any(|known| known.eq_ignore_ascii_case(&object.class))
        }
        _ => false,
    }
}

/// What the method itself returned: the call may have worked, and the process not.
pub fn returned(reply: &Reply) -> Option<u64> {
    let output = reply.output.as_ref()?;
    let (_, value) = output.properties.iter().find(|(name, _)| name.eq_ignore_ascii_case("ReturnValue"))?;
    match value {
        Datum::Number(number) => u64::try_from(*number).ok(),
        Datum::Unsigned(number) => Some(*number),
        _ => None,
    }
}

/// Findings on one pair of hosts are one cause for a while.
pub fn once(context: &Context<'_>) -> Threshold {
    let key = [&WMI.sid.to_be_bytes()[..], &pair(context)].concat();
    Threshold { key, window: context.config.policy_window }
}

/// A door that was opened, until it is known what for.
#[derive(Default)]
pub struct Doors {
    waiting: Option<(PacketTime, Box<Finding>)>,
    told: bool,
}

impl Doors {
    /// An object was activated.
    pub fn activated(&mut self, context: &Context<'_>, seen: &Seen<'_>, call: &Exchange) {
        let class = match call.call.as_deref().map(|call| &call.what) {
            Some(Asked::Object(Object::Activate(activation))) => activation.class,
            _ => None,
        };
        if class.and_then(class_name) == Some(LOGIN) {
            self.open(context, seen, "activation");
        }
    }

    /// The interfaces of WMI were bound.
    pub fn bound(&mut self, context: &Context<'_>, seen: &Seen<'_>, bind: &Bind) {
        let of_wmi = |interface| matches!(interface_name(interface), Some("IWbemLevel1Login" | "IWbemServices"));
        if bind.end == Some(BindEnd::Ack) && bind.contexts.iter().any(|context| of_wmi(context.interface)) {
            self.open(context, seen, "bind");
        }
    }

    fn open(&mut self, context: &Context<'_>, seen: &Seen<'_>, basis: &'static str) {
        if std::mem::replace(&mut self.told, true) || super::calls::is_listed(context) {
            return;
        }
        let mut finding = seen.finding(&WMI, context, None);
        amend(&mut finding, |fields| {
            fields.set("basis", basis).set("not_visible", "what is called is on another connection, or sealed");
        });
        suspect(&mut finding, context, Confidence::Low);
        if basis == "activation" {
            // What is asked of the object is on another connection, where it may be in the clear.
            let (client, server) = (context.client.addr, context.server.addr);
            finding.requires.push(Role::Unexplained { client, server, since: context.now });
        }
        self.waiting = Some((context.now.plus(PATIENCE), Box::new(finding)));
    }

    /// It is known what for: there is nothing to suspect any more.
    pub fn known(&mut self) {
        (self.waiting, self.told) = (None, true);
    }

    /// What is asked can be seen: it explains activations before it, too.
    pub fn seen(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.known();
        out.facts.push(Fact::WmiInClear { client: context.client.addr, server: context.server.addr, at: context.now });
    }

    /// Whether time will decide something.
    pub const fn wants_tick(&self) -> bool {
        self.waiting.is_some()
    }

    /// What is due by now; all of it where the flow is over.
    pub fn due(&mut self, now: Option<PacketTime>) -> Option<Finding> {
        let is_due = self.waiting.as_ref().is_some_and(|(until, _)| now.is_none_or(|now| now >= *until));
        self.waiting.take_if(|_| is_due).map(|(_, finding)| *finding)
    }
}

/// A finding that is not on what was seen.
pub fn suspect(finding: &mut Finding, context: &Context<'_>, confidence: Confidence) {
    (finding.severity, finding.suspected, finding.confidence) = (Some(3), true, confidence);
    // Where nobody said which servers matter, each may.
    if !context.config.backup_servers.is_empty() {
        finding.requires = vec![Role::BackupServer(context.server.addr)];
    }
    let key = [&finding.meta.sid().to_be_bytes()[..], &pair(context)].concat();
    finding.threshold = Some(Threshold { key, window: context.config.policy_window });
}
