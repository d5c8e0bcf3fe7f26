//! 9405001: a flow with an address of a list.

use backstop_types::Endpoint;

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
           without a date. Once an hour for each pair of hosts, attempts and successes apart. Silent: SYNs that nobody answered, and \
           indicators that their list no longer stands for (valid_until).",
};

/// Who carried data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nobody.
    Nothing,
    /// One side.
    OneSide,
    /// Both.
    Both,
}

/// Whether an end of the flow is listed.
#[must_use]
pub fn has_address(context: &Context<'_>) -> bool {
    let lists = context.config.indicators.store.current();
    [context.server, context.client].into_iter().any(|end| lists.address(end.addr).is_some_and(|told| !told.is_over(context.now)))
}

/// The finding for a flow; nothing where neither end is listed.
#[must_use]
pub fn address(context: &Context<'_>, heard: Heard) -> Option<Finding> {
    let lists = context.config.indicators.store.current();
    let (client, server) = (context.client, context.server);
    let listed = |end: Endpoint| lists.address(end.addr).filter(|told| !told.is_over(context.now));
    let (listed, other, told) =
        listed(server).map(|told| (server, client, told)).or_else(|| listed(client).map(|told| (client, server, told)))?;
    let mut finding = super::finding(&META, context, &listed.addr.to_string(), &told);
    (finding.attacker, finding.victim) = (listed, other);
    finding.outcome = match (heard, context.handshake) {
        (Heard::Both, _) => Outcome::Success,
        (Heard::OneSide, true) | (Heard::Nothing, _) => Outcome::Attempt,
        // Of UDP, and of captures of one side: the reply was not seen.
        (Heard::OneSide, false) => Outcome::Unknown,
    };
    // Attempts do not hide the first one that succeeds.
    let kind = if finding.outcome == Outcome::Success { "+" } else { "-" };
    finding.threshold = Some(Threshold {
        key: format!("{} {} {kind}", listed.addr, other.addr).into_bytes(),
        window: context.config.policy_window,
    });
    Some(finding)
}
