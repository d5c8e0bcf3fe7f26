//! What a connection knows: sessions, trees, open files, and requests that wait.

use std::collections::{BTreeMap, VecDeque};

use backstop_types::Direction;

use super::anomaly;
use super::command::{Command, code1, code2};
use super::content::Contents;
use super::header::Smb2;
use super::names;
use super::pipes::Pipes;
use super::transaction::{
    Asked, Encrypted, Exchange, File, FileData, Negotiated, PipeData, Session, ShareType, Stage, Transaction, Tree,
};
use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::registry::AppProto;

/// What pairs a response with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Smb2(u64),
    Smb1(u64),
}

/// A tree's place: its session (SMB 1: [`SMB1_TREES`]) and number.
pub type TreeKey = (u64, u32);
/// Trees of SMB 1 belong to the connection.
pub const SMB1_TREES: u64 = u64::MAX;

/// Responses that are kept for requests that come later, and bytes of each: the fixed part of a CREATE response is the longest.
const MAX_EARLY: usize = 32;
const MAX_EARLY_LEN: usize = 256;

/// A request that waits.
#[derive(Debug)]
pub struct Pending {
    pub key: Key,
    pub tx_id: u64,
    pub command: Command,
    pub session_id: u64,
    pub tree: Option<TreeKey>,
    /// Number of the file.
    pub file: Option<u64>,
    pub asked: Box<Asked>,
    pub repeats: bool,
}

struct Open {
    file: File,
    tree: Option<TreeKey>,
    written: Contents,
    read: Contents,
    /// A read, a write of it was recorded.
    recorded: [bool; 2],
}

/// Data of one read or write.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    pub tx_id: Option<u64>,
    pub file: Option<u64>,
    pub pipe: bool,
    pub written: bool,
    pub offset: u64,
    pub command: Command,
}

/// One connection.
pub struct Connection {
    pub limits: Limits,
    pub negotiated: Negotiated,
    pub sessions: BTreeMap<u64, Session>,
    trees: BTreeMap<TreeKey, Tree>,
    opens: BTreeMap<u64, Open>,
    ids: BTreeMap<[u8; 16], u64>,
    pending: VecDeque<Pending>,
    /// Responses that came before their requests.
    early: VecDeque<(Smb2, Vec<u8>)>,
    /// Who sends requests, once that is known.
    pub client: Option<Direction>,
    /// Bytes are missing somewhere: what does not fit is nobody's fault.
    pub lossy: bool,
    /// Bytes of contents.
    contents: usize,
    pub(super) pipes: Pipes,
    /// Anomalies told: each once a flow.
    told: Vec<&'static str>,
    next_tx: u64,
    next_file: u64,
    confirmed: bool,
}

