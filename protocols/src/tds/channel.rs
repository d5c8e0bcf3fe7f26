//! Packets to messages, in one session ([MS-TDS] 2.2.1, 2.2.2, 2.2.3).
//!
//! A message is put together from the payloads of its packets; only the status bit tells where it ends, packet numbers are
//! no guide. A client's message is kept up to `Limits::max_message`, then told and passed over. A server's is walked as it
//! comes and never kept.

use backstop_types::{Direction, PerDirection};

use super::connection::Connection;
use super::exchange::{Decoded, Exchanges};
use super::packet::{self, HEADER, Header};
use super::request::{self, Kind};
use super::squeeze::{squeeze, squeeze_calls};
use super::tokens::{Fault, Walker};
use super::{anomaly, login, rpc};
use crate::contract::Sink;
use crate::registry::AppProto;

#[derive(Default)]
enum Message {
    /// Between messages.
    #[default]
    None,
    /// A client's message, or a PRELOGIN of either side.
    Gathering(Gathered),
    /// A server's message.
    Reply(Box<Walker>),
    /// A part of the TLS handshake.
    Handshake,
    /// Of no more interest.
    Pass,
}

#[derive(Default)]
struct Gathered {
    kind: u8,
    bytes: Vec<u8>,
    /// Bytes that went by, kept or not.
    total: u64,
}

#[derive(Default)]
struct Lane {
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the packet that are not there yet.
    left: usize,
    ends: bool,
    message: Message,
    /// The rest of a long message goes by undecoded: told to be in step again at the next.
    undecoded: bool,
}

/// Something else stands where a packet should begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHeader;

/// One session: the connection itself, or one that is multiplexed on it.
#[derive(Default)]
pub struct Channel {
    lanes: PerDirection<Lane>,
    pub exchanges: Exchanges,
    /// When it was last used, as its owner counts.
    pub used: u64,
}

impl Channel {
    /// Between packets.
    pub const fn at_boundary(&self, direction: Direction) -> bool {
        self.lanes.get(direction).have == 0
    }

    /// Nothing is half read, and nothing waits.
    pub fn is_idle(&self) -> bool {
        let quiet = |lane: &Lane| lane.have == 0 && matches!(lane.message, Message::None);
        quiet(&self.lanes.to_server) && quiet(&self.lanes.to_client) && self.exchanges.is_idle()
    }

    /// Bytes held by what walks replies; all else is counted in the connection.
    pub fn held(&self) -> usize {
        let of = |lane: &Lane| if let Message::Reply(walker) = &lane.message { walker.held() } else { 0 };
        of(&self.lanes.to_server) + of(&self.lanes.to_client)
    }

    /// Takes bytes up to the end of a packet; how many.
    pub fn feed(
        &mut self,
        conn: &mut Connection,
        direction: Direction,
        bytes: &[u8],
        out: &mut dyn Sink,
    ) -> Result<usize, BadHeader> {
        let lane = self.lanes.get_mut(direction);
        let mut used = 0;
        if lane.have < HEADER {
            for (slot, &byte) in lane.header.iter_mut().skip(lane.have).zip(bytes) {
                *slot = byte;
                used += 1;
            }
            lane.have += used;
            if lane.have < HEADER {
                return Ok(used);
            }
            let Some(header) = Header::parse(lane.header) else {
                lane.have = 0;
                return Err(BadHeader);
            };
            (lane.left, lane.ends) = (header.payload, header.ends());
            self.begin(conn, direction, &header, out);
        }
        let lane = self.lanes.get_mut(direction);
        let rest = bytes.get(used..).unwrap_or_default();
        let payload = rest.get(..lane.left).unwrap_or(rest);
        lane.left -= payload.len();
        if !payload.is_empty() {
            self.payload(conn, direction, payload, out);
        }
        self.packet_ends(conn, direction, out);
        Ok(used + payload.len())
    }

    /// How many of the packet's next bytes are of no interest.
    pub fn skippable(&self, direction: Direction) -> usize {
        let lane = self.lanes.get(direction);
        match &lane.message {
            Message::Reply(walker) => walker.skippable(lane.left, lane.ends),
            Message::Pass => lane.left.saturating_sub(usize::from(lane.ends)),
            Message::None | Message::Gathering(_) | Message::Handshake => 0,
        }
    }

