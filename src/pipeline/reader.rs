//! Runs a source through decoding and the workers: inline for one worker, over bounded channels for several.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use backstop_capture::batch::Batch;
use backstop_capture::decode::Decoder;
use backstop_capture::handler::Cause;
use backstop_capture::source::{Fill, Source, SourceError};
use backstop_detectors::indicators::IndicatorStore;
use backstop_protocols::tls::KeyRing;
use backstop_signatures::RuleSet;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::clock::Clock;
use super::collector::Collector;
use super::event::Epoch;
use super::settings::{CHANNEL_DEPTH, Settings};
use super::stats::{StatsClock, Totals};
use super::worker::{At, Worker, WorkerStats, shard_of};
use crate::keys;

/// What the program wants to be told and to say while packets flow.
pub trait Observer {
    /// Called after each batch.
    fn progress(&mut self, source: &dyn Source);
    /// True when the output file is to be opened again.
    fn wants_reopen(&mut self) -> bool;
}

/// How a run ended.
#[derive(Debug)]
pub struct RunEnd {
    /// Totals at the end.
    pub totals: Totals,
    /// Why reading stopped early, if it did. What was read before has been processed.
    pub error: Option<SourceError>,
}

struct Work {
    at: At,
    batch: Batch,
    ticks: Vec<(usize, Cause)>,
    epoch: Epoch,
    snapshot: bool,
    /// No batch: the capture is over.
    last: Option<Last>,
}

/// What is to be done when there are no more packets. The packet is the last one.
#[derive(Clone, Copy)]
enum Last {
    /// Look at what waits for keys.
    Settle(Cause),
    /// End the flows that began with this packet or before.
    Finish(Cause, u64),
}

/// Flows are ended in parts, by the packets they began with: the records of a million would wait in memory for the last one.
fn ends(last: &Cause) -> impl Iterator<Item = u64> {
    let step = (last.number / 64).max(16 * 1024);
    (1..64).map(move |part| step * part).take_while(move |until| *until < last.number).chain([u64::MAX])
}

struct Done {
    worker: usize,
    batch: Batch,
    epoch: Epoch,
    stats: Option<WorkerStats>,
}

/// Reads `source` to its end or until `stop`, and writes everything to `collector`.
pub fn run(
    source: &mut dyn Source,
    settings: &Arc<Settings>,
    rules: &RuleSet,
    collector: &mut Collector<'_>,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> RunEnd {
    if settings.workers <= 1 {
        inline(source, settings, rules, collector, stop, observer)
    } else {
        threaded(source, settings, rules, collector, stop, observer)
    }
}

/// What reading and decoding keep between batches.
struct Front {
    decoder: Decoder,
    clock: Clock,
    stats: StatsClock,
    batch: Batch,
    ticks: Vec<(usize, Cause)>,
    memory_cap: u64,
    keys: Option<Arc<KeyRing>>,
    /// Lists of indicators, where some were given.
    indicators: Option<IndicatorStore>,
    at: At,
}

/// Looks at the end of the input that find nothing new end it; this many end it anyway.
const MAX_SETTLING: usize = 512;

/// How the end of the input goes.
#[derive(Default)]
struct Settling {
    rounds: usize,
    quiet: usize,
    filed: u64,
}

enum Next {
    /// A decoded batch is there; true: a statistics record is due after it.
    Batch(bool),
    End(Option<SourceError>),
}

impl Front {
    fn new(settings: &Settings) -> Self {
        Self {
            decoder: Decoder::new(settings.decode, settings.seeds),
            clock: Clock::default(),
            stats: StatsClock::new(settings.stats_interval),
            batch: Batch::default(),
            ticks: Vec::new(),
            memory_cap: settings.flow.max_queued_bytes as u64,
            keys: settings.keys.clone(),
            indicators: settings.own_indicators.then(|| settings.detect.indicators.store.clone()),
            at: At::default(),
        }
    }

    fn next(&mut self, source: &mut dyn Source, stop: &AtomicBool) -> Next {
        if stop.load(Ordering::Relaxed) {
            return Next::End(None);
        }
        self.batch.clear();
        self.go_on();
        let fill = match source.fill(&mut self.batch) {
            Ok(fill) => fill,
            Err(error) => return Next::End(Some(error)),
        };
        if let Some(keys) = &self.keys {
            // Before the packets that came with them are dealt out.
            keys::add_captured(keys, self.at.number, &source.take_secrets());
        }
        self.decoder.decode(&mut self.batch);
        self.ticks.clear();
        for (index, packet) in self.batch.packets.iter().enumerate() {
            if let Some(cause) = self.clock.before(packet) {
                self.ticks.push((index, cause));
            }
        }
        match fill {
            Fill::End if self.batch.packets.is_empty() => return Next::End(None),
            Fill::Idle(now) => {
                let at = self.batch.packets.len();
                self.ticks.extend(self.clock.idle(now).map(|cause| (at, cause)));
            }
            Fill::Frames | Fill::End => {}
        }
        Next::Batch(self.stats.due(self.clock.last().time))
    }

