//! What reassembly tells of a flow: its bytes, holes and end, and the time that passes.

use std::sync::Arc;

use backstop_capture::handler::{Cause, EndReason, FlowView, Interest, StreamEnd, StreamHandler};
use backstop_protocols::{AppProto, Driver, Surroundings};
use backstop_signatures::{Flush, Interest as ScanInterest};
use backstop_types::{Direction, IpProto};

use super::flow_state::{App, FlowState, Over, Which};
use super::handler::{Handler, Place, is_scanned_as_contents};
use super::listed::Listed;
use crate::eve;

impl Handler<'_> {
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
        again |= self.scan_left_open(flow, state, cause);
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

#[cfg(test)]
mod tests {
    use backstop_capture::handler::{DirectionCounts, FlowState as TcpState};
    use backstop_capture::packet::VlanTags;
    use backstop_signatures::{RuleOptions, RuleSet};
    use backstop_types::{Endpoint, FlowId, FlowKey, PacketTime};

    use super::*;
    use crate::config::Config;

    fn view() -> FlowView {
        let end = |address: &str, port| Endpoint::new(address.parse().unwrap(), port);
        let (client, server) = (end("10.20.30.77", 40_000), end("10.20.30.10", 80));
        FlowView {
            id: FlowId::from_hash(1),
            key: FlowKey::new(IpProto::TCP, client, server).0,
            proto: IpProto::TCP,
            client,
            server,
            vlan: VlanTags::default(),
            start: PacketTime::ZERO,
            last: PacketTime::ZERO,
            first_number: 1,
            file: 0,
            state: TcpState::Established,
            handshake: true,
            midstream: false,
            to_server: DirectionCounts::default(),
            to_client: DirectionCounts::default(),
        }
    }

    /// A closed connection keeps its place in the table for a while; what it needed while it was open, it does not keep.
    #[test]
    fn a_connection_that_is_closed_keeps_what_its_record_says_and_nothing_else() {
        let settings = Arc::new(Config::default().settings());
        let rules = RuleSet::load(&RuleOptions { cache_dir: None, ..RuleOptions::default() }).unwrap();
        let mut handler = Handler::new(&settings, &rules);
        let (flow, cause, mut app) = (view(), Cause::default(), App::default());
        for (direction, bytes) in [
            (Direction::ToServer, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
            (Direction::ToClient, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ] {
            handler.data(&flow, &mut app, direction, 0, bytes.as_bytes(), &cause);
        }
        handler.end_of_stream(&flow, &mut app, Direction::ToServer, StreamEnd::Fin, &cause);
        assert!(matches!(app, App::Live(_)), "the other side may still send");
        handler.end_of_stream(&flow, &mut app, Direction::ToClient, StreamEnd::Fin, &cause);
        let App::Over(over) = app else { panic!("closed, and nothing waits") };
        assert_eq!((over.app_proto, over.transactions, over.unknown), (Some(AppProto::Http), 1, false));
        // Late copies open nothing.
        assert_eq!(handler.data(&flow, &mut app, Direction::ToServer, 28, b"GET", &cause), Interest::Bypass);
        assert!(matches!(app, App::Over(_)));
        handler.flow_end(&flow, app, EndReason::Timeout, &cause);
        let lines = String::from_utf8(handler.epoch.lines.clone()).unwrap();
        let last = lines.lines().last().unwrap();
        assert!(
            last.contains("\"event_type\":\"flow\"") && last.contains("\"app_proto\":\"http\"") && last.contains("\"tx_cnt\":1")
        );
    }
}
