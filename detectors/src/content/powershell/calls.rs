//! Members of values and of types: what .NET makes of constants.

use std::rc::Rc;

use super::read::{Reader, Use};
use super::token::Kind;
use super::value::{self, Value};
use crate::content::encoding::{self, Encoding};

/// Methods that fetch something: the first argument is the address, where it is one.
const FETCHES: [&str; 11] = [
    "downloadstring",
    "downloaddata",
    "downloadstringasync",
    "downloadstringtaskasync",
    "downloaddatataskasync",
    "getstringasync",
    "getbytearrayasync",
    "getresponsestream",
    "getresponse",
    "openread",
    "responsetext",
];

impl Reader<'_, '_> {
    /// Arguments in parentheses that follow, each folded.
    fn parenthesised(&mut self, at: usize, end: usize) -> (Option<Vec<Value>>, usize) {
        if self.kind(at) != Some(Kind::Open('(')) || !self.is_glued(at) || at >= end {
            // `.ForEach{…}`.
            if self.kind(at) == Some(Kind::Open('{')) && self.is_glued(at) && at < end {
                let (block, next) = self.primary(at, end);
                return (Some(vec![block]), next);
            }
            return (None, at);
        }
        let close = self.closes(at, end);
        let mut all = Vec::new();
        // One list by its commas; what stands in it keeps its own brackets.
        let mut from = at + 1;
        while from < close {
            let to = self.comma(from, close);
            all.push(self.inside(from, to));
            from = to + 1;
        }
        (Some(all), close + 1)
    }

    /// The next comma outside of brackets.
    fn comma(&self, from: usize, end: usize) -> usize {
        let mut at = from;
        while at < end {
            match self.kind(at) {
                Some(Kind::Open(_)) => at = self.closes(at, end) + 1,
                Some(Kind::Sign) if self.is_sign(at, ",") && at > from => return at,
                _ => at += 1,
            }
        }
        end
    }

