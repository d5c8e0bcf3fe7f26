//! 9401013: a login to the Enterprise Manager with a token of somebody else's (CVE-2024-29849).
//!
//! ```text
//! POST /api/sessionMngr/  <LoginSpec><VMwareSSOToken>base64 of <saml2:Assertion><saml2:Issuer>https://STS/…
//! ```

use backstop_protocols::Limits;
use backstop_protocols::soap::{Element, xml};
use backstop_types::Fields;

use super::objects::host;
use crate::content::{base64, text};
use crate::finding::Stage;
use crate::mitre::T1190;
use crate::names::is_listed;
use crate::veeam::evidence::shown;
use crate::{Meta, RemotingConfig};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_013,
    rev: 1,
    title: "BACKSTOP Veeam Enterprise Manager authentication bypass",
    category: "Attempted Administrator Privilege Gain",
    severity: 1,
    mitre: &[T1190],
    cve: &["CVE_2024_29849"],
    stage: Stage::Exploit,
    help: "A POST to /api/sessionMngr/ carries a VMware SSO token whose issuer is not in detect_remoting.sso_issuers: a manager without \
           the patch asks the service that the token names whether it is valid. Where the list is empty each such token is told, with \
           confidence low. Seen in the clear, or inside TLS with keys. Silent: logins with a name, tokens of listed issuers.",
};

/// The element or member that holds the token.
const TOKEN: &str = "VMwareSSOToken";
/// Elements looked at on the way to it and inside it.
const MAX_DEPTH: usize = 32;
/// Tokens and issuers of one request.
const MAX_TOKENS: usize = 8;
/// Bytes of one shown.
const MAX_SHOWN: usize = 512;

/// Bytes of a path that are read: servers take no longer one (`UrlSegmentMaxLength`, `MaxFieldLength` of http.sys).
const MAX_PATH: usize = 16 << 10;

/// Whether a target is that of the session manager, however it is written.
pub fn is_login(method: &str, target: &str) -> bool {
    method.eq_ignore_ascii_case("POST") && {
        let path = plain_path(crate::http::path(target));
        path.strip_prefix("/api/sessionmngr").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A path as servers read it: in small letters, octets and backslashes undone, without empty segments and dots (RFC 3986 5.2.4).
pub(super) fn plain_path(path: &str) -> String {
    let plain = undone(path.get(..path.floor_char_boundary(MAX_PATH)).unwrap_or(path)).to_ascii_lowercase();
    let mut out = String::new();
    for segment in plain.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment {
            b"" | b"." => {}
            b".." => out.truncate(out.rfind('/').unwrap_or(0)),
            _ => {
                out.push('/');
                out.push_str(&String::from_utf8_lossy(segment));
            }
        }
    }
    out
}

/// Octets written as `%xx` (RFC 3986 2.1).
fn undone(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'%' {
            let digits = [bytes.next().unwrap_or_default(), bytes.next().unwrap_or_default()];
            std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(b'%')
        } else {
            byte
        });
    }
    plain
}

/// What a token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// Issuers named in it.
    pub issuers: Vec<String>,
    /// Whom it speaks for.
    pub subjects: Vec<String>,
}

/// The tokens of a body, XML, JSON or a form; those that can be read.
pub fn tokens(body: &[u8]) -> Vec<Token> {
    let body = text(body).map_or_else(|| String::from_utf8_lossy(body).into_owned(), |(text, _)| text);
    let mut found = Vec::new();
    let trimmed = body.trim_start();
    if trimmed.starts_with('<') {
        if let Ok(tree) = xml::parse_wanted(trimmed, &limits(trimmed), WANTED) {
            each(&tree.root, MAX_DEPTH, &mut |element| {
                if element.name.eq_ignore_ascii_case(TOKEN) && found.len() < MAX_TOKENS {
                    let mut token = Token::default();
                    // As base64, or the assertion itself.
                    read_tree(element, &mut token);
                    read_text(&element.text(), &mut token);
                    found.push(token);
                }
            });
        }
    } else {
        for value in json_values(&body).into_iter().chain(form_values(&body)).take(MAX_TOKENS) {
            let mut token = Token::default();
            read_text(&value, &mut token);
            found.push(token);
        }
    }
    found.retain(|token| !token.issuers.is_empty());
    found
}

/// The root, the token in it, and all that the token holds.
const WANTED: xml::Wanted = xml::Wanted {
    element: |around, name| {
        let is_token = |name: &str| name.eq_ignore_ascii_case(TOKEN);
        around.is_empty() || is_token(name) || around.iter().any(|element| is_token(&element.name))
    },
    attribute: |_| true,
};

/// In proportion to the text: padding, in front of the token or inside it, takes no room from what is looked for.
fn limits(text: &str) -> Limits {
    /// Bytes that a node takes at least: an element takes four, a text behind it one.
    const BYTES_PER_NODE: usize = 2;
    let usual = Limits::default();
    let max_nodes = usual.max_nodes.max(text.len() / BYTES_PER_NODE);
    Limits { max_message: text.len(), max_text: text.len(), max_nodes, ..usual }
}

fn each(element: &Element, depth: usize, see: &mut dyn FnMut(&Element)) {
    see(element);
    if depth > 0 {
        element.elements().for_each(|child| each(child, depth - 1, see));
    }
}

