//! Keys that let the sensor read TLS: lines of NSS key logs, and private keys of servers for RSA key exchange.
//!
//! One [`KeyRing`] serves all workers. It is asked when a handshake is done, never a packet; a session that found nothing
//! waits and looks at [`KeyRing::generation`] until something was added. Everything in it is bounded, and secrets are
//! zeroed when they go, cannot be printed, and stand in no error.

mod limits;
mod log;
mod ring;
mod rsa;
mod table;

use std::sync::Arc;

use backstop_types::Secret;
use zeroize::Zeroizing;

pub use limits::{KeyCounters, KeyLimits};
pub use log::{KeyLogReport, Label};
pub use ring::{KeyRing, MAX_RSA_KEYS, MAX_SESSIONS};
pub use rsa::KeyError;

use super::transaction::KeySource;

/// Secret bytes: zeroed when dropped, shared rather than copied.
pub type SharedSecret = Arc<Secret<Zeroizing<Vec<u8>>>>;

/// Wraps secret bytes.
pub(super) fn shared(bytes: Zeroizing<Vec<u8>>) -> SharedSecret {
    Arc::new(Secret::new(bytes))
}
