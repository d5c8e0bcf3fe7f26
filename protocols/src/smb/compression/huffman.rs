//! LZ77 with Huffman codes ([MS-XCA] 2.2).

use super::copy;
use crate::cursor::Cursor;

/// Bytes of a table: 512 lengths of four bits.
const TABLE: usize = 256;
/// Bytes that a table is good for.
const BLOCK: usize = 65_536;
/// Symbols: a byte, or a match by the bits of its distance and length.
const SYMBOLS: usize = 512;

/// Canonical codes: symbols in the order of their codes, and how many there are of each length.
struct Codes {
    counts: [u16; 16],
    symbols: [u16; SYMBOLS],
}

impl Codes {
    fn new(table: &[u8]) -> Option<Self> {
        let lengths = table.iter().flat_map(|byte| [byte & 15, byte >> 4]);
        let mut codes = Self { counts: [0; 16], symbols: [0; SYMBOLS] };
        for length in lengths.clone() {
            *codes.counts.get_mut(usize::from(length))? += 1;
        }
        let mut next = [0_u16; 16];
        let mut sum = 0;
        for (length, count) in codes.counts.iter().enumerate().skip(1) {
            *next.get_mut(length)? = sum;
            sum += count;
        }
        for (symbol, length) in lengths.enumerate().filter(|(_, length)| *length > 0) {
            let slot = next.get_mut(usize::from(length))?;
            *codes.symbols.get_mut(usize::from(*slot))? = u16::try_from(symbol).ok()?;
            *slot += 1;
        }
        Some(codes)
    }

    /// The symbol that 15 bits begin with, and its length.
    fn symbol(&self, bits: u32) -> Option<(u16, u32)> {
        let (mut code, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for length in 1..=15_u32 {
            code |= bits >> (15 - length) & 1;
            let count = u32::from(*self.counts.get(length as usize)?);
            if code < first + count {
                return Some((*self.symbols.get((index + code.checked_sub(first)?) as usize)?, length));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// Bits, from the highest of 16-bit words (2.2.4). Bytes of long lengths stand between the words.
struct Bits<'a> {
    cursor: Cursor<'a>,
    register: u32,
    /// Bits beyond the first 16 of the register.
    extra: i32,
}

impl<'a> Bits<'a> {
    fn new(mut cursor: Cursor<'a>) -> Option<Self> {
        let high = u32::from(cursor.u16_le().ok()?);
        let low = u32::from(cursor.u16_le().ok()?);
        Some(Self { cursor, register: high << 16 | low, extra: 16 })
    }

    fn drop(&mut self, count: u32) {
        self.register = self.register.checked_shl(count).unwrap_or(0);
        self.extra -= i32::try_from(count).unwrap_or(0);
        if self.extra < 0 {
            // Behind the end there is nothing: the last word is needed by nobody.
            let word = u32::from(self.cursor.u16_le().unwrap_or(0));
            self.register |= word << self.extra.unsigned_abs();
            self.extra += 16;
        }
    }
}

/// Appends what is compressed; `None`: it is not.
pub fn expand(bytes: &[u8], start: usize, until: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    while out.len() < until {
        let codes = Codes::new(cursor.take(TABLE).ok()?)?;
        let mut bits = Bits::new(cursor)?;
        let end = until.min(out.len() + BLOCK);
        while out.len() < end {
            let (symbol, length) = codes.symbol(bits.register >> 17)?;
            bits.drop(length);
            let Some(of) = usize::from(symbol).checked_sub(256) else {
                out.push(u8::try_from(symbol).ok()?);
                continue;
            };
            let (mut len, distance_bits) = (of & 15, u32::try_from(of >> 4).ok()?);
            if len == 15 {
                len = usize::from(bits.cursor.u8().ok()?);
                if len == 255 {
                    len = match bits.cursor.u16_le().ok()? {
                        0 => bits.cursor.u32_le().ok()? as usize,
                        short => usize::from(short),
                    };
                    len = len.checked_sub(15)?;
                }
                len = len.checked_add(15)?;
            }
            let low = bits.register.checked_shr(32 - distance_bits).unwrap_or(0);
            bits.drop(distance_bits);
            // A match may pass the end of its block (2.2.4), not that of all.
            copy(out, start, until, (1 << distance_bits) + low as usize, len.checked_add(3)?)?;
        }
        cursor = bits.cursor;
    }
    Some(())
}
