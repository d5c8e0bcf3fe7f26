//! Responses ([MS-CIFS] 2.2.4).

use backstop_types::Direction;

use super::{Block, file_id};
use crate::contract::Sink;
use crate::smb::anomaly;
use crate::smb::command::{Command, code1};
use crate::smb::connection::{Connection, Key, Moved, Pending, SMB1_TREES};
use crate::smb::create;
use crate::smb::header::{STATUS_BUFFER_OVERFLOW, STATUS_MORE_PROCESSING, Smb1};
use crate::smb::smb2::pieces;
use crate::smb::transaction::{ShareType, Stage, Tree};

pub fn block(conn: &mut Connection, header: &Smb1, block: &Block<'_>, direction: Direction, out: &mut dyn Sink) -> Option<Moved> {
    let is_data = matches!(header.status, 0 | STATUS_BUFFER_OVERFLOW);
    let Some(mut pending) = conn.take(Key::Smb1(header.key)) else {
        let moved =
            Moved { tx_id: None, file: None, pipe: false, written: false, offset: 0, command: Command::Smb1(block.command) };
        return (block.command == code1::READ_ANDX && is_data).then_some(moved);
    };
    if pending.command != Command::Smb1(block.command) {
        conn.violation(direction, anomaly::MALFORMED_MESSAGE, out);
        conn.tell(&pending, Stage::Unanswered, None, out);
        return None;
    }
    if decode(conn, header, block, &mut pending, direction, out).is_none() {
        conn.violation(direction, anomaly::MALFORMED_MESSAGE, out);
    }
    conn.tell(&pending, Stage::Answered, Some(header.status), out);
    let (tx_id, file) = (Some(pending.tx_id), pending.file);
    if block.command == code1::TRANSACTION && is_data && file.is_some() {
        let place = block.words.u16(14).zip(block.words.u16(12));
        match place.and_then(|(at, len)| block.message.slice(usize::from(at), usize::from(len))) {
            Some(bytes) => pieces(
                conn,
                Moved { tx_id, file, pipe: true, written: false, offset: 0, command: Command::Smb1(block.command) },
                bytes,
                out,
            ),
            None => conn.violation(direction, anomaly::MALFORMED_MESSAGE, out),
        }
    }
    let pipe = file.and_then(|number| conn.file(number)).is_some_and(|file| file.pipe);
    let offset = pending.asked.offset.unwrap_or_default();
    if matches!(block.command, code1::READ | code1::LOCK_AND_READ) && is_data {
        // Behind a format and a length (2.2.4.11.2).
        let count = usize::from(block.words.u16(0).unwrap_or_default());
        match block.message.slice(block.bytes_at + 3, count) {
            Some(bytes) => pieces(
                conn,
                Moved { tx_id, file, pipe, written: false, offset, command: Command::Smb1(block.command) },
                bytes,
                out,
            ),
            None => conn.violation(direction, anomaly::MALFORMED_MESSAGE, out),
        }
    }
    settle(conn, &pending, header, out);
    (block.command == code1::READ_ANDX && is_data).then_some(Moved {
        tx_id,
        file,
        pipe,
        written: false,
        offset,
        command: Command::Smb1(block.command),
    })
}

