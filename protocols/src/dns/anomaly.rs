//! What may be wrong with DNS messages. The names are written to EVE and never change.

/// A message whose names, lengths or counts do not fit (RFC 1035 §4).
pub const MALFORMED: &str = "dns_malformed_message";
/// A name whose pointers lead forward or in circles, or too long (RFC 1035 §4.1.4).
pub const BAD_NAME: &str = "dns_bad_name";
/// Bytes behind the last record that the header counts, other than zeros.
pub const TRAILING_BYTES: &str = "dns_trailing_bytes";
/// Bits that must be zero are not (RFC 1035 §4.1.1).
pub const RESERVED_BIT: &str = "dns_reserved_bit";
/// A query from the server, or a response from the client.
pub const WRONG_DIRECTION: &str = "dns_wrong_direction";
/// A cap of ours on records of one message: the rest is not decoded.
pub const RECORD_LIMIT: &str = "dns_record_limit";
/// A cap of ours on queries without answer: the oldest are forgotten.
pub const PENDING_LIMIT: &str = "dns_pending_limit";

/// Whether an anomaly is the peer's doing, not that of a gap, a truncated capture or a cap of ours.
#[must_use]
pub fn is_violation(name: &str) -> bool {
    matches!(name, MALFORMED | BAD_NAME | TRAILING_BYTES | RESERVED_BIT | WRONG_DIRECTION)
}
