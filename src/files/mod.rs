//! Files that flows carry: put together, named by their first bytes, hashed, told (`fileinfo`), scanned whole.
//!
//! ```text
//! FilePart ─► Tracker ─► Assembly (one a file) ─► Finished ─► detectors, content rules over the whole, fileinfo
//! ```
//! Memory is bounded for each file, flow, and all flows of a shard. What does not fit is hashed all the same, as long as it comes
//! in order, and scanned in windows.

mod assembly;
mod hashes;
mod ranges;
mod store;
mod tracker;

pub use hashes::{Hashes, Wanted};
pub use ranges::{Joined, RangeKey, Ranges};
pub use store::{Kept, Store, Writer};
pub use tracker::{Added, Finished, Tracker};

/// Which files are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Those of flows that raised an alert.
    #[default]
    Alerted,
    /// All.
    All,
}

/// Settings of files.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// Files are followed at all.
    pub enabled: bool,
    /// Bytes of one file that are kept, to be scanned whole.
    pub max_file: usize,
    /// Bytes of a longer one that stay, for detectors.
    pub max_head: usize,
    /// Bytes of all files of one flow.
    pub max_flow: usize,
    /// Bytes of all files of the sensor.
    pub max_total: usize,
    /// Bytes of ranges that may become files over several connections.
    pub max_ranges: usize,
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
    /// Which are stored, where there is a store.
    pub store_what: Which,
    /// Bytes of stored files.
    pub store_quota: usize,
    /// Where they are stored.
    pub store: Option<std::sync::Arc<Store>>,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_file: 10 << 20,
            max_head: 1 << 20,
            max_flow: 32 << 20,
            max_total: 512 << 20,
            max_ranges: 16 << 20,
            max_open: 128,
            max_hashed: 64 << 20,
            md5: true,
            sha1: true,
            sha256: true,
            hash_media: false,
            store_what: Which::Alerted,
            store_quota: 1 << 30,
            store: None,
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
        /// Files that are in the store, or were handed to it.
        stored,
        /// Files that were not stored, because its quota was reached.
        store_full,
        /// Files that were not stored, because too many waited for the disk.
        store_busy,
        /// Files that were given up, because too many were open at a time in one flow.
        given_up,
        /// Files put together from ranges that came over several connections.
        ranges_joined,
        /// Files of which ranges were given up, because all together held too much.
        ranges_given_up,
    }
}
