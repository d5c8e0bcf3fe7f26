//! What may be wrong with a remoting conversation. The names are written to EVE and never change.

/// A version other than 1.0 ([MS-NRTP] 2.2.3.3).
pub const BAD_VERSION: &str = "nrtp_bad_version";
/// An operation or a content distribution that does not exist.
pub const BAD_OPERATION: &str = "nrtp_bad_operation";
/// Something else than the preamble where a message begins.
pub const BAD_PREAMBLE: &str = "nrtp_bad_preamble";
/// A negative length of content or of a chunk, or a chunk that does not end with CR LF (2.2.3.3.1).
pub const BAD_LENGTH: &str = "nrtp_bad_length";
/// A header with an unknown format, or a text in one that is longer than any needs to be: the next header is read behind it.
pub const BAD_HEADER: &str = "nrtp_bad_header";
/// More headers than any message needs.
pub const TOO_MANY_HEADERS: &str = "nrtp_too_many_headers";
/// A reply from who sends requests, or a request from who sends replies.
pub const WRONG_SIDE: &str = "nrtp_wrong_side";
/// Whole content that breaks its format ([MS-NRBF], SOAP).
pub const MALFORMED_CONTENT: &str = "nrtp_malformed_content";
/// SOAP with a document type or entities of its own.
pub const FORBIDDEN_XML: &str = "nrtp_forbidden_xml";
/// A handshake of [MS-NNS] that breaks its framing.
pub const BAD_HANDSHAKE: &str = "nrtp_bad_handshake";
/// Content of which a cap of ours left something out.
pub const CONTENT_CUT: &str = "nrtp_content_cut";

/// Whether an anomaly is the peer's doing, not that of a gap, a truncated capture or a cap of ours.
#[must_use]
pub fn is_violation(name: &str) -> bool {
    name.starts_with("nrtp_") && name != CONTENT_CUT
}
