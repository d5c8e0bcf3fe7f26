//! Content, sized or in chunks, up to the message that it completes.

use backstop_types::Direction;

use super::super::exchange::Side;
use super::super::frame::{self, FrameError, Operation};
use super::super::transaction::Formatter;
use super::super::{anomaly, content};
use super::{Building, CRLF, Exchanges, Message, NrtpParser, Phase, Rest, Step};
use crate::contract::{Content, Sink};
use crate::nrbf::{Behind, Facts};
use crate::registry::AppProto;

impl NrtpParser {
    /// Sized content: whole where it fits the cap, its head where it does not.
    pub(super) fn sized(
        &mut self,
        direction: Direction,
        building: Box<Building>,
        len: u32,
        bytes: &[u8],
        out: &mut dyn Sink,
    ) -> Step {
        let size = len as usize;
        let head = size.min(self.max_message);
        let Some(content) = bytes.get(..head) else {
            self.set(direction, Phase::Sized(building, len));
            return Step::Need(head);
        };
        let mut building = building;
        building.message.length = u64::from(len);
        let told = self.complete(direction, *building, content, head == size, out);
        if head == size {
            return Step::Used(head);
        }
        self.cut(direction, out);
        match told {
            Some((tx_id, message, facts)) => {
                let rest = Rest { tx_id, message, left: size - head, behind: Behind::of(content, facts.as_deref()) };
                self.set(direction, Phase::Rest(Box::new(rest)));
                Step::Used(head)
            }
            None => Step::Skip { used: head, len: (size - head) as u64 },
        }
    }

    /// The rest of sized content: what it says is told as it comes.
    pub(super) fn rest(&mut self, direction: Direction, mut rest: Box<Rest>, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let used = rest.left.min(bytes.len());
        rest.behind.push(bytes.get(..used).unwrap_or_default(), &self.limits);
        rest.left -= used;
        if rest.left > 0 {
            let found = rest.behind.take();
            self.found(&mut rest, found, out);
            self.set(direction, Phase::Rest(rest));
        } else {
            self.rest_over(*rest, out);
        }
        Step::Used(used)
    }

    fn rest_over(&self, mut rest: Rest, out: &mut dyn Sink) {
        let found = rest.behind.end(&self.limits);
        self.found(&mut rest, found, out);
    }

    fn found(&self, rest: &mut Rest, found: Option<Facts>, out: &mut dyn Sink) {
        let Some(mut found) = found else { return };
        if let Some(head) = &rest.message.facts {
            (found.call, found.root, found.object_first) = (head.call.clone(), head.root.clone(), head.object_first);
        }
        let head = rest.message.facts.replace(Box::new(found));
        Exchanges::more(rest.tx_id, &rest.message, self.client.unwrap_or(Direction::ToServer), out);
        rest.message.facts = head;
    }

    /// The rest of a chunk: what it says is told with its message.
    pub(super) fn chunk_rest(&mut self, direction: Direction, mut building: Box<Building>, left: usize, bytes: &[u8]) -> Step {
        let used = left.min(bytes.len());
        if let Some(behind) = &mut building.behind {
            behind.push(bytes.get(..used).unwrap_or_default(), &self.limits);
        }
        let phase = if used == left { Phase::ChunkEnd(building) } else { Phase::ChunkRest(building, left - used) };
        self.set(direction, phase);
        Step::Used(used)
    }

    /// What is not decoded is left to the content rules, up to the next message.
    fn cut(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.tell(direction, anomaly::CONTENT_CUT, out);
        self.pass_over(direction, out);
    }

    pub(super) fn pass_over(&mut self, direction: Direction, out: &mut dyn Sink) {
        if self.client == Some(direction) && !std::mem::replace(&mut self.lanes.get_mut(direction).passed_over, true) {
            out.in_sync(AppProto::Nrtp, direction, false);
        }
    }

    pub(super) fn chunk(&mut self, direction: Direction, mut building: Box<Building>, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let (len, used) = match frame::chunk(bytes) {
            Ok(read) => read,
            Err(FrameError::Need(need)) => {
                self.set(direction, Phase::Chunks(building));
                return Step::Need(need);
            }
            Err(FrameError::Bad(event)) => {
                return self.broken_content(direction, *building, event, out);
            }
        };
        let size = len as usize;
        if size == 0 {
            let Some(end) = bytes.get(used..used + CRLF.len()) else {
                self.set(direction, Phase::Chunks(building));
                return Step::Need(used + CRLF.len());
            };
            if end != CRLF {
                return self.broken_content(direction, *building, anomaly::BAD_LENGTH, out);
            }
            let content = std::mem::take(&mut building.chunks);
            let whole = building.message.length == content.len() as u64;
            self.complete(direction, *building, &content, whole, out);
            return Step::Used(used + CRLF.len());
        }
        let head = size.min(self.max_message.saturating_sub(building.chunks.len()));
        let Some(data) = bytes.get(used..used + head) else {
            self.set(direction, Phase::Chunks(building));
            return Step::Need(used + head);
        };
        building.chunks.extend_from_slice(data);
        building.message.length = building.message.length.saturating_add(u64::from(len));
        if head == size {
            self.set(direction, Phase::ChunkEnd(building));
            return Step::Used(used + head);
        }
        if building.behind.is_none() {
            building.behind = Some(Behind::of(&building.chunks, None));
        }
        self.set(direction, Phase::ChunkRest(building, size - head));
        self.cut(direction, out);
        Step::Used(used + head)
    }

