//! What the ring keeps of sessions, bounded.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;

use super::log::Label;
use super::{KeySource, SharedSecret};

/// Masters kept under one name by which a session is taken up again. More than one only where a name was used twice:
/// whoever holds both ends of a connection can file what he likes, and must not displace what is there.
pub const MAX_CANDIDATES: usize = 8;
/// Places in the input at which something becomes visible that are kept; far more than workers may be apart.
const MAX_PLACES: usize = 256;

/// A secret, and the epoch from which on it may be used.
struct Since {
    epoch: u64,
    secret: SharedSecret,
}

/// The secrets of one session.
#[derive(Default)]
pub struct Secrets {
    slots: [Option<Since>; 5],
}

impl Secrets {
    const fn place(label: Label) -> usize {
        match label {
            Label::Master => 0,
            Label::ClientHandshake => 1,
            Label::ServerHandshake => 2,
            Label::ClientApplication => 3,
            Label::ServerApplication => 4,
        }
    }

    /// The secret, where it may be used by now.
    pub fn get(&self, label: Label, now: u64) -> Option<SharedSecret> {
        let since = self.slots.get(Self::place(label))?.as_ref()?;
        (since.epoch <= now).then(|| since.secret.clone())
    }

    /// Files a secret; whether it is new. The last one counts: a broken line may have been written again.
    pub fn set(&mut self, label: Label, epoch: u64, secret: SharedSecret) -> bool {
        let Some(slot) = self.slots.get_mut(Self::place(label)) else { return false };
        match slot {
            Some(known) if ***known.secret.expose() == ***secret.expose() => {
                known.epoch = known.epoch.min(epoch);
                false
            }
            _ => {
                *slot = Some(Since { epoch, secret });
                true
            }
        }
    }
}

/// A master secret under a name by which its session is taken up again.
#[derive(Clone)]
pub struct Candidate {
    pub master: SharedSecret,
    pub source: KeySource,
    /// The epoch from which on it may be used.
    since: u64,
}

/// The masters under one name, each once.
#[derive(Default)]
pub struct Candidates(Vec<Candidate>);

/// What became of a master that was to be filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filed {
    New,
    /// Known, but for a later epoch until now.
    Earlier,
    Known,
    /// The name has as many as it may.
    Refused,
}

impl Candidates {
    pub fn add(&mut self, master: &SharedSecret, source: KeySource, since: u64) -> Filed {
        if let Some(known) = self.0.iter_mut().find(|known| ***known.master.expose() == ***master.expose()) {
            let earlier = since < known.since;
            known.since = known.since.min(since);
            return if earlier { Filed::Earlier } else { Filed::Known };
        }
        if self.0.len() >= MAX_CANDIDATES {
            return Filed::Refused;
        }
        self.0.push(Candidate { master: master.clone(), source, since });
        Filed::New
    }

    pub fn visible(&self, now: u64) -> impl Iterator<Item = &Candidate> {
        self.0.iter().filter(move |candidate| candidate.since <= now)
    }
}

/// A table in which the oldest entry gives way. Invariant: `order` has the keys of `entries`, each once.
pub struct Bounded<K, V> {
    pub entries: HashMap<K, V>,
    order: VecDeque<K>,
    pub evicted: u64,
}

impl<K: Clone + Eq + Hash, V: Default> Bounded<K, V> {
    pub fn new() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), evicted: 0 }
    }

    /// The entry of a key, new if it must be.
    pub fn entry(&mut self, key: K, max: usize) -> &mut V {
        if !self.entries.contains_key(&key) {
            while self.order.len() >= max.max(1) {
                let Some(oldest) = self.order.pop_front() else { break };
                self.entries.remove(&oldest);
                self.evicted += 1;
            }
            self.order.push_back(key.clone());
        }
        self.entries.entry(key).or_default()
    }
}

/// The epochs at which something becomes visible.
#[derive(Default)]
pub struct Places(BTreeSet<u64>);

impl Places {
    pub fn add(&mut self, epoch: u64) {
        self.0.insert(epoch);
        while self.0.len() > MAX_PLACES {
            self.0.pop_first();
        }
    }

    /// Something becomes visible on the way from one epoch to another.
    pub fn between(&self, after: u64, until: u64) -> bool {
        after < until && self.0.range(after + 1..=until).next().is_some()
    }
}
