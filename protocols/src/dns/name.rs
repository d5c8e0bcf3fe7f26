//! Domain names (RFC 1035 §3.1, §4.1.4).

use std::fmt::Write;

/// Bytes of a name on the wire, its end included (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;
/// Pointers that are followed in one name. Compression needs one; a chain of them costs time without bringing a label.
const MAX_POINTERS: usize = 16;

/// Why there is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The message ends within it.
    Short,
    /// Its pointers or lengths are none.
    Bad,
}

/// Where a name that begins at `at` ends, without following pointers.
pub fn skip(message: &[u8], mut at: usize) -> Result<usize, NameError> {
    let start = at;
    loop {
        let len = usize::from(*message.get(at).ok_or(NameError::Short)?);
        at += 1;
        match len {
            0 => return Ok(at),
            1..=63 => at += len,
            192.. => {
                message.get(at).ok_or(NameError::Short)?;
                return Ok(at + 1);
            }
            _ => return Err(NameError::Bad),
        }
        if at - start > MAX_NAME {
            return Err(NameError::Bad);
        }
    }
}

/// The name that begins at `at`, as text without a final dot (the root: `.`), and where it ends. Bytes of labels that are not
/// printable stand as `\DDD`, and `.` and `\` in them behind `\` (RFC 1035 §5.1).
pub fn read(message: &[u8], at: usize) -> Result<(String, usize), NameError> {
    let end = skip(message, at)?;
    let mut text = String::new();
    let (mut at, mut bytes, mut pointers) = (at, 0, 0);
    loop {
        let len = *message.get(at).ok_or(NameError::Short)?;
        match len {
            0 => break,
            1..=63 => {
                let label = message.get(at + 1..at + 1 + usize::from(len)).ok_or(NameError::Short)?;
                bytes += label.len() + 1;
                if bytes >= MAX_NAME {
                    return Err(NameError::Bad);
                }
                if !text.is_empty() {
                    text.push('.');
                }
                push_label(&mut text, label);
                at += 1 + label.len();
            }
            192.. => {
                let low = *message.get(at + 1).ok_or(NameError::Short)?;
                let to = usize::from(len & 0x3f) << 8 | usize::from(low);
                pointers += 1;
                // "A prior occurrence": backwards only.
                if to >= at || pointers > MAX_POINTERS {
                    return Err(NameError::Bad);
                }
                at = to;
            }
            _ => return Err(NameError::Bad),
        }
    }
    if text.is_empty() {
        text.push('.');
    }
    Ok((text, end))
}

fn push_label(text: &mut String, label: &[u8]) {
    for &byte in label {
        match byte {
            b'.' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            0x21..=0x7e => text.push(char::from(byte)),
            // Writing to a String does not fail.
            _ => drop(write!(text, "\\{byte:03}")),
        }
    }
}
