//! The recorded conversations of `protocols/fixtures`, read without knowing the protocols.

use std::path::{Path, PathBuf};

use backstop_types::Direction;

/// Who says what, in order.
pub type Script = Vec<(Direction, Vec<u8>)>;

/// The folder of recorded conversations.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocols/fixtures")
}

/// All conversations whose file name begins with `prefix`, by name.
///
/// # Panics
/// The folder cannot be read, or a line is not a turn (`>` or `<`, a blank, hex).
#[must_use]
pub fn all(prefix: &str) -> Vec<(String, Script)> {
    let mut scripts: Vec<(String, Script)> = std::fs::read_dir(folder())
        .expect("the folder of fixtures")
        .filter_map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name()?.to_str()?.strip_suffix(".txt")?.to_owned();
            name.starts_with(prefix).then(|| (name, script(&path)))
        })
        .collect();
    scripts.sort();
    scripts
}

fn script(path: &Path) -> Script {
    let text = std::fs::read_to_string(path).expect("a fixture");
    text.lines().map(turn).collect()
}

fn turn(line: &str) -> (Direction, Vec<u8>) {
    let (arrow, hex) = line.split_once(' ').expect("an arrow and hex");
    let direction = if arrow == ">" { Direction::ToServer } else { Direction::ToClient };
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (direction, (0..hex.len()).step_by(2).map(byte).collect())
}

/// The sized envelopes ([MC-NMF] 2.2.4.3) of one direction of a net.tcp conversation, up to an upgrade: binary messages.
#[must_use]
pub fn envelopes(script: &Script, direction: Direction) -> Vec<Vec<u8>> {
    let stream: Vec<u8> = script.iter().filter(|(of, _)| *of == direction).flat_map(|(_, bytes)| bytes.clone()).collect();
    let mut out = Vec::new();
    let mut rest = stream.as_slice();
    while let Some((&record, after)) = rest.split_first() {
        let (len, head) = match record {
            0 => (2, 0),
            1 | 3 => (1, 0),
            2 | 6 | 8 | 9 => number(after),
            7 | 0x0a | 0x0b | 0x0c => (0, 0),
            // TLS, or the end of what this reads.
            _ => break,
        };
        let Some(body) = after.get(head..head + len) else { break };
        if record == 6 {
            out.push(body.to_vec());
        }
        rest = &after[head + len..];
    }
    out
}

/// A `MultiByteInt31` ([MC-NBFX] 2.1.2) and its length.
fn number(bytes: &[u8]) -> (usize, usize) {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return (value, place + 1);
        }
    }
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_are_read_with_both_sides() {
        let scripts = all("nmf_");
        assert!(scripts.len() > 5);
        assert!(scripts.iter().all(|(_, script)| script.first().is_some_and(|(_, bytes)| !bytes.is_empty())));
        assert!(scripts.iter().any(|(_, script)| script.iter().any(|(direction, _)| *direction == Direction::ToClient)));
        assert!(scripts.iter().any(|(_, script)| !envelopes(script, Direction::ToServer).is_empty()));
    }
}
