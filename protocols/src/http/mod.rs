//! HTTP/1.0 and 1.1 (RFC 9110, RFC 9112); HTTP/2 in the clear is recognised (RFC 9113 §3.4) and not read.
//!
//! ```text
//! message  = start-line CRLF *( field CRLF ) CRLF [ body ]        body = Content-Length bytes / chunks / up to the end
//! client   = *message ( after CONNECT answered 2xx, or 101: another protocol, which is probed )
//! server   = *( *1xx message )                                    paired with the requests in their order
//! ```
//! Heads are read as servers read them, and each shape that two readers may answer differently is an anomaly: what smuggles
//! requests. Codings of bodies (gzip, deflate, br, zstd) are undone within caps. Bodies become [`Part`]s in windows, which the
//! scanner sees as well. Files in forms (RFC 7578) are told one by one. Ranges of one file are put together. Channels of ncacn_http are read as DCE/RPC.
//!
//! A gap inside a body keeps the place; behind others the next start line is looked for.
//! Known limits: HTTP/0.9 is not read; after a gap of the client a response may be paired with a later request; trailers are
//! passed over; `multipart/byteranges` and ranges of a coded file stay as they are; a client that leaves out the body it announced with
//! `Expect: 100-continue` is read wrongly until the next gap; of one side alone, responses to HEAD are taken for ones with a body.

pub mod anomaly;
mod body;
mod channel;
mod chunked;
mod decode;
mod exchanges;
mod framing;
mod head;
mod line;
mod message;
mod multipart;
mod name;
mod parser;
mod probe;
mod ranges;
#[cfg(test)]
mod tests;
mod transaction;

pub use anomaly::is_violation;
pub use head::{Field, Head, Start};
pub use name::{authority, target_name};
pub use transaction::{
    BodyFacts, ContentRange, Exchange, Part, PartState, RangePart, Request, Response, Stage, Transaction, Upload, mask_target,
};

use crate::contract::Protocol;
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol = Protocol {
    app_proto: AppProto::Http,
    name: "http",
    probe: probe::probe,
    parser: |around| Box::new(parser::HttpParser::new(&around.limits)),
};
