//! Statements and objects of a batch and of all that it runs. Calls are in `execute`, variables in `assign`.

use super::execute::library_function;
use super::fold::{Constant, Folder};
use super::script::{Call, Script, Table, Visitor};
use super::tables::{Tables, dotted};
use super::token::{Dialect, MAX_TOKENS, Token, tokens};
use super::{Memory, words};

/// Texts run as SQL inside each other.
const MAX_DEPTH: usize = 24;
/// Bytes unfolded from one text, all levels.
const MAX_OUTPUT: usize = 1024 * 1024;
/// Synonyms remembered.
const MAX_SYNONYMS: usize = 64;
/// Tokens of a statement in which the library of a function, or the columns of a `COPY`, are looked at.
const MAX_LOOK_AHEAD: usize = 256;
/// Steps of folding that a text may cost besides those for its length.
const BASE_FUEL: usize = 20_000;

/// Reads a text and everything it runs as SQL: its first calls and statements.
#[must_use]
pub fn script(text: &str, dialect: Dialect) -> Script {
    let mut script = Script::default();
    let mut memory = Memory::default();
    Reader::new(&mut script, dialect, &mut memory, text.len()).batch(text, 0);
    script
}

/// The statement that is being read, where later words depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Other,
    Copy,
    Assembly,
    Function,
}

/// Reads texts, and what they run, one after the other.
pub struct Reader<'a> {
    pub folder: Folder,
    pub dialect: Dialect,
    /// The database in use, where it is known.
    pub database: Option<String>,
    out: &'a mut dyn Visitor,
    /// Bytes of text that may still be read.
    output: usize,
    open: Open,
    memory: &'a mut Memory,
    complete: bool,
}

impl<'a> Reader<'a> {
    /// For texts of so many bytes.
    pub fn new(out: &'a mut dyn Visitor, dialect: Dialect, memory: &'a mut Memory, len: usize) -> Self {
        let fuel = BASE_FUEL.saturating_add(len.saturating_mul(2));
        Self {
            folder: Folder::new(dialect, MAX_OUTPUT, fuel),
            dialect,
            database: None,
            out,
            output: MAX_OUTPUT.max(len.saturating_mul(2)),
            open: Open::Other,
            memory,
            complete: true,
        }
    }

    /// No bound was reached so far.
    pub const fn is_complete(&self) -> bool {
        self.complete && !self.folder.is_spent()
    }

    /// One text. Variables set outside are known inside: more than the servers allow, never less.
    pub fn batch(&mut self, text: &str, depth: usize) {
        let Some(room) = self.output.checked_sub(text.len()) else {
            self.complete = false;
            return;
        };
        self.output = room;
        let tokens = tokens(text, self.dialect);
        self.complete &= tokens.len() < MAX_TOKENS;
        let outer = std::mem::take(&mut self.open);
        let database = self.database.clone().filter(|_| depth > 0);
        let mut tables = Tables::new();
        let mut starts = true;
        for (at, token) in tokens.iter().enumerate() {
            let outside = tables.is_outside();
            if let Some(parts) = tables.feed(&tokens, at) {
                self.table(parts);
            }
            let rest = tokens.get(at..).unwrap_or_default();
            if token.is_symbol(';') {
                self.open = Open::Other;
            }
            match token {
                Token::Word(word) => {
                    let previous = at.checked_sub(1).and_then(|at| tokens.get(at));
                    if outside && !previous.is_some_and(grants) {
                        self.statement(word);
                    }
                    if !(library_function(word) && names_routine(&tokens, at)) {
                        self.word(word, rest, starts, depth);
                    }
                }
                Token::Quoted(name) if starts => self.implicit(name, rest, depth),
                Token::Quoted(_) | Token::Double(_) => {
                    if starts {
                        self.implicit("", rest, depth);
                    }
                    if let Some(name) = token.name() {
                        self.function(&name, rest.get(1..).unwrap_or_default(), depth);
                    }
                }
                Token::Symbol('.') if starts => self.implicit("", rest, depth),
                _ => {}
            }
            starts = token.is("go") || (starts && token.is_symbol(';'));
        }
        self.open = outer;
        if depth > 0 {
            // `USE` inside a text that was run ends with it.
            self.database = database;
        }
    }

