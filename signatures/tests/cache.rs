//! The cache of compiled rules, seen from outside: it spares work and never decides.
#![cfg(all(feature = "yara", unix))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use backstop_signatures::{RuleOptions, RuleSet, Scanner};

struct Setup {
    rules: tempfile::TempDir,
    cache: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        fs::set_permissions(cache.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let setup = Self { rules: tempfile::tempdir().unwrap(), cache };
        setup.write("needle");
        setup
    }

    fn write(&self, word: &str) {
        let text = format!("rule r {{ meta: sid = 9500001 strings: $a = \"{word}\" condition: $a }}");
        fs::write(self.rules.path().join("a.yar"), text).unwrap();
    }

    fn options(&self) -> RuleOptions {
        RuleOptions {
            dirs: vec![self.rules.path().to_owned()],
            builtin: false,
            cache_dir: Some(self.cache.path().to_owned()),
            ..RuleOptions::default()
        }
    }

    fn load(&self) -> RuleSet {
        RuleSet::load(&self.options()).unwrap()
    }

    fn file(&self) -> PathBuf {
        let mut files: Vec<_> = fs::read_dir(self.cache.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.pop().unwrap()
    }
}

fn finds(rules: &RuleSet, text: &str) -> bool {
    let mut out = Vec::new();
    Scanner::new(rules).scan_content(text.as_bytes(), &mut out).unwrap();
    assert!(out.iter().all(|m| m.rule.sid == Some(9_500_001)));
    !out.is_empty()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_same_rules_come_from_the_cache_and_find_the_same() {
    let setup = Setup::new();
    let (first, second) = (setup.load(), setup.load());
    assert!(!first.from_cache() && second.from_cache());
    assert_eq!(first.rules(), second.rules());
    assert_eq!(first.prefiltered(), second.prefiltered());
    for rules in [first, second] {
        assert!(finds(&rules, "a needle") && !finds(&rules, "hay"));
    }
}

#[test]
fn the_shipped_rules_come_from_the_cache_as_they_were() {
    let setup = Setup::new();
    let options = RuleOptions { builtin: true, dirs: Vec::new(), ..setup.options() };
    let (first, second) = (RuleSet::load(&options).unwrap(), RuleSet::load(&options).unwrap());
    assert!(!first.from_cache() && second.from_cache());
    assert_eq!(first.rules(), second.rules());
    assert_eq!(second.prefiltered(), (true, true));
}

#[test]
fn changed_rules_are_compiled_anew() {
    let setup = Setup::new();
    setup.load();
    setup.write("thread");
    let changed = setup.load();
    assert!(!changed.from_cache() && finds(&changed, "a thread") && !finds(&changed, "a needle"));
    setup.write("needle");
    assert!(setup.load().from_cache(), "the former ones are still there");
    // The same text under another name is another set: names are part of what an alert says.
    fs::rename(setup.rules.path().join("a.yar"), setup.rules.path().join("b.yar")).unwrap();
    assert!(!setup.load().from_cache());
}

#[test]
fn what_others_can_write_is_not_trusted() {
    for file_mode in [0o620, 0o602, 0o666] {
        let setup = Setup::new();
        setup.load();
        mode(&setup.file(), file_mode);
        let rules = setup.load();
        assert!(!rules.from_cache() && finds(&rules, "needle"), "{file_mode:o}");
        assert_eq!(fs::metadata(setup.file()).unwrap().permissions().mode() & 0o777, 0o600, "written anew");
        assert!(setup.load().from_cache());
    }
    let setup = Setup::new();
    setup.load();
    mode(setup.cache.path(), 0o777);
    assert!(!setup.load().from_cache());
}

#[test]
fn a_damaged_file_is_passed_over_and_replaced() {
    let setup = Setup::new();
    setup.load();
    let good = fs::read(setup.file()).unwrap();
    let middle = good.len() / 2;
    let mut flipped = good.clone();
    flipped[middle] ^= 1;
    for bad in [&good[..middle], &flipped, b"", b"BSTPRULE"] {
        fs::write(setup.file(), bad).unwrap();
        let rules = setup.load();
        assert!(!rules.from_cache() && finds(&rules, "needle"));
        assert_eq!(fs::read(setup.file()).unwrap().len(), good.len());
    }
    assert!(setup.load().from_cache());
}

#[test]
fn many_may_start_at_once() {
    let setup = Setup::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..4 {
                    assert!(finds(&setup.load(), "needle"));
                }
            });
        }
    });
    // One whole file, nothing temporary.
    setup.file();
    assert!(setup.load().from_cache());
}

#[test]
fn a_cache_folder_that_cannot_be_is_no_error() {
    let setup = Setup::new();
    let options = RuleOptions { cache_dir: Some(setup.rules.path().join("a.yar/below")), ..setup.options() };
    assert!(!RuleSet::load(&options).unwrap().from_cache());
    let options = RuleOptions { cache_dir: Some(setup.cache.path().join("made/on/demand")), ..setup.options() };
    assert!(!RuleSet::load(&options).unwrap().from_cache());
    assert!(RuleSet::load(&options).unwrap().from_cache());
}
