//! Records to a bounded tree ([MC-NBFX] 2.2).

use super::names::{self, Attribute};
use super::text::{self, Value};
use super::{Dictionary, IntError};
use crate::contract::Limits;
use crate::cursor::{Cursor, Short};
use crate::soap::{Element, Node};

/// What was read.
#[derive(Debug)]
pub struct Document {
    /// The document element, as far as it goes.
    pub root: Element,
    /// Something is missing: the bytes end early, a cap was reached, or a string of the dictionary is not known.
    pub truncated: bool,
}

/// Why there is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The bytes end before the first element.
    Empty,
    /// They break the format before the first element.
    Malformed,
}

/// Why reading stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end.
    Short,
    /// They end inside a text: so many bytes of it are there, at the end.
    Cut(usize),
    /// A cap is reached: what follows is not looked at.
    Full,
    Malformed,
}

impl From<Short> for Stop {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

impl From<IntError> for Stop {
    fn from(error: IntError) -> Self {
        match error {
            IntError::Short(_) => Self::Short,
            IntError::TooLong => Self::Malformed,
        }
    }
}

/// An element whose end has not come.
#[derive(Default)]
struct Open {
    element: Element,
    prefix: String,
    /// Namespace declarations before this element.
    scope: usize,
    /// Bytes records that follow each other are one base64 text.
    bytes: Vec<u8>,
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    dictionary: &'a Dictionary,
    limits: &'a Limits,
    open: Vec<Open>,
    /// Elements opened beyond the depth cap.
    too_deep: usize,
    namespaces: Vec<(String, String)>,
    nodes: usize,
    /// Bytes of names and text that may still be kept: a dictionary string costs two bytes on the wire.
    room: usize,
    truncated: bool,
    root: Option<Element>,
}

/// Reads a document. Linear in the bytes; keeps at most four times `limits.max_message` bytes of text.
///
/// The second value tells whether the bytes broke the format (and not only ended early).
///
/// # Errors
/// There is not even a first element.
pub fn read(bytes: &[u8], dictionary: &Dictionary, limits: &Limits) -> (Result<Document, ReadError>, bool) {
    let mut reader = Reader {
        cursor: Cursor::new(bytes),
        dictionary,
        limits,
        open: Vec::new(),
        too_deep: 0,
        namespaces: Vec::new(),
        nodes: 0,
        room: limits.max_message.saturating_mul(4),
        truncated: false,
        root: None,
    };
    let stop = reader.run();
    if let Err(Stop::Cut(len)) = stop {
        reader.keep_cut_text(bytes.get(bytes.len().saturating_sub(len)..).unwrap_or_default());
    }
    let malformed = stop == Err(Stop::Malformed);
    reader.truncated |= stop.is_err();
    while !reader.open.is_empty() {
        reader.truncated = true;
        reader.end();
    }
    let truncated = reader.truncated;
    let document = match reader.root {
        Some(root) => Ok(Document { root, truncated }),
        None if malformed => Err(ReadError::Malformed),
        None => Err(ReadError::Empty),
    };
    (document, malformed)
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        while !self.cursor.is_empty() {
            if self.nodes >= self.limits.max_nodes || self.room == 0 {
                self.truncated = true;
                return Ok(());
            }
            let kind = self.cursor.u8()?;
            if self.root.is_some() && kind != 0x02 {
                return Err(Stop::Malformed);
            }
            self.record(kind)?;
        }
        Ok(())
    }

    fn record(&mut self, kind: u8) -> Result<(), Stop> {
        match kind {
            0x01 => self.end_element(),
            0x02 => names::string(&mut self.cursor).map(drop),
            0x03 => self.array(),
            _ if names::is_element(kind) => self.start(kind),
            _ if text::is_text(kind) => self.text(kind),
            _ => Err(Stop::Malformed),
        }
    }

    fn spend(&mut self, len: usize) {
        self.nodes += 1;
        self.room = self.room.saturating_sub(len + 16);
    }

