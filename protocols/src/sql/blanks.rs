//! What stands between two tokens and means nothing: blanks and comments.

use std::collections::BTreeMap;

/// What separates tokens, and has no other meaning in a text. Servers differ in what they take for a blank: all of it is here.
pub(super) fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

/// Finds what is behind blanks and comments, from any place and any number of times: linear in the text over all of them.
pub(super) struct Gaps<'a> {
    text: &'a str,
    marks: Option<Marks>,
    /// Where the gap that goes on at a place ends.
    ends: BTreeMap<usize, usize>,
}

/// What was found in one pass over the text.
#[derive(Default)]
struct Marks {
    /// Block comments that end: where each begins, and what is behind it.
    comments: BTreeMap<usize, usize>,
    /// Ends of lines.
    lines: Vec<usize>,
}

impl Marks {
    /// A comment's end depends on what is between only, so one stack does for comments that begin anywhere: also inside a
    /// literal or another comment. They nest.
    fn find(bytes: &[u8]) -> Self {
        let (mut marks, mut open, mut at) = (Self::default(), Vec::new(), 0);
        while let Some(&byte) = bytes.get(at) {
            let pair = (byte, bytes.get(at + 1));
            at += 1;
            match pair {
                (b'/', Some(b'*')) => {
                    open.push(at - 1);
                    at += 1;
                }
                (b'*', Some(b'/')) => {
                    at += 1;
                    if let Some(start) = open.pop() {
                        marks.comments.insert(start, at);
                    }
                }
                (b'\n' | b'\r', _) => marks.lines.push(at - 1),
                _ => {}
            }
        }
        marks
    }
}

impl<'a> Gaps<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, marks: None, ends: BTreeMap::new() }
    }

    /// Behind the blanks and comments that begin at a place between characters. A comment without an end goes to the end.
    pub(super) fn behind(&mut self, from: usize) -> usize {
        let (mut at, mut passed) = (from, Vec::new());
        loop {
            if let Some(&end) = self.ends.get(&at) {
                at = end;
                break;
            }
            let next = self.token(at);
            if next == at {
                break;
            }
            passed.push(at);
            at = next;
        }
        self.ends.extend(passed.into_iter().map(|place| (place, at)));
        at
    }

    /// Behind the run of blanks or the comment at a place.
    fn token(&mut self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start_matches(is_blank).len();
        if blanks > 0 {
            return at + blanks;
        }
        let bytes = self.text.as_bytes();
        if !rest.starts_with("/*") && !rest.starts_with("--") {
            return at;
        }
        let Marks { comments, lines } = self.marks.get_or_insert_with(|| Marks::find(bytes));
        let end = if rest.starts_with("/*") { comments.get(&at) } else { lines.get(lines.partition_point(|&line| line < at)) };
        end.copied().unwrap_or(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Gaps;

    #[test]
    fn blanks_and_comments_are_passed_over() {
        for (text, behind) in [
            ("", ""),
            ("x", "x"),
            (" \t\u{b}\u{a0}\u{3000}x", "x"),
            ("/* a /* b */ c */ x", "x"),
            ("/**//*/**/*/x", "x"),
            ("-- a /*\r\n-- b\n x", "x"),
            ("/* -- */x\n", "x\n"),
            ("/* a /* b */ x", ""),
            ("-- a", ""),
            ("- x", "- x"),
            ("/ *x*/", "/ *x*/"),
        ] {
            let at = Gaps::new(text).behind(0);
            assert_eq!(text.get(at..), Some(behind), "{text}");
        }
    }

    #[test]
    fn every_place_gives_the_same_in_any_order() {
        let text = "a/* b/* c */-- d */ \n/* e -- f\n\n*/ */--/*\r/**/ g*//*/*/ */";
        let all = |places: &mut dyn Iterator<Item = usize>| {
            let mut gaps = Gaps::new(text);
            let mut found: Vec<_> = places.map(|at| (at, gaps.behind(at))).collect();
            found.sort_unstable();
            found
        };
        let fresh: Vec<_> = (0..=text.len()).map(|at| (at, Gaps::new(text).behind(at))).collect();
        assert_eq!(all(&mut (0..=text.len())), fresh);
        assert_eq!(all(&mut (0..=text.len()).rev()), fresh);
    }
}
