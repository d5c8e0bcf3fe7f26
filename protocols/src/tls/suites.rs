//! Cipher suites that are met (IANA, TLS Cipher Suites): their names and what they are made of.

/// How the keys are agreed upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyExchange {
    /// The client encrypts the premaster secret with the server's public key: a private key opens it.
    Rsa,
    /// (EC)DHE, and all of TLS 1.3: only a key log opens it.
    Ephemeral,
}

/// How records are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// AES-CBC with an HMAC; bytes of the key.
    Cbc(usize, Hash),
    /// AES-GCM; bytes of the key.
    Gcm(usize),
    /// AES-CCM; bytes of the key and of the tag.
    Ccm(usize, usize),
    /// ChaCha20-Poly1305.
    ChaCha,
    /// RC4, 3DES, none: told as unsupported.
    Other,
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1, for MACs only.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

impl Hash {
    /// Bytes of its output.
    pub const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

/// A cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    id: u16,
    name: &'static str,
    pub key_exchange: KeyExchange,
    pub bulk: Bulk,
    /// Of the PRF of TLS 1.2 and the key schedule of TLS 1.3.
    pub hash: Hash,
}

const fn suite(id: u16, name: &'static str, key_exchange: KeyExchange, bulk: Bulk, hash: Hash) -> Suite {
    Suite { id, name, key_exchange, bulk, hash }
}

use Bulk::{Cbc, Ccm, ChaCha, Gcm, Other};
use Hash::{Sha1, Sha256, Sha384};
use KeyExchange::{Ephemeral as Eph, Rsa};

