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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_are_read_with_both_sides() {
        let scripts = all("nmf_");
        assert!(scripts.len() > 5);
        assert!(scripts.iter().all(|(_, script)| script.first().is_some_and(|(_, bytes)| !bytes.is_empty())));
        assert!(scripts.iter().any(|(_, script)| script.iter().any(|(direction, _)| *direction == Direction::ToClient)));
    }
}
