//! What may be wrong with a net.tcp conversation. The names are written to EVE and never change.

/// A framing version other than 1.x ([MC-NMF] 2.2.3.1).
pub const BAD_VERSION: &str = "nmf_bad_version";
/// A mode other than 1 to 4 (2.2.3.2).
pub const BAD_MODE: &str = "nmf_bad_mode";
/// A Via that is longer than any URI needs to be, or is no UTF-8 (2.2.3.3).
pub const BAD_VIA: &str = "nmf_bad_via";
/// A known encoding above 8 (2.2.3.4).
pub const UNKNOWN_ENCODING: &str = "nmf_unknown_encoding";
/// An upgrade that is neither TLS nor negotiation (2.2.3.5).
pub const UNKNOWN_UPGRADE: &str = "nmf_unknown_upgrade";
/// A record type that does not exist, or not at this place (2.2.1).
pub const UNEXPECTED_RECORD: &str = "nmf_unexpected_record";
/// A size of more than 31 bits (2.2.2).
pub const BAD_SIZE: &str = "nmf_bad_size";
/// A message larger than any service allows.
pub const ENVELOPE_TOO_LARGE: &str = "nmf_envelope_too_large";
/// A whole message that breaks its encoding.
pub const MALFORMED_MESSAGE: &str = "nmf_malformed_message";
/// A message with a document type or entities of its own.
pub const FORBIDDEN_XML: &str = "nmf_forbidden_xml";
/// An in-band dictionary several times larger than WCF's own quota (2,048 bytes a session) allows.
pub const DICTIONARY_LIMIT: &str = "nmf_dictionary_limit";
/// A request whose header alone is longer, or has more elements, than is decoded: no client writes such a one.
pub const HEADER_LIMIT: &str = "nmf_header_limit";
/// A request that says more than once what it may say once: its action, an argument; or more often than is read.
pub const AMBIGUOUS_REQUEST: &str = "nmf_ambiguous_request";
/// A request of Veeam's contract that reaches a cap before its arguments, or with something else than its arguments.
pub const ARGUMENTS_HIDDEN: &str = "nmf_arguments_hidden";
/// A request of Veeam's contract whose SQL reaches a cap with nothing but blanks and comments: the statement is behind them.
pub const SQL_HIDDEN: &str = "nmf_sql_hidden";
/// A request of which a cap of ours left something out.
pub const REQUEST_CUT: &str = "nmf_request_cut";

/// Whether an anomaly is the peer's doing, not that of a gap, a truncated capture or a cap of ours.
#[must_use]
pub fn is_violation(name: &str) -> bool {
    matches!(
        name,
        BAD_VERSION
            | BAD_MODE
            | BAD_VIA
            | UNKNOWN_ENCODING
            | UNKNOWN_UPGRADE
            | UNEXPECTED_RECORD
            | BAD_SIZE
            | ENVELOPE_TOO_LARGE
            | MALFORMED_MESSAGE
            | FORBIDDEN_XML
            | HEADER_LIMIT
            | AMBIGUOUS_REQUEST
            | ARGUMENTS_HIDDEN
            | SQL_HIDDEN
            | DICTIONARY_LIMIT
    )
}
