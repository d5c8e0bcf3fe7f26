//! 9404001: a script is written to an administrative share.

use crate::Meta;
use crate::finding::Stage;
use crate::mitre::{T1021_002, T1570};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_404_001,
    rev: 1,
    title: "BACKSTOP Script written to an administrative share",
    category: "Targeted Malicious Activity was Detected",
    severity: 2,
    mitre: &[T1021_002, T1570],
    cve: &[],
    stage: Stage::Move,
    help: "A file named as a script (detect_smb.script_extensions) was written over SMB 1, 2 or 3 to ADMIN$ or the share of a drive, or \
           was renamed or linked to one there after it was written. Severity 1 where its name or content is what section 3 of the catalogue \
           tells: *_64refl.ps1, twelve letters and digits in a temporary folder, a loader, a cradle. A file that the server refused \
           to make is an attempt. One alert a file, not a write. Silent: other shares, other files, scripts that are read.",
};
