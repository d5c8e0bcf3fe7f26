//! The files of one flow.

use std::time::Duration;

use backstop_detectors::FileFacts;
use backstop_detectors::content::magic;
use backstop_protocols::{AppProto, FilePart, FileState};
use backstop_types::{Direction, Fields, PacketTime, Value};

use super::assembly::{Assembled, Assembly};
use super::{FileCounters, FileSettings, Kept, Store};

/// The layer of files in a form.
const FORM: &str = "multipart";

/// A file that is over.
pub struct Finished {
    carrier: AppProto,
    /// The transaction that moved it.
    pub tx_id: Option<u64>,
    /// Who sent it.
    pub direction: Direction,
    name: Option<String>,
    layers: Vec<&'static str>,
    magic: Option<&'static str>,
    complete: bool,
    file: Assembled,
    kept: Option<Kept>,
    /// It was scanned while it came.
    in_windows: bool,
    /// Nothing of it was scanned by now.
    whole: bool,
}

impl Finished {
    /// What detectors and records say of it.
    pub fn facts(&self) -> FileFacts<'_> {
        FileFacts {
            carrier: self.carrier,
            tx_id: self.tx_id,
            direction: self.direction,
            name: self.name.as_deref(),
            size: self.file.size,
            complete: self.complete,
            gaps: self.file.gaps,
            magic: self.magic,
            md5: self.file.hashes.md5.as_deref(),
            sha1: self.file.hashes.sha1.as_deref(),
            sha256: self.file.hashes.sha256.as_deref(),
            bytes: &self.file.bytes,
            layers: &self.layers,
            stored: self.kept == Some(Kept::Before),
            storing: self.kept == Some(Kept::Now),
        }
    }

    /// Stores it, where it is whole and was hashed.
    pub fn store(&mut self, store: &Store, counters: &mut FileCounters) {
        let Some(sha256) = self.file.hashes.sha256.as_deref() else { return };
        if self.file.bytes.len() as u64 != self.file.size {
            return;
        }
        let kept = store.keep(sha256, &self.file.bytes);
        match kept {
            Kept::Before | Kept::Now => counters.stored += 1,
            Kept::Full => counters.store_full += 1,
            Kept::Busy => counters.store_busy += 1,
        }
        self.kept = Some(kept);
    }

    /// Whether its beginning, which is all that is kept of it, was scanned before.
    pub const fn was_scanned(&self) -> bool {
        self.in_windows
    }

    /// Whether all that is held of it is still to be scanned.
    pub const fn is_unscanned(&self) -> bool {
        self.whole
    }

    /// Whether an object of Suricata's `smb` is about this file.
    pub fn is_named_in(&self, object: &Fields) -> bool {
        matches!((object.get("filename"), &self.name), (Some(Value::Text(named)), Some(name)) if named == name)
    }

    /// What was seen behind holes.
    pub fn behind(&self) -> &[Vec<u8>] {
        &self.file.behind
    }

    /// The bytes are no longer needed.
    pub fn forget_bytes(&mut self) {
        self.file.bytes = Vec::new();
        self.file.behind = Vec::new();
    }
}

struct Open {
    carrier: AppProto,
    key: u64,
    tx_id: Option<u64>,
    direction: Direction,
    name: Option<String>,
    layers: Vec<&'static str>,
    size: Option<u64>,
    magic: Option<&'static str>,
    assembly: Assembly,
    /// When its last piece came.
    touched: PacketTime,
    /// What was kept is scanned, what comes next is not kept.
    in_windows: bool,
    /// All that came is held as it came: it is scanned when the file is over, and not before.
    whole: bool,
}

/// What came of a file that was left open.
pub struct LeftOpen {
    /// The transaction that moved its first bytes.
    pub tx_id: Option<u64>,
    /// Who sends it.
    pub direction: Direction,
    /// Its name.
    pub name: Option<String>,
    /// How its bytes came about.
    pub layers: Vec<&'static str>,
    /// Its bytes.
    pub runs: Vec<Vec<u8>>,
}

/// What a piece led to.
#[derive(Default)]
pub struct Added {
    /// The file is over.
    pub finished: Option<Finished>,
    /// From here on the file is scanned as it comes: what was held of it, to be scanned now.
    pub beginning: Vec<Vec<u8>>,
    /// The piece, and all before it that was not in `beginning`, is kept until the file is over.
    pub kept: bool,
    /// Another file, which had to make room for this one.
    pub given_up: Option<Finished>,
}

/// The files of one flow that are not over, oldest first.
#[derive(Default)]
pub struct Tracker {
    open: Vec<Open>,
    held: usize,
}

