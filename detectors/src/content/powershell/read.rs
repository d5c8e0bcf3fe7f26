//! The reader: its state, and what it leaves.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::token::{Kind, Token, tokens};
use super::value::Value;
use crate::content::config::{Budget, ContentConfig};

/// Nesting that is walked in place; what is deeper is walked behind everything else.
const MAX_DEPTH: usize = 24;
/// Variables kept.
const MAX_VARIABLES: usize = 1024;
/// Things kept of one kind.
const MAX_KEPT: usize = 64;
/// Subexpressions inside texts inside subexpressions.
const MAX_INNER: usize = 3;
/// Characters of a text whose value is asked for when it is run.
const MAX_ASKED: usize = 4096;
/// Functions that are kept.
const MAX_FUNCTIONS: usize = 64;
/// Steps of loops over constants, in all.
const MAX_STEPS: usize = 1 << 18;

/// Code that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// A constant text.
    Text(String),
    /// What somebody else sent, from this address.
    Download(String),
}

/// What was read.
#[derive(Debug, Default)]
pub struct Script {
    /// Code that runs, each once.
    pub ran: Vec<Ran>,
    /// Programs that are started, as command lines.
    pub commands: Vec<String>,
    /// Bytes out of literals.
    pub blobs: Vec<Vec<u8>>,
    /// Names that are used: commands, types, members, constants. In lower case, with how they were used.
    pub names: BTreeMap<&'static str, Use>,
    /// How constants were made, each once.
    pub used: Vec<&'static str>,
    /// Keys of exclusive or.
    pub keys: Vec<u8>,
    /// An assembly is loaded from bytes that were packed or came from outside.
    pub loads: bool,
    /// Constants that were made of others, so that content rules see them.
    pub folded: Vec<String>,
    /// Something was not looked at.
    pub cut: bool,
}

/// How a name is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It stands in a text.
    Said,
    /// It is a word, a type or a variable.
    Named,
    /// It is called.
    Called,
}

