//! Opens one record in place: the ciphers of TLS 1.0 to 1.3 (RFC 5246 §6.2.3, RFC 8446 §5.2).

use std::ops::Range;

use aes::cipher::{BlockCipherDecrypt, BlockModeDecrypt as _, InnerIvInit as _, KeyInit, consts::U16};
use aes::{Aes128, Aes256};
use aes_gcm::aead::array::typenum::Unsigned;
use aes_gcm::aead::{AeadInOut, consts};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ccm::Ccm;
use chacha20poly1305::ChaCha20Poly1305;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use zeroize::Zeroizing;

use super::suites::{Bulk, Hash};

/// AES has blocks of 16 bytes.
const BLOCK: usize = 16;
/// Bytes of an AEAD nonce.
const NONCE: usize = 12;

/// What of a record's header is authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub kind: u8,
    pub version: u16,
}

/// The record does not authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// One direction's cipher with its key.
pub trait RecordCipher: Send {
    /// Opens a fragment in place and says where in it the plaintext is.
    fn open(&mut self, sequence: u64, head: Head, fragment: &mut [u8]) -> Result<Range<usize>, Broken>;

    /// How long the plaintext of a fragment of this length is, if that is certain.
    fn plaintext_len(&self, fragment: usize) -> Option<usize>;

    /// Whether the next record can be opened when one is lost.
    fn survives_loss(&self) -> bool {
        true
    }
}

/// An AEAD, so that another implementation can take its place.
trait Aead: Send {
    fn tag_len(&self) -> usize;
    /// Opens in place; whether the tag fits.
    fn open(&self, nonce: &[u8; NONCE], associated: &[u8], body: &mut [u8], tag: &[u8]) -> bool;
}

impl<A> Aead for A
where
    A: AeadInOut + Send,
{
    fn tag_len(&self) -> usize {
        A::TagSize::USIZE
    }

    fn open(&self, nonce: &[u8; NONCE], associated: &[u8], body: &mut [u8], tag: &[u8]) -> bool {
        let (Ok(nonce), Ok(tag)) = (nonce.as_slice().try_into(), tag.try_into()) else { return false };
        self.decrypt_inout_detached(nonce, associated, body.into(), tag).is_ok()
    }
}

fn aead(bulk: Bulk, key: &[u8]) -> Option<Box<dyn Aead>> {
    fn new<A: KeyInit + Aead + 'static>(key: &[u8]) -> Option<Box<dyn Aead>> {
        Some(Box::new(A::new_from_slice(key).ok()?))
    }
    match bulk {
        Bulk::Gcm(16) => new::<Aes128Gcm>(key),
        Bulk::Gcm(32) => new::<Aes256Gcm>(key),
        Bulk::Ccm(16, 16) => new::<Ccm<Aes128, U16, consts::U12>>(key),
        Bulk::Ccm(16, 8) => new::<Ccm<Aes128, consts::U8, consts::U12>>(key),
        Bulk::Ccm(32, 16) => new::<Ccm<Aes256, U16, consts::U12>>(key),
        Bulk::Ccm(32, 8) => new::<Ccm<Aes256, consts::U8, consts::U12>>(key),
        Bulk::ChaCha => new::<ChaCha20Poly1305>(key),
        _ => None,
    }
}

/// Key lengths of a suite: MAC key, key, IV or fixed part of the nonce (RFC 5246 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    pub mac: usize,
    pub key: usize,
    pub iv: usize,
}

impl Lengths {
    /// What the key block of a suite up to TLS 1.2 holds for each side; `None` when the suite is not supported.
    pub const fn of(bulk: Bulk, version: u16) -> Option<Self> {
        Some(match bulk {
            // TLS 1.0 has the first IV in the key block, later versions one in each record.
            Bulk::Cbc(key, hash) => Self { mac: hash.len(), key, iv: if version < 0x0302 { BLOCK } else { 0 } },
            // RFC 5288 §3, RFC 6655 §3.
            Bulk::Gcm(key) | Bulk::Ccm(key, _) => Self { mac: 0, key, iv: 4 },
            // RFC 7905 §2.
            Bulk::ChaCha => Self { mac: 0, key: 32, iv: NONCE },
            Bulk::Other => return None,
        })
    }
}

/// One side's part of the key block.
pub struct SideKeys<'a> {
    pub mac: &'a [u8],
    pub key: &'a [u8],
    pub iv: &'a [u8],
}

