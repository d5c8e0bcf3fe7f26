//! Heads: start line and fields (RFC 9112 §3–5), read as tolerantly as servers do; each deviation is named.
//!
//! A reader of our own instead of a strict one: what a strict one refuses is what is of interest here, it must be read on
//! all the same, and a head that comes in pieces is looked at once.

use super::anomaly;
use super::line::Line;

/// Fields kept of one head.
const MAX_FIELDS: usize = 256;
/// Fields kept behind a cap, of those that frame the message.
const MAX_FRAMING_FIELDS: usize = 64;
/// Fields without which no body is found.
const FRAMING: [&[u8]; 5] = [b"content-length", b"transfer-encoding", b"host", b"content-encoding", b"upgrade"];

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A request line.
    Request {
        /// The method as sent.
        method: String,
        /// The target as sent, bytes that are no UTF-8 replaced.
        target: String,
        /// Minor version of HTTP/1.
        minor: u8,
    },
    /// A status line.
    Status {
        /// The code.
        code: u16,
        /// Minor version of HTTP/1.
        minor: u8,
    },
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its name as sent.
    pub name: &'a [u8],
    /// Its value without the white space around it.
    pub value: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    name: usize,
    end: usize,
}

/// A head, whole or as far as it came.
#[derive(Clone, Debug)]
pub struct Head {
    /// The first line.
    pub start: Start,
    raw: Vec<u8>,
    fields: Vec<Place>,
    framing_beyond: usize,
    /// Lines ended with CR and LF, and with LF alone.
    ends: [bool; 2],
    /// A cap took some of it.
    pub cut: bool,
}

/// What a line of a head gave.
pub type Deviations = Vec<&'static str>;

impl Head {
    /// Begins with a first line; `None` where it is none of HTTP/1.
    pub fn begin(line: &Line<'_>, deviations: &mut Deviations) -> Option<Self> {
        let (start, lenient) = parse_start(line.text)?;
        if lenient {
            deviations.push(anomaly::LENIENT_START_LINE);
        }
        deviate(line, deviations);
        // Room for an ordinary head: it would grow some six times.
        let (raw, fields) = (Vec::with_capacity(512), Vec::with_capacity(16));
        let mut head = Self { start, raw, fields, framing_beyond: 0, ends: [false; 2], cut: line.cut };
        head.ends_with(line);
        Some(head)
    }

    /// The next line, which is not empty. `max`: bytes of all fields that are kept.
    pub fn push(&mut self, line: &Line<'_>, max: usize, deviations: &mut Deviations) {
        deviate(line, deviations);
        self.ends_with(line);
        if line.cut {
            self.cut(deviations);
        }
        let text = line.text;
        if matches!(text.first(), Some(b' ' | b'\t')) {
            deviations.push(if self.fields.is_empty() { anomaly::BAD_FIELD } else { anomaly::OBS_FOLD });
            self.fold(trim(text), max, deviations);
            return;
        }
        let Some(colon) = memchr::memchr(b':', text) else {
            deviations.push(anomaly::BAD_FIELD);
            return;
        };
        let (before, after) = text.split_at_checked(colon).unwrap_or((text, &[]));
        let name = trim(before);
        if name.len() != before.len() {
            deviations.push(anomaly::SPACE_BEFORE_COLON);
        }
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            deviations.push(anomaly::BAD_FIELD);
        }
        let value = trim(after.get(1..).unwrap_or_default());
        if self.raw.len() + name.len() + value.len() > max || self.fields.len() >= MAX_FIELDS {
            self.cut(deviations);
            let frames = FRAMING.iter().any(|known| name.eq_ignore_ascii_case(known));
            if !frames || self.framing_beyond >= MAX_FRAMING_FIELDS || value.len() > 1024 {
                return;
            }
            self.framing_beyond += 1;
        }
        let start = self.raw.len();
        self.raw.extend_from_slice(name);
        self.raw.extend_from_slice(value);
        self.fields.push(Place { start, name: start + name.len(), end: self.raw.len() });
    }

    /// The empty line behind it. Heads typed by hand have LF alone throughout, and all read them alike or not at all; one with both
    /// has more lines for some readers than for others (RFC 9112 §2.2).
    pub fn end(&mut self, line: &Line<'_>, deviations: &mut Deviations) {
        self.ends_with(line);
        if self.ends == [true; 2] {
            deviations.push(anomaly::BARE_LF);
        }
    }

    fn ends_with(&mut self, line: &Line<'_>) {
        let [crlf, bare] = &mut self.ends;
        *crlf |= line.crlf;
        *bare |= !line.crlf && !line.cut;
    }

    /// RFC 9112 §5.2: the fold stands for a blank.
    fn fold(&mut self, more: &[u8], max: usize, deviations: &mut Deviations) {
        if self.raw.len() + more.len() > max {
            self.cut(deviations);
            return;
        }
        let Some(last) = self.fields.last_mut().filter(|last| last.end == self.raw.len()) else { return };
        if last.end > last.name && !more.is_empty() {
            self.raw.push(b' ');
        }
        self.raw.extend_from_slice(more);
        last.end = self.raw.len();
    }

    fn cut(&mut self, deviations: &mut Deviations) {
        if !std::mem::replace(&mut self.cut, true) {
            deviations.push(anomaly::HEAD_TOO_LONG);
        }
    }

    /// All fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.fields.iter().map(|place| Field {
            name: self.raw.get(place.start..place.name).unwrap_or_default(),
            value: self.raw.get(place.name..place.end).unwrap_or_default(),
        })
    }

    /// The values of a field by its name in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| field.value)
    }

    /// The first value of a field.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| field.value)
    }

    /// The first value of a field as text of no more than `max` bytes.
    #[must_use]
    pub fn text(&self, name: &str, max: usize) -> Option<String> {
        self.first(name).map(|value| text(value, max))
    }

    /// The elements of a list field, in lower case, of all its lines.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let mut elements = Vec::new();
        for value in self.all(name) {
            let each = value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty());
            elements.extend(each.take(16).map(|element| text(element, 64).to_ascii_lowercase()));
        }
        elements.truncate(32);
        elements
    }

    /// Minor version of HTTP/1.
    #[must_use]
    pub const fn minor(&self) -> u8 {
        match &self.start {
            Start::Request { minor, .. } | Start::Status { minor, .. } => *minor,
        }
    }

    /// Bytes it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.raw.capacity() + self.fields.capacity() * size_of::<Place>()
    }
}

