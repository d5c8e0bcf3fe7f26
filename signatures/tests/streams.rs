//! Streams in windows, as properties: however a stream is cut and flushed, each place is found exactly once.
#![cfg(feature = "yara")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use backstop_signatures::{Flush, Interest, MAX_PLACES, Match, RuleOptions, RuleSet, ScanLimits, Scanner, StreamScan};
use proptest::prelude::*;

/// The smallest window that is accepted.
const WINDOW: usize = 1024;
const OVERLAP: usize = 96;

const RULES: &str = r#"
rule needle { strings: $n = "needle#" condition: $n }
rule digits { strings: $d = /<[0-9]{3,40}>/ condition: $d }
rule growing { strings: $g = /grow:[a-f]{2,30}/ condition: $g }
rule pair { strings: $a = "left!" $b = "right" condition: $a and $b }
rule raw_only { meta: scope = "undecoded" strings: $u = { 55 4E 44 [2-4] 21 } condition: $u }
rule content_only { meta: scope = "content" strings: $c = "needle#" condition: $c }
"#;

fn load(text: &str, change: impl FnOnce(&mut ScanLimits)) -> RuleSet {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yar"), text).unwrap();
    load_folder(dir.path(), change)
}

fn load_folder(folder: &Path, change: impl FnOnce(&mut ScanLimits)) -> RuleSet {
    let mut limits = ScanLimits { window: WINDOW, overlap: OVERLAP, ..ScanLimits::default() };
    change(&mut limits);
    RuleSet::load(&RuleOptions { dirs: vec![folder.to_owned()], builtin: false, cache_dir: None, limits }).unwrap()
}

/// Each combination of `once` and `prefilter`.
static SETS: LazyLock<Vec<RuleSet>> = LazyLock::new(|| {
    [(true, true), (true, false), (false, true), (false, false)]
        .into_iter()
        .map(|(once, prefilter)| {
            load(RULES, |l| {
                l.once = once;
                l.prefilter = prefilter;
            })
        })
        .collect()
});

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Flush,
    /// The same bytes again, as a retransmission that slipped through.
    Again(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1_usize..40).prop_map(Step::Push),
        2 => (40_usize..700).prop_map(Step::Push),
        1 => (1000_usize..4000).prop_map(Step::Push),
        2 => Just(Step::Flush),
        1 => (1_usize..60).prop_map(Step::Again),
    ];
    prop::collection::vec(step, 1..60)
}

/// Text with needles in it, long enough for several windows.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[ -;=-~]{0,80}".prop_map(String::into_bytes),
        1 => "[a-z ]{200,900}".prop_map(String::into_bytes),
        3 => Just(b"needle#".to_vec()),
        2 => "<[0-9]{3,40}>".prop_map(String::into_bytes),
        1 => Just(b"left!".to_vec()),
        1 => Just(b"right".to_vec()),
        2 => Just(b"UND...!".to_vec()),
    ];
    prop::collection::vec(piece, 1..40).prop_map(|pieces| pieces.concat())
}

fn run(rules: &RuleSet, bytes: &[u8], steps: &[Step]) -> Vec<Match> {
    let mut scanner = Scanner::new(rules);
    let mut scan = StreamScan::new(rules.limits());
    let mut out = Vec::new();
    let mut at = 0;
    for step in steps {
        match *step {
            Step::Push(len) => {
                let end = (at + len).min(bytes.len());
                scan.push(&mut scanner, at as u64, &bytes[at..end], &mut out).unwrap();
                at = end;
            }
            Step::Flush => scan.flush(&mut scanner, Flush::More, &mut out).unwrap(),
            Step::Again(len) => {
                let from = at.saturating_sub(len);
                scan.push(&mut scanner, from as u64, &bytes[from..at], &mut out).unwrap();
            }
        }
    }
    scan.push(&mut scanner, at as u64, &bytes[at..], &mut out).unwrap();
    scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
    assert_eq!(scanner.counters().matches, out.len() as u64);
    assert_eq!(scanner.counters().overlaps_dropped, 0);
    out
}

fn places(found: &[Match], rule: &str) -> Vec<u64> {
    let mut places: Vec<u64> =
        found.iter().filter(|m| m.rule.name == rule).flat_map(|m| m.strings.iter().map(|s| s.offset)).collect();
    places.sort_unstable();
    places
}

fn occurrences(bytes: &[u8], needle: &[u8]) -> Vec<u64> {
    bytes.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle).map(|(at, _)| at as u64).collect()
}

