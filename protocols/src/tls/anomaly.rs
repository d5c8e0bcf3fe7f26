//! What may be wrong with a TLS conversation. The names are written to EVE and never change.

/// Where a record should begin stands something else (RFC 8446 §5.1).
pub const BAD_RECORD: &str = "tls_bad_record";
/// A record above 2^14 + 2048 bytes (RFC 5246 §6.2.3), or one in the clear above 2^14 (RFC 8446 §5.1).
pub const RECORD_TOO_LONG: &str = "tls_record_too_long";
/// An empty record of a type other than application data (RFC 8446 §5.1).
pub const EMPTY_RECORD: &str = "tls_empty_record";
/// A record of another type between the fragments of a handshake message (RFC 8446 §5.1).
pub const INTERLEAVED_RECORD: &str = "tls_interleaved_record";
/// A ChangeCipherSpec in the clear that is not the single byte 1 (RFC 5246 §7.1), or that comes before any hello.
pub const BAD_CHANGE_CIPHER_SPEC: &str = "tls_bad_change_cipher_spec";
/// An alert in the clear that is not a level and a description (RFC 8446 §6).
pub const BAD_ALERT: &str = "tls_bad_alert";
/// A hello whose lengths do not fit (RFC 8446 §4.1.2, §4.1.3).
pub const MALFORMED_HELLO: &str = "tls_malformed_hello";
/// The same extension twice (RFC 8446 §4.2).
pub const DUPLICATE_EXTENSION: &str = "tls_duplicate_extension";
/// A server name that is no host name (RFC 6066 §3).
pub const BAD_SNI: &str = "tls_bad_sni";
/// A hello of the wrong side, a second one, or bytes behind the one that changes the keys (RFC 8446 §4, §5.1).
pub const UNEXPECTED_MESSAGE: &str = "tls_unexpected_message";
/// A certificate, or the list of them, that does not parse (RFC 5246 §7.4.2, RFC 5280 §4.1).
pub const MALFORMED_CERTIFICATE: &str = "tls_malformed_certificate";
/// A handshake message above a cap of ours was passed over.
pub const HANDSHAKE_TOO_LONG: &str = "tls_handshake_too_long";
/// More certificates than a cap of ours.
pub const CHAIN_TOO_LONG: &str = "tls_chain_too_long";
/// A hello with more values in a list than a cap of ours; it has no fingerprint.
pub const HELLO_CUT: &str = "tls_hello_cut";
/// A record does not authenticate, after others of its direction did (RFC 5246 §7.2.2, RFC 8446 §6.2). Nothing of this
/// direction is opened any more.
pub const BAD_RECORD_MAC: &str = "tls_bad_record_mac";
/// The first record of a direction does not authenticate: the keys that were given are those of another session.
pub const WRONG_KEYS: &str = "tls_wrong_keys";
/// More encrypted bytes than a cap of ours waited for keys: the session stays closed.
pub const KEYS_TOO_LATE: &str = "tls_keys_too_late";
/// Encrypted records behind a close_notify (RFC 8446 §6.1).
pub const DATA_AFTER_CLOSE: &str = "tls_data_after_close";

/// Whether an anomaly is the peer's doing, not that of a gap, a truncated capture or a cap of ours.
#[must_use]
pub fn is_violation(name: &str) -> bool {
    matches!(
        name,
        BAD_RECORD
            | RECORD_TOO_LONG
            | EMPTY_RECORD
            | INTERLEAVED_RECORD
            | BAD_CHANGE_CIPHER_SPEC
            | BAD_ALERT
            | MALFORMED_HELLO
            | DUPLICATE_EXTENSION
            | BAD_SNI
            | UNEXPECTED_MESSAGE
            | MALFORMED_CERTIFICATE
            | BAD_RECORD_MAC
            | DATA_AFTER_CLOSE
    )
}

/// Names of anomalies, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Defects(Vec<&'static str>);

impl Defects {
    /// Adds a name; whether it is new.
    pub fn add(&mut self, event: &'static str) -> bool {
        let new = !self.0.contains(&event);
        if new {
            self.0.push(event);
        }
        new
    }

    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }

    pub fn contains(&self, event: &'static str) -> bool {
        self.0.contains(&event)
    }
}
