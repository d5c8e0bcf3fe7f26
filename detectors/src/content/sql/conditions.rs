//! Conditions 9402001 to 9402006 of the catalogue.

use super::Memory;
use super::execute::named;
use super::fold::Constant;
use super::reader::Reader;
use super::script::{Argument, Call, Table, Visitor};
use super::tables::dotted;
use super::token::{Dialect, tokens};

/// Commands shown of one condition besides the first.
const MAX_COMMANDS: usize = 7;
/// Tables kept of one request.
const MAX_TABLES: usize = 64;
/// Kinds of statements kept.
const MAX_KINDS: usize = 16;

/// A condition that a text meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its id in the catalogue.
    pub sid: u64,
    /// What it is called.
    pub name: &'static str,
    /// The command that would run, where there is one and it is constant.
    pub command: Option<String>,
    /// Further commands, the first of them.
    pub more_commands: Vec<String>,
    /// The bytes of the first assembly; they are for content rules, not for the evidence.
    pub assembly: Vec<u8>,
}

/// Objects by which `sp_OACreate` runs programs or fetches files.
const AUTOMATION: [&str; 11] = [
    "wscript.shell",
    "shell.application",
    "msxml2.",
    "microsoft.xmlhttp",
    "winhttp.",
    "scripting.filesystemobject",
    "adodb.stream",
    // The class id of WScript.Shell.
    "{72c24dd5-d70a-438b-8a42-98424b88afb8}",
    // WScript.Shell.1, Shell.Application, Scripting.FileSystemObject.
    "{f935dc22-1cf0-11d0-adb9-00c04fd58a0b}",
    "{13709620-c279-11ce-a49e-444553540000}",
    "{0d43fe01-f093-11cf-8940-00a0c9054228}",
];

/// Languages of PostgreSQL that may do what the server may do.
const UNTRUSTED: [&str; 11] =
    ["plpythonu", "plpython2u", "plpython3u", "plperlu", "pltclu", "plsh", "plrubyu", "pljavau", "plluau", "plr", "c"];

/// What a request asks for.
#[derive(Clone, Debug)]
pub enum Asked<'a> {
    /// A text. What its parameters are bound to, by name (`@x`, `$1`).
    Text(&'a str, Vec<Argument>),
    /// A text prepared before; parameters without a name in the order in which they appear.
    Prepared(&'a str, Vec<Argument>),
    /// A procedure by its name, which may have parts and quotes, and its arguments.
    Call(&'a str, Vec<Argument>),
}

/// In which surroundings.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Whose rules.
    pub dialect: Dialect,
    /// The database in use, where it is known.
    pub database: Option<&'a str>,
    /// Tables that matter; others are not kept, so no number of them hides the next one.
    pub matters: &'a dyn Fn(&Table) -> bool,
}

/// What a text turned out to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The conditions it meets, each once, in order of their ids.
    pub hits: Vec<Hit>,
    /// Tables that are read and matter, each once.
    pub tables: Vec<Table>,
    /// Kinds of the statements outside of parentheses, the first of them.
    pub kinds: Vec<&'static str>,
    /// The database that it says is in use from here on.
    pub database: Option<String>,
    /// It was read to its end: no bound was reached.
    pub complete: bool,
}

/// The conditions a text meets, each once, in order of their ids.
#[must_use]
pub fn conditions(text: &str) -> Vec<Hit> {
    read(text).hits
}

/// The conditions a text meets by the rules of either server, and whether all of it was read.
#[must_use]
pub fn read(text: &str) -> Reading {
    let mut all = Reading { complete: true, ..Reading::default() };
    for dialect in Dialect::ALL {
        let around = Around { dialect, database: None, matters: &|_| false };
        let one = read_request(&Asked::Text(text, Vec::new()), &around, &mut Memory::default());
        all.complete &= one.complete;
        for hit in one.hits {
            match all.hits.iter_mut().find(|known| known.sid == hit.sid) {
                Some(known) => known.command = known.command.take().or(hit.command),
                None => all.hits.push(hit),
            }
        }
    }
    all.hits.sort_by_key(|hit| hit.sid);
    all
}

