//! A session whose bytes come in pieces of any size, in bounded memory: pipes of SMB, channels of ncacn_http.

use backstop_types::{Direction, PerDirection};

use super::anomaly;
use super::association::Carrier;
use super::pdu::{HEADER, Header};
use super::resync::{self, Search};
use super::session::{Out, Session};
use crate::contract::Limits;

/// Where a direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Before the first PDU.
    #[default]
    Start,
    /// Among PDUs.
    Reading,
    /// Out of step: the next PDU is looked for.
    Lost,
    /// No DCE/RPC.
    Foreign,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    phase: Phase,
    /// The beginning of a PDU.
    head: Vec<u8>,
    /// Bytes of it that were passed over behind its head.
    passed: usize,
}

/// Both directions of what carries an association.
pub struct Stream {
    session: Session,
    lanes: PerDirection<Lane>,
    max: usize,
}

impl Stream {
    pub fn new(carrier: Carrier, limits: &Limits) -> Self {
        let max = limits.max_message.max(HEADER);
        Self { session: Session::new(carrier, limits), lanes: PerDirection::default(), max }
    }

    /// Bytes held, about.
    pub fn held(&self) -> usize {
        self.lanes.to_server.head.len() + self.lanes.to_client.head.len() + self.session.held()
    }

    /// Neither direction is DCE/RPC.
    pub fn is_foreign(&self) -> bool {
        let foreign = |lane: &Lane| lane.phase == Phase::Foreign;
        foreign(&self.lanes.to_server) && foreign(&self.lanes.to_client)
    }

    /// Takes bytes of a direction; `tag`: the carrier's number of what brought them.
    pub fn push(&mut self, direction: Direction, bytes: &[u8], tag: Option<u64>, out: &mut dyn Out) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let lane = self.lanes.get_mut(direction);
            rest = match lane.phase {
                Phase::Start | Phase::Reading => self.read(direction, rest, tag, out),
                Phase::Lost => self.search(direction, rest),
                Phase::Foreign => return,
            };
        }
    }

    /// Bytes were missing before the first one that comes.
    pub fn lose(&mut self) {
        for direction in Direction::BOTH {
            self.session.lose(direction);
        }
    }

    /// A direction begins anew: another body of HTTP.
    pub fn begin(&mut self, direction: Direction) {
        *self.lanes.get_mut(direction) = Lane::default();
    }

    /// A whole message of a direction may be missing: a PDU that has begun does not go on, others are not affected.
    pub fn lose_message(&mut self, direction: Direction, out: &mut dyn Out) {
        if self.lanes.get(direction).head.is_empty() {
            self.session.lose(direction);
        } else {
            self.gap(direction, out);
        }
    }

    /// Bytes of a direction are missing.
    pub fn gap(&mut self, direction: Direction, out: &mut dyn Out) {
        self.session.lose(direction);
        let lane = self.lanes.get_mut(direction);
        let head = std::mem::take(&mut lane.head);
        let reading = lane.phase == Phase::Reading;
        *lane = Lane { phase: if lane.phase == Phase::Foreign { Phase::Foreign } else { Phase::Lost }, ..Lane::default() };
        // What is there of a PDU is read.
        if let Some(header) = head.first_chunk().filter(|_| reading).and_then(Header::parse) {
            self.session.pdu(&header, &head, direction, None, out);
        }
    }

    /// Nothing more comes.
    pub fn end(&mut self, out: &mut dyn Out) {
        for direction in Direction::BOTH {
            if !self.lanes.get(direction).head.is_empty() {
                self.gap(direction, out);
            }
        }
        self.session.end(out);
    }

    /// Reads up to the end of a PDU; what is left.
    fn read<'a>(&mut self, direction: Direction, bytes: &'a [u8], tag: Option<u64>, out: &mut dyn Out) -> &'a [u8] {
        let lane = self.lanes.get_mut(direction);
        let mut rest = bytes;
        let header = if lane.head.is_empty() { rest.first_chunk().copied() } else { None };
        let header = match header.or_else(|| lane.head.first_chunk().copied()) {
            Some(header) => header,
            None => {
                let (piece, after) = rest.split_at_checked(HEADER.saturating_sub(lane.head.len())).unwrap_or((rest, &[]));
                lane.head.extend_from_slice(piece);
                rest = after;
                let Some(header) = lane.head.first_chunk().copied() else { return rest };
                header
            }
        };
        let Some(header) = Header::parse(&header) else {
            return self.refuse(direction, rest, out);
        };
        lane.phase = Phase::Reading;
        let len = usize::from(header.len);
        // All of it at once: nothing is copied.
        if lane.head.is_empty()
            && let Some((pdu, after)) = rest.split_at_checked(len)
        {
            self.session.pdu(&header, pdu.get(..self.max).unwrap_or(pdu), direction, tag, out);
            return after;
        }
        let left = len.saturating_sub(lane.head.len() + lane.passed);
        let (piece, after) = rest.split_at_checked(left).unwrap_or((rest, &[]));
        let room = self.max.saturating_sub(lane.head.len());
        let kept = piece.get(..room).unwrap_or(piece);
        lane.head.extend_from_slice(kept);
        lane.passed += piece.len() - kept.len();
        if lane.head.len() + lane.passed >= len {
            let pdu = std::mem::take(&mut lane.head);
            lane.passed = 0;
            self.session.pdu(&header, &pdu, direction, tag, out);
        }
        after
    }

    /// Here no PDU begins: something else is spoken, or the next one is looked for.
    fn refuse<'a>(&mut self, direction: Direction, rest: &'a [u8], out: &mut dyn Out) -> &'a [u8] {
        let lane = self.lanes.get_mut(direction);
        let head = std::mem::take(&mut lane.head);
        if lane.phase == Phase::Start && !self.session.is_lossy() {
            lane.phase = Phase::Foreign;
            return &[];
        }
        lane.phase = Phase::Lost;
        self.session.violation(anomaly::BAD_HEADER, direction, out);
        self.session.lose(direction);
        // The first byte is none of a PDU, whatever the others are.
        match head.get(1..) {
            Some(head) => {
                self.lanes.get_mut(direction).head.extend_from_slice(head);
                rest
            }
            None => rest.get(1..).unwrap_or_default(),
        }
    }

    /// Looks for a PDU; what is left behind its place.
    fn search<'a>(&mut self, direction: Direction, bytes: &'a [u8]) -> &'a [u8] {
        let lane = self.lanes.get_mut(direction);
        if lane.head.is_empty() {
            return match resync::search(bytes) {
                Search::Found(at) => {
                    lane.phase = Phase::Reading;
                    bytes.get(at..).unwrap_or_default()
                }
                Search::Perhaps(at) => {
                    lane.head.extend_from_slice(bytes.get(at..).unwrap_or_default());
                    &[]
                }
                Search::Nowhere => &[],
            };
        }
        // What was kept is shorter than a header: it is looked at with as much as makes it one.
        let (piece, after) = bytes.split_at_checked(HEADER.saturating_sub(lane.head.len())).unwrap_or((bytes, &[]));
        lane.head.extend_from_slice(piece);
        match resync::search(&lane.head) {
            Search::Found(0) => lane.phase = Phase::Reading,
            Search::Found(at) | Search::Perhaps(at) => {
                lane.head.drain(..at);
            }
            Search::Nowhere => lane.head.clear(),
        }
        after
    }
}
