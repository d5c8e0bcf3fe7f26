//! The pseudorandom functions up to TLS 1.2 (RFC 5246 §5, RFC 2246 §5), and what is made with them.

use hmac::digest::{Digest, FixedOutput};
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use zeroize::Zeroizing;

use super::suites::Hash;

/// Bytes of a master secret (RFC 5246 §8.1).
pub const MASTER: usize = 48;
/// TLS 1.2.
const TLS12: u16 = 0x0303;

/// The pseudorandom function of a version and suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prf {
    /// MD5 and SHA-1 (RFC 2246 §5).
    Md5Sha1,
    /// One hash (RFC 5246 §5).
    Sha256,
    /// One hash (RFC 5246 §5).
    Sha384,
}

impl Prf {
    pub const fn of(version: u16, hash: Hash) -> Self {
        match hash {
            _ if version < TLS12 => Self::Md5Sha1,
            Hash::Sha384 => Self::Sha384,
            Hash::Sha256 | Hash::Sha1 => Self::Sha256,
        }
    }

    /// `len` bytes from a secret, a label and a seed in parts.
    pub fn expand(self, secret: &[u8], label: &[u8], seed: &[&[u8]], len: usize) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(vec![0; len]);
        let seed = [&[label], seed].concat();
        match self {
            Self::Sha256 => p_hash::<Sha256>(secret, &seed, &mut out),
            Self::Sha384 => p_hash::<Sha384>(secret, &seed, &mut out),
            Self::Md5Sha1 => {
                // Each half of the secret; they share the middle byte of an odd one.
                let half = secret.len().div_ceil(2);
                p_hash::<Md5>(secret.get(..half).unwrap_or_default(), &seed, &mut out);
                p_hash::<Sha1>(secret.get(secret.len() - half..).unwrap_or_default(), &seed, &mut out);
            }
        }
        out
    }

    /// The hash of the handshake messages so far (RFC 7627 §3).
    pub fn session_hash<'a>(self, messages: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        fn digest<'a, D: Digest>(messages: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
            let mut digest = D::new();
            messages.for_each(|message| digest.update(message));
            digest.finalize().to_vec()
        }
        match self {
            Self::Sha256 => digest::<Sha256>(messages),
            Self::Sha384 => digest::<Sha384>(messages),
            Self::Md5Sha1 => {
                let messages: Vec<&[u8]> = messages.collect();
                [digest::<Md5>(messages.iter().copied()), digest::<Sha1>(messages.iter().copied())].concat()
            }
        }
    }
}

/// `P_hash` (RFC 5246 §5), added to what stands in `out`.
fn p_hash<D: EagerHash>(secret: &[u8], seed: &[&[u8]], out: &mut [u8])
where
    Hmac<D>: KeyInit + Mac + Clone + FixedOutput,
{
    // HMAC takes keys of any length.
    let Ok(keyed) = <Hmac<D> as KeyInit>::new_from_slice(secret) else { return };
    let sum = |parts: &[&[u8]]| {
        let mut mac = keyed.clone();
        parts.iter().for_each(|part| mac.update(part));
        Zeroizing::new(mac.finalize().into_bytes().to_vec())
    };
    let mut a = sum(seed);
    let size = a.len().max(1);
    for chunk in out.chunks_mut(size) {
        let block = sum(&[&[a.as_slice()], seed].concat());
        for (byte, more) in chunk.iter_mut().zip(block.iter()) {
            *byte ^= more;
        }
        a = sum(&[&a]);
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    /// The vectors that went round on the list of the TLS working group (P_SHA256, P_SHA384).
    #[test]
    fn the_vectors_of_the_working_group() {
        let seed = hex("a0ba9f936cda311827a6f796ffd5198c");
        let secret = hex("9bbe436ba940f017b17652849a71db35");
        let out = Prf::Sha256.expand(&secret, b"test label", &[&seed], 100);
        assert_eq!(
            out.as_slice(),
            hex(
                "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd37\
                 97c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66"
                    .replace(' ', "")
                    .as_str()
            )
        );
        let seed = hex("cd665cf6a8447dd6ff8b27555edb7465");
        let secret = hex("b80b733d6ceefcdc71566ea48e5567df");
        let out = Prf::Sha384.expand(&secret, b"test label", &[&seed], 148);
        assert_eq!(
            out.as_slice(),
            hex(
                "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9d\
                 c236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d9184259b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a6\
                 9236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703d73e56f"
                    .replace(' ', "")
                    .as_str()
            )
        );
    }

    #[test]
    fn the_parts_of_a_seed_are_one_seed() {
        for prf in [Prf::Md5Sha1, Prf::Sha256, Prf::Sha384] {
            assert_eq!(prf.expand(b"odd", b"a", &[b"b", b"c"], 77), prf.expand(b"odd", b"ab", &[b"c"], 77));
        }
        assert_eq!(Prf::of(0x0302, Hash::Sha384), Prf::Md5Sha1);
        assert_eq!(Prf::of(0x0303, Hash::Sha384), Prf::Sha384);
    }
}
