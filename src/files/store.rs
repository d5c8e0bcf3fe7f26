//! Files on disk, by their SHA-256: `ab/ab12…`, as Suricata's file-store has them.
//!
//! One thread writes; workers hand over and never wait for it. What is there at the start counts against the quota and is not
//! written again. A file is told as `stored` where it was there at the start, and as `storing` where it was handed over in this
//! run, so that a replay says the same with any number of workers.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// Files that may wait for the disk.
const WAITING: usize = 32;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was there at the start.
    Before,
    /// It was handed over in this run.
    Now,
    /// The quota does not allow for it.
    Full,
    /// Too many wait for the disk.
    Busy,
}

struct Job {
    name: String,
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct Known {
    before: HashSet<String>,
    now: HashSet<String>,
    used: u64,
}

/// The store.
#[derive(Debug)]
pub struct Store {
    quota: u64,
    known: Mutex<Known>,
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    failed: Arc<AtomicU64>,
}

impl Store {
    /// Opens a folder, and makes it where it is not there.
    ///
    /// # Errors
    /// It cannot be made, read, or written to.
    pub fn open(folder: &Path, quota: u64) -> Result<Self, String> {
        let wrong = |error: std::io::Error| format!("files.store_dir: {}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(wrong)?;
        let probe = folder.join(".backstop");
        create(&probe).map_err(wrong)?;
        fs::remove_file(&probe).map_err(wrong)?;
        let mut known = Known::default();
        for group in fs::read_dir(folder).map_err(wrong)?.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
            for entry in fs::read_dir(group.path()).map_err(wrong)?.filter_map(Result::ok) {
                known.used += entry.metadata().map_or(0, |facts| facts.len());
                known.before.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
        let (sender, jobs) = bounded(WAITING);
        let failed = Arc::new(AtomicU64::new(0));
        let (folder, count) = (folder.to_owned(), Arc::clone(&failed));
        let thread = thread::spawn(move || write_all(&folder, &jobs, &count));
        Ok(Self { quota, known: Mutex::new(known), jobs: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)), failed })
    }

    /// Hands a file over. `sha256` in lower-case hexadecimal digits.
    pub fn keep(&self, sha256: &str, bytes: &[u8]) -> Kept {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.before.contains(sha256) {
            return Kept::Before;
        }
        if known.now.contains(sha256) {
            return Kept::Now;
        }
        let len = bytes.len() as u64;
        if known.used.saturating_add(len) > self.quota {
            return Kept::Full;
        }
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = Job { name: sha256.to_owned(), bytes: bytes.to_vec() };
        match jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => {
                known.used += len;
                known.now.insert(sha256.to_owned());
                Kept::Now
            }
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => Kept::Busy,
        }
    }

    /// Waits until all is written; how many files could not be.
    pub fn finish(&self) -> u64 {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(thread.join());
        }
        self.failed.load(Ordering::Relaxed)
    }
}

/// A file that nobody else may read: it may be malware, or somebody's data.
fn create(path: &Path) -> std::io::Result<fs::File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn write_all(folder: &Path, jobs: &Receiver<Job>, failed: &AtomicU64) {
    for Job { name, bytes } in jobs {
        if let Err(error) = write(folder, &name, &bytes)
            && failed.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::error!("{}: files cannot be stored: {error}", folder.display());
        }
    }
}

/// Whole or not at all.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let group: PathBuf = folder.join(name.get(..2).unwrap_or("00"));
    fs::create_dir_all(&group)?;
    let part = group.join(format!(".{name}"));
    let written = create(&part).and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&part, group.join(name)));
    if written.is_err() {
        drop(fs::remove_file(&part));
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_kept_once_within_the_quota_and_for_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 10).unwrap();
        assert_eq!(store.keep("aa01", b"12345"), Kept::Now);
        assert_eq!(store.keep("aa01", b"12345"), Kept::Now);
        assert_eq!(store.keep("bb02", b"123456"), Kept::Full);
        assert_eq!(store.keep("bb03", b"12345"), Kept::Now);
        assert_eq!(store.finish(), 0);
        let path = folder.path().join("aa/aa01");
        assert_eq!(fs::read(&path).unwrap(), b"12345");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(store.keep("cc04", b""), Kept::Busy, "after the end");
        let next = Store::open(folder.path(), 10).unwrap();
        assert_eq!((next.keep("aa01", b"12345"), next.keep("cc04", b"1")), (Kept::Before, Kept::Full));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_one_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(Store::open(&file, 10).unwrap_err().starts_with("files.store_dir: "));
    }
}
