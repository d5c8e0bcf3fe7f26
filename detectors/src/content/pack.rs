//! Packed bytes: gzip (RFC 1952), zlib (RFC 1950), deflate (RFC 1951), against a budget.

use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::config::Budget;

/// Bytes that a stream without a header must come to: less may be chance.
const MIN_DEFLATED: usize = 16;

/// What packed bytes unpack to, and the name of the layer. What a broken or cut stream gave so far counts, as it does for the
/// reader that is after it.
pub fn unpack(bytes: &[u8], budget: &mut Budget) -> Option<(&'static str, Vec<u8>)> {
    let zlib = matches!(bytes, [0x78, second, ..] if (0x7800 + u32::from(*second)) % 31 == 0);
    if bytes.starts_with(&[0x1F, 0x8B, 8]) {
        some("gzip", drain(GzDecoder::new(bytes), budget))
    } else if zlib {
        some("zlib", drain(ZlibDecoder::new(bytes), budget))
    } else {
        None
    }
}

/// The same for a bare deflate stream, which nothing marks: it must end well.
pub fn inflate(bytes: &[u8], budget: &mut Budget) -> Option<(&'static str, Vec<u8>)> {
    let (out, whole) = drain(DeflateDecoder::new(bytes), budget);
    (whole && out.len() >= MIN_DEFLATED).then_some(("deflate", out))
}

fn some(layer: &'static str, (out, _): (Vec<u8>, bool)) -> Option<(&'static str, Vec<u8>)> {
    (!out.is_empty()).then_some((layer, out))
}

fn drain(mut reader: impl Read, budget: &mut Budget) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut buffer = [0; 8 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return (out, true),
            Ok(len) => {
                if !budget.take(len) {
                    return (out, false);
                }
                out.extend_from_slice(buffer.get(..len).unwrap_or_default());
            }
            Err(_) => return (out, false),
        }
    }
}
