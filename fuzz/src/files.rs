//! Pieces of files at any offsets, in any order, written over, ended and given up, against a map of bytes.

use std::collections::BTreeMap;

use backstop_protocols::{AppProto, FilePart, FileState};
use backstop_types::Direction;
use sha2::{Digest as _, Sha256};

use self::tracked::{FileCounters, FileSettings, Finished, RangeKey, Ranges, Tracker};

// The sensor is no library: its own source, compiled here.
#[allow(dead_code, missing_docs, unused_imports, reason = "the target uses its part")]
#[path = "../../src/files/mod.rs"]
mod tracked;

/// Bytes of a step before its bytes: what it is, offset, length.
const STEP: usize = 4;
/// Bits of the first one: two are the file; then the state, and how far away the offset is.
pub const SMB: u8 = 4;
/// The file is over with this piece, and whole.
pub const COMPLETE: u8 = 8;
/// The file is over with this piece, and not whole.
pub const TRUNCATED: u8 = 16;
/// The offset counts in kilobytes.
pub const FAR: u8 = 32;
/// The offset counts from the end of all offsets.
pub const END: u8 = 64;

type Model = BTreeMap<(u8, u64), BTreeMap<u64, u8>>;

/// Runs one input: the first byte chooses the caps, steps follow.
pub fn run(input: &[u8]) {
    let Some((first, mut rest)) = input.split_first() else { return };
    let settings = match first % 3 {
        0 => FileSettings { max_file: 64, max_head: 16, max_flow: 512, max_open: 3, max_hashed: 200, ..FileSettings::default() },
        1 => FileSettings { max_file: 300, max_head: 300, max_flow: 4_000, max_open: 2, ..FileSettings::default() },
        _ => FileSettings::default(),
    };
    let settings = FileSettings { hash_media: true, ..settings };
    let (mut tracker, mut counters, mut model) = (Tracker::default(), FileCounters::default(), Model::new());
    let (mut ranges, mut range_counters) = (Ranges::default(), FileCounters::default());
    while let Some((step, after)) = rest.split_at_checked(STEP) {
        let (kind, len) = (step[0], usize::from(step[3]));
        let (bytes, after) = after.split_at_checked(len).unwrap_or((after, &[]));
        rest = after;
        let near = u64::from(u16::from_le_bytes([step[1], step[2]])) % 512;
        let offset = match kind & (FAR | END) {
            0 => near,
            FAR => near << 10,
            _ => u64::MAX - near,
        };
        let (carrier, key) = if kind & SMB == 0 { (AppProto::Http, 0) } else { (AppProto::Smb, SMB) };
        let state = match kind & (COMPLETE | TRUNCATED) {
            0 => FileState::More,
            COMPLETE => FileState::Complete,
            _ => FileState::Truncated,
        };
        let part = FilePart {
            key: u64::from(kind & 3),
            tx_id: Some(u64::from(kind & 3)),
            direction: Direction::ToClient,
            name: None,
            layers: &[],
            offset,
            bytes,
            size: None,
            state,
        };
        if bytes.is_empty() && state != FileState::More && !model.contains_key(&(key, part.key)) {
            assert!(tracker.add(carrier, &part, usize::MAX, &settings, &mut counters).finished.is_none());
            continue;
        }
        let file = model.entry((key, part.key)).or_default();
        file.extend(bytes.iter().enumerate().filter_map(|(at, byte)| Some((offset.checked_add(at as u64)?, *byte))));
        let added = tracker.add(carrier, &part, usize::MAX, &settings, &mut counters);
        assert!(tracker.held() <= 2 * settings.max_flow + 256, "{} bytes held", tracker.held());
        let given: usize = added.beginning.iter().map(Vec::len).sum();
        assert!(given <= settings.max_file + settings.max_flow, "what is kept is bounded");
        for over in [added.given_up, added.finished].into_iter().flatten() {
            let carrier = if over.facts().carrier == AppProto::Smb { SMB } else { 0 };
            let bytes = model.remove(&(carrier, over.tx_id.unwrap())).expect("a file that is over was open");
            check(&over, &bytes, &settings);
        }
        let key = RangeKey { client: [10, 0, 0, kind & 3].into(), server: [192, 0, 2, 1].into(), of: String::new(), size: 300 };
        let max = 4_096;
        if let Some(joined) = ranges.add(&key, (near % 300, bytes), &[], max, &mut range_counters) {
            assert!(joined.bytes.len() == 300, "a file that is whole is as long as was said");
        }
        assert!(ranges.held() <= 2 * max, "{} bytes of ranges held", ranges.held());
    }
    for over in tracker.close(&mut counters) {
        assert!(!over.facts().complete && over.facts().sha256.is_none(), "nobody said that it is whole");
    }
    assert_eq!(tracker.held(), 0);
}

fn check(over: &Finished, model: &BTreeMap<u64, u8>, settings: &FileSettings) {
    let facts = over.facts();
    let whole = model.keys().copied().eq(0..model.len() as u64);
    if !whole {
        assert!(!facts.complete && facts.sha256.is_none(), "a file with a hole is not whole");
        return;
    }
    let bytes: Vec<u8> = model.values().copied().collect();
    if facts.complete {
        assert_eq!(facts.size, bytes.len() as u64);
    }
    if let Some(sum) = facts.sha256 {
        let expected: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sum, expected);
    }
    if facts.complete && facts.bytes.len() == bytes.len() {
        assert_eq!(facts.bytes, bytes);
    }
    assert!(facts.bytes.len() <= settings.max_file.max(settings.max_head));
}
