//! Copies of a packet that a SPAN port makes: the same packet, to the last header field, seen again soon.

use backstop_types::PacketTime;

use crate::packet::{Packet, TcpFacts};

/// Packets of one direction that are remembered.
const REMEMBERED: usize = 3;
/// How long after the original a copy may come, in units of 10 µs, where the IP identification tells packets apart.
const WITH_ID: u32 = 50_000;
/// The same where it does not (IPv6, or 0 as Linux writes it): a real retransmission takes longer than 1 ms.
const WITHOUT_ID: u32 = 100;

/// The last packets of one direction: digests, and times in units of 10 µs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    digests: [u64; REMEMBERED],
    times: [u32; REMEMBERED],
    next: u8,
}

impl Recent {
    /// Remembers a packet.
    pub fn remember(&mut self, digest: u64, time: PacketTime) {
        let at = usize::from(self.next) % REMEMBERED;
        if let (Some(known), Some(when)) = (self.digests.get_mut(at), self.times.get_mut(at)) {
            *known = digest;
            *when = ticks(time);
        }
        self.next = self.next.wrapping_add(1);
    }

    /// Whether this is a copy of a remembered packet.
    pub fn knows(&self, digest: u64, packet: &Packet) -> bool {
        let within = if packet.ip_id == 0 { WITHOUT_ID } else { WITH_ID };
        let now = ticks(packet.time);
        self.digests.iter().zip(self.times).any(|(&known, time)| known == digest && now.wrapping_sub(time) <= within)
    }
}

/// Units of 10 µs, wrapping after half a day: only nearness counts.
fn ticks(time: PacketTime) -> u32 {
    (time.as_nanos() / 10_000) as u32
}

/// A digest of what a SPAN copy shares with its original: not the tags, not the time to live. The checksum field
/// stands for the payload; who makes two payloads with one checksum is met again where delivered bytes are compared.
pub fn digest(packet: &Packet, facts: &TcpFacts, transport: &[u8]) -> u64 {
    let checksum = transport.get(16..18).and_then(<[u8]>::first_chunk::<2>).map_or(0, |field| u16::from_be_bytes(*field));
    let (value, echo) = facts.timestamps.unwrap_or((0, 0));
    let words = [
        u64::from(facts.seq) << 32 | u64::from(facts.ack),
        u64::from(packet.ip_id) << 48 | u64::from(checksum) << 32 | u64::from(facts.window) << 16 | u64::from(facts.urgent),
        u64::from(value) << 32 | u64::from(echo),
        u64::from(facts.flags) << 32 | u64::from(packet.payload_wire_len),
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(packet.side == backstop_types::Side::High);
    for word in words {
        let product = u128::from(state ^ word) * u128::from(0xd6e8_feb8_6659_fd93_u64);
        state = (product >> 64) as u64 ^ product as u64;
    }
    state.max(1)
}
