//! Bounds: time, size, number of places, and what rules may ask for.
#![cfg(feature = "yara")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::time::{Duration, Instant};

use backstop_signatures::{
    Flush, Interest, MAX_EXCERPT, MAX_PLACES, Match, RuleOptions, RuleSet, ScanError, ScanLimits, Scanner, StreamScan,
};

fn load(text: &str, change: impl FnOnce(&mut ScanLimits)) -> RuleSet {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yar"), text).unwrap();
    let mut limits = ScanLimits::default();
    change(&mut limits);
    RuleSet::load(&RuleOptions { dirs: vec![dir.path().to_owned()], builtin: false, cache_dir: None, limits }).unwrap()
}

fn names(found: &[Match]) -> Vec<&str> {
    found.iter().map(|m| m.rule.name.as_str()).collect()
}

#[test]
fn a_scan_beyond_its_time_limit_is_counted_and_ends_its_direction_only() {
    // Endless as long as it finds its string.
    let rules = load(
        "rule slow { strings: $a = \"slow!\" condition: $a and for all i in (0..0x7fffffffffff) : ( uint8(0) != i + 1000 ) }\n\
         rule quick { strings: $b = \"quick!\" condition: $b }",
        |l| l.scan_timeout = Duration::from_millis(300),
    );
    assert_eq!(rules.limits().scan_timeout, Duration::from_secs(1), "whole seconds, at least one");
    let mut scanner = Scanner::new(&rules);
    let (mut scan, mut other, mut out) = (StreamScan::new(rules.limits()), StreamScan::new(rules.limits()), Vec::new());
    scan.push(&mut scanner, 0, b"slow! quick!", &mut out).unwrap();
    let begin = Instant::now();
    assert_eq!(scan.flush(&mut scanner, Flush::More, &mut out), Err(ScanError::Timeout));
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert_eq!((scanner.counters().timeouts, scan.interest(), scanner.held()), (1, Interest::Done, 0));
    assert_eq!(scan.push(&mut scanner, 12, b"quick!", &mut out), Ok(Interest::Done));
    assert!(!scan.has_pending());
    // The scanner and the other directions go on.
    other.push(&mut scanner, 0, b"quick!", &mut out).unwrap();
    other.flush(&mut scanner, Flush::End, &mut out).unwrap();
    assert_eq!(names(&out), ["quick"]);
    let mut found = Vec::new();
    assert_eq!(scanner.scan_content(b"slow! quick!", &mut found), Err(ScanError::Timeout));
    assert_eq!(scanner.counters().timeouts, 2);
    scanner.scan_content(b"quick!", &mut found).unwrap();
    assert_eq!(names(&found), ["quick"]);
}

#[test]
fn ten_megabytes_of_one_letter_cost_bounded_time() {
    // Every place matches; rules that count or locate need them.
    let rules = load(
        "rule any_place { strings: $a = \"aaa\" condition: $a }\n\
         rule counted { strings: $a = \"aaaa\" condition: #a > 3000 }\n\
         rule located { strings: $a = \"aaaaa\" condition: @a[2] > 0 }\n\
         rule regexp { strings: $a = /aaaa[a-f]{1,20}/ condition: $a }\n\
         rule raw { meta: scope = \"undecoded\" strings: $a = \"aaaaaaa\" condition: $a }",
        |l| {
            l.max_depth = u64::MAX;
            l.once = false;
            // An unoptimised engine is some thirty times slower.
            l.scan_timeout = Duration::from_secs(60);
        },
    );
    let bytes = vec![b'a'; 10 << 20];
    let mut scanner = Scanner::new(&rules);
    let mut out = Vec::new();
    let begin = Instant::now();
    scanner.scan_content(&bytes, &mut out).unwrap();
    let content = begin.elapsed();
    assert_eq!(names(&out), ["any_place", "counted", "located", "regexp"]);
    assert!(out.iter().all(|m| m.strings.len() <= MAX_PLACES && m.strings.iter().all(|s| s.excerpt.len() <= MAX_EXCERPT)));
    let mut scan = StreamScan::new(rules.limits());
    let begin = Instant::now();
    let mut matches = 0;
    for (number, part) in bytes.chunks(1460).enumerate() {
        out.clear();
        scan.push(&mut scanner, number as u64 * 1460, part, &mut out).unwrap();
        matches += out.len();
        assert!(out.iter().all(|m| m.strings.len() <= MAX_PLACES));
    }
    scan.flush(&mut scanner, Flush::End, &mut out).unwrap();
    // Generous: an unoptimised build on a busy machine. Without bounds it is hours.
    assert!(content < Duration::from_secs(20) && begin.elapsed() < Duration::from_secs(120), "{content:?} {:?}", begin.elapsed());
    let windows = bytes.len() / (rules.limits().window - rules.limits().overlap) + 2;
    assert!(matches <= windows * 5 * 4096 / MAX_PLACES + windows * 5, "{matches}");
    assert_eq!(scanner.held(), 0);
    eprintln!("content {content:?}, stream {:?}, {matches} matches", begin.elapsed());
}

