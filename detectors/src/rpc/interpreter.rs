//! Whether a command line runs a command interpreter or a script.

/// Programs that run commands or scripts that they are given.
const INTERPRETERS: [&str; 11] =
    ["cmd", "command", "powershell", "pwsh", "powershell_ise", "wscript", "cscript", "mshta", "bash", "wsl", "sh"];
/// Files that one of them runs.
const SCRIPTS: [&str; 9] = ["bat", "cmd", "ps1", "vbs", "vbe", "js", "jse", "wsf", "hta"];
/// Bytes of a line that are looked at.
const MAX_LINE: usize = 32 * 1024;

/// Whether it does. The first word counts without a suffix; later ones (`conhost cmd.exe`) by their suffix, by the system's folder, or
/// by a switch of an interpreter behind them (`forfiles /c "cmd /c …"`).
pub fn is_interpreted(line: &str) -> bool {
    let end = (0..=line.len().min(MAX_LINE)).rev().find(|&end| line.is_char_boundary(end)).unwrap_or(0);
    let line: String = line.get(..end).unwrap_or_default().chars().filter(|character| *character != '^').collect();
    let line = line.to_ascii_lowercase().replace("%comspec%", "cmd.exe");
    let breaks =
        |character: char| character.is_whitespace() || matches!(character, '"' | '\'' | ',' | ';' | '&' | '|' | '(' | ')' | '=');
    let mut words = line.split(breaks).filter(|word| !word.is_empty()).peekable();
    let mut is_next = false;
    while let Some(word) = words.next() {
        let is_first = !std::mem::replace(&mut is_next, true);
        let next = words.peek().copied().unwrap_or_default();
        // `cmd.exe/c`: a switch needs no blank.
        let names = word.match_indices(".exe/").map(|(end, _)| word.get(..end + 4).unwrap_or_default());
        let found = names.chain([word]).any(|word| {
            let name = word.rsplit(['\\', '/']).next().unwrap_or_default();
            let name = name.trim_end_matches(['.', ' ']);
            match name.rsplit_once('.') {
                Some((stem, "exe" | "com")) => INTERPRETERS.contains(&stem),
                Some((stem, suffix)) => !stem.is_empty() && SCRIPTS.contains(&suffix),
                None => INTERPRETERS.contains(&name) && (is_first || is_of_system(word) || is_switch(name, next)),
            }
        });
        if found {
            return true;
        }
    }
    false
}

/// A path into the folders where the interpreters lie.
fn is_of_system(word: &str) -> bool {
    [r"\system32\", r"\syswow64\", r"\sysnative\"].iter().any(|folder| word.contains(folder))
}

/// What an interpreter is given to run something: `/c`, `/q/c`, `-nop`.
fn is_switch(interpreter: &str, next: &str) -> bool {
    match interpreter {
        "cmd" | "command" => {
            next.strip_prefix('/').is_some_and(|switch| switch.starts_with(['a', 'c', 'd', 'e', 'k', 'q', 'r', 's', 'u', 'v']))
        }
        "powershell" | "pwsh" => {
            next.strip_prefix(['-', '/']).is_some_and(|switch| switch.starts_with(|sign: char| sign.is_ascii_lowercase()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_known_however_they_are_written() {
        for line in [
            r"%COMSPEC% /c echo a",
            r"C:\Windows\System32\cmd.exe /Q /c dir",
            r#""C:\WINDOWS\sYsTeM32\..\system32\CMD.EXE" /c dir"#,
            "cmd.exe/c dir",
            "c^md /c dir",
            "powershell -nop",
            r"%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe -File a",
            "conhost.exe --headless cmd.exe /c a",
            r"C:\Windows\Temp\a.bat",
            r"wscript.exe //b C:\a.vbs",
            r"\\127.0.0.1\ADMIN$\run.cmd",
            "mshta http://h/a.hta",
            r#""C:\Program Files\..\Windows\System32\cmd" /c a"#,
            r#"forfiles.exe /p c:\windows /m notepad.exe /c "cmd /c calc""#,
            "conhost --headless powershell -nop -c a",
        ] {
            assert!(is_interpreted(line), "{line}");
        }
    }

    #[test]
    fn programs_are_none() {
        for line in [
            r"C:\Windows\PSEXESVC.exe",
            r"C:\Program Files\Veeam\Backup Transport\VeeamTransportSvc.exe",
            r"C:\Windows\System32\svchost.exe -k netsvcs",
            r"C:\tools\agent.exe --mode cmd",
            r"C:\tools\agent.exe --mode cmd --port 5",
            r"C:\tools\agent.exe --shell powershell 5",
            r"C:\tools\agent.exe -d C:\system32\cmdlets",
            r"C:\tools\cmdagent.exe -c powershellhost.dll",
            "system32\\drivers\\a.sys",
            "",
        ] {
            assert!(!is_interpreted(line), "{line}");
        }
    }
}
