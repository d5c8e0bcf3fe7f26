//! Packets travel in batches: one slab of bytes and a table of what is in it, recycled.

use crate::packet::Packet;

/// A slab of captured bytes and the packets decoded from it.
#[derive(Debug, Default)]
pub struct Batch {
    /// Captured bytes; [`Packet`] offsets point here.
    pub slab: Vec<u8>,
    /// Decoded packets in capture order.
    pub packets: Vec<Packet>,
}

impl Batch {
    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.slab.clear();
        self.packets.clear();
    }

    /// The payload bytes of a packet of this batch.
    #[must_use]
    pub fn payload(&self, packet: &Packet) -> &[u8] {
        slice(&self.slab, packet.payload_offset, packet.payload_len)
    }

    /// Transport header and payload of a packet of this batch (for its checksum).
    #[must_use]
    pub fn transport(&self, packet: &Packet) -> &[u8] {
        slice(&self.slab, packet.transport_offset, packet.transport_len)
    }

    /// Copies a packet and its transport bytes from another batch to this one.
    pub fn push_from(&mut self, slab: &[u8], packet: &Packet) {
        let bytes = slice(slab, packet.transport_offset, packet.transport_len);
        let offset = u32::try_from(self.slab.len()).unwrap_or(u32::MAX);
        let header = packet.payload_offset.saturating_sub(packet.transport_offset);
        self.slab.extend_from_slice(bytes);
        self.packets.push(Packet { transport_offset: offset, payload_offset: offset.saturating_add(header), ..*packet });
    }
}

fn slice(slab: &[u8], offset: u32, len: u32) -> &[u8] {
    let start = offset as usize;
    slab.get(start..start.saturating_add(len as usize)).unwrap_or_default()
}
