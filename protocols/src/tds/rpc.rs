//! RPC requests ([MS-TDS] 2.2.6.6).
//!
//! ```text
//! RPC       = [ALL-HEADERS] call *(flag call) [flag]                 flag = %xFF / %x80 (up to 7.1) / %xFE
//! call      = (name-length:le16 name / %xFFFF id:le16) options:le16 *parameter
//! parameter = name status TYPE-INFO value [cipher-info] / name status TVP
//! ```

use super::request::{Parameter, Statement};
use super::text::{self, b_varchar};
use super::types::{Bad, Dialect, Layout, Place, TVP, TypeInfo, type_info, type_name};
use super::value::{self, Value};
use crate::cursor::Cursor;

/// Calls of one message that are kept.
const MAX_CALLS: usize = 64;
/// Parameters of one call that are kept.
const MAX_PARAMETERS: usize = 64;
/// Characters of a procedure's name: it has four parts (2.2.6.6: at most 1046 bytes).
const MAX_NAME: usize = 523;
/// Columns of a table (2.2.5.5.5.3).
const MAX_COLUMNS: u16 = 1_024;

/// The procedures that have a number (2.2.6.6), from 1.
const PROCEDURES: [&str; 15] = [
    "sp_cursor",
    "sp_cursoropen",
    "sp_cursorprepare",
    "sp_cursorexecute",
    "sp_cursorprepexec",
    "sp_cursorunprepare",
    "sp_cursorfetch",
    "sp_cursoroption",
    "sp_cursorclose",
    "sp_executesql",
    "sp_prepare",
    "sp_execute",
    "sp_prepexec",
    "sp_prepexecrpc",
    "sp_unprepare",
];

pub const SP_CURSOREXECUTE: u16 = 4;
pub const SP_CURSORUNPREPARE: u16 = 6;
pub const SP_EXECUTE: u16 = 12;
pub const SP_UNPREPARE: u16 = 15;

/// Which parameter has the SQL.
const fn text_parameter(id: u16) -> Option<usize> {
    Some(match id {
        10 => 0,
        2 | 14 => 1,
        3 | 11 | 13 => 2,
        5 => 3,
        _ => return None,
    })
}

/// The procedure answers with a handle, in its first parameter.
pub const fn prepares(id: u16) -> bool {
    matches!(id, 3 | 5 | 11 | 13 | 14)
}

/// What a message says.
#[derive(Debug, Default)]
pub struct Calls {
    pub statements: Vec<Statement>,
    /// It ends where it should.
    pub whole: bool,
    /// More calls than are kept.
    pub cut: bool,
}

impl Calls {
    /// Of a text that is run, a cap took the end.
    pub fn has_cut_text(&self) -> bool {
        let runs_sql = |statement: &&Statement| statement.procedure_id.and_then(text_parameter).is_some();
        let parameters = self.statements.iter().filter(runs_sql).flat_map(|statement| &statement.parameters);
        parameters.into_iter().any(|parameter| matches!(parameter.value, Value::Text { whole: false, .. }))
    }
}

/// Reads the calls of a message without its headers.
pub fn parse(bytes: &[u8], dialect: Dialect, max_text: usize) -> Calls {
    let (mut calls, mut cursor) = (Calls::default(), Cursor::new(bytes));
    while !cursor.is_empty() {
        let mut statement = Statement::default();
        let read = call(&mut cursor, dialect, max_text, &mut statement);
        statement.truncated |= read.is_err();
        if statement.procedure.is_some() {
            if calls.statements.len() < MAX_CALLS {
                find_text(&mut statement);
                calls.statements.push(statement);
            } else {
                calls.cut = true;
            }
        }
        if read.is_err() {
            return calls;
        }
    }
    calls.whole = !calls.statements.is_empty();
    calls
}

/// One call, up to the flag that ends it.
fn call(cursor: &mut Cursor<'_>, dialect: Dialect, max_text: usize, statement: &mut Statement) -> Result<(), Bad> {
    procedure(cursor, statement)?;
    while has_parameter(cursor, dialect)? {
        let parameter = parameter(cursor, dialect, max_text)?;
        if statement.parameters.len() < MAX_PARAMETERS {
            statement.parameters.push(parameter);
        } else {
            statement.truncated = true;
        }
    }
    Ok(())
}

/// What is called.
fn procedure(cursor: &mut Cursor<'_>, statement: &mut Statement) -> Result<(), Bad> {
    match usize::from(cursor.u16_le()?) {
        0xffff => {
            let id = cursor.u16_le()?;
            let name = usize::from(id).checked_sub(1).and_then(|at| PROCEDURES.get(at));
            statement.procedure = Some(name.map_or_else(|| format!("procedure_{id}"), |&name| name.to_owned()));
            statement.procedure_id = Some(id);
        }
        len if len <= MAX_NAME => {
            let name = text::name(cursor.take(len * 2)?);
            statement.procedure_id = known(&name);
            statement.procedure = Some(name);
        }
        _ => return Err(Bad::Malformed),
    }
    cursor.u16_le()?;
    Ok(())
}

/// Another parameter follows; else the flag that ends a call is read, or all is.
fn has_parameter(cursor: &mut Cursor<'_>, dialect: Dialect) -> Result<bool, Bad> {
    let Some(next) = cursor.peek() else { return Ok(false) };
    if next >= 0xfe || (next == 0x80 && !dialect.wide) {
        cursor.u8()?;
        return Ok(false);
    }
    Ok(true)
}

