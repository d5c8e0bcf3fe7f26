//! SQL text, as bytes that may be no UTF-8.

use backstop_detectors::content::sql::{Argument, Around, Asked, Dialect, Memory, conditions, read_request, script, tokens};

/// Runs one input.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for dialect in Dialect::ALL {
        // One character is one token at most.
        assert!(tokens(&text, dialect).len() <= text.len(), "tokens are bounded by the text");
        let script = script(&text, dialect);
        assert!(script.calls.len() <= 512 && script.tables.len() <= 256, "what is kept is bounded");
        let bound = [Argument { name: None, value: Some(text.to_string()) }];
        let mut memory = Memory::default();
        for asked in [
            Asked::Text(&text, Vec::new()),
            Asked::Prepared(&text, bound.to_vec()),
            Asked::Call("sp_executesql", bound.to_vec()),
            Asked::Call(&text, bound.to_vec()),
        ] {
            let around = Around { dialect, database: Some("VeeamBackup"), matters: &|_| true };
            let reading = read_request(&asked, &around, &mut memory);
            assert!(reading.tables.len() <= 64, "tables are bounded");
        }
    }
    let hits = conditions(&text);
    assert!(hits.windows(2).all(|pair| pair[0].sid < pair[1].sid), "each condition once, in order");
}
