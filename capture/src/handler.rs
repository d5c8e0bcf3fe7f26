//! What reassembly tells the layer above.

use backstop_types::{Direction, Endpoint, FlowId, FlowKey, IpProto, PacketTime};

use crate::packet::VlanTags;

/// Which packet caused something: enough to point an analyst at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Packet time.
    pub time: PacketTime,
    /// Frame number over the whole run: the order of everything.
    pub number: u64,
    /// Capture file, by its place in the run.
    pub file: u32,
    /// Frame number within the file, from 1; 0 for a timer.
    pub file_number: u64,
}

/// Whether the layer above wants more of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Go on.
    Continue,
    /// Deliver no more bytes or gaps of this direction; keep the flow's counts and its end.
    Bypass,
}

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// FIN, all bytes delivered.
    Fin,
    /// A valid RST.
    Rst,
    /// The flow ended by time-out, eviction or the end of the capture.
    Cut,
}

/// Why a flow ended; [`EndReason::as_str`] gives the EVE word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Idle too long, or closed and its quarantine over.
    Timeout,
    /// The capture ended or the sensor stops.
    Shutdown,
    /// Evicted under memory pressure.
    Forced,
    /// A new connection with the same addresses and ports began.
    TcpReuse,
}

impl EndReason {
    /// EVE `flow.reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Shutdown => "shutdown",
            Self::Forced => "forced",
            Self::TcpReuse => "tcp_reuse",
        }
    }
}

/// EVE `flow.state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowState {
    /// Packets of one side only, or no handshake yet.
    #[default]
    New,
    /// Handshake complete, or both sides seen.
    Established,
    /// FIN from both sides, or RST.
    Closed,
}

/// Counts of one direction of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionCounts {
    /// Packets, duplicates of a SPAN port not included.
    pub packets: u64,
    /// Bytes on the wire, headers included.
    pub bytes: u64,
    /// All TCP flags seen, or-ed.
    pub tcp_flags: u8,
    /// Bytes are known to be missing.
    pub gap: bool,
}

/// A flow as the layer above sees it. A view: made on the stack for each call.
#[derive(Clone, Copy, Debug)]
pub struct FlowView {
    /// Its id.
    pub id: FlowId,
    /// Its key.
    pub key: FlowKey,
    /// Protocol.
    pub proto: IpProto,
    /// The initiator.
    pub client: Endpoint,
    /// The responder.
    pub server: Endpoint,
    /// Tags of its first packet.
    pub vlan: VlanTags,
    /// Time of the first packet.
    pub start: PacketTime,
    /// Time of the last packet.
    pub last: PacketTime,
    /// Number of the first packet over the run: a stable tie-break between flows.
    pub first_number: u64,
    /// Capture file of the first packet.
    pub file: u32,
    /// State.
    pub state: FlowState,
    /// The three-way handshake was seen to complete.
    pub handshake: bool,
    /// The flow was picked up after its handshake.
    pub midstream: bool,
    /// Counts to the server.
    pub to_server: DirectionCounts,
    /// Counts to the client.
    pub to_client: DirectionCounts,
}

/// Receives streams. One a worker shard; `App` is what it keeps with each flow.
pub trait StreamHandler {
    /// State kept in the flow. Keep it small: a pointer, not a buffer.
    type App: Default;

    /// Contiguous bytes of one TCP direction (or one UDP payload), each byte exactly once and in order.
    /// `offset` counts stream bytes, gaps included.
    fn data(
        &mut self,
        flow: &FlowView,
        app: &mut Self::App,
        direction: Direction,
        offset: u64,
        bytes: &[u8],
        cause: &Cause,
    ) -> Interest;

    /// `len` bytes at `offset` are known to be missing; what follows goes on behind them.
    fn gap(
        &mut self,
        flow: &FlowView,
        app: &mut Self::App,
        direction: Direction,
        offset: u64,
        len: u64,
        cause: &Cause,
    ) -> Interest;

    /// Two copies of the same range differ. `used` is in the stream, `other` is not; both bounded.
    fn conflict(
        &mut self,
        flow: &FlowView,
        app: &mut Self::App,
        direction: Direction,
        offset: u64,
        used: &[u8],
        other: &[u8],
        cause: &Cause,
    );

    /// No more bytes of this direction will come.
    fn end_of_stream(&mut self, flow: &FlowView, app: &mut Self::App, direction: Direction, end: StreamEnd, cause: &Cause);

    /// The flow is over; its state is dropped after this call. Ends of both streams were told before.
    fn flow_end(&mut self, flow: &FlowView, app: Self::App, reason: EndReason, cause: &Cause);

    /// Whether the flow wants [`StreamHandler::tick`] at the next tick; asked after each call about the flow.
    fn wants_tick(&self, app: &Self::App) -> bool;

    /// A tick for a flow that wanted one. True: again at the next.
    fn tick(&mut self, flow: &FlowView, app: &mut Self::App, cause: &Cause) -> bool;

    /// Whether a flow matters more than others when memory runs out (attacked backup servers).
    fn is_precious(&self, app: &Self::App) -> bool;
}
