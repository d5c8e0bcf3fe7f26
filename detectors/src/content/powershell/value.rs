//! Values as far as they can be known without running anything, and the operators on them.

use crate::content::config::Budget;

/// Elements of a range or a repetition.
const MAX_ELEMENTS: i64 = 4096;

/// A value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// Nothing is known.
    #[default]
    Unknown,
    /// A constant text.
    Text(String),
    /// A constant number.
    Number(i64),
    /// Constant bytes.
    Bytes(Vec<u8>),
    /// Several values.
    List(Vec<Value>),
    /// What somebody else sent: from this address, empty where it is not known.
    Download(String),
    /// Bytes out of base64 that is not constant.
    Decoded,
    /// A block of code, by its tokens.
    Block(usize, usize),
    /// Code made of a value (`[scriptblock]::Create`).
    Code(Box<Value>),
}

impl Value {
    /// Its size in a budget.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Download(text) => text.len() + 8,
            Self::Bytes(bytes) => bytes.len() + 8,
            Self::List(list) => list.iter().map(Self::size).sum::<usize>() + 8,
            Self::Code(inner) => inner.size() + 8,
            _ => 8,
        }
    }

    /// A copy, if the budget has room for it.
    #[must_use]
    pub fn copy(&self, budget: &mut Budget) -> Self {
        if budget.take(self.size()) { self.clone() } else { Self::Unknown }
    }

    /// The text that PowerShell makes of it, where it is constant.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::List(list) => {
                let texts: Option<Vec<String>> =
                    list.iter().map(|one| if matches!(one, Self::List(_)) { None } else { one.text() }).collect();
                texts.map(|texts| texts.join(" "))
            }
            Self::Bytes(bytes) => Some(bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")),
            _ => None,
        }
    }

    /// The number that PowerShell makes of it.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => parse(text.trim(), 10),
            Self::List(list) => {
                if let [one] = list.as_slice() {
                    one.number()
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// What came from outside, wherever in it.
    #[must_use]
    pub fn download(&self) -> Option<&str> {
        match self {
            Self::Download(url) => Some(url),
            Self::List(list) => list.iter().find_map(Self::download),
            Self::Code(inner) => inner.download(),
            _ => None,
        }
    }

    /// Whether it, or a part, came out of base64 that is not constant.
    #[must_use]
    pub fn is_decoded(&self) -> bool {
        match self {
            Self::Decoded => true,
            Self::List(list) => list.iter().any(Self::is_decoded),
            Self::Code(inner) => inner.is_decoded(),
            _ => false,
        }
    }

    /// Its elements; a text is one.
    #[must_use]
    pub fn elements(self) -> Vec<Self> {
        match self {
            Self::List(list) => list,
            Self::Bytes(bytes) => bytes.into_iter().map(|byte| Self::Number(i64::from(byte))).collect(),
            other => vec![other],
        }
    }

    /// Bytes, where it is some or a list of small numbers.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::List(list) if !list.is_empty() => list.iter().map(|one| u8::try_from(one.number()?).ok()).collect(),
            _ => None,
        }
    }

    /// What is not known, as far as it matters where it came from.
    #[must_use]
    pub fn trace(&self) -> Self {
        match (self.download(), self.is_decoded()) {
            (Some(url), _) => Self::Download(url.to_owned()),
            (None, true) => Self::Decoded,
            _ => Self::Unknown,
        }
    }
}

/// A number in a text, with `0x` or in the given base.
#[must_use]
pub fn parse(text: &str, base: u32) -> Option<i64> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hex {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None if (2..=36).contains(&base) => i64::from_str_radix(text, base).ok(),
        None => None,
    }
}

/// The character of a code.
#[must_use]
pub fn character(code: i64) -> Option<Value> {
    u32::try_from(code).ok().and_then(char::from_u32).map(|character| Value::Text(character.to_string()))
}

/// `a + b`.
#[must_use]
pub fn add(left: Value, right: Value, budget: &mut Budget) -> Value {
    // Where a list came from is asked of each of its elements: growing one by one must not cost its square.
    if let Value::List(list) = &left
        && !budget.take(list.len() / 64)
    {
        return Value::Unknown;
    }
    if left.download().is_some() || left.is_decoded() {
        return left.trace();
    }
    if right.download().is_some() || right.is_decoded() {
        return right.trace();
    }
    // What is appended is paid for, so that a text grown piece by piece costs its length.
    if !budget.take(right.size()) {
        return Value::Unknown;
    }
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.checked_add(right).map_or(Value::Unknown, Value::Number),
        (Value::Text(mut left), right) => match right.text() {
            Some(right) => {
                left.push_str(&right);
                Value::Text(left)
            }
            None => Value::Unknown,
        },
        (Value::List(mut left), right) => {
            left.extend(right.elements());
            Value::List(left)
        }
        (Value::Bytes(mut left), Value::Bytes(right)) => {
            left.extend(right);
            Value::Bytes(left)
        }
        _ => Value::Unknown,
    }
}

