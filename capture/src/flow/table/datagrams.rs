//! Flows without a connection: UDP, and what is only counted.

use backstop_types::Direction;

use super::{FlowTable, cause_of};
use crate::flow::entry::Class;
use crate::handler::{FlowState, Interest, StreamHandler};
use crate::packet::{Packet, TcpFacts};
use crate::tcp;

impl<H: StreamHandler> FlowTable<H> {
    pub(super) fn udp(&mut self, packet: &Packet, transport: &[u8], payload: &[u8], handler: &mut H) {
        // Without a connection there is nothing to fool: an IP header sum left to hardware is let pass.
        let packet = &Packet { ip_unsummed: false, ..*packet };
        if !self.accepts_checksum(packet, transport, false, None) {
            return;
        }
        let word = |at: usize| transport.get(at..).and_then(<[u8]>::first_chunk::<4>).map_or(0, |word| u32::from_be_bytes(*word));
        let facts = TcpFacts { seq: word(4), ack: word(8), ..TcpFacts::default() };
        let digest = tcp::digest(packet, &facts, transport);
        let selected = self.select(packet, |_, _| true, digest);
        if selected.as_ref().is_some_and(|selected| selected.copy) {
            self.counters.duplicate_packet += 1;
            return;
        }
        let slot = match selected {
            Some(selected) => selected.slot,
            None => self.begin(packet, Class::UdpNew, packet.side, handler),
        };
        let Some(flow) = self.flows.get_mut(slot) else { return };
        let direction = flow.direction(packet.side);
        self.datagram_counts(slot, packet, direction, Class::UdpEstablished);
        let Some(flow) = self.flows.get_mut(slot) else { return };
        let half = flow.tcp.get_mut(direction);
        half.recent.remember(digest, packet.time);
        if !payload.is_empty() && !half.is_bypassed() {
            let offset = half.datagram(payload.len());
            self.counters.delivered_bytes += payload.len() as u64;
            let view = flow.view();
            let interest = handler.data(&view, &mut flow.app, direction, offset, payload, &cause_of(packet));
            if interest == Interest::Bypass {
                self.counters.bypassed += 1;
                flow.tcp.get_mut(direction).bypass();
            }
        }
        self.after(slot, Class::UdpEstablished, handler);
    }

    /// ICMP and the rest: counts only.
    pub(super) fn counted(&mut self, packet: &Packet, class: Class, handler: &mut H) {
        let slot = match self.select(packet, |_, _| true, 0) {
            Some(selected) => selected.slot,
            None => self.begin(packet, class, packet.side, handler),
        };
        let Some(flow) = self.flows.get(slot) else { return };
        let direction = flow.direction(packet.side);
        self.datagram_counts(slot, packet, direction, class);
    }

    fn datagram_counts(&mut self, slot: u32, packet: &Packet, direction: Direction, established: Class) {
        let Some(flow) = self.flows.get_mut(slot) else { return };
        tcp::count(flow, packet, direction, 0);
        flow.vlan.get_mut(direction).get_or_insert(packet.vlan);
        flow.tcp.get_mut(direction).see();
        if flow.state == FlowState::New && flow.tcp.get(direction.reverse()).was_seen() {
            flow.state = FlowState::Established;
            flow.class = established;
        }
    }
}
