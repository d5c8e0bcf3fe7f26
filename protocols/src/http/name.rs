//! What a request and a response say of themselves: host, and the name of a file.

use super::head::{Head, text};
use super::transaction::{ContentRange, Request, Response};

/// Bytes of a file's name.
const MAX_NAME: usize = 255;
/// Bytes of a value that is kept.
const MAX_VALUE: usize = 2 * 1024;

/// What is kept of a request.
pub fn request(head: &Head, method: &str, target: &str) -> Request {
    let host = head.text("host", 512).filter(|host| !host.is_empty());
    // The target in absolute form counts, and Host does not (RFC 9112 §3.2.2).
    let authority = authority(target);
    let connect = (method == "CONNECT").then_some(target);
    let authority = authority.or(connect).map(|authority| authority.rsplit('@').next().unwrap_or(authority).to_owned());
    let (name, port) = authority.or(host).as_deref().map(split_port).unwrap_or_default();
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        minor: head.minor(),
        host: Some(name).filter(|name| !name.is_empty()),
        port,
        user_agent: head.text("user-agent", MAX_VALUE),
        referer: head.text("referer", MAX_VALUE),
        forwarded_for: head.text("x-forwarded-for", 256),
        content_type: head.text("content-type", 256),
        body: super::transaction::BodyFacts::default(),
    }
}

/// The authority of a target in absolute form. An address in the path or query of another is none: what stands before `://` must be
/// a scheme (RFC 3986 §3.1).
#[must_use]
pub fn authority(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then(|| rest.split(['/', '?', '#']).next().unwrap_or(rest))
}

/// What is kept of a response.
pub fn response(head: &Head, status: u16) -> Response {
    Response {
        status,
        minor: head.minor(),
        content_type: head.text("content-type", 256).map(|value| media_type(&value)),
        location: head.text("location", MAX_VALUE),
        server: head.text("server", 256),
        range: head.first("content-range").map(ContentRange::parse),
        upgrade: None,
        body: super::transaction::BodyFacts::default(),
    }
}

/// Suricata has the type without its parameters.
fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or(value).trim().to_owned()
}

fn split_port(host: &str) -> (String, Option<u16>) {
    let after_bracket = host.rfind(']').unwrap_or(0);
    match host.rfind(':').filter(|colon| *colon >= after_bracket) {
        Some(colon) => {
            let (name, port) = host.split_at_checked(colon).unwrap_or((host, ""));
            (name.to_ascii_lowercase(), port.get(1..).and_then(|port| port.parse().ok()))
        }
        None => (host.to_ascii_lowercase(), None),
    }
}

/// The name of what a body is: from Content-Disposition (RFC 6266), else the last part of the target's path.
pub fn file(head: &Head, target: Option<&str>) -> Option<String> {
    head.first("content-disposition").and_then(disposition).or_else(|| target_name(target?))
}

/// The last part of a target's path, its escapes undone (RFC 3986 §2.1).
#[must_use]
pub fn target_name(target: &str) -> Option<String> {
    let path = target.split(['?', '#']).next()?;
    let last = path.rsplit('/').next()?;
    let decoded = percent_decoded(last.as_bytes().get(..MAX_NAME * 3).unwrap_or(last.as_bytes()));
    Some(text(&decoded, MAX_NAME)).filter(|name| !name.is_empty())
}

/// The name in a Content-Disposition, folders away.
pub fn disposition(value: &[u8]) -> Option<String> {
    let value = text(value, 2 * 1024);
    let mut plain = None;
    for (name, value) in parameters(&value) {
        match name.to_ascii_lowercase().as_str() {
            // RFC 8187: charset'language'value.
            "filename*" => {
                let encoded = value.splitn(3, '\'').nth(2).unwrap_or(&value);
                return Some(base_name(&text(&percent_decoded(encoded.as_bytes()), MAX_NAME)));
            }
            "filename" => plain = Some(base_name(&value)),
            _ => {}
        }
    }
    plain.filter(|name| !name.is_empty())
}

/// Whether a Content-Disposition names a file, be the name empty.
pub fn names_file(value: &[u8]) -> bool {
    parameters(&text(value, 2 * 1024))
        .iter()
        .any(|(name, _)| matches!(name.to_ascii_lowercase().as_str(), "filename" | "filename*"))
}

/// The parameters behind the first semicolon (RFC 9110 §5.6.6). In quotation marks a semicolon is a letter, and a backslash stands before a
/// quotation mark only: clients write paths with plain ones.
fn parameters(value: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    while !rest.is_empty() {
        let end = rest.find([';', '=']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let Some(behind) = behind.strip_prefix('=') else {
            rest = behind.strip_prefix(';').unwrap_or_default();
            continue;
        };
        let (value, after) = match behind.trim_start().strip_prefix('"') {
            Some(quoted) => quoted_text(quoted),
            None => {
                let (value, after) = behind.split_at_checked(behind.find(';').unwrap_or(behind.len())).unwrap_or((behind, ""));
                (value.trim().to_owned(), after)
            }
        };
        found.push((name.trim(), value));
        rest = after.split_once(';').map_or("", |(_, rest)| rest);
    }
    found
}

/// What stands up to a quotation mark, and what follows.
fn quoted_text(quoted: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' if characters.as_str().starts_with('"') => {
                characters.next();
                value.push('"');
            }
            _ => value.push(character),
        }
    }
    (value, characters.as_str())
}

/// Clients drop folders from a name that a server gives (RFC 6266 §4.3).
fn base_name(name: &str) -> String {
    text(name.rsplit(['/', '\\']).next().unwrap_or(name).as_bytes(), MAX_NAME)
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::{authority, disposition, names_file};

    #[test]
    fn a_name_ends_with_its_quotation_mark_and_with_nothing_in_it() {
        for (value, name) in [
            (r#"attachment; filename="a;b.ps1""#, Some("a;b.ps1")),
            (r#"form-data; name="filename=x"; filename = "c.ps1" ; size=3"#, Some("c.ps1")),
            (r#"attachment; filename="say \"a\".ps1""#, Some(r#"say "a".ps1"#)),
            (r#"attachment; filename="C:\temp\a.ps1""#, Some("a.ps1")),
            ("attachment; filename=../a b.ps1 ;x", Some("a b.ps1")),
            (r#"attachment; filename="plain.txt"; filename*=UTF-8''%e2%82%ac%3b.ps1"#, Some("€;.ps1")),
            (r#"attachment; x="y; filename=no.ps1"; filename="open.ps1"#, Some("open.ps1")),
            ("attachment; filename", None),
            ("inline", None),
            (";;;=;\"", None),
        ] {
            assert_eq!(disposition(value.as_bytes()).as_deref(), name, "{value}");
        }
        assert!(names_file(b"form-data; name=f; FileName=\"\""));
        assert!(!names_file(b"form-data; name=\"; filename=x\""));
    }

    #[test]
    fn an_address_in_a_path_or_query_names_no_host() {
        assert_eq!(authority("http://h.example:8080/a?b"), Some("h.example:8080"));
        assert_eq!(authority("HTTPS://h#x"), Some("h"));
        for target in
            ["/?u=http://temp.sh/a", "/a://b", "/http://temp.sh/", "?x=http://temp.sh", "*", "h.example:443", "://h/", "1a://h/"]
        {
            assert_eq!(authority(target), None, "{target}");
        }
    }
}
