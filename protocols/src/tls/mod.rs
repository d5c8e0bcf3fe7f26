//! TLS, as far as it is in the clear (RFC 8446, RFC 5246).
//!
//! ```text
//! stream     = *record                  record  = type version length fragment
//! client     = ClientHello [ClientHello] [Certificate] ClientKeyExchange … ChangeCipherSpec *encrypted
//! server 1.2 = ServerHello [Certificate] … [ServerHelloDone] ChangeCipherSpec *encrypted
//! server 1.3 = [HelloRetryRequest] ServerHello *encrypted
//! ```
//! Handshake messages are put together from fragments, up to 64 KiB or `Limits::max_message`. What is encrypted is
//! counted by its headers and passed over. A gap inside a record keeps the place; after a longer one two headers in a row
//! prove the next. Behind a gap in the clear part no message is read, as nobody knows where one begins.
//! Known limits: a session picked up in its middle is recognised by two records of application data in view, and has no
//! record of its own; early data and the encrypted handshake of TLS 1.3 count as application data.

pub mod anomaly;
mod certificate;
mod decryptor;
mod handshake;
mod hello;
mod ja3;
mod ja4;
mod keys;
#[cfg(test)]
mod keys_tests;
mod opening;
mod parser;
mod prf;
mod record;
mod record_cipher;
mod schedule;
mod session;
mod suites;
#[cfg(test)]
mod tests;
mod transaction;
mod wire;

pub use anomaly::is_violation;
pub use certificate::{Certificate, Chain};
pub use hello::{ClientHello, ServerHello};
pub use ja3::Ja3;
pub use keys::{KeyError, KeyLogReport, KeyRing, MAX_RSA_KEYS, MAX_SESSIONS};
pub use suites::suite_name;
pub use transaction::{Alert, Facts, KeySource, MAX_SIZES, Stage, Traffic, Transaction, why_not};

use crate::contract::Protocol;
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol = Protocol {
    app_proto: AppProto::Tls,
    name: "tls",
    probe: record::probe,
    parser: |around| Box::new(parser::TlsParser::new(around)),
};
