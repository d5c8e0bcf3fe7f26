//! Private keys of servers, for RSA key exchange (RFC 5246 §7.4.7.1).

use std::fmt;
use std::net::IpAddr;

use data_encoding::BASE64;
use rsa::PrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use zeroize::Zeroizing;

/// The longest text or DER of a key, with certificates around it.
const MAX_LEN: usize = 1024 * 1024;

/// Why a key was not taken. Nothing of the key stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither DER nor PEM with a private key in it.
    NotAKey,
    /// The PEM is protected by a passphrase.
    Encrypted,
    /// A private key of another kind: it cannot open any session by itself.
    NotRsa,
    /// The base64 of the PEM is broken.
    BadBase64,
    /// It looks like an RSA key and is not a valid one.
    BadKey,
    /// There is no room for more keys.
    TooMany,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAKey => "there is no private key in it (expected PEM or DER, PKCS #1 or PKCS #8)",
            Self::Encrypted => "the key is protected by a passphrase: store it without one",
            Self::NotRsa => "the key is not an RSA key: only RSA key exchange can be opened with a private key",
            Self::BadBase64 => "the text between BEGIN and END is not base64",
            Self::BadKey => "the RSA key is damaged or inconsistent",
            Self::TooMany => "there are too many private keys",
        })
    }
}

impl std::error::Error for KeyError {}

/// An RSA private key. The numbers are zeroed when it is dropped (by the `rsa` crate).
pub struct RsaKey {
    key: PrivateKey,
    modulus: Vec<u8>,
    server: Option<IpAddr>,
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaKey([secret])")
    }
}

impl RsaKey {
    /// Reads a key.
    pub(super) fn read(pem_or_der: &[u8], server: Option<IpAddr>) -> Result<Self, KeyError> {
        if pem_or_der.len() > MAX_LEN {
            return Err(KeyError::NotAKey);
        }
        let key = match private_key_block(pem_or_der)? {
            Some((label, der)) => match label {
                b"RSA PRIVATE KEY" => PrivateKey::from_pkcs1_der(&der).map_err(|_| KeyError::BadKey)?,
                b"ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
                b"PRIVATE KEY" => from_pkcs8(&der)?,
                _ => return Err(KeyError::NotRsa),
            },
            // SEQUENCE: DER, or nothing at all.
            None if pem_or_der.first() == Some(&0x30) => match PrivateKey::from_pkcs1_der(pem_or_der) {
                Ok(key) => key,
                Err(_) => from_pkcs8(pem_or_der)?,
            },
            None => return Err(KeyError::NotAKey),
        };
        let modulus = key.n_bytes();
        let zeros = modulus.iter().take_while(|&&byte| byte == 0).count();
        let modulus = modulus.get(zeros..).unwrap_or_default().to_vec();
        Ok(Self { key, modulus, server })
    }

    /// The public modulus, big-endian, without leading zeros.
    pub(super) fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The server that has it, if that was said.
    pub(super) const fn server(&self) -> Option<IpAddr> {
        self.server
    }

    /// The premaster secret of a ClientKeyExchange. Bad padding gives random bytes, not an error (that is how the `rsa`
    /// crate keeps padding secret): those are rarely 48 with the right version, and else the first record tells.
    pub(in super::super) fn premaster(&self, encrypted: &[u8], versions: &[u16]) -> Option<Zeroizing<Vec<u8>>> {
        // Not blinded: nobody can time a sensor that answers nothing.
        let premaster = Zeroizing::new(self.key.pkcs1v15_decrypt(encrypted).ok()?);
        let fits = versions.iter().any(|version| premaster.starts_with(&version.to_be_bytes()));
        (premaster.len() == 48 && fits).then_some(premaster)
    }
}

fn from_pkcs8(der: &[u8]) -> Result<PrivateKey, KeyError> {
    PrivateKey::from_pkcs8_der(der).map_err(|_| {
        // 1.2.840.113549.1.1.1, rsaEncryption (RFC 8017 appendix A.1).
        let rsa = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
        let head = der.get(..64).unwrap_or(der);
        if head.windows(rsa.len()).any(|window| window == rsa) { KeyError::BadKey } else { KeyError::NotRsa }
    })
}

/// A PEM label and what the block holds.
type Block<'a> = (&'a [u8], Zeroizing<Vec<u8>>);

/// The first block of a PEM text whose label ends in `PRIVATE KEY` (RFC 7468), decoded.
fn private_key_block(text: &[u8]) -> Result<Option<Block<'_>>, KeyError> {
    let mut label: Option<&[u8]> = None;
    let mut body = Zeroizing::new(Vec::with_capacity(text.len()));
    for line in text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
        let dashed = line.strip_prefix(b"-----").and_then(|line| line.strip_suffix(b"-----"));
        match (label, dashed) {
            (None, Some(inner)) => label = inner.strip_prefix(b"BEGIN ").filter(|label| label.ends_with(b"PRIVATE KEY")),
            (Some(label), Some(_)) => {
                if label == b"ENCRYPTED PRIVATE KEY" {
                    return Ok(Some((label, Zeroizing::default())));
                }
                let mut der = Zeroizing::new(vec![0; BASE64.decode_len(body.len()).map_err(|_| KeyError::BadBase64)?]);
                let len = BASE64.decode_mut(&body, &mut der).map_err(|_| KeyError::BadBase64)?;
                der.truncate(len);
                return Ok(Some((label, der)));
            }
            // RFC 1421 headers stand in front of a traditional key with a passphrase.
            (Some(_), None) if line.starts_with(b"Proc-Type:") => return Err(KeyError::Encrypted),
            (Some(_), None) => body.extend_from_slice(line),
            (None, None) => {}
        }
    }
    Ok(None)
}
