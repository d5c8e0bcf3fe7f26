//! Requests ([MS-CIFS] 2.2.4).

use backstop_types::Direction;

use super::{Block, file_id};
use crate::contract::Sink;
use crate::smb::anomaly;
use crate::smb::command::{Command, code1};
use crate::smb::connection::{Connection, Moved, Pending};
use crate::smb::create;
use crate::smb::header::Smb1;
use crate::smb::security::{self, Identity};
use crate::smb::smb2::pieces;

/// Dialects that are kept of a negotiation.
const MAX_DIALECTS: usize = 16;
/// TRANS_TRANSACT_NMPIPE, and the write of a pipe (2.2.5.6, 2.2.5.4).
const TRANSACT_PIPE: [u16; 2] = [0x0026, 0x0031];
/// Subcommands that open files (2.2.6.1, 2.2.7.1).
pub const TRANS2_OPEN2: u16 = 0;
pub const NT_TRANSACT_CREATE: u16 = 1;
/// FILE_WRITE_DATA: what an access mode that writes stands for.
const WRITE_DATA: u32 = 2;

pub fn block(conn: &mut Connection, header: &Smb1, block: &Block<'_>, direction: Direction, out: &mut dyn Sink) -> Option<Moved> {
    let mut pending = super::pending(header, block.command);
    if decode(conn, block, &mut pending, direction, out).is_none() {
        conn.violation(direction, anomaly::MALFORMED_MESSAGE, out);
    }
    let (file, offset) = (pending.file, pending.asked.offset.unwrap_or_default());
    let pipe = file.and_then(|number| conn.file(number)).is_some_and(|file| file.pipe);
    let tx_id = Some(conn.request(pending, block.command != code1::NT_CANCEL, out));
    if block.command == code1::TRANSACTION && block.words.u16(28).is_some_and(|setup| TRANSACT_PIPE.contains(&setup)) {
        let place = block.words.u16(24).zip(block.words.u16(22));
        match place.and_then(|(at, len)| block.message.slice(usize::from(at), usize::from(len))) {
            Some(bytes) => pieces(
                conn,
                Moved { tx_id, file, pipe: true, written: true, offset: 0, command: Command::Smb1(block.command) },
                bytes,
                out,
            ),
            None => conn.violation(direction, anomaly::MALFORMED_MESSAGE, out),
        }
    }
    if let Some(at) = core_data(block.command) {
        let count = usize::from(block.words.u16(2).unwrap_or_default());
        match block.message.slice(block.bytes_at + at, count) {
            Some(bytes) => pieces(
                conn,
                Moved { tx_id, file, pipe, written: true, offset, command: Command::Smb1(block.command) },
                bytes,
                out,
            ),
            None => conn.violation(direction, anomaly::MALFORMED_MESSAGE, out),
        }
    }
    (block.command == code1::WRITE_ANDX).then_some(Moved {
        tx_id,
        file,
        pipe,
        written: true,
        offset,
        command: Command::Smb1(block.command),
    })
}

/// Where the data of a core write stand among its bytes: behind a format and a length (2.2.4.12, 2.2.4.21), or behind a pad (2.2.4.40).
const fn core_data(command: u8) -> Option<usize> {
    match command {
        code1::WRITE | code1::WRITE_AND_UNLOCK => Some(3),
        code1::WRITE_AND_CLOSE => Some(1),
        _ => None,
    }
}

