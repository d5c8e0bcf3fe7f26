//! Streams to events: feeds parsers, scans, detectors, and writes their records.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use backstop_capture::handler::{Cause, EndReason, FlowView, Interest, StreamEnd, StreamHandler};
use backstop_detectors::{Context, Finding, Findings, Scanned, Unfolded};
use backstop_protocols::tls::KeyRing;
use backstop_protocols::{AppProto, Content, Driver, Limits, Sink, Surroundings};
use backstop_signatures::{Flush, Interest as ScanInterest, Match, RuleSet, ScanCounters, ScanError, Scanner, Scope, StreamScan};
use backstop_types::{Direction, Fields, IpProto, PacketTime, PerDirection, Value};

use super::event::{Epoch, Event, Order, Phase, Raised};
use super::flow_sink::FlowSink;
use super::flow_state::{App, FlowState, Over, Which};
use super::listed::Listed;
use super::settings::{CHANNEL_DEPTH, Settings};
use super::worker::SHARDS;
use crate::eve;
use crate::eve::anomaly::Told;
use crate::files::FileCounters;

backstop_capture::counters! {
    /// What parsing, scanning and detection met. One a worker.
    AppCounters {
        /// Flows recognised as net.tcp.
        nmf_flows,
        /// Flows recognised as TLS.
        tls_flows,
        /// Flows recognised as TDS.
        tds_flows,
        /// Flows recognised as PostgreSQL.
        pgsql_flows,
        /// Flows recognised as HTTP.
        http_flows,
        /// Flows recognised as DNS over UDP.
        dns_udp_flows,
        /// Flows recognised as DNS over TCP.
        dns_tcp_flows,
        /// Flows recognised as SMB.
        smb_flows,
        /// Flows recognised as DCE/RPC over TCP.
        dcerpc_tcp_flows,
        /// Flows recognised as .NET remoting, or secured as its channels are.
        nrtp_flows,
        /// TCP flows whose first bytes no probe knew.
        unknown_flows,
        /// Transactions decoded, stages counted each.
        transactions,
        /// TLS sessions recorded.
        tls_transactions,
        /// TLS sessions that have ended and of which records were opened.
        tls_decrypted,
        /// TLS sessions that have ended and stayed closed although keys were given; each says why.
        tls_not_decrypted,
        /// PostgreSQL startups and requests recorded.
        pgsql_transactions,
        /// Requests and responses of HTTP recorded.
        http_transactions,
        /// DNS messages recorded, over UDP.
        dns_udp_transactions,
        /// DNS messages recorded, over TCP.
        dns_tcp_transactions,
        /// Requests of SMB recorded, binds and calls of DCE/RPC in its pipes, and encrypted sessions.
        smb_transactions,
        /// Binds and calls of DCE/RPC recorded, over TCP and in HTTP.
        dcerpc_tcp_transactions,
        /// Records whose SQL was cut.
        statements_cut,
        /// Protocol violations and lost syncs.
        anomalies,
        /// Anomalies not written because their flow had written enough.
        anomalies_suppressed,
        /// Parsers that panicked: their flow is scanned on, not parsed.
        parser_panics,
        /// Findings raised, before thresholds.
        findings,
        /// Matches of rules that do not apply where they were found.
        matches_out_of_scope,
        /// Commands and scripts that were not unfolded to their end, because a limit was reached.
        content_cut,
    }
}

