//! DNS (RFC 1035): messages in datagrams, and in streams behind their length (RFC 7766 §8).
//!
//! ```text
//! message = header question* answer* authority* additional*          stream = *( length message )
//! record  = name type class ttl length data                         name   = *( len label ) ( 0 / pointer )
//! ```
//! Each message is a transaction; a response has the number of its query. What is whole is told even where the end of a
//! message is not.
//! Known limits: 64 records of a section are decoded; a stream with a gap over the end of a message is given up in that
//! direction; NetBIOS names are not taken for DNS, LLMNR and multicast DNS are where they look alike.

pub mod anomaly;
mod message;
mod name;
mod parser;
mod probe;
mod record;
#[cfg(test)]
mod tests;
mod transaction;

pub use anomaly::is_violation;
pub use message::{Message, Question};
pub use record::{Data, Record, Soa, kind_name};
pub use transaction::Transaction;

use crate::contract::{Datagrams, Protocol};
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol = Protocol {
    app_proto: AppProto::Dns,
    name: "dns",
    probe: probe::stream,
    parser: |around| Box::new(parser::DnsParser::new(&around.limits, false)),
};

/// The same in datagrams.
pub static DATAGRAMS: Datagrams = Datagrams {
    app_proto: AppProto::Dns,
    probe: probe::datagram,
    parser: |around| Box::new(parser::DnsParser::new(&around.limits, true)),
};