/// Reads a request as its server would.
pub fn read_request(asked: &Asked<'_>, around: &Around<'_>, memory: &mut Memory) -> Reading {
    let mut judge =
        Judge { dialect: around.dialect, automation: memory.automation, out: Reading::default(), matters: around.matters };
    let len = match asked {
        Asked::Text(text, _) | Asked::Prepared(text, _) => text.len(),
        Asked::Call(_, arguments) => arguments.iter().filter_map(|argument| argument.value.as_ref()).map(String::len).sum(),
    };
    let mut reader = Reader::new(&mut judge, around.dialect, memory, len);
    let before = around.database.map(str::to_lowercase);
    reader.database.clone_from(&before);
    match asked {
        Asked::Text(text, bound) => {
            for argument in bound {
                if let Some(name) = &argument.name {
                    reader.folder.set(name, argument.value.clone().map(Constant::Text));
                }
            }
            reader.batch(text, 0);
        }
        Asked::Prepared(text, bound) => reader.prepared(text, bound),
        Asked::Call(name, arguments) => {
            if let Some((parts, _)) = dotted(&tokens(name, around.dialect)) {
                reader.direct(named(parts, arguments.clone()));
            }
        }
    }
    let complete = reader.is_complete();
    let database = reader.database.take().filter(|after| before.as_ref() != Some(after));
    memory.automation = judge.automation;
    let mut reading = judge.out;
    (reading.complete, reading.database) = (complete, database);
    reading.hits.sort_by_key(|hit| hit.sid);
    reading
}

/// Decides call by call. Keeps the first hit of each condition only.
struct Judge<'a> {
    dialect: Dialect,
    out: Reading,
    /// An object that runs programs was made.
    automation: bool,
    matters: &'a dyn Fn(&Table) -> bool,
}

impl Judge<'_> {
    fn add(&mut self, sid: u64, name: &'static str, command: Option<&str>) {
        // Each means something to one of the two servers only.
        let of = if sid == 9_402_006 { Dialect::Postgres } else { Dialect::TransactSql };
        if of != self.dialect {
            return;
        }
        let Some(hit) = self.out.hits.iter_mut().find(|hit| hit.sid == sid) else {
            self.out.hits.push(Hit {
                sid,
                name,
                command: command.map(str::to_owned),
                more_commands: Vec::new(),
                assembly: Vec::new(),
            });
            return;
        };
        let Some(command) = command else { return };
        // The first command that is known is the one shown first.
        match &hit.command {
            None => hit.command = Some(command.to_owned()),
            Some(first) if first == command || hit.more_commands.iter().any(|known| known == command) => {}
            Some(_) if hit.more_commands.len() < MAX_COMMANDS => hit.more_commands.push(command.to_owned()),
            Some(_) => {}
        }
    }
}