/// Reads a script. `names` are those that matter, in lower case.
#[must_use]
pub fn read(text: &str, names: &[&'static str], config: &ContentConfig, budget: &mut Budget) -> Script {
    let cut = tokens(text, config.max_tokens);
    let mut state = State { names: names.to_vec(), ..State::default() };
    state.out.cut = cut.cut;
    if cut.ticked {
        state.used("back-tick");
    }
    let mut reader = Reader::new(&cut.tokens, state, budget, 0);
    reader.all();
    reader.state.out
}

/// What outlives the tokens at hand.
#[derive(Default)]
pub(super) struct State {
    pub names: Vec<&'static str>,
    pub variables: HashMap<String, Rc<Value>>,
    pub aliases: HashMap<String, String>,
    /// Functions that give what somebody else sent, and from where as far as they say.
    pub functions: HashMap<String, String>,
    pub out: Script,
    pub steps: usize,
    /// Where what a `return` gives came from.
    pub returned: Option<String>,
    /// Inside a loop over constants: nothing is noted.
    pub quiet: bool,
}

impl State {
    pub fn used(&mut self, how: &'static str) {
        if !self.out.used.contains(&how) {
            self.out.used.push(how);
        }
    }

    /// Notes the names in a piece of text. Linear in the text.
    pub fn note(&mut self, text: &str, how: Use) {
        if text.len() < 5 {
            return;
        }
        let lower = text.to_ascii_lowercase();
        for name in &self.names {
            if lower.contains(name) {
                let known = self.out.names.entry(name).or_insert(how);
                *known = how.max(*known);
            }
        }
    }

    /// A constant that was made of others.
    pub fn folded(&mut self, value: &Value, how: &'static str) {
        if let Value::Text(text) = value {
            self.used(how);
            self.note(text, Use::Said);
            if !self.quiet && text.len() >= 4 {
                // Grown piece by piece: the last one tells.
                let full = self.out.folded.len() >= MAX_KEPT;
                match self.out.folded.last_mut() {
                    Some(last) if text.starts_with(last.as_str()) => text.clone_into(last),
                    _ if full => self.out.cut = true,
                    _ => self.out.folded.push(text.clone()),
                }
            }
        }
    }

    pub fn blob(&mut self, bytes: &[u8]) {
        if bytes.len() >= 8 && !self.quiet && !self.out.blobs.iter().any(|known| known == bytes) {
            if self.out.blobs.len() < MAX_KEPT { self.out.blobs.push(bytes.to_vec()) } else { self.out.cut = true }
        }
    }

    pub fn command(&mut self, line: String) {
        if !self.quiet && !self.out.commands.contains(&line) {
            if self.out.commands.len() < MAX_KEPT { self.out.commands.push(line) } else { self.out.cut = true }
        }
    }

    /// A program that is started without `cmd.exe`: the signs that chain commands chain nothing there.
    pub fn started(&mut self, line: &str) {
        let mut escaped = String::with_capacity(line.len());
        let mut quoted = false;
        for character in line.chars() {
            quoted ^= character == '"';
            if !quoted && matches!(character, '&' | '|' | '^') {
                escaped.push('^');
            }
            escaped.push(character);
        }
        self.command(escaped);
    }

    /// Code runs.
    pub fn run(&mut self, value: &Value) {
        let ran = match value {
            Value::Code(inner) => return self.run(&inner.clone()),
            _ if value.download().is_some() => Ran::Download(value.download().unwrap_or_default().to_owned()),
            Value::Text(text) => Ran::Text(text.clone()),
            Value::List(_) => match value.text() {
                Some(text) => Ran::Text(text.replace(' ', "\n")),
                None => return,
            },
            _ => return,
        };
        if !self.out.ran.contains(&ran) {
            if self.out.ran.len() < MAX_KEPT { self.out.ran.push(ran) } else { self.out.cut = true }
        }
    }

    pub fn set(&mut self, name: &str, value: Value) {
        let name = name.to_ascii_lowercase();
        if self.variables.len() < MAX_VARIABLES || self.variables.contains_key(&name) {
            self.variables.insert(name, Rc::new(value));
        } else {
            self.out.cut = true;
        }
    }
}

/// Reads tokens.
pub(super) struct Reader<'a, 'b> {
    pub tokens: &'a [Token<'a>],
    /// Where the bracket at a place closes: its partner, or the end.
    close: Vec<usize>,
    pub state: State,
    pub budget: &'b mut Budget,
    depth: usize,
    inner: usize,
    later: Vec<(usize, usize)>,
}

