//! Calls and the statements that detections ask for, in a batch and in all that it runs.

use std::collections::HashMap;

use super::fold::{Constant, Folder};
use super::functions;
use super::script::{Argument, Call, Script, Visitor};
use super::token::{Token, tokens};

/// Texts run as SQL inside each other.
const MAX_DEPTH: usize = 24;
/// Bytes unfolded from one text, all levels.
const MAX_OUTPUT: usize = 1024 * 1024;
/// Arguments kept of one call.
const MAX_ARGUMENTS: usize = 64;
/// Synonyms remembered.
const MAX_SYNONYMS: usize = 64;
/// Tokens of a statement in which the library of a function is looked for.
const MAX_LOOK_AHEAD: usize = 256;
/// Steps of folding that a text may cost besides those for its length.
const BASE_FUEL: usize = 20_000;

/// Reads a text and everything it runs as SQL: its first calls and statements.
#[must_use]
pub fn script(text: &str) -> Script {
    let mut script = Script::default();
    visit(text, &mut script);
    script
}

/// Reads a text and everything it runs as SQL. False where a bound was reached and something was left out.
pub fn visit(text: &str, out: &mut dyn Visitor) -> bool {
    let fuel = BASE_FUEL.saturating_add(text.len().saturating_mul(2));
    let mut reader = Reader {
        folder: Folder::new(MAX_OUTPUT, fuel),
        out,
        output: MAX_OUTPUT.max(text.len().saturating_mul(2)),
        open: Open::Other,
        synonyms: HashMap::new(),
        complete: true,
    };
    reader.batch(text, 0);
    reader.complete && !reader.folder.is_spent()
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

struct Reader<'a> {
    folder: Folder,
    out: &'a mut dyn Visitor,
    /// Bytes of text that may still be read.
    output: usize,
    open: Open,
    /// Name → name it stands for.
    synonyms: HashMap<String, String>,
    complete: bool,
}

