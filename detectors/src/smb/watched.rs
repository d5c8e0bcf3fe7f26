//! A file that is looked at, and those that were closed: what comes later through another open of the same name joins them.

use std::collections::VecDeque;

use backstop_protocols::smb::File;
use backstop_types::PacketTime;

use super::evidence::Facts;
use super::held::Held;
use super::{executable, names};
use crate::veeam::watch::key;
use crate::{Finding, Outcome};

/// Files that are remembered when they are closed.
const MAX_CLOSED: usize = 64;

/// A file that is looked at.
pub struct Watched {
    /// Of its open.
    pub number: u64,
    /// Share and name.
    pub place: u128,
    /// What is told of it.
    pub facts: Facts,
    /// On an administrative share.
    pub administrative: bool,
    /// A script by its extension.
    pub script: bool,
    /// The whole of what is written is held, not its head only.
    pub text: bool,
    /// What is written, through this open and those before it.
    pub written: Held,
    /// Some of it came through another open: to look at it again is paid for.
    pub joined: bool,
    /// What is read.
    pub read: Held,
    /// What the server said of writes.
    pub outcome: Outcome,
    /// When what waits is told without.
    pub due: Option<PacketTime>,
    /// Findings on what was written.
    pub waiting: Vec<Finding>,
    /// Conditions of section 3 that were met.
    pub matches: Vec<String>,
    /// 9404001 or 9404002 was told.
    pub told: bool,
}

/// Which file of a connection is meant: case does not count.
pub fn place(share: &str, name: &str) -> u128 {
    key(&format!("{}\\{}", share.to_lowercase(), name.trim_start_matches('\\').to_lowercase()))
}

impl Watched {
    /// Of an open of which nothing was seen yet.
    pub fn new(file: &File, administrative: bool, script: bool) -> Self {
        let facts = Facts::of(file);
        Self {
            number: file.number,
            place: place(&facts.share, &facts.name),
            facts,
            administrative,
            script,
            text: script,
            written: Held::default(),
            joined: false,
            read: Held::default(),
            outcome: Outcome::Unknown,
            due: None,
            waiting: Vec::new(),
            matches: Vec::new(),
            told: false,
        }
    }

    /// Goes on where another open of the same file has come to.
    pub fn goes_on(&mut self, other: &mut Self) {
        self.written = std::mem::take(&mut other.written);
        self.joined = true;
        self.text |= other.text;
        for sid in std::mem::take(&mut other.matches) {
            if !self.matches.contains(&sid) {
                self.matches.push(sid);
            }
        }
    }

    /// It has another name from here on.
    pub fn rename(&mut self, share: &str, to: &str, script: bool) {
        self.place = place(share, to);
        to.clone_into(&mut self.facts.name);
        self.script |= script;
    }
}

/// Files that were closed, oldest first.
#[derive(Default)]
pub struct Closed(VecDeque<Watched>);

impl Closed {
    /// Keeps a file; one that gives way to it, or that nothing can be joined to.
    pub fn keep(&mut self, watched: Watched) -> Option<Watched> {
        if watched.written.bytes().is_empty() || executable::is_executable(watched.written.bytes()) {
            return Some(watched);
        }
        self.0.push_back(watched);
        (self.0.len() > MAX_CLOSED).then(|| self.0.pop_front()).flatten()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The file of this place, which is kept no longer.
    pub fn take(&mut self, place: u128) -> Option<Watched> {
        let at = self.0.iter().rposition(|watched| watched.place == place)?;
        self.0.remove(at)
    }

    /// The oldest one, to make room.
    pub fn oldest(&mut self) -> Option<Watched> {
        self.0.pop_front()
    }

    /// A file has another name.
    pub fn rename(&mut self, before: u128, share: &str, to: &str, extensions: &[String]) {
        let script = names::is_script(to, extensions);
        for watched in self.0.iter_mut().filter(|watched| watched.place == before) {
            watched.rename(share, to, script);
        }
    }
}
