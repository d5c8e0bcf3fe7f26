//! Keys for TLS: where they are read from, and who may read them.
//!
//! A key log in a regular file is read before the first packet of a replay, so that the result is the same every time; live, and
//! where packets come through a pipe, it is followed while it grows. Pipes and sockets are followed, but a replay of files reads a
//! pipe to its end first. Secrets stand in no message: files and line numbers do.

mod follow;
mod private_keys;
mod protect;
mod report;

use std::fs::{File, FileType};
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backstop_capture::source::KeyLog;
use backstop_protocols::tls::{KeyLimits, KeyRing};
use zeroize::Zeroizing;

pub use follow::Followers;

use self::report::Reporter;

/// A key log or key that is larger is a mistake, bytes.
const MAX_FILE: u64 = 256 * 1024 * 1024;
/// In front of a path at which the sensor shall listen for those who bring keys.
const LISTEN: &str = "unix:";

/// Where keys come from.
#[derive(Clone, Debug, Default)]
pub struct KeySources {
    /// Key logs: files, pipes, sockets, `unix:PATH` to listen.
    pub key_logs: Vec<PathBuf>,
    /// Private keys: files or folders, with the address of the server where one is given (`10.20.30.10=/etc/keys/vbr.pem`).
    pub rsa_keys: Vec<PathBuf>,
    /// Caps over all sessions.
    pub limits: KeyLimits,
}

/// When packets come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// They are all there: keys are read first.
    Replay,
    /// As they happen: keys are followed.
    Live,
}

/// Why keys cannot be used. Names the file.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It cannot be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It holds no usable key.
    #[error("{}: {message}", file.display())]
    Unusable {
        /// Which.
        file: PathBuf,
        /// Why not.
        message: String,
    },
}

impl KeysError {
    fn unreadable(file: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |error| Self::Unreadable { file: file.into(), error }
    }
}

/// Reads what can be read now and begins to follow the rest. `None`: no keys were asked for.
///
/// # Errors
/// A source cannot be read or used.
pub fn open(sources: &KeySources, timing: Timing, stop: &AtomicBool) -> Result<Option<(Arc<KeyRing>, Followers)>, KeysError> {
    if sources.key_logs.is_empty() && sources.rsa_keys.is_empty() {
        return Ok(None);
    }
    protect::no_core_dumps();
    let ring = Arc::new(KeyRing::with_limits(sources.limits));
    private_keys::read_all(&ring, &sources.rsa_keys)?;
    let mut followers = Followers::default();
    for path in &sources.key_logs {
        if let Some(at) = path.to_str().and_then(|text| text.strip_prefix(LISTEN)) {
            ring.expect_key_log();
            followers.listen(Path::new(at), &ring).map_err(KeysError::unreadable(Path::new(at)))?;
            continue;
        }
        match kind(path, timing)? {
            Kind::File if timing == Timing::Replay => {
                protect::warn_if_others_read(path);
                let text = read(path)?;
                Reporter::new(path).whole(&ring, &text);
            }
            Kind::Pipe if timing == Timing::Replay => {
                let text = follow::read_pipe(path, stop).map_err(KeysError::unreadable(path))?;
                Reporter::new(path).whole(&ring, &text);
            }
            Kind::File => {
                protect::warn_if_others_read(path);
                ring.expect_key_log();
                followers.file(path, &ring);
            }
            Kind::Pipe => {
                ring.expect_key_log();
                followers.pipe(path, &ring).map_err(KeysError::unreadable(path))?;
            }
            Kind::Socket => {
                ring.expect_key_log();
                followers.connect(path, &ring);
            }
        }
    }
    Ok(Some((ring, followers)))
}

/// Whether all of it could be read, without waiting for anything or making a socket.
///
/// # Errors
/// A source cannot be read or used.
pub fn check(sources: &KeySources) -> Result<(), KeysError> {
    let ring = KeyRing::new();
    private_keys::read_all(&ring, &sources.rsa_keys)?;
    for path in sources.key_logs.iter().filter(|path| !path.to_string_lossy().starts_with(LISTEN)) {
        if matches!(kind(path, Timing::Live)?, Kind::File) && path.exists() {
            protect::warn_if_others_read(path);
            Reporter::new(path).whole(&ring, &read(path)?);
        }
    }
    Ok(())
}

/// Takes the key logs that a capture carries.
///
/// `epoch`: the batch that they came with, or 0 for those that were found before the first.
pub fn add_captured(ring: &KeyRing, epoch: u64, secrets: &[KeyLog]) {
    for secret in secrets {
        Reporter::new(Path::new("secrets of the capture")).captured(ring, epoch, secret.expose());
    }
}

enum Kind {
    File,
    Pipe,
    Socket,
}

fn kind(path: &Path, timing: Timing) -> Result<Kind, KeysError> {
    let of = |kind: FileType| {
        if kind.is_fifo() {
            Kind::Pipe
        } else if kind.is_socket() {
            Kind::Socket
        } else {
            Kind::File
        }
    };
    match std::fs::metadata(path) {
        Ok(known) if known.is_dir() => {
            Err(KeysError::Unusable { file: path.into(), message: "is a folder; a key log is a file, pipe or socket".into() })
        }
        Ok(known) => Ok(of(known.file_type())),
        // Live, whoever writes it may start later.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && timing == Timing::Live => {
            tracing::warn!("{}: is not there yet; it will be read when it is", path.display());
            Ok(Kind::File)
        }
        Err(error) => Err(KeysError::unreadable(path)(error)),
    }
}

/// A file, whole, into memory that is zeroed.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let file = File::open(path).map_err(KeysError::unreadable(path))?;
    let len = file.metadata().map_err(KeysError::unreadable(path))?.len();
    if len > MAX_FILE {
        return Err(KeysError::Unusable { file: path.into(), message: format!("has {len} bytes: too long for keys") });
    }
    // Room at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1));
    file.take(MAX_FILE).read_to_end(&mut text).map_err(KeysError::unreadable(path))?;
    Ok(text)
}

/// Whether a wait shall end.
fn is_stopped(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(key_log: &Path) -> KeySources {
        KeySources { key_logs: vec![key_log.into()], ..KeySources::default() }
    }

    const LINE: &str = "CLIENT_RANDOM 0000000000000000000000000000000000000000000000000000000000000001 \
        000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f";

    #[test]
    fn nothing_asked_for_is_no_ring() {
        assert!(open(&KeySources::default(), Timing::Live, &AtomicBool::default()).unwrap().is_none());
    }

    #[test]
    fn a_replay_has_read_the_whole_log_before_it_begins_and_needs_no_last_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, LINE).unwrap();
        let (ring, _) = open(&sources(&path), Timing::Replay, &AtomicBool::default()).unwrap().unwrap();
        assert_eq!(ring.sessions(), 1);
    }

    #[test]
    fn a_log_that_is_not_there_is_an_error_in_a_replay_and_awaited_live() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let error = open(&sources(&path), Timing::Replay, &AtomicBool::default()).unwrap_err();
        assert!(error.to_string().contains("keys"), "{error}");
        let (ring, _followers) = open(&sources(&path), Timing::Live, &AtomicBool::default()).unwrap().unwrap();
        std::fs::write(&path, format!("{LINE}\n")).unwrap();
        let soon = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while ring.sessions() == 0 && std::time::Instant::now() < soon {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(ring.sessions(), 1);
    }
}
