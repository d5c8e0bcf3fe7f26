//! XML text to a bounded tree. No entity beyond the predefined ones, no document type: neither has a place in SOAP
//! ([SOAP 1.2] 5), and both are how parsers are attacked.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Element, Node};
use crate::contract::Limits;

/// Why a text gives no tree, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlError {
    /// No element at all.
    Empty,
    /// Not well-formed.
    Malformed,
    /// A document type declaration or an entity of its own.
    Forbidden,
}

/// A tree, and whether something is missing from it.
#[derive(Debug)]
pub struct Tree {
    /// The document element, as far as it goes.
    pub root: Element,
    /// A cap was reached or the text ends early.
    pub truncated: bool,
    /// … because of a cap.
    pub capped: bool,
}

/// What of a document is wanted: the rest is passed over, and no cap counts it.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// An element, by those around it and its name.
    pub element: fn(&[Element], &str) -> bool,
    /// An attribute.
    pub attribute: fn(&str) -> bool,
}

/// All of it.
const ALL: Wanted = Wanted { element: |_, _| true, attribute: |_| true };

struct Builder<'a> {
    limits: &'a Limits,
    wanted: Wanted,
    /// Elements that are open and not wanted, each inside the one before.
    passed: usize,
    open: Vec<Element>,
    too_deep: usize,
    nodes: usize,
    room: usize,
    truncated: bool,
    root: Option<Element>,
}

/// Parses a text. Linear in its length; elements keep their local names, attributes their prefixes, namespaces are not resolved.
///
/// # Errors
/// There is no tree, or the text asks for what is forbidden.
pub fn parse(text: &str, limits: &Limits) -> Result<Tree, XmlError> {
    parse_wanted(text, limits, ALL)
}

/// The same of a part of it.
///
/// # Errors
/// As above.
pub fn parse_wanted(text: &str, limits: &Limits, wanted: Wanted) -> Result<Tree, XmlError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    let mut builder = Builder {
        limits,
        wanted,
        passed: 0,
        open: Vec::new(),
        too_deep: 0,
        nodes: 0,
        room: limits.max_message.saturating_mul(2),
        truncated: false,
        root: None,
    };
    let mut malformed = false;
    while builder.root.is_none() {
        if builder.nodes >= limits.max_nodes || builder.room == 0 {
            builder.truncated = true;
            break;
        }
        let Ok(event) = reader.read_event() else {
            malformed = true;
            break;
        };
        match event {
            Event::Start(start) => builder.start(&start),
            Event::Empty(start) => {
                builder.start(&start);
                builder.end();
            }
            Event::End(_) => builder.end(),
            Event::Text(text) => builder.text(&String::from_utf8_lossy(&text)),
            Event::CData(text) => builder.text(&String::from_utf8_lossy(&text)),
            Event::GeneralRef(reference) => {
                let name = String::from_utf8_lossy(&reference).into_owned();
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(character),
                    _ => predefined(&name),
                };
                let Some(character) = resolved else { return Err(XmlError::Forbidden) };
                builder.text(character.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) => return Err(XmlError::Forbidden),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    let capped = builder.truncated;
    while !builder.open.is_empty() {
        builder.truncated = true;
        builder.end();
    }
    let truncated = builder.truncated;
    match builder.root {
        Some(root) => Ok(Tree { root, truncated, capped }),
        None if malformed => Err(XmlError::Malformed),
        None => Err(XmlError::Empty),
    }
}

/// [XML 1.0] 4.6.
fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => return None,
    })
}

impl Builder<'_> {
    fn spend(&mut self, len: usize) {
        self.nodes += 1;
        self.room = self.room.saturating_sub(len);
    }

    fn start(&mut self, start: &BytesStart<'_>) {
        let name = start.local_name();
        let name = String::from_utf8_lossy(name.as_ref()).into_owned();
        if self.passed > 0 || !(self.wanted.element)(&self.open, &name) {
            self.passed += 1;
            return;
        }
        self.spend(name.len());
        if self.open.len() >= self.limits.max_depth {
            self.too_deep += 1;
            self.truncated = true;
            return;
        }
        let mut element = Element { name, ..Element::default() };
        let mut attributes = start.attributes();
        // The check for doubled names is quadratic; a tree may hold the same name twice.
        attributes.with_checks(false);
        for attribute in attributes.map_while(Result::ok) {
            if self.nodes >= self.limits.max_nodes || self.room == 0 {
                self.truncated = true;
                break;
            }
            let key = attribute.key;
            if key.as_namespace_binding().is_some() {
                continue;
            }
            // With its prefix, where it has one: `x:Method` is another attribute than `Method`.
            let key = String::from_utf8_lossy(key.as_ref()).into_owned();
            if !(self.wanted.attribute)(&key) {
                continue;
            }
            let value = unescape(&String::from_utf8_lossy(&attribute.value));
            self.spend(key.len() + value.len());
            element.attributes.push((key, value));
        }
        self.open.push(element);
    }

    fn text(&mut self, text: &str) {
        if self.passed > 0 {
            return;
        }
        // Pieces that references and sections part are one node.
        let goes_on = self.open.last().is_some_and(|open| matches!(open.children.last(), Some(Node::Text(_))));
        self.nodes += usize::from(!goes_on);
        self.room = self.room.saturating_sub(text.len());
        if self.too_deep > 0 {
            return;
        }
        let max = self.limits.max_text;
        let Some(open) = self.open.last_mut() else { return };
        let kept = match open.children.last() {
            Some(Node::Text(before)) => before.len(),
            _ => 0,
        };
        let room = max.saturating_sub(kept).min(text.len());
        let end = (0..=room).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.truncated |= end < text.len();
        let part = text.get(..end).unwrap_or_default();
        if let Some(Node::Text(before)) = open.children.last_mut() {
            before.push_str(part);
        } else if !part.is_empty() {
            open.children.push(Node::Text(part.to_owned()));
        }
    }

    fn end(&mut self) {
        if self.passed > 0 {
            self.passed -= 1;
            return;
        }
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        let Some(done) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(done)),
            None => self.root = Some(done),
        }
    }
}

