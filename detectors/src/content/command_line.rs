//! Command lines as Windows reads them: `cmd.exe` first (carets, chains, variables), then `CommandLineToArgvW`, then the parameters
//! of `powershell.exe`.

use std::collections::HashMap;

use super::config::Budget;
use super::powershell::known_value;

/// Variables that a line may set.
const MAX_VARIABLES: usize = 64;
/// Commands of one line.
const MAX_COMMANDS: usize = 64;

/// One command of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Its text, carets and variables resolved.
    pub text: String,
    /// What the command before writes comes in.
    pub piped: bool,
}

/// The commands of a line as `cmd.exe` would start them, and whether something was hidden by carets or variables.
pub fn commands(line: &str, budget: &mut Budget) -> (Vec<Command>, bool) {
    let mut variables = HashMap::new();
    let mut all = Vec::new();
    let mut hidden = false;
    let mut chain = Chain { text: line, at: 0 };
    while let Some((raw, piped, caret)) = chain.next() {
        if all.len() >= MAX_COMMANDS {
            budget.cut = true;
            break;
        }
        hidden |= caret;
        let (text, expanded) = expand(&raw, &variables, budget);
        hidden |= expanded;
        let text = text.trim_start_matches([' ', '\t', '@', '(']).trim_end().to_owned();
        if let Some((name, value)) = assignment(&text)
            && variables.len() < MAX_VARIABLES
        {
            variables.insert(name, value);
        }
        if !text.is_empty() {
            all.push(Command { text, piped });
        }
    }
    (all, hidden)
}

struct Chain<'a> {
    text: &'a str,
    at: usize,
}

impl Chain<'_> {
    /// The next command: its text without carets, whether it is piped to, whether a caret hid something.
    fn next(&mut self) -> Option<(String, bool, bool)> {
        let bytes = self.text.as_bytes();
        if self.at >= bytes.len() {
            return None;
        }
        // `||` is no pipe.
        let before = bytes.get(..self.at)?;
        let piped = before.ends_with(b"|") && !before.ends_with(b"||");
        let mut out = String::new();
        let (mut quoted, mut caret) = (false, false);
        let mut characters = self.text.get(self.at..)?.char_indices().peekable();
        let mut end = bytes.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    quoted = !quoted;
                    out.push('"');
                }
                '^' if !quoted => match characters.next() {
                    Some((_, '\r')) => drop(characters.next_if(|(_, next)| *next == '\n')),
                    Some((_, '\n')) | None => {}
                    Some((_, next)) => {
                        caret |= next.is_alphanumeric();
                        out.push(next);
                    }
                },
                '&' | '|' if !quoted => {
                    let doubled = characters.next_if(|(_, next)| *next == character).is_some();
                    end = self.at + at + if doubled { 2 } else { 1 };
                    self.at = end;
                    return Some((out, piped, caret));
                }
                '\n' if !quoted => {
                    end = self.at + at + 1;
                    break;
                }
                other => out.push(other),
            }
        }
        self.at = end;
        Some((out, piped, caret))
    }
}

/// `set name=value`.
fn assignment(text: &str) -> Option<(String, String)> {
    let rest = text.get(..4).filter(|start| start.eq_ignore_ascii_case("set ")).and_then(|_| text.get(4..))?;
    let rest = rest.trim_start().trim_matches('"');
    let (name, value) = rest.split_once('=')?;
    Some((name.trim_start().to_ascii_lowercase(), value.to_owned()))
}

/// `%name%`, `!name!` and their parts (`%name:~1,2%`) as far as they are known.
fn expand(text: &str, variables: &HashMap<String, String>, budget: &mut Budget) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut any = false;
    while let Some(at) = rest.find(['%', '!']) {
        let (before, hole) = rest.split_at(at);
        out.push_str(before);
        let sign = hole.as_bytes().first().copied().unwrap_or(b'%');
        let behind = hole.get(1..).unwrap_or_default();
        let end = behind.char_indices().take(64).find(|(_, end)| *end == char::from(sign)).map(|(end, _)| end);
        let value = end.and_then(|end| behind.get(..end)).and_then(|name| part(name, variables));
        match (value, end) {
            (Some(value), Some(end)) if budget.take(value.len()) => {
                // What is everywhere the same hides nothing, unless letters are taken out of it.
                any |= behind
                    .get(..end)
                    .is_some_and(|name| name.contains(':') || variables.contains_key(&name.to_ascii_lowercase()));
                out.push_str(&value);
                rest = behind.get(end + 1..).unwrap_or_default();
            }
            _ => {
                out.push(char::from(sign));
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    (out, any)
}

fn part(name: &str, variables: &HashMap<String, String>) -> Option<String> {
    let (name, cut) = name.split_once(":~").map_or((name, None), |(name, cut)| (name, Some(cut)));
    let name = name.to_ascii_lowercase();
    let value = variables.get(&name).map(String::as_str).or_else(|| known_value(&format!("env:{name}")))?;
    let Some(cut) = cut else { return Some(value.to_owned()) };
    let (from, len) = cut.split_once(',').map_or((cut, None), |(from, len)| (from, Some(len)));
    let place =
        |number: i64| usize::try_from(if number < 0 { i64::try_from(value.len()).unwrap_or(0) + number } else { number }).ok();
    let from = place(from.trim().parse().ok()?)?;
    let rest = value.get(from..)?;
    match len {
        None => Some(rest.to_owned()),
        Some(len) => {
            let len: i64 = len.trim().parse().ok()?;
            let len = if len < 0 { i64::try_from(rest.len()).unwrap_or(0) + len } else { len };
            Some(rest.get(..usize::try_from(len).ok()?.min(rest.len()))?.to_owned())
        }
    }
}

/// The arguments of a command line by the rules of `CommandLineToArgvW`: quotes group, a doubled quote inside is one, back-slashes
/// escape only in front of a quote.
#[must_use]
pub fn arguments(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut current = String::new();
    let (mut quoted, mut any) = (false, false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let mut slashes = 1_usize;
                while characters.next_if_eq(&'\\').is_some() {
                    slashes += 1;
                }
                any = true;
                if characters.peek() == Some(&'"') {
                    current.extend(std::iter::repeat_n('\\', slashes / 2));
                    if slashes % 2 == 1 {
                        characters.next();
                        current.push('"');
                    }
                } else {
                    current.extend(std::iter::repeat_n('\\', slashes));
                }
            }
            '"' => {
                any = true;
                if quoted && characters.next_if_eq(&'"').is_some() {
                    current.push('"');
                } else {
                    quoted = !quoted;
                }
            }
            ' ' | '\t' | '\r' | '\n' if !quoted => {
                if std::mem::take(&mut any) {
                    all.push(std::mem::take(&mut current));
                }
            }
            other => {
                any = true;
                current.push(other);
            }
        }
    }
    if any {
        all.push(current);
    }
    all
}

