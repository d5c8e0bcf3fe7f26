//! ClientHello and ServerHello (RFC 8446 §4.1, RFC 5246 §7.4.1).

use sha2::{Digest as _, Sha256};

use super::anomaly::{self, Defects};
use super::wire::{is_grease, printable, u16s, vector8, vector16};
use crate::cursor::{Cursor, Short};

/// Values kept of one list of a hello.
pub const MAX_LIST: usize = 512;
/// Application protocols kept of a hello.
pub const MAX_ALPN: usize = 32;
/// The longest host name (RFC 1035 §2.3.4).
pub const MAX_SNI: usize = 255;

/// `server_name` (RFC 6066 §3).
pub const EXT_SERVER_NAME: u16 = 0;
/// `supported_groups` (RFC 8422 §5.1.1).
const EXT_SUPPORTED_GROUPS: u16 = 10;
/// `ec_point_formats` (RFC 8422 §5.1.2).
const EXT_EC_POINT_FORMATS: u16 = 11;
/// `signature_algorithms` (RFC 8446 §4.2.3).
const EXT_SIGNATURE_ALGORITHMS: u16 = 13;
/// `application_layer_protocol_negotiation` (RFC 7301 §3.1).
pub const EXT_ALPN: u16 = 16;
/// `encrypt_then_mac` (RFC 7366 §2).
const EXT_ENCRYPT_THEN_MAC: u16 = 22;
/// `extended_master_secret` (RFC 7627 §5.1).
const EXT_EXTENDED_MASTER_SECRET: u16 = 23;
/// `early_data` (RFC 8446 §4.2.10).
pub const EXT_EARLY_DATA: u16 = 42;
/// `session_ticket` (RFC 5077 §3.2).
const EXT_SESSION_TICKET: u16 = 35;
/// `supported_versions` (RFC 8446 §4.2.1).
const EXT_SUPPORTED_VERSIONS: u16 = 43;

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 §4.1.3).
const HELLO_RETRY_REQUEST: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a,
    0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a client offers. Lists are in the order of the wire, with GREASE (RFC 8701).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `legacy_version`.
    pub version: u16,
    /// The client's random: the name under which key logs file a session.
    pub random: [u8; 32],
    /// Session id, at most 32 bytes.
    pub session_id: Vec<u8>,
    /// Cipher suites.
    pub ciphers: Vec<u16>,
    /// Extension types.
    pub extensions: Vec<u16>,
    /// `supported_versions`.
    pub supported_versions: Vec<u16>,
    /// Server name.
    pub sni: Option<String>,
    /// Application protocols, as bytes.
    pub alpn: Vec<Vec<u8>>,
    /// Groups.
    pub groups: Vec<u16>,
    /// Point formats.
    pub point_formats: Vec<u8>,
    /// Signature algorithms.
    pub signature_algorithms: Vec<u16>,
    /// Offers a session ticket (RFC 5077 §3.2).
    pub ticket: bool,
    /// SHA-256 of the ticket, by which a session that was opened with a private key is found again.
    pub ticket_sha256: Option<[u8; 32]>,
}

impl ClientHello {
    /// The highest version offered (RFC 8446 §4.2.1), GREASE left out.
    #[must_use]
    pub fn highest_version(&self) -> u16 {
        self.supported_versions.iter().copied().filter(|&version| !is_grease(version)).max().unwrap_or(self.version)
    }

    /// Application protocols as text.
    #[must_use]
    pub fn alpn_names(&self) -> Vec<String> {
        self.alpn.iter().map(|name| printable(name, MAX_SNI)).collect()
    }
}

/// What a server chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// `legacy_version`.
    pub legacy_version: u16,
    /// The server's random.
    pub random: [u8; 32],
    /// Session id, at most 32 bytes.
    pub session_id: Vec<u8>,
    /// Cipher suite.
    pub cipher: u16,
    /// Compression method; 0 is none.
    pub compression: u8,
    /// Extension types in the order of the wire.
    pub extensions: Vec<u16>,
    /// `supported_versions`: the version chosen, from TLS 1.3 on.
    pub selected_version: Option<u16>,
    /// Application protocols; one, in a valid hello.
    pub alpn: Vec<Vec<u8>>,
}

