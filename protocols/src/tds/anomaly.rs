//! What may be wrong with a TDS conversation. The names are written to EVE and never change.

/// Where a packet should begin stands something else ([MS-TDS] 2.2.3.1).
pub const BAD_HEADER: &str = "tds_bad_header";
/// A packet that has no place here: another message inside one, or a client's message from the server (2.2.1, 2.2.2).
pub const UNEXPECTED_PACKET: &str = "tds_unexpected_packet";
/// A PRELOGIN whose options do not fit (2.2.6.5).
pub const MALFORMED_PRELOGIN: &str = "tds_malformed_prelogin";
/// A LOGIN7 whose lengths do not fit (2.2.6.4).
pub const MALFORMED_LOGIN: &str = "tds_malformed_login";
/// An RPC request whose lengths or types do not fit (2.2.6.6).
pub const MALFORMED_REQUEST: &str = "tds_malformed_request";
/// A reply whose tokens do not fit (2.2.4, 2.2.7).
pub const MALFORMED_TOKENS: &str = "tds_malformed_tokens";
/// A header of the session multiplexing that is none ([MC-SMP] 2.2.1).
pub const BAD_SMP_HEADER: &str = "tds_bad_smp_header";
/// A request longer than a cap of ours: its head is decoded.
pub const MESSAGE_TOO_LONG: &str = "tds_message_too_long";
/// A reply that was passed over undecoded: a token that is not known here, too many columns, or a version nobody told.
pub const UNDECODED_REPLY: &str = "tds_undecoded_reply";
/// More multiplexed sessions than a cap of ours.
pub const SESSION_LIMIT: &str = "tds_session_limit";
/// A flow picked up in its middle that looked like TDS and is not.
pub const NOT_RECOGNISED: &str = "tds_not_recognised";

/// Whether an anomaly is the peer's doing, not that of a gap, a truncated capture or a cap of ours.
#[must_use]
pub fn is_violation(name: &str) -> bool {
    matches!(
        name,
        BAD_HEADER
            | UNEXPECTED_PACKET
            | MALFORMED_PRELOGIN
            | MALFORMED_LOGIN
            | MALFORMED_REQUEST
            | MALFORMED_TOKENS
            | BAD_SMP_HEADER
    )
}
