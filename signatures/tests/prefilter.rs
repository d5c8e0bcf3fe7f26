//! The prefilter never changes the answer: random rules over random data, with it and without it.
#![cfg(feature = "yara")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use backstop_signatures::{Flush, Match, RuleOptions, RuleSet, ScanLimits, Scanner, StreamScan};
use proptest::prelude::*;

/// Words that the data is made of, so that rules do match.
const WORDS: &[&str] = &["alpha", "Beta", "gam", "del_ta", "xp_cmd", "iex(", "0x4d5a", "zz", "MZ", "POWER", "trash"];

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(WORDS)
}

fn text_pattern() -> impl Strategy<Value = String> {
    let modifiers =
        prop::sample::select(&["", "nocase", "wide", "ascii wide", "wide nocase", "fullword", "ascii wide nocase fullword"][..]);
    let plain = (word(), word(), modifiers).prop_map(|(a, b, m)| format!("\"{a}{b}\" {m}"));
    let one = word().prop_map(|a| format!("\"{a}\""));
    let odd = (word(), prop::sample::select(&["xor(1-3)", "base64", "private"][..])).prop_map(|(a, m)| format!("\"{a}{a}\" {m}"));
    prop_oneof![3 => plain, 3 => one, 1 => odd]
}

fn hex_pattern() -> impl Strategy<Value = String> {
    let hex = |w: &str| w.bytes().map(|b| format!("{b:02X} ")).collect::<String>();
    prop_oneof![
        (word(), word()).prop_map(move |(a, b)| format!("{{ {}[0-3] {} }}", hex(a), hex(b))),
        (word(), word()).prop_map(move |(a, b)| format!("{{ ({}| {}) ?? }}", hex(a), hex(b))),
        word().prop_map(move |a| format!("{{ {} ~00 }}", hex(a))),
    ]
}

fn regexp_pattern() -> impl Strategy<Value = String> {
    let escaped = |w: &str| w.replace('(', "\\(");
    let body = prop_oneof![
        (word(), word()).prop_map(move |(a, b)| format!("{}\\s{{0,2}}{}", escaped(a), escaped(b))),
        (word(), word()).prop_map(move |(a, b)| format!("({}|{})[a-z]{{1,3}}", escaped(a), escaped(b))),
        (word(), word()).prop_map(move |(a, b)| format!("({})?{}", escaped(a), escaped(b))),
        (word(), word()).prop_map(move |(a, b)| format!("\\b{}.{{0,4}}({}){{2}}", escaped(a), escaped(b))),
    ];
    (body, prop::sample::select(&["", "i", "s", "is"][..]), prop::sample::select(&["", "wide", "ascii wide", "nocase"][..]))
        .prop_map(|(body, flags, modifiers)| {
            // Both are the same, and not allowed together.
            let modifiers = if flags.contains('i') && modifiers == "nocase" { "" } else { modifiers };
            format!("/{body}/{flags} {modifiers}")
        })
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &[
            "$a0",
            "$a1",
            "$b0",
            "#a0 > 0",
            "#a1 >= 2",
            "#b0 == 1",
            "#a0 == 0",
            "#a0 > #b0",
            "not $b0",
            "any of them",
            "all of them",
            "2 of them",
            "none of them",
            "any of ($a*)",
            "all of ($a*)",
            "1 of ($a0, $b*)",
            "50% of them",
            "$a0 at 0",
            "$a1 in (0..40)",
            "filesize > 30",
            "uint16(0) == 0x5A4D",
            "for any of them : ( # > 1 )",
            "@a0 < 10",
            "!b0 > 2",
            "true",
            "false",
            "4 of them",
            "any of ($a*) in (0..50)",
            "any of ($a0, $b0, false)",
            "0 of them",
            "1 of ($b*)",
            "defined @a1[2]",
        ][..],
    )
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 6, 2, |inner| {
        (inner.clone(), inner, prop::sample::select(&["and", "or"][..])).prop_map(|(a, b, op)| format!("({a} {op} {b})"))
    })
}