/// The number of a procedure that was called by name, in whatever schema.
fn known(name: &str) -> Option<u16> {
    let last = name.rsplit('.').next().unwrap_or(name).trim_matches(['[', ']', '"']);
    let at = PROCEDURES.iter().position(|known| known.eq_ignore_ascii_case(last))?;
    u16::try_from(at + 1).ok()
}

fn parameter(cursor: &mut Cursor<'_>, dialect: Dialect, max_text: usize) -> Result<Parameter, Bad> {
    let name = text::name(b_varchar(cursor)?);
    let status = cursor.u8()?;
    let token = cursor.peek().unwrap_or_default();
    let value = if token == TVP {
        table(cursor, dialect)?
    } else {
        let info = type_info(cursor, dialect, Place::Parameter)?;
        value::read(cursor, &info, max_text)?
    };
    encryption(cursor, dialect, status)?;
    let name = (!name.is_empty()).then_some(name);
    Ok(Parameter { name, type_name: type_name(token), output: status & 0x01 != 0, value })
}

/// fEncrypted: how follows.
fn encryption(cursor: &mut Cursor<'_>, dialect: Dialect, status: u8) -> Result<(), Bad> {
    if status & 0x08 != 0 {
        type_info(cursor, dialect, Place::Parameter)?;
        if cursor.u8()? == 0 {
            b_varchar(cursor)?;
        }
        cursor.take(1 + 4 + 4 + 4 + 8 + 1)?;
    }
    Ok(())
}

/// Writes the calls of a message, as far as it is there, without the padding in texts of the procedures that run SQL. All else
/// stays as it is, and what follows reads on.
pub fn squeeze(calls: &[u8], dialect: Dialect, out: &mut Vec<u8>) {
    let (mut cursor, mut copied) = (Cursor::new(calls), 0);
    while !cursor.is_empty() && squeeze_call(calls, &mut cursor, dialect, &mut copied, out).is_ok() {}
    out.extend_from_slice(calls.get(copied..).unwrap_or_default());
}

fn squeeze_call(
    calls: &[u8],
    cursor: &mut Cursor<'_>,
    dialect: Dialect,
    copied: &mut usize,
    out: &mut Vec<u8>,
) -> Result<(), Bad> {
    let mut statement = Statement::default();
    procedure(cursor, &mut statement)?;
    let runs_sql = statement.procedure_id.and_then(text_parameter).is_some();
    while has_parameter(cursor, dialect)? {
        b_varchar(cursor)?;
        let status = cursor.u8()?;
        if cursor.peek() == Some(TVP) {
            table(cursor, dialect)?;
        } else {
            let info = type_info(cursor, dialect, Place::Parameter)?;
            let squeezer = value::squeezer(&info).filter(|_| runs_sql);
            if let Some(squeezer) = squeezer {
                out.extend_from_slice(calls.get(*copied..cursor.position()).unwrap_or_default());
                *copied = cursor.position();
                let read = value::squeeze(cursor, &info, squeezer, out);
                *copied = cursor.position();
                read?;
            } else {
                value::skip(cursor, &info)?;
            }
        }
        encryption(cursor, dialect, status)?;
    }
    Ok(())
}

/// A table as a value (2.2.5.5.5): walked, not kept.
fn table(cursor: &mut Cursor<'_>, dialect: Dialect) -> Result<Value, Bad> {
    cursor.u8()?;
    b_varchar(cursor)?;
    let (schema, name) = (text::name(b_varchar(cursor)?), text::name(b_varchar(cursor)?));
    let name = if schema.is_empty() { name } else { format!("{schema}.{name}") };
    let (columns, sent) = table_columns(cursor, dialect)?;
    loop {
        let each = match cursor.u8()? {
            0x00 => break,
            // TVP_ORDER_UNIQUE, TVP_COLUMN_ORDERING.
            0x10 => 3,
            0x11 => 2,
            _ => return Err(Bad::Malformed),
        };
        let count = usize::from(cursor.u16_le()?);
        cursor.take(count * each)?;
    }
    let mut rows = 0;
    loop {
        match cursor.u8()? {
            0x00 => break,
            0x01 => {
                for info in &sent {
                    value::skip(cursor, info)?;
                }
                rows += 1;
            }
            _ => return Err(Bad::Malformed),
        }
    }
    Ok(Value::Table { name, columns, rows })
}

/// How many columns a table has, and those of which values are sent.
fn table_columns(cursor: &mut Cursor<'_>, dialect: Dialect) -> Result<(usize, Vec<TypeInfo>), Bad> {
    let count = match cursor.u16_le()? {
        0xffff => 0,
        count if count <= MAX_COLUMNS => count,
        _ => return Err(Bad::Malformed),
    };
    let mut sent = Vec::new();
    for _ in 0..count {
        cursor.u32_le()?;
        let flags = cursor.u16_le()?;
        let info = type_info(cursor, dialect, Place::Parameter)?;
        b_varchar(cursor)?;
        // fDefault: no values are sent. Nor does the type of NULL take a byte, so that a row costs no more than it is long.
        if flags & 0x0200 == 0 && info.layout != Layout::Fixed(0) {
            sent.push(info);
        }
    }
    Ok((usize::from(count), sent))
}

/// Finds the SQL among the parameters, by name or else by place.
fn find_text(statement: &mut Statement) {
    let Some(at) = statement.procedure_id.and_then(text_parameter) else { return };
    let named = |parameter: &&Parameter| {
        let name = parameter.name.as_deref().unwrap_or_default();
        name.eq_ignore_ascii_case("@stmt") || name.eq_ignore_ascii_case("@statement")
    };
    let found = statement.parameters.iter().find(named).or_else(|| statement.parameters.get(at));
    statement.text = found.and_then(|parameter| parameter.value.text()).map(str::to_owned);
}
