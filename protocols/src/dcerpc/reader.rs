//! PDUs out of the bytes of one direction of a pipe, in bounded memory.

use super::pdu::{HEADER, Header};

/// Bytes kept of a PDU: a bind with many contexts, a request's head.
const HEAD: usize = 1_024;

/// A PDU that is over.
#[derive(Clone, Copy, Debug)]
pub struct Pdu<'a> {
    /// Its header.
    pub header: Header,
    /// Its first bytes, the header with them: all, where it is short.
    pub head: &'a [u8],
    /// The last four bytes of its body, where no verifier stands behind them: what a call returns.
    pub tail: Option<[u8; 4]>,
}

/// Reads PDUs from pieces of any size.
#[derive(Debug, Default)]
pub struct Reader {
    head: Vec<u8>,
    header: Option<Header>,
    /// Bytes of the PDU that were seen.
    seen: usize,
    tail: [u8; 4],
    lost: bool,
}

impl Reader {
    /// Something came that is no PDU: nothing more is read.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Bytes held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.head.len()
    }

    /// Takes bytes, and gives the PDUs that end in them.
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Pdu<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.lost {
            let header = match self.header {
                Some(header) => header,
                None => {
                    let missing = HEADER.saturating_sub(self.head.len());
                    let (piece, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
                    self.head.extend_from_slice(piece);
                    rest = after;
                    if self.head.len() < HEADER {
                        return;
                    }
                    let Ok(Some(header)) = Header::parse(&self.head) else {
                        self.lost = true;
                        self.head = Vec::new();
                        return;
                    };
                    self.seen = HEADER;
                    self.header = Some(header);
                    header
                }
            };
            let left = usize::from(header.len).saturating_sub(self.seen);
            let (piece, after) = rest.split_at_checked(left).unwrap_or((rest, &[]));
            let room = HEAD.saturating_sub(self.head.len());
            self.head.extend_from_slice(piece.get(..room).unwrap_or(piece));
            for byte in piece.get(piece.len().saturating_sub(4)..).unwrap_or_default() {
                self.tail.rotate_left(1);
                self.tail[3] = *byte;
            }
            self.seen += piece.len();
            rest = after;
            if self.seen >= usize::from(header.len) {
                let tail = (header.auth_len == 0 && self.seen >= HEADER + 4).then_some(self.tail);
                each(Pdu { header, head: &self.head, tail });
                self.head.clear();
                self.header = None;
            }
        }
    }
}
