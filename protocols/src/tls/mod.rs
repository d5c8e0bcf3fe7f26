//! TLS (RFC 8446, RFC 5246): what is in the clear, and with keys what is not.
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
//!
//! # With keys
//! A [`KeyRing`] opens TLS 1.0 to 1.3: AES-CBC with both orders of the MAC (RFC 5246 §6.2.3.2, RFC 7366), AES-GCM (RFC 5288),
//! AES-CCM (RFC 6655), ChaCha20-Poly1305 (RFC 7905); from a key log (RFC 9850), or from the server's RSA key where it
//! encrypted the premaster secret, with the extended master secret (RFC 7627) or without. A session whose keys are not there
//! waits within `Limits::max_undecrypted`, both directions in their order, and is opened when they come. Every record is
//! authenticated; what does not fit is told and never parsed, and its direction is not opened any more. A gap inside one record
//! loses that record, a longer one the direction. [`Facts::why_not`] has the first reason for which something stayed closed.
//! A second handshake inside a session (RFC 5246 §7.4.1.1) is followed; what is told stays that of the first. A session that is taken
//! up again needs the master secret of the first one: see [`KeyRing`] for when it may be used.
//! Known limits: RC4, 3DES, SSL 3.0, compression of records, compressed certificates (RFC 8879), and early data are not
//! opened. The record of a TLS 1.3 session has the server's certificate when the keys were there before its flight; who has
//! them later finds it in the facts of the end.

mod again;
pub mod anomaly;
mod certificate;
mod decryptor;
mod handshake;
mod hello;
mod ja3;
mod ja4;
mod keys;
#[cfg(test)]
mod keys_shared_tests;
#[cfg(test)]
mod keys_tests;
mod lookup;
mod opening;
mod parser;
mod prf;
mod record;
mod record_cipher;
mod schedule;
mod session;
mod sizes;
#[cfg(test)]
mod sizes_tests;
mod suites;
#[cfg(test)]
mod tests;
mod transaction;
mod wire;

pub use anomaly::is_violation;
pub use certificate::{Certificate, Chain};
pub use hello::{ClientHello, ServerHello};
pub use ja3::Ja3;
pub use keys::{KeyCounters, KeyError, KeyLimits, KeyLogReport, KeyRing, MAX_RSA_KEYS, MAX_SESSIONS};
pub use sizes::Wrapping;
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
