//! 9404001 and 9404002, and what scripts hold (9403001 to 9403007): files that are written and read.
//!
//! ```text
//! WRITE ─► held ─► looked at when it is there, when it doubles, at the end ─► findings wait for the status ─► alerts
//! READ  ─► held ─► the same ─────────────────────────────────────────────────────────────────────────────► alerts
//! CREATE that is refused, rename to a script, copy into one ─► alert
//! ```
//! Looked at are files with a script's extension on any share, and all that is written to an administrative one.

use std::collections::VecDeque;

use backstop_protocols::Transaction;
use backstop_protocols::smb::{Command, Exchange, File, FileData, Stage, Transaction as Smb};

use super::evidence::{self, Facts, Moved};
use super::watched::{Closed, Watched, place};
use super::{executable, names, script};
use crate::content::{Carrier, Inspection, Kind, inspect, named};
use crate::veeam::evidence::plain;
use crate::{Context, Detector, Finding, Findings, Meta, Outcome};

/// What it can find besides the conditions on content.
pub static METAS: &[&Meta] = &[&script::META, &executable::META];

/// Files that are looked at, at a time.
const MAX_WATCHED: usize = 64;
/// Findings and files of a flow that are remembered, so that each is told once.
const MAX_TOLD: usize = 256;

/// WRITE ([MS-SMB2] 2.2.1.2); WRITE_ANDX, WRITE, WRITE_AND_UNLOCK, WRITE_AND_CLOSE ([MS-CIFS] 2.2.2.1).
const WRITES: [Command; 5] =
    [Command::Smb2(0x09), Command::Smb1(0x2f), Command::Smb1(0x0b), Command::Smb1(0x14), Command::Smb1(0x2c)];
/// READ; READ_ANDX, READ, LOCK_AND_READ.
const READS: [Command; 4] = [Command::Smb2(0x08), Command::Smb1(0x2e), Command::Smb1(0x0a), Command::Smb1(0x13)];
/// CREATE; NT_CREATE_ANDX, OPEN_ANDX, OPEN, CREATE, CREATE_NEW, and the transactions that open.
const CREATES: [Command; 8] = [
    Command::Smb2(0x05),
    Command::Smb1(0xa2),
    Command::Smb1(0x2d),
    Command::Smb1(0x02),
    Command::Smb1(0x03),
    Command::Smb1(0x0f),
    Command::Smb1(0x32),
    Command::Smb1(0xa0),
];
/// STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD, STATUS_MEDIA_WRITE_PROTECTED: who may not. Other errors are everyday.
const REFUSALS: [u32; 3] = [0xc000_0022, 0xc000_0061, 0xc000_00a2];
/// FSCTL_SRV_COPYCHUNK and FSCTL_SRV_COPYCHUNK_WRITE ([MS-SMB2] 2.2.31.1): the server copies into the file.
const COPIES: [u32; 2] = [0x0014_40f2, 0x0014_80f2];
/// FILE_SUPERSEDE, FILE_CREATE, FILE_OVERWRITE, FILE_OVERWRITE_IF ([MS-SMB2] 2.2.13): nothing is left of what was there.
const EMPTIES: [u32; 4] = [0, 2, 4, 5];
/// The offset of a write that appends ([MS-FSA] 2.1.5.4).
const APPEND: u64 = u64::MAX;
/// Bytes of joined files that are looked at again for each that is written.
const AGAIN: usize = 32;
/// Access that writes: FILE_WRITE_DATA, FILE_APPEND_DATA, GENERIC_ALL, GENERIC_WRITE ([MS-SMB2] 2.2.13.1.1).
const WRITE_ACCESS: u32 = 0x5000_0006;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Files::default())
}

#[derive(Default)]
struct Files {
    watched: VecDeque<Watched>,
    /// Those that were closed.
    closed: Closed,
    /// Bytes held of all of them.
    held: usize,
    /// Bytes that were written, and those of joined files that were looked at again.
    paid: usize,
    spent: usize,
    /// Sid, and share with name.
    told: VecDeque<(u64, u128)>,
    /// Files that were written to administrative shares, for a rename later.
    written: VecDeque<u128>,
    /// Alerts by sid.
    counts: Vec<(u64, usize)>,
}

