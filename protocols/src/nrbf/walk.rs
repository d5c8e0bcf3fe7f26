//! The walk: one record or value a step, what is open on a stack of our own.

use std::collections::HashMap;
use std::sync::Arc;

use super::hidden;
use super::primitive::{Primitive, Scalar};
use super::record::{Kind, Stop, count, kind, length_prefixed, text};
use crate::contract::Limits;
use crate::cursor::Cursor;

/// Dimensions of an array at most ([MS-NRBF] 2.4.3.1 has no bound; .NET has 32).
const MAX_RANK: u64 = 32;
/// How often a walk goes on behind what it could not read.
const MAX_RESTARTS: usize = 32;

/// A class and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its name as on the wire.
    pub name: String,
    /// The assembly it comes from, where the stream names one.
    pub library: Option<String>,
    /// Its members' names, in order.
    pub members: Vec<String>,
    /// Objects of it.
    pub instances: u64,
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// The class of the first object, `System.String` for a text, a name in brackets for an array.
    pub root: Option<String>,
    /// Classes in the order of their first objects.
    pub classes: Vec<Class>,
    /// Assemblies named.
    pub libraries: Vec<String>,
    /// Method and type of a method call ([MS-NRBF] 2.2.3.1).
    pub call: Option<(String, String)>,
    /// What a method returned (2.2.3.3).
    pub returned: Option<Returned>,
    /// The stream was walked to its end record.
    pub complete: bool,
    /// It broke the format, and where.
    pub malformed_at: Option<usize>,
    /// A cap was reached.
    pub limited: bool,
    /// From here on a reader may see other records than were walked: the walk stopped here, or an object came whose members' types
    /// only the reader knows.
    pub doubtful_from: Option<usize>,
    /// An object stands in front of the call.
    pub object_first: bool,
}

/// How a method ended, as the flags of its return say ([MS-NRBF] 2.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// With an exception.
    Exception,
    /// Without a value.
    Nothing,
    /// With a value.
    Value,
}

/// A value on the way.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// The member that holds it; empty for elements of arrays and for values on their own.
    pub member: &'a str,
    /// Class of the object that holds it; empty where there is none.
    pub class: &'a str,
    /// How deep it lies: 0 is the root itself, 1 a member of the root.
    pub depth: usize,
    /// Its own id, of a text or an array of bytes that has one.
    pub object: Option<i32>,
    /// Id of the array that it is an element of.
    pub array: Option<i32>,
    /// The value.
    pub value: Scalar<'a>,
}

/// A class as its first record defines it.
struct Definition {
    /// Its place in [`Walk::classes`], where there was room.
    class: Option<usize>,
    name: String,
    members: Vec<(String, Kind)>,
}

enum Frame {
    Members { definition: Arc<Definition>, next: usize },
    Elements { array: i32, left: u64, kind: Kind },
}

struct Walker<'a, 'v> {
    cursor: Cursor<'a>,
    limits: &'a Limits,
    visit: &'v mut dyn FnMut(&Visit<'_>),
    definitions: HashMap<i32, Arc<Definition>>,
    libraries: HashMap<i32, String>,
    /// Places in [`Walk::classes`], by name.
    names: HashMap<String, usize>,
    frames: Vec<Frame>,
    nodes: usize,
    /// Where the record or value begins that is read.
    at: usize,
    /// Behind the first object whose members' types the stream does not say.
    untyped: Option<usize>,
    out: Walk,
}

