//! The tables, and how they are filled.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use ipnet::IpNet;

use super::entry::{Entry, Indicator, UNDATED};
use super::value::{self, Refusal, Value};
use super::{ListError, stix, text};

/// Entries of all lists, unless configured.
pub const MAX_ENTRIES: usize = 5_000_000;
/// Different notes that are kept, and as many again without their text.
const MAX_NOTES: usize = 100_000;
/// Bytes of a note or source.
const MAX_NOTE: usize = 160;
/// It stands for what is below the name.
const BELOW: u32 = 1 << 31;
/// Labels of a listed name that stands for what is below it; names with more are looked for as a whole only.
const MAX_LABELS: usize = 16;
/// Bytes of a name in DNS (RFC 1035 §2.3.4), dots and all.
const MAX_NAME: usize = 255;
/// Warnings that are told one by one.
const MAX_WARNINGS: usize = 20;

/// All indicators.
#[derive(Debug, Default)]
pub struct Indicators {
    v4: HashMap<u32, Entry>,
    v6: HashMap<u128, Entry>,
    /// By length of the prefix.
    networks: Vec<(u8, HashMap<IpNet, Entry>)>,
    names: HashMap<u128, Entry>,
    md5: HashMap<[u8; 16], Entry>,
    sha1: HashMap<[u8; 20], Entry>,
    sha256: HashMap<[u8; 32], Entry>,
    lists: Vec<String>,
    notes: Vec<Note>,
    counts: Counts,
    /// A name stands for what is below it.
    any_below: bool,
}

/// What is told of entries that have it in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Note {
    text: Box<str>,
    until: Option<u16>,
    confidence: Option<u8>,
}

/// What loading met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Different indicators.
    pub entries: u64,
    /// Left out: there were more than the cap.
    pub over_cap: u64,
    /// Left out: they would match ordinary traffic.
    pub too_broad: u64,
    /// Left out: rows and patterns of other kinds.
    pub other_kinds: u64,
}

impl Indicators {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.counts.entries).unwrap_or(usize::MAX)
    }

    /// What loading them met.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes that the tables take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        fn of<K>(all: &HashMap<K, Entry>) -> usize {
            all.capacity() * 8 / 7 * (size_of::<(K, Entry)>() + 1)
        }
        let networks: usize = self.networks.iter().map(|(_, all)| of(all)).sum();
        let notes: usize = self.notes.iter().map(|note| note.text.len() + size_of::<Note>()).sum();
        of(&self.v4) + of(&self.v6) + networks + of(&self.names) + of(&self.md5) + of(&self.sha1) + of(&self.sha256) + notes
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there are sums of files.
    #[must_use]
    pub fn has_sums(&self) -> bool {
        !(self.md5.is_empty() && self.sha1.is_empty() && self.sha256.is_empty())
    }

    fn told(&self, entry: Entry) -> Indicator<'_> {
        let note = usize::try_from(entry.note & !BELOW).ok().and_then(|number| self.notes.get(number));
        Indicator {
            source: self.lists.get(usize::from(entry.list)).map_or("", String::as_str),
            note: note.map_or("", |note| &note.text),
            day: (entry.day != UNDATED).then_some(entry.day),
            until: note.and_then(|note| note.until),
            confidence: note.and_then(|note| note.confidence),
            below: 0,
        }
    }

    /// An address, itself or within a network, the smallest first.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> Option<Indicator<'_>> {
        let exact = match address {
            IpAddr::V4(v4) => self.v4.get(&v4.to_bits()),
            IpAddr::V6(v6) => self.v6.get(&v6.to_bits()),
        };
        let within = || {
            self.networks.iter().find_map(|(len, all)| {
                let network = IpNet::new(address, *len).ok()?.trunc();
                all.get(&network)
            })
        };
        exact.or_else(within).map(|entry| self.told(*entry))
    }

    /// A host name, itself or below one that stands for what is below it.
    #[must_use]
    pub fn name(&self, name: &str) -> Option<Indicator<'_>> {
        let name = name.trim_end_matches('.');
        if self.names.is_empty() || name.is_empty() || name.len() > MAX_NAME {
            return None;
        }
        let lower = name.to_ascii_lowercase();
        if let Some(entry) = self.names.get(&digest(&lower)) {
            return Some(self.told(*entry));
        }
        // From the top: names of many labels cost no more than others.
        let dots = lower.bytes().filter(|byte| *byte == b'.').count();
        let tops = lower.rmatch_indices('.').take(if self.any_below { MAX_LABELS } else { 0 }).enumerate();
        let (above, entry) = tops
            .filter_map(|(above, (at, _))| Some((above, self.names.get(&digest(lower.get(at + 1..)?))?)))
            .filter(|(_, entry)| entry.note & BELOW != 0)
            .last()?;
        Some(Indicator { below: u8::try_from(dots - above).unwrap_or(u8::MAX), ..self.told(*entry) })
    }

    /// A sum in hexadecimal digits, of any of the three kinds.
    #[must_use]
    pub fn sum(&self, digits: &str) -> Option<Indicator<'_>> {
        let digits = digits.as_bytes();
        let entry = match digits.len() {
            32 => self.md5.get(&value::bytes(digits)?),
            40 => self.sha1.get(&value::bytes(digits)?),
            64 => self.sha256.get(&value::bytes(digits)?),
            _ => None,
        };
        entry.map(|entry| self.told(*entry))
    }
}