fn place_of(file: &File) -> u128 {
    let facts = Facts::of(file);
    place(&facts.share, &facts.name)
}

fn is_administrative(file: &File) -> bool {
    file.share.as_deref().is_some_and(names::is_administrative)
}

impl Files {
    fn exchange(&mut self, context: &Context<'_>, exchange: &Exchange<'_>, out: &mut Findings) {
        for (to, operation) in [(&exchange.asked.rename_to, "rename"), (&exchange.asked.link_to, "link")] {
            let Some(to) = to else { continue };
            if exchange.status == Some(0) {
                self.renamed(context, exchange, to, operation, out);
            }
            return;
        }
        let Some(file) = exchange.file.filter(|file| !file.pipe) else { return };
        if WRITES.contains(&exchange.command) {
            self.moves(context, exchange, file, true, out);
        } else if READS.contains(&exchange.command) && exchange.status.is_some() {
            self.moves(context, exchange, file, false, out);
        } else if exchange.asked.function.is_some_and(|function| COPIES.contains(&function)) && exchange.status == Some(0) {
            self.placed(context, exchange, file, "copy", out);
        } else if CREATES.contains(&exchange.command) && exchange.status.is_some_and(|status| REFUSALS.contains(&status)) {
            self.refused(context, exchange, file, out);
        } else if CREATES.contains(&exchange.command)
            && exchange.status == Some(0)
            && exchange.asked.disposition.is_some_and(|disposition| EMPTIES.contains(&disposition))
            && !self.closed.is_empty()
            && let Some(emptied) = self.closed.take(place_of(file))
        {
            self.forget(context, emptied, out);
        }
    }

    /// A write or read: who does it, and what the server says.
    fn moves(&mut self, context: &Context<'_>, exchange: &Exchange<'_>, file: &File, written: bool, out: &mut Findings) {
        let Some(watched) = self.watch(context, file, written, out) else { return };
        if watched.facts.tx_id.is_none() || (watched.facts.tx_id == Some(exchange.tx_id) && exchange.status.is_some()) {
            watched.facts.learn(exchange);
        }
        if written && exchange.stage == Stage::Answered {
            watched.outcome = watched.outcome.max(evidence::outcome(exchange.status));
        }
    }

    /// The file among those that are looked at; nothing where it is of no interest.
    fn watch(&mut self, context: &Context<'_>, file: &File, written: bool, out: &mut Findings) -> Option<&mut Watched> {
        if let Some(at) = self.watched.iter().rposition(|watched| watched.number == file.number) {
            return self.watched.get_mut(at);
        }
        let administrative = is_administrative(file);
        let script = names::is_script(&file.name, &context.config.smb.script_extensions);
        if !(script || administrative && written) {
            return None;
        }
        if self.watched.len() >= MAX_WATCHED
            && let Some(oldest) = self.watched.pop_front()
        {
            self.finish(context, oldest, out);
        }
        self.watched.push_back(Watched::new(file, administrative, script));
        self.watched.back_mut()
    }

