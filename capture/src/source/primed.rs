//! A capture's head, read whole before the parser looks: a pipe may deliver it in pieces, and must not be waited for twice.

use std::io::{ErrorKind, Read, Result};

/// [pcapng] 4.1: the section header block's type and the two forms of its byte-order magic.
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const LITTLE_ENDIAN: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];
/// The header of a pcap file.
const PCAP_HEADER: usize = 24;
/// A section header longer than this is no capture's.
const MAX_SECTION_HEADER: usize = 1 << 20;

/// Gives the head first, then nothing once, then the rest.
///
/// The parser reads twice before it looks; the second time would wait for packets that may come much later.
pub struct Primed<R> {
    head: Vec<u8>,
    given: usize,
    paused: bool,
    inner: R,
}

impl<R: Read> Primed<R> {
    /// Reads the head: up to the end of the header, or to the end of the input.
    pub fn new(mut inner: R) -> Result<Self> {
        let mut head = Vec::new();
        fill(&mut inner, &mut head, 12)?;
        if head.starts_with(&SECTION_HEADER) {
            let len = head.get(4..8).and_then(|bytes| bytes.first_chunk::<4>()).copied().unwrap_or_default();
            let little = head.get(8..12) == Some(&LITTLE_ENDIAN);
            let len = if little { u32::from_le_bytes(len) } else { u32::from_be_bytes(len) };
            fill(&mut inner, &mut head, usize::try_from(len).unwrap_or(usize::MAX).min(MAX_SECTION_HEADER))?;
        } else {
            fill(&mut inner, &mut head, PCAP_HEADER)?;
        }
        Ok(Self { head, given: 0, paused: false, inner })
    }
}

fn fill(from: &mut impl Read, head: &mut Vec<u8>, len: usize) -> Result<()> {
    let mut piece = [0; 4096];
    while head.len() < len {
        let want = (len - head.len()).min(piece.len());
        let Some(room) = piece.get_mut(..want) else { return Ok(()) };
        match from.read(room) {
            Ok(0) => return Ok(()),
            Ok(read) => head.extend_from_slice(room.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl<R: Read> Read for Primed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let rest = self.head.get(self.given..).unwrap_or_default();
        if rest.is_empty() {
            if !std::mem::replace(&mut self.paused, true) {
                return Ok(0);
            }
            return self.inner.read(buffer);
        }
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.given += len;
        Ok(len)
    }
}
