//! Texts without their padding: blanks and comments do not count against a cap, so that nothing hides behind them. Used on
//! texts that reach a cap only.

use super::Dialect;
use super::blanks::is_blank;

/// Longer than a tag that anybody writes.
const MAX_TAG: usize = 64;

/// A unit of a text: of UTF-16, or a byte of anything that has ASCII in it.
pub trait Unit: Copy + Eq + From<u8> + Into<u32> {
    /// What separates tokens, and has no other meaning.
    fn is_blank(self, dialect: Dialect) -> bool {
        let unit = self.into();
        match dialect {
            // Of bytes, none that may be a part of a character.
            Dialect::TransactSql if size_of::<Self>() == 1 && unit >= 0x80 => false,
            Dialect::TransactSql => char::from_u32(unit).is_some_and(is_blank),
            Dialect::Postgres => matches!(unit, 0x09..=0x0d | 0x20),
        }
    }

    /// The end of a line.
    fn ends_line(self) -> bool {
        matches!(self.into(), 0x0a | 0x0d)
    }

    /// A part of a word.
    fn is_word(self) -> bool {
        let unit = self.into();
        unit >= 0x80 || u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$'))
    }

    /// An ASCII character.
    fn is(self, byte: u8) -> bool {
        self.into() == u32::from(byte)
    }
}

impl Unit for u8 {}
impl Unit for u16 {}

/// The text with one blank in place of each run of blanks and comments. It may end anywhere, in a comment too: what is added
/// to the result and squeezed again reads as it would have in one piece. A NUL ends a text of PostgreSQL, and all behind it
/// stays. One pass.
#[must_use]
pub fn squeeze<U: Unit>(text: &[U], dialect: Dialect) -> Vec<U> {
    let end = match dialect {
        Dialect::Postgres => text.iter().position(|unit| unit.is(0)),
        Dialect::TransactSql => None,
    };
    let (text, behind) = text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, &[]));
    let mut squeezer = Squeezer { rest: text, out: Vec::new(), dialect, in_blank: false, word: 0 };
    while squeezer.step() {}
    squeezer.out.extend_from_slice(behind);
    squeezer.out
}

struct Squeezer<'a, U> {
    rest: &'a [U],
    out: Vec<U>,
    dialect: Dialect,
    in_blank: bool,
    /// Units of the word that was read last and goes on.
    word: usize,
}

