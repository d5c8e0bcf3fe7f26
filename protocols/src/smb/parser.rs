//! The state machine of both directions: frames.

use backstop_types::{Direction, PerDirection};

use super::anomaly;
use super::connection::Connection;
use super::frame::{self, Kind};
use super::reader::{Reader, Step};
use super::resync::{self, Search};
use crate::contract::{Advance, Limits, ParseError, Parser, Sink};
use crate::registry::AppProto;

/// Where a direction is.
#[derive(Debug, Default)]
enum Phase {
    /// At a frame.
    #[default]
    Frame,
    /// In the body of one.
    Body(Reader),
    /// Out of step: the next frame is looked for.
    Lost,
    /// It has ended.
    Ended,
}

#[derive(Debug, Default)]
struct Lane {
    phase: Phase,
    /// Bytes were passed over undecoded: told to be in step again at the next message.
    passed_over: bool,
}

/// Parses one connection.
pub struct SmbParser {
    lanes: PerDirection<Lane>,
    conn: Connection,
}

impl SmbParser {
    pub fn new(limits: &Limits) -> Self {
        Self { lanes: PerDirection::default(), conn: Connection::new(limits) }
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let lane = self.lanes.get_mut(direction);
        match &mut lane.phase {
            Phase::Frame => {
                if std::mem::take(&mut lane.passed_over) {
                    out.in_sync(AppProto::Smb, direction, true);
                }
                self.frame(direction, bytes, out)
            }
            Phase::Body(reader) => {
                let step = reader.step(&mut self.conn, direction, bytes, out);
                if reader.left() == 0 {
                    lane.phase = Phase::Frame;
                }
                Ok(step)
            }
            Phase::Lost => Ok(match resync::search(bytes) {
                Search::Found(at) => {
                    lane.phase = Phase::Frame;
                    out.in_sync(AppProto::Smb, direction, true);
                    Step::Used(at)
                }
                Search::Perhaps { skip: 0, need } => Step::Need(need),
                Search::Perhaps { skip, .. } => Step::Used(skip),
                Search::Nowhere => Step::Used(bytes.len()),
            }),
            Phase::Ended => Ok(Step::Used(bytes.len())),
        }
    }

    fn frame(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let Some(header) = bytes.first_chunk::<{ frame::HEADER }>() else { return Ok(Step::Need(frame::HEADER)) };
        match frame::parse(*header) {
            Some((Kind::Message, len)) if len > 0 => {
                self.lanes.get_mut(direction).phase = Phase::Body(Reader::new(u64::from(len)));
                Ok(Step::Used(frame::HEADER))
            }
            Some((Kind::Message | Kind::KeepAlive | Kind::Session, len)) => {
                Ok(Step::Skip { used: frame::HEADER, len: u64::from(len) })
            }
            None if self.conn.lossy => {
                self.lose(direction, out);
                Ok(Step::Used(0))
            }
            None => {
                self.conn.end(out);
                Err(ParseError { offset: 0, event: anomaly::BAD_HEADER })
            }
        }
    }

    fn lose(&mut self, direction: Direction, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        lane.phase = Phase::Lost;
        lane.passed_over = false;
        out.in_sync(AppProto::Smb, direction, false);
    }

    /// A frame whose end is known goes on behind the gap.
    fn bridge(&mut self, direction: Direction, left: &[u8], len: u64, out: &mut dyn Sink) -> Option<u64> {
        let gone = len.saturating_add(left.len() as u64);
        let lane = self.lanes.get_mut(direction);
        match &mut lane.phase {
            Phase::Body(reader) if gone <= reader.left() => {
                let step = reader.gap(&mut self.conn, left, len, out);
                if reader.left() == 0 {
                    lane.phase = Phase::Frame;
                }
                Some(if let Step::Skip { len, .. } = step { len } else { 0 })
            }
            Phase::Body(reader) => {
                reader.close(&mut self.conn, left, out);
                None
            }
            Phase::Frame | Phase::Lost | Phase::Ended => None,
        }
    }
}

impl Parser for SmbParser {
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
                Step::Skip { used, len } => {
                    // What is here already is passed over here.
                    let here = rest.len().saturating_sub(used) as u64;
                    if len > here {
                        return Ok(Advance::Skip { consumed: consumed + used, len });
                    }
                    consumed += used + usize::try_from(len).unwrap_or(0);
                }
            }
        }
    }

    fn gap(&mut self, direction: Direction, left: &[u8], len: u64, out: &mut dyn Sink) -> Result<Advance, ParseError> {
        self.conn.lossy = true;
        let gone = len.saturating_add(left.len() as u64);
        if !matches!(&self.lanes.get(direction).phase, Phase::Body(reader) if reader.is_within_data(gone)) {
            self.conn.lose_pipes(direction, out);
        }
        let Some(skip) = self.bridge(direction, left, len, out) else {
            self.lose(direction, out);
            return Ok(Advance::Consumed);
        };
        self.lanes.get_mut(direction).passed_over = true;
        out.in_sync(AppProto::Smb, direction, false);
        Ok(if skip > 0 { Advance::Skip { consumed: 0, len: skip } } else { Advance::Consumed })
    }

    fn close(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        if let Phase::Body(reader) = &mut lane.phase {
            reader.close(&mut self.conn, left, out);
        }
        lane.phase = Phase::Ended;
        if matches!(self.lanes.get(direction.reverse()).phase, Phase::Ended) {
            self.conn.end(out);
        }
    }

    fn held(&self) -> usize {
        self.conn.held()
    }
}
