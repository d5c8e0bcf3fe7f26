//! The ring: what is known of which session.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use backstop_types::Secret;
use zeroize::Zeroizing;

use super::log::{self, KeyLogReport, Label, Line, MAX_LINE};
use super::rsa::{KeyError, RsaKey};
use super::{SharedSecret, shared};

/// Sessions whose secrets are kept; the oldest give way.
pub const MAX_SESSIONS: usize = 65_536;
/// Private keys that are kept.
pub const MAX_RSA_KEYS: usize = 256;

/// The secrets of one session.
#[derive(Default)]
struct Secrets {
    master: Option<SharedSecret>,
    client_handshake: Option<SharedSecret>,
    server_handshake: Option<SharedSecret>,
    client_application: Option<SharedSecret>,
    server_application: Option<SharedSecret>,
}

impl Secrets {
    fn slot(&mut self, label: Label) -> &mut Option<SharedSecret> {
        match label {
            Label::Master => &mut self.master,
            Label::ClientHandshake => &mut self.client_handshake,
            Label::ServerHandshake => &mut self.server_handshake,
            Label::ClientApplication => &mut self.client_application,
            Label::ServerApplication => &mut self.server_application,
        }
    }

    fn get(&self, label: Label) -> Option<SharedSecret> {
        match label {
            Label::Master => self.master.clone(),
            Label::ClientHandshake => self.client_handshake.clone(),
            Label::ServerHandshake => self.server_handshake.clone(),
            Label::ClientApplication => self.client_application.clone(),
            Label::ServerApplication => self.server_application.clone(),
        }
    }
}

/// A table in which the oldest entry gives way. Invariant: `order` has the keys of `entries`, each once.
struct Bounded<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
    evicted: u64,
}

impl<K: Clone + Eq + std::hash::Hash, V: Default> Bounded<K, V> {
    fn new() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), evicted: 0 }
    }

    /// The entry of a key, new if it must be.
    fn entry(&mut self, key: K, max: usize) -> &mut V {
        if !self.entries.contains_key(&key) {
            while self.order.len() >= max.max(1) {
                let Some(oldest) = self.order.pop_front() else { break };
                self.entries.remove(&oldest);
                self.evicted += 1;
            }
            self.order.push_back(key.clone());
        }
        self.entries.entry(key).or_default()
    }
}

struct Inner {
    sessions: Bounded<[u8; 32], Secrets>,
    /// Master secrets of sessions that a private key opened, by what a client takes them up with.
    resumable: Bounded<Vec<u8>, Option<SharedSecret>>,
    rsa: Vec<Arc<RsaKey>>,
}

/// Keys, shared by all workers.
///
/// # Examples
/// ```
/// let ring = backstop_protocols::tls::KeyRing::new();
/// let report = ring.add_key_log(b"# a comment\nEXPORTER_SECRET 00 00\nCLIENT_RANDOM zz\nCLIENT_RAN");
/// assert_eq!((report.added, report.ignored, report.malformed_lines, report.leftover), (0, 1, vec![3], 10));
/// ```
pub struct KeyRing {
    inner: RwLock<Inner>,
    generation: AtomicU64,
    key_log: AtomicBool,
    rsa: AtomicBool,
    max_sessions: usize,
}

