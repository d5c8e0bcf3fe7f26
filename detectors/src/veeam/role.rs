//! What shows that an address is a backup server.

use backstop_protocols::veeam::Stage;
use backstop_protocols::{Transaction, nmf, tls};

use crate::{Context, Fact};

/// The subject of the certificate that the product makes for itself.
const CERTIFICATE: &str = "CN=Veeam Backup Server Certificate";

/// Whether this port is one that the Veeam service listens on.
pub fn is_veeam_port(context: &Context<'_>) -> bool {
    context.config.veeam_ports.contains(&context.server.port)
}

/// Whether this is the Veeam service, as far as TLS inside net.tcp shows: by its port or by the product's certificate.
pub fn is_veeam_tls(context: &Context<'_>, facts: &tls::Facts) -> bool {
    is_veeam_port(context) || has_certificate(facts)
}

fn has_certificate(facts: &tls::Facts) -> bool {
    facts.certificate().is_some_and(|certificate| certificate.subject == CERTIFICATE)
}

/// The fact that a transaction proves: the server acknowledged net.tcp on a port of the Veeam service, or answered a
/// Veeam invocation on any port, or presented the product's certificate from inside.
///
/// The client's word alone proves nothing: nobody can make an address a backup server by talking to it.
pub fn learned(context: &Context<'_>, transaction: &Transaction<'_>) -> Option<Fact> {
    let proven = match transaction {
        Transaction::Nmf(nmf::Transaction::Session(session)) => session.acknowledged && is_veeam_port(context),
        Transaction::Veeam(call) => call.stage == Stage::Answered,
        // Anybody outside can present such a certificate.
        Transaction::Tls(session) => has_certificate(session.facts) && context.config.is_home(context.server.addr),
        _ => false,
    };
    proven.then_some(Fact::BackupServer(context.server.addr))
}
