//! 9401010: the client of the Veeam service speaks TLS with another stack than that of Windows.

use backstop_protocols::tls::{Facts, Stage as TlsStage};
use backstop_protocols::{Transaction, nmf};
use backstop_types::{Direction, Fields};

use super::evidence::{self, SessionFacts};
use super::{outside, role, schannel};
use crate::finding::{Role, Stage, Threshold};
use crate::mitre::T1210;
use crate::{Confidence, Context, Detector, Findings, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_010,
    rev: 1,
    title: "BACKSTOP Veeam service used by a non-Windows TLS stack",
    category: "Potentially Bad Traffic",
    severity: 3,
    mitre: &[T1210],
    cve: &[],
    stage: Stage::Reach,
    help: "Suspected: the components of the product run on Windows and use its TLS (Schannel); the ClientHello that followed the upgrade \
           of this net.tcp session has what Schannel never sends. Scripts, ported exploit tools and tunnels look like that. Once an \
           hour for each pair of hosts. List Linux proxies and the like in known_clients, or their JA3 or JA4 in tls_stack.allowed. \
           Silent: Schannel of Windows 7 to 11 and Server 2008 R2 to 2025 whatever the order of its suites, known clients, the server \
           itself.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(TlsStack::default())
}

#[derive(Default)]
struct TlsStack {
    session: SessionFacts,
    done: bool,
}

impl Detector for TlsStack {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        match transaction {
            Transaction::Nmf(nmf::Transaction::Session(session)) if !self.done => self.session.note(session),
            // The clear part is over: what the certificate says of the server's role is known, too.
            Transaction::Tls(tls) if tls.stage == TlsStage::Handshake && !self.done => {
                self.done = true;
                self.handshake(context, tls.facts, out);
            }
            _ => {}
        }
    }
}

impl TlsStack {
    fn handshake(&self, context: &Context<'_>, facts: &Facts, out: &mut Findings) {
        let (config, client) = (context.config, context.client.addr);
        let applies = config.tls_stack.enabled
            && self.session.tls_via().is_some()
            && facts.client == Some(Direction::ToServer)
            && role::is_veeam_tls(context, facts)
            && !config.is_known_client(client)
            // The server's own components talk to it by its own address.
            && client != context.server.addr
            && !is_allowed(&config.tls_stack.allowed, facts);
        let Some(hello) = facts.client_hello.as_ref().filter(|_| applies) else { return };
        let differences = schannel::differences(hello);
        if differences.is_empty() {
            return;
        }
        let differences: Vec<String> = differences.into_iter().map(str::to_owned).collect();
        let inference =
            Fields::new().with("basis", "client_hello").with("looks_like", "non_schannel").with("differences", differences);
        let mut fields = Fields::new().with("inference", inference).with("tls", evidence::tls_fields(facts));
        fields.set_some("nmf", self.session.fields());
        let mut finding = evidence::plain(&META, context, fields);
        finding.suspected = true;
        finding.confidence = Confidence::Medium;
        finding.requires = vec![Role::BackupServer(context.server.addr)];
        finding.threshold = Some(Threshold { key: outside::pair(context), window: config.policy_window });
        out.findings.push(finding);
    }
}

/// Whether somebody listed this JA3 hash or JA4.
fn is_allowed(allowed: &[String], facts: &Facts) -> bool {
    let prints = [facts.ja3.as_ref().map(|ja3| ja3.hash.as_str()), facts.ja4.as_deref()];
    prints.into_iter().flatten().any(|print| allowed.iter().any(|listed| listed.eq_ignore_ascii_case(print)))
}
