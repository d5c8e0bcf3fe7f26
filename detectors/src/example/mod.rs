//! The template of a detector: tells when the template protocol carries the text of its own test.
//!
//! Copy this folder (or make it one file), change the sid, and write its section of `docs/detections.md`. It is compiled
//! and listed in tests only: it passes every check of the list, so the recipe cannot rot, and no sensor ever runs it.
//!
//! What to keep in mind, in the order of the file:
//! - `META` is fixed text. What varies belongs to the evidence.
//! - A detector lives as long as its flow. Whatever it keeps is bounded, and it says a bounded number of things.
//! - It decides on decoded fields, copies what it shows within `config.max_excerpt`, and shows no secrets.
//! - What it cannot see, it does not claim: the outcome is `Unknown` until a reply proves otherwise.

#[cfg(test)]
mod tests;

use backstop_protocols::Transaction;
use backstop_types::{Direction, Fields};

use crate::finding::Stage;
use crate::mitre::T1595;
use crate::{Confidence, Context, Detector, Finding, Findings, Meta, MetaRef, Outcome};

/// The line that is looked for: like the test file of virus scanners, harmless by agreement.
const MARKER: &[u8] = b"BACKSTOP-DETECTION-TEST";

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_400_001,
    rev: 1,
    title: "BACKSTOP Test line of the template protocol",
    category: "Not Suspicious Traffic",
    severity: 3,
    mitre: &[T1595],
    cve: &[],
    stage: Stage::Reach,
    help: "The template of a detector. A client of the echo protocol sent the test line, exactly and alone. Never shipped. Silent: \
           the same text inside a longer line.",
};

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Example::default())
}

/// What is kept of one flow.
#[derive(Default)]
struct Example {
    told: bool,
}

impl Detector for Example {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        // A transaction of another protocol is not ours: a new protocol in the list breaks nothing here.
        let Transaction::Echo(echo) = transaction else { return };
        // One alert a flow: who sends the line a million times is told once.
        if self.told || echo.line != MARKER {
            return;
        }
        self.told = true;
        let shown = echo.line.get(..echo.line.len().min(context.config.max_excerpt)).unwrap_or_default();
        out.findings.push(Finding {
            meta: MetaRef::Builtin(&META),
            severity: None,
            outcome: Outcome::Unknown,
            suspected: false,
            confidence: Confidence::High,
            attacker: context.client,
            victim: context.server,
            direction: Direction::ToServer,
            tx_id: Some(echo.tx_id),
            context: Fields::new().with("echo", Fields::new().with("line", String::from_utf8_lossy(shown).into_owned())),
            excerpt: shown.to_vec(),
            excerpt_of: echo.line.len() as u64,
            requires: Vec::new(),
            tally: None,
            beat: None,
            stands_for: None,
            threshold: None,
            update: false,
        });
    }
}
