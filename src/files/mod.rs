//! Files that flows carry: put together, named by their first bytes, hashed, told (`fileinfo`), scanned whole.
//!
//! ```text
//! FilePart ─► Tracker ─► Assembly (one a file) ─► Finished ─► detectors, content rules over the whole, fileinfo
//! ```
//! Memory is bounded for each file, flow, and all flows of a shard. What does not fit is hashed all the same, as long as it comes
//! in order, and scanned in windows.

mod assembly;
mod hashes;
mod tracker;

pub use hashes::{Hashes, Wanted};
pub use tracker::{Added, Finished, Tracker};

/// Settings of files.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// Files are followed at all.
    pub enabled: bool,
    /// Bytes of one file that are kept, to be scanned whole.
    pub max_file: usize,
    /// Bytes of all files of one flow.
    pub max_flow: usize,
    /// Bytes of all files of the sensor.
    pub max_total: usize,
    /// Files of one flow that are open at a time.
    pub max_open: usize,
    /// Files that are longer are not hashed.
    pub max_hashed: usize,
    /// MD5.
    pub md5: bool,
    /// SHA-1.
    pub sha1: bool,
    /// SHA-256.
    pub sha256: bool,
    /// Images, fonts and films too.
    pub hash_media: bool,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_file: 10 << 20,
            max_flow: 32 << 20,
            max_total: 512 << 20,
            max_open: 128,
            max_hashed: 64 << 20,
            md5: true,
            sha1: true,
            sha256: true,
            hash_media: false,
        }
    }
}

impl FileSettings {
    const fn wanted(&self) -> Wanted {
        Wanted { md5: self.md5, sha1: self.sha1, sha256: self.sha256 }
    }
}

backstop_capture::counters! {
    /// What was counted of files.
    FileCounters {
        /// Files told.
        files,
        /// Files with all their bytes.
        complete,
        /// Files that were hashed.
        hashed,
        /// Files too long to be kept and scanned whole: scanned in windows.
        too_long,
        /// Pieces that had to wait for what is before them and were dropped, because a limit was reached.
        pieces_dropped,
        /// Files that were given up, because too many were open at a time in one flow.
        given_up,
    }
}
