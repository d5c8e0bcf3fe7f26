//! 9401011: objects that run code when they are read, or that lead the server to somebody else's object.

use std::net::IpAddr;

use backstop_protocols::nrbf::Facts;
use backstop_protocols::nrtp::content_fields;
use backstop_types::Fields;

use super::gadgets::{self, Sign};
use super::objects::{self, Foreign};
use crate::finding::Stage;
use crate::mitre::{T1059, T1190};
use crate::veeam::evidence::{bounded, shown};
use crate::{Confidence, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_011,
    rev: 1,
    title: "BACKSTOP .NET remoting deserialisation",
    category: "Attempted Administrator Privilege Gain",
    severity: 1,
    mitre: &[T1190, T1059],
    cve: &["CVE_2024_40711", "CVE_2025_23120"],
    stage: Stage::Exploit,
    help: "A request to a service of the product (detect_remoting.ports), by .NET remoting over TCP or HTTP or inside a WCF message, \
           carries serialised objects with a type that public lists of deserialisation gadgets name, also nested in arrays of bytes or \
           in base64, a delegate that leads to such a target, or a remote object whose address is neither of the two ends (severity 3 \
           and suspected where it may be another address of the client, inside, that waits for calls). On other \
           ports where the server is a backup server; also where a backup server gets such objects as a reply. Silent: ordinary calls, \
           callbacks to the client itself, names of such types in texts.",
};

/// Names shown of each kind.
const MAX_SHOWN: usize = 16;
/// Bytes of a name shown.
const MAX_NAME: usize = 256;

/// What carried a stream.
#[derive(Clone, Copy, Debug)]
pub struct Carried<'a> {
    /// Its name in the evidence.
    pub carrier: &'static str,
    /// Who sent it.
    pub sender: IpAddr,
    /// Who reads it.
    pub reader: IpAddr,
    /// Where the request went.
    pub uri: Option<&'a str>,
    /// It is a request of remoting itself: whose first object is a call, in ordinary life.
    pub is_request: bool,
    /// It is a reply: whose addresses are the server's business.
    pub is_reply: bool,
}

/// Why a stream is an attack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Listed types.
    pub gadgets: Vec<String>,
    /// Listed types that delegates lead to.
    pub targets: Vec<String>,
    /// Remote objects elsewhere.
    pub foreign: Vec<Foreign>,
}

impl Cause {
    /// What is the same for a repetition.
    pub fn key(&self) -> String {
        let foreign = self.foreign.iter().map(|foreign| foreign.uri.as_str());
        let all: Vec<&str> = self.gadgets.iter().chain(&self.targets).map(String::as_str).chain(foreign).collect();
        all.join("\n")
    }

    /// Nothing is there but what a client with several addresses writes, too: one that attacks may as well write its own, which is
    /// ordinary.
    pub fn is_suspicion(&self) -> bool {
        self.gadgets.is_empty() && self.targets.is_empty() && self.foreign.iter().all(|foreign| foreign.of_client)
    }

    /// A name may still be that of one of the ends.
    pub fn confidence(&self) -> Confidence {
        let certain = self.foreign.iter().any(|foreign| foreign.certain && !foreign.of_client);
        match () {
            () if self.is_suspicion() => Confidence::Low,
            () if self.gadgets.is_empty() && self.targets.is_empty() && !certain => Confidence::Medium,
            () => Confidence::High,
        }
    }
}

/// Looks for a reason.
pub fn judge(facts: &Facts, carried: &Carried<'_>, more: &[String], home: &dyn Fn(IpAddr) -> bool) -> Option<Cause> {
    let mut cause = Cause::default();
    let add = |list: &mut Vec<String>, name: &str| {
        let name = bounded(name, MAX_NAME);
        if list.len() < MAX_SHOWN && !list.contains(&name) {
            list.push(name);
        }
    };
    // The first object of what should be a call and is none.
    let root = facts.root.as_deref().filter(|_| carried.is_request && (facts.call.is_none() || facts.object_first));
    for known in &facts.types {
        match gadgets::of_type(&known.name, more) {
            Some((name, Sign::Type)) => add(&mut cause.gadgets, name),
            Some((name, Sign::Root)) if root == Some(known.name.as_str()) => add(&mut cause.gadgets, name),
            _ => {}
        }
    }
    for target in facts.targets.iter().filter(|target| gadgets::is_target(target)) {
        add(&mut cause.targets, target);
    }
    if facts.remote && !carried.is_reply {
        cause.foreign = objects::foreign(facts, carried, home);
        cause.foreign.truncate(MAX_SHOWN);
    }
    (cause != Cause::default()).then_some(cause)
}

/// The object `nrbf`: what the stream says, bounded, secrets left out.
pub fn evidence(facts: &Facts, cause: &Cause, carried: &Carried<'_>, max: usize) -> Fields {
    let mut fields = Fields::new().with("carrier", carried.carrier);
    if !cause.gadgets.is_empty() {
        fields.set("gadget_types", cause.gadgets.clone());
    }
    if !cause.targets.is_empty() {
        fields.set("gadget_targets", cause.targets.clone());
    }
    if !cause.foreign.is_empty() {
        fields.set("foreign_objects", cause.foreign.iter().map(|foreign| bounded(&foreign.uri, MAX_NAME)).collect::<Vec<_>>());
    }
    content_fields(facts, &mut fields);
    let libraries: Vec<String> = facts.libraries.iter().take(MAX_SHOWN).map(|name| bounded(name, MAX_NAME)).collect();
    if !libraries.is_empty() {
        fields.set("libraries", libraries);
    }
    let mut room = max.saturating_mul(4);
    let mut texts = Vec::new();
    for text in facts.texts.iter().take(MAX_SHOWN) {
        let text = shown(text, max.min(room));
        room = room.saturating_sub(text.len());
        if !text.is_empty() {
            texts.push(text);
        }
    }
    if !texts.is_empty() {
        fields.set("strings", texts);
    }
    if facts.limited {
        fields.set("unread", true);
    }
    fields
}
