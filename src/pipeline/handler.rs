//! Feeds parsers, scans and detectors, and writes what they find.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use backstop_capture::handler::{Cause, FlowView};
use backstop_detectors::{Context, Finding, Findings, Scanned, Unfolded, powershell};
use backstop_protocols::tls::KeyRing;
use backstop_protocols::{AppProto, Content, Driver, Limits, Sink};
use backstop_signatures::{Flush, Interest as ScanInterest, Match, RuleSet, ScanCounters, ScanError, Scanner, Scope, StreamScan};
use backstop_types::{Direction, Fields, IpProto, PacketTime, PerDirection, Value};

use super::app_counters::AppCounters;
use super::event::{Epoch, Event, Order, Phase, Raised};
use super::flow_sink::FlowSink;
use super::flow_state::{FlowState, Which, is_of_words, may_be_told};
use super::settings::{CHANNEL_DEPTH, Settings};
use super::worker::SHARDS;
use crate::eve;
use crate::eve::anomaly::Told;
use crate::files::FileCounters;

/// One a worker, shared by its shards.
pub struct Handler<'r> {
    pub(super) settings: Arc<Settings>,
    /// Caps of parsers, shared by the flows of this worker.
    pub(super) limits: Arc<Limits>,
    /// This worker's handle on the keys.
    pub(super) keys: Option<Arc<KeyRing>>,
    pub(super) scanner: Scanner<'r>,
    /// Events of the epoch at hand.
    pub epoch: Epoch,
    /// What is being processed.
    pub phase: Phase,
    sequence: u64,
    pub(super) counters: AppCounters,
    matches: Vec<Match>,
    pub(super) findings: Findings,
    /// The part of the flow table that is at work.
    pub shard: usize,
    /// Bytes held of files, by shard: no worker's share depends on how many there are.
    pub(super) file_bytes: [usize; SHARDS],
    pub(super) file_counters: FileCounters,
    /// Assemblies seen so far.
    pub(super) assemblies: u64,
    /// The file whose bytes are scanned, and Suricata's object of it.
    pub(super) scanned_file: Option<(Fields, Option<Fields>)>,
}

impl<'r> Handler<'r> {
    /// A handler with its own scanner.
    pub fn new(settings: &Arc<Settings>, rules: &'r RuleSet) -> Self {
        Self {
            settings: Arc::clone(settings),
            limits: Arc::new(settings.limits),
            keys: settings.keys.as_ref().map(|ring| Arc::new(ring.for_worker(CHANNEL_DEPTH as u64))),
            scanner: Scanner::new(rules),
            epoch: Epoch::default(),
            phase: Phase::Packet,
            sequence: 0,
            counters: AppCounters::default(),
            matches: Vec::new(),
            findings: Findings::default(),
            shard: 0,
            file_bytes: [0; SHARDS],
            file_counters: FileCounters::default(),
            assemblies: 0,
            scanned_file: None,
        }
    }

    /// The worker goes on to the next part of the input, which begins at this time.
    pub fn begin_epoch(&self, number: u64, now: PacketTime) {
        if let Some(keys) = &self.keys {
            keys.begin_epoch(number, now);
        }
    }

    /// Counters so far.
    pub fn counters(&self) -> (AppCounters, ScanCounters, FileCounters) {
        (self.counters, *self.scanner.counters(), self.file_counters)
    }

    pub(super) fn order(&mut self, flow: &FlowView, cause: &Cause) -> Order {
        self.sequence += 1;
        Order { number: cause.number, phase: self.phase, flow: flow.first_number, sequence: self.sequence }
    }

    /// Adds a finished line written by `write`.
    pub(super) fn line(&mut self, flow: &FlowView, at: &Cause, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.epoch.lines.len();
        write(&mut self.epoch.lines);
        let len = self.epoch.lines.len() - start;
        if len > 0 {
            let order = self.order(flow, at);
            self.epoch.events.push((order, Event::Line { start, len }));
        }
    }

