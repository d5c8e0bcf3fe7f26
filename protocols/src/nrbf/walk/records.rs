//! Records: what each opens or tells.

use std::sync::Arc;

use super::super::primitive::{Primitive, Scalar};
use super::super::record::{Kind, Stop, count, kind, length_prefixed, text};
use super::{Class, Definition, Filled, Frame, MAX_RANK, Returned, Walker};

impl<'a> Walker<'a, '_> {
    pub(super) fn record(&mut self) -> Result<Filled, Stop> {
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
