//! `backstop rules`.

use std::fmt::Write as _;
use std::sync::Arc;

use backstop_detectors::{MetaRef, REGISTRY};
use backstop_signatures::RuleInfo;

use super::session;
use super::{End, StartError, start_log};
use crate::cli::{Rules, RulesAction};
use crate::config;
use crate::eve::alert::{Signature, UNNUMBERED_RULE};

/// Lists detections and rules, or explains one.
pub fn run(options: &Rules) -> Result<End, StartError> {
    start_log(&options.common);
    let config = config::load(options.common.config.as_deref(), &options.common.sets)?;
    let rules = session::rules(&config, &options.common.rules)?;
    let builtin = REGISTRY.iter().flat_map(|registered| registered.metas.iter().copied().map(MetaRef::Builtin));
    let mut all: Vec<MetaRef> = builtin.chain(rules.rules().iter().map(|rule| MetaRef::Rule(Arc::clone(rule)))).collect();
    all.sort_by_key(|meta| Signature::of(meta).sid);
    let text = match options.action {
        None | Some(RulesAction::List) => list(&all),
        Some(RulesAction::Explain { sid }) => explain(&all, sid)?,
    };
    print!("{text}");
    Ok(End::Done)
}

fn list(all: &[MetaRef]) -> String {
    let mut out = String::new();
    for meta in all {
        let signature = Signature::of(meta);
        let kind = if matches!(meta, MetaRef::Builtin(_)) { "detection" } else { "rule" };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:<10} {:<9} sev {}  {}", signature.sid, kind, signature.severity, signature.title);
    }
    out
}

fn explain(all: &[MetaRef], sid: u64) -> Result<String, StartError> {
    let found: Vec<&MetaRef> = all.iter().filter(|meta| Signature::of(meta).sid == sid).collect();
    let mut out = String::new();
    if sid == UNNUMBERED_RULE {
        out.push_str("9410000  a rule of yours that has no `sid` in its meta; alert.context.yara names it\n");
    }
    for meta in found {
        let signature = Signature::of(meta);
        let _ = writeln!(out, "{}  {} (severity {}, revision {})", sid, signature.title, signature.severity, signature.rev);
        match meta {
            MetaRef::Builtin(meta) => {
                for technique in meta.mitre {
                    let _ = writeln!(out, "  ATT&CK     {} {}, {}", technique.id, technique.name, technique.tactic_name);
                }
                if !meta.cve.is_empty() {
                    let _ = writeln!(out, "  CVE        {}", meta.cve.join(", "));
                }
                let _ = writeln!(out, "  stage      {}", meta.stage.as_str());
                let _ = writeln!(out, "\n{}", meta.help);
            }
            MetaRef::Rule(rule) => explain_rule(&mut out, rule),
        }
    }
    if out.is_empty() {
        return Err(format!("no signature {sid}; `backstop rules` lists them").into());
    }
    Ok(out)
}

fn explain_rule(out: &mut String, rule: &RuleInfo) {
    let _ = writeln!(out, "  rule       {} of {}", rule.name, rule.namespace);
    for (name, values) in [("ATT&CK    ", &rule.mitre), ("CVE       ", &rule.cve), ("reference ", &rule.references)] {
        if !values.is_empty() {
            let _ = writeln!(out, "  {name} {}", values.join(", "));
        }
    }
}
