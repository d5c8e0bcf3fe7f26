//! MD5, SHA-1 and SHA-256 of bytes as they come.

use md5::Digest as _;

/// Which are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// MD5.
    pub md5: bool,
    /// SHA-1.
    pub sha1: bool,
    /// SHA-256.
    pub sha256: bool,
}

impl Wanted {
    /// None.
    pub const NONE: Self = Self { md5: false, sha1: false, sha256: false };
}

/// In lower-case hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hashes {
    /// MD5.
    pub md5: Option<String>,
    /// SHA-1.
    pub sha1: Option<String>,
    /// SHA-256.
    pub sha256: Option<String>,
}

/// Their states.
#[derive(Clone)]
pub struct Hashers {
    md5: Option<md5::Md5>,
    sha1: Option<sha1::Sha1>,
    sha256: Option<sha2::Sha256>,
}

impl Hashers {
    /// Of nothing so far; none where none is wanted.
    pub fn new(wanted: Wanted) -> Option<Self> {
        let Wanted { md5, sha1, sha256 } = wanted;
        (md5 || sha1 || sha256).then(|| Self {
            md5: md5.then(md5::Md5::new),
            sha1: sha1.then(sha1::Sha1::new),
            sha256: sha256.then(sha2::Sha256::new),
        })
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// The sums.
    pub fn finish(self) -> Hashes {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        Hashes {
            md5: self.md5.map(|hasher| hex(&hasher.finalize())),
            sha1: self.sha1.map(|hasher| hex(&hasher.finalize())),
            sha256: self.sha256.map(|hasher| hex(&hasher.finalize())),
        }
    }
}
