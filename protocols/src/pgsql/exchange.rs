//! Requests find their replies: in order, with Sync as the boundary behind an error (55.2.3, 55.2.4).
//!
//! The server answers each step of the queue in turn. Steps that end with ReadyForQuery are boundaries: a startup, Query,
//! FunctionCall, Sync. Behind an error it discards all up to the boundary; during COPY from the client it ignores Sync.

use std::sync::Arc;

use super::backend::Report;
use super::frontend::Parameter;
use super::message::head;
use super::queue::{Kept, Pending, Queue, Step};
use super::session::{Login, Session};
use super::statement::{Portal, Statement};
use super::transaction::{Copied, Copy, Kind, Reply, Request, Stage, Startup, Transaction};
use crate::contract::{Limits, Sink};

/// Bytes of a text that are kept for the reply, where there is no room for all of it.
const HEAD: usize = 1_024;
/// Command tags that are kept of a reply.
const MAX_TAGS: usize = 16;

/// A request as it is told first.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub step: Step,
    pub kind: Kind,
    pub text: Option<&'a str>,
    pub text_cut: bool,
    pub function: Option<u32>,
}

impl Asked<'_> {
    /// A request without a text.
    pub const fn plain(step: Step, kind: Kind) -> Self {
        Self { step, kind, text: None, text_cut: false, function: None }
    }
}

/// The exchanges of one session.
pub struct Exchanges {
    queue: Queue,
    next_tx: u64,
    startup_tx: u64,
    /// Of the request at the head of the queue.
    reply: Reply,
    /// Replies up to so many boundaries are of requests that were given up.
    passed_over: u64,
    /// The batch at the end of the queue was given up: so is what comes up to its Sync.
    abandoned: bool,
    /// The server takes data from the client.
    copying_in: bool,
    /// Bytes of the server are missing since the last boundary.
    lost: bool,
}

impl Exchanges {
    pub fn new(limits: &Limits) -> Self {
        Self {
            queue: Queue::new(limits),
            next_tx: 0,
            startup_tx: 0,
            reply: Reply::default(),
            passed_over: 0,
            abandoned: false,
            copying_in: false,
            lost: false,
        }
    }

    /// Bytes that are kept.
    pub const fn held(&self) -> usize {
        self.queue.held()
    }

    /// An answer to an encryption request is awaited.
    pub fn awaits_encryption(&self) -> bool {
        self.queue.front() == Some(Step::Encryption)
    }

    /// Something was sent behind the encryption request whose answer is awaited.
    pub fn is_ahead_of_encryption(&self) -> bool {
        self.awaits_encryption() && self.queue.len() > 1
    }

    /// A StartupMessage. This and what follows says whether all could be kept for the reply.
    pub fn startup(&mut self, session: &Session, out: &mut dyn Sink) -> bool {
        self.startup_tx = self.new_tx();
        self.tell_startup(Stage::Requested, session, out);
        self.push(Pending::step(Step::Startup), session, out)
    }

    /// A request of its own: told, and kept for its reply. Its number is that of the next one before the call.
    pub fn request(&mut self, asked: Asked<'_>, parameters: Arc<[Parameter]>, session: &Session, out: &mut dyn Sink) -> bool {
        let tx_id = self.new_tx();
        let statement = asked.text.map(|text| self.keep(text, asked.text_cut));
        let kept = Kept { tx_id, kind: asked.kind, statement, parameters, function: asked.function, copy_in: Copied::default() };
        tell(&Request { text: asked.text, text_cut: asked.text_cut, ..kept.request(None, session) }, Stage::Requested, out);
        self.push(Pending::request(asked.step, kept), session, out)
    }

    /// Number of the next request.
    pub const fn next_tx(&self) -> u64 {
        self.next_tx
    }

    /// CancelRequest: nobody answers it (55.2.8).
    pub fn cancel(&mut self, process_id: Option<u32>, session: &Session, out: &mut dyn Sink) {
        let tx_id = self.new_tx();
        let kept = Kept {
            tx_id,
            kind: Kind::Cancel,
            statement: None,
            parameters: Arc::default(),
            function: None,
            copy_in: Copied::default(),
        };
        let request = Request { process_id, ..kept.request(None, session) };
        tell(&request, Stage::Requested, out);
        tell(&request, Stage::Unanswered, out);
    }

    /// Parse: told only if no Execute follows before it is answered.
    pub fn parse(&mut self, statement: &Statement, session: &Session, out: &mut dyn Sink) -> bool {
        let statement = Some(statement.clone());
        let (parameters, copy_in) = (Arc::default(), Copied::default());
        let kept = Kept { tx_id: 0, kind: Kind::Prepare, statement, parameters, function: None, copy_in };
        self.push(Pending::request(Step::Parse, kept), session, out)
    }

