//! Fragments to messages ([MS-PSRP] 2.2.4).
//!
//! ```text
//! fragment = ObjectId u64be  FragmentId u64be  flags u8 (start 0x01, end 0x02)  BlobLength u32be  Blob
//! ```
//! The numbers of objects are those of one shell, and shells and commands share connections: objects are kept apart by both.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::anomaly;
use super::partial::{OVERLAP, Partial};
use super::psrp::{Assembled, assembled};
use crate::cursor::Cursor;

/// Bytes before the blob.
const HEADER: usize = 21;
/// Objects that wait for fragments, and streams that wait for the rest of one.
const MAX_WAITING: usize = 64;

pub const START: u8 = 0x01;
pub const END: u8 = 0x02;

/// Where fragments stand: a shell, and a stream of it or of a command in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    shell: u64,
    exact: u64,
}

impl Stream {
    /// The stream of that name.
    pub fn of(shell: Option<&str>, command: Option<&str>, name: &str) -> Self {
        let hashed = |parts: &[&str]| {
            let mut hasher = DefaultHasher::new();
            parts.hash(&mut hasher);
            hasher.finish()
        };
        let (shell, command) = (shell.unwrap_or_default(), command.unwrap_or_default());
        Self { shell: hashed(&[shell]), exact: hashed(&[shell, command, name]) }
    }
}

/// The head of a fragment.
#[derive(Clone, Copy)]
pub struct Header {
    pub object: u64,
    pub number: u64,
    pub flags: u8,
    pub len: usize,
}

impl Header {
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        if cursor.remaining() < HEADER {
            return None;
        }
        let (object, number) = (cursor.u64_be().ok()?, cursor.u64_be().ok()?);
        Some(Self { object, number, flags: cursor.u8().ok()?, len: cursor.u32_be().ok()? as usize })
    }
}

/// Whether bytes begin with a fragment: for what does not say that it is one.
pub fn is_fragment(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    let Some(header) = Header::read(&mut cursor) else { return false };
    header.flags & !(START | END) == 0 && header.len <= cursor.remaining() && header.len > 0
}

/// Whether bytes are whole fragments, from the first to the last.
pub fn are_fragments(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    while !cursor.is_empty() {
        let Some(header) = Header::read(&mut cursor) else { return false };
        if cursor.take(header.len).is_err() {
            return false;
        }
    }
    !bytes.is_empty()
}

/// The beginning of a fragment whose rest is in the next message of its stream.
struct Unfinished {
    stream: Stream,
    bytes: Vec<u8>,
    /// Bytes that still belong to a fragment that is given up.
    skip: usize,
}

/// Objects of one direction that wait for fragments.
#[derive(Default)]
pub struct Defragmenter {
    objects: VecDeque<Partial>,
    unfinished: VecDeque<Unfinished>,
    /// The last objects that were whole: what comes again of them says nothing new.
    over: VecDeque<(Stream, u64)>,
    bytes: usize,
}

/// What a call is given, and gives back.
pub struct Output<'a> {
    /// Bytes that may be kept.
    pub max: usize,
    /// Whole messages.
    pub done: &'a mut Vec<Assembled>,
    /// What is wrong.
    pub tell: &'a mut dyn FnMut(&'static str),
}

impl Defragmenter {
    /// Takes fragments, one after the other; `cut`: bytes behind them are missing.
    pub fn push(&mut self, stream: Stream, bytes: &[u8], cut: bool, out: &mut Output<'_>) {
        let waiting = self.unfinished.iter().position(|known| known.stream == stream);
        let Some(mut known) = waiting.and_then(|at| self.unfinished.remove(at)) else {
            let used = self.read(stream, bytes, out);
            let rest = bytes.get(used..).unwrap_or_default();
            return self.keep(Unfinished { stream, bytes: rest.to_vec(), skip: 0 }, cut, out);
        };
        self.bytes -= known.bytes.len();
        let skipped = known.skip.min(bytes.len());
        known.skip -= skipped;
        known.bytes.extend_from_slice(bytes.get(skipped..).unwrap_or_default());
        let used = self.read(stream, &known.bytes, out);
        known.bytes.drain(..used);
        self.keep(known, cut, out);
    }

    /// Reads whole fragments; how many bytes they are.
    fn read(&mut self, stream: Stream, bytes: &[u8], out: &mut Output<'_>) -> usize {
        let mut cursor = Cursor::new(bytes);
        let mut used = 0;
        while let Some(header) = Header::read(&mut cursor)
            && let Ok(blob) = cursor.take(header.len)
        {
            self.add(stream, header, blob, out);
            used = bytes.len() - cursor.remaining();
        }
        used
    }

    /// Keeps what is no whole fragment. The specification forbids to divide one ([MS-PSRP] 3.1.5.1.1), receivers join it.
    fn keep(&mut self, mut rest: Unfinished, cut: bool, out: &mut Output<'_>) {
        if rest.bytes.is_empty() && rest.skip == 0 {
            return;
        }
        if cut {
            (out.tell)(anomaly::FRAGMENTS_LOST);
            return self.give_up(&rest, out);
        }
        (out.tell)(anomaly::BAD_FRAGMENT);
        let declared = Header::read(&mut Cursor::new(&rest.bytes)).map_or(0, |header| header.len);
        if declared > out.max {
            (out.tell)(anomaly::FRAGMENT_LIMIT);
            self.give_up(&rest, out);
            rest.skip = (declared + HEADER).saturating_sub(rest.bytes.len());
            rest.bytes = Vec::new();
        }
        self.bytes += rest.bytes.len();
        self.unfinished.push_back(rest);
        while self.unfinished.len() > MAX_WAITING {
            let Some(oldest) = self.unfinished.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
            (out.tell)(anomaly::FRAGMENT_LIMIT);
            self.give_up(&oldest, out);
        }
        self.bound(out);
    }

