//! Frames of any link type through decode and the flow table.
//!
//! The first byte chooses the link type and whether IPv4 header checksums are put right; each part is one frame, its byte
//! says how many bytes the snap length cut off.

use backstop_capture::batch::{Batch, Frame};
use backstop_capture::decode::{DecodeConfig, Decoder};
use backstop_capture::defrag::DefragConfig;
use backstop_capture::flow::{FlowConfig, FlowTable};
use backstop_capture::handler::Cause;
use backstop_types::PacketTime;

use crate::ledger::Ledger;
use crate::split;

/// The link types that decode knows, and one it does not.
pub const LINK_TYPES: [i32; 14] = [1, 0, 12, 14, 101, 108, 113, 228, 229, 276, 9, 50, 105, 147];
/// Right checksums are hard to guess: most inputs get them.
pub const KEEP_CHECKSUMS: u8 = 0x80;
/// More than decode may add to a batch for one frame: a datagram put together.
const MAX_DATAGRAM: usize = 65_535;

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&choice, rest)) = input.split_first() else { return };
    let link_type = LINK_TYPES[usize::from(choice & 0x0f) % LINK_TYPES.len()];
    let mut decoder = Decoder::new(
        DecodeConfig { defrag: DefragConfig { max_datagrams: 8, max_bytes: 100_000, ..DefragConfig::default() }, max_layers: 16 },
        [3, 4],
    );
    let config = FlowConfig { max_flows: 16, max_half_open: 16, verify_checksums: false, ..FlowConfig::default() };
    let mut table = FlowTable::new(config, [3, 4]);
    let mut ledger = Ledger::default();
    let mut batch = Batch::default();
    let mut captured = 0;
    let mut frames = 0;
    for (number, (cut, part)) in (1..).zip(split::parts(rest)) {
        let mut bytes = part.to_vec();
        if choice & KEEP_CHECKSUMS == 0 {
            mend(&mut bytes);
        }
        captured += bytes.len();
        frames += 1;
        let wire_len = u32::try_from(bytes.len()).unwrap() + u32::from(cut);
        let frame = Frame {
            offset: 0,
            captured_len: 0,
            wire_len,
            time: PacketTime::from_micros(1_000_000 + number * 30_000_000 / 64),
            link_type,
            file: 0,
            file_number: number,
            number,
            from_block: false,
        };
        batch.push_frame(frame, &bytes);
    }
    decoder.decode(&mut batch);
    assert!(batch.packets.len() <= frames, "a frame is one packet at most");
    assert!(batch.slab.len() <= captured + frames * MAX_DATAGRAM, "datagrams are bounded");
    let mut last = Cause::default();
    for packet in &batch.packets {
        let len = batch.slab.len();
        let end = |offset: u32, len: u32| offset as usize + len as usize;
        assert!(end(packet.transport_offset, packet.transport_len) <= len, "transport inside the slab");
        assert!(end(packet.payload_offset, packet.payload_len) <= len, "payload inside the slab");
        assert!(packet.payload_offset >= packet.transport_offset, "payload behind its header");
        assert!(
            end(packet.payload_offset, packet.payload_len) <= end(packet.transport_offset, packet.transport_len),
            "payload inside its segment"
        );
        assert!(packet.payload_len <= packet.payload_wire_len, "no more captured than sent");
        assert_eq!(batch.payload(packet).len(), packet.payload_len as usize);
        last = Cause { time: packet.time, number: packet.number, file: 0, file_number: packet.file_number };
        table.packet(packet, batch.transport(packet), batch.payload(packet), &mut ledger);
        table.tick(&last, &mut ledger);
        assert!(table.active() <= 16, "flows are bounded");
    }
    table.finish(&last, &mut ledger);
    assert_eq!(table.active(), 0);
    assert_eq!(table.counters().flows, ledger.flows_ended, "every flow ends");
}

/// Puts the checksum of everything right that looks like an IPv4 header, tunnels included.
fn mend(bytes: &mut [u8]) {
    for at in 0..bytes.len().saturating_sub(19) {
        let version = bytes[at];
        let len = usize::from(version & 0x0f) * 4;
        if version >> 4 != 4 || len < 20 || at + len > bytes.len() {
            continue;
        }
        // Its own length must fit, or one byte of 0x45 in a payload would change it for nothing.
        let total = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if total < len || at + total > bytes.len() {
            continue;
        }
        bytes[at + 10..at + 12].fill(0);
        let mut sum: u32 = bytes[at..at + len].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        bytes[at + 10..at + 12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    }
}
