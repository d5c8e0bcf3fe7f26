//! Files, folders and standard input as one run in time order.
//!
//! Several files are ordered by their first packet; where they overlap in time, their packets are merged. At most
//! [`MAX_OPEN`] files are open at once: beyond that, the next one waits until another ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use backstop_types::PacketTime;

use super::bpf::Filter;
use super::records::{Records, Step};
use super::{Fill, KeyLog, Progress, Source, SourceError, SourceStats};
use crate::batch::{Batch, Frame};

/// Files open at once.
const MAX_OPEN: usize = 64;

/// What to read and how.
#[derive(Clone, Debug, Default)]
pub struct InputsConfig {
    /// Files, folders, or `-` for standard input.
    pub paths: Vec<PathBuf>,
    /// A BPF expression.
    pub filter: Option<String>,
    /// Ends a wait for standard input when set.
    pub stop: Arc<AtomicBool>,
}

/// A file that plays, with its next frame when files are merged.
struct Playing {
    file: u32,
    records: Records,
    head: Option<(Frame, Vec<u8>)>,
}

/// Capture files as a source.
pub struct Inputs {
    names: Vec<String>,
    /// Files not opened yet, the next one last, with the time of their first packet.
    waiting: Vec<(PacketTime, u32, PathBuf)>,
    playing: Vec<Playing>,
    filter: Option<Filter>,
    frames: u64,
    read: Arc<AtomicU64>,
    total: Option<u64>,
    problems: Vec<SourceError>,
    secrets: Vec<KeyLog>,
    stats: SourceStats,
    stop: Arc<AtomicBool>,
}

impl Inputs {
    /// Finds and orders the files. Every file is looked at now, so that a wrong one is told before anything is written.
    ///
    /// # Errors
    /// A path cannot be read, is no capture, or the filter does not compile.
    pub fn open(config: &InputsConfig) -> Result<Self, SourceError> {
        let filter = config.filter.as_deref().map(Filter::new).transpose()?;
        let read = Arc::new(AtomicU64::new(0));
        let mut paths = Vec::new();
        for path in &config.paths {
            expand(path, &mut paths)?;
        }
        let mut inputs = Self {
            names: Vec::new(),
            waiting: Vec::new(),
            playing: Vec::new(),
            filter,
            frames: 0,
            read: Arc::clone(&read),
            total: Some(0),
            problems: Vec::new(),
            secrets: Vec::new(),
            stats: SourceStats::default(),
            stop: Arc::clone(&config.stop),
        };
        let single = paths.len() == 1;
        for (index, path) in paths.into_iter().enumerate() {
            let file = u32::try_from(index).unwrap_or(u32::MAX);
            inputs.names.push(path.display().to_string());
            let mut records = Records::open(&path, &read, &config.stop)?;
            let regular = std::fs::metadata(&path).ok().filter(|known| known.is_file() && path.as_os_str() != "-");
            inputs.total = inputs.total.zip(regular.as_ref()).map(|(sum, known)| sum + known.len());
            if regular.is_none() {
                // A pipe cannot be looked at before it is read.
                inputs.playing.push(Playing { file, records, head: None });
                continue;
            }
            inputs.secrets.append(&mut super::secrets::look(&path));
            let first = match records.step() {
                Step::Frame(frame, _) => frame.time,
                Step::End(Some(error @ SourceError::UnknownLink { .. })) => return Err(error),
                Step::End(_) | Step::Silent => PacketTime::ZERO,
            };
            if single {
                let records = Records::open(&path, &read, &config.stop)?;
                inputs.playing.push(Playing { file, records, head: None });
            } else {
                inputs.waiting.push((first, file, path));
            }
        }
        inputs.waiting.sort_by(|a, b| b.cmp(a));
        read.store(0, Ordering::Relaxed);
        Ok(inputs)
    }

    /// Opens the files whose first packet is due.
    fn open_due(&mut self) {
        while self.playing.len() < MAX_OPEN {
            let Some((first, _, _)) = self.waiting.last() else { return };
            let earliest = self.playing.iter().filter_map(|playing| playing.head.as_ref()).map(|(frame, _)| frame.time).min();
            if earliest.is_some_and(|earliest| *first > earliest) {
                return;
            }
            let Some((_, file, path)) = self.waiting.pop() else { return };
            match Records::open(&path, &self.read, &self.stop) {
                Ok(records) => {
                    let mut playing = Playing { file, records, head: None };
                    if self.advance(&mut playing) {
                        self.playing.push(playing);
                    }
                }
                Err(error) => self.problem(error),
            }
        }
    }

    fn problem(&mut self, error: SourceError) {
        self.stats.errors += 1;
        self.problems.push(error);
    }

