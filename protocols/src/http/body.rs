//! Bodies: codings undone, offered to the scanner in windows, told as parts of a file.
//!
//! Windows end at the same bytes however the stream was cut. Each is offered to the scanner with the end of the one before: as
//! a content of its own, also where the same bytes stand in the stream, for there are rules for contents alone.

use backstop_types::Direction;

use super::anomaly;
use super::decode::{Decoder, MAX_CODINGS, Stop, push_all};
use super::head::Deviations;
use super::multipart::{Multipart, Piece};
use super::transaction::{BodyFacts, ContentRange, Part, PartState, Transaction, Upload};
use crate::contract::{Content, Limits, Sink};
use crate::registry;

/// New bytes of a window.
pub const WINDOW: usize = 64 * 1024;
/// Bytes of the window before that are offered again.
pub const OVERLAP: usize = 4 * 1024;
/// Coded bytes that are decoded at once: always the same ones, for what a decoder gives before it fails depends on how its
/// input was cut.
const BLOCK: usize = 4 * 1024;
/// Decoded bytes that each byte of a flow's bodies may have brought, beyond the cap of one body.
const MAX_RATIO: u64 = 128;

/// What the bodies of a flow have cost. It is settled when one is over, so that where a cap bites does not depend on how the
/// stream was cut.
#[derive(Debug, Default)]
pub struct Budget {
    bytes: u64,
    decoded: u64,
}

impl Budget {
    fn allows(&self, limits: &Limits) -> u64 {
        let all = (limits.max_decoded as u64).saturating_add(self.bytes.saturating_mul(MAX_RATIO));
        all.saturating_sub(self.decoded).min(limits.max_decoded as u64)
    }
}

/// What a body is of.
pub struct About {
    /// The exchange.
    pub tx_id: u64,
    /// Who sends it.
    pub direction: Direction,
    /// The name of the file.
    pub name: Option<String>,
    /// Of a response with a part of a file.
    pub range: Option<ContentRange>,
    /// The boundary of a form.
    pub form: Option<Vec<u8>>,
}

/// A body that is over.
pub struct Finished {
    /// How much it was.
    pub facts: BodyFacts,
    /// What it was of.
    pub about: About,
    /// All of it, where that is wanted and known.
    pub whole: Option<Vec<u8>>,
}

/// A body on its way.
pub struct Body {
    about: About,
    layers: Vec<&'static str>,
    decoders: Vec<Decoder>,
    /// Coded bytes of a block that is not full.
    block: Vec<u8>,
    /// `overlap` bytes of the window before, and new ones.
    window: Vec<u8>,
    overlap: usize,
    /// Where the new bytes of the window begin.
    offset: u64,
    facts: BodyFacts,
    allowed: u64,
    /// Something is missing, or could not be decoded.
    broken: bool,
    /// A block was decoded.
    began: bool,
    /// It was not coded as its sender says.
    uncoded: bool,
    /// The decoders are done, before their input is.
    stopped: bool,
    /// All of it, for a range.
    whole: Option<Vec<u8>>,
    max_whole: usize,
    /// The files of a form.
    form: Option<Box<Form>>,
}

/// What a form is followed with.
struct Form {
    parts: Multipart,
    layers: Vec<&'static str>,
}