/// The cipher of one side up to TLS 1.2.
pub fn tls12(bulk: Bulk, version: u16, encrypt_then_mac: bool, keys: &SideKeys<'_>) -> Option<Box<dyn RecordCipher>> {
    if let Bulk::Cbc(_, hash) = bulk {
        let mac = RecordMac::new(hash, keys.mac)?;
        // Without one in the record, the first IV is of the key block.
        let chained = (version < 0x0302).then(|| keys.iv.try_into().ok()).flatten();
        return match keys.key.len() {
            16 => Some(Box::new(Cbc { cipher: Aes128::new_from_slice(keys.key).ok()?, mac, encrypt_then_mac, chained })),
            32 => Some(Box::new(Cbc { cipher: Aes256::new_from_slice(keys.key).ok()?, mac, encrypt_then_mac, chained })),
            _ => None,
        };
    }
    let explicit = if bulk == Bulk::ChaCha { 0 } else { 8 };
    let mut iv = Zeroizing::new([0; NONCE]);
    iv.get_mut(..keys.iv.len())?.copy_from_slice(keys.iv);
    Some(Box::new(Aead12 { aead: aead(bulk, keys.key)?, iv, explicit }))
}

/// The cipher of one side in TLS 1.3.
pub fn tls13(bulk: Bulk, key: &[u8], iv: &[u8]) -> Option<Box<dyn RecordCipher>> {
    Some(Box::new(Aead13 { aead: aead(bulk, key)?, iv: Zeroizing::new(iv.try_into().ok()?) }))
}

/// Bytes of the key of TLS 1.3.
pub const fn key_len(bulk: Bulk) -> Option<usize> {
    match bulk {
        Bulk::Gcm(key) | Bulk::Ccm(key, _) => Some(key),
        Bulk::ChaCha => Some(32),
        Bulk::Cbc(..) | Bulk::Other => None,
    }
}

/// The nonce of RFC 8446 §5.3 and RFC 7905 §2: the sequence number over the end of the IV.
fn counted_nonce(iv: &[u8; NONCE], sequence: u64) -> [u8; NONCE] {
    let mut nonce = *iv;
    for (byte, count) in nonce.iter_mut().skip(NONCE - 8).zip(sequence.to_be_bytes()) {
        *byte ^= count;
    }
    nonce
}

/// Sequence number, type, version and length of the plaintext (RFC 5246 §6.2.3.1, §6.2.3.3).
fn pseudo_header(sequence: u64, head: Head, len: usize) -> Option<[u8; 13]> {
    let mut header = [0; 13];
    let [kind, major, minor, high, low] = header.last_chunk_mut::<5>()?;
    [*major, *minor] = head.version.to_be_bytes();
    [*high, *low] = u16::try_from(len).ok()?.to_be_bytes();
    *kind = head.kind;
    *header.first_chunk_mut::<8>()? = sequence.to_be_bytes();
    Some(header)
}

/// AEAD up to TLS 1.2: part of the nonce stands in the record (GCM, CCM), or none of it (ChaCha20).
struct Aead12 {
    aead: Box<dyn Aead>,
    iv: Zeroizing<[u8; NONCE]>,
    explicit: usize,
}

impl RecordCipher for Aead12 {
    fn open(&mut self, sequence: u64, head: Head, fragment: &mut [u8]) -> Result<Range<usize>, Broken> {
        let len = self.plaintext_len(fragment.len()).ok_or(Broken)?;
        let associated = pseudo_header(sequence, head, len).ok_or(Broken)?;
        let (explicit, rest) = fragment.split_at_mut_checked(self.explicit).ok_or(Broken)?;
        let nonce = if self.explicit == 0 {
            counted_nonce(&self.iv, sequence)
        } else {
            let mut nonce = *self.iv;
            nonce.last_chunk_mut::<8>().ok_or(Broken)?.copy_from_slice(explicit);
            nonce
        };
        let (body, tag) = rest.split_at_mut_checked(len).ok_or(Broken)?;
        if self.aead.open(&nonce, &associated, body, tag) { Ok(self.explicit..self.explicit + len) } else { Err(Broken) }
    }

    fn plaintext_len(&self, fragment: usize) -> Option<usize> {
        fragment.checked_sub(self.explicit + self.aead.tag_len())
    }
}

/// AEAD of TLS 1.3.
struct Aead13 {
    aead: Box<dyn Aead>,
    iv: Zeroizing<[u8; NONCE]>,
}

impl RecordCipher for Aead13 {
    fn open(&mut self, sequence: u64, head: Head, fragment: &mut [u8]) -> Result<Range<usize>, Broken> {
        // RFC 8446 §5.2: the record's header as it stands.
        let [major, minor] = head.version.to_be_bytes();
        let [high, low] = u16::try_from(fragment.len()).map_err(|_| Broken)?.to_be_bytes();
        let len = fragment.len().checked_sub(self.aead.tag_len()).ok_or(Broken)?;
        let (body, tag) = fragment.split_at_mut_checked(len).ok_or(Broken)?;
        let nonce = counted_nonce(&self.iv, sequence);
        if self.aead.open(&nonce, &[head.kind, major, minor, high, low], body, tag) { Ok(0..len) } else { Err(Broken) }
    }

