//! Hits in one window of a stream to matches, each place once.
//!
//! Windows overlap, so a place may be seen again: a direction remembers, for each rule it reported, the places that the next window
//! can still show. Known limit: of one rule at most [`MAX_REMEMBERED`] such places are kept apart; beyond that everything up to the
//! last of them counts as reported.

use std::sync::Arc;

use crate::engine::Hit;
use crate::matches::{Match, MatchedString, RuleInfo, Scope};
use crate::scanner::{MAX_EXCERPT, MAX_PLACES};

/// Different rules remembered of one direction.
const MAX_REPORTED: usize = 256;
/// Places of one rule kept apart between two windows.
const MAX_REMEMBERED: usize = 64;
/// Places of one rule looked at in one window or content.
const MAX_COLLECTED: usize = 8192;

/// One place of one string of a rule that matched.
#[derive(Debug)]
pub(crate) struct Place<'r> {
    /// Which string of the rule.
    string: u32,
    name: &'r str,
    range: std::ops::Range<usize>,
    /// The first of its string: these come first, so that no string is crowded out of the evidence.
    first: bool,
}

impl Place<'_> {
    fn to_string_at(&self, base: u64, bytes: &[u8]) -> MatchedString {
        MatchedString {
            identifier: self.name.to_owned(),
            offset: base.saturating_add(self.range.start as u64),
            length: self.range.len() as u64,
            excerpt: bytes.get(self.range.clone()).unwrap_or_default().iter().take(MAX_EXCERPT).copied().collect(),
        }
    }
}

/// All places of a hit, and whether there were more than are looked at.
fn places<'r>(hit: &Hit<'_, 'r>) -> (Vec<Place<'r>>, bool) {
    let mut all: Vec<Place<'r>> = Vec::new();
    let mut cut = false;
    hit.each_string(|string, name, range| {
        let first = all.last().is_none_or(|last| last.string != string);
        cut = all.len() >= MAX_COLLECTED;
        if !cut {
            all.push(Place { string, name, range, first });
        }
        !cut
    });
    (all, cut)
}

/// The evidence of a match in a content: the first place of each string, then the others as far as there is room.
pub(crate) fn evidence(hit: &Hit<'_, '_>, bytes: &[u8]) -> Vec<MatchedString> {
    let (mut all, _) = places(hit);
    all.sort_by_key(|place| !place.first);
    all.iter().take(MAX_PLACES).map(|place| place.to_string_at(0, bytes)).collect()
}

/// What a direction remembers of the rules it reported.
#[derive(Debug, Default)]
#[allow(clippy::box_collection, reason = "one word in every direction of every flow instead of three")]
pub(crate) struct Reported(Option<Box<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    rule: u32,
    /// Places that begin before this are not new.
    floor: u64,
    /// String and beginning of the places that the next window can show again.
    places: Vec<(u32, u64)>,
}

impl Reported {
    /// Forgets all: another set of rules counts differently.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    fn entries(&self) -> &[Entry] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    fn entries_mut(&mut self) -> &mut Vec<Entry> {
        self.0.get_or_insert_default()
    }
}

/// Turns the hits of one window into matches.
pub(crate) struct Report<'a> {
    pub(crate) reported: &'a mut Reported,
    pub(crate) once: bool,
    /// Offset of the window in the stream.
    pub(crate) base: u64,
    pub(crate) window: &'a [u8],
    /// Bytes at the window's beginning that the window before showed too.
    pub(crate) examined: usize,
    /// Bytes at the window's end that the next one may show again.
    pub(crate) overlap: usize,
    pub(crate) matches: u64,
    pub(crate) dropped: u64,
    pub(crate) out: &'a mut Vec<Match>,
}