fn rule(number: usize) -> impl Strategy<Value = String> {
    let pattern = || prop_oneof![3 => text_pattern(), 1 => hex_pattern(), 2 => regexp_pattern()];
    let scope = prop::sample::select(&["any", "content", "undecoded"][..]);
    let kind = prop_oneof![6 => Just(""), 1 => Just("private ")];
    (pattern(), pattern(), pattern(), condition(), scope, kind).prop_map(move |(a0, a1, b0, condition, scope, kind)| {
        // Every string must be used.
        let used = "for 0 of ($*) : ( # < 0 )";
        format!(
            "{kind}rule r{number} {{ meta: scope = \"{scope}\" strings: $a0 = {a0} $a1 = {a1} $b0 = {b0} condition: ({condition}) and ({used} or true) }}\n"
        )
    })
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    let wide = |w: &str| w.bytes().flat_map(|b| [b, 0]).collect::<Vec<u8>>();
    let piece = prop_oneof![
        6 => word().prop_map(|w| w.as_bytes().to_vec()),
        1 => word().prop_map(|w| w.to_ascii_uppercase().into_bytes()),
        1 => (word(), word()).prop_map(move |(a, b)| [wide(a), wide(b)].concat()),
        2 => "[ a-z]{0,9}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|p| p.concat())
}

/// Rule and places, comparable.
type Answer = Vec<(String, Vec<(String, u64, u64)>)>;

fn answer(found: &[Match]) -> Answer {
    found
        .iter()
        .map(|m| (m.rule.name.clone(), m.strings.iter().map(|s| (s.identifier.clone(), s.offset, s.length)).collect()))
        .collect()
}

fn scan(rules: &RuleSet, buffers: &[Vec<u8>], chunk: usize) -> (Vec<Answer>, Answer) {
    let mut scanner = Scanner::new(rules);
    let contents = buffers
        .iter()
        .map(|buffer| {
            let mut out = Vec::new();
            scanner.scan_content(buffer, &mut out).unwrap();
            answer(&out)
        })
        .collect();
    let (mut scan, mut out, mut at) = (StreamScan::new(rules.limits()), Vec::new(), 0);
    // Cut anywhere, also within what the filter looks for.
    for part in buffers.concat().chunks(chunk) {
        scan.push(&mut scanner, at, part, &mut out).unwrap();
        scan.flush(&mut scanner, Flush::More, &mut out).unwrap();
        at += part.len() as u64;
    }
    (contents, answer(&out))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_answer_is_the_same_with_and_without_it(
        rules in (rule(0), rule(1)),
        buffers in prop::collection::vec(data(), 1..25),
        once in any::<bool>(),
        overlap in 8_usize..200,
        chunk in 1_usize..60,
    ) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r.yar"), format!("{}{}", rules.0, rules.1)).unwrap();
        let load = |prefilter| RuleSet::load(&RuleOptions {
            dirs: vec![dir.path().to_owned()],
            builtin: false,
            cache_dir: None,
            limits: ScanLimits { prefilter, once, overlap, window: 1024, ..ScanLimits::default() },
        });
        // Some of the random strings are refused as slow.
        let with = load(true);
        prop_assume!(with.is_ok());
        let (with, without) = (with.unwrap(), load(false).unwrap());
        prop_assert_eq!(without.prefiltered(), (false, false));
        let (filtered, plain) = (scan(&with, &buffers, chunk), scan(&without, &buffers, chunk));
        prop_assert_eq!(filtered.0, plain.0, "contents");
        prop_assert_eq!(filtered.1, plain.1, "stream");
    }
}

#[test]
fn the_shipped_rules_are_filtered() {
    let rules = RuleSet::load(&RuleOptions::default()).unwrap();
    assert_eq!(rules.prefiltered(), (true, true));
    let mut scanner = Scanner::new(&rules);
    let mut out = Vec::new();
    for text in ["", "GET /index.html HTTP/1.1\r\nHost: backup01\r\n\r\n", "SELECT name FROM sys.databases ORDER BY name"] {
        scanner.scan_content(text.as_bytes(), &mut out).unwrap();
    }
    assert_eq!((scanner.counters().scans, scanner.counters().prefiltered), (0, 2));
}
