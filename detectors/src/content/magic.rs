//! What a file is, by its first bytes.
//!
//! Magic numbers as the formats' own specifications give them (PE/COFF, PKWARE APPNOTE, [MS-CFB], [MS-CAB], RFC 1952, RFC 8878,
//! ISO 32000, RFC 2083, ITU-T T.81 …). A table of our own: the few kinds that matter here, with the header of a PE checked where
//! its pointer says, which crates that know hundreds do not do.

/// Bytes that are enough for all but a PE whose header is far.
pub const ENOUGH: usize = 512;

/// Kinds whose sums nobody lists, and that web pages are full of.
pub const MEDIA: [&str; 7] =
    ["PNG image", "JPEG image", "GIF image", "WebP image", "ISO media", "WOFF font", "Matroska or WebM media"];

const TABLE: &[(usize, &[u8], &str)] = &[
    (0, b"\x7fELF", "ELF"),
    (0, b"PK\x03\x04", "ZIP archive"),
    (0, b"PK\x05\x06", "ZIP archive"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "OLE compound file"),
    (0, b"MSCF\0\0\0\0", "Microsoft cabinet"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (0, b"Rar!\x1a\x07", "RAR archive"),
    (0, b"\x1f\x8b\x08", "gzip data"),
    (0, b"BZh", "bzip2 data"),
    (0, b"\xfd7zXZ\0", "XZ data"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (0, b"%PDF-", "PDF document"),
    (0, b"{\\rtf", "RTF document"),
    (0, b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", "Windows shortcut"),
    (0, b"ITSF\x03", "Windows help file"),
    (0, b"regf", "Windows registry hive"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG image"),
    (0, b"\xff\xd8\xff", "JPEG image"),
    (0, b"GIF8", "GIF image"),
    (8, b"WEBP", "WebP image"),
    (4, b"ftyp", "ISO media"),
    (0, b"wOFF", "WOFF font"),
    (0, b"wOF2", "WOFF font"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM media"),
    (0, b"CD001", "ISO 9660 image"),
    (257, b"ustar", "tar archive"),
    (0, b"SQLite format 3\0", "SQLite database"),
    (0, b"#!", "script"),
];

/// The kind, where it is known. `bytes` are the first ones of the file.
#[must_use]
pub fn magic(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"MZ") {
        return Some(if is_pe(bytes) { "PE executable" } else { "DOS executable" });
    }
    let known = TABLE.iter().find(|(at, magic, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    known.map(|(_, _, name)| *name).or_else(|| text(bytes))
}

/// `MZ`, and `PE\0\0` where the number at 0x3c says (PE/COFF).
#[must_use]
pub fn is_pe(bytes: &[u8]) -> bool {
    let place = bytes.get(0x3c..0x40).and_then(<[u8]>::first_chunk::<4>);
    let header = place.and_then(|place| bytes.get(usize::try_from(u32::from_le_bytes(*place)).ok()?..));
    bytes.starts_with(b"MZ") && header.is_some_and(|header| header.starts_with(b"PE\0\0"))
}

fn text(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [] => return None,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Some("UTF-16 text"),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let head = bytes.get(..ENOUGH).unwrap_or(bytes);
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        // A character that the cut halves.
        Err(error) => error.error_len().is_none() && error.valid_up_to() + 4 > head.len(),
    };
    // Without a way out in the middle: the compiler looks at many bytes at once.
    let controls = head.iter().fold(false, |any, byte| any | matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127));
    if !is_text || controls {
        return None;
    }
    let trimmed = head.trim_ascii_start();
    let begins = |word: &[u8]| trimmed.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    Some(if begins(b"<!doctype html") || begins(b"<html") {
        "HTML document"
    } else if begins(b"<?xml") {
        "XML document"
    } else if head.is_ascii() {
        "ASCII text"
    } else {
        "UTF-8 text"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pe(at: u32) -> Vec<u8> {
        let mut bytes = b"MZ".to_vec();
        bytes.resize(0x3c, 0);
        bytes.extend(at.to_le_bytes());
        bytes.resize(at as usize, 0);
        bytes.extend(b"PE\0\0");
        bytes
    }

    #[test]
    fn a_program_is_one_where_its_header_is_where_it_says() {
        assert_eq!(magic(&pe(0x80)), Some("PE executable"));
        assert_eq!(magic(&pe(0x4000)), Some("PE executable"));
        assert_eq!(magic(b"MZ is how this text begins"), Some("DOS executable"));
        assert_eq!(magic(b"MZ"), Some("DOS executable"));
    }

    #[test]
    fn kinds_are_told_apart() {
        for (bytes, kind) in [
            (b"PK\x03\x04....".as_slice(), "ZIP archive"),
            (b"%PDF-1.7", "PDF document"),
            (b"\x89PNG\r\n\x1a\n", "PNG image"),
            (b"  <!DOCTYPE HTML><p>", "HTML document"),
            (b"<?xml version='1.0'?>", "XML document"),
            (b"Get-Service", "ASCII text"),
            ("Gr\u{fc}n".as_bytes(), "UTF-8 text"),
            (b"\xff\xfeG\0e\0", "UTF-16 text"),
            (b"#!/bin/sh\n", "script"),
        ] {
            assert_eq!(magic(bytes), Some(kind));
        }
        for unknown in [b"".as_slice(), b"\0\0\0\0", b"\x80\x81\x82\x83 text"] {
            assert_eq!(magic(unknown), None, "{unknown:?}");
        }
    }
}
