use super::*;

const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

fn expanded(algorithm: u16, bytes: &[u8], len: usize) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    expand(algorithm, bytes, len, &mut out).map(|()| out)
}

/// [MS-XCA] 3.1 and 3.2 give these examples for plain LZ77.
#[test]
fn the_examples_of_plain_lz77() {
    let literal = [&[0x3f, 0, 0, 0][..], ALPHABET].concat();
    assert_eq!(expanded(2, &literal, 26).unwrap(), ALPHABET);
    let repeated = b"\xff\xff\xff\x1fabc\x17\x00\x0f\xff\x26\x01";
    assert_eq!(expanded(2, repeated, 300).unwrap(), b"abc".repeat(100));
}

/// The same for LZ77 with Huffman codes.
#[test]
fn the_examples_of_huffman() {
    let mut literal = vec![0; 256];
    literal[48] = 0x50;
    literal[49..59].fill(0x55);
    literal[59] = 0x45;
    literal[60] = 0x44;
    literal[61] = 0x04;
    literal[128] = 0x04;
    literal.extend_from_slice(&[
        0xd8, 0x52, 0x3e, 0xd7, 0x94, 0x11, 0x5b, 0xe9, 0x19, 0x5f, 0xf9, 0xd6, 0x7c, 0xdf, 0x8d, 0x04, 0, 0, 0, 0,
    ]);
    assert_eq!(expanded(3, &literal, 26).unwrap(), ALPHABET);
    let mut repeated = vec![0; 256];
    repeated[48] = 0x30;
    repeated[49] = 0x23;
    repeated[128] = 0x02;
    repeated[143] = 0x20;
    repeated.extend_from_slice(&[0xa8, 0xdc, 0x00, 0x00, 0xff, 0x26, 0x01]);
    assert_eq!(expanded(3, &repeated, 300).unwrap(), b"abc".repeat(100));
}

/// [MS-XCA] 3.3.
#[test]
fn the_example_of_lznt1() {
    let song = b"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A \
F# F# G A A G F# E D D E F# E D D\0";
    let bytes = b"\x38\xb0\x88F# \x00 G A\x00\x10\xa2G\x01\xa0E D\x00\x08E\x01\x50\x79\x00\xc0E \x05\x24\x13\x88\x05\xb4\x02\x4aD\xef\x03\x58\
\x02\x8c\x09\x16\x01\x48E\x00\xbe\x00\x9e\x00\x04\x01\x18\x90\x00";
    let out = expanded(1, bytes, song.len());
    assert_eq!(out.map(|out| String::from_utf8_lossy(&out).into_owned()).unwrap(), String::from_utf8_lossy(song));
    // An uncompressed chunk, then one of a literal and a match.
    let chunks = [&b"\x02\x30abc"[..], b"\x03\xb0\x02x\x04\x00"].concat();
    assert_eq!(expanded(1, &chunks, 11).unwrap(), b"abcxxxxxxxx");
}

#[test]
fn bombs_and_nonsense_are_refused() {
    let bomb = b"\xff\xff\xff\x7fa\x07\x00\x0f\xff\x00\x00\xff\xff\xff\xff";
    assert_eq!(expanded(2, bomb, 1_000), Err(Failure::Malformed));
    assert_eq!(expanded(2, b"\xff\xff\xff\xff\x00\x00", 10), Err(Failure::Malformed));
    assert_eq!(expanded(3, &[0; 300], 10), Err(Failure::Malformed));
    assert_eq!(expanded(9, b"", 0), Err(Failure::Undecoded));
    let message = |payloads: &[u8], total: u32| [b"\xfcSMB", &total.to_le_bytes()[..], payloads].concat();
    let pattern = b"\x04\x00\x01\x00\x08\x00\x00\x00z\x00\x00\x00\xff\x00\x00\x00";
    assert_eq!(decompress(&message(pattern, 255), 1_000).unwrap(), vec![b'z'; 255]);
    assert_eq!(decompress(&message(pattern, 254), 1_000), Err(Failure::Malformed));
    assert_eq!(decompress(&message(pattern, 2_000), 1_000), Err(Failure::Undecoded));
}
