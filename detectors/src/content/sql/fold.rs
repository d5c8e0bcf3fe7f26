//! Constant expressions: what a text is once its concatenations, casts and functions are done.
//!
//! A text of which a part is not known (a column, a parameter) is known in part: [`UNKNOWN`] stands for the rest. What stands
//! around it still runs as SQL.

use std::collections::HashMap;

use super::functions;
use super::token::{Dialect, Token};

/// Stands in a text for a part that is not known. No name and no literal of either dialect begins with it.
pub const UNKNOWN: &str = "?";

/// Parentheses and function calls in one expression.
const MAX_DEPTH: usize = 48;
/// Bytes of one folded text.
const MAX_TEXT: usize = 256 * 1024;
/// Tokens of a `CASE`, or of an argument that is not understood.
const MAX_LOOK_AHEAD: usize = 256;
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
    /// Bytes it takes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Number(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// As a whole number; bytes as T-SQL casts them, the first one highest.
    pub fn to_number(&self) -> Option<i64> {
        match self {
            Self::Text(text) | Self::Number(text) => text.trim().parse().ok(),
            Self::Bytes(bytes) if bytes.len() <= 8 => {
                Some(bytes.iter().fold(0_i64, |number, byte| number.wrapping_shl(8) | i64::from(*byte)))
            }
            Self::Bytes(_) => None,
        }
    }

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
    pub dialect: Dialect,
    variables: HashMap<String, Constant>,
    room: usize,
    /// Steps left: what bounds the time for texts that fail in each of their many nestings.
    fuel: usize,
    /// An expression was nested deeper than is followed.
    deep: bool,
}

impl Folder {
    pub fn new(dialect: Dialect, room: usize, fuel: usize) -> Self {
        Self { dialect, variables: HashMap::new(), room, fuel, deep: false }
    }

    /// Something was left out, because there is no end to it.
    pub const fn is_spent(&self) -> bool {
        self.room == 0 || self.fuel == 0 || self.deep
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
        let Some(room) = self.room.checked_sub(len) else {
            self.room = 0;
            return None;
        };
        self.room = room;
        (len <= MAX_TEXT).then_some(())
    }

    /// Folds the expression at the front: its value, where it is constant, and the tokens it takes.
    pub fn expression(&mut self, tokens: &[Token]) -> (Option<Constant>, usize) {
        self.sum(tokens, 0)
    }

    fn sum(&mut self, tokens: &[Token], depth: usize) -> (Option<Constant>, usize) {
        let (mut value, mut used) = self.product(tokens, depth);
        if used == 0 {
            return (None, 0);
        }
        // The text joined so far, so that a long sum is not copied over and over.
        let mut joined: Option<String> = None;
        loop {
            used += suffix(tokens.get(used..).unwrap_or_default());
            let rest = tokens.get(used..).unwrap_or_default();
            let operator = match rest {
                [Token::Symbol('+'), ..] => 1,
                [Token::Symbol('-'), ..] if matches!(value, Some(Constant::Number(_))) => 1,
                [Token::Symbol('|'), Token::Symbol('|'), ..] => 2,
                _ => break,
            };
            let (next, taken) = self.product(rest.get(operator..).unwrap_or_default(), depth);
            if taken == 0 {
                break;
            }
            used += operator + taken;
            value = match (joined.take(), value.take(), next) {
                (None, Some(Constant::Number(a)), Some(Constant::Number(b))) if operator == 1 => match rest.first() {
                    Some(Token::Symbol(sign)) => arithmetic(&a, *sign, &b),
                    _ => None,
                },
                // Not known at all, or a sum of numbers.
                (None, None, None) => None,
                (None, Some(Constant::Number(_)), None) | (None, None, Some(Constant::Number(_))) if operator == 1 => None,
                (text, first, next) => {
                    let mut text = text.unwrap_or_else(|| first.map_or_else(unknown, Constant::into_text));
                    let next = next.map_or_else(unknown, Constant::into_text);
                    if self.spend(next.len()).is_none() || text.len() > MAX_TEXT {
                        return (None, used);
                    }
                    text.push_str(&next);
                    joined = Some(text);
                    None
                }
            };
        }
        (joined.map(Constant::Text).or(value), used)
    }

    fn product(&mut self, tokens: &[Token], depth: usize) -> (Option<Constant>, usize) {
        let (mut value, mut used) = self.primary(tokens, depth);
        while let Some(Token::Symbol(sign @ ('*' | '/' | '%' | '^'))) = tokens.get(used).filter(|_| used > 0) {
            let (next, taken) = self.primary(tokens.get(used + 1..).unwrap_or_default(), depth);
            if taken == 0 {
                break;
            }
            used += 1 + taken;
            value = match (&value, &next) {
                (Some(Constant::Number(a)), Some(Constant::Number(b))) => arithmetic(a, *sign, b),
                _ => None,
            };
        }
        (value, used)
    }

