//! Binary XML: the in-band string table of each part, then its document. Parts are the messages of one direction.

use backstop_protocols::Limits;
use backstop_protocols::nbfse::{Dictionary, read};
use backstop_protocols::soap::{Element, Node};

use crate::split;

/// Runs one input.
pub fn run(input: &[u8]) {
    let limits = Limits {
        max_depth: 16,
        max_nodes: 512,
        max_text: 1024,
        max_message: 8 * 1024,
        max_dictionary_strings: 64,
        max_dictionary_bytes: 2 * 1024,
        ..Limits::default()
    };
    let mut dictionary = Dictionary::default();
    for (op, message) in split::parts(input) {
        // Lowest bit: without a table, as encoding 7 has it.
        let start = if op & 1 == 0 { dictionary.read_table(message, &limits).unwrap_or(message.len()) } else { 0 };
        assert!(dictionary.len() <= limits.max_dictionary_strings, "strings are bounded");
        let (document, _) = read(message.get(start..).unwrap_or_default(), &dictionary, &limits);
        if let Ok(document) = document {
            let mut sums = Sums::default();
            sums.add(&document.root, 1, limits.max_depth);
            assert!(sums.nodes <= limits.max_nodes + 1, "{} nodes", sums.nodes);
            assert!(sums.bytes <= limits.max_message * 8, "{} bytes of text", sums.bytes);
        }
    }
}

#[derive(Default)]
struct Sums {
    nodes: usize,
    bytes: usize,
}

impl Sums {
    fn add(&mut self, element: &Element, depth: usize, max: usize) {
        assert!(depth <= max, "depth is bounded");
        self.nodes += 1;
        self.bytes += element.name.len();
        for node in &element.children {
            match node {
                Node::Element(child) => self.add(child, depth + 1, max),
                Node::Text(text) => {
                    self.nodes += 1;
                    self.bytes += text.len();
                }
            }
        }
    }
}