    fn statement(&mut self, word: &str) {
        if let Some(kind) = words::kind(word) {
            self.out.statement(kind);
        }
    }

    /// A word at the front of `rest`.
    fn word(&mut self, word: &str, rest: &[Token], starts: bool, depth: usize) {
        let behind = rest.get(1..).unwrap_or_default();
        match word {
            "exec" | "execute" => self.execute(behind, depth),
            "call" => self.call(behind, depth),
            "declare" => self.declare(behind),
            "set" => {
                self.assign(behind);
            }
            "select" => self.select(behind),
            "use" if self.dialect == Dialect::TransactSql => {
                if let Some(name) = behind.first().and_then(Token::name) {
                    self.database = Some(name);
                }
            }
            "do" => self.do_block(behind, depth),
            "copy" => {
                self.open = Open::Copy;
                self.copy(behind);
            }
            "create" | "alter" => self.create(behind),
            "from" if self.open == Open::Assembly => self.assembly(behind),
            "from" | "to" => self.program(behind),
            "language" if self.open == Open::Function => {
                if let Some(language) = behind.first() {
                    self.note_language(language);
                }
            }
            // The body of a function (PostgreSQL): what it will do when it is called.
            "as" if self.open == Open::Function => {
                if let Some(Token::Text(text)) = behind.first() {
                    self.run(Some(text.clone()), depth);
                }
            }
            _ => {
                if starts {
                    self.implicit(word, rest, depth);
                }
                if self.dialect == Dialect::Postgres {
                    self.assign_word(word, behind);
                }
                self.function(word, behind, depth);
            }
        }
    }

    /// Reads a text that is run.
    pub fn run(&mut self, text: Option<String>, depth: usize) {
        let Some(text) = text else { return };
        if depth < MAX_DEPTH {
            self.batch(&text, depth + 1);
        } else {
            self.complete = false;
        }
    }

    /// The same in another database.
    pub fn run_in(&mut self, database: Option<String>, text: Option<String>, depth: usize) {
        let outer = std::mem::replace(&mut self.database, database);
        self.run(text, depth);
        self.database = outer;
    }

    /// Tells of a call.
    pub fn tell(&mut self, call: &Call) {
        self.out.call(call);
    }

    /// A table that is read, by the parts of its name.
    pub fn table(&mut self, parts: Vec<String>) {
        let parts = match parts.last().and_then(|name| self.memory.synonyms.get(name)) {
            Some(target) if parts.len() <= 2 => target.clone(),
            _ => parts,
        };
        let mut parts = parts.into_iter().rev();
        let name = parts.next().unwrap_or_default();
        let schema = parts.next().filter(|part| !part.is_empty());
        let database = parts.next().filter(|part| !part.is_empty()).or_else(|| self.database.clone());
        self.out.table(&Table { database, schema, name });
    }

    /// What a synonym stands for.
    pub fn synonym_of(&self, name: &str) -> Option<&Vec<String>> {
        self.memory.synonyms.get(name)
    }

    /// `DO [LANGUAGE x] $$ … $$` (PostgreSQL).
    fn do_block(&mut self, tokens: &[Token], depth: usize) {
        let (text, language) = match tokens {
            [Token::Text(text), Token::Word(word), language, ..] if word == "language" => (text, Some(language)),
            [Token::Text(text), ..] => (text, None),
            [Token::Word(word), language, Token::Text(text), ..] if word == "language" => (text, Some(language)),
            _ => return,
        };
        if let Some(language) = language {
            self.note_language(language);
        }
        self.run(Some(text.clone()), depth);
    }

    fn note_language(&mut self, token: &Token) {
        let text = if let Token::Text(text) = token { Some(text.to_lowercase()) } else { None };
        if let Some(language) = token.name().or(text) {
            self.out.language(&language);
        }
    }

