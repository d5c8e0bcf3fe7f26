//! Lines of a key log (RFC 9850, the NSS format): `LABEL client-random secret`, in hex.

use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

/// Numbers of malformed lines that are kept.
const MAX_NUMBERS: usize = 16;
/// The longest line; the labels have some 30 bytes, the random 64, a secret at most 128.
pub(super) const MAX_LINE: usize = 1_024;

/// What became of the lines of a key log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyLogReport {
    /// Secrets that were not known before.
    pub added: usize,
    /// Secrets that were known already.
    pub known: usize,
    /// Lines of a kind that is not needed: exporter and early secrets, labels nobody here knows.
    pub ignored: usize,
    /// Lines that should hold a secret and do not.
    pub malformed: usize,
    /// The numbers of the first of them, from 1, within the bytes given.
    pub malformed_lines: Vec<usize>,
    /// Bytes at the end without a line end: give them again with what follows.
    pub leftover: usize,
}

impl KeyLogReport {
    pub(super) fn malformed(&mut self, number: usize) {
        self.malformed += 1;
        if self.malformed_lines.len() < MAX_NUMBERS {
            self.malformed_lines.push(number);
        }
    }
}

/// Which secret of a session (RFC 9850 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// `CLIENT_RANDOM`: the master secret, up to TLS 1.2.
    Master,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`.
    ClientHandshake,
    /// `SERVER_HANDSHAKE_TRAFFIC_SECRET`.
    ServerHandshake,
    /// `CLIENT_TRAFFIC_SECRET_0`.
    ClientApplication,
    /// `SERVER_TRAFFIC_SECRET_0`.
    ServerApplication,
}

/// What a line says.
pub enum Line {
    /// Nothing: empty, or a comment.
    Empty,
    /// Something that is not needed.
    Ignored,
    /// A secret that is none.
    Malformed,
    /// A secret of the session with this client random.
    Secret(Label, [u8; 32], Zeroizing<Vec<u8>>),
}

/// Reads one line, without its end.
pub fn line(line: &[u8]) -> Line {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Line::Empty;
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let label = match words.next() {
        Some(b"CLIENT_RANDOM") => Label::Master,
        Some(b"CLIENT_HANDSHAKE_TRAFFIC_SECRET") => Label::ClientHandshake,
        Some(b"SERVER_HANDSHAKE_TRAFFIC_SECRET") => Label::ServerHandshake,
        Some(b"CLIENT_TRAFFIC_SECRET_0") => Label::ClientApplication,
        Some(b"SERVER_TRAFFIC_SECRET_0") => Label::ServerApplication,
        Some(word) if word.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_') => {
            return Line::Ignored;
        }
        _ => return Line::Malformed,
    };
    let (Some(random), Some(secret), None) = (words.next(), words.next(), words.next()) else { return Line::Malformed };
    let Some(random) = HEXLOWER_PERMISSIVE.decode(random).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
        return Line::Malformed;
    };
    let Some(secret) = decode_secret(secret) else { return Line::Malformed };
    // A master secret has 48 bytes (RFC 5246 §8.1), a traffic secret those of SHA-256 or SHA-384 (RFC 8446 §7.1).
    let fits = match label {
        Label::Master => secret.len() == 48,
        _ => matches!(secret.len(), 32 | 48),
    };
    if fits { Line::Secret(label, random, secret) } else { Line::Malformed }
}

fn decode_secret(hex: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut secret = Zeroizing::new(vec![0; HEXLOWER_PERMISSIVE.decode_len(hex.len()).ok()?]);
    HEXLOWER_PERMISSIVE.decode_mut(hex, &mut secret).ok()?;
    Some(secret)
}
