//! The compiled rules on disk.
//!
//! File: magic, format version, key (SHA-256 over engine version and sources), SHA-256 of the payload, payload. The engine trusts what
//! it deserialises, so a file counts only when it and its folder belong to this process's user and nobody else can write them.
//! Anything else is passed over in silence and written anew: the cache is an optimisation, never a condition.
//!
//! Known limit: Unix only, because only there the owner can be asked; elsewhere rules are compiled at each start.

use sha2::{Digest as _, Sha256};

use crate::source::Source;

const MAGIC: &[u8; 8] = b"BSTPRULE";
/// Raised whenever the payload's layout changes, or what `engine::requirement` reads from the same rules.
const FORMAT: u32 = 1;
const HEADER: usize = 8 + 4 + 32 + 32;
#[cfg(unix)]
const MAX_FILE: u64 = 512 << 20;
/// Files kept in the folder; older ones go.
#[cfg(unix)]
const KEEP: usize = 4;

/// What a cache file holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) stream_literals: Option<Vec<Vec<u8>>>,
    pub(crate) content_literals: Option<Vec<Vec<u8>>>,
    /// As the engine serialises.
    pub(crate) rules: Vec<u8>,
}

/// The key of a set of sources.
pub(crate) fn key(sources: &[Source]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(FORMAT.to_le_bytes());
    for part in [crate::engine::ENGINE_VERSION.as_bytes(), env!("CARGO_PKG_VERSION").as_bytes()] {
        field(&mut hash, part);
    }
    for source in sources {
        field(&mut hash, source.namespace.as_bytes());
        field(&mut hash, &source.text);
    }
    hash.finalize().into()
}

fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// The bytes of a cache file.
fn encode(key: &[u8; 32], entry: &Entry) -> Vec<u8> {
    let mut payload = Vec::new();
    for literals in [&entry.stream_literals, &entry.content_literals] {
        // A count of all ones means "no filter".
        let count = literals.as_ref().map_or(u32::MAX, |l| u32::try_from(l.len()).unwrap_or(u32::MAX));
        payload.extend(count.to_le_bytes());
        if count != u32::MAX {
            for literal in literals.iter().flatten() {
                payload.push(u8::try_from(literal.len()).unwrap_or(u8::MAX));
                payload.extend(literal.iter().take(usize::from(u8::MAX)));
            }
        }
    }
    payload.extend(&entry.rules);
    let mut file = Vec::with_capacity(payload.len().saturating_add(HEADER));
    file.extend(MAGIC);
    file.extend(FORMAT.to_le_bytes());
    file.extend(key);
    file.extend(Sha256::digest(&payload));
    file.extend(&payload);
    file
}

/// The entry of a file's bytes, when they are whole and of this key.
fn decode(key: &[u8; 32], file: &[u8]) -> Option<Entry> {
    let file = file.strip_prefix(MAGIC.as_slice())?.strip_prefix(FORMAT.to_le_bytes().as_slice())?;
    let file = file.strip_prefix(key.as_slice())?;
    let (sum, mut rest) = file.split_at_checked(32)?;
    if Sha256::digest(rest).as_slice() != sum {
        return None;
    }
    let stream_literals = take_literals(&mut rest)?;
    let content_literals = take_literals(&mut rest)?;
    Some(Entry { stream_literals, content_literals, rules: rest.to_vec() })
}

