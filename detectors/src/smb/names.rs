//! What names of shares and files say.

/// The share's name without its server.
pub fn share_name(share: &str) -> &str {
    share.trim_end_matches('\\').rsplit(['\\', '/']).next().unwrap_or_default()
}

/// `ADMIN$`, or the share of a whole drive.
pub fn is_administrative(share: &str) -> bool {
    let name = share_name(share);
    name.eq_ignore_ascii_case("ADMIN$") || matches!(name.as_bytes(), [letter, b'$'] if letter.is_ascii_alphabetic())
}

/// The names that a path may be opened by: Windows drops blanks and dots at the end, and what stands behind a colon is a stream of
/// the file before it.
fn bases(path: &str) -> impl Iterator<Item = &str> {
    let last = path.rsplit(['\\', '/']).next().unwrap_or_default();
    last.split(':').map(|name| name.trim_end_matches([' ', '.']))
}

fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

/// A script by its extension.
pub fn is_script(path: &str, extensions: &[String]) -> bool {
    bases(path).filter_map(extension).any(|found| extensions.iter().any(|known| known.eq_ignore_ascii_case(found)))
}

/// `*_64refl.ps1`: how the loader of 9403001 is named.
pub fn is_loader(path: &str) -> bool {
    const END: &[u8] = b"_64refl.ps1";
    bases(path).any(|name| {
        let name = name.as_bytes();
        name.get(name.len().saturating_sub(END.len())..).is_some_and(|end| end.eq_ignore_ascii_case(END))
    })
}

/// Twelve letters and digits with `.ps1` in a temporary folder: how scripts are named that 9403005 tells the call of.
pub fn is_dropped(path: &str) -> bool {
    let mut folders = path.rsplit(['\\', '/']);
    folders.next();
    let temporary = folders.any(|folder| folder.eq_ignore_ascii_case("temp") || folder.eq_ignore_ascii_case("tmp"));
    temporary
        && bases(path).any(|name| {
            name.rsplit_once('.').is_some_and(|(stem, extension)| {
                extension.eq_ignore_ascii_case("ps1") && stem.len() == 12 && stem.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrative_shares_are_those_of_windows() {
        for share in [r"\\h\ADMIN$", r"\\h\admin$\", r"\\10.0.0.1\C$", r"\\h\z$", "C$"] {
            assert!(is_administrative(share), "{share}");
        }
        for share in [r"\\h\IPC$", r"\\h\Backups", r"\\h\ADMIN", r"\\h\CC$", r"\\h\1$", r"\\admin$\x", ""] {
            assert!(!is_administrative(share), "{share}");
        }
    }

    #[test]
    fn scripts_are_known_by_the_names_they_can_be_opened_by() {
        let extensions = ["ps1".to_owned(), "bat".to_owned()];
        for path in ["a.ps1", r"temp\A.PS1", "a.ps1. .", "a.ps1::$DATA", "log.txt:run.bat", "a/b.bat"] {
            assert!(is_script(path, &extensions), "{path}");
        }
        for path in ["a.ps1.txt", "ps1", r"a.ps1\b", "a.ps12", "", "."] {
            assert!(!is_script(path, &extensions), "{path}");
        }
    }

    #[test]
    fn names_of_the_intruders_are_told_from_others() {
        assert!(is_loader(r"x\icsnd16_64REFL.ps1") && !is_loader("64refl.ps1") && !is_loader("a_64refl.ps1.txt"));
        assert!(is_dropped(r"temp\nFcv5ke38cnE.ps1") && is_dropped(r"Windows\Temp\nFcv5ke38cnE.ps1"));
        for path in ["nFcv5ke38cnE.ps1", r"temp\nFcv5ke38cn.ps1", r"temp\nFcv5ke38-nE.ps1", r"temp\nFcv5ke38cnE.bat"] {
            assert!(!is_dropped(path), "{path}");
        }
    }
}
