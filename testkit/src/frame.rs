//! Ethernet frames with right lengths and checksums.

use std::net::IpAddr;

use backstop_types::Endpoint;
use etherparse::{
    EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, SingleVlanHeader, TcpHeader,
    UdpHeader, VlanId,
};

/// TCP flags, as on the wire (RFC 9293 §3.1).
pub mod flags {
    #![allow(missing_docs, reason = "the names are those of RFC 9293")]
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
    pub const URG: u8 = 0x20;
}

/// UDP port of VXLAN (RFC 7348 §5).
const VXLAN_PORT: u16 = 4789;

/// The TCP header's own fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags, see [`flags`].
    pub flags: u8,
    /// Window as sent.
    pub window: u16,
    /// RFC 7323 time stamps: value and echo.
    pub timestamps: Option<(u32, u32)>,
    /// Urgent pointer.
    pub urgent: u16,
}

/// Everything below the transport header. Both addresses are of one family.
#[derive(Clone, Debug)]
pub struct Frame {
    /// VLAN ids, outermost first.
    pub vlan: Vec<u16>,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// IPv4 identification.
    pub ip_id: u16,
}

impl Frame {
    /// A frame without tags.
    #[must_use]
    pub const fn new(source: Endpoint, destination: Endpoint) -> Self {
        Self { vlan: Vec::new(), source, destination, ttl: 64, ip_id: 0 }
    }

    /// A TCP segment.
    #[must_use]
    pub fn tcp(&self, tcp: &Tcp, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.tcp_into(tcp, payload, &mut out);
        out
    }

    /// A TCP segment, into a buffer that is emptied first.
    pub fn tcp_into(&self, tcp: &Tcp, payload: &[u8], out: &mut Vec<u8>) {
        let mut header = TcpHeader::new(self.source.port, self.destination.port, tcp.seq, tcp.window);
        header.acknowledgment_number = tcp.ack;
        header.fin = tcp.flags & flags::FIN != 0;
        header.syn = tcp.flags & flags::SYN != 0;
        header.rst = tcp.flags & flags::RST != 0;
        header.psh = tcp.flags & flags::PSH != 0;
        header.ack = tcp.flags & flags::ACK != 0;
        header.urg = tcp.flags & flags::URG != 0;
        header.urgent_pointer = tcp.urgent;
        if let Some((value, echo)) = tcp.timestamps {
            let [value, echo] = [value.to_be_bytes(), echo.to_be_bytes()];
            header.set_options_raw(&[&[1, 1, 8, 10], value.as_slice(), &echo].concat()).expect("ten bytes fit");
        }
        header.checksum = match (self.source.addr, self.destination.addr) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                header.calc_checksum_ipv4_raw(source.octets(), destination.octets(), payload)
            }
            (source, destination) => header.calc_checksum_ipv6_raw(v6(source), v6(destination), payload),
        }
        .expect("a segment's size");
        self.network_into(IpNumber::TCP, header.header_len() + payload.len(), out);
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(payload);
    }

    /// A UDP datagram.
    #[must_use]
    pub fn udp(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.udp_into(payload, &mut out);
        out
    }

    /// A UDP datagram, into a buffer that is emptied first.
    pub fn udp_into(&self, payload: &[u8], out: &mut Vec<u8>) {
        let len = u16::try_from(UdpHeader::LEN + payload.len()).expect("a datagram's size");
        let mut header =
            UdpHeader { source_port: self.source.port, destination_port: self.destination.port, length: len, checksum: 0 };
        header.checksum = match (self.source.addr, self.destination.addr) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                header.calc_checksum_ipv4_raw(source.octets(), destination.octets(), payload)
            }
            (source, destination) => header.calc_checksum_ipv6_raw(v6(source), v6(destination), payload),
        }
        .expect("a datagram's size");
        self.network_into(IpNumber::UDP, usize::from(len), out);
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(payload);
    }

    /// Another frame inside VXLAN (RFC 7348).
    #[must_use]
    pub fn vxlan(&self, id: u32, inner: &[u8]) -> Vec<u8> {
        let mut payload = vec![0x08, 0, 0, 0];
        payload.extend_from_slice(&(id << 8).to_be_bytes());
        payload.extend_from_slice(inner);
        let to = Endpoint::new(self.destination.addr, VXLAN_PORT);
        Self { destination: to, ..self.clone() }.udp(&payload)
    }

    /// Link and network headers, then room for the caller to add `len` bytes of payload.
    fn network_into(&self, proto: IpNumber, len: usize, out: &mut Vec<u8>) {
        let v4 = self.source.addr.is_ipv4();
        out.clear();
        let inner = if v4 { EtherType::IPV4 } else { EtherType::IPV6 };
        let link = Ethernet2Header {
            source: mac(self.source.addr),
            destination: mac(self.destination.addr),
            ether_type: if self.vlan.is_empty() { inner } else { EtherType::VLAN_TAGGED_FRAME },
        };
        out.extend_from_slice(&link.to_bytes());
        for (place, id) in self.vlan.iter().enumerate() {
            let last = place + 1 == self.vlan.len();
            let tag = SingleVlanHeader {
                vlan_id: VlanId::try_new(*id).expect("12 bits"),
                ether_type: if last { inner } else { EtherType::VLAN_TAGGED_FRAME },
                ..SingleVlanHeader::default()
            };
            out.extend_from_slice(&tag.to_bytes());
        }
        let len = u16::try_from(len).expect("a datagram's size");
        match (self.source.addr, self.destination.addr) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut header =
                    Ipv4Header::new(len, self.ttl, proto, source.octets(), destination.octets()).expect("a datagram's size");
                header.identification = self.ip_id;
                header.dont_fragment = true;
                header.header_checksum = header.calc_header_checksum();
                out.extend_from_slice(&header.to_bytes());
            }
            (source, destination) => {
                let header = Ipv6Header {
                    traffic_class: 0,
                    flow_label: Ipv6FlowLabel::ZERO,
                    payload_length: len,
                    next_header: proto,
                    hop_limit: self.ttl,
                    source: v6(source),
                    destination: v6(destination),
                };
                out.extend_from_slice(&header.to_bytes());
            }
        }
    }
}

