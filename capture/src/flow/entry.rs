//! One tracked flow.

use backstop_types::{Direction, FlowId, FlowKey, PacketTime, PerDirection, Side};

use crate::handler::{DirectionCounts, FlowState, FlowView};
use crate::packet::VlanTags;
use crate::tcp::Half;

/// Which timeout applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    TcpNew,
    TcpEstablished,
    TcpClosed,
    UdpNew,
    UdpEstablished,
    Icmp,
    Other,
}

/// No next entry.
pub const NONE: u32 = u32::MAX;

/// An entry of the table. What only some flows need is boxed.
pub struct Flow<A> {
    pub key: FlowKey,
    pub hash: u64,
    pub id: FlowId,
    pub start: PacketTime,
    pub last: PacketTime,
    pub first_number: u64,
    pub file: u32,
    /// Next flow with the same key (another VLAN).
    pub same_key: u32,
    /// Raised when the slot is given to another flow: old timers do not fit.
    pub generation: u32,
    /// Tags by direction: a SPAN port may show the two under different ones.
    pub vlan: PerDirection<Option<VlanTags>>,
    pub client: Side,
    pub class: Class,
    pub state: FlowState,
    pub handshake: bool,
    pub midstream: bool,
    pub in_use: bool,
    /// It stands in the list of flows that want the next tick.
    pub listed: bool,
    pub counts: PerDirection<DirectionCounts>,
    pub tcp: PerDirection<Half>,
    pub app: A,
}

impl<A> Flow<A> {
    pub fn direction(&self, side: Side) -> Direction {
        if side == self.client { Direction::ToServer } else { Direction::ToClient }
    }

    pub fn view(&self) -> FlowView {
        FlowView {
            id: self.id,
            key: self.key,
            proto: self.key.proto(),
            client: self.key.endpoint(self.client),
            server: self.key.endpoint(self.client.other()),
            vlan: self.vlan.to_server.or(self.vlan.to_client).unwrap_or_default(),
            start: self.start,
            last: self.last,
            first_number: self.first_number,
            file: self.file,
            state: self.state,
            handshake: self.handshake,
            midstream: self.midstream,
            to_server: self.counts.to_server,
            to_client: self.counts.to_client,
        }
    }
}
