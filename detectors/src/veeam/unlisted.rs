//! 9401007: a client that nobody listed opens a session with the Veeam service.

use backstop_protocols::Transaction;

use super::outside::Access;
use crate::finding::Stage;
use crate::mitre::T1210;
use crate::{Confidence, Context, Detector, Findings, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_007,
    rev: 1,
    title: "BACKSTOP Veeam service used by an unlisted client",
    category: "Potential Corporate Privacy Violation",
    severity: 3,
    mitre: &[T1210],
    cve: &[],
    stage: Stage::Reach,
    help: "known_clients is configured, and an inside host that is not on the list opened a net.tcp session with the Veeam service \
           of a backup server. Once an hour for each pair of hosts. List consoles, proxies and mount servers in known_clients. Silent: \
           known clients, and everybody while the list is empty.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Unlisted::default())
}

#[derive(Default)]
struct Unlisted {
    access: Access,
}

impl Detector for Unlisted {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        let (config, client) = (context.config, context.client.addr);
        let applies = !config.known_clients.is_empty()
            && config.is_home(client)
            && !config.is_known_client(client)
            // The server's own components talk to it by its own address.
            && client != context.server.addr;
        let finding = self.access.on_transaction(&META, context, transaction, applies);
        out.findings.extend(finding.map(|mut finding| {
            finding.confidence = Confidence::Medium;
            finding
        }));
    }
}
