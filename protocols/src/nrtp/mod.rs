//! .NET remoting ([MS-NRTP]) over TCP: how services of backup products call each other.
//!
//! ```text
//! message = ".NET" version operation distribution [length] *header end content      2.2.3
//! content = length bytes / *( length data CR LF ) 0 CR LF                           sized, chunked
//! client  = *( request / one-way request )          server = *reply                 in the order of their requests
//! secured = *handshake, then records that nobody here can read                      [MS-NNS] around all of it
//! ```
//! Found by its preamble on any port. Content is decoded up to `Limits::max_message` as the binary formatter ([`crate::nrbf`]) or that
//! of SOAP wrote it; of longer content the head. Behind a gap the next preamble is looked for. Over HTTP the same content is the body
//! of a request: [`decode`] is for that.
//! Known limits: a negotiated stream does not say what is inside it, so it may be another protocol of .NET; channels over named pipes
//! are not followed; sinks that compress or encrypt content of their own leave it unread.

pub mod anomaly;
mod content;
mod exchange;
mod frame;
mod negotiate;
mod parser;
mod resync;
#[cfg(test)]
mod tests;
mod transaction;

pub use anomaly::is_violation;
pub use content::{Decoded, decode};
pub use frame::Operation;
pub use transaction::{Exchange, Formatter, Message, Secured, Stage, Transaction, content_fields};

use crate::contract::Protocol;
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol = Protocol {
    app_proto: AppProto::Nrtp,
    name: "nrtp",
    probe: resync::probe,
    parser: |around| Box::new(parser::NrtpParser::new(&around.limits)),
};
