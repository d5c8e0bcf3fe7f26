//! Commands: what runs code, what fetches, what starts programs.

use super::known::{is_like, variable_like};
use super::read::{Reader, Use};
use super::value::{self, Value};

/// Tokens of a block that a loop over constants may have.
const MAX_BLOCK: usize = 64;

/// The last part of a program's path, without `.exe`, in lower case.
pub fn base_name(name: &str) -> String {
    let name = name.trim_matches(['"', '\'']).to_ascii_lowercase();
    let name = name.rsplit(['\\', '/']).next().unwrap_or_default();
    name.strip_suffix(".exe").or_else(|| name.strip_suffix(".com")).unwrap_or(name).to_owned()
}

fn is_parameter(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.starts_with('-') && text.len() > 1)
}

fn has(arguments: &[Value], start: &str, least: usize) -> bool {
    arguments.iter().any(|value| {
        let Value::Text(text) = value else { return false };
        let name = text.strip_prefix('-').unwrap_or_default().to_ascii_lowercase();
        name.len() >= least && start.starts_with(&name)
    })
}

/// Arguments that are no parameters.
fn plain(arguments: &[Value]) -> impl Iterator<Item = &Value> {
    arguments.iter().filter(|value| !is_parameter(value))
}

/// The name of a variable by its path: `Variable:name`, `Variable:/name`.
fn on_drive(path: &str) -> Option<&str> {
    let drive = path.get(..9).filter(|drive| drive.eq_ignore_ascii_case("variable:"))?;
    path.get(drive.len()..).map(|name| name.trim_start_matches(['/', '\\']))
}

impl Reader<'_, '_> {
    /// The value of a variable that is asked for by name; by a pattern, the name of one that is always there.
    fn variable_of(&mut self, name: &str) -> Value {
        let known = |text: &str| Value::Text(text.to_owned());
        if let Some(value) = self.state.variables.get(&name.to_ascii_lowercase()) {
            return value.copy(self.budget);
        }
        super::known_value(name).or_else(|| variable_like(name)).map_or(Value::Unknown, known)
    }

    /// A command by its name; its arguments begin at `at`.
    pub fn command(&mut self, name: &str, at: usize, end: usize, input: Option<Value>) -> (Value, usize) {
        let mut name = base_name(name);
        if let Some(meant) = self.state.aliases.get(&name) {
            name.clone_from(meant);
        }
        self.state.note(&name, Use::Called);
        if let Some(fetched) = self.state.functions.get(&name).cloned() {
            let (arguments, next) = self.arguments(at, end);
            let url = plain(&arguments).filter_map(Value::text).find(|text| text.contains("://"));
            return (Value::Download(url.unwrap_or(fetched)), next);
        }
        if matches!(&*name, "%" | "foreach-object" | "foreach" | "where-object" | "?") {
            return self.each(at, end, input);
        }
        let (arguments, next) = self.arguments(at, end);
        let value = self.does(&name, arguments, input);
        (value, next)
    }

    /// `| % { … }`: over constants as often as there are some, otherwise once.
    fn each(&mut self, at: usize, end: usize, input: Option<Value>) -> (Value, usize) {
        let trace = input.as_ref().map_or(Value::Unknown, Value::trace);
        let (arguments, next) = self.arguments(at, end);
        let block = arguments.iter().find_map(|value| if let Value::Block(from, to) = value { Some((*from, *to)) } else { None });
        // `| % Member arguments`.
        if let (None, Some(Value::Text(member))) = (block, plain(&arguments).next()) {
            let rest = plain(&arguments).skip(1).cloned().collect();
            let value = self.one_member(&input.unwrap_or_default(), &member.to_ascii_lowercase(), Some(rest));
            return (value, next);
        }
        let Some((from, to)) = block.filter(|(from, to)| to.saturating_sub(*from) <= MAX_BLOCK) else { return (trace, next) };
        let Some(input) =
            input.filter(|input| matches!(input, Value::List(_) | Value::Bytes(_) | Value::Text(_) | Value::Number(_)))
        else {
            let value = if trace == Value::Unknown { self.given(from, to) } else { trace };
            return (value, next);
        };
        let was_quiet = std::mem::replace(&mut self.state.quiet, true);
        let mut out = Vec::new();
        for one in input.elements() {
            if !self.step(to - from) {
                break;
            }
            self.state.set("_", one);
            let value = self.inside(from, to);
            if !self.budget.take(value.size()) {
                break;
            }
            out.push(value);
        }
        self.state.quiet = was_quiet;
        if out.contains(&Value::Unknown) {
            return (Value::Unknown, next);
        }
        // Numbers out of a loop may be a program.
        let list = Value::List(out);
        if let Some(bytes) = list.bytes().filter(|bytes| bytes.len() >= 16) {
            self.state.blob(&bytes);
        }
        (list, next)
    }

