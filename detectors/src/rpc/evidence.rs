//! What a finding on a call carries: decoded, bounded, without secrets.

use backstop_protocols::Transaction as Any;
use backstop_protocols::dcerpc::{End, Transaction, calls};
use backstop_protocols::smb;
use backstop_types::{Fields, Value};

use crate::veeam::evidence::{plain, shown};
use crate::{Context, Finding, Meta, Outcome};

/// Evidence that becomes the record's own object `dcerpc`; `dcerpc` itself is the decoded call in the context.
pub const RECORD: &str = "record.dcerpc";

/// A call, and the carrier's object.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    whole: &'a Any<'a>,
    /// The bind or call.
    pub rpc: &'a Transaction<'a>,
    /// Which association of the flow: the pipe's number, or 0.
    pub pipe: u64,
}

impl<'a> Seen<'a> {
    /// What a transaction says of RPC.
    pub fn of(whole: &'a Any<'a>) -> Option<Self> {
        match whole {
            Any::Dcerpc(rpc) => Some(Self { whole, rpc, pipe: 0 }),
            Any::Smb(smb::Transaction::Rpc(of)) => Some(Self { whole, rpc: &of.rpc, pipe: of.file.number }),
            _ => None,
        }
    }

    /// Adds what is known of the call by now.
    pub fn attach(&self, finding: &mut Finding) {
        let mut call = self.rpc.context();
        mask(&mut call);
        if let Some(Value::Object(before)) = finding.context.get("dcerpc") {
            for name in ["text", "text_of", "matches", "started", "start_code", "not_visible", "basis"] {
                call.set_some(name, before.get(name).cloned());
            }
        }
        finding.context.set("dcerpc", call);
        let name = if matches!(self.whole, Any::Smb(_)) { "smb" } else { RECORD };
        finding.context.set(name, self.whole.fields());
    }

    /// A finding on it, outcome unknown.
    pub fn finding(&self, meta: &'static Meta, context: &Context<'_>, text: Option<&calls::Executed<'_>>) -> Finding {
        let max = context.config.max_excerpt;
        let mut finding = plain(meta, context, Fields::new().with("dcerpc", Fields::new()));
        finding.tx_id = self.rpc.tx_id();
        if let Some(text) = text {
            finding.excerpt = shown(&text.text, max).into_bytes();
            finding.excerpt_of = text.text.len() as u64;
            amend(&mut finding, |fields| {
                fields.set("text_of", text.what).set("text", shown(&text.text, max.saturating_mul(4)));
            });
        }
        self.attach(&mut finding);
        finding
    }

    /// What the answer proves.
    pub fn outcome(&self) -> Outcome {
        let Some(call) = self.rpc.call() else { return Outcome::Unknown };
        let code = call.reply.as_ref().and_then(|reply| reply.code).or(call.returned);
        match (call.end, code) {
            // Sealed: a result, and nobody knows which.
            (Some(End::Response), _) if call.is_sealed() => Outcome::Unknown,
            // The call worked, and what it was to start may not have.
            (Some(End::Response), Some(0))
                if call.reply.as_ref().and_then(|reply| super::wmi::returned(reply)).is_some_and(|of| of != 0) =>
            {
                Outcome::Attempt
            }
            (Some(End::Response), Some(0)) => Outcome::Success,
            (Some(End::Response), None) | (None, _) => Outcome::Unknown,
            _ => Outcome::Attempt,
        }
    }
}

/// Changes the object `dcerpc` of the context.
pub fn amend(finding: &mut Finding, change: impl FnOnce(&mut Fields)) {
    if let Some(Value::Object(fields)) = finding.context.get_mut("dcerpc") {
        change(fields);
    }
}

/// Texts in the arguments may hold passwords: they are left out.
fn mask(fields: &mut Fields) {
    if let Some(Value::Object(arguments)) = fields.get_mut("arguments") {
        masked(arguments, 0);
    }
}

fn masked(fields: &mut Fields, depth: usize) {
    let names: Vec<String> = fields.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        if let Some(value) = fields.get_mut(&name) {
            masked_value(value, depth);
        }
    }
}

fn masked_value(value: &mut Value, depth: usize) {
    match value {
        Value::Text(text) => *value = Value::from(crate::mask::mask(text).0),
        Value::List(all) if depth < 4 => all.iter_mut().for_each(|one| masked_value(one, depth + 1)),
        Value::Object(fields) if depth < 4 => masked(fields, depth + 1),
        _ => {}
    }
}
