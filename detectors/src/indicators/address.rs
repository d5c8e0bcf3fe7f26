//! 9405001: a flow with an address of a list.

use std::net::IpAddr;

use crate::finding::{Stage, Threshold};
use crate::mitre::T1071;
use crate::{Context, Finding, Meta, Outcome};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_405_001,
    rev: 1,
    title: "BACKSTOP Indicator address",
    category: "Malware Command and Control Activity Detected",
    severity: 1,
    mitre: &[T1071],
    cve: &[],
    stage: Stage::Control,
    help: "One end of a flow is an address, or lies in a network, of a list of indicators. The alert names the list's source and date, \
           and its severity falls with age, since addresses change hands: 2 after a year, 3 after three (indicators.age_days), 2 \
           without a date. Once an hour for each pair of hosts. Silent: attempts to connect that nobody answered.",
};

/// The finding for a flow; nothing where neither end is listed. `data`: it carried some.
#[must_use]
pub fn address(context: &Context<'_>, data: bool) -> Option<Finding> {
    let lists = context.config.indicators.store.current();
    let (client, server) = (context.client, context.server);
    let (listed, other, told) = lists
        .address(server.addr)
        .map(|told| (server, client, told))
        .or_else(|| lists.address(client.addr).map(|told| (client, server, told)))?;
    let mut finding = super::finding(&META, context, &listed.addr.to_string(), &told);
    (finding.attacker, finding.victim) = (listed, other);
    finding.outcome = match (context.handshake, data) {
        (true, true) => Outcome::Success,
        (true, false) => Outcome::Attempt,
        (false, _) => Outcome::Unknown,
    };
    let key = |addr: IpAddr| addr.to_string();
    finding.threshold = Some(Threshold {
        key: format!("{} {}", key(listed.addr), key(other.addr)).into_bytes(),
        window: context.config.policy_window,
    });
    Some(finding)
}