    /// So many bytes were passed over, as [`Channel::skippable`] allowed.
    pub fn skipped(&mut self, conn: &mut Connection, direction: Direction, len: usize, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        lane.left = lane.left.saturating_sub(len);
        if let Message::Reply(walker) = &mut lane.message {
            walker.skipped(len);
        }
        self.packet_ends(conn, direction, out);
    }

    /// Bytes are missing. Whether the place in the stream is still known: they all lie inside the packet.
    pub fn gap(&mut self, conn: &mut Connection, direction: Direction, len: u64, out: &mut dyn Sink) -> bool {
        let lane = self.lanes.get_mut(direction);
        let Some(len) = usize::try_from(len).ok().filter(|&len| lane.have == HEADER && len <= lane.left) else {
            self.lose(conn, direction, out);
            return false;
        };
        lane.left -= len;
        match &mut lane.message {
            Message::Reply(walker) => walker.lose(Fault::Gap),
            Message::Gathering(_) => {
                self.message_ends(conn, direction, true, out);
                self.lanes.get_mut(direction).message = Message::Pass;
            }
            Message::Handshake => conn.lost_handshake(direction, len as u64, out),
            Message::None | Message::Pass => {}
        }
        self.packet_ends(conn, direction, out);
        true
    }

    /// The place in the stream is lost: what is there of a message counts.
    pub fn lose(&mut self, conn: &mut Connection, direction: Direction, out: &mut dyn Sink) {
        self.cut_message(conn, direction, out);
        if conn.client.unwrap_or(Direction::ToServer) != direction {
            self.exchanges.give_up(conn, out);
        }
    }

    /// Behind a gap a packet was found that is not the first of its message.
    pub fn pass_message(&mut self, direction: Direction) {
        self.lanes.get_mut(direction).message = Message::Pass;
    }

    /// A direction has ended.
    pub fn close(&mut self, conn: &mut Connection, direction: Direction, out: &mut dyn Sink) {
        self.cut_message(conn, direction, out);
        if conn.client.unwrap_or(Direction::ToServer) != direction {
            self.exchanges.close(conn, out);
        }
    }

    fn cut_message(&mut self, conn: &mut Connection, direction: Direction, out: &mut dyn Sink) {
        if let Message::Reply(walker) = &mut self.lanes.get_mut(direction).message {
            walker.lose(Fault::Gap);
        }
        self.message_ends(conn, direction, true, out);
        *self.lanes.get_mut(direction) = Lane::default();
    }

    /// A packet begins.
    fn begin(&mut self, conn: &mut Connection, direction: Direction, header: &Header, out: &mut dyn Sink) {
        let from_client = conn.client.map_or(!header.is_servers(), |client| client == direction);
        conn.client.get_or_insert(if from_client { direction } else { direction.reverse() });
        if header.is_servers() {
            conn.spid = Some(header.spid);
        }
        let kind = header.kind;
        // PRELOGIN is what both may send, in the handshake.
        let misplaced = kind != packet::PRELOGIN && from_client == header.is_servers();
        let same = match &self.lanes.get(direction).message {
            Message::None => None,
            Message::Gathering(gathered) => Some(gathered.kind == kind),
            Message::Reply(_) => Some(kind == packet::TABULAR_RESULT),
            Message::Handshake => Some(kind == packet::PRELOGIN),
            Message::Pass => Some(true),
        };
        if misplaced || same == Some(false) {
            conn.violation(direction, anomaly::UNEXPECTED_PACKET, out);
            self.message_ends(conn, direction, true, out);
        }
        let taken_back = from_client && header.ignored();
        if taken_back {
            self.drop_message(conn, direction);
        }
        if misplaced || taken_back {
            self.lanes.get_mut(direction).message = Message::Pass;
        } else if same != Some(true) {
            self.message_begins(conn, direction, header, from_client, out);
        }
    }

