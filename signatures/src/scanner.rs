//! The scanner of one worker: decoded content at once, streams through [`crate::StreamScan`].
//!
//! Not `Send` and borrows the rules: a worker makes it on its own thread and makes a new one after a reload, handing the buffers
//! over with [`Scanner::into_pool`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::{Engine, Hit, Places};
use crate::error::ScanError;
use crate::matches::{Match, RuleInfo, Scope};
use crate::report::evidence;
use crate::ruleset::RuleSet;

/// Bytes kept of a matched string.
pub const MAX_EXCERPT: usize = 128;
/// Places kept of one match.
pub const MAX_PLACES: usize = 32;
/// Buffers kept for reuse, and their bytes: windows may be set large.
const MAX_FREE: usize = 64;
const MAX_FREE_BYTES: usize = 8 << 20;
/// Up to this size a buffer belongs to its stream; larger ones hold a window and are recycled.
pub(crate) const SMALL: usize = 8 << 10;

/// What a scanner did, for `stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanCounters {
    /// Scans by the engine.
    pub scans: u64,
    /// Bytes they saw, overlap counted each time.
    pub scanned_bytes: u64,
    /// Buffers that held none of the rules' literals and needed no scan.
    pub prefiltered: u64,
    /// Their bytes, overlap counted each time.
    pub prefiltered_bytes: u64,
    /// Matches handed out.
    pub matches: u64,
    /// Scans that exceeded their time limit; each ends the scanning of its direction.
    pub timeouts: u64,
    /// Scans that failed otherwise; the same.
    pub failures: u64,
    /// Directions that reached their depth.
    pub depth_reached: u64,
    /// Overlaps not kept because all streams together held too much: a match across that place is not seen.
    pub overlaps_dropped: u64,
    /// Contents of which only the first part was scanned.
    pub contents_cut: u64,
    /// Matches left out because their direction had too many different ones.
    pub matches_dropped: u64,
}

impl ScanCounters {
    /// Adds another worker's.
    pub fn add(&mut self, other: &Self) {
        self.scans += other.scans;
        self.scanned_bytes += other.scanned_bytes;
        self.prefiltered += other.prefiltered;
        self.prefiltered_bytes += other.prefiltered_bytes;
        self.matches += other.matches;
        self.timeouts += other.timeouts;
        self.failures += other.failures;
        self.depth_reached += other.depth_reached;
        self.overlaps_dropped += other.overlaps_dropped;
        self.contents_cut += other.contents_cut;
        self.matches_dropped += other.matches_dropped;
    }
}

/// Buffers of the streams of one worker: recycled, and bounded together.
#[derive(Debug, Default)]
pub struct BufferPool {
    free: Vec<Vec<u8>>,
    /// Shared with the buffers in use, so that a flow that is simply dropped gives its share back.
    held: Arc<AtomicUsize>,
}

/// A buffer in use and counted.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    counted: usize,
    account: Arc<AtomicUsize>,
}

