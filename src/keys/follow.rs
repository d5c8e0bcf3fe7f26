//! Key logs that are still being written: files, pipes, and sockets. One thread a source.

use std::fs::File;
use std::io::{ErrorKind, Read, Result};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use backstop_protocols::tls::KeyRing;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::is_stopped;
use super::report::Reporter;

/// How often a source is looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a socket that refuses is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// Those who may bring keys at the same time.
const MAX_CLIENTS: usize = 64;
/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// Threads that follow sources; they end when this is dropped.
#[derive(Debug, Default)]
pub struct Followers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Sockets that were made here.
    sockets: Vec<PathBuf>,
}

impl Followers {
    /// A file that grows; it may be written anew, or be replaced by another.
    pub fn file(&mut self, path: &Path, ring: &Arc<KeyRing>) {
        let (path, ring) = (path.to_owned(), Arc::clone(ring));
        let mut growing = Growing { reporter: Reporter::new(&path), path, file: None, read: 0 };
        // What is there now is known before the first packet.
        growing.look(&ring);
        self.spawn(move |stop| {
            while !is_stopped(stop) {
                growing.look(&ring);
                thread::park_timeout(PAUSE);
            }
        });
    }

    /// A named pipe, whoever writes to it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn pipe(&mut self, path: &Path, ring: &Arc<KeyRing>) -> Result<()> {
        let mut pipe = open_pipe(path)?;
        let mut reporter = Reporter::new(path);
        let ring = Arc::clone(ring);
        self.spawn(move |stop| {
            while !is_stopped(stop) {
                // The end of one writer is not the end: another may come.
                if drain(&mut pipe, &mut reporter, &ring) == Drained::End {
                    reporter.end(&ring);
                }
                thread::park_timeout(PAUSE);
            }
        });
        Ok(())
    }

    /// A socket that somebody else serves.
    pub fn connect(&mut self, path: &Path, ring: &Arc<KeyRing>) {
        let (path, ring) = (path.to_owned(), Arc::clone(ring));
        self.spawn(move |stop| {
            while !is_stopped(stop) {
                if let Ok(mut stream) = UnixStream::connect(&path)
                    && stream.set_nonblocking(true).is_ok()
                {
                    let mut reporter = Reporter::new(&path);
                    while !is_stopped(stop) && drain(&mut stream, &mut reporter, &ring) == Drained::Quiet {
                        thread::park_timeout(PAUSE);
                    }
                    reporter.end(&ring);
                }
                thread::park_timeout(RETRY);
            }
        });
    }

    /// A socket of our own that only this user may write to. One that nobody serves any more is replaced.
    ///
    /// # Errors
    /// It cannot be made, or another process serves it.
    pub fn listen(&mut self, path: &Path, ring: &Arc<KeyRing>) -> Result<()> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && UnixStream::connect(path).is_err() => {
                std::fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            other => other?,
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        self.sockets.push(path.to_owned());
        let (path, ring) = (path.to_owned(), Arc::clone(ring));
        self.spawn(move |stop| serve(&listener, &path, &ring, stop));
        Ok(())
    }

    fn spawn(&mut self, run: impl FnOnce(&AtomicBool) + Send + 'static) {
        let stop = Arc::clone(&self.stop);
        self.threads.push(thread::spawn(move || run(&stop)));
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            drop(thread.join());
        }
        for socket in &self.sockets {
            drop(std::fs::remove_file(socket));
        }
    }
}

fn serve(listener: &UnixListener, path: &Path, ring: &KeyRing, stop: &AtomicBool) {
    let mut clients: Vec<(UnixStream, Reporter)> = Vec::new();
    while !is_stopped(stop) {
        while clients.len() < MAX_CLIENTS
            && let Ok((stream, _)) = listener.accept()
        {
            if stream.set_nonblocking(true).is_ok() {
                clients.push((stream, Reporter::new(path)));
            }
        }
        clients.retain_mut(|(stream, reporter)| {
            let quiet = drain(stream, reporter, ring) == Drained::Quiet;
            if !quiet {
                reporter.end(ring);
            }
            quiet
        });
        thread::park_timeout(PAUSE);
    }
}

/// How reading ended for now.
#[derive(PartialEq, Eq)]
enum Drained {
    /// Nothing more at the moment.
    Quiet,
    /// Whoever wrote has gone.
    End,
}

/// Reads all that is there.
fn drain(from: &mut impl Read, reporter: &mut Reporter, ring: &KeyRing) -> Drained {
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Drained::End,
            Ok(len) => reporter.more(ring, chunk.get(..len).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Drained::Quiet,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Drained::End,
        }
    }
}

