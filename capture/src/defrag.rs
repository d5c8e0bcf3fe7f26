//! IP fragments put together as a current receiver does: identical copies are harmless, overlaps that differ discard
//! the datagram (RFC 5722; Windows since Vista, Linux since 4.19), an incomplete datagram is forgotten after a while.
//!
//! Bounded: datagrams, bytes, and fragments of one datagram. The oldest datagram gives way.

use core::hash::{BuildHasher, Hasher};
use core::net::IpAddr;
use core::time::Duration;
use std::collections::VecDeque;

use backstop_types::PacketTime;
use hashbrown::HashMap;

use crate::counters::DecodeCounters;

/// The largest datagram (RFC 791: total length is 16 bits).
const MAX_DATAGRAM: usize = 65_535;

/// Limits of defragmentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefragConfig {
    /// Incomplete datagrams kept.
    pub max_datagrams: usize,
    /// Bytes of fragments kept.
    pub max_bytes: usize,
    /// Fragments of one datagram: 65,535 bytes in pieces of 8.
    pub max_fragments: usize,
    /// Packet time after which an incomplete datagram is forgotten.
    pub timeout: Duration,
}

impl Default for DefragConfig {
    fn default() -> Self {
        Self { max_datagrams: 16_384, max_bytes: 32 * 1024 * 1024, max_fragments: 8_192, timeout: Duration::from_secs(60) }
    }
}

/// What makes fragments belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragmentKey {
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    proto: u8,
}

impl FragmentKey {
    /// Addresses, identification, and (IPv4) protocol.
    #[must_use]
    pub const fn new(source: IpAddr, destination: IpAddr, id: u32, proto: u8) -> Self {
        Self { source, destination, id, proto }
    }
}

/// One fragment.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// Which datagram.
    pub key: FragmentKey,
    /// The protocol it carries, as its own header says.
    pub proto: u8,
    /// Where its bytes belong.
    pub offset: usize,
    /// More follow.
    pub more: bool,
    /// Packet time.
    pub time: PacketTime,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// An incomplete datagram. Invariant: `ranges` are disjoint, not touching, sorted, and cover exactly the bytes that are
/// known in `bytes`.
struct Datagram {
    bytes: Vec<u8>,
    ranges: Vec<(usize, usize)>,
    fragments: usize,
    /// Known from the last fragment.
    len: Option<usize>,
    /// Protocol of the first fragment.
    proto: u8,
    first: PacketTime,
    /// Overlaps differed: every further fragment of it is dropped until the time-out.
    discarded: bool,
    stamp: u64,
}

/// Keyed hashing: an attacker chooses ids and addresses.
#[derive(Clone, Copy)]
struct Keyed([u64; 2]);

struct KeyedHasher {
    state: u64,
    key: u64,
}

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { state: self.0[0], key: self.0[1] }
    }
}

impl Hasher for KeyedHasher {
    fn finish(&self) -> u64 {
        let product = u128::from(self.state ^ 0xa076_1d64_78bd_642f) * u128::from(self.key | 1);
        (product >> 64) as u64 ^ product as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            if let Some(place) = word.get_mut(..chunk.len()) {
                place.copy_from_slice(chunk);
            }
            let product = u128::from(self.state ^ u64::from_le_bytes(word)) * u128::from(self.key | 1);
            self.state = (product >> 64) as u64 ^ (product as u64).rotate_left(17);
        }
    }
}

/// Puts datagrams together. One a decoder.
pub struct Defragmenter {
    config: DefragConfig,
    table: HashMap<FragmentKey, Datagram, Keyed>,
    /// Keys in order of their first fragment; entries whose stamp is not the datagram's are stale.
    order: VecDeque<(u64, FragmentKey)>,
    bytes: usize,
    stamp: u64,
    last_protocol: u8,
}

impl Defragmenter {
    /// An empty one.
    #[must_use]
    pub fn new(config: DefragConfig, seeds: [u64; 2]) -> Self {
        Self {
            config,
            table: HashMap::with_hasher(Keyed([seeds[0] ^ 0x5bd1_e995, seeds[1]])),
            order: VecDeque::new(),
            bytes: 0,
            stamp: 0,
            last_protocol: 0,
        }
    }

    /// The protocol that the first fragment of the last whole datagram named.
    #[must_use]
    pub const fn last_protocol(&self) -> u8 {
        self.last_protocol
    }

