//! `backstop run`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backstop_capture::source::{Live, Source};

use super::session::{self, Signals};
use super::{End, StartError, start_log};
use crate::cli::Run;
use crate::files::Writer;
use crate::indicators::Follower;
use crate::keys::Timing;
use crate::output::file::Mode;
use crate::pipeline::reader::Observer;

/// Listens until it is told to stop.
pub fn run(options: &Run) -> Result<End, StartError> {
    let processing = &options.processing;
    start_log(&processing.common);
    let config = session::configuration(processing)?;
    let signals = Signals::install()?;
    let rules = session::rules(&config, &processing.common.rules)?;
    let mut live = config.live();
    if let Some(interface) = &options.interface {
        live.interface.clone_from(interface);
    }
    if live.interface.is_empty() {
        return Err("no interface: -i IFACE or capture.interface".into());
    }
    live.filter = processing.filter.clone().or_else(|| config.filter().map(str::to_owned));
    let (ring, _followers) = session::keys(&config.keys(&processing.keylog), Timing::Live, &signals)?;
    let mut settings = config.settings();
    settings.keys = ring;
    settings.prompt = true;
    settings.seeds = random_seeds()?;
    settings.eve.interface = Some(live.interface.clone());
    let lists = session::indicators(&config, &processing.indicators, &mut settings)?;
    session::store(&config, &mut settings, Writer::Thread)?;
    let settings = Arc::new(settings);
    // The interface first: no file is made by a start that fails.
    let mut source = Live::open(&live)?;
    let output = session::output(processing.output.as_deref(), &config, Mode::Append)?;
    if processing.output.is_none() && config.outputs.is_empty() {
        tracing::warn!("no output was asked for: -o FILE or [[outputs]] writes EVE");
    }
    tracing::info!("listening on {}", live.interface);
    let _follower = Follower::start(lists, settings.detect.indicators.store.clone(), Arc::clone(&signals.reload));
    let mut flags = Flags { reopen: Arc::clone(&signals.reopen) };
    let (end, finished, complete) = session::process(&mut source, &settings, &rules, output, &signals, &mut flags);
    let stats = source.stats();
    tracing::info!(
        "stopped: {} packets received, {} dropped, {} flows, {} alerts",
        stats.received,
        stats.dropped,
        end.totals.workers.streams.flows,
        finished.written.alerts
    );
    Ok(complete)
}

struct Flags {
    reopen: Arc<AtomicBool>,
}

impl Observer for Flags {
    fn progress(&mut self, _: &dyn Source) {}

    fn wants_reopen(&mut self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }
}

/// Attackers choose addresses and ports, so live the hashes have keys that they cannot know.
fn random_seeds() -> Result<[u64; 2], StartError> {
    let seed = || getrandom::u64().map_err(|error| format!("no random numbers: {error}"));
    Ok([seed()?, seed()?])
}
