//! BinaryFormatter streams: walked with small caps.

use backstop_protocols::Limits;
use backstop_protocols::nrbf::walk;

/// Runs one input.
pub fn run(input: &[u8]) {
    let limits = Limits { max_depth: 12, max_nodes: 1_000, max_text: 256, ..Limits::default() };
    let mut values = 0;
    let walked = walk(input, &limits, &mut |visit| {
        values += 1;
        assert!(visit.depth <= limits.max_depth, "depth {} is bounded", visit.depth);
        let text = visit.value.to_text(100);
        assert!(text.len() <= 1_000, "{} bytes of a value's text", text.len());
    });
    assert!(values <= limits.max_nodes, "{values} values are bounded");
    assert!(!(walked.complete && walked.malformed_at.is_some()), "whole and malformed at once");
    assert!(walked.malformed_at.is_none_or(|at| at <= input.len()), "malformed inside the bytes");
    let _ = walked.credential_objects();
    for class in &walked.classes {
        let _ = class.simple_name();
    }
}
