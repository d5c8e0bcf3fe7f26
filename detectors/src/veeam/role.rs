//! What shows that an address is a backup server.

use backstop_protocols::veeam::Stage;
use backstop_protocols::{Transaction, nmf};

use crate::{Context, Fact};

/// Whether this port is one that the Veeam service listens on.
pub fn is_veeam_port(context: &Context<'_>) -> bool {
    context.config.veeam_ports.contains(&context.server.port)
}

/// The fact that a transaction proves: the server acknowledged net.tcp on a port of the Veeam service, or answered a
/// Veeam invocation on any port. (A certificate that names the product belongs here too, once TLS is decoded.)
///
/// The client's word alone proves nothing: nobody can make an address a backup server by talking to it.
pub fn learned(context: &Context<'_>, transaction: &Transaction<'_>) -> Option<Fact> {
    let proven = match transaction {
        Transaction::Nmf(nmf::Transaction::Session(session)) => session.acknowledged && is_veeam_port(context),
        Transaction::Veeam(call) => call.stage == Stage::Answered,
        _ => false,
    };
    proven.then_some(Fact::BackupServer(context.server.addr))
}
