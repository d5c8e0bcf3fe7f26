//! Rules, compiled once and shared by all workers.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::cache::{self, Entry};
use crate::engine::{Built, Compiled};
use crate::error::RuleError;
use crate::matches::{RuleInfo, Scope};
use crate::prefilter::Prefilter;
use crate::source;

/// Bounds and sizes of scanning. The defaults are measured, see `docs/performance.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Time limit of one scan; the engine counts whole seconds, a fraction is rounded up.
    pub scan_timeout: Duration,
    /// Bytes of a stream scanned at once, overlap included.
    pub window: usize,
    /// Bytes of the previous window that a window begins with. All strings of one match of a rule must lie within a window; a
    /// match that is no longer than this is found wherever the windows are cut.
    pub overlap: usize,
    /// Bytes of one direction that are scanned, unless [`crate::StreamScan::set_max_depth`] says otherwise.
    pub max_depth: u64,
    /// Whether a rule is reported once a direction (the default), or at each distinct place. A rule of scope
    /// [`Scope::Undecoded`] always is at each place: only the caller knows which of them a parser understood.
    pub once: bool,
    /// Whether buffers without any of the rules' literals are spared the scan.
    pub prefilter: bool,
    /// Bytes that the streams of one worker may hold back together, pending and overlap.
    pub max_held: usize,
    /// Bytes of one content that are scanned.
    pub max_content: usize,
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self {
            scan_timeout: Duration::from_secs(5),
            window: 64 << 10,
            overlap: 4 << 10,
            max_depth: 1 << 20,
            once: true,
            prefilter: true,
            max_held: 64 << 20,
            max_content: 16 << 20,
        }
    }
}

impl ScanLimits {
    /// The same with sizes that work: a window of at least 1 KiB, an overlap of at most half a window.
    fn sane(mut self) -> Self {
        self.window = self.window.clamp(1 << 10, 64 << 20);
        self.overlap = self.overlap.min(self.window / 2);
        self.scan_timeout = self.scan_timeout.max(Duration::from_secs(1));
        self
    }
}

/// Where rules come from.
#[derive(Clone, Debug)]
pub struct RuleOptions {
    /// Folders (read in depth, `*.yar` and `*.yara`) or single files.
    pub dirs: Vec<PathBuf>,
    /// Whether the shipped rules are loaded.
    pub builtin: bool,
    /// Where compiled rules are kept; none: compiled at each start.
    pub cache_dir: Option<PathBuf>,
    /// Bounds of scanning.
    pub limits: ScanLimits,
}

impl Default for RuleOptions {
    fn default() -> Self {
        Self { dirs: Vec::new(), builtin: true, cache_dir: None, limits: ScanLimits::default() }
    }
}

/// Compiled rules. `Send` and `Sync`: one in an `Arc` serves all workers, each with its own [`crate::Scanner`].
pub struct RuleSet {
    pub(crate) compiled: Compiled,
    pub(crate) limits: ScanLimits,
    pub(crate) stream_filter: Option<Prefilter>,
    pub(crate) content_filter: Option<Prefilter>,
    pub(crate) has_stream_rules: bool,
    pub(crate) has_content_rules: bool,
    /// Different for each loaded set: what a stream remembers of rules holds for one set only.
    pub(crate) generation: u32,
    infos: Vec<Arc<RuleInfo>>,
    index: HashMap<String, HashMap<String, u32>>,
    from_cache: bool,
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSet").field("rules", &self.infos.len()).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl RuleSet {
    /// Reads, compiles (or takes from the cache) and checks the rules.
    ///
    /// # Errors
    /// A source that cannot be read, a rule that does not compile, metadata that cannot be used, a sid used twice; without the
    /// cargo feature `yara` any folder at all.
    pub fn load(options: &RuleOptions) -> Result<Self, RuleError> {
        if !cfg!(feature = "yara")
            && let Some(path) = options.dirs.first()
        {
            return Err(RuleError::NoEngine { path: path.clone() });
        }
        let mut sources = if options.builtin { source::shipped() } else { Vec::new() };
        sources.extend(source::collect(&options.dirs)?);
        let key = cache::key(&sources);
        let cached = options.cache_dir.as_deref().and_then(|folder| cache::load(folder, &key)).and_then(|entry| {
            let compiled = Compiled::deserialize(&entry.rules)?;
            Some(Built { compiled, stream_literals: entry.stream_literals, content_literals: entry.content_literals })
        });
        let from_cache = cached.is_some();
        let built = match cached {
            Some(built) => built,
            None => {
                let built = Compiled::build(&sources)?;
                if let Some(folder) = &options.cache_dir
                    && let Some(rules) = built.compiled.serialize()
                {
                    let entry = Entry {
                        stream_literals: built.stream_literals.clone(),
                        content_literals: built.content_literals.clone(),
                        rules,
                    };
                    cache::store(folder, &key, &entry);
                }
                built
            }
        };
        Ok(Self::new(built, options.limits.clone().sane(), from_cache))
    }

    fn new(built: Built, limits: ScanLimits, from_cache: bool) -> Self {
        static GENERATION: AtomicU32 = AtomicU32::new(1);
        let infos: Vec<Arc<RuleInfo>> = built.compiled.infos().into_iter().map(Arc::new).collect();
        let mut index: HashMap<String, HashMap<String, u32>> = HashMap::new();
        for (number, info) in infos.iter().enumerate() {
            index.entry(info.namespace.clone()).or_default().insert(info.name.clone(), u32::try_from(number).unwrap_or(u32::MAX));
        }
        let filter = |literals: Option<Vec<Vec<u8>>>| literals.filter(|_| limits.prefilter).and_then(|l| Prefilter::new(&l));
        Self {
            stream_filter: filter(built.stream_literals),
            content_filter: filter(built.content_literals),
            has_stream_rules: infos.iter().any(|i| i.scope != Scope::Content),
            has_content_rules: infos.iter().any(|i| i.scope != Scope::Undecoded),
            compiled: built.compiled,
            generation: GENERATION.fetch_add(1, Ordering::Relaxed),
            limits,
            infos,
            index,
            from_cache,
        }
    }

    /// All rules, in the order in which they were read.
    #[must_use]
    pub fn rules(&self) -> &[Arc<RuleInfo>] {
        &self.infos
    }

    /// Whether there is no rule at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.infos.is_empty()
    }

    /// Whether the cache spared the compilation.
    #[must_use]
    pub fn from_cache(&self) -> bool {
        self.from_cache
    }

    /// Bounds and sizes in force.
    #[must_use]
    pub fn limits(&self) -> &ScanLimits {
        &self.limits
    }

    /// Whether streams and content can be spared scans by their literals; not when a rule needs no literal.
    #[must_use]
    pub fn prefiltered(&self) -> (bool, bool) {
        (self.stream_filter.is_some(), self.content_filter.is_some())
    }

    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<(u32, &Arc<RuleInfo>)> {
        let number = *self.index.get(namespace)?.get(name)?;
        Some((number, self.infos.get(usize::try_from(number).ok()?)?))
    }
}
