//! What the parsers of a flow say, handed to detectors, scans, and records.

use std::sync::Arc;

use backstop_capture::handler::{Cause, FlowView};
use backstop_detectors::names::is_listed;
use backstop_protocols::{Anomaly, AppProto, Content, FileState, Sink, Transaction, http, smb, tls};
use backstop_signatures::Flush;
use backstop_types::{Direction, IpProto};

use super::flow_state::{FlowState, Stream, Which};
use super::handler::{Handler, Place, is_scanned_as_contents};
use crate::eve;
use crate::eve::anomaly::Told;
use crate::eve::protocol::About;
use crate::files::Tracker;

/// Anomaly records a flow may write; further ones are counted only.
const MAX_FLOW_ANOMALIES: u8 = 16;

/// Receives what the parsers of one flow say during one delivery.
pub struct FlowSink<'a, 'r> {
    handler: &'a mut Handler<'r>,
    flow: &'a FlowView,
    state: &'a mut FlowState,
    cause: &'a Cause,
    /// Opened bytes that the layers inside have not consumed.
    unconsumed: usize,
    /// The piece that came last is kept until its file is over.
    file_kept: bool,
    /// Files that were over last, both directions of one, where they were scanned whole.
    over: [Option<(AppProto, u64)>; 2],
}

