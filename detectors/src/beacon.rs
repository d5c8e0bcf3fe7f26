//! 9405004: a backup server calls an address outside like a clock. Inferred from times and sizes: always suspected.

use std::time::Duration;

use backstop_types::{Fields, PacketTime};
use ipnet::IpNet;

use crate::finding::{Beat, Role, Stage, Threshold};
use crate::mitre::T1071;
use crate::veeam::evidence::plain;
use crate::{Confidence, Context, Finding, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_405_004,
    rev: 1,
    title: "BACKSTOP Suspected beaconing of a backup server",
    category: "Malware Command and Control Activity Detected",
    severity: 2,
    mitre: &[T1071],
    cve: &[],
    stage: Stage::Control,
    help: "The last sessions of a backup server to one address and port outside home_net come at regular intervals (median distance \
           from the median interval at most beacon.max_jitter percent), are small, and send alike much. Inferred from times and \
           sizes, which agents of monitoring and licences have too: list their networks in beacon.allowed, or their names in \
           detect_names.trusted_hosts. Once a day for each server and address. Silent: fewer than beacon.min_sessions sessions, \
           UDP, hosts that are no backup server.",
};

/// Repetitions are held back for a day.
const WINDOW: Duration = Duration::from_secs(86_400);

/// What counts as regular.
#[derive(Clone, Debug)]
pub struct BeaconConfig {
    /// Sessions that it takes.
    pub min_sessions: usize,
    /// Shortest interval …
    pub min_interval: Duration,
    /// … and longest.
    pub max_interval: Duration,
    /// Median distance from the median, in percent of it.
    pub max_jitter: u32,
    /// Bytes of a session, both directions, with headers.
    pub max_bytes: usize,
    /// Networks outside that may be called so.
    pub allowed: Vec<IpNet>,
}

impl Default for BeaconConfig {
    fn default() -> Self {
        Self {
            min_sessions: 10,
            min_interval: Duration::from_secs(5),
            max_interval: Duration::from_secs(4 * 3_600),
            max_jitter: 20,
            max_bytes: 64 * 1024,
            allowed: Vec::new(),
        }
    }
}

/// A TCP session that is over: what the correlator is to count, if it is one that could be a beat.
#[must_use]
pub fn session(context: &Context<'_>, start: PacketTime, sent: u64, received: u64) -> Option<Finding> {
    let config = context.config;
    let (client, server) = (context.client.addr, context.server.addr);
    let listed = config.beacon.allowed.iter().any(|net| net.contains(&server));
    if config.is_home(server)
        || !config.is_home(client)
        || listed
        || sent.saturating_add(received) > config.beacon.max_bytes as u64
    {
        return None;
    }
    let key = format!("{client} {server} {}", context.server.port).into_bytes();
    let mut finding = plain(&META, context, Fields::new());
    std::mem::swap(&mut finding.attacker, &mut finding.victim);
    finding.suspected = true;
    finding.confidence = Confidence::Low;
    finding.requires = vec![Role::BackupServer(client)];
    finding.beat = Some(Beat { key: key.clone(), start, sent, received });
    finding.threshold = Some(Threshold { key, window: WINDOW });
    Some(finding)
}
