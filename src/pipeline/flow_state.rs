//! What the sensor keeps with each flow.

use std::sync::Arc;

use backstop_detectors::{FlowDetectors, MetaRef};
use backstop_protocols::smb::File;
use backstop_protocols::{AppProto, Content, Driver};
use backstop_signatures::{Match, SHIPPED_NAMESPACE, StreamScan};
use backstop_types::{Direction, Fields, PerDirection, Value};

use super::files::Waiting;
use super::listed::Listed;
use crate::eve::opened::Opened;
use crate::files::Tracker;

/// Detections already reported for a flow that are remembered, so that one cause gives one alert.
const MAX_REPORTED: usize = 64;
/// Places of lost sync that are remembered for each direction.
const MAX_UNDECODED: usize = 16;

/// Kept in the flow table: small, since a flow that carries nothing has it too, and one that was closed keeps its place for a while.
#[derive(Default)]
pub enum App {
    /// No data yet.
    #[default]
    Idle,
    /// Parsers, scans, detectors.
    Live(Box<FlowState>),
    /// Both directions have ended, and nothing waits: what its last record will say.
    Over(Over),
}

impl App {
    /// Its state, while there is one.
    pub fn live(&mut self) -> Option<&mut FlowState> {
        match self {
            Self::Live(state) => Some(state),
            Self::Idle | Self::Over(_) => None,
        }
    }

    /// The same, to look at.
    pub fn as_live(&self) -> Option<&FlowState> {
        match self {
            Self::Live(state) => Some(state),
            Self::Idle | Self::Over(_) => None,
        }
    }
}

/// What is left of a flow that is over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Over {
    /// Protocol.
    pub app_proto: Option<AppProto>,
    /// Detection gave up.
    pub unknown: bool,
    /// An alert was raised.
    pub alerted: bool,
    /// The other side is a host that may be called regularly.
    pub trusted: bool,
    /// Records written for transactions.
    pub transactions: u32,
}

/// Which bytes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The stream as it is on the wire.
    Wire,
    /// What was inside TLS and was opened.
    Opened,
}

/// A stream of both directions: its scans, and where in it the parsers are.
pub struct Stream {
    /// Scans by content rules.
    pub scans: PerDirection<StreamScan>,
    /// What the parsers may be looking at, from its first to behind its last byte.
    pub offset: PerDirection<(u64, u64)>,
    /// Where no parser understood.
    undecoded: Option<Box<PerDirection<Undecoded>>>,
}

impl Stream {
    /// A stream that begins.
    pub fn new(scans: PerDirection<StreamScan>) -> Self {
        Self { scans, offset: PerDirection::default(), undecoded: None }
    }

    /// The parsers look at bytes up to `end` now, and have not consumed so many before `start`.
    pub fn look_at(&mut self, direction: Direction, start: u64, end: u64, unconsumed: usize) {
        *self.offset.get_mut(direction) = (start.saturating_sub(unconsumed as u64), end);
    }

    /// Sync was lost or found where a direction stands now.
    pub fn in_sync(&mut self, direction: Direction, in_sync: bool) {
        let (start, end) = *self.offset.get(direction);
        if in_sync && self.undecoded.is_none() {
            return;
        }
        let undecoded = self.undecoded.get_or_insert_default().get_mut(direction);
        if in_sync { undecoded.found(end) } else { undecoded.lost(start) }
    }

    /// Whether a byte of the range lies where no parser understood.
    pub fn is_undecoded(&self, direction: Direction, start: u64, end: u64) -> bool {
        self.undecoded.as_ref().is_some_and(|undecoded| undecoded.get(direction).touches(start, end))
    }

    fn has_pending(&self) -> bool {
        self.scans.to_server.has_pending() || self.scans.to_client.has_pending()
    }
}

/// The file or pipe of SMB that bytes came of last.
pub struct Moved {
    number: u64,
    tx_id: Option<u64>,
    /// What Suricata's object `smb` says of it.
    object: Fields,
}

/// What was said of a flow, as far as it says what need not be said again.
#[derive(Default)]
struct Said {
    /// Rules already reported: identity and direction.
    reported: Vec<(u64, Direction)>,
    /// Ids of our own rules that have nothing to add: a detection tells the same cause.
    covered: Vec<(u64, Direction)>,
    /// The body at hand is a page that somebody reads.
    page: PerDirection<bool>,
}

