//! What a server answers ([MS-TDS] 2.2.7), and the tokens that have a length.

use super::text::{self, b_varchar, us_varchar};
use super::value::Value;
use crate::cursor::Cursor;

/// Errors that are kept.
const MAX_ERRORS: usize = 16;
/// Messages that are kept.
const MAX_INFOS: usize = 8;
/// Column names that are kept.
const MAX_COLUMNS: usize = 64;
/// Values that are kept.
const MAX_VALUES: usize = 32;

/// Status of DONE (2.2.7.6).
const DONE_MORE: u16 = 0x0001;
const DONE_ERROR: u16 = 0x0002;
const DONE_COUNT: u16 = 0x0010;
const DONE_ATTENTION: u16 = 0x0020;
const DONE_SERVER_ERROR: u16 = 0x0100;
/// These, and those for transactions and calls.
const DONE_KNOWN: u16 = 0x01ff;

/// ERROR or INFO (2.2.7.10, 2.2.7.13).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerMessage {
    /// Number, for example 18456: login failed.
    pub number: i32,
    /// State, which tells more of the same number.
    pub state: u8,
    /// Severity; above 10 is an error.
    pub class: u8,
    /// Text, bounded.
    pub message: String,
    /// Procedure it comes from.
    pub procedure: Option<String>,
}

/// A value that a procedure returned (2.2.7.19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnValue {
    /// Which call of the request returned it, from 0.
    pub call: usize,
    /// `@name`, if it has one.
    pub name: Option<String>,
    /// The value; of long ones nothing is kept.
    pub value: Option<Value>,
}

/// A successful login (2.2.7.14).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginAck {
    /// Version in use, `0x74000004`.
    pub tds_version: u32,
    /// Name of the server's software.
    pub program: String,
    /// Its version, `16.0.1000`.
    pub version: String,
}

/// A reply, as far as it is of interest. Rows are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Every token was read, up to the last DONE.
    pub complete: bool,
    /// The last DONE was found, though not every token in front of it was read.
    pub ended: bool,
    /// A statement failed.
    pub failed: bool,
    /// What was to be done was stopped.
    pub attention: bool,
    /// Errors, the first of them.
    pub errors: Vec<ServerMessage>,
    /// Messages, the first of them.
    pub infos: Vec<ServerMessage>,
    /// Rows that statements counted, all together.
    pub rows: Option<u64>,
    /// Results with columns.
    pub result_sets: u32,
    /// Names of columns, the first of them.
    pub columns: Vec<String>,
    /// Return status of a procedure.
    pub return_status: Option<i32>,
    /// Values of output parameters.
    pub return_values: Vec<ReturnValue>,
    /// The database changed to this one.
    pub database: Option<String>,
    /// The language changed to this one.
    pub language: Option<String>,
    /// The packet size changed to this one.
    pub packet_size: Option<u32>,
    /// The client is sent elsewhere: `server:port`.
    pub routing: Option<String>,
    /// The login succeeded.
    pub login_ack: Option<LoginAck>,
    /// The server wants more of SSPI or of federated authentication.
    pub continues: bool,
    /// Column encryption was acknowledged.
    pub column_encryption: bool,
    /// Calls that ended so far.
    pub(super) calls: usize,
}

impl Reply {
    /// Whether what was asked for was done; `None` is not known.
    #[must_use]
    pub fn ok(&self) -> Option<bool> {
        if self.failed || !self.errors.is_empty() {
            return Some(false);
        }
        (self.complete || self.ended).then_some(true)
    }

    /// A token with its length in front, by its body.
    pub(super) fn token(&mut self, token: u8, body: &[u8]) -> Option<()> {
        match token {
            0xaa | 0xab => {
                let message = server_message(body)?;
                let (kept, max) = if token == 0xaa { (&mut self.errors, MAX_ERRORS) } else { (&mut self.infos, MAX_INFOS) };
                if kept.len() < max {
                    kept.push(message);
                }
            }
            0xad => self.login_ack = Some(login_ack(body)?),
            0xe3 => self.environment(body)?,
            0xed => self.continues = true,
            _ => {}
        }
        Some(())
    }

    /// ENVCHANGE (2.2.7.9).
    fn environment(&mut self, body: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(body);
        match cursor.u8().ok()? {
            1 => self.database = Some(text::name(b_varchar(&mut cursor).ok()?)),
            2 => self.language = Some(text::name(b_varchar(&mut cursor).ok()?)),
            4 => self.packet_size = text::name(b_varchar(&mut cursor).ok()?).parse().ok(),
            20 => {
                cursor.take(3).ok()?;
                let port = cursor.u16_le().ok()?;
                let server = text::name(us_varchar(&mut cursor).ok()?);
                self.routing = Some(format!("{server}:{port}"));
            }
            _ => {}
        }
        Some(())
    }

    /// DONE, DONEPROC or DONEINPROC; whether it fits.
    pub(super) fn done(&mut self, token: u8, status: u16, count: u64) -> bool {
        self.complete = status & DONE_MORE == 0;
        self.status(status);
        if status & DONE_COUNT != 0 {
            self.rows = Some(self.rows.unwrap_or_default().saturating_add(count));
        }
        self.calls += usize::from(token == 0xfe);
        status & !DONE_KNOWN == 0
    }

    fn status(&mut self, status: u16) {
        self.failed |= status & (DONE_ERROR | DONE_SERVER_ERROR) != 0;
        self.attention |= status & DONE_ATTENTION != 0;
    }

    /// The last bytes of a reply that was passed over.
    pub(super) fn tail(&mut self, tail: &[u8], wide: bool) {
        let len = if wide { 13 } else { 9 };
        let Some(last) = tail.len().checked_sub(len).and_then(|at| tail.get(at..)) else { return };
        let mut cursor = Cursor::new(last);
        let (Ok(0xfd | 0xfe), Ok(status)) = (cursor.u8(), cursor.u16_le()) else { return };
        if status & (DONE_MORE | !DONE_KNOWN) == 0 {
            self.ended = true;
            self.status(status);
        }
    }

    pub(super) fn column(&mut self, name: &[u8]) {
        if self.columns.len() < MAX_COLUMNS {
            self.columns.push(text::name(name));
        }
    }

    pub(super) fn value(&mut self, name: Option<String>, value: Option<Value>) {
        if self.return_values.len() < MAX_VALUES {
            self.return_values.push(ReturnValue { call: self.calls, name, value });
        }
    }
}

fn server_message(body: &[u8]) -> Option<ServerMessage> {
    let mut cursor = Cursor::new(body);
    let (number, state, class) = (cursor.i32_le().ok()?, cursor.u8().ok()?, cursor.u8().ok()?);
    let message = text::name(us_varchar(&mut cursor).ok()?);
    b_varchar(&mut cursor).ok()?;
    let procedure = Some(text::name(b_varchar(&mut cursor).ok()?)).filter(|name| !name.is_empty());
    Some(ServerMessage { number, state, class, message, procedure })
}

fn login_ack(body: &[u8]) -> Option<LoginAck> {
    let mut cursor = Cursor::new(body);
    cursor.u8().ok()?;
    let tds_version = cursor.u32_be().ok()?;
    let name = b_varchar(&mut cursor).ok()?;
    // Padded with zeros.
    let program = text::name(name).trim_end_matches('.').to_owned();
    let [major, minor, high, low] = cursor.array().ok()?;
    Some(LoginAck { tds_version, program, version: format!("{major}.{minor}.{}", u16::from_be_bytes([high, low])) })
}
