//! TCP, UDP, ICMP.

use backstop_types::IpProto;
use etherparse::{TcpHeaderSlice, UdpHeaderSlice};

use super::tunnel::{GENEVE_PORT, VXLAN_PORTS};
use super::{Decoder, Network, Span, Stop, Walk, be16, byte};
use crate::batch::Frame;
use crate::packet::{Packet, TcpFacts, Transport};

impl Decoder {
    pub(super) fn transport(
        &mut self,
        proto: IpProto,
        network: &Network,
        span: Span,
        frame: &Frame,
        slab: &mut Vec<u8>,
        walk: &mut Walk,
    ) -> Result<Packet, Stop> {
        match proto {
            IpProto::TCP => self.tcp(network, span, frame, slab, walk),
            IpProto::UDP => self.udp(network, span, frame, slab, walk),
            IpProto::ICMP | IpProto::ICMPV6 => {
                self.counters.icmp += 1;
                let bytes = span.bytes(slab);
                let kind = Transport::Icmp(byte(bytes, 0)?, byte(bytes, 1)?);
                Ok(self.packet(frame, walk, network, proto, (0, 0), (span, span), kind))
            }
            _ => Ok(self.packet(frame, walk, network, proto, (0, 0), (span, span), Transport::Other)),
        }
    }

    /// RFC 9293 §3.1.
    fn tcp(&mut self, network: &Network, span: Span, frame: &Frame, slab: &[u8], walk: &Walk) -> Result<Packet, Stop> {
        let bytes = span.bytes(slab);
        let header_len = usize::from(byte(bytes, 12)? >> 4) * 4;
        if header_len < 20 {
            return Err(Stop::Malformed);
        }
        let (facts, ports, payload) = if header_len <= bytes.len() {
            let header = TcpHeaderSlice::from_slice(bytes).map_err(|_| Stop::Malformed)?;
            let mut facts = TcpFacts {
                seq: header.sequence_number(),
                ack: header.acknowledgment_number(),
                flags: byte(bytes, 13)?,
                window: header.window_size(),
                urgent: header.urgent_pointer(),
                ..TcpFacts::default()
            };
            options(header.options(), &mut facts);
            (facts, (header.source_port(), header.destination_port()), span.skip(header_len)?)
        } else {
            // Cut inside the options: the fixed part is still good, the payload was not captured.
            let fixed = bytes.first_chunk::<20>().ok_or(Stop::Truncated)?;
            if span.cut == 0 {
                return Err(Stop::Malformed);
            }
            let facts = TcpFacts {
                seq: super::be32(fixed, 4)?,
                ack: super::be32(fixed, 8)?,
                flags: byte(fixed, 13)?,
                window: be16(fixed, 14)?,
                urgent: be16(fixed, 18)?,
                ..TcpFacts::default()
            };
            let missing = header_len - bytes.len();
            let payload = Span { start: span.end, end: span.end, cut: span.cut.saturating_sub(missing) };
            (facts, (be16(fixed, 0)?, be16(fixed, 2)?), payload)
        };
        self.counters.tcp += 1;
        Ok(self.packet(frame, walk, network, IpProto::TCP, ports, (span, payload), Transport::Tcp(facts)))
    }

    /// RFC 768. A payload that is a tunnel by its port and its header is followed.
    fn udp(
        &mut self,
        network: &Network,
        mut span: Span,
        frame: &Frame,
        slab: &mut Vec<u8>,
        walk: &mut Walk,
    ) -> Result<Packet, Stop> {
        let bytes = span.bytes(slab);
        let header = UdpHeaderSlice::from_slice(bytes).map_err(|_| Stop::Truncated)?;
        let ports = (header.source_port(), header.destination_port());
        let len = usize::from(header.length());
        // A length of 0 means: as long as the datagram (off-load, jumbograms).
        if len != 0 && (len < 8 || !span.limit(len)) {
            return Err(Stop::Malformed);
        }
        let payload = span.skip(8)?;
        if VXLAN_PORTS.contains(&ports.1) {
            if let Some(inner) = self.vxlan(payload, slab, walk) {
                return self.ethernet(inner?, frame, slab, walk);
            }
        } else if ports.1 == GENEVE_PORT
            && let Some(inner) = self.geneve(payload, slab, walk)
        {
            let (protocol, inner) = inner?;
            return self.ethertype(protocol, inner, frame, slab, walk);
        }
        self.counters.udp += 1;
        Ok(self.packet(frame, walk, network, IpProto::UDP, ports, (span, payload), Transport::Udp))
    }
}

/// The options that reassembly uses. A broken option ends the list, as it does for a receiver.
fn options(mut bytes: &[u8], facts: &mut TcpFacts) {
    while let Some((&kind, rest)) = bytes.split_first() {
        match kind {
            0 => return,
            1 => {
                bytes = rest;
                continue;
            }
            _ => {}
        }
        let Some(&len) = rest.first() else { return };
        let len = usize::from(len);
        let Some((option, after)) = bytes.split_at_checked(len).filter(|_| len >= 2) else { return };
        let body = option.get(2..).unwrap_or_default();
        match kind {
            3 => facts.window_scale = body.first().map(|&scale| scale.min(14)),
            8 => {
                if let Some(&[a, b, c, d, e, f, g, h]) = body.first_chunk::<8>().filter(|_| len == 10) {
                    facts.timestamps = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
                }
            }
            19 | 29 => facts.signed = true,
            34 => facts.fast_open = true,
            // RFC 6994: the experiment id of fast open before it had a number of its own.
            254 if body.starts_with(&[0xf9, 0x89]) => facts.fast_open = true,
            _ => {}
        }
        bytes = after;
    }
}
