//! Bytes of streams: base64, compressed where the shell is ([MS-WSMV] 2.2.4.40, 3.2.4.1.19).
//!
//! ```text
//! block = original u16le  compressed u16le  bytes        each length less by one; equal lengths: as they are
//! ```

use std::collections::VecDeque;

use super::fragments::Stream;
use crate::cursor::Cursor;
use crate::smb::compression::lz77;

/// Base64 as receivers read it: white space and the bits behind the last byte say nothing. What follows something else is not read.
pub fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

/// Whether a text can be base64, and nothing else.
pub fn is_base64(text: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let signs = text.bytes().filter(|byte| is_sign(*byte)).count();
    let others = text.bytes().filter(|byte| !is_sign(*byte) && *byte != b'=');
    signs > 1 && signs % 4 != 1 && others.into_iter().all(|byte| byte.is_ascii_whitespace())
}

/// Streams whose last line is kept.
const MAX_STREAMS: usize = 16;
/// Bytes of a line: those that cmd.exe takes.
const MAX_LINE: usize = 8_191;

/// Lines of input whose end is not there yet.
#[derive(Default)]
pub struct Lines(VecDeque<(Stream, String)>);

impl Lines {
    /// What is read with this input: behind the beginning of its first line, where that came before.
    pub fn join(&mut self, stream: Stream, text: &str) -> String {
        let at = self.0.iter().position(|(known, _)| *known == stream);
        let mut whole = at.and_then(|at| self.0.remove(at)).map_or_else(String::new, |(_, line)| line);
        whole.push_str(text);
        let line = whole.rsplit(['\n', '\r']).next().unwrap_or_default();
        if !line.is_empty() && line.len() <= MAX_LINE {
            self.0.push_back((stream, line.to_owned()));
            if self.0.len() > MAX_STREAMS {
                self.0.pop_front();
            }
        }
        whole
    }

    /// Bytes it holds.
    pub fn held(&self) -> usize {
        self.0.iter().map(|(_, line)| line.capacity() + 64).sum()
    }
}

/// The bytes of a compressed stream. Blocks say where they end: what is none does not come out even.
pub fn expanded(bytes: &[u8], max: usize) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(bytes);
    let mut out = Vec::new();
    while !cursor.is_empty() {
        let (original, compressed) = (usize::from(cursor.u16_le().ok()?) + 1, usize::from(cursor.u16_le().ok()?) + 1);
        let block = cursor.take(compressed).ok()?;
        let begin = out.len();
        if begin + original > max || compressed > original {
            return None;
        }
        if compressed == original {
            out.extend_from_slice(block);
        } else {
            lz77::expand(block, begin, begin + original, &mut out)?;
        }
    }
    Some(out).filter(|out| !out.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_receivers_do() {
        // The last bits are not zero.
        assert_eq!(decoded("QUI= "), b"AB");
        assert_eq!(decoded("Q\r\nUJ"), b"AB");
        assert_eq!(decoded("QUJDR!QUJD"), b"ABC");
        assert!(is_base64(" QUI=\n") && !is_base64("/c dir") && !is_base64("-enc") && !is_base64(""));
    }

    #[test]
    fn blocks_come_out_even() {
        // A block as it is, and one of [MS-XCA] 2.4: three signs, and a copy of all that follows.
        let raw = [&[3, 0, 3, 0][..], b"line"].concat();
        let flags = (1_u32 << 28).to_le_bytes();
        let packed = [&flags[..], b"abc", &[2 << 3 | 3, 0]].concat();
        let block = [&[8, 0, packed.len() as u8 - 1, 0][..], &packed].concat();
        assert_eq!(expanded(&raw, 100).unwrap(), b"line");
        // 9 bytes are packed into 9: they stand as they are, so 12 are asked for.
        let packed = [&flags[..], b"abc", &[2 << 3 | 6, 0]].concat();
        let longer = [&[11, 0, packed.len() as u8 - 1, 0][..], &packed].concat();
        assert_eq!(expanded(&[raw.clone(), longer].concat(), 100).unwrap(), b"lineabcabcabcabc");
        assert!(expanded(&block, 4).is_none());
        for bytes in [&b""[..], b"dir c:\\ /s", &raw[..7], &[raw.as_slice(), b"x"].concat()] {
            assert!(expanded(bytes, 100).is_none(), "{bytes:?}");
        }
    }
}