/// One a worker, shared by its shards.
pub struct Handler<'r> {
    pub(super) settings: Arc<Settings>,
    /// Caps of parsers, shared by the flows of this worker.
    limits: Arc<Limits>,
    /// This worker's handle on the keys.
    keys: Option<Arc<KeyRing>>,
    scanner: Scanner<'r>,
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
    /// The file whose bytes are scanned.
    pub(super) scanned_file: Option<Fields>,
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
        let settings = Arc::clone(&self.settings);
        for found in &matches {
            if state.is_covered(found, content.direction) || !state.report_once(rule_identity(found), content.direction) {
                continue;
            }
            let context = Self::context(&settings, flow, state, cause);
            let scanned = Scanned::Content { layers: content.layers, direction: content.direction, tx_id: content.tx_id };
            let mut finding = backstop_detectors::finding_for_match(&context, found, &scanned);
            if let Some(smb) = state.moved_by(&content) {
                finding.context.set("smb", smb);
            }
            if let Some(file) = &self.scanned_file {
                finding.context.set("files", vec![Value::from(file.clone())]);
            }
            self.findings.findings.push(finding);
        }
        if content.layers.first() == Some(&"http.body") {
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
            let understood = found.rule.scope == Scope::Undecoded && state.app_proto.is_some();
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
            self.take_findings(flow, state, at, &cause);
        }
        self.matches = matches;
        state.was_inside = was_inside;
    }

    /// Runs the parsers with a sink; a panic costs the flow its parsers, not the sensor its life.
    fn parse(&mut self, flow: &FlowView, state: &mut FlowState, cause: &Cause, run: impl FnOnce(&mut Driver, &mut dyn Sink)) {
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
    fn flush(&mut self, flow: &FlowView, state: &mut FlowState, direction: Direction, flush: Flush, cause: &Cause) {
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

    fn stream_anomaly(&mut self, flow: &FlowView, state: &FlowState, direction: Direction, event: &str, cause: &Cause) {
        let settings = Arc::clone(&self.settings);
        let told = Told { event, direction, app_proto: state.app_proto };
        self.line(flow, cause, |out| eve::anomaly::stream(out, &settings.eve, flow, cause, &told));
    }

    /// The state of a flow, made where it has none yet; none of one that is over.
    fn state<'a>(&self, flow: &FlowView, app: &'a mut App) -> Option<&'a mut FlowState> {
        if matches!(app, App::Idle) {
            let around = || Surroundings {
                limits: Arc::clone(&self.limits),
                keys: self.keys.clone(),
                ends: Some([flow.client.addr, flow.server.addr]),
                inside_tls: false,
            };
            let driver = match flow.proto {
                IpProto::TCP => Some(Box::new(Driver::with_surroundings(None, around()))),
                IpProto::UDP => Some(Box::new(Driver::of_datagrams(around()))),
                _ => None,
            };
            *app = App::Live(Box::new(FlowState::new(driver, self.new_scans())));
        }
        app.live()
    }

    /// Nothing more will come of a flow: what its parsers, scans and detectors still hold is told.
    fn conclude(&mut self, flow: &FlowView, state: &mut FlowState, cause: &Cause) -> Over {
        self.listed_end(flow, state, cause);
        if state.driver.as_ref().is_some_and(|driver| driver.is_waiting()) {
            // A last look, and then no keys will come.
            self.parse(flow, state, cause, |driver, sink| {
                driver.poll(sink);
                driver.stop_waiting(sink);
            });
        }
        for direction in Direction::BOTH {
            self.flush(flow, state, direction, Flush::End, cause);
        }
        let settings = Arc::clone(&self.settings);
        let about = state.last_data;
        self.close_files(flow, state, cause);
        let mut detectors = std::mem::take(&mut state.detectors);
        for detector in detectors.all() {
            let context = Self::context(&settings, flow, state, cause);
            detector.on_flow_end(&context, &mut self.findings);
        }
        self.take_findings(flow, state, cause, &about);
        state.over()
    }

    /// Lets go of what a flow needs no longer, which may keep its place in the table for long.
    fn conclude_if_done(&mut self, flow: &FlowView, app: &mut App, cause: &Cause) {
        if app.as_live().is_some_and(FlowState::is_done)
            && let App::Live(mut state) = std::mem::take(app)
        {
            *app = App::Over(self.conclude(flow, &mut state, cause));
        }
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

impl StreamHandler for Handler<'_> {
    type App = App;

    fn data(
        &mut self,
        flow: &FlowView,
        app: &mut App,
        direction: Direction,
        offset: u64,
        bytes: &[u8],
        cause: &Cause,
    ) -> Interest {
        let Some(state) = self.state(flow, app) else { return Interest::Bypass };
        state.last_data = *cause;
        if state.listed != Listed::Done {
            self.listed_data(flow, state, direction, cause);
        }
        // A message that is not understood may have begun before these bytes, and may end with them.
        let unconsumed = state.driver.as_ref().map_or(0, |driver| driver.unconsumed(direction));
        state.wire.look_at(direction, offset, offset + bytes.len() as u64, unconsumed);
        self.parse(flow, state, cause, |driver, sink| driver.data(direction, bytes, sink));
        let as_contents = is_scanned_as_contents(state.app_proto, direction);
        if state.driver.as_ref().is_some_and(|driver| state.app_proto.is_some() && !as_contents && !driver.is_encrypted()) {
            state.wire.scans.get_mut(direction).set_max_depth(None);
        }
        // Ciphertext says nothing to a rule, as long as a parser confirms that it is some.
        let scanning = if state.encrypted && state.driver.as_ref().is_some_and(|driver| driver.is_encrypted()) {
            state.wire.scans.get(direction).interest() == ScanInterest::More
        } else {
            self.scan(flow, state, Place { which: Which::Wire, direction, offset }, bytes, cause)
        };
        if scanning || state.driver.is_some() { Interest::Continue } else { Interest::Bypass }
    }

    fn gap(&mut self, flow: &FlowView, app: &mut App, direction: Direction, offset: u64, len: u64, cause: &Cause) -> Interest {
        let Some(state) = self.state(flow, app) else { return Interest::Bypass };
        let unconsumed = state.driver.as_ref().map_or(0, |driver| driver.unconsumed(direction));
        state.wire.look_at(direction, offset, offset + len, unconsumed);
        self.flush_one(flow, state, (Which::Wire, direction), Flush::End, cause);
        self.parse(flow, state, cause, |driver, sink| driver.gap(direction, len, sink));
        if !std::mem::replace(state.gap_told.get_mut(direction), true) {
            self.stream_anomaly(flow, state, direction, "stream.reassembly_gap", cause);
        }
        let scanning = state.wire.scans.get(direction).interest() == ScanInterest::More;
        if state.driver.is_some() || scanning { Interest::Continue } else { Interest::Bypass }
    }

    /// The copy that the receiver does not take is no stream content: it is told that there was one, once a direction.
    fn conflict(&mut self, flow: &FlowView, app: &mut App, direction: Direction, _: u64, _: &[u8], _: &[u8], cause: &Cause) {
        let Some(state) = self.state(flow, app) else { return };
        if !std::mem::replace(state.conflict_told.get_mut(direction), true) {
            self.stream_anomaly(flow, state, direction, "stream.overlap_different_data", cause);
        }
    }

    fn end_of_stream(&mut self, flow: &FlowView, app: &mut App, direction: Direction, _: StreamEnd, cause: &Cause) {
        let Some(state) = app.live() else { return };
        self.parse(flow, state, cause, |driver, sink| driver.close(direction, sink));
        self.flush(flow, state, direction, Flush::End, cause);
        *state.ended.get_mut(direction) = true;
        self.conclude_if_done(flow, app, cause);
    }

    fn tick(&mut self, flow: &FlowView, app: &mut App, cause: &Cause) -> bool {
        let Some(state) = app.live() else { return false };
        if state.driver.as_ref().is_some_and(|driver| driver.is_waiting()) {
            self.parse(flow, state, cause, |driver, sink| driver.poll(sink));
        }
        for direction in Direction::BOTH {
            self.flush(flow, state, direction, Flush::More, cause);
        }
        let settings = Arc::clone(&self.settings);
        let about = state.last_data;
        let mut again = state.driver.as_ref().is_some_and(|driver| driver.is_waiting());
        again |= self.release_overdue(flow, state, cause);
        again |= self.listed_tick(flow, state, cause);
        let mut detectors = std::mem::take(&mut state.detectors);
        for detector in detectors.all() {
            let context = Self::context(&settings, flow, state, cause);
            detector.on_tick(&context, &mut self.findings);
            again |= detector.wants_tick();
        }
        state.detectors = detectors;
        self.take_findings(flow, state, cause, &about);
        self.conclude_if_done(flow, app, cause);
        again && app.as_live().is_some()
    }

    fn wants_tick(&self, app: &App) -> bool {
        app.as_live().is_some_and(FlowState::wants_tick)
    }

    fn flow_end(&mut self, flow: &FlowView, app: App, reason: EndReason, cause: &Cause) {
        let over = match app {
            App::Live(mut state) => self.conclude(flow, &mut state, cause),
            App::Over(over) => over,
            App::Idle => Over { alerted: self.listed_unopened(flow, cause), ..Over::default() },
        };
        let mut alerted = over.alerted;
        if flow.proto == IpProto::TCP && !over.trusted {
            let settings = Arc::clone(&self.settings);
            let context = Self::context_of(&settings, flow, over.app_proto, cause);
            let (sent, received) = (flow.to_server.bytes, flow.to_client.bytes);
            if let Some(finding) = backstop_detectors::beacon::session(&context, flow.start, sent, received) {
                alerted |= self.take_bare(flow, over.app_proto, finding, cause);
            }
        }
        if self.settings.eve.types.flow {
            let settings = Arc::clone(&self.settings);
            let summary = eve::flow::Summary {
                app_proto: over.app_proto,
                unknown: over.unknown,
                alerted,
                transactions: u64::from(over.transactions),
            };
            self.line(flow, cause, |out| eve::flow::write(out, &settings.eve, flow, &summary, reason, cause));
        }
    }

    fn is_precious(&self, app: &App) -> bool {
        app.as_live().is_some_and(|state| {
            state.alerted || matches!(state.app_proto, Some(AppProto::Nmf | AppProto::Nrtp | AppProto::Tds | AppProto::Pgsql))
        })
    }
}

/// Bytes of a stream.
pub(super) struct Place {
    pub which: Which,
    pub direction: Direction,
    pub offset: u64,
}