    fn start(&mut self, kind: u8) -> Result<(), Stop> {
        let name = names::element(kind, &mut self.cursor, self.dictionary, &mut self.truncated)?;
        self.spend(name.local.len());
        let scope = self.namespaces.len();
        if self.open.len() >= self.limits.max_depth {
            // Counted, not kept: what is inside would be out of place.
            self.too_deep += 1;
            self.truncated = true;
            self.attributes(None)?;
            self.namespaces.truncate(scope);
            return Ok(());
        }
        let element = Element { name: name.local, ..Element::default() };
        self.flush_bytes();
        self.open.push(Open { element, prefix: name.prefix, scope, bytes: Vec::new() });
        let mut attributes = Vec::new();
        let outcome = self.attributes(Some(&mut attributes));
        if let Some(open) = self.open.last_mut() {
            open.element.attributes = attributes;
            open.element.namespace = namespace_of(&self.namespaces, &open.prefix);
        }
        outcome
    }

    fn attributes(&mut self, mut into: Option<&mut Vec<(String, String)>>) -> Result<(), Stop> {
        while let Some(kind) = self.cursor.peek().filter(|&kind| names::is_attribute(kind)) {
            if self.nodes >= self.limits.max_nodes || self.room == 0 {
                return Ok(());
            }
            self.cursor.u8()?;
            match names::attribute(kind, &mut self.cursor, self.dictionary, &mut self.truncated)? {
                Attribute::Xmlns { prefix, namespace } => {
                    self.spend(prefix.len() + namespace.len());
                    self.namespaces.push((prefix, namespace));
                }
                Attribute::Named(name) => {
                    let value = self.attribute_value()?;
                    self.spend(name.local.len() + value.len());
                    if let Some(attributes) = &mut into {
                        attributes.push((name.local, value));
                    }
                }
            }
        }
        Ok(())
    }

    /// 2.2.3: the value of an attribute is one text record of even type, or a list.
    fn attribute_value(&mut self) -> Result<String, Stop> {
        let mut list: Option<Vec<String>> = None;
        loop {
            let kind = self.cursor.u8()?;
            if !text::is_text(kind) || kind % 2 == 1 {
                return Err(Stop::Malformed);
            }
            let text = match text::value(kind, &mut self.cursor, self.dictionary, &mut self.truncated)? {
                Value::Text(text) => text,
                Value::Bytes(bytes) => text::base64(bytes),
                Value::ListStart if list.is_none() => {
                    list = Some(Vec::new());
                    continue;
                }
                Value::ListEnd => return Ok(list.unwrap_or_default().join(" ")),
                Value::ListStart => return Err(Stop::Malformed),
            };
            let Some(items) = &mut list else { return Ok(text) };
            self.spend(text.len());
            if self.nodes < self.limits.max_nodes && self.room > 0 {
                items.push(text);
            } else {
                return Err(Stop::Full);
            }
        }
    }

    fn text(&mut self, kind: u8) -> Result<(), Stop> {
        match text::value(kind & 0xfe, &mut self.cursor, self.dictionary, &mut self.truncated)? {
            Value::Text(text) => {
                self.flush_bytes();
                self.push_text(text);
            }
            Value::Bytes(bytes) => {
                self.spend(bytes.len());
                if self.too_deep == 0
                    && let Some(open) = self.open.last_mut()
                {
                    open.bytes.extend_from_slice(bytes);
                }
            }
            Value::ListStart => {
                let list = self.list()?;
                self.flush_bytes();
                self.push_text(list);
            }
            Value::ListEnd => return Err(Stop::Malformed),
        }
        if kind % 2 == 1 { self.end_element() } else { Ok(()) }
    }

    /// 2.2.3.19: items up to the end of the list, with one blank between them.
    fn list(&mut self) -> Result<String, Stop> {
        let mut items = String::new();
        loop {
            let kind = self.cursor.u8()?;
            if !text::is_text(kind) || kind % 2 == 1 {
                return Err(Stop::Malformed);
            }
            let text = match text::value(kind, &mut self.cursor, self.dictionary, &mut self.truncated)? {
                Value::Text(text) => text,
                Value::Bytes(bytes) => text::base64(bytes),
                Value::ListEnd => return Ok(items),
                Value::ListStart => return Err(Stop::Malformed),
            };
            self.spend(text.len());
            if self.nodes >= self.limits.max_nodes || self.room == 0 {
                return Err(Stop::Full);
            }
            if !items.is_empty() {
                items.push(' ');
            }
            items.push_str(&text);
        }
    }