    /// Execute of a portal that was seen to be bound, or not.
    pub fn execute(&mut self, portal: Option<&Portal>, session: &Session, out: &mut dyn Sink) -> bool {
        let statement = portal.and_then(|portal| portal.statement.as_ref());
        if let Some(statement) = statement {
            self.queue.is_executed(statement);
        }
        let text = statement.map(|statement| &*statement.text);
        let text_cut = statement.is_some_and(|statement| statement.cut);
        let asked = Asked { step: Step::Execute, kind: Kind::Execute, text, text_cut, function: None };
        self.request(asked, portal.map(|portal| Arc::clone(&portal.parameters)).unwrap_or_default(), session, out)
    }

    /// A step without a request of its own.
    pub fn step(&mut self, step: Step, session: &Session, out: &mut dyn Sink) -> bool {
        match step {
            // 55.2.6: ignored by the server.
            Step::Sync if self.copying_in => return true,
            Step::Sync if self.abandoned => {
                self.abandoned = false;
                self.passed_over += 1;
                return true;
            }
            Step::CopyEnd if self.copying_in => {
                self.copying_in = false;
                return true;
            }
            _ => {}
        }
        self.push(Pending::step(step), session, out)
    }

    /// CopyData of the client.
    pub fn copied_in(&mut self, bytes: usize) {
        if let Some(copied) = self.queue.copy_in() {
            copied.messages += 1;
            copied.bytes += bytes as u64;
        }
    }

    /// Bytes of the server are missing.
    pub fn lose(&mut self) {
        self.lost = true;
    }

    /// The answer to an encryption request, or `None` if it was not seen.
    pub fn encryption_answered(&mut self, accepted: Option<bool>, session: &Session, out: &mut dyn Sink) {
        if self.awaits_encryption()
            && let Some(pending) = self.queue.take()
        {
            let reply = accepted.map(|accepted| Reply { accepted: Some(accepted), complete: true, ..Reply::default() });
            self.finish(&pending, reply.as_ref(), session, out);
        }
    }

    /// ParseComplete, BindComplete, CloseComplete, NoData, or RowDescription in their place.
    pub fn done(&mut self, step: Step, session: &Session, out: &mut dyn Sink) {
        if self.is_ignored() {
            return;
        }
        let reply = Reply { complete: !self.lost, ..Reply::default() };
        if let Some(pending) = self.reach(step, session, out) {
            self.finish(&pending, Some(&reply), session, out);
        }
    }

    /// RowDescription.
    pub fn described(&mut self, count: u16, columns: Vec<String>, session: &Session, out: &mut dyn Sink) {
        if self.is_ignored() {
            return;
        }
        self.reply.column_count = Some(count);
        self.reply.columns = columns;
        if self.queue.front() != Some(Step::Query) {
            self.done(Step::Describe, session, out);
        }
    }

    /// The reply of the request that the server works at; `None`: nobody knows the request.
    pub fn reply(&mut self) -> Option<&mut Reply> {
        if self.is_ignored() { None } else { Some(&mut self.reply) }
    }

    /// CopyInResponse, CopyOutResponse, CopyBothResponse.
    pub fn copy(&mut self, copy: Copy) {
        if self.is_ignored() {
            return;
        }
        self.reply.copy = Some(copy);
        if !matches!(copy, Copy::Out(_)) {
            self.copying_in = !self.queue.copy_begins();
        }
    }

    /// CommandComplete, or without a tag EmptyQueryResponse and PortalSuspended.
    pub fn command(&mut self, tag: Option<String>, session: &Session, out: &mut dyn Sink) {
        if self.is_ignored() {
            return;
        }
        self.copying_in = false;
        if self.reply.tags.len() < MAX_TAGS {
            self.reply.tags.extend(tag);
        }
        if self.queue.front() == Some(Step::Query) {
            return;
        }
        let reply = Reply { complete: !self.lost, ..std::mem::take(&mut self.reply) };
        if let Some(pending) = self.reach(Step::Execute, session, out) {
            self.finish(&pending, Some(&reply), session, out);
        }
    }

    /// ErrorResponse.
    pub fn error(&mut self, report: Report, session: &mut Session, out: &mut dyn Sink) {
        if self.is_ignored() {
            return;
        }
        self.copying_in = false;
        let front = self.queue.front();
        if front == Some(Step::Startup) {
            session.login = Some(Login::Refused);
            session.error = Some(report);
            self.queue.take();
            self.tell_startup(Stage::Answered, session, out);
            return;
        }
        self.reply.error.get_or_insert(report);
        self.reply.complete = !self.lost;
        match front {
            Some(Step::Query | Step::Function) => {}
            Some(Step::Encryption) => {
                let reply = std::mem::take(&mut self.reply);
                if let Some(pending) = self.queue.take() {
                    self.finish(&pending, Some(&reply), session, out);
                }
            }
            _ => self.fail_batch(session, out),
        }
    }

    /// All up to the boundary has the error for its reply: the step that failed, and those that the server discards.
    fn fail_batch(&mut self, session: &Session, out: &mut dyn Sink) {
        let reply = self.reply.clone();
        while self.queue.front().is_some_and(|step| !step.is_boundary()) {
            if let Some(pending) = self.queue.take() {
                self.finish(&pending, Some(&reply), session, out);
            }
        }
    }

