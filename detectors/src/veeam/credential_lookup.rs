//! 9401002: stored credentials are looked up by id (CVE-2023-27532).

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use backstop_protocols::veeam::{Call, Reply};
use backstop_types::Fields;

use super::watch::{Cause, Technique, Watch};
use crate::finding::Stage;
use crate::mitre::{T1212, T1555};
use crate::{Context, Detector, Meta, Outcome};

/// Distinct ids that are told apart in one flow; 16 bytes each.
const MAX_IDS: usize = 4_096;

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_002,
    rev: 1,
    title: "BACKSTOP Veeam credential lookup",
    category: "Attempted Administrator Privilege Gain",
    severity: 1,
    mitre: &[T1212, T1555],
    cve: &["CVE_2023_27532"],
    stage: Stage::Exploit,
    help: "A request to IRemoteInvokeService names the method CredentialsDbScopeFindCredentials. One alert a flow with the number \
           of distinct ids asked for; the final number follows at the end of the flow. Fires for known clients too. Silent: the \
           name in a reply, in a log text, or as the value of another argument.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Watch::new(Lookup::default()))
}

#[derive(Default)]
struct Lookup {
    ids: HashSet<u64>,
}

impl Technique for Lookup {
    const META: &'static Meta = &META;

    fn cause(&mut self, _: &Context<'_>, call: &Call) -> Option<Cause> {
        if !super::names(call, super::FIND) {
            return None;
        }
        for id in call.lookup_ids() {
            if self.ids.len() < MAX_IDS {
                let mut hasher = DefaultHasher::new();
                id.hash(&mut hasher);
                self.ids.insert(hasher.finish());
            }
        }
        Some(Cause { key: 0, evidence: Fields::new() })
    }

    fn outcome(&self, reply: &Reply) -> Outcome {
        if super::returns_something(reply) { Outcome::Success } else { Outcome::Attempt }
    }

    fn totals(&self, veeam: &mut Fields) {
        veeam.set("distinct_ids", self.ids.len());
        if self.ids.len() >= MAX_IDS {
            veeam.set("distinct_ids_at_least", true);
        }
    }
}