impl<'a, 'b> Reader<'a, 'b> {
    pub fn new(tokens: &'a [Token<'a>], state: State, budget: &'b mut Budget, inner: usize) -> Self {
        Self { tokens, close: partners(tokens), state, budget, depth: 0, inner, later: Vec::new() }
    }

    pub fn all(&mut self) -> Value {
        for token in self.tokens {
            let how = match token.kind {
                Kind::Word | Kind::Variable => Use::Named,
                Kind::Text | Kind::Expand => Use::Said,
                _ => continue,
            };
            self.state.note(&token.text, how);
        }
        self.hosted();
        let value = self.statements(0, self.tokens.len());
        while let Some((from, to)) = self.later.pop() {
            self.statements(from, to);
        }
        value
    }

    pub fn at(&self, at: usize) -> Option<&'a Token<'a>> {
        self.tokens.get(at)
    }

    pub fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    pub fn is_sign(&self, at: usize, sign: &str) -> bool {
        self.at(at).is_some_and(|token| token.is_sign(sign))
    }

    pub fn is_glued(&self, at: usize) -> bool {
        self.at(at).is_some_and(|token| token.glued)
    }

    /// Where the bracket at `at` closes, `end` at most.
    pub fn closes(&self, at: usize, end: usize) -> usize {
        self.close.get(at).copied().unwrap_or(end).min(end)
    }

    /// What stands in a bracket, walked now or, where it is too deep, later.
    pub fn inside(&mut self, from: usize, to: usize) -> Value {
        // Brackets around nothing but a bracket cost no depth.
        let (mut from, mut to) = (from, to);
        while self.kind(from) == Some(Kind::Open('(')) && from < to && self.closes(from, to) + 1 == to {
            from += 1;
            to -= 1;
        }
        if self.depth >= MAX_DEPTH {
            if self.state.quiet {
                return Value::Unknown;
            }
            self.later.push((from, to));
            return Value::Unknown;
        }
        self.depth += 1;
        let value = self.statements(from, to);
        self.depth -= 1;
        value
    }

    /// A loop over constants goes round once more.
    pub fn step(&mut self, cost: usize) -> bool {
        self.state.steps = self.state.steps.saturating_add(cost.max(1));
        if self.state.steps > MAX_STEPS {
            self.state.out.cut = true;
        }
        self.state.steps <= MAX_STEPS
    }

    /// `shell.Run "powershell …"` of Windows Script Host: a text that a shell is given to run.
    fn hosted(&mut self) {
        for (at, token) in self.tokens.iter().enumerate() {
            let line = match token.kind {
                Kind::Text | Kind::Expand => {
                    let Some(mut before) = at.checked_sub(1) else { continue };
                    if self.kind(before) == Some(Kind::Open('(')) {
                        before = before.saturating_sub(1);
                    }
                    if self.hands_over(before) { &*token.text } else { continue }
                }
                // `@{CommandLine='powershell …'}`: quotes inside of a word.
                Kind::Word => match token.text.split_once('=') {
                    Some((name, line)) if name.eq_ignore_ascii_case("commandline") => line,
                    _ => continue,
                },
                _ => continue,
            };
            if !self.budget.take(line.len()) {
                return;
            }
            let line = line.replace("\"\"", "\"");
            let program = super::base_name(line.split([' ', '\t', '/']).next().unwrap_or_default());
            if ["powershell", "pwsh"].contains(&&*program) {
                self.state.started(&line);
            } else if ["cmd", "%comspec%"].contains(&&*program) {
                self.state.command(line);
            }
        }
    }

    /// Whether what stands here takes a command line: a method of a shell or of a process, what is written for later.
    fn hands_over(&self, at: usize) -> bool {
        const METHODS: [&str; 4] = ["run", "exec", "shellexecute", "create"];
        let Some(token) = self.at(at) else { return false };
        match token.kind {
            // A member may stand in one word with its object: `shell.Run`.
            Kind::Word => {
                let word = token.text.rsplit('.').next().unwrap_or_default();
                METHODS.iter().any(|name| word.eq_ignore_ascii_case(name))
            }
            Kind::Dash => token.text.eq_ignore_ascii_case("-value"),
            Kind::Sign if token.is_sign("=") => {
                at.checked_sub(1).and_then(|before| self.at(before)).is_some_and(|word| word.is_word("commandline"))
            }
            _ => false,
        }
    }

    /// A function that gives what somebody else sent.
    pub fn gives(&mut self, name: &str, value: &Value) {
        let returned = self.state.returned.take();
        if let Some(url) = value.download().map(str::to_owned).or(returned)
            && self.state.functions.len() < MAX_FUNCTIONS
        {
            let name = name.rsplit(':').next().unwrap_or(name).to_ascii_lowercase();
            self.state.functions.insert(name, url);
        }
    }

    /// What code in a text gives. What it does is told when it is read as a layer of its own.
    pub fn value_of(&mut self, text: &str) -> Value {
        if self.inner >= MAX_INNER || self.state.quiet || text.len() > MAX_ASKED {
            return Value::Unknown;
        }
        let out = std::mem::take(&mut self.state.out);
        let value = self.code(text);
        self.state.out = out;
        value
    }

    /// Code inside a text.
    pub fn code(&mut self, text: &str) -> Value {
        if self.inner >= MAX_INNER || !self.budget.take(text.len()) {
            self.state.out.cut = true;
            return Value::Unknown;
        }
        let cut = tokens(text, 1 << 14);
        let mut reader = Reader::new(&cut.tokens, std::mem::take(&mut self.state), self.budget, self.inner + 1);
        reader.depth = self.depth;
        let value = reader.all();
        self.state = reader.state;
        value
    }
}

fn partners(tokens: &[Token<'_>]) -> Vec<usize> {
    let mut close = vec![tokens.len(); tokens.len()];
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open(_) => open.push(at),
            Kind::Close(_) => {
                if let Some(slot) = open.pop().and_then(|open: usize| close.get_mut(open)) {
                    *slot = at;
                }
            }
            _ => {}
        }
    }
    close
}