impl Tracker {
    /// Whether no file is on its way.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Bytes that are held of all files.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Whether all that came of a file is kept, to be scanned when it is over.
    pub fn is_whole(&self, carrier: AppProto, key: u64) -> bool {
        self.open.iter().rev().find(|open| open.key == key && open.carrier == carrier).is_some_and(|open| open.whole)
    }

    /// The piece that was added last came at this time.
    pub fn touch(&mut self, carrier: AppProto, key: u64, now: PacketTime) {
        if let Some(open) = self.open.iter_mut().rev().find(|open| open.key == key && open.carrier == carrier) {
            open.touched = now;
        }
    }

    /// Whether a file that may stay open for as long as its client wants is not scanned before it is over.
    pub fn waits(&self) -> bool {
        self.open.iter().any(|open| open.whole && open.carrier == AppProto::Smb)
    }

    /// Files that were left open: of which nothing came for so long. What is held of them is to be scanned now, and what comes then
    /// as it comes.
    pub fn left_open(&mut self, now: PacketTime, hold: Duration) -> Vec<LeftOpen> {
        let left = |open: &&mut Open| open.whole && open.carrier == AppProto::Smb && now.since(open.touched) >= hold;
        let told = |open: &mut Open| {
            open.whole = false;
            LeftOpen {
                tx_id: open.tx_id,
                direction: open.direction,
                name: open.name.clone(),
                layers: open.layers.clone(),
                runs: open.assembly.runs(),
            }
        };
        self.open.iter_mut().filter(left).map(told).collect()
    }

    /// A piece of a file. `free`: bytes that may be held by all flows besides.
    pub fn add(
        &mut self,
        carrier: AppProto,
        part: &FilePart<'_>,
        free: usize,
        settings: &FileSettings,
        counters: &mut FileCounters,
    ) -> Added {
        let mut added = Added::default();
        let at = self.open.iter().rposition(|open| open.key == part.key && open.carrier == carrier);
        if at.is_none() && part.bytes.is_empty() && part.state != FileState::More {
            // The end of a file of which nothing was seen.
            return added;
        }
        if at.is_none() && self.open.len() >= settings.max_open {
            counters.given_up += 1;
            added.given_up = Some(self.finish(0, FileState::Truncated, counters));
        }
        let at = at.unwrap_or_else(|| {
            self.open.push(Open {
                carrier,
                key: part.key,
                tx_id: part.tx_id,
                direction: part.direction,
                name: part.name.map(str::to_owned),
                layers: part.layers.to_vec(),
                size: None,
                magic: None,
                assembly: Assembly::new(settings.wanted(), settings.max_file),
                touched: PacketTime::default(),
                in_windows: false,
                // Of a file of SMB whose beginning was not seen first, nobody knows how much will come.
                whole: carrier != AppProto::Smb || part.offset == 0,
            });
            self.open.len() - 1
        });
        // Bytes of a form are held once, as the files in it: of the body that they stand in the head stays.
        let in_form = |open: &Open| open.layers.contains(&FORM) && open.tx_id == part.tx_id && open.direction == part.direction;
        let of_form = part.layers.first() == Some(&"http.body") && self.open.iter().any(in_form);
        if of_form
            && let Some(body) = self.open.iter_mut().find(|open| {
                open.whole && !open.layers.contains(&FORM) && open.tx_id == part.tx_id && open.direction == part.direction
            })
        {
            let before = body.assembly.held();
            body.whole = false;
            body.in_windows = true;
            added.beginning = vec![body.assembly.keep_head(settings.max_head)];
            self.held = self.held + body.assembly.held() - before;
        }
        let Some(open) = self.open.get_mut(at) else { return added };
        let before = open.assembly.held();
        open.size = part.size.or(open.size);
        let room = settings.max_flow.saturating_sub(self.held).min(free);
        if room < part.bytes.len() {
            open.assembly.stop_keeping();
        }
        let max_hashed = settings.max_hashed as u64;
        if open.size.is_some_and(|size| size > max_hashed) || part.offset > max_hashed {
            open.assembly.forget_sums();
        }
        if part.offset == 0 && open.magic.is_none() && !part.bytes.is_empty() {
            open.magic = magic::magic(part.bytes);
            if !settings.hash_media && open.magic.is_some_and(|kind| magic::MEDIA.contains(&kind)) {
                open.assembly.forget_sums();
            }
        }
        // What is written over is looked at as it was; what waits may be dropped where it fits no longer.
        let overflows = !part.bytes.is_empty() && open.assembly.may_overflow(part.bytes.len());
        if open.whole && (overflows || open.assembly.writes_over(part.offset, part.bytes)) {
            open.whole = false;
            added.beginning.extend(open.assembly.runs());
        }
        let accepted = open.assembly.add(part.offset, part.bytes, room);
        counters.pieces_dropped += u64::from(!accepted);
        if open.whole && !accepted {
            open.whole = false;
            added.beginning.extend(open.assembly.runs());
        }
        if !open.assembly.is_kept() && !open.in_windows {
            open.in_windows = true;
            counters.too_long += 1;
            let beginning = open.assembly.give_up(settings.max_head);
            if std::mem::take(&mut open.whole) {
                added.beginning.push(beginning);
            }
        }
        added.kept = open.whole;
        self.held = self.held - before + open.assembly.held();
        if part.state != FileState::More {
            added.finished = Some(self.finish(at, part.state, counters));
        }
        added
    }

