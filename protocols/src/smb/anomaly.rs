//! What may be wrong with an SMB conversation. The names are written to EVE and never change.

/// Where a frame or message should begin stands something else (RFC 1002 §4.3.1, [MS-SMB2] 2.2.1).
pub const BAD_HEADER: &str = "smb_bad_header";
/// Offsets or lengths of a message do not fit it, or its compound ([MS-SMB2] 2.2, 3.2.4.1.4).
pub const MALFORMED_MESSAGE: &str = "smb_malformed_message";
/// A client's message from the server, or the reverse.
pub const WRONG_DIRECTION: &str = "smb_wrong_direction";
/// A compressed message that does not decompress to what it says ([MS-SMB2] 3.1.5.3, [MS-XCA]).
pub const MALFORMED_COMPRESSION: &str = "smb_malformed_compression";
/// A compressed message longer than a cap of ours, or of an algorithm that is not known: passed over.
pub const UNDECODED_COMPRESSION: &str = "smb_undecoded_compression";
/// A message longer than a cap of ours: its head is decoded.
pub const MESSAGE_TOO_LONG: &str = "smb_message_too_long";
/// More sessions, trees or open files than a cap of ours: the first ones are forgotten.
pub const STATE_LIMIT: &str = "smb_state_limit";
/// More requests wait than a cap of ours: the oldest are told without their response.
pub const PENDING_LIMIT: &str = "smb_pending_limit";
/// Contents of files are offered in parts, because more of them is open than a cap of ours; or not in every state they had,
/// because bytes are written over again and again.
pub const CONTENT_LIMIT: &str = "smb_content_limit";

/// Whether an anomaly is the peer's doing, not that of a gap, a truncated capture or a cap of ours.
#[must_use]
pub fn is_violation(name: &str) -> bool {
    matches!(name, BAD_HEADER | MALFORMED_MESSAGE | WRONG_DIRECTION | MALFORMED_COMPRESSION)
}
