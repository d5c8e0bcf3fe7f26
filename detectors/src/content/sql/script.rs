//! What a text does: the statements, calls and objects that detections ask for.

/// Calls kept of one text.
const MAX_CALLS: usize = 512;
/// Statements of other kinds, and tables, kept.
const MAX_STATEMENTS: usize = 256;

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// `@name` of `@name = value`, in lower case.
    pub name: Option<String>,
    /// Its value, where it is constant: as text.
    pub value: Option<String>,
}

/// A call of a procedure, or of a function in an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The last part of its name, in lower case.
    pub name: String,
    /// The database in front of it, where it is named: `db..name`.
    pub database: Option<String>,
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

/// A table that is read. Names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The database: named in front of it, or else the one in use; `None` where nobody said.
    pub database: Option<String>,
    /// The schema, where it is named.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Table {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in [&self.database, &self.schema].into_iter().flatten() {
            write!(out, "{part}.")?;
        }
        out.write_str(&self.name)
    }
}

/// What a text does, as far as detections ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Kinds of its statements, `select`, `exec` …, in order.
    pub statements: Vec<&'static str>,
    /// Procedure and function calls in order.
    pub calls: Vec<Call>,
    /// `COPY … FROM|TO PROGRAM 'command'`: the commands.
    pub programs: Vec<String>,
    /// `CREATE ASSEMBLY … FROM 0x…`: the first bytes.
    pub assemblies: Vec<Vec<u8>>,
    /// `CREATE FUNCTION … LANGUAGE x`: the languages.
    pub languages: Vec<String>,
    /// Tables that are read.
    pub tables: Vec<Table>,
}

/// Is told what a text does, as it is read. Nothing is kept for it, so no number of harmless calls hides the next one.
pub trait Visitor {
    /// A procedure or function is called.
    fn call(&mut self, call: &Call);
    /// `COPY … FROM|TO PROGRAM 'command'`.
    fn program(&mut self, command: &str);
    /// `CREATE ASSEMBLY … FROM 0x…`.
    fn assembly(&mut self, bytes: &[u8]);
    /// A function or block in a language.
    fn language(&mut self, language: &str);
    /// A table is read.
    fn table(&mut self, table: &Table);
    /// A statement of a kind begins.
    fn statement(&mut self, kind: &'static str);
}

impl Visitor for Script {
    fn call(&mut self, call: &Call) {
        if self.calls.len() < MAX_CALLS {
            self.calls.push(call.clone());
        }
    }

    fn program(&mut self, command: &str) {
        if self.programs.len() < MAX_STATEMENTS {
            self.programs.push(command.to_owned());
        }
    }

    fn assembly(&mut self, bytes: &[u8]) {
        if self.assemblies.len() < MAX_STATEMENTS {
            self.assemblies.push(bytes.to_vec());
        }
    }

    fn language(&mut self, language: &str) {
        if self.languages.len() < MAX_STATEMENTS {
            self.languages.push(language.to_owned());
        }
    }

    fn table(&mut self, table: &Table) {
        if self.tables.len() < MAX_STATEMENTS {
            self.tables.push(table.clone());
        }
    }

    fn statement(&mut self, kind: &'static str) {
        if self.statements.len() < MAX_STATEMENTS {
            self.statements.push(kind);
        }
    }
}