    pub(super) fn chunk_end(&mut self, direction: Direction, building: Box<Building>, bytes: &[u8], out: &mut dyn Sink) -> Step {
        match bytes.get(..CRLF.len()) {
            None => {
                self.set(direction, Phase::ChunkEnd(building));
                Step::Need(CRLF.len())
            }
            Some(end) if end == CRLF => {
                self.set(direction, Phase::Chunks(building));
                Step::Used(CRLF.len())
            }
            Some(_) => self.broken_content(direction, *building, anomaly::BAD_LENGTH, out),
        }
    }

    /// Chunks that cannot be followed: what came before is told.
    fn broken_content(&mut self, direction: Direction, mut building: Building, event: &'static str, out: &mut dyn Sink) -> Step {
        self.tell(direction, event, out);
        let content = std::mem::take(&mut building.chunks);
        self.complete(direction, building, &content, false, out);
        self.lose(direction, out);
        Step::Used(0)
    }

    /// A message with its content, or as much of it as there will be; of a request that goes on, what was told, without texts.
    pub(super) fn complete(
        &mut self,
        direction: Direction,
        building: Building,
        bytes: &[u8],
        whole: bool,
        out: &mut dyn Sink,
    ) -> Option<(u64, Message, Option<Box<Facts>>)> {
        let (mut message, behind) = (building.message, building.behind);
        let client = self.client.unwrap_or(Direction::ToServer);
        let side = Side { client, fits: (message.operation == Operation::Reply) == (direction != client) };
        let decoded = content::decode(message.content_type.as_deref(), bytes, whole, &self.limits);
        if let Some(event) = decoded.anomaly {
            self.tell(direction, event, out);
        }
        message.formatter = decoded.formatter;
        message.truncated = !whole || decoded.facts.as_ref().is_some_and(|facts| facts.limited);
        message.facts = decoded.facts;
        if let Some((facts, found)) = message.facts.as_mut().zip(behind.and_then(|mut behind| behind.end(&self.limits))) {
            facts.join(found);
        }
        if message.formatter != Formatter::Unknown
            && let Some(facts) = &message.facts
            && !facts.texts.is_empty()
        {
            let texts = facts.texts.join("\n");
            let layers: &[&'static str] =
                if message.formatter == Formatter::Soap { &["nrtp.content", "soap"] } else { &["nrtp.content", "nrbf.string"] };
            let tx_id = Some(self.exchanges.number(message.operation, side));
            out.content(Content { bytes: texts.as_bytes(), layers, direction, tx_id });
        }
        if self.client == Some(direction) && whole && message.truncated {
            self.cut(direction, out);
        }
        // Of a reply nothing but its head is looked at.
        let goes_on = !whole && message.formatter == Formatter::Binary && message.operation != Operation::Reply;
        let told = goes_on.then(|| {
            let mut told = message.clone();
            told.trim();
            (self.exchanges.number(message.operation, side), told, message.facts.clone())
        });
        self.exchanges.message(message, side, &self.limits, out);
        told
    }

    /// What has come of a message that will not be completed; how many bytes of its content are still to come, where that is known.
    pub(super) fn abandon(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) -> Option<u64> {
        match std::mem::take(&mut self.lanes.get_mut(direction).phase) {
            Phase::Sized(mut building, len) => {
                building.message.length = u64::from(len);
                self.complete(direction, *building, left, false, out);
                Some(u64::from(len).saturating_sub(left.len() as u64))
            }
            Phase::Rest(rest) => {
                let left = rest.left as u64;
                self.rest_over(*rest, out);
                Some(left)
            }
            Phase::ChunkRest(mut building, _) => {
                let content = std::mem::take(&mut building.chunks);
                self.complete(direction, *building, &content, false, out);
                None
            }
            Phase::Chunks(mut building) | Phase::ChunkEnd(mut building) => {
                let mut content = std::mem::take(&mut building.chunks);
                // A chunk that is not whole.
                if let Ok((len, used)) = frame::chunk(left)
                    && let Some(data) = left.get(used..)
                {
                    let room = self.max_message.saturating_sub(content.len()).min(len as usize);
                    content.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
                    building.message.length = building.message.length.saturating_add(u64::from(len));
                }
                self.complete(direction, *building, &content, false, out);
                None
            }
            Phase::Headers(building) => {
                self.complete(direction, *building, &[], false, out);
                None
            }
            phase => {
                self.set(direction, phase);
                None
            }
        }
    }
}
