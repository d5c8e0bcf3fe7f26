//! What may be wrong with an HTTP conversation. The names are written to EVE and never change.

/// A start line that is neither a request line nor a status line (RFC 9112 §3, §4).
pub const BAD_START_LINE: &str = "http_bad_start_line";
/// A start line with other white space than one blank between its parts (RFC 9112 §3).
pub const LENIENT_START_LINE: &str = "http_lenient_start_line";
/// A head with lines that end in CR and LF, and lines that end in LF alone (RFC 9112 §2.2).
pub const BARE_LF: &str = "http_bare_lf";
/// A CR inside a line (RFC 9112 §2.2).
pub const BARE_CR: &str = "http_bare_cr";
/// A NUL in a head (RFC 9110 §5.5).
pub const NUL_BYTE: &str = "http_nul_byte";
/// White space between a field's name and its colon (RFC 9112 §5.1).
pub const SPACE_BEFORE_COLON: &str = "http_space_before_colon";
/// A field that goes on in the next line (RFC 9112 §5.2).
pub const OBS_FOLD: &str = "http_obs_fold";
/// A line of a head that is no field (RFC 9112 §5).
pub const BAD_FIELD: &str = "http_bad_field";
/// The same Content-Length more than once (RFC 9112 §6.3).
pub const DUPLICATE_LENGTH: &str = "http_duplicate_content_length";
/// Content-Lengths that differ (RFC 9112 §6.3).
pub const CONFLICTING_LENGTH: &str = "http_conflicting_content_length";
/// A Content-Length that is no number (RFC 9110 §8.6).
pub const BAD_LENGTH: &str = "http_bad_content_length";
/// Content-Length and Transfer-Encoding in one message (RFC 9112 §6.1).
pub const LENGTH_AND_TRANSFER: &str = "http_length_and_transfer_encoding";
/// A Transfer-Encoding that two readers may understand differently: unknown, misspelt, or `chunked` not last or twice (RFC 9112 §6.1).
pub const BAD_TRANSFER: &str = "http_bad_transfer_encoding";
/// Transfer-Encoding in a message of HTTP/1.0 (RFC 9112 §6.1).
pub const TRANSFER_IN_1_0: &str = "http_transfer_encoding_in_1_0";
/// More than one Host (RFC 9112 §3.2).
pub const DUPLICATE_HOST: &str = "http_duplicate_host";
/// A request of HTTP/1.1 without Host (RFC 9112 §3.2).
pub const MISSING_HOST: &str = "http_missing_host";
/// A chunk size that is no hexadecimal number (RFC 9112 §7.1).
pub const BAD_CHUNK_SIZE: &str = "http_bad_chunk_size";
/// A chunk size in a form that not all read alike: white space, a prefix, a line end without CR (RFC 9112 §7.1).
pub const LENIENT_CHUNK_SIZE: &str = "http_lenient_chunk_size";
/// Something else than a line end behind the data of a chunk (RFC 9112 §7.1).
pub const BAD_CHUNK_END: &str = "http_bad_chunk_end";
/// A body that is not what its Content-Encoding says (RFC 9110 §8.4).
pub const BAD_CODING: &str = "http_bad_content_coding";
/// Bytes of the client behind CONNECT, before its answer, that are no tunnel (RFC 9110 §9.3.6).
pub const EARLY_TUNNEL_DATA: &str = "http_early_tunnel_data";
/// A cap of ours on heads was reached: only what frames the message is read.
pub const HEAD_TOO_LONG: &str = "http_head_too_long";
/// A cap of ours on decoded bytes was reached: the rest of the body stays as it is.
pub const DECODE_LIMIT: &str = "http_decode_limit";
/// A coding that is not decoded here, or more of them than a cap of ours.
pub const UNKNOWN_CODING: &str = "http_unknown_coding";
/// A cap of ours on requests without reply was reached: the oldest are given up.
pub const PENDING_LIMIT: &str = "http_pending_limit";
/// A cap of ours on parts of a file was reached: its ranges are not put together.
pub const RANGE_LIMIT: &str = "http_range_limit";
/// A cap of ours on files of a form was reached: the others are looked at as a part of the body.
pub const UPLOAD_LIMIT: &str = "http_upload_limit";

/// Whether an anomaly is the peer's doing, not that of a gap, a truncated capture or a cap of ours.
#[must_use]
pub fn is_violation(name: &str) -> bool {
    name.starts_with("http_")
        && !matches!(name, HEAD_TOO_LONG | DECODE_LIMIT | UNKNOWN_CODING | PENDING_LIMIT | RANGE_LIMIT | UPLOAD_LIMIT)
}
