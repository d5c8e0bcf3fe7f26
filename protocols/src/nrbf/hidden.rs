//! Class records in bytes that a walk cannot vouch for: behind its stop, and behind objects of whose members only readers know the
//! types ([MS-NRBF] 2.3.2.2, 2.3.2.4). What a reader takes there may be another stream than the one that was walked.

/// Bytes of a class's name.
const MAX_NAME: usize = 1_024;
/// Members of one.
const MAX_MEMBERS: u32 = 1 << 16;

/// The next class record in `bytes` at `from` or behind: where it begins, and the class's name. A name has no byte that a record may
/// begin with, so that calls one behind the other are linear together.
pub fn next(bytes: &[u8], from: usize) -> Option<(usize, &[u8])> {
    let rest = bytes.get(from..)?;
    let records = rest.iter().enumerate().filter(|(_, byte)| matches!(byte, 2..=5));
    records.map(|(at, _)| from + at).find_map(|at| Some((at, class(bytes.get(at..)?)?)))
}

/// The name of the class record at the front: record, id, name, number of members, the first one's name.
fn class(bytes: &[u8]) -> Option<&[u8]> {
    let (name, rest) = name(bytes.get(5..)?, MAX_NAME)?;
    let (members, rest) = rest.split_first_chunk::<4>()?;
    let members = u32::from_le_bytes(*members);
    let named = memchr::memchr(b'.', name).is_some() && members <= MAX_MEMBERS;
    (named && (members == 0 || self::name(rest, usize::from(u8::MAX)).is_some())).then_some(name)
}

/// A text with its length (2.1.1.6), short and without control characters; and what follows.
fn name(bytes: &[u8], max: usize) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match *bytes {
        [low @ ..0x80, ref rest @ ..] => (usize::from(low), rest),
        [low, high @ ..0x80, ref rest @ ..] => (usize::from(low & 0x7f) | usize::from(high) << 7, rest),
        _ => return None,
    };
    let (name, rest) = rest.split_at_checked(len)?;
    let printable = len > 0 && len <= max && name.iter().all(|byte| *byte >= b' ');
    printable.then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_records_are_found_wherever_they_begin() {
        let class = b"\x05\x01\0\0\0\x05Lab.A\x01\0\0\0\x01m\x01\x02\0\0\0";
        for before in [b"".as_slice(), b"\x05", b"\x02\x03\x04\x05\x02\x03\x04", b"junk\x02junk", &[0xff; 40]] {
            let bytes = [before, class].concat();
            assert_eq!(next(&bytes, 0), Some((before.len(), b"Lab.A".as_slice())), "{before:?}");
            assert_eq!(next(&bytes, before.len() + 1), None);
        }
        // A longer name has two bytes of length.
        let long = format!("Lab.{}", "x".repeat(300));
        let bytes = [b"\x04\x01\0\0\0\xb0\x02".as_slice(), long.as_bytes(), b"\0\0\0\0"].concat();
        assert_eq!(next(&bytes, 0), Some((0, long.as_bytes())));
    }

    #[test]
    fn texts_with_such_names_are_none() {
        for bytes in [
            b"\x06\x01\0\0\0\x05Lab.A\x0b".as_slice(),
            b"\x05\x01\0\0\0\x05Lab.A",
            b"\x05\x01\0\0\0\x05Lab.A\xff\xff\xff\xff\x01m",
            b"\x05\x01\0\0\0\x05Lab.A\x01\0\0\0\x01\x07",
            b"\x05\x01\0\0\0\x05LabXA\x01\0\0\0\x01m",
            b"\x05\x01\0\0\0\x05Lab\n.\x01\0\0\0\x01m",
            b"\x05\x01\0\0\0\x09Lab.A\x01\0\0\0",
        ] {
            assert_eq!(next(bytes, 0), None, "{bytes:?}");
        }
    }
}
