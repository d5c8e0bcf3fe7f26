//! The remote registry ([MS-RRP] 3.1.5).

use backstop_types::Fields;

use super::text::Text;
use super::{Executed, Handle, handle_text};
use crate::dcerpc::ndr::{MAX_NAME, MAX_TEXT, Ndr};

/// Types of values that are texts ([MS-RRP] 2.2.5): REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ.
const TEXTS: [u32; 3] = [1, 2, 7];

/// A call of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registry {
    /// One of the roots is opened, by the number of the operation.
    OpenRoot(u16),
    /// `BaseRegOpenKey`, `BaseRegCreateKey`, `BaseRegDeleteKey`.
    Key {
        /// What is done with it.
        operation: KeyOperation,
        /// The key that it stands in.
        parent: Handle,
        /// Its name from there.
        name: Text,
    },
    /// `BaseRegSetValue`.
    SetValue {
        /// The key.
        key: Handle,
        /// The value's name; empty is the default value.
        name: Text,
        /// Its type.
        kind: u32,
        /// What it is set to, where that is a text.
        text: Option<Text>,
        /// Bytes of it.
        len: usize,
    },
    /// `BaseRegDeleteValue`.
    DeleteValue(Handle, Text),
    /// `BaseRegCloseKey`.
    Close(Handle),
    /// A question.
    Query(Handle),
}

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOperation {
    /// It is opened.
    Open,
    /// It is made, or opened where it is there.
    Create,
    /// It is deleted.
    Delete,
}

/// A request, as far as it can be read.
pub fn request(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Registry> {
    let key = |operation, ndr: &mut Ndr<'_>| {
        let parent = ndr.handle()?;
        Some(Registry::Key { operation, parent, name: counted(ndr, MAX_NAME)? })
    };
    Some(match opnum {
        0..=4 | 27 | 32 | 33 => Registry::OpenRoot(opnum),
        5 => Registry::Close(ndr.handle()?),
        6 => key(KeyOperation::Create, ndr)?,
        7 | 35 => key(KeyOperation::Delete, ndr)?,
        15 => key(KeyOperation::Open, ndr)?,
        8 => Registry::DeleteValue(ndr.handle()?, counted(ndr, MAX_NAME)?),
        9 | 10 | 12 | 16 | 17 | 26 | 29 | 34 => Registry::Query(ndr.handle()?),
        22 => {
            let (key, name, kind) = (ndr.handle()?, counted(ndr, MAX_NAME)?, ndr.u32()?);
            let (bytes, whole) = ndr.byte_array()?;
            let _size = whole.then(|| ndr.u32());
            // Values are little-endian, whatever the call is.
            let text = TEXTS.contains(&kind).then(|| Text::utf16(bytes, whole, MAX_TEXT, true));
            Registry::SetValue { key, name, kind, text, len: bytes.len() }
        }
        _ => return None,
    })
}

/// `RRP_UNICODE_STRING` ([MS-RRP] 2.2.4): lengths in bytes, a pointer, and what it points at.
fn counted(ndr: &mut Ndr<'_>, max: usize) -> Option<Text> {
    ndr.align_pointer();
    let (_len, _max) = (ndr.u16()?, ndr.u16()?);
    ndr.unique_string(true, max).map(Option::unwrap_or_default)
}

/// The handle that an answer hands out.
pub fn handed_out(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Handle> {
    matches!(opnum, 0..=4 | 6 | 15 | 27 | 32 | 33).then(|| ndr.handle()).flatten()
}

impl Registry {
    /// The handle that the call is for.
    #[must_use]
    pub const fn handle(&self) -> Option<Handle> {
        Some(match self {
            Self::OpenRoot(_) => return None,
            Self::Key { parent, .. } => *parent,
            Self::SetValue { key, .. } | Self::DeleteValue(key, _) | Self::Close(key) | Self::Query(key) => *key,
        })
    }

    /// What may be run: values that are texts.
    #[must_use]
    pub fn texts(&self) -> Vec<Executed<'_>> {
        match self {
            Self::SetValue { text: Some(text), .. } => vec![Executed { what: "registry_value", text: text.text.as_str().into() }],
            _ => Vec::new(),
        }
    }

    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        match self {
            Self::Key { operation, name, .. } => {
                fields.set("key", name);
                fields.set(
                    "key_operation",
                    match operation {
                        KeyOperation::Open => "open",
                        KeyOperation::Create => "create",
                        KeyOperation::Delete => "delete",
                    },
                );
            }
            Self::SetValue { name, kind, text, len, .. } => {
                fields.set("value", name).set("value_type", *kind).set("value_length", *len as u64);
                fields.set_some("value_text", text.as_ref());
            }
            Self::DeleteValue(_, name) => {
                fields.set("value", name);
            }
            Self::OpenRoot(_) | Self::Close(_) | Self::Query(_) => {}
        }
        if let Some(handle) = self.handle() {
            fields.set("handle", handle_text(&handle));
        }
        fields
    }
}
