//! Headers of messages.

use crate::cursor::{Cursor, Short};

/// `\xfeSMB` ([MS-SMB2] 2.2.1).
pub const SMB2: [u8; 4] = *b"\xfeSMB";
/// `\xffSMB` ([MS-CIFS] 2.2.3.1).
pub const SMB1: [u8; 4] = *b"\xffSMB";
/// `\xfdSMB` ([MS-SMB2] 2.2.41).
pub const TRANSFORM: [u8; 4] = *b"\xfdSMB";
/// `\xfcSMB` ([MS-SMB2] 2.2.42).
pub const COMPRESSED: [u8; 4] = *b"\xfcSMB";

/// Bytes of an SMB 2 header.
pub const SMB2_LEN: usize = 64;
/// Bytes of an SMB 1 header.
pub const SMB1_LEN: usize = 32;
/// Bytes of a transform header.
pub const TRANSFORM_LEN: usize = 52;

/// STATUS_PENDING: an interim response ([MS-SMB2] 2.2.1.1).
pub const STATUS_PENDING: u32 = 0x0000_0103;
/// STATUS_BUFFER_OVERFLOW: a warning; there is data, and more waits.
pub const STATUS_BUFFER_OVERFLOW: u32 = 0x8000_0005;
/// STATUS_MORE_PROCESSING_REQUIRED: the login goes on.
pub const STATUS_MORE_PROCESSING: u32 = 0xc000_0016;

/// An SMB 2 header ([MS-SMB2] 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smb2 {
    pub status: u32,
    pub command: u16,
    pub response: bool,
    pub is_async: bool,
    pub related: bool,
    /// Where the next message of the compound begins, from this header; 0: this is the last.
    pub next: u32,
    pub message_id: u64,
    /// Of a synchronous message.
    pub tree_id: u32,
    pub session_id: u64,
}

impl Smb2 {
    /// Reads a header, whose first four bytes are known.
    ///
    /// # Errors
    /// Too few bytes. `Ok(None)`: not a header.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Short> {
        let mut cursor = Cursor::new(bytes.get(..SMB2_LEN).ok_or(Short { need: SMB2_LEN })?);
        let magic = cursor.array::<4>()?;
        let size = cursor.u16_le()?;
        cursor.take(2)?;
        let status = cursor.u32_le()?;
        let command = cursor.u16_le()?;
        cursor.take(2)?;
        let flags = cursor.u32_le()?;
        let next = cursor.u32_le()?;
        let message_id = cursor.u64_le()?;
        cursor.take(4)?;
        let tree_id = cursor.u32_le()?;
        let session_id = cursor.u64_le()?;
        if magic != SMB2 || size != 64 || command > super::command::LAST_SMB2 {
            return Ok(None);
        }
        let (response, is_async, related) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        Ok(Some(Self { status, command, response, is_async, related, next, message_id, tree_id, session_id }))
    }
}

/// An SMB 1 header ([MS-CIFS] 2.2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smb1 {
    pub command: u8,
    pub status: u32,
    pub response: bool,
    pub unicode: bool,
    pub tree_id: u16,
    /// Process and multiplex id: what pairs a response with its request.
    pub key: u64,
    pub user_id: u16,
}

impl Smb1 {
    /// Reads a header.
    ///
    /// # Errors
    /// Too few bytes. `Ok(None)`: not a header.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Short> {
        let mut cursor = Cursor::new(bytes.get(..SMB1_LEN).ok_or(Short { need: SMB1_LEN })?);
        let magic = cursor.array::<4>()?;
        let command = cursor.u8()?;
        let status = cursor.u32_le()?;
        let flags = cursor.u8()?;
        let flags2 = cursor.u16_le()?;
        let pid_high = cursor.u16_le()?;
        cursor.take(10)?;
        let tree_id = cursor.u16_le()?;
        let pid = cursor.u16_le()?;
        let user_id = cursor.u16_le()?;
        let mid = cursor.u16_le()?;
        let key = u64::from(pid_high) << 32 | u64::from(pid) << 16 | u64::from(mid);
        let header = Self { command, status, response: flags & 0x80 != 0, unicode: flags2 & 0x8000 != 0, tree_id, key, user_id };
        Ok((magic == SMB1).then_some(header))
    }
}