    fn message_begins(
        &mut self,
        conn: &mut Connection,
        direction: Direction,
        header: &Header,
        from_client: bool,
        out: &mut dyn Sink,
    ) {
        let kind = header.kind;
        if std::mem::take(&mut self.lanes.get_mut(direction).undecoded) {
            out.in_sync(AppProto::Tds, direction, true);
        }
        if from_client && header.resets() {
            conn.reset();
        }
        if conn.session.client.is_none() && conn.login.is_none() && !matches!(kind, packet::PRELOGIN | packet::LOGIN7) {
            // Picked up in the middle: who knows what went before.
            conn.lossy |= kind != packet::TABULAR_RESULT || !conn.awaits_prelogin();
        }
        let message = match kind {
            packet::BULK_LOAD => {
                let bytes = header.payload as u64;
                let decoded = Decoded { kind: Kind::Bulk, statements: Vec::new(), bytes, truncated: false };
                self.exchanges.request(conn, decoded, out);
                Message::Pass
            }
            packet::PRELOGIN if conn.handshake.get(direction).begun => Message::Handshake,
            packet::TABULAR_RESULT if !conn.awaits_prelogin() => new_reply(conn),
            _ => Message::Gathering(Gathered { kind, ..Gathered::default() }),
        };
        self.lanes.get_mut(direction).message = message;
    }

    fn payload(&mut self, conn: &mut Connection, direction: Direction, payload: &[u8], out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        let first = payload.first().copied().unwrap_or_default();
        // The first byte tells a PRELOGIN from a reply, and from TLS: no token is zero.
        if let Message::Gathering(Gathered { kind, total: 0, .. }) = lane.message {
            match kind {
                packet::TABULAR_RESULT if first != 0 => lane.message = new_reply(conn),
                packet::PRELOGIN if packet::is_tls(first) => lane.message = Message::Handshake,
                _ => {}
            }
        }
        match &mut lane.message {
            Message::Gathering(gathered) => {
                gathered.total += payload.len() as u64;
                let max = conn.limits.max_message;
                // What other sessions hold leaves less.
                let others = conn.held.saturating_sub(gathered.bytes.len());
                let most = max.min((4 * max).saturating_sub(others));
                let mut left = payload;
                loop {
                    let room = most.saturating_sub(gathered.bytes.len());
                    let (taken, more) = left.split_at_checked(room).unwrap_or((left, &[]));
                    gathered.bytes.extend_from_slice(taken);
                    conn.held += taken.len();
                    left = more;
                    if left.is_empty() {
                        break;
                    }
                    // Padding does not count. Where it is little, the pass over it is the last one.
                    let from = gathered.bytes.len() - request::split_headers(&gathered.bytes).0.len();
                    let freed = match gathered.kind {
                        packet::SQL_BATCH => squeeze(&mut gathered.bytes, from),
                        packet::RPC => squeeze_calls(&mut gathered.bytes, from, conn.dialect().0),
                        _ => 0,
                    };
                    conn.held = conn.held.saturating_sub(freed);
                    if freed < most / 8 || freed == 0 {
                        break;
                    }
                }
                if !left.is_empty() {
                    conn.tell(direction, anomaly::MESSAGE_TOO_LONG, out);
                    self.message_ends(conn, direction, true, out);
                    let lane = self.lanes.get_mut(direction);
                    (lane.message, lane.undecoded) = (Message::Pass, true);
                    // The rest is left to the content rules.
                    out.in_sync(AppProto::Tds, direction, false);
                }
            }
            Message::Reply(walker) => walker.feed(payload, lane.ends.then_some(lane.left)),
            Message::Handshake => conn.handshake(direction, payload, out),
            Message::None | Message::Pass => {}
        }
    }

    fn packet_ends(&mut self, conn: &mut Connection, direction: Direction, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        if lane.have < HEADER || lane.left > 0 {
            return;
        }
        lane.have = 0;
        if lane.ends {
            self.message_ends(conn, direction, false, out);
        }
    }