impl Body {
    /// A body with its codings, those of the transfer last; names in lower case, in the order in which they were applied.
    pub fn new(about: About, chunked: bool, codings: &[String], budget: &Budget, limits: &Limits, told: &mut Deviations) -> Self {
        let mut layers = vec!["http.body"];
        if chunked {
            layers.push("chunked");
        }
        let transfer = layers.len();
        let mut decoders = Vec::new();
        let mut stopped = false;
        // A range is one of the coded file: it is decoded by nobody before the whole is there (RFC 9110 §14).
        let codings = if about.range.is_some() { &[] } else { codings };
        // aws-chunked frames objects in S3 and hides nothing.
        let is_coded = |coding: &&String| !matches!(coding.as_str(), "identity" | "none" | "aws-chunked");
        for coding in codings.iter().rev().filter(is_coded) {
            let Some((decoder, layer)) = Decoder::new(coding) else {
                told.push(anomaly::UNKNOWN_CODING);
                // Clients take a coding that they do not know for none: the bytes are looked at as they are.
                decoders.clear();
                layers.truncate(transfer);
                break;
            };
            if decoders.len() >= MAX_CODINGS {
                told.push(anomaly::UNKNOWN_CODING);
                stopped = true;
                break;
            }
            decoders.push(decoder);
            layers.push(layer);
        }
        let form = about
            .form
            .as_deref()
            .map(|boundary| Box::new(Form { parts: Multipart::new(boundary, limits.max_uploads), layers: Vec::new() }));
        Self {
            form,
            whole: about.range.is_some().then(Vec::new),
            about,
            layers,
            decoders,
            block: Vec::new(),
            window: Vec::new(),
            overlap: 0,
            offset: 0,
            facts: BodyFacts::default(),
            allowed: budget.allows(limits),
            broken: false,
            began: false,
            uncoded: false,
            stopped,
            max_whole: limits.max_range,
        }
    }

    /// The next bytes, without chunking.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn Sink, told: &mut Deviations) {
        self.facts.bytes += bytes.len() as u64;
        if self.stopped {
            return;
        }
        let mut rest = bytes;
        while !rest.is_empty() && !self.stopped {
            // Not coded, or not as it said: then the block before is done with.
            if self.decoders.is_empty() {
                self.take(rest, out);
                return;
            }
            let room = BLOCK - self.block.len();
            let (now, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            rest = later;
            if now.len() == BLOCK {
                self.decode(now, out, told);
                continue;
            }
            self.block.extend_from_slice(now);
            if self.block.len() == BLOCK {
                self.decode_block(out, told);
            }
        }
    }

    /// Decodes what waits for its block to be full.
    fn decode_block(&mut self, out: &mut dyn Sink, told: &mut Deviations) {
        let mut block = std::mem::take(&mut self.block);
        if !block.is_empty() && !self.stopped {
            self.decode(&block, out, told);
        }
        block.clear();
        self.block = block;
    }

    fn decode(&mut self, bytes: &[u8], out: &mut dyn Sink, told: &mut Deviations) {
        let mut decoders = std::mem::take(&mut self.decoders);
        let result = push_all(&mut decoders, bytes, &mut |piece| {
            let room = usize::try_from(self.allowed - self.facts.decoded).unwrap_or(usize::MAX);
            self.take(piece.get(..room).unwrap_or(piece), out);
            piece.len() <= room
        });
        self.decoders = decoders;
        let first = !std::mem::replace(&mut self.began, true);
        if result == Err(Stop::Bad) && first && self.offset == 0 {
            // Told at its end: where the first block is full depends on how the stream was cut.
            self.uncoded = true;
            self.as_is(bytes, out);
            return;
        }
        if let Err(stop) = result {
            told.push(if stop == Stop::Bad { anomaly::BAD_CODING } else { anomaly::DECODE_LIMIT });
            self.stop();
        }
    }

    /// It is not coded as its sender says: clients that undo no coding get it as it is.
    fn as_is(&mut self, bytes: &[u8], out: &mut dyn Sink) {
        self.layers.truncate(self.layers.len().saturating_sub(self.decoders.len()));
        self.decoders = Vec::new();
        self.window.clear();
        self.facts.decoded = 0;
        self.take(bytes, out);
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.broken = true;
        self.decoders = Vec::new();
    }

    /// Bytes are missing.
    pub fn gap(&mut self, len: u64, out: &mut dyn Sink, told: &mut Deviations) {
        self.broken = true;
        if !self.decoders.is_empty() {
            self.decode_block(out, told);
            self.stop();
            return;
        }
        self.flush(PartState::More, out);
        if let Some(form) = &mut self.form {
            let Form { parts, layers } = form.as_mut();
            parts.gap(&mut upload(&self.about, layers, out));
        }
        self.window.clear();
        self.overlap = 0;
        self.offset += len;
    }