impl Connection {
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            negotiated: Negotiated::default(),
            sessions: BTreeMap::new(),
            trees: BTreeMap::new(),
            opens: BTreeMap::new(),
            ids: BTreeMap::new(),
            pending: VecDeque::new(),
            early: VecDeque::new(),
            client: None,
            lossy: false,
            contents: 0,
            pipes: Pipes::default(),
            told: Vec::new(),
            next_tx: 0,
            next_file: 0,
            confirmed: false,
        }
    }

    /// Bytes held, about.
    pub fn held(&self) -> usize {
        // A session, tree or open file has a few names.
        let entries = self.sessions.len() + self.trees.len() + self.opens.len() + self.pending.len();
        self.contents + self.pipes.held() + (entries + self.early.len()) * 512
    }

    /// The sender of a message is known by it. Whether that fits.
    pub fn sends(&mut self, direction: Direction, response: bool, out: &mut dyn Sink) -> bool {
        let client = if response { direction.reverse() } else { direction };
        if *self.client.get_or_insert(client) != client {
            self.violation(direction, anomaly::WRONG_DIRECTION, out);
            return false;
        }
        if !std::mem::replace(&mut self.confirmed, true) {
            out.confirmed(AppProto::Smb);
        }
        true
    }

    /// A request: it waits for its response.
    pub fn request(&mut self, mut pending: Pending, waits: bool, out: &mut dyn Sink) -> u64 {
        pending.tx_id = self.next_tx;
        self.next_tx += 1;
        let tx_id = pending.tx_id;
        self.tell(&pending, Stage::Requested, None, out);
        if !waits {
            return tx_id;
        }
        self.pending.push_back(pending);
        if self.pending.len() > self.limits.max_pending
            && let Some(oldest) = self.pending.remove(self.dispensable())
        {
            self.report(self.client.unwrap_or(Direction::ToServer), anomaly::PENDING_LIMIT, out);
            self.tell(&oldest, Stage::Unanswered, None, out);
        }
        tx_id
    }

    /// The oldest request that opens nothing, or else the oldest: without what it opens, nothing that follows has a name.
    fn dispensable(&self) -> usize {
        let opens = |pending: &Pending| pending.asked.filename.is_some() || pending.asked.share.is_some();
        self.pending.iter().position(|pending| !opens(pending)).unwrap_or_default()
    }

    /// The request that a response answers.
    pub fn take(&mut self, key: Key) -> Option<Pending> {
        let at = self.pending.iter().position(|pending| pending.key == key)?;
        self.pending.remove(at)
    }

    /// A response whose request was not seen: it may wait behind a hole in the other direction.
    pub fn early(&mut self, header: &Smb2, message: &[u8]) {
        if self.early.len() >= MAX_EARLY {
            self.early.pop_front();
        }
        self.early.push_back((*header, message.get(..MAX_EARLY_LEN).unwrap_or(message).to_vec()));
    }

    /// The response that came before this request.
    pub fn take_early(&mut self, message_id: u64) -> Option<(Smb2, Vec<u8>)> {
        let at = self.early.iter().position(|(header, _)| header.message_id == message_id)?;
        self.early.remove(at)
    }

    /// The SMB 1 request that asked for any dialect of SMB 2 ([MS-SMB2] 3.3.5.3).
    pub fn take_negotiate(&mut self) -> Option<Pending> {
        let negotiate = Command::Smb1(code1::NEGOTIATE);
        let at = self.pending.iter().position(|pending| pending.command == negotiate)?;
        self.pending.remove(at)
    }

    pub fn tell(&self, pending: &Pending, stage: Stage, status: Option<u32>, out: &mut dyn Sink) {
        let exchange = Exchange {
            tx_id: pending.tx_id,
            stage,
            command: pending.command,
            status,
            negotiated: &self.negotiated,
            session_id: pending.session_id,
            session: self.sessions.get(&pending.session_id),
            tree_id: pending.tree.map(|(_, number)| number),
            tree: pending.tree.and_then(|key| self.trees.get(&key)),
            file: pending.file.and_then(|number| self.file(number)),
            asked: &pending.asked,
            // One that fails is worth a record.
            repeats: pending.repeats && status.is_none_or(|status| status == 0),
        };
        out.transaction(&crate::Transaction::Smb(Transaction::Exchange(exchange)));
    }

    /// A session by its id; a new one where there is none.
    pub fn session(&mut self, id: u64, direction: Direction, out: &mut dyn Sink) -> &mut Session {
        if self.sessions.len() >= self.limits.max_files && !self.sessions.contains_key(&id) {
            self.sessions.pop_first();
            self.report(direction, anomaly::STATE_LIMIT, out);
        }
        self.sessions.entry(id).or_default()
    }

    /// A session's messages are encrypted.
    pub fn encrypted(&mut self, id: u64, direction: Direction, out: &mut dyn Sink) {
        if !std::mem::replace(&mut self.session(id, direction, out).encrypted, true) {
            let told = Encrypted { session_id: id, session: self.sessions.get(&id), negotiated: &self.negotiated };
            out.transaction(&crate::Transaction::Smb(Transaction::Encrypted(told)));
        }
    }

    pub fn connect_tree(&mut self, key: TreeKey, tree: Tree, direction: Direction, out: &mut dyn Sink) {
        if self.trees.len() >= self.limits.max_files && !self.trees.contains_key(&key) {
            self.trees.pop_first();
            self.report(direction, anomaly::STATE_LIMIT, out);
        }
        self.trees.insert(key, tree);
    }

    pub fn tree(&self, key: TreeKey) -> Option<&Tree> {
        self.trees.get(&key)
    }

    /// What is open in a tree ends with it.
    pub fn disconnect_tree(&mut self, key: TreeKey, out: &mut dyn Sink) {
        self.close_where(|open| open.tree == Some(key), out);
        self.trees.remove(&key);
    }

    /// All that belongs to a session ends with it.
    pub fn log_off(&mut self, session_id: u64, out: &mut dyn Sink) {
        self.close_where(|open| open.tree.is_some_and(|(session, _)| session == session_id), out);
        self.trees.retain(|(session, _), _| *session != session_id);
        self.sessions.remove(&session_id);
    }

    /// A file is to be opened; its number.
    pub fn open(&mut self, name: String, access: u32, tree: Option<TreeKey>, direction: Direction, out: &mut dyn Sink) -> u64 {
        if self.opens.len() >= self.limits.max_files
            && let Some(&oldest) = self.opens.keys().next()
        {
            self.close(oldest, out);
            self.report(direction, anomaly::STATE_LIMIT, out);
        }
        let number = self.next_file;
        self.next_file += 1;
        let of = tree.and_then(|key| self.trees.get(&key));
        let pipe = of.map_or_else(
            || names::is_pipe(&name),
            |tree| tree.kind == Some(ShareType::Pipe) || tree.name().eq_ignore_ascii_case("IPC$"),
        );
        let file = File { number, name, share: of.map(|tree| tree.share.clone()), pipe, access, ..File::default() };
        let (written, read) = (Contents::default(), Contents::default());
        self.opens.insert(number, Open { file, tree, written, read, recorded: [false; 2] });
        number
    }

    /// The server gave a file an id.
    pub fn opened(&mut self, number: u64, id: [u8; 16], size: Option<u64>, out: &mut dyn Sink) {
        // An id that is given again was closed without our knowledge.
        if let Some(&old) = self.ids.get(&id)
            && old != number
        {
            self.close(old, out);
        }
        let Some(open) = self.opens.get_mut(&number) else { return };
        open.file.id = Some(id);
        open.file.size = size;
        self.ids.insert(id, number);
    }

    pub fn number_of(&self, id: [u8; 16]) -> Option<u64> {
        self.ids.get(&id).copied()
    }

    pub fn file(&self, number: u64) -> Option<&File> {
        self.opens.get(&number).map(|open| &open.file)
    }

    /// Where a file is.
    pub fn tree_of(&self, number: u64) -> Option<TreeKey> {
        self.opens.get(&number).and_then(|open| open.tree)
    }

    /// The session that a tree is of; trees of SMB 1 are the connection's, which has one session as a rule.
    pub fn session_of(&self, (session, _): TreeKey) -> u64 {
        let first = || self.sessions.keys().next().copied().unwrap_or_default();
        if session == SMB1_TREES { first() } else { session }
    }

    /// What moves data of pipes as a rule.
    pub fn usual_command(&self) -> Command {
        let smb1 = self.trees.keys().next().is_some_and(|(session, _)| *session == SMB1_TREES);
        if smb1 { Command::Smb1(code1::TRANSACTION) } else { Command::Smb2(code2::IOCTL) }
    }

    pub fn change(&mut self, number: u64, change: impl FnOnce(&mut File)) {
        if let Some(open) = self.opens.get_mut(&number) {
            change(&mut open.file);
        }
    }

    /// Whether a read (or write) of a file was recorded before; from now on it was.
    pub fn repeats(&mut self, number: Option<u64>, written: bool) -> bool {
        let Some(open) = number.and_then(|number| self.opens.get_mut(&number)) else { return false };
        let [read, wrote] = &mut open.recorded;
        std::mem::replace(if written { wrote } else { read }, true)
    }

    fn close_where(&mut self, which: impl Fn(&Open) -> bool, out: &mut dyn Sink) {
        let numbers: Vec<u64> = self.opens.iter().filter(|(_, open)| which(open)).map(|(number, _)| *number).collect();
        for number in numbers {
            self.close(number, out);
        }
    }

    /// A file is closed: what was not offered of it is.
    pub fn close(&mut self, number: u64, out: &mut dyn Sink) {
        self.close_pipe(number, out);
        let Some(mut open) = self.opens.remove(&number) else { return };
        if let Some(id) = open.file.id
            && self.ids.get(&id) == Some(&number)
        {
            self.ids.remove(&id);
        }
        // Who looks at files sees the end of one before content rules see what is left of it.
        for (written, bytes) in [(true, open.file.written), (false, open.file.read)] {
            if bytes > 0 && !open.file.pipe {
                let data = FileData { tx_id: None, file: Some(&open.file), written, offset: bytes, bytes: &[], end: true };
                out.transaction(&crate::Transaction::Smb(Transaction::File(data)));
            }
        }
        self.finish(&mut open, out);
    }

    fn finish(&mut self, open: &mut Open, out: &mut dyn Sink) {
        self.contents -= open.written.held() + open.read.held();
        let client = self.client.unwrap_or(Direction::ToServer);
        open.written.finish(&mut offer(Some(open.file.key(true)), client, None, out));
        open.read.finish(&mut offer(Some(open.file.key(false)), client.reverse(), None, out));
    }

    /// A piece of a read or write. `last`: nothing more of it comes.
    pub fn moved(&mut self, moved: &Moved, bytes: &[u8], last: bool, out: &mut dyn Sink) {
        let Moved { tx_id, file: number, pipe, written, offset, .. } = *moved;
        let client = self.client.unwrap_or(Direction::ToServer);
        let direction = if written { client } else { client.reverse() };
        let mut open = number.and_then(|number| self.opens.get_mut(&number));
        if let Some(open) = &mut open {
            let count = if written { &mut open.file.written } else { &mut open.file.read };
            *count = count.saturating_add(bytes.len() as u64);
        }
        let file = open.as_ref().map(|open| &open.file);
        if pipe {
            let data = PipeData { tx_id, file, written, bytes, last };
            out.transaction(&crate::Transaction::Smb(Transaction::Pipe(data)));
            if let Some(number) = number {
                self.pipe_data(number, moved, bytes, direction, out);
            }
            // Behind the calls in it: what was found in them is not found again.
            out.content(Content { bytes, layers: &["smb.pipe"], direction, tx_id });
            return;
        }
        if bytes.is_empty() {
            return;
        }
        let data = FileData { tx_id, file, written, offset, bytes, end: false };
        out.transaction(&crate::Transaction::Smb(Transaction::File(data)));
        let Some(open) = open else {
            offer(None, direction, tx_id, out)(bytes);
            return;
        };
        let contents = if written { &mut open.written } else { &mut open.read };
        let before = contents.held();
        contents.add(offset, bytes, &mut offer(Some(open.file.key(written)), direction, tx_id, out));
        self.contents = (self.contents + contents.held()) - before;
        if std::mem::take(&mut contents.lost) {
            self.report(direction, anomaly::CONTENT_LIMIT, out);
        }
        if self.contents > self.limits.max_file_bytes {
            self.report(direction, anomaly::CONTENT_LIMIT, out);
            self.make_room(out);
        }
    }

    /// Bytes of a read or write are missing.
    pub fn moved_gap(&mut self, moved: &Moved, out: &mut dyn Sink) {
        if let Some(number) = moved.file.filter(|_| moved.pipe) {
            let client = self.client.unwrap_or(Direction::ToServer);
            self.pipe_gap(number, if moved.written { client } else { client.reverse() }, out);
        }
    }

    /// Offers contents, those of the oldest files first, until half of the room is free.
    fn make_room(&mut self, out: &mut dyn Sink) {
        let client = self.client.unwrap_or(Direction::ToServer);
        for open in self.opens.values_mut() {
            if self.contents <= self.limits.max_file_bytes / 2 {
                return;
            }
            self.contents -= open.written.held() + open.read.held();
            open.written.finish(&mut offer(Some(open.file.key(true)), client, None, out));
            open.read.finish(&mut offer(Some(open.file.key(false)), client.reverse(), None, out));
        }
    }

    /// Nothing more comes: what waits is told.
    pub fn end(&mut self, out: &mut dyn Sink) {
        while let Some(pending) = self.pending.pop_front() {
            self.tell(&pending, Stage::Unanswered, None, out);
        }
        self.close_where(|_| true, out);
    }

    /// A violation, unless bytes are missing.
    pub fn violation(&mut self, direction: Direction, event: &'static str, out: &mut dyn Sink) {
        if !self.lossy {
            self.report(direction, event, out);
        }
    }

    pub fn report(&mut self, direction: Direction, event: &'static str, out: &mut dyn Sink) {
        if !self.told.contains(&event) {
            self.told.push(event);
            out.anomaly(Anomaly { app_proto: AppProto::Smb, event, direction });
        }
    }
}

/// Offers contents to the rules. `key`: that of the file's parts, of one whose opening was seen.
fn offer(key: Option<u64>, direction: Direction, tx_id: Option<u64>, out: &mut dyn Sink) -> impl FnMut(&[u8]) {
    move |bytes| {
        let content = Content { bytes, layers: &["smb.file"], direction, tx_id };
        match key {
            Some(key) => out.content_of((AppProto::Smb, key), content),
            None => out.content(content),
        }
    }
}
