//! Secrets in statements: `CREATE LOGIN … WITH PASSWORD = '…'`, `password=…` in connection strings, arguments of the system
//! procedures that take passwords.

use std::borrow::Cow;

use super::blanks::{Gaps, is_blank};
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
/// `U&'…'`, `$$…$$`), or anything behind `=`. Comments and blanks may stand anywhere between. Rather too much than too little.
/// Linear in the text.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut reader = Reader { text, bytes, gaps: Gaps::new(text), passed: Vec::new() };
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some((behind, argument)) = find(bytes, at) {
        at = behind;
        reader.passed.clear();
        let (mut secrets, end) = match argument {
            None => reader.secret(at).unwrap_or((Vec::new(), at)),
            Some(argument) => reader.arguments(at, argument),
        };
        if end > at {
            // A comment that is not read for itself.
            secrets.extend(reader.passed.iter().filter(|(start, end)| {
                let comment = bytes.get(..*end).unwrap_or_default();
                find(comment, *start).is_some()
            }));
            secrets.sort_unstable();
        }
        for (start, end) in secrets {
            if end <= copied {
                continue;
            }
            if start >= copied {
                out.push_str(text.get(copied..start).unwrap_or_default());
                out.push_str(MASK);
            }
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

/// A quoted literal, with or without a prefix: where its inside begins and ends.
fn literal(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let byte = |at: usize| bytes.get(at).copied();
    let escapes = matches!(byte(at), Some(b'e' | b'E'));
    if matches!(byte(at), Some(b'e' | b'E' | b'n' | b'N')) && byte(at + 1) == Some(b'\'') {
        at += 1;
    } else if matches!(byte(at), Some(b'u' | b'U')) && byte(at + 1) == Some(b'&') && byte(at + 2) == Some(b'\'') {
        at += 2;
    }
    let quote = byte(at).filter(|&byte| matches!(byte, b'\'' | b'"'))?;
    // Inside another literal the quotes are doubled.
    let start = at + if byte(at + 1) == Some(quote) && byte(at + 2) != Some(quote) { 2 } else { 1 };
    Some((start, closing(bytes, start, quote, escapes).0))
}

/// Between characters, from and to.
type Range = (usize, usize);

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    gaps: Gaps<'a>,
    /// Blanks and comments that were passed over.
    passed: Vec<Range>,
}

impl Reader<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn gap(&mut self, from: usize) -> usize {
        let behind = self.gaps.behind(from);
        if behind > from {
            self.passed.push((from, behind));
        }
        behind
    }

    /// Behind a name, with the end of a quoted one.
    fn name_end(&mut self, from: usize) -> usize {
        let quoted = matches!(self.byte(from), Some(b'"' | b']'));
        self.gap(from + usize::from(quoted))
    }

    /// Where the secrets behind a name are, and where they end.
    fn secret(&mut self, from: usize) -> Option<(Vec<Range>, usize)> {
        let at = self.name_end(from);
        if self.byte(at) != Some(b'=') {
            // In double quotes it is a name, as no text in them stands behind the bare word.
            let found = if self.byte(at) == Some(b'"') { None } else { self.text_at(at) }?;
            return Some((vec![found], found.1));
        }
        let value = self.gap(at + 1);
        let found = match self.byte(value) {
            // A parameter or variable is no secret.
            None | Some(b'@') => None,
            Some(b'$') => self.text_at(value),
            Some(_) => self.text_at(value).or_else(|| self.word(value, self.bytes.len())),
        };
        let blanks = self.text.get(at + 1..value).unwrap_or_default();
        let comments = blanks.trim_start_matches(is_blank);
        if comments.is_empty() {
            return found.map(|found| (vec![found], found.1));
        }
        // Inside a connection string nothing is a comment: what looks like one may be the secret.
        let word = self.word(value - comments.len(), value).filter(|&(start, end)| !self.is_comment(start, end));
        let end = found.or(word).map_or(value, |(_, end)| end);
        Some((word.into_iter().chain(found).collect(), end))
    }

    /// A comment, or the mark that begins one.
    fn is_comment(&self, start: usize, end: usize) -> bool {
        let word = self.text.get(start..end).unwrap_or_default();
        matches!(word, "/*" | "--") || (word.starts_with("/*") && word.ends_with("*/"))
    }

    /// A value without quotes, up to a place.
    fn word(&self, at: usize, max: usize) -> Option<Range> {
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'\'' | b'"' | b';' | b')' | b',');
        let end = self.bytes.get(at..max)?.iter().position(ends).map_or(max, |len| at + len);
        (end > at).then_some((at, end))
    }

    /// A literal: between quotes, or between tags with dollars.
    fn text_at(&self, at: usize) -> Option<Range> {
        if self.byte(at) != Some(b'$') {
            return literal(self.bytes, at);
        }
        let name = self.bytes.get(at + 1..)?;
        let tag = name.iter().take(64).position(|&byte| byte == b'$')?;
        if !name.iter().take(tag).all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        let start = at + tag + 2;
        let delimiter = self.bytes.get(at..start)?;
        let len = self.bytes.get(start..)?.windows(delimiter.len()).position(|window| window == delimiter);
        Some((start, len.map_or(self.bytes.len(), |len| start + len)))
    }

    /// The literals among the arguments of a procedure, from the `first`th on or behind a name of a secret, and where they end.
    fn arguments(&mut self, from: usize, first: usize) -> (Vec<Range>, usize) {
        let mut found = Vec::new();
        let mut at = self.name_end(from);
        for number in 0..MAX_ARGUMENTS {
            at = self.gap(at);
            let name = self.bytes.get(at..).unwrap_or_default();
            let len =
                name.iter().take_while(|byte| matches!(byte, b'@' | b'_' | b'$' | b'#') || byte.is_ascii_alphanumeric()).count();
            let name = name.get(..len).unwrap_or_default();
            let mut wanted = number >= first;
            let behind = self.gap(at + len);
            if name.first() == Some(&b'@') && self.byte(behind) == Some(b'=') {
                let name = String::from_utf8_lossy(name);
                wanted = is_secret_name(&name) || matches!(name.to_ascii_lowercase().as_str(), "@old" | "@new");
                at = self.gap(behind + 1);
            }
            match literal(self.bytes, at) {
                Some((start, end)) => {
                    if wanted {
                        found.push((start, end));
                    }
                    at = (end + 1).min(self.bytes.len());
                }
                None => at = behind.max(at),
            }
            at = self.gap(at);
            if self.byte(at) != Some(b',') {
                break;
            }
            at += 1;
        }
        (found, at)
    }
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
            // Comments, of lines too and inside each other, and blanks of all kinds.
            ("CREATE LOGIN b WITH PASSWORD = /* x */ 'y'", "CREATE LOGIN b WITH PASSWORD = /* x */ '***'"),
            ("CREATE LOGIN b WITH PASSWORD/*x*/=/*x*/'y'", "CREATE LOGIN b WITH PASSWORD/*x*/=/*x*/'***'"),
            ("ALTER LOGIN b WITH PASSWORD = /* x /* ' */ ' */ N'y'", "ALTER LOGIN b WITH PASSWORD = /* x /* ' */ ' */ N'***'"),
            ("ALTER LOGIN b WITH PASSWORD -- x\r\n = -- 'x'\n\n'y'", "ALTER LOGIN b WITH PASSWORD -- x\r\n = -- 'x'\n\n'***'"),
            ("ALTER LOGIN b WITH PASSWORD\u{a0}=\u{b}\u{3000}'y'", "ALTER LOGIN b WITH PASSWORD\u{a0}=\u{b}\u{3000}'***'"),
            ("ALTER LOGIN b WITH PASSWORD = /**/ 0x0200AB HASHED", "ALTER LOGIN b WITH PASSWORD = /**/ *** HASHED"),
            ("UPDATE c SET [password] /* x */ = /* y */ N'z'", "UPDATE c SET [password] /* x */ = /* y */ N'***'"),
            ("ALTER ROLE a PASSWORD /* x */ 'b' -- c", "ALTER ROLE a PASSWORD /* x */ '***' -- c"),
            ("ALTER ROLE a PASSWORD -- x\n $q$b$q$", "ALTER ROLE a PASSWORD -- x\n $q$***$q$"),
            ("ALTER ROLE a PASSWORD U&'\\0062'", "ALTER ROLE a PASSWORD U&'***'"),
            (
                "CREATE CREDENTIAL c WITH IDENTITY='u', SECRET /* */ = /* */ 'x'",
                "CREATE CREDENTIAL c WITH IDENTITY='u', SECRET /* */ = /* */ '***'",
            ),
            (
                "EXEC sp_addlogin /* a */ 'bob' /* b */, -- c, 'd'\n N'x'",
                "EXEC sp_addlogin /* a */ 'bob' /* b */, -- c, 'd'\n N'***'",
            ),
            (
                "EXEC sp_addlinkedsrvlogin @rmtuser/**/=/**/'u', /**/ @rmtpassword /* a */ = /* b */ 'x'",
                "EXEC sp_addlinkedsrvlogin @rmtuser/**/=/**/'u', /**/ @rmtpassword /* a */ = /* b */ '***'",
            ),
            // A comment with a secret of its own.
            ("ALTER LOGIN b WITH PASSWORD = /* PASSWORD = 'old' */ 'y'", "ALTER LOGIN b WITH PASSWORD =***'***'"),
            ("EXEC sp_addlogin 'bob', /* pwd='old' */ 'x'", "EXEC sp_addlogin 'bob',***'***'"),
            // In a connection string it is the secret itself.
            ("OPENROWSET('a','UID=sa;PWD=/*x;','q') /* */", "OPENROWSET('a','UID=sa;PWD=***;','q') /* */"),
            ("OPENROWSET('a','UID=sa;PWD=--x;','q')\n", "OPENROWSET('a','UID=sa;PWD=***;','q')\n"),
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
            "EXEC sp_addlogin /* 'x' */ @a, -- 'y'\n @b /* 'z' */",
            "UPDATE c SET password = /* x */ @p WHERE name = 'x'",
            "UPDATE c SET password=/*x*/@p WHERE name = 'x'",
            "UPDATE c SET password /* x */ = -- y\n $1 WHERE name = $2",
            "SELECT password /* x */ FROM c WHERE name = 'x'",
            "SELECT password -- = 'x'\n FROM c -- 'y'",
            "SELECT a FROM b /* password */ WHERE c = 'x' -- password\n AND d = 'y'",
            "SELECT 1 - 2 / 3 * 4",
            "password",
            "",
        ] {
            assert_eq!(redact(text), text);
        }
        assert!(is_secret_name("@RmtPassword") && is_secret_name("pwd") && !is_secret_name("@user"));
    }

    #[test]
    fn texts_made_to_be_slow_are_not() {
        let start = backstop_testkit::Stopwatch::start();
        let units = [
            "password",
            "password ",
            "password$a$ ",
            "password='",
            "password=",
            "sp_addlogin",
            "sp_password'a',",
            "pwd\"",
            "s",
            "pwd/*",
            "pwd=/*",
            "pwd= /* ",
            "pwd--",
            "pwd=--",
            "pwd=@",
            "pwd=/**/@",
            "pwd=/*x*/",
            "pwd--\n",
            "pwd/**/",
            "sp_password/*",
            "sp_password--",
            "sp_password /* ",
            "sp_password@a/*",
            "*/",
            "--\n",
        ];
        for unit in units {
            let text = unit.repeat(400_000 / unit.len());
            for end in [
                "",
                "\n",
                &"*/".repeat(100_000),
                &format!("\n{}@", "--\n".repeat(100_000)),
                &format!("\n{}@", " ".repeat(400_000)),
            ] {
                let text = format!("{text}{end}");
                assert!(redact(&text).len() <= 2 * text.len());
            }
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
    }
}
