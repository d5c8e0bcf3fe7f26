//! Packets to streams: sources, decode, defragmentation, flow table, TCP reassembly.
//!
//! ```text
//! Source ─► Batch of frames ─► Decoder ─► Packet ─► FlowTable ─► tcp ─► StreamHandler
//! ```
//! Nothing here knows a protocol above TCP and UDP, an alert, JSON, or (in a replay) the wall clock.

pub mod batch;
pub mod counters;
pub mod decode;
pub mod defrag;
pub mod flow;
pub mod handler;
pub mod packet;
pub mod source;
pub mod tcp;
