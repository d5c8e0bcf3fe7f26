//! Lists of indicators: read at the start, and followed while the sensor listens.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use backstop_detectors::indicators::IndicatorStore;
use backstop_signatures::indicators::{Indicators, Loader, SHIPPED};

/// Bytes of one list. Millions of entries are some tens of MiB.
const MAX_FILE: u64 = 1 << 30;

/// How often the files are looked at. SIGHUP does it at once.
const PAUSE: Duration = Duration::from_secs(5);
/// How often the stop flag is looked at.
const STEP: Duration = Duration::from_millis(100);

/// Where lists come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Files, and folders whose files are lists.
    pub paths: Vec<PathBuf>,
    /// The shipped list too.
    pub builtin: bool,
    /// Entries of all lists.
    pub max: usize,
}

impl Sources {
    /// The files, those of folders in the order of their names. Hidden ones are no lists.
    fn files(&self) -> Result<Vec<PathBuf>, String> {
        let mut files = Vec::new();
        for path in &self.paths {
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            let entries = std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let mut inside: Vec<PathBuf> =
                entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file() && !hidden(path)).collect();
            inside.sort();
            files.extend(inside);
        }
        Ok(files)
    }

    /// How many lists there are.
    pub fn lists(&self) -> usize {
        self.files().unwrap_or_default().len() + usize::from(self.builtin)
    }

    /// What tells whether they changed.
    fn mark(&self) -> Mark {
        let facts = |path: &Path| std::fs::metadata(path).ok().and_then(|facts| Some((facts.len(), facts.modified().ok()?)));
        self.files().unwrap_or_default().into_iter().map(|path| (path.clone(), facts(&path))).collect()
    }

    /// Reads all of them, for the first time.
    ///
    /// # Errors
    /// As of [`Sources::load`].
    pub fn loaded(self, store: &IndicatorStore) -> Result<Loaded, String> {
        // First the mark: what changes while it is read is read again.
        let mark = self.mark();
        store.replace(self.load()?);
        Ok(Loaded { sources: self, mark })
    }

    /// Reads all of them.
    ///
    /// # Errors
    /// A file that cannot be read, or a line of it that is no indicator.
    pub fn load(&self) -> Result<Indicators, String> {
        let mut loader = Loader::new(self.max);
        if self.builtin {
            loader.add(SHIPPED.0, SHIPPED.1.as_bytes()).map_err(|error| error.to_string())?;
        }
        for file in self.files()? {
            let bytes = read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            loader.add(&file.display().to_string(), &bytes).map_err(|error| error.to_string())?;
        }
        let (all, warnings) = loader.finish();
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        tracing::debug!("{} indicators in {} KiB", all.len(), all.bytes() / 1024);
        Ok(all)
    }
}

/// Reads a file, which must be one: a pipe would hold up the start, or the reload.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let facts = std::fs::metadata(path)?;
    if !facts.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(facts.len().min(MAX_FILE)).unwrap_or(0));
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE { Err(io::Error::other("larger than 1 GiB")) } else { Ok(bytes) }
}

/// What tells whether files changed: their paths, sizes and times.
type Mark = Vec<(PathBuf, Option<(u64, SystemTime)>)>;

/// Lists that are in use.
#[derive(Debug)]
pub struct Loaded {
    /// Where they come from.
    pub sources: Sources,
    /// What the files were like before they were read.
    mark: Mark,
}

/// Follows the lists until it is dropped.
pub struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Reads the lists again when one of them has changed, or when `again` is raised. A list that is wrong leaves those in use.
    pub fn start(lists: Loaded, store: IndicatorStore, again: Arc<AtomicBool>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let Loaded { sources, mark: mut known } = lists;
        let thread = (!sources.paths.is_empty()).then(|| {
            thread::spawn(move || {
                let mut waited = Duration::ZERO;
                while !stopped.load(Ordering::Relaxed) {
                    thread::park_timeout(STEP);
                    waited += STEP;
                    let asked = again.swap(false, Ordering::Relaxed);
                    if !asked && waited < PAUSE {
                        continue;
                    }
                    waited = Duration::ZERO;
                    let now = sources.mark();
                    if now == known && !asked {
                        continue;
                    }
                    known = now;
                    match sources.load() {
                        Ok(all) => {
                            tracing::info!("indicators: {} in use", all.len());
                            store.reload(all);
                        }
                        Err(error) => {
                            tracing::error!("indicators stay as they are: {error}");
                            store.reload_failed();
                        }
                    }
                }
            })
        });
        Self { stop, thread }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_list_is_taken_and_a_wrong_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.txt");
        std::fs::write(&list, "203.0.113.7\n").unwrap();
        let sources = Sources { paths: vec![folder.path().to_owned()], builtin: false, max: 100 };
        let store = IndicatorStore::default();
        let lists = sources.loaded(&store).unwrap();
        let again = Arc::new(AtomicBool::new(false));
        let follower = Follower::start(lists, store.clone(), Arc::clone(&again));
        let has = |addr: &str| store.current().address(addr.parse().unwrap()).is_some();
        let eventually = |what: &dyn Fn() -> bool| {
            (0..100).any(|_| {
                what() || {
                    thread::sleep(STEP);
                    false
                }
            })
        };
        assert!(has("203.0.113.7"));
        std::fs::write(&list, "203.0.113.8\n").unwrap();
        again.store(true, Ordering::Relaxed);
        assert!(eventually(&|| has("203.0.113.8")) && !has("203.0.113.7"));
        std::fs::write(&list, "no:indicator\n").unwrap();
        again.store(true, Ordering::Relaxed);
        assert!(eventually(&|| !again.load(Ordering::Relaxed)));
        thread::sleep(STEP * 3);
        assert!(has("203.0.113.8"), "a wrong list leaves those in use");
        drop(follower);
        let counters = store.counters();
        assert_eq!((counters.reloads, counters.reload_errors, counters.lists.entries), (1, 1, 1));
    }

    #[test]
    fn what_changes_before_it_is_followed_is_taken_without_a_signal() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "203.0.113.7\n").unwrap();
        let store = IndicatorStore::default();
        let lists = Sources { paths: vec![folder.path().to_owned()], builtin: false, max: 100 }.loaded(&store).unwrap();
        std::fs::write(folder.path().join("b"), "203.0.113.8\n").unwrap();
        let follower = Follower::start(lists, store.clone(), Arc::default());
        let taken = (0..200).any(|_| {
            thread::sleep(STEP);
            store.counters().reloads == 1
        });
        drop(follower);
        assert!(taken && store.counters().lists.entries == 2);
    }

    #[test]
    fn what_is_no_file_is_an_error_and_holds_nothing_up() {
        let device = Sources { paths: vec![PathBuf::from("/dev/zero")], builtin: true, max: 100 };
        assert_eq!(device.load().unwrap_err(), "/dev/zero: not a file");
    }

    #[test]
    fn an_error_names_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.txt");
        std::fs::write(&list, "203.0.113.7\n???\n").unwrap();
        let sources = Sources { paths: vec![list.clone()], builtin: true, max: 100 };
        assert!(sources.load().unwrap_err().starts_with(&format!("{}:2: ", list.display())));
        let absent = Sources { paths: vec![folder.path().join("absent")], builtin: true, max: 100 };
        assert!(absent.load().unwrap_err().contains("absent"));
    }
}
