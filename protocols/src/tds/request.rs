//! Requests: what stands in front of them, and those that are simple ([MS-TDS] 2.2.5.3, 2.2.6.7, 2.2.6.9).
//!
//! ```text
//! ALL-HEADERS = total:le32 1*(length:le32 type:le16 data)      7.2 and later
//! SQL-BATCH   = [ALL-HEADERS] text
//! TM-REQUEST  = [ALL-HEADERS] type:le16 payload
//! ```

use super::text;
use super::value::Value;
use crate::cursor::Cursor;

/// Headers are not longer: a query notification has three texts.
const MAX_HEADERS: usize = 4_096;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A batch of SQL (2.2.6.7).
    Batch,
    /// Procedures (2.2.6.6).
    Rpc,
    /// Rows for a table (2.2.6.1).
    Bulk,
    /// What goes on is to be stopped (2.2.1.7).
    Attention,
    /// A transaction is begun, ended or passed on (2.2.6.9).
    TransactionManager,
}

impl Kind {
    /// As the record has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Rpc => "rpc",
            Self::Bulk => "bulk",
            Self::Attention => "attention",
            Self::TransactionManager => "transaction_manager",
        }
    }
}

/// One thing that a request has the server do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// The SQL: of a batch, of a procedure that takes one, or the one that was prepared.
    pub text: Option<String>,
    /// The procedure of an RPC, or what the transaction manager is to do.
    pub procedure: Option<String>,
    /// Its number, if it was called by that or has one.
    pub procedure_id: Option<u16>,
    /// Parameters, the first of them.
    pub parameters: Vec<Parameter>,
    /// The text was sent earlier, with a prepare.
    pub prepared: bool,
    /// Something is left out: a cap of ours, or bytes that are missing.
    pub truncated: bool,
}

impl Statement {
    /// Bytes that this holds.
    pub(super) fn size(&self) -> usize {
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let parameters = self.parameters.iter().map(|each| size_of::<Parameter>() + each.size()).sum::<usize>();
        size_of::<Self>() + of(&self.text) + of(&self.procedure) + parameters
    }

    /// Leaves no more than the beginning.
    pub(super) fn cut(&mut self, max: usize) {
        if let Some(text) = &mut self.text {
            *text = text::head(text, max).to_owned();
        }
        self.parameters = Vec::new();
        self.truncated = true;
    }
}

/// A parameter of a procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// `@name`, if it has one.
    pub name: Option<String>,
    /// SQL name of its type.
    pub type_name: &'static str,
    /// It is for the server to set.
    pub output: bool,
    /// Its value.
    pub value: Value,
}

impl Parameter {
    fn size(&self) -> usize {
        self.name.as_ref().map_or(0, String::len) + self.value.size()
    }
}

/// What follows `ALL_HEADERS`, and whether they are there: recognised by their shape, which no text and no call has.
pub fn split_headers(bytes: &[u8]) -> (&[u8], bool) {
    match headers_len(bytes).and_then(|total| bytes.get(total..)) {
        Some(rest) => (rest, true),
        None => (bytes, false),
    }
}

fn headers_len(bytes: &[u8]) -> Option<usize> {
    let total = Cursor::new(bytes).u32_le().ok()? as usize;
    let mut cursor = Cursor::new(bytes.get(4..total).filter(|headers| (6..=MAX_HEADERS).contains(&headers.len()))?);
    while !cursor.is_empty() {
        let len = cursor.u32_le().ok()? as usize;
        // 2.2.5.3: query notification, transaction descriptor, trace activity.
        if !(1..=3).contains(&cursor.u16_le().ok()?) {
            return None;
        }
        cursor.take(len.checked_sub(6)?).ok()?;
    }
    Some(total)
}

/// The text of a batch.
pub fn batch(bytes: &[u8], max_text: usize, truncated: bool) -> Statement {
    let (text, whole) = text::utf16(bytes, max_text);
    Statement { text: Some(text), truncated: truncated || !whole, ..Statement::default() }
}

/// What the transaction manager is to do; `None` is nothing known.
pub fn transaction_manager(bytes: &[u8]) -> Option<Statement> {
    let number = Cursor::new(bytes).u16_le().ok()?;
    let name = match number {
        0 => "TM_GET_DTC_ADDRESS",
        1 => "TM_PROPAGATE_XACT",
        5 => "TM_BEGIN_XACT",
        6 => "TM_PROMOTE_XACT",
        7 => "TM_COMMIT_XACT",
        8 => "TM_ROLLBACK_XACT",
        9 => "TM_SAVE_XACT",
        _ => return None,
    };
    Some(Statement { procedure: Some(name.to_owned()), procedure_id: Some(number), ..Statement::default() })
}
