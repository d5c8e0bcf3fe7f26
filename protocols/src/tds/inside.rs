//! What TLS unwrapped: read as the stream itself would be, with what is too little for a header kept.

use backstop_types::Direction;

use super::connection::UNKNOWN_GAP;
use super::parser::{Step, TdsParser};
use super::tunnel::Run;
use crate::contract::{Advance, Sink};

impl TdsParser {
    /// Reads what TLS unwrapped meanwhile.
    pub(super) fn unwrapped(&mut self, out: &mut dyn Sink) {
        let Some(tunnel) = &mut self.conn.tunnel else { return };
        let plain = tunnel.take();
        if plain.runs.is_empty() {
            return;
        }
        self.conn.inside = true;
        for run in plain.runs {
            let (Run::Bytes(direction, _) | Run::Gap(direction, _)) = run;
            out.enter(direction, self.lanes.get(direction).rest.len());
            match run {
                Run::Bytes(_, range) => self.plain(direction, plain.bytes.get(range).unwrap_or_default(), out),
                Run::Gap(_, len) => self.plain_missing(direction, len.unwrap_or(UNKNOWN_GAP), out),
            }
            out.leave();
        }
        self.conn.inside = false;
    }

    fn plain(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) {
        let mut kept = std::mem::take(&mut self.lanes.get_mut(direction).rest);
        let mut bytes = bytes;
        if !kept.is_empty() {
            kept.extend_from_slice(bytes);
            bytes = &kept;
        }
        while !bytes.is_empty() {
            let lane = self.lanes.get_mut(direction);
            let passed = usize::try_from(lane.skip).unwrap_or(usize::MAX).min(bytes.len());
            lane.skip -= passed as u64;
            bytes = bytes.get(passed..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            match self.step(direction, bytes, out) {
                Ok(Step::Used(used)) => bytes = bytes.get(used..).unwrap_or_default(),
                Ok(Step::Skip { used, len }) => {
                    bytes = bytes.get(used..).unwrap_or_default();
                    self.lanes.get_mut(direction).skip = len;
                }
                Ok(Step::Need(_)) => {
                    self.lanes.get_mut(direction).rest = bytes.to_vec();
                    return;
                }
                // Something else than TDS: the next packet is looked for.
                Err(_) => {
                    self.lose(direction, out);
                    bytes = bytes.get(1..).unwrap_or_default();
                }
            }
        }
    }

    fn plain_missing(&mut self, direction: Direction, len: u64, out: &mut dyn Sink) {
        let lane = self.lanes.get_mut(direction);
        let passed = lane.skip.min(len);
        lane.skip -= passed;
        lane.rest = Vec::new();
        if len > passed
            && let Advance::Skip { len, .. } = self.missing(direction, len - passed, out)
        {
            self.lanes.get_mut(direction).skip = len;
        }
    }

    /// Keys may have come, or none will: what was put off is done when nothing waits any more.
    pub(super) fn look_again(&mut self, last: bool, out: &mut dyn Sink) {
        let Some(tunnel) = &mut self.conn.tunnel else { return };
        let waited = tunnel.is_waiting();
        if last {
            tunnel.stop_waiting(out)
        } else {
            tunnel.poll(out)
        }
        let waits = tunnel.is_waiting();
        self.unwrapped(out);
        if !waited || waits {
            return;
        }
        for direction in Direction::BOTH {
            self.hidden_login(direction, out);
        }
        for direction in Direction::BOTH {
            if self.lanes.get(direction).closed {
                self.over(direction, out);
            }
        }
    }
}