    /// Adds a fragment; gives the datagram's payload when it is whole.
    pub fn add(&mut self, fragment: &Fragment<'_>, counters: &mut DecodeCounters) -> Option<Vec<u8>> {
        self.expire(fragment.time, counters);
        let end = fragment.offset.saturating_add(fragment.bytes.len());
        // RFC 791 §3.2: all but the last carry a multiple of eight bytes. Longer than a datagram can be: ping of death.
        if fragment.bytes.is_empty() || end > MAX_DATAGRAM || (fragment.more && !fragment.bytes.len().is_multiple_of(8)) {
            counters.header_malformed += 1;
            counters.invalid += 1;
            return None;
        }
        if !self.table.contains_key(&fragment.key) {
            self.make_room(fragment.bytes.len(), counters);
            self.stamp += 1;
            self.order.push_back((self.stamp, fragment.key));
            let fresh = Datagram {
                bytes: Vec::new(),
                ranges: Vec::new(),
                fragments: 0,
                len: None,
                proto: fragment.proto,
                first: fragment.time,
                discarded: false,
                stamp: self.stamp,
            };
            self.table.insert(fragment.key, fresh);
        }
        let max_fragments = self.config.max_fragments;
        let datagram = self.table.get_mut(&fragment.key)?;
        if datagram.discarded {
            return None;
        }
        let before = datagram.bytes.len();
        let outcome = datagram.add(fragment, end, max_fragments);
        self.bytes += datagram.bytes.len().saturating_sub(before);
        match outcome {
            Outcome::Kept => None,
            Outcome::Duplicate => {
                counters.ip_fragment_duplicate += 1;
                None
            }
            Outcome::Full => {
                counters.ip_fragment_memcap += 1;
                None
            }
            Outcome::Conflict => {
                counters.ip_fragment_overlap += 1;
                self.bytes -= datagram.bytes.len();
                datagram.bytes = Vec::new();
                datagram.ranges = Vec::new();
                datagram.discarded = true;
                None
            }
            Outcome::Whole => {
                let datagram = self.table.remove(&fragment.key)?;
                self.bytes -= datagram.bytes.len();
                self.last_protocol = datagram.proto;
                Some(datagram.bytes)
            }
        }
    }

    /// Forgets what is too old. The queue is in order of first fragments, which is nearly that of time.
    fn expire(&mut self, now: PacketTime, counters: &mut DecodeCounters) {
        while let Some((stamp, key)) = self.order.front() {
            match self.table.get(key).filter(|datagram| datagram.stamp == *stamp) {
                Some(datagram) if now.since(datagram.first) <= self.config.timeout => return,
                Some(datagram) => {
                    if !datagram.discarded {
                        counters.ip_fragment_timeout += 1;
                    }
                    self.bytes -= datagram.bytes.len();
                    self.table.remove(key);
                }
                None => {}
            }
            self.order.pop_front();
        }
    }

    fn make_room(&mut self, len: usize, counters: &mut DecodeCounters) {
        while self.table.len() >= self.config.max_datagrams || self.bytes + len > self.config.max_bytes {
            let Some((stamp, key)) = self.order.pop_front() else { return };
            if let Some(datagram) = self.table.get(&key).filter(|datagram| datagram.stamp == stamp) {
                counters.ip_fragment_memcap += 1;
                self.bytes -= datagram.bytes.len();
                self.table.remove(&key);
            }
        }
    }
}

enum Outcome {
    Kept,
    Duplicate,
    Conflict,
    Full,
    Whole,
}

impl Datagram {
    fn add(&mut self, fragment: &Fragment<'_>, end: usize, max_fragments: usize) -> Outcome {
        // The end of the datagram is said once; another end, or bytes behind it, contradict it.
        if !fragment.more && self.len.is_some_and(|len| len != end) || self.len.is_some_and(|len| end > len) {
            return Outcome::Conflict;
        }
        if !fragment.more {
            if self.bytes.len() > end {
                return Outcome::Conflict;
            }
            self.len = Some(end);
        }
        if fragment.offset == 0 {
            self.proto = fragment.proto;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        // Every range that overlaps must hold the same bytes.
        let start = fragment.offset;
        let from = self.ranges.partition_point(|&(_, known_end)| known_end <= start);
        let mut covered = 0;
        for &(known_start, known_end) in self.ranges.get(from..).unwrap_or_default() {
            if known_start >= end {
                break;
            }
            let (low, high) = (known_start.max(start), known_end.min(end));
            if self.bytes.get(low..high) != fragment.bytes.get(low - start..high - start) {
                return Outcome::Conflict;
            }
            covered += high - low;
        }
        if covered == end - start {
            return Outcome::Duplicate;
        }
        self.fragments += 1;
        if self.fragments > max_fragments {
            return Outcome::Full;
        }
        if let Some(place) = self.bytes.get_mut(start..end) {
            place.copy_from_slice(fragment.bytes);
        }
        self.insert(start, end);
        match (self.len, self.ranges.as_slice()) {
            (Some(len), &[(0, known_end)]) if known_end == len => Outcome::Whole,
            _ => Outcome::Kept,
        }
    }

    /// Joins a range with those it overlaps or touches.
    fn insert(&mut self, start: usize, end: usize) {
        let from = self.ranges.partition_point(|&(_, known_end)| known_end < start);
        let to = self.ranges.partition_point(|&(known_start, _)| known_start <= end);
        let joined = self.ranges.get(from..to).unwrap_or_default();
        let low = joined.first().map_or(start, |&(known_start, _)| known_start.min(start));
        let high = joined.last().map_or(end, |&(_, known_end)| known_end.max(end));
        self.ranges.splice(from..to, [(low, high)]);
    }
}
