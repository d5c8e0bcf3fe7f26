//! Content to facts, as its formatter wrote it.

use std::collections::BTreeSet;

use super::anomaly;
use super::transaction::Formatter;
use crate::contract::Limits;
use crate::nrbf::{self, Facts, Type};
use crate::soap::{Element, xml};

/// Namespaces of one message that stand for assemblies.
const MAX_NAMESPACES: usize = 64;
/// Different names of its elements.
const MAX_ELEMENTS: usize = 1_024;
/// Types put together from both.
const MAX_TYPES: usize = 8_192;
/// How deep elements are looked for; trees are bounded anyway.
const MAX_DEPTH: usize = 64;
/// Bytes of one of them.
const MAX_NAMESPACE: usize = 256;
/// [MS-NRTP] 2.2.4: with `assem/` behind it namespaces of types of an assembly, with `/` those of the runtime.
const CLR: &[u8] = b"http://schemas.microsoft.com/clr/ns";

/// What content gave.
#[derive(Debug, Default)]
pub struct Decoded {
    /// How it is written.
    pub formatter: Formatter,
    /// What it says.
    pub facts: Option<Box<Facts>>,
    /// What was wrong with it.
    pub anomaly: Option<&'static str>,
}

/// Decodes content; `whole` says whether it is all of it.
#[must_use]
pub fn decode(content_type: Option<&str>, bytes: &[u8], whole: bool, limits: &Limits) -> Decoded {
    if bytes.is_empty() {
        return Decoded::default();
    }
    let says_binary =
        content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("application/octet-stream"));
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // The first byte says nothing to who reads it as binary.
    if nrbf::is_header(bytes) || (says_binary && (nrbf::may_be_header(bytes) || !text.trim_ascii_start().starts_with(b"<"))) {
        let facts = nrbf::facts(bytes, limits);
        let anomaly = (whole && facts.malformed).then_some(anomaly::MALFORMED_CONTENT);
        return Decoded { formatter: Formatter::Binary, facts: Some(Box::new(facts)), anomaly };
    }
    if text.trim_ascii_start().starts_with(b"<") {
        return soap(&String::from_utf8_lossy(text), whole, limits);
    }
    Decoded { formatter: Formatter::Unknown, ..Decoded::default() }
}

fn soap(text: &str, whole: bool, limits: &Limits) -> Decoded {
    let tree = match xml::parse(text, limits) {
        Ok(tree) => tree,
        Err(error) => {
            let forbidden = error == xml::XmlError::Forbidden;
            let malformed = whole.then_some(anomaly::MALFORMED_CONTENT);
            let anomaly = if forbidden { Some(anomaly::FORBIDDEN_XML) } else { malformed };
            return Decoded { formatter: Formatter::Unknown, facts: None, anomaly };
        }
    };
    if tree.root.name != "Envelope" {
        return Decoded { formatter: Formatter::Unknown, ..Decoded::default() };
    }
    let mut facts = Facts { limited: tree.truncated, complete: whole && !tree.truncated, ..Facts::default() };
    let namespaces: BTreeSet<&str> = clr_namespaces(text).collect();
    let mut elements = BTreeSet::new();
    let mut room = limits.max_text;
    gather(&tree.root, MAX_DEPTH, &mut |element| {
        elements.insert(element.name.replace("_x002B_", "+"));
        let text = element.text();
        if !text.trim().is_empty() && text.len() <= room && !crate::veeam::is_secret(&element.name) {
            room -= text.len();
            facts.texts.push(text);
        }
    });
    facts.limited |= namespaces.len() > MAX_NAMESPACES || elements.len() > MAX_ELEMENTS;
    let pairs = namespaces
        .iter()
        .take(MAX_NAMESPACES)
        .flat_map(|namespace| elements.iter().take(MAX_ELEMENTS).map(move |element| format!("{namespace}.{element}")));
    // Which prefix stands for which namespace is not followed: a name that is not meant is no type.
    facts.types = pairs.take(MAX_TYPES).map(|name| Type { name, library: None, nested: 0 }).collect();
    if let Some(call) = tree.root.child("Body").and_then(|body| body.elements().next()) {
        // The call's own element declares the namespace of its type.
        let behind = memchr::memmem::find(text.as_bytes(), b"Body").and_then(|at| text.get(at..)).unwrap_or_default();
        let class = clr_namespaces(behind).next().unwrap_or_default();
        facts.root = Some(call.name.clone());
        facts.call = Some((call.name.clone(), class.to_owned()));
    }
    for text in facts.texts.clone() {
        if let Some(inner) = nrbf::facts_in_text(text.as_bytes(), limits) {
            facts.nested += inner.nested;
            facts.types.extend(inner.types);
            facts.addresses.extend(inner.addresses);
            facts.targets.extend(inner.targets);
            facts.remote |= inner.remote;
            facts.limited |= inner.limited;
        }
    }
    Decoded { formatter: Formatter::Soap, facts: Some(Box::new(facts)), anomaly: None }
}

/// `http://schemas.microsoft.com/clr/nsassem/System.Data/System.Data%2C%20…`, `…/clr/ns/System`: `System.Data`, `System`. The tree has
/// no namespaces: they are read from the text.
fn clr_namespaces(text: &str) -> impl Iterator<Item = &str> {
    memchr::memmem::find_iter(text.as_bytes(), CLR).filter_map(|at| {
        let rest = text.get(at + CLR.len()..)?;
        let rest = rest.strip_prefix("assem/").or_else(|| rest.strip_prefix('/'))?;
        let end = rest.bytes().take(MAX_NAMESPACE + 1).position(|byte| matches!(byte, b'/' | b'"' | b'\'' | b'#'))?;
        rest.get(..end).filter(|namespace| !namespace.is_empty())
    })
}

fn gather(element: &Element, depth: usize, see: &mut dyn FnMut(&Element)) {
    see(element);
    if depth > 0 {
        for child in element.elements() {
            gather(child, depth - 1, see);
        }
    }
}
