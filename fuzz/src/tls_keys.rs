//! What stands in files of keys: key logs in any pieces, and private keys.

use backstop_protocols::tls::KeyRing;

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&size, text)) = input.split_first() else { return };
    let whole = KeyRing::with_max_sessions(8);
    let report = whole.add_whole_key_log(text);
    assert!(report.malformed_lines.len() <= report.malformed && report.malformed_lines.len() <= 16);
    assert!(whole.sessions() <= 8 && whole.sessions() <= report.added);
    // Someone who follows the file learns the same, whatever he reads at once.
    let ring = KeyRing::with_max_sessions(8);
    let (mut kept, mut added) = (Vec::new(), 0);
    for piece in text.chunks(usize::from(size) + 1) {
        kept.extend_from_slice(piece);
        let report = ring.add_key_log(&kept);
        added += report.added;
        kept.drain(..kept.len() - report.leftover);
        assert!(kept.len() <= 1_024, "what is left over is bounded");
    }
    if text.split(|byte| *byte == b'\n').all(|line| line.len() < 1_024) {
        added += ring.add_whole_key_log(&kept).added;
        assert_eq!((added, ring.sessions()), (report.added, whole.sessions()));
    }
    if let Err(error) = ring.add_rsa_key(text) {
        assert!(!error.to_string().is_empty());
    } else {
        assert_eq!(ring.rsa_keys(), 1);
    }
}