#[test]
fn the_shipped_rules_bear_the_worst_of_data() {
    // Near misses that keep their regular expressions busy, and floods of what they compare with each other.
    let limits = ScanLimits { scan_timeout: Duration::from_secs(120), ..ScanLimits::default() };
    let rules = RuleSet::load(&RuleOptions { limits, ..RuleOptions::default() }).unwrap();
    let mut scanner = Scanner::new(&rules);
    for piece in [
        "powershell -nop ",
        "iex(",
        "iwr a://",
        ".downloadstring(",
        "powershell -e aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "/*exec xp_cmdshell '",
        ";exec xp_cmdshell 'a",
        "/*;exec xp_cmdshell 'a' ",
        "/* ''",
        "--'' exec xp_cmdshell '",
        "create assembly a ",
        "<RemoteInvokeSpec a=\"\" ",
        "<SqlCommand>",
        "sp_configure 'xp_cmdshell',",
        "$a=",
        " bypass -f \\\\a\\c$\\temp\\",
        "<SqlCommand>exec xp_cmdshell 'a/*",
        ".Location.Split('\\\\')[-1]",
        "\\",
        "MZ",
    ] {
        let bytes = piece.repeat((32 << 10) / piece.len());
        let mut out = Vec::new();
        let begin = Instant::now();
        scanner.scan_content(bytes.as_bytes(), &mut out).unwrap_or_else(|e| panic!("{piece}: {e}"));
        let content = begin.elapsed();
        let mut scan = StreamScan::new(rules.limits());
        scan.push(&mut scanner, 0, bytes.as_bytes(), &mut out).unwrap_or_else(|e| panic!("{piece}: {e}"));
        scan.flush(&mut scanner, Flush::End, &mut out).unwrap_or_else(|e| panic!("{piece}: {e}"));
        eprintln!(
            "{content:>12.1?} as content, {:>12.1?} as stream: {piece:?}, {} matches",
            begin.elapsed() - content,
            out.len()
        );
        // Half a window; an unoptimised engine is some thirty times slower.
        assert!(begin.elapsed() < Duration::from_secs(15), "{piece}");
    }
    assert_eq!(scanner.counters().timeouts, 0);
}

#[test]
fn a_content_is_cut_and_that_is_counted() {
    let rules = load("rule r { strings: $a = \"needle\" condition: $a }", |l| l.max_content = 100);
    let mut scanner = Scanner::new(&rules);
    let mut out = Vec::new();
    scanner.scan_content(&[vec![b'.'; 95], b"needle".to_vec()].concat(), &mut out).unwrap();
    assert!(out.is_empty());
    scanner.scan_content(&[vec![b'.'; 94], b"needle".to_vec()].concat(), &mut out).unwrap();
    assert_eq!((out.len(), scanner.counters().contents_cut), (1, 1));
}

#[test]
fn published_rules_find_their_names_defined() {
    let rules = load(
        "import \"math\" import \"hash\" import \"pe\" import \"string\"\n\
         rule by_name { condition: filename matches /^[a-z0-9]+_64refl\\.ps1$/i }\n\
         rule by_extension { strings: $a = \"needle\" condition: extension == \"ps1\" and $a }\n\
         rule others { condition: filepath contains \"x\" or filetype == \"EXE\" or owner == \"me\" }\n\
         rule modules { condition: pe.is_pe or hash.md5(0, filesize) == \"\" or math.entropy(0, filesize) > 9.0 or string.to_int(\"1\") == 2 }",
        |_| {},
    );
    let mut scanner = Scanner::new(&rules);
    let scan = |scanner: &mut Scanner<'_>, name: &str, bytes: &[u8]| {
        let mut out = Vec::new();
        scanner.scan_file(name, bytes, &mut out).unwrap();
        out.iter().map(|m| m.rule.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(scan(&mut scanner, "icsnd16_64refl.ps1", b""), ["by_name"]);
    assert_eq!(scan(&mut scanner, "icsnd16_64refl.ps1", b"needle"), ["by_name", "by_extension"]);
    assert_eq!(scan(&mut scanner, "other.ps1", b"needle"), ["by_extension"]);
    assert_eq!(scan(&mut scanner, "", b"needle"), [""; 0]);
    // The name is not left behind for the next content.
    let mut out = Vec::new();
    scanner.scan_content(b"needle", &mut out).unwrap();
    assert!(out.is_empty());
}

#[test]
fn each_worker_has_a_scanner_of_the_same_rules() {
    let rules = load("rule r { strings: $a = \"needle\" condition: $a }", |_| {});
    let total: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut scanner = Scanner::new(&rules);
                    let mut out = Vec::new();
                    for _ in 0..100 {
                        scanner.scan_content(b"a needle", &mut out).unwrap();
                    }
                    scanner.counters().matches
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap()).sum()
    });
    assert_eq!(total, 400);
}

#[test]
fn start_is_within_its_budget_many_times_over() {
    let cache = tempfile::tempdir().unwrap();
    let options = RuleOptions { cache_dir: Some(cache.path().join("rules")), ..RuleOptions::default() };
    for _ in 0..2 {
        let begin = Instant::now();
        let rules = RuleSet::load(&options).unwrap();
        let loaded = begin.elapsed();
        drop(Scanner::new(&rules));
        eprintln!("from cache: {}, {loaded:?}, scanner {:?}", rules.from_cache(), begin.elapsed().saturating_sub(loaded));
        // An unoptimised engine is some thirty times slower; the budget of 500 ms is for the built sensor.
        assert!(loaded < Duration::from_secs(30), "{loaded:?}");
    }
}
