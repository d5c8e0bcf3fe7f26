//! Timers that run at fixed places in the packet sequence, so that a replay is the same for any number of workers.

use std::time::Duration;

use backstop_capture::handler::Cause;
use backstop_capture::packet::Packet;
use backstop_types::PacketTime;

/// Packet time between two ticks: how long bytes may wait for a scan, and the grain of all time-outs.
pub const TICK: Duration = Duration::from_millis(50);

/// Decides before which packets a tick runs.
#[derive(Debug, Default)]
pub struct Clock {
    next: Option<PacketTime>,
    first: PacketTime,
    last: Cause,
}

impl Clock {
    /// The tick that runs before this packet, if one is due.
    pub fn before(&mut self, packet: &Packet) -> Option<Cause> {
        let due = self.next.is_none_or(|next| packet.time >= next);
        self.last = Cause {
            time: packet.time.max(self.last.time),
            number: packet.number,
            file: packet.file,
            file_number: packet.file_number,
        };
        if !due {
            return None;
        }
        let first = self.next.is_none();
        if first {
            self.first = packet.time;
        }
        self.next = Some(packet.time.plus(TICK));
        (!first).then_some(Cause { file_number: 0, ..self.last })
    }

    /// A tick without a packet, on a quiet live interface.
    pub fn idle(&mut self, now: PacketTime) -> Option<Cause> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now.plus(TICK));
        self.last.time = now.max(self.last.time);
        Some(Cause { file_number: 0, ..self.last })
    }

    /// Time of the first packet.
    pub fn first(&self) -> PacketTime {
        self.first
    }

    /// The last packet seen.
    pub fn last(&self) -> Cause {
        self.last
    }
}
