//! STIX 2.1 bundles and TAXII 2.1 envelopes (OASIS): their `indicator` objects, one at a time, so that a large bundle is not in
//! memory as a tree.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::table::{Line, Loader};
use super::{ListError, entry, pattern};

/// What is around the objects.
#[derive(Deserialize)]
struct Around<'a> {
    /// `bundle`; an envelope has none.
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    objects: Option<IgnoredAny>,
}

/// Which object it is.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
}

/// An indicator (§4.7), as far as it is read.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    pattern: Cow<'a, str>,
    #[serde(borrow, default)]
    pattern_type: Cow<'a, str>,
    #[serde(borrow, default)]
    valid_from: Cow<'a, str>,
    #[serde(borrow, default)]
    valid_until: Cow<'a, str>,
    #[serde(borrow, default)]
    created: Cow<'a, str>,
    #[serde(default)]
    revoked: bool,
    #[serde(default)]
    confidence: Option<u8>,
}

/// Reads a bundle.
pub fn read(into: &mut Loader, file: &str, list: u16, text: &str) -> Result<(), ListError> {
    let wrong = |line: u64, what: String| ListError { file: file.to_owned(), line, what };
    let around: Around<'_> =
        serde_json::from_str(text).map_err(|error| wrong(error.line().max(1) as u64, format!("no JSON: {error}")))?;
    let is_bundle = around.objects.is_some() && around.kind.is_none_or(|kind| kind == "bundle");
    let spans = objects(text).filter(|_| is_bundle).ok_or_else(|| wrong(1, "no STIX bundle".to_owned()))?;
    let (mut others, mut line, mut counted) = (0_u64, 1_u64, 0);
    for (start, end) in spans {
        line += text.get(counted..start).map_or(0, |part| part.bytes().filter(|byte| *byte == b'\n').count() as u64);
        counted = start;
        let span = text.get(start..end).unwrap_or_default();
        let is_indicator = serde_json::from_str::<Kind<'_>>(span).is_ok_and(|object| object.kind == "indicator");
        if !is_indicator {
            continue;
        }
        let object: Object<'_> = serde_json::from_str(span)
            .map_err(|error| wrong(line + error.line().saturating_sub(1) as u64, format!("no STIX indicator: {error}")))?;
        if object.revoked {
            continue;
        }
        let values = if object.pattern_type == "stix" { pattern::values(&object.pattern) } else { Vec::new() };
        others += u64::from(values.is_empty());
        let day = entry::day(&object.valid_from).or_else(|| entry::day(&object.created));
        let until = entry::day(&object.valid_until);
        for value in values {
            let note = object.name.as_ref();
            into.value(file, list, &Line { number: line, value: &value, note, day, until, confidence: object.confidence })?;
        }
    }
    into.left_out(file, others, "indicators with other patterns");
    Ok(())
}

/// Where the objects of `objects` stand in a text that is JSON; nothing where that is no array of the outermost object.
fn objects(text: &str) -> Option<Vec<(usize, usize)>> {
    let mut spans = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    let (mut string, mut escaped, mut string_start) = (false, false, 0);
    // The last string of depth 1, and whether the array at hand is the one looked for.
    let (mut key, mut wanted, mut seen) = ("", false, false);
    for (at, byte) in text.bytes().enumerate() {
        if string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    string = false;
                    if depth == 1 {
                        key = text.get(string_start..at).unwrap_or_default();
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => (string, string_start) = (true, at + 1),
            b'{' | b'[' => {
                if depth == 1 && byte == b'[' && key == "objects" {
                    (wanted, seen) = (true, true);
                } else if depth == 2 && wanted {
                    start = at;
                }
                depth += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 2 && wanted && byte == b'}' {
                    spans.push((start, at + 1));
                }
                wanted &= depth > 1;
            }
            b',' if depth == 1 => key = "",
            _ => {}
        }
    }
    seen.then_some(spans)
}
