//! 9405002: a file whose sum is on a list.

use backstop_protocols::Transaction;
use backstop_types::{Direction, Value};

use crate::finding::{Stage, Threshold};
use crate::mitre::T1105;
use crate::{Context, Detector, FileFacts, Findings, Meta, Outcome};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_405_002,
    rev: 1,
    title: "BACKSTOP Indicator file hash",
    category: "Malware Command and Control Activity Detected",
    severity: 1,
    mitre: &[T1105],
    cve: &[],
    stage: Stage::Ingress,
    help: "A file that was seen whole, over HTTP or SMB, has the MD5, SHA-1 or SHA-256 of a list of indicators. The alert names the \
           list's source and date, and its severity falls with age as that of 9405001. Once an hour for each pair of hosts and \
           file. Silent: files of which bytes are missing, and files longer than files.max_hashed.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Sums)
}

struct Sums;

impl Detector for Sums {
    fn on_transaction(&mut self, _: &Context<'_>, _: &Transaction<'_>, _: &mut Findings) {}

    fn on_file(&mut self, context: &Context<'_>, file: &FileFacts<'_>, out: &mut Findings) {
        let lists = context.config.indicators.store.current();
        let sums = [file.sha256, file.sha1, file.md5];
        let found = |sum| lists.sum(sum).filter(|told| !told.is_over(context.now)).map(|told| (sum, told));
        let Some((sum, told)) = sums.into_iter().flatten().find_map(found) else { return };
        let mut finding = super::finding(&META, context, sum, &told);
        if file.direction == Direction::ToClient {
            std::mem::swap(&mut finding.attacker, &mut finding.victim);
        }
        finding.direction = file.direction;
        finding.tx_id = file.tx_id;
        finding.outcome = Outcome::Success;
        finding.context.set("files", vec![Value::from(file.fields())]);
        let key = format!("{} {} {sum}", context.client.addr, context.server.addr).into_bytes();
        finding.threshold = Some(Threshold { key, window: context.config.policy_window });
        out.findings.push(finding);
    }
}
