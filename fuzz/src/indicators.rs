//! Lists of indicators: CSV, one value a line, STIX 2.1.

use std::hint::black_box;

use backstop_signatures::indicators::Loader;
use backstop_types::PacketTime;

/// Entries of an input that has more than these.
const CAP: usize = 50;

/// Lists in every form.
pub const SEEDS: [&str; 9] = [
    "# source: team\n# date: 2026-02-03\n198.51.100.0/24 scanners\n*.evil.example # all\n2001:db8::7\nhxxp://a[.]b.example:8/c\n",
    "type,value,note,date\nip,198[.]51[.]100[.]7,\"a \"\"b\"\", c\",20260102\nCommand line,whoami,\nsha1,da39a3ee5e6b4b0d3255bfef95601890afd80709,\n",
    "md5_hash;sha256_hash\nd41d8cd98f00b204e9800998ecf8427e;e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
    "# \"first_seen_utc\",\"ioc_value\",\"ioc_type\",\"confidence_level\"\n\"2026-01-02\", \"198.51.100.7:443\", \"ip:port\", \"75\"\n",
    "type\tvalue\ndomain|ip\ta.example|198.51.100.7\nfilename|md5\tx|d41d8cd98f00b204e9800998ecf8427e\n\"open\n",
    "{\"type\":\"bundle\",\"objects\":[{\"type\":\"indicator\",\"pattern_type\":\"stix\",\"valid_until\":\"2026-01-01\",\"confidence\":9,\"pattern\":\"[ipv4-addr:value IN ('198.51.100.7', 'a') OR domain-name:value = 'b.example']\"}]}",
    "{\"objects\":[{\"type\":\"indicator\",\"pattern_type\":\"stix\",\"pattern\":\"[file:hashes.'SHA-256' = 'x' AND file:name != 'y'] FOLLOWEDBY [a:b[*].c NOT = t'z']\"},{\"a\":[{}]}]}",
    "0.0.0.0/0\n10.0.0.1\ncom\n[2001:db8::1]:5\n::ffff:198.51.100.7\n# date: 2026-02-30\n",
    "a.example\na.example\nb.example\n198.51.100.1\n198.51.100.2\n198.51.100.0/30\n198.51.100.0/29\n",
];

/// Runs one input.
pub fn run(input: &[u8]) {
    let load = |cap: usize| {
        let mut loader = Loader::new(cap);
        let result = loader.add("list", input);
        (result, loader.finish())
    };
    let (result, (all, warnings)) = load(CAP);
    assert!(all.len() <= CAP && warnings.len() <= 21, "what is kept and said is bounded");
    if let Err(error) = &result {
        let lines = input.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        assert!((1..=lines).contains(&error.line), "an error names a line of the list: {error}");
        assert!(error.what.len() < 600 && !error.what.contains('\n'), "an error is one short line");
    }
    let (again, (more, _)) = load(usize::MAX);
    assert_eq!(result, again, "what is wrong does not depend on the cap");
    let counts = all.counts();
    // Past the cap the same value counts each time.
    assert!(counts.entries + counts.over_cap >= more.counts().entries, "what is left out is counted");
    assert_eq!((counts.too_broad, counts.other_kinds), (more.counts().too_broad, more.counts().other_kinds));
    // The list asked for its own words, whatever they are.
    let text = String::from_utf8_lossy(input);
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '\'' | '"')).take(100) {
        if let Some(told) = more.name(word) {
            assert!(word.ends_with(told.listed(word)) || word.ends_with('.'));
            assert!((1..=3).contains(&told.severity(PacketTime::from_micros(1_700_000_000_000_000), Default::default())));
        }
        black_box(more.sum(word));
        if let Ok(address) = word.parse() {
            black_box(more.address(address));
        }
    }
}
