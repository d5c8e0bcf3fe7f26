//! What a finding on the Veeam service carries: decoded, bounded, without secrets.

use std::sync::Arc;

use backstop_protocols::veeam::{Call, Param, Reply, Transaction};
use backstop_protocols::{nmf, tls};
use backstop_types::{Direction, Fields, Value};

use crate::mask::mask;
use crate::{Confidence, Context, Finding, Meta, MetaRef, Outcome};

/// Parameters that are shown of one call.
const MAX_PARAMS: usize = 16;
/// Bytes shown of a name or a value.
const MAX_VALUE: usize = 512;
/// Bytes shown of a Via or the name of an encoding.
const MAX_SESSION: usize = 256;

/// [MS-NMFTB] §2: the upgrade to TLS.
const TLS_UPGRADE: &str = "application/ssl-tls";

/// What the preamble of the session said. Shared, since findings that wait hold it too.
#[derive(Clone, Debug, Default)]
pub struct SessionFacts(Option<Arc<Fields>>, Option<usize>);

impl SessionFacts {
    /// The flow began a session.
    pub fn note(&mut self, session: &nmf::Session) {
        let mut fields = Fields::new();
        fields.set_some("via", session.via.as_deref().map(|via| bounded(via, MAX_SESSION)));
        fields.set_some("encoding", session.encoding.as_deref().map(|name| bounded(name, MAX_SESSION)));
        if !session.upgrades.is_empty() {
            fields.set("upgrade", bounded(&session.upgrades.join(", "), MAX_SESSION));
        }
        self.0 = Some(Arc::new(fields));
        let upgraded = session.upgrades.iter().any(|upgrade| upgrade == TLS_UPGRADE);
        self.1 = session.via.as_ref().filter(|_| upgraded).map(String::len);
    }

    /// Bytes of the Via of a session that asked to go on in TLS.
    pub const fn tls_via(&self) -> Option<usize> {
        self.1
    }

    /// The object `nmf`, where a preamble was seen.
    pub fn fields(&self) -> Option<Fields> {
        self.0.as_deref().filter(|fields| !fields.is_empty()).cloned()
    }
}

/// What is in the clear of a TLS session, for a finding that could not look inside.
pub fn tls_fields(facts: &tls::Facts) -> Fields {
    let mut fields = Fields::new().with("version", facts.version_name());
    fields.set_some("cipher", facts.cipher_name());
    fields.set_some("sni", facts.sni().map(|name| bounded(name, MAX_SESSION)));
    fields.set_some("ja3", facts.ja3.as_ref().map(|ja3| ja3.hash.clone()));
    fields.set_some("ja3s", facts.ja3s.as_ref().map(|ja3s| ja3s.hash.clone()));
    fields.set_some("ja4", facts.ja4.clone());
    fields.set_some("subject", facts.certificate().map(|certificate| bounded(&certificate.subject, MAX_SESSION)));
    if !facts.chain.sha256.is_empty() {
        fields.set("certificates_sha256", facts.chain.sha256.clone());
    }
    fields.set_some("not_opened", facts.why_not);
    fields
}

/// The head of a text, up to `max` bytes, cut between characters.
pub fn bounded(text: &str, max: usize) -> String {
    text.get(..floor(text, max)).unwrap_or_default().to_owned()
}