    /// 2.2.3.31: one element many times, with values of one type and fixed size.
    fn array(&mut self) -> Result<(), Stop> {
        let kind = self.cursor.u8()?;
        if !names::is_element(kind) {
            return Err(Stop::Malformed);
        }
        self.start(kind)?;
        if self.cursor.u8()? != 0x01 {
            return Err(Stop::Malformed);
        }
        // The element just read is the pattern.
        let pattern = if self.too_deep > 0 {
            self.too_deep -= 1;
            None
        } else {
            self.open.pop()
        };
        let value_kind = self.cursor.u8()?;
        if !matches!(value_kind, 0xb5 | 0x8b | 0x8d | 0x8f | 0x91 | 0x93 | 0x95 | 0x97 | 0xaf | 0xb1) {
            return Err(Stop::Malformed);
        }
        let count = super::multi_byte_int31(&mut self.cursor)?;
        let mut outcome = Ok(());
        for _ in 0..count {
            let value = match text::value(value_kind & 0xfe, &mut self.cursor, self.dictionary, &mut self.truncated) {
                Ok(Value::Text(value)) => value,
                Ok(_) => String::new(),
                Err(stop) => {
                    outcome = Err(stop);
                    break;
                }
            };
            self.spend(value.len());
            if self.nodes >= self.limits.max_nodes || self.room == 0 {
                self.truncated = true;
                break;
            }
            if let (Some(pattern), Some(parent)) = (&pattern, self.open.last_mut()) {
                let mut element = pattern.element.clone();
                // Each copy costs what it holds.
                let held: usize = element.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
                self.nodes += element.attributes.len();
                self.room = self.room.saturating_sub(held + element.name.len() + element.namespace.len());
                element.children.push(Node::Text(value));
                parent.element.children.push(Node::Element(element));
            }
        }
        if let Some(pattern) = pattern {
            self.namespaces.truncate(pattern.scope);
        }
        outcome
    }

    fn push_text(&mut self, text: String) {
        self.spend(text.len());
        if self.too_deep > 0 {
            return;
        }
        let max = self.limits.max_text;
        let Some(open) = self.open.last_mut() else { return };
        let truncated = &mut self.truncated;
        if let Some(Node::Text(before)) = open.element.children.last_mut() {
            append(before, &text, max, truncated);
        } else if !text.is_empty() {
            let mut kept = String::new();
            append(&mut kept, &text, max, truncated);
            open.element.children.push(Node::Text(kept));
        }
    }

    fn flush_bytes(&mut self) {
        let Some(bytes) = self.open.last_mut().map(|open| std::mem::take(&mut open.bytes)) else { return };
        if !bytes.is_empty() {
            self.push_text(text::base64(&bytes));
        }
    }

    /// The part of a text that is there.
    fn keep_cut_text(&mut self, bytes: &[u8]) {
        self.flush_bytes();
        self.push_text(String::from_utf8_lossy(bytes).into_owned());
    }

    fn end_element(&mut self) -> Result<(), Stop> {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return Ok(());
        }
        if self.open.is_empty() {
            return Err(Stop::Malformed);
        }
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        self.flush_bytes();
        let Some(done) = self.open.pop() else { return };
        self.namespaces.truncate(done.scope);
        match self.open.last_mut() {
            Some(parent) => parent.element.children.push(Node::Element(done.element)),
            None => self.root = Some(done.element),
        }
    }
}

fn append(kept: &mut String, text: &str, max: usize, truncated: &mut bool) {
    let room = max.saturating_sub(kept.len());
    if text.len() <= room {
        kept.push_str(text);
        return;
    }
    *truncated = true;
    let end = (0..=room).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    kept.push_str(text.get(..end).unwrap_or_default());
}

/// The namespace bound to a prefix, innermost first.
fn namespace_of(namespaces: &[(String, String)], prefix: &str) -> String {
    // Bounded: hostile documents may declare thousands of prefixes.
    let bound = namespaces.iter().rev().take(64).find(|(known, _)| known == prefix);
    bound.map_or_else(String::new, |(_, namespace)| namespace.clone())
}
