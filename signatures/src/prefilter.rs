//! A cheap question before a scan: does the buffer hold any byte string without which no rule can match?
//!
//! The strings come from the rules themselves (`engine::requirement`). The answer "no" is exact, the answer "maybe" costs a scan. All
//! comparison ignores ASCII case, which can only turn a "no" into a "maybe".
//!
//! Up to a hundred windows of the strings are searched with SIMD (Teddy) and a hit is verified against the whole string; larger
//! sets use an Aho-Corasick automaton. The bench `benches/scan.rs` measures this against the scan it saves.

use std::collections::BTreeMap;

use aho_corasick::automaton::Automaton as _;
use aho_corasick::{Anchored, Input, dfa, nfa, packed};

/// Shorter strings say too little.
pub(crate) const MIN_LITERAL: usize = 3;
/// Longer ones are cut: they say no more.
pub(crate) const MAX_LITERAL: usize = 64;
/// More strings than this would hardly ever say "no".
pub(crate) const MAX_LITERALS: usize = 4096;
/// What the packed searcher takes.
const MAX_WINDOWS: usize = 100;
/// Bytes of a window at most; the searcher looks at the first few and compares the rest.
const MAX_WINDOW: usize = 8;
/// Bytes that are put into lower case at once.
const BLOCK: usize = 4096;
/// Candidates that fail verification before the answer is "maybe": a buffer full of them must not cost more than the scan.
const MAX_CANDIDATES: u32 = 64;

/// The question, prepared.
#[derive(Debug)]
pub(crate) struct Prefilter {
    matcher: Matcher,
    longest: usize,
}

#[derive(Debug)]
enum Matcher {
    /// No string at all: no rule of this set can match.
    Never,
    Windows(Box<Windows>),
    Automaton(Box<dfa::DFA>),
    /// As `Automaton`, where its table would be too large.
    Compact(Box<nfa::contiguous::NFA>),
}

/// A window of each literal, the rarest there is.
#[derive(Debug)]
struct Windows {
    searcher: packed::Searcher,
    literals: Vec<Vec<u8>>,
    /// For each pattern of the searcher: which literal, and where the window stands in it.
    owners: Vec<Vec<(usize, usize)>>,
}

impl Prefilter {
    /// Prepares the strings; none when they cannot be searched sensibly.
    pub(crate) fn new(literals: &[Vec<u8>]) -> Option<Self> {
        if literals.len() > MAX_LITERALS || literals.iter().any(|l| l.len() < MIN_LITERAL) {
            return None;
        }
        let literals: Vec<Vec<u8>> = literals.iter().map(|l| l.iter().take(MAX_LITERAL).copied().collect()).collect();
        let longest = literals.iter().map(Vec::len).max().unwrap_or(0);
        let matcher = if literals.is_empty() {
            Matcher::Never
        } else {
            match Windows::new(&literals) {
                Some(windows) => Matcher::Windows(Box::new(windows)),
                None => automaton(&literals)?,
            }
        };
        Some(Self { matcher, longest })
    }

    /// The same through the automaton: what the windows must agree with.
    #[cfg(test)]
    pub(crate) fn with_automaton(literals: &[Vec<u8>]) -> Option<Self> {
        let longest = literals.iter().map(Vec::len).max().unwrap_or(0);
        Some(Self { matcher: automaton(literals)?, longest })
    }

    /// How many bytes before new ones must be looked at again.
    pub(crate) fn overlap(&self) -> usize {
        self.longest.saturating_sub(1)
    }

    /// Whether a rule may match. False is certain.
    pub(crate) fn may_match(&self, bytes: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Never => false,
            Matcher::Windows(windows) => windows.may_match(bytes),
            Matcher::Automaton(automaton) => found(automaton.as_ref(), bytes),
            Matcher::Compact(automaton) => found(automaton.as_ref(), bytes),
        }
    }
}

fn found(automaton: &impl aho_corasick::automaton::Automaton, bytes: &[u8]) -> bool {
    // An error cannot occur with this kind of search; it would mean "scan".
    automaton.try_find(&Input::new(bytes).anchored(Anchored::No).earliest(true)).map_or(true, |m| m.is_some())
}

fn automaton(literals: &[Vec<u8>]) -> Option<Matcher> {
    const MAX_DFA_BYTES: usize = 8 << 20;
    let nfa = nfa::noncontiguous::Builder::new().ascii_case_insensitive(true).build(literals).ok()?;
    if let Ok(dfa) = dfa::Builder::new().build_from_noncontiguous(&nfa)
        && dfa.memory_usage() <= MAX_DFA_BYTES
    {
        return Some(Matcher::Automaton(Box::new(dfa)));
    }
    let nfa = nfa::contiguous::Builder::new().build_from_noncontiguous(&nfa).ok()?;
    Some(Matcher::Compact(Box::new(nfa)))
}

impl Windows {
    fn new(literals: &[Vec<u8>]) -> Option<Self> {
        let mut windows: BTreeMap<Vec<u8>, Vec<(usize, usize)>> = BTreeMap::new();
        for (index, literal) in literals.iter().enumerate() {
            let folded = literal.to_ascii_lowercase();
            let length = folded.len().min(MAX_WINDOW);
            let (at, window) = folded.windows(length).enumerate().min_by_key(|(_, window)| cost(window))?;
            windows.entry(window.to_vec()).or_default().push((index, at));
            if windows.len() > MAX_WINDOWS {
                return None;
            }
        }
        let searcher = packed::Config::new().heuristic_pattern_limits(false).builder().extend(windows.keys()).build()?;
        // Where one window begins with another, the searcher names one of them: the owners of both are asked.
        let related = |window: &[u8]| {
            let is_related = |other: &[u8]| other.starts_with(window) || window.starts_with(other);
            windows.iter().filter(|(other, _)| is_related(other)).flat_map(|(_, owners)| owners).copied().collect()
        };
        let owners = windows.keys().map(|window| related(window)).collect();
        Some(Self { searcher, literals: literals.to_vec(), owners })
    }

