//! Windows Remote Management on HTTP: WS-Management (DSP0226, [MS-WSMV]) with its shells, and PowerShell remoting in them ([MS-PSRP]).
//!
//! ```text
//! HTTP body  = SOAP envelope / multipart/encrypted          encrypted: told as not visible, nothing is guessed
//! envelope   = Create / Command / Receive / Send / Signal / Delete / … of a shell, or a method of a WMI class
//! shell      = cmd: the command line stands there; powershell: base64 of fragments, in Create, Command and Send
//! fragments  → messages ([MS-PSRP] 2.2.4, 2.2.1) → CREATE_PIPELINE, PIPELINE_INPUT as CLIXML (2.2.5) → script text
//! ```
//! Never probed: [`crate::http`] hands its requests on whose target is `/wsman`, or whose type and content are WS-Management's.
//! Of credentials only names are kept, never a password, challenge or response.
//!
//! Known limits: fragments of one object on several connections are not joined, each part is looked at by itself; SLDC
//! ([MS-WSMV] 2.2.9.2) is not undone; what is told of a response is how it ended, not
//! what it returned; messages in UTF-16 are read, in other encodings than that and UTF-8 they are not.

pub mod anomaly;
mod clixml;
mod envelope;
mod exchange;
mod follow;
mod fragments;
mod identity;
mod partial;
mod psrp;
mod reply;
mod streams;
#[cfg(test)]
mod tests;
mod transaction;
mod wanted;

pub use anomaly::is_violation;
pub use follow::Follower;
pub use psrp::type_name;
pub use transaction::{Call, Command, CommandKind, Operation, Parameter, Protection, PsrpMessage, Reply, Stage, Transaction};

use crate::contract::{Probe, Protocol};
use crate::handed_on::HandedOn;
use crate::registry::AppProto;

/// The registered protocol: a name for transactions and records, without a parser of its own.
pub static PROTOCOL: Protocol =
    Protocol { app_proto: AppProto::Winrm, name: "winrm", probe: |_, _| Probe::No, parser: |_| Box::new(HandedOn) };
