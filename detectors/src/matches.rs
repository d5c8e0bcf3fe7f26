//! Content-rule matches to findings (section 5 of the catalogue).

use std::net::IpAddr;

use backstop_signatures::{Match, MatchedString};
use backstop_types::{Direction, Endpoint, Fields, Value};

use crate::finding::Stage;
use crate::mask::mask;
use crate::{Confidence, Context, Finding, MetaRef, Outcome, Scanned};

/// Strings of one match that are told.
const MAX_STRINGS: usize = 16;
/// Bytes of one string's excerpt.
const MAX_STRING_EXCERPT: usize = 256;

/// The finding for a match.
#[must_use]
pub fn finding_for_match(context: &Context<'_>, found: &Match, scanned: &Scanned<'_>) -> Finding {
    let (direction, tx_id) = match *scanned {
        Scanned::Stream(direction) => (direction, None),
        Scanned::Content { direction, tx_id, .. } => (direction, tx_id),
    };
    let (sender, receiver) = match direction {
        Direction::ToServer => (context.client, context.server),
        Direction::ToClient => (context.server, context.client),
    };
    let is_server = |addr: IpAddr| context.config.is_backup_server(addr);
    let is_home = |addr: IpAddr| context.config.is_home(addr);
    let (attacker, victim) = sides(found.rule.stage.as_deref(), sender, receiver, is_server, is_home);
    let first = found.strings.first();
    Finding {
        meta: MetaRef::Rule(std::sync::Arc::clone(&found.rule)),
        severity: Some(found.rule.severity),
        outcome: Outcome::Unknown,
        suspected: false,
        confidence: Confidence::Medium,
        attacker,
        victim,
        direction,
        tx_id,
        context: Fields::new().with("yara", evidence(found, scanned, direction)),
        excerpt: first.map(|string| excerpt(&string.excerpt, context.config.max_excerpt)).unwrap_or_default(),
        excerpt_of: first.map_or(0, |string| string.length),
        requires: Vec::new(),
        tally: None,
        beat: None,
        stands_for: None,
        threshold: None,
        update: false,
    }
}

/// Attacker and victim of content that `sender` sent to `receiver`.
///
/// - Where one end is a backup server, it is the victim: what it sends was asked of it (stolen data), what it gets was
///   meant for it. But lateral movement that it sends makes it the attacker: it was taken over before.
/// - Of command and control the end outside is the attacker, whoever speaks.
/// - Otherwise the sender is: tools that a client fetches make the host they come from the attacker.
fn sides(
    stage: Option<&str>,
    sender: Endpoint,
    receiver: Endpoint,
    is_server: impl Fn(IpAddr) -> bool,
    is_home: impl Fn(IpAddr) -> bool,
) -> (Endpoint, Endpoint) {
    let is = |wanted: Stage| stage == Some(wanted.as_str());
    let swapped = if is(Stage::Move) {
        false
    } else if is_server(sender.addr) != is_server(receiver.addr) {
        is_server(sender.addr)
    } else {
        is(Stage::Control) && is_home(sender.addr) && !is_home(receiver.addr)
    };
    if swapped { (receiver, sender) } else { (sender, receiver) }
}

fn evidence(found: &Match, scanned: &Scanned<'_>, direction: Direction) -> Fields {
    let mut scan = Fields::new();
    match *scanned {
        Scanned::Stream(_) => {
            scan.set("kind", "stream");
        }
        Scanned::Content { layers, .. } => {
            scan.set("kind", "content");
            if !layers.is_empty() {
                scan.set("layers", layers.iter().map(|layer| Value::from(*layer)).collect::<Vec<_>>());
            }
        }
    }
    scan.set("direction", direction.as_str());
    let rule = &found.rule;
    let mut yara = Fields::new().with("rule", rule.name.clone()).with("namespace", rule.namespace.clone());
    if !rule.tags.is_empty() {
        yara.set("tags", rule.tags.clone());
    }
    if !found.strings.is_empty() {
        yara.set("strings", found.strings.iter().take(MAX_STRINGS).map(|string| place(string).into()).collect::<Vec<Value>>());
    }
    if found.strings.len() > MAX_STRINGS {
        yara.set("strings_left_out", found.strings.len() - MAX_STRINGS);
    }
    yara.with("scanned", scan)
}

fn place(string: &MatchedString) -> Fields {
    let shown = readable(&string.excerpt, MAX_STRING_EXCERPT);
    let mut fields =
        Fields::new().with("identifier", string.identifier.clone()).with("offset", string.offset).with("length", string.length);
    if !shown.is_empty() {
        fields.set("excerpt", shown);
    }
    fields
}

/// Whether the bytes are UTF-16 of ASCII: where a rule matched `wide`.
fn is_wide(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && bytes.chunks_exact(2).all(|pair| matches!(pair, [first, 0] if *first != 0))
}

