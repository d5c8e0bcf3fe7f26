//! The Internet checksum (RFC 1071), computed for segments that would change a stream.

use crate::packet::{Checksum, Packet, Transport};

/// TCP payload of an Ethernet frame.
const MAX_WIRE_PAYLOAD: u32 = 1_460;

/// The folded one's complement sum; 0xffff over data that includes a right checksum.
#[must_use]
pub fn sum(bytes: &[u8]) -> u16 {
    fold(add(0, bytes))
}

/// Adds bytes as big-endian 16-bit words. Eight bytes at a time: one's complement addition does not care about word
/// size, and byte order is set right at the end.
fn add(start: u64, bytes: &[u8]) -> u64 {
    let mut total = u128::from(start);
    let mut words = bytes.chunks_exact(8);
    let mut lanes = [0_u64; 2];
    for word in &mut words {
        let value = word.first_chunk::<8>().map_or(0, |word| u64::from_be_bytes(*word));
        lanes[0] += value >> 32;
        lanes[1] += value & 0xffff_ffff;
    }
    total += u128::from(lanes[0]) + u128::from(lanes[1]);
    let mut tail = [0_u8; 8];
    let rest = words.remainder();
    if let Some(place) = tail.get_mut(..rest.len()) {
        place.copy_from_slice(rest);
    }
    let tail = u64::from_be_bytes(tail);
    total += u128::from(tail >> 32) + u128::from(tail & 0xffff_ffff);
    let low = (total & u128::from(u64::MAX)) as u64;
    let high = (total >> 64) as u64;
    let (folded, carry) = low.overflowing_add(high);
    folded.wrapping_add(u64::from(carry))
}

fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// Verifies the TCP or UDP checksum of a packet. `transport` is header and payload as captured.
///
/// The exact pseudo-header sum in the field is what a host that leaves the rest to its hardware captures of itself.
#[must_use]
pub fn verify(packet: &Packet, transport: &[u8]) -> Checksum {
    let field_at = match packet.transport {
        Transport::Tcp(_) => 16,
        Transport::Udp => 6,
        Transport::Icmp(..) | Transport::Other => return Checksum::Unknown,
    };
    if packet.payload_len < packet.payload_wire_len {
        return Checksum::Unknown;
    }
    let Some(field) = transport.get(field_at..).and_then(<[u8]>::first_chunk::<2>) else { return Checksum::Unknown };
    let field = u16::from_be_bytes(*field);
    if field == 0 && packet.transport == Transport::Udp && packet.key.is_ipv4() {
        return Checksum::Valid;
    }
    let pseudo = pseudo_header(packet, transport.len());
    if fold(add(u64::from(pseudo), transport)) == 0xffff {
        return Checksum::Valid;
    }
    if field == pseudo || field == !pseudo {
        return Checksum::Offload;
    }
    // Segmentation left to hardware: the sum leaves out the length, which each segment will have of its own. Only a segment
    // larger than any wire carries is such a one.
    let large = packet.payload_len > MAX_WIRE_PAYLOAD;
    if large && field == pseudo_header(packet, 0) { Checksum::Offload } else { Checksum::Invalid }
}

/// The folded sum of the pseudo header (RFC 9293 §3.1, RFC 8200 §8.1). Zero bytes before an IPv4 address add nothing.
fn pseudo_header(packet: &Packet, len: usize) -> u16 {
    let [low, high] = packet.key.raw_addresses();
    let mut total = add(add(0, low), high);
    total += u64::from(packet.key.proto().0);
    total += len as u64;
    fold(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 §3: the example sums to ddf2 before complement.
    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn any_length_equals_the_plain_definition() {
        let plain = |bytes: &[u8]| {
            let mut total = 0_u32;
            for pair in bytes.chunks(2) {
                total += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            }
            while total > 0xffff {
                total = (total & 0xffff) + (total >> 16);
            }
            total as u16
        };
        let bytes: Vec<u8> = (0..1500_u32).map(|number| (number * 251 % 256) as u8 | 0x80).collect();
        for len in 0..bytes.len() {
            assert_eq!(sum(&bytes[..len]), plain(&bytes[..len]), "{len} bytes");
        }
    }
}
