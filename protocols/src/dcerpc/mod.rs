//! DCE/RPC over connections (C706 chapter 12, [MS-RPCE] 2.2.2): which operation of which interface is called, by whom, with what
//! arguments, and what came of it.
//!
//! ```text
//! stream = *pdu                       pdu  = header body [pad sec_trailer auth_value]    `frag_length` in all
//! client = bind *(alter_context / auth3 / 1*request / co_cancel / orphaned)
//! server = bind_ack / bind_nak *(alter_context_resp / 1*response / fault / shutdown)
//! call   = fragments of one call id; several calls may be on their way
//! ```
//! The same session reads every carrier: TCP ([`PROTOCOL`]), named pipes of SMB ([`crate::smb`]), and the channels of
//! ncacn_http ([MS-RPCH]) in HTTP. Stubs are put together within `Limits::max_message` and decoded by [`calls`]. Of an NTLM or
//! Kerberos login names are kept, and no challenge or response.
//!
//! Known limits: calls of a sealed association (level 6) are told without their arguments; signatures are not verified; a bind in
//! fragments, which C706 12.4 does not allow, is read as far as its first one; an answer that comes before its request, which
//! may wait behind a hole, is told without it; connectionless RPC (UDP) is not read. Of ncacn_http each channel is a connection of its own: a
//! call has no answer there, and an answer no call.

pub mod anomaly;
mod association;
mod auth;
mod bind;
pub mod calls;
mod fields;
mod fragments;
mod names;
pub mod ndr;
mod parser;
mod pdu;
mod pipes;
mod reader;
mod resync;
mod rts;
mod session;
#[cfg(test)]
mod tests;
mod transaction;
mod verification;

pub use anomaly::is_violation;
pub use association::{Association, Carrier, Level};
pub use bind::{Bind, BindEnd, Context, Negotiated, Syntax};
pub use fields::uuid;
pub use fragments::Part;
pub use names::{auth_name, fault_name};
pub use transaction::{End, Exchange, Interface, Stage, Told, Transaction};

pub(crate) use parser::Direct;
pub(crate) use reader::Stream;
pub(crate) use session::Out;

use crate::contract::Protocol;
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol = Protocol {
    app_proto: AppProto::Dcerpc,
    name: "dcerpc",
    probe: resync::probe,
    parser: |around| Box::new(parser::DcerpcParser::new(&around.limits)),
};
