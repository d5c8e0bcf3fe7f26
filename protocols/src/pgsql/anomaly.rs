//! What may be wrong with a PostgreSQL conversation. The names are written to EVE and never change.

/// A startup packet of a length that no server takes, or whose parameters are no pairs of strings (55.7 StartupMessage).
pub const BAD_STARTUP: &str = "pgsql_bad_startup";
/// A startup packet of another major version than 3 (55.7).
pub const UNSUPPORTED_VERSION: &str = "pgsql_unsupported_version";
/// The answer to an encryption request is none of S, G, N and an error (55.2.10, 55.2.11).
pub const BAD_ENCRYPTION_ANSWER: &str = "pgsql_bad_encryption_answer";
/// Bytes in the clear between an encryption request and the answer that accepts it (55.2.10).
pub const CLEAR_BEFORE_ENCRYPTION: &str = "pgsql_clear_before_encryption";
/// A message type that does not exist, or not from this side, or not at this place (55.7).
pub const UNEXPECTED_MESSAGE: &str = "pgsql_unexpected_message";
/// A length that no message of its type has (55.7).
pub const BAD_LENGTH: &str = "pgsql_bad_length";
/// A whole message whose inside does not fit its format (55.7).
pub const MALFORMED_MESSAGE: &str = "pgsql_malformed_message";
/// A request of which a cap of ours left something out.
pub const REQUEST_CUT: &str = "pgsql_request_cut";
/// A cap of ours on prepared statements and portals was reached: the oldest are forgotten.
pub const STATEMENT_LIMIT: &str = "pgsql_statement_limit";
/// A cap of ours on requests without reply was reached: their replies are not looked for.
pub const PENDING_LIMIT: &str = "pgsql_pending_limit";

/// Whether an anomaly is the peer's doing, not that of a gap, a truncated capture or a cap of ours.
#[must_use]
pub fn is_violation(name: &str) -> bool {
    matches!(
        name,
        BAD_STARTUP
            | UNSUPPORTED_VERSION
            | BAD_ENCRYPTION_ANSWER
            | CLEAR_BEFORE_ENCRYPTION
            | UNEXPECTED_MESSAGE
            | BAD_LENGTH
            | MALFORMED_MESSAGE
    )
}