    /// Hands over an object as far as the fragment is there that its rest is missing of.
    fn give_up(&mut self, rest: &Unfinished, out: &mut Output<'_>) {
        let mut cursor = Cursor::new(&rest.bytes);
        let Some(header) = Header::read(&mut cursor) else { return };
        self.add(rest.stream, Header { flags: header.flags & START, ..header }, cursor.rest(), out);
        let at = self.find(rest.stream, header);
        if let Some(partial) = at.and_then(|at| self.remove(at)) {
            out.done.extend(partial.join(true));
        }
    }

    /// The object that a fragment belongs to. Who numbers commands may be the server, later: then the place in the row tells.
    fn find(&self, stream: Stream, header: Header) -> Option<usize> {
        let all = || self.objects.iter().enumerate().filter(|(_, known)| known.object == header.object);
        let goes_on = |known: &Partial| header.flags & START == 0 && known.started && known.next == header.number;
        all()
            .find(|(_, known)| known.stream == stream)
            .or_else(|| all().find(|(_, known)| known.stream.shell == stream.shell && goes_on(known)))
            .or_else(|| all().find(|(_, known)| goes_on(known)))
            .map(|(at, _)| at)
    }

    fn add(&mut self, stream: Stream, header: Header, blob: &[u8], out: &mut Output<'_>) {
        let Header { object, number, flags, .. } = header;
        let at = self.find(stream, header);
        if at.is_none() && flags & START == 0 && self.over.contains(&(stream, object)) {
            return;
        }
        // Most objects are one fragment.
        if at.is_none() && number == 0 && flags & END != 0 {
            self.is_over(stream, object);
            out.done.extend(assembled(blob, false));
            return;
        }
        let at = at.unwrap_or_else(|| {
            self.objects.push_back(Partial::new(stream, object));
            self.objects.len() - 1
        });
        let Some(partial) = self.objects.get_mut(at) else { return };
        // What begins an object again ends what was there: receivers that take it forget the first. Both are read.
        if flags & START != 0 && partial.started && !partial.is_only(number, blob) {
            (out.tell)(anomaly::FRAGMENT_CONFLICT);
            let old = std::mem::replace(partial, Partial::new(stream, object));
            self.bytes -= old.cost;
            out.done.extend(old.join(true));
        }
        let before = partial.cost;
        let anomaly = partial.take(header, blob);
        // What waited for its turn costs less when it comes.
        self.bytes = self.bytes - before + partial.cost;
        let ended = partial.ended;
        if let Some(anomaly) = anomaly {
            (out.tell)(anomaly);
        }
        if ended {
            self.is_over(stream, object);
            out.done.extend(self.remove(at).and_then(|partial| partial.join(false)));
            return;
        }
        self.bound(out);
    }

    /// The caps on what waits: a long object is handed over in parts, of many the oldest is given up.
    fn bound(&mut self, out: &mut Output<'_>) {
        while self.objects.len() > MAX_WAITING
            || (self.bytes > out.max && !(self.objects.is_empty() && self.unfinished.is_empty()))
        {
            (out.tell)(anomaly::FRAGMENT_LIMIT);
            let is_long = |known: &&mut Partial| known.joined.len() > (out.max / 4).max(2 * OVERLAP);
            let fits = self.objects.len() <= MAX_WAITING;
            if let Some(long) = self.objects.iter_mut().find(is_long).filter(|_| fits) {
                let before = long.cost;
                out.done.extend(long.hand_over());
                self.bytes -= before - long.cost;
            } else if let Some(oldest) = self.remove(0) {
                out.done.extend(oldest.join(true));
            } else if let Some(oldest) = self.unfinished.pop_front() {
                self.bytes -= oldest.bytes.len();
                self.give_up(&oldest, out);
            }
        }
    }

    fn is_over(&mut self, stream: Stream, object: u64) {
        if self.over.len() >= MAX_WAITING {
            self.over.pop_front();
        }
        self.over.push_back((stream, object));
    }

    fn remove(&mut self, at: usize) -> Option<Partial> {
        let partial = self.objects.remove(at)?;
        self.bytes -= partial.cost;
        Some(partial)
    }

    /// No more fragments come: what waits, as far as it is there.
    pub fn finish(&mut self, tell: &mut dyn FnMut(&'static str)) -> Vec<Assembled> {
        let mut done = Vec::new();
        let mut out = Output { max: usize::MAX, done: &mut done, tell };
        for rest in std::mem::take(&mut self.unfinished) {
            self.give_up(&rest, &mut out);
        }
        while let Some(partial) = self.remove(0) {
            (out.tell)(anomaly::FRAGMENTS_LOST);
            out.done.extend(partial.join(true));
        }
        self.bytes = 0;
        done
    }

    /// Bytes it holds.
    pub const fn held(&self) -> usize {
        self.bytes
    }
}
