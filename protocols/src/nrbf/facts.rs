//! What a stream says, with the streams inside it: types, addresses of remote objects, texts. For records and detections.
//!
//! A member's value often stands elsewhere in the stream, before or behind the reference to it, so that what matters of members is
//! put together at the end. Streams in arrays of bytes and in base64 texts are read too, to [`MAX_NESTED`] levels: each level is no
//! longer than the one around it, so the work stays linear.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::primitive::Scalar;
use super::walk::{Returned, Visit, Walk, walk};
use super::{find, hidden, schema};
use crate::contract::Limits;

/// Streams inside streams.
pub const MAX_NESTED: usize = 4;
/// Bytes of a name or an address that are kept.
const MAX_NAME: usize = 1_024;
/// Different addresses and targets kept of one stream.
const MAX_LISTED: usize = 1_024;
/// Streams read in bytes that are something else.
const MAX_INSIDE: u64 = 16;
/// Assemblies kept.
const MAX_LIBRARIES: usize = 64;

/// [MS-NRTP] 2.2.2.1, 2.2.2.3: the members that hold where a remote object is.
const ADDRESSES: [(&str, &str); 3] = [
    ("System.Runtime.Remoting.ObjRef", "uri"),
    ("System.Runtime.Remoting.ObjRef", "url"),
    ("System.Runtime.Remoting.Channels.ChannelDataStore", "_channelURIs"),
];
/// Members that name the type which a delegate or a method object leads to.
const TARGETS: [(&str, &str); 3] = [
    ("System.DelegateSerializationHolder+DelegateEntry", "targetTypeName"),
    ("System.DelegateSerializationHolder+DelegateEntry", "type"),
    ("System.Reflection.MemberInfoSerializationHolder", "ClassName"),
];
const OBJ_REF: &str = "System.Runtime.Remoting.ObjRef";
/// A type as an object, its name in `Data`. Of constructed types the arguments matter.
const TYPE_OBJECT: &str = "System.UnitySerializationHolder";

/// A type that a stream has objects of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Its name as on the wire, escapes undone, bounded.
    pub name: String,
    /// The assembly, where the stream names one.
    pub library: Option<String>,
    /// In how many other streams it lies.
    pub nested: usize,
}

/// Where a remote object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// As on the wire, bounded.
    pub uri: String,
    /// It is all that is said of the object (`url`): no type, no channel. So the runtime writes proxies.
    pub bare: bool,
}

/// Everything of a stream that is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The class of the first object.
    pub root: Option<String>,
    /// Method and type of a call.
    pub call: Option<(String, String)>,
    /// An object stands in front of the call, where none is written.
    pub object_first: bool,
    /// What a method returned.
    pub returned: Option<Returned>,
    /// Types, in the order of their first objects, those of streams inside behind them; with those that schemas of data sets name.
    pub types: Vec<Type>,
    /// Assemblies named, bounded.
    pub libraries: Vec<String>,
    /// Addresses of remote objects, bounded.
    pub addresses: Vec<Address>,
    /// There is a remote object.
    pub remote: bool,
    /// Types that delegates and method objects lead to, bounded.
    pub targets: Vec<String>,
    /// Texts, each once where it is written, bounded together; values of members that are named as secrets left out.
    pub texts: Vec<String>,
    /// Streams found inside.
    pub nested: u64,
    /// The stream itself was walked to its end record.
    pub complete: bool,
    /// The stream itself, or one inside, breaks the format.
    pub malformed: bool,
    /// A cap was reached: there is more than was looked at.
    pub limited: bool,
}

impl Facts {
    fn add_type(&mut self, name: &str, library: Option<String>, nested: usize) {
        let name = unescaped(name);
        self.remote |= plain(&name) == OBJ_REF;
        self.types.push(Type { name: bounded(name.as_bytes(), MAX_NAME), library, nested });
    }