impl Reader<'_> {
    /// One text. Variables set outside are known inside: more than the servers allow, never less.
    fn batch(&mut self, text: &str, depth: usize) {
        let Some(room) = self.output.checked_sub(text.len()) else {
            self.complete = false;
            return;
        };
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
                Token::Quoted(_) | Token::Double(_) if starts => self.implicit(rest, depth).max(1),
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
            // The body of a function (PostgreSQL): what it will do when it is called.
            "as" if self.open == Open::Function => match behind.first() {
                Some(Token::Text(text)) => {
                    self.run(Some(text.clone()), depth);
                    1
                }
                _ => 0,
            },
            _ if batch_start => return self.implicit(rest, depth).max(self.function(word, behind, depth) + 1),
            _ => self.function(word, behind, depth),
        };
        used + 1
    }

    fn run(&mut self, text: Option<String>, depth: usize) {
        let Some(text) = text else { return };
        if depth < MAX_DEPTH {
            self.batch(&text, depth + 1);
        } else {
            self.complete = false;
        }
    }

    fn push(&mut self, mut call: Call, depth: usize) {
        if let Some(target) = self.synonyms.get(&call.name) {
            call.name.clone_from(target);
        }
        match call.name.as_str() {
            "sp_executesql" | "sp_prepexec" | "sp_prepare" => {
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
            // Run the texts they are given: for each database or table, as a cursor, for a mail.
            "sp_msforeachdb"
            | "sp_msforeachtable"
            | "sp_msforeach_worker"
            | "sp_cursoropen"
            | "sp_cursorprepare"
            | "sp_cursorprepexec"
            | "sp_execresultset"
            | "xp_execresultset"
            | "sp_send_dbmail" => {
                for text in call.arguments.iter().filter_map(|argument| argument.value.clone()) {
                    self.run(Some(text), depth);
                }
            }
            // SQL that a job runs later.
            "sp_add_jobstep" | "sp_update_jobstep" | "sp_add_jobstep_internal"
                if call.argument("@subsystem", 4).is_none_or(|subsystem| subsystem.trim().eq_ignore_ascii_case("tsql")) =>
            {
                let text = call.argument("@command", 5).map(str::to_owned);
                self.run(text, depth);
            }
            _ => {}
        }
        self.out.call(&call);
    }

    /// `EXEC (text) [AT server]`, `EXEC [@result =] name arguments`, PL/pgSQL `EXECUTE text`.
    fn execute(&mut self, tokens: &[Token], depth: usize) -> usize {
        match tokens {
            // A permission, or the context of a module: no call.
            [Token::Word(word), ..] if matches!(word.as_str(), "on" | "as" | "to" | "any" | "immediate") => 0,
            // `EXEC OPENDATASOURCE('provider', 'server').db.schema.procedure arguments`
            [Token::Word(word), Token::Symbol('('), rest @ ..] if word == "opendatasource" => {
                let close = rest.iter().take(64).position(|token| token.is_symbol(')')).unwrap_or(0);
                match rest.get(close + 1) {
                    Some(Token::Symbol('.')) => self.call(rest.get(close + 2..).unwrap_or_default(), depth) + close + 4,
                    _ => 0,
                }
            }
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
            [Token::Word(word), Token::Symbol('('), ..] if functions::is_known(word) => self.execute_text(tokens, depth),
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
        // The number of a procedure in its group: `name;1`.
        let group = if matches!(rest, [Token::Symbol(';'), Token::Number(_), ..]) { 2 } else { 0 };
        let (arguments, more) = self.arguments(rest.get(group..).unwrap_or_default());
        self.push(Call { name, arguments }, depth);
        used + group + more
    }

    /// The first statement of a batch may call a procedure without EXEC.
    fn implicit(&mut self, tokens: &[Token], depth: usize) -> usize {
        let Some((name, _)) = dotted(tokens) else { return 0 };
        let is_procedure = name.starts_with("sp_") || name.starts_with("xp_") || self.synonyms.contains_key(&name);
        if is_procedure { self.call(tokens, depth) } else { 0 }
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
                [Token::Quoted(name) | Token::Double(name), ..] => (Some(name.clone()), 1),
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
                    Some(Token::Quoted(_) | Token::Double(_) | Token::Symbol('.')) => {}
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
            [Token::Text(text), Token::Word(word), language, ..] if word == "language" => {
                self.note_language(language);
                self.run(Some(text.clone()), depth);
                3
            }
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
        let text = if let Token::Text(text) = token { Some(text.to_lowercase()) } else { None };
        if let Some(language) = token.name().or(text) {
            self.out.language(&language);
        }
    }

    /// `COPY table FROM|TO PROGRAM 'command'`: at the word before `PROGRAM`.
    fn program(&mut self, tokens: &[Token]) -> usize {
        let [Token::Word(program), Token::Text(command), ..] = tokens else { return 0 };
        if program != "program" || self.open != Open::Copy {
            return 0;
        }
        self.out.program(command);
        2
    }

    /// `CREATE ASSEMBLY x FROM 0x…`: behind the `FROM`.
    fn assembly(&mut self, tokens: &[Token]) -> usize {
        let (value, used) = self.folder.expression(tokens);
        if let Some(Constant::Bytes(bytes)) = value {
            self.out.assembly(&bytes);
        }
        used
    }

    /// `CREATE [OR REPLACE] kind …`: what the words behind it will mean.
    fn create(&mut self, tokens: &[Token]) -> usize {
        let skip = tokens.iter().take(2).take_while(|token| token.is("or") || token.is("replace") || token.is("alter")).count();
        self.open = match tokens.get(skip) {
            Some(kind) if kind.is("assembly") => Open::Assembly,
            // A dump that is restored names functions of installed modules: no code of its own.
            Some(kind) if kind.is("function") && is_of_module(tokens) => Open::Other,
            Some(kind) if kind.is("function") || kind.is("procedure") => Open::Function,
            Some(kind) if kind.is("synonym") => {
                self.open = Open::Other;
                return skip + 1 + self.synonym(tokens.get(skip + 1..).unwrap_or_default());
            }
            _ => return 0,
        };
        skip + 1
    }

    /// `CREATE SYNONYM a.x FOR b.y`: `x` stands for `y` from here on.
    fn synonym(&mut self, tokens: &[Token]) -> usize {
        let Some((name, used)) = dotted(tokens) else { return 0 };
        if !tokens.get(used).is_some_and(|word| word.is("for")) {
            return used;
        }
        let Some((target, more)) = dotted(tokens.get(used + 1..).unwrap_or_default()) else { return used };
        if self.synonyms.len() < MAX_SYNONYMS {
            let target = self.synonyms.get(&target).cloned().unwrap_or(target);
            self.synonyms.insert(name, target);
        } else {
            self.complete = false;
        }
        used + 1 + more
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

/// `CREATE FUNCTION … AS '$libdir/module', 'symbol'` (PostgreSQL).
fn is_of_module(tokens: &[Token]) -> bool {
    let statement = tokens.iter().take(MAX_LOOK_AHEAD).take_while(|token| !token.is_symbol(';'));
    let library = statement.clone().zip(statement.skip(1)).find_map(|(word, next)| match next {
        Token::Text(text) if word.is("as") => Some(text.starts_with("$libdir/") || text == "MODULE_PATHNAME"),
        _ => None,
    });
    library.unwrap_or(false)
}

/// `a.b.c.d`: the last part, and the tokens it takes. Parts may be left out (`master..x`).
fn dotted(tokens: &[Token]) -> Option<(String, usize)> {
    let mut name = tokens.first()?.name()?;
    let mut used = 1;
    while let Some(Token::Symbol('.')) = tokens.get(used) {
        match tokens.get(used + 1) {
            Some(Token::Symbol('.')) => used += 1,
            Some(part) => {
                name = part.name()?;
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
