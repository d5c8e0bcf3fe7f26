//! SMB 2 conversations, as [MS-SMB2] 2.2 lays their messages out: a login, and then whatever it is told to do.

use backstop_types::Direction;

use crate::fixture::Script;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

/// Commands (2.2.1.2).
pub mod command {
    /// 2.2.3.
    pub const NEGOTIATE: u16 = 0;
    /// 2.2.5.
    pub const SESSION_SETUP: u16 = 1;
    /// 2.2.7.
    pub const LOGOFF: u16 = 2;
    /// 2.2.9.
    pub const TREE_CONNECT: u16 = 3;
    /// 2.2.11.
    pub const TREE_DISCONNECT: u16 = 4;
    /// 2.2.13.
    pub const CREATE: u16 = 5;
    /// 2.2.15.
    pub const CLOSE: u16 = 6;
    /// 2.2.19.
    pub const READ: u16 = 8;
    /// 2.2.21.
    pub const WRITE: u16 = 9;
    /// 2.2.31.
    pub const IOCTL: u16 = 11;
    /// 2.2.28.
    pub const ECHO: u16 = 13;
    /// 2.2.39.
    pub const SET_INFO: u16 = 17;
}

/// What a header says (2.2.1.2).
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    /// Command.
    pub command: u16,
    /// Status, of a response.
    pub status: u32,
    /// 1: response; 2: asynchronous; 4: related.
    pub flags: u32,
    /// What pairs request and response.
    pub message_id: u64,
    /// Tree.
    pub tree: u32,
    /// Session.
    pub session: u64,
}

impl Header {
    /// The message with this header.
    #[must_use]
    pub fn with(&self, body: &[u8]) -> Vec<u8> {
        let mut out = b"\xfeSMB\x40\0\x01\0".to_vec();
        out.extend(self.status.to_le_bytes());
        out.extend(self.command.to_le_bytes());
        out.extend([1, 0]);
        out.extend(self.flags.to_le_bytes());
        out.extend(0_u32.to_le_bytes());
        out.extend(self.message_id.to_le_bytes());
        out.extend(0xfeff_u32.to_le_bytes());
        out.extend(self.tree.to_le_bytes());
        out.extend(self.session.to_le_bytes());
        out.extend([0; 16]);
        out.extend(body);
        out
    }
}

/// A frame around messages: several are a compound (3.2.4.1.4).
#[must_use]
pub fn frame(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let start = body.len();
        body.extend(message);
        if number + 1 < messages.len() {
            body.resize(body.len().next_multiple_of(8), 0);
            let next = u32::try_from(body.len() - start).unwrap();
            // What has no such field is followed by the next one all the same.
            if let Some(field) = body.get_mut(start + 20..start + 24) {
                field.copy_from_slice(&next.to_le_bytes());
            }
        }
    }
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}

/// A text in UTF-16.
#[must_use]
pub fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn len(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_le_bytes()
}

fn long(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap().to_le_bytes()
}

/// An AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3) with empty responses.
#[must_use]
pub fn authenticate(domain: &str, user: &str, host: &str) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut out = b"NTLMSSP\0\x03\0\0\0".to_vec();
    for text in ["", "", domain, user, host, ""] {
        let text = wide(text);
        out.extend(len(&text));
        out.extend(len(&text));
        out.extend(u32::try_from(64 + payload.len()).unwrap().to_le_bytes());
        payload.extend(text);
    }
    out.extend(1_u32.to_le_bytes());
    out.extend(payload);
    out
}

/// A CREATE request (2.2.13).
#[must_use]
pub fn create(name: &str, access: u32, disposition: u32, options: u32) -> Vec<u8> {
    let name = wide(name);
    let mut out = vec![57, 0, 0, 0];
    out.extend(2_u32.to_le_bytes());
    out.extend([0; 16]);
    for number in [access, 0x80, 7, disposition, options] {
        out.extend(number.to_le_bytes());
    }
    out.extend(120_u16.to_le_bytes());
    out.extend(len(&name));
    out.extend([0; 8]);
    out.extend(&name);
    if name.is_empty() {
        out.push(0);
    }
    out
}

