//! PowerShell remoting: fragments to messages ([MS-PSRP] 2.2.4, 2.2.1).
//!
//! ```text
//! fragment = ObjectId u64be  FragmentId u64be  flags u8 (start 0x01, end 0x02)  BlobLength u32be  Blob
//! message  = Destination u32le  MessageType u32le  RPID guid  PID guid  Data (UTF-8)
//! ```

use std::collections::{BTreeMap, VecDeque};

use super::anomaly;
use super::transaction::PsrpMessage;
use crate::cursor::Cursor;

/// Bytes before the blob.
const HEADER: usize = 21;
/// Objects that wait for fragments.
const MAX_OBJECTS: usize = 64;
/// Fragments of one object.
const MAX_FRAGMENTS: usize = 4_096;

const START: u8 = 0x01;
const END: u8 = 0x02;

/// Types of messages that are looked into.
pub const SESSION_CAPABILITY: u32 = 0x0001_0002;
/// A pipeline to run.
pub const CREATE_PIPELINE: u32 = 0x0002_1006;
/// What a pipeline reads.
pub const PIPELINE_INPUT: u32 = 0x0004_1002;
/// How a pipeline ended.
pub const PIPELINE_STATE: u32 = 0x0004_1006;

/// The name of a type ([MS-PSRP] 2.2.1).
#[must_use]
pub const fn type_name(kind: u32) -> &'static str {
    match kind {
        SESSION_CAPABILITY => "SESSION_CAPABILITY",
        0x0001_0004 => "INIT_RUNSPACEPOOL",
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

struct Partial {
    object: u64,
    fragments: BTreeMap<u64, Vec<u8>>,
    last: Option<u64>,
    bytes: usize,
}

/// Objects of one direction that wait for fragments.
#[derive(Default)]
pub struct Defragmenter {
    objects: VecDeque<Partial>,
    bytes: usize,
}

/// Whether bytes begin with a fragment: for what does not say that it is one.
pub fn is_fragment(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    let Some((_, _, flags, len)) = header(&mut cursor) else { return false };
    flags & !(START | END) == 0 && len <= cursor.remaining() && len > 0
}

fn header(cursor: &mut Cursor<'_>) -> Option<(u64, u64, u8, usize)> {
    if cursor.remaining() < HEADER {
        return None;
    }
    let object = cursor.u64_be().ok()?;
    let fragment = cursor.u64_be().ok()?;
    let flags = cursor.u8().ok()?;
    Some((object, fragment, flags, cursor.u32_be().ok()? as usize))
}

impl Defragmenter {
    /// Takes fragments, one after the other; `cut`: bytes behind them are missing. Whole messages go to `done`.
    pub fn push(&mut self, bytes: &[u8], cut: bool, max: usize, done: &mut Vec<Assembled>, tell: &mut dyn FnMut(&'static str)) {
        let mut cursor = Cursor::new(bytes);
        while cursor.remaining() > 0 {
            let Some((object, number, flags, len)) = header(&mut cursor) else {
                tell(if cut { anomaly::FRAGMENTS_LOST } else { anomaly::BAD_FRAGMENT });
                return;
            };
            let there = len.min(cursor.remaining());
            let Ok(blob) = cursor.take(there) else { return };
            if there < len {
                tell(if cut { anomaly::FRAGMENTS_LOST } else { anomaly::BAD_FRAGMENT });
                // No more of this object can be put behind what is missing.
                if let Some(whole) = self.broken(object, number, blob) {
                    done.push(whole);
                }
                return;
            }
            self.add(object, number, flags, blob, max, done, tell);
        }
    }

    fn add(
        &mut self,
        object: u64,
        number: u64,
        flags: u8,
        blob: &[u8],
        max: usize,
        done: &mut Vec<Assembled>,
        tell: &mut dyn FnMut(&'static str),
    ) {
        let at = self.objects.iter().position(|known| known.object == object);
        // Most objects are one fragment.
        if at.is_none() && number == 0 && flags & END != 0 {
            done.extend(assembled(blob, false));
            return;
        }
        let at = at.unwrap_or_else(|| {
            self.objects.push_back(Partial { object, fragments: BTreeMap::new(), last: None, bytes: 0 });
            self.objects.len() - 1
        });
        let Some(partial) = self.objects.get_mut(at) else { return };
        if let Some(known) = partial.fragments.get(&number) {
            if known == blob {
                return;
            }
            // What came first stays: a receiver refuses the second.
            tell(anomaly::FRAGMENT_CONFLICT);
            return;
        }
        if partial.fragments.len() >= MAX_FRAGMENTS {
            tell(anomaly::FRAGMENT_LIMIT);
            return;
        }
        partial.fragments.insert(number, blob.to_vec());
        partial.bytes += blob.len();
        self.bytes += blob.len();
        if flags & END != 0 {
            partial.last = Some(number);
        }
        let complete = partial.last.is_some_and(|last| partial.fragments.len() as u64 == last.saturating_add(1));
        if complete {
            done.extend(self.remove(at).and_then(|partial| partial.join()));
            return;
        }
        while self.objects.len() > MAX_OBJECTS || (self.bytes > max && !self.objects.is_empty()) {
            tell(anomaly::FRAGMENT_LIMIT);
            done.extend(self.remove(0).and_then(|partial| partial.join()));
        }
    }

    /// The head of an object whose fragment number `number` is not whole.
    fn broken(&mut self, object: u64, number: u64, blob: &[u8]) -> Option<Assembled> {
        match self.objects.iter().position(|known| known.object == object) {
            Some(at) => {
                let mut partial = self.remove(at)?;
                partial.fragments.entry(number).or_insert_with(|| blob.to_vec());
                partial.last = None;
                partial.join()
            }
            None if number == 0 => assembled(blob, true),
            None => None,
        }
    }

    fn remove(&mut self, at: usize) -> Option<Partial> {
        let partial = self.objects.remove(at)?;
        self.bytes -= partial.bytes;
        Some(partial)
    }

    /// No more fragments come: what waits, as far as it is there.
    pub fn finish(&mut self, tell: &mut dyn FnMut(&'static str)) -> Vec<Assembled> {
        let mut done = Vec::new();
        while let Some(partial) = self.remove(0) {
            tell(anomaly::FRAGMENTS_LOST);
            done.extend(partial.join());
        }
        done
    }

    /// Bytes it holds.
    pub const fn held(&self) -> usize {
        self.bytes
    }
}

impl Partial {
    /// The fragments from the first one on that are there.
    fn join(self) -> Option<Assembled> {
        let mut bytes = Vec::with_capacity(self.bytes);
        let mut next = 0;
        for (number, blob) in &self.fragments {
            if *number != next {
                break;
            }
            bytes.extend_from_slice(blob);
            next += 1;
        }
        assembled(&bytes, self.last.is_none_or(|last| next <= last))
    }
}

/// [MS-PSRP] 2.2.1.
fn assembled(bytes: &[u8], cut: bool) -> Option<Assembled> {
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
