//! Knowledge across flows: roles and thresholds. Fed in packet order.
//!
//! A finding that needs a role stands when the role is configured or was learned *before* it in packet order; facts of
//! the same call count first, so a session that shows its server to be a backup server is judged as one to a backup
//! server. A finding that comes before anybody knows the role is held back for good and counted: what a later fact would
//! make of it, the session that brought the fact says itself.

mod beats;
mod bounded;
mod tally;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use backstop_types::{Fields, PacketTime};
use beats::Beats;
use bounded::Bounded;
use tally::Tallies;

use crate::finding::{MetaRef, Role, Stage, Threshold};
use crate::{DetectConfig, Fact, Finding};

/// Addresses remembered to hold a role. About 100 bytes each.
const MAX_ROLES: usize = 65_536;
/// Causes remembered for thresholds. About 200 bytes each.
const MAX_THRESHOLDS: usize = 65_536;

/// What becomes of a finding.
#[derive(Debug)]
pub enum Admit {
    /// It is an alert.
    Alert(Box<Finding>),
    /// A repetition within its window, or a role it needs does not hold.
    Suppressed,
    /// It was counted, and says nothing by itself.
    Counted,
}

/// What the correlator did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CorrelatorCounters {
    /// Addresses with a learned role now.
    pub roles: u64,
    /// Learned roles forgotten because the memory was full.
    pub roles_evicted: u64,
    /// Thresholds running now.
    pub thresholds: u64,
    /// Thresholds forgotten because the memory was full: their next finding is an alert again.
    pub thresholds_evicted: u64,
    /// Findings held back because a role they need was not known.
    pub role_missing: u64,
    /// Findings held back as repetitions.
    pub repeated: u64,
    /// Sources whose events are counted now.
    pub tallies: u64,
    /// Such counts forgotten because the memory was full: they begin again.
    pub tallies_evicted: u64,
    /// Findings held back because there were too few events so far.
    pub too_few: u64,
    /// Suspicions held back because another flow showed in the clear what they suspect.
    pub explained: u64,
    /// Such explanations forgotten because the memory was full: the suspicion stands.
    pub explanations_evicted: u64,
}

/// A cause within its window.
#[derive(Debug)]
struct Running {
    since: PacketTime,
    held_back: u64,
}

/// One a sensor.
pub struct Correlator {
    config: Arc<DetectConfig>,
    backup_servers: Bounded<IpAddr, ()>,
    thresholds: Bounded<(u64, Vec<u8>), Running>,
    tallies: Tallies,
    beats: Beats,
    /// When WMI between two hosts was last seen in the clear.
    wmi_in_clear: Bounded<(IpAddr, IpAddr), PacketTime>,
    explained: u64,
    too_few: u64,
    role_missing: u64,
    repeated: u64,
}

impl Correlator {
    /// A correlator that knows the configured roles only.
    #[must_use]
    pub fn new(config: Arc<DetectConfig>) -> Self {
        Self::with_caps(config, MAX_ROLES, MAX_THRESHOLDS)
    }

    fn with_caps(config: Arc<DetectConfig>, roles: usize, thresholds: usize) -> Self {
        Self {
            config,
            backup_servers: Bounded::new(roles),
            thresholds: Bounded::new(thresholds),
            tallies: Tallies::new(thresholds),
            beats: Beats::new(),
            wmi_in_clear: Bounded::new(roles),
            explained: 0,
            too_few: 0,
            role_missing: 0,
            repeated: 0,
        }
    }

