//! Literals masked: the statement keeps its shape, the data in it does not stay.

/// Whose SQL it is: they differ in what a bracket, a double quote, a dollar and a backslash mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// T-SQL: `[x]` is a name. `"x"` may be a name or a text (`QUOTED_IDENTIFIER`), so it is masked.
    TransactSql,
    /// PostgreSQL: `"x"` is a name; `$tag$…$tag$` and `E'…'` with backslashes are texts.
    Postgres,
}

const MASK: char = '?';
/// Longer than a tag that anybody writes.
const MAX_TAG: usize = 64;

/// The text with `?` in place of what literals hold: `'x'` becomes `'?'`, `0x1f` and `12.5` become `?`. Names, parameters
/// (`@p1`, `$1`) and comments stay. A literal without an end is masked to the end. Linear in the text.
#[must_use]
pub fn mask_literals(text: &str, dialect: Dialect) -> String {
    let mut masker = Masker { text, bytes: text.as_bytes(), dialect, out: String::with_capacity(text.len()), at: 0 };
    while masker.step() {}
    masker.out
}

struct Masker<'a> {
    text: &'a str,
    bytes: &'a [u8],
    dialect: Dialect,
    out: String,
    at: usize,
}

impl Masker<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// Takes everything up to `end`, which lies between characters.
    fn keep(&mut self, end: usize) {
        self.out.push_str(self.text.get(self.at..end).unwrap_or_default());
        self.at = end;
    }

    fn step(&mut self) -> bool {
        let Some(byte) = self.byte(self.at) else { return false };
        let postgres = self.dialect == Dialect::Postgres;
        let next = self.byte(self.at + 1);
        match byte {
            b'\'' => self.quoted(b'\'', false),
            b'"' if postgres => self.keep(closing(self.bytes, self.at + 1, b'"', false).1),
            b'"' => self.quoted(b'"', false),
            b'[' if !postgres => self.keep(closing(self.bytes, self.at + 1, b']', false).1),
            b'-' if next == Some(b'-') => {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                let len = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                self.keep(self.at + len);
            }
            b'/' if next == Some(b'*') => self.keep(comment_end(self.bytes, self.at)),
            b'$' if postgres => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'.' if next.is_some_and(|next| next.is_ascii_digit()) => self.number(),
            _ if is_word(byte) => self.word(),
            _ => self.keep(self.at + 1),
        }
        true
    }

    fn quoted(&mut self, quote: u8, escapes: bool) {
        let (inside, end) = closing(self.bytes, self.at + 1, quote, escapes);
        self.out.push(char::from(quote));
        if inside > self.at + 1 {
            self.out.push(MASK);
        }
        if end > inside {
            self.out.push(char::from(quote));
        }
        self.at = end;
    }

    /// A dollar of PostgreSQL: a parameter, or a text between two tags.
    fn dollar(&mut self) {
        let name = self.bytes.get(self.at + 1..).unwrap_or_default();
        let tag = name.iter().take(MAX_TAG).position(|&byte| byte == b'$');
        let tag = tag.filter(|&tag| {
            let tag = name.get(..tag).unwrap_or_default();
            tag.iter().all(|&byte| is_word(byte) && byte != b'$') && !tag.first().is_some_and(u8::is_ascii_digit)
        });
        let Some(tag) = tag else { return self.word() };
        let start = self.at + tag + 2;
        let delimiter = self.bytes.get(self.at..start).unwrap_or_default();
        let rest = self.bytes.get(start..).unwrap_or_default();
        let len = rest.windows(delimiter.len()).position(|window| window == delimiter);
        self.keep(start);
        self.out.push(MASK);
        self.at = len.map_or(self.bytes.len(), |len| start + len);
        self.keep(len.map_or(self.bytes.len(), |len| start + len + tag + 2));
    }

    fn number(&mut self) {
        while self.byte(self.at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')) {
            self.at += 1;
        }
        self.out.push(MASK);
    }

    /// A word, a variable or a parameter. `E'…'` is the only prefix that changes how its literal is read.
    fn word(&mut self) {
        let start = self.at;
        let rest = self.bytes.get(start + 1..).unwrap_or_default();
        let len = rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len());
        self.keep(start + 1 + len);
        let escapes = len == 0 && matches!(self.byte(start), Some(b'e' | b'E')) && self.dialect == Dialect::Postgres;
        if escapes && self.byte(self.at) == Some(b'\'') {
            self.quoted(b'\'', true);
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@' | b'#' | b'$') || !byte.is_ascii()
}

/// Where a literal's inside ends, and the literal itself: a doubled quote belongs to it.
pub(super) fn closing(bytes: &[u8], start: usize, quote: u8, escapes: bool) -> (usize, usize) {
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if escapes => at += 2,
            _ if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            _ if byte == quote => return (at, at + 1),
            _ => at += 1,
        }
    }
    // Behind an escape at the end the place may lie beyond the text.
    (bytes.len(), bytes.len())
}

/// Comments nest in both.
fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_lose_their_data_and_statements_keep_their_shape() {
        for (dialect, text, expected) in [
            (
                Dialect::TransactSql,
                "SELECT a1 FROM t2 WHERE b = N'x''y' AND c > 12.5e3",
                "SELECT a1 FROM t2 WHERE b = N'?' AND c > ?",
            ),
            (Dialect::TransactSql, "EXEC sp_executesql @p1, N'', -0x1F", "EXEC sp_executesql @p1, N'', -?"),
            (
                Dialect::TransactSql,
                "SELECT [it's] FROM \"a b\" -- it's\n, 'x' /* 'y' /* */ ' */ , 'z",
                "SELECT [it's] FROM \"?\" -- it's\n, '?' /* 'y' /* */ ' */ , '?",
            ),
            (
                Dialect::Postgres,
                "SELECT \"it's\", a[1] FROM t WHERE b = $1 AND c = E'x\\'y' || $q$z$q$",
                "SELECT \"it's\", a[?] FROM t WHERE b = $1 AND c = E'?' || $q$?$q$",
            ),
            (Dialect::Postgres, "SELECT ARRAY['a'], $$x", "SELECT ARRAY['?'], $$?"),
            (Dialect::Postgres, "SELECT 'é', é1, .5, E'\\", "SELECT '?', é1, ?, E'?"),
            (Dialect::Postgres, "", ""),
        ] {
            assert_eq!(mask_literals(text, dialect), expected);
        }
    }

    #[test]
    fn no_digit_or_letter_of_a_literal_stays_wherever_the_text_is_cut() {
        let text =
            "SELECT x FROM t WHERE a = 'SECRET' AND b IN (N'SECRET', 'it''SECRET', 0x5EC4E7, 53C837) -- no\n AND c = 'SECRET'";
        for end in 0..=text.len() {
            let masked = mask_literals(text.get(..end).unwrap(), Dialect::TransactSql);
            assert!(!masked.contains("SEC") && !masked.contains("5E") && !masked.contains("53"), "{masked}");
        }
    }

    #[test]
    fn texts_made_to_be_slow_are_not() {
        let start = backstop_testkit::Stopwatch::start();
        for unit in ["$a$", "$", "E'\\", "/*", "'", "\"", "[", "--", "0x", "''"] {
            let text = unit.repeat(400_000 / unit.len());
            for dialect in [Dialect::TransactSql, Dialect::Postgres] {
                assert!(mask_literals(&text, dialect).len() <= 2 * text.len());
            }
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
    }
}