impl Report<'_> {
    pub(crate) fn rule(&mut self, number: u32, info: &Arc<RuleInfo>, hit: &Hit<'_, '_>) {
        if info.scope == Scope::Content {
            return;
        }
        // Which places count for `undecoded` only the caller knows: one that does not must not hide one that does.
        let once = self.once && info.scope != Scope::Undecoded;
        let known = self.reported.entries().iter().position(|entry| entry.rule == number);
        if once && known.is_some() {
            return;
        }
        let (all, cut) = places(hit);
        let fresh = self.fresh(known, &all);
        let nothing_new = if all.is_empty() { known.is_some() } else { fresh.is_empty() };
        if nothing_new {
            return;
        }
        if known.is_none() && self.reported.entries().len() >= MAX_REPORTED {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        if cut {
            self.dropped = self.dropped.saturating_add(1);
        }
        if !once {
            self.remember(known, number, &fresh);
        } else {
            self.reported.entries_mut().push(Entry { rule: number, floor: 0, places: Vec::new() });
        }
        let mut strings = self.strings(&all, &fresh);
        if once {
            strings.truncate(MAX_PLACES);
        }
        self.emit(info, strings);
    }

    /// The places that were not reported before.
    fn fresh<'p, 'r>(&self, known: Option<usize>, all: &'p [Place<'r>]) -> Vec<&'p Place<'r>> {
        let entry = known.and_then(|k| self.reported.entries().get(k));
        all.iter()
            .filter(|place| {
                // A word seems to begin where the window does. The window before showed what stands there, with what is before it.
                let cut_here = place.range.start == 0 && self.examined > 0 && place.range.end <= self.examined;
                let start = self.base.saturating_add(place.range.start as u64);
                let seen = entry.is_some_and(|e| start < e.floor || e.places.contains(&(place.string, start)));
                !cut_here && !seen
            })
            .collect()
    }

    fn remember(&mut self, known: Option<usize>, number: u32, fresh: &[&Place<'_>]) {
        let index = known.unwrap_or(self.reported.entries().len());
        if known.is_none() {
            self.reported.entries_mut().push(Entry { rule: number, floor: 0, places: Vec::new() });
        }
        let Some(entry) = self.reported.entries_mut().get_mut(index) else { return };
        let end = self.base.saturating_add(self.window.len() as u64);
        let keep_from = end.saturating_sub(self.overlap as u64);
        let starts = fresh.iter().map(|place| (place.string, self.base.saturating_add(place.range.start as u64)));
        entry.places.retain(|(_, start)| *start >= keep_from);
        entry.places.extend(starts.filter(|(_, start)| *start >= keep_from));
        if entry.places.len() > MAX_REMEMBERED {
            let last = entry.places.iter().map(|(_, start)| *start).max().unwrap_or(0);
            entry.floor = entry.floor.max(last.saturating_add(1));
            entry.places = Vec::new();
        }
    }

    /// The new places, the first of each string first, and one place of each string that has no new one: the rule needed it.
    fn strings(&self, all: &[Place<'_>], fresh: &[&Place<'_>]) -> Vec<MatchedString> {
        let mut last = None;
        let (mut firsts, mut others) = (Vec::new(), Vec::new());
        for place in fresh {
            let list = if last.replace(place.string) == Some(place.string) { &mut others } else { &mut firsts };
            list.push(place.to_string_at(self.base, self.window));
        }
        // Both lists are in the order of the strings.
        let has_new = |string: u32| fresh.binary_search_by_key(&string, |place| place.string).is_ok();
        let known = all.iter().filter(|place| place.first && !has_new(place.string));
        firsts.extend(known.map(|place| place.to_string_at(self.base, self.window)));
        firsts.append(&mut others);
        firsts
    }

    fn emit(&mut self, info: &Arc<RuleInfo>, mut strings: Vec<MatchedString>) {
        loop {
            let later = if strings.len() > MAX_PLACES { strings.split_off(MAX_PLACES) } else { Vec::new() };
            self.out.push(Match { rule: Arc::clone(info), strings });
            self.matches = self.matches.saturating_add(1);
            if later.is_empty() {
                return;
            }
            strings = later;
        }
    }
}
