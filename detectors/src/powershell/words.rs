//! Content rules that tell of a command by its words alone, and where such words say nothing.

/// Their ids. In a page that somebody reads, and in a comment, they say nothing.
pub const RULES_OF_WORDS: [u64; 4] = [9_411_021, 9_411_023, 9_411_024, 9_411_025];

/// A text with the lines blanked that are comments of PowerShell or of a batch file; nothing where there are none. A letter in two
/// bytes counts as in one.
pub fn without_comments(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bare: Option<Vec<u8>> = None;
    let mut start = 0;
    for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let end = start + line.len();
        let line = line.strip_prefix(b"\xef\xbb\xbf").or_else(|| line.strip_prefix(b"\xff\xfe")).unwrap_or(line);
        let mut letters = line.iter().filter(|byte| **byte != 0).skip_while(|byte| byte.is_ascii_whitespace());
        let comment = match letters.next() {
            Some(b'#') => true,
            Some(b'r' | b'R') => letters.take(3).map(u8::to_ascii_lowercase).eq(*b"em "),
            _ => false,
        };
        if comment && let Some(line) = bare.get_or_insert_with(|| bytes.to_vec()).get_mut(start..end) {
            line.iter_mut().filter(|byte| **byte != 0).for_each(|byte| *byte = b' ');
        }
        start = end + 1;
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &[u8]) -> Option<String> {
        without_comments(text).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn lines_of_comments_are_blank_and_places_stay() {
        assert_eq!(bare(b"# a\r\nb # c\n\tREM d\nremove e"), Some("   \r\nb # c\n      \nremove e".to_owned()));
        let wide: Vec<u8> = "\u{feff}#a\nb".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let blank = without_comments(&wide).unwrap();
        assert_eq!((blank.len(), blank.ends_with(b"\n\0b\0"), blank.contains(&b'#')), (wide.len(), true, false));
        assert_eq!(bare(b"a\nb"), None);
    }
}
