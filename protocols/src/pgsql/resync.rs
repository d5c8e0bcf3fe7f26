//! Finding the protocol at the beginning of a flow or in its middle, and the next message after a gap.

use backstop_types::Direction;

use super::message::{Code, HEADER, Header, HeaderError, STARTUP_HEADER, Side, header, startup_header};
use crate::contract::Probe;

/// First bytes of a statement that are looked at.
const STATEMENT_HEAD: usize = 32;
/// Messages that are believed, where one is looked for.
const MAX_BELIEVED: usize = 1 << 24;
/// Parameters of the StartupMessage that clients begin with (55.7 and `libpq`).
const PARAMETERS: [&[u8]; 12] = [
    b"user",
    b"database",
    b"application_name",
    b"client_encoding",
    b"options",
    b"replication",
    b"DateStyle",
    b"TimeZone",
    b"extra_float_digits",
    b"search_path",
    b"fallback_application_name",
    b"standard_conforming_strings",
];
/// How statements begin.
const KEYWORDS: [&[u8]; 42] = [
    b"SELECT",
    b"INSERT",
    b"UPDATE",
    b"DELETE",
    b"WITH",
    b"BEGIN",
    b"START",
    b"COMMIT",
    b"ROLLBACK",
    b"END",
    b"ABORT",
    b"SET",
    b"SHOW",
    b"RESET",
    b"COPY",
    b"CREATE",
    b"ALTER",
    b"DROP",
    b"TRUNCATE",
    b"GRANT",
    b"REVOKE",
    b"PREPARE",
    b"EXECUTE",
    b"DEALLOCATE",
    b"DECLARE",
    b"FETCH",
    b"CLOSE",
    b"MOVE",
    b"EXPLAIN",
    b"ANALYZE",
    b"VACUUM",
    b"LOCK",
    b"CALL",
    b"DO",
    b"DISCARD",
    b"LISTEN",
    b"UNLISTEN",
    b"NOTIFY",
    b"SAVEPOINT",
    b"RELEASE",
    b"VALUES",
    b"COMMENT",
];
/// Severities in the language of the source.
const SEVERITIES: [&[u8]; 3] = [b"SERROR\0", b"SFATAL\0", b"SPANIC\0"];

/// How much a message says about the protocol by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing else looks like this.
    Strong,
    /// It fits.
    Weak,
    /// It does not.
    Bad,
    /// So many bytes tell.
    Need(usize),
}

/// Recognises the first bytes of a client or of a server, and messages in the middle of a session.
pub fn probe(direction: Direction, bytes: &[u8]) -> Probe {
    match bytes {
        [] => Probe::MoreBytes,
        [0, ..] => match startup(bytes) {
            Shape::Strong => Probe::Certain,
            Shape::Weak => Probe::Possible,
            Shape::Need(_) => Probe::MoreBytes,
            Shape::Bad => Probe::No,
        },
        // The answer to an encryption request that was not seen, and what it leads to.
        [b'S', 0x16, 0x03, _, _, _, 2, ..] => Probe::Certain,
        [b'S', 0x16, 0x03, rest @ ..] if rest.len() < 4 => Probe::MoreBytes,
        [b'S', 0x16] => Probe::MoreBytes,
        [b'N', b'R' | b'E', ..] => match shape(Side::Backend, bytes.get(1..).unwrap_or_default()) {
            Shape::Strong => Probe::Certain,
            Shape::Need(_) => Probe::MoreBytes,
            Shape::Weak | Shape::Bad => Probe::No,
        },
        _ => {
            if let Some(found) = server_first(bytes) {
                return found;
            }
            let side = if direction == Direction::ToServer { Side::Frontend } else { Side::Backend };
            match (middle(side, bytes), middle(side.other(), bytes)) {
                (Probe::Possible, _) | (_, Probe::Possible) => Probe::Possible,
                (Probe::MoreBytes, _) | (_, Probe::MoreBytes) => Probe::MoreBytes,
                _ => Probe::No,
            }
        }
    }
}

/// Which side sends what begins like this; `None`: both may.
pub fn side(bytes: &[u8]) -> Option<Side> {
    match bytes.first()? {
        0 => Some(Side::Frontend),
        b'R' => Some(Side::Backend),
        _ if server_first(bytes) == Some(Probe::Certain) => Some(Side::Backend),
        _ => match (middle(Side::Frontend, bytes), middle(Side::Backend, bytes)) {
            (Probe::Possible, Probe::No | Probe::MoreBytes) => Some(Side::Frontend),
            (Probe::No | Probe::MoreBytes, Probe::Possible) => Some(Side::Backend),
            _ => None,
        },
    }
}

