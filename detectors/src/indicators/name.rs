//! 9405003: a host name of a list, in DNS, TLS or HTTP.

use std::net::IpAddr;

use crate::finding::{Stage, Threshold};
use crate::mitre::T1071;
use crate::veeam::evidence::bounded;
use crate::{Context, Finding, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_405_003,
    rev: 1,
    title: "BACKSTOP Indicator host name",
    category: "Malware Command and Control Activity Detected",
    severity: 1,
    mitre: &[T1071],
    cve: &[],
    stage: Stage::Control,
    help: "A host asked DNS for a name of a list of indicators, opened TLS to it (server name), or asked it by HTTP; or it asked a \
           proxy for a listed address. The alert names the list's source and date, and its severity falls with age as that of \
           9405001. Once an hour for each host and listed name, whichever of the three comes first. Silent: names below a listed \
           one that does not stand for them, and indicators that their list no longer stands for (valid_until).",
};

/// Bytes of a name shown.
const MAX_NAME: usize = 256;

/// The finding for a name that the flow's client uses, or for an address that it asks another one for (a proxy).
pub fn name(context: &Context<'_>, name: &str) -> Option<Finding> {
    let lists = context.config.indicators.store.current();
    let told = match name.trim_matches(['[', ']']).parse::<IpAddr>() {
        // The flow's own: 9405001.
        Ok(address) if address == context.server.addr => None,
        Ok(address) => lists.address(address),
        Err(_) => lists.name(name),
    };
    let told = told.filter(|told| !told.is_over(context.now))?;
    let shown = bounded(&name.trim_end_matches('.').to_ascii_lowercase(), MAX_NAME);
    let mut finding = super::finding(&META, context, &shown, &told);
    std::mem::swap(&mut finding.attacker, &mut finding.victim);
    // By the listed name: who makes up names below it causes one alert.
    let key = format!("{} {}", context.client.addr, told.listed(&shown)).into_bytes();
    finding.threshold = Some(Threshold { key, window: context.config.policy_window });
    Some(finding)
}
