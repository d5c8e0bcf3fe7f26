//! 9404002: a program is written to an administrative share.

use crate::Meta;
use crate::finding::Stage;
use crate::mitre::T1570;

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_404_002,
    rev: 1,
    title: "BACKSTOP Executable written to an administrative share",
    category: "Targeted Malicious Activity was Detected",
    severity: 1,
    mitre: &[T1570],
    cve: &[],
    stage: Stage::Move,
    help: "A file whose content is a Windows executable (MZ, and PE where its header points to) was written over SMB to ADMIN$ or the \
           share of a drive, whatever its name. One alert a file. Silent: executables on other shares, files that are only named like \
           one, executables that are read.",
};

/// Content rules that tell the same by its raw bytes.
pub const RULE: u64 = 9_411_030;
/// How far the header may point.
pub const HEAD: usize = 4_096;

/// Whether a file that begins so is a Portable Executable: `MZ`, and `PE\0\0` where the number at 0x3c says.
pub fn is_executable(head: &[u8]) -> bool {
    let place = head.get(0x3c..0x40).and_then(|place| place.first_chunk::<4>()).map(|place| u32::from_le_bytes(*place) as usize);
    head.starts_with(b"MZ") && place.and_then(|place| head.get(place..)).is_some_and(|header| header.starts_with(b"PE\0\0"))
}
