//! Passwords in statements: `CREATE ROLE … PASSWORD '…'`, `password=…` in connection strings.

use std::borrow::Cow;

const KEYWORD: &[u8] = b"password";
const MASK: &str = "***";

/// The statement with what follows the word `password` masked: a quoted literal (also `E'…'`, `$$…$$`), or a bare word
/// behind `=`. Rather too much than too little. Linear in the text.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = find(bytes.get(at..).unwrap_or_default()) {
        at += found + KEYWORD.len();
        if let Some((start, end)) = secret(bytes, at) {
            out.push_str(text.get(copied..start).unwrap_or_default());
            out.push_str(MASK);
            copied = end;
            at = end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(KEYWORD.len()).position(|window| window.eq_ignore_ascii_case(KEYWORD))
}

/// Where the secret behind the keyword begins and ends. Both are places between characters.
fn secret(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let byte = |at: usize| bytes.get(at).copied();
    let blanks = |mut at: usize| {
        while byte(at).is_some_and(|byte| byte.is_ascii_whitespace()) {
            at += 1;
        }
        at
    };
    let mut at = from;
    // The end of a quoted name.
    if byte(at) == Some(b'"') {
        at += 1;
    }
    at = blanks(at);
    let assigned = byte(at) == Some(b'=');
    if assigned {
        at = blanks(at + 1);
    }
    let escapes = matches!(byte(at), Some(b'e' | b'E')) && byte(at + 1) == Some(b'\'');
    if escapes {
        at += 1;
    }
    match byte(at)? {
        b'\'' => {
            // Inside another literal the quotes are doubled.
            let start = at + if byte(at + 1) == Some(b'\'') && byte(at + 2) != Some(b'\'') { 2 } else { 1 };
            Some((start, literal_end(bytes, start, escapes)))
        }
        b'$' => {
            let name = bytes.get(at + 1..)?;
            let tag = name.iter().take(64).position(|&byte| byte == b'$')?;
            if !name.iter().take(tag).all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return None;
            }
            let start = at + tag + 2;
            let delimiter = bytes.get(at..start)?;
            let len = bytes.get(start..)?.windows(delimiter.len()).position(|window| window == delimiter);
            Some((start, len.map_or(bytes.len(), |len| start + len)))
        }
        _ if assigned => {
            let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'\'' | b'"' | b';' | b')');
            let end = bytes.get(at..)?.iter().position(ends).map_or(bytes.len(), |len| at + len);
            (end > at).then_some((at, end))
        }
        _ => None,
    }
}

/// The closing quote; doubled quotes, and with `E'…'` escaped ones, belong to the literal.
fn literal_end(bytes: &[u8], start: usize, escapes: bool) -> usize {
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if escapes => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at,
            _ => at += 1,
        }
    }
    // Behind an escape at the end the place may lie beyond the text.
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn what_follows_the_word_is_masked() {
        for (text, expected) in [
            ("ALTER ROLE a PASSWORD 'b''c' VALID UNTIL 'x'", "ALTER ROLE a PASSWORD '***' VALID UNTIL 'x'"),
            ("create user a with encrypted password E'b\\'c'", "create user a with encrypted password E'***'"),
            ("ALTER ROLE a PASSWORD $q$b$q$;", "ALTER ROLE a PASSWORD $q$***$q$;"),
            ("SELECT dblink('host=h password=secret user=u')", "SELECT dblink('host=h password=*** user=u')"),
            ("UPDATE c SET \"password\" = 'p' WHERE 1=1", "UPDATE c SET \"password\" = '***' WHERE 1=1"),
            ("ALTER ROLE a PASSWORD 'é", "ALTER ROLE a PASSWORD '***"),
            ("ALTER ROLE a PASSWORD E'\\é", "ALTER ROLE a PASSWORD E'***"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn other_statements_stay() {
        for text in [
            "SELECT user_name, password, description FROM credentials",
            "UPDATE c SET password = $1 WHERE name = $2",
            "ALTER ROLE x PASSWORD NULL",
            "password",
            "",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