    /// Where what a block gives came from. The block was walked where it stands.
    pub fn given(&mut self, from: usize, to: usize) -> Value {
        if to.saturating_sub(from) > MAX_BLOCK || !self.step(to.saturating_sub(from)) {
            return Value::Unknown;
        }
        let was_quiet = std::mem::replace(&mut self.state.quiet, true);
        let value = self.inside(from, to).trace();
        self.state.quiet = was_quiet;
        value
    }

    fn does(&mut self, name: &str, arguments: Vec<Value>, input: Option<Value>) -> Value {
        let last = || plain(&arguments).last().cloned();
        match name {
            "iex" | "invoke-expression" => {
                let Some(code) = last().or(input) else { return Value::Unknown };
                self.state.used("invoke-expression");
                self.state.run(&code);
                if let Value::Text(text) = &code { self.value_of(text) } else { Value::Unknown }
            }
            "iwr" | "irm" | "invoke-webrequest" | "invoke-restmethod" | "curl" | "wget" => {
                // What goes to a file is not run.
                let to_file = has(&arguments, "outfile", 4)
                    || arguments.iter().any(|value| matches!(value, Value::Text(text) if ["-o", "-O", "--output", "--remote-name"].contains(&&**text)));
                if to_file {
                    return Value::Unknown;
                }
                let texts: Vec<String> = plain(&arguments).filter_map(Value::text).collect();
                let url = texts.iter().find(|text| text.contains("://")).or_else(|| texts.first());
                Value::Download(url.cloned().unwrap_or_default())
            }
            "new-object" => {
                let of = plain(&arguments).find_map(|value| match value {
                    Value::Text(text) => Some(text.to_ascii_lowercase()),
                    Value::List(list) => list.first().and_then(Value::text).map(|text| text.to_ascii_lowercase()),
                    _ => None,
                });
                let of = of.unwrap_or_default();
                self.state.note(&of, Use::Called);
                let rest: Vec<Value> = plain(&arguments).skip(1).cloned().collect();
                self.made(&of, &rest)
            }
            "sal" | "nal" | "set-alias" | "new-alias" => {
                let mut texts = plain(&arguments).filter_map(Value::text);
                if let (Some(alias), Some(meant)) = (texts.next(), texts.next())
                    && self.state.aliases.len() < 64
                {
                    self.state.used("alias");
                    self.state.aliases.insert(alias.to_ascii_lowercase(), base_name(&meant));
                }
                Value::Unknown
            }
            "sv" | "set-variable" | "nv" | "new-variable" => {
                let mut values = plain(&arguments);
                if let (Some(variable), Some(value)) = (values.next().and_then(Value::text), values.next()) {
                    let value = value.copy(self.budget);
                    self.state.set(&variable, value);
                }
                Value::Unknown
            }
            "gv" | "get-variable" => {
                let name = plain(&arguments).next().and_then(Value::text).unwrap_or_default();
                self.variable_of(&name)
            }
            // The drive of variables.
            "gi" | "get-item" | "ls" | "dir" | "gci" | "get-childitem" | "gc" | "cat" | "type" | "get-content" => {
                let path = plain(&arguments).next().and_then(Value::text);
                match path.as_deref().and_then(on_drive) {
                    Some(name) => self.variable_of(name),
                    None => Value::Unknown,
                }
            }
            "si" | "set-item" => {
                let mut values = plain(&arguments);
                let name = values.next().and_then(Value::text);
                if let (Some(name), Some(value)) = (name.as_deref().and_then(on_drive), values.next()) {
                    let value = value.copy(self.budget);
                    self.state.set(name, value);
                }
                Value::Unknown
            }
            "gcm" | "get-command" | "gal" | "get-alias" => {
                let pattern = plain(&arguments).next().and_then(Value::text).unwrap_or_default();
                let found = ["iex", "invoke-expression"].into_iter().find(|known| pattern.len() > 2 && is_like(&pattern, known));
                found.map_or(Value::Unknown, |found| Value::Text(found.to_owned()))
            }
            "echo" | "write-output" | "write" => last().unwrap_or_default(),
            "select-object" | "select" | "out-string" | "tee-object" => input.unwrap_or_default(),
            "join-string" => match input {
                Some(input) => value::join(input, "", self.budget),
                None => Value::Unknown,
            },
            "invoke-command" | "icm" | "new-module" | "nmo" | "start-threadjob" => {
                for code in plain(&arguments).filter(|value| matches!(value, Value::Code(_))) {
                    self.state.run(code);
                }
                Value::Unknown
            }
            "start-process" | "saps" | "start" | "start-job" => {
                self.starts(None, &arguments);
                Value::Unknown
            }
            "powershell" | "pwsh" => {
                if let Some(code) = input.filter(|input| !matches!(input, Value::Unknown)) {
                    self.state.run(&code);
                }
                self.starts(Some(name), &arguments);
                Value::Unknown
            }
            "cmd" | "mshta" | "schtasks" | "wmic" | "sc" | "rundll32" | "regsvr32" | "reg" | "at" | "wscript" | "cscript"
            | "psexec" | "psexec64" | "paexec" | "conhost" | "runas" | "winrs" | "forfiles" | "wt"
            // What stands before a command in a batch file: `call …`, `if [not] exist file …`, `if defined name …`.
            | "call" | "not" | "exist" | "defined" | "errorlevel" => {
                self.starts(Some(name), &arguments);
                Value::Unknown
            }
            // A scheduled task or a service of PowerShell's own commands.
            "new-scheduledtaskaction" | "new-service" | "invoke-wmimethod" | "invoke-cimmethod" | "iwmi" => {
                self.starts(None, &arguments);
                Value::Unknown
            }
            _ => arguments.iter().map(Value::trace).find(|trace| *trace == Value::Decoded).unwrap_or_default(),
        }
    }

    /// A program is started: its command line as far as it is constant.
    pub fn starts(&mut self, program: Option<&str>, arguments: &[Value]) {
        let mut line = program.unwrap_or_default().to_owned();
        let own = [
            "-filepath",
            "-argumentlist",
            "-args",
            "-execute",
            "-argument",
            "-binarypathname",
            "-name",
            "-wait",
            "-passthru",
            "-nonewwindow",
            "-verb",
        ];
        for value in arguments {
            // A block is walked where it stands.
            let Some(text) = value.text() else { continue };
            if program.is_none() && own.contains(&&*text.to_ascii_lowercase()) {
                continue;
            }
            if !self.budget.take(text.len() + 3) {
                return;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            // An argument of several words keeps its quotes, unless it is the arguments themselves.
            if program.is_some() && text.contains(' ') && !text.contains('"') && matches!(value, Value::Text(_)) {
                line.push('"');
                line.push_str(&text);
                line.push('"');
            } else {
                line.push_str(&text);
            }
        }
        if line.len() > 8 {
            self.state.command(line);
        }
    }
}
