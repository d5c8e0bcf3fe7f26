//! Layers of content: each is read as what it is, and what it holds or runs is the next one. Depth, number and output are bounded.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::command_line::{Invocation, arguments, commands, invocation};
use super::config::{Budget, ContentConfig};
use super::powershell::{self, Ran, Use, base_name};
use super::{encoding, pack};

/// Calls, lines and downloads kept of one content.
const MAX_COMMANDS: usize = 64;

/// What content is, as far as its carrier knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A line that Windows runs: of `xp_cmdshell`, a service, a task.
    Command,
    /// PowerShell.
    Script,
    /// A file or a body: what it is, it must say itself.
    Unknown,
}

/// A layer that came to light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// How it came about, outermost first.
    pub how: Vec<&'static str>,
    /// Its bytes; text as UTF-8.
    pub bytes: Vec<u8>,
    /// It is text.
    pub is_text: bool,
}

/// A call of `powershell.exe`, in which layer.
#[derive(Clone, Debug)]
pub struct Called {
    /// What it was told.
    pub invocation: Invocation,
    /// Number of the layer, nothing for the content itself.
    pub layer: Option<usize>,
    /// Nothing but command lines led to it: whoever sent the content runs it.
    pub direct: bool,
}

/// What a piece of content turned out to be.
#[derive(Debug, Default)]
pub struct Unfolding {
    /// Layers, in the order in which they were found.
    pub layers: Vec<Layer>,
    /// Calls of PowerShell.
    pub calls: Vec<Called>,
    /// Code from outside that runs: from where, in which layer.
    pub cradles: Vec<(String, Option<usize>)>,
    /// Names that matter, how they are used, and in which layer they were found first.
    pub names: BTreeMap<&'static str, (Use, Option<usize>)>,
    /// An assembly is loaded from packed bytes, in which layer.
    pub loads: Option<Option<usize>>,
    /// Texts of commands and code, constants folded, for what is told by their words.
    pub lines: Vec<(String, Option<usize>)>,
    /// A limit was reached.
    pub cut: bool,
}

impl Unfolding {
    /// Whether a name is used at least like this.
    #[must_use]
    pub fn has(&self, name: &str, least: Use) -> bool {
        self.names.get(name).is_some_and(|(how, _)| *how >= least)
    }
}

enum Piece {
    Bytes(Vec<u8>),
    Script(String),
    Command(String),
}

struct Task {
    piece: Piece,
    how: Vec<&'static str>,
    layer: Option<usize>,
    direct: bool,
    depth: usize,
}

/// Unfolds content. `names` are those that matter, in lower case.
#[must_use]
pub fn unfold(bytes: &[u8], kind: Kind, names: &[&'static str], config: &ContentConfig) -> Unfolding {
    let cut = bytes.len() > config.max_input;
    let bytes = bytes.get(..bytes.len().min(config.max_input)).unwrap_or_default();
    let mut budget = Budget::for_input(config, bytes.len());
    budget.cut = cut;
    let mut work =
        Work { config, names, budget, out: Unfolding::default(), seen: HashSet::new(), queue: VecDeque::new(), depth: 0 };
    work.begin(bytes, kind);
    while let Some(task) = work.queue.pop_front() {
        work.one(task);
    }
    work.out.cut |= work.budget.cut;
    work.out
}

struct Work<'a> {
    config: &'a ContentConfig,
    names: &'a [&'static str],
    budget: Budget,
    out: Unfolding,
    seen: HashSet<u64>,
    queue: VecDeque<Task>,
    /// Of the task at hand.
    depth: usize,
}