    /// A message is over, or `cut` short.
    fn message_ends(&mut self, conn: &mut Connection, direction: Direction, cut: bool, out: &mut dyn Sink) {
        match std::mem::take(&mut self.lanes.get_mut(direction).message) {
            Message::Gathering(mut gathered) => {
                conn.held = conn.held.saturating_sub(gathered.bytes.len());
                self.gathered(conn, direction, &gathered, cut, out);
                // There was a password in it, perhaps.
                gathered.bytes.fill(0);
            }
            Message::Reply(walker) => {
                let (reply, fault) = walker.finish();
                let told = conn.dialect().1 || reply.login_ack.is_some();
                match fault {
                    Some(Fault::Malformed) if told && !cut => conn.violation(direction, anomaly::MALFORMED_TOKENS, out),
                    Some(Fault::Malformed | Fault::Undecoded) if !cut => conn.tell(direction, anomaly::UNDECODED_REPLY, out),
                    _ => {}
                }
                self.exchanges.reply(conn, &reply, out);
            }
            Message::None | Message::Handshake | Message::Pass => {}
        }
    }

    fn drop_message(&mut self, conn: &mut Connection, direction: Direction) {
        if let Message::Gathering(gathered) = std::mem::take(&mut self.lanes.get_mut(direction).message) {
            conn.held = conn.held.saturating_sub(gathered.bytes.len());
        }
    }

    fn gathered(&mut self, conn: &mut Connection, direction: Direction, gathered: &Gathered, cut: bool, out: &mut dyn Sink) {
        let bytes = gathered.bytes.as_slice();
        match gathered.kind {
            packet::PRELOGIN | packet::TABULAR_RESULT if !bytes.is_empty() => conn.prelogin(direction, bytes, cut, out),
            packet::LOGIN7 => {
                let parsed = login::parse(bytes);
                if !cut && parsed.as_ref().is_none_or(|(_, whole)| !whole) {
                    conn.violation(direction, anomaly::MALFORMED_LOGIN, out);
                }
                let Some((login, whole)) = parsed else { return };
                if whole {
                    conn.confirm(out);
                }
                self.exchanges.login(conn, Some(login), out);
            }
            packet::SSPI => self.exchanges.sspi(conn, bytes, out),
            packet::SQL_BATCH | packet::RPC | packet::TRANSACTION_MANAGER => {
                self.statements(conn, direction, gathered, cut, out);
            }
            packet::ATTENTION => {
                let decoded = Decoded { kind: Kind::Attention, statements: Vec::new(), bytes: 0, truncated: false };
                self.exchanges.request(conn, decoded, out);
            }
            _ => {}
        }
    }

    fn statements(&mut self, conn: &mut Connection, direction: Direction, gathered: &Gathered, cut: bool, out: &mut dyn Sink) {
        let (rest, headers) = request::split_headers(&gathered.bytes);
        conn.saw_headers(headers);
        if headers {
            conn.confirm(out);
        }
        let mut truncated = cut;
        let (kind, statements, whole) = match gathered.kind {
            packet::SQL_BATCH => {
                let mut statement = request::batch(rest, conn.limits.max_text, cut);
                // Not all of it, or a rest of padding where there was too much.
                if statement.truncated || gathered.total > gathered.bytes.len() as u64 {
                    let mut rest = rest.to_vec();
                    squeeze(&mut rest, 0);
                    statement = request::batch(&rest, conn.limits.max_text, cut);
                }
                (Kind::Batch, vec![statement], true)
            }
            packet::RPC => {
                let (dialect, max_text) = (conn.dialect().0, conn.limits.max_text);
                let mut calls = rpc::parse(rest, dialect, max_text);
                if calls.has_cut_text() || gathered.total > gathered.bytes.len() as u64 {
                    let mut rest = rest.to_vec();
                    squeeze_calls(&mut rest, 0, dialect);
                    calls = rpc::parse(&rest, dialect, max_text);
                }
                truncated |= calls.cut || !calls.whole;
                (Kind::Rpc, calls.statements, calls.whole)
            }
            _ => {
                let statement = request::transaction_manager(rest);
                let whole = statement.is_some();
                (Kind::TransactionManager, statement.into_iter().collect(), whole)
            }
        };
        if !whole && !cut {
            conn.violation(direction, anomaly::MALFORMED_REQUEST, out);
        }
        self.exchanges.request(conn, Decoded { kind, statements, bytes: gathered.total, truncated }, out);
    }
}

fn new_reply(conn: &Connection) -> Message {
    let (dialect, told) = conn.dialect();
    Message::Reply(Box::new(Walker::new(dialect, told, conn.limits.max_buffer)))
}
