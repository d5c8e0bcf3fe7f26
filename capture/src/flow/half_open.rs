//! Connection attempts that nobody has answered: a compact ring, so that a SYN flood costs little time and memory.
//!
//! All entries have the same timeout, so the ring is in order of expiry; when it is full the oldest gives way.

use backstop_types::{FlowKey, PacketTime};
use hashbrown::HashTable;

use crate::packet::{Packet, TcpFacts, VlanTags, flags};

/// A SYN.
#[derive(Clone, Copy)]
pub struct HalfOpen {
    pub key: FlowKey,
    pub hash: u64,
    pub time: PacketTime,
    pub number: u64,
    pub digest: u64,
    pub timestamp: u32,
    pub seq: u32,
    pub file: u32,
    pub wire_len: u32,
    pub vlan: VlanTags,
    pub window: u16,
    pub client: backstop_types::Side,
    pub ttl: u8,
    pub window_scale: Option<u8>,
    pub has_timestamp: bool,
    pub fast_open: bool,
    pub signed: bool,
    /// The client's checksums mean nothing in this capture, as long as nothing else shows.
    pub unsummed: bool,
    /// The server's do not: its SYN-ACK was set aside.
    pub server_unsummed: bool,
    live: bool,
}

impl HalfOpen {
    /// The header facts that reassembly needs.
    pub fn facts(&self) -> TcpFacts {
        TcpFacts {
            seq: self.seq,
            flags: flags::SYN,
            window: self.window,
            timestamps: self.has_timestamp.then_some((self.timestamp, 0)),
            window_scale: self.window_scale,
            fast_open: self.fast_open,
            signed: self.signed,
            ..TcpFacts::default()
        }
    }
}

/// What a SYN is among those known.
pub enum Known {
    /// The same packet again.
    Duplicate,
    /// The same attempt, sent again.
    Again,
    /// The same addresses and ports with another sequence number.
    Different,
    /// New.
    New,
}

/// The ring and its index.
pub struct HalfOpenTable {
    ring: Vec<HalfOpen>,
    index: HashTable<u32>,
    /// The oldest entry.
    front: usize,
    len: usize,
    max: usize,
}

impl HalfOpenTable {
    pub fn new(max: usize) -> Self {
        Self { ring: Vec::new(), index: HashTable::new(), front: 0, len: 0, max: max.max(1) }
    }

    pub fn memory(&self) -> usize {
        self.ring.capacity() * size_of::<HalfOpen>() + self.index.capacity() * 5
    }

    /// What a SYN is among those known on any VLAN.
    pub fn classify(&self, packet: &Packet, facts: &TcpFacts, digest: u64) -> Known {
        let mut different = false;
        for entry in self.of(packet) {
            if entry.client != packet.side {
                continue;
            }
            if entry.digest == digest {
                return Known::Duplicate;
            }
            if entry.vlan == packet.vlan {
                if entry.seq == facts.seq {
                    return Known::Again;
                }
                different = true;
            }
        }
        if different { Known::Different } else { Known::New }
    }

    fn of(&self, packet: &Packet) -> impl Iterator<Item = &HalfOpen> {
        self.index
            .iter_hash(packet.hash)
            .filter_map(|&slot| self.ring.get(slot as usize))
            .filter(|entry| entry.live && entry.key == packet.key)
    }

    /// Remembers a SYN; true when another was forgotten for it.
    pub fn insert(&mut self, packet: &Packet, facts: &TcpFacts, digest: u64) -> bool {
        let mut evicted = false;
        if self.len == self.max {
            evicted = self.pop();
        }
        let entry = HalfOpen {
            key: packet.key,
            hash: packet.hash,
            time: packet.time,
            number: packet.number,
            digest,
            timestamp: facts.timestamps.map_or(0, |(value, _)| value),
            seq: facts.seq,
            file: packet.file,
            wire_len: packet.wire_len,
            vlan: packet.vlan,
            window: facts.window,
            client: packet.side,
            ttl: packet.ttl,
            window_scale: facts.window_scale,
            has_timestamp: facts.timestamps.is_some(),
            fast_open: facts.fast_open,
            signed: facts.signed,
            unsummed: false,
            server_unsummed: false,
            live: true,
        };
        let slot = (self.front + self.len) % self.max;
        if slot < self.ring.len() {
            if let Some(place) = self.ring.get_mut(slot) {
                *place = entry;
            }
        } else {
            self.ring.push(entry);
        }
        self.len += 1;
        let ring = &self.ring;
        let number = u32::try_from(slot).unwrap_or(u32::MAX);
        self.index.insert_unique(packet.hash, number, |&slot| ring.get(slot as usize).map_or(0, |entry| entry.hash));
        evicted
    }

