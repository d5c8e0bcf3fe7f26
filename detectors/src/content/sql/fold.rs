//! Constant expressions: what a text is once its concatenations, casts and functions are done.

use std::collections::HashMap;

use super::token::Token;

/// Parentheses and function calls in one expression.
const MAX_DEPTH: usize = 24;
/// Bytes of one folded text.
const MAX_TEXT: usize = 256 * 1024;
/// Variables remembered.
const MAX_VARIABLES: usize = 256;

/// A constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constant {
    Text(String),
    Bytes(Vec<u8>),
    Number(String),
}

impl Constant {
    /// As text, the way a cast to `varchar` reads it; UTF-16 where every second byte is zero.
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Bytes(bytes) => {
                let wide = bytes.len() >= 2 && bytes.len() % 2 == 0 && bytes.chunks_exact(2).all(|pair| pair.last() == Some(&0));
                if wide {
                    bytes.iter().step_by(2).map(|&byte| char::from(byte)).collect()
                } else {
                    String::from_utf8_lossy(&bytes).into_owned()
                }
            }
        }
    }
}

/// Variables that were given constants, and the bytes that may still be made.
#[derive(Debug)]
pub struct Folder {
    variables: HashMap<String, Constant>,
    room: usize,
}

impl Folder {
    pub fn new(room: usize) -> Self {
        Self { variables: HashMap::new(), room }
    }

    pub fn set(&mut self, variable: &str, value: Option<Constant>) {
        match value {
            Some(value) if self.variables.len() < MAX_VARIABLES || self.variables.contains_key(variable) => {
                self.variables.insert(variable.to_owned(), value);
            }
            _ => {
                self.variables.remove(variable);
            }
        }
    }

    pub fn get(&self, variable: &str) -> Option<&Constant> {
        self.variables.get(variable)
    }

    fn spend(&mut self, len: usize) -> Option<()> {
        self.room = self.room.checked_sub(len)?;
        (len <= MAX_TEXT).then_some(())
    }

    /// Folds the expression at the front: its value, where it is constant, and the tokens it takes.
    pub fn expression(&mut self, tokens: &[Token]) -> (Option<Constant>, usize) {
        self.sum(tokens, 0)
    }

    fn sum(&mut self, tokens: &[Token], depth: usize) -> (Option<Constant>, usize) {
        let (mut value, mut used) = self.primary(tokens, depth);
        if used == 0 {
            return (None, 0);
        }
        let mut parts: Option<String> = None;
        loop {
            let rest = tokens.get(used..).unwrap_or_default();
            let operator = match rest {
                [Token::Symbol('+'), ..] => 1,
                [Token::Symbol('|'), Token::Symbol('|'), ..] => 2,
                // A PostgreSQL cast: `x::text`.
                [Token::Symbol(':'), Token::Symbol(':'), _, ..] => {
                    used += 3;
                    continue;
                }
                _ => break,
            };
            let (next, taken) = self.primary(rest.get(operator..).unwrap_or_default(), depth);
            if taken == 0 {
                break;
            }
            used += operator + taken;
            let joined = match (parts.take(), value.take(), next) {
                (Some(text), _, Some(next)) => Some((text, next.into_text())),
                (None, Some(first), Some(next)) => Some((first.into_text(), next.into_text())),
                _ => None,
            };
            match joined {
                Some((mut text, next)) => {
                    if self.spend(next.len()).is_none() {
                        return (None, used);
                    }
                    text.push_str(&next);
                    parts = Some(text);
                }
                None => {
                    // Not constant: take the rest of the sum all the same.
                    let (_, more) = self.sum(rest.get(operator + taken..).unwrap_or_default(), depth);
                    return (None, used + more);
                }
            }
        }
        (parts.map(Constant::Text).or(value), used)
    }

