//! Lists of indicators: read at the start, and followed while the sensor listens.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use backstop_detectors::indicators::IndicatorStore;
use backstop_signatures::indicators::{Indicators, Loader, SHIPPED};

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
    fn mark(&self) -> Vec<(PathBuf, Option<(u64, SystemTime)>)> {
        let facts = |path: &Path| std::fs::metadata(path).ok().and_then(|facts| Some((facts.len(), facts.modified().ok()?)));
        self.files().unwrap_or_default().into_iter().map(|path| (path.clone(), facts(&path))).collect()
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
            let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
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

/// Follows the lists until it is dropped.
pub struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Reads the lists again when one of them has changed, or when `again` is raised. A list that is wrong leaves those in use.
    pub fn start(sources: Sources, store: IndicatorStore, again: Arc<AtomicBool>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut known = sources.mark();
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
                            store.replace(all);
                        }
                        Err(error) => tracing::error!("indicators stay as they are: {error}"),
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
        store.replace(sources.load().unwrap());
        let again = Arc::new(AtomicBool::new(false));
        let follower = Follower::start(sources, store.clone(), Arc::clone(&again));
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