impl Visitor for Judge<'_> {
    fn call(&mut self, call: &Call) {
        match call.name.as_str() {
            "sp_configure" if enables_xp_cmdshell(call) => self.add(9_402_001, "xp_cmdshell enabled", None),
            "xp_cmdshell" => {
                let command = call.arguments.first().and_then(|argument| argument.value.as_deref());
                self.add(9_402_002, "xp_cmdshell executed", command);
            }
            "sp_oacreate" => {
                let object = call.argument("@progid", 0).map(|object| object.trim().to_lowercase());
                self.automation |= object.is_some_and(|object| {
                    // A moniker makes the same object: `new:{class}`.
                    let object = object.strip_prefix("new:").unwrap_or(&object);
                    AUTOMATION.iter().any(|known| object.starts_with(known))
                });
            }
            "sp_oamethod" if self.automation => {
                let command = call.arguments.iter().skip(3).find_map(|argument| argument.value.as_deref());
                self.add(9_402_003, "OLE automation execution", command);
            }
            "sp_add_jobstep" | "sp_update_jobstep" | "sp_add_jobstep_internal" if is_command_step(call) => {
                self.add(9_402_005, "SQL Agent command step", call.argument("@command", 5));
            }
            "lo_export" => self.add(9_402_006, "PostgreSQL program execution", None),
            _ => {}
        }
    }

    fn program(&mut self, command: &str) {
        self.add(9_402_006, "PostgreSQL program execution", Some(command));
    }

    fn assembly(&mut self, bytes: &[u8]) {
        if bytes.starts_with(b"MZ") {
            self.add(9_402_004, "CLR assembly from bytes", None);
            if let Some(hit) = self.out.hits.iter_mut().find(|hit| hit.sid == 9_402_004 && hit.assembly.is_empty()) {
                hit.assembly = bytes.to_vec();
            }
        }
    }

    fn language(&mut self, language: &str) {
        if UNTRUSTED.contains(&language) {
            self.add(9_402_006, "PostgreSQL program execution", None);
        }
    }

    fn table(&mut self, table: &Table) {
        let out = &mut self.out;
        if out.tables.len() < MAX_TABLES && (self.matters)(table) && !out.tables.contains(table) {
            out.tables.push(table.clone());
        }
    }

    fn statement(&mut self, kind: &'static str) {
        if self.out.kinds.len() < MAX_KINDS {
            self.out.kinds.push(kind);
        }
    }
}

fn enables_xp_cmdshell(call: &Call) -> bool {
    let value = call.argument("@configvalue", 1).map(str::trim);
    call.argument("@configname", 0).is_some_and(|name| names_xp_cmdshell(name.trim())) && value.is_some_and(is_one)
}

/// The option's name.
const OPTION: [char; 11] = ['x', 'p', '_', 'c', 'm', 'd', 's', 'h', 'e', 'l', 'l'];

/// `sp_configure` looks its option up with `LIKE '%name%'`: any part of the name will do, and so will wildcards.
fn names_xp_cmdshell(name: &str) -> bool {
    let name: Vec<char> = name.chars().take(64).flat_map(char::to_lowercase).collect();
    // Wildcards alone fit every option, and a name that fits several is refused.
    name.iter().any(char::is_ascii_alphanumeric)
        && (0..OPTION.len()).any(|from| like(&name, OPTION.get(from..).unwrap_or_default()))
}

/// Whether a `LIKE` pattern fits the beginning of a text. The places it may have come to are followed side by side.
fn like(pattern: &[char], text: &[char]) -> bool {
    let mut places = vec![false; text.len() + 1];
    if let Some(first) = places.first_mut() {
        *first = true;
    }
    let mut rest = pattern;
    while let Some((&head, tail)) = rest.split_first() {
        rest = tail;
        if head == '%' {
            let from = places.iter().position(|place| *place).unwrap_or(places.len());
            places.iter_mut().skip(from).for_each(|place| *place = true);
            continue;
        }
        let mut set = None;
        if head == '[' {
            let end = tail.iter().position(|&character| character == ']').unwrap_or(tail.len());
            set = tail.get(..end);
            rest = tail.get(end + 1..).unwrap_or_default();
        }
        let fits = |character: char| match set {
            Some(['^', others @ ..]) => !others.contains(&character),
            Some(these) => these.contains(&character) || these.contains(&'-'),
            None => head == '_' || head == character,
        };
        let next = text.iter().zip(&places).map(|(&character, &place)| place && fits(character));
        places = std::iter::once(false).chain(next).collect();
    }
    places.contains(&true)
}

/// 1 in any way it may be written; of bytes, as the text they were read as.
fn is_one(value: &str) -> bool {
    value.trim_start_matches('\0') == "\u{1}" || value.parse::<f64>().is_ok_and(|number| (number - 1.0).abs() < f64::EPSILON)
}

fn is_command_step(call: &Call) -> bool {
    let subsystem = call.argument("@subsystem", 4).map(|subsystem| subsystem.trim().to_lowercase());
    subsystem.is_some_and(|subsystem| subsystem == "cmdexec" || subsystem == "powershell")
}
