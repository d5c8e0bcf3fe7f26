//! What is fixed about 9403001 to 9403007.

use crate::finding::Stage;
use crate::mitre::{T1021_002, T1027, T1059_001, T1105, T1547, T1555, T1562_001, T1620};
use crate::{Meta, Technique};

const fn meta(
    sid: u64,
    title: &'static str,
    severity: u8,
    mitre: &'static [Technique],
    stage: Stage,
    help: &'static str,
) -> Meta {
    Meta { sid, rev: 1, title, category: "Targeted Malicious Activity was Detected", severity, mitre, cve: &[], stage, help }
}

/// The loader of FIN7.
pub static POWERTRASH: Meta = meta(
    9_403_001,
    "BACKSTOP POWERTRASH loader",
    1,
    &[T1059_001, T1620],
    Stage::Execute,
    "Code that unpacks base64 and deflate and calls what comes out of it through a delegate for a function pointer, or through \
     reflection over the global assembly cache, over all layers of one content; or a script named as FIN7 names this loader \
     (*_64refl.ps1) that is run or fetched. Silent: modules with one of these only, and the words in comments.",
);
/// The persistence of FIN7.
pub static POWERHOLD: Meta = meta(
    9_403_002,
    "BACKSTOP POWERHOLD persistence script",
    1,
    &[T1547, T1059_001],
    Stage::Execute,
    "Code that writes a variable MainPayload with WriteAllBytes below APPDATA and has wscript.exe start it. All four must be used in \
     code. Silent: scripts with some of these, and the words in comments.",
);
/// A download that is run.
pub static CRADLE: Meta = meta(
    9_403_003,
    "BACKSTOP PowerShell download cradle executed",
    1,
    &[T1059_001, T1105],
    Stage::Ingress,
    "Invoke-Expression, a script block or another way to run code gets what DownloadString, Invoke-WebRequest or another way to \
     fetch it returned, directly, through variables, pipelines or decoding. Names may be hidden in any way that constants allow. \
     Silent: a download to a file, a download that is only shown or read, and the words in texts and comments.",
);
/// An encoded command with flags.
pub static ENCODED: Meta = meta(
    9_403_004,
    "BACKSTOP PowerShell encoded command hides itself",
    2,
    &[T1059_001, T1027],
    Stage::Execute,
    "powershell.exe is called with -EncodedCommand, in any of its short forms, and with an execution policy of bypass, a hidden \
     window or without interaction. An encoded command without such flags that was sent to be run is told with severity 3. Silent: \
     the flags without an encoded command, and an encoded command that is not constant.",
);
/// A script on an administrative share.
pub static LATERAL: Meta = meta(
    9_403_005,
    "BACKSTOP PowerShell runs script from administrative share",
    1,
    &[T1021_002, T1059_001],
    Stage::Move,
    "powershell.exe gets round the execution policy to run a script from ADMIN$ or from a folder of Windows, users, temporary or \
     program data on a drive share, as FIN7 moves laterally. Silent: scripts from ordinary shares, from SYSVOL, and from folders of \
     their own on a drive share.",
);
/// Stored credentials decrypted.
pub static DECRYPTION: Meta = meta(
    9_403_006,
    "BACKSTOP Veeam credential decryption script",
    1,
    &[T1555],
    Stage::Collect,
    "Code that calls GetLocalString of Veeam.Backup.Common.ProtectedStorage, by name or by reflection: it decrypts stored \
     credentials of the backup product. Silent: either name alone, and both in texts or comments only.",
);
/// Watching switched off, or code loaded past it.
pub static BYPASS: Meta = meta(
    9_403_007,
    "BACKSTOP PowerShell bypasses AMSI or logging",
    2,
    &[T1562_001, T1620],
    Stage::Execute,
    "Code that sets the fields of AmsiUtils, patches AmsiScanBuffer, overwrites the cached policy of script block logging or the \
     provider of its events, or loads an assembly from bytes that were packed, encoded or downloaded. Silent: reading such settings, \
     switching logging on, and assemblies by name or from files.",
);
