//! Requests and responses of SMB 2 and 3 ([MS-SMB2] 2.2). Offsets count from the message's header.

use backstop_types::Direction;

use super::anomaly;
use super::command::{Command, code2};
use super::connection::{Connection, Key, Moved, Pending};
use super::create;
use super::fields::guid;
use super::header::{SMB2_LEN, STATUS_BUFFER_OVERFLOW, STATUS_MORE_PROCESSING, STATUS_PENDING, Smb2};
use super::names::{self, dialect_name};
use super::reader;
use super::security;
use super::transaction::{Asked, Session, ShareType, Stage, Tree};
use crate::contract::Sink;
use crate::cursor::Cursor;
use crate::tds::text;

/// Bytes of a path that are kept.
pub const MAX_PATH: usize = 1_024;
/// Dialects that are kept of a negotiation.
const MAX_DIALECTS: usize = 16;
/// Negotiate contexts that are looked at.
const MAX_CONTEXTS: usize = 16;
/// A file id in a related request: that of the one before (3.3.5.2.7.2).
const SAME_FILE: [u8; 16] = [0xff; 16];

/// Responses that say something also when they come before their requests, which wait behind a hole: what is open, and what became
/// of it. What they point to is not needed.
const MATTERS_LATE: [u16; 8] = [
    code2::SESSION_SETUP,
    code2::LOGOFF,
    code2::TREE_CONNECT,
    code2::TREE_DISCONNECT,
    code2::CREATE,
    code2::CLOSE,
    code2::WRITE,
    code2::SET_INFO,
];

/// A message, or its head.
#[derive(Clone, Copy)]
pub struct Message<'a>(pub &'a [u8]);

impl<'a> Message<'a> {
    fn at(self, offset: usize) -> Option<Cursor<'a>> {
        self.0.get(offset..).map(Cursor::new)
    }

    pub fn u8(self, offset: usize) -> Option<u8> {
        self.0.get(offset).copied()
    }

    pub fn u16(self, offset: usize) -> Option<u16> {
        self.at(offset)?.u16_le().ok()
    }

    pub fn u32(self, offset: usize) -> Option<u32> {
        self.at(offset)?.u32_le().ok()
    }

    pub fn u64(self, offset: usize) -> Option<u64> {
        self.at(offset)?.u64_le().ok()
    }

    pub fn id(self, offset: usize) -> Option<[u8; 16]> {
        self.at(offset)?.array().ok()
    }

    pub fn slice(self, offset: usize, len: usize) -> Option<&'a [u8]> {
        if len == 0 { Some(&[]) } else { self.0.get(offset..offset.checked_add(len)?) }
    }

    /// A text whose offset and length stand one behind the other.
    fn text(self, field: usize) -> Option<String> {
        let (offset, len) = (usize::from(self.u16(field)?), usize::from(self.u16(field + 2)?));
        Some(path(self.slice(offset, len)?))
    }
}

/// A path in UTF-16.
pub fn path(bytes: &[u8]) -> String {
    let (text, _) = text::utf16(bytes, MAX_PATH);
    if text.contains(char::is_control) { text.replace(char::is_control, ".") } else { text }
}

/// What related requests of a compound share (3.3.5.2.7.2).
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain {
    session_id: u64,
    tree_id: u32,
    file: Option<u64>,
}

/// A request's fixed part and what it points to; data of a WRITE are not in it.
pub fn request(
    conn: &mut Connection,
    chain: &mut Chain,
    header: &Smb2,
    message: Message<'_>,
    direction: Direction,
    out: &mut dyn Sink,
) -> Option<Moved> {
    if !header.related {
        *chain = Chain { session_id: header.session_id, tree_id: header.tree_id, file: None };
    }
    let (session_id, tree_id) = (chain.session_id, chain.tree_id);
    let tree = (!matches!(header.command, code2::NEGOTIATE | code2::SESSION_SETUP | code2::LOGOFF | code2::ECHO)
        && header.command != code2::TREE_CONNECT)
        .then_some((session_id, tree_id));
    let mut pending = Pending {
        key: Key::Smb2(header.message_id),
        tx_id: 0,
        command: Command::Smb2(header.command),
        session_id,
        tree,
        file: None,
        asked: Box::default(),
        repeats: matches!(header.command, code2::ECHO | code2::CANCEL),
    };
    let decoded = decode_request(conn, chain, &mut pending, header.command, message, direction, out);
    if decoded.is_none() {
        conn.violation(direction, anomaly::MALFORMED_MESSAGE, out);
    }
    // An asynchronous response has no tree id, and a cancel no response (2.2.30).
    let waits = header.command != code2::CANCEL;
    let (file, offset) = (pending.file, pending.asked.offset.unwrap_or_default());
    let function = pending.asked.function;
    let in_pipe_tree = tree
        .and_then(|key| conn.tree(key))
        .is_some_and(|tree| tree.kind == Some(ShareType::Pipe) || tree.name().eq_ignore_ascii_case("IPC$"));
    let pipe = file.and_then(|number| conn.file(number)).map_or(in_pipe_tree, |file| file.pipe);
    let tx_id = Some(conn.request(pending, waits, out));
    if function == Some(names::PIPE_TRANSCEIVE) {
        let moved = Moved { tx_id, file, pipe: true, written: true, offset: 0, command: Command::Smb2(header.command) };
        transceived(conn, moved, message, 88, direction, out);
    }
    if let Some((answer, message)) = conn.take_early(header.message_id) {
        response(conn, &answer, Message(&message), direction.reverse(), out);
    }
    (header.command == code2::WRITE).then_some(Moved {
        tx_id,
        file,
        pipe,
        written: true,
        offset,
        command: Command::Smb2(header.command),
    })
}