/// Parsers, scans and detectors of one flow.
pub struct FlowState {
    /// Parsers; none when no layer wants bytes any more.
    pub driver: Option<Box<Driver>>,
    /// The stream on the wire.
    pub wire: Stream,
    /// What was opened of it.
    pub opened: Option<Box<Stream>>,
    /// How deep inside opened layers the parsers are at the moment.
    pub inside: u8,
    /// The last transaction or match came from inside.
    pub was_inside: bool,
    /// The facts of its TLS session, as EVE says them.
    pub tls: Option<Arc<Fields>>,
    /// Files that it carries now.
    pub files: Option<Box<Tracker>>,
    /// What waits for the response of its exchange.
    pub waiting: Option<Box<Waiting>>,
    /// What contents of SMB are of.
    pub moved: Option<Box<Moved>>,
    /// Detectors of the protocols that have spoken.
    pub detectors: FlowDetectors,
    /// Protocol, once confirmed.
    pub app_proto: Option<AppProto>,
    /// The stream is ciphertext from here on: the clear part of a handshake is over.
    pub encrypted: bool,
    /// What was said of it.
    said: Option<Box<Said>>,
    /// The other side is a host that may be called regularly.
    pub trusted: bool,
    /// Whether its addresses are on a list of indicators.
    pub listed: Listed,
    /// An alert was raised.
    pub alerted: bool,
    /// Records written for transactions.
    pub transactions: u32,
    /// Anomaly records written.
    pub anomalies: u8,
    /// Conflicts and gaps written, one a direction.
    pub conflict_told: PerDirection<bool>,
    /// A gap was written.
    pub gap_told: PerDirection<bool>,
    /// The packet that last brought data.
    pub last_data: backstop_capture::handler::Cause,
    /// Directions of which no more bytes will come.
    pub ended: PerDirection<bool>,
}

impl FlowState {
    /// A flow of which nothing is known.
    pub fn new(driver: Option<Box<Driver>>, scans: PerDirection<StreamScan>) -> Self {
        Self {
            driver,
            wire: Stream::new(scans),
            opened: None,
            inside: 0,
            was_inside: false,
            tls: None,
            files: None,
            waiting: None,
            moved: None,
            detectors: FlowDetectors::default(),
            app_proto: None,
            encrypted: false,
            said: None,
            trusted: false,
            listed: Listed::default(),
            alerted: false,
            transactions: 0,
            anomalies: 0,
            conflict_told: PerDirection::default(),
            gap_told: PerDirection::default(),
            last_data: backstop_capture::handler::Cause::default(),
            ended: PerDirection::default(),
        }
    }

    /// No bytes will come, and time changes nothing either: all that is left is to say what the flow was.
    pub fn is_done(&self) -> bool {
        self.ended.to_server && self.ended.to_client && !self.wants_tick()
    }

    /// Something waits that time will decide.
    pub fn wants_tick(&self) -> bool {
        self.has_pending_scans()
            || self.driver.as_ref().is_some_and(|driver| driver.is_waiting())
            || self.detectors.wants_tick()
            || self.waiting.as_ref().is_some_and(|waiting| waiting.has_findings())
            || self.files.as_ref().is_some_and(|files| files.waits())
            || self.listed.wants_tick()
    }

    /// What is left of it.
    pub fn over(&self) -> Over {
        Over {
            app_proto: self.app_proto,
            unknown: self.driver.is_none(),
            alerted: self.alerted,
            trusted: self.trusted,
            transactions: self.transactions,
        }
    }

    /// One of its streams.
    pub fn stream(&mut self, which: Which) -> Option<&mut Stream> {
        match which {
            Which::Wire => Some(&mut self.wire),
            Which::Opened => self.opened.as_deref_mut(),
        }
    }

    /// Sync was lost or found where a direction of the stream that the parsers look at stands now.
    pub fn in_sync(&mut self, direction: Direction, in_sync: bool) {
        match &mut self.opened {
            Some(opened) if self.inside > 0 => opened.in_sync(direction, in_sync),
            _ => self.wire.in_sync(direction, in_sync),
        }
    }

    /// Scans hold bytes that are due.
    pub fn has_pending_scans(&self) -> bool {
        self.wire.has_pending() || self.opened.as_ref().is_some_and(|opened| opened.has_pending())
    }

    /// What records say of the TLS that something was found in.
    pub fn opened_facts(&self, inside: bool) -> Option<Opened> {
        inside.then(|| Opened { tls: self.tls.clone() })
    }

    /// Bytes of a file or pipe of SMB came.
    pub fn note_moved(&mut self, file: Option<&File>, tx_id: Option<u64>) {
        let Some(file) = file else {
            self.moved = None;
            return;
        };
        match &mut self.moved {
            Some(moved) if moved.number == file.number => moved.tx_id = tx_id,
            moved => {
                let mut object = Fields::new();
                object.set_some("share", file.share.clone());
                object.set(if file.pipe { "named_pipe" } else { "filename" }, file.name.clone());
                *moved = Some(Box::new(Moved { number: file.number, tx_id, object }));
            }
        }
    }

    /// Suricata's object of the file that bytes came of last.
    pub fn moved_object(&self) -> Option<Fields> {
        self.moved.as_ref().map(|moved| moved.object.clone())
    }

    /// The transaction that moved bytes of a file last, where it was the last one of all.
    pub fn moved_tx(&self, name: &str) -> Option<u64> {
        let moved = self.moved.as_ref()?;
        matches!(moved.object.get("filename"), Some(Value::Text(named)) if named == name).then_some(moved.tx_id).flatten()
    }

    /// What contents of a transaction of SMB are of.
    pub fn moved_by(&self, content: &Content<'_>) -> Option<Fields> {
        let of_smb = content.layers.first().is_some_and(|layer| matches!(*layer, "smb.file" | "smb.pipe"));
        let moved = self.moved.as_ref().filter(|moved| of_smb && moved.tx_id == content.tx_id)?;
        let mut object = moved.object.clone();
        object.set_some("id", moved.tx_id);
        Some(object)
    }

