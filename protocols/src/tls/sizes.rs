//! What the length of an encrypted record says of the length of its content: a range, from the cipher suite alone.
//!
//! ```text
//! GCM, CCM       nonce[8] content tag                   TLS 1.2 (RFC 5288 §3, RFC 6655 §3)
//! ChaCha20       content tag[16]                        TLS 1.2 (RFC 7905 §2)
//! CBC            [IV] (content MAC padding)             RFC 5246 §6.2.3.2; no IV in TLS 1.0 (RFC 2246 §6.2.3.2)
//! CBC, EtM       [IV] (content padding) MAC             RFC 7366 §3
//! RC4            content MAC                            RFC 5246 §6.2.3.1
//! TLS 1.3        content type[1] zeros tag              RFC 8446 §5.2, §5.4
//! ```
//! Padding beyond a block, and the zeros of TLS 1.3, are optional and rare: they are not in the range.

use std::ops::RangeInclusive;

use super::suites::{self, Bulk};
use super::transaction::{Facts, TLS13};

/// TLS 1.0.
const TLS10: u16 = 0x0301;
/// The longest content (RFC 8446 §5.1).
const MAX_CONTENT: usize = super::record::MAX_PLAINTEXT;
/// Bytes of the explicit nonce of GCM and CCM up to TLS 1.2.
const NONCE: usize = 8;

/// How a session wraps what its records carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// So many bytes are added.
    Fixed(usize),
    /// Content, so many bytes and at least one of padding fill blocks; so many bytes stand outside of these.
    Blocks {
        /// Bytes of a block.
        block: usize,
        /// Bytes besides the content inside the blocks.
        inside: usize,
        /// Bytes outside: IV, and the MAC with encrypt-then-MAC.
        outside: usize,
    },
}

impl Wrapping {
    /// That of a session; `None` for what nobody here knows, and with compression, which says nothing of lengths.
    #[must_use]
    pub fn of(facts: &Facts) -> Option<Self> {
        let hello = facts.server_hello.as_ref().filter(|hello| hello.compression == 0)?;
        let version = hello.version();
        let bulk = suites::find(hello.cipher)?.bulk;
        // RFC 8446 appendix B.4: suites of its own, and no others.
        if (version == TLS13) != (0x1301..=0x1305).contains(&hello.cipher) {
            return None;
        }
        if version == TLS13 {
            let tag = match bulk {
                Bulk::Gcm(_) | Bulk::ChaCha => 16,
                Bulk::Ccm(_, tag) => tag,
                Bulk::Cbc(..) | Bulk::Other => return None,
            };
            return Some(Self::Fixed(1 + tag));
        }
        if !(TLS10..TLS13).contains(&version) {
            return None;
        }
        let blocks = |block: usize, mac: usize| {
            let iv = if version == TLS10 { 0 } else { block };
            if hello.encrypt_then_mac() {
                Self::Blocks { block, inside: 0, outside: iv + mac }
            } else {
                Self::Blocks { block, inside: mac, outside: iv }
            }
        };
        Some(match (bulk, hello.cipher) {
            (Bulk::Gcm(_), _) => Self::Fixed(NONCE + 16),
            (Bulk::Ccm(_, tag), _) => Self::Fixed(NONCE + tag),
            (Bulk::ChaCha, _) => Self::Fixed(16),
            (Bulk::Cbc(_, mac), _) => blocks(16, mac.len()),
            // 3DES and RC4, which old Windows offers: their lengths are known although they are not opened.
            (Bulk::Other, 0x000a | 0x0013 | 0x0016 | 0xc008 | 0xc012) => blocks(8, 20),
            (Bulk::Other, 0x0004) => Self::Fixed(16),
            (Bulk::Other, 0x0005 | 0xc007 | 0xc011) => Self::Fixed(20),
            (Bulk::Other, _) => return None,
        })
    }

    /// Bytes of content in a record with a fragment of `len` bytes; `None` when no record is that short.
    #[must_use]
    pub fn content(self, len: usize) -> Option<RangeInclusive<usize>> {
        match self {
            Self::Fixed(added) => len.checked_sub(added).map(|content| content..=content),
            Self::Blocks { block, inside, outside } => {
                let most = len.checked_sub(outside)?.checked_sub(inside + 1)?.min(MAX_CONTENT);
                Some(most.saturating_sub(block - 1)..=most)
            }
        }
    }
}