/// Bytes as people can read them: bounded, secrets left out, what does not print is a dot.
fn readable(bytes: &[u8], max: usize) -> String {
    let text = if is_wide(bytes) {
        bytes.iter().step_by(2).map(|&byte| char::from(byte)).collect()
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    let (text, _) = mask(&text);
    let mut shown = String::new();
    for character in text.chars() {
        if shown.len() + character.len_utf8() > max {
            break;
        }
        shown.push(if character.is_control() || character == char::REPLACEMENT_CHARACTER { '.' } else { character });
    }
    shown
}

/// The bytes as they are, unless something in them must not be shown.
fn excerpt(bytes: &[u8], max: usize) -> Vec<u8> {
    let text = if is_wide(bytes) {
        bytes.iter().step_by(2).map(|&byte| char::from(byte)).collect()
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    let (masked, had_secrets) = mask(&text);
    let shown = if had_secrets { masked.as_bytes() } else { bytes };
    shown.get(..shown.len().min(max)).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use backstop_signatures::RuleInfo;

    use super::*;
    use crate::testing::{Flow, object, text};

    fn found(stage: Option<&str>, excerpt: &[u8]) -> Match {
        let string = |identifier: &str| MatchedString {
            identifier: identifier.to_owned(),
            offset: 7,
            length: excerpt.len() as u64,
            excerpt: excerpt.to_vec(),
        };
        let rule = RuleInfo {
            name: "r".to_owned(),
            namespace: "mine".to_owned(),
            tags: vec!["tag".to_owned()],
            severity: 1,
            stage: stage.map(str::to_owned),
            ..RuleInfo::default()
        };
        Match { rule: Arc::new(rule), strings: vec![string("$a"), string("$b")] }
    }

    fn said(flow: &Flow, stage: Option<&str>, direction: Direction) -> Finding {
        finding_for_match(&flow.context(), &found(stage, b"x"), &Scanned::Stream(direction))
    }

    #[test]
    fn the_evidence_says_rule_places_and_what_was_scanned() {
        let flow = Flow::default();
        let layers = ["veeam.param", "base64"];
        let scanned = Scanned::Content { layers: &layers, direction: Direction::ToServer, tx_id: Some(3) };
        let finding = finding_for_match(&flow.context(), &found(Some("execute"), b"i\0e\0x\0 \0(\0"), &scanned);
        assert_eq!((finding.meta.sid(), finding.severity, finding.tx_id), (9_410_000, Some(1), Some(3)));
        let yara = object(&finding.context, "yara");
        assert_eq!((text(&yara, "rule"), text(&yara, "namespace")), ("r".to_owned(), "mine".to_owned()));
        let Some(Value::List(strings)) = yara.get("strings") else { panic!("no strings") };
        let Value::Object(first) = &strings[0] else { panic!("no object") };
        assert_eq!((strings.len(), text(first, "excerpt")), (2, "iex (".to_owned()));
        assert_eq!(first.get("offset"), Some(&Value::Uint(7)));
        let scan = object(&yara, "scanned");
        assert_eq!((text(&scan, "kind"), text(&scan, "direction")), ("content".to_owned(), "to_server".to_owned()));
        assert_eq!(scan.get("layers"), Some(&Value::List(vec!["veeam.param".into(), "base64".into()])));
        assert_eq!((finding.excerpt.len(), finding.excerpt_of), (10, 10));
    }

    #[test]
    fn a_tool_that_comes_in_makes_its_source_the_attacker() {
        let flow = Flow::default();
        let finding = said(&flow, Some("ingress"), Direction::ToClient);
        assert_eq!((finding.attacker, finding.victim), (flow.server, flow.client));
        let finding = said(&flow, Some("exploit"), Direction::ToServer);
        assert_eq!((finding.attacker, finding.victim), (flow.client, flow.server));
    }

    #[test]
    fn a_configured_backup_server_is_the_victim_unless_it_moves_on() {
        let mut flow = Flow::default();
        flow.config.backup_servers = vec!["10.20.30.10/32".parse().unwrap()];
        // The server answers a thief.
        let finding = said(&flow, Some("collect"), Direction::ToClient);
        assert_eq!((finding.attacker, finding.victim), (flow.client, flow.server));
        // The server fetches a tool: it is the client.
        std::mem::swap(&mut flow.client, &mut flow.server);
        let finding = said(&flow, Some("ingress"), Direction::ToClient);
        assert_eq!((finding.attacker, finding.victim), (flow.server, flow.client));
        // The server sends a command line to another host.
        let finding = said(&flow, Some("move"), Direction::ToServer);
        assert_eq!((finding.attacker, finding.victim), (flow.client, flow.server));
    }

    #[test]
    fn a_controlled_host_is_the_victim() {
        let mut flow = Flow::default();
        flow.server.addr = "203.0.113.9".parse().unwrap();
        for direction in Direction::BOTH {
            let finding = said(&flow, Some("control"), direction);
            assert_eq!((finding.attacker, finding.victim), (flow.server, flow.client));
        }
    }

    #[test]
    fn evidence_is_bounded_and_without_secrets() {
        let mut flow = Flow::default();
        flow.config.max_excerpt = 100;
        let secret = b"net use Password=hunter2 ".repeat(400);
        let mut huge = found(None, &secret);
        huge.strings = vec![huge.strings[0].clone(); 1_000];
        let finding = finding_for_match(&flow.context(), &huge, &Scanned::Stream(Direction::ToServer));
        let shown = format!("{:?}", finding.context);
        assert!(!shown.contains("hunter2") && shown.len() < 20_000);
        assert!(finding.excerpt.len() == 100 && !String::from_utf8_lossy(&finding.excerpt).contains("hunter2"));
        assert_eq!(object(&finding.context, "yara").get("strings_left_out"), Some(&Value::Uint(984)));
        let wide: Vec<u8> = b"password=hunter2".iter().flat_map(|byte| [*byte, 0]).collect();
        let finding = finding_for_match(&flow.context(), &found(None, &wide), &Scanned::Stream(Direction::ToServer));
        assert_eq!(finding.excerpt, b"password=***");
    }
}
