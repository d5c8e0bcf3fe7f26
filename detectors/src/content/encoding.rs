//! Bytes to text and back: UTF-8 and UTF-16 with and without a mark, base64 as .NET takes it.

/// How bytes were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 or ASCII.
    Utf8,
    /// UTF-16, low byte first: what Windows calls Unicode.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
}

impl Encoding {
    /// The name of the layer; plain UTF-8 is none.
    #[must_use]
    pub const fn layer(self) -> Option<&'static str> {
        match self {
            Self::Utf8 => None,
            Self::Utf16Le => Some("utf-16le"),
            Self::Utf16Be => Some("utf-16be"),
        }
    }

    /// The text, what fits no character replaced.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> String {
        let units = |of: fn([u8; 2]) -> u16| {
            let units = bytes.chunks_exact(2).map(|pair| <[u8; 2]>::try_from(pair).map_or(0, of));
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        };
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16Le => units(u16::from_le_bytes),
            Self::Utf16Be => units(u16::from_be_bytes),
        }
    }
}

/// Bytes that are looked at to tell an encoding.
const SAMPLE: usize = 512;

/// The text in bytes that say nothing about themselves, and how it was written; nothing where they are no text.
#[must_use]
pub fn text(bytes: &[u8]) -> Option<(String, Encoding)> {
    for (mark, encoding) in
        [(&[0xEF, 0xBB, 0xBF][..], Encoding::Utf8), (&[0xFF, 0xFE], Encoding::Utf16Le), (&[0xFE, 0xFF], Encoding::Utf16Be)]
    {
        if let Some(rest) = bytes.strip_prefix(mark) {
            return Some((encoding.decode(rest), encoding));
        }
    }
    let sample = bytes.get(..bytes.len().min(SAMPLE)).unwrap_or_default();
    let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let pairs = sample.len() / 2;
    let (even, odd) = (zeros(0), zeros(1));
    let encoding = if pairs > 0 && odd * 10 >= pairs * 7 && even * 10 < pairs {
        Encoding::Utf16Le
    } else if pairs > 0 && even * 10 >= pairs * 7 && odd * 10 < pairs {
        Encoding::Utf16Be
    } else {
        Encoding::Utf8
    };
    let text = encoding.decode(bytes);
    is_readable(&text).then_some((text, encoding))
}

/// Whether a text is one: hardly any control characters or replacements.
#[must_use]
pub fn is_readable(text: &str) -> bool {
    let mut all = 0_usize;
    let mut strange = 0_usize;
    for character in text.chars().take(SAMPLE * 4) {
        all += 1;
        let plain =
            matches!(character, '\t' | '\r' | '\n') || !(character.is_control() || character == char::REPLACEMENT_CHARACTER);
        strange += usize::from(!plain);
    }
    all > 0 && strange * 20 <= all
}

/// The text of a file that hides from [`text`]: what stands in its comments, and control characters anywhere, do not count.
#[must_use]
pub fn disguised(bytes: &[u8]) -> Option<String> {
    // Programs and archives are none of these, whatever stands in them.
    if bytes.starts_with(b"MZ") || memchr::memchr3(b'#', b'\n', b'\r', bytes).is_none() {
        return None;
    }
    let text = Encoding::Utf8.decode(bytes);
    let code = text.split(['\r', '\n']).filter(|line| !line.trim_start_matches(|one: char| one.is_whitespace()).starts_with('#'));
    let (mut all, mut strange) = (0_usize, 0_usize);
    for character in code.flat_map(str::chars).take(SAMPLE * 4) {
        all += 1;
        strange += usize::from(matches!(character, '\0' | char::REPLACEMENT_CHARACTER));
    }
    (all > 0 && strange * 20 <= all).then_some(text)
}

/// Base64 as `Convert.FromBase64String` takes it, blanks inside and a lost padding allowed; nothing where it is none.
#[must_use]
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count, mut digits, mut ended) = (0_u32, 0_u32, 0_usize, false);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                ended = true;
                continue;
            }
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            _ => return None,
        };
        if ended {
            return None;
        }
        digits += 1;
        bits = (bits << 6 | u32::from(value)) & 0xFF_FFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
    (digits >= 2 && digits % 4 != 1).then_some(out)
}