/// Data that stand in a message that is here.
pub fn pieces(conn: &mut Connection, mut moved: Moved, bytes: &[u8], out: &mut dyn Sink) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at_checked(super::CHUNK).unwrap_or((rest, &[]));
        conn.moved(&moved, piece, after.is_empty(), out);
        moved.offset = moved.offset.saturating_add(piece.len() as u64);
        rest = after;
    }
}

/// Data of a pipe that an IOCTL points to, with offset and length (2.2.31, 2.2.32). What a cap of ours cut off is a hole.
fn transceived(
    conn: &mut Connection,
    moved: Moved,
    message: Message<'_>,
    field: usize,
    direction: Direction,
    out: &mut dyn Sink,
) {
    let place = message.u32(field).zip(message.u32(field + 4)).map(|(at, len)| (at as usize, len as usize));
    if let Some(bytes) = place.and_then(|(at, len)| message.slice(at, len)) {
        pieces(conn, moved, bytes, out);
        return;
    }
    if !reader::is_cut(conn, message.0.len()) {
        conn.violation(direction, anomaly::MALFORMED_MESSAGE, out);
    }
    // A server that takes it nevertheless takes what is there.
    let there = place.and_then(|(at, _)| message.0.get(at.max(SMB2_LEN)..)).unwrap_or_default();
    pieces(conn, moved, there, out);
    conn.moved_gap(&moved, out);
}

fn decode_request(
    conn: &mut Connection,
    chain: &mut Chain,
    pending: &mut Pending,
    command: u16,
    message: Message<'_>,
    direction: Direction,
    out: &mut dyn Sink,
) -> Option<()> {
    let body = SMB2_LEN;
    // Where the id of the file stands.
    let id_at = match command {
        code2::CLOSE | code2::FLUSH | code2::LOCK | code2::IOCTL | code2::QUERY_DIRECTORY | code2::CHANGE_NOTIFY => Some(8),
        code2::READ | code2::WRITE | code2::SET_INFO => Some(16),
        code2::QUERY_INFO => Some(24),
        _ => None,
    };
    if let Some(at) = id_at {
        let id = message.id(body + at)?;
        pending.file = if id == SAME_FILE { chain.file } else { conn.number_of(id) };
        chain.file = pending.file;
    }
    let asked = &mut *pending.asked;
    match command {
        code2::NEGOTIATE => {
            let count = usize::from(message.u16(body + 2)?).min(MAX_DIALECTS);
            let dialects = (0..count).map(|at| message.u16(body + 36 + at * 2).map(|dialect| dialect_name(dialect).into_owned()));
            conn.negotiated.offered = dialects.collect::<Option<_>>()?;
            conn.negotiated.client_guid = Some(guid(&message.id(body + 12)?));
        }
        code2::SESSION_SETUP => {
            let (at, len) = (usize::from(message.u16(body + 12)?), usize::from(message.u16(body + 14)?));
            asked.identity = security::parse(message.slice(at, len)?);
        }
        code2::TREE_CONNECT => asked.share = Some(message.text(body + 4)?),
        code2::CREATE => {
            let access = message.u32(body + 24)?;
            asked.disposition = Some(message.u32(body + 36)?);
            asked.options = Some(message.u32(body + 40)?);
            let name = message.text(body + 44)?;
            asked.filename = Some(name.clone());
            asked.deletes = asked.options.is_some_and(|options| options & create::DELETE_ON_CLOSE != 0);
            let deletes = asked.deletes;
            let number = conn.open(name, access, pending.tree, direction, out);
            conn.change(number, |file| file.delete_on_close = deletes);
            pending.file = Some(number);
            chain.file = Some(number);
        }
        code2::READ => {
            asked.length = Some(u64::from(message.u32(body + 4)?));
            asked.offset = Some(message.u64(body + 8)?);
            pending.repeats = conn.repeats(pending.file, false);
        }
        code2::WRITE => {
            asked.length = Some(u64::from(message.u32(body + 4)?));
            asked.offset = Some(message.u64(body + 8)?);
            pending.repeats = conn.repeats(pending.file, true);
        }
        code2::IOCTL => asked.function = Some(message.u32(body + 4)?),
        code2::SET_INFO => {
            let (class, level) = (message.u8(body + 2)?, message.u8(body + 3)?);
            asked.info = Some((class, level));
            let (at, len) = (usize::from(message.u16(body + 8)?), message.u32(body + 4)? as usize);
            set_info(asked, class, level, Message(message.slice(at, len)?))?;
        }
        _ => {}
    }
    Some(())
}