    /// The next number of those that all workers are given.
    fn go_on(&mut self) {
        self.at = At { number: self.at.number + 1, time: self.clock.last().time };
    }

    /// At the end of the input: whether there is something that waits for what a flow may yet teach. `rounds` looks were taken
    /// already, and all workers are done with them.
    fn unsettled(&self, settling: &mut Settling) -> bool {
        let Some(keys) = &self.keys else { return false };
        let filed = keys.counters().resumable_filed;
        if settling.rounds > 0 && filed == settling.filed {
            settling.quiet += 1;
        } else {
            settling.quiet = 0;
        }
        settling.filed = filed;
        settling.rounds += 1;
        // What is learnt in one round can be used `CHANNEL_DEPTH` rounds later.
        keys.waiting() > 0 && settling.quiet <= CHANNEL_DEPTH + 1 && settling.rounds <= MAX_SETTLING
    }

    fn totals(&self, source: &dyn Source, workers: WorkerStats) -> Totals {
        Totals {
            decode: *self.decoder.counters(),
            source: source.stats(),
            workers,
            first: self.clock.first(),
            last: self.clock.last(),
            keys: self.keys.as_ref().filter(|keys| keys.expects_keys()).map(|keys| keys.counters()),
            indicators: self.indicators.as_ref().map(IndicatorStore::counters),
            memory_cap: self.memory_cap,
        }
    }
}

fn inline(
    source: &mut dyn Source,
    settings: &Arc<Settings>,
    rules: &RuleSet,
    collector: &mut Collector<'_>,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> RunEnd {
    let mut front = Front::new(settings);
    let mut worker = Worker::new(settings, rules, 0, 1);
    let mut epoch = Epoch::default();
    let error = loop {
        let stats_due = match front.next(source, stop) {
            Next::End(error) => break error,
            Next::Batch(stats_due) => stats_due,
        };
        worker.run(front.at, &front.batch, &front.ticks, &mut epoch);
        collector.epoch(std::slice::from_mut(&mut epoch));
        if stats_due {
            let totals = front.totals(source, worker.stats());
            super::stats::write(collector, &totals);
        }
        after_batch(settings, collector, source, observer, stop);
    };
    let mut settling = Settling::default();
    while front.unsettled(&mut settling) {
        front.go_on();
        worker.settle(front.at, &front.clock.last(), &mut epoch);
        collector.epoch(std::slice::from_mut(&mut epoch));
    }
    let last = front.clock.last();
    for until in ends(&last) {
        worker.finish(until, &last, &mut epoch);
        collector.epoch(std::slice::from_mut(&mut epoch));
    }
    RunEnd { totals: front.totals(source, worker.stats()), error }
}

fn after_batch(
    settings: &Settings,
    collector: &mut Collector<'_>,
    source: &dyn Source,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) {
    if collector.is_closed() {
        stop.store(true, Ordering::Relaxed);
    }
    if observer.wants_reopen() {
        collector.reopen();
    }
    if settings.prompt {
        collector.flush();
    }
    observer.progress(source);
}

/// The channels to and from the workers.
struct Crew {
    work: Vec<Sender<Work>>,
    done: Receiver<Done>,
    spare: Vec<(Batch, Epoch)>,
    /// Answers of the oldest open epoch and of later ones, by worker.
    waiting: Vec<std::collections::VecDeque<Done>>,
    open: usize,
}

impl Crew {
    fn send(&mut self, front: &Front, collector: &mut Collector<'_>, snapshot: bool, last: Option<Last>) -> Option<WorkerStats> {
        let count = self.work.len();
        let mut parts: Vec<Work> = (0..count)
            .map(|_| self.spare.pop().unwrap_or_default())
            .map(|(batch, epoch)| Work { at: front.at, batch, ticks: Vec::new(), epoch, snapshot, last })
            .collect();
        if last.is_none() {
            let mut ticks = front.ticks.iter().peekable();
            for (index, packet) in front.batch.packets.iter().enumerate() {
                while let Some((_, cause)) = ticks.next_if(|(at, _)| *at <= index) {
                    parts.iter_mut().for_each(|part| part.ticks.push((part.batch.packets.len(), *cause)));
                }
                if let Some(part) = parts.get_mut(shard_of(packet) % count) {
                    part.batch.push_from(&front.batch.slab, packet);
                }
            }
            for (_, cause) in ticks {
                parts.iter_mut().for_each(|part| part.ticks.push((part.batch.packets.len(), *cause)));
            }
        }
        // Room first: never more epochs in flight than the channels hold, so that no send below can block for ever.
        let mut stats = None;
        while self.open >= CHANNEL_DEPTH {
            stats = self.receive(collector).or(stats);
        }
        for (part, sender) in parts.into_iter().zip(&self.work) {
            // A worker that is gone is noticed when its answer does not come.
            drop(sender.send(part));
        }
        self.open += 1;
        if snapshot || last.is_some() {
            while self.open > 0 {
                stats = self.receive(collector).or(stats);
            }
        } else {
            while self.waiting.iter().all(|queue| !queue.is_empty()) || !self.done.is_empty() {
                stats = self.receive(collector).or(stats);
                if self.open == 0 {
                    break;
                }
            }
        }
        stats
    }

