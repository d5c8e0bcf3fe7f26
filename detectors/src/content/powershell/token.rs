//! PowerShell cut into tokens (Windows PowerShell Language Specification 3.0, section 2).
//!
//! One mode for commands and expressions: where they differ, the reader decides by what it expects. Comments are dropped,
//! back-ticks resolved, so a token is what PowerShell takes it for. Linear in the text.

use std::borrow::Cow;

/// Characters of a name in braces.
const MAX_NAME: usize = 256;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bare word: command, argument, member.
    Word,
    /// A word with a dash: parameter or operator, dash variants made one.
    Dash,
    /// A variable, its name without `$` and braces, its scope left out unless it is `env:`.
    Variable,
    /// A literal without expansion.
    Text,
    /// A literal with expansion, its back-ticks not resolved yet.
    Expand,
    /// A number.
    Number(i64),
    /// `(` `$(` `@(`, `{` `@{`, `[`.
    Open(char),
    /// `)` `}` `]`.
    Close(char),
    /// An operator, its text.
    Sign,
    /// `;` or the end of a line.
    End,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text, as PowerShell understands it.
    pub text: Cow<'a, str>,
    /// Nothing stands between it and the one before.
    pub glued: bool,
}

impl Token<'_> {
    /// Whether it is this sign.
    #[must_use]
    pub fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    /// Whether it is this word, whatever its case.
    #[must_use]
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }
}

const fn is_dash(character: char) -> bool {
    matches!(character, '-' | '\u{2013}' | '\u{2014}' | '\u{2015}')
}

/// The quotes that PowerShell takes for single ones.
const fn is_single(character: char) -> bool {
    matches!(character, '\'' | '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}')
}

const fn is_double(character: char) -> bool {
    matches!(character, '"' | '\u{201C}' | '\u{201D}' | '\u{201E}')
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '?')
}

/// What a back-tick makes of the character behind it.
const fn escaped(character: char) -> char {
    match character {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        other => other,
    }
}

/// The text of an expandable literal up to its next variable or subexpression: back-ticks resolved. Returns how many bytes.
pub fn plain(raw: &str, out: &mut String) -> usize {
    let mut characters = raw.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '`' => {
                if let Some((_, next)) = characters.next() {
                    out.push(escaped(next));
                }
            }
            '$' if characters.peek().is_some_and(|(_, next)| is_name(*next) || matches!(next, '(' | '{')) => return at,
            other if is_double(other) => {
                // A doubled quote is one.
                if characters.peek().is_some_and(|(_, next)| is_double(*next)) {
                    characters.next();
                }
                out.push('"');
            }
            other => out.push(other),
        }
    }
    raw.len()
}

/// The name of a variable behind its `$`, and how many bytes it takes.
pub fn variable(rest: &str) -> Option<(&str, usize)> {
    if let Some(braced) = rest.strip_prefix('{') {
        let end = braced.char_indices().take(MAX_NAME).find(|(_, character)| *character == '}')?.0;
        return Some((braced.get(..end)?, end + 2));
    }
    let first = rest.chars().next()?;
    if matches!(first, '$' | '^' | '?') {
        return Some((rest.get(..1)?, 1));
    }
    let mut end = rest.find(|character| !is_name(character)).unwrap_or(rest.len());
    // A scope or a drive: one colon, and a name behind it.
    if let Some(behind) = rest.get(end..).and_then(|behind| behind.strip_prefix(':')) {
        let len = behind.find(|character| !is_name(character)).unwrap_or(behind.len());
        if len > 0 && end > 0 {
            end += 1 + len;
        }
    }
    (end > 0).then(|| (rest.get(..end).unwrap_or_default(), end))
}

/// What a text was cut into.
#[derive(Debug, Default)]
pub struct Tokens<'a> {
    /// The tokens.
    pub tokens: Vec<Token<'a>>,
    /// There were more.
    pub cut: bool,
    /// A back-tick stood where it does nothing but hide a word.
    pub ticked: bool,
}