    /// A detection tells what this rule would tell in this direction.
    pub fn cover(&mut self, rule: u64, direction: Direction) {
        let covered = &mut self.said.get_or_insert_default().covered;
        if covered.len() < MAX_REPORTED && !covered.contains(&(rule, direction)) {
            covered.push((rule, direction));
        }
    }

    /// A body begins: whether it is a page that somebody reads.
    pub fn page(&mut self, direction: Direction, is_page: bool) {
        if is_page || self.said.is_some() {
            *self.said.get_or_insert_default().page.get_mut(direction) = is_page;
        }
    }

    /// Whether a match is of words in a page, which run nothing.
    pub fn is_prose(&self, found: &Match, direction: Direction) -> bool {
        self.said.as_ref().is_some_and(|said| *said.page.get(direction)) && is_of_words(found)
    }

    /// Whether a detection tells what a finding by one of our own rules tells.
    pub fn tells(&self, meta: &MetaRef, direction: Direction) -> bool {
        let MetaRef::Rule(rule) = meta else { return false };
        let covered = |sid: u64| self.said.as_ref().is_some_and(|said| said.covered.contains(&(sid, direction)));
        rule.namespace == SHIPPED_NAMESPACE && rule.sid.is_some_and(covered)
    }

    /// Whether a detection tells what this match would tell.
    pub fn is_covered(&self, found: &Match, direction: Direction) -> bool {
        let covered = self.said.as_ref().map_or([].as_slice(), |said| &said.covered);
        found.rule.namespace == SHIPPED_NAMESPACE && found.rule.sid.is_some_and(|rule| covered.contains(&(rule, direction)))
    }

    /// Remembers that a rule was reported; false when it was before, or when the memory is full.
    pub fn report_once(&mut self, rule: u64, direction: Direction) -> bool {
        let reported = &mut self.said.get_or_insert_default().reported;
        if reported.len() >= MAX_REPORTED || reported.contains(&(rule, direction)) {
            return false;
        }
        reported.push((rule, direction));
        true
    }
}

/// Whether a detection may tell what one of our own rules tells of raw text.
pub fn may_be_told(found: &Match) -> bool {
    found.rule.namespace == SHIPPED_NAMESPACE && found.rule.sid.is_some_and(backstop_detectors::powershell::tells)
}

/// Whether one of our own rules tells of a command by its words alone.
pub fn is_of_words(found: &Match) -> bool {
    found.rule.namespace == SHIPPED_NAMESPACE
        && found.rule.sid.is_some_and(|sid| backstop_detectors::powershell::RULES_OF_WORDS.contains(&sid))
}

/// Ranges of a stream that no parser understood.
#[derive(Clone, Debug, Default)]
struct Undecoded {
    /// Closed ranges, in order.
    ranges: Vec<(u64, u64)>,
    /// Begin of a range that is still open.
    open: Option<u64>,
}

impl Undecoded {
    /// Sync is lost from `offset` on.
    fn lost(&mut self, offset: u64) {
        self.open.get_or_insert(offset);
    }

    /// Sync is found again at `offset`. Past the cap, ranges grow into one: rather scanned than missed.
    fn found(&mut self, offset: u64) {
        let Some(start) = self.open.take() else { return };
        if self.ranges.len() >= MAX_UNDECODED {
            if let Some(last) = self.ranges.last_mut() {
                last.1 = offset;
            }
        } else {
            self.ranges.push((start, offset));
        }
    }

    /// Whether a byte of the range lies where no parser understood.
    fn touches(&self, start: u64, end: u64) -> bool {
        self.open.is_some_and(|open| end > open) || self.ranges.iter().any(|&(from, to)| start < to && from < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million idle connections have to fit into the budget: a larger state falls into the allocator's next class.
    #[test]
    fn a_flow_that_carried_data_costs_no_more_than_256_bytes_of_state() {
        assert!(size_of::<FlowState>() <= 256, "{}", size_of::<FlowState>());
        assert!(size_of::<App>() <= 16);
    }

    #[test]
    fn a_match_counts_as_undecoded_only_where_sync_was_lost() {
        let mut undecoded = Undecoded::default();
        assert!(!undecoded.touches(0, 100));
        undecoded.lost(50);
        undecoded.found(80);
        assert!(undecoded.touches(40, 51));
        assert!(!undecoded.touches(0, 50));
        assert!(!undecoded.touches(80, 90));
        undecoded.lost(200);
        assert!(undecoded.touches(150, 201));
        assert!(undecoded.touches(1_000, 1_001));
    }

    #[test]
    fn many_losses_stay_bounded_and_err_on_the_side_of_scanning() {
        let mut undecoded = Undecoded::default();
        for at in 0..100 {
            undecoded.lost(at * 10);
            undecoded.found(at * 10 + 1);
        }
        assert!(undecoded.ranges.len() <= MAX_UNDECODED);
        assert!(undecoded.touches(990, 991));
    }
}