impl Work<'_> {
    fn begin(&mut self, bytes: &[u8], kind: Kind) {
        let mut first = |piece, direct| self.queue.push_back(Task { piece, how: Vec::new(), layer: None, direct, depth: 0 });
        match kind {
            Kind::Unknown => first(Piece::Bytes(bytes.to_vec()), false),
            Kind::Script | Kind::Command => {
                let text = encoding::text(bytes).map_or_else(|| String::from_utf8_lossy(bytes).into_owned(), |(text, _)| text);
                first(if kind == Kind::Script { Piece::Script(text) } else { Piece::Command(text) }, true);
            }
        }
    }

    fn one(&mut self, task: Task) {
        let Task { piece, how, layer, direct, depth } = task;
        self.depth = depth;
        match piece {
            Piece::Bytes(bytes) => self.bytes(&bytes, &how, layer),
            Piece::Script(text) => self.script(&text, &how, layer, direct),
            Piece::Command(line) => self.command(&line, &how, layer, direct),
        }
    }

    /// A new layer; nothing where it was there before, or a limit is reached.
    fn layer(&mut self, bytes: &[u8], how: &[&'static str], is_text: bool) -> Option<usize> {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return None;
        }
        if self.out.layers.len() >= self.config.max_layers {
            self.out.cut = true;
            return None;
        }
        // Constants that were put together without anything that has a name of its own.
        let how = if how.is_empty() { &["constants"] } else { how };
        self.out.layers.push(Layer { how: how.to_vec(), bytes: bytes.to_vec(), is_text });
        Some(self.out.layers.len() - 1)
    }

    fn push(&mut self, piece: Piece, how: Vec<&'static str>, layer: Option<usize>, direct: bool) {
        if self.depth >= self.config.max_depth {
            self.out.cut = true;
            return;
        }
        self.queue.push_back(Task { piece, how, layer, direct, depth: self.depth + 1 });
    }

    /// Bytes that say themselves what they are.
    fn bytes(&mut self, bytes: &[u8], how: &[&'static str], layer: Option<usize>) {
        let is_inside = layer.is_some();
        let unpacked = pack::unpack(bytes, &mut self.budget);
        let text = if unpacked.is_some() { None } else { encoding::text(bytes) };
        let unpacked = match unpacked {
            None if text.is_none() && is_inside && !bytes.starts_with(b"MZ") => pack::inflate(bytes, &mut self.budget),
            other => other,
        };
        if let Some((name, inner)) = unpacked {
            let how = with(how, &[name]);
            if let Some(at) = self.layer(&inner, &how, false) {
                self.push(Piece::Bytes(inner), how, Some(at), false);
            }
            return;
        }
        let text = match text {
            None if !is_inside => encoding::disguised(bytes).map(|text| (text, encoding::Encoding::Utf8)),
            other => other,
        };
        let Some((text, encoding)) = text else { return };
        let mut how = how.to_vec();
        let mut layer = layer;
        if let Some(name) = encoding.layer() {
            how.push(name);
            layer = self.layer(text.as_bytes(), &how, true).or(layer);
        }
        // A batch file is lines of commands, and PowerShell reads such lines alike but for carets and variables.
        if is_batch(&text) {
            self.push(Piece::Command(text.clone()), how.clone(), layer, false);
        }
        self.push(Piece::Script(text), how, layer, false);
    }

    fn script(&mut self, text: &str, how: &[&'static str], layer: Option<usize>, direct: bool) {
        let read = powershell::read(text, self.names, self.config, &mut self.budget);
        self.out.cut |= read.cut;
        for (name, used) in read.names {
            let known = self.out.names.entry(name).or_insert((used, layer));
            known.0 = known.0.max(used);
        }
        if read.loads && self.out.loads.is_none() {
            self.out.loads = Some(layer);
        }
        self.line(text, layer);
        let hidden: Vec<&'static str> = read.used.iter().copied().filter(|used| *used != "invoke-expression").collect();
        for folded in read.folded {
            let made = with(how, &hidden);
            if folded.len() >= 8 && self.budget.take(folded.len()) {
                let at = self.layer(folded.as_bytes(), &made, true);
                self.line(&folded, at.or(layer));
            }
        }
        for blob in &read.blobs {
            self.blob(blob, how, &read.keys);
        }
        for ran in read.ran {
            match ran {
                Ran::Download(url) => {
                    if self.out.cradles.len() < MAX_COMMANDS {
                        self.out.cradles.push((url, layer));
                    }
                }
                Ran::Text(code) => {
                    let made = with(how, &read.used);
                    if self.budget.take(code.len())
                        && let Some(at) = self.run_layer(&code, &made)
                    {
                        self.push(Piece::Script(code), made, Some(at), direct);
                    }
                }
            }
        }
        for command in read.commands {
            self.push(Piece::Command(command), how.to_vec(), layer, false);
        }
    }

    /// Code that runs is read even where its text was a layer before.
    fn run_layer(&mut self, code: &str, how: &[&'static str]) -> Option<usize> {
        let mut hasher = DefaultHasher::new();
        ("runs", code).hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return None;
        }
        let known = self.out.layers.iter().position(|layer| layer.bytes == code.as_bytes());
        known.or_else(|| self.layer(code.as_bytes(), how, true))
    }

    fn line(&mut self, text: &str, layer: Option<usize>) {
        if self.out.lines.len() < MAX_COMMANDS && self.budget.take(text.len()) {
            self.out.lines.push((text.to_owned(), layer));
        }
    }

    /// Bytes out of a literal: as they are, and with the keys that the script uses.
    fn blob(&mut self, blob: &[u8], how: &[&'static str], keys: &[u8]) {
        let made = with(how, &["base64"]);
        if self.budget.take(blob.len())
            && let Some(at) = self.layer(blob, &made, false)
        {
            self.push(Piece::Bytes(blob.to_vec()), made.clone(), Some(at), false);
        }
        for key in keys {
            if !self.budget.take(blob.len()) {
                return;
            }
            let plain: Vec<u8> = blob.iter().map(|byte| byte ^ key).collect();
            let tells = plain.starts_with(b"MZ") || encoding::text(&plain).is_some();
            let made = with(&made, &["xor"]);
            if tells && let Some(at) = self.layer(&plain, &made, false) {
                self.push(Piece::Bytes(plain), made, Some(at), false);
            }
        }
    }

    /// A line that `cmd.exe` or `CreateProcess` runs.
    fn command(&mut self, line: &str, how: &[&'static str], layer: Option<usize>, direct: bool) {
        let (all, hidden) = commands(line, &mut self.budget);
        let (mut how, mut layer) = (how.to_vec(), layer);
        if hidden {
            how.push("cmd");
            let text = all.iter().map(|command| command.text.as_str()).collect::<Vec<_>>().join(" & ");
            if self.budget.take(text.len()) {
                layer = self.layer(text.as_bytes(), &how, true).or(layer);
            }
        }
        let mut said: Option<String> = None;
        for command in &all {
            self.line(&command.text, layer);
            let arguments = arguments(&command.text);
            let piped = command.piped.then(|| said.take()).flatten();
            said = arguments
                .first()
                .filter(|first| first.eq_ignore_ascii_case("echo"))
                .and_then(|_| command.text.get(5..))
                .map(str::to_owned);
            self.program(&arguments, &how, layer, direct, piped);
        }
    }

    /// A program and its arguments; the interpreter may stand behind others that start it (`start`, `call`, `wmic … create`).
    fn program(&mut self, arguments: &[String], how: &[&'static str], layer: Option<usize>, direct: bool, piped: Option<String>) {
        // What is only shown is not run.
        if arguments.first().is_some_and(|first| ["echo", "rem", "set"].iter().any(|word| first.eq_ignore_ascii_case(word))) {
            return;
        }
        for (at, argument) in arguments.iter().enumerate() {
            let name = base_name(argument.trim_start_matches('@'));
            let rest = arguments.get(at + 1..).unwrap_or_default();
            match &*name {
                "powershell" | "pwsh" | "powershell_ise" => {
                    let invocation = invocation(rest, name == "pwsh");
                    self.invoked(invocation, how, layer, direct, piped);
                    return;
                }
                "cmd" | "%comspec%" => {
                    let start = rest.iter().position(|word| {
                        let word = word.to_ascii_lowercase();
                        ["/c", "/k", "/r"].iter().any(|flag| word.starts_with(flag)) || word.contains("/c")
                    });
                    let Some(start) = start else { return };
                    let glued =
                        rest.get(start).map(|word| word.to_ascii_lowercase()).and_then(|word| word.find("/c").map(|at| at + 2));
                    let glued = glued.and_then(|at| rest.get(start)?.get(at..)).filter(|glued| !glued.is_empty());
                    let mut line = glued.map(|glued| format!("{glued} ")).unwrap_or_default();
                    line.push_str(&quoted(rest.get(start + 1..).unwrap_or_default()));
                    if self.budget.take(line.len()) {
                        self.push(Piece::Command(line), with(how, &["cmd"]), layer, direct);
                    }
                    return;
                }
                // A whole command line as one argument: `schtasks /tr "powershell …"`, `sc create … binpath= "cmd /c …"`.
                _ if at > 0 && argument.contains(' ') => {
                    let first = base_name(argument.split([' ', '\t']).next().unwrap_or_default());
                    if matches!(&*first, "powershell" | "pwsh" | "cmd") && self.budget.take(argument.len()) {
                        self.push(Piece::Command(argument.clone()), how.to_vec(), layer, direct);
                    }
                }
                _ => {}
            }
        }
    }

    fn invoked(
        &mut self,
        invocation: Invocation,
        how: &[&'static str],
        layer: Option<usize>,
        direct: bool,
        piped: Option<String>,
    ) {
        let mut at_layer = layer;
        if let Some(encoded) = &invocation.encoded {
            let made = with(how, &["encoded-command", "base64", "utf-16le"]);
            match encoding::base64(encoded).filter(|bytes| !bytes.is_empty() && self.budget.take(bytes.len() * 2)) {
                Some(bytes) => {
                    let text = encoding::Encoding::Utf16Le.decode(&bytes);
                    if let Some(at) = self.run_layer(&text, &made) {
                        at_layer = Some(at);
                        self.push(Piece::Script(text), made, Some(at), direct);
                    }
                }
                None => self.out.cut |= self.budget.left() == 0,
            }
        }
        let stdin =
            invocation.stdin || (invocation.command.is_none() && invocation.file.is_none() && invocation.encoded.is_none());
        for (code, name) in [(invocation.command.clone(), "powershell"), (piped.filter(|_| stdin), "standard-input")] {
            let Some(code) = code.filter(|code| self.budget.take(code.len())) else { continue };
            let made = with(how, &[name]);
            if let Some(at) = self.run_layer(&code, &made) {
                if at_layer.is_none() {
                    at_layer = Some(at);
                }
                self.push(Piece::Script(code), made, Some(at), direct);
            }
        }
        if self.out.calls.len() < MAX_COMMANDS {
            self.out.calls.push(Called { invocation, layer: at_layer, direct });
        } else {
            self.out.cut = true;
        }
    }
}

/// Whether a text may be a batch file that hides something: it begins as one, or has its signs and no variable of PowerShell. The
/// dollar of an administrative share is none.
fn is_batch(text: &str) -> bool {
    let begins = |word: &str| text.trim_start().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'{' | b'(' | b':');
    let variable = || {
        let bytes = text.as_bytes();
        memchr::memchr_iter(b'$', bytes).any(|at| bytes.get(at + 1).is_some_and(name))
    };
    text.contains(['^', '%', '!']) && (begins("@echo") || !variable())
}

/// Arguments as a line again, those with blanks in quotes; a single one is the line itself.
fn quoted(arguments: &[String]) -> String {
    if let [one] = arguments {
        return one.clone();
    }
    let quote = |argument: &String| {
        if argument.contains([' ', '&', '|', '"']) { format!("\"{}\"", argument.replace('"', "\\\"")) } else { argument.clone() }
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn with(how: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    let mut all = how.to_vec();
    for one in more {
        if all.last() != Some(one) {
            all.push(one);
        }
    }
    all
}
