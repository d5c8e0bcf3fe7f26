//! Builders of frames, flows and streams for tests, benches and fuzz seeds; never a normal dependency.
//!
//! ```text
//! bytes ─► Conversation (handshake, segments, end) ─► delivery (shuffle, copies, loss) ─► Frame ─► PcapWriter
//! ```
//! Everything is deterministic: the same seed gives the same bytes. Nothing here knows `capture` or `protocols`, so both can
//! use it in their tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: what they build is theirs, and a mistake should stop the test"
)]

pub mod conversation;
pub mod delivery;
pub mod fixture;
pub mod frame;
pub mod golden;
pub mod nrbf;
pub mod pcap;
pub mod rng;
pub mod smb;
pub mod stopwatch;
pub mod tls;
pub mod traffic;
pub mod winrm;

pub use conversation::{Conversation, Segment};
pub use frame::Frame;
pub use rng::Rng;
pub use stopwatch::Stopwatch;
