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
/// Bytes that are looked at where nothing says that it takes more.
const HEAD: usize = 4_096;

/// Bytes of a file that begins so which tell what it is.
pub fn wanted(head: &[u8]) -> usize {
    let place = if head.starts_with(b"MZ") { header_at(head) } else { None };
    place.map_or(HEAD, |place| place.saturating_add(4).max(HEAD))
}

fn header_at(head: &[u8]) -> Option<usize> {
    let place = head.get(0x3c..0x40)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*place)).ok()
}

pub use crate::content::magic::is_pe as is_executable;
