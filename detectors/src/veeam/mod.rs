//! Detections on the Veeam service (section 1 of the catalogue): one file a technique.
//!
//! Those of an exploit decide on decoded requests, from the client to the server. What a reply, a log text or another argument
//! says is never taken for a request. What is only inferred says so.

pub mod command;
mod content;
pub mod credential_dump;
pub mod credential_lookup;
pub mod credentials_returned;
pub mod encrypted_dump;
mod encrypted_shape;
pub(crate) mod evidence;
pub mod malformed;
pub mod outside;
mod role;
mod schannel;
pub mod sql;
#[cfg(test)]
mod tests;
pub mod tls_stack;
pub mod unlisted;
pub(crate) mod watch;

use backstop_protocols::veeam::{Call, Reply, ReplyKind};

/// The method that returns all stored credentials.
const GET_ALL: &str = "CredentialsDbScopeGetAllCreds";
/// The method that looks up one.
const FIND: &str = "CredentialsDbScopeFindCredentials";

/// Whether a call names a method: its own argument, or that of its spec. Never the value of another argument.
fn names(call: &Call, method: &str) -> bool {
    // Whether the service minds case, nobody has said: an attacker would not be asked either.
    call.effective_methods().any(|named| named.trim().eq_ignore_ascii_case(method))
}

/// Whether a call carries SQL.
fn carries_sql(call: &Call) -> bool {
    call.sql.is_some() || call.sql_hidden || call.spec.as_ref().is_some_and(|spec| spec.kind == "DbGetDataTableRemoteInvokeSpec")
}

/// Whether a reply returns something: no fault, a value, and not a list of credentials that was read to its end without
/// finding one.
fn returns_something(reply: &Reply) -> bool {
    let is_list_of_credentials = || reply.class.as_deref().is_some_and(|class| class.to_ascii_lowercase().contains("cred"));
    reply.kind == ReplyKind::Value && !(reply.credential_count == Some(0) && is_list_of_credentials())
}
