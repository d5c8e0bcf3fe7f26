//! Golden files: text compared line by line, rewritten on request.

use std::path::Path;

/// Set to 1 to write what a test got instead of comparing it.
const UPDATE: &str = "UPDATE_GOLDEN";

/// The first line in which two texts differ, said for a person.
///
/// # Errors
/// They differ.
pub fn compare(expected: &str, actual: &str) -> Result<(), String> {
    let (mut left, mut right) = (expected.lines(), actual.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (left.next(), right.next()) {
            (None, None) => return Ok(()),
            (expected, actual) if expected == actual => {}
            (expected, actual) => {
                let end = "(no such line)";
                return Err(format!(
                    "line {number} differs\n  expected: {}\n  actual:   {}",
                    expected.unwrap_or(end),
                    actual.unwrap_or(end)
                ));
            }
        }
    }
}

/// Asserts that a text is the one in the file. With `UPDATE_GOLDEN=1` the file is written instead, only when it differs.
///
/// # Panics
/// They differ, or the file cannot be read or written.
pub fn assert_golden(path: &Path, actual: &str) {
    if std::env::var(UPDATE).is_ok_and(|value| value == "1") {
        if std::fs::read_to_string(path).ok().as_deref() != Some(actual) {
            std::fs::write(path, actual).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        return;
    }
    let expected =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error} ({UPDATE}=1 writes it)", path.display()));
    if let Err(difference) = compare(&expected, actual) {
        panic!("{}: {difference}\n({UPDATE}=1 rewrites it; say in words why it changed)", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        assert!(compare("a\nb\n", "a\nb\n").is_ok());
        let difference = compare("a\nb\nc\n", "a\nX\nY\n").unwrap_err();
        assert!(difference.contains("line 2") && difference.contains("expected: b") && difference.contains("actual:   X"));
        assert!(compare("a\n", "a\nb\n").unwrap_err().contains("(no such line)"));
    }
}