    fn data(&mut self, context: &Context<'_>, data: &FileData<'_>, out: &mut Findings) {
        let Some(file) = data.file else { return };
        if data.end {
            self.ended(context, file, data.written, out);
            return;
        }
        if self.watch(context, file, data.written, out).is_none() {
            return;
        }
        let Some(at) = self.watched.iter().rposition(|watched| watched.number == file.number) else { return };
        let Some(mut watched) = self.watched.remove(at) else { return };
        if data.written {
            self.paid = self.paid.saturating_add(data.bytes.len());
            self.join(context, &mut watched, data.offset == 0, out);
        }
        let side = if data.written { &mut watched.written } else { &mut watched.read };
        if data.written && !watched.script && data.offset == 0 && side.total == 0 {
            watched.text = crate::content::text(data.bytes.get(..512).unwrap_or(data.bytes)).is_some();
        }
        let max = context.config.content.max_input;
        let head = if data.offset == 0 { data.bytes } else { side.bytes() };
        let max = if watched.text { max } else { executable::wanted(head).min(max) };
        let offset = if data.written && data.offset == APPEND { side.bytes().len() as u64 } else { data.offset };
        let end = usize::try_from(offset).unwrap_or(max).saturating_add(data.bytes.len()).min(max);
        let more = end.saturating_sub(side.bytes().len());
        while self.held.saturating_add(more) > context.config.smb.max_held
            && let Some(oldest) = self.closed.oldest()
        {
            self.forget(context, oldest, out);
        }
        let side = if data.written { &mut watched.written } else { &mut watched.read };
        let room = context.config.smb.max_held.saturating_sub(self.held);
        let was_cut = side.cut;
        self.held += side.put(offset, data.bytes, max, room);
        out.content_cut += u64::from(watched.text && side.cut && !was_cut);
        if data.written && watched.due.is_none() {
            watched.due = Some(context.now.plus(context.config.hold));
            if watched.administrative {
                self.remember(watched.place);
            }
        }
        let side = if data.written { &watched.written } else { &watched.read };
        if side.is_due() {
            self.look(context, &mut watched, data.written, out);
        }
        self.watched.insert(at, watched);
    }

    /// A file to which nothing was written through this open goes on where the last one has come to.
    fn join(&mut self, context: &Context<'_>, watched: &mut Watched, from_beginning: bool, out: &mut Findings) {
        if watched.written.total > 0 {
            return;
        }
        let place = watched.place;
        // What is no text, and is written from its beginning on, need not be what it was.
        let joins = |other: &Watched| other.text || watched.script || !from_beginning;
        let mut open = self.watched.iter_mut().rev().filter(|other| other.place == place && other.written.total > 0);
        if let Some(other) = open.find(|other| joins(other)) {
            watched.goes_on(other);
        } else if let Some(mut other) = self.closed.take(place) {
            if joins(&other) {
                watched.goes_on(&mut other);
            } else {
                self.forget(context, other, out);
            }
        }
    }

    /// Whether a file is looked at again that was before, through another open. Many small writes do not make it go round.
    fn may_look(&mut self, context: &Context<'_>, watched: &Watched) -> bool {
        let cost = watched.written.bytes().len();
        let allowed = self.paid.saturating_mul(AGAIN).saturating_add(context.config.content.max_input);
        let may = !watched.joined || self.spent.saturating_add(cost) <= allowed;
        if may && watched.joined {
            self.spent += cost;
        }
        may
    }

    /// Nothing more is joined to a file that was closed.
    fn forget(&mut self, context: &Context<'_>, mut watched: Watched, out: &mut Findings) {
        if watched.written.is_dirty() {
            self.look(context, &mut watched, true, out);
            self.say(context, &mut watched, out);
        }
        self.held = self.held.saturating_sub(watched.written.free() + watched.read.free());
    }

    fn remember(&mut self, place: u128) {
        if self.written.len() >= MAX_TOLD {
            self.written.pop_front();
        }
        self.written.push_back(place);
    }

    /// Looks at what is held of a file.
    fn look(&mut self, context: &Context<'_>, watched: &mut Watched, written: bool, out: &mut Findings) {
        let side = if written { &mut watched.written } else { &mut watched.read };
        side.looked_at();
        if written && watched.administrative && executable::is_executable(side.bytes()) {
            // Told by what the file is, not by what stands in it.
            out.covered.push((executable::RULE, evidence::direction(true)));
            return;
        }
        let (direction, tx_id) = (evidence::direction(written), watched.facts.tx_id);
        let carrier = Carrier { name: "smb", kind: Kind::Unknown, direction, tx_id };
        let mut inspection = if watched.text { inspect(side.bytes(), &carrier, context) } else { Inspection::default() };
        if watched.script && names::is_loader(&watched.facts.name) {
            inspection.add(named(&watched.facts.name, &carrier, context));
        }
        inspection.offer(direction, out);
        let moved = Moved {
            operation: if written { "write" } else { "read" },
            size: side.total,
            cut: side.cut,
            joined: written && watched.joined,
        };
        for mut finding in inspection.findings {
            let sid = finding.meta.sid().to_string();
            if written && !watched.matches.contains(&sid) {
                watched.matches.push(sid);
            }
            if !self.admits(context, finding.meta.sid(), &watched.facts) {
                continue;
            }
            evidence::attach(&mut finding, &watched.facts, moved, &[]);
            if written {
                watched.waiting.push(finding);
            } else {
                finding.outcome = Outcome::Success;
                out.findings.push(finding);
            }
        }
    }