    /// Learns. What is confirmed again is remembered longer.
    pub fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::BackupServer(addr) => self.backup_servers.put(addr, ()),
            Fact::WmiInClear { client, server, at } => self.wmi_in_clear.put((client, server), at),
        }
    }

    /// Decides on a finding. A `now` before that of an earlier call counts as no time passed.
    pub fn admit(&mut self, finding: Finding, now: PacketTime) -> Admit {
        let mut finding = finding;
        if let Some(beat) = finding.beat.take() {
            // Of a host without the role nothing is kept: every session of every host to the outside comes by here.
            let told =
                finding.requires.iter().all(|role| self.holds(*role)).then(|| self.beats.count(&beat, &self.config.beacon));
            let Some(told) = told.flatten() else { return Admit::Counted };
            finding.context.set("beacon", told);
        }
        if let Some(missing) = finding.requires.iter().find(|role| !self.holds(**role)) {
            match missing {
                Role::Unexplained { .. } => self.explained += 1,
                Role::BackupServer(_) | Role::Stranger(_) => self.role_missing += 1,
            }
            return Admit::Suppressed;
        }
        self.orient(&mut finding);
        if let Some(tally) = finding.tally.take() {
            let Some(told) = self.tallies.count(finding.meta.sid(), &tally, now) else {
                self.too_few += 1;
                return Admit::Suppressed;
            };
            finding.context.set("tally", told);
        }
        if let Some(threshold) = finding.threshold.take() {
            match self.repetition(finding.meta.sid(), &threshold, now) {
                Some(held_back) if held_back > 0 => {
                    finding.context.set("threshold", Fields::new().with("held_back", held_back));
                }
                Some(_) => {}
                None => {
                    self.repeated += 1;
                    return Admit::Suppressed;
                }
            }
            finding.threshold = Some(threshold);
        }
        if let Some(covered) = finding.stands_for.take() {
            self.thresholds.put((finding.meta.sid(), covered.key), Running { since: now, held_back: 0 });
        }
        Admit::Alert(Box::new(finding))
    }

    /// Counts so far.
    #[must_use]
    pub fn counters(&self) -> CorrelatorCounters {
        CorrelatorCounters {
            roles: self.backup_servers.len() as u64,
            roles_evicted: self.backup_servers.evicted(),
            thresholds: self.thresholds.len() as u64,
            thresholds_evicted: self.thresholds.evicted(),
            role_missing: self.role_missing,
            repeated: self.repeated,
            tallies: self.tallies.len() as u64,
            tallies_evicted: self.tallies.evicted(),
            too_few: self.too_few,
            explained: self.explained,
            explanations_evicted: self.wmi_in_clear.evicted(),
        }
    }

    fn holds(&self, role: Role) -> bool {
        match role {
            Role::BackupServer(addr) => self.config.is_backup_server(addr) || self.backup_servers.contains(&addr),
            Role::Stranger(addr) => {
                let learned = || self.config.backup_servers.is_empty() && self.backup_servers.contains(&addr);
                !self.config.is_backup_server(addr) && !learned()
            }
            Role::Unexplained { client, server, since } => self.wmi_in_clear.peek(&(client, server)).is_none_or(|at| *at < since),
        }
    }

    /// The number of repetitions held back before, where this one stands; none where it does not.
    fn repetition(&mut self, sid: u64, threshold: &Threshold, now: PacketTime) -> Option<u64> {
        let key = (sid, threshold.key.clone());
        let mut held_back = 0;
        if let Some(running) = self.thresholds.peek_mut(&key) {
            // Per cause and saturating: a packet with a time far off freezes the causes it touched, not all of them.
            if now.since(running.since) < threshold.window {
                running.held_back += 1;
                return None;
            }
            held_back = running.held_back;
        }
        self.thresholds.put(key, Running { since: now, held_back: 0 });
        Some(held_back)
    }

    /// A content rule knows the configured roles only ([`crate::finding_for_match`]): with a learned one, too, the
    /// backup server is the victim. Not of lateral movement: there the sender is the attacker, whoever it is.
    fn orient(&self, finding: &mut Finding) {
        let MetaRef::Rule(rule) = &finding.meta else { return };
        let is_server = |addr| self.holds(Role::BackupServer(addr));
        let moves = rule.stage.as_deref() == Some(Stage::Move.as_str());
        if !moves && is_server(finding.attacker.addr) && !is_server(finding.victim.addr) {
            std::mem::swap(&mut finding.attacker, &mut finding.victim);
        }
    }
}
