//! Batches without their padding: blanks and comments do not count against the cap of a message, so that nothing hides behind
//! them. Used on texts that reach a cap only.

const QUOTE: u16 = b'\'' as u16;
const DASH: u16 = b'-' as u16;
const SLASH: u16 = b'/' as u16;
const STAR: u16 = b'*' as u16;

/// Takes blanks and comments out of the UTF-16 text from a place on; bytes that this freed. The text may end anywhere, in a
/// comment too: what is added to it later is read as before. One pass.
pub fn squeeze(bytes: &mut Vec<u8>, from: usize) -> usize {
    let before = bytes.len();
    let text = bytes.split_off(from.min(before));
    let (pairs, odd) = text.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let mut rest = units.as_slice();
    let mut put = |unit: u16| bytes.extend_from_slice(&unit.to_le_bytes());
    let mut in_blank = false;
    while let [unit, behind @ ..] = rest {
        rest = behind;
        let comment = match (*unit, behind.first()) {
            (DASH, Some(&DASH)) => line_comment(behind),
            (SLASH, Some(&STAR)) => block_comment(behind.get(1..).unwrap_or_default()),
            _ => is_blank(*unit).then_some((behind, 0, None)),
        };
        if let Some((behind, open, tail)) = comment {
            rest = behind;
            if open == 0 && !in_blank {
                put(u16::from(b' '));
            }
            in_blank = true;
            // Open to the end: told again, with what may become the end or the beginning of another.
            for _ in 0..open {
                put(SLASH);
                put(STAR);
            }
            tail.filter(|_| open > 0).into_iter().for_each(&mut put);
            continue;
        }
        if (*unit, behind.first()) == (DASH, Some(&DASH)) {
            put(DASH);
            put(DASH);
            break;
        }
        in_blank = false;
        put(*unit);
        let close = match *unit {
            QUOTE => QUOTE,
            0x22 => 0x22,
            0x5b => 0x5d,
            _ => continue,
        };
        // A doubled quote opens the literal again.
        while let [unit, behind @ ..] = rest {
            rest = behind;
            put(*unit);
            if *unit == close {
                break;
            }
        }
    }
    bytes.extend_from_slice(odd);
    before.saturating_sub(bytes.len())
}

/// What follows a comment, how many are open at the end of the text, and a last unit that may be half of a sign.
type Behind<'a> = (&'a [u16], usize, Option<u16>);

/// Behind the first dash; nothing where the end of the line is not there yet.
fn line_comment(text: &[u16]) -> Option<Behind<'_>> {
    let end = text.iter().position(|unit| matches!(unit, 0x0a | 0x0d))?;
    text.get(end..).map(|rest| (rest, 0, None))
}

/// Behind `/*`.
fn block_comment(mut rest: &[u16]) -> Option<Behind<'_>> {
    let (mut depth, mut last) = (1, None);
    while depth > 0 {
        (rest, last) = match rest {
            [STAR, SLASH, behind @ ..] => {
                depth -= 1;
                (behind, None)
            }
            [SLASH, STAR, behind @ ..] => {
                depth += 1;
                (behind, None)
            }
            [unit, behind @ ..] => (behind, Some(*unit).filter(|unit| *unit == STAR || *unit == SLASH)),
            [] => break,
        };
    }
    Some((rest, depth, last))
}

/// What separates tokens, and has no other meaning in a text.
fn is_blank(unit: u16) -> bool {
    char::from_u32(u32::from(unit)).is_some_and(|character| character.is_whitespace() || character.is_control())
}

#[cfg(test)]
mod tests {
    use super::squeeze;

    fn bytes(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn squeezed(text: &str) -> String {
        let mut bytes = bytes(text);
        squeeze(&mut bytes, 0);
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        String::from_utf16(&units).unwrap()
    }

    #[test]
    fn blanks_and_comments_go_and_all_else_stays() {
        for (text, expected) in [
            ("a  \t\r\n b", "a b"),
            ("a/* x /* y */ z */b--c\n\nd", "a b d"),
            ("'a  /* b' \"c  --\" [d  '] '' 'e''  f'", "'a  /* b' \"c  --\" [d  '] '' 'e''  f'"),
            ("a /* x", "a /*"),
            ("a /* x *", "a /**"),
            ("a /* x /* y /", "a /*/*/"),
            ("a -- x", "a --"),
            ("a - b / c * d", "a - b / c * d"),
            ("", ""),
        ] {
            assert_eq!(squeezed(text), expected, "{text}");
        }
    }

    #[test]
    fn however_a_text_is_cut_the_same_stays() {
        let text = "a /* x /* 'y' */ */ 'b /* ' [c -- ] -- d ' \r\n  e /**//*/*/**/*/*/ \u{3000}\u{a0} f -- g\n'h''i' /";
        let whole = squeezed(text);
        for cut in 0..bytes(text).len() {
            let all = bytes(text);
            let mut one = all[..cut].to_vec();
            squeeze(&mut one, 0);
            one.extend_from_slice(&all[cut..]);
            squeeze(&mut one, 0);
            let mut expected = bytes(&whole);
            assert_eq!(String::from_utf8_lossy(&one), String::from_utf8_lossy(&expected), "{cut}");
            expected.clear();
        }
    }
}
