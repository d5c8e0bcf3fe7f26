//! Calls and the statements that detections ask for, in a batch and in all that it runs.

use super::fold::{Constant, Folder};
use super::token::{Token, tokens};

/// Texts run as SQL inside each other.
const MAX_DEPTH: usize = 8;
/// Bytes unfolded from one text, all levels.
const MAX_OUTPUT: usize = 1024 * 1024;
/// Calls kept of one text.
const MAX_CALLS: usize = 512;
/// Arguments kept of one call.
const MAX_ARGUMENTS: usize = 64;
/// Statements of other kinds kept.
const MAX_STATEMENTS: usize = 256;

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// `@name` of `@name = value`.
    pub name: Option<String>,
    /// Its value, where it is constant: as text.
    pub value: Option<String>,
}

/// A call of a procedure, or of a function in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The last part of its name, in lower case.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

impl Call {
    /// An argument by name, or by its place where it has none.
    #[must_use]
    pub fn argument(&self, name: &str, place: usize) -> Option<&str> {
        let named = self.arguments.iter().find(|argument| argument.name.as_deref() == Some(name));
        let placed = || self.arguments.get(place).filter(|argument| argument.name.is_none());
        named.or_else(placed).and_then(|argument| argument.value.as_deref())
    }
}

/// What a text does, as far as detections ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Procedure and function calls in order.
    pub calls: Vec<Call>,
    /// `COPY … FROM|TO PROGRAM 'command'`: the commands.
    pub programs: Vec<String>,
    /// `CREATE ASSEMBLY … FROM 0x…`: the first bytes.
    pub assemblies: Vec<Vec<u8>>,
    /// `CREATE FUNCTION … LANGUAGE x`: the languages.
    pub languages: Vec<String>,
}

