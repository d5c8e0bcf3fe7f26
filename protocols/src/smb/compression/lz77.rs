//! Plain LZ77 ([MS-XCA] 2.4).

use super::copy;
use crate::cursor::Cursor;

/// Appends what is compressed; `None`: it is not.
pub fn expand(bytes: &[u8], start: usize, until: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    let (mut flags, mut left) = (0, 0_u32);
    // The upper half of a byte whose lower half was used.
    let mut half: Option<u8> = None;
    while out.len() < until {
        if left == 0 {
            flags = cursor.u32_le().ok()?;
            left = 32;
        }
        left -= 1;
        if flags >> left & 1 == 0 {
            out.push(cursor.u8().ok()?);
            continue;
        }
        let code = cursor.u16_le().ok()?;
        let (mut len, distance) = (usize::from(code & 7), usize::from(code >> 3) + 1);
        if len == 7 {
            let nibble = match half.take() {
                Some(upper) => upper,
                None => {
                    let byte = cursor.u8().ok()?;
                    half = Some(byte >> 4);
                    byte & 15
                }
            };
            len = usize::from(nibble);
            if len == 15 {
                len = usize::from(cursor.u8().ok()?);
                if len == 255 {
                    len = match cursor.u16_le().ok()? {
                        0 => cursor.u32_le().ok()? as usize,
                        short => usize::from(short),
                    };
                    len = len.checked_sub(15 + 7)?;
                }
                len = len.checked_add(15)?;
            }
            len = len.checked_add(7)?;
        }
        copy(out, start, until, distance, len.checked_add(3)?)?;
    }
    Some(())
}
