//! Expressions: operators by their precedence, casts, members, indexes (PowerShell Language Specification 3.0, section 7).

use super::known;
use super::read::{Reader, Use};
use super::token::{self, Kind};
use super::value::{self, Value};
use crate::content::encoding;

/// How tightly an operator binds; nothing where it is none.
fn strength(token: &token::Token<'_>) -> Option<u8> {
    match token.kind {
        Kind::Sign => Some(match &*token.text {
            "+" | "-" => 2,
            "*" | "/" | "%" => 3,
            ".." => 5,
            "," => 6,
            _ => return None,
        }),
        Kind::Dash => {
            let name = token.text.to_ascii_lowercase();
            let name = name.trim_start_matches('-');
            match name {
                "f" => Some(4),
                "and" | "or" | "xor" | "band" | "bor" | "bxor" | "shl" | "shr" => Some(0),
                "join" | "split" | "csplit" | "isplit" | "replace" | "creplace" | "ireplace" | "eq" | "ne" | "gt" | "lt"
                | "ge" | "le" | "like" | "notlike" | "match" | "notmatch" | "contains" | "notcontains" | "is" | "isnot"
                | "as" | "in" | "notin" | "ceq" | "cne" | "ieq" | "ine" | "imatch" | "cmatch" | "ilike" | "clike" => Some(1),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Bytes of a member's name that stands in a variable.
const MAX_MEMBER: usize = 4 * 1024;

impl Reader<'_, '_> {
    /// An expression up to where it ends.
    pub fn expression(&mut self, from: usize, end: usize) -> (Value, usize) {
        self.binary(from, end, 0)
    }

    /// Operators that bind at least so tightly. A chain is a loop and the levels are seven, so depth stays bounded.
    fn binary(&mut self, from: usize, end: usize, least: u8) -> (Value, usize) {
        let (mut left, mut at) = if least > 6 { return self.unary(from, end) } else { self.binary(from, end, least + 1) };
        let mut folded: Option<&'static str> = None;
        while at < end {
            let Some(sign) = self.at(at) else { break };
            if strength(sign) != Some(least) {
                break;
            }
            let mut next = at + 1;
            while self.kind(next) == Some(Kind::End) && next < end && self.at(next).is_some_and(|one| one.text == "\n") {
                next += 1;
            }
            let (right, after) = self.binary(next, end, least + 1);
            let name = sign.text.to_ascii_lowercase();
            let (value, how) = self.apply(&name, left, right);
            left = value;
            if how.is_some() {
                folded = how;
            }
            at = after.max(at + 1);
        }
        if let Some(how) = folded {
            self.state.folded(&left, how);
        }
        (left, at)
    }

    fn unary(&mut self, from: usize, end: usize) -> (Value, usize) {
        // Signs and casts in front, gathered in a loop: a long row of them costs no depth.
        let mut at = from;
        let mut casts: Vec<String> = Vec::new();
        while at < end {
            let Some(token) = self.at(at) else { break };
            match token.kind {
                Kind::Sign if matches!(&*token.text, "!" | "+") => at += 1,
                Kind::Sign if token.is_sign(",") && casts.iter().any(|cast| cast == ",") => at += 1,
                Kind::Sign if token.is_sign(",") => {
                    // Once: lists do not nest as deep as somebody likes.
                    casts.push(",".to_owned());
                    at += 1;
                }
                Kind::Sign if token.is_sign("-") => {
                    casts.push("-".to_owned());
                    at += 1;
                }
                Kind::Dash if ["-join", "-split", "-not", "-bnot"].iter().any(|name| token.text.eq_ignore_ascii_case(name)) => {
                    casts.push(token.text.to_ascii_lowercase());
                    at += 1;
                }
                Kind::Open('[') => {
                    let close = self.closes(at, end);
                    if self.is_sign(close + 1, "::") || (self.is_sign(close + 1, ".") && self.is_glued(close + 1)) {
                        break;
                    }
                    casts.push(self.type_name(at + 1, close));
                    at = close + 1;
                }
                _ => break,
            }
        }
        if at >= end {
            return (Value::Unknown, at);
        }
        let (mut value, next) = self.primary(at, end);
        for cast in casts.iter().rev() {
            value = self.cast(cast, value);
        }
        (value, next)
    }

    /// The name of a type between its brackets, in lower case.
    pub fn type_name(&self, from: usize, to: usize) -> String {
        let mut name = String::new();
        for token in self.tokens.get(from..to.min(self.tokens.len())).unwrap_or_default().iter().take(32) {
            name.push_str(&token.text.to_ascii_lowercase());
        }
        name.strip_prefix("system.").map(str::to_owned).unwrap_or(name)
    }

    /// What a cast or a sign in front makes of a value.
    fn cast(&mut self, name: &str, value: Value) -> Value {
        // A row of casts walks the value once each.
        if !self.budget.take(value.size() / 8) {
            return Value::Unknown;
        }
        let made = match (name, &value) {
            (",", _) => Value::List(vec![value]),
            ("-", _) => value.number().and_then(i64::checked_neg).map_or(Value::Unknown, Value::Number),
            ("-join", _) => {
                let joined = value::join(value, "", self.budget);
                self.state.folded(&joined, "join");
                joined
            }
            ("char", Value::Text(text)) if text.chars().count() == 1 => value,
            ("char", _) => {
                self.state.used("char");
                value.number().and_then(value::character).unwrap_or_default()
            }
            ("char[]", Value::Text(text)) => self.characters(text),
            ("char[]", Value::List(list)) => {
                self.state.used("char");
                let characters: Option<Vec<Value>> = list
                    .iter()
                    .map(|one| match one {
                        Value::Text(text) if text.chars().count() == 1 => Some(one.clone()),
                        _ => value::character(one.number()?),
                    })
                    .collect();
                characters.map_or(Value::Unknown, Value::List)
            }
            ("char[]", Value::Bytes(bytes)) => {
                Value::List(bytes.iter().filter_map(|byte| value::character(i64::from(*byte))).collect())
            }
            ("byte[]", Value::List(_)) => match value.bytes() {
                Some(bytes) => {
                    self.state.used("byte array");
                    self.state.blob(&bytes);
                    Value::Bytes(bytes)
                }
                None => value.trace(),
            },
            ("int" | "int32" | "int16" | "int64" | "byte" | "uint32" | "long", Value::Text(text)) => {
                let mut characters = text.chars();
                match (value.number(), characters.next(), characters.next()) {
                    (Some(number), ..) => Value::Number(number),
                    // A character is its code.
                    (None, Some(one), None) => Value::Number(i64::from(u32::from(one))),
                    _ => Value::Unknown,
                }
            }
            ("string", Value::List(_)) => value.text().map_or(Value::Unknown, Value::Text),
            ("scriptblock", Value::Code(_)) => value,
            ("scriptblock", _) => Value::Code(Box::new(value)),
            _ => value,
        };
        if self.budget.take(8) { made } else { Value::Unknown }
    }

    /// A value and what is asked of it.
    pub fn primary(&mut self, at: usize, end: usize) -> (Value, usize) {
        let Some(token) = self.at(at).filter(|_| at < end) else { return (Value::Unknown, at) };
        match token.kind {
            Kind::Variable => return self.variable(&token.text, at, end),
            Kind::Open('[') => {
                let close = self.closes(at, end);
                let name = self.type_name(at + 1, close);
                self.state.note(&name, Use::Named);
                if self.is_sign(close + 1, "::") && close + 1 < end {
                    let (value, next) = self.fixed(&name, close + 2, end);
                    return self.postfix(value, next, end);
                }
                // `[type].Member`: an object of reflection.
                return self.postfix(Value::Unknown, close + 1, end);
            }
            _ => {}
        }
        let (value, next) = match token.kind {
            Kind::Text => (self.paid(token.text.to_string()), at + 1),
            Kind::Expand => (self.expanded(&token.text), at + 1),
            Kind::Number(number) => (Value::Number(number), at + 1),
            Kind::Word => (Value::Text(token.text.to_string()), at + 1),
            Kind::Open('(') => {
                let close = self.closes(at, end);
                (self.inside(at + 1, close), close + 1)
            }
            Kind::Open(_) => {
                let close = self.closes(at, end);
                if !self.state.quiet {
                    self.inside(at + 1, close);
                }
                (Value::Block(at + 1, close), close + 1)
            }
            Kind::End | Kind::Close(_) => return (Value::Unknown, at),
            Kind::Sign | Kind::Dash | Kind::Variable => (Value::Unknown, at + 1),
        };
        self.postfix(value, next.min(end), end)
    }

    fn paid(&mut self, text: String) -> Value {
        if self.budget.take(text.len()) { Value::Text(text) } else { Value::Unknown }
    }

    fn variable(&mut self, name: &str, at: usize, end: usize) -> (Value, usize) {
        let lower = name.to_ascii_lowercase();
        let asked =
            at + 1 < end && self.is_glued(at + 1) && (self.is_sign(at + 1, ".") || self.kind(at + 1) == Some(Kind::Open('[')));
        // A member that was set.
        if asked
            && self.is_sign(at + 1, ".")
            && let Some(member) = self.at(at + 2).filter(|word| word.kind == Kind::Word && at + 2 < end)
            && !self.state.variables.is_empty()
            && let Some(value) = self.state.variables.get(&format!("{lower}.{}", member.text.to_ascii_lowercase())).cloned()
        {
            let copy = value.copy(self.budget);
            return self.postfix(copy, at + 3, end);
        }
        let Some(value) = self.state.variables.get(&lower).cloned() else {
            let value = known::value(name).map_or(Value::Unknown, |known| Value::Text(known.to_owned()));
            let special = match &*lower {
                "true" => Some(Value::Number(1)),
                "false" | "null" => Some(Value::Unknown),
                _ => None,
            };
            return self.postfix(special.unwrap_or(value), at + 1, end);
        };
        if !asked {
            let copy = value.copy(self.budget);
            return self.postfix(copy, at + 1, end);
        }
        // Asked in place: letters taken out of a long text must not cost the whole of it each time.
        let (answer, next) = self.ask(&value, at + 1, end);
        self.postfix(answer, next, end)
    }

    /// Members and indexes behind a value.
    pub fn postfix(&mut self, value: Value, at: usize, end: usize) -> (Value, usize) {
        let (mut value, mut at) = (value, at);
        while at < end
            && self.is_glued(at)
            && (self.is_sign(at, ".") || self.is_sign(at, "::") || self.kind(at) == Some(Kind::Open('[')))
        {
            let (next_value, next) = self.ask(&value, at, end);
            value = next_value;
            at = next.max(at + 1);
        }
        (value, at)
    }

    /// One member or index.
    fn ask(&mut self, value: &Value, at: usize, end: usize) -> (Value, usize) {
        // A member of a list asks all elements where they came from.
        let cost = if let Value::List(list) = value { list.len() / 16 } else { 0 };
        let value = if self.budget.take(cost) { value } else { &Value::Unknown };
        if self.kind(at) == Some(Kind::Open('[')) {
            let close = self.closes(at, end);
            let index = self.inside(at + 1, close);
            return (self.index(value, &index), close + 1);
        }
        let (name, next) = self.member_name(at + 1, end);
        self.member(value, &name, next, end)
    }

    /// The name of a member: a word, a text, or an expression.
    pub fn member_name(&mut self, at: usize, end: usize) -> (String, usize) {
        match self.at(at).filter(|_| at < end).map(|token| (token.kind, token.text.to_string())) {
            Some((Kind::Word | Kind::Text | Kind::Expand, text)) => (text.replace('`', "").to_ascii_lowercase(), at + 1),
            Some((Kind::Open('('), _)) => {
                let close = self.closes(at, end);
                let value = self.inside(at + 1, close);
                (value.text().unwrap_or_default().to_ascii_lowercase(), close + 1)
            }
            Some((Kind::Variable, name)) => {
                let value = self.state.variables.get(&name.to_ascii_lowercase());
                // No member has a long name.
                let name = value.filter(|value| value.size() <= MAX_MEMBER).and_then(|value| value.text()).unwrap_or_default();
                (name.to_ascii_lowercase(), at + 1)
            }
            _ => (String::new(), at + 1),
        }
    }

    fn index(&mut self, value: &Value, index: &Value) -> Value {
        let many: Vec<Value> = match index {
            Value::List(list) => list.clone(),
            one => vec![one.clone()],
        };
        let place = |number: i64, len: usize| {
            let len = i64::try_from(len).unwrap_or(i64::MAX);
            usize::try_from(if number < 0 { len + number } else { number }).ok()
        };
        // Where a letter stands depends on all before it: a look at the text, if a quick one.
        let looked = if let Value::Text(text) = value { text.len() / 256 } else { 0 };
        if !self.budget.take(many.len() + looked) {
            return Value::Unknown;
        }
        let found: Option<Vec<Value>> = match value {
            Value::Text(text) if text.is_ascii() => many
                .iter()
                .filter_map(|one| one.number().map(|number| place(number, text.len()).and_then(|at| text.get(at..=at))))
                .map(|one| one.map(|one| Value::Text(one.to_owned())))
                // A place outside of a text is nothing.
                .filter(|one| one.is_some() || many.len() == 1)
                .collect(),
            Value::List(list) => many
                .iter()
                .map(|one| {
                    let element = one.number().and_then(|number| list.get(place(number, list.len())?))?;
                    // A copy of what may be long.
                    self.budget.take(element.size()).then(|| element.clone())
                })
                .collect(),
            Value::Bytes(bytes) => many
                .iter()
                .map(|one| {
                    one.number()
                        .and_then(|number| bytes.get(place(number, bytes.len())?))
                        .map(|byte| Value::Number(i64::from(*byte)))
                })
                .collect(),
            _ => return value.trace(),
        };
        match found {
            Some(mut found) if found.len() == 1 && !matches!(index, Value::List(_)) => found.pop().unwrap_or_default(),
            Some(found) => {
                self.state.used("index");
                Value::List(found)
            }
            None => Value::Unknown,
        }
    }

    /// A text with its variables and subexpressions filled in.
    fn expanded(&mut self, raw: &str) -> Value {
        if !self.budget.take(raw.len()) {
            return Value::Unknown;
        }
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw;
        let (mut unknown, mut trace) = (false, Value::Unknown);
        loop {
            let len = token::plain(rest, &mut out);
            let Some(behind) = rest.get(len..).and_then(|rest| rest.strip_prefix('$')) else { break };
            let value = if behind.starts_with('(') {
                let close = closing(behind);
                let code = behind.get(1..close).unwrap_or_default();
                rest = behind.get(close + 1..).unwrap_or_default();
                if self.state.quiet { Value::Unknown } else { self.code(code) }
            } else {
                let Some((name, len)) = token::variable(behind) else { break };
                rest = behind.get(len..).unwrap_or_default();
                let value = self.state.variables.get(&name.to_ascii_lowercase()).map(|value| value.copy(self.budget));
                value.unwrap_or_else(|| known::value(name).map_or(Value::Unknown, |known| Value::Text(known.to_owned())))
            };
            match value.text() {
                Some(text) => out.push_str(&text),
                None => unknown = true,
            }
            if value.trace() != Value::Unknown {
                trace = value.trace();
            }
        }
        match trace {
            Value::Unknown if unknown && out.trim().is_empty() => Value::Unknown,
            // What is not known is left out: the rest of a command line still tells what it is.
            Value::Unknown => Value::Text(out),
            trace => trace,
        }
    }

    /// Text of bytes in an encoding, noted as such.
    pub fn decoded(&mut self, bytes: &[u8], encoding: encoding::Encoding) -> Value {
        if !self.budget.take(bytes.len()) {
            return Value::Unknown;
        }
        if let Some(layer) = encoding.layer() {
            self.state.used(layer);
        }
        let text = Value::Text(encoding.decode(bytes));
        if let Value::Text(text) = &text {
            self.state.note(text, Use::Said);
        }
        text
    }
}

/// Where the parenthesis that a text begins with closes.
fn closing(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth <= 1 => return at,
            b')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}