impl Default for KeyRing {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// A ring without keys that keeps [`MAX_SESSIONS`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_max_sessions(MAX_SESSIONS)
    }

    /// A ring without keys that keeps so many sessions.
    #[must_use]
    pub fn with_max_sessions(max_sessions: usize) -> Self {
        Self {
            inner: RwLock::new(Inner { sessions: Bounded::new(), resumable: Bounded::new(), rsa: Vec::new() }),
            generation: AtomicU64::new(0),
            key_log: AtomicBool::new(false),
            rsa: AtomicBool::new(false),
            max_sessions,
        }
    }

    /// Takes whole lines of a key log (RFC 9850). Bytes behind the last line end are left over, for someone who follows a
    /// file that is being written; a line without end that is longer than any is malformed and not left over.
    pub fn add_key_log(&self, bytes: &[u8]) -> KeyLogReport {
        let (lines, rest) = match bytes.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => bytes.split_at(end + 1),
            None => (&[][..], bytes),
        };
        let mut report = self.add_lines(lines);
        if rest.len() > MAX_LINE {
            report.malformed(lines.iter().filter(|&&byte| byte == b'\n').count() + 1);
        } else {
            report.leftover = rest.len();
        }
        report
    }

    /// Takes a key log that is complete (a file that is read once, a secrets block of a capture): its last line needs no end.
    pub fn add_whole_key_log(&self, bytes: &[u8]) -> KeyLogReport {
        self.add_lines(bytes)
    }

    fn add_lines(&self, bytes: &[u8]) -> KeyLogReport {
        self.key_log.store(true, Ordering::Relaxed);
        let mut report = KeyLogReport::default();
        if bytes.is_empty() {
            return report;
        }
        let mut inner = self.write();
        for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            match log::line(line) {
                Line::Empty => {}
                Line::Ignored => report.ignored += 1,
                Line::Malformed => report.malformed(at + 1),
                Line::Secret(label, random, secret) => {
                    let slot = inner.sessions.entry(random, self.max_sessions).slot(label);
                    if slot.as_ref().is_some_and(|known| ***known.expose() == **secret) {
                        report.known += 1;
                    } else {
                        // The last one counts: a broken line may have been written again.
                        *slot = Some(shared(secret));
                        report.added += 1;
                    }
                }
            }
        }
        drop(inner);
        if report.added > 0 {
            self.generation.fetch_add(1, Ordering::Release);
        }
        report
    }

    /// A key log is going to be followed: sessions wait for its lines even before the first.
    pub fn expect_key_log(&self) {
        self.key_log.store(true, Ordering::Relaxed);
    }

    /// Takes an RSA private key: PEM (the first private key of the text) or DER, PKCS #1 or PKCS #8. Whether it is new.
    ///
    /// # Errors
    /// It is no such key, is encrypted, or there are [`MAX_RSA_KEYS`] already.
    pub fn add_rsa_key(&self, pem_or_der: &[u8]) -> Result<bool, KeyError> {
        let key = RsaKey::read(pem_or_der)?;
        let mut inner = self.write();
        if inner.rsa.iter().any(|known| known.modulus() == key.modulus()) {
            return Ok(false);
        }
        if inner.rsa.len() >= MAX_RSA_KEYS {
            return Err(KeyError::TooMany);
        }
        inner.rsa.push(Arc::new(key));
        drop(inner);
        self.rsa.store(true, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Release);
        Ok(true)
    }

    /// Changes when something was added.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Sessions with secrets from key logs.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.read().sessions.entries.len()
    }

    /// Sessions whose secrets gave way to newer ones.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.read().sessions.evicted
    }

    /// Private keys.
    #[must_use]
    pub fn rsa_keys(&self) -> usize {
        self.read().rsa.len()
    }

    /// There are keys, or a key log may bring some: only then a session waits.
    #[must_use]
    pub fn expects_keys(&self) -> bool {
        self.rsa.load(Ordering::Relaxed) || self.key_log.load(Ordering::Relaxed)
    }

    /// There are private keys and no key log: sessions with (EC)DHE stay closed.
    pub(in super::super) fn is_rsa_only(&self) -> bool {
        self.rsa.load(Ordering::Relaxed) && !self.key_log.load(Ordering::Relaxed)
    }

    /// A secret of the session with this client random.
    pub(in super::super) fn secret(&self, random: &[u8; 32], label: Label) -> Option<SharedSecret> {
        self.read().sessions.entries.get(random)?.get(label)
    }

    /// The private key that belongs to a public one: its modulus, big-endian, without leading zeros.
    pub(in super::super) fn rsa_key(&self, modulus: &[u8]) -> Option<Arc<RsaKey>> {
        self.read().rsa.iter().find(|key| key.modulus() == modulus).cloned()
    }

    /// Remembers the master secret of a session that a private key opened, by session id or by the hash of its ticket.
    pub(in super::super) fn remember(&self, name: &[u8], master: &SharedSecret) {
        *self.write().resumable.entry(name.to_vec(), self.max_sessions) = Some(Arc::clone(master));
        // Another worker may be waiting for it.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The master secret of a session that is taken up again.
    pub(in super::super) fn remembered(&self, name: &[u8]) -> Option<SharedSecret> {
        self.read().resumable.entries.get(name)?.clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // Nothing below panics half-way: a poisoned lock holds whole entries.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sessions are shared among threads.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<KeyRing>();
    is_shared::<Secret<Zeroizing<Vec<u8>>>>();
};