fn decode(
    conn: &mut Connection,
    header: &Smb1,
    block: &Block<'_>,
    pending: &mut Pending,
    direction: Direction,
    out: &mut dyn Sink,
) -> Option<()> {
    let words = block.words;
    if block.command == code1::SESSION_SETUP_ANDX {
        return setup(conn, header, block, pending, direction, out);
    }
    if header.status != 0 {
        return Some(());
    }
    match block.command {
        code1::NEGOTIATE => {
            let index = usize::from(words.u16(0)?);
            conn.negotiated.dialect = conn.negotiated.offered.get(index).cloned();
            conn.negotiated.signing_required = words.u8(2).map(|mode| mode & 8 != 0);
        }
        code1::TREE_CONNECT_ANDX => {
            let service = block.texts(0).narrow()?;
            let kind = match service.as_str() {
                "A:" => Some(ShareType::Disk),
                "IPC" => Some(ShareType::Pipe),
                "LPT1:" => Some(ShareType::Print),
                _ => None,
            };
            pending.asked.service = [pending.asked.service[0].take(), Some(service)];
            let share = pending.asked.share.clone().unwrap_or_default();
            let key = (SMB1_TREES, u32::from(header.tree_id));
            conn.connect_tree(key, Tree { share, kind, encrypted: false }, direction, out);
            pending.tree = Some(key);
        }
        code1::NT_CREATE_ANDX => {
            let times = [words.u64(11)?, words.u64(19)?, words.u64(27)?, words.u64(35)?];
            pending.asked.times = Some(create::times(times));
            if let Some(number) = pending.file {
                conn.opened(number, file_id(words.u16(5)?), Some(words.u64(55)?), out);
            }
        }
        code1::OPEN | code1::CREATE | code1::CREATE_NEW => {
            if let Some(number) = pending.file {
                let size = if block.command == code1::OPEN { words.u32(8) } else { None };
                conn.opened(number, file_id(words.u16(0)?), size.map(u64::from), out);
            }
        }
        // The id is the first of the parameters, or follows the oplock level (2.2.6.1.2, 2.2.7.1.2).
        code1::TRANSACTION2 | code1::NT_TRANSACT => {
            if let Some(number) = pending.file {
                let at = match block.command {
                    code1::TRANSACTION2 => usize::from(words.u16(8)?),
                    _ => (words.u32(15)? as usize).checked_add(2)?,
                };
                conn.opened(number, file_id(block.message.u16(at)?), None, out);
            }
        }
        code1::OPEN_ANDX => {
            if let Some(number) = pending.file {
                conn.opened(number, file_id(words.u16(4)?), words.u32(12).map(u64::from), out);
            }
        }
        _ => {}
    }
    Some(())
}

fn setup(
    conn: &mut Connection,
    header: &Smb1,
    block: &Block<'_>,
    pending: &mut Pending,
    direction: Direction,
    out: &mut dyn Sink,
) -> Option<()> {
    if !matches!(header.status, 0 | STATUS_MORE_PROCESSING) {
        return Some(());
    }
    // The request had no id yet: what it said of the client goes with the one it is given.
    let given = u64::from(header.user_id);
    if pending.session_id != given
        && let Some(begun) = conn.sessions.remove(&pending.session_id)
    {
        *conn.session(given, direction, out) = begun;
    }
    pending.session_id = given;
    let words = block.words;
    let blob = if words.0.len() == 8 { usize::from(words.u16(6)?) } else { 0 };
    let mut texts = block.texts(blob);
    let native = [texts.next(), texts.next()];
    let session = conn.session(given, direction, out);
    session.identity.learn(&pending.asked.identity);
    session.server_native = native.map(|text| text.filter(|text| !text.is_empty()));
    if header.status == 0 {
        session.logged_in = Some(true);
        session.guest = words.u16(4)? & 1 != 0;
    }
    Some(())
}

/// What a response ends, once it is told.
pub fn settle(conn: &mut Connection, pending: &Pending, header: &Smb1, out: &mut dyn Sink) {
    let Command::Smb1(command) = pending.command else { return };
    let ok = header.status == 0;
    match (command, pending.file) {
        (
            code1::NT_CREATE_ANDX
            | code1::OPEN_ANDX
            | code1::OPEN
            | code1::CREATE
            | code1::CREATE_NEW
            | code1::TRANSACTION2
            | code1::NT_TRANSACT,
            Some(number),
        ) if !ok => conn.close(number, out),
        (code1::CLOSE | code1::WRITE_AND_CLOSE, Some(number)) if ok => conn.close(number, out),
        (code1::TREE_DISCONNECT, _) if ok => conn.disconnect_tree((SMB1_TREES, u32::from(header.tree_id)), out),
        (code1::LOGOFF_ANDX, _) if ok => conn.log_off(pending.session_id, out),
        _ => {}
    }
}
