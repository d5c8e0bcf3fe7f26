//! Tunnels: GRE, ERSPAN, VXLAN, Geneve.

use super::link::{ERSPAN_2, ERSPAN_3};
use super::{Decoder, Span, Stop, Walk, be16, byte};
use crate::batch::Frame;
use crate::packet::Packet;

/// UDP ports whose payload is a tunnel when its header says so, too (IANA; 8472 is Linux's older default).
pub(super) const VXLAN_PORTS: [u16; 2] = [4789, 8472];
/// RFC 8926.
pub(super) const GENEVE_PORT: u16 = 6081;

impl Decoder {
    /// RFC 2784, RFC 2890 (version 0), RFC 2637 (version 1).
    pub(super) fn gre(&mut self, span: Span, frame: &Frame, slab: &mut Vec<u8>, walk: &mut Walk) -> Result<Packet, Stop> {
        self.descend(walk)?;
        self.counters.gre += 1;
        let bytes = span.bytes(slab);
        let flags = be16(bytes, 0)?;
        let protocol = be16(bytes, 2)?;
        let word = |bit: u16| if flags & bit != 0 { 4 } else { 0 };
        match flags & 7 {
            0 => {
                // Source routes (RFC 1701) are not followed by anybody.
                if flags & 0x4000 != 0 {
                    return Err(Stop::Malformed);
                }
                let sequence = flags & 0x1000 != 0;
                let inner = span.skip(4 + word(0x8000) + word(0x2000) + word(0x1000))?;
                match protocol {
                    ERSPAN_2 => self.erspan_2(sequence, inner, frame, slab, walk),
                    ERSPAN_3 => self.erspan_3(inner, frame, slab, walk),
                    _ => self.ethertype(protocol, inner, frame, slab, walk),
                }
            }
            1 => {
                let inner = span.skip(8 + word(0x1000) + word(0x0080))?;
                self.ppp(inner, frame, slab, walk)
            }
            _ => Err(Stop::Malformed),
        }
    }

    /// ERSPAN type II has a header of 8 bytes behind a sequenced GRE; type I is plain Ethernet in GRE without sequence.
    fn erspan_2(
        &mut self,
        sequence: bool,
        span: Span,
        frame: &Frame,
        slab: &mut Vec<u8>,
        walk: &mut Walk,
    ) -> Result<Packet, Stop> {
        self.descend(walk)?;
        self.counters.erspan += 1;
        walk.outermost = false;
        let inner = if sequence && byte(span.bytes(slab), 0)? >> 4 == 1 { span.skip(8)? } else { span };
        self.ethernet(inner, frame, slab, walk)
    }

    /// ERSPAN type III: 12 bytes, and a platform header of 8 where the O bit is set.
    fn erspan_3(&mut self, span: Span, frame: &Frame, slab: &mut Vec<u8>, walk: &mut Walk) -> Result<Packet, Stop> {
        self.descend(walk)?;
        self.counters.erspan += 1;
        walk.outermost = false;
        let bytes = span.bytes(slab);
        if byte(bytes, 0)? >> 4 != 2 {
            return Err(Stop::Malformed);
        }
        let flags = byte(bytes, 11)?;
        let inner = span.skip(if flags & 1 != 0 { 20 } else { 12 })?;
        // P (1 bit), FT (5), Hw ID (6), D, Gra (2), O. Frame type 0 is Ethernet, 2 an IP packet.
        if be16(bytes, 10)? >> 10 & 0x1f == 2 {
            self.ip(inner, frame, slab, walk)
        } else {
            self.ethernet(inner, frame, slab, walk)
        }
    }

    /// RFC 7348 §5. `None` where the header is not one: then it is ordinary UDP.
    pub(super) fn vxlan(&mut self, span: Span, slab: &[u8], walk: &mut Walk) -> Option<Result<Span, Stop>> {
        let bytes = span.bytes(slab);
        let header = bytes.first_chunk::<8>()?;
        if header[0] & 0x08 == 0 || header[7] != 0 || bytes.len() < 8 + 14 {
            return None;
        }
        self.counters.vxlan += 1;
        walk.outermost = false;
        Some(self.descend(walk).and_then(|()| span.skip(8)))
    }

    /// RFC 8926 §3.4: options in words of four, then the protocol's payload.
    pub(super) fn geneve(&mut self, span: Span, slab: &[u8], walk: &mut Walk) -> Option<Result<(u16, Span), Stop>> {
        let bytes = span.bytes(slab);
        let header = bytes.first_chunk::<8>()?;
        if header[0] >> 6 != 0 || header[7] != 0 {
            return None;
        }
        let len = 8 + usize::from(header[0] & 0x3f) * 4;
        let protocol = u16::from_be_bytes([header[2], header[3]]);
        if bytes.len() < len || protocol <= 1500 {
            return None;
        }
        self.counters.geneve += 1;
        walk.outermost = false;
        Some(self.descend(walk).and_then(|()| Ok((protocol, span.skip(len)?))))
    }

    /// An IP packet of either version.
    pub(super) fn ip(&mut self, span: Span, frame: &Frame, slab: &mut Vec<u8>, walk: &mut Walk) -> Result<Packet, Stop> {
        match byte(span.bytes(slab), 0)? >> 4 {
            4 => self.ipv4(span, frame, slab, walk),
            6 => self.ipv6(span, frame, slab, walk),
            _ => Err(Stop::Malformed),
        }
    }
}
