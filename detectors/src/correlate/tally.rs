//! Counts of events over flows, one for each source: bounded in sources, and in what is kept of each.

use std::collections::{BTreeMap, VecDeque};

use backstop_types::{Fields, PacketTime};

use super::bounded::Bounded;
use crate::Tally;

/// Events remembered of one source. More are never asked for.
const MAX_EVENTS: usize = 1_024;
/// Values told of one name.
const MAX_NOTES: usize = 16;
/// Bytes of one value.
const MAX_VALUE: usize = 128;

/// The events of one source.
#[derive(Debug, Default)]
struct Events {
    /// Time and item of each, oldest first; no item where each event counts.
    recent: VecDeque<(PacketTime, Option<String>)>,
    /// Name → values, of the time since the count was last zero.
    notes: BTreeMap<&'static str, Vec<String>>,
    latest: PacketTime,
}

/// All counts.
#[derive(Debug)]
pub struct Tallies(Bounded<(u64, Vec<u8>), Events>);

impl Tallies {
    pub fn new(cap: usize) -> Self {
        Self(Bounded::new(cap))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub const fn evicted(&self) -> u64 {
        self.0.evicted()
    }

    /// Counts an event: what is to be told, once there are enough.
    pub fn count(&mut self, sid: u64, tally: &Tally, now: PacketTime) -> Option<Fields> {
        let key = (sid, tally.key.clone());
        let mut events = self.0.peek_mut(&key).map(std::mem::take).unwrap_or_default();
        // A packet with an earlier time counts as of now; one far ahead ends the window of its own source only.
        events.latest = events.latest.max(now);
        let now = events.latest;
        events.recent.retain(|(time, _)| now.since(*time) < tally.window);
        if events.recent.is_empty() {
            events.notes.clear();
        }
        if tally.items.is_empty() {
            events.recent.push_back((now, None));
        }
        for item in &tally.items {
            // The same once more: as of now.
            events.recent.retain(|(_, known)| known.as_ref() != Some(item));
            events.recent.push_back((now, Some(item.clone())));
        }
        while events.recent.len() > MAX_EVENTS.max(tally.needed) {
            events.recent.pop_front();
        }
        for (name, value) in &tally.notes {
            let values = events.notes.entry(name).or_default();
            let value: String = value.chars().take(MAX_VALUE).collect();
            if values.len() < MAX_NOTES && !values.contains(&value) {
                values.push(value);
            }
        }
        let count = events.recent.len();
        let told = (count >= tally.needed).then(|| {
            let mut told = Fields::new().with("count", count).with("window_seconds", tally.window.as_secs());
            let items: Vec<String> = events.recent.iter().filter_map(|(_, item)| item.clone()).take(MAX_NOTES).collect();
            if !items.is_empty() {
                told.set("items", items);
            }
            for (name, values) in &events.notes {
                told.set(*name, values.clone());
            }
            told
        });
        self.0.put(key, events);
        told
    }
}