    /// Whether a finding becomes an alert: each once a file, and no more of one kind than the cap.
    fn admits(&mut self, context: &Context<'_>, sid: u64, facts: &Facts) -> bool {
        let what = (sid, place(&facts.share, &facts.name));
        if self.told.contains(&what) {
            return false;
        }
        if !self.counts.iter().any(|(known, _)| *known == sid) {
            self.counts.push((sid, 0));
        }
        let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| *known == sid) else { return false };
        if *count >= context.config.max_per_flow.max(1) {
            return false;
        }
        *count += 1;
        if self.told.len() >= MAX_TOLD {
            self.told.pop_front();
        }
        self.told.push_back(what);
        true
    }

    /// The file is closed.
    fn ended(&mut self, context: &Context<'_>, file: &File, written: bool, out: &mut Findings) {
        let Some(at) = self.watched.iter().rposition(|watched| watched.number == file.number) else { return };
        let Some(mut watched) = self.watched.remove(at) else { return };
        if written && watched.read.total > 0 {
            // The end of what was read comes next.
            self.say(context, &mut watched, out);
            self.watched.insert(at, watched);
        } else {
            self.finish(context, watched, out);
        }
    }

    /// Nothing more comes of an open.
    fn finish(&mut self, context: &Context<'_>, mut watched: Watched, out: &mut Findings) {
        if watched.read.is_dirty() {
            self.look(context, &mut watched, false, out);
        }
        self.say(context, &mut watched, out);
        self.held = self.held.saturating_sub(watched.read.free());
        if let Some(given_up) = self.closed.keep(watched) {
            self.forget(context, given_up, out);
        }
    }

    /// Tells what waits on what was written.
    fn say(&mut self, context: &Context<'_>, watched: &mut Watched, out: &mut Findings) {
        if watched.written.is_dirty() && self.may_look(context, watched) {
            self.look(context, watched, true, out);
        }
        watched.due = None;
        let outcome = watched.outcome;
        for mut finding in watched.waiting.drain(..) {
            finding.outcome = outcome;
            // By now it has its status.
            finding.context.set("smb", watched.facts.smb.clone());
            out.findings.push(finding);
        }
        if watched.told || !watched.administrative || watched.written.total == 0 {
            return;
        }
        let head = watched.written.bytes();
        let meta = if executable::is_executable(head) {
            &executable::META
        } else if watched.script {
            &script::META
        } else {
            return;
        };
        watched.told = true;
        // Of what is no text the head says it all.
        let moved = Moved {
            operation: "write",
            size: watched.written.total,
            cut: watched.text && watched.written.cut,
            joined: watched.joined,
        };
        let mut finding = plain(meta, context, backstop_types::Fields::new());
        evidence::excerpt(&mut finding, head, watched.written.total, context.config.max_excerpt);
        finding.outcome = outcome;
        self.tell(context, finding, &watched.facts, moved, watched.matches.clone(), out);
    }

    /// Tells of a file on an administrative share.
    fn tell(
        &mut self,
        context: &Context<'_>,
        mut finding: Finding,
        facts: &Facts,
        moved: Moved,
        mut matches: Vec<String>,
        out: &mut Findings,
    ) {
        if !self.admits(context, finding.meta.sid(), facts) {
            return;
        }
        if finding.meta.sid() == script::META.sid {
            let by_name = [(names::is_loader(&facts.name), "9403001"), (names::is_dropped(&facts.name), "9403005")];
            for (meets, sid) in by_name {
                if meets && !matches.iter().any(|known| known == sid) {
                    matches.push(sid.to_owned());
                }
            }
            finding.severity = (!matches.is_empty()).then_some(1);
        }
        evidence::attach(&mut finding, facts, moved, &matches);
        out.findings.push(finding);
    }

    /// A file that the server would not let anybody make.
    fn refused(&mut self, context: &Context<'_>, exchange: &Exchange<'_>, file: &File, out: &mut Findings) {
        let makes = exchange.asked.disposition.is_some_and(|disposition| disposition != 1) && file.access & WRITE_ACCESS != 0;
        if makes {
            self.placed(context, exchange, file, "create", out);
        }
    }

    /// A file that is one, or would be, without its content being on the wire.
    fn placed(
        &mut self,
        context: &Context<'_>,
        exchange: &Exchange<'_>,
        file: &File,
        operation: &'static str,
        out: &mut Findings,
    ) {
        if is_administrative(file) && names::is_script(&file.name, &context.config.smb.script_extensions) {
            self.without_content(context, exchange, Facts::of(file), (operation, Vec::new()), out);
        }
    }

    /// What was written under another name becomes a script.
    fn renamed(&mut self, context: &Context<'_>, exchange: &Exchange<'_>, to: &str, operation: &'static str, out: &mut Findings) {
        let share = exchange.file.and_then(|file| file.share.as_deref()).or(exchange.tree.map(|tree| tree.share.as_str()));
        let from = exchange.file.map(|file| file.name.as_str()).or(exchange.asked.filename.as_deref());
        let (Some(share), Some(from)) = (share.filter(|share| names::is_administrative(share)), from) else { return };
        let before = place(share, from);
        if !self.written.contains(&before) {
            return;
        }
        self.remember(place(share, to));
        let number = exchange.file.map(|file| file.number);
        let script = names::is_script(to, &context.config.smb.script_extensions);
        self.closed.rename(before, share, to, &context.config.smb.script_extensions);
        // What was found in the file under its old name counts.
        let found = self.told.iter().filter(|(sid, place)| *place == before && (9_403_001..=9_403_007).contains(sid));
        let matches = found.map(|(sid, _)| sid.to_string()).collect();
        if let Some(watched) = self.watched.iter_mut().find(|watched| Some(watched.number) == number) {
            // Its end tells it, under its new name.
            watched.rename(share, to, script);
            watched.due = Some(context.now.plus(context.config.hold));
        } else if script {
            let facts = Facts { share: share.to_owned(), name: to.to_owned(), ..Facts::default() };
            self.without_content(context, exchange, facts, (operation, matches), out);
        }
    }

    fn without_content(
        &mut self,
        context: &Context<'_>,
        exchange: &Exchange<'_>,
        mut facts: Facts,
        (operation, matches): (&'static str, Vec<String>),
        out: &mut Findings,
    ) {
        facts.learn(exchange);
        let mut finding = plain(&script::META, context, backstop_types::Fields::new());
        finding.outcome = evidence::outcome(exchange.status);
        let text = format!("{}\\{}", facts.share, facts.name);
        finding.excerpt_of = text.len() as u64;
        finding.excerpt = text.into_bytes();
        self.tell(context, finding, &facts, Moved { operation, size: 0, cut: false, joined: false }, matches, out);
    }
}

impl Detector for Files {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        match transaction {
            Transaction::Smb(Smb::File(data)) => self.data(context, data, out),
            Transaction::Smb(Smb::Exchange(exchange)) => self.exchange(context, exchange, out),
            _ => {}
        }
    }

    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        for at in 0..self.watched.len() {
            let due = self.watched.get(at).and_then(|watched| watched.due);
            if due.is_some_and(|due| context.now >= due)
                && let Some(mut watched) = self.watched.remove(at)
            {
                self.say(context, &mut watched, out);
                self.watched.insert(at, watched);
            }
        }
    }

    fn wants_tick(&self) -> bool {
        self.watched.iter().any(|watched| watched.due.is_some())
    }

    fn on_flow_end(&mut self, context: &Context<'_>, out: &mut Findings) {
        while let Some(watched) = self.watched.pop_front() {
            self.finish(context, watched, out);
        }
        while let Some(watched) = self.closed.oldest() {
            self.forget(context, watched, out);
        }
    }
}
