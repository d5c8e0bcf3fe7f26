//! Compressed messages ([MS-SMB2] 2.2.42) and their algorithms ([MS-XCA], [MS-SMB2] 3.1.4.4.1). Output is capped before it is
//! made: a match that would pass the cap is an error.

mod huffman;
pub mod lz77;
mod lznt1;
#[cfg(test)]
mod tests;

use crate::cursor::{Cursor, Short};

/// Header of a message that is compressed as one (2.2.42.1).
pub const UNCHAINED_LEN: usize = 16;
/// A chained one has payloads of its own (2.2.42.2).
const CHAINED: u16 = 1;

/// Why a message was not decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is not what it says.
    Malformed,
    /// An algorithm that is not known here, or more bytes than the cap.
    Undecoded,
}

impl From<Short> for Failure {
    fn from(_: Short) -> Self {
        Self::Malformed
    }
}

/// The message inside, of at most `max` bytes.
///
/// # Errors
/// See [`Failure`].
pub fn decompress(message: &[u8], max: usize) -> Result<Vec<u8>, Failure> {
    let mut cursor = Cursor::new(message);
    cursor.take(4)?;
    let original = cursor.u32_le()? as usize;
    if original > max {
        return Err(Failure::Undecoded);
    }
    let mut ahead = cursor;
    let algorithm = ahead.u16_le()?;
    let flags = ahead.u16_le()?;
    let mut out = Vec::new();
    if flags & CHAINED != 0 {
        payloads(cursor, original, &mut out)?;
    } else {
        let plain = ahead.u32_le()? as usize;
        if plain.saturating_add(original) > max {
            return Err(Failure::Undecoded);
        }
        out.extend_from_slice(ahead.take(plain)?);
        expand(algorithm, ahead.rest(), plain + original, &mut out)?;
    }
    Ok(out)
}

/// 2.2.42.2.1: payloads one behind the other, `total` bytes together.
fn payloads(mut cursor: Cursor<'_>, total: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
    while !cursor.is_empty() {
        let algorithm = cursor.u16_le()?;
        cursor.u16_le()?;
        let len = cursor.u32_le()? as usize;
        let mut payload = Cursor::new(cursor.take(len)?);
        let room = total.checked_sub(out.len()).ok_or(Failure::Malformed)?;
        match algorithm {
            0 if len <= room => out.extend_from_slice(payload.rest()),
            4 => {
                let pattern = payload.u8()?;
                payload.take(3)?;
                let repetitions = payload.u32_le()? as usize;
                if repetitions > room {
                    return Err(Failure::Malformed);
                }
                out.resize(out.len() + repetitions, pattern);
            }
            1..=3 | 5 => {
                let original = payload.u32_le()? as usize;
                if original > room {
                    return Err(Failure::Malformed);
                }
                let until = out.len() + original;
                let mut inner = Vec::new();
                expand(algorithm, payload.rest(), original, &mut inner)?;
                out.append(&mut inner);
                if out.len() != until {
                    return Err(Failure::Malformed);
                }
            }
            _ => return Err(Failure::Malformed),
        }
    }
    if out.len() == total { Ok(()) } else { Err(Failure::Malformed) }
}

/// Appends what is compressed, until there are `until` bytes.
fn expand(algorithm: u16, bytes: &[u8], until: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
    let start = out.len();
    let done = match algorithm {
        1 => lznt1::expand(bytes, start, until, out),
        2 => lz77::expand(bytes, start, until, out),
        3 => huffman::expand(bytes, start, until, out),
        _ => return Err(Failure::Undecoded),
    };
    if done.is_some() && out.len() == until { Ok(()) } else { Err(Failure::Malformed) }
}

/// Copies a match; `None`: it begins before `start`, or passes `until`.
fn copy(out: &mut Vec<u8>, start: usize, until: usize, distance: usize, len: usize) -> Option<()> {
    let from = out.len().checked_sub(distance).filter(|from| *from >= start && distance > 0)?;
    if len > until.saturating_sub(out.len()) {
        return None;
    }
    if distance >= len {
        out.extend_from_within(from..from + len);
    } else {
        out.reserve(len);
        for at in from..from + len {
            let byte = out.get(at).copied()?;
            out.push(byte);
        }
    }
    Some(())
}