/// `a..b`, bounded.
#[must_use]
pub fn range(from: i64, to: i64, budget: &mut Budget) -> Value {
    let len = from.abs_diff(to).saturating_add(1);
    if len > 1 << 20 || !budget.take(usize::try_from(len).unwrap_or(usize::MAX).saturating_mul(8)) {
        return Value::Unknown;
    }
    let up = from <= to;
    let numbers = (0..=from.abs_diff(to)).filter_map(|step| i64::try_from(step).ok());
    Value::List(numbers.map(|step| Value::Number(if up { from + step } else { from - step })).collect())
}

/// `a * b` of a text or numbers.
#[must_use]
pub fn times(left: &Value, count: i64, budget: &mut Budget) -> Value {
    match left {
        Value::Number(number) => number.checked_mul(count).map_or(Value::Unknown, Value::Number),
        Value::Text(text) if (0..=MAX_ELEMENTS).contains(&count) => {
            let count = usize::try_from(count).unwrap_or(0);
            if budget.take(text.len().saturating_mul(count)) { Value::Text(text.repeat(count)) } else { Value::Unknown }
        }
        _ => Value::Unknown,
    }
}

/// `a -join b`.
#[must_use]
pub fn join(list: Value, separator: &str, budget: &mut Budget) -> Value {
    let trace = list.trace();
    if trace != Value::Unknown {
        return trace;
    }
    let mut out = String::new();
    for (at, one) in list.elements().iter().enumerate() {
        let Some(text) = one.text() else { return Value::Unknown };
        if !budget.take(text.len() + separator.len()) {
            return Value::Unknown;
        }
        if at > 0 {
            out.push_str(separator);
        }
        out.push_str(&text);
    }
    Value::Text(out)
}

/// `format -f list`. Alignment and format letters change nothing here but `X`.
#[must_use]
pub fn format(format: &str, list: Value, budget: &mut Budget) -> Value {
    let trace = list.trace();
    if trace != Value::Unknown {
        return trace;
    }
    let list = list.elements();
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, hole) = rest.split_at(at);
        out.push_str(before);
        if hole.starts_with("{{") || hole.starts_with("}}") {
            out.push_str(hole.get(..1).unwrap_or_default());
            rest = hole.get(2..).unwrap_or_default();
            continue;
        }
        let digits = hole.get(1..).map_or(0, |digits| digits.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(digits.len()));
        let index = hole.get(1..=digits).and_then(|digits| digits.parse::<usize>().ok());
        let behind = hole.get(1 + digits..).unwrap_or_default();
        let end = behind.char_indices().take(32).find(|(_, end)| *end == '}').map(|(end, _)| end);
        let (Some(index), Some(end)) = (index.filter(|_| hole.starts_with('{')), end) else { return Value::Unknown };
        let Some(text) = list.get(index).and_then(Value::text) else { return Value::Unknown };
        if !budget.take(text.len()) {
            return Value::Unknown;
        }
        out.push_str(&text);
        rest = behind.get(end + 1..).unwrap_or_default();
    }
    if !budget.take(out.len() + rest.len()) {
        return Value::Unknown;
    }
    out.push_str(rest);
    Value::Text(out)
}

/// The texts that a simple pattern of a regular expression stands for, each one alternative; nothing for others.
#[must_use]
pub fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let mut one = String::new();
    let inner = pattern.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    if let Some(set) = inner.filter(|set| !set.is_empty() && !set.contains(['[', '^', '-', '\\'])) {
        return Some(set.chars().map(String::from).collect());
    }
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next()? {
                escaped if escaped.is_alphanumeric() => return None,
                escaped => one.push(escaped),
            },
            '|' => all.push(std::mem::take(&mut one)),
            '.' | '*' | '+' | '?' | '[' | ']' | '(' | ')' | '^' | '$' | '{' => return None,
            other => one.push(other),
        }
    }
    all.push(one);
    let short = all.iter().map(String::len).sum::<usize>() <= 64;
    (short && all.iter().all(|one| !one.is_empty())).then_some(all)
}

/// Where the first of the alternatives stands, and how long it is. Case counts for ASCII only where asked.
fn first(text: &str, wanted: &[String], exact: bool) -> Option<(usize, usize)> {
    text.char_indices().find_map(|(at, _)| {
        let rest = text.as_bytes().get(at..)?;
        wanted.iter().find_map(|one| {
            let start = rest.get(..one.len())?;
            let fits = if exact { start == one.as_bytes() } else { start.eq_ignore_ascii_case(one.as_bytes()) };
            fits.then_some((at, one.len()))
        })
    })
}

/// Cuts a text where one of the alternatives stands.
#[must_use]
pub fn split(text: &str, wanted: &[String], exact: bool) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((at, len)) = first(rest, wanted, exact) {
        let (Some(part), Some(behind)) = (rest.get(..at), rest.get(at + len..)) else { break };
        parts.push(part.to_owned());
        rest = behind;
    }
    parts.push(rest.to_owned());
    parts
}