    /// The flow is over: what is open goes no further.
    pub fn close(&mut self, counters: &mut FileCounters) -> Vec<Finished> {
        let mut all = Vec::new();
        while !self.open.is_empty() {
            all.push(self.finish(0, FileState::Truncated, counters));
        }
        all
    }

    fn finish(&mut self, at: usize, state: FileState, counters: &mut FileCounters) -> Finished {
        let open = self.open.remove(at);
        self.held -= open.assembly.held();
        let file = open.assembly.finish(open.size);
        let short = open.size.is_some_and(|size| size > file.size);
        let complete = state == FileState::Complete && !file.gaps && !short;
        let mut file = file;
        if !complete {
            file.hashes = super::Hashes::default();
        }
        counters.files += 1;
        counters.complete += u64::from(complete);
        counters.hashed += u64::from(file.hashes != super::Hashes::default());
        Finished {
            carrier: open.carrier,
            tx_id: open.tx_id,
            direction: open.direction,
            name: open.name,
            layers: open.layers,
            magic: open.magic,
            complete,
            file,
            kept: None,
            in_windows: open.in_windows,
            whole: open.whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part<'a>(key: u64, offset: u64, bytes: &'a [u8], state: FileState) -> FilePart<'a> {
        FilePart {
            key,
            tx_id: Some(key),
            direction: Direction::ToClient,
            name: Some("a.ps1"),
            layers: &["http.body"],
            offset,
            bytes,
            size: None,
            state,
        }
    }

    fn settings() -> FileSettings {
        FileSettings { max_file: 8, max_flow: 16, max_head: 4, max_open: 2, ..FileSettings::default() }
    }

    #[test]
    fn a_file_in_two_pieces_is_told_with_its_last() {
        let (mut tracker, mut counters) = (Tracker::default(), FileCounters::default());
        let mut add = |part: &FilePart<'_>| tracker.add(AppProto::Http, part, 1 << 20, &settings(), &mut counters);
        assert!(add(&part(0, 0, b"Get-", FileState::More)).finished.is_none());
        let done = add(&part(0, 4, b"Date", FileState::Complete)).finished.unwrap();
        let facts = done.facts();
        assert_eq!((facts.bytes, facts.size, facts.complete, facts.magic), (b"Get-Date".as_slice(), 8, true, Some("ASCII text")));
        assert!(facts.sha256.is_some());
        assert_eq!((tracker.held(), counters.files, counters.hashed), (0, 1, 1));
    }

    #[test]
    fn a_long_file_gives_its_beginning_back_and_is_hashed_all_the_same() {
        let (mut tracker, mut counters) = (Tracker::default(), FileCounters::default());
        let mut add = |part: &FilePart<'_>| tracker.add(AppProto::Http, part, 1 << 20, &settings(), &mut counters);
        add(&part(0, 0, b"12345678", FileState::More));
        let added = add(&part(0, 8, b"9", FileState::More));
        assert_eq!(added.beginning, [b"12345678"]);
        let done = add(&part(0, 9, b"0", FileState::Complete)).finished.unwrap();
        assert_eq!(done.facts().sha1.unwrap(), "01b307acba4f54f55aafc33bb06bbbf6ca803e9a");
        assert_eq!(done.facts().bytes, b"1234", "detectors see its head");
        assert!(done.was_scanned());
        assert_eq!((tracker.held(), counters.too_long), (0, 1));
    }

    /// A server says 1 GiB and sends it: what is held stays within the caps, whatever comes in order or ahead.
    #[test]
    fn a_file_of_a_gigabyte_is_held_within_the_caps() {
        let (mut tracker, mut counters) = (Tracker::default(), FileCounters::default());
        let settings =
            FileSettings { max_file: 1 << 16, max_flow: 1 << 17, max_head: 1 << 12, max_hashed: 0, ..FileSettings::default() };
        let (piece, size) = (vec![7; 1 << 16], 1 << 30);
        let mut scanned = 0;
        for number in 0..(size >> 16) {
            let ahead = number % 3 == 2;
            let offset = (number << 16) + u64::from(ahead);
            let part = FilePart { size: Some(size), ..part(0, offset, &piece, FileState::More) };
            let added = tracker.add(AppProto::Http, &part, 1 << 20, &settings, &mut counters);
            scanned += added.beginning.concat().len();
            assert!(tracker.held() <= settings.max_flow, "{} at {offset}", tracker.held());
        }
        assert!(scanned <= settings.max_file && counters.too_long == 1 && counters.pieces_dropped > 0);
        let over = tracker.close(&mut counters);
        assert!(!over[0].facts().complete && over[0].facts().bytes.len() == 1 << 12 && tracker.held() == 0);
    }

