//! Secrets in texts that are shown as evidence: what follows a password's name is left out.
//!
//! Evidence is read by many; a password in it would be a leak of our own. Known limits: a secret that nothing names
//! (`net user x SECRET /add`) is not recognised.

use std::borrow::Cow;

use crate::sql::redact;

/// Names behind which a secret stands, in lower case. The last ones need a sign of assignment, being ordinary words too.
const NAMES: [&str; 10] =
    ["password", "passwd", "passphrase", "passcode", "pwd", "secret", "apikey", "privatekey", "accesstoken", "pass"];
/// Procedures whose arguments hold secrets by their place.
const PROCEDURES: [&str; 4] = ["sp_addl", "sp_addapprole", "sp_setapprole", "sp_password"];
/// What stands in place of a secret.
const MASK: &str = "***";
/// Blanks and quotes between a name and its secret at most.
const MAX_BETWEEN: usize = 256;

/// The text with secrets left out, and whether there were any: those that a name assigns, those that SQL places
/// (`sp_addlogin 'bob', '…'`), and those of `-u user:…`. Linear in the text.
#[must_use]
pub fn mask(text: &str) -> (String, bool) {
    let (named, by_name) = mask_named(text);
    let placed = if PROCEDURES.iter().any(|name| contains(&named, name)) { redact(&named) } else { Cow::Borrowed(&*named) };
    let (out, by_option) = mask_option(&placed);
    (out, by_name || by_option || *placed != *named)
}

/// Whether a text has a word in it, whatever the case.
fn contains(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// `-u user:secret`, `--user user:secret` and `--proxy-user`: what stands behind the colon, up to a blank or quote.
fn mask_option(text: &str) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut masked = false;
    let mut option = false;
    for piece in text.split_inclusive([' ', '\t', '\'', '"']) {
        let word = piece.trim_end_matches([' ', '\t', '\'', '"']);
        let stripped = word.strip_prefix("-u").filter(|rest| !rest.is_empty() && !rest.starts_with('-'));
        let value = if option { Some(word) } else { stripped };
        match value.and_then(|value| value.split_once(':')).filter(|(user, secret)| !user.is_empty() && !secret.is_empty()) {
            // An address is no password.
            Some((_, secret)) if !secret.starts_with("//") => {
                out.push_str(word.get(..word.len() - secret.len()).unwrap_or_default());
                out.push_str(MASK);
                out.push_str(piece.get(word.len()..).unwrap_or_default());
                masked = true;
            }
            _ => out.push_str(piece),
        }
        // A quote may stand between the option and its value.
        option = matches!(word, "-u" | "-U" | "--user" | "--proxy-user") || (option && word.is_empty());
    }
    (out, masked)
}

fn mask_named(text: &str) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut masked = false;
    while let Some(at) = next_name(rest) {
        let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        rest = behind;
        if let Some((from, to)) = secret(behind) {
            out.push_str(behind.get(..from).unwrap_or_default());
            out.push_str(MASK);
            rest = behind.get(to..).unwrap_or_default();
            masked = true;
        }
    }
    out.push_str(rest);
    (out, masked)
}

/// Where the first name of a secret ends.
fn next_name(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find_map(|at| {
        let here = bytes.get(at..)?;
        // Only the first letters of names are looked at closer.
        if !matches!(here.first()?.to_ascii_lowercase(), b'p' | b's' | b'a') {
            return None;
        }
        NAMES.iter().find_map(|name| {
            let fits = here.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes()));
            fits.then_some(at + name.len())
        })
    })
}