impl<'a, 'r> FlowSink<'a, 'r> {
    /// For one delivery.
    pub fn new(handler: &'a mut Handler<'r>, flow: &'a FlowView, state: &'a mut FlowState, cause: &'a Cause) -> Self {
        // What a panic left open is closed.
        state.inside = 0;
        Self { handler, flow, state, cause, unconsumed: 0, file_kept: false, over: [None; 2] }
    }

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
        // The marks of single records are no stages of a session, parts of a body, a file or a pipe none of an exchange.
        let is_mark = match transaction {
            Transaction::Tls(session) => matches!(session.stage, tls::Stage::Record(_)),
            Transaction::Http(http) => {
                matches!(http, http::Transaction::Body(_) | http::Transaction::Upload(_) | http::Transaction::Range(_))
            }
            Transaction::Smb(smb) => matches!(smb, smb::Transaction::File(_) | smb::Transaction::Pipe(_)),
            _ => false,
        };
        self.handler.counters.transactions += u64::from(!is_mark);
        match transaction {
            Transaction::Smb(smb::Transaction::File(data)) => self.state.note_moved(data.file, data.tx_id),
            Transaction::Smb(smb::Transaction::Pipe(data)) => self.state.note_moved(data.file, data.tx_id),
            _ => {}
        }
        let before = std::mem::replace(&mut self.state.was_inside, self.state.inside > 0);
        let settings = Arc::clone(&self.handler.settings);
        let context = Handler::context(&settings, self.flow, self.state, self.cause);
        for detector in self.state.detectors.of(transaction.app_proto()) {
            detector.on_transaction(&context, transaction, &mut self.handler.findings);
        }
        // What is told with the end of a file of SMB has its sums, which come below.
        if !matches!(transaction, Transaction::Smb(smb::Transaction::File(data)) if data.end) {
            self.handler.take_findings(self.flow, self.state, self.cause, self.cause);
        }
        let mut written = eve::protocol::Written::default();
        if transaction.is_record() {
            self.state.transactions = self.state.transactions.saturating_add(1);
            match transaction.app_proto() {
                AppProto::Tls => {
                    self.handler.counters.tls_transactions += 1;
                    self.state.encrypted = true;
                }
                AppProto::Pgsql => self.handler.counters.pgsql_transactions += 1,
                AppProto::Http => self.handler.counters.http_transactions += 1,
                AppProto::Dns if self.flow.proto == IpProto::UDP => self.handler.counters.dns_udp_transactions += 1,
                AppProto::Dns => self.handler.counters.dns_tcp_transactions += 1,
                AppProto::Smb => self.handler.counters.smb_transactions += 1,
                AppProto::Dcerpc => self.handler.counters.dcerpc_tcp_transactions += 1,
                _ => {}
            }
            let opened = self.state.opened_facts(self.state.was_inside);
            let about = About { flow: self.flow, cause: self.cause, app_proto: self.state.app_proto, opened: opened.as_ref() };
            let written = &mut written;
            self.handler
                .line(about.flow, about.cause, |out| *written = eve::protocol::write(out, &settings.eve, about, transaction));
            self.handler.counters.statements_cut += u64::from(written.cut);
        }
        if let Some(part) = transaction.file_part().filter(|_| settings.files.enabled) {
            let app_proto = transaction.app_proto();
            self.file_kept = self.handler.file_part(self.flow, self.state, self.cause, app_proto, &part);
            if self.file_kept && part.state != FileState::More {
                let [_, before] = self.over;
                self.over = [before, Some((app_proto, part.key))];
            }
        } else if is_mark {
            self.file_kept = false;
        }
        self.handler.take_findings(self.flow, self.state, self.cause, self.cause);
        if let Transaction::Http(http::Transaction::Range(part)) = transaction
            && settings.files.enabled
        {
            self.handler.range_part(self.flow, self.state, self.cause, part);
        }
        if let Transaction::Http(http::Transaction::Exchange(exchange)) = transaction
            && exchange.stage != http::Stage::Requested
        {
            let object = || written.object.unwrap_or_else(|| transaction.fields());
            self.handler.exchange_over(self.flow, self.state, self.cause, transaction.tx_id(), object);
        }
        let host = match transaction {
            Transaction::Tls(session) if !is_mark => session.facts.sni(),
            Transaction::Http(http::Transaction::Exchange(exchange)) => {
                exchange.request.and_then(|request| request.host.as_deref())
            }
            _ => None,
        };
        if let Some(host) = host.filter(|_| !self.state.trusted) {
            self.state.trusted = is_listed(host, &settings.detect.names.trusted_hosts);
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
        let settings = Arc::clone(&self.handler.settings);
        let context = Handler::context(&settings, self.flow, self.state, self.cause);
        for detector in self.state.detectors.of(anomaly.app_proto) {
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
        let of_body = content.layers.first() == Some(&"http.body");
        // A body that is kept is scanned whole, when it is over.
        if of_body && std::mem::take(&mut self.file_kept) {
            return;
        }
        self.handler.scan_content(self.flow, self.state, content, (self.cause, self.cause));
    }

    fn content_of(&mut self, of: (AppProto, u64), content: Content<'_>) {
        let is_whole = |files: &Tracker| files.is_whole(of.0, of.1);
        if self.over.contains(&Some(of)) || self.state.files.as_deref().is_some_and(is_whole) {
            return;
        }
        self.content(content);
    }

    /// What was inside is scanned as a stream of its own; the layers inside have it from the driver.
    fn plaintext(&mut self, direction: Direction, bytes: &[u8]) {
        if self.state.inside > 1 {
            // TLS inside TLS: one stream, and not two mixed.
            return;
        }
        let as_contents = is_scanned_as_contents(self.state.app_proto, direction);
        let known = self.state.app_proto.is_some_and(|app_proto| app_proto != AppProto::Tls) && !as_contents;
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
        self.state.inside = self.state.inside.saturating_add(1);
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
                AppProto::Smb => self.handler.counters.smb_flows += 1,
                AppProto::Dcerpc => self.handler.counters.dcerpc_tcp_flows += 1,
                AppProto::Nrtp => self.handler.counters.nrtp_flows += 1,
                AppProto::Veeam | AppProto::Winrm | AppProto::Echo => {}
            }
        }
        self.state.app_proto = Some(app_proto);
    }

    fn in_sync(&mut self, _: AppProto, direction: Direction, in_sync: bool) {
        self.state.in_sync(direction, in_sync);
    }
}
