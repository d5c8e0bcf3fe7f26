//! The door: a carrier hands over what it carried, and gets findings and layers.

use std::borrow::Cow;

use backstop_types::{Direction, Fields, Value};

use super::unfold::{Kind, unfold};
use crate::powershell::{self, Told};
use crate::veeam::evidence::{plain, shown};
use crate::{Context, Finding, Unfolded};

/// Addresses and words shown.
const MAX_LISTED: usize = 8;
/// Bytes of one of them.
const MAX_WORD: usize = 256;

/// Who carried the content, and what the carrier knows of it.
#[derive(Clone, Copy, Debug)]
pub struct Carrier {
    /// Its name in the evidence: `sql`, `smb`, `http` …
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Who sent it.
    pub direction: Direction,
    /// The transaction.
    pub tx_id: Option<u64>,
}

/// What an inspection gave.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Findings, one a condition, outcome unknown: the carrier says when and with which outcome they are told.
    pub findings: Vec<Finding>,
    /// Layers for the content rules.
    pub unfolded: Vec<Unfolded>,
    /// Ids of content rules that have nothing to add.
    pub covered: Vec<u64>,
    /// A limit was reached.
    pub cut: bool,
}

impl Inspection {
    /// Adds a finding, where its condition is not met already; content rules have nothing to add to it.
    pub fn add(&mut self, finding: Finding) {
        let sid = finding.meta.sid();
        if !self.findings.iter().any(|known| known.meta.sid() == sid) {
            self.covered.extend(powershell::rules(sid));
            self.findings.push(finding);
        }
    }

    /// Adds what another text of the same carrier gave.
    pub fn join(&mut self, mut other: Self) {
        for finding in std::mem::take(&mut other.findings) {
            self.add(finding);
        }
        self.unfolded.append(&mut other.unfolded);
        self.covered.append(&mut other.covered);
        self.cut |= other.cut;
    }

    /// Hands on all but the findings.
    pub fn offer(&mut self, direction: Direction, out: &mut crate::Findings) {
        out.unfolded.append(&mut self.unfolded);
        out.covered.extend(self.covered.drain(..).map(|rule| (rule, direction)));
        out.content_cut += u64::from(self.cut);
    }
}

/// Unfolds content and asks every detection of section 3.
#[must_use]
pub fn inspect(bytes: &[u8], carrier: &Carrier, context: &Context<'_>) -> Inspection {
    let unfolding = unfold(bytes, carrier.kind, &powershell::NAMES, &context.config.content);
    let mut out = Inspection { cut: unfolding.cut, ..Inspection::default() };
    for told in powershell::conditions(&unfolding, &context.config.content) {
        out.covered.extend(powershell::rules(told.meta.sid));
        let (how, script): (&[&'static str], Cow<'_, str>) = match told.layer.and_then(|layer| unfolding.layers.get(layer)) {
            Some(layer) => (&layer.how, String::from_utf8_lossy(&layer.bytes)),
            None => (&[], readable(bytes)),
        };
        out.findings.push(finding(&told, (how, &script, unfolding.cut), carrier, context));
    }
    for layer in unfolding.layers {
        let mut layers = vec![carrier.name];
        layers.extend(&layer.how);
        out.unfolded.push(Unfolded { bytes: layer.bytes, layers, direction: carrier.direction, tx_id: carrier.tx_id });
    }
    out
}

/// The finding on a file that is named as a loader is (9403001), whatever it holds.
#[must_use]
pub fn named(name: &str, carrier: &Carrier, context: &Context<'_>) -> Finding {
    finding(&powershell::loader_named(name), (&[], name, false), carrier, context)
}

fn readable(bytes: &[u8]) -> Cow<'_, str> {
    super::text(bytes).map_or_else(|| String::from_utf8_lossy(bytes), |(text, _)| Cow::Owned(text))
}

fn finding(told: &Told, (how, script, cut): (&[&'static str], &str, bool), carrier: &Carrier, context: &Context<'_>) -> Finding {
    let max = context.config.max_excerpt;
    let mut fields = Fields::new().with("carrier", carrier.name);
    if !how.is_empty() {
        fields.set("layers", how.iter().map(|layer| Value::from(*layer)).collect::<Vec<_>>());
    }
    fields.set("script", shown(script, max.saturating_mul(4)));
    fields.set("script_length", script.len());
    for (name, words) in &told.evidence {
        let words: Vec<String> = words.iter().take(MAX_LISTED).map(|word| shown(word, MAX_WORD)).collect();
        if !words.is_empty() {
            fields.set(*name, words);
        }
    }
    if cut {
        fields.set("unread", true);
    }
    let mut finding = plain(told.meta, context, Fields::new().with("powershell", fields));
    if carrier.direction == Direction::ToClient {
        std::mem::swap(&mut finding.attacker, &mut finding.victim);
    }
    finding.direction = carrier.direction;
    finding.tx_id = carrier.tx_id;
    finding.severity = told.severity;
    if told.severity.is_some() {
        finding.confidence = crate::Confidence::Medium;
    }
    finding.excerpt = shown(script, max).into_bytes();
    finding.excerpt_of = script.len() as u64;
    finding
}
