//! The part of the key schedule of TLS 1.3 that begins at traffic secrets (RFC 8446 §7.1 to §7.3).

use hkdf::Hkdf;
use sha2::{Sha256, Sha384};
use zeroize::Zeroizing;

use super::suites::Hash;

/// `HKDF-Expand-Label` with an empty context (RFC 8446 §7.1). `None` when the secret is too short for the hash.
pub fn expand_label(hash: Hash, secret: &[u8], label: &[u8], len: usize) -> Option<Zeroizing<Vec<u8>>> {
    let prefix = b"tls13 ";
    let size = u16::try_from(len).ok()?.to_be_bytes();
    let name_len = u8::try_from(prefix.len() + label.len()).ok()?;
    let info: [&[u8]; 5] = [&size, &[name_len], prefix, label, &[0]];
    let mut out = Zeroizing::new(vec![0; len]);
    match hash {
        Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret).ok()?.expand_multi_info(&info, &mut out).ok()?,
        Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret).ok()?.expand_multi_info(&info, &mut out).ok()?,
        Hash::Sha1 => return None,
    }
    Some(out)
}

/// The traffic secret after a KeyUpdate (RFC 8446 §7.2).
pub fn next_secret(hash: Hash, secret: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    expand_label(hash, secret, b"traffic upd", hash.len())
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    /// RFC 5869 appendix A.1 for the primitive, RFC 8448 §3 for the labels.
    #[test]
    fn the_vectors_of_the_rfcs() {
        let ikm = [0x0b; 22];
        let mut okm = [0; 42];
        Hkdf::<Sha256>::new(Some(&hex("000102030405060708090a0b0c")), &ikm)
            .expand(&hex("f0f1f2f3f4f5f6f7f8f9"), &mut okm)
            .unwrap();
        assert_eq!(okm.to_vec(), hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"));
        let secret = hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
        let key = expand_label(Hash::Sha256, &secret, b"key", 16).unwrap();
        let iv = expand_label(Hash::Sha256, &secret, b"iv", 12).unwrap();
        assert_eq!(key.as_slice(), hex("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(iv.as_slice(), hex("5d313eb2671276ee13000b30"));
    }

    #[test]
    fn a_secret_of_another_hash_is_refused() {
        assert!(expand_label(Hash::Sha384, &[1; 32], b"key", 16).is_none());
        assert!(expand_label(Hash::Sha1, &[1; 48], b"key", 16).is_none());
        assert_eq!(next_secret(Hash::Sha256, &[1; 32]).unwrap().len(), 32);
    }
}