/// Walks a stream. Linear in its bytes; what it keeps is bounded by `limits` and by the bytes.
pub fn walk(bytes: &[u8], limits: &Limits, visit: &mut dyn FnMut(&Visit<'_>)) -> Walk {
    let mut walker = Walker {
        cursor: Cursor::new(bytes),
        limits,
        visit,
        definitions: HashMap::new(),
        libraries: HashMap::new(),
        names: HashMap::new(),
        frames: Vec::new(),
        nodes: 0,
        at: 0,
        untyped: None,
        out: Walk::default(),
    };
    let stop = match walker.header().and_then(|()| walker.records()) {
        Ok(()) => {
            walker.out.complete = true;
            walker.out.doubtful_from = walker.untyped;
            return walker.out;
        }
        Err(stop) => stop,
    };
    match stop {
        Stop::Malformed => walker.out.malformed_at = Some(walker.cursor.position()),
        Stop::Limit => walker.out.limited = true,
        Stop::Short => {}
    }
    walker.out.doubtful_from = Some(walker.untyped.unwrap_or(walker.at).min(walker.at));
    // A reader may have gone on: from the next object that can be read.
    for _ in 0..MAX_RESTARTS {
        let Some((at, _)) = hidden::next(bytes, walker.at.saturating_add(1)) else { break };
        walker.frames.clear();
        walker.cursor = Cursor::new(bytes);
        if walker.cursor.take(at).is_err() || walker.records().is_ok() || walker.nodes > limits.max_nodes {
            break;
        }
    }
    walker.out
}

/// What a record is to the member or element that it fills.
enum Filled {
    /// One value.
    One,
    /// So many nulls.
    Nulls(u64),
    /// Nothing: a library definition.
    Nothing,
    /// The end of the stream.
    End,
}

impl<'a> Walker<'a, '_> {
    /// 2.6.1. Readers refuse a later major version only, whatever the specification says of the record's type and the minor version;
    /// so does this one.
    fn header(&mut self) -> Result<(), Stop> {
        self.cursor.take(9)?;
        if self.cursor.i32_le()? > 1 {
            return Err(Stop::Malformed);
        }
        self.cursor.i32_le()?;
        Ok(())
    }

    fn records(&mut self) -> Result<(), Stop> {
        loop {
            self.at = self.cursor.position();
            self.nodes += 1;
            if self.nodes > self.limits.max_nodes {
                return Err(Stop::Limit);
            }
            if self.step()? {
                return Ok(());
            }
        }
    }

    /// One value or record; true at the end of the stream.
    fn step(&mut self) -> Result<bool, Stop> {
        let depth = self.frames.len();
        let wanted = match self.frames.last_mut() {
            None => None,
            Some(Frame::Members { definition, next }) => {
                let Some((_, kind)) = definition.members.get(*next) else {
                    self.frames.pop();
                    return Ok(false);
                };
                Some(*kind)
            }
            Some(Frame::Elements { left: 0, .. }) => {
                self.frames.pop();
                return Ok(false);
            }
            Some(Frame::Elements { array, left, kind }) => {
                if let Kind::Primitive(primitive) = *kind
                    && let Some(size) = primitive.fixed_size()
                {
                    let (array, bytes) = (*array, left.saturating_mul(size as u64));
                    self.elements(primitive, array, bytes)?;
                    return Ok(false);
                }
                Some(*kind)
            }
        };
        if let Some(Kind::Primitive(primitive)) = wanted {
            let value = primitive.read(&mut self.cursor)?;
            self.tell(depth, None, value);
            self.advance(depth, 1)?;
            return Ok(false);
        }
        match self.record()? {
            Filled::One => self.advance(depth, 1)?,
            Filled::Nulls(nulls) => self.advance(depth, nulls)?,
            Filled::Nothing => {}
            // 2.7: the end record stands on its own.
            Filled::End if depth == 0 => return Ok(true),
            Filled::End => return Err(Stop::Malformed),
        }
        Ok(false)
    }

    /// The elements of an array of numbers, all at once: the bytes are there, or the stream is cut off, and then what there is of
    /// an array of bytes may still be looked at.
    fn elements(&mut self, primitive: Primitive, array: i32, len: u64) -> Result<(), Stop> {
        let depth = self.frames.len();
        let bytes = match self.cursor.take(usize::try_from(len).unwrap_or(usize::MAX)) {
            Ok(bytes) => bytes,
            Err(_) if primitive == Primitive::Byte => {
                self.tell(depth, Some(array), Scalar::Bytes(self.cursor.rest()));
                return Err(Stop::Short);
            }
            Err(_) => return Err(Stop::Short),
        };
        if primitive == Primitive::Byte && !bytes.is_empty() {
            self.tell(depth, Some(array), Scalar::Bytes(bytes));
        }
        self.frames.pop();
        Ok(())
    }

    /// The frame at `depth` (counted from 1) got values; what was opened by them lies above it.
    fn advance(&mut self, depth: usize, values: u64) -> Result<(), Stop> {
        let Some(frame) = depth.checked_sub(1).and_then(|at| self.frames.get_mut(at)) else { return Ok(()) };
        match frame {
            Frame::Members { definition, next } => {
                *next = next.saturating_add(usize::try_from(values).map_err(|_| Stop::Malformed)?);
                if *next > definition.members.len() {
                    return Err(Stop::Malformed);
                }
            }
            Frame::Elements { left, .. } => *left = left.checked_sub(values).ok_or(Stop::Malformed)?,
        }
        Ok(())
    }

    fn tell(&mut self, depth: usize, object: Option<i32>, value: Scalar<'_>) {
        let (class, member, array) = match depth.checked_sub(1).and_then(|at| self.frames.get(at)) {
            Some(Frame::Members { definition, next }) => {
                let member = definition.members.get(*next).map_or("", |(name, _)| name.as_str());
                (definition.name.as_str(), member, None)
            }
            Some(Frame::Elements { array, .. }) => ("", "", Some(*array)),
            None => ("", "", None),
        };
        (self.visit)(&Visit { member, class, depth, object, array, value });
    }

    fn push(&mut self, frame: Frame) -> Result<(), Stop> {
        if self.frames.len() >= self.limits.max_depth {
            return Err(Stop::Limit);
        }
        self.frames.push(frame);
        Ok(())
    }

    fn record(&mut self) -> Result<Filled, Stop> {
        let record = self.cursor.u8()?;
        match record {
            1 => self.class_with_id()?,
            2..=5 => self.class(record)?,
            6 => {
                let id = self.cursor.i32_le()?;
                let text = length_prefixed(&mut self.cursor)?;
                self.root(|| "System.String".to_owned());
                self.tell(self.frames.len(), Some(id), Scalar::Text(text));
            }
            7 => self.array()?,
            8 => {
                let primitive = Primitive::from_wire(self.cursor.u8()?)?;
                let value = primitive.read(&mut self.cursor)?;
                self.root(|| format!("System.{primitive:?}"));
                self.tell(self.frames.len(), None, value);
            }
            9 => {
                let id = self.cursor.i32_le()?;
                self.tell(self.frames.len(), None, Scalar::Reference(id));
            }
            10 => {}
            11 => return Ok(Filled::End),
            12 => {
                let id = self.cursor.i32_le()?;
                let name = text(&mut self.cursor)?;
                if self.libraries.len() < self.limits.max_nodes {
                    self.out.libraries.push(name.clone());
                    self.libraries.insert(id, name);
                }
                return Ok(Filled::Nothing);
            }
            13 => return Ok(Filled::Nulls(u64::from(self.cursor.u8()?))),
            14 => return count(&mut self.cursor).map(Filled::Nulls),
            15 => {
                let (array, left) = self.array_info()?;
                let primitive = Primitive::from_wire(self.cursor.u8()?)?;
                self.root(|| format!("System.{primitive:?}[]"));
                self.push_array(array, left, Kind::Primitive(primitive))?;
            }
            16 | 17 => {
                let (array, left) = self.array_info()?;
                self.root(|| if record == 16 { "System.Object[]" } else { "System.String[]" }.to_owned());
                self.push_array(array, left, Kind::Record)?;
            }
            21 => self.method_call()?,
            22 => self.method_return()?,
            _ => return Err(Stop::Malformed),
        }
        Ok(Filled::One)
    }

    fn root(&mut self, name: impl FnOnce() -> String) {
        if self.out.root.is_none() {
            self.out.root = Some(name());
        }
    }

    /// 2.4.2.1: object id and length.
    fn array_info(&mut self) -> Result<(i32, u64), Stop> {
        Ok((self.cursor.i32_le()?, count(&mut self.cursor)?))
    }

    /// An array that stands where a value may stand is told as a reference to it.
    fn push_array(&mut self, array: i32, left: u64, kind: Kind) -> Result<(), Stop> {
        if !self.frames.is_empty() {
            self.tell(self.frames.len(), None, Scalar::Reference(array));
        }
        self.push(Frame::Elements { array, left, kind })
    }

    /// 2.3.2: the four forms of a class, with or without types and a library.
    fn class(&mut self, record: u8) -> Result<(), Stop> {
        let id = self.cursor.i32_le()?;
        let name = text(&mut self.cursor)?;
        let members = count(&mut self.cursor)?;
        // Whatever comes of its members, its name counts.
        let class = self.class_number(&name);
        self.root(|| name.clone());
        let mut names = Vec::new();
        for _ in 0..members {
            self.nodes += 1;
            if self.nodes > self.limits.max_nodes {
                return Err(Stop::Limit);
            }
            names.push(text(&mut self.cursor)?);
        }
        let kinds_unknown = matches!(record, 2 | 3) && !names.is_empty();
        let kinds = if record == 4 || record == 5 { self.member_types(names.len())? } else { vec![Kind::Record; names.len()] };
        let library = match record {
            3 | 5 => self.libraries.get(&self.cursor.i32_le()?).cloned(),
            _ => None,
        };
        if kinds_unknown && self.untyped.is_none() {
            self.untyped = Some(self.cursor.position());
        }
        if let Some(class) = class.and_then(|at| self.out.classes.get_mut(at)).filter(|class| class.instances == 0) {
            class.library = library;
            class.members.clone_from(&names);
        }
        let definition = Arc::new(Definition { class, name, members: names.into_iter().zip(kinds).collect() });
        if self.definitions.len() < self.limits.max_nodes {
            self.definitions.insert(id, Arc::clone(&definition));
        }
        self.instance(&definition)
    }

    fn member_types(&mut self, members: usize) -> Result<Vec<Kind>, Stop> {
        let types = self.cursor.take(members)?;
        types.iter().map(|&binary_type| kind(binary_type, &mut self.cursor)).collect()
    }

    fn class_number(&mut self, name: &str) -> Option<usize> {
        if let Some(known) = self.names.get(name) {
            return Some(*known);
        }
        let number = self.out.classes.len();
        if number >= self.limits.max_nodes {
            return None;
        }
        self.names.insert(name.to_owned(), number);
        self.out.classes.push(Class { name: name.to_owned(), library: None, members: Vec::new(), instances: 0 });
        Some(number)
    }

    /// 2.3.2.5: an object of a class that was defined before.
    fn class_with_id(&mut self) -> Result<(), Stop> {
        self.cursor.i32_le()?;
        let metadata = self.cursor.i32_le()?;
        let definition = self.definitions.get(&metadata).cloned().ok_or(Stop::Malformed)?;
        self.instance(&definition)
    }

    fn instance(&mut self, definition: &Arc<Definition>) -> Result<(), Stop> {
        if let Some(class) = definition.class.and_then(|at| self.out.classes.get_mut(at)) {
            class.instances += 1;
        }
        self.push(Frame::Members { definition: Arc::clone(definition), next: 0 })
    }

    /// 2.4.3.1: an array of any rank.
    fn array(&mut self) -> Result<(), Stop> {
        let array = self.cursor.i32_le()?;
        let form = self.cursor.u8()?;
        let rank = count(&mut self.cursor)?;
        if form > 5 || rank == 0 || rank > MAX_RANK {
            return Err(Stop::Malformed);
        }
        let mut left = 1_u64;
        for _ in 0..rank {
            left = left.saturating_mul(count(&mut self.cursor)?);
        }
        if form >= 3 {
            for _ in 0..rank {
                self.cursor.i32_le()?;
            }
        }
        let binary_type = self.cursor.u8()?;
        let kind = kind(binary_type, &mut self.cursor)?;
        self.root(|| "System.Array".to_owned());
        self.push_array(array, left, kind)
    }

    /// 2.2.3.1. What the flags say is not in place follows as an array record.
    fn method_call(&mut self) -> Result<(), Stop> {
        let flags = self.cursor.i32_le()?;
        let method = self.coded_text()?;
        let class = self.coded_text()?;
        if self.out.call.is_none() {
            self.out.object_first = self.out.root.is_some();
            self.out.call = Some((method, class));
        }
        self.inline_parts(flags)
    }

    /// 2.2.3.3.
    fn method_return(&mut self) -> Result<(), Stop> {
        let flags = self.cursor.i32_le()?;
        self.out.returned = Some(match flags {
            flags if flags & 0x2000 != 0 => Returned::Exception,
            flags if flags & 0x1800 != 0 => Returned::Value,
            _ => Returned::Nothing,
        });
        if flags & 0x800 != 0 {
            let value = self.coded_value()?;
            self.tell(self.frames.len(), None, value);
        }
        self.inline_parts(flags)
    }

    fn inline_parts(&mut self, flags: i32) -> Result<(), Stop> {
        if flags & 0x20 != 0 {
            self.coded_text()?;
        }
        if flags & 0x02 != 0 {
            for _ in 0..count(&mut self.cursor)? {
                self.nodes += 1;
                if self.nodes > self.limits.max_nodes {
                    return Err(Stop::Limit);
                }
                let value = self.coded_value()?;
                self.tell(self.frames.len(), None, value);
            }
        }
        Ok(())
    }

    /// 2.2.2.1 `ValueWithCode`.
    fn coded_value(&mut self) -> Result<Scalar<'a>, Stop> {
        let primitive = Primitive::from_wire(self.cursor.u8()?)?;
        primitive.read(&mut self.cursor)
    }

    /// 2.2.2.2 `StringValueWithCode`.
    fn coded_text(&mut self) -> Result<String, Stop> {
        match self.coded_value()? {
            Scalar::Text(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            _ => Err(Stop::Malformed),
        }
    }
}