impl ServerHello {
    /// The version chosen.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.selected_version.unwrap_or(self.legacy_version)
    }

    /// CBC records carry their MAC outside (RFC 7366).
    #[must_use]
    pub fn encrypt_then_mac(&self) -> bool {
        self.extensions.contains(&EXT_ENCRYPT_THEN_MAC)
    }

    /// The master secret covers the handshake (RFC 7627).
    #[must_use]
    pub fn extended_master_secret(&self) -> bool {
        self.extensions.contains(&EXT_EXTENDED_MASTER_SECRET)
    }

    /// It is a HelloRetryRequest (RFC 8446 §4.1.4).
    #[must_use]
    pub fn is_retry(&self) -> bool {
        self.random == HELLO_RETRY_REQUEST
    }

    /// Application protocols as text.
    #[must_use]
    pub fn alpn_names(&self) -> Vec<String> {
        self.alpn.iter().map(|name| printable(name, MAX_SNI)).collect()
    }
}

/// The body of a ClientHello; `None` when it breaks off before its extensions. What is wrong behind goes to `defects`.
pub fn parse_client(body: &[u8], defects: &mut Defects) -> Option<ClientHello> {
    let mut cursor = Cursor::new(body);
    let mut hello = client_head(&mut cursor, defects).ok()?;
    hello.extensions = extensions(&mut cursor, defects, |kind, data, defects| {
        let mut data = Cursor::new(data);
        client_extension(&mut hello, kind, &mut data, defects).is_ok() && data.is_empty()
    });
    Some(hello)
}

fn client_head(cursor: &mut Cursor<'_>, defects: &mut Defects) -> Result<ClientHello, Short> {
    let (version, random, session_id) = common_head(cursor, defects)?;
    let ciphers = vector16(cursor)?;
    if ciphers.is_empty() || ciphers.len() % 2 != 0 {
        defects.add(anomaly::MALFORMED_HELLO);
    }
    let ciphers = list(u16s(ciphers), defects);
    vector8(cursor)?;
    Ok(ClientHello { version, random, session_id, ciphers, ..ClientHello::default() })
}

fn common_head(cursor: &mut Cursor<'_>, defects: &mut Defects) -> Result<(u16, [u8; 32], Vec<u8>), Short> {
    let version = cursor.u16_be()?;
    let random = cursor.array()?;
    let session_id = vector8(cursor)?;
    if session_id.len() > 32 {
        defects.add(anomaly::MALFORMED_HELLO);
    }
    Ok((version, random, session_id.get(..32).unwrap_or(session_id).to_vec()))
}

fn client_extension(hello: &mut ClientHello, kind: u16, data: &mut Cursor<'_>, defects: &mut Defects) -> Result<(), Short> {
    match kind {
        EXT_SERVER_NAME => hello.sni = server_name(data, defects)?,
        EXT_SUPPORTED_GROUPS => hello.groups = list(u16s(vector16(data)?), defects),
        EXT_EC_POINT_FORMATS => hello.point_formats = vector8(data)?.to_vec(),
        EXT_SIGNATURE_ALGORITHMS => hello.signature_algorithms = list(u16s(vector16(data)?), defects),
        EXT_ALPN => hello.alpn = alpn(data, defects)?,
        EXT_SUPPORTED_VERSIONS => hello.supported_versions = list(u16s(vector8(data)?), defects),
        EXT_SESSION_TICKET => {
            let ticket = data.take(data.remaining())?;
            hello.ticket = !ticket.is_empty();
            hello.ticket_sha256 = hello.ticket.then(|| Sha256::digest(ticket).into());
        }
        _ => drop(data.take(data.remaining())?),
    }
    Ok(())
}

/// The body of a ServerHello or HelloRetryRequest; `None` when it breaks off before its extensions.
pub fn parse_server(body: &[u8], defects: &mut Defects) -> Option<ServerHello> {
    let mut cursor = Cursor::new(body);
    let mut hello = server_head(&mut cursor, defects).ok()?;
    hello.extensions = extensions(&mut cursor, defects, |kind, data, defects| {
        let mut data = Cursor::new(data);
        server_extension(&mut hello, kind, &mut data, defects).is_ok() && data.is_empty()
    });
    Some(hello)
}

fn server_head(cursor: &mut Cursor<'_>, defects: &mut Defects) -> Result<ServerHello, Short> {
    let (legacy_version, random, session_id) = common_head(cursor, defects)?;
    let cipher = cursor.u16_be()?;
    let compression = cursor.u8()?;
    Ok(ServerHello { legacy_version, random, session_id, cipher, compression, ..ServerHello::default() })
}

