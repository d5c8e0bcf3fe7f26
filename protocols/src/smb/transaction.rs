//! What an SMB conversation says. Its records are in `fields`.

use super::command::Command;
use super::security::Identity;
use crate::contract::{FilePart, FileState};
use crate::dcerpc;
pub use crate::nmf::Stage;
use backstop_types::Direction;

/// A stage of a request, or data that it moves.
#[derive(Clone, Debug)]
pub enum Transaction<'a> {
    /// A stage of a request and its response.
    Exchange(Exchange<'a>),
    /// Data of a file, written or read.
    File(FileData<'a>),
    /// Data of a named pipe.
    Pipe(PipeData<'a>),
    /// A bind or call of DCE/RPC in a pipe.
    Rpc(Rpc<'a>),
    /// A session's messages are encrypted from here on. Told once a session.
    Encrypted(Encrypted<'a>),
}

/// What both sides agreed upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    /// Dialects that the client offered, the first 16.
    pub offered: Vec<String>,
    /// The dialect in use.
    pub dialect: Option<String>,
    /// The client's GUID, as text.
    pub client_guid: Option<String>,
    /// The server's GUID.
    pub server_guid: Option<String>,
    /// Largest read.
    pub max_read: Option<u32>,
    /// Largest write.
    pub max_write: Option<u32>,
    /// The server wants signatures.
    pub signing_required: Option<bool>,
    /// Cipher that the server chose ([MS-SMB2] 2.2.3.1.2).
    pub cipher: Option<u16>,
    /// Compression algorithms that the server chose (2.2.3.1.3), the first 8.
    pub compression: Vec<u16>,
}

/// A session: who speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Who the client says it is.
    pub identity: Identity,
    /// The login succeeded, or not; `None` before that is known.
    pub logged_in: Option<bool>,
    /// The server took the client for a guest, or for nobody ([MS-SMB2] 2.2.6).
    pub guest: bool,
    /// Encrypted messages of it were seen.
    pub encrypted: bool,
    /// Operating system and program of the client (SMB 1).
    pub client_native: [Option<String>; 2],
    /// The same of the server.
    pub server_native: [Option<String>; 2],
}

/// What a tree gives access to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareType {
    /// Files.
    Disk,
    /// Named pipes.
    Pipe,
    /// A printer.
    Print,
}

/// A tree: a share that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// `\\server\share`.
    pub share: String,
    /// What it is, once the server said.
    pub kind: Option<ShareType>,
    /// The server wants its messages encrypted.
    pub encrypted: bool,
}

impl Tree {
    /// The share's name without its server.
    #[must_use]
    pub fn name(&self) -> &str {
        self.share.rsplit('\\').next().unwrap_or_default()
    }
}

/// A file or pipe that is open, or is to be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Number among the opens of the flow, from 0.
    pub number: u64,
    /// Path in the tree, as the client wrote it.
    pub name: String,
    /// `\\server\share`, where it is known.
    pub share: Option<String>,
    /// It is a pipe.
    pub pipe: bool,
    /// The server's id, once it is open.
    pub id: Option<[u8; 16]>,
    /// Access asked for ([MS-SMB2] 2.2.13.1).
    pub access: u32,
    /// Its size when it was opened.
    pub size: Option<u64>,
    /// It is deleted when it is closed.
    pub delete_on_close: bool,
    /// Bytes read by now.
    pub read: u64,
    /// Bytes written by now.
    pub written: u64,
}

impl File {
    /// What is written to a file and what is read of it are two: who writes need not write all of it.
    pub(super) const fn key(&self, written: bool) -> u64 {
        self.number << 1 | written as u64
    }
}

/// Times of a file, seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Creation.
    pub created: u64,
    /// Last access.
    pub accessed: u64,
    /// Last write.
    pub modified: u64,
    /// Last change.
    pub changed: u64,
}

/// What a request asks for, and what its response adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// File or directory, where the request names it and not an open file.
    pub filename: Option<String>,
    /// Share to connect to.
    pub share: Option<String>,
    /// Service asked for (SMB 1: `A:`, `IPC`, `?????`), and the one that the server has.
    pub service: [Option<String>; 2],
    /// CreateDisposition ([MS-SMB2] 2.2.13).
    pub disposition: Option<u32>,
    /// CreateOptions.
    pub options: Option<u32>,
    /// New name of a file.
    pub rename_to: Option<String>,
    /// Another name that a file gets ([MS-FSCC] 2.4.27).
    pub link_to: Option<String>,
    /// The file is to be deleted.
    pub deletes: bool,
    /// Class and level of information that is set.
    pub info: Option<(u8, u8)>,
    /// Control code (IOCTL).
    pub function: Option<u32>,
    /// Subcommand (SMB 1 transactions).
    pub subcommand: Option<u16>,
    /// Offset of a read or write.
    pub offset: Option<u64>,
    /// Bytes to read or write.
    pub length: Option<u64>,
    /// Who the client says it is, in a session setup.
    pub identity: Identity,
    /// Times of the file that was opened.
    pub times: Option<Times>,
}