/// What `powershell.exe` was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The code of `-EncodedCommand`, as it stands there.
    pub encoded: Option<String>,
    /// The code of `-Command`.
    pub command: Option<String>,
    /// The path of `-File`.
    pub file: Option<String>,
    /// Code comes from standard input.
    pub stdin: bool,
    /// Flags by which it hides or gets round policy: `bypass`, `hidden`, `noninteractive`, `noprofile`.
    pub flags: Vec<&'static str>,
}

/// Parameters: name, the fewest letters, whether a value follows.
const PARAMETERS: [(&str, usize, bool); 21] = [
    ("encodedcommand", 1, true),
    ("ec", 2, true),
    ("executionpolicy", 2, true),
    ("ep", 2, true),
    ("encodedarguments", 8, true),
    ("ea", 2, true),
    ("command", 1, false),
    ("file", 1, false),
    ("windowstyle", 1, true),
    ("noninteractive", 4, false),
    ("noprofile", 3, false),
    ("noexit", 3, false),
    ("nologo", 3, false),
    ("inputformat", 3, true),
    ("outputformat", 1, true),
    ("configurationname", 6, true),
    ("psconsolefile", 1, true),
    ("version", 1, true),
    ("workingdirectory", 2, true),
    ("sta", 2, false),
    ("mta", 1, false),
];

/// The parameter that a word means.
fn parameter(word: &str) -> Option<(&'static str, bool)> {
    let mut characters = word.chars();
    characters.next().filter(|first| matches!(first, '-' | '/' | '\u{2013}' | '\u{2014}' | '\u{2015}'))?;
    let name = characters.as_str().trim_start_matches('-').to_ascii_lowercase();
    if name.is_empty() {
        return None;
    }
    let found = PARAMETERS.iter().find(|(full, least, _)| name.len() >= *least && full.starts_with(&name));
    found.map(|(full, _, value)| (*full, *value))
}

/// Reads the arguments behind `powershell.exe`.
#[must_use]
pub fn invocation(arguments: &[String], is_core: bool) -> Invocation {
    let mut out = Invocation::default();
    let mut at = 0;
    let rest = |from: usize| arguments.get(from..).map(|rest| rest.join(" ")).filter(|rest| !rest.is_empty());
    while let Some(word) = arguments.get(at) {
        at += 1;
        let (word, inline) = match word.split_once(':') {
            Some((name, value)) if name.starts_with('-') && !name.contains(' ') => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        if word == "-" {
            out.stdin = true;
            break;
        }
        let Some((name, takes)) = parameter(word) else {
            if word.starts_with('-') && word.len() > 1 {
                continue;
            }
            // No parameter: `-Command` for Windows PowerShell, `-File` for its successor.
            if is_core && word.to_ascii_lowercase().ends_with(".ps1") {
                out.file = Some(word.to_owned())
            } else {
                out.command = rest(at - 1)
            }
            break;
        };
        let value = if takes {
            let value = inline.or_else(|| arguments.get(at).cloned()).unwrap_or_default();
            at += usize::from(!word.is_empty() && arguments.get(at) == Some(&value));
            value
        } else {
            String::new()
        };
        let is = |wanted: &str| value.eq_ignore_ascii_case(wanted);
        match name {
            "encodedcommand" | "ec" => out.encoded = Some(value),
            "executionpolicy" | "ep" if is("bypass") || is("unrestricted") || value == "4" => flag(&mut out.flags, "bypass"),
            "windowstyle" if value.len() <= 6 && "hidden".starts_with(&value.to_ascii_lowercase()) || value == "1" => {
                flag(&mut out.flags, "hidden");
            }
            "noninteractive" => flag(&mut out.flags, "noninteractive"),
            "noprofile" => flag(&mut out.flags, "noprofile"),
            "command" => {
                out.command = rest(at);
                out.stdin = arguments.get(at).is_some_and(|next| next == "-");
                break;
            }
            "file" => {
                out.file = arguments.get(at).cloned();
                break;
            }
            _ => {}
        }
    }
    out
}

fn flag(flags: &mut Vec<&'static str>, name: &'static str) {
    if !flags.contains(&name) {
        flags.push(name);
    }
}
