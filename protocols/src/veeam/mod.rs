//! Veeam's remote invocation on top of net.tcp and SOAP, as far as the public record of CVE-2023-27532 describes it.
//!
//! ```text
//! SOAP body   <Invoke><scope/><method/><parameters>XML text</parameters></Invoke>
//! parameters  <RemoteInvokeSpec ContextSessionId Scope Method><Params><Param ParamName ParamValue ParamType/>…
//!             <…><DbGetDataTableRemoteInvokeSpec><SqlCommand>…
//! ParamValue  base64 of a BinaryFormatter object
//! ```
//! Never probed: [`crate::nmf`] hands its exchanges on. Values that come back are counted, never kept.

mod call;
mod reply;
#[cfg(test)]
mod tests;
mod tracker;
mod transaction;
pub(crate) mod value;

pub use tracker::Tracker;
pub use transaction::{Call, Param, Reply, ReplyKind, Spec, Stage, Transaction};
pub(crate) use value::is_secret;

use crate::contract::{Probe, Protocol};
use crate::handed_on::HandedOn;
use crate::registry::AppProto;

/// The registered protocol: a name for transactions and records, without a parser of its own.
pub static PROTOCOL: Protocol =
    Protocol { app_proto: AppProto::Veeam, name: "veeam", probe: |_, _| Probe::No, parser: |_| Box::new(HandedOn) };
