//! .NET Remoting Binary Format ([MS-NRBF]), the output of `BinaryFormatter`: walked, never rebuilt.
//!
//! ```text
//! stream  = header *record message-end
//! record  = library / class / array / string / primitive / reference / null / method call / method return
//! ```
//! A class record is followed by the values of its members, an array record by its elements; both may be records again.
//! The walk keeps a stack of what is open, bounded by `Limits::max_depth`, and counts each value against
//! `Limits::max_nodes`; declared lengths are never allocated. Values are offered to a visitor, nothing is kept but class
//! names and counts. Behind what breaks the format the next class record is looked for. [`facts`] puts together what records and detections need, with the streams inside a stream.

mod behind;
mod facts;
mod find;
mod hidden;
mod primitive;
mod record;
mod schema;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
mod walk;

pub use behind::Behind;
pub use facts::{Address, Facts, MAX_NESTED, Type, facts, facts_in_text, facts_inside, facts_within, plain};
pub use find::{is_header, may_be_header, may_begin};
pub use primitive::{Primitive, Scalar};
pub use walk::{Class, Returned, Visit, Walk, walk};

impl Walk {
    /// Objects that hold a credential: instances of classes whose own name says so, arrays and collections not counted.
    #[must_use]
    pub fn credential_objects(&self) -> u64 {
        self.classes.iter().filter(|class| class.is_credential()).map(|class| class.instances).sum()
    }
}

impl Class {
    /// The name without namespace, outer class, assembly and generic arguments.
    #[must_use]
    pub fn simple_name(&self) -> &str {
        let plain = self.name.split(['[', '`', ',']).next().unwrap_or_default();
        plain.rsplit(['.', '+']).next().unwrap_or_default()
    }

    fn is_credential(&self) -> bool {
        let is_array = self.name.ends_with("[]");
        let is_generic = self.name.contains('`');
        // An enumeration is written as a class with this one member.
        let is_enum = self.members.len() == 1 && self.members.first().is_some_and(|member| member == "value__");
        !is_array && !is_generic && !is_enum && self.simple_name().to_ascii_lowercase().contains("cred")
    }
}