    /// Looks at the bytes block by block, each in lower case: a copy that the cache holds costs less than the case variants.
    fn may_match(&self, bytes: &[u8]) -> bool {
        let mut block = [0_u8; BLOCK];
        let mut candidates = 0_u32;
        let mut base = 0;
        while let Some(rest) = bytes.get(base..).filter(|rest| rest.len() >= MIN_LITERAL) {
            let len = rest.len().min(BLOCK);
            let (Some(folded), Some(original)) = (block.get_mut(..len), rest.get(..len)) else { return true };
            folded.copy_from_slice(original);
            folded.make_ascii_lowercase();
            let mut from = 0;
            while let Some(hit) = self.searcher.find_in(&*folded, aho_corasick::Span { start: from, end: len }) {
                let owners = self.owners.get(hit.pattern().as_usize()).map_or(&[][..], Vec::as_slice);
                if owners.iter().any(|&(literal, at)| self.is_at(bytes, base.saturating_add(hit.start()), literal, at)) {
                    return true;
                }
                candidates = candidates.saturating_add(1);
                if candidates >= MAX_CANDIDATES {
                    return true;
                }
                from = hit.start().saturating_add(1);
            }
            if len == rest.len() {
                return false;
            }
            // A window across the border is looked at again in the next block.
            base = base.saturating_add(len.saturating_sub(MAX_WINDOW - 1));
        }
        false
    }

    /// Whether the literal whose window stands at `place` is there as a whole.
    fn is_at(&self, bytes: &[u8], place: usize, literal: usize, at: usize) -> bool {
        let Some(literal) = self.literals.get(literal) else { return true };
        let Some(start) = place.checked_sub(at) else { return false };
        bytes.get(start..start.saturating_add(literal.len())).is_some_and(|found| found.eq_ignore_ascii_case(literal))
    }
}

/// How common the bytes are on a network, roughly; both cases of a letter count.
fn cost(window: &[u8]) -> u32 {
    window
        .iter()
        .map(|b| match b {
            0 => 12,
            b' ' | b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 10,
            b'E' | b'T' | b'A' | b'O' | b'I' | b'N' | b'S' | b'R' => 10,
            b'a'..=b'z' | b'A'..=b'Z' => 7,
            b'0'..=b'9' | b'.' | b'/' | b'-' | b'=' | b'"' | b'\r' | b'\n' | 0xff => 5,
            _ => 2,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn literals(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|t| t.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_string_is_found_in_any_case_and_nothing_else_is() {
        for filter in [
            Prefilter::new(&literals(&["xp_cmdshell", "FromBase64String"])).unwrap(),
            Prefilter::with_automaton(&literals(&["xp_cmdshell", "FromBase64String"])).unwrap(),
        ] {
            assert!(filter.may_match(b"..XP_CmdShell.."));
            assert!(filter.may_match(b"frombase64string"));
            assert!(!filter.may_match(b"xp_cmdshel"));
            assert!(!filter.may_match(b""));
            assert_eq!(filter.overlap(), 15);
        }
    }

    #[test]
    fn a_set_without_strings_never_matches() {
        assert!(!Prefilter::new(&[]).unwrap().may_match(b"anything"));
    }

    #[test]
    fn a_short_string_makes_no_filter() {
        assert!(Prefilter::new(&literals(&["abcd", "MZ"])).is_none());
    }

    #[test]
    fn many_strings_go_to_the_automaton() {
        let many: Vec<Vec<u8>> = (0..2000_u32).map(|n| format!("needle{n:05}").into_bytes()).collect();
        let filter = Prefilter::new(&many).unwrap();
        assert!(matches!(filter.matcher, Matcher::Automaton(_) | Matcher::Compact(_)));
        assert!(filter.may_match(b"a NEEDLE01999 b"));
        assert!(!filter.may_match(b"a needle02000 b"));
    }

    #[test]
    fn a_buffer_of_near_misses_gives_up_early() {
        let filter = Prefilter::new(&literals(&["__proc__xx"])).unwrap();
        assert!(filter.may_match("__proc__xy_proc__xx".repeat(1000).as_bytes()));
        assert!(!filter.may_match("__proc__xy_proc__xx".repeat(2).as_bytes()));
    }

    proptest! {
        #[test]
        fn both_searches_agree_with_a_plain_one(
            needles in prop::collection::vec("[a-cA-C_]{3,7}", 1..5),
            hay in "[a-cA-C_ ]{0,60}",
        ) {
            let needles: Vec<Vec<u8>> = needles.into_iter().map(String::into_bytes).collect();
            let lower = hay.to_ascii_lowercase();
            let plain = needles.iter().any(|n| lower.contains(&String::from_utf8_lossy(n).to_ascii_lowercase()));
            prop_assert_eq!(Prefilter::with_automaton(&needles).unwrap().may_match(hay.as_bytes()), plain);
            let windows = Prefilter::new(&needles).unwrap();
            prop_assert!(windows.may_match(hay.as_bytes()) || !plain);
        }
    }
}
