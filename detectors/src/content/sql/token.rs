//! Tokens of T-SQL and PostgreSQL.
//!
//! What ends a literal differs: `E'\''`, `$$` and `U&'…'` are PostgreSQL's, `[x]` and a continued line T-SQL's. Read by the
//! wrong rules, a text can hide in a literal that the server never saw, so the dialect is always known here.

/// Tokens of one text at most: more than the parsers' cap on a text has bytes, so that no padding hides what follows.
pub const MAX_TOKENS: usize = 131_072;

/// Whose rules a text is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQL Server.
    TransactSql,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// Both, for a text of which nobody says where it will run.
    pub const ALL: [Self; 2] = [Self::TransactSql, Self::Postgres];
}

/// A token. Comments and blanks are not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A bare word, in lower case.
    Word(String),
    /// A quoted name: `[x]`, in lower case.
    Quoted(String),
    /// `"x"`: a quoted name, or a text where T-SQL has `QUOTED_IDENTIFIER` off.
    Double(String),
    /// A literal text, unescaped.
    Text(String),
    /// A binary constant (`0x…`).
    Hex(Vec<u8>),
    /// A number as written.
    Number(String),
    /// `@x`, in lower case, with its signs; `$1` (PostgreSQL).
    Variable(String),
    /// Any other character.
    Symbol(char),
}

impl Token {
    /// A bare or quoted name, as servers compare it.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Word(name) | Self::Quoted(name) => Some(name.clone()),
            Self::Double(name) => Some(fold_name(name)),
            _ => None,
        }
    }

    /// Whether it is a bare word.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(known) if known == word)
    }

    /// Whether it is a certain character.
    #[must_use]
    pub const fn is_symbol(&self, symbol: char) -> bool {
        matches!(self, Self::Symbol(known) if *known == symbol)
    }
}

struct Lexer<'a> {
    rest: &'a str,
    dialect: Dialect,
}

/// The tokens of a text, as many as fit any text that a parser hands on.
#[must_use]
pub fn tokens(text: &str, dialect: Dialect) -> Vec<Token> {
    let mut lexer = Lexer { rest: text, dialect };
    let mut out = Vec::new();
    while out.len() < MAX_TOKENS {
        let Some(token) = lexer.next() else { break };
        out.push(token);
    }
    out
}

fn is_word_start(character: char) -> bool {
    character.is_ascii_alphabetic() || matches!(character, '_' | '#') || (!character.is_ascii() && !is_blank(character))
}

fn is_word(character: char) -> bool {
    is_word_start(character) || character.is_ascii_digit() || matches!(character, '$' | '@') || is_weightless(character)
}

/// What separates tokens: the no-break and ideographic blanks too.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control() || is_weightless(character)
}

/// Characters that collations do not see: `xp_cmd<zero width>shell` names the same object.
const fn is_weightless(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// A name as a server compares it: case, width and what has no weight do not count.
fn fold_name(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let narrow = |character: char| match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        _ => character,
    };
    name.chars().filter(|character| !is_weightless(*character)).map(narrow).flat_map(char::to_lowercase).collect()
}