    pub(super) fn context<'a>(settings: &'a Settings, flow: &FlowView, state: &FlowState, cause: &Cause) -> Context<'a> {
        Self::context_of(settings, flow, state.app_proto, cause)
    }

    pub(super) fn context_of<'a>(
        settings: &'a Settings,
        flow: &FlowView,
        app_proto: Option<AppProto>,
        cause: &Cause,
    ) -> Context<'a> {
        Context {
            config: &settings.detect,
            client: flow.client,
            server: flow.server,
            now: cause.time,
            handshake: flow.handshake,
            midstream: flow.midstream,
            app_proto,
        }
    }

    /// Hands what the detectors said to the epoch. `at` orders it, `cause` is what it is about.
    pub(super) fn take_findings(&mut self, flow: &FlowView, state: &mut FlowState, at: &Cause, cause: &Cause) {
        if self.findings.is_empty() {
            return;
        }
        for fact in std::mem::take(&mut self.findings.facts) {
            let order = self.order(flow, at);
            self.epoch.events.push((order, Event::Fact(fact)));
        }
        self.counters.content_cut += std::mem::take(&mut self.findings.content_cut);
        for (rule, direction) in std::mem::take(&mut self.findings.covered) {
            state.cover(rule, direction);
        }
        if let Some((direction, is_page)) = self.findings.page.take() {
            state.page(direction, is_page);
        }
        let unfolded = std::mem::take(&mut self.findings.unfolded);
        for finding in std::mem::take(&mut self.findings.findings) {
            // A session that is only counted is no finding yet.
            let counts = finding.beat.is_some();
            self.counters.findings += u64::from(!counts);
            state.alerted |= !(finding.update || counts);
            let mut finding = finding;
            let opened = state.opened_facts(state.was_inside);
            if opened.is_some() {
                finding.context.set("decrypted", true);
            }
            let raised = Raised { finding, flow: *flow, cause: *cause, app_proto: state.app_proto, opened };
            let order = self.order(flow, at);
            self.epoch.events.push((order, Event::Finding(Box::new(raised))));
        }
        for one in unfolded {
            let Unfolded { bytes, layers, direction, tx_id } = &one;
            self.scan_content(flow, state, Content { bytes, layers, direction: *direction, tx_id: *tx_id }, (at, cause));
            if layers.contains(&"assembly") {
                self.assembly(flow, state, cause, &one);
            }
        }
    }

    /// Hands on a finding about a flow of which no state is kept; whether it alerted.
    pub(super) fn take_bare(&mut self, flow: &FlowView, app_proto: Option<AppProto>, finding: Finding, cause: &Cause) -> bool {
        let mut bare = FlowState::new(None, self.new_scans());
        bare.app_proto = app_proto;
        self.findings.findings.push(finding);
        self.take_findings(flow, &mut bare, cause, cause);
        bare.alerted
    }

    /// Content rules over decoded bytes; what they find is told like any finding.
    pub(super) fn scan_content(
        &mut self,
        flow: &FlowView,
        state: &mut FlowState,
        content: Content<'_>,
        (at, cause): (&Cause, &Cause),
    ) {
        let mut matches = Vec::new();
        if let Err(error) = self.scanner.scan_content(content.bytes, &mut matches) {
            self.scan_failed(flow, state, content.direction, error, cause);
        }
        // A command in a comment is no command. Only the first place of each word is told, so it takes a second look.
        if matches.iter().any(is_of_words)
            && let Some(bare) = powershell::without_comments(content.bytes)
        {
            let mut again = Vec::new();
            if let Err(error) = self.scanner.scan_content(&bare, &mut again) {
                self.scan_failed(flow, state, content.direction, error, cause);
            } else {
                matches.retain(|found| !is_of_words(found));
                matches.extend(again.into_iter().filter(is_of_words));
            }
        }
        let settings = Arc::clone(&self.settings);
        let is_body = content.layers.first() == Some(&"http.body");
        for found in &matches {
            if is_body && state.is_prose(found, content.direction) {
                continue;
            }
            if state.is_covered(found, content.direction) || !state.report_once(rule_identity(found), content.direction) {
                continue;
            }
            let context = Self::context(&settings, flow, state, cause);
            let scanned = Scanned::Content { layers: content.layers, direction: content.direction, tx_id: content.tx_id };
            let mut finding = backstop_detectors::finding_for_match(&context, found, &scanned);
            if let Some(smb) = state.moved_by(&content) {
                finding.context.set("smb", smb);
            }
            if let Some((file, smb)) = &self.scanned_file {
                finding.context.set("files", vec![Value::from(file.clone())]);
                if let Some(smb) = smb {
                    let mut smb = smb.clone();
                    smb.set_some("id", content.tx_id);
                    finding.context.set("smb", smb);
                }
            }
            self.findings.findings.push(finding);
        }
        if is_body {
            self.hold_for_response(state, cause);
        }
        self.take_findings(flow, state, at, cause);
    }

    /// Turns matches in a stream into findings.
    fn take_stream_matches(&mut self, flow: &FlowView, state: &mut FlowState, which: Which, direction: Direction, at: &Cause) {
        if self.matches.is_empty() {
            return;
        }
        let was_inside = std::mem::replace(&mut state.was_inside, which == Which::Opened);
        let mut matches = std::mem::take(&mut self.matches);
        for mut found in matches.drain(..) {
            // What a server sends by HTTP is looked at as bodies: it is known which of them are pages.
            let of_http = state.app_proto == Some(AppProto::Http);
            let is_body = of_http && direction == Direction::ToClient && is_of_words(&found);
            let understood = (found.rule.scope == Scope::Undecoded && state.app_proto.is_some()) || is_body;
            if understood {
                // Where a parser understood the stream, its detections decide; where it did not, the raw bytes are all there is.
                let Some(stream) = state.stream(which) else { continue };
                found.strings.retain(|string| stream.is_undecoded(direction, string.offset, string.offset + string.length));
            }
            if understood && found.strings.is_empty() {
                self.counters.matches_out_of_scope += 1;
                continue;
            }
            if state.is_covered(&found, direction) || !state.report_once(rule_identity(&found), direction) {
                continue;
            }
            let cause = state.last_data;
            let context = Self::context(&self.settings, flow, state, &cause);
            let scanned = Scanned::Stream(direction);
            self.findings.findings.push(backstop_detectors::finding_for_match(&context, &found, &scanned));
            if of_http && may_be_told(&found) {
                // The message may be on its way still, and a detection tell of it when it is whole.
                self.hold_for_response(state, &cause);
            }
            self.take_findings(flow, state, at, &cause);
        }
        self.matches = matches;
        state.was_inside = was_inside;
    }

    /// Runs the parsers with a sink; a panic costs the flow its parsers, not the sensor its life.
    pub(super) fn parse(
        &mut self,
        flow: &FlowView,
        state: &mut FlowState,
        cause: &Cause,
        run: impl FnOnce(&mut Driver, &mut dyn Sink),
    ) {
        let Some(mut driver) = state.driver.take() else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut sink = FlowSink::new(self, flow, state, cause);
            run(&mut driver, &mut sink);
        }));
        match outcome {
            Ok(()) if driver.is_dead() => {
                if state.app_proto.is_none() && flow.proto == IpProto::TCP {
                    self.counters.unknown_flows += 1;
                }
            }
            Ok(()) => state.driver = Some(driver),
            Err(_) => {
                self.counters.parser_panics += 1;
                for direction in Direction::BOTH {
                    state.in_sync(direction, false);
                }
                let settings = Arc::clone(&self.settings);
                let told = Told { event: "PARSER_PANIC", direction: Direction::ToServer, app_proto: state.app_proto };
                self.line(flow, cause, |out| eve::anomaly::applayer(out, &settings.eve, flow, cause, state.app_proto, &told));
            }
        }
    }

    /// Gives bytes of a stream to its scan; whether it wants more.
    pub(super) fn scan(&mut self, flow: &FlowView, state: &mut FlowState, place: Place, bytes: &[u8], cause: &Cause) -> bool {
        let Place { which, direction, offset } = place;
        let Some(stream) = state.stream(which) else { return false };
        let result = stream.scans.get_mut(direction).push(&mut self.scanner, offset, bytes, &mut self.matches);
        self.take_stream_matches(flow, state, which, direction, cause);
        match result {
            Ok(interest) => interest == ScanInterest::More,
            Err(error) => {
                self.scan_failed(flow, state, direction, error, cause);
                false
            }
        }
    }

    /// Scans what a direction's scans have put off.
    pub(super) fn flush(&mut self, flow: &FlowView, state: &mut FlowState, direction: Direction, flush: Flush, cause: &Cause) {
        for which in [Which::Wire, Which::Opened] {
            self.flush_one(flow, state, (which, direction), flush, cause);
        }
    }

    pub(super) fn flush_one(
        &mut self,
        flow: &FlowView,
        state: &mut FlowState,
        of: (Which, Direction),
        flush: Flush,
        cause: &Cause,
    ) {
        let (which, direction) = of;
        let Some(stream) = state.stream(which) else { return };
        let result = stream.scans.get_mut(direction).flush(&mut self.scanner, flush, &mut self.matches);
        self.take_stream_matches(flow, state, which, direction, cause);
        if let Err(error) = result {
            self.scan_failed(flow, state, direction, error, cause);
        }
    }

    /// A scan without a result must not pass in silence: its payload was not looked at.
    fn scan_failed(&mut self, flow: &FlowView, state: &FlowState, direction: Direction, error: ScanError, cause: &Cause) {
        let event = match error {
            ScanError::Timeout => "SCAN_TIMEOUT",
            _ => "SCAN_FAILED",
        };
        self.stream_anomaly(flow, state, direction, event, cause);
    }

    pub(super) fn stream_anomaly(
        &mut self,
        flow: &FlowView,
        state: &FlowState,
        direction: Direction,
        event: &str,
        cause: &Cause,
    ) {
        let settings = Arc::clone(&self.settings);
        let told = Told { event, direction, app_proto: state.app_proto };
        self.line(flow, cause, |out| eve::anomaly::stream(out, &settings.eve, flow, cause, &told));
    }

    pub(super) fn new_scans(&self) -> PerDirection<StreamScan> {
        let scan = || StreamScan::new(self.scanner.rules().limits());
        PerDirection { to_server: scan(), to_client: scan() }
    }
}

/// Bodies of HTTP and files and pipes of SMB are scanned as contents: the stream need not be, all of it, a second time.
pub(super) const fn is_scanned_as_contents(app_proto: Option<AppProto>, direction: Direction) -> bool {
    match app_proto {
        Some(AppProto::Http) => matches!(direction, Direction::ToClient),
        Some(AppProto::Smb) => true,
        _ => false,
    }
}

/// A rule's identity for one run.
fn rule_identity(found: &Match) -> u64 {
    // The set of rules is fixed for the run and each has one shared info: its address names it.
    Arc::as_ptr(&found.rule) as u64
}

/// Bytes of a stream.
pub(super) struct Place {
    pub which: Which,
    pub direction: Direction,
    pub offset: u64,
}