    /// Adds what another part of the stream says, within bounds.
    pub fn join(&mut self, other: Self) {
        let free = MAX_LISTED.saturating_sub(self.types.len());
        let known: HashSet<&str> = self.types.iter().map(|known| known.name.as_str()).collect();
        let new: Vec<Type> = other.types.into_iter().filter(|one| !known.contains(one.name.as_str())).collect();
        self.limited |= other.limited || new.len() > free;
        self.types.extend(new.into_iter().take(free));
        let free = MAX_LISTED.saturating_sub(self.addresses.len());
        self.addresses.extend(other.addresses.into_iter().take(free));
        let free = MAX_LISTED.saturating_sub(self.targets.len());
        self.targets.extend(other.targets.into_iter().take(free));
        self.remote |= other.remote;
        self.nested += other.nested;
    }

    /// Nothing that tells what a stream does.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.types.is_empty() && self.addresses.is_empty() && self.targets.is_empty()
    }

    /// What is kept while a reply is waited for.
    pub fn trim(&mut self) {
        self.texts = Vec::new();
        self.targets.truncate(4);
        self.addresses.truncate(4);
        self.libraries.truncate(4);
        self.types.truncate(8);
        for name in self.types.iter_mut().map(|known| &mut known.name).chain(&mut self.libraries) {
            *name = bounded(name.as_bytes(), 128);
        }
        for known in &mut self.types {
            known.library = None;
        }
    }

    /// Bytes it keeps, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        let types = self.types.iter().map(|known| known.name.len() + known.library.as_ref().map_or(0, String::len) + 64);
        let texts = self.texts.iter().chain(&self.targets).chain(&self.libraries).map(|text| text.len() + 32);
        let addresses = self.addresses.iter().map(|address| address.uri.len() + 32);
        let call = self.call.as_ref().map_or(0, |(method, class)| method.len() + class.len());
        types.chain(texts).chain(addresses).sum::<usize>() + call + size_of::<Self>()
    }
}

/// Reads a stream and those inside it.
#[must_use]
pub fn facts(bytes: &[u8], limits: &Limits) -> Facts {
    let mut facts = Facts::default();
    let mut room = limits.max_text;
    read(bytes, limits, 0, &mut room, &mut facts);
    facts
}

/// What streams say that stand in other bytes, as they are or as base64: a body that is something else around them.
#[must_use]
pub fn facts_inside(bytes: &[u8], limits: &Limits) -> Option<Facts> {
    let mut facts = Facts::default();
    let mut room = limits.max_text;
    inside_text(bytes, limits, 0, &mut room, &mut facts);
    let mut rest = bytes;
    while let Some(stream) = find::in_bytes(rest).and_then(|at| rest.get(at..)) {
        if facts.nested >= MAX_INSIDE {
            facts.limited = true;
            break;
        }
        facts.nested += 1;
        read(stream, limits, 1, &mut room, &mut facts);
        rest = stream.get(1..).unwrap_or_default();
    }
    (facts.nested > 0).then_some(facts)
}

/// What a part of a stream says that begins anywhere: classes, and streams inside.
#[must_use]
pub fn facts_within(bytes: &[u8], limits: &Limits) -> Facts {
    let mut facts = facts_inside(bytes, limits).unwrap_or_default();
    facts.texts = Vec::new();
    let mut known: HashSet<String> = facts.types.iter().map(|known| known.name.clone()).collect();
    let mut from = 0;
    while let Some((at, name)) = hidden::next(bytes, from) {
        from = at + 1;
        let name = bounded(name, MAX_NAME);
        if known.insert(name.clone()) {
            facts.add_type(&name, None, 0);
        }
    }
    facts
}

/// Adds what base64 texts hold, each for itself.
#[must_use]
pub fn facts_in_text(text: &[u8], limits: &Limits) -> Option<Facts> {
    let mut facts = Facts::default();
    let mut room = limits.max_text;
    inside_text(text, limits, 0, &mut room, &mut facts);
    (facts.nested > 0).then_some(facts)
}