/// Where `<` and 3 to 40 digits and `>` stand.
fn digit_runs(bytes: &[u8]) -> Vec<u64> {
    let is_run = |at: &usize| {
        let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        bytes[*at] == b'<' && (3..=40).contains(&digits) && bytes.get(at + 1 + digits) == Some(&b'>')
    };
    (0..bytes.len()).filter(is_run).map(|at| at as u64).collect()
}

/// `UND`, two to four bytes, `!`.
fn raw_runs(bytes: &[u8]) -> Vec<u64> {
    occurrences(bytes, b"UND").into_iter().filter(|at| (5..=7).any(|d| bytes.get(*at as usize + d) == Some(&b'!'))).collect()
}

fn check(rules: &RuleSet, bytes: &[u8], found: &[Match]) -> Result<(), TestCaseError> {
    let truth = [("needle", occurrences(bytes, b"needle#")), ("digits", digit_runs(bytes)), ("raw_only", raw_runs(bytes))];
    for (rule, all) in truth {
        let given = places(found, rule);
        if rules.limits().once && rule != "raw_only" {
            let matches = found.iter().filter(|m| m.rule.name == rule).count();
            prop_assert_eq!(matches, usize::from(!all.is_empty()), "{} once", rule);
            prop_assert!(given.iter().all(|at| all.contains(at)), "{} at {:?}, not at {:?}", rule, &given, &all);
        } else {
            prop_assert_eq!(&given, &all, "{} at each place", rule);
        }
    }
    prop_assert!(found.iter().all(|m| m.rule.name != "content_only"));
    for string in found.iter().flat_map(|m| &m.strings) {
        let range = usize::try_from(string.offset).unwrap()..usize::try_from(string.offset + string.length).unwrap();
        prop_assert!(bytes[range].starts_with(&string.excerpt), "the excerpt is what stands there");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn each_place_is_found_exactly_once_however_the_stream_is_cut(bytes in stream(), steps in steps()) {
        for rules in SETS.iter() {
            let found = run(rules, &bytes, &steps);
            check(rules, &bytes, &found)?;
        }
    }

    #[test]
    fn a_place_on_a_border_is_found_exactly_once(
        border in 1_usize..4,
        shift in 0_usize..24,
        chunk in 1_usize..1500,
        flush in any::<bool>(),
    ) {
        // The end of the n-th window lies within the needle.
        let end = WINDOW + (border - 1) * (WINDOW - OVERLAP);
        let mut bytes = vec![b'.'; end + 2000];
        let at = end - shift.min(end);
        bytes[at..at + 7].copy_from_slice(b"needle#");
        bytes[at + 20..at + 27].copy_from_slice(b"UND...!");
        let mut steps = Vec::new();
        for _ in 0..bytes.len() / chunk {
            steps.push(Step::Push(chunk));
            if flush { steps.push(Step::Flush); }
        }
        for rules in SETS.iter() {
            let found = run(rules, &bytes, &steps);
            prop_assert_eq!(places(&found, "needle"), vec![at as u64]);
            prop_assert_eq!(places(&found, "raw_only"), vec![at as u64 + 20]);
        }
    }

    #[test]
    fn strings_within_the_overlap_are_combined(
        before in 0_usize..2500, between in 0_usize..OVERLAP - 10, steps in steps(), tail in 0_usize..50,
    ) {
        let mut bytes = vec![b'.'; before];
        bytes.extend(b"left!");
        bytes.extend(vec![b'.'; between]);
        bytes.extend(b"right");
        bytes.extend(vec![b'.'; tail]);
        for rules in SETS.iter() {
            let found = run(rules, &bytes, &steps);
            let pairs: Vec<_> = found.iter().filter(|m| m.rule.name == "pair").collect();
            prop_assert_eq!(pairs.len(), 1);
            prop_assert_eq!(pairs[0].strings.len(), 2);
        }
    }

    #[test]
    fn a_match_that_grows_stays_one(cut in 1_usize..20, letters in 2_usize..30) {
        let bytes = [b"..grow:".to_vec(), vec![b'a'; letters], b" end".to_vec()].concat();
        let steps: Vec<_> = (0..bytes.len()).flat_map(|_| [Step::Push(cut), Step::Flush]).collect();
        for rules in SETS.iter() {
            prop_assert_eq!(places(&run(rules, &bytes, &steps), "growing"), vec![2]);
        }
    }

    #[test]
    fn nothing_matches_across_a_gap(cut in 1_usize..7, missing in 1_u64..5000, flush in any::<bool>(), told in any::<bool>()) {
        for rules in SETS.iter() {
            let (mut scanner, mut scan, mut out) = (Scanner::new(rules), StreamScan::new(rules.limits()), Vec::new());
            let needle = b"needle#";
            scan.push(&mut scanner, 0, &needle[..cut], &mut out).unwrap();
            if flush {
                scan.flush(&mut scanner, Flush::More, &mut out).unwrap();
            }
            if told {
                scan.gap(&mut scanner, missing, &mut out).unwrap();
            }
            let after = cut as u64 + missing;
            scan.push(&mut scanner, after, &needle[cut..], &mut out).unwrap();
            scan.flush(&mut scanner, Flush::More, &mut out).unwrap();
            prop_assert!(out.is_empty());
            // Offsets count what is missing.
            scan.push(&mut scanner, after + 7 - cut as u64, needle, &mut out).unwrap();
            scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
            prop_assert_eq!(places(&out, "needle"), vec![after + 7 - cut as u64]);
        }
    }
}

#[test]
fn no_payload_is_scanned_twice() {
    for rules in SETS.iter().filter(|r| !r.limits().prefilter) {
        let bytes = vec![b'.'; 20 * WINDOW];
        for (chunk, flush) in [(bytes.len(), false), (3, false), (1460, false), (1460, true)] {
            let (mut scanner, mut scan, mut out) = (Scanner::new(rules), StreamScan::new(rules.limits()), Vec::new());
            for (number, part) in bytes.chunks(chunk).enumerate() {
                scan.push(&mut scanner, (number * chunk) as u64, part, &mut out).unwrap();
                if flush {
                    scan.flush(&mut scanner, Flush::More, &mut out).unwrap();
                    scan.flush(&mut scanner, Flush::More, &mut out).unwrap();
                }
            }
            scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
            let counters = scanner.counters();
            assert!(!flush || counters.scans <= 2 * bytes.len().div_ceil(chunk) as u64);
            // Each byte once, and the overlap once more a scan.
            let bound = bytes.len() as u64 + counters.scans * OVERLAP as u64;
            assert!((bytes.len() as u64..=bound).contains(&counters.scanned_bytes), "{counters:?}");
            assert_eq!(scanner.held(), 0, "the end gives everything back");
        }
    }
}

#[test]
fn a_place_that_does_not_count_hides_none_that_does() {
    // A flood of harmless places before the one that matters, in one window: all are given, in matches of bounded size.
    let rules = load(RULES, |l| l.window = 64 << 10);
    let (mut scanner, mut scan, mut out) = (Scanner::new(&rules), StreamScan::new(rules.limits()), Vec::new());
    let bytes = b"UND..!..".repeat(3000);
    scan.push(&mut scanner, 0, &bytes, &mut out).unwrap();
    scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
    assert!(out.iter().all(|m| m.strings.len() <= MAX_PLACES));
    let given: BTreeSet<u64> = places(&out, "raw_only").into_iter().collect();
    assert_eq!(given, (0..3000).map(|n| n * 8).collect());
    assert_eq!(scanner.counters().matches_dropped, 0);
}

#[test]
fn the_evidence_has_a_place_of_each_string_however_many_there_are_of_one() {
    for once in [true, false] {
        let rules = load("rule r { strings: $a = \"aaa#\" $b = \"bbb#\" condition: #a > 20 and $b }", |l| l.once = once);
        let mut scanner = Scanner::new(&rules);
        let bytes = [b"aaa#".repeat(100), b"bbb#".to_vec()].concat();
        let mut out = Vec::new();
        scanner.scan_content(&bytes, &mut out).unwrap();
        let mut scan = StreamScan::new(rules.limits());
        scan.push(&mut scanner, 0, &bytes, &mut out).unwrap();
        scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
        for found in [&out[0], &out[1]] {
            assert!(found.strings.len() <= MAX_PLACES);
            assert_eq!((found.strings[0].identifier.as_str(), found.strings[0].offset), ("$a", 0));
            assert_eq!((found.strings[1].identifier.as_str(), found.strings[1].offset), ("$b", 400));
        }
    }
}

#[test]
fn a_word_cut_by_a_window_is_no_word() {
    // `\b` holds where the window begins, although a letter stands before it in the stream.
    let rules = load("rule r { strings: $w = /\\bcurl http/ condition: $w }", |l| l.once = false);
    for offset in 0..WINDOW {
        let (mut scanner, mut scan, mut out) = (Scanner::new(&rules), StreamScan::new(rules.limits()), Vec::new());
        let mut bytes = vec![b'x'; 2 * WINDOW];
        bytes[offset..offset + 9].copy_from_slice(b"curl http");
        scan.push(&mut scanner, 0, &bytes, &mut out).unwrap();
        scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
        assert_eq!(out.len(), usize::from(offset == 0), "at {offset}");
    }
}

#[test]
fn new_rules_look_again_at_the_overlap() {
    let old = load("rule r { strings: $a = \"something else\" condition: $a }", |_| {});
    let new = load("rule r { strings: $a = /needle#.{4}/ condition: $a }", |_| {});
    let mut out = Vec::new();
    let mut scan = StreamScan::new(old.limits());
    let mut scanner = Scanner::new(&old);
    scan.push(&mut scanner, 0, b"a needle#12", &mut out).unwrap();
    scan.flush(&mut scanner, Flush::More, &mut out).unwrap();
    let mut scanner = Scanner::with_pool(&new, scanner.into_pool());
    scan.push(&mut scanner, 11, b"34", &mut out).unwrap();
    scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
    assert_eq!(places(&out, "r"), [2]);
}

#[test]
fn a_direction_is_scanned_to_its_depth() {
    let rules = load(RULES, |l| l.max_depth = 100);
    let (mut scanner, mut scan, mut out) = (Scanner::new(&rules), StreamScan::new(rules.limits()), Vec::new());
    let bytes = [vec![b'.'; 93], b"needle#UND..!".to_vec()].concat();
    assert_eq!(scan.push(&mut scanner, 0, &bytes, &mut out).unwrap(), Interest::Done);
    assert_eq!((places(&out, "needle"), places(&out, "raw_only").len()), (vec![93], 0));
    assert_eq!((scanner.counters().depth_reached, scanner.held()), (1, 0));
    assert_eq!(scan.push(&mut scanner, 106, b"UND..!", &mut out).unwrap(), Interest::Done);
    scan.set_max_depth(None);
    assert_eq!(scan.push(&mut scanner, 112, b"UND..!", &mut out).unwrap(), Interest::More);
    scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
    assert_eq!(places(&out, "raw_only"), [112]);
}

#[test]
fn many_streams_together_hold_no_more_than_allowed() {
    const MAX_HELD: usize = 256 << 10;
    let rules = load(RULES, |l| l.max_held = MAX_HELD);
    let mut scanner = Scanner::new(&rules);
    let mut out = Vec::new();
    let mut scans: Vec<_> = (0..2000).map(|_| StreamScan::new(rules.limits())).collect();
    for round in 0..8 {
        for scan in &mut scans {
            scan.push(&mut scanner, round * 301, &[b'.'; 301], &mut out).unwrap();
            assert!(scanner.held() <= MAX_HELD, "{}", scanner.held());
            if round % 3 == 0 {
                scan.flush(&mut scanner, Flush::More, &mut out).unwrap();
                assert!(scanner.held() <= MAX_HELD);
            }
        }
    }
    assert!(scanner.counters().overlaps_dropped > 0);
    // Flows that are simply dropped give their share back.
    drop(scans);
    assert_eq!(scanner.held(), 0);
    // A stream that comes later is scanned again with its overlap.
    let mut scan = StreamScan::new(rules.limits());
    scan.push(&mut scanner, 0, b"need", &mut out).unwrap();
    scan.flush(&mut scanner, Flush::More, &mut out).unwrap();
    scan.push(&mut scanner, 4, b"le#", &mut out).unwrap();
    scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
    assert_eq!(places(&out, "needle"), [0]);
}

#[test]
fn too_many_different_rules_in_one_direction_are_counted() {
    let text: String = (0..300).map(|n| format!("rule r{n} {{ strings: $a = \"word{n:03}\" condition: $a }}\n")).collect();
    let rules = load(&text, |_| {});
    let (mut scanner, mut scan, mut out) = (Scanner::new(&rules), StreamScan::new(rules.limits()), Vec::new());
    let bytes: String = (0..300).map(|n| format!("word{n:03}")).collect();
    scan.push(&mut scanner, 0, bytes.as_bytes(), &mut out).unwrap();
    scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
    assert!(out.len() == 256 && scanner.counters().matches_dropped >= 44, "{} {:?}", out.len(), scanner.counters());
}
