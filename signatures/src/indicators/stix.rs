//! STIX 2.1 bundles (OASIS): `indicator` objects whose pattern compares one value, or several joined by `OR` (§9).
//!
//! Known limits: patterns that want several things at once (`AND`, `FOLLOWEDBY`) are left out and counted; `valid_until` is not
//! looked at, age is.

use serde_json::Value as Json;

use super::ListError;
use super::entry;
use super::table::{Line, Loader};

/// Comparisons of one pattern.
const MAX_COMPARISONS: usize = 10_000;
/// Objects whose values are read, by the beginning of their path.
const PATHS: [&str; 7] =
    ["ipv4-addr:value", "ipv6-addr:value", "domain-name:value", "url:value", "file:hashes", "artifact:hashes", "hostname:value"];

/// Reads a bundle.
pub fn read(into: &mut Loader, file: &str, list: u16, text: &str) -> Result<(), ListError> {
    let wrong = |line: u64, what: String| ListError { file: file.to_owned(), line, what };
    let bundle: Json = serde_json::from_str(text).map_err(|error| wrong(error.line() as u64, format!("no JSON: {error}")))?;
    let objects = bundle.get("objects").and_then(Json::as_array);
    let objects = objects.filter(|_| bundle.get("type").and_then(Json::as_str) == Some("bundle"));
    let objects = objects.ok_or_else(|| wrong(1, "no STIX bundle".to_owned()))?;
    let mut others = 0_u64;
    for (number, object) in objects.iter().enumerate() {
        let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or_default();
        let revoked = object.get("revoked").and_then(Json::as_bool) == Some(true);
        if text("type") != "indicator" || revoked {
            continue;
        }
        let values = if text("pattern_type") == "stix" { comparisons(text("pattern")) } else { None };
        let Some(values) = values.filter(|values| !values.is_empty()) else {
            others += 1;
            continue;
        };
        let day = entry::day(text("valid_from")).or_else(|| entry::day(text("created")));
        for value in values {
            into.value(file, list, &Line { number: number as u64 + 1, value: &value, note: text("name"), day })?;
        }
    }
    if others > 0 {
        into.warn(file, 1, &format!("{others} indicators with other patterns were left out"));
    }
    Ok(())
}

/// The values that a pattern compares with; nothing where it wants more than one of them.
fn comparisons(pattern: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let mut rest = pattern;
    let mut expects = true;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '(' | ')'));
        if rest.is_empty() {
            return Some(values);
        }
        if !expects {
            rest = rest.strip_prefix("OR").filter(|rest| rest.starts_with([' ', '[', '(', '\t', '\n']))?;
            expects = true;
            continue;
        }
        let (path, after) = rest.split_once('=')?;
        let path = path.trim();
        let mut quoted = after.trim_start().strip_prefix('\'')?.chars();
        let mut value = String::new();
        loop {
            match quoted.next()? {
                '\'' => break,
                '\\' => value.push(quoted.next()?),
                other => value.push(other),
            }
        }
        rest = quoted.as_str();
        if !PATHS.iter().any(|known| path.starts_with(known)) || values.len() >= MAX_COMPARISONS {
            return None;
        }
        values.push(value);
        expects = false;
    }
}
