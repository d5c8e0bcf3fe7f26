//! Statements, pipelines, and their stages.

use std::rc::Rc;

use super::read::Reader;
use super::token::Kind;
use super::value::{self, Value};

/// Words that introduce something that is walked like anything else.
const KEYWORDS: [&str; 28] = [
    "if",
    "else",
    "elseif",
    "foreach",
    "for",
    "while",
    "do",
    "until",
    "switch",
    "function",
    "filter",
    "param",
    "begin",
    "process",
    "end",
    "try",
    "catch",
    "finally",
    "trap",
    "return",
    "throw",
    "in",
    "data",
    "class",
    "exit",
    "workflow",
    "parallel",
    "dynamicparam",
];

impl Reader<'_, '_> {
    /// Walks everything up to `end`; the value of the last statement.
    pub fn statements(&mut self, from: usize, end: usize) -> Value {
        let mut at = from;
        let mut last = Value::Unknown;
        let mut values = 0;
        while at < end {
            match self.kind(at) {
                Some(Kind::End | Kind::Close(_)) => at += 1,
                _ => {
                    let (value, next, is_value) = self.statement(at, end);
                    if is_value {
                        values += 1;
                        last = value;
                    }
                    at = next.max(at + 1);
                }
            }
        }
        if values > 1 { last.trace() } else { last }
    }

    fn statement(&mut self, at: usize, end: usize) -> (Value, usize, bool) {
        if let Some((name, sign, from)) = self.target(at, end) {
            let (value, next) = self.pipeline(from, end);
            let old = self.state.variables.remove(&name.to_ascii_lowercase()).map(Rc::unwrap_or_clone);
            let value = if sign == "+=" { self.appended(old, value) } else { value };
            self.process(&name, &value);
            let copy = if sign == "=" { value.copy(self.budget) } else { Value::Unknown };
            self.state.set(&name, value);
            return (copy, next, false);
        }
        if let Some(token) = self.at(at)
            && token.kind == Kind::Word
            && KEYWORDS.iter().any(|word| token.is_word(word))
        {
            if token.is_word("return") {
                let (value, next) = self.pipeline(at + 1, end);
                if let Some(url) = value.download() {
                    self.state.returned = Some(url.to_owned());
                }
                return (value, next, true);
            }
            if let Some(next) = self.function(at, end) {
                return (Value::Unknown, next, false);
            }
            // A name behind `function` is no command.
            let skip = if ["function", "filter", "workflow", "class"].iter().any(|word| token.is_word(word)) { 2 } else { 1 };
            return (Value::Unknown, at + skip, false);
        }
        let (value, next) = self.pipeline(at, end);
        (value, next, true)
    }

    /// `function name(…) { … }`: what it gives is kept by its name. Where it ends, if it is one.
    fn function(&mut self, at: usize, end: usize) -> Option<usize> {
        let is_one = self.at(at)?.is_word("function") || self.at(at)?.is_word("filter");
        let name = self.at(at + 1).filter(|name| is_one && name.kind == Kind::Word)?.text.to_string();
        let mut from = at + 2;
        let parameters = (self.kind(from) == Some(Kind::Open('('))).then(|| (from + 1, self.closes(from, end)));
        if let Some((_, close)) = parameters {
            from = close + 1;
        }
        while self.kind(from) == Some(Kind::End) && from < end {
            from += 1;
        }
        if from >= end || self.kind(from) != Some(Kind::Open('{')) {
            return None;
        }
        // Only now: what is no function is walked where it stands, and nothing twice.
        if let Some((from, close)) = parameters {
            self.inside(from, close);
        }
        let close = self.closes(from, end);
        let outer = self.state.returned.take();
        let value = self.inside(from + 1, close);
        self.gives(&name, &value);
        self.state.returned = outer;
        Some(close + 1)
    }

    /// `$start.FileName = …; $start.Arguments = …`: a program that is started with these.
    fn process(&mut self, name: &str, value: &Value) {
        let Some((object, member)) = name.rsplit_once('.') else { return };
        if !member.eq_ignore_ascii_case("arguments") {
            return;
        }
        let file = self.state.variables.get(&format!("{}.filename", object.to_ascii_lowercase())).and_then(|file| file.text());
        if let (Some(file), Value::Text(arguments)) = (file, value)
            && self.budget.take(file.len() + arguments.len())
        {
            self.state.started(&format!("{} {arguments}", super::base_name(&file)));
        }
    }

    fn appended(&mut self, old: Option<Value>, more: Value) -> Value {
        match old {
            Some(old) => {
                let added = more.size();
                let sum = value::add(old, more, self.budget);
                if self.state.quiet {
                    return sum;
                }
                self.state.used("concatenation");
                if let Value::Text(text) = &sum {
                    // Only the end of it is new, and a name that it completes.
                    let from = text.len().saturating_sub(added + 64);
                    let from = (from..text.len()).find(|from| text.is_char_boundary(*from)).unwrap_or(text.len());
                    self.state.note(text.get(from..).unwrap_or_default(), super::read::Use::Said);
                }
                sum
            }
            None => more,
        }
    }

    /// `$name =`, `[type]$name =`, `$name +=`: the name, the sign, and where the value begins.
    fn target(&self, at: usize, end: usize) -> Option<(String, &'static str, usize)> {
        let mut at = at;
        while self.kind(at) == Some(Kind::Open('[')) {
            at = self.closes(at, end) + 1;
        }
        let name = self.at(at).filter(|token| token.kind == Kind::Variable && at < end)?;
        // `$object.member =`: kept by both names.
        if let Some(member) = self.at(at + 2).filter(|word| self.is_sign(at + 1, ".") && word.kind == Kind::Word)
            && self.is_sign(at + 3, "=")
            && at + 3 < end
        {
            return Some((format!("{}.{}", name.text, member.text), "=", at + 4));
        }
        let sign = ["=", "+="].into_iter().find(|sign| self.is_sign(at + 1, sign) && at + 1 < end)?;
        Some((name.text.to_string(), sign, at + 2))
    }

