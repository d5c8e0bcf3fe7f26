//! Texts of calls, bounded.

use backstop_types::Value;

/// Bytes of a text that a record shows.
const MAX_SHOWN: usize = 4_096;

/// A text, and whether all of it is here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// As much as is kept.
    pub text: String,
    /// More was said: a cap was reached, or bytes are missing.
    pub truncated: bool,
}

impl Text {
    /// UTF-16 up to the first null, which is where a server stops reading.
    #[must_use]
    pub fn utf16(bytes: &[u8], whole: bool, max: usize, little: bool) -> Self {
        let units = bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| if little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) })
            .take_while(|&unit| unit != 0);
        let mut text = String::with_capacity((bytes.len() / 2).min(max));
        for character in char::decode_utf16(units).map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER)) {
            if text.len() + character.len_utf8() > max {
                return Self { text, truncated: true };
            }
            text.push(character);
        }
        Self { text, truncated: !whole }
    }

    /// The beginning of it.
    #[must_use]
    pub fn cut(mut self, max: usize) -> Self {
        if self.text.len() > max {
            self.text = head(&self.text, max).to_owned();
            self.truncated = true;
        }
        self
    }

    /// A text of bytes up to the first null: UTF-8 where it is that, or else Latin-1, whatever the code page was.
    #[must_use]
    pub fn narrow(bytes: &[u8], whole: bool, max: usize) -> Self {
        let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.get(..max).unwrap_or(bytes).iter().map(|&byte| char::from(byte)).collect(),
        };
        let kept = head(&text, max).to_owned();
        let truncated = !whole || kept.len() < text.len() || bytes.len() > max;
        Self { text: kept, truncated }
    }

    /// Several texts of UTF-16, each with a null behind it, joined by line feeds.
    #[must_use]
    pub fn multi(bytes: &[u8], whole: bool, max: usize) -> Self {
        let units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
        let units: Vec<u16> = units.map(|unit| if unit == 0 { u16::from(b'\n') } else { unit }).take(max).collect();
        let text = String::from_utf16_lossy(&units);
        let text = text.trim_end_matches('\n');
        let kept = head(text, max).to_owned();
        Self { truncated: !whole || kept.len() < text.len() || bytes.len() / 2 > max, text: kept }
    }

    /// For a record.
    #[must_use]
    pub fn shown(&self) -> String {
        head(&self.text, MAX_SHOWN).to_owned()
    }
}

impl From<&Text> for Value {
    fn from(text: &Text) -> Self {
        Self::from(text.shown())
    }
}

/// At most `max` bytes, cut between characters.
pub fn head(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
