//! Where streams begin: in bytes, and in base64 inside texts.

use data_encoding::BASE64_NOPAD;

/// [MS-NRBF] 2.6.1: record type, root and header id, major and minor version.
const HEADER: usize = 17;
/// The version 1.0 where it begins on a group of four characters: bytes 9 to 14 of the header.
const VERSION: &[u8] = b"AQAAAAAA";
/// The same as bytes, and how many are in front of it.
const RAW_VERSION: &[u8] = &[1, 0, 0, 0, 0, 0, 0, 0];
const RAW_BEFORE: usize = 9;
/// Characters of base64 in front of it.
const BEFORE: usize = 12;
/// Characters that hold the header.
const HEAD: usize = 24;

/// Whether bytes begin as a stream does, with a first record that one may begin with.
#[must_use]
pub fn is_header(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return false };
    let [0, .., a, b, c, d, _, _, _, _] = *header else { return false };
    // Readers refuse later major versions only.
    let version = i32::from_le_bytes([a, b, c, d]) <= 1;
    version && bytes.get(HEADER).is_none_or(|record| matches!(record, 1..=8 | 10..=17 | 21 | 22))
}

/// Whether a reader might take bytes for a stream: of the header it looks at the major version only. Half of all bytes may begin so,
/// and say nothing.
#[must_use]
pub fn may_be_header(bytes: &[u8]) -> bool {
    let Some([_, _, _, _, _, _, _, _, _, a, b, c, d, _, _, _, _]) = bytes.first_chunk::<HEADER>() else { return false };
    let version = i32::from_le_bytes([*a, *b, *c, *d]) <= 1;
    version && bytes.get(HEADER).is_some_and(|record| matches!(record, 1..=8 | 10..=17 | 21 | 22))
}

/// Whether bytes that may be no more than the beginning of a stream could become one.
#[must_use]
pub fn may_begin(bytes: &[u8]) -> bool {
    is_header(bytes) || (bytes.len() < HEADER && bytes.first().is_none_or(|first| *first == 0))
}

/// Where the first stream begins in bytes that are something else.
#[must_use]
pub fn in_bytes(bytes: &[u8]) -> Option<usize> {
    let begins = memchr::memmem::find_iter(bytes, RAW_VERSION).filter_map(|at| at.checked_sub(RAW_BEFORE));
    begins.into_iter().find(|begin| bytes.get(*begin..).is_some_and(|rest| rest.len() > HEADER && is_header(rest)))
}

/// A cheap look whether a text may hold one.
#[must_use]
pub fn may_hold(text: &[u8]) -> bool {
    text.len() >= HEAD
}

/// Streams in base64, in order. Blanks between characters do not count, as for .NET. Linear: what was decoded is not looked at again.
#[must_use]
pub fn in_text(text: &[u8]) -> Vec<Vec<u8>> {
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    let squeezed: Vec<u8>;
    let mut rest = text;
    if text.iter().any(blank) {
        squeezed = text.iter().copied().filter(|byte| !blank(byte)).collect();
        rest = &squeezed;
    }
    let mut found = Vec::new();
    // A text that is nothing else may have any version that readers take.
    if let Some(bytes) = decode(rest) {
        found.push(bytes);
        return found;
    }
    while let Some(at) = memchr::memmem::find(rest, VERSION) {
        let begin = at.checked_sub(BEFORE).and_then(|begin| rest.get(begin..));
        let decoded = begin.and_then(decode);
        let behind = if decoded.is_some() { begin.map_or(0, run) + at.saturating_sub(BEFORE) } else { at + 1 };
        found.extend(decoded);
        rest = rest.get(behind..).unwrap_or_default();
    }
    found
}

/// Characters of base64 at the front.
fn run(text: &[u8]) -> usize {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.iter().position(|byte| !is_base64(byte)).unwrap_or(text.len())
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if !BASE64_NOPAD.decode(text.get(..HEAD)?).is_ok_and(|head| may_be_header(&head)) {
        return None;
    }
    let len = run(text);
    // A cut text, or one whose last bits are not zero, still holds what is in front of them.
    let whole = text.get(..len - len % 4)?;
    let mut bytes = BASE64_NOPAD.decode(whole).ok()?;
    if let Some(tail) = text.get(len - len % 4..len).filter(|tail| tail.len() > 1) {
        let mut group = [b'A'; 4];
        group.iter_mut().zip(tail).for_each(|(into, from)| *into = *from);
        let decoded = BASE64_NOPAD.decode(&group).unwrap_or_default();
        bytes.extend_from_slice(decoded.get(..tail.len() - 1).unwrap_or_default());
    }
    Some(bytes)
}
