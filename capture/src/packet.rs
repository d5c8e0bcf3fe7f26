//! One decoded packet: what the flow table needs to know, without the bytes.

use backstop_types::{FlowKey, PacketTime, Side};

/// TCP flags as on the wire (RFC 9293 §3.1), low byte.
pub mod flags {
    #![allow(missing_docs, reason = "the names are those of RFC 9293")]
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
    pub const URG: u8 = 0x20;
}

/// The TCP header and the options that reassembly uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFacts {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; meaningful with the ACK flag only.
    pub ack: u32,
    /// Flags, see [`flags`].
    pub flags: u8,
    /// Receive window as sent, before scaling.
    pub window: u16,
    /// Urgent pointer; meaningful with the URG flag only.
    pub urgent: u16,
    /// RFC 7323 time stamp option: value and echo.
    pub timestamps: Option<(u32, u32)>,
    /// RFC 7323 window scale (SYN only).
    pub window_scale: Option<u8>,
    /// RFC 7413 fast open option present.
    pub fast_open: bool,
    /// RFC 2385 MD5 or RFC 5925 authentication option present.
    pub signed: bool,
}

/// What is inside the IP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A TCP segment.
    Tcp(TcpFacts),
    /// A UDP datagram.
    Udp,
    /// ICMP or ICMPv6: type and code.
    Icmp(u8, u8),
    /// Anything else: no ports, one flow an address pair and protocol.
    Other,
}

/// What verifying a transport checksum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Right.
    Valid,
    /// Wrong: a receiver drops the segment.
    Invalid,
    /// Left to the sender's hardware: the field holds the pseudo-header sum exactly.
    Offload,
    /// Not to be told: not all bytes were captured.
    Unknown,
}

/// VLAN ids, outermost first. Ids past the fourth are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VlanTags {
    ids: [u16; 4],
    count: u8,
}

impl VlanTags {
    /// Adds an inner tag's 12-bit id.
    pub fn push(&mut self, id: u16) {
        if let Some(slot) = self.ids.get_mut(usize::from(self.count)) {
            *slot = id & 0x0fff;
            self.count += 1;
        }
    }

    /// The ids, outermost first.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        self.ids.get(..usize::from(self.count)).unwrap_or_default()
    }
}

/// A decoded packet. Offsets are into the slab of the [`Batch`](crate::batch::Batch) that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Time of the frame (of the last fragment, for a reassembled datagram).
    pub time: PacketTime,
    /// Frame number over the whole run, from 1. The order of everything.
    pub number: u64,
    /// Which capture file, by its place in the run; 0 when live.
    pub file: u32,
    /// Frame number within that file, from 1 (EVE `pcap_cnt`).
    pub file_number: u64,
    /// Innermost addresses, ports, protocol.
    pub key: FlowKey,
    /// Which side of the key sent it.
    pub side: Side,
    /// Keyed hash of `key`, the same for both directions.
    pub hash: u64,
    /// Tags of the outermost link layer.
    pub vlan: VlanTags,
    /// Innermost time to live or hop limit.
    pub ttl: u8,
    /// The field of the innermost IPv4 header checksum is zero and should not be: left to the sender's hardware, or wrong.
    pub ip_unsummed: bool,
    /// Innermost IPv4 identification, 0 for IPv6.
    pub ip_id: u16,
    /// Length of the frame on the wire, bytes.
    pub wire_len: u32,
    /// Where the transport header begins in the slab.
    pub transport_offset: u32,
    /// Transport header and payload as captured, bytes.
    pub transport_len: u32,
    /// Where the payload begins in the slab.
    pub payload_offset: u32,
    /// Payload as captured, bytes.
    pub payload_len: u32,
    /// Payload as the IP header states it, bytes; more than `payload_len` when the snap length cut the frame.
    pub payload_wire_len: u32,
    /// Transport facts.
    pub transport: Transport,
}
