//! An object of PowerShell remoting whose fragments are not all there ([MS-PSRP] 2.2.4).

use std::collections::BTreeMap;

use super::anomaly;
use super::fragments::{END, Header, START, Stream};
use super::psrp::{Assembled, TAIL, assembled};
use super::transaction::PsrpMessage;

/// Fragments of one object that came before their turn.
const MAX_EARLY: usize = 4_096;
/// What a fragment costs besides its blob.
const OVERHEAD: usize = 16;
/// … and one that came before its turn.
const OVERHEAD_EARLY: usize = 96;
/// Bytes of a part that are looked at again with the next, where an object is handed over in parts.
pub const OVERLAP: usize = 1_024;

/// An object that is not complete.
pub struct Partial {
    pub stream: Stream,
    pub object: u64,
    /// The fragment that began it was seen.
    pub started: bool,
    /// Number of the first fragment in `joined`, and of the next one.
    from: u64,
    pub next: u64,
    pub joined: Vec<u8>,
    /// Bytes at the beginning of `joined` that were handed over already.
    overlap: usize,
    /// Where each fragment in `joined` ends.
    ends: Vec<usize>,
    /// Those that came before their turn; whether they are the last.
    early: BTreeMap<u64, (bool, Vec<u8>)>,
    pub ended: bool,
    pub cost: usize,
    /// The head of the message, when a part of it is handed over already.
    head: Option<PsrpMessage>,
}

impl Partial {
    pub const fn new(stream: Stream, object: u64) -> Self {
        Self {
            stream,
            object,
            started: false,
            from: 0,
            next: 0,
            joined: Vec::new(),
            overlap: 0,
            ends: Vec::new(),
            early: BTreeMap::new(),
            ended: false,
            cost: 0,
            head: None,
        }
    }

    /// The blob of a fragment in `joined`.
    fn joined_blob(&self, number: u64) -> Option<&[u8]> {
        let at = usize::try_from(number.checked_sub(self.from)?).ok()?;
        let begin = at.checked_sub(1).map_or(Some(self.overlap), |before| self.ends.get(before).copied())?;
        self.joined.get(begin..*self.ends.get(at)?)
    }

    /// Nothing but this very fragment is there: it came twice.
    pub fn is_only(&self, number: u64, blob: &[u8]) -> bool {
        self.ends.len() == 1 && self.joined_blob(number) == Some(blob)
    }

    /// Takes a fragment; what is wrong with it.
    pub fn take(&mut self, header: Header, blob: &[u8]) -> Option<&'static str> {
        let Header { number, flags, .. } = header;
        let is_last = flags & END != 0;
        if !self.started && (flags & START != 0 || number == 0) {
            (self.started, self.from, self.next) = (true, number, number);
        }
        if self.started && number == self.next {
            self.append(is_last, blob);
            while !self.ended
                && let Some((is_last, blob)) = self.early.remove(&self.next)
            {
                self.cost -= blob.len() + OVERHEAD_EARLY;
                self.append(is_last, &blob);
            }
            return None;
        }
        if self.started && number < self.next {
            // What was handed over already is not known any more.
            let is_same = number < self.from || self.joined_blob(number) == Some(blob);
            return (!is_same).then_some(anomaly::FRAGMENT_CONFLICT);
        }
        if let Some((_, known)) = self.early.get(&number) {
            // What came first stays: a receiver refuses the second.
            return (known != blob).then_some(anomaly::FRAGMENT_CONFLICT);
        }
        if self.early.len() >= MAX_EARLY {
            return Some(anomaly::FRAGMENT_LIMIT);
        }
        self.cost += blob.len() + OVERHEAD_EARLY;
        self.early.insert(number, (is_last, blob.to_vec()));
        None
    }

    fn append(&mut self, is_last: bool, blob: &[u8]) {
        self.joined.extend_from_slice(blob);
        self.ends.push(self.joined.len());
        self.cost += blob.len() + OVERHEAD;
        self.next = self.next.saturating_add(1);
        self.ended = is_last;
    }

    /// What is there; the rest comes later.
    pub fn hand_over(&mut self) -> Option<Assembled> {
        let part = self.assembled(true);
        self.head = self.head.take().or_else(|| part.as_ref().map(|part| part.message.clone()));
        let overlap = self.joined.split_off(self.joined.len().saturating_sub(OVERLAP));
        self.cost = self.early.values().map(|(_, blob)| blob.len() + OVERHEAD_EARLY).sum::<usize>() + overlap.len();
        self.overlap = overlap.len();
        self.joined = overlap;
        self.ends = Vec::new();
        self.from = self.next;
        part
    }

    fn assembled(&self, cut: bool) -> Option<Assembled> {
        let Some(head) = &self.head else { return assembled(&self.joined, cut) };
        let message = PsrpMessage { length: self.joined.len() as u64, ..head.clone() };
        Some(Assembled { message, data: String::from_utf8_lossy(&self.joined).into_owned(), cut: true })
    }

    /// The fragments from the first one on that are there. Of an object whose first is missing, those that are.
    pub fn join(self, cut: bool) -> Option<Assembled> {
        if self.started {
            return self.assembled(cut);
        }
        let bytes: Vec<u8> = self.early.into_values().flat_map(|(_, blob)| blob).collect();
        let message = PsrpMessage { kind: TAIL, to_server: true, runspace: None, pipeline: None, length: bytes.len() as u64 };
        Some(Assembled { message, data: String::from_utf8_lossy(&bytes).into_owned(), cut: true })
    }
}
