//! Walks a reply's tokens ([MS-TDS] 2.2.4, 2.2.7) as its bytes come by, keeping no row.
//!
//! ```text
//! REPLY = *( COLMETADATA *( ROW / NBCROW ) / DONE / DONEPROC / DONEINPROC / ERROR / INFO / ENVCHANGE / … )
//! ```
//! A row has no length of its own: its values are stepped over one by one, as the columns say, up to
//! [`MAX_WALKED`] bytes of rows a reply. Behind that, and where a token is not known, packets are passed over and only
//! the last DONE is looked at.

use super::connection::dialect_of;
use super::reply::Reply;
use super::text::{self, b_varchar, us_varchar};
use super::types::{Bad, Dialect, IMAGE, Layout, NTEXT, Place, TEXT, TypeInfo, type_info};
use super::value::{self, Value};
use crate::cursor::Cursor;

/// Bytes of rows that are walked in one reply.
pub const MAX_WALKED: u64 = 8 * 1024 * 1024;
/// Bytes of one thing that is not whole yet: a token with a 16-bit length fits. Table names and key stores that are made to be
/// longer are not put together.
const MAX_CARRY: usize = 66 * 1024;
/// Columns of a result (SQL Server's own limit of a SELECT).
const MAX_COLUMNS: u16 = 4_096;
/// A return value up to this size is decoded.
const MAX_VALUE: u64 = 512;
/// The longest DONE.
pub const TAIL: usize = 13;
/// No column: the value of a parameter.
const NO_COLUMN: usize = usize::MAX;

/// Why a reply is not walked to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks the rules.
    Malformed,
    /// A token that is not known here, or columns that nobody told.
    Undecoded,
    /// More rows than are walked.
    Passed,
    /// Bytes are missing.
    Gap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Token,
    /// Keys of column encryption in front of so many columns.
    KeyCount(u16),
    Keys {
        left: u16,
        columns: u16,
    },
    Columns(u16),
    Row(usize),
    /// Between the chunks of a value of this column.
    Chunk(usize),
    Features,
    Value(TypeInfo),
    Lost,
}

/// Walks one reply.
pub struct Walker {
    state: State,
    /// The beginning of something that is not whole yet.
    carry: Vec<u8>,
    need: usize,
    max: usize,
    skip: u64,
    dialect: Dialect,
    /// The dialect is told, not guessed.
    told: bool,
    layouts: Vec<Layout>,
    /// Columns are known.
    described: bool,
    /// NULL columns of the row, a bit each; empty is none.
    nulls: Vec<u8>,
    /// Name of the return value that is read.
    name: Option<String>,
    walked: u64,
    fault: Option<Fault>,
    tail: Vec<u8>,
    reply: Reply,
}

impl Walker {
    /// Of one thing at most `max` bytes are put together.
    pub fn new(dialect: Dialect, told: bool, max: usize) -> Self {
        Self {
            state: State::Token,
            carry: Vec::new(),
            need: 0,
            max: max.min(MAX_CARRY),
            skip: 0,
            dialect,
            told,
            layouts: Vec::new(),
            described: false,
            nulls: Vec::new(),
            name: None,
            walked: 0,
            fault: None,
            tail: Vec::new(),
            reply: Reply::default(),
        }
    }