    /// Puts the next frame of a file at its head; false at the end of the file.
    fn advance(&mut self, playing: &mut Playing) -> bool {
        let mut bytes = playing.head.take().map(|(_, bytes)| bytes).unwrap_or_default();
        bytes.clear();
        let problem = loop {
            match playing.records.step() {
                Step::Frame(frame, data) => {
                    bytes.extend_from_slice(data);
                    playing.head = Some((Frame { file: playing.file, ..frame }, bytes));
                    break None;
                }
                // Beside other files its next packet decides the order: nothing goes on without it.
                Step::Silent => {}
                Step::End(problem) => break problem,
            }
        };
        self.secrets.append(&mut playing.records.secrets);
        if let Some(error) = problem {
            self.problem(error);
        }
        playing.head.is_some()
    }

    fn admit(filter: &mut Option<Filter>, frame: &Frame, bytes: &[u8]) -> Result<bool, SourceError> {
        filter.as_mut().map_or(Ok(true), |filter| filter.passes(frame.link_type, bytes))
    }

    /// One file left: frames go straight into the batch.
    fn fill_from_one(&mut self, batch: &mut Batch) -> Result<Fill, SourceError> {
        let Some(playing) = self.playing.first_mut() else { return Ok(Fill::End) };
        if let Some((frame, bytes)) = playing.head.take()
            && Self::admit(&mut self.filter, &frame, &bytes)?
        {
            self.frames += 1;
            batch.push_frame(Frame { number: self.frames, ..frame }, &bytes);
        }
        while !batch.is_full() {
            match playing.records.step() {
                Step::Frame(frame, bytes) => {
                    if Self::admit(&mut self.filter, &frame, bytes)? {
                        self.frames += 1;
                        batch.push_frame(Frame { number: self.frames, file: playing.file, ..frame }, bytes);
                    }
                }
                // What is there goes on, so that an alert need not wait for a full batch.
                Step::Silent => break,
                Step::End(problem) => {
                    self.secrets.append(&mut playing.records.secrets);
                    self.playing.clear();
                    if let Some(error) = problem {
                        self.problem(error);
                    }
                    return Ok(if self.waiting.is_empty() { Fill::End } else { Fill::Frames });
                }
            }
        }
        self.secrets.append(&mut playing.records.secrets);
        Ok(Fill::Frames)
    }

    fn fill_merged(&mut self, batch: &mut Batch) -> Result<Fill, SourceError> {
        while !batch.is_full() {
            self.open_due();
            let earliest = self
                .playing
                .iter()
                .enumerate()
                .filter_map(|(index, playing)| playing.head.as_ref().map(|(frame, _)| (frame.time, playing.file, index)))
                .min();
            let Some((_, _, index)) = earliest else {
                return Ok(if self.waiting.is_empty() { Fill::End } else { Fill::Frames });
            };
            let mut playing = self.playing.swap_remove(index);
            if let Some((frame, bytes)) = &playing.head
                && Self::admit(&mut self.filter, frame, bytes)?
            {
                self.frames += 1;
                batch.push_frame(Frame { number: self.frames, ..*frame }, bytes);
            }
            if self.advance(&mut playing) {
                self.playing.push(playing);
            }
        }
        Ok(Fill::Frames)
    }
}

impl Source for Inputs {
    fn fill(&mut self, batch: &mut Batch) -> Result<Fill, SourceError> {
        if self.waiting.is_empty() && self.playing.len() <= 1 {
            self.stats.received = self.frames;
            return self.fill_from_one(batch);
        }
        // Standard input among several has no head yet.
        let headless: Vec<usize> = (0..self.playing.len())
            .rev()
            .filter(|&index| self.playing.get(index).is_some_and(|playing| playing.head.is_none()))
            .collect();
        for index in headless {
            let mut playing = self.playing.swap_remove(index);
            if self.advance(&mut playing) {
                self.playing.push(playing);
            }
        }
        self.fill_merged(batch)
    }

    fn stats(&self) -> SourceStats {
        SourceStats { received: self.frames, ..self.stats }
    }

    fn progress(&self) -> Progress {
        Progress { read: self.read.load(Ordering::Relaxed), total: self.total }
    }

    fn name(&self, file: u32) -> Option<&str> {
        self.names.get(usize::try_from(file).ok()?).map(String::as_str)
    }

    fn take_problems(&mut self) -> Vec<SourceError> {
        std::mem::take(&mut self.problems)
    }

    fn take_secrets(&mut self) -> Vec<KeyLog> {
        std::mem::take(&mut self.secrets)
    }
}

/// A folder becomes its capture files, sorted by name; folders inside it are not entered.
fn expand(path: &Path, paths: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    let unreadable = |error| SourceError::Unreadable { file: path.into(), error };
    if path.as_os_str() == "-" || !path.is_dir() {
        paths.push(path.into());
        return Ok(());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.path();
        let is_capture =
            entry.extension().is_some_and(|end| ["pcap", "pcapng", "cap"].iter().any(|known| end.eq_ignore_ascii_case(known)));
        if is_capture && entry.is_file() {
            found.push(entry);
        }
    }
    if found.is_empty() {
        return Err(SourceError::EmptyFolder { file: path.into() });
    }
    found.sort();
    paths.append(&mut found);
    Ok(())
}