/// The first message of a server: it asks for a proof, or refuses. `None`: it is another one.
fn server_first(bytes: &[u8]) -> Option<Probe> {
    if !matches!(bytes.first(), Some(b'R' | b'E')) {
        return None;
    }
    match shape(Side::Backend, bytes) {
        Shape::Strong => Some(Probe::Certain),
        // Execute in the middle of a session begins with the same letter.
        Shape::Need(_) | Shape::Weak | Shape::Bad => None,
    }
}

/// Messages one behind the other, up to one beyond doubt. The first that decides does so however the bytes were cut.
fn middle(side: Side, bytes: &[u8]) -> Probe {
    let mut rest = bytes;
    let mut first = true;
    while !rest.is_empty() {
        let shape = shape(side, rest);
        match shape {
            // Sync and Terminate are five bytes: alone they are too little.
            Shape::Strong if first && side == Side::Frontend && matches!(rest.first(), Some(b'S' | b'X')) => {}
            Shape::Strong => return Probe::Possible,
            Shape::Bad => return Probe::No,
            Shape::Need(_) => return Probe::MoreBytes,
            Shape::Weak => {}
        }
        let Ok(Header { len, .. }) = header(side, rest) else { return Probe::No };
        let Some(behind) = rest.get(HEADER + len..) else { return Probe::MoreBytes };
        rest = behind;
        first = false;
    }
    Probe::MoreBytes
}

/// What a startup packet looks like by its head and its first parameter.
pub fn startup(bytes: &[u8]) -> Shape {
    // A length below 64 KiB, then the major version or the number of the requests.
    let fits = |at: usize, wanted: &[&[u8]]| {
        let seen = bytes.get(at..bytes.len().min(at + 2)).unwrap_or_default();
        wanted.iter().any(|wanted| wanted.starts_with(seen))
    };
    if !fits(0, &[b"\0\0"]) || !fits(4, &[b"\0\x03", b"\x04\xd2"]) {
        return Shape::Bad;
    }
    match startup_header(bytes) {
        Err(HeaderError::Need(need)) => Shape::Need(need),
        Err(HeaderError::UnknownType | HeaderError::BadLength) => Shape::Bad,
        Ok(head) => match head.code {
            Code::Startup(_) => {
                let body = bytes.get(STARTUP_HEADER..).unwrap_or_default();
                let name = body.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')).count();
                let known = body.get(..name).is_some_and(|name| PARAMETERS.contains(&name));
                match body.get(name) {
                    _ if name > 64 || name >= head.len => Shape::Bad,
                    Some(0) if known => Shape::Strong,
                    Some(0) if name > 0 => Shape::Weak,
                    Some(_) => Shape::Bad,
                    None => Shape::Need(bytes.len() + 1),
                }
            }
            Code::SslRequest | Code::GssEncRequest | Code::CancelRequest => Shape::Strong,
        },
    }
}