    /// The next bytes; `after` is how many follow them, where that is known.
    pub fn feed(&mut self, mut bytes: &[u8], after: Option<usize>) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let len = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                self.skip -= len as u64;
                self.walked += len as u64;
                bytes = bytes.get(len..).unwrap_or_default();
            } else if self.state == State::Lost {
                return self.keep_tail(bytes);
            } else if self.carry.is_empty() {
                match self.unit(bytes, after) {
                    Ok(used) => bytes = bytes.get(used..).unwrap_or_default(),
                    Err(Bad::Short(need)) if need > self.max => self.lose(Fault::Undecoded),
                    Err(Bad::Short(need)) => {
                        self.need = need;
                        self.carry.extend_from_slice(bytes);
                        return;
                    }
                    Err(Bad::Malformed) => self.lose(Fault::Malformed),
                }
            } else {
                let wanted = self.need.saturating_sub(self.carry.len()).max(1);
                let (head, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
                self.carry.extend_from_slice(head);
                bytes = rest;
                if self.carry.len() >= self.need {
                    self.carried(after.map(|after| after + bytes.len()));
                }
            }
        }
    }

    /// What was not whole before is so now, or wants more. A need is exact: nothing of it is left over.
    fn carried(&mut self, after: Option<usize>) {
        let mut carry = std::mem::take(&mut self.carry);
        match self.unit(&carry, after) {
            Ok(used) if used == carry.len() => {
                carry.clear();
                self.carry = carry;
            }
            Err(Bad::Short(need)) if need > self.max => self.lose_behind(Fault::Undecoded, &carry),
            Err(Bad::Short(need)) if need > carry.len() => {
                self.need = need;
                self.carry = carry;
            }
            _ => self.lose_behind(Fault::Malformed, &carry),
        }
    }

    /// The rest cannot be walked, and these bytes are the first of it.
    fn lose_behind(&mut self, fault: Fault, bytes: &[u8]) {
        self.lose(fault);
        self.keep_tail(bytes);
    }

    /// How many of the next bytes are of no interest, when the packet has `left` more and the message ends with it, or not.
    /// The last byte of a message is always looked at: it ends it.
    pub fn skippable(&self, left: usize, ends: bool) -> usize {
        if self.state == State::Lost {
            // The last DONE may begin in one packet and end in the next.
            return left.saturating_sub(TAIL);
        }
        usize::try_from(self.skip).unwrap_or(usize::MAX).min(left.saturating_sub(usize::from(ends)))
    }

    /// So many bytes were passed over, as [`Walker::skippable`] allowed.
    pub fn skipped(&mut self, len: usize) {
        if len == 0 {
            return;
        }
        if self.state == State::Lost {
            self.tail.clear();
        } else {
            self.skip = self.skip.saturating_sub(len as u64);
            self.walked += len as u64;
        }
    }

    /// The rest cannot be walked.
    pub fn lose(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.state = State::Lost;
        (self.carry, self.skip, self.layouts) = (Vec::new(), 0, Vec::new());
        self.tail.clear();
        self.reply.complete = false;
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.carry.capacity() + self.layouts.capacity() * size_of::<Layout>()
    }

    /// The message is over.
    pub fn finish(mut self) -> (Reply, Option<Fault>) {
        if self.state != State::Token || self.skip > 0 || !self.carry.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.lose(Fault::Malformed);
            self.reply.tail(&tail, self.dialect.wide);
        }
        (self.reply, self.fault)
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let last = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
        self.tail.extend_from_slice(last);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
    }

    /// Reads one thing, and of a row as much as is there.
    fn unit(&mut self, bytes: &[u8], after: Option<usize>) -> Result<usize, Bad> {
        let mut cursor = Cursor::new(bytes);
        match self.state {
            State::Token => self.token(&mut cursor, after)?,
            State::KeyCount(columns) => {
                let left = cursor.u16_le()?;
                self.state = State::Keys { left, columns };
            }
            State::Keys { left: 0, columns } => self.state = State::Columns(columns),
            State::Keys { left, columns } => {
                key(&mut cursor)?;
                self.state = State::Keys { left: left - 1, columns };
            }
            State::Columns(0) => self.state = State::Token,
            State::Columns(left) => {
                self.column(&mut cursor)?;
                self.state = State::Columns(left - 1);
            }
            State::Row(column) => return self.row(bytes, column),
            State::Chunk(column) => match cursor.u32_le()? {
                0 if column == NO_COLUMN => self.state = State::Token,
                0 => self.after_value(column),
                len => self.skip = u64::from(len),
            },
            State::Features => match cursor.u8()? {
                0xff => self.state = State::Token,
                id => {
                    self.skip = u64::from(cursor.u32_le()?);
                    self.reply.column_encryption |= id == 4;
                    self.dialect.encryption |= id == 4;
                }
            },
            State::Value(info) => self.value(&mut cursor, &info)?,
            State::Lost => return Ok(bytes.len()),
        }
        Ok(cursor.position())
    }

    fn token(&mut self, cursor: &mut Cursor<'_>, after: Option<usize>) -> Result<(), Bad> {
        let here = cursor.remaining();
        let token = cursor.u8()?;
        match token {
            0x81 => self.columns(cursor.u16_le()?),
            0xd1 | 0xd2 if !self.described => self.lose(Fault::Undecoded),
            0xd1 | 0xd2 if self.walked >= MAX_WALKED => self.lose(Fault::Passed),
            0xd1 | 0xd2 => {
                let nulls = if token == 0xd2 { cursor.take(self.layouts.len().div_ceil(8))? } else { &[] };
                self.nulls.clear();
                self.nulls.extend_from_slice(nulls);
                self.walked += 1 + nulls.len() as u64;
                if !self.layouts.is_empty() {
                    self.state = State::Row(0);
                }
            }
            0xfd..=0xff => self.done(token, cursor, after.map(|after| after + here))?,
            0x79 => self.reply.return_status = Some(cursor.i32_le()?),
            // OFFSET, of old.
            0x78 => {
                cursor.take(4)?;
            }
            0xac => self.return_value(cursor)?,
            0xae => self.state = State::Features,
            // SESSIONSTATE, FEDAUTHINFO.
            0xe4 | 0xee => {
                self.skip = u64::from(cursor.u32_le()?);
                self.reply.continues |= token == 0xee;
            }
            0xa4 | 0xa5 | 0xa9 | 0xaa | 0xab | 0xad | 0xe3 | 0xed => {
                let len = usize::from(cursor.u16_le()?);
                let body = cursor.take(len)?;
                self.reply.token(token, body).ok_or(Bad::Malformed)?;
                if token == 0xad
                    && let Some(ack) = &self.reply.login_ack
                {
                    self.dialect = Dialect { encryption: self.dialect.encryption, ..dialect_of(ack.tds_version) };
                    self.told = true;
                }
            }
            // ALTMETADATA, ALTROW, DATACLASSIFICATION: not walked here.
            0x88 | 0xd3 | 0xa3 => self.lose(Fault::Undecoded),
            _ => return Err(Bad::Malformed),
        }
        Ok(())
    }

    fn columns(&mut self, count: u16) {
        match count {
            // NoMetaData: the columns are those of an earlier reply.
            0xffff => self.described = false,
            count if count > MAX_COLUMNS => self.lose(Fault::Undecoded),
            count => {
                self.described = true;
                self.layouts.clear();
                self.reply.result_sets = self.reply.result_sets.saturating_add(1);
                self.state = if self.dialect.encryption { State::KeyCount(count) } else { State::Columns(count) };
            }
        }
    }

    fn done(&mut self, token: u8, cursor: &mut Cursor<'_>, left: Option<usize>) -> Result<(), Bad> {
        // Nobody told the version: the shorter one may be just what is left.
        let wide = if self.told { self.dialect.wide } else { left.map_or(self.dialect.wide, |left| left != 9) };
        let (status, _) = (cursor.u16_le()?, cursor.u16_le()?);
        let count = if wide { cursor.u64_le()? } else { u64::from(cursor.u32_le()?) };
        if self.reply.done(token, status, count) { Ok(()) } else { Err(Bad::Malformed) }
    }

    /// `UserType`, `Flags`, `TYPE_INFO`; the type, and whether the column is encrypted.
    fn described_type(&self, cursor: &mut Cursor<'_>) -> Result<(TypeInfo, bool), Bad> {
        cursor.take(if self.dialect.wide { 4 } else { 2 })?;
        let flags = cursor.u16_le()?;
        let info = type_info(cursor, self.dialect, Place::Column)?;
        // A server never sends the type of NULL (2.2.5.4.1), of which a row takes no byte.
        if info.layout == Layout::Fixed(0) {
            return Err(Bad::Malformed);
        }
        Ok((info, self.dialect.encryption && flags & 0x0800 != 0))
    }

    fn column(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Bad> {
        let (info, encrypted) = self.described_type(cursor)?;
        if matches!(info.token, TEXT | NTEXT | IMAGE) {
            let parts = if self.dialect.wide { cursor.u8()? } else { 1 };
            for _ in 0..parts {
                us_varchar(cursor)?;
            }
        }
        if encrypted {
            self.crypto(cursor, 2)?;
        }
        let name = b_varchar(cursor)?;
        self.reply.column(name);
        self.layouts.push(info.layout);
        Ok(())
    }

    /// `CryptoMetaData`.
    fn crypto(&self, cursor: &mut Cursor<'_>, ordinal: usize) -> Result<(), Bad> {
        cursor.take(ordinal + 4)?;
        type_info(cursor, self.dialect, Place::Column)?;
        if cursor.u8()? == 0 {
            b_varchar(cursor)?;
        }
        cursor.take(2)?;
        Ok(())
    }

    /// RETURNVALUE up to its value.
    fn return_value(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Bad> {
        cursor.u16_le()?;
        let name = text::name(b_varchar(cursor)?);
        cursor.u8()?;
        let (info, encrypted) = self.described_type(cursor)?;
        if encrypted {
            self.crypto(cursor, 0)?;
        }
        self.name = (!name.is_empty()).then_some(name);
        self.state = State::Value(info);
        Ok(())
    }

    fn value(&mut self, cursor: &mut Cursor<'_>, info: &TypeInfo) -> Result<(), Bad> {
        let (head, len) = value_head(info.layout, cursor.rest())?;
        cursor.take(head)?;
        let mut state = State::Token;
        let value = match len {
            None => Some(Value::Null),
            Some(_) if info.layout == Layout::Partial => {
                state = State::Chunk(NO_COLUMN);
                None
            }
            Some(0) if info.layout == Layout::Byte => Some(Value::Null),
            Some(len) if len <= MAX_VALUE => {
                let bytes = cursor.take(usize::try_from(len).unwrap_or_default())?;
                Some(value::decode(info, bytes, 2 * MAX_VALUE as usize))
            }
            Some(len) => {
                self.skip = len;
                None
            }
        };
        self.state = state;
        let name = self.name.take();
        self.reply.value(name, value);
        Ok(())
    }

    fn after_value(&mut self, column: usize) {
        self.state = if column + 1 >= self.layouts.len() { State::Token } else { State::Row(column + 1) };
    }

    /// Steps over the values of a row, from a column on.
    fn row(&mut self, bytes: &[u8], from: usize) -> Result<usize, Bad> {
        let (mut used, mut column) = (0, from);
        while let Some(&layout) = self.layouts.get(column) {
            if self.nulls.get(column / 8).is_some_and(|bits| bits >> (column % 8) & 1 != 0) {
                column += 1;
                continue;
            }
            let (head, len) = match value_head(layout, bytes.get(used..).unwrap_or_default()) {
                Ok(found) => found,
                Err(short) if used == 0 => {
                    self.state = State::Row(column);
                    return Err(short);
                }
                Err(_) => break,
            };
            used += head;
            if layout == Layout::Partial && len.is_some() {
                self.walked += used as u64;
                self.state = State::Chunk(column);
                return Ok(used);
            }
            column += 1;
            let len = len.unwrap_or_default();
            let here = usize::try_from(len).unwrap_or(usize::MAX).min(bytes.len() - used);
            used += here;
            self.skip = len - here as u64;
            if self.skip > 0 {
                break;
            }
        }
        self.walked += used as u64;
        self.state = if column >= self.layouts.len() { State::Token } else { State::Row(column) };
        Ok(used)
    }
}

/// One entry of the `CekTable`.
fn key(cursor: &mut Cursor<'_>) -> Result<(), Bad> {
    cursor.take(20)?;
    for _ in 0..cursor.u8()? {
        let len = usize::from(cursor.u16_le()?);
        cursor.take(len)?;
        b_varchar(cursor)?;
        us_varchar(cursor)?;
        b_varchar(cursor)?;
    }
    Ok(())
}

/// Bytes in front of a value, and its length. `None` is NULL.
fn value_head(layout: Layout, bytes: &[u8]) -> Result<(usize, Option<u64>), Bad> {
    let mut cursor = Cursor::new(bytes);
    let long = |len: u32| (len != u32::MAX).then_some(u64::from(len));
    let len = match layout {
        Layout::Fixed(len) => Some(u64::from(len)),
        Layout::Byte => Some(u64::from(cursor.u8()?)),
        Layout::Short => Some(cursor.u16_le()?).filter(|&len| len != u16::MAX).map(u64::from),
        Layout::Long => long(cursor.u32_le()?),
        Layout::Pointer => match cursor.u8()? {
            0 => None,
            pointer => {
                cursor.take(usize::from(pointer) + 8)?;
                long(cursor.u32_le()?)
            }
        },
        Layout::Partial => Some(cursor.u64_le()?).filter(|&len| len != u64::MAX),
    };
    Ok((cursor.position(), len))
}
