//! Sessions that are encrypted: the first of a host with a backup server.

use backstop_protocols::tls;
use backstop_protocols::tls::{Facts, Stage as TlsStage};
use backstop_protocols::winrm::{Stage, Transaction};
use backstop_types::{Direction, Fields, PacketTime};

use super::{META, evidence};
use crate::finding::{Role, Threshold};
use crate::veeam::evidence::{plain, tls_fields};
use crate::veeam::outside::pair;
use crate::{Confidence, Context, Finding, Findings, Outcome};

/// What a flow shows of it.
#[derive(Default)]
pub struct Session {
    told: bool,
    /// A TLS session that may be opened yet, and until when that is waited for.
    sealed: Option<(PacketTime, Box<Finding>)>,
}

impl Session {
    /// WinRM that can be looked at, or cannot.
    pub fn on_winrm(&mut self, context: &Context<'_>, of: &Transaction<'_>, out: &mut Findings) {
        // It was opened.
        self.sealed = None;
        let Some(protection) = of.call.encrypted.filter(|_| of.stage != Stage::Requested && !self.told) else { return };
        self.told = true;
        if !applies(context) {
            return;
        }
        let mut winrm = evidence::about(of);
        winrm.set_some("reply", of.reply.map(backstop_protocols::winrm::Reply::fields));
        let mut fields = Fields::new().with("winrm", winrm);
        fields.set("inference", Fields::new().with("basis", "session_encryption").with("protection", protection.as_str()));
        fields.set("http", of.http_fields());
        let mut finding = suspected(context, fields);
        finding.tx_id = Some(of.tx_id);
        finding.confidence = Confidence::Medium;
        finding.outcome = match of.reply.map(|reply| reply.status) {
            Some(200..300) => Outcome::Success,
            Some(_) => Outcome::Attempt,
            None => Outcome::Unknown,
        };
        out.findings.push(finding);
    }

    /// TLS on a port of WinRM.
    pub fn on_tls(&mut self, context: &Context<'_>, tls: &tls::Transaction<'_>) {
        if tls.stage != TlsStage::Handshake || self.told {
            return;
        }
        let facts: &Facts = tls.facts;
        let is_winrm = context.config.winrm.tls_ports.contains(&context.server.port) && facts.client == Some(Direction::ToServer);
        // A scan gets no hello of a server, or does not go on.
        if !is_winrm || facts.server_hello.is_none() {
            return;
        }
        self.told = true;
        if applies(context) {
            let inference = Fields::new().with("basis", "tls_port").with("port", context.server.port);
            let mut finding = suspected(context, Fields::new().with("inference", inference).with("tls", tls_fields(facts)));
            finding.confidence = Confidence::Low;
            self.sealed = Some((context.now.plus(context.config.hold), Box::new(finding)));
        }
    }

    /// Time has passed.
    pub fn on_tick(&mut self, now: PacketTime, out: &mut Findings) {
        if self.sealed.as_ref().is_some_and(|(due, _)| now >= *due) {
            self.on_flow_end(out);
        }
    }

    /// Whether time will decide something.
    pub const fn wants_tick(&self) -> bool {
        self.sealed.is_some()
    }

    /// The flow is over.
    pub fn on_flow_end(&mut self, out: &mut Findings) {
        out.findings.extend(self.sealed.take().map(|(_, finding)| *finding));
    }
}

/// An unlisted host, another than the server.
fn applies(context: &Context<'_>) -> bool {
    !context.config.is_known_client(context.client.addr) && context.client.addr != context.server.addr
}

fn suspected(context: &Context<'_>, fields: Fields) -> Finding {
    let mut finding = plain(&META, context, fields);
    finding.severity = Some(3);
    finding.suspected = true;
    finding.requires = vec![Role::BackupServer(context.server.addr)];
    let key = [b"session".as_slice(), &pair(context)].concat();
    finding.threshold = Some(Threshold { key, window: context.config.winrm.session_window });
    finding
}
