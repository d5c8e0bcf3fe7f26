//! SMB 2 and 3 ([MS-SMB2]) and as much of SMB 1 ([MS-CIFS], [MS-SMB]) as it takes to follow files: how files, pipes and
//! services of a Windows host are reached.
//!
//! ```text
//! stream  = [session-request] *frame          frame = type length body      RFC 1002 §4.3, [MS-SMB2] 2.1
//! body    = 1*message / transform ciphertext / compressed
//! message = header request / header response  (header names the next one of a compound, 8-byte aligned)
//! ```
//! Requests and responses are paired by message id; an interim response (STATUS_PENDING) leaves the pair open. Sessions, trees
//! and open files are followed, so that a record says who did what to which file on which share. Data of files and pipes goes
//! on in pieces of at most [`CHUNK`] bytes ([`FileData`], [`PipeData`]), and contents of files, put together in bounded memory,
//! to the content rules (`smb.file`). DCE/RPC in pipes is read ([`Rpc`]). Signatures are not verified. Of an NTLM login names are kept, and no challenge or
//! response.
//!
//! A response that comes before its request, which may wait behind a hole, is kept for it where it says what is open.
//!
//! Encrypted sessions are told once ([`Encrypted`]); what is inside is not read. Compressed messages are decompressed within
//! `Limits::max_buffer`.
//!
//! Known limits: of a message longer than `Limits::max_message` (directory listings aside) the head is decoded; SMB 1 has no
//! transactions in several parts, raw reads and writes, or print files here; messages behind the first AndX block that carries
//! data are not followed.

pub mod anomaly;
mod command;
pub(crate) mod compression;
mod connection;
mod content;
mod create;
mod fields;
mod frame;
mod header;
mod kerberos;
mod names;
mod parser;
mod pipes;
mod reader;
mod resync;
pub(crate) mod security;
mod smb1;
mod smb2;
#[cfg(test)]
mod tests;
mod transaction;

pub use anomaly::is_violation;
pub use command::Command;
pub use content::CHUNK;
pub use names::{disposition_name, status_name};
pub use security::Identity;
pub use transaction::{
    Asked, Encrypted, Exchange, File, FileData, Negotiated, PipeData, Rpc, Session, ShareType, Stage, Times, Transaction, Tree,
};

use crate::contract::Protocol;
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol = Protocol {
    app_proto: AppProto::Smb,
    name: "smb",
    probe: resync::probe,
    parser: |around| Box::new(parser::SmbParser::new(&around.limits)),
};
