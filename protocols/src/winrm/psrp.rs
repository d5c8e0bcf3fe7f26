//! PowerShell remoting: messages ([MS-PSRP] 2.2.1).
//!
//! ```text
//! message  = Destination u32le  MessageType u32le  RPID guid  PID guid  Data (UTF-8)
//! ```

use super::transaction::PsrpMessage;
use crate::cursor::Cursor;

/// No type: fragments whose beginning was not seen.
pub const TAIL: u32 = 0;
/// Types of messages that are looked into.
pub const SESSION_CAPABILITY: u32 = 0x0001_0002;
/// A pool of runspaces, with what the client hands to its scripts.
pub const INIT_RUNSPACEPOOL: u32 = 0x0001_0004;
/// A pipeline to run.
pub const CREATE_PIPELINE: u32 = 0x0002_1006;
/// What a pipeline reads.
pub const PIPELINE_INPUT: u32 = 0x0004_1002;
/// Messages with what a script may read: input, what its pool was made with, answers of its host.
pub const INPUTS: [u32; 4] = [PIPELINE_INPUT, INIT_RUNSPACEPOOL, 0x0002_1101, 0x0004_1101];
/// How a pipeline ended.
pub const PIPELINE_STATE: u32 = 0x0004_1006;

/// The name of a type ([MS-PSRP] 2.2.1).
#[must_use]
pub const fn type_name(kind: u32) -> &'static str {
    match kind {
        SESSION_CAPABILITY => "SESSION_CAPABILITY",
        INIT_RUNSPACEPOOL => "INIT_RUNSPACEPOOL",
        0x0001_0005 => "PUBLIC_KEY",
        0x0001_0006 => "ENCRYPTED_SESSION_KEY",
        0x0001_0007 => "PUBLIC_KEY_REQUEST",
        0x0001_0008 => "CONNECT_RUNSPACEPOOL",
        0x0002_1002 => "SET_MAX_RUNSPACES",
        0x0002_1003 => "SET_MIN_RUNSPACES",
        0x0002_1004 => "RUNSPACE_AVAILABILITY",
        0x0002_1005 => "RUNSPACEPOOL_STATE",
        CREATE_PIPELINE => "CREATE_PIPELINE",
        0x0002_1007 => "GET_AVAILABLE_RUNSPACES",
        0x0002_1008 => "USER_EVENT",
        0x0002_1009 => "APPLICATION_PRIVATE_DATA",
        0x0002_100a => "GET_COMMAND_METADATA",
        0x0002_100b => "RUNSPACEPOOL_INIT_DATA",
        0x0002_100c => "RESET_RUNSPACE_STATE",
        0x0002_1100 => "RUNSPACEPOOL_HOST_CALL",
        0x0002_1101 => "RUNSPACEPOOL_HOST_RESPONSE",
        PIPELINE_INPUT => "PIPELINE_INPUT",
        0x0004_1003 => "END_OF_PIPELINE_INPUT",
        0x0004_1004 => "PIPELINE_OUTPUT",
        0x0004_1005 => "ERROR_RECORD",
        PIPELINE_STATE => "PIPELINE_STATE",
        0x0004_1007 => "DEBUG_RECORD",
        0x0004_1008 => "VERBOSE_RECORD",
        0x0004_1009 => "WARNING_RECORD",
        0x0004_1010 => "PROGRESS_RECORD",
        0x0004_1011 => "INFORMATION_RECORD",
        0x0004_1100 => "PIPELINE_HOST_CALL",
        0x0004_1101 => "PIPELINE_HOST_RESPONSE",
        _ => "UNKNOWN",
    }
}

/// A message, put together.
#[derive(Debug)]
pub struct Assembled {
    /// Its head.
    pub message: PsrpMessage,
    /// Its data, without the mark of UTF-8.
    pub data: String,
    /// Fragments are missing.
    pub cut: bool,
}

/// [MS-PSRP] 2.2.1.
pub fn assembled(bytes: &[u8], cut: bool) -> Option<Assembled> {
    let mut cursor = Cursor::new(bytes);
    let to_server = cursor.u32_le().ok()? == 2;
    let kind = cursor.u32_le().ok()?;
    let runspace = guid(cursor.array().ok()?);
    let pipeline = guid(cursor.array().ok()?);
    let data = cursor.rest();
    let message = PsrpMessage { kind, to_server, runspace, pipeline, length: data.len() as u64 };
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    Some(Assembled { message, data: String::from_utf8_lossy(data).into_owned(), cut })
}

/// [MS-DTYP] 2.3.4.2; `None` for the one that means none.
fn guid(bytes: [u8; 16]) -> Option<String> {
    if bytes == [0; 16] {
        return None;
    }
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let head =
        format!("{:08X}-{:04X}-{:04X}", u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]));
    let tail = data_encoding::HEXUPPER.encode(&rest);
    let (clock, node) = tail.split_at_checked(4)?;
    Some(format!("{head}-{clock}-{node}"))
}
