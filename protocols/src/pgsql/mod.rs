//! PostgreSQL's frontend/backend protocol, versions 3.0 to 3.2 (PostgreSQL 18 documentation, chapter 55).
//!
//! ```text
//! client  = *[SSLRequest / GSSENCRequest] (CancelRequest / StartupMessage *message)
//! server  = *["S" / "G" / "N" / ErrorResponse] *message        "S": the stream goes on inside TLS, "G": inside GSSAPI
//! startup = length code *OCTET             message = type length *OCTET         (the length counts itself, not the type)
//! simple  = Query            ─► *(RowDescription *DataRow CommandComplete) ReadyForQuery
//! batch   = *(Parse / Bind / Describe / Execute / Close) Sync      ─► an answer each, or ErrorResponse; ReadyForQuery
//! copy    = Query / Execute  ─► CopyInResponse ─► *CopyData CopyDone   /   CopyOutResponse *CopyData CopyDone
//! ```
//! Requests and replies are paired in their order. Prepared statements and portals are remembered, so an Execute has its
//! statement and its parameters. Rows and COPY data are counted by their headers and passed over; the beginning of COPY data
//! from the client is offered to the scanner. Passwords, proofs and cancel keys are passed over unread.
//!
//! A gap inside a message keeps the place; behind a longer one the next message beyond doubt is looked for. Messages of the
//! client above `Limits::max_message` give their head; of statements padding does not count.
//! Known limits: version 2 is not read; parameters in binary format are texts only if they read as texts; with a client that
//! sends its next request before the reply, a gap of the server may give a reply to the wrong one of these.

pub mod anomaly;
mod backend;
mod conversation;
mod exchange;
mod frontend;
mod long;
mod message;
mod parser;
mod queue;
mod resync;
mod server;
mod session;
mod statement;
#[cfg(test)]
mod tests;
mod transaction;

pub use crate::sql::redact;
pub use anomaly::is_violation;
pub use backend::{Authentication, Report};
pub use frontend::Parameter;
pub use session::{Encryption, Login, Session, Status};
pub use transaction::{Copied, Copy, Kind, Reply, Request, Stage, Startup, Transaction};

use crate::contract::Protocol;
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol = Protocol {
    app_proto: AppProto::Pgsql,
    name: "pgsql",
    probe: resync::probe,
    parser: |around| Box::new(parser::PgsqlParser::new(&around.limits)),
};
