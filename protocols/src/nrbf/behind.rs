//! Content behind the part of it that is decoded: classes and streams inside are looked for, a window at a time. What is put in front of
//! them hides nothing, and nothing is held but the window.

use std::collections::HashSet;

use super::{Facts, facts_within};
use crate::contract::Limits;

/// Bytes that are looked at together.
const WINDOW: usize = 64 << 10;
/// … again with the next ones: what a stream inside begins with, and lies across the end.
const OVERLAP: usize = 16 << 10;

/// Names and addresses that are remembered. Beyond, they are told anew: rather twice than not at all.
const MAX_KNOWN: usize = 4_096;

/// What was looked at of it.
#[derive(Debug, Default)]
pub struct Behind {
    window: Vec<u8>,
    /// Bytes of the window that were not looked at.
    new: usize,
    facts: Facts,
    /// Names and addresses that were told: parts lie over each other.
    known: HashSet<String>,
}

impl Behind {
    /// Behind these bytes, of which this is known.
    #[must_use]
    pub fn of(before: &[u8], facts: Option<&Facts>) -> Self {
        let tail = before.get(before.len().saturating_sub(OVERLAP)..).unwrap_or_default();
        let mut behind = Self { window: tail.to_vec(), ..Self::default() };
        if let Some(facts) = facts {
            behind.news(&mut facts.clone());
        }
        behind
    }

    /// Leaves what was not told yet.
    fn news(&mut self, facts: &mut Facts) {
        let mut is_new = |name: &String| {
            if self.known.len() >= MAX_KNOWN {
                self.known.clear();
            }
            self.known.insert(name.clone())
        };
        facts.types.retain(|one| is_new(&one.name));
        facts.addresses.retain(|one| is_new(&one.uri));
        facts.targets.retain(is_new);
    }

    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8], limits: &Limits) {
        for piece in bytes.chunks(WINDOW - OVERLAP) {
            self.window.extend_from_slice(piece);
            self.new += piece.len();
            if self.window.len() >= WINDOW {
                self.look(limits);
            }
        }
    }

    fn look(&mut self, limits: &Limits) {
        if std::mem::take(&mut self.new) > 0 {
            let mut found = facts_within(&self.window, limits);
            self.news(&mut found);
            self.facts.join(found);
            let seen = self.window.len().saturating_sub(OVERLAP);
            self.window.drain(..seen);
        }
    }

    /// What is known by now, and was not taken.
    pub fn take(&mut self) -> Option<Facts> {
        Some(std::mem::take(&mut self.facts)).filter(|facts| !facts.is_empty())
    }

    /// The same where nothing more comes.
    pub fn end(&mut self, limits: &Limits) -> Option<Facts> {
        self.look(limits);
        self.take()
    }

    /// Bytes it holds, about.
    #[must_use]
    pub fn held(&self) -> usize {
        self.window.capacity() + self.facts.size() + self.known.len() * 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A class record ([MS-NRBF] 2.3.2.1) without members.
    fn class(name: &str) -> Vec<u8> {
        let length = [0x80 | (name.len() & 0x7f) as u8, (name.len() >> 7) as u8];
        [&[5][..], &1_u32.to_le_bytes(), &length, name.as_bytes(), &[0; 8]].concat()
    }

    #[test]
    fn names_without_number_hide_none_that_comes_behind_them() {
        let mut behind = Behind::of(&[], None);
        let mut seen = false;
        for number in 0..3 * MAX_KNOWN {
            behind.push(&class(&format!("Filler.Class{number}, Filler")), &Limits::default());
            seen |= behind.take().is_some();
        }
        assert!(seen && behind.held() < 1 << 20);
        behind.push(&class("Some.Other.Class, Other"), &Limits::default());
        let facts = behind.end(&Limits::default()).unwrap();
        assert!(facts.types.iter().any(|one| one.name.starts_with("Some.Other.Class")), "{:?}", facts.types.last());
    }
}
