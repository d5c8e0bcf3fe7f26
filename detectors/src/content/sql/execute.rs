//! Calls, and texts that are run: `EXEC`, `sp_executesql`, linked servers and their kin.

use super::fold::Constant;
use super::functions;
use super::reader::Reader;
use super::script::{Argument, Call};
use super::tables::dotted;
use super::token::{Dialect, Token, tokens};
use super::words;

/// Arguments kept of one call.
const MAX_ARGUMENTS: usize = 64;
/// Tokens of a call in an expression that are looked at.
const MAX_LOOK_AHEAD: usize = 64;

/// Functions that detections ask for, and those that run a text.
pub fn library_function(name: &str) -> bool {
    matches!(
        name,
        "lo_export"
            | "lo_import"
            | "openrowset"
            | "openquery"
            | "pg_read_file"
            | "query_to_xml"
            | "dblink"
            | "dblink_exec"
            | "dblink_send_query"
            | "dblink_open"
            | "query_to_xml_and_xmlschema"
            | "cursor_to_xml"
            | "ts_stat"
            | "xpath_table"
    )
}

impl Reader<'_> {
    /// A call that came by other ways than a text: by an RPC.
    pub fn direct(&mut self, call: Call) {
        self.push(call, 0);
    }

    /// A text prepared before, and what its parameters are bound to: by their names, or in the order in which they appear.
    pub fn prepared(&mut self, text: &str, values: &[Argument]) {
        let mut names: Vec<String> = Vec::new();
        for token in tokens(text, self.dialect) {
            if let Token::Variable(name) = token
                && names.len() < MAX_ARGUMENTS
                && !name.starts_with("@@")
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        self.bind(&names, values);
        self.batch(text, 0);
    }

    fn bind(&mut self, names: &[String], values: &[Argument]) {
        for (at, argument) in values.iter().enumerate() {
            if let Some(name) = argument.name.as_ref().or_else(|| names.get(at)) {
                self.folder.set(name, argument.value.clone().map(Constant::Text));
            }
        }
    }

    fn push(&mut self, mut call: Call, depth: usize) {
        if let Some(target) = self.synonym_of(&call.name)
            && let [.., name] = target.as_slice()
        {
            call.name.clone_from(name);
        }
        let database = call.database.clone().or_else(|| self.database.clone());
        match call.name.as_str() {
            "sp_executesql" | "sp_prepexec" | "sp_prepare" | "sp_cursorprepexec" => {
                let (declared, text, first) = match call.name.as_str() {
                    "sp_executesql" => (1, 0, 2),
                    "sp_cursorprepexec" => (2, 3, 7),
                    _ => (1, 2, 3),
                };
                let declared = call.argument("@params", declared).or_else(|| call.argument("@paramdef", declared));
                let names: Vec<String> = declared.map(declared_names).unwrap_or_default();
                let values = call.arguments.get(first..).unwrap_or_default().to_vec();
                self.bind(&names, &values);
                let text = call.argument("@stmt", text).or_else(|| call.argument("@statement", text)).map(str::to_owned);
                self.run_in(database, text, depth);
            }
            // Run the texts they are given: for each database or table, as a cursor.
            "sp_msforeachdb"
            | "sp_msforeachtable"
            | "sp_msforeach_worker"
            | "sp_cursoropen"
            | "sp_cursorprepare"
            | "sp_prepexecrpc"
            | "sp_execresultset"
            | "xp_execresultset" => {
                let each_database = call.name.starts_with("sp_msforeach");
                for text in call.arguments.iter().filter_map(|argument| argument.value.clone()) {
                    self.run_in(database.clone().filter(|_| !each_database), Some(text), depth);
                }
            }
            "sp_send_dbmail" => {
                let text = call.argument("@query", 10).map(str::to_owned);
                self.run_in(database, text, depth);
            }
            // SQL that a job runs later.
            "sp_add_jobstep" | "sp_update_jobstep" | "sp_add_jobstep_internal"
                if call.argument("@subsystem", 4).is_none_or(|subsystem| subsystem.trim().eq_ignore_ascii_case("tsql")) =>
            {
                let text = call.argument("@command", 5).map(str::to_owned);
                let database = call.argument("@database_name", 13).map(str::to_lowercase).or(database);
                self.run_in(database, text, depth);
            }
            _ => {}
        }
        self.tell(&call);
    }

    /// `EXEC (text) [AT server]`, `EXEC [@result =] name arguments`, PL/pgSQL `EXECUTE text`.
    pub fn execute(&mut self, tokens: &[Token], depth: usize) {
        match tokens {
            // A permission, or the context of a module: no call.
            [Token::Word(word), ..] if matches!(word.as_str(), "on" | "as" | "to" | "any" | "immediate") => {}
            // `EXEC OPENDATASOURCE('provider', 'server').db.schema.procedure arguments`
            [Token::Word(word), Token::Symbol('('), rest @ ..] if word == "opendatasource" => {
                let close = rest.iter().take(MAX_LOOK_AHEAD).position(|token| token.is_symbol(')')).unwrap_or(0);
                if let Some(Token::Symbol('.')) = rest.get(close + 1) {
                    self.call(rest.get(close + 2..).unwrap_or_default(), depth);
                }
            }
            // The text in parentheses, and perhaps arguments for the parameters (`?`) of a linked server.
            [Token::Symbol('('), rest @ ..] => self.execute_text(rest, depth),
            [Token::Text(_), ..] => self.execute_text(tokens, depth),
            [Token::Variable(_), Token::Symbol('='), rest @ ..] if !rest.first().is_some_and(|next| next.is_symbol('(')) => {
                if let [Token::Variable(name), rest @ ..] = rest {
                    self.call_by_variable(name, rest, depth);
                } else {
                    self.call(rest, depth);
                }
            }
            // The name of the procedure in a variable.
            [Token::Variable(variable), rest @ ..] => self.call_by_variable(variable, rest, depth),
            [Token::Word(word), Token::Symbol('('), ..] if functions::is_known(word) => self.execute_text(tokens, depth),
            // A variable of PL/pgSQL.
            [Token::Word(word), ..] if self.dialect == Dialect::Postgres && self.folder.get(word).is_some() => {
                self.execute_text(tokens, depth);
            }
            _ => self.call(tokens, depth),
        }
    }

    fn call_by_variable(&mut self, variable: &str, rest: &[Token], depth: usize) {
        let Some(name) = self.folder.get(variable).cloned().map(Constant::into_text) else { return };
        let of_name = tokens(&name, self.dialect);
        if let Some((parts, _)) = dotted(&of_name) {
            let (arguments, _) = self.arguments(rest);
            self.push(named(parts, arguments), depth);
        }
    }

    fn execute_text(&mut self, tokens: &[Token], depth: usize) {
        let (text, used) = self.folder.expression(tokens);
        let rest = tokens.get(used..).unwrap_or_default();
        // On another server the database is another, too.
        let at = rest.iter().take(MAX_LOOK_AHEAD).position(|token| token.is_symbol(')'));
        let elsewhere = at.and_then(|close| rest.get(close + 1)).is_some_and(|word| word.is("at"));
        let database = self.database.clone().filter(|_| !elsewhere);
        self.run_in(database, text.map(Constant::into_text), depth);
    }

    /// A name of up to four parts and its arguments; PostgreSQL, ODBC's `{call …}` and some others write these in parentheses.
    pub fn call(&mut self, tokens: &[Token], depth: usize) {
        let Some((parts, used)) = dotted(tokens) else { return };
        let rest = match tokens.get(used..).unwrap_or_default() {
            [Token::Symbol('('), rest @ ..] if !parts.last().is_some_and(|name| library_function(name)) => rest,
            [Token::Symbol('('), ..] => return,
            // The number of a procedure in its group: `name;1`.
            [Token::Symbol(';'), Token::Number(_), rest @ ..] => rest,
            rest => rest,
        };
        let (arguments, _) = self.arguments(rest);
        self.push(named(parts, arguments), depth);
    }

    /// The first statement of a batch may call a procedure without EXEC.
    pub fn implicit(&mut self, word: &str, tokens: &[Token], depth: usize) {
        if words::begins_statement(word) {
            return;
        }
        let Some((parts, _)) = dotted(tokens) else { return };
        let Some(name) = parts.last() else { return };
        if name.starts_with("sp_") || name.starts_with("xp_") || self.synonym_of(name).is_some() {
            self.call(tokens, depth);
        }
    }

    fn arguments(&mut self, tokens: &[Token]) -> (Vec<Argument>, usize) {
        let mut arguments = Vec::new();
        let mut used = 0;
        loop {
            let rest = tokens.get(used..).unwrap_or_default();
            let (name, skipped) = match rest {
                [Token::Variable(name), Token::Symbol('='), ..] => (Some(name.clone()), 2),
                // PostgreSQL: `name => value`, `name := value`.
                [Token::Word(name), Token::Symbol('=' | ':'), Token::Symbol('>' | '='), ..] => (Some(name.clone()), 3),
                _ => (None, 0),
            };
            let rest = rest.get(skipped..).unwrap_or_default();
            let (value, taken) = match rest {
                // A bare word is a text (T-SQL), unless a statement begins with it.
                [Token::Word(word), next, ..] if !words::begins_statement(word) && !next.is_symbol('(') => {
                    (Some(word.clone()), 1)
                }
                [Token::Word(word)] if !words::begins_statement(word) => (Some(word.clone()), 1),
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

    /// A function of the list above, behind its parenthesis: what it is given runs on another server, or here.
    pub fn library(&mut self, name: &str, tokens: &[Token], depth: usize) {
        let mut arguments: Vec<Argument> = Vec::new();
        let mut used = 0;
        loop {
            let (mut more, taken) = self.arguments(tokens.get(used..).unwrap_or_default());
            // The last argument of OPENROWSET may be an object: `'provider', 'server'; 'user'; 'word', db.schema.table`.
            let last = taken.saturating_sub(1);
            let object = dotted(tokens.get(used + last..).unwrap_or_default());
            used += taken;
            arguments.append(&mut more);
            if name == "openrowset"
                && let Some((parts, len @ 4..)) = object
            {
                self.table(parts);
                used += len.saturating_sub(1);
            }
            match tokens.get(used) {
                Some(Token::Symbol(';')) if name == "openrowset" && arguments.len() < MAX_ARGUMENTS => used += 1,
                _ => break,
            }
        }
        if !matches!(name, "lo_export" | "lo_import" | "pg_read_file") {
            let texts: Vec<String> = arguments.iter().filter_map(|argument| argument.value.clone()).collect();
            let distant = name == "openquery" || name == "openrowset" || name.starts_with("dblink");
            let database = if distant { texts.iter().find_map(|text| connection_database(text)) } else { self.database.clone() };
            for text in texts {
                self.run_in(database.clone(), Some(text), depth);
            }
        }
        self.tell(&Call { name: name.to_owned(), database: None, arguments });
    }
}

/// The call of a procedure by the parts of its name.
pub fn named(parts: Vec<String>, arguments: Vec<Argument>) -> Call {
    let mut parts = parts.into_iter().rev();
    let name = parts.next().unwrap_or_default();
    let database = parts.nth(1).filter(|part| !part.is_empty());
    Call { name, database, arguments }
}

/// `@a int, @b nvarchar(9) OUTPUT`: the names.
fn declared_names(text: &str) -> Vec<String> {
    let name = |token: Token| if let Token::Variable(name) = token { Some(name) } else { None };
    tokens(text, Dialect::TransactSql).into_iter().filter_map(name).take(MAX_ARGUMENTS).collect()
}

/// `Server=…;Database=x;…`, `host=… dbname=x`: the database.
fn connection_database(text: &str) -> Option<String> {
    let head: String = text.chars().take(1_024).collect::<String>().to_lowercase();
    let find = |key: &str| {
        let (_, behind) = head.split_once(key)?;
        let value = behind.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['\'', '"']);
        let end = value.find([';', ' ', '\'', '"']).unwrap_or(value.len());
        value.get(..end).filter(|value| !value.is_empty()).map(str::to_owned)
    };
    ["dbname", "database", "initial catalog"].into_iter().find_map(find)
}
