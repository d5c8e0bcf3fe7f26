//! Link layers: Ethernet, tags, labels, PPP, cooked, raw, loopback.

use super::{Decoder, Span, Stop, Walk, be16, be32, byte};
use crate::batch::Frame;
use crate::packet::Packet;

/// EtherTypes (IEEE, IANA).
mod ethertype {
    pub const IPV4: u16 = 0x0800;
    pub const IPV6: u16 = 0x86dd;
    pub const VLAN: u16 = 0x8100;
    pub const QINQ: u16 = 0x88a8;
    pub const QINQ_OLD: u16 = 0x9100;
    pub const QINQ_OLDER: u16 = 0x9200;
    pub const MPLS: u16 = 0x8847;
    pub const MPLS_MULTICAST: u16 = 0x8848;
    pub const PPPOE_SESSION: u16 = 0x8864;
    pub const ETHERNET: u16 = 0x6558;
    pub const ERSPAN_2: u16 = 0x88be;
    pub const ERSPAN_3: u16 = 0x22eb;
    pub const PPP: u16 = 0x880b;
}
pub(super) use ethertype::{ERSPAN_2, ERSPAN_3};

/// Whether frames of a link type can be decoded.
#[must_use]
pub const fn is_known_link(link_type: i32) -> bool {
    matches!(link_type, 0 | 1 | 9 | 12 | 14 | 50 | 101 | 108 | 113 | 228 | 229 | 276)
}

impl Decoder {
    pub(super) fn link(
        &mut self,
        link_type: i32,
        span: Span,
        frame: &Frame,
        slab: &mut Vec<u8>,
        walk: &mut Walk,
    ) -> Result<Packet, Stop> {
        match link_type {
            1 => self.ethernet(span, frame, slab, walk),
            // NULL and LOOP: an address family, host order of whoever wrote the file or network order.
            0 | 108 => {
                walk.decapsulated += 1;
                let family = byte(span.bytes(slab), 0)? | byte(span.bytes(slab), 3)?;
                let inner = span.skip(4)?;
                match family {
                    2 => self.ipv4(inner, frame, slab, walk),
                    10 | 24 | 28 | 30 => self.ipv6(inner, frame, slab, walk),
                    _ => Err(Stop::NotIp),
                }
            }
            // RAW, by several numbers.
            12 | 14 | 101 => {
                walk.decapsulated += 1;
                self.ip(span, frame, slab, walk)
            }
            228 => {
                walk.decapsulated += 1;
                self.ipv4(span, frame, slab, walk)
            }
            229 => {
                walk.decapsulated += 1;
                self.ipv6(span, frame, slab, walk)
            }
            // LINUX_SLL: 16 bytes, the protocol last.
            113 => {
                walk.decapsulated += 1;
                let protocol = be16(span.bytes(slab), 14)?;
                self.ethertype(protocol, span.skip(16)?, frame, slab, walk)
            }
            // LINUX_SLL2: 20 bytes, the protocol first.
            276 => {
                walk.decapsulated += 1;
                let protocol = be16(span.bytes(slab), 0)?;
                self.ethertype(protocol, span.skip(20)?, frame, slab, walk)
            }
            // PPP and PPP with HDLC framing.
            9 | 50 => {
                walk.decapsulated += 1;
                let framed = span.bytes(slab).starts_with(&[0xff, 0x03]);
                self.ppp(if framed { span.skip(2)? } else { span }, frame, slab, walk)
            }
            _ => Err(Stop::UnknownLink),
        }
    }

    pub(super) fn ethernet(&mut self, span: Span, frame: &Frame, slab: &mut Vec<u8>, walk: &mut Walk) -> Result<Packet, Stop> {
        let protocol = be16(span.bytes(slab), 12)?;
        self.ethertype(protocol, span.skip(14)?, frame, slab, walk)
    }

