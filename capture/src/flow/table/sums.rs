//! Which checksums count.

use backstop_types::Direction;

use super::{FlowTable, answers};
use crate::decode::checksum;
use crate::handler::StreamHandler;
use crate::packet::{Checksum, Packet, TcpFacts, flags};

impl<H: StreamHandler> FlowTable<H> {
    /// Whether a receiver takes a packet as far as its checksums go. `unsummed`: this side's checksums mean nothing in this
    /// capture; a right one shows that they do.
    pub(super) fn accepts_checksum(
        &mut self,
        packet: &Packet,
        transport: &[u8],
        unsummed: bool,
        side: Option<(u32, Direction)>,
    ) -> bool {
        let checksum = if packet.ip_unsummed { Checksum::Invalid } else { checksum::verify(packet, transport) };
        match checksum {
            Checksum::Invalid if unsummed => {
                self.counters.checksum_unusable += 1;
                true
            }
            Checksum::Invalid => {
                self.counters.bad_checksum += 1;
                !self.config.verify_checksums
            }
            Checksum::Offload => {
                self.counters.checksum_offload += 1;
                true
            }
            Checksum::Valid => {
                if unsummed
                    && let Some((slot, direction)) = side
                    && let Some(flow) = self.flows.get_mut(slot)
                {
                    flow.tcp.get_mut(direction).set_unsummed(false);
                }
                true
            }
            Checksum::Unknown => true,
        }
    }

    /// A handshake with wrong checksums that is answered all the same: they were wrong in the capture only (left to hardware,
    /// or changed when addresses were made anonymous). A SYN is remembered; a SYN-ACK counts only once the client continues.
    pub(super) fn unsummed_handshake(&mut self, packet: &Packet, facts: &TcpFacts, payload: &[u8], digest: u64) {
        match facts.flags & (flags::SYN | flags::ACK) {
            flags::SYN if payload.is_empty() => {
                self.remember_syn(packet, facts, digest);
                self.half_open.mark_unsummed(packet, true, |entry| entry.client == packet.side && entry.digest == digest);
            }
            both if both == flags::SYN | flags::ACK => {
                self.half_open.mark_unsummed(packet, false, |entry| answers(entry, packet, facts));
            }
            _ => {}
        }
    }
}
