//! A body in its framing: lengths and chunks undone, what is left handed on.

use backstop_types::Direction;

use super::body::Body;
use super::channel::Channel;
use super::chunked::{Chunks, Piece};
use super::head::Deviations;
use super::line::LineBuffer;
use crate::contract::Sink;

/// A body and how it ends.
pub struct Message {
    pub end: End,
    pub body: Body,
    /// It is a channel of ncacn_http, of this direction.
    pub rpc: Option<Direction>,
}

/// How a body ends (RFC 9112 §6.3).
pub enum End {
    /// Behind so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunks(Chunks),
    /// With the connection.
    Close,
}

/// Whether a body ends.
pub enum Ends {
    /// Not yet.
    No,
    /// With these bytes.
    Here,
    /// Nobody knows: its framing is broken.
    Lost,
}

impl Message {
    /// Takes bytes; how many, and whether the body ends with them.
    pub fn push(
        &mut self,
        bytes: &[u8],
        lines: &mut LineBuffer,
        channel: Option<&mut Channel>,
        out: &mut dyn Sink,
        told: &mut Deviations,
    ) -> (usize, Ends) {
        let (data, done) = self.data(bytes, lines, told);
        self.body.push(data, out, told);
        if let Some((direction, channel)) = self.rpc.zip(channel) {
            channel.push(direction, data, out);
        }
        done
    }

    /// The next bytes without their framing, and how many bytes that were.
    fn data<'a>(&mut self, bytes: &'a [u8], lines: &mut LineBuffer, told: &mut Deviations) -> (&'a [u8], (usize, Ends)) {
        match &mut self.end {
            End::Close => (bytes, (bytes.len(), Ends::No)),
            End::Length(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= used as u64;
                let over = *left == 0;
                (bytes.get(..used).unwrap_or(bytes), (used, if over { Ends::Here } else { Ends::No }))
            }
            End::Chunks(chunks) => match chunks.next(bytes, lines, told) {
                Piece::Coding(used) => (&[], (used, Ends::No)),
                Piece::Data(data) => (data, (data.len(), Ends::No)),
                Piece::Over(used) => (&[], (used, Ends::Here)),
                Piece::Lost(used) => (&[], (used, Ends::Lost)),
            },
        }
    }

    /// Bytes are missing: whether the place is still known, and the body is over.
    pub fn gap(&mut self, len: u64, out: &mut dyn Sink, told: &mut Deviations) -> Option<bool> {
        let over = match &mut self.end {
            End::Close => false,
            End::Length(left) => {
                *left = left.checked_sub(len)?;
                *left == 0
            }
            End::Chunks(chunks) => {
                if !chunks.gap(len) {
                    return None;
                }
                false
            }
        };
        self.body.gap(len, out, told);
        Some(over)
    }
}
