//! 9404011: a host asks a backup server who is connected to it, and what it shares.

use std::collections::VecDeque;

use backstop_protocols::Transaction;
use backstop_protocols::dcerpc::{self, Kind, Pdu, Reader};
use backstop_protocols::smb::{Command, Exchange, PipeData, Stage, Transaction as Smb};
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
/// Pipes by their names, for binds that were not seen.
const PIPES: [(&str, u128); 2] = [("srvsvc", SRVSVC), ("wkssvc", WKSSVC)];
/// ERROR_MORE_DATA: it worked, and there is more.
const MORE_DATA: u32 = 234;

/// Pipes of a flow that are read, contexts of one, calls that wait.
const MAX_PIPES: usize = 8;
const MAX_CONTEXTS: usize = 16;
const MAX_CALLS: usize = 16;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Enumeration::default())
}

/// A pipe.
struct Pipe {
    number: u64,
    /// The interface that its name stands for.
    usual: Option<u128>,
    up: Reader,
    down: Reader,
    contexts: Vec<(u16, u128)>,
    /// Calls that wait, by their ids: which operation.
    calls: VecDeque<(u32, usize)>,
}

#[derive(Default)]
struct Enumeration {
    pipes: VecDeque<Pipe>,
    /// Operations that were called, and what came of them.
    called: Vec<(usize, Outcome)>,
    smb: Fields,
    tx_id: Option<u64>,
    due: Option<PacketTime>,
    told: bool,
}

impl Enumeration {
    fn piece(&mut self, context: &Context<'_>, data: &PipeData<'_>) {
        let Some(file) = data.file.filter(|_| !self.told) else { return };
        let at = match self.pipes.iter().position(|pipe| pipe.number == file.number) {
            Some(at) => at,
            None => {
                let name = file.name.trim_start_matches('\\');
                let usual = PIPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, interface)| *interface);
                if self.pipes.len() >= MAX_PIPES {
                    self.pipes.pop_front();
                }
                let (up, down) = (Reader::default(), Reader::default());
                let pipe = Pipe { number: file.number, usual, up, down, contexts: Vec::new(), calls: VecDeque::new() };
                self.pipes.push_back(pipe);
                self.pipes.len() - 1
            }
        };
        let Some(pipe) = self.pipes.get_mut(at) else { return };
        let mut reader = std::mem::take(if data.written { &mut pipe.up } else { &mut pipe.down });
        let called = &mut self.called;
        let before = called.len();
        reader.push(data.bytes, &mut |pdu| pipe.pdu(&pdu, called));
        *(if data.written { &mut pipe.up } else { &mut pipe.down }) = reader;
        if called.len() > before && self.due.is_none() {
            self.due = Some(context.now.plus(context.config.hold));
            self.tx_id = data.tx_id;
        }
    }

    fn say(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.due = None;
        if self.told || self.called.is_empty() {
            return;
        }
        self.told = true;
        self.pipes.clear();
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

impl Pipe {
    fn pdu(&mut self, pdu: &Pdu<'_>, called: &mut Vec<(usize, Outcome)>) {
        let header = &pdu.header;
        match header.kind {
            Kind::Bind => {
                for bound in dcerpc::bound(header, pdu.head) {
                    self.contexts.retain(|(context, _)| *context != bound.context);
                    if self.contexts.len() < MAX_CONTEXTS {
                        self.contexts.push((bound.context, bound.interface));
                    }
                }
            }
            Kind::Request if header.first => {
                let Some(request) = dcerpc::request(header, pdu.head) else { return };
                let bound = self.contexts.iter().find(|(context, _)| *context == request.context);
                let Some(interface) = bound.map(|(_, interface)| *interface).or(self.usual) else { return };
                let known = |(of, opnum, ..): &Operation| *of == interface && *opnum == request.opnum;
                let Some(at) = OPERATIONS.iter().position(known) else { return };
                if !called.iter().any(|(known, _)| *known == at) {
                    called.push((at, Outcome::Unknown));
                }
                if self.calls.len() >= MAX_CALLS {
                    self.calls.pop_front();
                }
                self.calls.push_back((header.call_id, at));
            }
            Kind::Response | Kind::Fault if header.last => {
                let Some(at) = self.calls.iter().position(|(call_id, _)| *call_id == header.call_id) else { return };
                let Some((_, operation)) = self.calls.remove(at) else { return };
                let status = pdu.tail.map(u32::from_le_bytes);
                let outcome = match (header.kind, status) {
                    (Kind::Response, Some(0 | MORE_DATA)) => Outcome::Success,
                    (Kind::Response, None) => Outcome::Unknown,
                    _ => Outcome::Attempt,
                };
                if let Some((_, known)) = called.iter_mut().find(|(known, _)| *known == operation) {
                    *known = (*known).max(outcome);
                }
            }
            _ => {}
        }
    }
}

fn uuid(uuid: u128) -> String {
    let text = format!("{uuid:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| text.get(range).unwrap_or_default());
    parts.join("-")
}

impl Detector for Enumeration {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        match transaction {
            Transaction::Smb(Smb::Pipe(data)) => self.piece(context, data),
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
