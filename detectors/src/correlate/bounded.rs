//! A map of bounded size that forgets what was not used for longest.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// At most `cap` entries. The order of use is a running number, not time: the same events give the same evictions.
#[derive(Debug)]
pub struct Bounded<K, V> {
    entries: HashMap<K, (u64, V)>,
    /// Running number of the last use → key. As large as `entries`.
    order: BTreeMap<u64, K>,
    next: u64,
    cap: usize,
    evicted: u64,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    /// An empty map.
    pub fn new(cap: usize) -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), next: 0, cap: cap.max(1), evicted: 0 }
    }

    /// The entry, without using it.
    pub fn peek_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// The same, to look at.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Whether there is such an entry.
    pub fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// Adds or replaces, as the entry used last; gives way to it where the map is full.
    pub fn put(&mut self, key: K, value: V) {
        let number = self.next;
        self.next += 1;
        if let Some((before, _)) = self.entries.insert(key.clone(), (number, value)) {
            self.order.remove(&before);
        } else if self.entries.len() > self.cap
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
            self.evicted += 1;
        }
        self.order.insert(number, key);
    }

    /// Entries now.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Entries that had to give way.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_not_used_for_longest_gives_way() {
        let mut map = Bounded::new(3);
        for key in 0..3 {
            map.put(key, key * 10);
        }
        map.put(0, 1);
        map.put(3, 30);
        assert!(map.contains(&0) && !map.contains(&1) && map.contains(&2) && map.contains(&3));
        assert_eq!((map.peek_mut(&0).copied(), map.len(), map.evicted()), (Some(1), 3, 1));
    }

    #[test]
    fn it_never_grows_past_its_cap() {
        let mut map = Bounded::new(100);
        for key in 0..10_000_u32 {
            map.put(key % 1_000, ());
        }
        assert_eq!((map.len(), map.order.len()), (100, 100));
        assert!(map.evicted() > 9_000);
    }
}