    /// Whether an attempt of the other side waits for an answer on the packet's VLAN.
    pub fn waits_for(&self, packet: &Packet) -> bool {
        self.len > 0 && self.of(packet).any(|entry| entry.client != packet.side && entry.vlan == packet.vlan)
    }

    /// Whether the sender of a packet that continues an attempt has shown that its checksums mean nothing.
    pub fn is_unsummed(&self, packet: &Packet, fits: impl Fn(&HalfOpen) -> bool) -> bool {
        self.len > 0
            && self
                .of(packet)
                .any(|entry| fits(entry) && if entry.client == packet.side { entry.unsummed } else { entry.server_unsummed })
    }

    /// Notes that the client's (or the server's) packet of an attempt came with a wrong checksum.
    pub fn mark_unsummed(&mut self, packet: &Packet, client: bool, fits: impl Fn(&HalfOpen) -> bool) {
        self.mark(packet, fits, |entry| if client { entry.unsummed = true } else { entry.server_unsummed = true });
    }

    /// Notes that the same SYN came with a right one.
    pub fn mark_summed(&mut self, packet: &Packet, fits: impl Fn(&HalfOpen) -> bool) {
        self.mark(packet, fits, |entry| entry.unsummed = false);
    }

    fn mark(&mut self, packet: &Packet, fits: impl Fn(&HalfOpen) -> bool, change: impl Fn(&mut HalfOpen)) {
        for &slot in self.index.iter_hash(packet.hash) {
            if let Some(entry) = self.ring.get_mut(slot as usize)
                && entry.live
                && entry.key == packet.key
                && fits(entry)
            {
                change(entry);
            }
        }
    }

    /// Takes the attempt that a packet of the same addresses and ports continues: the same VLAN first.
    pub fn take(&mut self, packet: &Packet, fits: impl Fn(&HalfOpen) -> bool) -> Option<HalfOpen> {
        if self.len == 0 {
            return None;
        }
        let found = self
            .index
            .iter_hash(packet.hash)
            .copied()
            .filter_map(|slot| Some((slot, self.ring.get(slot as usize)?)))
            .filter(|(_, entry)| entry.live && entry.key == packet.key && fits(entry))
            .max_by_key(|(_, entry)| (entry.vlan == packet.vlan, entry.number))
            .map(|(slot, _)| slot)?;
        self.remove(found)
    }

    fn remove(&mut self, slot: u32) -> Option<HalfOpen> {
        let entry = self.ring.get_mut(slot as usize)?;
        entry.live = false;
        let taken = *entry;
        if let Ok(occupied) = self.index.find_entry(taken.hash, |&known| known == slot) {
            occupied.remove();
        }
        // Attempts are mostly answered in their order: what is done with at the front makes room, so that the ring stays as
        // small as the number of attempts that wait.
        while self.len > 0 && self.ring.get(self.front).is_some_and(|entry| !entry.live) {
            self.front = (self.front + 1) % self.max;
            self.len -= 1;
        }
        if self.len == 0 {
            self.front = 0;
        }
        Some(taken)
    }

    /// Forgets the oldest entry; true when it was still waiting.
    fn pop(&mut self) -> bool {
        // The front is always live: `remove` passes over the rest.
        self.remove(u32::try_from(self.front).unwrap_or(u32::MAX)).is_some()
    }

    /// Forgets what came before `before`; how many were still waiting.
    pub fn expire(&mut self, before: PacketTime) -> u64 {
        let mut expired = 0;
        while self.len > 0 && self.ring.get(self.front).is_some_and(|entry| entry.time < before) {
            expired += u64::from(self.pop());
        }
        expired
    }
}