    fn primary(&mut self, tokens: &[Token], depth: usize) -> (Option<Constant>, usize) {
        self.fuel = self.fuel.saturating_sub(1);
        self.deep |= depth > MAX_DEPTH;
        if depth > MAX_DEPTH || self.fuel == 0 {
            return (None, 0);
        }
        match tokens {
            [Token::Text(text), ..] => (self.spend(text.len()).map(|()| Constant::Text(text.clone())), 1),
            [Token::Hex(bytes), ..] => (self.spend(bytes.len()).map(|()| Constant::Bytes(bytes.clone())), 1),
            [Token::Number(number), ..] => (Some(Constant::Number(number.clone())), 1),
            // A text with QUOTED_IDENTIFIER off; a column otherwise, which is no constant but does no harm.
            [Token::Double(text), ..] if !tokens.get(1).is_some_and(|next| next.is_symbol('.')) => {
                (self.spend(text.len()).map(|()| Constant::Text(text.clone())), 1)
            }
            [Token::Symbol('+'), Token::Number(number), ..] => (Some(Constant::Number(number.clone())), 2),
            [Token::Symbol('-'), Token::Number(number), ..] => (Some(Constant::Number(format!("-{number}"))), 2),
            [Token::Variable(name), ..] => {
                let value = self.variables.get(name).cloned();
                let len = value.as_ref().map_or(0, Constant::len);
                (self.spend(len).and(value), 1)
            }
            [Token::Symbol('('), rest @ ..] => {
                // A scalar subquery of a constant: `(SELECT 'x')`.
                let select = usize::from(rest.first().is_some_and(|first| first.is("select")));
                let (value, used) = self.sum(rest.get(select..).unwrap_or_default(), depth + 1);
                match rest.get(select + used) {
                    Some(Token::Symbol(')')) => (value, select + used + 2),
                    _ => (None, 0),
                }
            }
            [Token::Word(name), rest @ ..] if name == "case" => self.case(rest, depth + 1),
            [Token::Word(name), Token::Symbol('('), rest @ ..] if !is_reserved(name) => {
                let (value, used) = self.function(name, rest, depth + 1);
                self.xml_value(value, used, tokens)
            }
            [Token::Word(name), rest @ ..] if !is_reserved(name) => {
                // A variable of PL/pgSQL, or a column of which nothing is known.
                let parts = rest.as_chunks::<2>().0.iter().take(3);
                let more =
                    parts.take_while(|pair| matches!(pair, [Token::Symbol('.'), Token::Word(_) | Token::Quoted(_)])).count();
                let value = self.variables.get(name).filter(|_| more == 0).cloned();
                let len = value.as_ref().map_or(0, Constant::len);
                (self.spend(len).and(value), 1 + 2 * more)
            }
            [Token::Quoted(_), ..] => (None, 1),
            _ => (None, 0),
        }
    }

    /// `CASE … WHEN … THEN value … END`: the first value that is known, for nobody says which condition holds.
    fn case(&mut self, tokens: &[Token], depth: usize) -> (Option<Constant>, usize) {
        let mut nested = 0_usize;
        let mut value = None;
        for (at, token) in tokens.iter().enumerate().take(MAX_LOOK_AHEAD) {
            match token {
                Token::Word(word) if word == "case" => nested += 1,
                // The word before, too.
                Token::Word(word) if word == "end" && nested == 0 => return (value, at + 2),
                Token::Word(word) if word == "end" => nested -= 1,
                Token::Word(word) if (word == "then" || word == "else") && nested == 0 && value.is_none() => {
                    value = self.sum(tokens.get(at + 1..).unwrap_or_default(), depth).0;
                }
                _ => {}
            }
            self.fuel = self.fuel.saturating_sub(usize::from(at % 16 == 0));
        }
        (None, 0)
    }

