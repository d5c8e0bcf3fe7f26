//! Messages of the server (55.7), parsed as far as the bytes reach.

use super::message::{cstring, printable};
use crate::cursor::Cursor;

/// Columns whose names are kept.
const MAX_COLUMNS: usize = 64;
/// Bytes of a name that are kept.
const MAX_NAME: usize = 64;
/// Bytes of a report's message that are kept.
const MAX_MESSAGE: usize = 1_024;
/// Mechanisms of SASL that are kept.
const MAX_MECHANISMS: usize = 8;

/// How the server wants the client to prove who it is (55.2.1). No proof is ever kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Asked for nothing.
    None,
    /// AuthenticationKerberosV5, which no server of today asks for.
    Kerberos,
    /// The password in the clear.
    Cleartext,
    /// Its MD5 with a salt.
    Md5,
    /// GSSAPI.
    Gss,
    /// SSPI.
    Sspi,
    /// SASL, with the mechanisms that the server offers.
    Sasl(Vec<String>),
}

impl Authentication {
    /// The name for records.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kerberos => "kerberos",
            Self::Cleartext => "cleartext",
            Self::Md5 => "md5",
            Self::Gss => "gss",
            Self::Sspi => "sspi",
            Self::Sasl(_) => "sasl",
        }
    }
}

/// What an authentication message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// AuthenticationOk.
    Accepted,
    /// A way to prove is asked for.
    Asked(Authentication),
    /// More of the way asked for before.
    Continued,
    /// No such code.
    Unknown,
}

/// An error or a notice (55.8). Texts are bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `ERROR`, `FATAL`, `PANIC`, `WARNING` …, as the server's language has it.
    pub severity_localized: String,
    /// The same, never translated; empty before PostgreSQL 9.6.
    pub severity_plain: String,
    /// SQLSTATE, for example `28P01`.
    pub code: String,
    /// The message.
    pub message: String,
    /// Source file of the server.
    pub file: String,
    /// Line in it.
    pub line: String,
    /// Function in it.
    pub routine: String,
}

impl Report {
    /// The user or the proof was refused: SQLSTATE class 28.
    #[must_use]
    pub fn is_authentication_failure(&self) -> bool {
        self.code.starts_with("28")
    }

    /// The severity, untranslated where the server says so.
    #[must_use]
    pub fn severity(&self) -> &str {
        if self.severity_plain.is_empty() { &self.severity_localized } else { &self.severity_plain }
    }
}

/// An authentication message.
pub fn authentication(body: &[u8]) -> Option<Proof> {
    let mut cursor = Cursor::new(body);
    Some(match cursor.u32_be().ok()? {
        0 => Proof::Accepted,
        2 => Proof::Asked(Authentication::Kerberos),
        3 => Proof::Asked(Authentication::Cleartext),
        5 => Proof::Asked(Authentication::Md5),
        7 => Proof::Asked(Authentication::Gss),
        9 => Proof::Asked(Authentication::Sspi),
        10 => {
            let mut mechanisms = Vec::new();
            while let Some(name) = cstring(&mut cursor).filter(|name| !name.is_empty()) {
                if mechanisms.len() < MAX_MECHANISMS {
                    mechanisms.push(printable(name, MAX_NAME));
                }
            }
            Proof::Asked(Authentication::Sasl(mechanisms))
        }
        8 | 11 | 12 => Proof::Continued,
        _ => Proof::Unknown,
    })
}

/// The fields of ErrorResponse and NoticeResponse, and whether they end as they should.
pub fn report(body: &[u8]) -> (Report, bool) {
    let mut report = Report::default();
    let mut cursor = Cursor::new(body);
    loop {
        let Ok(field) = cursor.u8() else { return (report, false) };
        if field == 0 {
            return (report, cursor.is_empty());
        }
        let Some(value) = cstring(&mut cursor) else { return (report, false) };
        let slot = match field {
            b'S' => &mut report.severity_localized,
            b'V' => &mut report.severity_plain,
            b'C' => &mut report.code,
            b'M' => &mut report.message,
            b'F' => &mut report.file,
            b'L' => &mut report.line,
            b'R' => &mut report.routine,
            _ => continue,
        };
        *slot = printable(value, if field == b'M' { MAX_MESSAGE } else { MAX_NAME });
    }
}

/// RowDescription: how many columns, and the names of the first.
pub fn columns(body: &[u8]) -> Option<(u16, Vec<String>)> {
    let mut cursor = Cursor::new(body);
    let count = cursor.u16_be().ok()?;
    let mut names = Vec::new();
    while names.len() < MAX_COLUMNS.min(usize::from(count)) {
        let Some(name) = cstring(&mut cursor) else { break };
        names.push(printable(name, MAX_NAME));
        if cursor.take(18).is_err() {
            break;
        }
    }
    Some((count, names))
}

/// Two strings: a name and its value, of ParameterStatus and of the StartupMessage.
pub fn pair<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let name = cstring(cursor)?;
    Some((name, cstring(cursor)?))
}
