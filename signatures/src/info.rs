//! Metadata of a rule (`meta:`) to [`RuleInfo`].
//!
//! Keys with a meaning here: `sid`, `rev`, `severity`, `scope`, `description`, `mitre`, `reference`, `cve`, `stage`. Other keys are
//! nobody's business and are passed over.

use crate::matches::{RuleInfo, Scope};

/// Stages of the catalogue, in the order of an intrusion.
const STAGES: [&str; 7] = ["reach", "exploit", "execute", "ingress", "control", "move", "collect"];

/// `signature_id` of EVE is a 32-bit number for the tools that read it.
const MAX_SID: i64 = u32::MAX as i64;

/// A value of a `meta:` entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MetaValue {
    Integer(i64),
    Text(String),
    Other(String),
}

impl MetaValue {
    fn into_text(self) -> String {
        match self {
            Self::Integer(n) => n.to_string(),
            Self::Text(text) | Self::Other(text) => text,
        }
    }
}

/// The entry that cannot be used, counted from 0, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MetaError {
    pub(crate) entry: usize,
    pub(crate) message: String,
}

/// Builds the identity of a rule.
pub(crate) fn rule_info(
    name: &str,
    namespace: &str,
    tags: Vec<String>,
    meta: impl Iterator<Item = (String, MetaValue)>,
) -> Result<RuleInfo, MetaError> {
    let mut info =
        RuleInfo { name: name.to_owned(), namespace: namespace.to_owned(), tags, rev: 1, severity: 2, ..RuleInfo::default() };
    for (entry, (key, value)) in meta.enumerate() {
        let refuse = |message: String| MetaError { entry, message };
        match key.as_str() {
            "sid" => match value {
                MetaValue::Integer(n @ 1..=MAX_SID) => info.sid = u64::try_from(n).ok(),
                _ => return Err(refuse(format!("meta `sid` of rule `{name}` must be a number from 1 to {MAX_SID}"))),
            },
            "rev" => match value {
                MetaValue::Integer(n @ 1..=MAX_SID) => info.rev = u64::try_from(n).unwrap_or(1),
                _ => return Err(refuse(format!("meta `rev` of rule `{name}` must be a number from 1"))),
            },
            "severity" => {
                info.severity = severity(&value)
                    .ok_or_else(|| refuse(format!("meta `severity` of rule `{name}` must be 1 to 4, or high, medium or low")))?;
            }
            "scope" => {
                info.scope = scope(&value)
                    .ok_or_else(|| refuse(format!("meta `scope` of rule `{name}` must be any, content or undecoded")))?;
            }
            "description" => info.description = Some(value.into_text()),
            "reference" => info.references.push(value.into_text()),
            "mitre" => list(&value.into_text(), &mut info.mitre),
            "cve" => list(&value.into_text(), &mut info.cve),
            "stage" => info.stage = Some(value.into_text()).filter(|s| STAGES.contains(&s.as_str())),
            _ => {}
        }
    }
    Ok(info)
}

fn severity(value: &MetaValue) -> Option<u8> {
    match value {
        MetaValue::Integer(n @ 1..=4) => u8::try_from(*n).ok(),
        MetaValue::Text(word) => match word.to_ascii_lowercase().as_str() {
            "high" => Some(1),
            "medium" => Some(2),
            "low" => Some(3),
            _ => None,
        },
        _ => None,
    }
}

fn scope(value: &MetaValue) -> Option<Scope> {
    match value {
        MetaValue::Text(word) => match word.as_str() {
            "any" => Some(Scope::Any),
            "content" => Some(Scope::Content),
            "undecoded" => Some(Scope::Undecoded),
            _ => None,
        },
        _ => None,
    }
}

fn list(text: &str, into: &mut Vec<String>) {
    into.extend(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(meta: &[(&str, MetaValue)]) -> Result<RuleInfo, MetaError> {
        rule_info("r", "n", Vec::new(), meta.iter().map(|(k, v)| ((*k).to_owned(), v.clone())))
    }

    fn text(value: &str) -> MetaValue {
        MetaValue::Text(value.to_owned())
    }

    #[test]
    fn every_known_key_is_taken() {
        let info = info(&[
            ("sid", MetaValue::Integer(9_411_001)),
            ("rev", MetaValue::Integer(3)),
            ("severity", text("High")),
            ("scope", text("content")),
            ("description", text("d")),
            ("mitre", text("T1212, T1555,")),
            ("reference", text("u1")),
            ("reference", text("u2")),
            ("cve", text("CVE-2023-27532")),
            ("stage", text("exploit")),
            ("author", text("somebody")),
        ])
        .unwrap();
        assert_eq!((info.sid, info.rev, info.severity, info.scope), (Some(9_411_001), 3, 1, Scope::Content));
        assert_eq!(info.mitre, ["T1212", "T1555"]);
        assert_eq!(info.references, ["u1", "u2"]);
        assert_eq!((info.cve.len(), info.stage.as_deref()), (1, Some("exploit")));
    }

    #[test]
    fn without_metadata_the_defaults_hold() {
        let info = info(&[]).unwrap();
        assert_eq!((info.sid, info.rev, info.severity, info.scope), (None, 1, 2, Scope::Any));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_entry() {
        for (key, value) in [
            ("sid", text("9411001")),
            ("sid", MetaValue::Integer(0)),
            ("sid", MetaValue::Integer(1 << 40)),
            ("rev", text("one")),
            ("severity", MetaValue::Integer(0)),
            ("severity", MetaValue::Integer(5)),
            ("severity", text("severe")),
            ("scope", text("stream")),
            ("scope", MetaValue::Integer(1)),
        ] {
            let error = info(&[("author", text("x")), (key, value)]).unwrap_err();
            assert_eq!(error.entry, 1);
            assert!(error.message.contains(key), "{}", error.message);
        }
    }
}