fn read_text(value: &str, token: &mut Token) {
    let value = value.trim();
    let decoded = base64(&value.replace('-', "+").replace('_', "/"));
    let decoded =
        decoded.map(|bytes| text(&bytes).map_or_else(|| String::from_utf8_lossy(&bytes).into_owned(), |(text, _)| text));
    for xml in [decoded.as_deref(), Some(value)].into_iter().flatten() {
        let xml = xml.trim_start_matches('\u{feff}').trim_start();
        if xml.starts_with('<')
            && let Ok(tree) = xml::parse(xml, &limits(xml))
        {
            read_tree(&tree.root, token);
        }
    }
}

/// SAML 2.0 core 2.2.5, 2.2.3; in SAML 1.1 the issuer is an attribute.
fn read_tree(root: &Element, token: &mut Token) {
    let add = |list: &mut Vec<String>, value: &str| {
        let value = value.trim();
        if !value.is_empty() && list.len() < MAX_TOKENS && !list.iter().any(|known| known == value) {
            list.push(value.chars().take(MAX_SHOWN * 2).collect());
        }
    };
    each(root, MAX_DEPTH, &mut |element| match element.name.as_str() {
        "Issuer" => add(&mut token.issuers, &element.text()),
        "Assertion" => {
            if let Some(issuer) = element.attribute("Issuer") {
                add(&mut token.issuers, issuer);
            }
        }
        "NameID" | "NameIdentifier" => add(&mut token.subjects, &element.text()),
        _ => {}
    });
}

/// The values of the field, of a model or of itself: `spec.VMwareSSOToken=…`.
fn form_values(body: &str) -> impl Iterator<Item = String> {
    body.trim().split('&').filter_map(|field| {
        let (name, value) = field.split_once('=')?;
        let name = undone(name).to_ascii_lowercase();
        let last = name.rsplit(|byte| matches!(byte, b'.' | b'[')).next()?.trim_ascii();
        let last = last.strip_suffix(b"]").unwrap_or(last);
        last.eq_ignore_ascii_case(TOKEN.as_bytes()).then(|| String::from_utf8_lossy(&undone(value)).into_owned())
    })
}

/// The values of the member, wherever it stands. Names and texts are taken as lenient readers take them: in either quotation marks, names
/// without any, comments passed over.
fn json_values(body: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = body;
    while let Some((name, behind)) = json_word(rest) {
        rest = behind;
        if !name.eq_ignore_ascii_case(TOKEN) {
            continue;
        }
        let value = blanks(behind).strip_prefix(':').map(blanks);
        let value = value.and_then(|value| Some((value.strip_prefix(['"', '\''])?, value.chars().next()?)));
        if let Some((value, behind)) = value.and_then(|(value, mark)| json_text(value, mark)) {
            rest = behind;
            found.push(value);
        }
    }
    found
}

/// The next text or name, and what follows.
fn json_word(text: &str) -> Option<(String, &str)> {
    let is_name = |sign: char| sign.is_alphanumeric() || matches!(sign, '_' | '$');
    let mut rest = text;
    loop {
        rest = blanks(rest);
        let first = rest.chars().next()?;
        let inside = rest.get(first.len_utf8()..)?;
        if matches!(first, '"' | '\'') {
            return json_text(inside, first);
        }
        if is_name(first) {
            let (name, behind) = rest.split_at_checked(rest.find(|sign| !is_name(sign)).unwrap_or(rest.len()))?;
            return Some((name.to_owned(), behind));
        }
        rest = inside;
    }
}

/// Behind white space and comments.
fn blanks(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let inside = rest.strip_prefix("/*").map(|inside| inside.split_once("*/").map_or("", |(_, behind)| behind));
        let line = || rest.strip_prefix("//").map(|inside| inside.split_once(['\n', '\r']).map_or("", |(_, behind)| behind));
        match inside.or_else(line) {
            Some(behind) => rest = behind.trim_start(),
            None => return rest,
        }
    }
}

/// A text up to its quotation mark (RFC 8259 §7), and what follows.
fn json_text(text: &str, mark: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            sign if sign == mark => return Some((value, characters.as_str())),
            '\\' => match characters.next()? {
                'n' | 'r' | 't' => value.push(' '),
                'u' => {
                    let digits = characters.as_str().get(..4)?;
                    characters = characters.as_str().get(4..)?.chars();
                    value.push(
                        u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER),
                    );
                }
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

/// The issuers of tokens that are not in the list.
pub fn foreign(tokens: &[Token], config: &RemotingConfig) -> Vec<String> {
    let listed = |issuer: &str| {
        config.sso_issuers.iter().any(|known| known.eq_ignore_ascii_case(issuer))
            || host(issuer).is_some_and(|host| is_listed(host, &config.sso_issuers))
    };
    let mut foreign: Vec<String> = Vec::new();
    for issuer in tokens.iter().flat_map(|token| &token.issuers) {
        if !listed(issuer) && !foreign.contains(issuer) {
            foreign.push(issuer.clone());
        }
    }
    foreign
}

/// The object `veeam_manager`.
pub fn evidence(tokens: &[Token], foreign: &[String]) -> Fields {
    let list = |values: &[String]| values.iter().map(|value| shown(value, MAX_SHOWN)).collect::<Vec<_>>();
    let mut fields = Fields::new().with("issuers", list(foreign));
    let services: Vec<String> = foreign.iter().filter_map(|issuer| host(issuer)).map(|host| shown(host, MAX_SHOWN)).collect();
    if !services.is_empty() {
        fields.set("token_services", services);
    }
    let subjects: Vec<String> = tokens.iter().flat_map(|token| token.subjects.iter().cloned()).take(MAX_TOKENS).collect();
    if !subjects.is_empty() {
        fields.set("subjects", list(&subjects));
    }
    fields
}