/// What a message looks like by its head and a bounded look at its body.
pub fn shape(side: Side, bytes: &[u8]) -> Shape {
    // A length below 16 MiB: the second byte refuses nearly everything else.
    if bytes.get(1).is_some_and(|&byte| byte != 0) {
        return Shape::Bad;
    }
    let Header { kind, len } = match header(side, bytes) {
        Ok(header) if header.len < MAX_BELIEVED => header,
        Err(HeaderError::Need(need)) => return Shape::Need(need),
        Ok(_) | Err(HeaderError::UnknownType | HeaderError::BadLength) => return Shape::Bad,
    };
    let body = bytes.get(HEADER..).unwrap_or_default();
    let body = body.get(..len).unwrap_or(body);
    let within = |wanted: usize| Shape::Need(HEADER + wanted.min(len));
    match (side, kind) {
        (Side::Frontend, b'Q') => statement(body, len),
        (Side::Frontend, b'P') => match body.iter().take(STATEMENT_HEAD).position(|&byte| byte == 0) {
            Some(name) => match statement(body.get(name + 1..).unwrap_or_default(), len - name - 1) {
                Shape::Need(need) => Shape::Need(need + name + 1),
                // An empty statement is one, too.
                Shape::Bad if body.get(name + 1) == Some(&0) => Shape::Weak,
                shape => shape,
            },
            None if body.len() >= STATEMENT_HEAD.min(len) => Shape::Bad,
            None => within(body.len() + 1),
        },
        (Side::Frontend, b'S' | b'X') => Shape::Strong,
        (Side::Backend, b'Z') => match body.first() {
            Some(b'I' | b'T' | b'E') => Shape::Strong,
            Some(_) => Shape::Bad,
            None => within(1),
        },
        (Side::Backend, b'R') => match body.first_chunk::<4>() {
            None => within(4),
            Some(code) => match (u32::from_be_bytes(*code), len) {
                (0 | 2 | 3 | 7 | 9, 4) | (5, 8) => Shape::Strong,
                (10, 6..=1_024) => Shape::Strong,
                (8 | 11 | 12, 5..) => Shape::Weak,
                _ => Shape::Bad,
            },
        },
        (Side::Backend, b'C') => tag(body, len),
        (Side::Backend, b'E') => {
            let seen = body.len().min(7);
            match SEVERITIES.iter().any(|severity| severity.get(..seen) == body.get(..seen)) {
                true if seen == 7 => Shape::Strong,
                true if seen == len => Shape::Bad,
                true => within(7),
                false if body.first() == Some(&b'S') => Shape::Weak,
                false => Shape::Bad,
            }
        }
        (Side::Backend, b'T') => match body.first_chunk::<2>() {
            None => within(2),
            Some(count) if len < 2 + usize::from(u16::from_be_bytes(*count)) * 19 => Shape::Bad,
            Some(_) => Shape::Weak,
        },
        _ => Shape::Weak,
    }
}

/// A text of `len` bytes with its NUL that begins like a statement.
fn statement(body: &[u8], len: usize) -> Shape {
    let wanted = len.min(STATEMENT_HEAD);
    let Some(head) = body.get(..wanted) else { return Shape::Need(HEADER + wanted) };
    let blank = head.iter().take_while(|&&byte| byte.is_ascii_whitespace() || byte == b'(').count();
    let head = head.get(blank..).unwrap_or_default();
    let word = head.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let word = head.get(..word).unwrap_or_default();
    let known = KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word));
    if known || head.starts_with(b"--") || head.starts_with(b"/*") { Shape::Strong } else { Shape::Bad }
}

/// A command tag: words in capitals, and numbers.
fn tag(body: &[u8], len: usize) -> Shape {
    if !(3..=64).contains(&len) {
        return Shape::Bad;
    }
    let Some((&last, text)) = body.split_last() else { return Shape::Need(HEADER + len) };
    let fits = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    if body.len() < len {
        return if body.iter().all(fits) { Shape::Need(HEADER + len) } else { Shape::Bad };
    }
    if last == 0 && text.first().is_some_and(u8::is_ascii_uppercase) && text.iter().all(fits) {
        Shape::Strong
    } else {
        Shape::Bad
    }
}

/// Where the next message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Behind so many bytes; a startup packet, or a message.
    Found { at: usize, startup: bool },
    /// Perhaps behind `skip` bytes: `need` bytes from there tell.
    Perhaps { skip: usize, need: usize },
    /// Not in these bytes.
    Nowhere,
}

/// Looks for the next message beyond doubt, or startup packet. Each byte is looked at once; a candidate costs a bounded look ahead.
pub fn search(side: Side, bytes: &[u8], startup_too: bool) -> Search {
    for (at, &byte) in bytes.iter().enumerate() {
        let rest = bytes.get(at..).unwrap_or_default();
        let (shape, startup) = match (side, byte) {
            (Side::Frontend, 0) if startup_too => (startup(rest), true),
            (Side::Frontend, b'Q' | b'P' | b'S' | b'X') | (Side::Backend, b'Z' | b'C' | b'E' | b'R') => {
                (shape(side, rest), false)
            }
            _ => continue,
        };
        match shape {
            Shape::Strong => return Search::Found { at, startup },
            // Each further byte may refuse it, and at the end of a stream no more than one may come. A look is some 70 bytes long.
            Shape::Need(_) => return Search::Perhaps { skip: at, need: rest.len() + 1 },
            Shape::Weak | Shape::Bad => {}
        }
    }
    Search::Nowhere
}