/// A file that is read as far as it is written.
struct Growing {
    path: PathBuf,
    reporter: Reporter,
    file: Option<(File, u64)>,
    read: u64,
}

impl Growing {
    fn look(&mut self, ring: &KeyRing) {
        let Ok(now) = std::fs::metadata(&self.path) else { return };
        let same = self.file.as_ref().is_some_and(|(_, inode)| *inode == now.ino());
        if !same || now.len() < self.read {
            // First the end of the old one.
            self.drain(ring);
            self.reporter.end(ring);
            self.read = 0;
            self.file = File::open(&self.path).ok().map(|file| (file, now.ino()));
        }
        if now.len() != self.read {
            self.drain(ring);
        }
    }

    fn drain(&mut self, ring: &KeyRing) {
        let Some((file, _)) = &mut self.file else { return };
        let mut counting = Counting { from: file, read: &mut self.read };
        drain(&mut counting, &mut self.reporter, ring);
    }
}

struct Counting<'a, R> {
    from: &'a mut R,
    read: &'a mut u64,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = self.from.read(buffer)?;
        *self.read += len as u64;
        Ok(len)
    }
}

fn open_pipe(path: &Path) -> Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    File::options().read(true).custom_flags(flags).open(path)
}

/// A pipe to the end of its first writer, for a replay. Ends early when told to stop.
pub fn read_pipe(path: &Path, stop: &AtomicBool) -> Result<Zeroizing<Vec<u8>>> {
    let mut pipe = open_pipe(path)?;
    let mut text = Zeroizing::new(Vec::new());
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    while !is_stopped(stop) {
        match pipe.read(&mut chunk) {
            Ok(0) if !text.is_empty() => break,
            Ok(len) if len > 0 => {
                if text.len() + len > text.capacity() {
                    // A buffer that grows by itself leaves copies behind.
                    let mut larger = Zeroizing::new(Vec::with_capacity((text.len() + len) * 2));
                    larger.extend_from_slice(&text);
                    text = larger;
                }
                text.extend_from_slice(chunk.get(..len).unwrap_or_default());
            }
            // Nobody has opened it yet, or nothing is there.
            Ok(_) => thread::sleep(PAUSE),
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::Instant;

    use super::*;

    fn line(number: u8) -> String {
        format!("CLIENT_RANDOM {} {}\n", format!("{number:02x}").repeat(32), "ab".repeat(48))
    }

    fn await_sessions(ring: &KeyRing, count: usize) {
        let soon = Instant::now() + Duration::from_secs(10);
        while ring.sessions() < count && Instant::now() < soon {
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(ring.sessions(), count);
    }

    #[test]
    fn a_file_is_followed_while_it_grows_is_emptied_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, line(1)).unwrap();
        let ring = Arc::new(KeyRing::new());
        let mut followers = Followers::default();
        followers.file(&path, &ring);
        assert_eq!(ring.sessions(), 1, "what is there is known at once");
        let mut file = File::options().append(true).open(&path).unwrap();
        let (head, tail) = (&line(2)[..40], &line(2)[40..]);
        file.write_all(head.as_bytes()).unwrap();
        thread::sleep(PAUSE * 2);
        file.write_all(tail.as_bytes()).unwrap();
        await_sessions(&ring, 2);
        std::fs::write(&path, line(3)).unwrap();
        await_sessions(&ring, 3);
        let other = folder.path().join("other");
        std::fs::write(&other, [line(3), line(4)].concat()).unwrap();
        std::fs::rename(&other, &path).unwrap();
        await_sessions(&ring, 4);
    }

    #[test]
    fn several_writers_bring_keys_to_a_socket_that_only_this_user_can_write_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.socket");
        // What a sensor that was killed leaves behind.
        drop(UnixListener::bind(&path).unwrap());
        let ring = Arc::new(KeyRing::new());
        let mut followers = Followers::default();
        followers.listen(&path, &ring).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for number in 1..=3 {
            UnixStream::connect(&path).unwrap().write_all(line(number).trim_end().as_bytes()).unwrap();
        }
        await_sessions(&ring, 3);
        assert!(Followers::default().listen(&path, &ring).is_err(), "another one serves it");
        drop(followers);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_that_others_serve_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.socket");
        let server = UnixListener::bind(&path).unwrap();
        let ring = Arc::new(KeyRing::new());
        let mut followers = Followers::default();
        followers.connect(&path, &ring);
        server.accept().unwrap().0.write_all([line(1), line(2)].concat().as_bytes()).unwrap();
        await_sessions(&ring, 2);
    }
}
