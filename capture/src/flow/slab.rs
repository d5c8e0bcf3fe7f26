//! Storage of flows: fixed chunks, so that growing never copies, with a list of free slots.

use super::entry::Flow;

const CHUNK: usize = 256;

/// Flows by slot number.
pub struct Slab<A> {
    chunks: Vec<Vec<Flow<A>>>,
    free: Vec<u32>,
    /// Slots given out so far.
    len: u32,
    active: usize,
}

impl<A: Default> Slab<A> {
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), len: 0, active: 0 }
    }

    pub fn get(&self, slot: u32) -> Option<&Flow<A>> {
        self.chunks.get(slot as usize / CHUNK)?.get(slot as usize % CHUNK)
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Flow<A>> {
        self.chunks.get_mut(slot as usize / CHUNK)?.get_mut(slot as usize % CHUNK)
    }

    /// Flows in use.
    pub const fn active(&self) -> usize {
        self.active
    }

    /// Slots that were ever in use: numbers below this are valid.
    pub const fn slots(&self) -> u32 {
        self.len
    }

    /// Stores a flow; its generation is one more than that of the slot's last owner.
    pub fn insert(&mut self, mut flow: Flow<A>) -> u32 {
        self.active += 1;
        flow.in_use = true;
        if let Some(slot) = self.free.pop() {
            if let Some(place) = self.get_mut(slot) {
                flow.generation = place.generation.wrapping_add(1);
                *place = flow;
            }
            return slot;
        }
        let slot = self.len;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(flow),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(flow);
                self.chunks.push(chunk);
            }
        }
        self.len += 1;
        slot
    }

    /// Gives a slot back.
    pub fn remove(&mut self, slot: u32) {
        if let Some(flow) = self.get_mut(slot).filter(|flow| flow.in_use) {
            flow.in_use = false;
            flow.generation = flow.generation.wrapping_add(1);
            flow.app = A::default();
            self.active -= 1;
            self.free.push(slot);
        }
    }

    pub fn memory(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Flow<A>>() + self.free.capacity() * 4
    }
}
