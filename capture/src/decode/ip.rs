//! IPv4 and IPv6: header checks, extension headers, fragments, and what the datagram carries.

use core::net::IpAddr;

use backstop_types::IpProto;
use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::{Decoder, Network, Span, Stop, Walk, be16, be32, byte, checksum};
use crate::batch::Frame;
use crate::defrag::{Fragment, FragmentKey};
use crate::packet::Packet;

/// Extension headers followed in one datagram.
const MAX_EXTENSIONS: u32 = 16;

/// Protocol numbers of tunnels and extension headers (IANA).
mod number {
    pub const HOP_BY_HOP: u8 = 0;
    pub const IPV4: u8 = 4;
    pub const IPV6: u8 = 41;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const GRE: u8 = 47;
    pub const AUTHENTICATION: u8 = 51;
    pub const DESTINATION: u8 = 60;
    pub const MOBILITY: u8 = 135;
    pub const HIP: u8 = 139;
    pub const SHIM6: u8 = 140;
}

impl Decoder {
    /// RFC 791.
    pub(super) fn ipv4(&mut self, mut span: Span, frame: &Frame, slab: &mut Vec<u8>, walk: &mut Walk) -> Result<Packet, Stop> {
        let bytes = span.bytes(slab);
        let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|error| match error {
            etherparse::err::ipv4::HeaderSliceError::Len(_) => Stop::Truncated,
            etherparse::err::ipv4::HeaderSliceError::Content(_) => Stop::Malformed,
        })?;
        let header_len = header.slice().len();
        let unsummed = checksum::sum(header.slice()) != 0xffff;
        let fragment = header.more_fragments() || header.fragments_offset().value() != 0;
        // Zero is what a host that leaves the sum to its hardware captures of itself; the flow table decides whether it is.
        if unsummed && (fragment || header.header_checksum() != 0) {
            return Err(Stop::BadChecksum);
        }
        let network = Network {
            source: IpAddr::V4(header.source_addr()),
            destination: IpAddr::V4(header.destination_addr()),
            ttl: header.ttl(),
            unsummed,
            id: header.identification(),
        };
        let total = usize::from(header.total_len());
        let proto = header.protocol().0;
        let (more, offset) = (header.more_fragments(), usize::from(header.fragments_offset().value()) * 8);
        // A total length of 0 is segmentation off-load: the frame says how long it is.
        if total != 0 {
            if total < header_len {
                return Err(Stop::Malformed);
            }
            if !span.limit(total) {
                // The mirror cut the frame: what is missing is missing.
                span.cut = total.saturating_sub(span.len());
            }
        }
        let payload = span.skip(header_len)?;
        if !more && offset == 0 {
            return self.carried(proto, &network, payload, frame, slab, walk);
        }
        let key = FragmentKey::new(network.source, network.destination, u32::from(network.id), proto);
        let whole = self.fragment(key, proto, offset, more, payload, frame, slab)?;
        self.carried(proto, &network, whole, frame, slab, walk)
    }

    /// RFC 8200.
    pub(super) fn ipv6(&mut self, mut span: Span, frame: &Frame, slab: &mut Vec<u8>, walk: &mut Walk) -> Result<Packet, Stop> {
        let bytes = span.bytes(slab);
        let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|error| match error {
            etherparse::err::ipv6::HeaderSliceError::Len(_) => Stop::Truncated,
            etherparse::err::ipv6::HeaderSliceError::Content(_) => Stop::Malformed,
        })?;
        let network = Network {
            source: IpAddr::V6(header.source_addr()),
            destination: IpAddr::V6(header.destination_addr()),
            ttl: header.hop_limit(),
            unsummed: false,
            id: 0,
        };
        let len = usize::from(header.payload_length());
        let next = header.next_header().0;
        // A payload length of 0 is a jumbogram or segmentation off-load.
        if len != 0 && !span.limit(40 + len) {
            span.cut = (40 + len).saturating_sub(span.len());
        }
        self.ipv6_chain(next, &network, span.skip(40)?, frame, slab, walk)
    }

    /// Follows extension headers to what the datagram carries.
    fn ipv6_chain(
        &mut self,
        mut next: u8,
        network: &Network,
        mut span: Span,
        frame: &Frame,
        slab: &mut Vec<u8>,
        walk: &mut Walk,
    ) -> Result<Packet, Stop> {
        let mut extensions = 0;
        loop {
            let bytes = span.bytes(slab);
            let len = match next {
                number::HOP_BY_HOP | number::ROUTING | number::DESTINATION | number::MOBILITY | number::HIP | number::SHIM6 => {
                    8 + usize::from(byte(bytes, 1)?) * 8
                }
                number::AUTHENTICATION => 8 + usize::from(byte(bytes, 1)?) * 4,
                number::FRAGMENT => {
                    let inner = byte(bytes, 0)?;
                    let field = be16(bytes, 2)?;
                    let id = be32(bytes, 4)?;
                    let (more, offset) = (field & 1 != 0, usize::from(field & 0xfff8));
                    let part = span.skip(8)?;
                    if !more && offset == 0 {
                        // RFC 6946: processed alone, whatever other fragments there are.
                        self.counters.ipv6_atomic_fragment += 1;
                        span = part;
                    } else {
                        if offset == 0 && !whole_chain(inner, part.bytes(slab)) {
                            self.counters.ipv6_first_fragment_incomplete += 1;
                        }
                        // The protocol is not part of the key: RFC 8200 §4.5 takes it from the first fragment.
                        let key = FragmentKey::new(network.source, network.destination, id, 0);
                        span = self.fragment(key, inner, offset, more, part, frame, slab)?;
                        next = self.defrag.last_protocol();
                        continue;
                    }
                    next = inner;
                    extensions += 1;
                    if extensions > MAX_EXTENSIONS {
                        return Err(Stop::TooDeep);
                    }
                    continue;
                }
                _ => return self.carried(next, network, span, frame, slab, walk),
            };
            if extensions == 0 {
                self.counters.ipv6_exthdr += 1;
            }
            extensions += 1;
            if extensions > MAX_EXTENSIONS {
                return Err(Stop::TooDeep);
            }
            next = byte(bytes, 0)?;
            span = span.skip(len)?;
        }
    }

    /// Keeps a fragment; gives the whole datagram when it is complete.
    fn fragment(
        &mut self,
        key: FragmentKey,
        proto: u8,
        offset: usize,
        more: bool,
        span: Span,
        frame: &Frame,
        slab: &mut Vec<u8>,
    ) -> Result<Span, Stop> {
        self.counters.ip_fragment += 1;
        if span.cut > 0 {
            // Part of it was not captured: the datagram can never be whole.
            return Err(Stop::Fragment);
        }
        let fragment = Fragment { key, proto, offset, more, time: frame.time, bytes: span.bytes(slab) };
        let Some(datagram) = self.defrag.add(&fragment, &mut self.counters) else { return Err(Stop::Fragment) };
        let start = slab.len();
        slab.extend_from_slice(&datagram);
        self.counters.ip_reassembled += 1;
        Ok(Span { start, end: slab.len(), cut: 0 })
    }

    /// What a whole datagram carries: a tunnel or a transport.
    fn carried(
        &mut self,
        proto: u8,
        network: &Network,
        span: Span,
        frame: &Frame,
        slab: &mut Vec<u8>,
        walk: &mut Walk,
    ) -> Result<Packet, Stop> {
        match proto {
            number::IPV4 => {
                self.descend(walk)?;
                self.ipv4(span, frame, slab, walk)
            }
            number::IPV6 => {
                self.descend(walk)?;
                self.ipv6(span, frame, slab, walk)
            }
            number::GRE => self.gre(span, frame, slab, walk),
            _ => self.transport(IpProto(proto), network, span, frame, slab, walk),
        }
    }
}

/// RFC 7112: the first fragment must hold the whole header chain, the transport header included.
fn whole_chain(mut next: u8, bytes: &[u8]) -> bool {
    let mut at = 0_usize;
    for _ in 0..MAX_EXTENSIONS {
        let rest = bytes.get(at..).unwrap_or_default();
        let least = match next {
            number::HOP_BY_HOP | number::ROUTING | number::DESTINATION => {
                let Some([following, len]) = rest.first_chunk::<2>() else { return false };
                next = *following;
                at += 8 + usize::from(*len) * 8;
                continue;
            }
            6 => 20,
            17 | 1 | 58 => 8,
            _ => 0,
        };
        return rest.len() >= least;
    }
    false
}
