//! Handshake messages out of record fragments (RFC 8446 §5.1: they may be coalesced, and may span records).

/// Type and length (RFC 8446 §4).
const HEADER: usize = 4;

/// What a fragment completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole message: its type and body.
    Message(u8, &'a [u8]),
    /// A message above the cap begins; it is passed over.
    TooLong,
}

/// The unfinished message of one direction. Holds bytes that arrived, never what a length promises.
#[derive(Debug, Default)]
pub struct Reassembly {
    partial: Vec<u8>,
    /// Bytes of a message to pass over.
    skip: usize,
}

impl Reassembly {
    /// A message has begun and not ended.
    pub fn is_pending(&self) -> bool {
        !self.partial.is_empty() || self.skip > 0
    }

    /// Forgets the unfinished message, and gives what is there of it: type and body.
    pub fn take_partial(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut partial = std::mem::take(self).partial;
        let kind = *partial.first()?;
        if partial.len() <= HEADER {
            return None;
        }
        partial.drain(..HEADER);
        Some((kind, partial))
    }

    /// Takes a fragment; `each` gets what it completes and says whether to go on. Returns the bytes left when it did not.
    pub fn feed<'a>(&mut self, fragment: &'a [u8], max: usize, mut each: impl FnMut(Piece<'_>) -> bool) -> &'a [u8] {
        let mut rest = fragment;
        while !rest.is_empty() {
            if self.skip > 0 {
                let (passed, after) = rest.split_at_checked(self.skip).unwrap_or((rest, &[]));
                self.skip -= passed.len();
                rest = after;
                continue;
            }
            if self.partial.is_empty()
                && let Some(total) = total_len(rest)
                && total - HEADER <= max
                && let Some((message, after)) = rest.split_at_checked(total)
            {
                rest = after;
                if !piece(message, &mut each) {
                    return rest;
                }
                continue;
            }
            // What is missing of the header, then of the message.
            let want = total_len(&self.partial).unwrap_or(HEADER) - self.partial.len();
            let (taken, after) = rest.split_at_checked(want).unwrap_or((rest, &[]));
            self.partial.extend_from_slice(taken);
            rest = after;
            let Some(total) = total_len(&self.partial) else { continue };
            if total - HEADER > max {
                self.skip = total - self.partial.len();
                self.partial = Vec::new();
                each(Piece::TooLong);
            } else if self.partial.len() == total {
                let message = std::mem::take(&mut self.partial);
                if !piece(&message, &mut each) {
                    return rest;
                }
            }
        }
        rest
    }
}

fn piece(message: &[u8], each: &mut impl FnMut(Piece<'_>) -> bool) -> bool {
    let Some((&[kind, ..], body)) = message.split_first_chunk::<HEADER>() else { return true };
    each(Piece::Message(kind, body))
}

/// Header and body of the message that begins here.
fn total_len(bytes: &[u8]) -> Option<usize> {
    let &[_, high, middle, low] = bytes.first_chunk::<HEADER>()?;
    Some(HEADER + u32::from_be_bytes([0, high, middle, low]) as usize)
}