    fn take(&mut self, mut bytes: &[u8], out: &mut dyn Sink) {
        self.facts.decoded += bytes.len() as u64;
        match &mut self.whole {
            Some(whole) if whole.len() + bytes.len() <= self.max_whole => whole.extend_from_slice(bytes),
            Some(_) => self.whole = None,
            None => {}
        }
        while !bytes.is_empty() {
            let room = WINDOW + self.overlap - self.window.len();
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.window.extend_from_slice(now);
            bytes = later;
            if self.window.len() == WINDOW + self.overlap {
                self.flush(PartState::More, out);
            }
        }
    }

    fn flush(&mut self, state: PartState, out: &mut dyn Sink) {
        let new = self.window.get(self.overlap..).unwrap_or_default();
        if new.is_empty() && state == PartState::More {
            return;
        }
        if let Some(form) = &mut self.form {
            let Form { parts, layers } = form.as_mut();
            if layers.is_empty() {
                layers.extend(self.layers.iter().copied().chain(["multipart"]));
            }
            let start = self.overlap.saturating_sub(parts.pending());
            let bytes = self.window.get(start..).unwrap_or_default();
            parts.push(bytes, state != PartState::More, &mut upload(&self.about, layers, out));
        }
        let About { tx_id, direction, name, range, .. } = &self.about;
        out.transaction(&registry::Transaction::Http(Transaction::Body(Part {
            tx_id: *tx_id,
            direction: *direction,
            name: name.as_deref(),
            layers: &self.layers,
            offset: self.offset,
            bytes: new,
            state,
            range: range.as_ref(),
        })));
        if !new.is_empty() {
            let (layers, direction, tx_id) = (self.layers.as_slice(), *direction, Some(*tx_id));
            out.content(Content { bytes: &self.window, layers, direction, tx_id });
        }
        self.offset += new.len() as u64;
        let drop = self.window.len().saturating_sub(OVERLAP);
        self.window.drain(..drop);
        self.overlap = self.window.len();
    }

    /// It is over. `complete`: its end was seen.
    pub fn finish(mut self, complete: bool, budget: &mut Budget, out: &mut dyn Sink, told: &mut Deviations) -> Finished {
        self.decode_block(out, told);
        if self.uncoded {
            told.push(anomaly::BAD_CODING);
        }
        self.facts.complete = complete && !self.broken;
        if self.facts.bytes > 0 || self.broken {
            let is_whole = self.facts.complete && !self.stopped;
            self.flush(if is_whole { PartState::Complete } else { PartState::Truncated }, out);
        }
        if self.form.as_ref().is_some_and(|form| form.parts.cut) {
            told.push(anomaly::UPLOAD_LIMIT);
        }
        budget.bytes = budget.bytes.saturating_add(self.facts.bytes);
        if self.layers.len() > 1 {
            budget.decoded = budget.decoded.saturating_add(self.facts.decoded);
        }
        let whole = self.whole.take().filter(|_| self.facts.complete && !self.stopped);
        Finished { facts: self.facts, about: self.about, whole }
    }

    /// Bytes it holds, windows of decoders not counted.
    pub fn held(&self) -> usize {
        self.block.capacity() + self.window.capacity() + self.whole.as_ref().map_or(0, Vec::capacity)
    }
}

/// Tells a piece of a file in a form.
fn upload<'a>(about: &'a About, layers: &'a [&'static str], out: &'a mut dyn Sink) -> impl FnMut(Piece<'_>) + 'a {
    |piece| {
        let part = Part {
            tx_id: about.tx_id,
            direction: about.direction,
            name: Some(piece.name).filter(|name| !name.is_empty()),
            layers,
            offset: piece.offset,
            bytes: piece.bytes,
            state: piece.state,
            range: None,
        };
        out.transaction(&registry::Transaction::Http(Transaction::Upload(Upload { number: piece.number, part })));
    }
}
