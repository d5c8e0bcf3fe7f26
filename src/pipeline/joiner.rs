//! Ranges of one file over several connections: joined where all connections are seen, and then a file like any other.

use std::sync::Arc;

use backstop_detectors::MetaRef;
use backstop_protocols::{AppProto, FilePart, FileState};
use backstop_signatures::RuleSet;

use super::event::{Epoch, Event, Raised, RangePiece};
use super::flow_state::FlowState;
use super::handler::Handler;
use super::settings::Settings;
use super::worker::WorkerStats;
use crate::files::{FileCounters, Joined, Ranges};

/// How the bytes came about.
const LAYERS: &[&str] = &["http.body", "http.range"];

/// One a sensor.
pub struct Joiner<'r> {
    settings: Arc<Settings>,
    rules: &'r RuleSet,
    ranges: Ranges,
    counters: FileCounters,
    /// Detectors and content rules of joined files; made for the first one.
    handler: Option<Box<Handler<'r>>>,
}

/// What a range led to.
#[derive(Default)]
pub struct Told {
    /// Finished lines.
    pub lines: Vec<u8>,
    /// What is to be written, in order; lines are ranges of `lines`.
    pub events: Vec<Event>,
}

impl<'r> Joiner<'r> {
    /// Of nothing so far.
    pub fn new(settings: &Arc<Settings>, rules: &'r RuleSet) -> Self {
        Self {
            settings: Arc::clone(settings),
            rules,
            ranges: Ranges::default(),
            counters: FileCounters::default(),
            handler: None,
        }
    }

    /// A range, in the order of packets: what was found in it, or in the file that it made whole.
    pub fn add(&mut self, piece: RangePiece) -> Told {
        let mut piece = piece;
        let findings = std::mem::take(&mut piece.findings);
        if piece.joined {
            self.ranges.forget(&piece.key);
            return told_alone(findings);
        }
        let sids: Vec<u64> = findings.iter().map(|raised| raised.finding.meta.sid()).collect();
        let range = (piece.start, piece.bytes.as_slice());
        match self.ranges.add(&piece.key, range, &sids, self.settings.files.max_ranges, &mut self.counters) {
            Some(joined) => self.whole(&piece, joined, findings),
            None => told_alone(findings),
        }
    }

    /// What was counted.
    pub fn stats(&self) -> WorkerStats {
        let mut stats = WorkerStats { files: self.counters, memory: self.ranges.held() as u64, ..WorkerStats::default() };
        if let Some(handler) = &self.handler {
            let (app, scan, files) = handler.counters();
            stats.add(&WorkerStats { app, scan, files, ..WorkerStats::default() });
        }
        stats
    }

    fn whole(&mut self, piece: &RangePiece, joined: Joined, findings: Vec<Raised>) -> Told {
        let (settings, rules) = (&self.settings, self.rules);
        let handler = self.handler.get_or_insert_with(|| Box::new(Handler::new(settings, rules)));
        let mut state = FlowState::new(None, handler.new_scans());
        state.app_proto = Some(AppProto::Http);
        state.was_inside = piece.opened.is_some();
        state.tls = piece.opened.as_ref().and_then(|opened| opened.tls.clone());
        let part = FilePart {
            key: 0,
            tx_id: Some(piece.tx_id),
            direction: piece.direction,
            name: piece.name.as_deref(),
            layers: LAYERS,
            offset: 0,
            bytes: &joined.bytes,
            size: Some(piece.key.size),
            state: FileState::Complete,
        };
        handler.file_part(&piece.flow, &mut state, &piece.cause, AppProto::Http, &part);
        handler.exchange_over(&piece.flow, &mut state, &piece.cause, Some(piece.tx_id), || piece.object.clone());
        let Epoch { lines, events } = std::mem::take(&mut handler.epoch);
        let of_file: Vec<u64> =
            events.iter().filter_map(|(_, event)| finding(event)).map(|raised| raised.finding.meta.sid()).collect();
        // One cause, one alert: what the file tells better is not told of its last range, and what was told of an earlier
        // one is not told again.
        let adds = |raised: &Raised| {
            let meta = &raised.finding.meta;
            !of_file.contains(&meta.sid()) && !state.tells(meta, raised.finding.direction)
        };
        let last: Vec<Raised> = findings.into_iter().filter(adds).collect();
        let earlier: Vec<u64> = joined.told;
        let is_new = |event: &Event| finding(event).is_none_or(|raised| !was_told(&raised.finding.meta, &earlier));
        let mut told = told_alone(last);
        told.lines = lines;
        told.events.extend(events.into_iter().map(|(_, event)| event).filter(is_new));
        told
    }
}

fn told_alone(findings: Vec<Raised>) -> Told {
    Told { lines: Vec::new(), events: findings.into_iter().map(|raised| Event::Finding(Box::new(raised))).collect() }
}

const fn finding(event: &Event) -> Option<&Raised> {
    match event {
        Event::Finding(raised) => Some(raised),
        _ => None,
    }
}

/// Whether a detection, or the content rule that tells the same, is among signatures told before.
fn was_told(meta: &MetaRef, before: &[u64]) -> bool {
    let sid = meta.sid();
    before.contains(&sid) || backstop_detectors::powershell::rules(sid).iter().any(|rule| before.contains(rule))
}
