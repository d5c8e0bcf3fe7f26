//! 9404011: a host asks a backup server who is connected to it, and what it shares.

use backstop_protocols::Transaction;
use backstop_protocols::dcerpc::{End, uuid};
use backstop_protocols::smb::{Command, Exchange, Rpc, Stage, Transaction as Smb};
use backstop_types::{Fields, PacketTime, Value};

use super::evidence;
use crate::finding::{Role, Stage as Step, Threshold};
use crate::mitre::{T1049, T1135};
use crate::veeam::evidence::plain;
use crate::veeam::outside::pair;
use crate::{Confidence, Context, Detector, Findings, Meta, Outcome};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_404_011,
    rev: 1,
    title: "BACKSTOP Sessions, users or shares of a backup server enumerated",
    category: "Attempted Information Leak",
    severity: 3,
    mitre: &[T1049, T1135],
    cve: &[],
    stage: Step::Collect,
    help: "A host that is not in known_clients called NetrSessionEnum, NetrWkstaUserEnum (T1049) or NetrShareEnum (T1135) over the pipes \
           srvsvc or wkssvc of a backup server, as tools do that look for whom to become and where to go. Once an hour for each pair \
           of hosts. Silent: known clients, the server itself, servers without that role, other operations.",
};

/// [MS-SRVS] 1.9, [MS-WKST] 1.9.
const SRVSVC: u128 = 0x4b32_4fc8_1670_01d3_1278_5a47_bf6e_e188;
const WKSSVC: u128 = 0x6bff_d098_a112_3610_9833_46c3_f87e_345a;

/// Interface, number, name, technique ([MS-SRVS] 3.1.4, [MS-WKST] 3.2.4).
type Operation = (u128, u16, &'static str, &'static str);
const OPERATIONS: [Operation; 4] = [
    (SRVSVC, 12, "NetrSessionEnum", "T1049"),
    (SRVSVC, 15, "NetrShareEnum", "T1135"),
    (SRVSVC, 36, "NetrShareEnumSticky", "T1135"),
    (WKSSVC, 2, "NetrWkstaUserEnum", "T1049"),
];
/// Pipes by their interfaces.
const PIPES: [(&str, u128); 2] = [("srvsvc", SRVSVC), ("wkssvc", WKSSVC)];
/// ERROR_MORE_DATA: it worked, and there is more.
const MORE_DATA: u32 = 234;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Enumeration::default())
}

#[derive(Default)]
struct Enumeration {
    /// Operations that were called, and what came of them.
    called: Vec<(usize, Outcome)>,
    smb: Fields,
    tx_id: Option<u64>,
    due: Option<PacketTime>,
    told: bool,
}

impl Enumeration {
    fn call(&mut self, context: &Context<'_>, rpc: &Rpc<'_>) {
        let Some(call) = rpc.rpc.call().filter(|_| !self.told) else { return };
        let known = |(of, opnum, ..): &Operation| call.interface() == Some(*of) && call.opnum == Some(*opnum);
        let Some(at) = OPERATIONS.iter().position(known) else { return };
        let outcome = match (rpc.rpc.stage, call.end, call.returned) {
            (Stage::Answered, Some(End::Response), Some(0 | MORE_DATA)) => Outcome::Success,
            (Stage::Answered, Some(End::Response), Some(_)) | (_, Some(End::Fault(_)), _) => Outcome::Attempt,
            _ => Outcome::Unknown,
        };
        match self.called.iter_mut().find(|(known, _)| *known == at) {
            Some((_, best)) => *best = (*best).max(outcome),
            None => self.called.push((at, outcome)),
        }
        if self.due.is_none() {
            self.due = Some(context.now.plus(context.config.hold));
            self.tx_id = rpc.rpc.tx_id();
        }
    }

    fn say(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.due = None;
        if self.told || self.called.is_empty() {
            return;
        }
        self.told = true;
        let (client, server) = (context.client.addr, context.server.addr);
        if context.config.is_known_client(client) || client == server || client.is_loopback() {
            return;
        }
        let operations = || self.called.iter().filter_map(|(at, outcome)| OPERATIONS.get(*at).map(|known| (known, *outcome)));
        let shown: Vec<Value> = operations()
            .map(|((interface, opnum, name, technique), outcome)| {
                let pipe = PIPES.iter().find(|(_, known)| known == interface).map_or("", |(pipe, _)| pipe);
                let of = Fields::new().with("name", *name).with("opnum", *opnum).with("pipe", pipe);
                of.with("technique", *technique).with("outcome", outcome.as_str()).into()
            })
            .collect();
        let names: Vec<&str> = operations().map(|((_, _, name, _), _)| *name).collect();
        let excerpt = names.join(" ");
        let mut smb = self.smb.clone();
        if let Some(((interface, opnum, ..), _)) = operations().next() {
            let interface = Fields::new().with("uuid", uuid(*interface));
            let call = Fields::new().with("request", "REQUEST").with("opnum", *opnum);
            smb.set("dcerpc", call.with("interfaces", vec![Value::from(interface)]));
        }
        let fields = Fields::new().with("dcerpc", Fields::new().with("operations", shown)).with("smb", smb);
        let mut finding = plain(&META, context, fields);
        finding.tx_id = self.tx_id;
        finding.confidence = Confidence::Medium;
        finding.outcome = operations().map(|(_, outcome)| outcome).max().unwrap_or(Outcome::Unknown);
        finding.excerpt_of = excerpt.len() as u64;
        finding.excerpt = excerpt.into_bytes();
        finding.requires = vec![Role::BackupServer(server)];
        finding.threshold = Some(Threshold { key: pair(context), window: context.config.policy_window });
        out.findings.push(finding);
    }

    /// The request that opened a pipe says who did.
    fn opened(&mut self, exchange: &Exchange<'_>) {
        let opens = matches!(exchange.command, Command::Smb2(0x05) | Command::Smb1(0xa2 | 0x2d));
        let usual = |name: &str| PIPES.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.trim_start_matches('\\')));
        if opens && exchange.stage == Stage::Answered && exchange.file.is_some_and(|file| file.pipe && usual(&file.name)) {
            self.smb = evidence::object(exchange);
        }
    }
}

impl Detector for Enumeration {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        match transaction {
            Transaction::Smb(Smb::Rpc(rpc)) => self.call(context, rpc),
            Transaction::Smb(Smb::Exchange(exchange)) => self.opened(exchange),
            _ => return,
        }
        if self.due.is_some_and(|due| context.now >= due) {
            self.say(context, out);
        }
    }

    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        if self.due.is_some_and(|due| context.now >= due) {
            self.say(context, out);
        }
    }

    fn wants_tick(&self) -> bool {
        self.due.is_some()
    }

    fn on_flow_end(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.say(context, out);
    }
}
