//! The output stage: puts the events of all workers in order, asks the correlator, writes lines.

use std::sync::Arc;

use backstop_detectors::{Admit, Correlator, CorrelatorCounters, Fact};
use backstop_signatures::RuleSet;

use super::event::{Epoch, Event, Order};
use super::joiner::{Joiner, Told};
use super::settings::Settings;
use super::worker::WorkerStats;
use crate::eve;
use crate::eve::protocol::About;
use crate::output::file::Output;
use crate::table::AlertRow;

/// Alerts kept for the table at the end of a replay.
const MAX_ROWS: usize = 1_000;

/// What the output stage counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    /// Lines written.
    pub lines: u64,
    /// Alerts among them.
    pub alerts: u64,
    /// Findings held back by thresholds or for want of a role.
    pub suppressed: u64,
    /// What the correlator counted.
    pub correlator: CorrelatorCounters,
}

/// What is left when all is written.
#[derive(Debug)]
pub struct Finished {
    /// What was counted.
    pub written: Written,
    /// Alerts for the table.
    pub rows: Vec<AlertRow>,
    /// Lines that could not be written …
    pub lost: u64,
    /// … and why.
    pub error: Option<String>,
}

/// Writes events in order.
pub struct Collector<'r> {
    settings: Arc<Settings>,
    correlator: Correlator,
    joiner: Joiner<'r>,
    output: Output,
    written: Written,
    rows: Vec<AlertRow>,
    order: Vec<(Order, usize, usize)>,
    line: Vec<u8>,
}

impl<'r> Collector<'r> {
    /// A collector that writes to `output`. `rules`: for files that are put together here.
    pub fn new(settings: &Arc<Settings>, rules: &'r RuleSet, output: Output) -> Self {
        Self {
            settings: Arc::clone(settings),
            correlator: Correlator::new(Arc::clone(&settings.detect)),
            joiner: Joiner::new(settings, rules),
            output,
            written: Written::default(),
            rows: Vec::new(),
            order: Vec::new(),
            line: Vec::new(),
        }
    }

    /// Writes the events of one epoch, one part a worker.
    pub fn epoch(&mut self, parts: &mut [Epoch]) {
        self.order.clear();
        for (part, epoch) in parts.iter().enumerate() {
            self.order.extend(epoch.events.iter().enumerate().map(|(index, (order, _))| (*order, part, index)));
        }
        if self.order.is_empty() {
            return;
        }
        // Within a packet and flow all events come from one worker, so the worker's number never decides.
        self.order.sort_unstable();
        for (_, part, index) in std::mem::take(&mut self.order) {
            let Some(epoch) = parts.get_mut(part) else { continue };
            let Some((_, event)) = epoch.events.get_mut(index) else { continue };
            let event = std::mem::replace(event, Event::Line { start: 0, len: 0 });
            if let Event::Range(piece) = event {
                let Told { lines, events } = self.joiner.add(*piece);
                for event in events {
                    self.event(event, &lines);
                }
            } else {
                self.event(event, &epoch.lines);
            }
        }
        for epoch in parts {
            epoch.clear();
        }
    }

    fn event(&mut self, event: Event, lines: &[u8]) {
        match event {
            Event::Line { start, len } => {
                if let Some(line) = lines.get(start..start + len) {
                    self.written.lines += 1;
                    self.output.write_line(line);
                }
            }
            Event::Fact(fact) => self.fact(fact),
            Event::Finding(raised) => self.finding(*raised),
            // A file that was put together is no range of another.
            Event::Range(_) => {}
        }
    }

    /// What was counted of files that were put together here.
    pub fn joined(&self) -> WorkerStats {
        self.joiner.stats()
    }

    fn fact(&mut self, fact: Fact) {
        self.correlator.fact(fact);
    }

    fn finding(&mut self, raised: super::event::Raised) {
        let super::event::Raised { finding, flow, cause, app_proto, opened } = raised;
        let about = About { flow: &flow, cause: &cause, app_proto, opened: opened.as_ref() };
        if finding.update {
            let settings = Arc::clone(&self.settings);
            self.line(|out, _| eve::protocol::update(out, &settings.eve, about, &finding));
            return;
        }
        match self.correlator.admit(finding, cause.time) {
            Admit::Suppressed => self.written.suppressed += 1,
            Admit::Counted => {}
            Admit::Alert(finding) => {
                self.written.alerts += 1;
                if self.rows.len() < MAX_ROWS {
                    self.rows.push(AlertRow::new(&finding, cause.time));
                }
                if self.settings.eve.types.alert {
                    self.line.clear();
                    eve::alert::write(&mut self.line, &self.settings.eve, about, &finding);
                    self.written.lines += 1;
                    self.output.write_line(&self.line);
                }
            }
        }
    }

    /// Writes a finished line of the program's own (statistics).
    pub fn line(&mut self, write: impl FnOnce(&mut Vec<u8>, &Settings)) {
        self.line.clear();
        write(&mut self.line, &self.settings);
        if !self.line.is_empty() {
            self.written.lines += 1;
            self.output.write_line(&self.line);
        }
    }

    /// Lets everything written so far reach its file. Live, after each epoch; in a replay at the end.
    pub fn flush(&mut self) {
        self.output.flush();
    }

    /// Opens the file again after a rotation.
    pub fn reopen(&mut self) {
        self.output.reopen();
    }

    /// Counts so far.
    pub fn written(&self) -> Written {
        Written { correlator: self.correlator.counters(), ..self.written }
    }

    /// Nobody reads what is written any more.
    pub fn is_closed(&self) -> bool {
        self.output.is_closed()
    }

    /// Ends the output.
    pub fn finish(self) -> Finished {
        let (lost, error) = self.output.finish();
        Finished { written: self.written, rows: self.rows, lost, error }
    }
}
