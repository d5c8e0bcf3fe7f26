//! What may be wrong with WinRM. The names are written to EVE and never change.

/// A whole message that is no SOAP envelope, or whose XML does not end ([MS-WSMV] 2.2.1, DSP0226 5).
pub const BAD_ENVELOPE: &str = "winrm_bad_envelope";
/// A document type or an entity of its own in XML: neither has a place in SOAP ([SOAP 1.2] 5).
pub const FORBIDDEN_XML: &str = "winrm_forbidden_xml";
/// A fragment that is longer than what carries it ([MS-PSRP] 2.2.4).
pub const BAD_FRAGMENT: &str = "winrm_bad_fragment";
/// The same fragment twice, with other bytes ([MS-PSRP] 2.2.4).
pub const FRAGMENT_CONFLICT: &str = "winrm_fragment_conflict";
/// Bytes of a message are missing: what stood before them is read.
pub const MESSAGE_CUT: &str = "winrm_message_cut";
/// A cap of ours on messages was reached: the rest of this one is not decoded.
pub const MESSAGE_LIMIT: &str = "winrm_message_limit";
/// Fragments of an object that were not seen.
pub const FRAGMENTS_LOST: &str = "winrm_fragments_lost";
/// A cap of ours on objects that wait for their fragments was reached: the oldest is told as far as it is there.
pub const FRAGMENT_LIMIT: &str = "winrm_fragment_limit";
/// A cap of ours on requests without response was reached: the oldest are given up.
pub const PENDING_LIMIT: &str = "winrm_pending_limit";

/// Whether an anomaly is the peer's doing, not that of a gap, a truncated capture or a cap of ours.
#[must_use]
pub fn is_violation(name: &str) -> bool {
    matches!(name, BAD_ENVELOPE | FORBIDDEN_XML | BAD_FRAGMENT | FRAGMENT_CONFLICT)
}