/// Renames and deletions ([MS-FSCC] 2.4).
fn set_info(asked: &mut Asked, class: u8, level: u8, buffer: Message<'_>) -> Option<()> {
    match (class, level) {
        (1, names::RENAME_INFO | names::RENAME_INFO_EX) => {
            let len = buffer.u32(16)? as usize;
            asked.rename_to = Some(path(buffer.slice(20, len)?));
        }
        (1, names::LINK_INFO) => {
            let len = buffer.u32(16)? as usize;
            asked.link_to = Some(path(buffer.slice(20, len)?));
        }
        (1, names::DISPOSITION_INFO | names::DISPOSITION_INFO_EX) => asked.deletes = buffer.u8(0)? & 1 != 0,
        _ => {}
    }
    Some(())
}

/// A response's fixed part and what it points to; data of a READ are not in it.
pub fn response(
    conn: &mut Connection,
    header: &Smb2,
    message: Message<'_>,
    direction: Direction,
    out: &mut dyn Sink,
) -> Option<Moved> {
    let key = Key::Smb2(header.message_id);
    // An interim response: the request goes on waiting.
    if header.status == STATUS_PENDING && header.is_async {
        return None;
    }
    let taken = conn.take(key);
    let taken = if header.command == code2::NEGOTIATE { taken.or_else(|| conn.take_negotiate()) } else { taken };
    let is_data = matches!(header.status, 0 | STATUS_BUFFER_OVERFLOW);
    let Some(mut pending) = taken else {
        if MATTERS_LATE.contains(&header.command) {
            conn.early(header, message.0);
        }
        // Data of a request that nobody saw.
        let moved =
            Moved { tx_id: None, file: None, pipe: false, written: false, offset: 0, command: Command::Smb2(header.command) };
        return (header.command == code2::READ && is_data).then_some(moved);
    };
    if pending.command != Command::Smb2(header.command) && header.command != code2::NEGOTIATE {
        conn.violation(direction, anomaly::MALFORMED_MESSAGE, out);
        conn.tell(&pending, Stage::Unanswered, None, out);
        return None;
    }
    let decoded = decode_response(conn, &mut pending, header, message, direction, out);
    if decoded.is_none() {
        conn.violation(direction, anomaly::MALFORMED_MESSAGE, out);
    }
    conn.tell(&pending, Stage::Answered, Some(header.status), out);
    let (tx_id, file) = (Some(pending.tx_id), pending.file);
    if pending.asked.function == Some(names::PIPE_TRANSCEIVE) && is_data {
        let moved = Moved { tx_id, file, pipe: true, written: false, offset: 0, command: Command::Smb2(header.command) };
        transceived(conn, moved, message, 96, direction, out);
    }
    settle(conn, &pending, header, out);
    let pipe = file.and_then(|number| conn.file(number)).is_some_and(|file| file.pipe);
    let offset = pending.asked.offset.unwrap_or_default();
    (header.command == code2::READ && is_data).then_some(Moved {
        tx_id,
        file,
        pipe,
        written: false,
        offset,
        command: Command::Smb2(header.command),
    })
}

