//! Files of flows: from the pieces that parsers give to detectors, content rules and records.

use std::sync::Arc;

use backstop_capture::handler::{Cause, FlowView};
use backstop_detectors::{FileFacts, Finding, Unfolded};
use backstop_protocols::{AppProto, Content, FilePart, FileState, http};
use backstop_types::{Direction, Fields, Value};

use super::event::{Event, RangePiece};
use super::flow_state::FlowState;
use super::handler::Handler;
use super::worker::SHARDS;
use crate::eve;
use crate::eve::protocol::About;
use crate::files::{Added, Finished, RangeKey, Which};

/// Files and findings of a flow that wait for the response of their exchange.
const MAX_WAITING: usize = 64;
/// Bytes up to which the parser of SMB offers a file to the content rules at once. A file that is kept as it came is scanned whole
/// and not in these windows. Of others, that were written over or read from the middle, longer ones are looked at once more when they
/// are over: rules about a file (its size, its headers) need all of it.
const SMB_WINDOW: usize = 128 * 1024;

/// A finding that waits.
struct Held {
    finding: Finding,
    /// The packet that it is about.
    about: Cause,
    /// It was found in what was encrypted on the wire.
    inside: bool,
}

/// What waits for the end of the exchange that it belongs to.
#[derive(Default)]
pub struct Waiting {
    files: Vec<Finished>,
    findings: Vec<Held>,
    /// The range that the exchange brought.
    range: Option<Box<RangePiece>>,
}

impl Waiting {
    /// Findings wait, which time will release.
    pub fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }
}

/// What the end of a file raised says of it what its record says, under the name that it has by now.
fn add_sums(findings: &mut [Finding], facts: &FileFacts<'_>) {
    for finding in findings.iter_mut().filter(|finding| finding.direction == facts.direction) {
        let Some(Value::List(files)) = finding.context.get("files") else { continue };
        let [Value::Object(file)] = files.as_slice() else { continue };
        let joined = matches!(finding.context.get("file"), Some(Value::Object(file)) if file.get("joined").is_some());
        if joined {
            // This open is a part of the file.
            continue;
        }
        let mut fields = facts.fields();
        if let Some(name) = file.get("filename") {
            fields.set("filename", name.clone());
        }
        finding.context.set("files", vec![Value::from(fields)]);
    }
}