fn read(bytes: &[u8], limits: &Limits, nested: usize, room: &mut usize, out: &mut Facts) {
    let mut reader = Reader::new(room, nested, out);
    let walked = walk(bytes, limits, &mut |visit| reader.visit(visit));
    reader.resolve();
    let mut inner = std::mem::take(&mut reader.inner);
    // Texts are not told apart there: base64 is looked for in all of it.
    if let Some(rest) = walked.doubtful_from.and_then(|from| bytes.get(from..)) {
        let hashed = |stream: &Vec<u8>| {
            let mut hasher = DefaultHasher::new();
            stream.hash(&mut hasher);
            hasher.finish()
        };
        let known: HashSet<u64> = inner.iter().map(hashed).collect();
        inner.extend(find::in_text(rest).into_iter().filter(|stream| !known.contains(&hashed(stream))));
    }
    if nested == 0 || out.root.is_none() {
        out.root = walked.root.as_deref().map(|name| bounded(name.as_bytes(), MAX_NAME));
        out.call = walked
            .call
            .map(|(method, class)| (bounded(method.as_bytes(), MAX_NAME), bounded(class.as_bytes(), MAX_NAME)))
            .or(out.call.take());
        out.object_first |= walked.object_first;
        out.returned = walked.returned.or(out.returned);
        out.complete = walked.complete;
    }
    out.malformed |= walked.malformed_at.is_some();
    out.limited |= walked.limited;
    let mut known = HashSet::new();
    for class in walked.classes {
        let library = class.library.map(|name| bounded(name.as_bytes(), MAX_NAME));
        known.insert(bounded(class.name.as_bytes(), MAX_NAME));
        out.add_type(&class.name, library, nested);
    }
    let mut doubtful = walked.doubtful_from;
    while let Some((at, name)) = doubtful.and_then(|from| hidden::next(bytes, from)) {
        doubtful = Some(at + 1);
        let name = bounded(name, MAX_NAME);
        if !known.contains(&name) {
            out.add_type(&name, None, nested);
            known.insert(name);
        }
    }
    let free = MAX_LIBRARIES.saturating_sub(out.libraries.len());
    out.libraries.extend(walked.libraries.iter().take(free).map(|name| bounded(name.as_bytes(), MAX_NAME)));
    inner.iter().for_each(|bytes| inside(bytes, limits, nested, room, out));
}

fn inside_text(text: &[u8], limits: &Limits, nested: usize, room: &mut usize, out: &mut Facts) {
    find::in_text(text).iter().for_each(|bytes| inside(bytes, limits, nested, room, out));
}

fn inside(bytes: &[u8], limits: &Limits, nested: usize, room: &mut usize, out: &mut Facts) {
    // What only may begin so is one where it gives an object or a call.
    let gives = |walked: &Walk| walked.call.is_some() || walked.classes.iter().any(|class| class.name.contains('.'));
    if !find::is_header(bytes) && !gives(&walk(bytes, limits, &mut |_| {})) {
        return;
    }
    out.nested += 1;
    if nested >= MAX_NESTED {
        out.limited = true;
    } else {
        read(bytes, limits, nested + 1, room, out);
    }
}

/// A type's name as readers take it: a backslash only says that what follows stands for itself.
fn unescaped(name: &str) -> Cow<'_, str> {
    if name.contains('\\') { Cow::Owned(name.replace('\\', "")) } else { Cow::Borrowed(name) }
}

/// A type's name without its assembly, generic arguments and dimensions.
#[must_use]
pub fn plain(name: &str) -> &str {
    name.split([',', '[']).next().unwrap_or_default().trim()
}

/// The head of a text, without control characters.
fn bounded(text: &[u8], max: usize) -> String {
    let head = String::from_utf8_lossy(text.get(..max.min(text.len())).unwrap_or_default());
    head.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Slot {
    Address { bare: bool },
    Target,
}

fn slot(class: &str, member: &str) -> Option<Slot> {
    let class = unescaped(class);
    let class = plain(&class);
    let is = |known: &(&str, &str)| known.0 == class && known.1 == member;
    if ADDRESSES.iter().any(is) {
        return Some(Slot::Address { bare: member == "url" });
    }
    TARGETS.iter().any(is).then_some(Slot::Target)
}

struct Reader<'r> {
    room: &'r mut usize,
    nested: usize,
    out: &'r mut Facts,
    /// Members that are references, by what they refer to.
    wanted: HashSet<(i32, Slot)>,
    /// What was added already.
    added: HashSet<(Slot, String)>,
    /// Short texts by their ids; elements of arrays of texts by the array's.
    texts: HashMap<i32, String>,
    elements: HashMap<i32, Vec<Element>>,
    /// Streams in arrays of bytes and in texts.
    inner: Vec<Vec<u8>>,
}

