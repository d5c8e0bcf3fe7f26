//! 9401008: net.tcp that no client of the service would send.

use backstop_protocols::{Anomaly, AppProto, Transaction, nmf};
use backstop_types::{Direction, Fields};

use super::evidence::{self, SessionFacts};
use super::{outside, role};
use crate::finding::{Role, Stage, Threshold};
use crate::mitre::T1595;
use crate::{Confidence, Context, Detector, Findings, Meta, Outcome};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_008,
    rev: 1,
    title: "BACKSTOP Malformed or probing net.tcp",
    category: "Detection of a Network Scan",
    severity: 3,
    mitre: &[T1595],
    cve: &[],
    stage: Stage::Reach,
    help: "A client of the Veeam service breaks [MC-NMF]: a wrong version, mode or encoding, an upgrade to an unknown protocol, a \
           record where none may be, a size over the limit, a message that breaks its encoding or brings a document type. Once in ten \
           minutes for each pair of hosts. Silent: gaps, truncated captures, flows picked up in their middle, and limits of the sensor.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Malformed::default())
}

#[derive(Default)]
struct Malformed {
    session: SessionFacts,
    told: bool,
}

impl Detector for Malformed {
    fn on_transaction(&mut self, _: &Context<'_>, transaction: &Transaction<'_>, _: &mut Findings) {
        if let Transaction::Nmf(nmf::Transaction::Session(session)) = transaction {
            self.session.note(session);
        }
    }

    fn on_anomaly(&mut self, context: &Context<'_>, anomaly: &Anomaly, out: &mut Findings) {
        let is_violation = anomaly.app_proto == AppProto::Nmf
            && anomaly.direction == Direction::ToServer
            && nmf::is_violation(anomaly.event)
            // In the middle of a stream our own idea of where a record begins may be the mistake.
            && !context.midstream;
        // On other ports only what is net.tcp beyond doubt, and only of a backup server.
        let on_port = role::is_veeam_port(context);
        if self.told || !is_violation || !(on_port || context.app_proto == Some(AppProto::Nmf)) {
            return;
        }
        self.told = true;
        let nmf = self.session.fields().unwrap_or_default().with("event", anomaly.event);
        let mut finding = evidence::plain(&META, context, Fields::new().with("nmf", nmf));
        finding.outcome = Outcome::Attempt;
        finding.confidence = Confidence::Medium;
        if !on_port {
            finding.requires = vec![Role::BackupServer(context.server.addr)];
        }
        finding.threshold = Some(Threshold { key: outside::pair(context), window: context.config.malformed_window });
        out.findings.push(finding);
    }
}