impl Held {
    /// Brings the account up to date after the buffer grew or shrank.
    pub(crate) fn settle(&mut self) {
        let capacity = self.bytes.capacity();
        self.account.fetch_add(capacity, Ordering::Relaxed);
        self.account.fetch_sub(self.counted, Ordering::Relaxed);
        self.counted = capacity;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

impl BufferPool {
    /// An empty buffer that grows with its content.
    pub(crate) fn take_small(&self) -> Held {
        Held { bytes: Vec::new(), counted: 0, account: Arc::clone(&self.held) }
    }

    /// Moves the bytes to a recycled buffer that holds a window.
    pub(crate) fn enlarge(&mut self, held: &mut Held, window: usize) {
        if held.bytes.capacity() >= window {
            return;
        }
        let mut large = self.free.pop().unwrap_or_default();
        large.reserve_exact(window);
        large.extend_from_slice(&held.bytes);
        held.bytes = large;
        held.settle();
    }

    /// Takes a buffer back; a small one goes to the allocator.
    pub(crate) fn give_back(&mut self, mut held: Held) {
        let mut bytes = std::mem::take(&mut held.bytes);
        let kept: usize = self.free.iter().map(Vec::capacity).sum();
        if self.free.len() < MAX_FREE && bytes.capacity() > SMALL && kept.saturating_add(bytes.capacity()) <= MAX_FREE_BYTES {
            bytes.clear();
            self.free.push(bytes);
        }
    }

    /// Bytes that streams hold now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Scans for one worker.
pub struct Scanner<'r> {
    pub(crate) rules: &'r RuleSet,
    pub(crate) pool: BufferPool,
    pub(crate) counters: ScanCounters,
    engine: Engine<'r>,
}

impl std::fmt::Debug for Scanner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").field("rules", &self.rules).field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl<'r> Scanner<'r> {
    /// A scanner for these rules. Reserves address space and takes a fraction of a millisecond: one a worker, not one a flow.
    #[must_use]
    pub fn new(rules: &'r RuleSet) -> Self {
        Self::with_pool(rules, BufferPool::default())
    }

    /// The same, going on with the buffers of the scanner before.
    #[must_use]
    pub fn with_pool(rules: &'r RuleSet, pool: BufferPool) -> Self {
        let engine = Engine::new(&rules.compiled, rules.limits.scan_timeout);
        Self { rules, pool, counters: ScanCounters::default(), engine }
    }

    /// The buffers, for the next scanner.
    #[must_use]
    pub fn into_pool(self) -> BufferPool {
        self.pool
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &'r RuleSet {
        self.rules
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> &ScanCounters {
        &self.counters
    }

    /// Bytes that the streams of this worker hold back now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.pool.held()
    }

    /// Scans one decoded content (a message, a file, a layer) with the rules of scope `any` and `content`.
    ///
    /// # Errors
    /// The scan did not finish; counted, and worth an event.
    pub fn scan_content(&mut self, bytes: &[u8], out: &mut Vec<Match>) -> Result<(), ScanError> {
        if !self.rules.has_content_rules || bytes.is_empty() {
            return Ok(());
        }
        let bytes = self.cut(bytes);
        if let Some(filter) = &self.rules.content_filter
            && !filter.may_match(bytes)
        {
            self.spared(bytes);
            return Ok(());
        }
        self.scan_content_always(bytes, out)
    }

    /// The same for a file with a name: rules can ask for `filename` and `extension`.
    ///
    /// # Errors
    /// As [`Scanner::scan_content`].
    pub fn scan_file(&mut self, name: &str, bytes: &[u8], out: &mut Vec<Match>) -> Result<(), ScanError> {
        if !self.rules.has_content_rules {
            return Ok(());
        }
        // Without a prefilter: a rule may match by the name alone.
        let bytes = self.cut(bytes);
        self.engine.set_file_name(name);
        let result = self.scan_content_always(bytes, out);
        self.engine.set_file_name("");
        result
    }

    fn scan_content_always(&mut self, bytes: &[u8], out: &mut Vec<Match>) -> Result<(), ScanError> {
        let mut found = 0_u64;
        let result = self.scan(bytes, Places::First, |_, info, hit| {
            if info.scope == Scope::Undecoded {
                return;
            }
            out.push(Match { rule: Arc::clone(info), strings: evidence(hit, bytes) });
            found = found.saturating_add(1);
        });
        self.counters.matches = self.counters.matches.saturating_add(found);
        result
    }

    /// Scans and counts. `visit` gets each matching rule with its number.
    pub(crate) fn scan(
        &mut self,
        bytes: &[u8],
        places: Places,
        mut visit: impl FnMut(u32, &Arc<RuleInfo>, &Hit<'_, 'r>),
    ) -> Result<(), ScanError> {
        let rules = self.rules;
        self.counters.scans = self.counters.scans.saturating_add(1);
        self.counters.scanned_bytes = self.counters.scanned_bytes.saturating_add(bytes.len() as u64);
        let result = self.engine.scan(bytes, places, |hit| {
            if let Some((number, info)) = rules.find(hit.namespace(), hit.name()) {
                visit(number, info, hit);
            }
        });
        match result {
            Err(ScanError::Timeout) => self.counters.timeouts = self.counters.timeouts.saturating_add(1),
            Err(ScanError::Failed) => self.counters.failures = self.counters.failures.saturating_add(1),
            Ok(()) => {}
        }
        result
    }

    pub(crate) fn spared(&mut self, bytes: &[u8]) {
        self.counters.prefiltered = self.counters.prefiltered.saturating_add(1);
        self.counters.prefiltered_bytes = self.counters.prefiltered_bytes.saturating_add(bytes.len() as u64);
    }

    fn cut<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        match bytes.get(..self.rules.limits.max_content) {
            Some(first) if first.len() < bytes.len() => {
                self.counters.contents_cut = self.counters.contents_cut.saturating_add(1);
                first
            }
            _ => bytes,
        }
    }
}
