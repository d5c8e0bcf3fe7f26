//! .NET message framing ([MC-NMF]): the net.tcp transport of WCF, on which Veeam's service listens.
//!
//! ```text
//! client  = version mode via encoding *upgrade preamble-end *envelope end       duplex, simplex, singleton-unsized
//!         / version mode via encoding payload                                   singleton-sized
//! server  = *upgrade-response preamble-ack *envelope end / fault
//! upgrade = upgrade-request, then the stream goes on inside TLS (application/ssl-tls) or [MS-NNS] (application/negotiate)
//! ```
//! Envelopes are decoded up to `Limits::max_message`; what is longer gives its head. The in-band dictionary of each
//! direction is followed over all messages. After a gap the next envelope is looked for; strings that were lost are not
//! guessed. Veeam's invocations are handed on to [`crate::veeam`].

pub mod anomaly;
mod codec;
mod exchange;
mod parser;
mod record;
mod resync;
#[cfg(test)]
mod tests;
mod transaction;

pub use anomaly::is_violation;
pub use transaction::{Exchange, Session, Stage, Transaction};

use crate::contract::Protocol;
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol = Protocol {
    app_proto: AppProto::Nmf,
    name: "nmf",
    probe: resync::probe,
    parser: |around| Box::new(parser::NmfParser::new(&around.limits)),
};
