//! Patterns of STIX 2.1 (§9), as far as a sensor can decide them on one value: comparisons with `=`, `IN` and `ISSUBSET` on
//! addresses, host names, URLs and sums of files.
//!
//! One value must be enough: disjunctions (`OR`) give each of theirs, whatever else is among them. Of a conjunction (`AND`) sums of
//! files are taken when all of it is about one file, since a sum names the file. Everything else (`FOLLOWEDBY`, qualifiers of time,
//! `NOT`, conjunctions of other things) gives nothing.

use std::iter::Peekable;
use std::vec::IntoIter;

/// Comparisons of one pattern.
const MAX_COMPARISONS: usize = 10_000;

/// Properties that are read, in whole.
const VALUES: [&str; 7] = [
    "ipv4-addr:value",
    "ipv6-addr:value",
    "domain-name:value",
    "hostname:value",
    "url:value",
    "network-traffic:dst_ref.value",
    "network-traffic:src_ref.value",
];
/// Objects with sums.
const HASHES: [&str; 2] = ["file:hashes.", "artifact:hashes."];
/// Sums that files are compared by, without quotes and hyphens.
const ALGORITHMS: [&str; 3] = ["md5", "sha1", "sha256"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// `[`: an observation begins.
    Open,
    /// `]`: it ends.
    Close,
    /// `(` and `)`.
    Group,
    Comma,
    /// A text in quotes, without them.
    Text(String),
    /// `=` and other signs.
    Sign(&'a str),
    /// A path, a keyword or a number.
    Word(&'a str),
}

/// What a pattern wants of a property.
enum Property {
    Value,
    Sum,
    /// Another one of a file.
    OfFile,
    Other,
}

/// The values of which each is enough; none where there are none.
pub fn values(pattern: &str) -> Vec<String> {
    read(pattern).unwrap_or_default()
}

fn read(pattern: &str) -> Option<Vec<String>> {
    let mut tokens = tokens(pattern)?.into_iter().peekable();
    let (mut found, mut sums) = (Vec::new(), Vec::new());
    let (mut inside, mut conjunction, mut only_files) = (false, false, true);
    let mut comparisons = 0;
    while let Some(token) = tokens.next() {
        match token {
            Token::Open if !inside => inside = true,
            Token::Close if inside => inside = false,
            Token::Group | Token::Word("OR") => {}
            Token::Word("AND") if inside => conjunction = true,
            Token::Word(path) if inside && path.contains(':') => {
                comparisons += 1;
                if comparisons > MAX_COMPARISONS {
                    return None;
                }
                let compared = compared(&mut tokens)?;
                let property = property(path);
                only_files &= matches!(property, Property::Sum | Property::OfFile);
                match property {
                    Property::Value => found.extend(compared),
                    Property::Sum => sums.extend(compared),
                    Property::OfFile | Property::Other => {}
                }
            }
            _ => return None,
        }
    }
    if inside || (conjunction && !only_files) {
        return None;
    }
    found.extend(sums);
    Some(found)
}

/// What a property is compared with; no value where another relation than "is one of" is asked for.
fn compared(tokens: &mut Peekable<IntoIter<Token<'_>>>) -> Option<Vec<String>> {
    let negated = tokens.next_if_eq(&Token::Word("NOT")).is_some();
    let relation = match tokens.next()? {
        Token::Sign(sign) => sign == "=" || sign == "==",
        Token::Word(word) => matches!(word, "IN" | "ISSUBSET"),
        _ => return None,
    };
    let is_set = tokens.next_if_eq(&Token::Group).is_some();
    let mut values = Vec::new();
    loop {
        match tokens.next()? {
            Token::Text(text) => values.push(text),
            // Numbers, times (`t'…'`), binary literals: nothing that is compared here.
            Token::Word(_) => {
                tokens.next_if(|token| matches!(token, Token::Text(_)));
            }
            _ => return None,
        }
        if !is_set {
            break;
        }
        match tokens.next()? {
            Token::Comma => {}
            Token::Group => break,
            _ => return None,
        }
    }
    if negated || !relation || values.len() > MAX_COMPARISONS {
        values.clear();
    }
    Some(values)
}

fn property(path: &str) -> Property {
    if VALUES.contains(&path) {
        return Property::Value;
    }
    if let Some(algorithm) = HASHES.iter().find_map(|object| path.strip_prefix(object)) {
        let algorithm: String = algorithm.chars().filter(char::is_ascii_alphanumeric).collect();
        return if ALGORITHMS.contains(&algorithm.to_ascii_lowercase().as_str()) { Property::Sum } else { Property::OfFile };
    }
    if path.starts_with("file:") || path.starts_with("artifact:") { Property::OfFile } else { Property::Other }
}

fn tokens(pattern: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = pattern.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '[' => (Token::Open, rest.get(1..)?),
            ']' => (Token::Close, rest.get(1..)?),
            '(' | ')' => (Token::Group, rest.get(1..)?),
            ',' => (Token::Comma, rest.get(1..)?),
            '\'' => text(rest.get(1..)?)?,
            '=' | '!' | '<' | '>' => {
                let (sign, after) = rest.split_at(rest.find(|c| !matches!(c, '=' | '!' | '<' | '>')).unwrap_or(rest.len()));
                (Token::Sign(sign), after)
            }
            _ => {
                let (word, after) = rest.split_at_checked(word(rest)).filter(|(word, _)| !word.is_empty())?;
                (Token::Word(word), after)
            }
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Some(tokens)
}

/// A text up to its quote, and what follows.
fn text(rest: &str) -> Option<(Token<'_>, &str)> {
    let mut characters = rest.chars();
    let mut text = String::new();
    loop {
        match characters.next()? {
            '\'' => return Some((Token::Text(text), characters.as_str())),
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
}

/// Bytes of a word. A path may have keys in quotes and indices: `file:hashes.'SHA-256'`, `file:extensions.'x'.y[*].z`.
fn word(rest: &str) -> usize {
    let mut closing = None;
    let mut before = '\0';
    for (at, character) in rest.char_indices() {
        match closing {
            Some(wanted) if character == wanted => closing = None,
            Some(_) => {}
            None if matches!(character, '\'' | '"') && before == '.' => closing = Some(character),
            None if character == '[' && at > 0 => closing = Some(']'),
            None if character.is_whitespace() || matches!(character, '\'' | ']' | '(' | ')' | ',' | '=' | '!' | '<' | '>') => {
                return at;
            }
            None => {}
        }
        before = character;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_of_a_disjunction_is_enough() {
        for (pattern, expected) in [
            ("[ipv4-addr:value = '198.51.100.7']", vec!["198.51.100.7"]),
            ("[ ipv4-addr:value='a' OR (domain-name:value = 'b') ] OR [url:value = 'c']", vec!["a", "b", "c"]),
            ("[ipv4-addr:value IN ('a', 'b')]", vec!["a", "b"]),
            ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", vec!["198.51.100.0/24"]),
            ("[file:hashes.'SHA-256' = 'x' OR file:hashes.MD5 = 'y' OR file:hashes.\"SHA-1\" = 'z']", vec!["x", "y", "z"]),
            ("[network-traffic:dst_ref.value = 'a']", vec!["a"]),
            ("[domain-name:value = 'it\\'s']", vec!["it's"]),
            ("[domain-name:value LIKE '%.example' OR domain-name:value = 'b']", vec!["b"]),
            ("[file:hashes.SSDEEP = 'x' OR file:hashes.SHA1 = 'y']", vec!["y"]),
            // All of one file.
            ("[file:hashes.MD5 = 'a' AND file:hashes.'SHA-1' = 'b']", vec!["a", "b"]),
            ("[file:name = 'x.exe' AND file:size = 12 AND file:hashes.MD5 = 'a']", vec!["a"]),
        ] {
            assert_eq!(values(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn what_one_value_does_not_decide_gives_none() {
        for pattern in [
            "[ipv4-addr:value != '198.51.100.7']",
            "[ipv4-addr:value NOT = '198.51.100.7']",
            "[ipv4-addr:value NOT IN ('a','b')]",
            "[ipv4-addr:value > 'a']",
            "[ipv4-addr:value = 'a' AND domain-name:value = 'b']",
            "[ipv4-addr:value = 'a' AND network-traffic:dst_port = 443]",
            "[ipv4-addr:value = 'a'] AND [domain-name:value = 'b']",
            "[file:hashes.MD5 = 'a'] FOLLOWEDBY [file:hashes.MD5 = 'b']",
            "[ipv4-addr:value = 'a'] WITHIN 5 SECONDS",
            "[ipv4-addr:value = 'a'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'",
            "[domain-name:value MATCHES '^a']",
            "[EXISTS domain-name:value]",
            "[email-addr:value = 'a@b.example']",
            "[ipv4-addr:value = 'a'",
            "[ipv4-addr:value = 'a",
            "ipv4-addr:value = 'a'",
            "[ipv4-addr:values = 'a']",
            "",
            "[]",
            "[[",
            "=",
        ] {
            assert_eq!(values(pattern), [""; 0], "{pattern}");
        }
    }
}
