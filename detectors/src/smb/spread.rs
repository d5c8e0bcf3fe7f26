//! 9404010: a backup server connects to administrative shares of many hosts.

use backstop_protocols::Transaction;
use backstop_protocols::smb::{Command, Exchange, Stage, Transaction as Smb};
use backstop_types::Fields;

use super::evidence;
use super::names;
use crate::finding::{Role, Stage as Step, Tally, Threshold};
use crate::mitre::{T1018, T1021_002};
use crate::veeam::evidence::{bounded, plain};
use crate::{Confidence, Context, Detector, Findings, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_404_010,
    rev: 1,
    title: "BACKSTOP Backup server connects to administrative shares of many hosts",
    category: "Targeted Malicious Activity was Detected",
    severity: 2,
    mitre: &[T1021_002, T1018],
    cve: &[],
    stage: Step::Move,
    help: "A backup server asked for ADMIN$ or the share of a drive on five hosts (detect_smb.host_count) within ten minutes, whether it \
           was let in or not. The evidence names hosts and shares. Once an hour for each backup server. List the hosts that it \
           reaches so in its daily work in detect_smb.agents. Silent: listed hosts, other shares, hosts that are no backup server.",
};

/// TREE_CONNECT of both versions.
const CONNECTS: [Command; 2] = [Command::Smb2(0x03), Command::Smb1(0x75)];
/// STATUS_BAD_NETWORK_NAME: there is no such share.
const NO_SHARE: u32 = 0xc000_00cc;
/// Shares of one flow that are counted.
const MAX_SHARES: usize = 4;
/// Bytes of a name shown.
const MAX_NAME: usize = 128;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Spread::default())
}

#[derive(Default)]
struct Spread {
    /// Connects that were told: a host counts once, and who repeats them brings nothing new.
    told: usize,
}

impl Spread {
    fn connects(&mut self, context: &Context<'_>, exchange: &Exchange<'_>, out: &mut Findings) {
        let (client, server) = (context.client.addr, context.server.addr);
        let Some(share) = exchange.asked.share.as_deref().filter(|share| names::is_administrative(share)) else { return };
        let listed = context.config.smb.agents.iter().any(|net| net.contains(&server));
        if self.told >= MAX_SHARES || listed || client == server || server.is_loopback() || exchange.status == Some(NO_SHARE) {
            return;
        }
        self.told += 1;
        let mut finding = plain(&META, context, Fields::new().with("smb", evidence::object(exchange)));
        finding.tx_id = Some(exchange.tx_id);
        finding.outcome = evidence::outcome(exchange.status);
        finding.confidence = Confidence::Medium;
        finding.excerpt = bounded(share, MAX_NAME).into_bytes();
        finding.excerpt_of = share.len() as u64;
        finding.requires = vec![Role::BackupServer(client)];
        let key = client.to_string().into_bytes();
        finding.tally = Some(Tally {
            key: key.clone(),
            items: vec![server.to_string()],
            needed: context.config.smb.host_count,
            window: context.config.smb.host_window,
            notes: vec![("shares", bounded(share, MAX_NAME))],
        });
        finding.threshold = Some(Threshold { key, window: context.config.policy_window });
        out.findings.push(finding);
    }
}

impl Detector for Spread {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        if let Transaction::Smb(Smb::Exchange(exchange)) = transaction
            && exchange.stage != Stage::Requested
            && CONNECTS.contains(&exchange.command)
        {
            self.connects(context, exchange, out);
        }
    }
}
