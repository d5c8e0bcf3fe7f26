//! PRELOGIN ([MS-TDS] 2.2.6.5).
//!
//! ```text
//! PRELOGIN = 1*(token offset:be16 length:be16) %xFF data       offsets count from the message's begin
//! ```

use super::text;
use crate::cursor::Cursor;

/// More options than the specification has.
const MAX_OPTIONS: usize = 32;

const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const INSTANCE: u8 = 2;
const MARS: u8 = 4;
const FEDAUTH_REQUIRED: u8 = 6;
const TERMINATOR: u8 = 0xff;

/// What one side says before the login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prelogin {
    /// Version of the software, `16.0.1000`.
    pub version: Option<String>,
    /// The ENCRYPTION byte without its bit for client certificates: 0 off, 1 on, 2 not supported, 3 required.
    pub encryption: Option<u8>,
    /// The instance that the client asks for.
    pub instance: Option<String>,
    /// Multiplexed sessions are wanted, or allowed.
    pub mars: bool,
    /// Federated authentication is asked for.
    pub fed_auth: bool,
}

/// What becomes of encryption (2.2.6.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Not known: one side's PRELOGIN is not there.
    #[default]
    Unknown,
    /// None.
    None,
    /// TLS for the login, then in the clear.
    LoginOnly,
    /// TLS for all that follows.
    Full,
    /// TLS came first (TDS 8.0); what PRELOGIN says of it does not count (2.2.6.5).
    Strict,
}

impl Encryption {
    /// What the two sides' bytes come to.
    #[must_use]
    pub const fn outcome(client: Option<u8>, server: Option<u8>) -> Self {
        match (client, server) {
            (_, Some(2)) | (Some(2), Some(0)) => Self::None,
            (_, Some(1 | 3)) | (Some(1 | 3), Some(0)) => Self::Full,
            (Some(0), Some(0)) => Self::LoginOnly,
            _ => Self::Unknown,
        }
    }

    /// `none`, `login_only`, `full`, `strict`.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::None => Some("none"),
            Self::LoginOnly => Some("login_only"),
            Self::Full => Some("full"),
            Self::Strict => Some("strict"),
        }
    }
}

/// Reads the options; whether all of them fit.
pub fn parse(bytes: &[u8]) -> (Prelogin, bool) {
    let (mut prelogin, mut cursor, mut whole) = (Prelogin::default(), Cursor::new(bytes), true);
    for number in 0..MAX_OPTIONS {
        let Ok(token) = cursor.u8() else { return (prelogin, false) };
        if token == TERMINATOR {
            return (prelogin, whole && number > 0);
        }
        let (Ok(offset), Ok(len)) = (cursor.u16_be(), cursor.u16_be()) else { return (prelogin, false) };
        let (offset, len) = (usize::from(offset), usize::from(len));
        match bytes.get(offset..offset + len) {
            Some(data) => option(&mut prelogin, token, data),
            // An empty option may point anywhere.
            None => whole &= len == 0,
        }
    }
    (prelogin, false)
}

fn option(prelogin: &mut Prelogin, token: u8, data: &[u8]) {
    match (token, data) {
        (VERSION, &[major, minor, high, low, ..]) => {
            prelogin.version = Some(format!("{major}.{minor}.{}", u16::from_be_bytes([high, low])));
        }
        (ENCRYPTION, &[byte, ..]) => prelogin.encryption = Some(byte & 0x03),
        (INSTANCE, data) => {
            let name = data.split(|&byte| byte == 0).next().unwrap_or_default();
            // A server answers with one byte: whether the name was right.
            if data.len() > 1 && !name.is_empty() {
                prelogin.instance = Some(text::narrow_name(name));
            }
        }
        (MARS, &[byte, ..]) => prelogin.mars = byte == 1,
        (FEDAUTH_REQUIRED, &[byte, ..]) => prelogin.fed_auth = byte == 1,
        _ => {}
    }
}