/// Bytes of a reference: a number may begin with any number of zeros, within reason.
const MAX_REFERENCE: usize = 256;

/// References in an attribute value; one that is not predefined stays as it is written.
pub fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        let (before, reference) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let resolved = reference.get(1..).and_then(|body| {
            let end = body.bytes().take(MAX_REFERENCE).position(|byte| byte == b';')?;
            let name = body.get(..end)?;
            let character = match name.strip_prefix('#') {
                Some(number) => number
                    .strip_prefix('x')
                    .map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())
                    .and_then(char::from_u32),
                None => predefined(name),
            }?;
            Some((character, name.len() + 2))
        });
        let used = match resolved {
            Some((character, used)) => {
                out.push(character);
                used
            }
            None => {
                out.push('&');
                1
            }
        };
        rest = reference.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_attributes_and_references_are_read() {
        let tree =
            parse("<?xml version='1.0'?><a x='1 &lt; &#x32;'><b:c>t&amp;u<![CDATA[<v>]]></b:c><d/></a>", &Limits::default())
                .unwrap();
        assert_eq!(tree.root.attribute("x"), Some("1 < 2"));
        let zeros =
            parse("<a p:x='decoy' x='&#0000000000067;&#x00000000000041;'>&#000000000066;</a>", &Limits::default()).unwrap();
        assert_eq!((zeros.root.attribute("x"), zeros.root.text().as_str()), (Some("CA"), "B"));
        assert_eq!(tree.root.child("c").unwrap().text(), "t&u<v>");
        assert!(tree.root.child("d").is_some() && !tree.truncated);
    }

    #[test]
    fn what_is_not_wanted_takes_no_room_and_leaves_nothing() {
        let wanted = Wanted { element: |around, name| around.is_empty() || name == "b", attribute: |_| true };
        let limits = Limits { max_nodes: 10, max_message: 16, ..Limits::default() };
        let text = format!("<a>{}<b>t</b></a>", "<x y='z'>junk<b>no</b></x>".repeat(1_000));
        let tree = parse_wanted(&text, &limits, wanted).unwrap();
        assert_eq!((tree.root.text().as_str(), tree.root.elements().count(), tree.truncated), ("", 1, false));
        assert_eq!(tree.root.child("b").unwrap().text(), "t");
    }

    #[test]
    fn entities_and_document_types_are_refused() {
        for text in
            ["<!DOCTYPE a [<!ENTITY b 'bbbb'>]><a>&b;</a>", "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "<a>&custom;</a>"]
        {
            assert_eq!(parse(text, &Limits::default()).unwrap_err(), XmlError::Forbidden, "{text}");
        }
        let tree = parse("<a x='&custom;'/>", &Limits::default()).unwrap();
        assert_eq!(tree.root.attribute("x"), Some("&custom;"));
    }

    #[test]
    fn what_is_cut_off_or_too_much_gives_the_head() {
        let limits = Limits { max_depth: 3, max_nodes: 100, ..Limits::default() };
        for text in ["<a><b>text", "<a><b attr='x'", &"<a>".repeat(50), &format!("<a>{}</a>", "<b/>".repeat(1_000))] {
            match parse(text, &limits) {
                Ok(tree) => assert!(tree.truncated, "{text}"),
                Err(error) => assert_eq!(error, XmlError::Malformed, "{text}"),
            }
        }
        assert_eq!(parse("", &limits).unwrap_err(), XmlError::Empty);
        assert_eq!(parse("no element", &limits).unwrap_err(), XmlError::Empty);
    }
}
