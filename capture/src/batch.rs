//! Packets travel in batches: one slab of bytes with a table of frames and of what was decoded from them, recycled.

use backstop_types::PacketTime;

use crate::packet::Packet;

/// A batch is handed on when its slab holds this many bytes …
pub const BATCH_BYTES: usize = 256 * 1024;
/// … or when it holds this many frames.
pub const BATCH_FRAMES: usize = 1024;

/// A captured frame: where its bytes lie in the slab and what the capture says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins in the slab.
    pub offset: u32,
    /// Bytes captured.
    pub captured_len: u32,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// Time stamp.
    pub time: PacketTime,
    /// Link type (a `LINKTYPE_` or `DLT_` number).
    pub link_type: i32,
    /// Which capture file, by its place in the run.
    pub file: u32,
    /// Number within the file, from 1.
    pub file_number: u64,
    /// Number within the run, from 1.
    pub number: u64,
    /// It came out of a pcapng block.
    pub from_block: bool,
}

/// A slab of captured bytes, the frames in it, and the packets decoded from them.
#[derive(Debug, Default)]
pub struct Batch {
    /// Captured bytes; frame and packet offsets point here. Reassembled datagrams are appended.
    pub slab: Vec<u8>,
    /// Frames in capture order.
    pub frames: Vec<Frame>,
    /// Decoded packets in capture order.
    pub packets: Vec<Packet>,
}

impl Batch {
    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.slab.clear();
        self.frames.clear();
        self.packets.clear();
    }

    /// No more frames should be added.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.slab.len() >= BATCH_BYTES || self.frames.len() >= BATCH_FRAMES
    }

    /// Adds a frame: its bytes are copied, its offset and captured length are set.
    pub fn push_frame(&mut self, frame: Frame, bytes: &[u8]) {
        let offset = u32::try_from(self.slab.len()).unwrap_or(u32::MAX);
        let captured_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.slab.extend_from_slice(bytes);
        self.frames.push(Frame { offset, captured_len, ..frame });
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