/// Cuts a text into at most `max` tokens.
#[must_use]
pub fn tokens(text: &str, max: usize) -> Tokens<'_> {
    let mut lexer = Lexer { text, at: 0, out: Tokens::default(), glued: false };
    while lexer.at < text.len() {
        if lexer.out.tokens.len() >= max {
            lexer.out.cut = true;
            break;
        }
        let before = lexer.at;
        lexer.one();
        if lexer.at == before {
            lexer.skip_char();
        }
    }
    lexer.out
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    out: Tokens<'a>,
    /// Nothing since the last token.
    glued: bool,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_char(&mut self) {
        self.at += self.rest().chars().next().map_or(1, char::len_utf8);
    }

    fn push(&mut self, kind: Kind, text: impl Into<Cow<'a, str>>, len: usize) {
        self.out.tokens.push(Token { kind, text: text.into(), glued: self.glued });
        self.at += len;
        self.glued = true;
    }

    fn sign(&mut self, len: usize) {
        let text = self.rest().get(..len).unwrap_or_default();
        self.push(Kind::Sign, text, len);
    }

    /// What stood before ends a value to which a member may belong.
    fn behind_value(&self) -> bool {
        self.glued
            && self.out.tokens.last().is_some_and(|last| {
                matches!(last.kind, Kind::Close(_) | Kind::Variable | Kind::Text | Kind::Expand | Kind::Number(_))
                    || (last.kind == Kind::Word
                        && self.out.tokens.iter().rev().nth(1).is_some_and(|one| one.is_sign(".") || one.is_sign("::")))
            })
    }

    fn one(&mut self) {
        let rest = self.rest();
        let mut characters = rest.chars();
        let Some(first) = characters.next() else { return };
        let second = characters.next();
        match first {
            '\r' | '\n' => {
                self.push(Kind::End, "\n", 1);
                self.glued = false;
            }
            '`' if matches!(second, Some('\r' | '\n')) => {
                self.at += if rest.starts_with("`\r\n") { 3 } else { 2 };
                self.glued = false;
            }
            _ if first.is_whitespace() || first == '\0' || first == '\u{feff}' => {
                self.at += first.len_utf8();
                self.glued = false;
            }
            '#' if !self.glued || !self.in_word() => {
                self.at += rest.find(['\r', '\n']).unwrap_or(rest.len());
                self.glued = false;
            }
            '<' if second == Some('#') => {
                self.at += rest.find("#>").map_or(rest.len(), |end| end + 2);
                self.glued = false;
            }
            '@' if second.is_some_and(|second| is_single(second) || is_double(second)) && self.here_string() => {}
            '@' | '$' if second == Some('(') => self.push(Kind::Open('('), "(", 2),
            '@' if second == Some('{') => self.push(Kind::Open('{'), "{", 2),
            '(' | '{' | '[' => self.push(Kind::Open(first), rest.get(..1).unwrap_or_default(), 1),
            ')' | '}' | ']' => self.push(Kind::Close(first), rest.get(..1).unwrap_or_default(), 1),
            ';' => self.push(Kind::End, ";", 1),
            '$' | '@' => match rest.get(1..).and_then(variable) {
                Some((name, len)) => {
                    let scopes = ["global:", "script:", "local:", "private:", "variable:", "using:"];
                    let cut = scopes
                        .iter()
                        .find(|scope| name.get(..scope.len()).is_some_and(|start| start.eq_ignore_ascii_case(scope)));
                    self.push(Kind::Variable, name.get(cut.map_or(0, |scope| scope.len())..).unwrap_or(name), len + 1);
                }
                None => self.word(),
            },
            _ if is_single(first) => self.single(),
            _ if is_double(first) => self.double(),
            ',' => self.sign(1),
            '|' | '&' => self.sign(if second == Some(first) { 2 } else { 1 }),
            ':' if second == Some(':') => self.sign(2),
            '.' if second == Some('.') => self.sign(2),
            '.' if self.behind_value()
                || !second.is_some_and(|second| matches!(second, '\\' | '/') || second.is_ascii_digit()) =>
            {
                self.sign(1);
            }
            '=' | '!' | '<' | '>' => self.sign(1),
            '+' | '*' | '/' | '%' | '-' if second == Some('=') => self.sign(2),
            '+' | '%' => self.sign(1),
            '*' | '/' if self.behind_value() || second.is_none_or(char::is_whitespace) => self.sign(1),
            _ if is_dash(first) => self.dash(second),
            _ if first.is_ascii_digit() => self.number(),
            _ => self.word(),
        }
    }

    fn in_word(&self) -> bool {
        self.out.tokens.last().is_some_and(|last| last.kind == Kind::Word)
    }

    fn dash(&mut self, second: Option<char>) {
        let rest = self.rest();
        let first_len = rest.chars().next().map_or(1, char::len_utf8);
        let behind = rest.get(first_len..).unwrap_or_default();
        if !second.is_some_and(|second| second.is_alphabetic() || second == '`') {
            if second.is_some_and(is_dash) && !self.behind_value() {
                self.word();
            } else {
                self.push(Kind::Sign, "-", first_len);
            }
            return;
        }
        let mut name = String::from("-");
        let mut len = 0;
        let mut characters = behind.chars();
        while let Some(character) = characters.next() {
            if character == '`' {
                let Some(next) = characters.next().filter(|next| !next.is_whitespace()) else { break };
                self.out.ticked = true;
                name.push(next);
                len += 1 + next.len_utf8();
            } else if is_name(character) || matches!(character, '-' | ':') {
                name.push(character);
                len += character.len_utf8();
            } else {
                break;
            }
        }
        // `-Name:value`: two tokens.
        if let Some(colon) = name.find(':') {
            len -= name.len() - colon - 1;
            name.truncate(colon);
            self.push(Kind::Dash, name, first_len + len);
            self.glued = false;
            return;
        }
        self.push(Kind::Dash, name, first_len + len);
    }

    fn number(&mut self) {
        let rest = self.rest();
        let hex = rest.get(2..).filter(|_| rest.starts_with("0x") || rest.starts_with("0X"));
        let digits = hex.unwrap_or(rest);
        let len = digits
            .find(|character: char| if hex.is_some() { !character.is_ascii_hexdigit() } else { !character.is_ascii_digit() });
        let len = len.unwrap_or(digits.len());
        let behind = digits.get(len..).and_then(|behind| behind.chars().next());
        let value = i64::from_str_radix(digits.get(..len).unwrap_or_default(), if hex.is_some() { 16 } else { 10 });
        let range = digits.get(len..).is_some_and(|behind| behind.starts_with(".."));
        let ends = range
            || behind.is_none_or(|behind| {
                !is_name(behind) && !matches!(behind, '.' | '`' | '\\' | ':' | '/' | '-') || self.behind_sign(behind)
            });
        match value {
            Ok(value) if len > 0 && ends => {
                self.push(Kind::Number(value), digits.get(..len).unwrap_or_default(), len + if hex.is_some() { 2 } else { 0 })
            }
            _ => self.word(),
        }
    }

    /// A number with a dash or slash behind it, in an expression.
    fn behind_sign(&self, behind: char) -> bool {
        let expression =
            self.out.tokens.last().is_some_and(|last| matches!(last.kind, Kind::Sign | Kind::Open(_) | Kind::Close(_)));
        matches!(behind, '-' | '/') && expression
    }

    fn word(&mut self) {
        let rest = self.rest();
        let mut plain_len = 0;
        for character in rest.chars() {
            if stops(character) || character == '`' || is_single(character) || is_double(character) || character == '$' {
                break;
            }
            plain_len += character.len_utf8();
        }
        let member = self.out.tokens.last().is_some_and(|last| self.glued && (last.is_sign(".") || last.is_sign("::")));
        let in_type = self.out.tokens.last().is_some_and(|last| self.glued && last.kind == Kind::Open('['));
        let next = rest.get(plain_len..).and_then(|rest| rest.chars().next());
        if plain_len > 0 && (member || in_type || next.is_none_or(stops)) {
            let text = rest.get(..plain_len).unwrap_or_default();
            // Expressions need no blanks: `$a.b+$c`, `[char]65`.
            let end = if member {
                text.find(['+', '*', '=', '/', '%', '-']).filter(|end| *end > 0).unwrap_or(text.len())
            } else {
                text.len()
            };
            if next.is_none_or(|next| stops(next) || !matches!(next, '`')) || end < text.len() {
                self.push(Kind::Word, text.get(..end).unwrap_or_default(), end);
                return;
            }
        }
        let mut word = String::new();
        let mut len = 0;
        let mut characters = rest.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            match character {
                '`' => {
                    let Some((_, next)) = characters.next().filter(|(_, next)| !matches!(next, '\r' | '\n')) else { break };
                    self.out.ticked = true;
                    word.push(next);
                    len = at + 1 + next.len_utf8();
                }
                // The dollar of an administrative share, and of a name's end.
                '$' => {
                    if characters.peek().is_some_and(|(_, next)| is_name(*next) || matches!(next, '{' | '(')) {
                        break;
                    }
                    word.push('$');
                    len = at + 1;
                }
                _ if (is_single(character) || is_double(character)) && !word.is_empty() => {
                    // Quotes inside a word only hide it.
                    let body = rest.get(at + character.len_utf8()..).unwrap_or_default();
                    let closes = |other: char| if is_single(character) { is_single(other) } else { is_double(other) };
                    let Some(end) = body.find(closes).filter(|end| *end <= 256) else { break };
                    let inside = body.get(..end).unwrap_or_default();
                    if inside.contains(['$', '`', '\n']) {
                        break;
                    }
                    word.push_str(inside);
                    let stop = at + character.len_utf8() + end;
                    while characters.next_if(|(at, _)| *at <= stop).is_some() {}
                    len = stop + body.get(end..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
                }
                _ if stops(character) => break,
                _ => {
                    word.push(character);
                    len = at + character.len_utf8();
                }
            }
        }
        if len == 0 {
            self.sign(rest.chars().next().map_or(1, char::len_utf8));
            return;
        }
        self.push(Kind::Word, word, len);
    }

    fn single(&mut self) {
        let rest = self.rest();
        let mut characters = rest.char_indices().skip(1).peekable();
        let mut text = String::new();
        let mut end = rest.len();
        while let Some((at, character)) = characters.next() {
            if is_single(character) {
                if characters.next_if(|(_, next)| is_single(*next)).is_none() {
                    end = at + character.len_utf8();
                    break;
                }
                text.push('\'');
            } else {
                text.push(character);
            }
        }
        self.push(Kind::Text, text, end);
    }

    fn double(&mut self) {
        let rest = self.rest();
        let start = rest.chars().next().map_or(1, char::len_utf8);
        let mut characters = rest.char_indices().skip(1).peekable();
        let (mut end, mut close) = (rest.len(), rest.len());
        let mut depth = 0_usize;
        let mut before = '"';
        while let Some((at, character)) = characters.next() {
            match character {
                '`' => drop(characters.next()),
                '(' if before == '$' || depth > 0 => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ if is_double(character) && depth == 0 && characters.next_if(|(_, next)| is_double(*next)).is_none() => {
                    (end, close) = (at, at + character.len_utf8());
                    break;
                }
                _ => {}
            }
            before = character;
        }
        self.push(Kind::Expand, rest.get(start..end).unwrap_or_default(), close);
    }

    fn here_string(&mut self) -> bool {
        let rest = self.rest();
        let Some(quote) = rest.chars().nth(1) else { return false };
        let body_at = 1 + quote.len_utf8();
        // Nothing but blanks may stand behind the quote.
        let body = rest.get(body_at..).unwrap_or_default();
        let Some(line) = body.find(|character: char| character == '\n' || !character.is_whitespace()) else { return false };
        if !body.get(line..).is_some_and(|body| body.starts_with('\n')) {
            return false;
        }
        let body = rest.get(body_at + line..).unwrap_or_default();
        let close = if is_single(quote) { "\n'@" } else { "\n\"@" };
        let found = body.find(close);
        let end = found.unwrap_or(body.len());
        let text = body.get(1..end.max(1)).unwrap_or_default();
        let len = body_at + line + end + if found.is_some() { close.len() } else { 0 };
        self.push(if is_single(quote) { Kind::Text } else { Kind::Expand }, text.strip_suffix('\r').unwrap_or(text), len);
        true
    }
}

/// What a bare word ends at.
fn stops(character: char) -> bool {
    character.is_whitespace() || matches!(character, '(' | ')' | '{' | '}' | '[' | ']' | '|' | ';' | '&' | ',' | '<' | '>' | '\0')
}
