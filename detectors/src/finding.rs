//! A finding: plain data that `src/` turns into an EVE alert.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use backstop_types::{Direction, Endpoint, Fields, PacketTime};

/// An ATT&CK technique with the tactic it serves here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Technique {
    /// `T1555`, sub-technique with its dot.
    pub id: &'static str,
    /// Name, blanks as underscores.
    pub name: &'static str,
    /// `TA0006`.
    pub tactic_id: &'static str,
    /// Tactic name, blanks as underscores.
    pub tactic_name: &'static str,
}

/// The stage of an intrusion, as the catalogue names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The service was reached.
    Reach,
    /// A weakness was used.
    Exploit,
    /// Something was executed.
    Execute,
    /// Tools came in.
    Ingress,
    /// Command and control.
    Control,
    /// Other hosts were entered.
    Move,
    /// Data or credentials were taken.
    Collect,
}

impl Stage {
    /// The word in `alert.metadata.stage`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::Exploit => "exploit",
            Self::Execute => "execute",
            Self::Ingress => "ingress",
            Self::Control => "control",
            Self::Move => "move",
            Self::Collect => "collect",
        }
    }
}

/// Whether the attempt succeeded, as far as the wire shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The reply was not seen.
    Unknown,
    /// It was tried and refused, or nothing says it worked.
    Attempt,
    /// The reply proves it.
    Success,
}

impl Outcome {
    /// The word in `alert.metadata.outcome`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Attempt => "attempt",
            Self::Success => "success",
        }
    }
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// Decoded and unambiguous.
    High,
    /// Decoded, with a benign reading left.
    Medium,
    /// Inferred.
    Low,
}

impl Confidence {
    /// The word in `alert.metadata.confidence`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// What is fixed about a detection. Its text has no variable parts: SIEM rules group by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Signature id of the catalogue.
    pub sid: u64,
    /// Raised on each change of the condition.
    pub rev: u64,
    /// The name in `alert.signature`.
    pub title: &'static str,
    /// EVE classification text.
    pub category: &'static str,
    /// 1 high to 3 low, as the catalogue says.
    pub severity: u8,
    /// Techniques.
    pub mitre: &'static [Technique],
    /// `CVE_2023_27532` and the like.
    pub cve: &'static [&'static str],
    /// Stage.
    pub stage: Stage,
    /// What an analyst should know: condition and benign look-alikes, for `backstop rules explain`.
    pub help: &'static str,
}

/// The detection behind a finding: one of ours, or a content rule.
#[derive(Clone, Debug)]
pub enum MetaRef {
    /// A detector's.
    Builtin(&'static Meta),
    /// A YARA-X rule's.
    Rule(Arc<backstop_signatures::RuleInfo>),
}

/// The id of a content rule that names none.
pub const RULE_WITHOUT_SID: u64 = 9_410_000;

impl MetaRef {
    /// The signature id.
    #[must_use]
    pub fn sid(&self) -> u64 {
        match self {
            Self::Builtin(meta) => meta.sid,
            Self::Rule(rule) => rule.sid.unwrap_or(RULE_WITHOUT_SID),
        }
    }

    /// The usual severity.
    #[must_use]
    pub fn severity(&self) -> u8 {
        match self {
            Self::Builtin(meta) => meta.severity,
            Self::Rule(rule) => rule.severity,
        }
    }
}

/// What must hold for a finding to stand, of which other flows tell: the correlator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Configured, or learned from what it answered.
    BackupServer(IpAddr),
    /// No backup server: where servers are configured, none of these; otherwise none that was learned. A host that plays a
    /// backup server to hide itself gets nowhere where servers are configured.
    Stranger(IpAddr),
    /// No flow between the two has shown in the clear, since then, what the finding only suspects.
    Unexplained {
        /// Who asks.
        client: IpAddr,
        /// Whom.
        server: IpAddr,
        /// From when on an explanation counts.
        since: PacketTime,
    },
}

/// Events of one source that are counted together over flows: the finding stands once there are enough of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Whose events are counted together, besides the sid.
    pub key: Vec<u8>,
    /// What the event is of, where only different ones count (names of tables); otherwise each event counts.
    pub items: Vec<String>,
    /// How many it takes.
    pub needed: usize,
    /// Packet time in which they must come.
    pub window: Duration,
    /// What is told of all events together: a name, and a value of this one.
    pub notes: Vec<(&'static str, String)>,
}

/// A session of one host to another, to be counted with its like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Whose sessions are counted together.
    pub key: Vec<u8>,
    /// When it began.
    pub start: PacketTime,
    /// Bytes of its initiator.
    pub sent: u64,
    /// Bytes of its responder.
    pub received: u64,
}

/// Repetition of the same cause: the first is an alert, further ones within the window are counted only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Threshold {
    /// What counts as the same cause besides the sid, for example attacker and victim.
    pub key: Vec<u8>,
    /// Packet time in which repetitions are held back.
    pub window: Duration,
}

/// Evidence that something happened.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The detection.
    pub meta: MetaRef,
    /// Severity, where it differs from the detection's usual one.
    pub severity: Option<u8>,
    /// Outcome.
    pub outcome: Outcome,
    /// Inferred from metadata only.
    pub suspected: bool,
    /// Confidence.
    pub confidence: Confidence,
    /// Who did it.
    pub attacker: Endpoint,
    /// To whom.
    pub victim: Endpoint,
    /// Which direction of the flow carried the evidence.
    pub direction: Direction,
    /// Transaction within the flow.
    pub tx_id: Option<u64>,
    /// The decoded facts: one object a protocol (`veeam`, `nmf`, `yara` …).
    pub context: Fields,
    /// Bounded excerpt of the evidence, secrets left out.
    pub excerpt: Vec<u8>,
    /// Length of what the excerpt is from, bytes.
    pub excerpt_of: u64,
    /// Roles that must hold.
    pub requires: Vec<Role>,
    /// Events that are counted together; the threshold comes after it.
    pub tally: Option<Tally>,
    /// A session among others: the finding stands where they come like a clock.
    pub beat: Option<Beat>,
    /// Repetition over flows; none means each finding stands.
    pub threshold: Option<Threshold>,
    /// Later findings of its sid with this key are repetitions of it, while it is none itself.
    pub stands_for: Option<Threshold>,
    /// It brings an alert of the same flow and sid up to date: written as a protocol record, not as another alert.
    pub update: bool,
}
