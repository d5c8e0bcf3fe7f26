//! What is wrong with rules is said in one line that names the file and the line.
#![cfg(feature = "yara")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use backstop_signatures::{RuleError, RuleOptions, RuleSet};

fn load(dirs: &[&Path]) -> Result<RuleSet, RuleError> {
    let dirs = dirs.iter().map(|d| (*d).to_owned()).collect();
    RuleSet::load(&RuleOptions { dirs, builtin: false, ..RuleOptions::default() })
}

/// The same with the shipped rules.
fn load_all(dir: &Path) -> Result<RuleSet, RuleError> {
    RuleSet::load(&RuleOptions { dirs: vec![dir.to_owned()], ..RuleOptions::default() })
}

/// The message for a file of this text, without the folder.
fn message(text: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.yar");
    fs::write(&file, text).unwrap();
    let message = load(&[dir.path()]).map(|_| ()).unwrap_err().to_string();
    assert!(!message.contains(['\n', '\r']), "one line: {message}");
    let message = message.strip_prefix(&format!("{}/", dir.path().display())).unwrap();
    message.to_owned()
}

#[test]
fn a_rule_that_does_not_compile_is_named_with_file_and_line() {
    for (text, place, word) in [
        ("rule a {\n  condition:\n    $nothing\n}", "bad.yar:3:5: ", "unknown pattern"),
        ("rule a {\n  condition:\n    nothing\n}", "bad.yar:3:5: ", "unknown identifier"),
        ("rule ok { condition: true }\n\nrule a { condition true }", "bad.yar:3:", "syntax error"),
        ("rule a { condition: true }\nrule a { condition: true }", "bad.yar:2:6: ", "duplicate rule"),
        ("rule a {\n  strings:\n    $a = /a(/\n  condition: $a }", "bad.yar:3:", "invalid regular expression"),
        ("rule a {\n  strings:\n    $a = \"unused\"\n  condition: true }", "bad.yar:3:5: ", "unused pattern"),
        // Modules that are not in this build, and files that rules would pull in.
        ("import \"cuckoo\"\nrule a { condition: true }", "bad.yar:1:", "unknown module"),
        ("\ninclude \"other.yar\"\nrule a { condition: true }", "bad.yar:2:", "include"),
        // What would cost every scan too much.
        ("rule a {\n  strings:\n    $a = \"a\"\n  condition: $a }", "bad.yar:3:", "slow pattern"),
        ("rule a {\n  condition:\n    for any i in (0..filesize) : ( uint8(i) == 7 )\n}", "bad.yar:3:", "slow loop"),
    ] {
        let message = message(text.as_bytes());
        assert!(message.starts_with(place) && message.to_lowercase().contains(word), "{message}");
    }
}

#[test]
fn metadata_that_cannot_be_used_is_named_with_file_and_line() {
    for (meta, word) in [
        ("sid = 0", "`sid`"),
        ("sid = \"9500001\"", "`sid`"),
        ("sid = 99999999999", "`sid`"),
        ("rev = -1", "`rev`"),
        ("severity = 9", "`severity`"),
        ("severity = \"worst\"", "`severity`"),
        ("scope = \"everywhere\"", "`scope`"),
    ] {
        let message = message(format!("rule a {{\n  meta:\n    author = \"me\"\n    {meta}\n  condition: true }}").as_bytes());
        assert!(message.starts_with("bad.yar:4:5: ") && message.contains(word), "{message}");
    }
}

#[test]
fn a_sid_used_twice_is_named_with_both_places() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("1.yar"), "rule one {\n meta:\n  sid = 9500001\n condition: true }").unwrap();
    fs::write(dir.path().join("2.yar"), "rule two { meta: sid = 9500001 condition: true }").unwrap();
    let message = load(&[dir.path()]).unwrap_err().to_string();
    assert!(
        message.contains("2.yar:1:18: sid 9500001") && message.contains("1.yar:3)") && message.contains("`one`"),
        "{message}"
    );
    // One of ours, too.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bad.yar"), "rule mine {\n meta: sid = 9411020\n condition: true }").unwrap();
    let message = load_all(dir.path()).unwrap_err().to_string();
    assert!(message.contains("bad.yar:2:8: ") && message.contains("backstop/powershell.yar:"), "{message}");
}

#[test]
fn how_many_more_errors_there_are_is_said() {
    let message = message(b"rule a { condition: $x }\nrule b { condition: $y }\nrule c { condition: $z }");
    assert!(message.starts_with("bad.yar:1:") && message.ends_with("(and 2 more errors)"), "{message}");
}

#[test]
fn what_is_no_text_is_an_error_not_a_panic() {
    for bytes in [&b"\xff\xfe\0r\0u"[..], b"rule a { condition: true } \xc3", &[0; 64], b"\xef\xbb\xbf rule a { condition: $b }"]
    {
        assert!(message(bytes).starts_with("bad.yar:"), "{bytes:?}");
    }
}

#[test]
fn a_condition_nested_deep_is_no_crash() {
    let message =
        message(format!("rule a {{\n  condition:\n    {}true{} }}", "(".repeat(100_000), ")".repeat(100_000)).as_bytes());
    assert_eq!(message, "bad.yar:3:305: brackets are nested more than 300 deep");
    for (open, close) in [("(", ")"), ("not (", ")"), ("not ", ""), ("(true and ", ")")] {
        let deep = format!("rule a {{ condition: {}true{} }}", open.repeat(300), close.repeat(300));
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("deep.yar"), deep).unwrap();
        drop(load(&[dir.path()]));
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let message = load(&[Path::new("no/such/folder")]).unwrap_err().to_string();
    assert!(message.starts_with("no/such/folder: ") && !message.contains('\n'), "{message}");
    let dir = tempfile::tempdir().unwrap();
    assert!(load(&[dir.path()]).unwrap().is_empty(), "an empty folder adds nothing");
}

#[cfg(unix)]
#[test]
fn a_folder_or_file_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("closed");
    fs::create_dir(&inner).unwrap();
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o0)).unwrap();
    let refused = fs::read_dir(&inner).is_err();
    let result = load(&[dir.path()]);
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
    if !refused {
        eprintln!("skipped: this user may read everything");
        return;
    }
    let message = result.unwrap_err().to_string();
    assert!(message.contains("closed: ") && message.contains("ermission"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("nowhere.yar", dir.path().join("a.yar")).unwrap();
    let message = load(&[dir.path()]).unwrap_err().to_string();
    assert!(message.contains("a.yar: "), "{message}");
}

#[test]
fn a_rule_of_the_users_may_have_the_name_of_a_shipped_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yar"), "rule portable_executable { condition: false }").unwrap();
    let rules = load_all(dir.path()).unwrap();
    let same: Vec<_> = rules.rules().iter().filter(|r| r.name == "portable_executable").map(|r| r.namespace.as_str()).collect();
    assert_eq!(same, ["backstop", "a.yar"]);
}

#[test]
fn a_single_file_may_be_named_whatever_it_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("rules.txt");
    fs::write(&file, "rule only { condition: false }").unwrap();
    assert!(load(&[&file]).unwrap().rules().iter().any(|r| r.name == "only"));
    assert!(load(&[dir.path()]).unwrap().rules().iter().all(|r| r.name != "only"), "in a folder only rule files count");
}
