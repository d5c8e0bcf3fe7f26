//! Secrets in statements: `CREATE LOGIN … WITH PASSWORD = '…'`, `password=…` in connection strings, arguments of the system
//! procedures that take passwords.

use std::borrow::Cow;

use super::literals::closing;

/// Words behind which a secret stands. As a part of a longer name they count, too (`@rmtpassword`, `new_passwd`).
const NAMES: [&[u8]; 5] = [b"password", b"passwd", b"pwd", b"secret", b"passphrase"];
/// System procedures of SQL Server that take a secret, and which of their arguments it is, from 0.
const PROCEDURES: [(&[u8], usize); 5] = [
    (b"sp_addlogin", 1),
    (b"sp_addlinkedsrvlogin", 4),
    (b"sp_addapprole", 1),
    (b"sp_setapprole", 1),
    // The old and the new one.
    (b"sp_password", 0),
];
/// Arguments of those procedures that are looked at.
const MAX_ARGUMENTS: usize = 8;
const MASK: &str = "***";

/// Whether a name, of a parameter for example, says that its value is a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.as_bytes();
    NAMES.iter().any(|secret| name.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(secret)))
}

/// The statement without secrets: what follows a name like `password` is masked where it is a literal (`'…'`, `N'…'`, `E'…'`,
/// `$$…$$`), or anything behind `=`. Rather too much than too little. Linear in the text.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some((behind, argument)) = find(bytes, at) {
        at = behind;
        let (secrets, end) = match argument {
            None => secret(bytes, at).map_or((Vec::new(), at), |(start, end)| (vec![(start, end)], end)),
            Some(argument) => arguments(bytes, at, argument),
        };
        for (start, end) in secrets {
            out.push_str(text.get(copied..start).unwrap_or_default());
            out.push_str(MASK);
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// The next name from `from` on: where it ends, and with a procedure the argument that is a secret.
fn find(bytes: &[u8], from: usize) -> Option<(usize, Option<usize>)> {
    let starts = |at: usize, word: &[u8]| bytes.get(at..at + word.len()).is_some_and(|here| here.eq_ignore_ascii_case(word));
    (from..bytes.len()).find_map(|at| {
        // Only these letters begin one.
        match bytes.get(at)? {
            b'p' | b'P' => {}
            b's' | b'S' => {
                let found = PROCEDURES.iter().find(|(name, _)| starts(at, name));
                if let Some((name, argument)) = found {
                    return Some((at + name.len(), Some(*argument)));
                }
            }
            _ => return None,
        }
        NAMES.iter().find(|name| starts(at, name)).map(|name| (at + name.len(), None))
    })
}

fn blanks(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// A quoted literal, with or without a prefix: where its inside begins and ends.
fn literal(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let byte = |at: usize| bytes.get(at).copied();
    let escapes = matches!(byte(at), Some(b'e' | b'E'));
    if matches!(byte(at), Some(b'e' | b'E' | b'n' | b'N')) && byte(at + 1) == Some(b'\'') {
        at += 1;
    }
    let quote = byte(at).filter(|&byte| matches!(byte, b'\'' | b'"'))?;
    // Inside another literal the quotes are doubled.
    let start = at + if byte(at + 1) == Some(quote) && byte(at + 2) != Some(quote) { 2 } else { 1 };
    Some((start, closing(bytes, start, quote, escapes).0))
}

/// Where the secret behind a name begins and ends. Both are places between characters.
fn secret(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let byte = |at: usize| bytes.get(at).copied();
    let mut at = from;
    // The end of a quoted name.
    if matches!(byte(at), Some(b'"' | b']')) {
        at += 1;
    }
    at = blanks(bytes, at);
    let assigned = byte(at) == Some(b'=');
    if assigned {
        at = blanks(bytes, at + 1);
    } else if byte(at) == Some(b'"') {
        // A name, as no text in double quotes stands behind the bare word.
        return None;
    }
    if let Some(found) = literal(bytes, at) {
        return Some(found);
    }
    match byte(at)? {
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
        // A parameter or variable is no secret.
        b'@' => None,
        _ if assigned => {
            let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'\'' | b'"' | b';' | b')' | b',');
            let end = bytes.get(at..)?.iter().position(ends).map_or(bytes.len(), |len| at + len);
            (end > at).then_some((at, end))
        }
        _ => None,
    }
}

/// The literals among the arguments of a procedure, from the `first`th on or behind a name of a secret, and where they end.
fn arguments(bytes: &[u8], from: usize, first: usize) -> (Vec<(usize, usize)>, usize) {
    let byte = |at: usize| bytes.get(at).copied();
    let mut found = Vec::new();
    let mut at = from;
    // The end of a quoted name.
    if matches!(byte(at), Some(b'"' | b']')) {
        at += 1;
    }
    for number in 0..MAX_ARGUMENTS {
        at = blanks(bytes, at);
        let name = bytes.get(at..).unwrap_or_default();
        let len =
            name.iter().take_while(|byte| matches!(byte, b'@' | b'_' | b'$' | b'#') || byte.is_ascii_alphanumeric()).count();
        let mut wanted = number >= first;
        let behind = blanks(bytes, at + len);
        if byte(at) == Some(b'@') && byte(behind) == Some(b'=') {
            let name = String::from_utf8_lossy(name.get(..len).unwrap_or_default());
            wanted = is_secret_name(&name) || matches!(name.to_ascii_lowercase().as_str(), "@old" | "@new");
            at = blanks(bytes, behind + 1);
        }
        match literal(bytes, at) {
            Some((start, end)) => {
                if wanted {
                    found.push((start, end));
                }
                at = (end + 1).min(bytes.len());
            }
            None => at = behind.max(at),
        }
        at = blanks(bytes, at);
        if byte(at) != Some(b',') {
            break;
        }
        at += 1;
    }
    (found, at)
}

#[cfg(test)]
mod tests {
    use super::{is_secret_name, redact};

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
            (
                "CREATE LOGIN b WITH PASSWORD = N'x''y', CHECK_POLICY=OFF",
                "CREATE LOGIN b WITH PASSWORD = N'***', CHECK_POLICY=OFF",
            ),
            ("CREATE LOGIN b WITH PASSWORD=0x0200AB HASHED", "CREATE LOGIN b WITH PASSWORD=*** HASHED"),
            ("UPDATE c SET [password]=N'x'", "UPDATE c SET [password]=N'***'"),
            ("OPENROWSET('SQLNCLI','Server=a;UID=sa;PWD=x y;','q')", "OPENROWSET('SQLNCLI','Server=a;UID=sa;PWD=*** y;','q')"),
            ("CREATE CREDENTIAL c WITH IDENTITY='u', SECRET='x'", "CREATE CREDENTIAL c WITH IDENTITY='u', SECRET='***'"),
            ("EXEC sp_addlogin 'bob', N'x', 'master'; SELECT 'a'", "EXEC sp_addlogin 'bob', N'***', '***'; SELECT 'a'"),
            ("exec [sp_password] NULL, 'x', 'bob'", "exec [sp_password] NULL, '***', '***'"),
            (
                "EXEC sp_addlinkedsrvlogin @rmtsrvname='s', @rmtuser='u', @rmtpassword = 'x'",
                "EXEC sp_addlinkedsrvlogin @rmtsrvname='s', @rmtuser='u', @rmtpassword = '***'",
            ),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn other_statements_stay() {
        for text in [
            "SELECT user_name, password, description FROM credentials",
            "SELECT [user_name], [password], \"password\" FROM [dbo].[Credentials]",
            "UPDATE c SET password = $1 WHERE name = $2",
            "UPDATE c SET password = @p WHERE name = 'x'",
            "ALTER ROLE x PASSWORD NULL",
            "EXEC sp_addlogin @a, @b",
            "password",
            "",
        ] {
            assert_eq!(redact(text), text);
        }
        assert!(is_secret_name("@RmtPassword") && is_secret_name("pwd") && !is_secret_name("@user"));
    }

    #[test]
    fn texts_made_to_be_slow_are_not() {
        let start = std::time::Instant::now();
        for unit in
            ["password", "password ", "password$a$ ", "password='", "password=", "sp_addlogin", "sp_password'a',", "pwd\"", "s"]
        {
            let text = unit.repeat(400_000 / unit.len());
            assert!(redact(&text).len() <= 2 * text.len());
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
    }
}
