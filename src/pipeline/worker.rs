//! A worker: some shards of the flow table, one scanner, and the events of the epoch at hand.

use std::sync::Arc;

use backstop_capture::batch::Batch;
use backstop_capture::counters::StreamCounters;
use backstop_capture::flow::FlowTable;
use backstop_capture::handler::Cause;
use backstop_capture::packet::Packet;
use backstop_signatures::ScanCounters;
use backstop_types::PacketTime;

use super::app_counters::AppCounters;
use super::event::{Epoch, Phase};
use super::handler::Handler;
use super::settings::Settings;
use crate::files::FileCounters;

/// The flow table is always cut into this many parts, whatever the number of workers, so that caps bite at the same place.
pub const SHARDS: usize = 16;

/// Which shard a packet belongs to: high bits of its hash, the low ones serve the table inside.
pub fn shard_of(packet: &Packet) -> usize {
    usize::try_from(packet.hash >> 60).unwrap_or(0) % SHARDS
}

/// What a worker counted so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerStats {
    /// Reassembly.
    pub streams: StreamCounters,
    /// Parsing, scanning, detection.
    pub app: AppCounters,
    /// Scanning.
    pub scan: ScanCounters,
    /// Files.
    pub files: FileCounters,
    /// Flows tracked now.
    pub active: u64,
    /// Bytes held by flows and reassembly now.
    pub memory: u64,
}

impl WorkerStats {
    /// Adds another worker's.
    pub fn add(&mut self, other: &Self) {
        self.streams.add(&other.streams);
        self.app.add(&other.app);
        self.scan.add(&other.scan);
        self.files.add(&other.files);
        self.active += other.active;
        self.memory += other.memory;
    }
}

/// Where in the input a worker is.
#[derive(Clone, Copy, Debug, Default)]
pub struct At {
    /// Number of the batch, from 1, the same for all workers.
    pub number: u64,
    /// Packet time at its begin.
    pub time: PacketTime,
}

/// Processes the packets of its shards.
pub struct Worker<'r> {
    /// By shard number; `None` where another worker has it.
    tables: Vec<Option<FlowTable<Handler<'r>>>>,
    handler: Handler<'r>,
}

impl<'r> Worker<'r> {
    /// Worker `index` of `count`.
    pub fn new(settings: &Arc<Settings>, rules: &'r backstop_signatures::RuleSet, index: usize, count: usize) -> Self {
        let tables = (0..SHARDS)
            .map(|shard| (shard % count == index).then(|| FlowTable::new(settings.flow_of_one_shard(), settings.seeds)))
            .collect();
        Self { tables, handler: Handler::new(settings, rules) }
    }

    /// Processes one batch with the ticks that run before some of its packets, into `epoch`.
    pub fn run(&mut self, at: At, batch: &Batch, ticks: &[(usize, Cause)], epoch: &mut Epoch) {
        self.handler.begin_epoch(at.number, at.time);
        std::mem::swap(&mut self.handler.epoch, epoch);
        let mut ticks = ticks.iter().peekable();
        for (index, packet) in batch.packets.iter().enumerate() {
            while let Some((_, cause)) = ticks.next_if(|(at, _)| *at <= index) {
                self.tick(cause);
            }
            self.handler.phase = Phase::Packet;
            self.handler.shard = shard_of(packet);
            if let Some(Some(table)) = self.tables.get_mut(shard_of(packet)) {
                table.packet(packet, batch.transport(packet), batch.payload(packet), &mut self.handler);
            }
        }
        for (_, cause) in ticks {
            self.tick(cause);
        }
        std::mem::swap(&mut self.handler.epoch, epoch);
    }

    fn tick(&mut self, cause: &Cause) {
        self.handler.phase = Phase::Tick;
        for (shard, table) in self.tables.iter_mut().enumerate().filter_map(|(shard, table)| Some((shard, table.as_mut()?))) {
            self.handler.shard = shard;
            table.tick(cause, &mut self.handler);
        }
    }

    /// No packets come any more: what waits is looked at once more, with what other flows have taught by now.
    pub fn settle(&mut self, at: At, cause: &Cause, epoch: &mut Epoch) {
        self.handler.begin_epoch(at.number, at.time);
        std::mem::swap(&mut self.handler.epoch, epoch);
        self.handler.phase = Phase::End;
        for (shard, table) in self.tables.iter_mut().enumerate().filter_map(|(shard, table)| Some((shard, table.as_mut()?))) {
            self.handler.shard = shard;
            table.tick(cause, &mut self.handler);
        }
        std::mem::swap(&mut self.handler.epoch, epoch);
    }

    /// Ends the flows that began with packet `until` or before.
    pub fn finish(&mut self, until: u64, cause: &Cause, epoch: &mut Epoch) {
        std::mem::swap(&mut self.handler.epoch, epoch);
        self.handler.phase = Phase::End;
        for (shard, table) in self.tables.iter_mut().enumerate().filter_map(|(shard, table)| Some((shard, table.as_mut()?))) {
            self.handler.shard = shard;
            table.finish_until(until, cause, &mut self.handler);
        }
        std::mem::swap(&mut self.handler.epoch, epoch);
    }

    /// Counters so far.
    pub fn stats(&self) -> WorkerStats {
        let (app, scan, files) = self.handler.counters();
        let mut stats = WorkerStats { app, scan, files, ..WorkerStats::default() };
        for table in self.tables.iter().flatten() {
            stats.streams.add(table.counters());
            stats.active += table.active() as u64;
            stats.memory += table.memory() as u64;
        }
        stats
    }
}
