//! Decoded facts as plain data: what a transaction or an alert says, before anybody decides on a format.

use std::borrow::Cow;

/// One fact. Shapes follow EVE: no null, numbers are integers, empty lists are left out by the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A truth.
    Bool(bool),
    /// A count, size or id.
    Uint(u64),
    /// A signed number.
    Int(i64),
    /// Text, already bounded by whoever made it.
    Text(Cow<'static, str>),
    /// Several values.
    List(Vec<Value>),
    /// Named values.
    Object(Fields),
}

/// Named facts in the order they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Cow<'static, str>, Value)>);

impl Fields {
    /// No facts yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a fact; a later one of the same name replaces the earlier.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> &mut Self {
        let name = name.into();
        let value = value.into();
        if let Some(slot) = self.0.iter_mut().find(|(known, _)| *known == name) {
            slot.1 = value;
        } else {
            self.0.push((name, value));
        }
        self
    }

    /// Adds a fact where there is one.
    pub fn set_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.set(name, value);
        }
        self
    }

    /// The same as [`Fields::set`], for building in one expression.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// A fact by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A fact by name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.0.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// All facts, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// No facts at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

macro_rules! value_from {
    ($($from:ty => |$v:ident| $make:expr),* $(,)?) => {
        $(impl From<$from> for Value { fn from($v: $from) -> Self { $make } })*
    };
}
value_from! {
    bool => |v| Self::Bool(v),
    u8 => |v| Self::Uint(u64::from(v)),
    u16 => |v| Self::Uint(u64::from(v)),
    u32 => |v| Self::Uint(u64::from(v)),
    u64 => |v| Self::Uint(v),
    usize => |v| Self::Uint(v as u64),
    i64 => |v| Self::Int(v),
    &'static str => |v| Self::Text(Cow::Borrowed(v)),
    String => |v| Self::Text(Cow::Owned(v)),
    Cow<'static, str> => |v| Self::Text(v),
    Vec<Value> => |v| Self::List(v),
    Fields => |v| Self::Object(v),
    Vec<String> => |v| Self::List(v.into_iter().map(Self::from).collect()),
}
