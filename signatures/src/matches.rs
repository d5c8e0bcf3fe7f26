//! What a match says.

use std::sync::Arc;

/// Where a rule applies; meta `scope` of a rule, default [`Scope::Any`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Raw streams and decoded content (`any`).
    #[default]
    Any,
    /// Decoded content only (`content`): a file header means nothing in the middle of a stream.
    Content,
    /// Raw streams that no parser understands at that place (`undecoded`): where one does, its detections decide. This crate does
    /// not know where that is: it reports each place, also with [`crate::ScanLimits::once`], and the caller leaves out what it
    /// understood and reports the rest once.
    Undecoded,
}

/// A rule's identity and metadata, shared by all its matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleInfo {
    /// Identifier.
    pub name: String,
    /// Namespace (the file it came from, or `backstop` for the shipped rules).
    pub namespace: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Meta `sid`; none means 9410000.
    pub sid: Option<u64>,
    /// Meta `rev`, default 1.
    pub rev: u64,
    /// Meta `description`.
    pub description: Option<String>,
    /// Meta `severity`: 1 to 4 as EVE counts, or high/medium/low; default 2.
    pub severity: u8,
    /// Meta `mitre`: technique ids, comma separated in the rule.
    pub mitre: Vec<String>,
    /// Meta `reference`, each one.
    pub references: Vec<String>,
    /// Meta `cve`, comma separated in the rule.
    pub cve: Vec<String>,
    /// Meta `stage`, one of the catalogue's stages.
    pub stage: Option<String>,
    /// Meta `scope`.
    pub scope: Scope,
}

/// One place where a string of the rule was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedString {
    /// Its identifier, `$name`.
    pub identifier: String,
    /// Offset from the beginning of the stream or content.
    pub offset: u64,
    /// Length of the match, bytes.
    pub length: u64,
    /// The first bytes of it, bounded.
    pub excerpt: Vec<u8>,
}

/// A rule that matched.
#[derive(Clone, Debug)]
pub struct Match {
    /// The rule.
    pub rule: Arc<RuleInfo>,
    /// Its strings with their places, private ones too; empty for a rule without strings. In a stream: the new places, and one of
    /// each string that has no new one. In a content: at least the first place of each string. At most [`crate::MAX_PLACES`]; where
    /// each place is reported, more of them follow in a further match.
    pub strings: Vec<MatchedString>,
}