    /// `COPY table [(columns)] TO …` reads the table as a query does.
    fn copy(&mut self, tokens: &[Token]) {
        let Some((parts, used)) = dotted(tokens) else { return };
        let rest = tokens.get(used..).unwrap_or_default();
        let columns = match rest.first() {
            Some(Token::Symbol('(')) => {
                rest.iter().take(MAX_LOOK_AHEAD).position(|token| token.is_symbol(')')).map_or(0, |close| close + 1)
            }
            _ => 0,
        };
        if rest.get(columns).is_some_and(|word| word.is("to")) {
            self.table(parts);
        }
    }

    /// `COPY table FROM|TO PROGRAM 'command'`: at the word before `PROGRAM`.
    fn program(&mut self, tokens: &[Token]) {
        if let [Token::Word(program), Token::Text(command), ..] = tokens
            && program == "program"
            && self.open == Open::Copy
        {
            self.out.program(command);
        }
    }

    /// `CREATE ASSEMBLY x FROM 0x…`: behind the `FROM`.
    fn assembly(&mut self, tokens: &[Token]) {
        match self.folder.expression(tokens).0 {
            Some(Constant::Bytes(bytes)) => self.out.assembly(&bytes),
            // A parameter that was bound: no path has such a character.
            Some(Constant::Text(text)) if text.contains(['\0', char::REPLACEMENT_CHARACTER]) => {
                self.out.assembly(text.as_bytes())
            }
            _ => {}
        }
    }

    /// `CREATE [OR REPLACE] kind …`: what the words behind it will mean.
    fn create(&mut self, tokens: &[Token]) {
        let skip = tokens.iter().take(2).take_while(|token| token.is("or") || token.is("replace") || token.is("alter")).count();
        self.open = match tokens.get(skip) {
            Some(kind) if kind.is("assembly") => Open::Assembly,
            // A dump that is restored names functions of installed modules: no code of its own.
            Some(kind) if kind.is("function") && is_of_module(tokens) => Open::Other,
            Some(kind) if kind.is("function") || kind.is("procedure") => Open::Function,
            Some(kind) if kind.is("synonym") => {
                self.synonym(tokens.get(skip + 1..).unwrap_or_default());
                Open::Other
            }
            _ => return,
        };
    }

    /// `CREATE SYNONYM a.x FOR b.y`: `x` stands for `b.y` from here on.
    fn synonym(&mut self, tokens: &[Token]) {
        let Some((name, used)) = dotted(tokens) else { return };
        if !tokens.get(used).is_some_and(|word| word.is("for")) {
            return;
        }
        let Some((target, _)) = dotted(tokens.get(used + 1..).unwrap_or_default()) else { return };
        let Some(name) = name.into_iter().next_back() else { return };
        let synonyms = &mut self.memory.synonyms;
        if synonyms.len() < MAX_SYNONYMS || synonyms.contains_key(&name) {
            let target = target.last().and_then(|own| synonyms.get(own)).cloned().unwrap_or(target);
            synonyms.insert(name, target);
        } else {
            self.complete = false;
        }
    }

    /// A function in an expression: its name is a word, a parenthesis follows.
    pub fn function(&mut self, name: &str, tokens: &[Token], depth: usize) {
        if library_function(name)
            && let [Token::Symbol('('), rest @ ..] = tokens
        {
            self.library(name, rest, depth);
        }
    }
}

/// `… FUNCTION [schema.]name(types)`: no call. At the name.
fn names_routine(tokens: &[Token], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
    let word = if before(1).is_some_and(|dot| dot.is_symbol('.')) { before(3) } else { before(1) };
    word.is_some_and(|word| word.is("function") || word.is("routine") || word.is("procedure"))
}

/// Behind these a word names a permission, not a statement.
fn grants(token: &Token) -> bool {
    token.is("grant") || token.is("deny") || token.is("revoke") || token.is_symbol(',')
}

/// `CREATE FUNCTION … AS '$libdir/module', 'symbol'` (PostgreSQL).
fn is_of_module(tokens: &[Token]) -> bool {
    let statement = tokens.iter().take(MAX_LOOK_AHEAD).take_while(|token| !token.is_symbol(';'));
    let library = statement.clone().zip(statement.skip(1)).find_map(|(word, next)| match next {
        Token::Text(text) if word.is("as") => Some(text.starts_with("$libdir/") || text == "MODULE_PATHNAME"),
        _ => None,
    });
    library.unwrap_or(false)
}