impl<U: Unit> Squeezer<'_, U> {
    fn step(&mut self) -> bool {
        let [unit, behind @ ..] = self.rest else { return false };
        let unit = *unit;
        if unit.is(b'-') && behind.first().is_some_and(|next| next.is(b'-')) {
            let Some(end) = behind.iter().position(|&unit| unit.ends_line()) else {
                // Where the end of the line is not there yet, the comment goes on.
                self.out.extend([U::from(b'-'); 2]);
                return false;
            };
            self.rest = behind.get(end..).unwrap_or_default();
            self.blank(true);
            return true;
        }
        if unit.is(b'/') && behind.first().is_some_and(|next| next.is(b'*')) {
            self.block_comment();
            return true;
        }
        self.rest = behind;
        if unit.is_blank(self.dialect) {
            self.blank(unit.ends_line());
            return true;
        }
        let (before, last) = (self.word, self.out.last().copied());
        self.in_blank = false;
        self.word = if unit.is_word() { before + 1 } else { 0 };
        self.out.push(unit);
        let postgres = self.dialect == Dialect::Postgres;
        match u8::try_from(unit.into()) {
            Ok(b'\'') => {
                let prefix = before == 1 && last.is_some_and(|last| last.is(b'e') || last.is(b'E'));
                self.literal(b'\'', postgres && prefix);
            }
            Ok(b'"') => self.literal(b'"', false),
            Ok(b'[') if !postgres => self.literal(b']', false),
            Ok(b'$') if postgres && before == 0 => self.dollar(),
            _ => {}
        }
        true
    }

    /// One for a whole run. Of PostgreSQL it is a line's end where there is one: that joins two literals.
    fn blank(&mut self, ends_line: bool) {
        let ends_line = ends_line && self.dialect == Dialect::Postgres;
        if !std::mem::replace(&mut self.in_blank, true) {
            self.out.push(U::from(if ends_line { b'\n' } else { b' ' }));
        } else if ends_line && let Some(last) = self.out.last_mut() {
            *last = U::from(b'\n');
        }
        self.word = 0;
    }

    /// They nest. One that is open at the end is told again, with what may become its end or the beginning of another.
    fn block_comment(&mut self) {
        let (mut open, mut last) = (0_usize, None);
        loop {
            match self.rest {
                [a, b, behind @ ..] if a.is(b'*') && b.is(b'/') => {
                    open -= 1;
                    (self.rest, last) = (behind, None);
                    if open == 0 {
                        return self.blank(false);
                    }
                }
                [a, b, behind @ ..] if a.is(b'/') && b.is(b'*') => {
                    open += 1;
                    (self.rest, last) = (behind, None);
                }
                [unit, behind @ ..] => {
                    last = Some(*unit).filter(|unit| unit.is(b'*') || unit.is(b'/'));
                    self.rest = behind;
                }
                [] => break,
            }
        }
        for _ in 0..open {
            self.out.extend([U::from(b'/'), U::from(b'*')]);
        }
        self.out.extend(last);
        self.in_blank = true;
    }

    /// Up to the closing sign; a doubled one opens the literal again.
    fn literal(&mut self, close: u8, escapes: bool) {
        while let [unit, behind @ ..] = self.rest {
            self.out.push(*unit);
            self.rest = behind;
            if escapes && unit.is(b'\\') {
                let Some((&escaped, behind)) = behind.split_first() else { continue };
                self.out.push(escaped);
                self.rest = behind;
            } else if unit.is(close) {
                // With escapes a doubled sign does not end it; without, it begins another that is read alike.
                let Some((&doubled, behind)) = behind.split_first().filter(|(next, _)| escapes && next.is(close)) else { return };
                self.out.push(doubled);
                self.rest = behind;
            }
        }
    }

    /// Behind a dollar: a text between two tags, or anything else.
    fn dollar(&mut self) {
        let Some(tag) = self.rest.iter().take(MAX_TAG).position(|unit| unit.is(b'$')) else { return };
        let name = self.rest.get(..tag).unwrap_or_default();
        let digit = name.first().is_some_and(|first| (0x30..0x3a).contains(&(*first).into()));
        if digit || !name.iter().all(|unit| unit.is_word()) {
            return;
        }
        let delimiter: Vec<U> = [U::from(b'$')].into_iter().chain(name.iter().copied()).chain([U::from(b'$')]).collect();
        let inside = self.rest.get(tag + 1..).unwrap_or_default();
        let len = inside.windows(delimiter.len()).position(|window| window == delimiter.as_slice());
        let used = tag + 1 + len.map_or(inside.len(), |len| len + delimiter.len());
        let (literal, behind) = self.rest.split_at_checked(used).unwrap_or((self.rest, &[]));
        self.out.extend_from_slice(literal);
        self.rest = behind;
        self.word = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, squeeze};

    fn squeezed(text: &str, dialect: Dialect) -> String {
        let wide: Vec<u16> = squeeze(&text.encode_utf16().collect::<Vec<_>>(), dialect);
        let wide = String::from_utf16(&wide).unwrap();
        if text.is_ascii() {
            assert_eq!(String::from_utf8(squeeze(text.as_bytes(), dialect)).unwrap(), wide);
        }
        wide
    }

    #[test]
    fn blanks_and_comments_go_and_all_else_stays() {
        for (text, expected) in [
            ("a  \t\r\n b", "a b"),
            ("a/* x /* y */ z */b--c\n\nd", "a b d"),
            ("'a  /* b' \"c  --\" [d  '] '' 'e''  f'", "'a  /* b' \"c  --\" [d  '] '' 'e''  f'"),
            ("a /* x", "a /*"),
            ("a /* x *", "a /**"),
            ("a /* x /* y /", "a /*/*/"),
            ("a -- x", "a --"),
            ("a - b / c * d", "a - b / c * d"),
            ("\u{3000}\u{a0} x\0y", " x y"),
            ("", ""),
        ] {
            assert_eq!(squeezed(text, Dialect::TransactSql), expected, "{text}");
        }
        for (text, expected) in [
            ("a  \t\r\n b", "a\nb"),
            ("a/* x /* y */ z */b--c\n\nd", "a b\nd"),
            ("E'a\\'  b'  e'\\\\'  c'd  '", "E'a\\'  b' e'\\\\' c'd  '"),
            ("e'a''  b'  ae'\\'  x", "e'a''  b' ae'\\' x"),
            ("$$a  b$$  $q$ -- $$ $q$  $1  a$b$  c$b$", "$$a  b$$ $q$ -- $$ $q$ $1 a$b$ c$b$"),
            ("[ a  ' b  ' ]", "[ a ' b  ' ]"),
            ("a  /* b\0  --  ", "a /*\0  --  "),
            ("a  -- b\0  c", "a --\0  c"),
            ("a  'b\0  c", "a 'b\0  c"),
            ("a  $$b\0  c$$  d", "a $$b\0  c$$  d"),
            ("\u{a0}\u{a0}", "\u{a0}\u{a0}"),
        ] {
            assert_eq!(squeezed(text, Dialect::Postgres), expected, "{text}");
        }
    }

    #[test]
    fn however_a_text_is_cut_the_same_stays() {
        let text =
            "a /* x /* 'y' */ */ 'b /* ' [c -- ] -- d ' \r\n  e /**//*/*/**/*/*/ f -- g\n'h''i' E'j\\'  k''  ' $l$  $$  $l$  /";
        for dialect in [Dialect::TransactSql, Dialect::Postgres] {
            let whole = squeeze(text.as_bytes(), dialect);
            for cut in 0..text.len() {
                let (head, tail) = text.as_bytes().split_at(cut);
                let joined = [squeeze(head, dialect).as_slice(), tail].concat();
                assert_eq!(squeeze(&joined, dialect), whole, "{dialect:?} {cut}");
            }
        }
    }

    #[test]
    fn texts_made_to_be_slow_are_not() {
        let start = backstop_testkit::Stopwatch::start();
        for unit in ["$a$", "$a$b", "$", "E'\\", "/*", "'", "\"", "[", "--", "-- \n", "*/", "''"] {
            let text = unit.repeat(400_000 / unit.len());
            for dialect in [Dialect::TransactSql, Dialect::Postgres] {
                assert!(squeeze(text.as_bytes(), dialect).len() <= text.len());
            }
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
    }
}