    /// ReadyForQuery.
    pub fn ready(&mut self, session: &mut Session, out: &mut dyn Sink) {
        self.copying_in = false;
        if self.passed_over > 0 {
            self.passed_over -= 1;
            return;
        }
        self.reply.complete = !self.lost;
        if std::mem::take(&mut self.lost) {
            self.catch_up(session, out);
        }
        if self.queue.boundaries() > 0 {
            if self.reply.error.is_some() {
                self.fail_batch(session, out);
            }
            while let Some(pending) = self.queue.take() {
                if pending.step == Step::Startup {
                    session.login.get_or_insert(Login::Accepted);
                    self.tell_startup(Stage::Answered, session, out);
                }
                let reply = pending.step.is_boundary().then(|| std::mem::take(&mut self.reply));
                self.finish(&pending, reply.as_ref(), session, out);
                if pending.step.is_boundary() {
                    break;
                }
            }
        }
        self.reply = Reply::default();
    }

    /// Bytes of the server were lost, boundaries perhaps among them. Few clients send the next request before the reply:
    /// the boundary that is seen is that of the last one.
    fn catch_up(&mut self, session: &Session, out: &mut dyn Sink) {
        while self.queue.boundaries() > 1
            && let Some(pending) = self.queue.take()
        {
            self.unanswered(&pending, session, out);
            self.reply = Reply::default();
        }
    }

    /// The server has ended.
    pub fn close(&mut self, session: &Session, out: &mut dyn Sink) {
        let mut reply =
            Some(Reply { complete: false, ..std::mem::take(&mut self.reply) }).filter(|reply| *reply != Reply::default());
        while let Some(pending) = self.queue.take() {
            match pending.step {
                Step::Startup if session.login.is_some() => self.tell_startup(Stage::Answered, session, out),
                Step::Query | Step::Function | Step::Execute => self.finish(&pending, reply.take().as_ref(), session, out),
                _ => self.unanswered(&pending, session, out),
            }
        }
    }

    /// Replies are of nobody, or of requests that were given up.
    fn is_ignored(&mut self) -> bool {
        self.queue.trim();
        self.passed_over > 0 || self.queue.front().is_none()
    }

    /// Takes the next step of this kind in the batch. Those before it were answered in bytes that are missing.
    fn reach(&mut self, step: Step, session: &Session, out: &mut dyn Sink) -> Option<Pending> {
        for _ in 0..self.queue.position(step)? {
            if let Some(pending) = self.queue.take() {
                self.unanswered(&pending, session, out);
            }
        }
        self.queue.take()
    }

    fn push(&mut self, pending: Pending, session: &Session, out: &mut dyn Sink) -> bool {
        if self.abandoned {
            self.unanswered(&pending, session, out);
            return true;
        }
        let boundary = pending.step.is_boundary();
        if self.queue.push(pending) {
            return true;
        }
        // Where in the replies the server is would not be known any more: all are given up, up to the same boundary.
        self.abandoned = !boundary;
        self.passed_over += self.queue.boundaries() as u64;
        while let Some(pending) = self.queue.take() {
            self.unanswered(&pending, session, out);
        }
        self.reply = Reply::default();
        false
    }

    fn new_tx(&mut self) -> u64 {
        let tx_id = self.next_tx;
        self.next_tx += 1;
        tx_id
    }

    /// A text for as long as its reply is awaited: all of it, or its head where there is no room.
    fn keep(&self, text: &str, cut: bool) -> Statement {
        let kept = if text.len() > self.queue.room() { head(text, HEAD) } else { text };
        Statement { text: Arc::from(kept), cut: cut || kept.len() < text.len() }
    }

    fn unanswered(&mut self, pending: &Pending, session: &Session, out: &mut dyn Sink) {
        if pending.step == Step::Startup {
            self.tell_startup(Stage::Unanswered, session, out);
        }
        self.finish(pending, None, session, out);
    }

    /// The last word on a request.
    fn finish(&mut self, pending: &Pending, reply: Option<&Reply>, session: &Session, out: &mut dyn Sink) {
        let Some(kept) = &pending.request else { return };
        let mut request = kept.request(reply, session);
        if pending.step == Step::Parse {
            request.tx_id = self.new_tx();
            tell(&Request { reply: None, ..request }, Stage::Requested, out);
        }
        tell(&request, if reply.is_some() { Stage::Answered } else { Stage::Unanswered }, out);
    }

    fn tell_startup(&self, stage: Stage, session: &Session, out: &mut dyn Sink) {
        out.transaction(&crate::Transaction::Pgsql(Transaction::Startup(Startup { tx_id: self.startup_tx, stage, session })));
    }
}

fn tell(request: &Request<'_>, stage: Stage, out: &mut dyn Sink) {
    out.transaction(&crate::Transaction::Pgsql(Transaction::Request(Request { stage, ..*request })));
}
