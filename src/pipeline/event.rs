//! What a worker hands to the output stage, and the order in which it is written.

use backstop_capture::handler::{Cause, FlowView};
use backstop_detectors::{Fact, Finding};
use backstop_protocols::AppProto;
use backstop_types::{Direction, Fields};

use crate::eve::opened::Opened;
use crate::files::RangeKey;

/// The place of an event among all events: the same for any number of workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// Number of the packet that caused it, or before which a timer ran.
    pub number: u64,
    /// Timers run before their packet.
    pub phase: Phase,
    /// First packet of the flow: sorts what one timer caused in several flows.
    pub flow: u64,
    /// Running number within the worker: sorts what one packet caused in one flow.
    pub sequence: u64,
}

/// When within a packet number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// A timer.
    #[default]
    Tick,
    /// The packet.
    Packet,
    /// The end of the capture.
    End,
}

/// A finding with all that an alert says about its flow and packet.
#[derive(Debug)]
pub struct Raised {
    /// The finding.
    pub finding: Finding,
    /// Its flow at that moment.
    pub flow: FlowView,
    /// The packet that completed the evidence.
    pub cause: Cause,
    /// The flow's protocol, if known.
    pub app_proto: Option<AppProto>,
    /// The TLS session that it was found in, if it was.
    pub opened: Option<Opened>,
}

/// One event.
#[derive(Debug)]
pub enum Event {
    /// A finished line, as a range of the epoch's buffer.
    Line {
        /// First byte.
        start: usize,
        /// Length, newline included.
        len: usize,
    },
    /// A finding: the correlator decides whether it becomes an alert.
    Finding(Box<Raised>),
    /// Something learned about an address.
    Fact(Fact),
    /// A range of a file, of which others may come over other connections.
    Range(Box<RangePiece>),
}

/// A range of a file, with what its exchange raised: that waits for the file, if this makes it whole.
#[derive(Debug)]
pub struct RangePiece {
    /// Which file.
    pub key: RangeKey,
    /// With it the file became whole within its connection: nothing is left to do.
    pub joined: bool,
    /// Where in the file it begins.
    pub start: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The name of the file.
    pub name: Option<String>,
    /// The exchange.
    pub tx_id: u64,
    /// Who sent it.
    pub direction: Direction,
    /// What is said of the exchange.
    pub object: Fields,
    /// Its flow.
    pub flow: FlowView,
    /// The packet that completed it.
    pub cause: Cause,
    /// The TLS session that it was found in, if it was.
    pub opened: Option<Opened>,
    /// What was found in it.
    pub findings: Vec<Raised>,
}

/// All events of one worker and epoch.
#[derive(Debug, Default)]
pub struct Epoch {
    /// Finished lines, one after the other.
    pub lines: Vec<u8>,
    /// Events; not sorted.
    pub events: Vec<(Order, Event)>,
}

impl Epoch {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.events.clear();
    }
}