    /// `CAST('' AS xml).value('xs:base64Binary("…")', 'varbinary(max)')`: how T-SQL decodes base64.
    fn xml_value(&mut self, value: Option<Constant>, used: usize, tokens: &[Token]) -> (Option<Constant>, usize) {
        let [
            Token::Symbol('.'),
            Token::Word(method),
            Token::Symbol('('),
            Token::Text(query),
            Token::Symbol(','),
            Token::Text(_),
            Token::Symbol(')'),
            ..,
        ] = tokens.get(used..).filter(|_| used > 0).unwrap_or_default()
        else {
            return (value, used);
        };
        if method != "value" {
            return (value, used);
        }
        let inner = |name: &str| query.split_once(name).map(|(_, rest)| rest.trim_start().trim_start_matches('('));
        let argument = |rest: &str| {
            let (_, quoted) = rest.split_once('"')?;
            let (text, _) = quoted.split_once('"')?;
            if !rest.contains("sql:variable") {
                return Some(text.to_owned());
            }
            self.variables.get(&text.to_lowercase()).cloned().map(Constant::into_text)
        };
        let decoded = match (inner("xs:base64Binary"), inner("xs:hexBinary")) {
            (Some(rest), _) => argument(rest).and_then(|text| functions::decode(&text, "base64")),
            (None, Some(rest)) => argument(rest).and_then(|text| functions::decode(&text, "hex")),
            (None, None) => None,
        };
        let decoded = decoded.filter(|bytes| self.spend(bytes.len()).is_some());
        (decoded.map(Constant::Bytes), used + 7)
    }

    /// A function of constants. `tokens` begin behind its parenthesis.
    fn function(&mut self, name: &str, tokens: &[Token], depth: usize) -> (Option<Constant>, usize) {
        let mut arguments = Vec::new();
        let mut used = 0;
        let mut to_bytes = false;
        if name == "convert" || name == "try_convert" {
            // CONVERT(type, value [, style]): the type comes first.
            used = tokens.iter().take(9).position(|token| token.is_symbol(',')).map_or(0, |comma| comma + 1);
            if used == 0 {
                return (None, 0);
            }
            to_bytes = tokens.first().is_some_and(|kind| kind.is("varbinary") || kind.is("binary"));
        }
        loop {
            let (mut value, taken) = self.sum(tokens.get(used..).unwrap_or_default(), depth);
            used += taken;
            if !matches!(tokens.get(used), Some(Token::Symbol(',' | ')'))) && !tokens.get(used).is_some_and(|word| word.is("as"))
            {
                // A condition, a subquery: nothing known, up to where it ends.
                let Some(end) = argument_end(tokens.get(used..).unwrap_or_default()) else { return (None, 0) };
                self.fuel = self.fuel.saturating_sub(end / 8);
                used += end;
                value = None;
            }
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
            if arguments.len() > 1_024 {
                return (None, 0);
            }
        }
        let value = functions::apply(name, arguments, self.dialect, to_bytes, MAX_TEXT.min(self.room));
        let value = value.filter(|value| self.spend(value.len()).is_some());
        // Name and parenthesis come before.
        (value, used + 2)
    }
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}

/// What may stand behind a value and leaves it as it is: a cast of PostgreSQL (`::text`, `::varchar(9)`), `COLLATE x`.
fn suffix(tokens: &[Token]) -> usize {
    let mut used = 0;
    loop {
        used += match tokens.get(used..).unwrap_or_default() {
            [Token::Symbol(':'), Token::Symbol(':'), _, Token::Symbol('('), Token::Number(_), Token::Symbol(')'), ..] => 6,
            [Token::Symbol(':'), Token::Symbol(':'), _, Token::Symbol('.'), _, ..] => 5,
            [Token::Symbol(':'), Token::Symbol(':'), _, ..] => 3,
            [Token::Word(word), Token::Word(_) | Token::Quoted(_) | Token::Double(_), ..] if word == "collate" => 2,
            _ => return used,
        };
    }
}

/// Where an argument ends that is not understood: at its comma, or at the parenthesis that closes the call.
fn argument_end(tokens: &[Token]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().take(MAX_LOOK_AHEAD) {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(',' | ')') if depth == 0 => return Some(at),
            Token::Symbol(')') => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Words that no value begins with.
fn is_reserved(word: &str) -> bool {
    super::words::begins_statement(word)
        || matches!(
            word,
            "from"
                | "where"
                | "and"
                | "or"
                | "not"
                | "like"
                | "in"
                | "is"
                | "as"
                | "on"
                | "when"
                | "then"
                | "case"
                | "into"
                | "join"
                | "order"
                | "group"
                | "having"
                | "union"
                | "for"
                | "using"
                | "output"
                | "out"
                | "collate"
                | "values"
        )
}

/// Whole numbers only; anything else is not constant.
fn arithmetic(a: &str, sign: char, b: &str) -> Option<Constant> {
    let (a, b) = (a.parse::<i64>().ok()?, b.parse::<i64>().ok()?);
    let value = match sign {
        '+' => a.checked_add(b),
        '-' => a.checked_sub(b),
        '*' => a.checked_mul(b),
        '/' => a.checked_div(b),
        '%' => a.checked_rem(b),
        '^' => Some(a ^ b),
        _ => None,
    };
    value.map(|value| Constant::Number(value.to_string()))
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