    pub(super) fn ethertype(
        &mut self,
        mut protocol: u16,
        mut span: Span,
        frame: &Frame,
        slab: &mut Vec<u8>,
        walk: &mut Walk,
    ) -> Result<Packet, Stop> {
        loop {
            match protocol {
                ethertype::IPV4 => return self.ipv4(span, frame, slab, walk),
                ethertype::IPV6 => return self.ipv6(span, frame, slab, walk),
                ethertype::VLAN | ethertype::QINQ | ethertype::QINQ_OLD | ethertype::QINQ_OLDER => {
                    self.descend(walk)?;
                    let bytes = span.bytes(slab);
                    let tag = be16(bytes, 0)?;
                    protocol = be16(bytes, 2)?;
                    span = span.skip(4)?;
                    walk.tags += 1;
                    if walk.outermost {
                        walk.vlan.push(tag);
                    }
                }
                ethertype::MPLS | ethertype::MPLS_MULTICAST => return self.mpls(span, frame, slab, walk),
                ethertype::PPPOE_SESSION => {
                    self.descend(walk)?;
                    self.counters.pppoe += 1;
                    let bytes = span.bytes(slab);
                    // RFC 2516 §4: version and type 1, code 0, session, length.
                    if byte(bytes, 0)? != 0x11 || byte(bytes, 1)? != 0 {
                        return Err(Stop::Malformed);
                    }
                    let len = usize::from(be16(bytes, 4)?);
                    let mut inner = span.skip(6)?;
                    if !inner.limit(len) {
                        return Err(Stop::Malformed);
                    }
                    return self.ppp(inner, frame, slab, walk);
                }
                ethertype::ETHERNET => {
                    self.descend(walk)?;
                    walk.outermost = false;
                    return self.ethernet(span, frame, slab, walk);
                }
                ethertype::PPP => return self.ppp(span, frame, slab, walk),
                // IEEE 802.3: a length, then LLC; SNAP carries an EtherType (RFC 1042).
                0..=1500 => {
                    let bytes = span.bytes(slab);
                    match bytes.get(..3) {
                        Some([0xaa, 0xaa, 0x03]) => {
                            protocol = be16(bytes, 6)?;
                            span = span.skip(8)?;
                            if protocol <= 1500 {
                                return Err(Stop::NotIp);
                            }
                        }
                        Some([0x06, 0x06, 0x03]) => {
                            protocol = ethertype::IPV4;
                            span = span.skip(3)?;
                        }
                        _ => return Err(Stop::NotIp),
                    }
                }
                _ => return Err(Stop::NotIp),
            }
        }
    }

    /// RFC 3032: labels to the bottom of the stack, then whatever the first nibble tells.
    fn mpls(&mut self, mut span: Span, frame: &Frame, slab: &mut Vec<u8>, walk: &mut Walk) -> Result<Packet, Stop> {
        self.counters.mpls += 1;
        loop {
            self.descend(walk)?;
            let label = be32(span.bytes(slab), 0)?;
            span = span.skip(4)?;
            if label & 0x100 != 0 {
                break;
            }
        }
        let bytes = span.bytes(slab);
        match byte(bytes, 0)? >> 4 {
            4 => self.ipv4(span, frame, slab, walk),
            6 => self.ipv6(span, frame, slab, walk),
            // RFC 4385: a pseudowire control word begins with a zero nibble. An address that begins so is told apart by
            // what lies where the EtherType would be.
            0 => {
                walk.outermost = false;
                let with_word = be16(bytes, 4 + 12).is_ok_and(is_known);
                self.ethernet(if with_word { span.skip(4)? } else { span }, frame, slab, walk)
            }
            _ => {
                walk.outermost = false;
                self.ethernet(span, frame, slab, walk)
            }
        }
    }

    /// RFC 1661: the protocol, in one byte or two.
    pub(super) fn ppp(&mut self, span: Span, frame: &Frame, slab: &mut Vec<u8>, walk: &mut Walk) -> Result<Packet, Stop> {
        let bytes = span.bytes(slab);
        let first = byte(bytes, 0)?;
        let (protocol, header) = if first & 1 == 1 { (u16::from(first), 1) } else { (be16(bytes, 0)?, 2) };
        let inner = span.skip(header)?;
        match protocol {
            0x0021 => self.ipv4(inner, frame, slab, walk),
            0x0057 => self.ipv6(inner, frame, slab, walk),
            0x0281 | 0x0283 => self.mpls(inner, frame, slab, walk),
            _ => Err(Stop::NotIp),
        }
    }
}

fn is_known(protocol: u16) -> bool {
    use ethertype::{IPV4, IPV6, MPLS, PPPOE_SESSION, QINQ, VLAN};
    matches!(protocol, IPV4 | IPV6 | VLAN | QINQ | MPLS | PPPOE_SESSION | 0x0806)
}
