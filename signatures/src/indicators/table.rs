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
/// Different notes that are kept.
const MAX_NOTES: usize = 100_000;
/// Bytes of a note or source.
const MAX_NOTE: usize = 160;
/// It stands for what is below the name.
const BELOW: u32 = 1 << 31;
/// Labels of a name that are looked at.
const MAX_LABELS: usize = 16;

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
    notes: Vec<Box<str>>,
}

impl Indicators {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let networks: usize = self.networks.iter().map(|(_, all)| all.len()).sum();
        networks + self.v4.len() + self.v6.len() + self.names.len() + self.md5.len() + self.sha1.len() + self.sha256.len()
    }

    /// Bytes that the tables take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        fn of<K>(all: &HashMap<K, Entry>) -> usize {
            all.capacity() * 8 / 7 * (size_of::<(K, Entry)>() + 1)
        }
        let networks: usize = self.networks.iter().map(|(_, all)| of(all)).sum();
        let notes: usize = self.notes.iter().map(|note| note.len() + 16).sum();
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
        let note = usize::try_from(entry.note & !BELOW).unwrap_or(usize::MAX);
        Indicator {
            source: self.lists.get(usize::from(entry.list)).map_or("", String::as_str),
            note: self.notes.get(note).map_or("", |note| note),
            day: (entry.day != UNDATED).then_some(entry.day),
        }
    }

    /// An address, itself or within a network.
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
        if self.names.is_empty() {
            return None;
        }
        let lower = name.trim_end_matches('.').to_ascii_lowercase();
        let mut rest = lower.as_str();
        for label in 0..MAX_LABELS {
            if let Some(entry) = self.names.get(&digest(rest))
                && (label == 0 || entry.note & BELOW != 0)
            {
                return Some(self.told(*entry));
            }
            rest = rest.split_once('.')?.1;
        }
        None
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

/// 128 bits of a name. Two halves of one keyed hash: who writes names cannot choose what they meet.
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
    notes: HashMap<Box<str>, u32>,
    max: usize,
    /// Things worth a line in the log.
    warnings: Vec<String>,
    too_many: bool,
}

/// One line of a list.
pub(super) struct Line<'a> {
    pub number: u64,
    pub value: &'a str,
    pub note: &'a str,
    pub day: Option<u16>,
}

impl Loader {
    /// No more than so many entries.
    #[must_use]
    pub fn new(max: usize) -> Self {
        let all = Indicators { notes: vec!["".into()], ..Indicators::default() };
        Self { all, notes: HashMap::from([("".into(), 0)]), max, warnings: Vec::new(), too_many: false }
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

    /// Remembers a warning.
    pub(super) fn warn(&mut self, file: &str, line: u64, what: &str) {
        if self.warnings.len() < 100 {
            self.warnings.push(format!("{file}:{line}: {what}"));
        }
    }

    /// Adds a value.
    pub(super) fn value(&mut self, file: &str, list: u16, line: &Line<'_>) -> Result<(), ListError> {
        let shown = || line.value.chars().take(80).collect::<String>();
        let value = match value::read(line.value) {
            Ok(value) => value,
            Err(Refusal::TooBroad) => {
                self.warn(file, line.number, &format!("left out, it would match ordinary traffic: {}", shown()));
                return Ok(());
            }
            Err(Refusal::Unknown) => {
                let what = format!("neither an address, a host name nor a sum of a file: {}", shown());
                return Err(ListError { file: file.to_owned(), line: line.number, what });
            }
        };
        if self.all.len() >= self.max {
            if !std::mem::replace(&mut self.too_many, true) {
                self.warn(file, line.number, &format!("left out from here on: more than {} indicators", self.max));
            }
            return Ok(());
        }
        let mut entry = Entry { note: self.note(line.note), list, day: line.day.unwrap_or(UNDATED) };
        match value {
            Value::Address(IpAddr::V4(v4)) => insert(&mut self.all.v4, v4.to_bits(), entry),
            Value::Address(IpAddr::V6(v6)) => insert(&mut self.all.v6, v6.to_bits(), entry),
            Value::Network(network) => {
                let networks = &mut self.all.networks;
                let at = networks.iter().position(|(len, _)| *len == network.prefix_len()).unwrap_or_else(|| {
                    networks.push((network.prefix_len(), HashMap::new()));
                    networks.len() - 1
                });
                if let Some((_, all)) = networks.get_mut(at) {
                    insert(all, network, entry);
                }
            }
            Value::Name(name, below) => {
                entry.note |= if below { BELOW } else { 0 };
                insert(&mut self.all.names, digest(&name), entry);
            }
            Value::Md5(sum) => insert(&mut self.all.md5, sum, entry),
            Value::Sha1(sum) => insert(&mut self.all.sha1, sum, entry),
            Value::Sha256(sum) => insert(&mut self.all.sha256, sum, entry),
        }
        Ok(())
    }

    fn note(&mut self, note: &str) -> u32 {
        let note = bounded(note);
        if let Some(known) = self.notes.get(note.as_str()) {
            return *known;
        }
        if self.notes.len() >= MAX_NOTES {
            return 0;
        }
        let number = u32::try_from(self.all.notes.len()).unwrap_or(0);
        self.all.notes.push(note.as_str().into());
        self.notes.insert(note.into(), number);
        number
    }

    /// All that was read, and what is worth a line in the log.
    #[must_use]
    pub fn finish(self) -> (Indicators, Vec<String>) {
        (self.all, self.warnings)
    }
}

/// Of two entries the newer one counts.
fn insert<K: Eq + Hash>(all: &mut HashMap<K, Entry>, key: K, entry: Entry) {
    let known = all.entry(key).or_insert(entry);
    if known.day < entry.day {
        let below = known.note & BELOW;
        *known = entry;
        known.note |= below;
    }
}

fn bounded(text: &str) -> String {
    let text = text.trim();
    let end = text.floor_char_boundary(MAX_NOTE);
    text.get(..end).unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
}
