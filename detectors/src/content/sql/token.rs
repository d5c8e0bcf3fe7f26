//! Tokens of T-SQL and PostgreSQL.

/// Tokens of one text at most.
pub const MAX_TOKENS: usize = 65_536;

/// A token. Comments and blanks are not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A bare word, in lower case.
    Word(String),
    /// A quoted name: `[x]` or `"x"`, in lower case.
    Quoted(String),
    /// A literal text, unescaped.
    Text(String),
    /// A binary constant (`0x…`).
    Hex(Vec<u8>),
    /// A number as written.
    Number(String),
    /// `@x`, in lower case, with its signs.
    Variable(String),
    /// Any other character.
    Symbol(char),
}

impl Token {
    /// A bare or quoted name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Quoted(name) => Some(name),
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
}

/// The tokens of a text, at most [`MAX_TOKENS`].
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: text };
    let mut out = Vec::new();
    while out.len() < MAX_TOKENS {
        let Some(token) = lexer.next() else { break };
        out.push(token);
    }
    out
}

const fn is_word_start(character: char) -> bool {
    character.is_ascii_alphabetic() || matches!(character, '_' | '#') || !character.is_ascii()
}

const fn is_word(character: char) -> bool {
    is_word_start(character) || character.is_ascii_digit() || matches!(character, '$' | '@')
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

    fn skip_blanks(&mut self) {
        loop {
            // No-break and zero-width blanks are blanks to the servers too, or an error; never part of a name that matters.
            self.take_while(|character| {
                character.is_whitespace() || character.is_control() || matches!(character, '\u{200b}' | '\u{feff}')
            });
            if self.eat("--") {
                self.take_while(|character| character != '\n');
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
            return Some(Token::Text(self.quoted('\'', false)));
        }
        if character == '[' {
            self.bump();
            // An array subscript of PostgreSQL has no letters in it: no name, no harm.
            return Some(Token::Quoted(self.quoted(']', false).to_lowercase()));
        }
        if character == '"' {
            self.bump();
            return Some(Token::Quoted(self.quoted('"', false).to_lowercase()));
        }
        if character == '@' {
            return Some(Token::Variable(self.take_while(is_word).to_lowercase()));
        }
        if character == '$' {
            return Some(self.dollar());
        }
        if self.rest.starts_with("0x") || self.rest.starts_with("0X") {
            self.rest = self.rest.get(2..).unwrap_or_default();
            return Some(self.hex());
        }
        if character.is_ascii_digit() {
            return Some(Token::Number(
                self.take_while(|character| character.is_ascii_alphanumeric() || character == '.').to_owned(),
            ));
        }
        if is_word_start(character) {
            return Some(self.word());
        }
        self.bump();
        Some(Token::Symbol(character))
    }

    /// A word, or a text with a prefix: `N'…'`, `E'…'`, `B'…'`, `X'…'`, `U&'…'`.
    fn word(&mut self) -> Token {
        let word = self.take_while(is_word).to_lowercase();
        let quote_follows = self.rest.starts_with('\'');
        match word.as_str() {
            "n" if quote_follows => {
                self.bump();
                Token::Text(self.quoted('\'', false))
            }
            "e" if quote_follows => {
                self.bump();
                Token::Text(self.quoted('\'', true))
            }
            "x" if quote_follows => {
                self.bump();
                let digits = self.quoted('\'', false);
                Token::Hex(decode_hex(&digits))
            }
            "u" if self.rest.starts_with("&'") => {
                self.rest = self.rest.get(2..).unwrap_or_default();
                Token::Text(unicode_escapes(&self.quoted('\'', false)))
            }
            _ => Token::Word(word),
        }
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

    /// `$$…$$` and `$tag$…$tag$` (PostgreSQL 4.1.2.4), a parameter `$1`, or a lone sign.
    fn dollar(&mut self) -> Token {
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

/// `U&'\0041'` and `\+000041` (PostgreSQL 4.1.2.3).
fn unicode_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
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
                out.push('\\');
                after.strip_prefix('\\').unwrap_or(after)
            }
        };
    }
    out.push_str(rest);
    out
}
