//! Streams to events: feeds parsers, scans, detectors, and writes their records.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use backstop_capture::handler::{Cause, EndReason, FlowView, Interest, StreamEnd, StreamHandler};
use backstop_detectors::{Context, Findings, REGISTRY, Scanned, Unfolded};
use backstop_protocols::tls::{self, KeyRing};
use backstop_protocols::{Anomaly, AppProto, Content, Driver, Sink, Surroundings, Transaction, http};
use backstop_signatures::{Flush, Interest as ScanInterest, Match, RuleSet, ScanCounters, ScanError, Scanner, Scope, StreamScan};
use backstop_types::{Direction, IpProto, PacketTime, PerDirection};

use super::event::{Epoch, Event, Order, Phase, Raised};
use super::flow_state::{App, FlowState, Stream, Which};
use super::settings::{CHANNEL_DEPTH, Settings};
use crate::eve;
use crate::eve::anomaly::Told;
use crate::eve::protocol::About;

/// Anomaly records a flow may write; further ones are counted only.
const MAX_FLOW_ANOMALIES: u32 = 16;

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
    }
}

/// One a worker, shared by its shards.
pub struct Handler<'r> {
    settings: Arc<Settings>,
    /// This worker's handle on the keys.
    keys: Option<Arc<KeyRing>>,
    scanner: Scanner<'r>,
    /// Events of the epoch at hand.
    pub epoch: Epoch,
    /// What is being processed.
    pub phase: Phase,
    sequence: u64,
    counters: AppCounters,
    matches: Vec<Match>,
    findings: Findings,
}

impl<'r> Handler<'r> {
    /// A handler with its own scanner.
    pub fn new(settings: &Arc<Settings>, rules: &'r RuleSet) -> Self {
        Self {
            settings: Arc::clone(settings),
            keys: settings.keys.as_ref().map(|ring| Arc::new(ring.for_worker(CHANNEL_DEPTH as u64))),
            scanner: Scanner::new(rules),
            epoch: Epoch::default(),
            phase: Phase::Packet,
            sequence: 0,
            counters: AppCounters::default(),
            matches: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// The worker goes on to the next part of the input, which begins at this time.
    pub fn begin_epoch(&self, number: u64, now: PacketTime) {
        if let Some(keys) = &self.keys {
            keys.begin_epoch(number, now);
        }
    }

    /// Counters so far.
    pub fn counters(&self) -> (AppCounters, ScanCounters) {
        (self.counters, *self.scanner.counters())
    }

    fn order(&mut self, flow: &FlowView, cause: &Cause) -> Order {
        self.sequence += 1;
        Order { number: cause.number, phase: self.phase, flow: flow.first_number, sequence: self.sequence }
    }

    /// Adds a finished line written by `write`.
    fn line(&mut self, flow: &FlowView, at: &Cause, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.epoch.lines.len();
        write(&mut self.epoch.lines);
        let len = self.epoch.lines.len() - start;
        if len > 0 {
            let order = self.order(flow, at);
            self.epoch.events.push((order, Event::Line { start, len }));
        }
    }

    fn context<'a>(settings: &'a Settings, flow: &FlowView, state: &FlowState, cause: &Cause) -> Context<'a> {
        Context {
            config: &settings.detect,
            client: flow.client,
            server: flow.server,
            now: cause.time,
            handshake: flow.handshake,
            midstream: flow.midstream,
            app_proto: state.app_proto,
        }
    }

    /// Hands what the detectors said to the epoch. `at` orders it, `cause` is what it is about.
    fn take_findings(&mut self, flow: &FlowView, state: &mut FlowState, at: &Cause, cause: &Cause) {
        if self.findings.is_empty() {
            return;
        }
        for fact in std::mem::take(&mut self.findings.facts) {
            let order = self.order(flow, at);
            self.epoch.events.push((order, Event::Fact(fact)));
        }
        let unfolded = std::mem::take(&mut self.findings.unfolded);
        for finding in std::mem::take(&mut self.findings.findings) {
            self.counters.findings += 1;
            state.alerted |= !finding.update;
            let mut finding = finding;
            let opened = state.opened_facts(state.was_inside);
            if opened.is_some() {
                finding.context.set("decrypted", true);
            }
            let raised = Raised { finding, flow: *flow, cause: *cause, app_proto: state.app_proto, opened };
            let order = self.order(flow, at);
            self.epoch.events.push((order, Event::Finding(Box::new(raised))));
        }
        for Unfolded { bytes, layers, direction, tx_id } in unfolded {
            self.scan_content(flow, state, Content { bytes: &bytes, layers, direction, tx_id }, (at, cause));
        }
    }

