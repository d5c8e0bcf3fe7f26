//! The registry ([MS-RRP] 3.1.5).

use backstop_types::Fields;

use super::text::Text;
use super::{Executed, Handle, handle_text};
use crate::dcerpc::ndr::{MAX_NAME, MAX_TEXT, Ndr};

/// A call of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registry {
    /// `OpenLocalMachine` and its kin: a root.
    OpenRoot(&'static str),
    /// An operation on a key below the one that is open.
    Key {
        /// The key that is open.
        key: Handle,
        /// The path below it.
        sub_key: Text,
    },
    /// `BaseRegSetValue`.
    SetValue(Box<SetValue>),
    /// `BaseRegQueryValue`, `BaseRegDeleteValue`.
    Value {
        /// The key.
        key: Handle,
        /// The value's name.
        name: Text,
    },
    /// `BaseRegSaveKey`, `BaseRegSaveKeyEx`, `BaseRegRestoreKey`: a key as a file.
    File {
        /// The key.
        key: Handle,
        /// The file on the server.
        file: Text,
    },
    /// `BaseRegLoadKey`, `BaseRegReplaceKey`: a file in the place of a key.
    Load {
        /// The key.
        key: Handle,
        /// The path below it.
        sub_key: Text,
        /// The file on the server.
        file: Option<Text>,
    },
    /// An operation on a key without a name: closing, counting, …
    Other(Handle),
}

/// `BaseRegSetValue` ([MS-RRP] 3.1.5.22).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetValue {
    /// The key.
    pub key: Handle,
    /// The value's name.
    pub name: Text,
    /// `REG_SZ` is 1, `REG_EXPAND_SZ` 2, `REG_BINARY` 3, `REG_DWORD` 4, `REG_MULTI_SZ` 7 ([MS-RRP] 3.1.1.5).
    pub kind: Option<u32>,
    /// The text, where it is one; several are joined by line feeds.
    pub text: Option<Text>,
    /// The number, where it is one.
    pub number: Option<u64>,
    /// Bytes it has.
    pub len: Option<usize>,
}

/// A request, as far as it can be read.
pub fn request(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Registry> {
    Some(match opnum {
        0 => Registry::OpenRoot("HKEY_CLASSES_ROOT"),
        1 => Registry::OpenRoot("HKEY_CURRENT_USER"),
        2 => Registry::OpenRoot("HKEY_LOCAL_MACHINE"),
        3 => Registry::OpenRoot("HKEY_PERFORMANCE_DATA"),
        4 => Registry::OpenRoot("HKEY_USERS"),
        27 => Registry::OpenRoot("HKEY_CURRENT_CONFIG"),
        32 => Registry::OpenRoot("HKEY_PERFORMANCE_TEXT"),
        33 => Registry::OpenRoot("HKEY_PERFORMANCE_NLSTEXT"),
        5 | 9 | 10 | 11 | 12 | 16 | 21 | 26 | 29 | 34 => Registry::Other(ndr.handle()?),
        6 | 7 | 15 | 23 | 35 => Registry::Key { key: ndr.handle()?, sub_key: string(ndr, MAX_NAME)? },
        8 | 17 => Registry::Value { key: ndr.handle()?, name: string(ndr, MAX_NAME)? },
        19 | 20 | 31 => Registry::File { key: ndr.handle()?, file: string(ndr, MAX_NAME)? },
        13 | 18 => Registry::Load { key: ndr.handle()?, sub_key: string(ndr, MAX_NAME)?, file: string(ndr, MAX_NAME) },
        22 => {
            let mut value = SetValue { key: ndr.handle()?, name: string(ndr, MAX_NAME)?, ..SetValue::default() };
            let _ = read_value(&mut value, ndr);
            Registry::SetValue(Box::new(value))
        }
        _ => return None,
    })
}

/// `RRP_UNICODE_STRING` ([MS-RRP] 2.2.4): lengths in bytes, and a pointer to a conformant and varying array.
fn string(ndr: &mut Ndr<'_>, max: usize) -> Option<Text> {
    ndr.align_pointer();
    let (len, _maximum) = (ndr.u16()?, ndr.u16()?);
    if !ndr.pointer()? {
        return Some(Text::default());
    }
    let (bytes, whole) = ndr.varying(2)?;
    let stated = bytes.get(..usize::from(len)).unwrap_or(bytes);
    Some(ndr.utf16(stated, whole, max))
}

fn read_value(value: &mut SetValue, ndr: &mut Ndr<'_>) -> Option<()> {
    let kind = ndr.u32()?;
    value.kind = Some(kind);
    let (data, whole) = ndr.byte_array()?;
    value.len = Some(data.len());
    // What is stored is in the order of the machine that keeps it, whatever the order of the call: little-endian.
    match kind {
        1 | 2 | 6 => value.text = Some(Text::utf16(data, whole, MAX_TEXT, true)),
        7 => value.text = Some(Text::multi(data, whole, MAX_TEXT)),
        4 => value.number = data.first_chunk().map(|four| u64::from(u32::from_le_bytes(*four))),
        5 => value.number = data.first_chunk().map(|four| u64::from(u32::from_be_bytes(*four))),
        11 => value.number = data.first_chunk().map(|eight| u64::from_le_bytes(*eight)),
        _ => {}
    }
    let _size = ndr.u32()?;
    Some(())
}

/// The handle that an answer hands out.
pub fn handed_out(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Handle> {
    matches!(opnum, 0..=4 | 6 | 15 | 27 | 32 | 33).then(|| ndr.handle()).flatten()
}

impl Registry {
    /// The key that the call is for.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        match self {
            Self::OpenRoot(_) => None,
            Self::SetValue(value) => Some(value.key),
            Self::Key { key, .. }
            | Self::Value { key, .. }
            | Self::File { key, .. }
            | Self::Load { key, .. }
            | Self::Other(key) => Some(*key),
        }
    }

    /// What is written.
    #[must_use]
    pub fn texts(&self) -> Vec<Executed<'_>> {
        match self {
            Self::SetValue(value) => {
                value.text.iter().map(|text| Executed { what: "registry_value", text: text.text.as_str().into() }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        match self {
            Self::OpenRoot(root) => {
                fields.set("root", *root);
            }
            Self::Key { sub_key, .. } => {
                fields.set("sub_key", sub_key);
            }
            Self::SetValue(value) => {
                fields.set("value", &value.name).set_some("type", value.kind).set_some("text", value.text.as_ref());
                fields.set_some("number", value.number).set_some("length", value.len);
            }
            Self::Value { name, .. } => {
                fields.set("value", name);
            }
            Self::File { file, .. } => {
                fields.set("file", file);
            }
            Self::Load { sub_key, file, .. } => {
                fields.set("sub_key", sub_key).set_some("file", file.as_ref());
            }
            Self::Other(_) => {}
        }
        if let Some(handle) = self.handle() {
            fields.set("handle", handle_text(&handle));
        }
        fields
    }
}