/// Behind a name: where its secret begins and ends.
fn secret(behind: &str) -> Option<(usize, usize)> {
    let bytes = behind.as_bytes();
    let mut at = 0;
    let mut assigned = false;
    let mut quote = None;
    while let Some(&byte) = bytes.get(at).filter(|_| at < MAX_BETWEEN) {
        match byte {
            _ if byte.is_ascii_whitespace() => {}
            // A comment of SQL counts as a blank.
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let rest = bytes.get(at + 2..).unwrap_or_default();
                let Some(end) = rest.windows(2).take(MAX_BETWEEN).position(|pair| pair == b"*/") else { break };
                at += end + 3;
            }
            b'=' | b':' => assigned = true,
            // The prefix of a wide literal, and quotes that close the name itself (JSON, attributes).
            b'N' | b'n' if bytes.get(at + 1) == Some(&b'\'') => {}
            b'\'' | b'"' if !assigned && matches!(bytes.get(at + 1), Some(b':' | b'=')) => {}
            b'\'' | b'"' => {
                quote = Some(byte);
                at += 1;
                break;
            }
            _ => break,
        }
        at += 1;
    }
    // `-Password x` and `PASSWORD 'x'` assign without a sign; "password expired" assigns nothing.
    if !assigned && quote.is_none() {
        return None;
    }
    let tail = bytes.get(at..)?;
    let len = match quote {
        Some(quote) => closing(tail, quote),
        None => tail.iter().position(|byte| b" \t\r\n;,&'\"<>)|".contains(byte)).unwrap_or(tail.len()),
    };
    (len > 0).then_some((at, at + len))
}

/// A doubled quote is part of the secret.
fn closing(tail: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while let Some(&byte) = tail.get(at) {
        if byte == quote {
            if tail.get(at + 1) != Some(&quote) {
                return at;
            }
            at += 1;
        }
        at += 1;
    }
    tail.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_assigns_is_left_out() {
        for (text, expected) in [
            ("PASSWORD            = 'hunter2'", "PASSWORD            = '***'"),
            ("@rmtpassword\r\n=\r\nN'hunter2'", "@rmtpassword\r\n=\r\nN'***'"),
            ("PASSWORD = /* x */ 'hunter2'", "PASSWORD = /* x */ '***'"),
            ("PASSWORD=0x68756e HASHED", "PASSWORD=*** HASHED"),
            ("/pass:hunter2 /f", "/pass:*** /f"),
            (
                "CREATE LOGIN x WITH PASSWORD = N'hun''ter2', CHECK_POLICY=OFF",
                "CREATE LOGIN x WITH PASSWORD = N'***', CHECK_POLICY=OFF",
            ),
            ("Server=a;Pwd=hunter2;Uid=b", "Server=a;Pwd=***;Uid=b"),
            ("{\"password\":\"hunter2\"}", "{\"password\":\"***\"}"),
            ("ALTER USER u PASSWORD 'hunter2'", "ALTER USER u PASSWORD '***'"),
            ("SECRET='x", "SECRET='***"),
            ("EXEC sp_addlogin 'bob','hunter2'", "EXEC sp_addlogin 'bob','***'"),
            ("curl -u bob:hunter2 http://a/", "curl -u bob:*** http://a/"),
            ("curl --user \"bob:hunter2\" x", "curl --user \"bob:***\" x"),
            ("'curl -ubob:hunter2'", "'curl -ubob:***'"),
            ("password=a password=b", "password=*** password=***"),
        ] {
            assert_eq!(mask(text), (expected.to_owned(), true));
        }
    }

    #[test]
    fn ordinary_texts_stay_as_they_are() {
        for text in [
            "SELECT password FROM t",
            "the password expired",
            "",
            "pwd",
            "secretary = 1",
            "p",
            "password=''",
            "-u http://a/",
            "ls -u a",
            "net -user: x",
        ] {
            assert_eq!(mask(text), (text.to_owned(), false), "{text}");
        }
    }

    #[test]
    fn long_texts_take_linear_time() {
        let started = backstop_testkit::Stopwatch::start();
        for text in ["password".repeat(100_000), "password='".repeat(80_000), "pppp".repeat(200_000), "pwd=".repeat(200_000)] {
            drop(mask(&text));
        }
        assert!(started.elapsed().as_secs() < 10);
    }
}
