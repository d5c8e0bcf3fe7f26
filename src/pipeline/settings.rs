//! Everything that packets are processed with, fixed for a run.

use std::sync::Arc;
use std::time::Duration;

use backstop_capture::decode::DecodeConfig;
use backstop_capture::flow::FlowConfig;
use backstop_detectors::DetectConfig;
use backstop_protocols::Limits;
use backstop_protocols::tls::KeyRing;

use super::worker::SHARDS;
use crate::eve::EveSettings;
use crate::files::FileSettings;

/// Batches in flight to each worker. A full channel makes the reader wait: a replay then simply takes longer, and live
/// the kernel's ring fills and counts what it drops. No worker is further behind another than this, which is what makes
/// the use of keys that one flow taught another repeatable ([`KeyRing::for_worker`]).
pub const CHANNEL_DEPTH: usize = 8;

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is written.
    pub eve: EveSettings,
    /// What is detected.
    pub detect: Arc<DetectConfig>,
    /// Caps of parsers, a flow.
    pub limits: Limits,
    /// Files: caps and sums.
    pub files: FileSettings,
    /// Keys for TLS, if some were given or may come.
    pub keys: Option<Arc<KeyRing>>,
    /// Lists of indicators were given, besides the shipped one: statistics say how they do.
    pub own_indicators: bool,
    /// Caps of decoding.
    pub decode: DecodeConfig,
    /// Flow table and reassembly; the caps are those of the whole sensor.
    pub flow: FlowConfig,
    /// Keys of the hashes that attackers must not foresee; fixed in a replay, so that flow ids repeat.
    pub seeds: [u64; 2],
    /// Packet time between two statistics records; zero: only at the end.
    pub stats_interval: Duration,
    /// Worker threads; one works without threads.
    pub workers: usize,
    /// Somebody waits for the lines: they reach the output after each batch (live, and from a pipe).
    pub prompt: bool,
}

impl Settings {
    /// The flow table of one shard: an even share of every cap.
    pub fn flow_of_one_shard(&self) -> FlowConfig {
        let share = |all: usize| all.div_ceil(SHARDS).max(1);
        FlowConfig {
            max_flows: share(self.flow.max_flows),
            max_half_open: share(self.flow.max_half_open),
            max_queued_bytes: share(self.flow.max_queued_bytes),
            history_buffers: share(self.flow.history_buffers),
            ..self.flow.clone()
        }
    }
}