impl Handler<'_> {
    /// A piece of a file; whether the content rules are done with these bytes, or will be when the file is over.
    pub(super) fn file_part(
        &mut self,
        flow: &FlowView,
        state: &mut FlowState,
        cause: &Cause,
        carrier: AppProto,
        part: &FilePart<'_>,
    ) -> bool {
        let settings = Arc::clone(&self.settings);
        let mut tracker = state.files.take().unwrap_or_default();
        let before = tracker.held();
        let held = self.file_bytes.get(self.shard).copied().unwrap_or_default();
        let free = (settings.files.max_total / SHARDS).saturating_sub(held);
        let Added { finished, beginning, kept, given_up } =
            tracker.add(carrier, part, free, &settings.files, &mut self.file_counters);
        tracker.touch(carrier, part.key, cause.time);
        if let Some(held) = self.file_bytes.get_mut(self.shard) {
            *held = (*held + tracker.held()).saturating_sub(before);
        }
        // Most flows carry a file or two, and stay for a while: what is empty is not kept.
        state.files = (!tracker.is_empty()).then_some(tracker);
        if let Some(given_up) = given_up {
            self.file_over(flow, state, cause, given_up);
        }
        for bytes in beginning {
            let content = Content { bytes: &bytes, layers: part.layers, direction: part.direction, tx_id: part.tx_id };
            self.scan_content(flow, state, content, (cause, cause));
        }
        if let Some(finished) = finished {
            self.file_over(flow, state, cause, finished);
        }
        kept
    }

    /// A file that stays open keeps nothing back for longer than the reply to a request would. Whether some still wait.
    pub(super) fn scan_left_open(&mut self, flow: &FlowView, state: &mut FlowState, cause: &Cause) -> bool {
        let hold = self.settings.detect.hold;
        let left = state.files.as_deref_mut().map(|files| files.left_open(cause.time, hold)).unwrap_or_default();
        for file in left {
            let tx_id = file.name.as_deref().and_then(|name| state.moved_tx(name)).or(file.tx_id);
            let about = state.last_data;
            for bytes in &file.runs {
                let content = Content { bytes, layers: &file.layers, direction: file.direction, tx_id };
                self.scan_content(flow, state, content, (cause, &about));
            }
        }
        state.files.as_ref().is_some_and(|files| files.waits())
    }

    /// A file is over: detectors, content rules over what is kept of it, and its record, now or with the response.
    fn file_over(&mut self, flow: &FlowView, state: &mut FlowState, cause: &Cause, mut finished: Finished) {
        let settings = Arc::clone(&self.settings);
        let facts = finished.facts();
        let (carrier, direction, tx_id) = (facts.carrier, facts.direction, facts.tx_id);
        if carrier == AppProto::Smb && facts.complete {
            add_sums(&mut self.findings.findings, &facts);
        }
        let mut detectors = std::mem::take(&mut state.detectors);
        let context = Self::context(&settings, flow, state, cause);
        for detector in detectors.of(carrier) {
            detector.on_file(&context, &facts, &mut self.findings);
        }
        state.detectors = detectors;
        if carrier == AppProto::Http {
            self.hold_for_response(state, cause);
        }
        self.take_findings(flow, state, cause, cause);
        if finished.is_unscanned() || (!finished.was_scanned() && (carrier == AppProto::Http || facts.bytes.len() > SMB_WINDOW)) {
            let object = state.moved_object().filter(|object| carrier == AppProto::Smb && finished.is_named_in(object));
            self.scanned_file = Some((facts.fields(), object));
            let mut layers = facts.layers.to_vec();
            layers.push("file");
            let behind = finished.behind().iter().map(Vec::as_slice).filter(|_| finished.is_unscanned());
            for bytes in std::iter::once(facts.bytes).chain(behind) {
                self.scan_run(flow, state, Content { bytes, layers: &layers, direction, tx_id }, cause);
            }
            self.scanned_file = None;
        }
        if let Some(store) = &settings.files.store {
            let alerted = state.alerted || state.waiting.as_ref().is_some_and(|waiting| waiting.has_findings());
            if alerted || settings.files.store_what == Which::All {
                finished.store(store, &mut self.file_counters);
            }
        }
        finished.forget_bytes();
        if carrier == AppProto::Http {
            let waiting = state.waiting.get_or_insert_default();
            waiting.files.push(finished);
            if waiting.files.len() > MAX_WAITING {
                let oldest = waiting.files.remove(0);
                self.tell_file(flow, state, cause, &oldest, None);
            }
        } else {
            // Of a file that gives way, or is open at the end, another one moved last.
            let object = state.moved_object().filter(|object| finished.is_named_in(object));
            self.tell_file(flow, state, cause, &finished, object.as_ref());
        }
    }

    /// Content rules over contiguous bytes of a file, however many are scanned at once.
    fn scan_run(&mut self, flow: &FlowView, state: &mut FlowState, content: Content<'_>, cause: &Cause) {
        let limits = self.scanner.rules().limits();
        let (most, overlap) = (limits.max_content.max(1), limits.overlap);
        let mut rest = content.bytes;
        while !rest.is_empty() {
            let bytes = rest.get(..most).unwrap_or(rest);
            self.scan_content(flow, state, Content { bytes, ..content }, (cause, cause));
            let step = if bytes.len() < rest.len() { most.saturating_sub(overlap).max(most.div_ceil(2)) } else { bytes.len() };
            rest = rest.get(step..).unwrap_or_default();
        }
    }

    fn tell_file(&mut self, flow: &FlowView, state: &FlowState, cause: &Cause, file: &Finished, object: Option<&Fields>) {
        let settings = Arc::clone(&self.settings);
        if !settings.eve.types.fileinfo {
            return;
        }
        let opened = state.opened_facts(state.was_inside);
        let about = About { flow, cause, app_proto: state.app_proto, opened: opened.as_ref() };
        self.line(flow, cause, |out| eve::fileinfo::write(out, &settings.eve, about, &file.facts(), object));
    }

    /// Findings of an exchange of HTTP wait for its response, which says how it went.
    pub(super) fn hold_for_response(&mut self, state: &mut FlowState, cause: &Cause) {
        if self.findings.findings.is_empty() {
            return;
        }
        let waiting = state.waiting.get_or_insert_default();
        let (about, inside) = (*cause, state.was_inside);
        waiting.findings.extend(self.findings.findings.drain(..).map(|finding| Held { finding, about, inside }));
    }

    /// A range of a file came: it goes with what its exchange raises to where all connections are seen.
    pub(super) fn range_part(&mut self, flow: &FlowView, state: &mut FlowState, cause: &Cause, part: &http::RangePart<'_>) {
        let opened = state.opened_facts(state.was_inside);
        let (client, server) = match part.direction {
            Direction::ToClient => (flow.client.addr, flow.server.addr),
            Direction::ToServer => (flow.server.addr, flow.client.addr),
        };
        state.waiting.get_or_insert_default().range = Some(Box::new(RangePiece {
            key: RangeKey { client, server, of: part.of.to_owned(), size: part.size },
            joined: part.joined,
            start: part.start,
            bytes: part.bytes.to_vec(),
            name: part.name.map(str::to_owned),
            tx_id: part.tx_id,
            direction: part.direction,
            object: Fields::new(),
            flow: *flow,
            cause: *cause,
            opened,
            findings: Vec::new(),
        }));
    }

    /// Hands over a range with what its exchange raised: the events from `first` on.
    fn hand_over(&mut self, flow: &FlowView, cause: &Cause, mut piece: Box<RangePiece>, first: usize) {
        for (order, event) in self.epoch.events.split_off(first.min(self.epoch.events.len())) {
            match event {
                Event::Finding(raised) => piece.findings.push(*raised),
                other => self.epoch.events.push((order, other)),
            }
        }
        let order = self.order(flow, cause);
        self.epoch.events.push((order, Event::Range(piece)));
    }

    /// An exchange of HTTP is over; `object` is what is said of it.
    pub(super) fn exchange_over(
        &mut self,
        flow: &FlowView,
        state: &mut FlowState,
        cause: &Cause,
        tx_id: Option<u64>,
        object: impl FnOnce() -> Fields,
    ) {
        let Some(mut waiting) = state.waiting.take() else { return };
        let object = object();
        let (findings, others) = waiting.findings.into_iter().partition(|held| held.finding.tx_id == tx_id);
        waiting.findings = others;
        let (files, others) = waiting.files.into_iter().partition(|file| file.tx_id == tx_id);
        waiting.files = others;
        let range = waiting.range.take().filter(|range| Some(range.tx_id) == tx_id);
        if !(waiting.files.is_empty() && waiting.findings.is_empty()) {
            state.waiting = Some(waiting);
        }
        let first = self.epoch.events.len();
        self.release(flow, state, cause, (findings, files), Some(&object));
        if let Some(mut range) = range {
            range.object = object;
            self.hand_over(flow, cause, range, first);
        }
    }

    fn release(
        &mut self,
        flow: &FlowView,
        state: &mut FlowState,
        cause: &Cause,
        (findings, files): (Vec<Held>, Vec<Finished>),
        object: Option<&Fields>,
    ) {
        for Held { mut finding, about, inside } in findings {
            if state.tells(&finding.meta, finding.direction) {
                continue;
            }
            if let Some(object) = object {
                finding.context.set("http", object.clone());
            }
            self.findings.findings.push(finding);
            let now = std::mem::replace(&mut state.was_inside, inside);
            self.take_findings(flow, state, cause, &about);
            state.was_inside = now;
        }
        for file in files {
            self.tell_file(flow, state, cause, &file, object);
        }
    }

    /// A response that takes long keeps no finding back for longer than any other reply would. Whether some still wait.
    pub(super) fn release_overdue(&mut self, flow: &FlowView, state: &mut FlowState, cause: &Cause) -> bool {
        let Some(mut waiting) = state.waiting.take() else { return false };
        let hold = self.settings.detect.hold;
        let (overdue, others) = waiting.findings.into_iter().partition(|held| cause.time.since(held.about.time) >= hold);
        waiting.findings = others;
        let again = waiting.has_findings();
        if again || !waiting.files.is_empty() {
            state.waiting = Some(waiting);
        }
        self.release(flow, state, cause, (overdue, Vec::new()), None);
        again
    }

    /// The bytes of an assembly that a statement creates are a file as well.
    pub(super) fn assembly(&mut self, flow: &FlowView, state: &mut FlowState, cause: &Cause, unfolded: &Unfolded) {
        let Some(carrier) = state.app_proto.filter(|_| self.settings.files.enabled) else { return };
        self.assemblies += 1;
        let part = FilePart {
            // Behind the numbers that carriers of files give.
            key: u64::MAX - self.assemblies,
            tx_id: unfolded.tx_id,
            direction: unfolded.direction,
            name: None,
            layers: &unfolded.layers,
            offset: 0,
            bytes: &unfolded.bytes,
            size: None,
            state: FileState::Complete,
        };
        self.file_part(flow, state, cause, carrier, &part);
    }

    /// The flow is over: nothing more comes of its files.
    pub(super) fn close_files(&mut self, flow: &FlowView, state: &mut FlowState, cause: &Cause) {
        if let Some(mut tracker) = state.files.take() {
            if let Some(held) = self.file_bytes.get_mut(self.shard) {
                *held = held.saturating_sub(tracker.held());
            }
            for file in tracker.close(&mut self.file_counters) {
                self.file_over(flow, state, cause, file);
            }
        }
        if let Some(waiting) = state.waiting.take() {
            self.release(flow, state, cause, (waiting.findings, waiting.files), None);
        }
    }
}