fn decode(
    conn: &mut Connection,
    block: &Block<'_>,
    pending: &mut Pending,
    direction: Direction,
    out: &mut dyn Sink,
) -> Option<()> {
    let (words, asked) = (block.words, &mut *pending.asked);
    match block.command {
        code1::NEGOTIATE => {
            let mut texts = block.texts(0);
            let mut dialects = Vec::new();
            while dialects.len() < MAX_DIALECTS && block.message.u8(texts.at) == Some(2) {
                texts.skip(1);
                dialects.push(texts.narrow()?);
            }
            conn.negotiated.offered = dialects;
        }
        code1::SESSION_SETUP_ANDX => setup(conn, block, pending, direction, out)?,
        code1::TREE_CONNECT_ANDX => {
            let mut texts = block.texts(usize::from(words.u16(6)?));
            asked.share = Some(texts.next()?);
            asked.service = [texts.narrow(), None];
        }
        code1::NT_CREATE_ANDX => {
            let len = usize::from(words.u16(5)?);
            let access = words.u32(15)?;
            asked.disposition = Some(words.u32(35)?);
            asked.options = Some(words.u32(39)?);
            let at = block.bytes_at + if block.unicode { block.bytes_at % 2 } else { 0 };
            let name = block.message.slice(at, len.min(block.message.0.len().saturating_sub(at)))?;
            let name = if block.unicode { super::path(name) } else { super::narrow(name) };
            let name = name.trim_end_matches('.').to_owned();
            open(conn, pending, name, access, direction, out);
        }
        code1::OPEN_ANDX => {
            let access = u32::from(words.u16(6)?);
            let name = block.texts(0).next()?;
            open(conn, pending, name, access, direction, out);
        }
        code1::OPEN | code1::CREATE | code1::CREATE_NEW => {
            // What is opened by its access mode: 1 and 2 write (2.2.4.3.1).
            let mode = if block.command == code1::OPEN { words.u16(0)? & 7 } else { 2 };
            let access = if matches!(mode, 1 | 2) { WRITE_DATA } else { 0 };
            asked.disposition = Some(match block.command {
                code1::OPEN => 1,
                code1::CREATE => 5,
                _ => 2,
            });
            let name = block.texts(1).next()?;
            open(conn, pending, name, access, direction, out);
        }
        code1::READ | code1::LOCK_AND_READ => {
            pending.file = conn.number_of(file_id(words.u16(0)?));
            asked.length = Some(u64::from(words.u16(2)?));
            asked.offset = Some(u64::from(words.u32(4)?));
            pending.repeats = conn.repeats(pending.file, false);
        }
        code1::WRITE | code1::WRITE_AND_UNLOCK | code1::WRITE_AND_CLOSE => {
            pending.file = conn.number_of(file_id(words.u16(0)?));
            asked.length = Some(u64::from(words.u16(2)?));
            asked.offset = Some(u64::from(words.u32(4)?));
            pending.repeats = conn.repeats(pending.file, true);
        }
        code1::READ_ANDX => {
            pending.file = conn.number_of(file_id(words.u16(4)?));
            asked.offset = Some(u64::from(words.u32(20).unwrap_or(0)) << 32 | u64::from(words.u32(6)?));
            asked.length = Some(u64::from(words.u16(10)?));
            pending.repeats = conn.repeats(pending.file, false);
        }
        code1::WRITE_ANDX => {
            pending.file = conn.number_of(file_id(words.u16(4)?));
            asked.offset = Some(u64::from(words.u32(24).unwrap_or(0)) << 32 | u64::from(words.u32(6)?));
            asked.length = Some(u64::from(words.u16(18)?) << 16 | u64::from(words.u16(20)?));
            pending.repeats = conn.repeats(pending.file, true);
        }
        code1::CLOSE | code1::FLUSH => pending.file = conn.number_of(file_id(words.u16(0)?)),
        code1::DELETE | code1::DELETE_DIRECTORY | code1::CREATE_DIRECTORY | code1::CHECK_DIRECTORY => {
            let mut texts = block.texts(1);
            asked.filename = Some(texts.next()?);
            asked.deletes = matches!(block.command, code1::DELETE | code1::DELETE_DIRECTORY);
        }
        code1::RENAME | code1::NT_RENAME => {
            let mut texts = block.texts(1);
            asked.filename = Some(texts.next()?);
            texts.skip(1);
            asked.rename_to = Some(texts.next()?);
        }
        code1::TRANSACTION => {
            asked.subcommand = words.u16(28);
            pending.file = words.u16(30).and_then(|fid| conn.number_of(file_id(fid)));
        }
        code1::TRANSACTION2 => {
            asked.subcommand = Some(words.u16(28)?);
            if asked.subcommand == Some(TRANS2_OPEN2) {
                // Parameters: flags, access mode, and 24 bytes up to the name (2.2.6.1.1).
                let at = usize::from(words.u16(20)?);
                let mode = block.message.u16(at + 2)? & 7;
                let name = super::Texts { message: block.message, at: at + 28, unicode: block.unicode }.next()?;
                open(conn, pending, name, if matches!(mode, 1 | 2) { WRITE_DATA } else { 0 }, direction, out);
            }
        }
        code1::NT_TRANSACT => {
            asked.subcommand = Some(words.u16(36)?);
            if asked.subcommand == Some(NT_TRANSACT_CREATE) {
                // Parameters (2.2.7.1.1).
                let at = words.u32(23)? as usize;
                let message = block.message;
                let field = |offset: usize| message.u32(at.checked_add(offset)?);
                let access = field(8)?;
                asked.disposition = Some(field(28)?);
                asked.options = Some(field(32)?);
                let len = field(44)? as usize;
                let from = at.checked_add(53)?;
                let from = from + if block.unicode { from % 2 } else { 0 };
                let name = message.slice(from, len.min(message.0.len().saturating_sub(from)))?;
                let name = if block.unicode { super::path(name) } else { super::narrow(name) };
                let name = name.trim_end_matches('.').to_owned();
                open(conn, pending, name, access, direction, out);
            }
        }
        _ => {}
    }
    Some(())
}

fn open(conn: &mut Connection, pending: &mut Pending, name: String, access: u32, direction: Direction, out: &mut dyn Sink) {
    let deletes = pending.asked.options.is_some_and(|options| options & create::DELETE_ON_CLOSE != 0);
    pending.asked.deletes = deletes;
    pending.asked.filename = Some(name.clone());
    let number = conn.open(name, access, pending.tree, direction, out);
    conn.change(number, |file| file.delete_on_close = deletes);
    pending.file = Some(number);
}

/// With a token ([MS-SMB] 2.2.4.6.1), or with names and hashed passwords (2.2.4.53.1), which are passed over.
fn setup(
    conn: &mut Connection,
    block: &Block<'_>,
    pending: &mut Pending,
    direction: Direction,
    out: &mut dyn Sink,
) -> Option<()> {
    let words = block.words;
    let first = usize::from(words.u16(14)?);
    let native;
    if words.0.len() == 24 {
        pending.asked.identity = security::parse(block.message.slice(block.bytes_at, first)?);
        let mut texts = block.texts(first);
        native = [texts.next(), texts.next()];
    } else {
        let second = if words.0.len() == 26 { usize::from(words.u16(16)?) } else { 0 };
        let mut texts = block.texts(first + second);
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (user, domain) = (text(texts.next()), text(texts.next()));
        native = [texts.next(), texts.next()];
        pending.asked.identity = Identity { mechanism: Some("ntlm"), user, domain, ..Identity::default() };
    }
    conn.session(pending.session_id, direction, out).client_native = native.map(|text| text.filter(|text| !text.is_empty()));
    Some(())
}
