//! The state machine of both directions: what packets are wrapped in.
//!
//! ```text
//! stream = *( packet / SMP-header [packet] / TLS-record )
//! ```
//! The first byte tells which of them begins; no packet type is the first byte of another. What TLS unwraps (see `inside`) is
//! such a stream again, without records.

use std::collections::BTreeMap;

use backstop_types::{Direction, PerDirection};

use super::channel::{BadHeader, Channel};
use super::connection::{Connection, RECORD_HEADER, Records};
use super::packet::{HEADER, is_tls};
use super::prelogin::Encryption;
use super::resync::{self, Expected, Search};
use super::{anomaly, smp};
use crate::contract::{Advance, ParseError, Parser, Sink, Surroundings};
use crate::registry::AppProto;

/// Multiplexed sessions that are followed at a time; beyond, the one that was silent longest gives way, idle ones first.
const MAX_SESSIONS: usize = 64;
/// The longest fragment of a TLS record (RFC 5246 §6.2.3).
const MAX_FRAGMENT: u16 = (1 << 14) + 2048;
/// Application data (RFC 5246 §6.2.1).
const DATA: u8 = 0x17;

/// What is read in a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Frame {
    /// Something begins.
    #[default]
    Boundary,
    /// Inside a packet that lies in the stream itself.
    Packet,
    /// Inside a packet of a multiplexed session.
    Smp { sid: u16, left: u32 },
    /// Out of step: the next packet is looked for.
    Lost,
}

/// What the stream itself is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wire {
    /// What is read.
    #[default]
    Clear,
    /// So many bytes of a TLS record.
    Record(usize),
    /// TLS from here on.
    Tls,
}

#[derive(Default)]
pub(super) struct Lane {
    frame: Frame,
    /// A packet that a search believed: if none follows it, the search was wrong.
    trial: bool,
    wire: Wire,
    /// TLS records on the stream.
    records: Records,
    pub(super) closed: bool,
    /// Unwrapped bytes that are too few by themselves: less than a header.
    pub(super) rest: Vec<u8>,
    /// Unwrapped bytes to pass over.
    pub(super) skip: u64,
}

/// One step through a stream.
pub(super) enum Step {
    Used(usize),
    Need(usize),
    Skip { used: usize, len: u64 },
}

/// Parses one connection.
pub struct TdsParser {
    pub(super) conn: Connection,
    pub(super) main: Channel,
    sessions: BTreeMap<u16, Channel>,
    pub(super) lanes: PerDirection<Lane>,
    multiplexed: bool,
    /// Counts what sessions were used for.
    uses: u64,
}

impl TdsParser {
    pub fn new(around: &Surroundings) -> Self {
        Self {
            conn: Connection::new(around),
            main: Channel::default(),
            sessions: BTreeMap::new(),
            lanes: PerDirection::default(),
            multiplexed: false,
            uses: 0,
        }
    }

