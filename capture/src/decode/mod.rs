//! Frames to packets: link layers, tunnels, IP, fragments, transport headers.
//!
//! ```text
//! link ─► ethertype ─► IP ─► (fragment ─► datagram) ─► tunnel ─► … ─► TCP, UDP, ICMP, other
//! ```
//! Lax: what a cut frame still holds is used, what contradicts itself is counted and dropped. Offsets, never copies,
//! except for datagrams put together from fragments, which are appended to the batch.

pub mod checksum;
mod hash;
mod ip;
mod link;
mod transport;
mod tunnel;

use core::net::IpAddr;

use backstop_types::{Endpoint, FlowKey, IpProto};
pub use hash::FlowHasher;
pub use link::is_known_link;

use crate::batch::{Batch, Frame};
use crate::counters::DecodeCounters;
use crate::defrag::{DefragConfig, Defragmenter};
use crate::packet::{Packet, Transport, VlanTags};

/// Limits of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeConfig {
    /// Tags, labels and tunnels removed from one frame at most.
    pub max_layers: u32,
    /// Fragments.
    pub defrag: DefragConfig,
}

impl Default for DecodeConfig {
    fn default() -> Self {
        Self { max_layers: 16, defrag: DefragConfig::default() }
    }
}

/// Why a frame gives no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// A header is cut short.
    Truncated,
    /// A header contradicts itself.
    Malformed,
    /// Link type not known.
    UnknownLink,
    /// Not IP: nothing wrong, nothing to do.
    NotIp,
    /// Too many layers.
    TooDeep,
    /// The IPv4 header checksum is wrong.
    BadChecksum,
    /// A fragment was kept, or dropped and counted there.
    Fragment,
}

/// A range of the slab that is being decoded. `wire_end` says how far the layer reached on the wire.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    /// End of the captured bytes.
    end: usize,
    /// Bytes of the layer that the snap length cut off.
    cut: usize,
}

impl Span {
    fn bytes<'a>(&self, slab: &'a [u8]) -> &'a [u8] {
        slab.get(self.start..self.end).unwrap_or_default()
    }

    const fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// The span behind a header.
    fn skip(self, header: usize) -> Result<Self, Stop> {
        if header > self.len() {
            return Err(Stop::Truncated);
        }
        Ok(Self { start: self.start + header, ..self })
    }

    /// The span cut to what a length field says of it. False when the field says more than the wire carried.
    fn limit(&mut self, len: usize) -> bool {
        let on_wire = self.len() + self.cut;
        if len > on_wire {
            return false;
        }
        if len <= self.len() {
            self.end = self.start + len;
            self.cut = 0;
        } else {
            self.cut = len - self.len();
        }
        true
    }
}

/// The innermost IP header seen so far.
#[derive(Clone, Copy, Debug)]
struct Network {
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    /// See [`Packet::ip_unsummed`].
    unsummed: bool,
    id: u16,
}

/// What one frame has gone through.
struct Walk {
    layers: u32,
    decapsulated: u64,
    vlan: VlanTags,
    tags: u32,
    /// Tags of an inner Ethernet do not name the SPAN's VLAN.
    outermost: bool,
}

/// Decodes frames. One a capture thread.
pub struct Decoder {
    config: DecodeConfig,
    hasher: FlowHasher,
    counters: DecodeCounters,
    defrag: Defragmenter,
}

impl Decoder {
    /// A decoder whose flow hash is keyed with `seeds`.
    #[must_use]
    pub fn new(config: DecodeConfig, seeds: [u64; 2]) -> Self {
        Self {
            config,
            hasher: FlowHasher::new(seeds),
            counters: DecodeCounters::default(),
            defrag: Defragmenter::new(config.defrag, seeds),
        }
    }

    /// Counters so far.
    #[must_use]
    pub const fn counters(&self) -> &DecodeCounters {
        &self.counters
    }

