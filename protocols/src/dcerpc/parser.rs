//! PDUs of a connection of its own.

use backstop_types::{Direction, PerDirection};

use super::anomaly;
use super::association::Carrier;
use super::pdu::{HEADER, Header};
use super::resync::{self, BANNER, Search};
use super::session::{Out, Session};
use super::transaction::Transaction;
use crate::contract::{Advance, Anomaly, Content, Limits, ParseError, Parser, Sink};
use crate::registry::{self, AppProto};

/// Where a direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Before the first PDU.
    #[default]
    Start,
    /// At a PDU.
    Between,
    /// Out of step: the next PDU is looked for.
    Lost,
    /// It has ended.
    Ended,
}

#[derive(Debug, Default)]
struct Lane {
    phase: Phase,
    /// Bytes of a PDU went by unseen: told to be in step again at the next one.
    passed_over: bool,
}

/// Parses one connection.
pub struct DcerpcParser {
    lanes: PerDirection<Lane>,
    session: Session,
    max: usize,
    confirmed: bool,
}

/// Results of a session that go out as they are.
pub struct Direct<'a>(pub &'a mut dyn Sink);

impl Out for Direct<'_> {
    fn transaction(&mut self, transaction: &Transaction<'_>) {
        self.0.transaction(&registry::Transaction::Dcerpc(*transaction));
    }

    fn anomaly(&mut self, event: &'static str, direction: Direction) {
        self.0.anomaly(Anomaly { app_proto: AppProto::Dcerpc, event, direction });
    }

    fn content(&mut self, bytes: &[u8], direction: Direction, tx_id: Option<u64>) {
        self.0.content(Content { bytes, layers: &["dcerpc.stub"], direction, tx_id });
    }
}

/// One step.
enum Step {
    Used(usize),
    Need(usize),
    Skip { used: usize, len: u64 },
}

impl DcerpcParser {
    pub fn new(limits: &Limits) -> Self {
        Self {
            lanes: PerDirection::default(),
            session: Session::new(Carrier::Tcp, limits),
            max: limits.max_buffer.max(HEADER),
            confirmed: false,
        }
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let lane = self.lanes.get_mut(direction);
        match lane.phase {
            Phase::Start if direction == Direction::ToClient && bytes.first() == BANNER.first() => {
                let Some(head) = bytes.get(..BANNER.len()) else { return Ok(Step::Need(BANNER.len())) };
                lane.phase = Phase::Between;
                Ok(Step::Used(if head == BANNER { BANNER.len() } else { 0 }))
            }
            Phase::Start | Phase::Between => {
                if std::mem::take(&mut lane.passed_over) {
                    out.in_sync(AppProto::Dcerpc, direction, true);
                }
                self.pdu(direction, bytes, out)
            }
            Phase::Lost => Ok(match resync::search(bytes) {
                Search::Found(at) => {
                    lane.phase = Phase::Between;
                    out.in_sync(AppProto::Dcerpc, direction, true);
                    Step::Used(at)
                }
                Search::Perhaps(0) => Step::Need(HEADER),
                Search::Perhaps(at) => Step::Used(at),
                Search::Nowhere => Step::Used(bytes.len()),
            }),
            Phase::Ended => Ok(Step::Used(bytes.len())),
        }
    }

    fn pdu(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let Some(head) = bytes.first_chunk::<HEADER>() else { return Ok(Step::Need(HEADER)) };
        let Some(header) = Header::parse(head) else {
            if !self.confirmed {
                return Err(ParseError { offset: 0, event: anomaly::BAD_HEADER });
            }
            self.session.violation(anomaly::BAD_HEADER, direction, &mut Direct(out));
            self.lose(direction, out);
            // This place is none: the next one is looked for behind it.
            return Ok(Step::Used(1));
        };
        let len = usize::from(header.len);
        let wanted = len.min(self.max);
        let Some(pdu) = bytes.get(..wanted) else { return Ok(Step::Need(wanted)) };
        self.lanes.get_mut(direction).phase = Phase::Between;
        self.read(&header, pdu, direction, out);
        Ok(Step::Skip { used: wanted, len: (len - wanted) as u64 })
    }

    fn read(&mut self, header: &Header, pdu: &[u8], direction: Direction, out: &mut dyn Sink) {
        if !std::mem::replace(&mut self.confirmed, true) {
            out.confirmed(AppProto::Dcerpc);
        }
        self.session.pdu(header, pdu, direction, None, &mut Direct(out));
    }

    fn lose(&mut self, direction: Direction, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        lane.phase = Phase::Lost;
        lane.passed_over = false;
        self.session.lose(direction);
        out.in_sync(AppProto::Dcerpc, direction, false);
    }

    /// The header of a PDU of which the first bytes are there.
    fn begun(&self, direction: Direction, left: &[u8]) -> Option<Header> {
        let at_pdu = matches!(self.lanes.get(direction).phase, Phase::Start | Phase::Between);
        left.first_chunk().filter(|_| at_pdu).and_then(Header::parse)
    }
}

impl Parser for DcerpcParser {
    fn advance(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Advance::Consumed);
            }
            match self.step(direction, rest, out).map_err(|error| ParseError { offset: consumed, ..error })? {
                Step::Used(used) | Step::Skip { used, len: 0 } => consumed += used,
                Step::Need(need) => return Ok(Advance::Need { consumed, need }),
                Step::Skip { used, len } => return Ok(Advance::Skip { consumed: consumed + used, len }),
            }
        }
    }

    fn gap(&mut self, direction: Direction, left: &[u8], len: u64, out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let gone = len.saturating_add(left.len() as u64);
        let header = self.begun(direction, left);
        self.session.lose(direction);
        // What is there of a PDU is read.
        if let Some(header) = &header {
            self.read(header, left, direction, out);
        }
        let Some(rest) = header.and_then(|header| u64::from(header.len).checked_sub(gone)) else {
            self.lose(direction, out);
            return Ok(Advance::Consumed);
        };
        // What follows begins where it ends.
        let lane = self.lanes.get_mut(direction);
        lane.phase = Phase::Between;
        lane.passed_over = true;
        out.in_sync(AppProto::Dcerpc, direction, false);
        Ok(if rest > 0 { Advance::Skip { consumed: 0, len: rest } } else { Advance::Consumed })
    }

    fn close(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) {
        if let Some(header) = self.begun(direction, left) {
            self.session.lose(direction);
            self.read(&header, left, direction, out);
        }
        self.lanes.get_mut(direction).phase = Phase::Ended;
        if self.lanes.get(direction.reverse()).phase == Phase::Ended {
            self.session.end(&mut Direct(out));
        }
    }

    fn held(&self) -> usize {
        self.session.held()
    }
}