    fn plaintext_len(&self, _: usize) -> Option<usize> {
        // Padding and the content type are inside.
        None
    }
}

/// HMAC with the key in it.
enum RecordMac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
}

impl RecordMac {
    fn new(hash: Hash, key: &[u8]) -> Option<Self> {
        Some(match hash {
            Hash::Sha1 => Self::Sha1(Hmac::new_from_slice(key).ok()?),
            Hash::Sha256 => Self::Sha256(Hmac::new_from_slice(key).ok()?),
            Hash::Sha384 => Self::Sha384(Hmac::new_from_slice(key).ok()?),
        })
    }

    const fn len(&self) -> usize {
        match self {
            Self::Sha1(_) => 20,
            Self::Sha256(_) => 32,
            Self::Sha384(_) => 48,
        }
    }

    fn fits(&self, header: &[u8], content: &[u8], tag: &[u8]) -> bool {
        match self {
            Self::Sha1(keyed) => keyed.clone().chain_update(header).chain_update(content).verify_slice(tag).is_ok(),
            Self::Sha256(keyed) => keyed.clone().chain_update(header).chain_update(content).verify_slice(tag).is_ok(),
            Self::Sha384(keyed) => keyed.clone().chain_update(header).chain_update(content).verify_slice(tag).is_ok(),
        }
    }
}

/// AES-CBC with HMAC: MAC-then-encrypt (RFC 5246 §6.2.3.2), or encrypt-then-MAC (RFC 7366).
struct Cbc<C> {
    cipher: C,
    mac: RecordMac,
    encrypt_then_mac: bool,
    /// TLS 1.0: the last block of the record before (RFC 2246 §6.2.3.2).
    chained: Option<[u8; BLOCK]>,
}

impl<C> RecordCipher for Cbc<C>
where
    C: BlockCipherDecrypt<BlockSize = U16> + Clone + Send,
{
    fn open(&mut self, sequence: u64, head: Head, fragment: &mut [u8]) -> Result<Range<usize>, Broken> {
        let mac_len = self.mac.len();
        let sealed_len = if self.encrypt_then_mac { fragment.len().checked_sub(mac_len).ok_or(Broken)? } else { fragment.len() };
        let (sealed, outer_mac) = fragment.split_at_mut_checked(sealed_len).ok_or(Broken)?;
        if self.encrypt_then_mac {
            let header = pseudo_header(sequence, head, sealed_len).ok_or(Broken)?;
            if !self.mac.fits(&header, sealed, outer_mac) {
                return Err(Broken);
            }
        }
        let (iv, start) = match self.chained {
            Some(iv) => (iv, 0),
            None => (*sealed.first_chunk::<BLOCK>().ok_or(Broken)?, BLOCK),
        };
        let body = sealed.get_mut(start..).ok_or(Broken)?;
        if body.is_empty() || body.len() % BLOCK != 0 {
            return Err(Broken);
        }
        if self.chained.is_some() {
            self.chained = body.last_chunk::<BLOCK>().copied();
        }
        let (blocks, _) = aes::cipher::array::Array::<u8, U16>::slice_as_chunks_mut(body);
        cbc::Decryptor::inner_iv_init(self.cipher.clone(), &iv.into()).decrypt_blocks(blocks);
        // Nobody learns from a sensor whether the padding or the MAC was wrong, nor how long it took: no need to hide it.
        let padding = usize::from(*body.last().ok_or(Broken)?);
        let unpadded = body.len().checked_sub(padding + 1).ok_or(Broken)?;
        if body.get(unpadded..).is_none_or(|bytes| bytes.iter().any(|&byte| usize::from(byte) != padding)) {
            return Err(Broken);
        }
        if self.encrypt_then_mac {
            return Ok(start..start + unpadded);
        }
        let len = unpadded.checked_sub(mac_len).ok_or(Broken)?;
        let header = pseudo_header(sequence, head, len).ok_or(Broken)?;
        let (content, inner_mac) = body.get(..unpadded).ok_or(Broken)?.split_at_checked(len).ok_or(Broken)?;
        if self.mac.fits(&header, content, inner_mac) { Ok(start..start + len) } else { Err(Broken) }
    }

    fn plaintext_len(&self, _: usize) -> Option<usize> {
        // Between what is left without padding and a block or 255 bytes less.
        None
    }

    fn survives_loss(&self) -> bool {
        self.chained.is_none()
    }
}
