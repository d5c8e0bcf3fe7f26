//! Serialised values as an analyst may read them: texts, numbers, ids; never secrets.

use data_encoding::{BASE64, BASE64_NOPAD};

use crate::contract::Limits;
use crate::nrbf::{self, Scalar};

/// Bytes of a readable value that are kept.
const MAX_READABLE: usize = 512;

/// What a value turned out to be.
#[derive(Debug, Default)]
pub struct Value {
    /// As text, where it is one value.
    pub readable: Option<String>,
    /// Texts found in it, secrets left out.
    pub texts: Vec<String>,
}

/// Whether a name is that of a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pwd", "secret", "privatekey", "token"].iter().any(|word| name.contains(word))
}

/// Base64 as .NET writes and reads it: blanks between the characters do not count.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let plain: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(&plain).or_else(|_| BASE64_NOPAD.decode(&plain)).ok()
}

/// The head of a base64 text that was cut off.
pub fn base64_head(text: &str) -> Vec<u8> {
    let plain: Vec<u8> = text.bytes().take_while(|byte| *byte != b'=').filter(|byte| !byte.is_ascii_whitespace()).collect();
    let whole = plain.len() / 4 * 4;
    BASE64_NOPAD.decode(plain.get(..whole).unwrap_or_default()).unwrap_or_default()
}

/// Looks into a parameter's value.
pub fn look(text: &str, secret: bool, limits: &Limits) -> Value {
    let Some(bytes) = base64(text).filter(|bytes| bytes.first() == Some(&0) && bytes.len() > 17) else {
        return Value { readable: (!secret).then(|| bounded(text)).flatten(), texts: Vec::new() };
    };
    let mut texts = Vec::new();
    let mut room = limits.max_text;
    let mut guid = Guid::default();
    let mut single = None;
    let walk = nrbf::walk(&bytes, limits, &mut |visit| {
        if secret || is_secret(visit.member) || matches!(visit.value, Scalar::Reference(_) | Scalar::Bytes(_)) {
            return;
        }
        if visit.class == "System.Guid" && visit.depth == 1 {
            guid.take(visit.member, &visit.value);
        } else if visit.depth == 0 || (visit.depth == 1 && visit.member == "m_value") {
            single = Some(visit.value.to_text(MAX_READABLE));
        }
        if let Scalar::Text(bytes) = visit.value
            && room > 0
        {
            let text = String::from_utf8_lossy(bytes.get(..room.min(bytes.len())).unwrap_or_default()).into_owned();
            room -= text.len().min(room);
            texts.push(text);
        }
    });
    let readable = match walk.root.as_deref() {
        Some("System.Guid") => guid.text(),
        _ => single.as_deref().and_then(bounded),
    };
    Value { readable, texts }
}

/// A text that may be shown: no control characters, not too long.
pub fn bounded(text: &str) -> Option<String> {
    let shown: String =
        text.chars().take(MAX_READABLE).map(|character| if character.is_control() { ' ' } else { character }).collect();
    (!shown.is_empty()).then_some(shown)
}

/// The members of `System.Guid`: one 32-bit, two 16-bit, eight 8-bit numbers.
#[derive(Default)]
struct Guid {
    words: [Option<i64>; 11],
}

impl Guid {
    fn take(&mut self, member: &str, value: &Scalar<'_>) {
        let number = match value {
            Scalar::Int(number) => *number,
            Scalar::Uint(number) => i64::try_from(*number).unwrap_or_default(),
            _ => return,
        };
        let slot = match member.as_bytes() {
            [b'_', letter @ b'a'..=b'k'] => usize::from(letter - b'a'),
            _ => return,
        };
        if let Some(slot) = self.words.get_mut(slot) {
            *slot = Some(number);
        }
    }

    fn text(&self) -> Option<String> {
        let words: Vec<i64> = self.words.iter().copied().collect::<Option<_>>()?;
        let [a, b, c, rest @ ..] = words.as_slice() else { return None };
        let tail: String = rest.iter().map(|byte| format!("{:02x}", byte & 0xff)).collect();
        let (d, e) = tail.split_at_checked(4)?;
        Some(format!("{:08x}-{:04x}-{:04x}-{d}-{e}", a & 0xffff_ffff, b & 0xffff, c & 0xffff))
    }
}
