//! Content, sized or in chunks, up to the message that it completes.

use backstop_types::Direction;

use super::super::exchange::Side;
use super::super::frame::{self, FrameError, Operation};
use super::super::transaction::Formatter;
use super::super::{anomaly, content};
use super::{Building, CRLF, NrtpParser, Phase, Step};
use crate::contract::{Content, Sink};
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
        self.complete(direction, *building, content, head == size, out);
        if head == size {
            return Step::Used(head);
        }
        self.cut(direction, out);
        Step::Skip { used: head, len: (size - head) as u64 }
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
        self.set(direction, Phase::ChunkEnd(building));
        if head == size {
            return Step::Used(used + head);
        }
        self.cut(direction, out);
        Step::Skip { used: used + head, len: (size - head) as u64 }
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

    /// A message with its content, or as much of it as there will be.
    pub(super) fn complete(&mut self, direction: Direction, building: Building, bytes: &[u8], whole: bool, out: &mut dyn Sink) {
        let mut message = building.message;
        let client = self.client.unwrap_or(Direction::ToServer);
        let side = Side { client, fits: (message.operation == Operation::Reply) == (direction != client) };
        let decoded = content::decode(message.content_type.as_deref(), bytes, whole, &self.limits);
        if let Some(event) = decoded.anomaly {
            self.tell(direction, event, out);
        }
        message.formatter = decoded.formatter;
        message.truncated = !whole || decoded.facts.as_ref().is_some_and(|facts| facts.limited);
        message.facts = decoded.facts;
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
        self.exchanges.message(message, side, &self.limits, out);
    }

    /// What has come of a message that will not be completed; how many bytes of its content are still to come, where that is known.
    pub(super) fn abandon(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink) -> Option<u64> {
        match std::mem::take(&mut self.lanes.get_mut(direction).phase) {
            Phase::Sized(mut building, len) => {
                building.message.length = u64::from(len);
                self.complete(direction, *building, left, false, out);
                Some(u64::from(len).saturating_sub(left.len() as u64))
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