/// 128 bits of a name. The keys are fixed, so that a list that one thread loaded serves all. Who made a name that meets a listed
/// one would have an alert, not silence.
fn digest(name: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, name).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}

/// Reads lists.
pub struct Loader {
    all: Indicators,
    notes: HashMap<Note, u32>,
    max: usize,
    /// Things worth a line in the log.
    warnings: Vec<String>,
    more_warnings: u64,
}

/// One line of a list.
#[derive(Clone, Copy, Default)]
pub(super) struct Line<'a> {
    pub number: u64,
    pub value: &'a str,
    pub note: &'a str,
    pub day: Option<u16>,
    pub until: Option<u16>,
    pub confidence: Option<u8>,
}

impl Loader {
    /// No more than so many entries.
    #[must_use]
    pub fn new(max: usize) -> Self {
        let all = Indicators { notes: vec![Note::default()], ..Indicators::default() };
        Self { all, notes: HashMap::from([(Note::default(), 0)]), max, warnings: Vec::new(), more_warnings: 0 }
    }

    /// Adds a list. `file` is its name in errors.
    ///
    /// # Errors
    /// A line that is no indicator, or a bundle that is none.
    pub fn add(&mut self, file: &str, bytes: &[u8]) -> Result<(), ListError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            ListError { file: file.to_owned(), line, what: "not UTF-8".to_owned() }
        })?;
        let text = text.trim_start_matches('\u{feff}');
        let list = u16::try_from(self.all.lists.len()).map_err(|_| ListError {
            file: file.to_owned(),
            line: 1,
            what: "more than 65,535 lists".to_owned(),
        })?;
        self.all.lists.push(bounded(file));
        if text.trim_start().starts_with('{') { stix::read(self, file, list, text) } else { text::read(self, file, list, text) }
    }

    /// Names the source of the list that is read.
    pub(super) fn source(&mut self, list: u16, source: &str) {
        if let Some(known) = self.all.lists.get_mut(usize::from(list)) {
            *known = bounded(source);
        }
    }

    fn warn(&mut self, file: &str, line: u64, what: &str) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(format!("{file}:{line}: {what}"));
        } else {
            self.more_warnings += 1;
        }
    }

    /// Counts what of a list is of other kinds, and says so.
    pub(super) fn left_out(&mut self, file: &str, number: u64, what: &str) {
        self.all.counts.other_kinds += number;
        if number > 0 {
            self.warn(file, 1, &format!("left out: {number} {what}"));
        }
    }

    /// Adds a value.
    pub(super) fn value(&mut self, file: &str, list: u16, line: &Line<'_>) -> Result<(), ListError> {
        let shown = || line.value.chars().take(80).filter(|c| !c.is_control()).collect::<String>();
        let value = match value::read(line.value) {
            Ok(value) => value,
            Err(Refusal::TooBroad) => {
                self.all.counts.too_broad += 1;
                self.warn(file, line.number, &format!("left out, it would match ordinary traffic: {}", shown()));
                return Ok(());
            }
            Err(Refusal::Unknown) => {
                let what = format!("neither an address, a host name nor a sum of a file: {}", shown());
                return Err(ListError { file: file.to_owned(), line: line.number, what });
            }
        };
        let is_full = self.all.len() >= self.max;
        let mut entry = Entry { note: self.note(line, is_full), list, day: line.day.unwrap_or(UNDATED) };
        let all = &mut self.all;
        let added = match value {
            Value::Address(IpAddr::V4(v4)) => insert(&mut all.v4, v4.to_bits(), entry, is_full),
            Value::Address(IpAddr::V6(v6)) => insert(&mut all.v6, v6.to_bits(), entry, is_full),
            Value::Network(network) => {
                // Longer prefixes come first.
                let at = all.networks.binary_search_by(|(len, _)| network.prefix_len().cmp(len)).unwrap_or_else(|at| {
                    all.networks.insert(at, (network.prefix_len(), HashMap::new()));
                    at
                });
                all.networks.get_mut(at).is_some_and(|(_, all)| insert(all, network, entry, is_full))
            }
            Value::Name(name, below) => {
                entry.note |= if below { BELOW } else { 0 };
                all.any_below |= below;
                insert(&mut all.names, digest(&name), entry, is_full)
            }
            Value::Md5(sum) => insert(&mut all.md5, sum, entry, is_full),
            Value::Sha1(sum) => insert(&mut all.sha1, sum, entry, is_full),
            Value::Sha256(sum) => insert(&mut all.sha256, sum, entry, is_full),
        };
        if added && is_full {
            if self.all.counts.over_cap == 0 {
                self.warn(file, line.number, &format!("left out from here on: more than {} indicators", self.max));
            }
            self.all.counts.over_cap += 1;
        } else {
            self.all.counts.entries += u64::from(added);
        }
        Ok(())
    }

    /// The number of what is told of a line; without the text where there is no room.
    fn note(&mut self, line: &Line<'_>, is_full: bool) -> u32 {
        let mut note = Note { text: bounded(line.note).into(), until: line.until, confidence: line.confidence };
        if let Some(known) = self.notes.get(&note) {
            return *known;
        }
        if self.notes.len() >= MAX_NOTES || is_full {
            note.text = Box::default();
            if let Some(known) = self.notes.get(&note) {
                return *known;
            }
        }
        if self.notes.len() >= 2 * MAX_NOTES {
            return 0;
        }
        let number = u32::try_from(self.all.notes.len()).unwrap_or(0);
        self.all.notes.push(note.clone());
        self.notes.insert(note, number);
        number
    }

    /// All that was read, and what is worth a line in the log.
    #[must_use]
    pub fn finish(mut self) -> (Indicators, Vec<String>) {
        if self.more_warnings > 0 {
            self.warnings.push(format!("{} more indicators were left out", self.more_warnings));
        }
        (self.all, self.warnings)
    }
}

/// Adds an entry unless the table is full; whether its key is new. Of two entries of a key the newer one counts.
fn insert<K: Eq + Hash>(all: &mut HashMap<K, Entry>, key: K, entry: Entry, is_full: bool) -> bool {
    let Some(known) = all.get_mut(&key) else {
        if !is_full {
            all.insert(key, entry);
        }
        return true;
    };
    let below = (known.note | entry.note) & BELOW;
    if known.day < entry.day {
        *known = entry;
    }
    known.note |= below;
    false
}

fn bounded(text: &str) -> String {
    let text = text.trim();
    let end = text.floor_char_boundary(MAX_NOTE);
    text.get(..end).unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
}
