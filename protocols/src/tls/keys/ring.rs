//! The ring: what is known of which session, and what all sessions together may hold and do.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use backstop_types::{PacketTime, Secret};
use zeroize::Zeroizing;

use super::limits::{Budget, KeyCounters, KeyLimits};
use super::log::{self, KeyLogReport, Label, Line, MAX_LINE};
use super::rsa::{KeyError, RsaKey};
use super::table::{Bounded, Candidate, Candidates, Filed, Places, Secrets};
use super::{KeySource, SharedSecret, shared};

/// Sessions whose secrets are kept; the oldest give way.
pub const MAX_SESSIONS: usize = 65_536;
/// Private keys that are kept.
pub const MAX_RSA_KEYS: usize = 256;

struct Inner {
    sessions: Bounded<[u8; 32], Secrets>,
    /// Master secrets of sessions that were opened, by what a client takes them up with.
    resumable: Bounded<Vec<u8>, Candidates>,
    rsa: Vec<Arc<RsaKey>>,
    /// Where in the input something becomes visible.
    places: Places,
    filed: u64,
    refused: u64,
}

/// What all handles of a ring have in common.
struct Shared {
    inner: RwLock<Inner>,
    generation: AtomicU64,
    key_log: AtomicBool,
    rsa: AtomicBool,
    limits: KeyLimits,
    /// Nobody waits before there is something to wait for.
    dormant: bool,
    waiting: AtomicUsize,
    waiting_refused: AtomicU64,
    rsa_operations: AtomicU64,
    rsa_deferred: AtomicU64,
    budget: Mutex<Budget>,
}

/// How far a worker is in the input.
struct Position {
    /// Epochs after which what one worker learnt may be used by all.
    lag: u64,
    epoch: AtomicU64,
    /// How often something became visible on the way.
    seen: AtomicU64,
    /// Packet time, in nanoseconds.
    now: AtomicU64,
}

