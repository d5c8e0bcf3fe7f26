//! SMB 1 ([MS-CIFS] 2.2, [MS-SMB] 2.2): a message is a block of words and bytes, or several of them (AndX).

mod request;
mod response;

use backstop_types::Direction;

use super::anomaly;
use super::command::{Command, code1};
use super::connection::{Connection, Key, Moved, Pending, SMB1_TREES};
use super::header::{SMB1_LEN, Smb1};
use super::smb2::{MAX_PATH, Message, path};
use super::transaction::Stage;
use crate::contract::Sink;
use crate::tds::text;

/// Blocks of a message that are read.
const MAX_BLOCKS: usize = 8;
/// Words begin behind the header and their count.
const WORDS: usize = SMB1_LEN + 1;

/// A block (2.2.3.2, 2.2.3.3).
#[derive(Clone, Copy)]
struct Block<'a> {
    command: u8,
    words: Message<'a>,
    /// Where its bytes begin in the message.
    bytes_at: usize,
    /// The message from its header on.
    message: Message<'a>,
    unicode: bool,
}

impl<'a> Block<'a> {
    /// The block at an offset.
    fn read(command: u8, at: usize, message: Message<'a>, unicode: bool) -> Option<Self> {
        let count = usize::from(message.u8(at)?) * 2;
        let words = Message(message.slice(at + 1, count)?);
        message.u16(at + 1 + count)?;
        Some(Self { command, words, bytes_at: at + 1 + count + 2, message, unicode })
    }

    /// The block behind (2.2.3.4), which is never before.
    fn next(&self) -> Option<(u8, usize)> {
        let chains = matches!(
            self.command,
            code1::LOCKING_ANDX
                | code1::OPEN_ANDX
                | code1::READ_ANDX
                | code1::WRITE_ANDX
                | code1::SESSION_SETUP_ANDX
                | code1::LOGOFF_ANDX
                | code1::TREE_CONNECT_ANDX
                | code1::NT_CREATE_ANDX
        );
        let command = self.words.u8(0).filter(|command| chains && *command != 0xff)?;
        let offset = usize::from(self.words.u16(2)?);
        (offset >= self.bytes_at).then_some((command, offset))
    }

    /// Texts among the bytes, from an offset in them.
    const fn texts(&self, from: usize) -> Texts<'a> {
        Texts { message: self.message, at: self.bytes_at + from, unicode: self.unicode }
    }
}

/// Texts that end with a zero, those in Unicode at even offsets (2.2.1.1.1).
struct Texts<'a> {
    message: Message<'a>,
    at: usize,
    unicode: bool,
}

impl Texts<'_> {
    fn next(&mut self) -> Option<String> {
        if !self.unicode {
            return self.narrow();
        }
        self.at += self.at % 2;
        let rest = self.message.0.get(self.at..)?;
        let pairs = rest.as_chunks::<2>().0;
        let len = pairs.iter().position(|pair| *pair == [0, 0]).unwrap_or(pairs.len());
        self.at = self.at.saturating_add(len * 2 + 2);
        Some(path(rest.get(..len * 2)?))
    }

    fn narrow(&mut self) -> Option<String> {
        let rest = self.message.0.get(self.at..)?;
        let len = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        self.at = self.at.saturating_add(len + 1);
        Some(narrow(rest.get(..len)?))
    }

    /// Passes a byte that says what a text is.
    const fn skip(&mut self, len: usize) {
        self.at = self.at.saturating_add(len);
    }
}

fn narrow(bytes: &[u8]) -> String {
    let (text, _) = text::narrow(bytes, MAX_PATH);
    if text.contains(char::is_control) { text.replace(char::is_control, ".") } else { text }
}

/// The id of an open file in the same form as of SMB 2.
const fn file_id(fid: u16) -> [u8; 16] {
    let [low, high] = fid.to_le_bytes();
    [low, high, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
}

/// Where the data of a WRITE_ANDX request or READ_ANDX response stand, and how many bytes ([MS-SMB] 2.2.4.2, 2.2.4.3).
pub fn place(head: &[u8], response: bool) -> Option<(usize, u64)> {
    let words = Message(head.get(WORDS..)?);
    let (offset, low, high) = if response {
        (words.u16(12)?, words.u16(10)?, words.u16(14)?)
    } else {
        (words.u16(22)?, words.u16(20)?, words.u16(18)?)
    };
    Some((usize::from(offset), u64::from(high) << 16 | u64::from(low)))
}

/// A message; of a read or write that is long, its head. Data behind it, if it moves some.
pub fn message(conn: &mut Connection, header: &Smb1, bytes: &[u8], direction: Direction, out: &mut dyn Sink) -> Option<Moved> {
    let message = Message(bytes);
    let (mut command, mut at) = (header.command, SMB1_LEN);
    let mut moved = None;
    for _ in 0..MAX_BLOCKS {
        let Some(block) = Block::read(command, at, message, header.unicode) else {
            conn.violation(direction, anomaly::MALFORMED_MESSAGE, out);
            break;
        };
        let here = if header.response {
            response::block(conn, header, &block, direction, out)
        } else {
            request::block(conn, header, &block, direction, out)
        };
        moved = moved.or(here);
        let Some(next) = block.next().filter(|_| moved.is_none()) else { break };
        (command, at) = next;
    }
    if header.response {
        // What the server did not come to (2.2.3.4).
        while let Some(pending) = conn.take(Key::Smb1(header.key)) {
            conn.tell(&pending, Stage::Answered, Some(header.status), out);
            response::settle(conn, &pending, header, out);
        }
    }
    moved
}

fn pending(header: &Smb1, command: u8) -> Pending {
    let tree = !matches!(
        command,
        code1::NEGOTIATE | code1::SESSION_SETUP_ANDX | code1::TREE_CONNECT_ANDX | code1::LOGOFF_ANDX | code1::ECHO
    );
    Pending {
        key: Key::Smb1(header.key),
        tx_id: 0,
        command: Command::Smb1(command),
        session_id: u64::from(header.user_id),
        tree: tree.then_some((SMB1_TREES, u32::from(header.tree_id))),
        file: None,
        asked: Box::default(),
        repeats: matches!(command, code1::ECHO | code1::NT_CANCEL),
    }
}