fn server_extension(hello: &mut ServerHello, kind: u16, data: &mut Cursor<'_>, defects: &mut Defects) -> Result<(), Short> {
    match kind {
        EXT_SUPPORTED_VERSIONS => hello.selected_version = Some(data.u16_be()?),
        EXT_ALPN => hello.alpn = alpn(data, defects)?,
        _ => drop(data.take(data.remaining())?),
    }
    Ok(())
}

/// What is told of EncryptedExtensions (RFC 8446 §4.3.1).
#[derive(Debug, Default)]
pub struct EncryptedExtensions {
    pub alpn: Vec<Vec<u8>>,
    /// The server takes early data.
    pub early_data: bool,
}

/// The body of EncryptedExtensions.
pub fn parse_encrypted_extensions(body: &[u8], defects: &mut Defects) -> EncryptedExtensions {
    let mut told = EncryptedExtensions::default();
    extensions(&mut Cursor::new(body), defects, |kind, data, defects| match kind {
        EXT_ALPN => alpn(&mut Cursor::new(data), defects).map(|names| told.alpn = names).is_ok(),
        EXT_EARLY_DATA => {
            told.early_data = true;
            data.is_empty()
        }
        _ => true,
    });
    told
}

/// Walks the extensions, up to where they break; `each` says whether one is well formed.
fn extensions<'a>(
    cursor: &mut Cursor<'a>,
    defects: &mut Defects,
    mut each: impl FnMut(u16, &'a [u8], &mut Defects) -> bool,
) -> Vec<u16> {
    let mut kinds = Vec::new();
    // RFC 5246 §7.4.1.2: a hello may end before its extensions.
    if cursor.is_empty() {
        return kinds;
    }
    let block = vector16(cursor).unwrap_or_else(|_| {
        defects.add(anomaly::MALFORMED_HELLO);
        // What is there of the block, behind its length.
        cursor.rest().get(2..).unwrap_or_default()
    });
    let mut block = Cursor::new(block);
    while !block.is_empty() {
        let (Ok(kind), Ok(data)) = (block.u16_be(), vector16(&mut block)) else {
            defects.add(anomaly::MALFORMED_HELLO);
            break;
        };
        if kinds.len() >= MAX_LIST {
            defects.add(anomaly::HELLO_CUT);
            break;
        }
        // The first of its kind counts, as a lenient server would have it.
        if kinds.contains(&kind) {
            defects.add(anomaly::DUPLICATE_EXTENSION);
        } else if !each(kind, data, defects) {
            defects.add(anomaly::MALFORMED_HELLO);
        }
        kinds.push(kind);
    }
    kinds
}

fn list(values: impl Iterator<Item = u16>, defects: &mut Defects) -> Vec<u16> {
    let mut kept: Vec<u16> = values.take(MAX_LIST + 1).collect();
    if kept.len() > MAX_LIST {
        defects.add(anomaly::HELLO_CUT);
        kept.truncate(MAX_LIST);
    }
    kept
}

fn server_name(data: &mut Cursor<'_>, defects: &mut Defects) -> Result<Option<String>, Short> {
    let mut names = Cursor::new(vector16(data)?);
    let mut found = None;
    while !names.is_empty() {
        let kind = names.u8()?;
        let name = vector16(&mut names)?;
        // 0 is host_name; there is no other.
        if kind == 0 && found.is_none() {
            found = Some(name);
        }
    }
    let Some(name) = found else {
        defects.add(anomaly::BAD_SNI);
        return Ok(None);
    };
    if name.is_empty() || name.len() > MAX_SNI || !name.iter().all(u8::is_ascii_graphic) {
        defects.add(anomaly::BAD_SNI);
    }
    Ok(Some(printable(name, MAX_SNI)).filter(|name| !name.is_empty()))
}

fn alpn(data: &mut Cursor<'_>, defects: &mut Defects) -> Result<Vec<Vec<u8>>, Short> {
    let mut names = Cursor::new(vector16(data)?);
    let mut kept = Vec::new();
    while !names.is_empty() {
        let name = vector8(&mut names)?;
        if name.is_empty() {
            defects.add(anomaly::MALFORMED_HELLO);
        } else if kept.len() < MAX_ALPN {
            kept.push(name.to_vec());
        }
    }
    Ok(kept)
}
