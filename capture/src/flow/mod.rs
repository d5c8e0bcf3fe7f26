//! The flow table: packets of both directions of a conversation, found again, timed out, evicted.
//!
//! One table is one shard; shards share nothing. All timers run in [`FlowTable::tick`], so that the same packets and
//! ticks give the same calls to the handler, always.

mod entry;
mod half_open;
mod slab;
mod table;
mod wheel;

use core::net::IpAddr;
use core::time::Duration;

pub(crate) use entry::{Class, Flow};
pub(crate) use half_open::HalfOpen;
pub use table::FlowTable;

use crate::tcp::OverlapPolicy;

/// Limits and timeouts. Caps are of one table (shard).
#[derive(Clone, Debug)]
pub struct FlowConfig {
    /// Flows tracked; beyond, the oldest idle one of a sample gives way.
    pub max_flows: usize,
    /// Connection attempts without an answer that are remembered.
    pub max_half_open: usize,
    /// Bytes queued behind holes, all flows.
    pub max_queued_bytes: usize,
    /// Bytes queued behind holes, one direction of a flow.
    pub max_flow_queued_bytes: usize,
    /// Segments queued behind holes, one direction of a flow.
    pub max_flow_queued_segments: usize,
    /// Buffers of recently delivered bytes, against which retransmissions are compared (4 KiB each).
    pub history_buffers: usize,
    /// Idle time of a TCP flow that is not established.
    pub tcp_new: Duration,
    /// Idle time of an established TCP flow.
    pub tcp_established: Duration,
    /// How long a closed flow's addresses and ports stay taken: late copies open no new flow.
    pub tcp_closed: Duration,
    /// How long an unanswered SYN is remembered.
    pub tcp_half_open: Duration,
    /// Idle time of UDP with packets of one side.
    pub udp_new: Duration,
    /// Idle time of UDP with packets of both sides.
    pub udp_established: Duration,
    /// Idle time of ICMP.
    pub icmp: Duration,
    /// Idle time of other protocols.
    pub other: Duration,
    /// Segments with a wrong checksum are ignored, as a receiver does.
    pub verify_checksums: bool,
    /// The urgent byte stays in the stream (`SO_OOBINLINE`).
    pub urgent_inline: bool,
    /// Data segments of fewer bytes are counted as small.
    pub small_segment: u32,
    /// How receivers treat overlapping data; the first network that holds the receiver decides.
    pub policies: Vec<(NetworkRange, OverlapPolicy)>,
    /// For all other receivers.
    pub default_policy: OverlapPolicy,
    /// How long a hole that the peer acknowledged is waited for when nothing else decides.
    pub gap_patience: Duration,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            max_flows: 65_536,
            max_half_open: 65_536,
            max_queued_bytes: 16 * 1024 * 1024,
            max_flow_queued_bytes: 1024 * 1024,
            max_flow_queued_segments: 4_096,
            history_buffers: 256,
            tcp_new: Duration::from_secs(60),
            tcp_established: Duration::from_secs(3_600),
            tcp_closed: Duration::from_secs(10),
            tcp_half_open: Duration::from_secs(30),
            udp_new: Duration::from_secs(30),
            udp_established: Duration::from_secs(300),
            icmp: Duration::from_secs(30),
            other: Duration::from_secs(60),
            verify_checksums: true,
            urgent_inline: false,
            small_segment: 16,
            policies: Vec::new(),
            default_policy: OverlapPolicy::Windows,
            gap_patience: Duration::from_millis(200),
        }
    }
}

/// A network as first and last address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkRange {
    /// First address.
    pub first: IpAddr,
    /// Last address, of the same family.
    pub last: IpAddr,
}

impl NetworkRange {
    /// Whether it holds an address.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        addr.is_ipv4() == self.first.is_ipv4() && self.first <= addr && addr <= self.last
    }
}

impl FlowConfig {
    pub(crate) fn policy_for(&self, receiver: IpAddr) -> OverlapPolicy {
        self.policies.iter().find(|(network, _)| network.contains(receiver)).map_or(self.default_policy, |&(_, policy)| policy)
    }

    const fn timeout(&self, class: Class) -> Duration {
        match class {
            Class::TcpNew => self.tcp_new,
            Class::TcpEstablished => self.tcp_established,
            Class::TcpClosed => self.tcp_closed,
            Class::UdpNew => self.udp_new,
            Class::UdpEstablished => self.udp_established,
            Class::Icmp => self.icmp,
            Class::Other => self.other,
        }
    }
}
