//! The symmetric key of a flow.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Endpoint, IpProto};

/// Which end of a [`FlowKey`] an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The smaller endpoint (by address, then port).
    Low,
    /// The larger endpoint.
    High,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

/// Protocol and both endpoints, ordered, so that both directions give the same key.
///
/// IPv4 addresses are held in the last four bytes with `v4` set, so an IPv4 flow never equals a flow of
/// IPv4-mapped IPv6 addresses. VLAN ids are not part of the key (see the flow table).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    low: [u8; 16],
    high: [u8; 16],
    low_port: u16,
    high_port: u16,
    proto: u8,
    v4: bool,
}

fn bytes_of(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

impl FlowKey {
    /// The key of a packet and the side that sent it.
    #[must_use]
    pub fn new(proto: IpProto, source: Endpoint, destination: Endpoint) -> (Self, Side) {
        let (src, dst) = (bytes_of(source.addr), bytes_of(destination.addr));
        let v4 = source.addr.is_ipv4();
        let proto = proto.0;
        // As numbers: one comparison instead of a call for sixteen bytes.
        if (u128::from_be_bytes(src), source.port) <= (u128::from_be_bytes(dst), destination.port) {
            let key = Self { low: src, high: dst, low_port: source.port, high_port: destination.port, proto, v4 };
            (key, Side::Low)
        } else {
            let key = Self { low: dst, high: src, low_port: destination.port, high_port: source.port, proto, v4 };
            (key, Side::High)
        }
    }

    /// The protocol.
    #[must_use]
    pub const fn proto(&self) -> IpProto {
        IpProto(self.proto)
    }

    /// Both addresses as 16 bytes each, the low end first: for hashing.
    #[must_use]
    pub const fn raw_addresses(&self) -> [&[u8; 16]; 2] {
        [&self.low, &self.high]
    }

    /// The port of one end.
    #[must_use]
    pub const fn endpoint_port(&self, side: Side) -> u16 {
        match side {
            Side::Low => self.low_port,
            Side::High => self.high_port,
        }
    }

    /// IPv4 addresses.
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.v4
    }

    /// One end of the flow.
    #[must_use]
    pub const fn endpoint(&self, side: Side) -> Endpoint {
        let (bytes, port) = match side {
            Side::Low => (&self.low, self.low_port),
            Side::High => (&self.high, self.high_port),
        };
        let addr = if self.v4 {
            let [.., a, b, c, d] = *bytes;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        } else {
            IpAddr::V6(Ipv6Addr::from_octets(*bytes))
        };
        Endpoint::new(addr, port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_give_one_key_and_opposite_sides() {
        let a = Endpoint::new(Ipv4Addr::new(10, 0, 0, 9).into(), 443);
        let b = Endpoint::new(Ipv4Addr::new(10, 0, 0, 1).into(), 50_000);
        let (ab, ab_side) = FlowKey::new(IpProto::TCP, a, b);
        let (ba, ba_side) = FlowKey::new(IpProto::TCP, b, a);
        assert_eq!(ab, ba);
        assert_eq!(ab_side, ba_side.other());
        assert_eq!(ab.endpoint(ab_side), a);
        assert_eq!(ab.endpoint(ba_side), b);
    }

    #[test]
    fn ipv4_and_its_mapped_ipv6_are_different_flows() {
        let v4 = Ipv4Addr::new(10, 0, 0, 1);
        let mapped = IpAddr::V6(v4.to_ipv6_mapped());
        let zero = IpAddr::V6(Ipv6Addr::from_bits(u128::from(v4.to_bits())));
        let key = |a: IpAddr| FlowKey::new(IpProto::TCP, Endpoint::new(a, 1), Endpoint::new(a, 2)).0;
        assert_ne!(key(v4.into()), key(mapped));
        assert_ne!(key(v4.into()), key(zero));
    }
}
