//! What opens a file.

use super::transaction::Times;

/// FILE_DIRECTORY_FILE ([MS-SMB2] 2.2.13).
pub const DIRECTORY: u32 = 0x0000_0001;
/// FILE_DELETE_ON_CLOSE.
pub const DELETE_ON_CLOSE: u32 = 0x0000_1000;

/// Seconds between 1601 and 1970.
const EPOCH: u64 = 11_644_473_600;

/// Seconds since 1970 of a FILETIME ([MS-DTYP] 2.3.3), tenths of a microsecond since 1601.
const fn seconds(time: u64) -> u64 {
    (time / 10_000_000).saturating_sub(EPOCH)
}

/// Four FILETIMEs in their usual order.
pub const fn times([created, accessed, modified, changed]: [u64; 4]) -> Times {
    Times { created: seconds(created), accessed: seconds(accessed), modified: seconds(modified), changed: seconds(changed) }
}