    /// Waits for all answers.
    fn wait(&mut self, collector: &mut Collector<'_>) {
        while self.open > 0 {
            self.receive(collector);
        }
    }

    /// Takes one answer; when an epoch is complete, writes it. Gives the sum of snapshots when there are any.
    fn receive(&mut self, collector: &mut Collector<'_>) -> Option<WorkerStats> {
        if !self.waiting.iter().all(|queue| !queue.is_empty()) {
            let Ok(done) = self.done.recv() else {
                // All workers are gone: nothing more will come.
                self.open = 0;
                return None;
            };
            if let Some(queue) = self.waiting.get_mut(done.worker) {
                queue.push_back(done);
            }
            if !self.waiting.iter().all(|queue| !queue.is_empty()) {
                return None;
            }
        }
        let mut complete: Vec<Done> = self.waiting.iter_mut().filter_map(std::collections::VecDeque::pop_front).collect();
        let mut epochs: Vec<Epoch> = complete.iter_mut().map(|done| std::mem::take(&mut done.epoch)).collect();
        collector.epoch(&mut epochs);
        let mut stats: Option<WorkerStats> = None;
        for (done, epoch) in complete.into_iter().zip(epochs) {
            if let Some(part) = &done.stats {
                stats.get_or_insert_default().add(part);
            }
            let mut batch = done.batch;
            batch.clear();
            self.spare.push((batch, epoch));
        }
        self.open = self.open.saturating_sub(1);
        stats
    }
}

fn threaded(
    source: &mut dyn Source,
    settings: &Arc<Settings>,
    rules: &RuleSet,
    collector: &mut Collector<'_>,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> RunEnd {
    let count = settings.workers.min(super::worker::SHARDS);
    thread::scope(|scope| {
        let (done_sender, done) = bounded::<Done>(count * (CHANNEL_DEPTH + 1));
        let mut work = Vec::with_capacity(count);
        for index in 0..count {
            let (sender, receiver) = bounded::<Work>(CHANNEL_DEPTH);
            work.push(sender);
            let done = done_sender.clone();
            let settings = Arc::clone(settings);
            scope.spawn(move || worker_loop(&settings, rules, index, count, &receiver, &done));
        }
        drop(done_sender);
        let waiting = (0..count).map(|_| std::collections::VecDeque::new()).collect();
        let mut crew = Crew { work, done, spare: Vec::new(), waiting, open: 0 };
        let mut front = Front::new(settings);
        let error = loop {
            let stats_due = match front.next(source, stop) {
                Next::End(error) => break error,
                Next::Batch(stats_due) => stats_due,
            };
            let stats = crew.send(&front, collector, stats_due, None);
            if let Some(stats) = stats.filter(|_| stats_due) {
                super::stats::write(collector, &front.totals(source, stats));
            }
            after_batch(settings, collector, source, observer, stop);
        };
        let last = front.clock.last();
        let mut settling = Settling::default();
        if front.keys.is_some() {
            // All workers are done with all packets.
            crew.wait(collector);
        }
        while front.unsettled(&mut settling) {
            front.go_on();
            crew.send(&front, collector, false, Some(Last::Settle(last)));
        }
        let mut stats = WorkerStats::default();
        for until in ends(&last) {
            stats = crew.send(&front, collector, true, Some(Last::Finish(last, until))).unwrap_or_default();
        }
        RunEnd { totals: front.totals(source, stats), error }
    })
}

fn worker_loop(
    settings: &Arc<Settings>,
    rules: &RuleSet,
    index: usize,
    count: usize,
    work: &Receiver<Work>,
    done: &Sender<Done>,
) {
    let mut worker = Worker::new(settings, rules, index, count);
    for Work { at, batch, ticks, mut epoch, snapshot, last } in work {
        match last {
            None => worker.run(at, &batch, &ticks, &mut epoch),
            Some(Last::Settle(cause)) => worker.settle(at, &cause, &mut epoch),
            Some(Last::Finish(cause, until)) => worker.finish(until, &cause, &mut epoch),
        }
        let stats = snapshot.then(|| worker.stats());
        if done.send(Done { worker: index, batch, epoch, stats }).is_err() {
            return;
        }
    }
}
