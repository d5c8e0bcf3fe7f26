//! SQL text, as bytes that may be no UTF-8.

use backstop_detectors::content::sql::{conditions, script, tokens};

/// Runs one input.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    // One character is one token at most.
    assert!(tokens(&text).len() <= text.len(), "tokens are bounded by the text");
    let script = script(&text);
    assert!(script.calls.len() <= 512, "calls are bounded");
    let hits = conditions(&text);
    assert!(hits.windows(2).all(|pair| pair[0].sid < pair[1].sid), "each condition once, in order");
}
