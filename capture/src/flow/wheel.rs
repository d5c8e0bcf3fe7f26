//! A timing wheel of one-second slots. Timers are not moved when a flow sees a packet: a slot that comes due looks at
//! the flow and puts it where it belongs now. Each flow is so looked at once a timeout, not once a packet.

use backstop_types::PacketTime;

/// Slots: longer timeouts go round more than once.
const SLOTS: u64 = 4_096;

/// Flow slots by the second in which they are to be looked at.
pub struct Wheel {
    slots: Vec<Vec<(u32, u32)>>,
    /// The next second to look at.
    next: Option<u64>,
}

impl Wheel {
    pub fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), next: None }
    }

    /// Looks at a flow (slot and generation) when `deadline` has passed.
    pub fn arm(&mut self, deadline: PacketTime, flow: (u32, u32)) {
        let second = deadline.as_secs() + 1;
        // A deadline in a second that was already looked at comes next.
        let second = self.next.map_or(second, |next| second.max(next));
        if let Some(slot) = usize::try_from(second % SLOTS).ok().and_then(|at| self.slots.get_mut(at)) {
            slot.push(flow);
        }
    }

    /// Gives the flows of all seconds up to `now`, to be ended or armed again.
    pub fn due(&mut self, now: PacketTime, out: &mut Vec<(u32, u32)>) {
        let now = now.as_secs();
        let begin = self.next.unwrap_or(now);
        if begin > now {
            return;
        }
        // After a jump of more than a turn every slot is due once.
        let first = begin.max((now + 1).saturating_sub(SLOTS));
        for second in first..=now {
            if let Some(slot) = usize::try_from(second % SLOTS).ok().and_then(|at| self.slots.get_mut(at)) {
                out.append(slot);
                if slot.capacity() > 1_024 {
                    *slot = Vec::new();
                }
            }
        }
        self.next = Some(now + 1);
    }
}
