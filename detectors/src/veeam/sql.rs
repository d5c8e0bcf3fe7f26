//! 9401004: SQL is sent through the remote invocation.

use backstop_protocols::veeam::Call;
use backstop_types::Fields;

use super::watch::{self, Cause, Technique, Watch};
use crate::finding::Stage;
use crate::mitre::{T1190, T1210};
use crate::{Context, Detector, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_004,
    rev: 1,
    title: "BACKSTOP Veeam SQL through RemoteInvoke",
    category: "Attempted Administrator Privilege Gain",
    severity: 2,
    mitre: &[T1190, T1210],
    cve: &["CVE_2023_27532"],
    stage: Stage::Exploit,
    help: "A request to IRemoteInvokeService carries a DbGetDataTableRemoteInvokeSpec or an SqlCommand element: its SQL runs with the \
           rights of the service. Each distinct SQL text of a flow is an alert, up to a limit; further ones are counted. Fires for \
           known clients too. Silent: other methods, and SQL text in a reply or in another argument.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Watch::new(Sql))
}

struct Sql;

impl Technique for Sql {
    const META: &'static Meta = &META;

    fn cause(&mut self, _: &Context<'_>, call: &Call) -> Option<Cause> {
        let text = call.sql.as_deref().unwrap_or_default();
        super::carries_sql(call).then(|| Cause { key: watch::key(text), evidence: Fields::new() })
    }

    fn max_causes(&self, context: &Context<'_>) -> usize {
        context.config.max_per_flow.max(1)
    }
}