impl Lexer<'_> {
    fn bump(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        Some(character)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn eat(&mut self, prefix: &str) -> bool {
        if let Some(rest) = self.rest.strip_prefix(prefix) {
            self.rest = rest;
            return true;
        }
        false
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &str {
        let end = self.rest.find(|character| !fits(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    const fn is_postgres(&self) -> bool {
        matches!(self.dialect, Dialect::Postgres)
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(is_blank);
            if self.eat("--") {
                // To PostgreSQL a lone carriage return ends the line too.
                self.take_while(|character| !matches!(character, '\n' | '\r'));
            } else if self.eat("/*") {
                self.skip_comment();
            } else {
                return;
            }
        }
    }

    /// Comments nest in T-SQL and in PostgreSQL.
    fn skip_comment(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 && !self.rest.is_empty() {
            if self.eat("*/") {
                depth -= 1;
            } else if self.eat("/*") {
                depth += 1;
            } else {
                self.bump();
                self.take_while(|character| !matches!(character, '*' | '/'));
            }
        }
    }

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        let character = self.peek()?;
        if character == '\'' {
            self.bump();
            return Some(Token::Text(self.literal(false)));
        }
        if character == '[' && !self.is_postgres() {
            self.bump();
            return Some(Token::Quoted(fold_name(&self.quoted(']', false))));
        }
        if character == '"' {
            self.bump();
            return Some(Token::Double(self.quoted('"', false)));
        }
        if character == '@' && !self.is_postgres() {
            return Some(Token::Variable(fold_name(self.take_while(is_word))));
        }
        if character == '$' {
            return Some(self.dollar());
        }
        if self.rest.starts_with("0x") || self.rest.starts_with("0X") {
            self.rest = self.rest.get(2..).unwrap_or_default();
            return Some(self.hex());
        }
        if character.is_ascii_digit() {
            return Some(self.number());
        }
        if is_word_start(character) && !(character == '#' && self.is_postgres()) {
            return Some(self.word());
        }
        self.bump();
        Some(Token::Symbol(character))
    }

    /// `12.5e-3`. A letter behind it begins a word (`1exec` is `1e`, `xec` to a server, `1union` is `1`, `union`).
    fn number(&mut self) -> Token {
        let whole = self.rest;
        let is_digit = |character: char| character.is_ascii_digit();
        self.take_while(is_digit);
        if self.eat(".") {
            self.take_while(is_digit);
        }
        if self.rest.starts_with(['e', 'E']) {
            self.bump();
            let signed = self.rest.strip_prefix(['+', '-']).is_some_and(|digits| digits.starts_with(is_digit));
            if signed {
                self.bump();
            }
            self.take_while(is_digit);
        }
        Token::Number(whole.get(..whole.len() - self.rest.len()).unwrap_or_default().to_owned())
    }

    /// A word, or a text with a prefix: `N'…'`; in PostgreSQL `E'…'`, `B'…'`, `X'…'`, `U&'…'`, `U&"…"`.
    fn word(&mut self) -> Token {
        let postgres = self.is_postgres();
        let word = fold_name(self.take_while(|character| is_word(character) && !(postgres && matches!(character, '@' | '#'))));
        let quote_follows = self.rest.starts_with('\'');
        match word.as_str() {
            "n" if quote_follows => {
                self.bump();
                Token::Text(self.literal(false))
            }
            "e" if quote_follows && postgres => {
                self.bump();
                Token::Text(self.literal(true))
            }
            "u" if postgres && self.eat("&'") => {
                let text = self.literal(false);
                let escape = self.unicode_escape();
                Token::Text(unicode_escapes(&text, escape))
            }
            "u" if postgres && self.eat("&\"") => {
                let text = self.quoted('"', false);
                let escape = self.unicode_escape();
                Token::Double(unicode_escapes(&text, escape))
            }
            _ => Token::Word(word),
        }
    }

    /// `UESCAPE 'c'` behind `U&'…'`: another sign than the backslash.
    fn unicode_escape(&mut self) -> char {
        let mut ahead = Lexer { rest: self.rest, dialect: self.dialect };
        ahead.skip_blanks();
        let word = ahead.rest.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("uescape"));
        if word {
            ahead.rest = ahead.rest.get(7..).unwrap_or_default();
            ahead.skip_blanks();
            if ahead.eat("'")
                && let Some(escape) = ahead.bump()
                && ahead.eat("'")
            {
                self.rest = ahead.rest;
                return escape;
            }
        }
        '\\'
    }

    /// Behind the opening quote of a literal. In PostgreSQL one goes on in the next line (4.1.2.1).
    fn literal(&mut self, backslashes: bool) -> String {
        let mut out = self.quoted('\'', backslashes);
        while self.is_postgres() && !self.rest.is_empty() {
            let mut ahead = Lexer { rest: self.rest, dialect: self.dialect };
            ahead.skip_blanks();
            let between = self.rest.get(..self.rest.len() - ahead.rest.len()).unwrap_or_default();
            // What stands between is looked at twice at most: it ends at the next token.
            if !between.contains(['\n', '\r']) || !ahead.eat("'") {
                break;
            }
            self.rest = ahead.rest;
            out.push_str(&self.quoted('\'', backslashes));
        }
        out
    }

    /// Up to the closing quote; a doubled one stands for itself. A text without an end goes to the end.
    fn quoted(&mut self, close: char, backslashes: bool) -> String {
        let mut out = String::new();
        while let Some(character) = self.bump() {
            if character == close {
                if self.peek() != Some(close) {
                    break;
                }
                self.bump();
                out.push(close);
            } else if character == '\\' && backslashes {
                self.escape(&mut out);
            } else if character == '\\' && !self.is_postgres() && (self.eat("\n") || self.eat("\r\n")) {
                // T-SQL: a backslash at the end of a line continues the text on the next.
            } else {
                out.push(character);
            }
        }
        out
    }

    /// The escapes of `E'…'` (PostgreSQL 4.1.2.2).
    fn escape(&mut self, out: &mut String) {
        let Some(character) = self.bump() else { return };
        let digits = |lexer: &mut Self, most: usize, radix: u32| {
            let text: String = lexer.rest.chars().take(most).take_while(|digit| digit.is_digit(radix)).collect();
            lexer.rest = lexer.rest.get(text.len()..).unwrap_or_default();
            u32::from_str_radix(&text, radix).ok().and_then(char::from_u32)
        };
        let value = match character {
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'x' => digits(self, 2, 16),
            'u' => digits(self, 4, 16),
            'U' => digits(self, 8, 16),
            '0'..='7' => {
                let rest: String = self.rest.chars().take(2).take_while(|digit| digit.is_digit(8)).collect();
                self.rest = self.rest.get(rest.len()..).unwrap_or_default();
                u32::from_str_radix(&format!("{character}{rest}"), 8).ok().and_then(char::from_u32)
            }
            other => Some(other),
        };
        out.extend(value);
    }

    /// `$$…$$` and `$tag$…$tag$` (PostgreSQL 4.1.2.4), a parameter `$1`, an amount of money (T-SQL), or a lone sign.
    fn dollar(&mut self) -> Token {
        let digits = self.rest.get(1..).is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()));
        if digits && self.is_postgres() {
            self.bump();
            let number = self.take_while(|digit| digit.is_ascii_digit());
            return Token::Variable(format!("${number}"));
        }
        if !self.is_postgres() {
            self.bump();
            return if digits { self.number() } else { Token::Symbol('$') };
        }
        let after = self.rest.get(1..).unwrap_or_default();
        let tag_len =
            after.find(|character: char| !(character.is_ascii_alphanumeric() || character == '_')).unwrap_or(after.len());
        let is_quote = after.get(tag_len..).is_some_and(|rest| rest.starts_with('$'))
            && !after.starts_with(|first: char| first.is_ascii_digit());
        if !is_quote || tag_len > 63 {
            self.bump();
            return Token::Symbol('$');
        }
        let (tag, rest) = self.rest.split_at_checked(tag_len + 2).unwrap_or((self.rest, ""));
        let (body, rest) = rest.split_once(tag).unwrap_or((rest, ""));
        self.rest = rest;
        Token::Text(body.to_owned())
    }

    fn hex(&mut self) -> Token {
        // A line continuation may split a long constant.
        let mut digits = self.take_while(|character| character.is_ascii_hexdigit()).to_owned();
        while self.rest.starts_with("\\\n") || self.rest.starts_with("\\\r\n") {
            self.take_while(|character| matches!(character, '\\' | '\r' | '\n'));
            digits.push_str(self.take_while(|character| character.is_ascii_hexdigit()));
        }
        Token::Hex(decode_hex(&digits))
    }
}

fn decode_hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let skip = digits.len() % 2;
    let first = digits.first().filter(|_| skip == 1).map(|digit| *digit as u8);
    let pairs = digits.get(skip..).unwrap_or_default().chunks_exact(2);
    first.into_iter().chain(pairs.map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8))).collect()
}

/// `U&'\0041'` and `\+000041` (PostgreSQL 4.1.2.3); a doubled sign stands for itself.
fn unicode_escapes(text: &str, escape: char) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(escape) {
        out.push_str(before);
        let (digits, used) = match after.strip_prefix('+') {
            Some(long) => (long.get(..6), 7),
            None => (after.get(..4), 4),
        };
        let character = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        rest = match character {
            Some(character) => {
                out.push(character);
                after.get(used..).unwrap_or_default()
            }
            None => {
                out.push(escape);
                after.strip_prefix(escape).unwrap_or(after)
            }
        };
    }
    out.push_str(rest);
    out
}