    /// Decodes all frames of a batch into its packets.
    pub fn decode(&mut self, batch: &mut Batch) {
        let Batch { slab, frames, packets } = batch;
        for frame in frames.iter() {
            self.counters.packets += 1;
            self.counters.bytes += u64::from(frame.wire_len);
            if frame.captured_len < frame.wire_len {
                self.counters.truncated_packet += 1;
            }
            let mut walk = Walk {
                layers: 0,
                decapsulated: u64::from(frame.from_block),
                vlan: VlanTags::default(),
                tags: 0,
                outermost: true,
            };
            let result = self.frame(frame, slab, &mut walk);
            self.counters.decap += walk.decapsulated;
            self.counters.vlan += u64::from(walk.tags > 0);
            self.counters.vlan_qinq += u64::from(walk.tags > 1);
            match result {
                Ok(packet) => packets.push(packet),
                Err(stop) => self.count(stop),
            }
        }
    }

    fn count(&mut self, stop: Stop) {
        let counters = &mut self.counters;
        match stop {
            Stop::NotIp => counters.not_ip += 1,
            Stop::Fragment => {}
            Stop::BadChecksum => counters.bad_ip_checksum += 1,
            Stop::Truncated => {
                counters.invalid += 1;
                counters.header_truncated += 1;
            }
            Stop::Malformed => {
                counters.invalid += 1;
                counters.header_malformed += 1;
            }
            Stop::UnknownLink => {
                counters.invalid += 1;
                counters.unknown_link += 1;
            }
            Stop::TooDeep => {
                counters.invalid += 1;
                counters.too_many_layers += 1;
            }
        }
    }

    fn frame(&mut self, frame: &Frame, slab: &mut Vec<u8>, walk: &mut Walk) -> Result<Packet, Stop> {
        let start = frame.offset as usize;
        let end = start + frame.captured_len as usize;
        let cut = frame.wire_len.saturating_sub(frame.captured_len) as usize;
        let span = Span { start, end, cut };
        self.link(frame.link_type, span, frame, slab, walk)
    }

    /// One more layer removed.
    fn descend(&self, walk: &mut Walk) -> Result<(), Stop> {
        walk.layers += 1;
        walk.decapsulated += 1;
        if walk.layers > self.config.max_layers { Err(Stop::TooDeep) } else { Ok(()) }
    }

    /// A packet from its innermost network layer.
    fn packet(
        &mut self,
        frame: &Frame,
        walk: &Walk,
        network: &Network,
        proto: IpProto,
        ports: (u16, u16),
        spans: (Span, Span),
        transport: Transport,
    ) -> Packet {
        match network.source {
            IpAddr::V4(_) => self.counters.ipv4 += 1,
            IpAddr::V6(_) => self.counters.ipv6 += 1,
        }
        let source = Endpoint::new(network.source, ports.0);
        let destination = Endpoint::new(network.destination, ports.1);
        let (key, side) = FlowKey::new(proto, source, destination);
        let (segment, payload) = spans;
        Packet {
            time: frame.time,
            number: frame.number,
            file: frame.file,
            file_number: frame.file_number,
            hash: self.hasher.hash(&key),
            key,
            side,
            vlan: walk.vlan,
            ttl: network.ttl,
            ip_unsummed: network.unsummed,
            ip_id: network.id,
            wire_len: frame.wire_len,
            transport_offset: short(segment.start),
            transport_len: short(segment.len()),
            payload_offset: short(payload.start),
            payload_len: short(payload.len()),
            payload_wire_len: short(payload.len() + payload.cut),
            transport,
        }
    }
}

fn short(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn be16(bytes: &[u8], at: usize) -> Result<u16, Stop> {
    let pair = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>).ok_or(Stop::Truncated)?;
    Ok(u16::from_be_bytes(*pair))
}

fn be32(bytes: &[u8], at: usize) -> Result<u32, Stop> {
    let quad = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(Stop::Truncated)?;
    Ok(u32::from_be_bytes(*quad))
}

fn byte(bytes: &[u8], at: usize) -> Result<u8, Stop> {
    bytes.get(at).copied().ok_or(Stop::Truncated)
}