    #[test]
    fn what_is_cut_off_or_has_holes_has_no_sums_and_media_have_none() {
        let (mut tracker, mut counters) = (Tracker::default(), FileCounters::default());
        let mut add = |part: &FilePart<'_>| tracker.add(AppProto::Http, part, 1 << 20, &settings(), &mut counters);
        let cut = add(&part(0, 0, b"abc", FileState::Truncated)).finished.unwrap();
        assert!(!cut.facts().complete && cut.facts().md5.is_none());
        add(&part(1, 0, b"abc", FileState::More));
        let hole = add(&part(1, 5, b"abc", FileState::Complete)).finished.unwrap();
        assert!(!hole.facts().complete && hole.facts().gaps && hole.facts().md5.is_none());
        let image = add(&part(2, 0, b"GIF89a", FileState::Complete)).finished.unwrap();
        assert!(image.facts().complete && image.facts().md5.is_none());
    }

    /// Nothing escapes the content rules: each byte that came stands in what is given back at once, in what is left when the file is
    /// over, or in a piece that is not kept, which the parser offers. Of a file that comes in order and fits, once.
    #[test]
    fn every_byte_that_came_is_there_to_be_scanned() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut switched = [0; 2];
        for round in 0..2_000_u64 {
            let settings = FileSettings {
                max_file: usize::try_from(8 + random(60)).unwrap(),
                max_flow: usize::try_from(40 + random(800)).unwrap(),
                max_head: 4,
                ..FileSettings::default()
            };
            let (mut tracker, mut counters) = (Tracker::default(), FileCounters::default());
            let (mut seen, mut end) = (Vec::new(), 0);
            let pieces: Vec<(u64, Vec<u8>)> = (1..=random(12))
                .map(|number| {
                    let (len, far) = (random(9) as usize + 1, random(3));
                    // In order, somewhere near, or over what was.
                    let offset = if round % 2 == 0 || far == 0 { end } else { random(40) };
                    end = offset + len as u64;
                    (offset, vec![u8::try_from(number).unwrap(); len])
                })
                .collect();
            for (offset, bytes) in &pieces {
                let added =
                    tracker.add(AppProto::Smb, &part(0, *offset, bytes, FileState::More), 1 << 20, &settings, &mut counters);
                assert_eq!(added.kept, tracker.is_whole(AppProto::Smb, 0));
                switched[usize::from(added.beginning.is_empty())] += 1;
                seen.extend(added.beginning.concat());
                if !added.kept {
                    seen.extend(bytes);
                }
            }
            let over = tracker.add(AppProto::Smb, &part(0, end, b"", FileState::Complete), 1 << 20, &settings, &mut counters);
            assert!(over.beginning.is_empty());
            if let Some(over) = over.finished.filter(Finished::is_unscanned) {
                seen.extend([over.facts().bytes.to_vec(), over.behind().concat()].concat());
            }
            for number in 1..=pieces.len() {
                let count = |bytes: &[u8]| bytes.iter().filter(|byte| usize::from(**byte) == number).count();
                let all: usize = pieces.iter().map(|(_, bytes)| count(bytes)).sum();
                assert!(count(&seen) >= all, "round {round}: {} of {all} bytes of piece {number}", count(&seen));
                if round % 2 == 0 {
                    assert_eq!(count(&seen), all, "round {round}: piece {number} is scanned once");
                }
            }
        }
        assert!(switched[0] > 100 && switched[1] > 100, "{switched:?}");
    }

    #[test]
    fn more_files_than_may_be_open_give_up_the_oldest() {
        let (mut tracker, mut counters) = (Tracker::default(), FileCounters::default());
        let given_up: Vec<_> = (0..3)
            .filter_map(|key| {
                let piece = part(key, 0, b"abc", FileState::More);
                tracker.add(AppProto::Smb, &piece, 1 << 20, &settings(), &mut counters).given_up
            })
            .collect();
        assert_eq!((counters.given_up, given_up.len()), (1, 1));
        let facts = given_up[0].facts();
        assert_eq!((facts.tx_id, facts.bytes, facts.complete), (Some(0), b"abc".as_slice(), false));
        assert_eq!(tracker.close(&mut counters).len(), 2);
        assert_eq!(tracker.held(), 0);
    }
}