    /// Content rules over decoded bytes; what they find is told like any finding.
    fn scan_content(&mut self, flow: &FlowView, state: &mut FlowState, content: Content<'_>, (at, cause): (&Cause, &Cause)) {
        let mut matches = Vec::new();
        if let Err(error) = self.scanner.scan_content(content.bytes, &mut matches) {
            self.scan_failed(flow, state, content.direction, error, cause);
        }
        let settings = Arc::clone(&self.settings);
        for found in &matches {
            if !state.report_once(rule_identity(found), content.direction) {
                continue;
            }
            let context = Self::context(&settings, flow, state, cause);
            let scanned = Scanned::Content { layers: content.layers, direction: content.direction, tx_id: content.tx_id };
            self.findings.findings.push(backstop_detectors::finding_for_match(&context, found, &scanned));
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
            if !state.report_once(rule_identity(&found), direction) {
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
            state.inside = 0;
            let mut sink = FlowSink { handler: self, flow, state, cause, unconsumed: 0 };
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
    fn scan(&mut self, flow: &FlowView, state: &mut FlowState, place: Place, bytes: &[u8], cause: &Cause) -> bool {
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

    fn flush_one(&mut self, flow: &FlowView, state: &mut FlowState, of: (Which, Direction), flush: Flush, cause: &Cause) {
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

    fn state<'a>(&self, flow: &FlowView, app: &'a mut App) -> &'a mut FlowState {
        app.0.get_or_insert_with(|| {
            let around = || Surroundings {
                limits: self.settings.limits,
                keys: self.keys.clone(),
                ends: Some([flow.client.addr, flow.server.addr]),
                inside_tls: false,
            };
            let driver = match flow.proto {
                IpProto::TCP => Some(Box::new(Driver::with_surroundings(None, around()))),
                IpProto::UDP => Some(Box::new(Driver::of_datagrams(around()))),
                _ => None,
            };
            Box::new(FlowState::new(driver, self.new_scans()))
        })
    }

    fn new_scans(&self) -> PerDirection<StreamScan> {
        let scan = || StreamScan::new(self.scanner.rules().limits());
        PerDirection { to_server: scan(), to_client: scan() }
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
        let state = self.state(flow, app);
        state.last_data = *cause;
        // A message that is not understood may have begun before these bytes, and may end with them.
        let unconsumed = state.driver.as_ref().map_or(0, |driver| driver.unconsumed(direction));
        state.wire.look_at(direction, offset, offset + bytes.len() as u64, unconsumed);
        self.parse(flow, state, cause, |driver, sink| driver.data(direction, bytes, sink));
        // Bodies of HTTP are scanned as contents: the stream need not be, all of it, a second time.
        let as_contents = state.app_proto == Some(AppProto::Http) && direction == Direction::ToClient;
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
        let state = self.state(flow, app);
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
        let state = self.state(flow, app);
        if !std::mem::replace(state.conflict_told.get_mut(direction), true) {
            self.stream_anomaly(flow, state, direction, "stream.overlap_different_data", cause);
        }
    }

    fn end_of_stream(&mut self, flow: &FlowView, app: &mut App, direction: Direction, _: StreamEnd, cause: &Cause) {
        let Some(state) = app.0.as_deref_mut() else { return };
        self.parse(flow, state, cause, |driver, sink| driver.close(direction, sink));
        self.flush(flow, state, direction, Flush::End, cause);
    }

    fn tick(&mut self, flow: &FlowView, app: &mut App, cause: &Cause) -> bool {
        let Some(state) = app.0.as_deref_mut() else { return false };
        if state.driver.as_ref().is_some_and(|driver| driver.is_waiting()) {
            self.parse(flow, state, cause, |driver, sink| driver.poll(sink));
        }
        for direction in Direction::BOTH {
            self.flush(flow, state, direction, Flush::More, cause);
        }
        let settings = Arc::clone(&self.settings);
        let about = state.last_data;
        let mut again = state.driver.as_ref().is_some_and(|driver| driver.is_waiting());
        let mut detectors = std::mem::take(&mut state.detectors);
        for detector in &mut detectors {
            let context = Self::context(&settings, flow, state, cause);
            detector.on_tick(&context, &mut self.findings);
            again |= detector.wants_tick();
        }
        state.detectors = detectors;
        self.take_findings(flow, state, cause, &about);
        again
    }

    fn wants_tick(&self, app: &App) -> bool {
        app.0.as_deref().is_some_and(|state| {
            state.has_pending_scans()
                || state.driver.as_ref().is_some_and(|driver| driver.is_waiting())
                || state.detectors.iter().any(|detector| detector.wants_tick())
        })
    }

    fn flow_end(&mut self, flow: &FlowView, app: App, reason: EndReason, cause: &Cause) {
        let mut app = app;
        let mut summary = eve::flow::Summary::default();
        if let Some(state) = app.0.as_deref_mut() {
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
            let mut detectors = std::mem::take(&mut state.detectors);
            for detector in &mut detectors {
                let context = Self::context(&settings, flow, state, cause);
                detector.on_flow_end(&context, &mut self.findings);
            }
            self.take_findings(flow, state, cause, &about);
            summary = eve::flow::Summary {
                app_proto: state.app_proto,
                unknown: state.driver.is_none(),
                alerted: state.alerted,
                transactions: state.transactions,
            };
        }
        if self.settings.eve.types.flow {
            let settings = Arc::clone(&self.settings);
            self.line(flow, cause, |out| eve::flow::write(out, &settings.eve, flow, &summary, reason, cause));
        }
    }

    fn is_precious(&self, app: &App) -> bool {
        app.0.as_deref().is_some_and(|state| {
            state.alerted || matches!(state.app_proto, Some(AppProto::Nmf | AppProto::Tds | AppProto::Pgsql))
        })
    }
}

/// Receives what the parsers of one flow say during one delivery.
struct FlowSink<'a, 'r> {
    handler: &'a mut Handler<'r>,
    flow: &'a FlowView,
    state: &'a mut FlowState,
    cause: &'a Cause,
    /// Opened bytes that the layers inside have not consumed.
    unconsumed: usize,
}

/// Bytes of a stream.
struct Place {
    which: Which,
    direction: Direction,
    offset: u64,
}

impl FlowSink<'_, '_> {
    fn detectors(&mut self) {
        if self.state.detectors.is_empty() {
            self.state.detectors = REGISTRY.iter().map(|registered| (registered.new)()).collect();
        }
    }
}

impl FlowSink<'_, '_> {
    /// What the session says goes with everything that is found in it.
    fn tls(&mut self, transaction: &tls::Transaction<'_>) {
        let settings = &self.handler.settings;
        let keys = settings.keys.as_ref().is_some_and(|ring| ring.expects_keys());
        if keys {
            self.state.tls = Some(Arc::new(transaction.fields()));
        }
        if transaction.stage != tls::Stage::End {
            return;
        }
        let facts = transaction.facts;
        match (facts.decrypted, keys) {
            (true, _) => self.handler.counters.tls_decrypted += 1,
            (false, true) => self.handler.counters.tls_not_decrypted += 1,
            (false, false) => {}
        }
        if settings.eve.types.tls_session {
            let settings = Arc::clone(settings);
            let about = About { flow: self.flow, cause: self.cause, app_proto: self.state.app_proto, opened: None };
            self.handler.line(self.flow, self.cause, |out| eve::tls_session::write(out, &settings.eve, about, facts, keys));
        }
    }
}

impl Sink for FlowSink<'_, '_> {
    fn transaction(&mut self, transaction: &Transaction<'_>) {
        // The marks of single records are no stages of a session, parts of a body none of an exchange.
        let is_mark = match transaction {
            Transaction::Tls(session) => matches!(session.stage, tls::Stage::Record(_)),
            Transaction::Http(http) => matches!(http, http::Transaction::Body(_)),
            _ => false,
        };
        self.handler.counters.transactions += u64::from(!is_mark);
        let before = std::mem::replace(&mut self.state.was_inside, self.state.inside > 0);
        self.detectors();
        let settings = Arc::clone(&self.handler.settings);
        let context = Handler::context(&settings, self.flow, self.state, self.cause);
        for detector in &mut self.state.detectors {
            detector.on_transaction(&context, transaction, &mut self.handler.findings);
        }
        self.handler.take_findings(self.flow, self.state, self.cause, self.cause);
        if transaction.is_record() {
            self.state.transactions += 1;
            match transaction.app_proto() {
                AppProto::Tls => {
                    self.handler.counters.tls_transactions += 1;
                    self.state.encrypted = true;
                }
                AppProto::Pgsql => self.handler.counters.pgsql_transactions += 1,
                AppProto::Http => self.handler.counters.http_transactions += 1,
                AppProto::Dns if self.flow.proto == IpProto::UDP => self.handler.counters.dns_udp_transactions += 1,
                AppProto::Dns => self.handler.counters.dns_tcp_transactions += 1,
                _ => {}
            }
            let opened = self.state.opened_facts(self.state.was_inside);
            let about = About { flow: self.flow, cause: self.cause, app_proto: self.state.app_proto, opened: opened.as_ref() };
            let mut cut = false;
            self.handler.line(about.flow, about.cause, |out| cut = eve::protocol::write(out, &settings.eve, about, transaction));
            self.handler.counters.statements_cut += u64::from(cut);
        }
        if let Transaction::Tls(session) = transaction {
            if !is_mark {
                self.tls(session);
            }
            // What the session says of itself does not end what was found in it.
            self.state.was_inside = before;
        }
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.handler.counters.anomalies += 1;
        self.detectors();
        let settings = Arc::clone(&self.handler.settings);
        let context = Handler::context(&settings, self.flow, self.state, self.cause);
        for detector in &mut self.state.detectors {
            detector.on_anomaly(&context, &anomaly, &mut self.handler.findings);
        }
        self.handler.take_findings(self.flow, self.state, self.cause, self.cause);
        if self.state.anomalies >= MAX_FLOW_ANOMALIES {
            self.handler.counters.anomalies_suppressed += 1;
            return;
        }
        self.state.anomalies += 1;
        let (flow, cause) = (self.flow, self.cause);
        let event = anomaly.event.to_ascii_uppercase();
        let told = Told { event: &event, direction: anomaly.direction, app_proto: self.state.app_proto };
        self.handler
            .line(flow, cause, |out| eve::anomaly::applayer(out, &settings.eve, flow, cause, Some(anomaly.app_proto), &told));
    }

    fn content(&mut self, content: Content<'_>) {
        self.state.was_inside = self.state.inside > 0;
        self.handler.scan_content(self.flow, self.state, content, (self.cause, self.cause));
    }

    /// What was inside is scanned as a stream of its own; the layers inside have it from the driver.
    fn plaintext(&mut self, direction: Direction, bytes: &[u8]) {
        if self.state.inside > 1 {
            // TLS inside TLS: one stream, and not two mixed.
            return;
        }
        let known = self.state.app_proto.is_some_and(|app_proto| app_proto != AppProto::Tls);
        let opened = self.state.opened.get_or_insert_with(|| Box::new(Stream::new(self.handler.new_scans())));
        if known {
            opened.scans.get_mut(direction).set_max_depth(None);
        }
        let (_, offset) = *opened.offset.get(direction);
        opened.look_at(direction, offset, offset + bytes.len() as u64, self.unconsumed);
        let place = Place { which: Which::Opened, direction, offset };
        self.handler.scan(self.flow, self.state, place, bytes, self.cause);
    }

    fn plaintext_gap(&mut self, direction: Direction, len: Option<u64>) {
        self.handler.flush_one(self.flow, self.state, (Which::Opened, direction), Flush::End, self.cause);
        if let Some(opened) = self.state.opened.as_deref_mut().filter(|_| self.state.inside == 1) {
            // Of unknown length: at least something, so that nothing is joined across it.
            let (_, offset) = *opened.offset.get(direction);
            opened.look_at(direction, offset, offset.saturating_add(len.unwrap_or(1)), self.unconsumed);
        }
    }

    fn plaintext_end(&mut self, direction: Direction) {
        self.handler.flush_one(self.flow, self.state, (Which::Opened, direction), Flush::End, self.cause);
    }

    fn enter(&mut self, _: Direction, unconsumed: usize) {
        self.state.inside += 1;
        self.unconsumed = unconsumed;
    }

    fn leave(&mut self) {
        self.state.inside = self.state.inside.saturating_sub(1);
    }

    fn confirmed(&mut self, app_proto: AppProto) {
        if self.state.app_proto.is_none() {
            match app_proto {
                AppProto::Nmf => self.handler.counters.nmf_flows += 1,
                AppProto::Tls => self.handler.counters.tls_flows += 1,
                AppProto::Tds => self.handler.counters.tds_flows += 1,
                AppProto::Pgsql => self.handler.counters.pgsql_flows += 1,
                AppProto::Http => self.handler.counters.http_flows += 1,
                AppProto::Dns if self.flow.proto == IpProto::UDP => self.handler.counters.dns_udp_flows += 1,
                AppProto::Dns => self.handler.counters.dns_tcp_flows += 1,
                AppProto::Veeam | AppProto::Echo => {}
            }
        }
        self.state.app_proto = Some(app_proto);
    }

    fn in_sync(&mut self, _: AppProto, direction: Direction, in_sync: bool) {
        self.state.in_sync(direction, in_sync);
    }
}
