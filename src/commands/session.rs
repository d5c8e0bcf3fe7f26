//! What replay and run share: settings, rules, output, signals, and the account at the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backstop_capture::source::Source;
use backstop_protocols::tls::KeyRing;
use backstop_signatures::RuleSet;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::{End, StartError};
use crate::cli::Processing;
use crate::config::{self, Config};
use crate::files::{Store, Writer};
use crate::indicators::Loaded;
use crate::keys::{self, Followers, KeySources, Timing};
use crate::output::file::{Mode, Output};
use crate::pipeline::collector::{Collector, Finished};
use crate::pipeline::reader::{self, RunEnd};
use crate::pipeline::settings::Settings;

/// Flags that signals raise.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// SIGINT or SIGTERM: stop. A second one ends the program at once.
    pub stop: Arc<AtomicBool>,
    /// SIGHUP: the output file was rotated.
    pub reopen: Arc<AtomicBool>,
    /// SIGHUP: lists of indicators are read again.
    pub reload: Arc<AtomicBool>,
}

impl Signals {
    /// Takes over the signals.
    pub fn install() -> Result<Self, StartError> {
        let signals = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first one finds the flag down.
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&signals.stop))?;
            flag::register(signal, Arc::clone(&signals.stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&signals.reopen))?;
        flag::register(SIGHUP, Arc::clone(&signals.reload))?;
        Ok(signals)
    }
}

/// The configuration of the file and all options.
pub fn configuration(processing: &Processing) -> Result<Config, StartError> {
    let mut sets = processing.common.sets.clone();
    sets.extend(processing.workers.map(|workers| format!("workers={workers}")));
    sets.extend(processing.stats_interval.as_ref().map(|interval| format!("stats_interval=\"{interval}\"")));
    Ok(config::load(processing.common.config.as_deref(), &sets)?)
}

/// Keys for TLS, and who follows their sources; no ring where none were asked for.
pub fn keys(sources: &KeySources, timing: Timing, signals: &Signals) -> Result<(Option<Arc<KeyRing>>, Followers), StartError> {
    Ok(match keys::open(sources, timing, &signals.stop)? {
        Some((ring, followers)) => (Some(ring), followers),
        None => (None, Followers::default()),
    })
}

/// Loads the indicators into the settings; gives where they come from.
pub fn indicators(config: &Config, more: &[PathBuf], settings: &mut Settings) -> Result<Loaded, StartError> {
    let loaded = config.indicators(more).loaded(&settings.detect.indicators.store)?;
    settings.own_indicators = !loaded.sources.paths.is_empty();
    Ok(loaded)
}

/// Opens the store of files, where one was asked for.
pub fn store(config: &Config, settings: &mut Settings, writer: Writer) -> Result<(), StartError> {
    if let Some(folder) = config.store_dir() {
        settings.files.store = Some(Arc::new(Store::open(folder, settings.files.store_quota as u64, writer)?));
    }
    Ok(())
}

/// Loads the rules and says how many there are.
pub fn rules(config: &Config, more: &[PathBuf]) -> Result<RuleSet, StartError> {
    let started = std::time::Instant::now();
    let rules = RuleSet::load(&config.rule_options(more))?;
    tracing::debug!("{} rules in {} ms (cached: {})", rules.rules().len(), started.elapsed().as_millis(), rules.from_cache());
    Ok(rules)
}

/// Where lines go: the option, else the configuration, else nowhere.
pub fn output(option: Option<&Path>, config: &Config, mode: Mode) -> Result<Output, StartError> {
    let path = match (option, config.outputs.as_slice()) {
        (Some(path), _) => path,
        (None, []) => return Ok(Output::none()),
        (None, [only]) => &only.file,
        (None, [_, _, ..]) => return Err("outputs: more than one output is not supported yet".into()),
    };
    if path.as_os_str() == "-" {
        return Ok(Output::stdout());
    }
    Output::file(path, mode).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Processes everything that the source gives. The last `End` of a run: whether all of it was read and written.
pub fn process(
    source: &mut dyn Source,
    settings: &Arc<Settings>,
    rules: &RuleSet,
    output: Output,
    signals: &Signals,
    observer: &mut dyn reader::Observer,
) -> (RunEnd, Finished, End) {
    let mut collector = Collector::new(settings, rules, output);
    let end = reader::run(source, settings, rules, &mut collector, &signals.stop, observer);
    crate::pipeline::stats::write(&mut collector, &end.totals);
    let finished = collector.finish();
    let stopped = signals.stop.load(Ordering::Relaxed);
    let mut complete = End::Done;
    let mut problem = |text: String| {
        eprintln!("backstop: {text}");
        complete = End::Incomplete;
    };
    // What a stop cuts off is no damage.
    for error in source.take_problems().into_iter().filter(|_| !stopped) {
        problem(error.to_string());
    }
    if let Some(error) = &end.error {
        problem(error.to_string());
    }
    let unknown = end.totals.decode.unknown_link;
    if unknown > 0 {
        problem(format!("{unknown} packets have a link type that is not known here"));
    }
    if let Some(error) = &finished.error {
        problem(format!("{} records could not be written: {error}", finished.lost));
    } else if finished.lost > 0 {
        problem(format!("{} records could not be written while the output was full", finished.lost));
    }
    let unstored = settings.files.store.as_ref().map_or(0, |store| store.finish());
    if unstored > 0 {
        problem(format!("{unstored} files could not be stored"));
    }
    (end, finished, complete)
}
