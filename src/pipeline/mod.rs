//! Packets to events: reader, workers, output stage.
//!
//! ```text
//! reader (source, decode) ─► worker (flow table, reassembly, parsers, scans, detectors) ─► collector (order, correlator, lines)
//! ```
//! Batches are dealt to workers by shard of the flow hash; a batch and its answers are an epoch, and epochs are written in
//! order. So the same capture gives the same lines for any number of workers.

mod app_counters;
mod clock;
pub mod collector;
mod event;
mod files;
mod flow_sink;
mod flow_state;
mod handler;
mod joiner;
mod listed;
pub mod reader;
pub mod settings;
pub mod stats;
mod streams;
mod worker;

pub use worker::SHARDS;
