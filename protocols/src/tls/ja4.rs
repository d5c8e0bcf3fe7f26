//! JA4 of a TLS client (FoxIO, BSD-3-Clause). The other members of that family have another licence and stay out.
//!
//! ```text
//! JA4 = "t" version ("d" / "i") ciphers extensions alpn "_" cipher-hash "_" extension-hash      t13d1516h2_8daaf6152771_b186095e22b6
//! ```

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::hello::{ClientHello, EXT_ALPN, EXT_SERVER_NAME};
use super::wire::is_grease;

/// The fingerprint of a client.
#[must_use]
pub fn of_client(hello: &ClientHello) -> String {
    let version = match hello.highest_version() {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        _ => "00",
    };
    let mut ciphers = without_grease(&hello.ciphers);
    let mut extensions = without_grease(&hello.extensions);
    let name = if extensions.contains(&EXT_SERVER_NAME) { 'd' } else { 'i' };
    let (cipher_count, extension_count) = (ciphers.len().min(99), extensions.len().min(99));
    let (first, last) = alpn(hello);
    ciphers.sort_unstable();
    extensions.retain(|kind| !matches!(*kind, EXT_SERVER_NAME | EXT_ALPN));
    extensions.sort_unstable();
    let mut second = hex_list(&extensions);
    let algorithms = without_grease(&hello.signature_algorithms);
    if !algorithms.is_empty() {
        second.push('_');
        second.push_str(&hex_list(&algorithms));
    }
    let cipher_hash = hash(&hex_list(&ciphers), ciphers.is_empty());
    let extension_hash = hash(&second, extensions.is_empty());
    format!("t{version}{name}{cipher_count:02}{extension_count:02}{first}{last}_{cipher_hash}_{extension_hash}")
}

fn without_grease(values: &[u16]) -> Vec<u16> {
    values.iter().copied().filter(|&value| !is_grease(value)).collect()
}

fn hex_list(values: &[u16]) -> String {
    values.iter().map(|value| format!("{value:04x}")).collect::<Vec<_>>().join(",")
}

/// Twelve digits of the hash; zeros for an empty list.
fn hash(text: &str, empty: bool) -> String {
    if empty {
        return "000000000000".to_owned();
    }
    let mut digits = HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
    digits.truncate(12);
    digits
}

/// First and last character of the first application protocol; of its hex digits, where one is no letter or digit.
fn alpn(hello: &ClientHello) -> (char, char) {
    let Some(name) = hello.alpn.first() else { return ('0', '0') };
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else { return ('0', '0') };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return (char::from(first), char::from(last));
    }
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    (digit(first >> 4), digit(last & 0x0f))
}
