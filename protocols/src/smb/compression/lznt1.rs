//! LZNT1 ([MS-XCA] 2.5).

use super::copy;
use crate::cursor::Cursor;

/// Bytes that a chunk stands for, at most.
const CHUNK: usize = 4_096;

/// Appends what is compressed; `None`: it is not.
pub fn expand(bytes: &[u8], start: usize, until: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    while out.len() < until && cursor.remaining() >= 2 {
        let header = cursor.u16_le().ok()?;
        if header == 0 {
            break;
        }
        let data = cursor.take(usize::from(header & 0x0fff) + 1).ok()?;
        if header & 0x8000 == 0 {
            if data.len() > until - out.len() {
                return None;
            }
            out.extend_from_slice(data);
        } else {
            let begins = out.len().max(start);
            chunk(Cursor::new(data), begins, until.min(begins + CHUNK), out)?;
        }
    }
    Some(())
}

fn chunk(mut cursor: Cursor<'_>, begins: usize, until: usize, out: &mut Vec<u8>) -> Option<()> {
    while !cursor.is_empty() {
        let flags = cursor.u8().ok()?;
        for bit in 0..8 {
            if cursor.is_empty() {
                return Some(());
            }
            if flags >> bit & 1 == 0 {
                if out.len() >= until {
                    return None;
                }
                out.push(cursor.u8().ok()?);
                continue;
            }
            let code = cursor.u16_le().ok()?;
            // The further in the chunk, the more bits has the distance (2.5.1.4).
            let (mut shift, mut at) = (12, (out.len() - begins).checked_sub(1)?);
            while at >= 0x10 {
                shift -= 1;
                at >>= 1;
            }
            let len = usize::from(code & ((1 << shift) - 1)) + 3;
            copy(out, begins, until, usize::from(code >> shift) + 1, len)?;
        }
    }
    Some(())
}
