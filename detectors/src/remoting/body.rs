//! Bodies of HTTP that are read as a whole: of requests to services of the product, and what begins as a serialised object.

use backstop_protocols::Limits;
use backstop_protocols::http::{Part, PartState};
use backstop_protocols::nrbf::{self, Behind, Facts};
use backstop_types::Direction;

/// A body on its way.
pub struct Body {
    /// The exchange it belongs to.
    pub tx_id: u64,
    /// Who sends it.
    pub direction: Direction,
    bytes: Vec<u8>,
    /// Not all of it is held.
    cut: bool,
    /// Bytes that came, up to a hole.
    seen: u64,
    /// What is behind those that are held.
    behind: Option<Behind>,
    /// It is of interest whatever it holds.
    wanted: bool,
}

/// At most one of each direction is on its way.
#[derive(Default)]
pub struct Bodies(Vec<Body>);

impl Bodies {
    /// Takes a part; the body, where this was its end. `wanted` says whether it is of interest whatever it holds.
    pub fn take(&mut self, part: &Part<'_>, wanted: bool, max: usize) -> Option<(Body, Vec<u8>)> {
        // The parts of a range are told again, put together.
        if part.range.is_some() && !part.layers.contains(&"http.range") {
            return None;
        }
        let known = self.0.iter().position(|body| body.direction == part.direction && body.tx_id == part.tx_id);
        let at = match known {
            Some(at) => at,
            None if part.offset == 0 && (wanted || nrbf::may_begin(part.bytes)) => {
                self.0.retain(|body| body.direction != part.direction);
                self.0.push(Body {
                    tx_id: part.tx_id,
                    direction: part.direction,
                    bytes: Vec::new(),
                    cut: false,
                    seen: 0,
                    behind: None,
                    wanted,
                });
                self.0.len() - 1
            }
            None => return None,
        };
        let body = self.0.get_mut(at)?;
        // Nothing is read beyond a hole.
        if part.offset == body.seen {
            let room = max.saturating_sub(body.bytes.len()).min(part.bytes.len());
            let (held, rest) = part.bytes.split_at_checked(room).unwrap_or((part.bytes, &[]));
            body.bytes.extend_from_slice(held);
            body.seen += part.bytes.len() as u64;
            if !rest.is_empty() {
                body.cut = true;
                body.behind.get_or_insert_with(|| Behind::of(&body.bytes, None)).push(rest, &Limits::default());
            }
        } else {
            body.cut |= !part.bytes.is_empty();
        }
        if !body.wanted && !nrbf::may_begin(&body.bytes) {
            self.0.swap_remove(at);
            return None;
        }
        if part.state == PartState::More {
            return None;
        }
        let mut body = self.0.swap_remove(at);
        body.cut |= part.state == PartState::Truncated;
        let bytes = std::mem::take(&mut body.bytes);
        Some((body, bytes))
    }
}

impl Body {
    /// All of it was held.
    pub const fn is_whole(&self) -> bool {
        !self.cut
    }

    /// What the rest says, where it was not.
    pub fn behind(&mut self) -> Option<Facts> {
        self.behind.take()?.end(&Limits::default())
    }
}
