//! 9401001: all stored credentials are asked for (CVE-2023-27532).

use backstop_protocols::veeam::{Call, Reply};
use backstop_types::Fields;

use super::watch::{Cause, Technique, Watch};
use crate::finding::Stage;
use crate::mitre::{T1212, T1555};
use crate::{Context, Detector, Meta, Outcome};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_001,
    rev: 1,
    title: "BACKSTOP Veeam credential dump",
    category: "Attempted Administrator Privilege Gain",
    severity: 1,
    mitre: &[T1212, T1555],
    cve: &["CVE_2023_27532"],
    stage: Stage::Exploit,
    help: "A request to IRemoteInvokeService names the method CredentialsDbScopeGetAllCreds, as its own argument or in its \
           RemoteInvokeSpec. The service answers it without authentication (CVE-2023-27532). One alert a flow; further calls are \
           counted. Fires for known clients too. Silent: the name in a reply, in a log text, or as the value of another argument.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Watch::new(Dump))
}

struct Dump;

impl Technique for Dump {
    const META: &'static Meta = &META;

    fn cause(&mut self, _: &Context<'_>, call: &Call) -> Option<Cause> {
        super::names(call, super::GET_ALL).then(|| Cause { key: 0, evidence: Fields::new() })
    }

    fn outcome(&self, reply: &Reply) -> Outcome {
        if super::returns_something(reply) { Outcome::Success } else { Outcome::Attempt }
    }
}
