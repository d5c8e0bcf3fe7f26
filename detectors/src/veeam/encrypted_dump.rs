//! 9401009: a session inside TLS that nobody could open has the size and the course of a credential dump.

use backstop_protocols::{Transaction, nmf, tls};
use backstop_types::{Direction, Fields, PacketTime, Value};

use super::encrypted_shape::{Call, Kind, Shape, Size};
use super::evidence::{self, SessionFacts};
use super::{outside, role};
use crate::finding::{Role, Stage, Threshold};
use crate::mitre::T1212;
use crate::{Confidence, Context, Detector, Findings, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_009,
    rev: 1,
    title: "BACKSTOP Veeam suspected credential dump in TLS",
    category: "Attempted Information Leak",
    severity: 2,
    mitre: &[T1212],
    cve: &[],
    stage: Stage::Exploit,
    help: "Suspected, from sizes alone: nothing was decrypted. A short TLS session with the Veeam service, by a client that is not in \
           known_clients, whose first request and reply have the sizes of a request for all stored credentials and of a list of \
           them, or that does nothing but look up single ones. Other calls can have these sizes: give the sensor keys, or look at the \
           client. Without known_clients every client counts, confidence is low, and repetitions of a pair of hosts are held back. \
           Silent: known clients, sessions with other or more calls, decrypted sessions, gaps.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(EncryptedDump::default())
}

#[derive(Default)]
struct EncryptedDump {
    session: SessionFacts,
    shape: Shape,
    /// When the last record began.
    last: Option<PacketTime>,
    /// What the session looks like now, with what will be said of it. Kept only while there is something to say.
    looks: Option<Box<Fields>>,
    /// It was said, or never will be.
    done: bool,
}

impl Detector for EncryptedDump {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        if self.done {
            return;
        }
        match transaction {
            Transaction::Nmf(nmf::Transaction::Session(session)) => self.session.note(session),
            // Somebody could look inside: what is there decides.
            Transaction::Veeam(_) => self.stop(),
            Transaction::Tls(tls) => self.tls(context, tls, out),
            _ => {}
        }
    }

    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        let settle = context.config.encrypted_dump.settle;
        if !settle.is_zero() && self.last.is_some_and(|last| context.now >= last.plus(settle)) {
            self.say(context, "idle", out);
        }
    }

    fn wants_tick(&self) -> bool {
        !self.done && self.looks.is_some()
    }

    fn on_flow_end(&mut self, context: &Context<'_>, out: &mut Findings) {
        self.say(context, "flow_end", out);
    }
}

impl EncryptedDump {
    fn tls(&mut self, context: &Context<'_>, tls: &tls::Transaction<'_>, out: &mut Findings) {
        let (config, client, facts) = (context.config, context.client.addr, tls.facts);
        let applies = config.encrypted_dump.enabled
            && self.session.tls_via().is_some()
            && !config.is_known_client(client)
            // The server's own components talk to it by its own address.
            && client != context.server.addr
            && facts.client == Some(Direction::ToServer);
        let incomplete = facts.traffic.to_server.incomplete || facts.traffic.to_client.incomplete;
        if !applies || facts.decrypted || incomplete {
            self.stop();
            return;
        }
        match tls.stage {
            tls::Stage::Record(direction) => self.record(context, direction, facts),
            tls::Stage::End => {
                if let Some(looks) = &mut self.looks {
                    looks.set("tls", evidence::tls_fields(facts));
                }
                self.say(context, "session_end", out);
            }
            tls::Stage::Hello | tls::Stage::Handshake => {}
        }
    }

    fn record(&mut self, context: &Context<'_>, direction: Direction, facts: &tls::Facts) {
        let config = &context.config.encrypted_dump;
        self.last = Some(context.now);
        self.shape.record(direction, facts, config);
        if self.shape.is_over() || !role::is_veeam_tls(context, facts) {
            self.stop();
            return;
        }
        let Some(via) = self.session.tls_via() else { return };
        self.looks = self.shape.kind(config, via).map(|kind| {
            let inference = inference(context, kind, self.shape.calls(), facts).with("via_length", via);
            Box::new(Fields::new().with("inference", inference).with("tls", evidence::tls_fields(facts)))
        });
    }

    fn stop(&mut self) {
        *self = Self { done: true, ..Self::default() };
    }

    fn say(&mut self, context: &Context<'_>, decided: &'static str, out: &mut Findings) {
        let Some(looks) = self.looks.take().filter(|_| !self.done) else { return };
        let mut fields = *looks;
        if let Some(Value::Object(inference)) = fields.get("inference") {
            let inference = inference.clone().with("decided", decided);
            fields.set("inference", inference);
        }
        fields.set_some("nmf", self.session.fields());
        let mut finding = evidence::plain(&META, context, fields);
        finding.suspected = true;
        finding.requires = vec![Role::BackupServer(context.server.addr)];
        finding.confidence = Confidence::Medium;
        if context.config.known_clients.is_empty() {
            // Nobody said who is ordinary. What comes again and again is more likely a habit than a theft.
            finding.confidence = Confidence::Low;
            finding.threshold = Some(Threshold { key: outside::pair(context), window: context.config.policy_window });
        }
        out.findings.push(finding);
        self.stop();
    }
}

fn inference(context: &Context<'_>, kind: Kind, calls: &[Call], facts: &tls::Facts) -> Fields {
    let looks_like = match kind {
        Kind::AllCredentials => "request_for_all_credentials",
        Kind::Lookups => "credential_lookups",
    };
    let listed = if context.config.known_clients.is_empty() { "no_list" } else { "not_listed" };
    let mut fields = Fields::new().with("basis", "record_sizes").with("looks_like", looks_like).with("client", listed);
    let size = |size: Size| Fields::new().with("min", size.least).with("max", size.most);
    if let Some(first) = calls.first() {
        fields.set("request_size", size(first.request));
        fields.set_some("reply_size", first.reply.map(size));
    }
    fields.set("calls", calls.len());
    for (name, traffic) in [("records_to_server", &facts.traffic.to_server), ("records_to_client", &facts.traffic.to_client)] {
        let sizes: Vec<Value> = traffic.application_sizes.iter().map(|&len| Value::from(u64::from(len))).collect();
        fields.set(name, sizes);
    }
    fields
}
