//! Looks for the Decryption Secrets Blocks of a file before it is played ([pcapng] 4.7): they may stand behind the packets
//! that need them, and a replay gives the same result however its packets are dealt out.

use std::fs::File;
use std::io::{BufReader, Read, Result, Seek};
use std::path::Path;

use zeroize::Zeroizing;

use super::KeyLog;

/// Block types.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const DECRYPTION_SECRETS: u32 = 0x0000_000a;
/// Byte-order magic of a section header as it stands in a little-endian file.
const LITTLE_ENDIAN: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];
const BIG_ENDIAN: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];
/// Secrets type: an NSS key log.
const TLS_KEY_LOG: u32 = 0x544c_534b;
/// The longest secrets that are taken from one file, bytes.
const MAX_SECRETS: u64 = 64 * 1024 * 1024;
/// Smaller than the usual: most of it is stepped over.
const BUFFER: usize = 16 * 1024;

/// TLS secrets of a file. One that is no pcapng has none; of a damaged one, those before the damage. (Playing it tells.)
pub fn look(path: &Path) -> Vec<KeyLog> {
    let mut found = Vec::new();
    if let Ok(file) = File::open(path) {
        // What was found before an error stays.
        drop(walk(&mut BufReader::with_capacity(BUFFER, file), &mut found));
    }
    found
}

fn walk(file: &mut BufReader<impl Read + Seek>, found: &mut Vec<KeyLog>) -> Result<()> {
    let mut little = true;
    let mut room = MAX_SECRETS;
    let mut first = true;
    loop {
        let kind = word(file)?;
        let length = word(file)?;
        let number = |bytes: [u8; 4], little: bool| if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
        let mut used = 8;
        let is_section = u32::from_be_bytes(kind) == SECTION_HEADER;
        if is_section {
            little = match word(file)? {
                LITTLE_ENDIAN => true,
                BIG_ENDIAN => false,
                _ => return Ok(()),
            };
            used += 4;
        } else if first {
            return Ok(());
        }
        first = false;
        let length = u64::from(number(length, little));
        if !is_section && number(kind, little) == DECRYPTION_SECRETS {
            let (kind, len) = (number(word(file)?, little), u64::from(number(word(file)?, little)));
            used += 8;
            // The length of the block stands once more behind the secrets.
            if kind == TLS_KEY_LOG && len <= room && used + len + 4 <= length {
                // Room at once: a buffer that grows leaves copies behind.
                let mut secret = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0)));
                file.by_ref().take(len).read_to_end(&mut secret)?;
                used += len;
                room -= len;
                found.push(KeyLog::new(secret));
            }
        }
        match length.next_multiple_of(4).checked_sub(used).and_then(|rest| i64::try_from(rest).ok()) {
            // [pcapng] 3.1: twelve bytes at least, padded to 32 bits.
            Some(rest) if length >= 12 => file.seek_relative(rest)?,
            _ => return Ok(()),
        }
    }
}

fn word(file: &mut impl Read) -> Result<[u8; 4]> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn block(kind: u32, body: &[u8], big: bool) -> Vec<u8> {
        let number = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let padded = body.len().div_ceil(4) * 4;
        let length = number(u32::try_from(padded + 12).unwrap());
        let mut block = [number(kind), length].concat();
        block.extend_from_slice(body);
        block.resize(8 + padded, 0);
        block.extend_from_slice(&length);
        block
    }

    fn section(big: bool) -> Vec<u8> {
        let magic = if big { BIG_ENDIAN } else { LITTLE_ENDIAN };
        block(SECTION_HEADER, &[&magic[..], &[0, 1, 0, 0], &[0xff; 8]].concat(), big)
    }

    fn secrets(kind: u32, text: &[u8], big: bool) -> Vec<u8> {
        let number = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        block(DECRYPTION_SECRETS, &[&number(kind), &number(u32::try_from(text.len()).unwrap()), text].concat(), big)
    }

    fn found(bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        drop(walk(&mut BufReader::new(Cursor::new(bytes)), &mut found));
        found.into_iter().map(|secret| secret.expose().to_vec()).collect()
    }

    #[test]
    fn secrets_are_found_behind_packets_and_in_sections_of_either_byte_order() {
        let packet = block(6, &[7; 61], false);
        let other = secrets(0x5741_4b4b, b"a WireGuard log", false);
        let file = [
            section(false),
            packet.clone(),
            secrets(TLS_KEY_LOG, b"first", false),
            other,
            section(true),
            block(6, &[7; 64], true),
            secrets(TLS_KEY_LOG, b"second", true),
        ];
        assert_eq!(found(file.concat()), [b"first".to_vec(), b"second".to_vec()]);
    }

    #[test]
    fn damage_ends_the_search_and_keeps_what_was_found() {
        let good = [section(false), secrets(TLS_KEY_LOG, b"first", false)].concat();
        for bad in
            [&b"\x0a\0\0\0\x08\0\0\0"[..], b"\x0a\0\0\0\xff\xff\xff\xffKSLT\xff\xff\xff\x7f", b"\x06\0\0\0\0\0\0\0", b"\x06"]
        {
            assert_eq!(found([&good, bad].concat()), [b"first".to_vec()]);
        }
        assert!(found(b"\xd4\xc3\xb2\xa1".repeat(9)).is_empty());
        assert!(found(secrets(TLS_KEY_LOG, b"no section", false)).is_empty());
    }
}