    pub(super) fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        match self.lanes.get(direction).frame {
            Frame::Lost => Ok(self.search(direction, bytes, out)),
            Frame::Smp { sid, left } => Ok(self.session_bytes(direction, sid, left, bytes, out)),
            Frame::Packet => self.packet(direction, bytes, out),
            Frame::Boundary => match bytes.first() {
                Some(&smp::SMID) => self.smp_header(direction, bytes, out),
                Some(&first) if is_tls(first) && self.expects_tls() => self.record(direction, bytes, out),
                _ if bytes.len() < HEADER => Ok(Step::Need(HEADER)),
                _ => {
                    self.lanes.get_mut(direction).frame = Frame::Packet;
                    Ok(Step::Used(0))
                }
            },
        }
    }

    /// A TLS record may stand here (2.2.6.5): behind the handshake, or who knows.
    const fn expects_tls(&self) -> bool {
        let known = self.conn.handshake_begun() || self.conn.lossy;
        known && !matches!(self.conn.session.encryption, Encryption::None | Encryption::Strict) && !self.conn.inside
    }

    /// A record behind the handshake. With full encryption the rest of the stream is TLS. With encryption of the login only it
    /// is LOGIN7, and packets in the clear follow.
    fn record(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let Some(&[kind, major, minor, high, low]) = bytes.first_chunk::<RECORD_HEADER>() else {
            return Ok(Step::Need(RECORD_HEADER));
        };
        let len = u16::from_be_bytes([high, low]);
        if major != 3 || minor > 4 || len > MAX_FRAGMENT {
            return self.bad(direction, anomaly::BAD_HEADER, out).map(|()| Step::Used(1));
        }
        let data = kind == DATA;
        if data {
            self.conn.tell_session(out);
        }
        let full = data && self.conn.session.encryption == Encryption::Full;
        self.lanes.get_mut(direction).wire = if full { Wire::Tls } else { Wire::Record(RECORD_HEADER + usize::from(len)) };
        Ok(Step::Used(0))
    }

    /// Bytes of TLS; how many of them.
    fn sealed(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> usize {
        let lane = self.lanes.get_mut(direction);
        let bytes = match lane.wire {
            Wire::Record(left) => bytes.get(..left).unwrap_or(bytes),
            // Record by record, as long as one of them may be the login.
            Wire::Tls if self.conn.awaits_login() => bytes.get(..lane.records.ahead()).unwrap_or(bytes),
            Wire::Clear | Wire::Tls => bytes,
        };
        self.conn.session.tls_records += lane.records.feed(bytes);
        self.conn.tunnel(out).data(direction, bytes, out);
        self.unwrapped(out);
        if let Wire::Record(left) = self.lanes.get(direction).wire {
            let left = left - bytes.len();
            self.lanes.get_mut(direction).wire = if left > 0 { Wire::Record(left) } else { Wire::Clear };
            if left == 0 {
                self.record_ends(direction, out);
            }
        } else {
            self.hidden_login(direction, out);
        }
        bytes.len()
    }

    /// Behind a record a packet in the clear may stand.
    fn record_ends(&mut self, direction: Direction, out: &mut dyn Sink) {
        if self.lanes.get(direction).frame == Frame::Boundary && self.lanes.get(direction).rest.is_empty() {
            self.hidden_login(direction, out);
        }
    }

    /// The client's first data in TLS is LOGIN7. Where it stays closed, it is told as that; keys that may still come are waited
    /// for only where all that follows waits, too.
    pub(super) fn hidden_login(&mut self, direction: Direction, out: &mut dyn Sink) {
        let full = self.lanes.get(direction).wire == Wire::Tls;
        let waits = full && self.conn.tunnel.as_ref().is_some_and(|tunnel| tunnel.is_waiting());
        let begun = self.lanes.get(direction).records.data;
        if begun && self.conn.client == Some(direction) && self.conn.awaits_login() && !waits && self.at_rest(direction) {
            self.main.exchanges.login(&mut self.conn, None, out);
        }
    }

    /// Nothing is half read.
    fn at_rest(&self, direction: Direction) -> bool {
        let lane = self.lanes.get(direction);
        lane.frame == Frame::Boundary && lane.rest.is_empty() && lane.skip == 0
    }

    fn packet(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let used = match self.main.feed(&mut self.conn, direction, bytes, out) {
            Ok(used) => used,
            Err(BadHeader) => return self.bad(direction, anomaly::BAD_HEADER, out).map(|()| Step::Used(1)),
        };
        self.boundary(direction);
        if used < bytes.len() || self.main.at_boundary(direction) {
            return Ok(Step::Used(used));
        }
        let len = self.main.skippable(direction);
        if len == 0 {
            return Ok(Step::Used(used));
        }
        self.main.skipped(&mut self.conn, direction, len, out);
        self.boundary(direction);
        Ok(Step::Skip { used, len: len as u64 })
    }

    fn boundary(&mut self, direction: Direction) {
        if self.main.at_boundary(direction) {
            let lane = self.lanes.get_mut(direction);
            lane.frame = Frame::Boundary;
        }
    }

    fn smp_header(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Step, ParseError> {
        let Some(header) = bytes.first_chunk::<{ smp::HEADER }>() else { return Ok(Step::Need(smp::HEADER)) };
        let Some(header) = smp::Header::parse(*header) else {
            return self.bad(direction, anomaly::BAD_SMP_HEADER, out).map(|()| Step::Used(1));
        };
        self.multiplexed = true;
        self.lanes.get_mut(direction).trial = false;
        let sid = header.sid;
        match header.kind {
            smp::Kind::Syn => {
                self.close_session(sid, out);
                self.open_session(direction, sid, out);
            }
            smp::Kind::Fin => {
                if let Some(session) = self.sessions.get_mut(&sid) {
                    session.close(&mut self.conn, direction, out);
                }
                // The client's FIN is answered; then the session is over.
                if self.conn.client.is_some_and(|client| client != direction) {
                    self.close_session(sid, out);
                }
            }
            smp::Kind::Ack => {}
            smp::Kind::Data => {
                self.open_session(direction, sid, out);
                if header.payload > 0 {
                    self.lanes.get_mut(direction).frame = Frame::Smp { sid, left: header.payload };
                }
            }
        }
        Ok(Step::Used(smp::HEADER))
    }

    /// Makes sure that a session is there.
    fn open_session(&mut self, direction: Direction, sid: u16, out: &mut dyn Sink) {
        self.uses += 1;
        if let Some(session) = self.sessions.get_mut(&sid) {
            session.used = self.uses;
            return;
        }
        if self.sessions.len() >= MAX_SESSIONS {
            self.conn.tell(direction, anomaly::SESSION_LIMIT, out);
            let oldest = self.sessions.iter().min_by_key(|(_, session)| (!session.is_idle(), session.used));
            if let Some(oldest) = oldest.map(|(&sid, _)| sid) {
                self.close_session(oldest, out);
            }
        }
        let mut session = Channel::default();
        session.exchanges.sid = Some(sid);
        session.used = self.uses;
        self.sessions.insert(sid, session);
    }

    fn close_session(&mut self, sid: u16, out: &mut dyn Sink) {
        if let Some(mut session) = self.sessions.remove(&sid) {
            for direction in Direction::BOTH {
                session.close(&mut self.conn, direction, out);
            }
        }
    }

    fn session_bytes(&mut self, direction: Direction, sid: u16, left: u32, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let here = bytes.get(..left as usize).unwrap_or(bytes);
        let Some(session) = self.sessions.get_mut(&sid) else {
            self.lanes.get_mut(direction).frame = Frame::Boundary;
            return Step::Skip { used: 0, len: u64::from(left) };
        };
        let lane = self.lanes.get_mut(direction);
        let Ok(used) = session.feed(&mut self.conn, direction, here, out) else {
            // The next SMP packet begins anew.
            self.conn.violation(direction, anomaly::BAD_HEADER, out);
            session.lose(&mut self.conn, direction, out);
            lane.frame = Frame::Boundary;
            return Step::Skip { used: 0, len: u64::from(left) };
        };
        let mut after = left - u32::try_from(used).unwrap_or(left);
        let mut skip = 0;
        if used == bytes.len() && after > 0 && !session.at_boundary(direction) {
            skip = u32::try_from(session.skippable(direction)).unwrap_or(after).min(after);
            session.skipped(&mut self.conn, direction, skip as usize, out);
            after -= skip;
        }
        lane.frame = if after == 0 { Frame::Boundary } else { Frame::Smp { sid, left: after } };
        if skip > 0 { Step::Skip { used, len: u64::from(skip) } } else { Step::Used(used) }
    }

    /// Something else stands where something should begin.
    fn bad(&mut self, direction: Direction, event: &'static str, out: &mut dyn Sink) -> Result<(), ParseError> {
        if !self.conn.confirmed {
            return Err(ParseError { offset: 0, event: anomaly::NOT_RECOGNISED });
        }
        if !self.lanes.get(direction).trial {
            self.conn.violation(direction, event, out);
        }
        self.lose(direction, out);
        Ok(())
    }

    pub(super) fn lose(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.conn.lossy = true;
        self.main.lose(&mut self.conn, direction, out);
        for session in self.sessions.values_mut() {
            session.lose(&mut self.conn, direction, out);
        }
        let lane = self.lanes.get_mut(direction);
        lane.trial = false;
        if std::mem::replace(&mut lane.frame, Frame::Lost) != Frame::Lost {
            out.in_sync(AppProto::Tds, direction, false);
        }
    }

    fn search(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        // Nothing in TLS looks like a packet, but by accident; it finds its place itself.
        if self.conn.session.encryption == Encryption::Full && self.conn.handshake_begun() && !self.conn.inside {
            let lane = self.lanes.get_mut(direction);
            (lane.wire, lane.frame) = (Wire::Tls, Frame::Boundary);
            return Step::Used(0);
        }
        let expected = Expected {
            from_client: self.conn.client.map(|client| client == direction),
            size: self.conn.session.packet_size.map(|size| size as usize),
            spid: self.conn.spid,
            multiplexed: self.multiplexed,
        };
        match resync::search(bytes, &expected) {
            Search::Found(at, first) => {
                let lane = self.lanes.get_mut(direction);
                (lane.frame, lane.trial) = (Frame::Boundary, true);
                if !first {
                    self.main.pass_message(direction);
                }
                out.in_sync(AppProto::Tds, direction, true);
                Step::Used(at)
            }
            Search::Perhaps { skip: 0, need } => Step::Need(need),
            Search::Perhaps { skip, .. } => Step::Used(skip),
            Search::Nowhere => Step::Used(bytes.len()),
        }
    }
}

impl TdsParser {
    /// Bytes are missing in what is read: of the stream itself, or of what TLS unwrapped.
    pub(super) fn missing(&mut self, direction: Direction, len: u64, out: &mut dyn Sink) -> Advance {
        self.conn.lossy = true;
        let lane = self.lanes.get_mut(direction);
        let kept = match lane.frame {
            Frame::Packet => self.main.gap(&mut self.conn, direction, len, out),
            Frame::Smp { sid, left } if len <= u64::from(left) => {
                let left = left - u32::try_from(len).unwrap_or(left);
                lane.frame = if left == 0 { Frame::Boundary } else { Frame::Smp { sid, left } };
                if let Some(session) = self.sessions.get_mut(&sid) {
                    let kept = session.gap(&mut self.conn, direction, len, out);
                    // Where the next packet of this session begins, the next SMP packet tells.
                    if !kept && left > 0 {
                        lane.frame = Frame::Boundary;
                        return Advance::Skip { consumed: 0, len: u64::from(left) };
                    }
                }
                return Advance::Consumed;
            }
            Frame::Smp { .. } | Frame::Boundary => false,
            Frame::Lost => return Advance::Consumed,
        };
        if kept {
            self.boundary(direction);
        } else {
            self.conn.lost_handshake(direction, len, out);
            self.lose(direction, out);
        }
        Advance::Consumed
    }

    /// No more of a direction will be read.
    pub(super) fn over(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.main.close(&mut self.conn, direction, out);
        for session in self.sessions.values_mut() {
            session.close(&mut self.conn, direction, out);
        }
        // Should something come nevertheless, nothing is known of its place: not the header of a packet, but to be searched.
        let lane = self.lanes.get_mut(direction);
        if lane.frame != Frame::Boundary {
            lane.frame = Frame::Lost;
        }
        if self.lanes.to_server.closed && self.lanes.to_client.closed {
            self.conn.tell_session(out);
        }
    }
}

impl Parser for TdsParser {
    fn advance(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Advance::Consumed);
            }
            if self.lanes.get(direction).wire != Wire::Clear {
                consumed += self.sealed(direction, rest, out);
                continue;
            }
            let step = self.step(direction, rest, out).map_err(|error| ParseError { offset: consumed, ..error })?;
            // A handshake may have ended with more than that.
            self.unwrapped(out);
            match step {
                Step::Used(used) => consumed += used,
                Step::Need(need) => return Ok(Advance::Need { consumed, need }),
                Step::Skip { used, len } => return Ok(Advance::Skip { consumed: consumed + used, len }),
            }
        }
    }

    fn gap(&mut self, direction: Direction, _left: &[u8], len: u64, out: &mut dyn Sink) -> Result<Advance, ParseError> {
        let wire = self.lanes.get(direction).wire;
        if wire == Wire::Clear {
            return Ok(self.missing(direction, len, out));
        }
        self.conn.lossy = true;
        self.conn.tunnel(out).gap(direction, len, out);
        self.unwrapped(out);
        if let Wire::Record(left) = wire {
            let left = usize::try_from(len).ok().and_then(|len| left.checked_sub(len));
            self.lanes.get_mut(direction).wire = left.filter(|&left| left > 0).map_or(Wire::Clear, Wire::Record);
            match left {
                Some(0) => self.record_ends(direction, out),
                Some(_) => {}
                None => self.lose(direction, out),
            }
        }
        Ok(Advance::Consumed)
    }

    fn close(&mut self, direction: Direction, _left: &[u8], out: &mut dyn Sink) {
        self.lanes.get_mut(direction).closed = true;
        if let Some(tunnel) = &mut self.conn.tunnel {
            tunnel.close(direction, out);
        }
        self.unwrapped(out);
        // What waits for keys is read before the end.
        if !self.is_waiting() {
            self.over(direction, out);
        }
    }

    fn poll(&mut self, out: &mut dyn Sink) {
        self.look_again(false, out);
    }

    fn is_waiting(&self) -> bool {
        self.conn.tunnel.as_ref().is_some_and(|tunnel| tunnel.is_waiting())
    }

    fn stop_waiting(&mut self, out: &mut dyn Sink) {
        self.look_again(true, out);
    }

    fn is_ciphertext(&self) -> bool {
        self.lanes.to_server.wire == Wire::Tls || self.lanes.to_client.wire == Wire::Tls
    }

    fn held(&self) -> usize {
        let channels = self.sessions.values().chain([&self.main]).map(Channel::held).sum::<usize>();
        let tunnel = self.conn.tunnel.as_ref().map_or(0, |tunnel| tunnel.held());
        self.conn.held + self.conn.handles.held() + channels + tunnel
    }
}