    /// Stages, one behind the other.
    pub fn pipeline(&mut self, from: usize, end: usize) -> (Value, usize) {
        let (mut value, mut at) = self.stage(from, end, None);
        while self.is_sign(at, "|") && at < end {
            at += 1;
            while self.kind(at) == Some(Kind::End) && at < end {
                at += 1;
            }
            if at >= end {
                break;
            }
            let (next_value, next) = self.stage(at, end, Some(value));
            value = next_value;
            at = next.max(at + 1);
        }
        // `a && b`, `a || b`, and a stray `&`.
        while at < end && (self.is_sign(at, "&&") || self.is_sign(at, "||")) {
            at += 1;
        }
        (value, at.max(from + 1))
    }

    fn stage(&mut self, at: usize, end: usize, input: Option<Value>) -> (Value, usize) {
        if let Some(input) = &input {
            let copy = input.copy(self.budget);
            self.state.set("_", copy);
        }
        let Some(token) = self.at(at).filter(|_| at < end) else { return (Value::Unknown, at) };
        let calls = token.is_sign("&") || (token.is_sign(".") && !self.is_sign(at + 1, "."));
        if calls {
            let (callee, next) = self.primary(at + 1, end);
            return self.called(callee, next, end, input);
        }
        match token.kind {
            Kind::Word => {
                let name = token.text.to_string();
                self.command(&name, at + 1, end, input)
            }
            Kind::Sign if token.is_sign("%") || token.is_sign("?") => self.command("%", at + 1, end, input),
            _ => self.expression(at, end),
        }
    }

    /// `& name …`, `. name …`, `& {…}`, `& ([scriptblock]::Create(…))`.
    fn called(&mut self, callee: Value, at: usize, end: usize, input: Option<Value>) -> (Value, usize) {
        match callee {
            Value::Text(name) if name.len() <= 512 => self.command(name.trim(), at, end, input),
            Value::Code(inner) => {
                self.state.used("script block");
                self.state.run(&inner);
                let (_, next) = self.arguments(at, end);
                (Value::Unknown, next)
            }
            Value::Block(from, to) => {
                let (_, next) = self.arguments(at, end);
                (self.given(from, to), next)
            }
            // An object of a command (`gcm iex`) is its name; anything else stays unknown.
            _ => {
                let (_, next) = self.arguments(at, end);
                (Value::Unknown, next)
            }
        }
    }

    /// Arguments up to the end of the stage. A parameter is a text with its dash.
    pub fn arguments(&mut self, from: usize, end: usize) -> (Vec<Value>, usize) {
        let mut at = from;
        let mut all = Vec::new();
        while at < end {
            let Some(token) = self.at(at) else { break };
            match token.kind {
                Kind::End | Kind::Close(_) => break,
                Kind::Sign if matches!(&*token.text, "|" | "&&" | "||" | "&") => break,
                Kind::Dash => {
                    all.push(Value::Text(token.text.to_string()));
                    at += 1;
                }
                Kind::Sign if token.is_sign(",") => {
                    // `a,b` is one argument of two elements.
                    let before = all.pop().map(Value::elements).unwrap_or_default();
                    let (value, next) = self.argument(at + 1, end);
                    let mut list = before;
                    list.push(value);
                    all.push(Value::List(list));
                    at = next.max(at + 1);
                }
                Kind::Sign if matches!(&*token.text, "<" | ">") => at += 1,
                _ => {
                    let (value, next) = self.argument(at, end);
                    all.push(value);
                    at = next.max(at + 1);
                }
            }
        }
        (all, at)
    }

    /// One argument: what stands together without blanks.
    fn argument(&mut self, at: usize, end: usize) -> (Value, usize) {
        let (mut value, mut next) = match self.at(at).filter(|_| at < end) {
            None => return (Value::Unknown, at),
            Some(token) => match token.kind {
                Kind::Word => (Value::Text(token.text.to_string()), at + 1),
                Kind::Sign | Kind::Number(_) if !token.is_sign(",") => (Value::Text(token.text.to_string()), at + 1),
                Kind::End | Kind::Close(_) => return (Value::Unknown, at),
                _ => self.primary(at, end),
            },
        };
        let mut expanded =
            matches!(self.kind(at), Some(Kind::Word | Kind::Text | Kind::Expand | Kind::Variable | Kind::Sign | Kind::Number(_)));
        while expanded && next < end && self.is_glued(next) {
            let Some(token) = self.at(next) else { break };
            let (more, after) = match token.kind {
                Kind::Word | Kind::Number(_) | Kind::Dash => (Value::Text(token.text.to_string()), next + 1),
                Kind::Sign if matches!(&*token.text, "." | "::" | "=" | ".." | "%" | "+" | "*" | "/" | "-" | "!") => {
                    (Value::Text(token.text.to_string()), next + 1)
                }
                Kind::Variable | Kind::Text | Kind::Expand => self.primary(next, end),
                _ => break,
            };
            value = match (&value, &more) {
                (Value::Unknown, _) | (_, Value::Unknown) => Value::Unknown,
                _ => value::add(value, more, self.budget),
            };
            expanded = after > next;
            next = after;
        }
        (value, next)
    }
}