/// In the order of their numbers.
static SUITES: &[Suite] = &[
    suite(0x0001, "RSA_WITH_NULL_MD5", Rsa, Other, Sha256),
    suite(0x0002, "RSA_WITH_NULL_SHA", Rsa, Other, Sha256),
    suite(0x0004, "RSA_WITH_RC4_128_MD5", Rsa, Other, Sha256),
    suite(0x0005, "RSA_WITH_RC4_128_SHA", Rsa, Other, Sha256),
    suite(0x000a, "RSA_WITH_3DES_EDE_CBC_SHA", Rsa, Other, Sha256),
    suite(0x0013, "DHE_DSS_WITH_3DES_EDE_CBC_SHA", Eph, Other, Sha256),
    suite(0x0016, "DHE_RSA_WITH_3DES_EDE_CBC_SHA", Eph, Other, Sha256),
    suite(0x002f, "RSA_WITH_AES_128_CBC_SHA", Rsa, Cbc(16, Sha1), Sha256),
    suite(0x0032, "DHE_DSS_WITH_AES_128_CBC_SHA", Eph, Cbc(16, Sha1), Sha256),
    suite(0x0033, "DHE_RSA_WITH_AES_128_CBC_SHA", Eph, Cbc(16, Sha1), Sha256),
    suite(0x0035, "RSA_WITH_AES_256_CBC_SHA", Rsa, Cbc(32, Sha1), Sha256),
    suite(0x0038, "DHE_DSS_WITH_AES_256_CBC_SHA", Eph, Cbc(32, Sha1), Sha256),
    suite(0x0039, "DHE_RSA_WITH_AES_256_CBC_SHA", Eph, Cbc(32, Sha1), Sha256),
    suite(0x003b, "RSA_WITH_NULL_SHA256", Rsa, Other, Sha256),
    suite(0x003c, "RSA_WITH_AES_128_CBC_SHA256", Rsa, Cbc(16, Sha256), Sha256),
    suite(0x003d, "RSA_WITH_AES_256_CBC_SHA256", Rsa, Cbc(32, Sha256), Sha256),
    suite(0x0040, "DHE_DSS_WITH_AES_128_CBC_SHA256", Eph, Cbc(16, Sha256), Sha256),
    suite(0x0067, "DHE_RSA_WITH_AES_128_CBC_SHA256", Eph, Cbc(16, Sha256), Sha256),
    suite(0x006a, "DHE_DSS_WITH_AES_256_CBC_SHA256", Eph, Cbc(32, Sha256), Sha256),
    suite(0x006b, "DHE_RSA_WITH_AES_256_CBC_SHA256", Eph, Cbc(32, Sha256), Sha256),
    suite(0x009c, "RSA_WITH_AES_128_GCM_SHA256", Rsa, Gcm(16), Sha256),
    suite(0x009d, "RSA_WITH_AES_256_GCM_SHA384", Rsa, Gcm(32), Sha384),
    suite(0x009e, "DHE_RSA_WITH_AES_128_GCM_SHA256", Eph, Gcm(16), Sha256),
    suite(0x009f, "DHE_RSA_WITH_AES_256_GCM_SHA384", Eph, Gcm(32), Sha384),
    suite(0x1301, "AES_128_GCM_SHA256", Eph, Gcm(16), Sha256),
    suite(0x1302, "AES_256_GCM_SHA384", Eph, Gcm(32), Sha384),
    suite(0x1303, "CHACHA20_POLY1305_SHA256", Eph, ChaCha, Sha256),
    suite(0x1304, "AES_128_CCM_SHA256", Eph, Ccm(16, 16), Sha256),
    suite(0x1305, "AES_128_CCM_8_SHA256", Eph, Ccm(16, 8), Sha256),
    suite(0xc007, "ECDHE_ECDSA_WITH_RC4_128_SHA", Eph, Other, Sha256),
    suite(0xc008, "ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", Eph, Other, Sha256),
    suite(0xc009, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA", Eph, Cbc(16, Sha1), Sha256),
    suite(0xc00a, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA", Eph, Cbc(32, Sha1), Sha256),
    suite(0xc011, "ECDHE_RSA_WITH_RC4_128_SHA", Eph, Other, Sha256),
    suite(0xc012, "ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", Eph, Other, Sha256),
    suite(0xc013, "ECDHE_RSA_WITH_AES_128_CBC_SHA", Eph, Cbc(16, Sha1), Sha256),
    suite(0xc014, "ECDHE_RSA_WITH_AES_256_CBC_SHA", Eph, Cbc(32, Sha1), Sha256),
    suite(0xc023, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", Eph, Cbc(16, Sha256), Sha256),
    suite(0xc024, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", Eph, Cbc(32, Sha384), Sha384),
    suite(0xc027, "ECDHE_RSA_WITH_AES_128_CBC_SHA256", Eph, Cbc(16, Sha256), Sha256),
    suite(0xc028, "ECDHE_RSA_WITH_AES_256_CBC_SHA384", Eph, Cbc(32, Sha384), Sha384),
    suite(0xc02b, "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Eph, Gcm(16), Sha256),
    suite(0xc02c, "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Eph, Gcm(32), Sha384),
    suite(0xc02f, "ECDHE_RSA_WITH_AES_128_GCM_SHA256", Eph, Gcm(16), Sha256),
    suite(0xc030, "ECDHE_RSA_WITH_AES_256_GCM_SHA384", Eph, Gcm(32), Sha384),
    suite(0xc09c, "RSA_WITH_AES_128_CCM", Rsa, Ccm(16, 16), Sha256),
    suite(0xc09d, "RSA_WITH_AES_256_CCM", Rsa, Ccm(32, 16), Sha256),
    suite(0xc09e, "DHE_RSA_WITH_AES_128_CCM", Eph, Ccm(16, 16), Sha256),
    suite(0xc09f, "DHE_RSA_WITH_AES_256_CCM", Eph, Ccm(32, 16), Sha256),
    suite(0xc0a0, "RSA_WITH_AES_128_CCM_8", Rsa, Ccm(16, 8), Sha256),
    suite(0xc0a1, "RSA_WITH_AES_256_CCM_8", Rsa, Ccm(32, 8), Sha256),
    suite(0xc0a2, "DHE_RSA_WITH_AES_128_CCM_8", Eph, Ccm(16, 8), Sha256),
    suite(0xc0a3, "DHE_RSA_WITH_AES_256_CCM_8", Eph, Ccm(32, 8), Sha256),
    suite(0xc0ac, "ECDHE_ECDSA_WITH_AES_128_CCM", Eph, Ccm(16, 16), Sha256),
    suite(0xc0ad, "ECDHE_ECDSA_WITH_AES_256_CCM", Eph, Ccm(32, 16), Sha256),
    suite(0xc0ae, "ECDHE_ECDSA_WITH_AES_128_CCM_8", Eph, Ccm(16, 8), Sha256),
    suite(0xc0af, "ECDHE_ECDSA_WITH_AES_256_CCM_8", Eph, Ccm(32, 8), Sha256),
    suite(0xcca8, "ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Eph, ChaCha, Sha256),
    suite(0xcca9, "ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", Eph, ChaCha, Sha256),
    suite(0xccaa, "DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Eph, ChaCha, Sha256),
];

/// What a suite is made of.
pub fn find(id: u16) -> Option<&'static Suite> {
    let at = SUITES.binary_search_by_key(&id, |suite| suite.id).ok()?;
    SUITES.get(at)
}

/// The IANA name, without `TLS_`.
#[must_use]
pub fn suite_name(suite: u16) -> Option<&'static str> {
    find(suite).map(|suite| suite.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_names_fit_what_they_name() {
        assert!(SUITES.is_sorted_by(|left, right| left.id < right.id));
        for suite in SUITES {
            let name = suite.name;
            assert_eq!(find(suite.id), Some(suite), "{name}");
            assert_eq!(suite.key_exchange == Rsa, name.starts_with("RSA_"), "{name}");
            assert_eq!(suite.hash == Sha384, name.ends_with("SHA384"), "{name}");
            let bulk = match suite.bulk {
                Cbc(len, mac) => format!("AES_{}_CBC_{}", len * 8, ["SHA", "SHA256", "SHA384"][mac.len() / 15 - 1]),
                Gcm(len) => format!("AES_{}_GCM", len * 8),
                Ccm(len, 8) => format!("AES_{}_CCM_8", len * 8),
                Ccm(len, _) => format!("AES_{}_CCM", len * 8),
                ChaCha => "CHACHA20_POLY1305".to_owned(),
                Other => continue,
            };
            assert!(name.contains(&bulk), "{name}: {bulk}");
        }
    }
}