/// Cuts an untagged IPv4 frame into fragments of `size` bytes of payload (a multiple of eight).
#[must_use]
pub fn fragments(frame: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (link, packet) = frame.split_at(Ethernet2Header::LEN);
    let (header, payload) = Ipv4Header::from_slice(packet).expect("an IPv4 frame");
    let payload = &payload[..usize::from(header.payload_len().expect("its length"))];
    let count = payload.len().div_ceil(size);
    payload
        .chunks(size)
        .enumerate()
        .map(|(number, piece)| {
            let mut header = header.clone();
            header.dont_fragment = false;
            header.more_fragments = number + 1 < count;
            let units = u16::try_from(number * size / 8).expect("13 bits");
            header.fragment_offset = IpFragOffset::try_new(units).expect("13 bits");
            header.set_payload_len(piece.len()).expect("shorter than the whole");
            header.header_checksum = header.calc_header_checksum();
            [link, &header.to_bytes(), piece].concat()
        })
        .collect()
}

fn v6(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    }
}

/// A locally administered address that follows from the network address.
fn mac(addr: IpAddr) -> [u8; 6] {
    let [.., a, b, c, d] = v6(addr);
    [0x02, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    fn ends() -> [(Endpoint, Endpoint); 2] {
        let v4 = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
        let v6 = |last| IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last));
        [(Endpoint::new(v4(1), 50_000), Endpoint::new(v4(2), 9401)), (Endpoint::new(v6(1), 50_000), Endpoint::new(v6(2), 9401))]
    }

    /// The transport checksum as a receiver would compute it.
    fn right_checksum(packet: &SlicedPacket<'_>) -> u16 {
        let (tcp, udp) = match packet.transport.as_ref().unwrap() {
            TransportSlice::Tcp(tcp) => (Some(tcp), None),
            TransportSlice::Udp(udp) => (None, Some(udp)),
            _ => panic!("TCP or UDP"),
        };
        match packet.net.as_ref().unwrap() {
            NetSlice::Ipv4(ip) => {
                let (from, to) = (ip.header().source(), ip.header().destination());
                match (tcp, udp) {
                    (Some(tcp), _) => tcp.to_header().calc_checksum_ipv4_raw(from, to, tcp.payload()).unwrap(),
                    (_, udp) => udp.unwrap().to_header().calc_checksum_ipv4_raw(from, to, udp.unwrap().payload()).unwrap(),
                }
            }
            NetSlice::Ipv6(ip) => {
                let (from, to) = (ip.header().source(), ip.header().destination());
                match (tcp, udp) {
                    (Some(tcp), _) => tcp.to_header().calc_checksum_ipv6_raw(from, to, tcp.payload()).unwrap(),
                    (_, udp) => udp.unwrap().to_header().calc_checksum_ipv6_raw(from, to, udp.unwrap().payload()).unwrap(),
                }
            }
            NetSlice::Arp(_) => panic!("IP"),
        }
    }

    #[test]
    fn another_parser_reads_the_frames_and_their_checksums_are_right() {
        for (source, destination) in ends() {
            for vlan in [vec![], vec![100], vec![100, 200]] {
                let frame = Frame { vlan: vlan.clone(), ..Frame::new(source, destination) };
                let tcp = Tcp { seq: 7, ack: 8, flags: flags::ACK, window: 9, timestamps: Some((1, 2)), urgent: 0 };
                let bytes = frame.tcp(&tcp, b"payload");
                let packet = SlicedPacket::from_ethernet(&bytes).unwrap();
                assert_eq!(packet.vlan_ids().iter().map(|id| id.value()).collect::<Vec<_>>(), vlan);
                let Some(TransportSlice::Tcp(slice)) = &packet.transport else { panic!("TCP") };
                assert_eq!((slice.payload(), slice.sequence_number()), (b"payload".as_slice(), 7));
                assert_eq!(slice.checksum(), right_checksum(&packet));
                let bytes = frame.udp(b"datagram");
                let packet = SlicedPacket::from_ethernet(&bytes).unwrap();
                let Some(TransportSlice::Udp(slice)) = &packet.transport else { panic!("UDP") };
                assert_eq!(slice.payload(), b"datagram");
                assert_eq!(slice.checksum(), right_checksum(&packet));
            }
        }
    }

    #[test]
    fn fragments_carry_the_whole_payload() {
        let (source, destination) = ends()[0];
        let whole = Frame::new(source, destination).udp(&[7; 1_000]);
        let pieces = fragments(&whole, 400);
        assert_eq!(pieces.len(), 3);
        let payload: Vec<u8> = pieces.iter().flat_map(|piece| piece[34..].to_vec()).collect();
        assert_eq!(payload, whole[34..]);
    }
}