fn floor(text: &str, max: usize) -> usize {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// A text that may hold secrets: they are left out before it is cut, so that no half of one is shown.
pub fn shown(text: &str, max: usize) -> String {
    // What follows the cut cannot matter much further on; the work stays bounded whatever the length.
    let head = bounded(text, max.saturating_mul(2).saturating_add(256));
    bounded(&mask(&head).0, max)
}

/// A finding about a call, with the client as attacker.
pub fn finding(meta: &'static Meta, context: &Context<'_>, of: &Transaction<'_>, session: &SessionFacts) -> Finding {
    let max = context.config.max_excerpt;
    let (excerpt, excerpt_of) = excerpt(of.call, max);
    let mut fields = Fields::new().with("veeam", call_fields(of.call, max.saturating_mul(4)));
    fields.set_some("nmf", session.fields());
    let mut finding = plain(meta, context, fields);
    finding.tx_id = Some(of.tx_id);
    finding.excerpt = excerpt.into_bytes();
    finding.excerpt_of = excerpt_of as u64;
    if let Some(reply) = of.reply {
        add_reply(&mut finding, reply);
    }
    finding
}

/// A finding without a call.
pub fn plain(meta: &'static Meta, context: &Context<'_>, fields: Fields) -> Finding {
    Finding {
        meta: MetaRef::Builtin(meta),
        severity: None,
        outcome: Outcome::Unknown,
        suspected: false,
        confidence: Confidence::High,
        attacker: context.client,
        victim: context.server,
        direction: Direction::ToServer,
        tx_id: None,
        context: fields,
        excerpt: Vec::new(),
        excerpt_of: 0,
        requires: Vec::new(),
        tally: None,
        beat: None,
        stands_for: None,
        threshold: None,
        update: false,
    }
}

/// Brings an alert up to date: the protocol's object alone, which is what the record will show.
pub fn update(meta: &'static Meta, context: &Context<'_>, veeam: Fields, outcome: Outcome) -> Finding {
    let mut finding = plain(meta, context, Fields::new().with("veeam", veeam));
    finding.outcome = outcome;
    finding.update = true;
    finding
}

/// Changes the object `veeam` of a finding.
pub fn amend(finding: &mut Finding, change: impl FnOnce(&mut Fields)) {
    let mut veeam = match finding.context.get("veeam") {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Fields::new(),
    };
    change(&mut veeam);
    finding.context.set("veeam", veeam);
}

/// Adds what the reply says, never what it holds.
pub fn add_reply(finding: &mut Finding, reply: &Reply) {
    amend(finding, |veeam| {
        veeam.set("reply", reply.fields());
        veeam.set_some("credential_count", reply.credential_count);
    });
}

/// Contract, operation, scope and method of a call.
pub fn brief(call: &Call) -> Fields {
    let spec = call.spec.as_ref();
    let mut fields = Fields::new().with("contract", bounded(&call.contract, MAX_VALUE));
    fields.set("operation", bounded(&call.operation, MAX_VALUE));
    let inner_scope = spec.and_then(|spec| spec.scope.as_deref());
    let inner_method = spec.and_then(|spec| spec.method.as_deref());
    let text = |text: &str| shown(text, MAX_VALUE);
    fields.set_some("scope", call.scope.as_deref().or(inner_scope).map(text));
    fields.set_some("method", call.method.as_deref().or(inner_method).map(text));
    // Where the operation's argument and the spec disagree, both are told.
    fields.set_some("spec_scope", inner_scope.filter(|inner| call.scope.as_deref().is_some_and(|own| own != *inner)).map(text));
    fields
        .set_some("spec_method", inner_method.filter(|inner| call.method.as_deref().is_some_and(|own| own != *inner)).map(text));
    if !call.more_methods.is_empty() {
        let more: Vec<String> = call.more_methods.iter().take(MAX_PARAMS).map(|method| text(method)).collect();
        fields.set("more_methods", more);
    }
    fields
}

/// The facts of a call, each bounded.
pub fn call_fields(call: &Call, max_text: usize) -> Fields {
    let mut fields = brief(call);
    if let Some(spec) = &call.spec {
        fields.set("spec", bounded(&spec.kind, MAX_VALUE));
        fields.set_some("context_session_id", spec.context_session_id.as_deref().map(|id| shown(id, MAX_VALUE)));
        if !spec.params.is_empty() {
            let params: Vec<Value> = spec.params.iter().take(MAX_PARAMS).map(|param| param_fields(param).into()).collect();
            fields.set("params", params);
        }
        if spec.params.len() > MAX_PARAMS {
            fields.set("params_left_out", spec.params.len() - MAX_PARAMS);
        }
    }
    if let Some(sql) = &call.sql {
        fields.set("sql", shown(sql, max_text));
        fields.set("sql_length", sql.len());
    }
    if call.truncated {
        fields.set("truncated", true);
    }
    fields
}

fn param_fields(param: &Param) -> Fields {
    let mut fields = Fields::new().with("name", bounded(&param.name, MAX_VALUE)).with("type", bounded(&param.kind, MAX_VALUE));
    // Values of parameters named after secrets are left out by the parser.
    fields.set_some("value", param.value.as_deref().map(|value| shown(value, MAX_VALUE)));
    fields.set("length", param.length);
    fields
}

/// The decoded request as text: its SQL, or what its spec says. And the length of what this is from.
fn excerpt(call: &Call, max: usize) -> (String, usize) {
    if let Some(sql) = &call.sql {
        return (shown(sql, max), sql.len());
    }
    let mut text = format!("{}/{}", call.contract, call.operation);
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            text.push_str(&format!(" {name}={}", bounded(value, MAX_VALUE)));
        }
    };
    add("scope", call.scope.as_deref());
    add("method", call.method.as_deref());
    if let Some(spec) = &call.spec {
        add("spec", Some(&spec.kind));
        add("Scope", spec.scope.as_deref());
        add("Method", spec.method.as_deref());
        for param in spec.params.iter().take(MAX_PARAMS) {
            add(&bounded(&param.name, MAX_VALUE), param.value.as_deref());
        }
    }
    (shown(&text, max), text.len())
}
