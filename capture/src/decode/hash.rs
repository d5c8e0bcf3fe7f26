//! The keyed hash of a flow key: equal for both directions, cheap, and not to be steered by whoever picks addresses.

use backstop_types::{FlowKey, Side};

/// Hashes flow keys with secret keys.
#[derive(Clone, Copy, Debug)]
pub struct FlowHasher {
    keys: [u64; 2],
}

impl FlowHasher {
    /// A hasher with these keys. Live they must be random; a replay uses fixed ones, so that it can be repeated.
    #[must_use]
    pub const fn new(keys: [u64; 2]) -> Self {
        Self { keys }
    }

    /// The hash of a key.
    #[must_use]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        let [low, high] = key.raw_addresses();
        let ports = u64::from(key.endpoint_port(Side::Low)) << 16 | u64::from(key.endpoint_port(Side::High));
        let rest = ports << 8 | u64::from(key.proto().0);
        let [a, b] = words(low);
        let [c, d] = words(high);
        let mut state = self.keys[0];
        state = fold(state ^ a, self.keys[1] ^ b);
        state = fold(state ^ c, self.keys[1].rotate_left(23) ^ d);
        state = fold(state ^ rest, self.keys[1].rotate_left(41) ^ 0x9e37_79b9_7f4a_7c15);
        fold(state, self.keys[0] ^ 0xa076_1d64_78bd_642f)
    }
}

fn words(bytes: &[u8; 16]) -> [u64; 2] {
    let whole = u128::from_be_bytes(*bytes);
    [(whole >> 64) as u64, whole as u64]
}

/// 64 × 64 → 128 bits, both halves together: every input bit reaches every output bit.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x2d35_8dcc_aa6c_78a5) * u128::from(b | 1);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use backstop_types::{Endpoint, IpProto};
    use core::net::Ipv4Addr;

    use super::*;

    #[test]
    fn neighbours_spread_over_all_shards() {
        let hasher = FlowHasher::new([1, 2]);
        let mut counts = [0_u32; 16];
        for number in 0..16_000_u32 {
            let client = Endpoint::new(Ipv4Addr::from_bits(0x0a00_0000 + number / 100).into(), 1024 + (number % 100) as u16);
            let server = Endpoint::new(Ipv4Addr::new(10, 9, 9, 9).into(), 445);
            let (key, _) = FlowKey::new(IpProto::TCP, client, server);
            counts[(hasher.hash(&key) >> 60) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (800..1200).contains(&count)), "{counts:?}");
    }
}