/// Keys, shared by all workers.
///
/// # Several workers
/// A session that is taken up again needs what an earlier one taught, and another worker may have seen that. When it learnt it is
/// chance; so each worker asks through a handle of its own ([`KeyRing::for_worker`]) that knows how far the worker is in the input
/// ([`KeyRing::begin_epoch`]). The rule: what was learnt in epoch *e* may be used from epoch *e + lag* on, by everybody, its own
/// worker too. As no worker is a whole `lag` behind another, the answers depend on the input only. Until then the session waits.
/// A ring that is no worker's handle has no epochs: everything may be used at once.
///
/// # Examples
/// ```
/// let ring = backstop_protocols::tls::KeyRing::new();
/// let report = ring.add_key_log(b"# a comment\nEXPORTER_SECRET 00 00\nCLIENT_RANDOM zz\nCLIENT_RAN");
/// assert_eq!((report.added, report.ignored, report.malformed_lines, report.leftover), (0, 1, vec![3], 10));
/// ```
pub struct KeyRing {
    shared: Arc<Shared>,
    position: Option<Position>,
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
    /// A ring without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(KeyLimits::default())
    }

    /// A ring without keys that keeps so many sessions.
    #[must_use]
    pub fn with_max_sessions(max_sessions: usize) -> Self {
        Self::with_limits(KeyLimits { max_sessions, ..KeyLimits::default() })
    }

    /// A ring without keys, and its caps.
    #[must_use]
    pub fn with_limits(limits: KeyLimits) -> Self {
        Self::build(limits, false)
    }

    /// A ring without keys for which no session waits until some were added or are expected: for captures that may bring their own.
    #[must_use]
    pub fn dormant(limits: KeyLimits) -> Self {
        Self::build(limits, true)
    }

    fn build(limits: KeyLimits, dormant: bool) -> Self {
        let inner = Inner {
            sessions: Bounded::new(),
            resumable: Bounded::new(),
            rsa: Vec::new(),
            places: Places::default(),
            filed: 0,
            refused: 0,
        };
        let shared = Shared {
            inner: RwLock::new(inner),
            generation: AtomicU64::new(0),
            key_log: AtomicBool::new(false),
            rsa: AtomicBool::new(false),
            limits,
            dormant,
            waiting: AtomicUsize::new(0),
            waiting_refused: AtomicU64::new(0),
            rsa_operations: AtomicU64::new(0),
            rsa_deferred: AtomicU64::new(0),
            budget: Mutex::default(),
        };
        Self { shared: Arc::new(shared), position: None }
    }

    /// The handle of one worker on the same keys. `lag`: when a worker is given epoch *e*, all are done with epoch *e - lag*.
    #[must_use]
    pub fn for_worker(&self, lag: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self { shared: Arc::clone(&self.shared), position: Some(Position { lag, epoch: zero(), seen: zero(), now: zero() }) }
    }

    /// The worker of this handle goes on to an epoch, which begins at this packet time. Epochs grow by one each, from 1, with all
    /// workers alike. At the end of the input further epochs, without packets and with all workers at the end of each, let the
    /// last sessions be opened; see [`KeyCounters::resumable_filed`].
    pub fn begin_epoch(&self, epoch: u64, now: PacketTime) {
        let Some(position) = &self.position else { return };
        position.now.store(now.as_nanos(), Ordering::Relaxed);
        let before = position.epoch.swap(epoch, Ordering::Relaxed);
        if self.read().places.between(before, epoch) {
            position.seen.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The epoch of this handle; without epochs all there is is visible.
    fn epoch(&self) -> u64 {
        self.position.as_ref().map_or(u64::MAX, |position| position.epoch.load(Ordering::Relaxed))
    }

    /// Takes whole lines of a key log (RFC 9850). Bytes behind the last line end are left over, for someone who follows a
    /// file that is being written; a line without end that is longer than any is malformed and not left over.
    pub fn add_key_log(&self, bytes: &[u8]) -> KeyLogReport {
        let (lines, rest) = match bytes.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => bytes.split_at(end + 1),
            None => (&[][..], bytes),
        };
        let mut report = self.add_lines(0, lines);
        if rest.len() > MAX_LINE {
            report.malformed(lines.iter().filter(|&&byte| byte == b'\n').count() + 1);
        } else {
            report.leftover = rest.len();
        }
        report
    }

    /// Takes a key log that is complete (a file that is read once, a secrets block of a capture): its last line needs no end.
    pub fn add_whole_key_log(&self, bytes: &[u8]) -> KeyLogReport {
        self.add_lines(0, bytes)
    }

    /// Takes a key log that stands in the input itself, in this epoch (a secrets block of pcapng): whoever reads ahead adds it, and
    /// a worker that is not there yet does not see it.
    pub fn add_key_log_in_epoch(&self, epoch: u64, bytes: &[u8]) -> KeyLogReport {
        self.add_lines(epoch, bytes)
    }

    fn add_lines(&self, epoch: u64, bytes: &[u8]) -> KeyLogReport {
        self.shared.key_log.store(true, Ordering::Relaxed);
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
                    let secrets = inner.sessions.entry(random, self.shared.limits.max_sessions);
                    if secrets.set(label, epoch, shared(secret)) { report.added += 1 } else { report.known += 1 }
                }
            }
        }
        if report.added > 0 && epoch > 0 {
            inner.places.add(epoch);
        }
        drop(inner);
        if report.added > 0 {
            self.shared.generation.fetch_add(1, Ordering::Release);
        }
        report
    }

    /// A key log is going to be followed: sessions wait for its lines even before the first.
    pub fn expect_key_log(&self) {
        self.shared.key_log.store(true, Ordering::Relaxed);
    }

    /// Takes an RSA private key: PEM (the first private key of the text) or DER, PKCS #1 or PKCS #8. Whether it is new.
    ///
    /// # Errors
    /// It is no such key, is encrypted, or there are [`MAX_RSA_KEYS`] already.
    pub fn add_rsa_key(&self, pem_or_der: &[u8]) -> Result<bool, KeyError> {
        self.add_rsa_key_of(pem_or_der, None)
    }

    /// The same, of the server at this address: used where the certificate was not seen, too.
    ///
    /// # Errors
    /// As [`KeyRing::add_rsa_key`].
    pub fn add_rsa_key_of(&self, pem_or_der: &[u8], server: Option<IpAddr>) -> Result<bool, KeyError> {
        let key = RsaKey::read(pem_or_der, server)?;
        let mut inner = self.write();
        if inner.rsa.iter().any(|known| known.modulus() == key.modulus() && known.server() == server) {
            return Ok(false);
        }
        if inner.rsa.len() >= self.shared.limits.max_rsa_keys {
            return Err(KeyError::TooMany);
        }
        inner.rsa.push(Arc::new(key));
        drop(inner);
        self.shared.rsa.store(true, Ordering::Relaxed);
        self.shared.generation.fetch_add(1, Ordering::Release);
        Ok(true)
    }

    /// Changes when something was added, or became visible to this worker: while it does not, there is nothing to be asked.
    #[must_use]
    pub fn generation(&self) -> u64 {
        let seen = self.position.as_ref().map_or(0, |position| position.seen.load(Ordering::Relaxed));
        self.shared.generation.load(Ordering::Acquire) + seen
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

    /// What the ring met, all handles together.
    #[must_use]
    pub fn counters(&self) -> KeyCounters {
        let inner = self.read();
        KeyCounters {
            sessions_evicted: inner.sessions.evicted,
            resumable_filed: inner.filed,
            resumable_evicted: inner.resumable.evicted,
            resumable_refused: inner.refused,
            waiting_refused: self.shared.waiting_refused.load(Ordering::Relaxed),
            rsa_operations: self.shared.rsa_operations.load(Ordering::Relaxed),
            rsa_deferred: self.shared.rsa_deferred.load(Ordering::Relaxed),
        }
    }

    /// Encrypted bytes that wait for keys now, all sessions together.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Private keys.
    #[must_use]
    pub fn rsa_keys(&self) -> usize {
        self.read().rsa.len()
    }

    /// There are keys, or some may come: only then a session waits.
    #[must_use]
    pub fn expects_keys(&self) -> bool {
        !self.shared.dormant || self.shared.rsa.load(Ordering::Relaxed) || self.shared.key_log.load(Ordering::Relaxed)
    }

    /// There are private keys and no key log: sessions with (EC)DHE stay closed.
    pub(in super::super) fn is_rsa_only(&self) -> bool {
        self.shared.rsa.load(Ordering::Relaxed) && !self.shared.key_log.load(Ordering::Relaxed)
    }

    /// A secret of the session with this client random.
    pub(in super::super) fn secret(&self, random: &[u8; 32], label: Label) -> Option<SharedSecret> {
        self.read().sessions.entries.get(random)?.get(label, self.epoch())
    }

    /// The private key that belongs to a public one: its modulus, big-endian, without leading zeros.
    pub(in super::super) fn rsa_key(&self, modulus: &[u8]) -> Option<Arc<RsaKey>> {
        self.read().rsa.iter().find(|key| key.modulus() == modulus).cloned()
    }

    /// The private key of a server at one of two addresses, if there is just one.
    pub(in super::super) fn rsa_key_at(&self, ends: &[IpAddr; 2]) -> Option<Arc<RsaKey>> {
        let inner = self.read();
        let mut keys = inner.rsa.iter().filter(|key| key.server().is_some_and(|server| ends.contains(&server)));
        keys.next().filter(|_| keys.next().is_none()).cloned()
    }

    /// Remembers the master secret of a session that was opened, by session id or by the hash of its ticket.
    pub(in super::super) fn remember(&self, name: &[u8], master: &SharedSecret, source: KeySource) {
        let since = self.position.as_ref().map_or(0, |position| self.epoch().saturating_add(position.lag));
        let mut inner = self.write();
        let filed = inner.resumable.entry(name.to_vec(), self.shared.limits.max_resumable).add(master, source, since);
        match filed {
            Filed::Known => return,
            Filed::Refused => {
                inner.refused += 1;
                return;
            }
            Filed::New => inner.filed += 1,
            Filed::Earlier => {}
        }
        if self.position.is_some() {
            inner.places.add(since);
        } else {
            // Another session may be waiting for it.
            self.shared.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// The master secrets under which a session may be taken up again.
    pub(in super::super) fn remembered(&self, name: &[u8]) -> Vec<Candidate> {
        let inner = self.read();
        inner.resumable.entries.get(name).into_iter().flat_map(|named| named.visible(self.epoch())).cloned().collect()
    }

    /// Makes room for bytes that wait for keys; `false` when there is none.
    #[must_use]
    pub(in super::super) fn reserve(&self, bytes: usize) -> bool {
        let before = self.shared.waiting.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.shared.limits.max_waiting;
        if !fits {
            self.release(bytes);
            self.shared.waiting_refused.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }

    /// Gives back what was reserved.
    pub(in super::super) fn release(&self, bytes: usize) {
        self.shared.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether it is somebody's turn to use a private key.
    #[must_use]
    pub(in super::super) fn may_use_private_key(&self) -> bool {
        let may = self.position.as_ref().is_none_or(|position| {
            let now = PacketTime::from_nanos(position.now.load(Ordering::Relaxed));
            let mut budget = self.shared.budget.lock().unwrap_or_else(PoisonError::into_inner);
            budget.take(now, &self.shared.limits)
        });
        let counter = if may { &self.shared.rsa_operations } else { &self.shared.rsa_deferred };
        counter.fetch_add(1, Ordering::Relaxed);
        may
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // Nothing below panics half-way: a poisoned lock holds whole entries.
        self.shared.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.shared.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sessions are shared among threads.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<KeyRing>();
    is_shared::<Secret<Zeroizing<Vec<u8>>>>();
};
