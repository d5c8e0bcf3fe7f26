//! Files of which ranges come over several connections (RFC 9110 §14.4), put together within a cap.
//!
//! Only one place sees all connections in the order of their packets: the output stage. A file that does not become whole is
//! dropped when others need the room, the one that was touched least recently first; its ranges were scanned one by one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::FileCounters;
use super::assembly::Assembly;
use super::hashes::Wanted;

/// Files at a time.
const MAX_FILES: usize = 256;
/// Signatures that are remembered of the ranges of one file.
const MAX_TOLD: usize = 32;
/// What a file costs besides its bytes.
const FILE: usize = 512;

/// Which file a range is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RangeKey {
    /// Who fetches it.
    pub client: IpAddr,
    /// From whom.
    pub server: IpAddr,
    /// Host, target, entity tag.
    pub of: String,
    /// The size of the whole.
    pub size: u64,
}

struct File {
    assembly: Assembly,
    told: Vec<u64>,
    touched: u64,
}

impl File {
    fn held(&self) -> usize {
        self.assembly.held() + FILE
    }
}

/// A file that is whole.
#[derive(Debug)]
pub struct Joined {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Signatures that its ranges raised before the last one.
    pub told: Vec<u64>,
}

/// Files that are not whole.
#[derive(Default)]
pub struct Ranges {
    files: BTreeMap<RangeKey, File>,
    held: usize,
    clock: u64,
}

impl Ranges {
    /// Bytes held.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// A file became whole within one connection.
    pub fn forget(&mut self, key: &RangeKey) {
        if let Some(file) = self.files.remove(key) {
            self.held -= file.held();
        }
    }

    /// Adds a range; the file, where it is whole now. `told`: signatures that the range raised. `max`: bytes held.
    pub fn add(
        &mut self,
        key: &RangeKey,
        (start, bytes): (u64, &[u8]),
        told: &[u64],
        max: usize,
        counters: &mut FileCounters,
    ) -> Option<Joined> {
        let size = usize::try_from(key.size).ok().filter(|size| *size <= max)?;
        start.checked_add(bytes.len() as u64).filter(|end| *end <= key.size)?;
        self.clock += 1;
        let mut file = match self.files.remove(key) {
            Some(file) => {
                self.held -= file.held();
                file
            }
            None => File { assembly: Assembly::new(Wanted::NONE, size), told: Vec::new(), touched: 0 },
        };
        file.touched = self.clock;
        // Growing by copying holds the bytes twice for a moment, and a little more than they are afterwards.
        let needed = file.held() + bytes.len().saturating_mul(2);
        while (self.held + needed > max || self.files.len() >= MAX_FILES) && self.give_up_oldest(counters) {}
        if !file.assembly.add(start, bytes, max.saturating_sub(self.held + file.held())) {
            counters.ranges_given_up += 1;
            return None;
        }
        if file.assembly.contiguous() >= key.size {
            counters.ranges_joined += 1;
            return Some(Joined { bytes: file.assembly.finish(None).bytes, told: file.told });
        }
        let room = MAX_TOLD.saturating_sub(file.told.len());
        file.told.extend(told.iter().take(room));
        self.held += file.held();
        self.files.insert(key.clone(), file);
        None
    }

    fn give_up_oldest(&mut self, counters: &mut FileCounters) -> bool {
        let oldest = self.files.iter().min_by_key(|(_, file)| file.touched).map(|(key, _)| key.clone());
        let Some(oldest) = oldest else { return false };
        self.forget(&oldest);
        counters.ranges_given_up += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: u8, size: u64) -> RangeKey {
        RangeKey { client: [10, 0, 0, client].into(), server: [192, 0, 2, 1].into(), of: "h\n/a\n\"1\"".to_owned(), size }
    }

    #[test]
    fn ranges_in_any_order_become_the_file_and_clients_are_not_mixed() {
        let (mut ranges, mut counters) = (Ranges::default(), FileCounters::default());
        let mut add =
            |key: &RangeKey, start, bytes: &[u8], told: &[u64]| ranges.add(key, (start, bytes), told, 1 << 16, &mut counters);
        assert!(add(&key(1, 9), 6, b"ghi", &[7]).is_none());
        assert!(add(&key(1, 9), 0, b"abc", &[]).is_none());
        assert!(add(&key(2, 9), 3, b"xyz", &[]).is_none());
        assert!(add(&key(1, 10), 3, b"def", &[]).is_none(), "another size is another file");
        let file = add(&key(1, 9), 2, b"cdef", &[8]).unwrap();
        assert_eq!((file.bytes.as_slice(), file.told.as_slice()), (b"abcdefghi".as_slice(), [7].as_slice()));
        assert!(add(&key(1, 9), 3, b"def", &[]).is_none(), "it was forgotten with that");
        assert_eq!((counters.ranges_joined, counters.ranges_given_up), (1, 0));
    }

    #[test]
    fn what_is_held_is_bounded_and_the_oldest_gives_way() {
        let (mut ranges, mut counters) = (Ranges::default(), FileCounters::default());
        let max = 64 << 10;
        for client in 0..200 {
            assert!(ranges.add(&key(client, 20_000), (0, &[1; 10_000]), &[], max, &mut counters).is_none());
            assert!(ranges.held() <= max, "{}", ranges.held());
        }
        assert!(counters.ranges_given_up > 190);
        assert!(ranges.add(&key(199, 20_000), (10_000, &[1; 10_000]), &[], max, &mut counters).is_some(), "the newest is there");
        assert!(ranges.add(&key(1, 1 << 40), (0, b"x"), &[], max, &mut counters).is_none());
        assert!(ranges.add(&key(2, 3), (0, b"abcd"), &[], max, &mut counters).is_none(), "longer than the file");
        ranges.add(&key(7, 20_000), (0, b"abc"), &[], max, &mut counters);
        ranges.forget(&key(7, 20_000));
        while ranges.give_up_oldest(&mut counters) {}
        assert_eq!(ranges.held(), 0);
    }
}
