//! Reads the body of a frame: one message, or a compound, or what is compressed or encrypted.

use backstop_types::Direction;

use super::anomaly;
use super::command::{code1, code2};
use super::compression::{self, Failure};
use super::connection::{Connection, Moved};
use super::content::CHUNK;
use super::header::{self, SMB1_LEN, SMB2_LEN, STATUS_BUFFER_OVERFLOW, Smb1, Smb2, TRANSFORM_LEN};
use super::smb2::{Chain, Message};
use super::{smb1, smb2};
use crate::contract::Sink;

/// Up to the data of a WRITE request and a READ response ([MS-SMB2] 2.2.21, 2.2.20).
const WRITE_LEN: usize = SMB2_LEN + 48;
const READ_LEN: usize = SMB2_LEN + 16;
/// What is read of a listing.
const LISTING_LEN: usize = SMB2_LEN + 16;

/// One step through a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes that are done with.
    Used(usize),
    /// More bytes are wanted.
    Need(usize),
    /// Bytes that are done with, and bytes behind them that are of no interest.
    Skip { used: usize, len: u64 },
}

/// Data of a read or write that stand on the stream.
#[derive(Clone, Copy, Debug)]
struct Bulk {
    /// `None`: of no interest.
    moved: Option<Moved>,
    left: u64,
    /// Bytes of the message behind them.
    after: u64,
}

/// Bytes of a message that are decoded.
fn max_message(conn: &Connection) -> usize {
    conn.limits.max_message.min(conn.limits.max_buffer.saturating_sub(16)).max(SMB2_LEN)
}

/// Of a message with so many bytes there may have been more.
pub fn is_cut(conn: &Connection, len: usize) -> bool {
    len >= max_message(conn)
}

/// One body.
#[derive(Debug, Default)]
pub struct Reader {
    /// Bytes of it from here on.
    left: u64,
    bulk: Option<Bulk>,
    chain: Chain,
    /// It was inside a compressed one.
    inside: bool,
}

impl Reader {
    pub fn new(len: u64) -> Self {
        Self { left: len, ..Self::default() }
    }

    /// Bytes up to the end.
    pub const fn left(&self) -> u64 {
        self.left
    }

    pub fn step(&mut self, conn: &mut Connection, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let step = if self.bulk.is_some() {
            self.data(conn, bytes, out)
        } else {
            self.message(conn, direction, bytes, out).unwrap_or_else(|event| {
                conn.violation(direction, event, out);
                Step::Skip { used: 0, len: self.left }
            })
        };
        self.left = match step {
            Step::Used(used) => self.left.saturating_sub(used as u64),
            Step::Skip { used, len } => self.left.saturating_sub(len.saturating_add(used as u64)),
            Step::Need(_) => self.left,
        };
        step
    }

    fn data(&mut self, conn: &mut Connection, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let Some(bulk) = &mut self.bulk else { return Step::Used(0) };
        let want = usize::try_from(bulk.left).unwrap_or(CHUNK).min(CHUNK).min(conn.limits.max_buffer.max(1));
        let Some(piece) = bytes.get(..want) else { return Step::Need(want) };
        Self::piece(bulk, conn, piece, out);
        let after = bulk.after;
        if bulk.left > 0 {
            return Step::Used(want);
        }
        self.bulk = None;
        Step::Skip { used: want, len: after }
    }

    fn piece(bulk: &mut Bulk, conn: &mut Connection, piece: &[u8], out: &mut dyn Sink) {
        bulk.left = bulk.left.saturating_sub(piece.len() as u64);
        if let Some(moved) = &mut bulk.moved {
            conn.moved(moved, piece, bulk.left == 0, out);
            moved.offset = moved.offset.saturating_add(piece.len() as u64);
        }
    }

    /// So many bytes stand within data of a read or write.
    pub fn is_within_data(&self, len: u64) -> bool {
        self.bulk.is_some_and(|bulk| len <= bulk.left)
    }

