//! What is remembered by name: prepared statements and portals, bounded, the oldest forgotten first.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::frontend::Parameter;
use crate::contract::Limits;

/// Longer names are not remembered; the server itself cuts identifiers at 63 bytes.
const MAX_NAME: usize = 256;
/// What an entry costs beside its bytes.
const OVERHEAD: usize = 64;

/// A statement's text.
#[derive(Clone, Debug)]
pub struct Statement {
    pub text: Arc<str>,
    /// A cap or a gap took its end.
    pub cut: bool,
}

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub struct Portal {
    /// `None`: the statement was not seen.
    pub statement: Option<Statement>,
    pub parameters: Arc<[Parameter]>,
}

struct Entry<T> {
    value: T,
    bytes: usize,
    age: u64,
}

/// Values by name.
pub struct Store<T> {
    entries: BTreeMap<Box<[u8]>, Entry<T>>,
    /// Names by age.
    ages: BTreeMap<u64, Box<[u8]>>,
    next: u64,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
}

impl<T> Store<T> {
    pub const fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self { entries: BTreeMap::new(), ages: BTreeMap::new(), next: 0, bytes: 0, max_entries, max_bytes }
    }

    pub fn get(&self, name: &[u8]) -> Option<&T> {
        self.entries.get(name).map(|entry| &entry.value)
    }

    /// Remembers a value of so many bytes; whether all that was known is known still.
    pub fn insert(&mut self, name: &[u8], value: T, bytes: usize) -> bool {
        self.remove(name);
        let bytes = bytes.saturating_add(name.len()).saturating_add(OVERHEAD);
        if name.len() > MAX_NAME || bytes > self.max_bytes || self.max_entries == 0 {
            return false;
        }
        let mut whole = true;
        while self.entries.len() >= self.max_entries || self.bytes + bytes > self.max_bytes {
            let Some(oldest) = self.ages.first_key_value().map(|(_, name)| name.clone()) else { break };
            self.remove(&oldest);
            whole = false;
        }
        let age = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.ages.insert(age, name.into());
        self.entries.insert(name.into(), Entry { value, bytes, age });
        whole
    }

    pub fn remove(&mut self, name: &[u8]) {
        if let Some(entry) = self.entries.remove(name) {
            self.bytes -= entry.bytes;
            self.ages.remove(&entry.age);
        }
    }

    pub fn clear(&mut self) {
        self.entries.clear();
        self.ages.clear();
        self.bytes = 0;
    }
}

/// Statements and portals of a session.
pub struct Prepared {
    pub statements: Store<Statement>,
    pub portals: Store<Portal>,
}

impl Prepared {
    pub const fn new(limits: &Limits) -> Self {
        let (entries, bytes) = (limits.max_dictionary_strings, limits.max_dictionary_bytes);
        Self { statements: Store::new(entries, bytes / 2), portals: Store::new(entries, bytes / 4) }
    }

    /// A direction lost bytes: names may mean something else by now. Clients as good as never give a name twice, but for the
    /// unnamed one; portals end with their transaction anyway.
    pub fn lose(&mut self) {
        self.statements.remove(b"");
        self.portals.clear();
    }

    /// Bytes that are kept.
    pub const fn held(&self) -> usize {
        self.statements.bytes + self.portals.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Store;

    #[test]
    fn the_oldest_is_forgotten_first_by_number_and_by_bytes() {
        let mut store = Store::new(2, 1_000);
        assert!(store.insert(b"a", 1, 10));
        assert!(store.insert(b"b", 2, 10));
        assert!(store.insert(b"b", 3, 10));
        assert!(!store.insert(b"c", 4, 10));
        assert_eq!((store.get(b"a"), store.get(b"b"), store.get(b"c")), (None, Some(&3), Some(&4)));
        assert!(!store.insert(b"d", 5, 900));
        assert_eq!((store.get(b"b"), store.get(b"c"), store.get(b"d")), (None, None, Some(&5)));
        assert!(!store.insert(b"e", 6, 1_000), "never fits");
        store.remove(b"d");
        assert_eq!((store.bytes, store.ages.len()), (0, 0));
    }
}
