//! What operators make of two values.

use super::read::Reader;
use super::value::{self, Value};

impl Reader<'_, '_> {
    pub fn apply(&mut self, name: &str, left: Value, right: Value) -> (Value, Option<&'static str>) {
        let texts = matches!(left, Value::Text(_));
        match name {
            "+" => (value::add(left, right, self.budget), texts.then_some("concatenation")),
            "-" => (numbers(&left, &right, i64::checked_sub), None),
            "*" => (right.number().map_or(Value::Unknown, |count| value::times(&left, count, self.budget)), None),
            "/" => (numbers(&left, &right, i64::checked_div), None),
            "%" => (numbers(&left, &right, i64::checked_rem), None),
            "-bxor" => (self.xor(&left, &right), None),
            "-band" => (numbers(&left, &right, |left, right| Some(left & right)), None),
            "-bor" => (numbers(&left, &right, |left, right| Some(left | right)), None),
            "-f" => match left.text() {
                Some(format) => (value::format(&format, right, self.budget), Some("format")),
                None => (right.trace(), None),
            },
            ".." => match (left.number(), right.number()) {
                (Some(left), Some(right)) => (value::range(left, right, self.budget), None),
                _ => (Value::Unknown, None),
            },
            "," => {
                // The list grows in place: a long one costs its length.
                let mut list = if let Value::List(list) = left { list } else { vec![left] };
                list.push(right);
                (Value::List(list), None)
            }
            "-join" => match right.text() {
                Some(separator) => (value::join(left, &separator, self.budget), Some("join")),
                None => (left.trace(), None),
            },
            "-split" | "-csplit" | "-isplit" => (self.split(&left, &right, name == "-csplit"), None),
            "-replace" | "-creplace" | "-ireplace" => (self.replace(&left, right, name == "-creplace"), Some("replace")),
            "-as" => (left, None),
            _ => (Value::Unknown, None),
        }
    }

    fn xor(&mut self, left: &Value, right: &Value) -> Value {
        match (left.number(), right.number()) {
            (Some(left), Some(right)) => {
                self.state.used("xor");
                Value::Number(left ^ right)
            }
            (Some(key), None) | (None, Some(key)) => {
                if let Ok(key) = u8::try_from(key)
                    && key != 0
                    && !self.state.out.keys.contains(&key)
                    && self.state.out.keys.len() < 4
                {
                    self.state.out.keys.push(key);
                }
                Value::Unknown
            }
            _ => Value::Unknown,
        }
    }

    fn split(&mut self, left: &Value, right: &Value, exact: bool) -> Value {
        let (Value::Text(text), Some(pattern)) = (left, right.text()) else { return left.trace() };
        if pattern.is_empty() {
            return self.characters(text);
        }
        let Some(wanted) = value::alternatives(&pattern) else { return Value::Unknown };
        // An element costs more than its letters.
        if !self.budget.take(text.len().saturating_mul(8)) {
            return Value::Unknown;
        }
        Value::List(value::split(text, &wanted, exact).into_iter().map(Value::Text).collect())
    }

    /// The characters of a text.
    pub fn characters(&mut self, text: &str) -> Value {
        if !self.budget.take(text.len().saturating_mul(8)) {
            return Value::Unknown;
        }
        Value::List(text.chars().map(|character| Value::Text(character.to_string())).collect())
    }

    fn replace(&mut self, left: &Value, right: Value, exact: bool) -> Value {
        let mut arguments = right.elements().into_iter();
        let pattern = arguments.next().and_then(|pattern| pattern.text());
        let with = arguments.next().map_or(Some(String::new()), |with| with.text());
        let (Value::Text(text), Some(pattern), Some(with)) = (left, pattern, with) else { return left.trace() };
        let Some(wanted) = value::alternatives(&pattern) else { return Value::Unknown };
        self.replaced(text, &wanted, &with, exact)
    }

    /// Each of the alternatives replaced.
    pub fn replaced(&mut self, text: &str, wanted: &[String], with: &str, exact: bool) -> Value {
        if !self.budget.take(text.len()) {
            return Value::Unknown;
        }
        let parts = value::split(text, wanted, exact);
        if !self.budget.take(parts.len().saturating_mul(with.len())) {
            return Value::Unknown;
        }
        Value::Text(parts.join(with))
    }
}

fn numbers(left: &Value, right: &Value, of: fn(i64, i64) -> Option<i64>) -> Value {
    match (left.number(), right.number()) {
        (Some(left), Some(right)) => of(left, right).map_or(Value::Unknown, Value::Number),
        _ => Value::Unknown,
    }
}
