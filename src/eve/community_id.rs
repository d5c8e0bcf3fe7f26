//! Community ID version 1, seed 0: joins our records to those of Zeek, Suricata and firewalls.
//!
//! base64(SHA-1(seed ‖ low address ‖ high address ‖ protocol ‖ 0 ‖ low port ‖ high port)), ends ordered by address, then port.

use std::cell::Cell;

use backstop_types::{FlowKey, IpProto, Side};
use data_encoding::BASE64;
use serde::{Serialize, Serializer};
use sha1::{Digest, Sha1};

/// `1:` and the digest in 28 characters.
#[derive(Clone, Copy)]
pub struct CommunityId([u8; 30]);

thread_local! {
    /// The last one: records of a flow come in groups.
    static LAST: Cell<Option<(FlowKey, CommunityId)>> = const { Cell::new(None) };
}

impl CommunityId {
    /// The id of a flow.
    pub fn of(key: &FlowKey) -> Self {
        LAST.with(|last| match last.get() {
            Some((known, id)) if known == *key => id,
            _ => {
                let id = Self::compute(key);
                last.set(Some((*key, id)));
                id
            }
        })
    }

    fn compute(key: &FlowKey) -> Self {
        let mut hash = Sha1::new();
        hash.update([0, 0]);
        for address in key.raw_addresses() {
            hash.update(if key.is_ipv4() { address.get(12..).unwrap_or_default() } else { address.as_slice() });
        }
        let proto = key.proto();
        hash.update([proto.0, 0]);
        if matches!(proto, IpProto::TCP | IpProto::UDP | IpProto::SCTP) {
            for side in [Side::Low, Side::High] {
                hash.update(key.endpoint_port(side).to_be_bytes());
            }
        }
        let mut id = *b"1:0000000000000000000000000000";
        if let Some(digits) = id.get_mut(2..) {
            BASE64.encode_mut(&hash.finalize(), digits);
        }
        Self(id)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Serialize for CommunityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstop_types::Endpoint;

    fn id(proto: IpProto, source: (&str, u16), destination: (&str, u16)) -> String {
        let end = |(addr, port): (&str, u16)| Endpoint::new(addr.parse().unwrap(), port);
        CommunityId::of(&FlowKey::new(proto, end(source), end(destination)).0).as_str().to_owned()
    }

    /// The baseline values of the specification's own test data.
    #[test]
    fn the_values_of_the_specification() {
        assert_eq!(id(IpProto::TCP, ("128.232.110.120", 34855), ("66.35.250.204", 80)), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        assert_eq!(id(IpProto::TCP, ("66.35.250.204", 80), ("128.232.110.120", 34855)), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        assert_eq!(id(IpProto::UDP, ("192.168.1.52", 54585), ("8.8.8.8", 53)), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
    }
}
