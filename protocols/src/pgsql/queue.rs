//! What the server has to do, in its order, within caps.

use std::collections::VecDeque;
use std::sync::Arc;

use super::frontend::{Parameter, held};
use super::session::Session;
use super::statement::Statement;
use super::transaction::{Copied, Kind, Reply, Request, Stage};
use crate::contract::Limits;

/// Steps that are kept for each request that may wait: Bind, Describe, Sync and the like are small.
const STEPS: usize = 8;

/// Steps that are looked at for one message: a batch whose answers are out of order by more waits for its boundary.
const MAX_LOOK: usize = 64;

/// One thing the server has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Startup,
    Encryption,
    Query,
    Function,
    Sync,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    /// CopyDone or CopyFail that came before the server began the COPY. Not answered.
    CopyEnd,
}

impl Step {
    /// Answered by ReadyForQuery.
    pub const fn is_boundary(self) -> bool {
        matches!(self, Self::Startup | Self::Query | Self::Function | Self::Sync)
    }
}

/// What is kept of a request until its reply.
pub struct Kept {
    pub tx_id: u64,
    pub kind: Kind,
    pub statement: Option<Statement>,
    pub parameters: Arc<[Parameter]>,
    pub function: Option<u32>,
    pub copy_in: Copied,
}

impl Kept {
    /// As it is told; the stage is up to the caller.
    pub fn request<'a>(&'a self, reply: Option<&'a Reply>, session: &'a Session) -> Request<'a> {
        Request {
            tx_id: self.tx_id,
            stage: Stage::Requested,
            kind: self.kind,
            text: self.statement.as_ref().map(|statement| &*statement.text),
            text_cut: self.statement.as_ref().is_some_and(|statement| statement.cut),
            parameters: &self.parameters,
            function: self.function,
            process_id: None,
            copy_in: self.copy_in,
            reply,
            session,
        }
    }

    fn bytes(&self) -> usize {
        held(&self.parameters) + self.statement.as_ref().map_or(0, |statement| statement.text.len())
    }
}

/// A step, and the request that it is of.
pub struct Pending {
    pub step: Step,
    pub request: Option<Box<Kept>>,
    bytes: usize,
}

impl Pending {
    pub const fn step(step: Step) -> Self {
        Self { step, request: None, bytes: 0 }
    }

    pub fn request(step: Step, kept: Kept) -> Self {
        let bytes = kept.bytes();
        Self { step, request: Some(Box::new(kept)), bytes }
    }
}

/// The steps.
pub struct Queue {
    steps: VecDeque<Pending>,
    /// Of the steps, those with a request.
    requests: usize,
    /// Of the steps, the boundaries.
    boundaries: usize,
    /// Of these, Sync.
    syncs: usize,
    /// Of the steps, the ends of data.
    copy_ends: usize,
    /// Bytes of the requests.
    bytes: usize,
    max_requests: usize,
    max_bytes: usize,
}

impl Queue {
    pub fn new(limits: &Limits) -> Self {
        Self {
            steps: VecDeque::new(),
            requests: 0,
            boundaries: 0,
            syncs: 0,
            copy_ends: 0,
            bytes: 0,
            max_requests: limits.max_pending.max(1),
            max_bytes: limits.max_dictionary_bytes / 2,
        }
    }

    pub fn len(&self) -> usize {
        self.steps.len()
    }

    pub fn front(&self) -> Option<Step> {
        self.steps.front().map(|pending| pending.step)
    }

    pub const fn boundaries(&self) -> usize {
        self.boundaries
    }

    pub const fn held(&self) -> usize {
        self.bytes
    }

    /// Bytes that a text may have to be kept whole.
    pub const fn room(&self) -> usize {
        (self.max_bytes / 2).saturating_sub(self.bytes)
    }

    /// Whether the queue is within its caps still.
    pub fn push(&mut self, pending: Pending) -> bool {
        self.bytes += pending.bytes;
        self.requests += usize::from(pending.request.is_some());
        self.boundaries += usize::from(pending.step.is_boundary());
        self.syncs += usize::from(pending.step == Step::Sync);
        self.copy_ends += usize::from(pending.step == Step::CopyEnd);
        self.steps.push_back(pending);
        self.requests <= self.max_requests
            && self.steps.len() <= self.max_requests.saturating_mul(STEPS)
            && self.bytes <= self.max_bytes
    }

    pub fn take(&mut self) -> Option<Pending> {
        let pending = self.steps.pop_front()?;
        self.forget(&pending);
        Some(pending)
    }

    fn forget(&mut self, pending: &Pending) {
        self.bytes -= pending.bytes;
        self.requests -= usize::from(pending.request.is_some());
        self.boundaries -= usize::from(pending.step.is_boundary());
        self.syncs -= usize::from(pending.step == Step::Sync);
        self.copy_ends -= usize::from(pending.step == Step::CopyEnd);
    }

    /// Drops ends of data at the head: they belong to a COPY that is over.
    pub fn trim(&mut self) {
        while self.front() == Some(Step::CopyEnd) {
            self.take();
        }
    }

    /// Where the next step of this kind is, if it is in the batch at the head.
    pub fn position(&self, step: Step) -> Option<usize> {
        self.steps
            .iter()
            .take(MAX_LOOK)
            .take_while(|pending| !pending.step.is_boundary())
            .position(|pending| pending.step == step)
    }

    /// A statement is executed: the Parse of the same batch is not a request of its own.
    pub fn is_executed(&mut self, statement: &Statement) {
        for pending in self.steps.iter_mut().rev().take(MAX_LOOK).take_while(|pending| !pending.step.is_boundary()) {
            let parsed = pending.request.as_ref().and_then(|kept| kept.statement.as_ref());
            if pending.step == Step::Parse && parsed.is_some_and(|parsed| Arc::ptr_eq(&parsed.text, &statement.text)) {
                self.bytes -= std::mem::take(&mut pending.bytes);
                self.requests -= 1;
                pending.request = None;
                return;
            }
        }
    }

    /// Where CopyData of the client is counted.
    pub fn copy_in(&mut self) -> Option<&mut Copied> {
        let taker =
            self.steps.iter_mut().rev().take(MAX_LOOK).find(|pending| matches!(pending.step, Step::Query | Step::Execute));
        taker.and_then(|pending| pending.request.as_mut()).map(|kept| &mut kept.copy_in)
    }

    /// The server takes data. Sync between here and the end of the data is ignored by it (55.2.6). Whether that end was sent.
    pub fn copy_begins(&mut self) -> bool {
        // Each walk through the steps takes some of them away.
        if self.syncs == 0 && self.copy_ends == 0 {
            return false;
        }
        let end = self.steps.iter().position(|pending| pending.step == Step::CopyEnd);
        let mut at = 0;
        let mut ignored = 0;
        self.steps.retain(|pending| {
            let before = end.is_none_or(|end| at < end);
            let keep = end != Some(at) && !(before && pending.step == Step::Sync);
            ignored += usize::from(pending.step == Step::Sync && !keep);
            at += 1;
            keep
        });
        self.boundaries -= ignored;
        self.syncs -= ignored;
        self.copy_ends -= usize::from(end.is_some());
        end.is_some()
    }
}