    fn primary(&mut self, tokens: &[Token], depth: usize) -> (Option<Constant>, usize) {
        if depth > MAX_DEPTH {
            return (None, 0);
        }
        match tokens {
            [Token::Text(text), ..] => (self.spend(text.len()).map(|()| Constant::Text(text.clone())), 1),
            [Token::Hex(bytes), ..] => (self.spend(bytes.len()).map(|()| Constant::Bytes(bytes.clone())), 1),
            [Token::Number(number), ..] => (Some(Constant::Number(number.clone())), 1),
            [Token::Symbol('-'), Token::Number(number), ..] => (Some(Constant::Number(format!("-{number}"))), 2),
            [Token::Variable(name), ..] => {
                let value = self.variables.get(name).cloned();
                let len = value.as_ref().map_or(0, |value| match value {
                    Constant::Text(text) | Constant::Number(text) => text.len(),
                    Constant::Bytes(bytes) => bytes.len(),
                });
                (self.spend(len).and(value), 1)
            }
            [Token::Symbol('('), rest @ ..] => {
                let (value, used) = self.sum(rest, depth + 1);
                match rest.get(used) {
                    Some(Token::Symbol(')')) => (value, used + 2),
                    _ => (None, 0),
                }
            }
            [Token::Word(name), Token::Symbol('('), rest @ ..] => self.function(name, rest, depth + 1),
            _ => (None, 0),
        }
    }

    /// A function of constants. `tokens` begin behind its parenthesis.
    fn function(&mut self, name: &str, tokens: &[Token], depth: usize) -> (Option<Constant>, usize) {
        let mut arguments = Vec::new();
        let mut used = 0;
        if name == "convert" || name == "try_convert" {
            // CONVERT(type, value [, style]): the type comes first.
            used = tokens.iter().position(|token| token.is_symbol(',')).map_or(0, |comma| comma + 1);
            if used == 0 || used > 8 {
                return (None, 0);
            }
        }
        loop {
            let (value, taken) = self.sum(tokens.get(used..).unwrap_or_default(), depth);
            used += taken;
            arguments.push(value);
            match tokens.get(used) {
                Some(Token::Symbol(',')) => used += 1,
                // CAST(x AS type): up to the end of the type.
                Some(Token::Word(word)) if word == "as" => {
                    let Some(end) = closing(tokens.get(used..).unwrap_or_default()) else { return (None, 0) };
                    used += end + 1;
                    break;
                }
                Some(Token::Symbol(')')) => {
                    used += 1;
                    break;
                }
                _ => return (None, 0),
            }
            if arguments.len() > 64 {
                return (None, 0);
            }
        }
        // Name and parenthesis come before.
        (self.apply(name, arguments), used + 2)
    }

    fn apply(&mut self, name: &str, arguments: Vec<Option<Constant>>) -> Option<Constant> {
        let mut arguments = arguments.into_iter();
        let mut next = || arguments.next().flatten();
        let text = match name {
            "char" | "nchar" | "chr" => {
                let Constant::Number(code) = next()? else { return None };
                char::from_u32(code.parse().ok()?)?.to_string()
            }
            "concat" => arguments.map(|part| part.map(Constant::into_text)).collect::<Option<String>>()?,
            "replace" => {
                let (text, from, to) = (next()?.into_text(), next()?.into_text(), next()?.into_text());
                if from.is_empty() || text.len().saturating_mul(to.len().max(1)) > MAX_TEXT.saturating_mul(16) {
                    return None;
                }
                text.replace(&from, &to)
            }
            "reverse" => next()?.into_text().chars().rev().collect(),
            "lower" => next()?.into_text().to_lowercase(),
            "upper" => next()?.into_text().to_uppercase(),
            "ltrim" | "rtrim" | "trim" | "btrim" => next()?.into_text().trim().to_owned(),
            "convert" | "try_convert" | "cast" | "try_cast" => return next(),
            _ => return None,
        };
        self.spend(text.len())?;
        Some(Constant::Text(text))
    }
}

/// The parenthesis that closes what was opened before the first token.
fn closing(tokens: &[Token]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().take(64) {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') if depth == 0 => return Some(at),
            Token::Symbol(')') => depth -= 1,
            _ => {}
        }
    }
    None
}