/// A CREATE response (2.2.14).
#[must_use]
pub fn created(id: [u8; 16], size: u64) -> Vec<u8> {
    let mut out = vec![89, 0, 0, 0, 1, 0, 0, 0];
    out.extend([0; 32]);
    out.extend(size.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend([0; 8]);
    out.extend(id);
    out.extend([0; 8]);
    out
}

/// A WRITE request (2.2.21).
#[must_use]
pub fn write(id: [u8; 16], offset: u64, data: &[u8]) -> Vec<u8> {
    let mut out = vec![49, 0, 112, 0];
    out.extend(long(data));
    out.extend(offset.to_le_bytes());
    out.extend(id);
    out.extend([0; 16]);
    out.extend(data);
    out
}

/// A WRITE response (2.2.22).
#[must_use]
pub fn written(count: u32) -> Vec<u8> {
    [&[17, 0, 0, 0][..], &count.to_le_bytes(), &[0; 8]].concat()
}

/// A READ request (2.2.19).
#[must_use]
pub fn read(id: [u8; 16], offset: u64, count: u32) -> Vec<u8> {
    let mut out = vec![49, 0, 0x50, 0];
    out.extend(count.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend(id);
    out.extend([0; 17]);
    out
}

/// A READ response (2.2.20).
#[must_use]
pub fn data(data: &[u8]) -> Vec<u8> {
    [&[17, 0, 80, 0][..], &long(data), &[0; 8], data].concat()
}

/// A CLOSE request (2.2.15).
#[must_use]
pub fn close(id: [u8; 16]) -> Vec<u8> {
    [&[24, 0, 0, 0, 0, 0, 0, 0][..], &id].concat()
}

/// A SET_INFO request (2.2.39) of a file.
#[must_use]
pub fn set_info(id: [u8; 16], level: u8, buffer: &[u8]) -> Vec<u8> {
    let mut out = vec![33, 0, 1, level];
    out.extend(long(buffer));
    out.extend(96_u16.to_le_bytes());
    out.extend([0; 6]);
    out.extend(id);
    out.extend(buffer);
    out
}

/// The new name of a rename ([MS-FSCC] 2.4.43).
#[must_use]
pub fn rename(to: &str) -> Vec<u8> {
    let name = wide(to);
    [&[0; 16][..], &long(&name), &name].concat()
}

/// STATUS_SUCCESS.
pub const OK: u32 = 0;
/// STATUS_ACCESS_DENIED.
pub const DENIED: u32 = 0xc000_0022;

/// A conversation that grows.
#[derive(Clone, Debug)]
pub struct Talk {
    /// What was said by now.
    pub script: Script,
    /// Session.
    pub session: u64,
    /// Tree in use.
    pub tree: u32,
    next_id: u64,
    next_file: u64,
}

impl Default for Talk {
    fn default() -> Self {
        Self::new("CORP", "svc-backup")
    }
}

impl Talk {
    /// Logged in ([MS-SMB2] 4.2: NEGOTIATE, two SESSION_SETUP).
    #[must_use]
    pub fn new(domain: &str, user: &str) -> Self {
        let mut talk = Self { script: Vec::new(), session: 0, tree: 0, next_id: 0, next_file: 1 };
        let mut offer = vec![36, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        offer.extend([0x11; 16]);
        offer.extend([0; 8]);
        offer.extend([0x02, 0x02, 0x10, 0x02]);
        let mut chosen = vec![65, 0, 1, 0, 0x10, 0x02, 0, 0];
        chosen.extend([0x22; 16]);
        chosen.extend([0; 4]);
        for size in [0x0010_0000_u32; 3] {
            chosen.extend(size.to_le_bytes());
        }
        chosen.extend([0; 16]);
        chosen.extend([128, 0, 0, 0, 0, 0, 0, 0]);
        talk.exchange(command::NEGOTIATE, &offer, OK, &chosen);
        let setup = |token: &[u8]| {
            let mut out = vec![25, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
            out.extend(88_u16.to_le_bytes());
            out.extend(len(token));
            out.extend([0; 8]);
            out.extend(token);
            out
        };
        let first = setup(b"NTLMSSP\0\x01\0\0\0\0\0\0\0");
        let header = talk.header(command::SESSION_SETUP);
        talk.say(UP, &[header.with(&first)]);
        talk.session = 0x0400_0000_0001;
        let answer = Header { status: 0xc000_0016, flags: 1, session: talk.session, ..header };
        talk.say(DOWN, &[answer.with(&[9, 0, 0, 0, 72, 0, 0, 0])]);
        let last = setup(&authenticate(domain, user, "WKS-041"));
        talk.exchange(command::SESSION_SETUP, &last, OK, &[9, 0, 0, 0, 72, 0, 0, 0]);
        talk
    }

    /// The header of the next request.
    pub fn header(&mut self, command: u16) -> Header {
        let message_id = self.next_id;
        self.next_id += 1;
        Header { command, message_id, tree: self.tree, session: self.session, ..Header::default() }
    }

    /// Adds a frame of messages.
    pub fn say(&mut self, direction: Direction, messages: &[Vec<u8>]) {
        self.script.push((direction, frame(messages)));
    }

    /// A request, and its response.
    pub fn exchange(&mut self, command: u16, request: &[u8], status: u32, response: &[u8]) -> Header {
        let header = self.header(command);
        self.say(UP, &[header.with(request)]);
        let answer = Header { status, flags: 1, ..header };
        let body: &[u8] = if status >= 0x8000_0000 { &[9, 0, 0, 0, 0, 0, 0, 0, 0] } else { response };
        self.say(DOWN, &[answer.with(body)]);
        header
    }

    /// Connects to a share, `\\server\share`; `kind` 1 of files, 2 of pipes.
    pub fn connect(&mut self, share: &str, kind: u8, status: u32) {
        let path = wide(share);
        let request = [&[9, 0, 0, 0, 72, 0][..], &len(&path), &path].concat();
        self.tree = 0;
        let header = self.header(command::TREE_CONNECT);
        self.say(UP, &[header.with(&request)]);
        self.tree = u32::try_from(header.message_id).unwrap() + 1;
        let answer = Header { status, flags: 1, tree: self.tree, ..header };
        self.say(DOWN, &[answer.with(&[16, 0, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 1, 0x1f, 0])]);
    }

    /// Leaves the share.
    pub fn disconnect(&mut self) {
        self.exchange(command::TREE_DISCONNECT, &[4, 0, 0, 0], OK, &[4, 0, 0, 0]);
    }

    /// An id for a new file.
    pub fn file_id(&mut self) -> [u8; 16] {
        let number = self.next_file.to_le_bytes();
        self.next_file += 1;
        let mut id = [0xf1; 16];
        id[..8].copy_from_slice(&number);
        id
    }

    /// Opens or makes a file for writing.
    pub fn create(&mut self, name: &str, status: u32) -> [u8; 16] {
        let id = self.file_id();
        self.exchange(command::CREATE, &create(name, 0x0012_0196, 5, 0x40), status, &created(id, 0));
        id
    }

    /// Opens a file for reading.
    pub fn open(&mut self, name: &str, size: u64) -> [u8; 16] {
        let id = self.file_id();
        self.exchange(command::CREATE, &create(name, 0x0012_0089, 1, 0x40), OK, &created(id, size));
        id
    }

    /// Writes a piece.
    pub fn write(&mut self, id: [u8; 16], offset: u64, data: &[u8], status: u32) {
        let answer = written(u32::try_from(data.len()).unwrap());
        self.exchange(command::WRITE, &write(id, offset, data), status, &answer);
    }

    /// Reads a piece.
    pub fn read(&mut self, id: [u8; 16], offset: u64, bytes: &[u8]) {
        let request = read(id, offset, u32::try_from(bytes.len()).unwrap());
        self.exchange(command::READ, &request, OK, &data(bytes));
    }

    /// Closes a file.
    pub fn close(&mut self, id: [u8; 16]) {
        self.exchange(command::CLOSE, &close(id), OK, &[60; 60]);
    }

    /// Writes a whole file, in pieces of `piece` bytes.
    pub fn put(&mut self, name: &str, bytes: &[u8], piece: usize) {
        let id = self.create(name, OK);
        for (number, part) in bytes.chunks(piece).enumerate() {
            self.write(id, (number * piece) as u64, part, OK);
        }
        self.close(id);
    }

    /// Reads a whole file.
    pub fn get(&mut self, name: &str, bytes: &[u8]) {
        let id = self.open(name, bytes.len() as u64);
        for (number, part) in bytes.chunks(0x1_0000).enumerate() {
            self.read(id, (number * 0x1_0000) as u64, part);
        }
        self.close(id);
    }
}