/// Reads a text and everything it runs as SQL.
#[must_use]
pub fn script(text: &str) -> Script {
    let mut reader = Reader { folder: Folder::new(MAX_OUTPUT), out: Script::default(), output: MAX_OUTPUT, open: Open::Other };
    reader.batch(text, 0);
    reader.out
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

struct Reader {
    folder: Folder,
    out: Script,
    output: usize,
    open: Open,
}

impl Reader {
    /// One text. Variables set outside are known inside: more than the servers allow, never less.
    fn batch(&mut self, text: &str, depth: usize) {
        let Some(room) = self.output.checked_sub(text.len()) else { return };
        self.output = room;
        let tokens = tokens(text);
        let outer = std::mem::take(&mut self.open);
        let mut at = 0;
        let mut batch_start = true;
        while let Some(token) = tokens.get(at) {
            let rest = tokens.get(at..).unwrap_or_default();
            let starts = batch_start;
            if token.is_symbol(';') {
                self.open = Open::Other;
            }
            batch_start = token.is("go") || (starts && token.is_symbol(';'));
            at += match token {
                Token::Word(word) => self.word(word, rest, starts, depth),
                Token::Quoted(_) if starts => self.implicit(rest, depth).max(1),
                _ => 1,
            };
        }
        self.open = outer;
    }

    /// A word at the front of `rest`; how many tokens are done with.
    fn word(&mut self, word: &str, rest: &[Token], batch_start: bool, depth: usize) -> usize {
        let behind = rest.get(1..).unwrap_or_default();
        let used = match word {
            "exec" | "execute" => self.execute(behind, depth),
            "call" | "perform" => self.call(behind, depth),
            "declare" => self.declare(behind),
            "set" => self.assign(behind),
            "select" => self.select(behind),
            "do" => self.do_block(behind, depth),
            "copy" => {
                self.open = Open::Copy;
                0
            }
            "create" | "alter" => self.create(behind),
            "from" if self.open == Open::Assembly => self.assembly(behind),
            "from" | "to" => self.program(behind),
            "language" if self.open == Open::Function => {
                if let Some(language) = behind.first() {
                    self.note_language(language);
                }
                1
            }
            _ if batch_start => return self.implicit(rest, depth).max(self.function(word, behind, depth) + 1),
            _ => self.function(word, behind, depth),
        };
        used + 1
    }

    fn run(&mut self, text: Option<String>, depth: usize) {
        if let Some(text) = text.filter(|_| depth < MAX_DEPTH) {
            self.batch(&text, depth + 1);
        }
    }

    fn push(&mut self, call: Call, depth: usize) {
        if call.name == "sp_executesql" || call.name == "sp_prepexec" || call.name == "sp_prepare" {
            let place = if call.name == "sp_executesql" { 0 } else { 2 };
            let text = call.argument("@stmt", place).or_else(|| call.argument("@statement", place)).map(str::to_owned);
            // What is bound to its parameters is known inside.
            for argument in call.arguments.iter().skip(place + 2) {
                if let (Some(name), Some(value)) = (&argument.name, &argument.value) {
                    self.folder.set(name, Some(Constant::Text(value.clone())));
                }
            }
            self.run(text, depth);
        }
        if self.out.calls.len() < MAX_CALLS {
            self.out.calls.push(call);
        }
    }

    /// `EXEC (text) [AT server]`, `EXEC [@result =] name arguments`, PL/pgSQL `EXECUTE text`.
    fn execute(&mut self, tokens: &[Token], depth: usize) -> usize {
        match tokens {
            // A permission, or the context of a module: no call.
            [Token::Word(word), ..] if matches!(word.as_str(), "on" | "as" | "to" | "any" | "immediate") => 0,
            [Token::Symbol('('), ..] | [Token::Text(_), ..] => self.execute_text(tokens, depth),
            [Token::Variable(_), Token::Symbol('='), rest @ ..] => self.call(rest, depth) + 2,
            // The name of the procedure in a variable.
            [Token::Variable(variable), rest @ ..] => {
                let name = self.folder.get(variable).cloned().map(Constant::into_text);
                let (arguments, used) = self.arguments(rest);
                if let Some(name) = name {
                    let name = name.rsplit('.').next().unwrap_or_default().trim_matches(['[', ']', '"', ' ']).to_lowercase();
                    self.push(Call { name, arguments }, depth);
                }
                used + 1
            }
            [Token::Word(word), Token::Symbol('('), ..]
                if matches!(word.as_str(), "format" | "concat" | "replace" | "reverse" | "chr") =>
            {
                self.execute_text(tokens, depth)
            }
            _ => self.call(tokens, depth),
        }
    }

    fn execute_text(&mut self, tokens: &[Token], depth: usize) -> usize {
        let (text, used) = self.folder.expression(tokens);
        self.run(text.map(Constant::into_text), depth);
        used
    }

    /// A name of up to four parts and its arguments.
    fn call(&mut self, tokens: &[Token], depth: usize) -> usize {
        let Some((name, used)) = dotted(tokens) else { return 0 };
        let rest = tokens.get(used..).unwrap_or_default();
        // PostgreSQL writes the arguments in parentheses.
        if let [Token::Symbol('('), ..] = rest {
            return used + self.function(&name, rest, depth);
        }
        let (arguments, more) = self.arguments(rest);
        self.push(Call { name, arguments }, depth);
        used + more
    }

    /// The first statement of a batch may call a procedure without EXEC.
    fn implicit(&mut self, tokens: &[Token], depth: usize) -> usize {
        let Some((name, _)) = dotted(tokens) else { return 0 };
        if name.starts_with("sp_") || name.starts_with("xp_") { self.call(tokens, depth) } else { 0 }
    }

    fn arguments(&mut self, tokens: &[Token]) -> (Vec<Argument>, usize) {
        let mut arguments = Vec::new();
        let mut used = 0;
        loop {
            let rest = tokens.get(used..).unwrap_or_default();
            let (name, skipped) = match rest {
                [Token::Variable(name), Token::Symbol('='), ..] => (Some(name.clone()), 2),
                _ => (None, 0),
            };
            let rest = rest.get(skipped..).unwrap_or_default();
            let (value, taken) = match rest {
                // A bare word is a text (T-SQL), unless a statement begins with it.
                [Token::Word(word), ..] if !is_statement(word) => (Some(word.clone()), 1),
                [Token::Quoted(name), ..] => (Some(name.clone()), 1),
                _ => {
                    let (value, taken) = self.folder.expression(rest);
                    (value.map(Constant::into_text), taken)
                }
            };
            if taken == 0 {
                return (arguments, used + skipped);
            }
            used += skipped + taken;
            if arguments.len() < MAX_ARGUMENTS {
                arguments.push(Argument { name, value });
            }
            // OUTPUT behind a variable.
            if matches!(tokens.get(used), Some(Token::Word(word)) if word == "output" || word == "out") {
                used += 1;
            }
            match tokens.get(used) {
                Some(Token::Symbol(',')) => used += 1,
                _ => return (arguments, used),
            }
        }
    }

    /// `DECLARE @x type [= value], @y …`.
    fn declare(&mut self, tokens: &[Token]) -> usize {
        let mut used = 0;
        while let Some(Token::Variable(name)) = tokens.get(used) {
            used += 1;
            // Over the type.
            let mut parens = 0_usize;
            loop {
                match tokens.get(used) {
                    Some(Token::Symbol('(')) => parens += 1,
                    Some(Token::Symbol(')')) if parens > 0 => parens -= 1,
                    Some(Token::Word(word)) if !is_statement(word) => {}
                    Some(Token::Quoted(_) | Token::Symbol('.')) => {}
                    Some(Token::Number(_) | Token::Symbol(',')) if parens > 0 => {}
                    _ => break,
                }
                used += 1;
            }
            if let Some(Token::Symbol('=')) = tokens.get(used) {
                let (value, taken) = self.folder.expression(tokens.get(used + 1..).unwrap_or_default());
                self.folder.set(name, value);
                used += 1 + taken;
            }
            match tokens.get(used) {
                Some(Token::Symbol(',')) => used += 1,
                _ => break,
            }
        }
        used
    }

    /// `@x = value` and `@x += value`.
    fn assign(&mut self, tokens: &[Token]) -> usize {
        match tokens {
            [Token::Variable(name), Token::Symbol('='), rest @ ..] => {
                let (value, used) = self.folder.expression(rest);
                self.folder.set(name, value);
                used + 2
            }
            [Token::Variable(name), Token::Symbol('+'), Token::Symbol('='), rest @ ..] => {
                let (value, used) = self.folder.expression(rest);
                let before = self.folder.get(name).cloned().map(Constant::into_text);
                let joined = before.zip(value).map(|(before, value)| Constant::Text(before + &value.into_text()));
                self.folder.set(name, joined);
                used + 3
            }
            _ => 0,
        }
    }

    /// `SELECT @x = value, @y = value`; anything else is looked at token by token.
    fn select(&mut self, tokens: &[Token]) -> usize {
        let mut used = 0;
        loop {
            let taken = self.assign(tokens.get(used..).unwrap_or_default());
            used += taken;
            match tokens.get(used) {
                Some(Token::Symbol(',')) if taken > 0 => used += 1,
                _ => return used,
            }
        }
    }

    /// `DO [LANGUAGE x] $$ … $$` (PostgreSQL).
    fn do_block(&mut self, tokens: &[Token], depth: usize) -> usize {
        match tokens {
            [Token::Text(text), ..] => {
                self.run(Some(text.clone()), depth);
                1
            }
            [Token::Word(word), language, Token::Text(text), ..] if word == "language" => {
                self.note_language(language);
                self.run(Some(text.clone()), depth);
                3
            }
            _ => 0,
        }
    }

    fn note_language(&mut self, token: &Token) {
        let name = match token {
            Token::Word(name) | Token::Quoted(name) => name.clone(),
            Token::Text(name) => name.to_lowercase(),
            _ => return,
        };
        if self.out.languages.len() < MAX_STATEMENTS {
            self.out.languages.push(name);
        }
    }

    /// `COPY table FROM|TO PROGRAM 'command'`: at the word before `PROGRAM`.
    fn program(&mut self, tokens: &[Token]) -> usize {
        let [Token::Word(program), Token::Text(command), ..] = tokens else { return 0 };
        if program != "program" || self.open != Open::Copy {
            return 0;
        }
        if self.out.programs.len() < MAX_STATEMENTS {
            self.out.programs.push(command.clone());
        }
        2
    }

    /// `CREATE ASSEMBLY x FROM 0x…`: behind the `FROM`.
    fn assembly(&mut self, tokens: &[Token]) -> usize {
        let (value, used) = self.folder.expression(tokens);
        if let Some(Constant::Bytes(bytes)) = value.filter(|_| self.out.assemblies.len() < MAX_STATEMENTS) {
            self.out.assemblies.push(bytes);
        }
        used
    }

    /// `CREATE [OR REPLACE] kind …`: what the words behind it will mean.
    fn create(&mut self, tokens: &[Token]) -> usize {
        let skip = tokens.iter().take(2).take_while(|token| token.is("or") || token.is("replace") || token.is("alter")).count();
        self.open = match tokens.get(skip) {
            Some(kind) if kind.is("assembly") => Open::Assembly,
            Some(kind) if kind.is("function") || kind.is("procedure") => Open::Function,
            _ => return 0,
        };
        skip + 1
    }

    /// A function in an expression: its name is a word, a parenthesis follows.
    fn function(&mut self, name: &str, tokens: &[Token], depth: usize) -> usize {
        let [Token::Symbol('('), rest @ ..] = tokens else { return 0 };
        if !matches!(
            name,
            "lo_export" | "lo_import" | "openrowset" | "openquery" | "pg_read_file" | "query_to_xml" | "dblink" | "dblink_exec"
        ) {
            return 0;
        }
        let (arguments, used) = self.arguments(rest);
        // The statement that another server runs.
        if matches!(name, "openquery" | "openrowset" | "dblink" | "dblink_exec" | "query_to_xml") {
            let texts: Vec<String> = arguments.iter().filter_map(|argument| argument.value.clone()).collect();
            for text in texts {
                self.run(Some(text), depth);
            }
        }
        self.push(Call { name: name.to_owned(), arguments }, depth);
        used + 1
    }
}

/// `a.b.c.d`: the last part, and the tokens it takes. Parts may be left out (`master..x`).
fn dotted(tokens: &[Token]) -> Option<(String, usize)> {
    let mut name = tokens.first()?.name()?.to_owned();
    let mut used = 1;
    while let Some(Token::Symbol('.')) = tokens.get(used) {
        match tokens.get(used + 1) {
            Some(Token::Symbol('.')) => used += 1,
            Some(part) => {
                name = part.name()?.to_owned();
                used += 2;
            }
            None => break,
        }
    }
    Some((name, used))
}

/// Words that begin a statement: where arguments end without a semicolon.
fn is_statement(word: &str) -> bool {
    matches!(
        word,
        "exec"
            | "execute"
            | "select"
            | "insert"
            | "update"
            | "delete"
            | "declare"
            | "set"
            | "reconfigure"
            | "if"
            | "else"
            | "begin"
            | "end"
            | "go"
            | "print"
            | "use"
            | "waitfor"
            | "with"
            | "create"
            | "drop"
            | "alter"
            | "return"
            | "while"
            | "at"
    )
}