fn take_literals(rest: &mut &[u8]) -> Option<Option<Vec<Vec<u8>>>> {
    let (count, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    let count = u32::from_le_bytes(*count);
    if count == u32::MAX {
        return Some(None);
    }
    let mut literals = Vec::new();
    for _ in 0..count {
        let (&length, tail) = rest.split_first()?;
        let (literal, tail) = tail.split_at_checked(usize::from(length))?;
        literals.push(literal.to_vec());
        *rest = tail;
    }
    Some(Some(literals))
}

#[cfg(unix)]
pub(crate) use disk::{load, store};

/// Elsewhere there is no cache.
#[cfg(not(unix))]
pub(crate) fn load(_folder: &std::path::Path, _key: &[u8; 32]) -> Option<Entry> {
    None
}

/// Elsewhere there is no cache.
#[cfg(not(unix))]
pub(crate) fn store(_folder: &std::path::Path, _key: &[u8; 32], _entry: &Entry) {}

#[cfg(unix)]
mod disk {
    use std::fs::{self, DirBuilder, File, OpenOptions};
    use std::io::{self, Read as _, Write as _};
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::{Entry, KEEP, MAX_FILE, decode, encode};

    const PREFIX: &str = "rules-";
    const SUFFIX: &str = ".cache";
    const TEMPORARY: &str = ".tmp";
    /// A temporary file of this age belongs to nobody any more.
    const STALE: Duration = Duration::from_hours(1);
    /// Write bits of group and others.
    const OTHERS_WRITE: u32 = 0o022;

    /// Reads the entry of this key, if there is one to be trusted.
    pub(crate) fn load(folder: &Path, key: &[u8; 32]) -> Option<Entry> {
        let user = trusted_user(folder).ok()?;
        let file = File::open(name(folder, key)).ok()?;
        // Asked of the open file: what its name points at may change.
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || metadata.uid() != user || metadata.mode() & OTHERS_WRITE != 0 || metadata.len() > MAX_FILE {
            tracing::warn!(folder = %folder.display(), "a rule cache file that others can write is not used");
            return None;
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        decode(key, &bytes)
    }

    /// Writes the entry whole or not at all.
    pub(crate) fn store(folder: &Path, key: &[u8; 32], entry: &Entry) {
        if let Err(error) = try_store(folder, key, entry) {
            tracing::debug!(folder = %folder.display(), %error, "the rule cache was not written");
        }
    }

    fn try_store(folder: &Path, key: &[u8; 32], entry: &Entry) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        trusted_user(folder)?;
        let (temporary, mut file) = create(folder)?;
        let written = file.write_all(&encode(key, entry)).and_then(|()| file.sync_data());
        drop(file);
        let done = written.and_then(|()| fs::rename(&temporary, name(folder, key)));
        if done.is_err() {
            drop(fs::remove_file(&temporary));
        }
        prune(folder, &name(folder, key));
        done
    }

    /// The user who owns the folder, when that is this process's user and nobody else can write there. The standard library does not
    /// tell the process's user; a file just created does.
    fn trusted_user(folder: &Path) -> io::Result<u32> {
        let refuse = || io::Error::new(io::ErrorKind::PermissionDenied, "others can write the folder");
        let metadata = fs::metadata(folder)?;
        if !metadata.is_dir() || metadata.mode() & OTHERS_WRITE != 0 {
            return Err(refuse());
        }
        let (path, file) = create(folder)?;
        let user = file.metadata().map(|m| m.uid());
        drop(fs::remove_file(path));
        if user? == metadata.uid() { Ok(metadata.uid()) } else { Err(refuse()) }
    }

    fn create(folder: &Path) -> io::Result<(PathBuf, File)> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        const ATTEMPTS: u32 = 64;
        let mut attempt = 0;
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!(".{}-{number}{TEMPORARY}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                // Left by a process that was killed: in a container each one has the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS => {
                    attempt = attempt.saturating_add(1)
                }
                Err(error) => return Err(error),
                Ok(file) => return Ok((path, file)),
            }
        }
    }

    fn name(folder: &Path, key: &[u8; 32]) -> PathBuf {
        use std::fmt::Write as _;
        let mut hex = String::with_capacity(64);
        for byte in key {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        folder.join(format!("{PREFIX}{hex}{SUFFIX}"))
    }

    /// Removes our own files beyond the newest few, and what killed processes left behind.
    fn prune(folder: &Path, current: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut ours = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let Ok(modified) = entry.metadata().and_then(|m| m.modified()) else { continue };
            if name.len() == PREFIX.len() + 64 + SUFFIX.len() && name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
                if entry.path() != current {
                    ours.push((modified, entry.path()));
                }
            } else if is_temporary(&name) && modified.elapsed().is_ok_and(|age| age > STALE) {
                drop(fs::remove_file(entry.path()));
            }
        }
        ours.sort();
        let excess = ours.len().saturating_sub(KEEP.saturating_sub(1));
        for (_, path) in ours.into_iter().take(excess) {
            drop(fs::remove_file(path));
        }
    }

    /// `.`, a process, `-`, a number, the suffix.
    fn is_temporary(name: &str) -> bool {
        let numbers = name.strip_prefix('.').and_then(|n| n.strip_suffix(TEMPORARY)).and_then(|n| n.split_once('-'));
        numbers.is_some_and(|(process, number)| process.parse::<u32>().is_ok() && number.parse::<u32>().is_ok())
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "helpers of tests")]

    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    const KEY: [u8; 32] = [7; 32];

    fn entry() -> Entry {
        Entry { stream_literals: Some(vec![b"abc".to_vec(), b"defg".to_vec()]), content_literals: None, rules: vec![1, 2, 3] }
    }

    fn private_folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        dir
    }

    fn only_file(folder: &Path) -> std::path::PathBuf {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "nothing temporary stays behind");
        files.pop().unwrap()
    }

    #[test]
    fn what_is_stored_is_loaded() {
        let dir = private_folder();
        store(dir.path(), &KEY, &entry());
        assert_eq!(load(dir.path(), &KEY), Some(entry()));
        assert_eq!(load(dir.path(), &[8; 32]), None);
        assert_eq!(fs::metadata(only_file(dir.path())).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_or_folder_that_others_can_write_is_not_read() {
        for (mode, on_folder) in [(0o620, false), (0o602, false), (0o770, true), (0o702, true)] {
            let dir = private_folder();
            store(dir.path(), &KEY, &entry());
            let target = if on_folder { dir.path().to_owned() } else { only_file(dir.path()) };
            fs::set_permissions(target, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(load(dir.path(), &KEY), None, "{mode:o}");
        }
    }

    #[test]
    fn a_changed_byte_anywhere_or_a_cut_is_noticed() {
        let dir = private_folder();
        store(dir.path(), &KEY, &entry());
        let path = only_file(dir.path());
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert_eq!(decode(&KEY, &bad), None, "byte {at}");
            assert_eq!(decode(&KEY, &good[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn old_files_go_and_foreign_ones_stay() {
        let dir = private_folder();
        fs::write(dir.path().join("mine.txt"), "x").unwrap();
        for n in 0..9 {
            store(dir.path(), &[n; 32], &entry());
        }
        assert_eq!(load(dir.path(), &[8; 32]), Some(entry()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), KEEP + 1);
        assert!(dir.path().join("mine.txt").exists());
    }

    #[test]
    fn what_a_killed_process_left_behind_does_no_harm_and_goes() {
        let dir = private_folder();
        let process = std::process::id();
        for number in 0..40 {
            fs::write(dir.path().join(format!(".{process}-{number}.tmp")), "x").unwrap();
        }
        let old = dir.path().join(".1-0.tmp");
        let hour = std::time::Duration::from_hours(2);
        fs::write(&old, "x").unwrap();
        fs::File::options().write(true).open(&old).unwrap().set_modified(std::time::SystemTime::now() - hour).unwrap();
        store(dir.path(), &KEY, &entry());
        assert_eq!(load(dir.path(), &KEY), Some(entry()));
        assert!(!old.exists());
        assert!(dir.path().join(format!(".{process}-0.tmp")).exists(), "a young one may be in use");
    }

    #[test]
    fn an_unusable_folder_is_no_error() {
        let dir = private_folder();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        store(&file.join("below"), &KEY, &entry());
        assert_eq!(load(&file.join("below"), &KEY), None);
    }

    #[test]
    fn the_key_separates_names_from_text() {
        let source = |namespace: &str, text: &str| Source {
            path: "x".into(),
            namespace: namespace.to_owned(),
            text: text.as_bytes().to_vec(),
        };
        assert_ne!(key(&[source("ab", "c")]), key(&[source("a", "bc")]));
        assert_ne!(key(&[source("a", "b"), source("c", "d")]), key(&[source("a", "b")]));
        assert_eq!(key(&[source("a", "b")]), key(&[source("a", "b")]));
    }
}
