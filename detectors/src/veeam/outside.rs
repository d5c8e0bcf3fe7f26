//! 9401006: the Veeam service is reached from outside. And the place where backup servers are learned: the session that
//! makes an address one is judged right after.

use backstop_protocols::veeam::Stage as CallStage;
use backstop_protocols::{Transaction, nmf};
use backstop_types::Fields;

use super::evidence::{self, SessionFacts};
use super::role;
use crate::finding::{Role, Stage, Threshold};
use crate::mitre::{T1133, T1190};
use crate::{Context, Detector, Finding, Findings, Meta, Outcome};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_006,
    rev: 1,
    title: "BACKSTOP Veeam service reached from outside",
    category: "Potentially Bad Traffic",
    severity: 2,
    mitre: &[T1190, T1133],
    cve: &[],
    stage: Stage::Reach,
    help: "A host outside home_net completed a TCP handshake with a backup server and opened a net.tcp session on the port of the \
           Veeam service. Nothing on the internet needs this port. Once an hour for each pair of hosts. Silent: port scans without a \
           net.tcp preamble, known clients, servers that are not backup servers.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Outside::default())
}

#[derive(Default)]
struct Outside {
    access: Access,
    learned: bool,
}

impl Detector for Outside {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        if !self.learned
            && let Some(fact) = role::learned(context, transaction)
        {
            self.learned = true;
            out.facts.push(fact);
        }
        let config = context.config;
        let applies = context.handshake && !config.is_home(context.client.addr) && !config.is_known_client(context.client.addr);
        out.findings.extend(self.access.on_transaction(&META, context, transaction, applies));
    }
}

/// The first session of a flow with the Veeam service: on its port, or on any port once an invocation was answered.
#[derive(Default)]
pub struct Access {
    session: SessionFacts,
    outcome: Option<Outcome>,
    told: bool,
}

impl Access {
    /// The finding for it, where `applies`.
    pub fn on_transaction(
        &mut self,
        meta: &'static Meta,
        context: &Context<'_>,
        transaction: &Transaction<'_>,
        applies: bool,
    ) -> Option<Finding> {
        if self.told {
            return None;
        }
        let is_veeam = match transaction {
            Transaction::Nmf(nmf::Transaction::Session(session)) => {
                self.session.note(session);
                self.outcome = session.via.is_some().then_some(match (session.acknowledged, &session.fault) {
                    (true, _) => Outcome::Success,
                    (false, Some(_)) => Outcome::Attempt,
                    (false, None) => Outcome::Unknown,
                });
                role::is_veeam_port(context)
            }
            Transaction::Veeam(call) => call.stage == CallStage::Answered,
            _ => false,
        };
        let outcome = self.outcome.filter(|_| is_veeam)?;
        self.told = true;
        if !applies {
            return None;
        }
        let mut fields = Fields::new();
        fields.set_some("nmf", self.session.fields());
        let mut finding = evidence::plain(meta, context, fields);
        finding.outcome = outcome;
        finding.requires = vec![Role::BackupServer(context.server.addr)];
        finding.threshold = Some(Threshold { key: pair(context), window: context.config.policy_window });
        Some(finding)
    }
}

/// Client and server as the key of a threshold. Lengths differ between the families, so no two pairs are one key.
pub fn pair(context: &Context<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(34);
    for addr in [context.client.addr, context.server.addr] {
        match addr {
            std::net::IpAddr::V4(v4) => {
                key.push(4);
                key.extend_from_slice(&v4.octets());
            }
            std::net::IpAddr::V6(v6) => {
                key.push(6);
                key.extend_from_slice(&v6.octets());
            }
        }
    }
    key
}
