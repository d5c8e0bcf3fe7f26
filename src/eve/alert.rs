//! `alert`: a finding with everything that an analyst needs to act on it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use backstop_detectors::rpc::RECORD;
use backstop_detectors::{Finding, MetaRef, Technique, technique};
use backstop_types::{Endpoint, Value};
use serde::Serialize;

use super::common::{Common, Counts};
use super::opened::Opened;
use super::protocol::About;
use super::value::{Json, JsonValue, Without};
use super::{EveSettings, write_line};

/// `alert.gid` of the built-in detections.
const GID_DETECTOR: u32 = 9401;
/// `alert.gid` of content rules.
const GID_RULE: u32 = 1;
/// The signature id of a rule without one (section 5 of the catalogue).
pub const UNNUMBERED_RULE: u64 = 9_410_000;

/// Evidence that has Suricata's shape: objects of the record, not of its context.
const LIFTED: [&str; 5] = ["dns", "http", "smb", "files", RECORD];

#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    alert: Alert<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Json<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<Json<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<Json<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    smb: Option<Json<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dcerpc: Option<Json<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<JsonValue<'a>>,
    flow: Flow,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_printable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<u8>,
}

#[derive(Serialize)]
struct Alert<'a> {
    action: &'static str,
    gid: u32,
    signature_id: u64,
    rev: u64,
    signature: &'a str,
    category: &'a str,
    severity: u8,
    source: End,
    target: End,
    metadata: BTreeMap<&'static str, Vec<&'a str>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    references: &'a [String],
    context: Without<'a>,
}

#[derive(Serialize)]
struct End {
    ip: IpAddr,
    port: u16,
}

#[derive(Serialize)]
struct Flow {
    #[serde(flatten)]
    counts: Counts,
    src_ip: IpAddr,
    dest_ip: IpAddr,
    src_port: u16,
    dest_port: u16,
}

/// Evidence that is an object of the record.
fn object<'a>(finding: &'a Finding, name: &str) -> Option<Json<'a>> {
    match finding.context.get(name) {
        Some(Value::Object(object)) => Some(Json(object)),
        _ => None,
    }
}

const fn end(endpoint: Endpoint) -> End {
    End { ip: endpoint.addr, port: endpoint.port }
}

/// What an alert says of its signature, whoever wrote it.
pub struct Signature<'a> {
    /// `alert.gid`.
    pub gid: u32,
    /// `alert.signature_id`.
    pub sid: u64,
    /// `alert.rev`.
    pub rev: u64,
    /// `alert.signature`.
    pub title: &'a str,
    /// `alert.category`.
    pub category: &'a str,
    /// The usual severity.
    pub severity: u8,
    techniques: Vec<&'a Technique>,
    cve: Vec<&'a str>,
    stage: Option<&'a str>,
    references: &'a [String],
}

impl<'a> Signature<'a> {
    /// That of a finding.
    pub fn of(meta: &'a MetaRef) -> Self {
        match meta {
            MetaRef::Builtin(meta) => Self {
                gid: GID_DETECTOR,
                sid: meta.sid,
                rev: meta.rev,
                title: meta.title,
                category: meta.category,
                severity: meta.severity,
                techniques: meta.mitre.iter().collect(),
                cve: meta.cve.to_vec(),
                stage: Some(meta.stage.as_str()),
                references: &[],
            },
            MetaRef::Rule(rule) => Self {
                gid: GID_RULE,
                sid: rule.sid.unwrap_or(UNNUMBERED_RULE),
                rev: rule.rev,
                title: rule.description.as_deref().unwrap_or(&rule.name),
                category: "Targeted Malicious Activity was Detected",
                severity: rule.severity,
                techniques: rule.mitre.iter().filter_map(|id| technique(id)).collect(),
                cve: rule.cve.iter().map(String::as_str).collect(),
                stage: rule.stage.as_deref(),
                references: &rule.references,
            },
        }
    }
}

fn metadata<'a>(
    signature: &Signature<'a>,
    finding: &'a Finding,
    severity: u8,
    decrypted: bool,
) -> BTreeMap<&'static str, Vec<&'a str>> {
    let mut metadata = BTreeMap::new();
    let mut set = |name, values: Vec<&'a str>| {
        if !values.is_empty() {
            metadata.insert(name, values);
        }
    };
    let each = |of: fn(&Technique) -> &'static str| signature.techniques.iter().map(|technique| of(technique)).collect();
    set("mitre_tactic_id", each(|technique| technique.tactic_id));
    set("mitre_tactic_name", each(|technique| technique.tactic_name));
    set("mitre_technique_id", each(|technique| technique.id));
    set("mitre_technique_name", each(|technique| technique.name));
    set("cve", signature.cve.clone());
    set("confidence", vec![finding.confidence.as_str()]);
    set("outcome", vec![finding.outcome.as_str()]);
    set("stage", signature.stage.into_iter().collect());
    set(
        "signature_severity",
        vec![["Critical", "Major", "Minor"].get(usize::from(severity).wrapping_sub(1)).unwrap_or(&"Informational")],
    );
    if finding.suspected {
        set("suspected", vec!["true"]);
    }
    if decrypted {
        set("decrypted", vec!["true"]);
    }
    metadata
}

/// Bytes as people can read them: what does not print is a dot.
fn printable(bytes: &[u8], max: usize) -> String {
    String::from_utf8_lossy(bytes.get(..max).unwrap_or(bytes))
        .chars()
        .map(|character| match character {
            '\r' | '\n' | '\t' => character,
            _ if character.is_control() || character == char::REPLACEMENT_CHARACTER => '.',
            _ => character,
        })
        .collect()
}

/// Writes an alert.
pub fn write(out: &mut Vec<u8>, settings: &EveSettings, about: About<'_>, finding: &Finding) {
    let About { flow, cause, app_proto, opened } = about;
    let signature = Signature::of(&finding.meta);
    let severity = finding.severity.unwrap_or(signature.severity);
    let excerpt = (!finding.excerpt.is_empty()).then(|| printable(&finding.excerpt, settings.max_payload));
    let record = Record {
        common: Common::of_flow(settings, "alert", cause.time, flow)
            .caused_by(settings, cause)
            .sent(finding.direction)
            .transaction(finding.tx_id)
            .protocol(app_proto),
        alert: Alert {
            action: "allowed",
            gid: signature.gid,
            signature_id: signature.sid,
            rev: signature.rev,
            signature: signature.title,
            category: signature.category,
            severity,
            source: end(finding.attacker),
            target: end(finding.victim),
            metadata: metadata(&signature, finding, severity, opened.is_some()),
            references: signature.references,
            context: Without(&finding.context, &LIFTED),
        },
        tls: Opened::tls(opened).map(Json),
        dns: object(finding, "dns"),
        http: object(finding, "http"),
        smb: object(finding, "smb"),
        dcerpc: object(finding, RECORD),
        files: finding.context.get("files").map(JsonValue),
        flow: Flow {
            counts: Counts::of(flow),
            src_ip: flow.client.addr,
            dest_ip: flow.server.addr,
            src_port: flow.client.port,
            dest_port: flow.server.port,
        },
        stream: excerpt.is_some().then_some(1),
        payload_length: excerpt.is_some().then_some(finding.excerpt_of),
        payload_printable: excerpt,
    };
    write_line(out, &record);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_keeps_lines_and_hides_what_does_not_print() {
        assert_eq!(printable(b"a\r\n\tb\x00\x1b[0m\xff", 64), "a\r\n\tb..[0m.");
        assert_eq!(printable("äöü".as_bytes(), 3), "ä.");
    }
}
