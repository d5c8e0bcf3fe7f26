//! The walk: one record or value a step, what is open on a stack of our own.

mod records;

use std::collections::HashMap;
use std::sync::Arc;

use super::hidden;
use super::primitive::{Primitive, Scalar};
use super::record::{Kind, Stop};
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
}