enum Element {
    Text(String),
    Reference(i32),
}

impl<'r> Reader<'r> {
    fn new(room: &'r mut usize, nested: usize, out: &'r mut Facts) -> Self {
        let (wanted, added) = Default::default();
        Self { room, nested, out, wanted, added, texts: HashMap::new(), elements: HashMap::new(), inner: Vec::new() }
    }

    fn visit(&mut self, visit: &Visit<'_>) {
        let slot = slot(visit.class, visit.member);
        match visit.value {
            Scalar::Text(text) => {
                if let Some(slot) = slot {
                    self.add(slot, text);
                }
                if text.len() <= MAX_NAME {
                    if let Some(array) = visit.array {
                        self.elements.entry(array).or_default().push(Element::Text(bounded(text, MAX_NAME)));
                    }
                    if let Some(id) = visit.object {
                        self.texts.insert(id, bounded(text, MAX_NAME));
                    }
                }
                if visit.member == "Data" && plain(visit.class) == TYPE_OBJECT && memchr::memchr(b'`', text).is_some() {
                    self.out.add_type(&bounded(text, MAX_NAME), None, self.nested);
                }
                self.text(visit.member, text);
            }
            Scalar::Reference(id) => {
                if let Some(slot) = slot {
                    self.wanted.insert((id, slot));
                } else if let Some(array) = visit.array {
                    self.elements.entry(array).or_default().push(Element::Reference(id));
                }
            }
            Scalar::Bytes(bytes) if find::may_be_header(bytes) => self.inner.push(bytes.to_vec()),
            _ => {}
        }
    }

    fn text(&mut self, member: &str, text: &[u8]) {
        if find::may_hold(text) {
            self.inner.extend(find::in_text(text));
        }
        let named = schema::types(text);
        self.out.limited |= named.len() > MAX_LISTED;
        for name in named.iter().take(MAX_LISTED) {
            self.out.add_type(&bounded(name.as_bytes(), MAX_NAME), None, self.nested);
        }
        if crate::veeam::is_secret(member) || *self.room == 0 || text.is_empty() {
            return;
        }
        let head = text.get(..text.len().min(*self.room)).unwrap_or_default();
        *self.room -= head.len();
        self.out.texts.push(String::from_utf8_lossy(head).into_owned());
    }

    /// Each once: as many as there are different texts in the stream.
    fn add(&mut self, slot: Slot, text: &[u8]) {
        let text = bounded(text, MAX_NAME);
        if text.is_empty() || !self.added.insert((slot, text.clone())) {
            return;
        }
        if self.added.len() > MAX_LISTED {
            self.out.limited = true;
            return;
        }
        match slot {
            Slot::Address { bare } => self.out.addresses.push(Address { uri: text, bare }),
            Slot::Target => self.out.targets.push(text),
        }
    }

    /// The values of members that stand elsewhere.
    fn resolve(&mut self) {
        let (texts, elements) = (std::mem::take(&mut self.texts), std::mem::take(&mut self.elements));
        // In an order that is the same on every run.
        let mut wanted: Vec<(i32, Slot)> = std::mem::take(&mut self.wanted).into_iter().collect();
        wanted.sort_unstable_by_key(|(id, slot)| (*id, matches!(slot, Slot::Address { bare: true }), *slot == Slot::Target));
        for (id, slot) in wanted {
            if let Some(text) = texts.get(&id) {
                self.add(slot, text.as_bytes());
            }
            for element in elements.get(&id).into_iter().flatten() {
                match element {
                    Element::Text(text) => self.add(slot, text.as_bytes()),
                    Element::Reference(id) => {
                        if let Some(text) = texts.get(id) {
                            self.add(slot, text.as_bytes());
                        }
                    }
                }
            }
        }
    }
}
