//! What may be wrong with a conversation of DCE/RPC. The names are written to EVE and never change.

/// Where a PDU should begin stands something else (C706 12.6.3.1).
pub const BAD_HEADER: &str = "dcerpc_bad_header";
/// Lengths or counts of a PDU do not fit it (C706 12.6.4, [MS-RPCE] 2.2.2.11).
pub const MALFORMED_PDU: &str = "dcerpc_malformed_pdu";
/// A client's PDU from the server, or the reverse.
pub const WRONG_DIRECTION: &str = "dcerpc_wrong_direction";
/// A fragment without its call, or a call that begins within itself (C706 12.6.2).
pub const FRAGMENT_ORDER: &str = "dcerpc_fragment_order";
/// A verifier says another level than its security context was set up with ([MS-RPCE] 3.3.1.5.2).
pub const AUTH_LEVEL: &str = "dcerpc_auth_level";
/// Arguments or results longer than a cap of ours: their beginning is decoded.
pub const MESSAGE_TOO_LONG: &str = "dcerpc_message_too_long";
/// More calls or binds wait than a cap of ours: the oldest are told without their answer.
pub const PENDING_LIMIT: &str = "dcerpc_pending_limit";
/// More contexts than a cap of ours: some are not known.
pub const CONTEXT_LIMIT: &str = "dcerpc_context_limit";

/// Whether an anomaly is the peer's doing, not that of a gap, a truncated capture or a cap of ours.
#[must_use]
pub fn is_violation(name: &str) -> bool {
    matches!(name, BAD_HEADER | MALFORMED_PDU | WRONG_DIRECTION | FRAGMENT_ORDER | AUTH_LEVEL)
}
