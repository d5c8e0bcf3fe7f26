//! What is the same on every Windows, so that letters taken from it are constant.

/// The value of a variable that PowerShell or Windows sets.
pub fn value(name: &str) -> Option<&'static str> {
    let known = [
        ("env:comspec", r"C:\WINDOWS\system32\cmd.exe"),
        ("env:systemroot", r"C:\WINDOWS"),
        ("env:windir", r"C:\WINDOWS"),
        ("env:systemdrive", "C:"),
        ("env:programdata", r"C:\ProgramData"),
        ("env:allusersprofile", r"C:\ProgramData"),
        ("env:programfiles", r"C:\Program Files"),
        ("env:commonprogramfiles", r"C:\Program Files\Common Files"),
        ("env:public", r"C:\Users\Public"),
        ("env:os", "Windows_NT"),
        ("env:psmodulepath", r"C:\Program Files\WindowsPowerShell\Modules;C:\WINDOWS\system32\WindowsPowerShell\v1.0\Modules"),
        ("pshome", r"C:\Windows\System32\WindowsPowerShell\v1.0"),
        ("shellid", "Microsoft.PowerShell"),
        ("verbosepreference", "SilentlyContinue"),
        ("debugpreference", "SilentlyContinue"),
        ("warningpreference", "Continue"),
        ("erroractionpreference", "Continue"),
        ("ofs", " "),
    ];
    known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// Names of variables that PowerShell sets: commands are put together out of their letters.
const NAMES: [&str; 20] = [
    "ConfirmPreference",
    "ConsoleFileName",
    "DebugPreference",
    "ErrorActionPreference",
    "ExecutionContext",
    "FormatEnumerationLimit",
    "MaximumAliasCount",
    "MaximumDriveCount",
    "MaximumErrorCount",
    "MaximumFunctionCount",
    "MaximumHistoryCount",
    "MaximumVariableCount",
    "OutputEncoding",
    "ProgressPreference",
    "PSDefaultParameterValues",
    "PSEmailServer",
    "PSVersionTable",
    "VerbosePreference",
    "WarningPreference",
    "WhatIfPreference",
];

/// The variable of PowerShell's own that a pattern is, if it is one: the first by name.
pub fn variable_like(pattern: &str) -> Option<&'static str> {
    let worth = pattern.contains('*') && pattern.len() > 2;
    NAMES.into_iter().find(|name| worth && is_like(pattern, &name.to_ascii_lowercase()))
}

/// Whether a name with wildcards is a name; case does not count. Linear but for the stars of one pattern.
pub fn is_like(pattern: &str, name: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    if pattern.len() > 64 {
        return false;
    }
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}