fn decode_response(
    conn: &mut Connection,
    pending: &mut Pending,
    header: &Smb2,
    message: Message<'_>,
    direction: Direction,
    out: &mut dyn Sink,
) -> Option<()> {
    let body = SMB2_LEN;
    if header.command == code2::SESSION_SETUP {
        return session_setup(conn, pending, header, message, direction, out);
    }
    if header.status != 0 {
        return Some(());
    }
    match header.command {
        code2::NEGOTIATE => negotiated(conn, message)?,
        code2::TREE_CONNECT => {
            let kind = match message.u8(body + 2)? {
                1 => Some(ShareType::Disk),
                2 => Some(ShareType::Pipe),
                3 => Some(ShareType::Print),
                _ => None,
            };
            let encrypted = message.u32(body + 4)? & 0x8000 != 0;
            let share = pending.asked.share.clone().unwrap_or_default();
            let key = (header.session_id, header.tree_id);
            conn.connect_tree(key, Tree { share, kind, encrypted }, direction, out);
            pending.tree = Some(key);
        }
        code2::CREATE => {
            let times = [message.u64(body + 8)?, message.u64(body + 16)?, message.u64(body + 24)?, message.u64(body + 32)?];
            pending.asked.times = Some(create::times(times));
            let (size, id) = (message.u64(body + 48)?, message.id(body + 64)?);
            if let Some(number) = pending.file {
                conn.opened(number, id, Some(size), out);
            }
        }
        code2::SET_INFO if pending.asked.deletes => {
            if let Some(number) = pending.file {
                conn.change(number, |file| file.delete_on_close = true);
            }
        }
        _ => {}
    }
    Some(())
}

fn session_setup(
    conn: &mut Connection,
    pending: &mut Pending,
    header: &Smb2,
    message: Message<'_>,
    direction: Direction,
    out: &mut dyn Sink,
) -> Option<()> {
    pending.session_id = header.session_id;
    if !matches!(header.status, 0 | STATUS_MORE_PROCESSING) {
        return Some(());
    }
    let flags = message.u16(SMB2_LEN + 2)?;
    let session: &mut Session = conn.session(header.session_id, direction, out);
    session.identity.learn(&pending.asked.identity);
    if header.status == 0 {
        session.logged_in = Some(true);
        session.guest = flags & 3 != 0;
    }
    Some(())
}

/// What the server chose (2.2.4).
fn negotiated(conn: &mut Connection, message: Message<'_>) -> Option<()> {
    let body = SMB2_LEN;
    let dialect = message.u16(body + 4)?;
    let negotiated = &mut conn.negotiated;
    negotiated.signing_required = Some(message.u16(body + 2)? & 2 != 0);
    negotiated.dialect = Some(dialect_name(dialect).into_owned());
    negotiated.server_guid = Some(guid(&message.id(body + 8)?));
    negotiated.max_read = Some(message.u32(body + 32)?);
    negotiated.max_write = Some(message.u32(body + 36)?);
    if dialect != 0x0311 {
        return Some(());
    }
    // 2.2.4.1: type, length, reserved, data; 8-byte aligned.
    let count = usize::from(message.u16(body + 6)?).min(MAX_CONTEXTS);
    let mut at = message.u32(body + 60)? as usize;
    for _ in 0..count {
        let (kind, len) = (message.u16(at)?, usize::from(message.u16(at.checked_add(2)?)?));
        let data = Message(message.slice(at.checked_add(8)?, len)?);
        match kind {
            2 => negotiated.cipher = Some(data.u16(2)?),
            3 => {
                let algorithms = usize::from(data.u16(0)?).min(8);
                negotiated.compression = (0..algorithms).map(|each| data.u16(8 + each * 2)).collect::<Option<_>>()?;
            }
            _ => {}
        }
        at = at.checked_add(8 + len.next_multiple_of(8))?;
    }
    Some(())
}

/// What a response ends, once it is told.
fn settle(conn: &mut Connection, pending: &Pending, header: &Smb2, out: &mut dyn Sink) {
    let ok = header.status == 0;
    match (header.command, pending.file) {
        (code2::CREATE, Some(number)) if !ok => conn.close(number, out),
        (code2::CLOSE, Some(number)) if ok => conn.close(number, out),
        (code2::SET_INFO, Some(number)) if ok => {
            if let Some(to) = &pending.asked.rename_to {
                conn.change(number, |file| file.name.clone_from(to));
            }
        }
        (code2::TREE_DISCONNECT, _) if ok => {
            if let Some(key) = pending.tree {
                conn.disconnect_tree(key, out);
            }
        }
        (code2::LOGOFF, _) if ok => conn.log_off(pending.session_id, out),
        _ => {}
    }
}