/// A request with its response.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Number within the flow, from 0.
    pub tx_id: u64,
    /// How far it is.
    pub stage: Stage,
    /// The command.
    pub command: Command,
    /// The response's status, at [`Stage::Answered`].
    pub status: Option<u32>,
    /// What both sides agreed upon.
    pub negotiated: &'a Negotiated,
    /// Session id.
    pub session_id: u64,
    /// The session, where it is known.
    pub session: Option<&'a Session>,
    /// Tree id, of commands that have one.
    pub tree_id: Option<u32>,
    /// The tree, where it is known.
    pub tree: Option<&'a Tree>,
    /// The file that is meant: open, or to be opened.
    pub file: Option<&'a File>,
    /// What is asked for.
    pub asked: &'a Asked,
    /// One of many reads or writes of a file: no record of its own.
    pub repeats: bool,
}

/// Contiguous bytes of a file.
#[derive(Clone, Copy, Debug)]
pub struct FileData<'a> {
    /// The request that moves them; `None`: it was not seen.
    pub tx_id: Option<u64>,
    /// The file, where it is known.
    pub file: Option<&'a File>,
    /// Written by the client, not read.
    pub written: bool,
    /// Where in the file they stand.
    pub offset: u64,
    /// The bytes, at most [`super::CHUNK`]. None at the end.
    pub bytes: &'a [u8],
    /// The file is closed, or nothing more of it will be seen.
    pub end: bool,
}

/// Bytes of a message of a named pipe, in order.
#[derive(Clone, Copy, Debug)]
pub struct PipeData<'a> {
    /// The request that moves them; `None`: it was not seen.
    pub tx_id: Option<u64>,
    /// The pipe, where it is known. Its `number` tells pipes of a flow apart.
    pub file: Option<&'a File>,
    /// Written by the client, not read.
    pub written: bool,
    /// The bytes, at most [`super::CHUNK`].
    pub bytes: &'a [u8],
    /// These are the last bytes of this read or write. A PDU of DCE/RPC may go on in the next one.
    pub last: bool,
}

/// A stage of a bind or a call in a pipe.
#[derive(Clone, Copy, Debug)]
pub struct Rpc<'a> {
    /// What both sides agreed upon.
    pub negotiated: &'a Negotiated,
    /// The command by which the client speaks into the pipe.
    pub command: Command,
    /// Session id.
    pub session_id: u64,
    /// The session, where it is known.
    pub session: Option<&'a Session>,
    /// Tree id, where it is known.
    pub tree_id: Option<u32>,
    /// The tree, where it is known.
    pub tree: Option<&'a Tree>,
    /// The pipe.
    pub file: &'a File,
    /// The bind or call. Its number is that of the request of SMB that brought its last bytes.
    pub rpc: dcerpc::Transaction<'a>,
}

/// An encrypted session.
#[derive(Clone, Copy, Debug)]
pub struct Encrypted<'a> {
    /// Session id.
    pub session_id: u64,
    /// The session, where its setup was seen.
    pub session: Option<&'a Session>,
    /// What both sides agreed upon.
    pub negotiated: &'a Negotiated,
}

impl Transaction<'_> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        match self {
            Self::Exchange(exchange) => Some(exchange.tx_id),
            Self::File(data) => data.tx_id,
            Self::Pipe(data) => data.tx_id,
            Self::Rpc(rpc) => rpc.rpc.tx_id,
            Self::Encrypted(_) => None,
        }
    }

    /// What is moved of a file.
    #[must_use]
    pub fn file_part(&self) -> Option<FilePart<'_>> {
        let Self::File(data) = self else { return None };
        let file = data.file?;
        Some(FilePart {
            key: file.key(data.written),
            tx_id: data.tx_id,
            direction: if data.written { Direction::ToServer } else { Direction::ToClient },
            name: Some(&file.name),
            layers: &["smb.file"],
            offset: data.offset,
            bytes: data.bytes,
            size: file.size.filter(|_| !data.written),
            state: if data.end { FileState::Complete } else { FileState::More },
        })
    }

    /// Whether a record is written: requests that are over, each file's first read and write, binds and calls of pipes that
    /// are over, encrypted sessions.
    #[must_use]
    pub fn is_record(&self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.stage != Stage::Requested && !exchange.repeats,
            Self::File(_) | Self::Pipe(_) => false,
            Self::Rpc(rpc) => rpc.rpc.is_record(),
            Self::Encrypted(_) => true,
        }
    }
}
