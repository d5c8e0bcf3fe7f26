//! LOGIN7 ([MS-TDS] 2.2.6.4). The passwords are never looked at.
//!
//! ```text
//! LOGIN7 = length:le32 version:le32 packet-size … flags … *(offset:le16 length:le16) … data [features]
//! ```

use super::ntlm::{self, Sspi};
use super::text;
use crate::cursor::Cursor;

/// Places of offset and length (2.2.6.4, OffsetLength). The password's, 44, is left out on purpose.
const HOST: usize = 36;
const USER: usize = 40;
const APPLICATION: usize = 48;
const SERVER: usize = 52;
const EXTENSION: usize = 56;
const LIBRARY: usize = 60;
const LANGUAGE: usize = 64;
const DATABASE: usize = 68;
const SSPI: usize = 78;
const ATTACH: usize = 82;
/// Its length is looked at, nothing else.
const NEW_PASSWORD: usize = 86;
const SSPI_LONG: usize = 90;
/// The fixed part up to 7.1.
const MIN_LEN: usize = 86;
/// The longest message allowed.
const MAX_LEN: u32 = 128 * 1024;
/// Features that are looked at (2.2.6.4, FeatureExt).
const MAX_FEATURES: usize = 32;

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// Version asked for, `0x74000004`.
    pub tds_version: u32,
    /// Packet size asked for.
    pub packet_size: u32,
    /// Process id of the client.
    pub client_pid: u32,
    /// Name of the client's machine, as it says.
    pub host: Option<String>,
    /// User of a SQL login.
    pub user: Option<String>,
    /// Program.
    pub application: Option<String>,
    /// Server as the client calls it.
    pub server: Option<String>,
    /// Client library.
    pub library: Option<String>,
    /// Language.
    pub language: Option<String>,
    /// Database to begin in.
    pub database: Option<String>,
    /// A database file to attach.
    pub attach_file: Option<String>,
    /// Integrated authentication is asked for.
    pub integrated: bool,
    /// What the SSPI token says.
    pub sspi: Option<Sspi>,
    /// Library of federated authentication: `live_id`, `security_token`, `entra_id`.
    pub fed_auth: Option<&'static str>,
    /// The client sets a new password.
    pub changes_password: bool,
}

impl Login {
    /// The user, as `DOMAIN\user` where SSPI says so.
    #[must_use]
    pub fn principal(&self) -> Option<String> {
        self.user.clone().or_else(|| self.sspi.as_ref().and_then(Sspi::principal))
    }
}

/// Reads a message that may be cut short; whether all of it fits.
pub fn parse(bytes: &[u8]) -> Option<(Login, bool)> {
    let mut cursor = Cursor::new(bytes);
    let len = cursor.u32_le().ok()?;
    let (tds_version, packet_size) = (cursor.u32_le().ok()?, cursor.u32_le().ok()?);
    let client_pid = Cursor::new(bytes.get(16..)?).u32_le().ok()?;
    let [_, flags2, _, flags3] = *bytes.get(24..)?.first_chunk()?;
    let mut whole = bytes.len() >= MIN_LEN && len <= MAX_LEN && len as usize <= bytes.len();
    // The first offset says where the fixed part ends.
    let fixed = usize::from(number(bytes, HOST)?);
    let mut text = |at: usize| {
        let found = field(bytes, at, 2);
        whole &= found.is_some();
        found.map(text::name).filter(|text| !text.is_empty())
    };
    let mut login = Login {
        tds_version,
        packet_size,
        client_pid,
        host: text(HOST),
        user: text(USER),
        application: text(APPLICATION),
        server: text(SERVER),
        library: text(LIBRARY),
        language: text(LANGUAGE),
        database: text(DATABASE),
        attach_file: text(ATTACH),
        integrated: flags2 & 0x80 != 0,
        ..Login::default()
    };
    let long = if fixed > SSPI_LONG { Cursor::new(bytes.get(SSPI_LONG..).unwrap_or_default()).u32_le().ok() } else { None };
    let token = sspi_token(bytes, long);
    whole &= token.is_some();
    login.sspi = token.filter(|token| !token.is_empty()).map(ntlm::parse);
    login.changes_password = fixed > NEW_PASSWORD && number(bytes, NEW_PASSWORD + 2).is_some_and(|len| len > 0);
    if flags3 & 0x10 != 0 && fixed > EXTENSION {
        whole &= features(bytes, &mut login).is_some();
    }
    Some((login, whole))
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Cursor::new(bytes.get(at..)?).u16_le().ok()
}

/// What offset and length at a place point at. An empty field may point anywhere.
fn field(bytes: &[u8], at: usize, unit: usize) -> Option<&[u8]> {
    let (offset, len) = (usize::from(number(bytes, at)?), usize::from(number(bytes, at + 2)?) * unit);
    if len == 0 { Some(&[]) } else { bytes.get(offset..offset + len) }
}

/// A token of 64 KiB or more has its length elsewhere (`cbSSPILong`).
fn sspi_token(bytes: &[u8], long: Option<u32>) -> Option<&[u8]> {
    let (offset, len) = (usize::from(number(bytes, SSPI)?), number(bytes, SSPI + 2)?);
    let len = match long {
        Some(long) if len == u16::MAX && long > 0 => long as usize,
        _ => usize::from(len),
    };
    if len == 0 { Some(&[]) } else { bytes.get(offset..offset.checked_add(len)?) }
}

/// `FeatureExt`: an offset that points at an offset.
fn features(bytes: &[u8], login: &mut Login) -> Option<()> {
    let pointer = field(bytes, EXTENSION, 1)?;
    if pointer.is_empty() {
        return Some(());
    }
    let offset = Cursor::new(pointer).u32_le().ok()? as usize;
    let mut cursor = Cursor::new(bytes.get(offset..)?);
    for _ in 0..MAX_FEATURES {
        let id = cursor.u8().ok()?;
        if id == 0xff {
            break;
        }
        let len = cursor.u32_le().ok()? as usize;
        let data = cursor.take(len).ok()?;
        // FEDAUTH; the token in it, if any, is not looked at.
        if id == 2 {
            login.fed_auth = Some(match data.first()? >> 1 {
                0 => "live_id",
                1 => "security_token",
                2 => "entra_id",
                _ => "unknown",
            });
        }
    }
    Some(())
}
