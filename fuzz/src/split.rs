//! One input in parts: a marker stands before each part, so that inserting and erasing bytes moves no border.

/// Three bytes that occur in no UTF-8 text, and are rare elsewhere; one byte behind them says what the part is.
pub const MARKER: [u8; 3] = [0xf5, 0xfa, 0xf7];

/// Parts at most: the rest is ignored.
const MAX_PARTS: usize = 64;

/// The parts of an input, each with its byte. Bytes before the first marker are a part of byte 0.
#[must_use]
pub fn parts(input: &[u8]) -> Vec<(u8, &[u8])> {
    let mut out = Vec::new();
    let mut rest = input;
    let mut op = 0;
    while out.len() < MAX_PARTS {
        let found = rest.windows(MARKER.len() + 1).position(|window| window.starts_with(&MARKER));
        let Some(at) = found else {
            out.push((op, rest));
            break;
        };
        if at > 0 || !out.is_empty() {
            out.push((op, &rest[..at]));
        }
        op = rest[at + MARKER.len()];
        rest = &rest[at + MARKER.len() + 1..];
    }
    out
}

/// Adds a part to an input in the making.
pub fn push(input: &mut Vec<u8>, op: u8, part: &[u8]) {
    input.extend_from_slice(&MARKER);
    input.push(op);
    input.extend_from_slice(part);
}