/// What is wrong with any line.
fn deviate(line: &Line<'_>, deviations: &mut Deviations) {
    if memchr::memchr(b'\r', line.text).is_some() {
        deviations.push(anomaly::BARE_CR);
    }
    if memchr::memchr(0, line.text).is_some() {
        deviations.push(anomaly::NUL_BYTE);
    }
}

/// A start line, and whether it is written with other white space than the grammar has.
pub fn parse_start(line: &[u8]) -> Option<(Start, bool)> {
    if let Some(rest) = line.strip_prefix(b"HTTP/1.") {
        let (&minor, rest) = rest.split_first()?;
        let spaces = rest.iter().take_while(|byte| is_space(**byte)).count();
        let digits = rest.get(spaces..spaces + 3).filter(|_| spaces > 0)?;
        let after = rest.get(spaces + 3);
        if !digits.iter().all(u8::is_ascii_digit) || !after.is_none_or(|byte| is_space(*byte)) {
            return None;
        }
        let code = digits.iter().fold(0, |code: u16, digit| code * 10 + u16::from(digit - b'0'));
        let start = Start::Status { code, minor: minor.checked_sub(b'0').filter(|minor| *minor < 10)? };
        return Some((start, spaces != 1 || rest.first() != Some(&b' ')));
    }
    let blank = line.iter().position(|&byte| is_space(byte))?;
    let (method, rest) = line.split_at_checked(blank)?;
    if method.is_empty() || method.len() > 32 || !method.iter().all(|&byte| is_token(byte)) {
        return None;
    }
    let trimmed = trim(rest);
    let last = trimmed.iter().rposition(|&byte| is_space(byte))?;
    let (target, version) = trimmed.split_at_checked(last)?;
    let minor = *version.get(1..)?.strip_prefix(b"HTTP/1.").filter(|minor| minor.len() == 1)?.first()?;
    let exact = rest.len() == trimmed.len() + 1 && rest.first() == Some(&b' ') && version.first() == Some(&b' ');
    let target_text = trim(target);
    let lenient = !exact || target_text.len() != target.len() || target_text.iter().any(|&byte| is_space(byte));
    let start = Start::Request {
        method: text(method, 32),
        target: text(target_text, 8 * 1024),
        minor: minor.checked_sub(b'0').filter(|minor| *minor < 10)?,
    };
    Some((start, lenient))
}

/// Bytes as text of no more than `max` bytes.
pub fn text(bytes: &[u8], max: usize) -> String {
    let mut text = String::from_utf8_lossy(bytes.get(..max).unwrap_or(bytes)).into_owned();
    text.truncate(text.floor_char_boundary(max));
    text
}

/// Blank, tab, and what some servers take for them (RFC 9112 §3).
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r')
}

/// Without the blanks and tabs around it.
pub fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(start, |end| end + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// RFC 9110 §5.6.2.
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}
