//! How a flow begins and ends, and which one gives way when there are too many.

use backstop_types::{Direction, FlowKey, PacketTime, PerDirection, Side};

use super::{Chain, EVICTION_SAMPLE, FlowTable, MAX_SAME_KEY, cause_of, env, flow_id};
use crate::flow::entry::{Class, Flow, NONE};
use crate::handler::{Cause, EndReason, FlowState, StreamEnd, StreamHandler};
use crate::packet::{Packet, Transport};
use crate::tcp::{self, Env, Half};

impl<H: StreamHandler> FlowTable<H> {
    /// Begins a flow; its first packet is not counted yet.
    pub(super) fn begin(&mut self, packet: &Packet, class: Class, client: Side, handler: &mut H) -> u32 {
        if self.flows.active() >= self.config.max_flows {
            self.evict(packet, handler);
        }
        self.cap_same_key(packet, handler);
        self.counters.flows += 1;
        match packet.transport {
            Transport::Tcp(_) => self.counters.tcp_flows += 1,
            Transport::Udp => self.counters.udp_flows += 1,
            Transport::Icmp(..) | Transport::Other => self.counters.other_flows += 1,
        }
        let same_key =
            self.index.find(packet.hash, |&slot| self.flows.get(slot).is_some_and(|flow| flow.key == packet.key)).copied();
        let behind = same_key.and_then(|head| self.flows.get(head)).map_or(NONE, |flow| flow.same_key);
        let slot = self.flows.insert(Flow {
            key: packet.key,
            hash: packet.hash,
            id: flow_id(self.seed, packet.hash, packet.time, packet.number),
            start: packet.time,
            last: packet.time,
            first_number: packet.number,
            file: packet.file,
            same_key: behind,
            generation: 0,
            vlan: PerDirection::default(),
            client,
            class,
            state: FlowState::New,
            handshake: false,
            midstream: false,
            in_use: true,
            listed: false,
            counts: PerDirection::default(),
            tcp: PerDirection { to_server: Half::default(), to_client: Half::default() },
            app: H::App::default(),
        });
        if let Some(head) = same_key.and_then(|head| self.flows.get_mut(head)) {
            head.same_key = slot;
        } else {
            let flows = &self.flows;
            self.index.insert_unique(packet.hash, slot, |&slot| flows.get(slot).map_or(0, |flow| flow.hash));
        }
        if let Some(flow) = self.flows.get(slot) {
            self.wheel.arm(flow.last.plus(self.config.timeout(class)), (slot, flow.generation));
        }
        slot
    }

    /// Keeps the flows of one key few: the list of them is walked for each packet.
    fn cap_same_key(&mut self, packet: &Packet, handler: &mut H) {
        let Some(&head) = self.index.find(packet.hash, |&slot| self.flows.get(slot).is_some_and(|flow| flow.key == packet.key))
        else {
            return;
        };
        let chain = || Chain { flows: &self.flows, slot: head };
        if chain().count() < MAX_SAME_KEY {
            return;
        }
        if let Some((oldest, _)) = chain().min_by_key(|(_, flow)| (flow.last, flow.first_number)) {
            self.counters.flows_evicted += 1;
            self.end(oldest, EndReason::Forced, &cause_of(packet), handler);
        }
    }

    /// Ends the flow of a sample that was idle longest; one that matters only where all do.
    fn evict(&mut self, packet: &Packet, handler: &mut H) {
        let slots = self.flows.slots();
        let mut best: Option<(bool, PacketTime, u32)> = None;
        let mut seen = 0;
        for _ in 0..slots {
            if seen == EVICTION_SAMPLE {
                break;
            }
            self.hand = if self.hand + 1 < slots { self.hand + 1 } else { 0 };
            let Some(flow) = self.flows.get(self.hand).filter(|flow| flow.in_use) else { continue };
            seen += 1;
            let candidate = (handler.is_precious(&flow.app), flow.last, self.hand);
            best = Some(best.map_or(candidate, |best| best.min(candidate)));
        }
        if let Some((_, _, slot)) = best {
            self.counters.flows_evicted += 1;
            self.end(slot, EndReason::Forced, &cause_of(packet), handler);
        }
    }

    /// Ends a flow: both streams, then the flow.
    pub(super) fn end(&mut self, slot: u32, reason: EndReason, cause: &Cause, handler: &mut H) {
        let Some(flow) = self.flows.get_mut(slot).filter(|flow| flow.in_use) else { return };
        for direction in Direction::BOTH {
            tcp::finish_direction(flow, &mut env!(self), direction, StreamEnd::Cut, cause, handler);
        }
        tcp::forget(flow, &mut env!(self));
        let sides = [flow.tcp.to_server.was_seen(), flow.tcp.to_client.was_seen()];
        if matches!(flow.class, Class::TcpNew | Class::TcpEstablished | Class::TcpClosed) && sides != [true, true] {
            self.counters.r#async += 1;
        }
        self.counters.flows_ended += 1;
        let app = core::mem::take(&mut flow.app);
        let view = flow.view();
        let (key, hash) = (flow.key, flow.hash);
        handler.flow_end(&view, app, reason, cause);
        self.unlink(slot, &key, hash);
        self.flows.remove(slot);
    }

    fn unlink(&mut self, slot: u32, key: &FlowKey, hash: u64) {
        let behind = self.flows.get(slot).map_or(NONE, |flow| flow.same_key);
        let flows = &self.flows;
        let Ok(mut entry) = self.index.find_entry(hash, |&head| flows.get(head).is_some_and(|flow| flow.key == *key)) else {
            return;
        };
        let head = *entry.get();
        if head == slot {
            if behind == NONE {
                entry.remove();
            } else {
                *entry.get_mut() = behind;
            }
            return;
        }
        let before = Chain { flows: &self.flows, slot: head }.find(|(_, flow)| flow.same_key == slot).map(|(before, _)| before);
        if let Some(before) = before.and_then(|before| self.flows.get_mut(before)) {
            before.same_key = behind;
        }
    }
}
