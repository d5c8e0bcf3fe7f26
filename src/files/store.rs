//! Files on disk, by their SHA-256: `ab/ab12…`, as Suricata's file-store has them.
//!
//! Live, one thread writes; workers hand over and never wait for it, and what waits is bounded. In a replay nobody loses packets by
//! waiting: workers write themselves, and nothing depends on the speed of the disk. What is there at the start counts against the quota and is not
//! written again. A file is told as `stored` where it was there at the start, and as `storing` where it was handed over in this
//! run, so that a replay says the same with any number of workers.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

/// Files that may wait for the disk …
const WAITING: usize = 256;
/// … and their bytes.
const WAITING_BYTES: usize = 64 << 20;
/// What a file takes on disk is a multiple of this: many small ones count as what they cost, and their number is bounded.
const BLOCK: u64 = 4 << 10;

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

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A thread, live.
    Thread,
    /// Whoever keeps a file, in a replay.
    Caller,
}

/// What the writer has to do and has done.
#[derive(Debug)]
struct Desk {
    folder: PathBuf,
    failed: AtomicU64,
    waiting: AtomicUsize,
}

/// The store.
#[derive(Debug)]
pub struct Store {
    quota: u64,
    known: Mutex<Known>,
    /// To the thread, where there is one.
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    writer: Writer,
    desk: Arc<Desk>,
}

impl Store {
    /// Opens a folder, and makes it where it is not there.
    ///
    /// # Errors
    /// It cannot be made, read, or written to.
    pub fn open(folder: &Path, quota: u64, writer: Writer) -> Result<Self, String> {
        let wrong = |error: std::io::Error| format!("files.store_dir: {}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(wrong)?;
        let probe = folder.join(".backstop");
        create(&probe).map_err(wrong)?;
        fs::remove_file(&probe).map_err(wrong)?;
        let mut known = Known::default();
        for group in fs::read_dir(folder).map_err(wrong)?.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
            for entry in fs::read_dir(group.path()).map_err(wrong)?.filter_map(Result::ok) {
                known.used += entry.metadata().map_or(0, |facts| on_disk(facts.len()));
                known.before.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
        let desk = Arc::new(Desk { folder: folder.to_owned(), failed: AtomicU64::new(0), waiting: AtomicUsize::new(0) });
        let (jobs, thread) = match writer {
            Writer::Caller => (None, None),
            Writer::Thread => {
                let (sender, jobs) = bounded(WAITING);
                let of_thread = Arc::clone(&desk);
                (Some(sender), Some(thread::spawn(move || of_thread.write_all(&jobs))))
            }
        };
        Ok(Self { quota, known: Mutex::new(known), jobs: Mutex::new(jobs), thread: Mutex::new(thread), writer, desk })
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
        let len = on_disk(bytes.len() as u64);
        if known.used.saturating_add(len) > self.quota {
            return Kept::Full;
        }
        let is_taken = match self.writer {
            Writer::Caller => self.desk.write(sha256, bytes),
            Writer::Thread => self.hand_over(sha256, bytes),
        };
        if !is_taken {
            return Kept::Busy;
        }
        known.used += len;
        known.now.insert(sha256.to_owned());
        Kept::Now
    }

    fn hand_over(&self, sha256: &str, bytes: &[u8]) -> bool {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(jobs) = jobs.as_ref() else { return false };
        let waiting = self.desk.waiting.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        let room = waiting <= WAITING_BYTES;
        let is_taken = room && jobs.try_send(Job { name: sha256.to_owned(), bytes: bytes.to_vec() }).is_ok();
        if !is_taken {
            self.desk.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
        is_taken
    }

    /// Waits until all is written; how many files could not be.
    pub fn finish(&self) -> u64 {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(thread.join());
        }
        self.desk.failed.load(Ordering::Relaxed)
    }
}

/// A file that nobody else may read: it may be malware, or somebody's data.
fn create(path: &Path) -> std::io::Result<fs::File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

impl Desk {
    fn write_all(&self, jobs: &Receiver<Job>) {
        for Job { name, bytes } in jobs {
            self.write(&name, &bytes);
            self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
    }

    /// Whether it was written; the first failure is said.
    fn write(&self, name: &str, bytes: &[u8]) -> bool {
        let Err(error) = write(&self.folder, name, bytes) else { return true };
        if self.failed.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!("{}: files cannot be stored: {error}", self.folder.display());
        }
        false
    }
}

/// What a file of so many bytes takes.
const fn on_disk(len: u64) -> u64 {
    len.next_multiple_of(BLOCK)
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
        for writer in [Writer::Thread, Writer::Caller] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path(), 2 * BLOCK, writer).unwrap();
            assert_eq!(store.keep("aa01", b"12345"), Kept::Now);
            assert_eq!(store.keep("aa01", b"12345"), Kept::Now);
            assert_eq!(store.keep("bb02", &[0; 4_097]), Kept::Full);
            assert_eq!(store.keep("bb03", b"12345"), Kept::Now);
            assert_eq!(store.keep("bb04", b"1"), Kept::Full, "a small file takes a block as well");
            assert_eq!(store.finish(), 0);
            let path = folder.path().join("aa/aa01");
            assert_eq!(fs::read(&path).unwrap(), b"12345");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let next = Store::open(folder.path(), 2 * BLOCK, writer).unwrap();
            assert_eq!((next.keep("aa01", b"12345"), next.keep("cc04", b"1")), (Kept::Before, Kept::Full));
        }
    }

    #[test]
    fn what_waits_for_the_disk_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 1 << 40, Writer::Thread).unwrap();
        assert_eq!(store.keep("aa01", &vec![0; WAITING_BYTES + 1]), Kept::Busy);
        assert_eq!(store.keep("aa02", b"1"), Kept::Now);
        assert_eq!(store.finish(), 0);
        assert_eq!(store.keep("aa03", b"1"), Kept::Busy, "after the end");
        assert_eq!(store.desk.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_one_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(Store::open(&file, 10, Writer::Thread).unwrap_err().starts_with("files.store_dir: "));
    }
}