    /// A member of a value: name, and arguments if it is called.
    pub fn member(&mut self, value: &Value, name: &str, at: usize, end: usize) -> (Value, usize) {
        // A bare word holds a whole path: `Length`, `Content.Substring`.
        let mut names = name.split('.').filter(|name| !name.is_empty()).peekable();
        let mut current: Option<Value> = None;
        let (mut arguments, mut next) = (None, at);
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                (arguments, next) = self.parenthesised(at, end);
            }
            let target = current.as_ref().unwrap_or(value);
            let made = self.one_member(target, name, arguments.take());
            current = Some(made);
        }
        match current {
            Some(made) => (made, next),
            None => {
                let (_, next) = self.parenthesised(at, end);
                (value.trace(), next)
            }
        }
    }

    pub fn one_member(&mut self, target: &Value, name: &str, arguments: Option<Vec<Value>>) -> Value {
        let called = arguments.is_some();
        self.state.note(name, if called { Use::Called } else { Use::Named });
        let arguments = arguments.unwrap_or_default();
        let text = |at: usize| arguments.get(at).and_then(Value::text);
        match name {
            _ if FETCHES.contains(&name) => return Value::Download(text(0).unwrap_or_default()),
            "responsebody" => return Value::Download(String::new()),
            "invokescript" | "newscriptblock" | "addscript" => {
                if let Some(code) = arguments.first() {
                    self.state.used("invoke");
                    self.state.run(code);
                }
                return Value::Unknown;
            }
            "invoke" | "invokereturnasis" | "invokewithcontext" | "begininvoke" if matches!(target, Value::Code(_)) => {
                self.state.run(target);
                return Value::Unknown;
            }
            // `$method.Invoke('address')`, as it is written to hide the call.
            "invoke" if matches!(target, Value::Download(_)) => {
                return Value::Download(text(0).unwrap_or_else(|| target.download().unwrap_or_default().to_owned()));
            }
            "load" if arguments.iter().any(is_packed) => self.state.out.loads = true,
            // Of what `Get-Variable` gives.
            "value" if !called && matches!(target, Value::Text(_) | Value::List(_) | Value::Bytes(_) | Value::Number(_)) => {
                return target.copy(self.budget);
            }
            _ => {}
        }
        match target {
            Value::Text(own) => self.text_member(own, name, &arguments, called),
            Value::List(list) => match name {
                "length" | "count" => i64::try_from(list.len()).map_or(Value::Unknown, Value::Number),
                _ => target.trace(),
            },
            Value::Bytes(bytes) => match name {
                "length" | "count" => i64::try_from(bytes.len()).map_or(Value::Unknown, Value::Number),
                "readtoend" | "tostring" if self.budget.take(bytes.len()) => {
                    let encoding = encoding::text(bytes).map_or(Encoding::Utf8, |(_, encoding)| encoding);
                    let bytes = bytes.clone();
                    self.decoded(&bytes, encoding)
                }
                "toarray" | "getbuffer" => target.copy(self.budget),
                _ => Value::Unknown,
            },
            _ => target.trace(),
        }
    }

    fn text_member(&mut self, own: &str, name: &str, arguments: &[Value], called: bool) -> Value {
        let text = |at: usize| arguments.get(at).and_then(Value::text);
        let number = |at: usize| arguments.get(at).and_then(Value::number).and_then(|number| usize::try_from(number).ok());
        if name == "length" {
            if !self.budget.take(own.len() / 64) {
                return Value::Unknown;
            }
            return i64::try_from(own.chars().count()).map_or(Value::Unknown, Value::Number);
        }
        if name == "name" && !called && own.len() <= 64 {
            return Value::Text(own.to_owned());
        }
        if !called {
            return Value::Unknown;
        }
        if !self.budget.take(own.len()) {
            return Value::Unknown;
        }
        let value = match (name, arguments) {
            ("tostring" | "normalize" | "tostring()", _) => Value::Text(own.to_owned()),
            ("tolower" | "tolowerinvariant", _) => Value::Text(own.to_lowercase()),
            ("toupper" | "toupperinvariant", _) => Value::Text(own.to_uppercase()),
            ("trim", []) => Value::Text(own.trim().to_owned()),
            ("tochararray", _) => self.characters(own),
            ("replace", _) => match (text(0), text(1)) {
                (Some(old), Some(new)) if !old.is_empty() && old.len() <= 64 => self.replaced(own, &[old], &new, true),
                _ => Value::Unknown,
            },
            ("substring", _) => {
                let rest = number(0).and_then(|from| own.get(from..));
                let cut = rest
                    .and_then(|rest| if arguments.len() > 1 { number(1).and_then(|len| rest.get(..len)) } else { Some(rest) });
                cut.map_or(Value::Unknown, |cut| Value::Text(cut.to_owned()))
            }
            ("remove", _) => match (number(0).and_then(|from| own.split_at_checked(from)), number(1)) {
                (Some((start, _)), None) => Value::Text(start.to_owned()),
                (Some((start, rest)), Some(len)) => {
                    rest.get(len..).map_or(Value::Unknown, |rest| Value::Text(format!("{start}{rest}")))
                }
                _ => Value::Unknown,
            },
            ("insert", _) => match (number(0).and_then(|at| own.split_at_checked(at)), text(1)) {
                (Some((start, rest)), Some(new)) if self.budget.take(new.len()) => Value::Text(format!("{start}{new}{rest}")),
                _ => Value::Unknown,
            },
            ("split", _) => {
                // Each character of the argument separates.
                let wanted: Vec<String> = text(0).unwrap_or_else(|| " ".to_owned()).chars().take(32).map(String::from).collect();
                if wanted.is_empty() || !self.budget.take(own.len().saturating_mul(8)) {
                    return Value::Unknown;
                }
                Value::List(value::split(own, &wanted, true).into_iter().map(Value::Text).collect())
            }
            // `('Down'+'loadString').Invoke(…)` is no method of a text: what is asked is not known.
            _ => Value::Unknown,
        };
        if matches!(name, "replace" | "substring" | "remove" | "insert") {
            self.state.folded(&value, if name == "replace" { "replace" } else { "substring" });
        }
        value
    }

    /// A member of a type, `at` behind the `::`.
    pub fn fixed(&mut self, of: &str, at: usize, end: usize) -> (Value, usize) {
        let (path, next) = self.member_name(at, end);
        let of = of.strip_prefix("system.").unwrap_or(of).to_owned();
        // `[array]::Reverse($x)` changes what is in the variable.
        if path == "reverse" && self.kind(next) == Some(Kind::Open('(')) {
            let close = self.closes(next, end);
            if let (Some(token), true) = (self.at(next + 1).filter(|token| token.kind == Kind::Variable), next + 2 == close) {
                if let Some(Value::List(list)) = self.state.variables.get_mut(&token.text.to_ascii_lowercase()).map(Rc::make_mut)
                    && self.budget.take(list.len() / 4)
                {
                    list.reverse();
                    self.state.used("reverse");
                }
                return (Value::Unknown, close + 1);
            }
        }
        let (first, rest) = path.split_once('.').unwrap_or((&path, ""));
        if of.ends_with("encoding") && rest.is_empty() {
            // `[Text.Encoding]::Unicode.GetString(…)`: the method follows.
            let encoding = match first {
                "unicode" => Encoding::Utf16Le,
                "bigendianunicode" => Encoding::Utf16Be,
                _ => Encoding::Utf8,
            };
            if self.is_sign(next, ".") {
                let (method, after) = self.member_name(next + 1, end);
                return self.coded(encoding, &method, after, end);
            }
            return (Value::Unknown, next);
        }
        if of.ends_with("encoding") {
            let encoding = match first {
                "unicode" => Encoding::Utf16Le,
                "bigendianunicode" => Encoding::Utf16Be,
                _ => Encoding::Utf8,
            };
            let rest = rest.to_owned();
            return self.coded(encoding, &rest, next, end);
        }
        let (arguments, after) = self.parenthesised(next, end);
        let called = arguments.is_some();
        self.state.note(&path, if called { Use::Called } else { Use::Named });
        let arguments = arguments.unwrap_or_default();
        let name = path.rsplit('.').next().unwrap_or_default();
        (self.static_call(&of, name, arguments), after)
    }

    /// `GetString` and `GetBytes` of an encoding.
    fn coded(&mut self, encoding: Encoding, method: &str, at: usize, end: usize) -> (Value, usize) {
        let (arguments, next) = self.parenthesised(at, end);
        let value = arguments.and_then(|arguments| arguments.into_iter().next()).unwrap_or_default();
        let made = match method {
            "getstring" | "getchars" => match value.bytes() {
                Some(bytes) => self.decoded(&bytes, encoding),
                None => value.trace(),
            },
            "getbytes" if encoding == Encoding::Utf8 => match value {
                Value::Text(text) if self.budget.take(text.len()) => Value::Bytes(text.into_bytes()),
                other => other.trace(),
            },
            _ => value.trace(),
        };
        (made, next)
    }

    fn static_call(&mut self, of: &str, name: &str, arguments: Vec<Value>) -> Value {
        let text = |at: usize| arguments.get(at).and_then(Value::text);
        match (of, name) {
            (_, "frombase64string") => match arguments.first() {
                Some(Value::Text(text)) => {
                    let bytes = encoding::base64(text).filter(|bytes| self.budget.take(bytes.len()));
                    self.state.used("base64");
                    match bytes {
                        Some(bytes) => {
                            self.state.blob(&bytes);
                            Value::Bytes(bytes)
                        }
                        None => Value::Decoded,
                    }
                }
                Some(value) if value.download().is_some() => value.trace(),
                _ => Value::Decoded,
            },
            ("convert", "toint16" | "toint32" | "toint64" | "tobyte" | "touint32" | "touint16" | "tosbyte") => {
                let base = arguments.get(1).and_then(Value::number).and_then(|base| u32::try_from(base).ok()).unwrap_or(10);
                match (arguments.first(), text(0)) {
                    (Some(Value::Text(_)), Some(text)) => value::parse(text.trim(), base).map_or(Value::Unknown, Value::Number),
                    (Some(value), _) => value.number().map_or(Value::Unknown, Value::Number),
                    _ => Value::Unknown,
                }
            }
            (of, "start") if of.ends_with("process") => {
                self.starts(None, &arguments);
                Value::Unknown
            }
            ("convert", "tochar") => arguments.first().and_then(Value::number).and_then(value::character).unwrap_or_default(),
            ("string", "join") => match (text(0), arguments.len()) {
                (Some(separator), 2..) => {
                    let mut list = arguments;
                    let rest = if list.len() == 2 { list.pop().unwrap_or_default() } else { Value::List(list.split_off(1)) };
                    let joined = value::join(rest, &separator, self.budget);
                    self.state.folded(&joined, "join");
                    joined
                }
                _ => trace(&arguments),
            },
            ("string", "concat" | "new") => {
                let list = if let [Value::List(list)] = arguments.as_slice() { list.clone() } else { arguments };
                let joined = value::join(Value::List(list), "", self.budget);
                self.state.folded(&joined, "join");
                joined
            }
            ("string", "format") => match text(0) {
                Some(format) => {
                    let made = value::format(&format, Value::List(arguments.into_iter().skip(1).collect()), self.budget);
                    self.state.folded(&made, "format");
                    made
                }
                None => trace(&arguments),
            },
            ("regex" | "text.regularexpressions.regex", "replace") => match (arguments.first(), text(1), text(2)) {
                (Some(Value::Text(own)), Some(pattern), Some(with)) => match value::alternatives(&pattern) {
                    Some(wanted) => self.replaced(own, &wanted, &with, true),
                    None => Value::Unknown,
                },
                _ => trace(&arguments),
            },
            ("regex" | "text.regularexpressions.regex", "matches") if text(1).is_some_and(|pattern| pattern == ".") => {
                // `[regex]::Matches(text, '.', 'RightToLeft')`: the letters, backwards where it says so.
                let Some(Value::Text(own)) = arguments.first() else { return trace(&arguments) };
                let own = if text(2).is_some_and(|option| option.eq_ignore_ascii_case("righttoleft")) {
                    self.state.used("reverse");
                    own.chars().rev().collect()
                } else {
                    own.clone()
                };
                self.characters(&own)
            }
            ("scriptblock" | "management.automation.scriptblock", "create") => {
                let code = arguments.into_iter().next().unwrap_or_default();
                if matches!(code, Value::Code(_)) { code } else { Value::Code(Box::new(code)) }
            }
            (_, "load") if of.ends_with("assembly") || of.ends_with("appdomain") => {
                self.state.out.loads |= arguments.iter().any(is_packed);
                Value::Unknown
            }
            // Objects made by `::new(…)` and the like keep what they are made of.
            (of, "new") => self.made(of, &arguments),
            _ => trace(&arguments),
        }
    }

    /// An object of a type made of values: streams and readers are what they read.
    pub fn made(&mut self, of: &str, arguments: &[Value]) -> Value {
        let mut flat: Vec<&Value> = Vec::new();
        for argument in arguments {
            match argument {
                Value::List(list) if argument.bytes().is_none() => flat.extend(list),
                one => flat.push(one),
            }
        }
        let packed = of.ends_with("deflatestream") || of.ends_with("gzipstream") || of.ends_with("zlibstream");
        for value in flat {
            if let Some(bytes) = value.bytes().filter(|bytes| bytes.len() > 1) {
                if !packed {
                    return if self.budget.take(bytes.len()) { Value::Bytes(bytes) } else { Value::Unknown };
                }
                let unpacked = crate::content::pack::unpack(&bytes, self.budget);
                let unpacked = unpacked.or_else(|| crate::content::pack::inflate(&bytes, self.budget));
                let Some((layer, bytes)) = unpacked else { return Value::Decoded };
                self.state.used(layer);
                return Value::Bytes(bytes);
            }
            if value.trace() != Value::Unknown {
                return value.trace();
            }
        }
        Value::Unknown
    }
}

/// Whether bytes were packed or came from outside.
fn is_packed(value: &Value) -> bool {
    matches!(value, Value::Bytes(_)) || value.is_decoded() || value.download().is_some()
}

fn trace(values: &[Value]) -> Value {
    values.iter().map(Value::trace).find(|trace| *trace != Value::Unknown).unwrap_or_default()
}