    /// `len` bytes are missing behind `rest`, all of this body. What of it can still be read is what is left behind the step.
    pub fn gap(&mut self, conn: &mut Connection, rest: &[u8], len: u64, out: &mut dyn Sink) -> Step {
        let gone = len.saturating_add(rest.len() as u64);
        let remains = std::mem::take(&mut self.left).saturating_sub(gone);
        let Some(bulk) = &mut self.bulk else { return Step::Skip { used: 0, len: remains } };
        if gone > bulk.left {
            let kept = usize::try_from(bulk.left).map_or(rest, |left| rest.get(..left).unwrap_or(rest));
            Self::piece(bulk, conn, kept, out);
            self.bulk = None;
            return Step::Skip { used: 0, len: remains };
        }
        self.left = remains;
        Self::piece(bulk, conn, rest, out);
        // The hole stays one in the file.
        bulk.left = bulk.left.saturating_sub(len);
        if let Some(moved) = &mut bulk.moved {
            moved.offset = moved.offset.saturating_add(len);
            conn.moved_gap(moved, out);
        }
        if bulk.left == 0 {
            let after = bulk.after;
            self.bulk = None;
            self.left = self.left.saturating_sub(after);
            return Step::Skip { used: 0, len: after };
        }
        Step::Used(0)
    }

    /// The stream ends behind `rest`: data that are there count.
    pub fn close(&mut self, conn: &mut Connection, rest: &[u8], out: &mut dyn Sink) {
        if let Some(bulk) = &mut self.bulk
            && !rest.is_empty()
        {
            Self::piece(bulk, conn, rest, out);
        }
    }

