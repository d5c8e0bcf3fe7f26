//! `backstop replay`.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backstop_capture::source::{Inputs, InputsConfig, Source};
use backstop_protocols::tls::KeyRing;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::session::{self, Signals};
use super::{End, StartError, start_log};
use crate::cli::Replay;
use crate::files::Writer;
use crate::keys::{self, Timing};
use crate::output::file::Mode;
use crate::pipeline::reader::Observer;
use crate::table;

/// A replay shorter than this shows no bar.
const BAR_AFTER: Duration = Duration::from_secs(1);

/// Replays captures. Everything that can be wrong is found before the output file is touched.
pub fn run(options: &Replay) -> Result<End, StartError> {
    let processing = &options.processing;
    start_log(&processing.common);
    let config = session::configuration(processing)?;
    let signals = Signals::install()?;
    let rules = session::rules(&config, &processing.common.rules)?;
    let filter = processing.filter.as_deref().or_else(|| config.filter()).map(str::to_owned);
    let mut source = Inputs::open(&InputsConfig { paths: options.files.clone(), filter, stop: Arc::clone(&signals.stop) })?;
    let piped = options.files.iter().any(|file| !file.is_file() && !file.is_dir());
    let timing = if piped { Timing::Live } else { Timing::Replay };
    let sources = config.keys(&processing.keylog);
    let (ring, _followers) = session::keys(&sources, timing, &signals)?;
    let mut settings = config.settings();
    settings.keys = ring;
    let carried = source.take_secrets();
    if !carried.is_empty() || piped {
        // A pipe may still bring some.
        let ring = settings.keys.get_or_insert_with(|| Arc::new(KeyRing::dormant(sources.limits)));
        keys::add_captured(ring, 0, &carried);
    }
    settings.eve.files = (0..).map_while(|file| source.name(file).map(str::to_owned)).collect();
    settings.prompt = options.files.iter().any(|file| file.as_os_str() == "-");
    // A replay has the lists of its start, so that it says the same each time.
    session::indicators(&config, &processing.indicators, &mut settings)?;
    session::store(&config, &mut settings, Writer::Caller)?;
    let settings = Arc::new(settings);
    let mode = if options.append { Mode::Append } else { Mode::Replace };
    let to_stdout = processing.output.as_ref().is_some_and(|path| path.as_os_str() == "-");
    let output = session::output(processing.output.as_deref(), &config, mode)?;
    let shown = !processing.common.quiet && std::io::stderr().is_terminal();
    let mut progress = Progress::new(shown, Arc::clone(&signals.reopen));
    let (end, finished, complete) = session::process(&mut source, &settings, &rules, output, &signals, &mut progress);
    progress.finish();
    if options.summary {
        let table = table::render(&finished.rows, finished.written.alerts);
        if to_stdout { eprint!("{table}") } else { print!("{table}") }
    }
    let (packets, written) = (end.totals.decode.packets, finished.written);
    tracing::info!("{packets} packets, {} flows, {} alerts", end.totals.workers.streams.flows, written.alerts);
    if processing.output.is_none() && config.outputs.is_empty() && !options.summary && !processing.common.quiet {
        tracing::info!("no output was asked for: -o FILE writes EVE, --summary shows the alerts");
    }
    Ok(complete)
}

/// A bar on a terminal, for replays that take their time.
struct Progress {
    bar: Option<ProgressBar>,
    shown: bool,
    started: Instant,
    reopen: Arc<AtomicBool>,
}

impl Progress {
    fn new(shown: bool, reopen: Arc<AtomicBool>) -> Self {
        Self { bar: None, shown, started: Instant::now(), reopen }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn progress(&mut self, source: &dyn Source) {
        if !self.shown || (self.bar.is_none() && self.started.elapsed() < BAR_AFTER) {
            return;
        }
        let progress = source.progress();
        let bar = self.bar.get_or_insert_with(|| {
            let template = match progress.total {
                Some(_) => "{bar:40} {percent:>3}% {bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
                None => "{spinner} {bytes} {bytes_per_sec}",
            };
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(progress.total, ProgressDrawTarget::stderr_with_hz(5)).with_style(style)
        });
        bar.set_position(progress.read);
    }

    fn wants_reopen(&mut self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }
}