    fn message(
        &mut self,
        conn: &mut Connection,
        direction: Direction,
        bytes: &[u8],
        out: &mut dyn Sink,
    ) -> Result<Step, &'static str> {
        let Some(magic) = bytes.first_chunk::<4>().filter(|_| self.left >= 4) else {
            return if self.left < 4 { Err(anomaly::BAD_HEADER) } else { Ok(Step::Need(4)) };
        };
        match *magic {
            header::SMB2 => self.smb2(conn, direction, bytes, out),
            header::SMB1 => self.smb1(conn, direction, bytes, out),
            header::TRANSFORM => self.transform(conn, direction, bytes, out),
            header::COMPRESSED if !self.inside => self.compressed(conn, direction, bytes, out),
            _ => Err(anomaly::BAD_HEADER),
        }
    }

    /// `len` bytes, if the body has so many.
    fn head<'a>(&self, bytes: &'a [u8], len: usize) -> Result<Result<&'a [u8], Step>, &'static str> {
        if self.left < len as u64 {
            return Err(anomaly::MALFORMED_MESSAGE);
        }
        Ok(bytes.get(..len).ok_or(Step::Need(len)))
    }

    /// Bytes of a message that are decoded: what fits the buffer, whatever is configured.
    fn wanted(conn: &Connection, len: u64) -> usize {
        let max = max_message(conn);
        usize::try_from(len).unwrap_or(max).min(max)
    }

    fn smb2(
        &mut self,
        conn: &mut Connection,
        direction: Direction,
        bytes: &[u8],
        out: &mut dyn Sink,
    ) -> Result<Step, &'static str> {
        let head = match self.head(bytes, SMB2_LEN)? {
            Ok(head) => head,
            Err(step) => return Ok(step),
        };
        let Ok(Some(header)) = Smb2::parse(head) else { return Err(anomaly::BAD_HEADER) };
        let next = u64::from(header.next);
        if header.next != 0 && (next < SMB2_LEN as u64 || next % 8 != 0 || next > self.left) {
            return Err(anomaly::MALFORMED_MESSAGE);
        }
        let len = if header.next == 0 { self.left } else { next };
        let has_data = matches!(header.status, 0 | STATUS_BUFFER_OVERFLOW);
        let fixed = match (header.command, header.response) {
            (code2::WRITE, false) => WRITE_LEN,
            (code2::READ, true) if has_data => READ_LEN,
            _ => return self.small(conn, direction, &header, len, bytes, out),
        };
        if len < fixed as u64 {
            return Err(anomaly::MALFORMED_MESSAGE);
        }
        let Some(head) = bytes.get(..fixed) else { return Ok(Step::Need(fixed)) };
        let message = Message(head);
        let offset =
            if header.response { message.u8(SMB2_LEN + 2).map(usize::from) } else { message.u16(SMB2_LEN + 2).map(usize::from) };
        let count = u64::from(message.u32(SMB2_LEN + 4).unwrap_or_default());
        let (offset, count) = match offset.unwrap_or_default() {
            _ if count == 0 => (fixed, 0),
            offset if offset >= fixed && (offset as u64).saturating_add(count) <= len => (offset, count),
            // The header is told nevertheless.
            _ => {
                conn.violation(direction, anomaly::MALFORMED_MESSAGE, out);
                (fixed, 0)
            }
        };
        if bytes.len() < offset {
            return Ok(Step::Need(offset));
        }
        let moved = self.dispatch(conn, direction, &header, message, out);
        let after = len.saturating_sub(offset as u64).saturating_sub(count);
        Ok(self.begin(moved, offset, count, after))
    }

    /// Data follow behind `offset` bytes.
    fn begin(&mut self, moved: Option<Moved>, offset: usize, count: u64, after: u64) -> Step {
        if count == 0 || moved.is_none() {
            return Step::Skip { used: offset, len: count.saturating_add(after) };
        }
        self.bulk = Some(Bulk { moved, left: count, after });
        Step::Used(offset)
    }

    fn dispatch(
        &mut self,
        conn: &mut Connection,
        direction: Direction,
        header: &Smb2,
        message: Message<'_>,
        out: &mut dyn Sink,
    ) -> Option<Moved> {
        if !conn.sends(direction, header.response, out) {
            return None;
        }
        if header.response {
            smb2::response(conn, header, message, direction, out)
        } else {
            smb2::request(conn, &mut self.chain, header, message, direction, out)
        }
    }

    /// A message without data of files.
    fn small(
        &mut self,
        conn: &mut Connection,
        direction: Direction,
        header: &Smb2,
        len: u64,
        bytes: &[u8],
        out: &mut dyn Sink,
    ) -> Result<Step, &'static str> {
        let listing = header.response
            && matches!(header.command, code2::QUERY_DIRECTORY | code2::QUERY_INFO | code2::CHANGE_NOTIFY | code2::READ);
        let wanted = Self::wanted(conn, if listing { len.min(LISTING_LEN as u64) } else { len });
        let Some(message) = bytes.get(..wanted) else { return Ok(Step::Need(wanted)) };
        self.dispatch(conn, direction, header, Message(message), out);
        let rest = len - wanted as u64;
        if rest > 0 && !listing {
            conn.report(direction, anomaly::MESSAGE_TOO_LONG, out);
        }
        Ok(Step::Skip { used: wanted, len: rest })
    }

    fn smb1(
        &mut self,
        conn: &mut Connection,
        direction: Direction,
        bytes: &[u8],
        out: &mut dyn Sink,
    ) -> Result<Step, &'static str> {
        // The header, and the count of words.
        let head = match self.head(bytes, SMB1_LEN + 1)? {
            Ok(head) => head,
            Err(step) => return Ok(step),
        };
        let Ok(Some(header)) = Smb1::parse(head) else { return Err(anomaly::BAD_HEADER) };
        let has_data = matches!(header.status, 0 | STATUS_BUFFER_OVERFLOW);
        let moves = match (header.command, header.response) {
            (code1::WRITE_ANDX, false) => true,
            (code1::READ_ANDX, true) => has_data,
            _ => false,
        };
        let words = head.last().map_or(0, |words| usize::from(*words) * 2);
        let fixed = SMB1_LEN + 1 + words + 2;
        if moves {
            if self.left < fixed as u64 {
                return Err(anomaly::MALFORMED_MESSAGE);
            }
            let Some(head) = bytes.get(..fixed) else { return Ok(Step::Need(fixed)) };
            let place = smb1::place(head, header.response);
            let (offset, count) = match place {
                Some((_, 0)) => (fixed, 0),
                Some((offset, count)) if offset >= fixed && (offset as u64).saturating_add(count) <= self.left => (offset, count),
                _ => return Err(anomaly::MALFORMED_MESSAGE),
            };
            if bytes.len() < offset {
                return Ok(Step::Need(offset));
            }
            let moved =
                conn.sends(direction, header.response, out).then(|| smb1::message(conn, &header, head, direction, out)).flatten();
            let after = self.left.saturating_sub(offset as u64).saturating_sub(count);
            return Ok(self.begin(moved, offset, count, after));
        }
        let wanted = Self::wanted(conn, self.left);
        let Some(message) = bytes.get(..wanted) else { return Ok(Step::Need(wanted)) };
        if conn.sends(direction, header.response, out) {
            smb1::message(conn, &header, message, direction, out);
        }
        let rest = self.left - wanted as u64;
        if rest > 0 {
            conn.report(direction, anomaly::MESSAGE_TOO_LONG, out);
        }
        Ok(Step::Skip { used: wanted, len: rest })
    }

    /// 2.2.41: who, and not what.
    fn transform(
        &mut self,
        conn: &mut Connection,
        direction: Direction,
        bytes: &[u8],
        out: &mut dyn Sink,
    ) -> Result<Step, &'static str> {
        let head = match self.head(bytes, TRANSFORM_LEN)? {
            Ok(head) => head,
            Err(step) => return Ok(step),
        };
        let session_id = Message(head).u64(44).unwrap_or_default();
        conn.encrypted(session_id, direction, out);
        Ok(Step::Skip { used: TRANSFORM_LEN, len: self.left.saturating_sub(TRANSFORM_LEN as u64) })
    }

    fn compressed(
        &mut self,
        conn: &mut Connection,
        direction: Direction,
        bytes: &[u8],
        out: &mut dyn Sink,
    ) -> Result<Step, &'static str> {
        if self.left < compression::UNCHAINED_LEN as u64 {
            return Err(anomaly::MALFORMED_COMPRESSION);
        }
        let max = conn.limits.max_buffer;
        let Some(len) = usize::try_from(self.left).ok().filter(|len| *len <= max) else {
            conn.report(direction, anomaly::UNDECODED_COMPRESSION, out);
            return Ok(Step::Skip { used: 0, len: self.left });
        };
        let Some(whole) = bytes.get(..len) else { return Ok(Step::Need(len)) };
        match compression::decompress(whole, max.saturating_mul(MAX_EXPANSION)) {
            Ok(message) => Self::unpacked(conn, direction, &message, out),
            Err(Failure::Malformed) => return Err(anomaly::MALFORMED_COMPRESSION),
            Err(Failure::Undecoded) => conn.report(direction, anomaly::UNDECODED_COMPRESSION, out),
        }
        Ok(Step::Used(len))
    }

    /// A message that came out of a compressed one is there as a whole.
    fn unpacked(conn: &mut Connection, direction: Direction, message: &[u8], out: &mut dyn Sink) {
        let mut inner = Self { inside: true, ..Self::new(message.len() as u64) };
        while inner.left > 0 {
            let at = message.len().saturating_sub(usize::try_from(inner.left).unwrap_or(usize::MAX));
            if let Step::Need(_) = inner.step(conn, direction, message.get(at..).unwrap_or_default(), out) {
                conn.violation(direction, anomaly::MALFORMED_COMPRESSION, out);
                return;
            }
        }
    }
}

/// A compressed message may become so many times the buffer: 1 MiB by default, which is what clients write at once.
const MAX_EXPANSION: usize = 5;
