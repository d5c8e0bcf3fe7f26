//! WMI ([MS-WMI] 3.1.4): the login to a namespace, methods with their input, queries, and objects that are put.

use backstop_types::Fields;

use super::objref;
use super::text::Text;
use super::{Executed, dcom, names, wmio};
use crate::dcerpc::ndr::{MAX_NAME, MAX_TEXT, Ndr};

/// A call of WMI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wmi {
    /// `IWbemLevel1Login::NTLMLogin`, `IWbemServices::OpenNamespace`.
    Login {
        /// The namespace.
        namespace: Option<Text>,
    },
    /// `EstablishPosition`, `RequestChallenge`: what comes before a login.
    Prepare,
    /// `ExecMethod`, `ExecMethodAsync`.
    Method(Box<Method>),
    /// `ExecQuery`, `ExecNotificationQuery`, and their asynchronous forms.
    Query {
        /// `WQL`.
        language: Option<Text>,
        /// The query.
        query: Option<Text>,
        /// For events to come.
        notification: bool,
    },
    /// `PutInstance`, `PutClass`, and their asynchronous forms.
    Put {
        /// What is put, where it can be read.
        object: Option<Box<wmio::Object>>,
    },
    /// An operation that names a class or an object: it is got, deleted, listed.
    Named(Option<Text>),
}

/// A call of a method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Method {
    /// The class, or the path of an instance.
    pub path: Option<Text>,
    /// The method.
    pub name: Option<Text>,
    /// Its input, where it can be read.
    pub input: Option<Box<wmio::Object>>,
}

/// A request, as far as it can be read.
pub fn request(interface: u128, opnum: u16, ndr: &mut Ndr<'_>) -> Option<Wmi> {
    Some(match (interface, opnum) {
        (names::WBEM_LOGIN, 3 | 4) => {
            dcom::this(ndr)?;
            Wmi::Prepare
        }
        (names::WBEM_LOGIN, 6) => {
            dcom::this(ndr)?;
            Wmi::Login { namespace: ndr.unique_string(true, MAX_NAME)? }
        }
        (names::WBEM_SERVICES, 3) => {
            dcom::this(ndr)?;
            Wmi::Login { namespace: bstr(ndr, MAX_NAME)? }
        }
        (names::WBEM_SERVICES, 6 | 7 | 10..=13 | 16..=19) => {
            dcom::this(ndr)?;
            Wmi::Named(bstr(ndr, MAX_NAME)?)
        }
        (names::WBEM_SERVICES, 8 | 9 | 14 | 15) => {
            dcom::this(ndr)?;
            Wmi::Put { object: object(ndr)? }
        }
        (names::WBEM_SERVICES, 20..=23) => {
            dcom::this(ndr)?;
            let (language, query) = (bstr(ndr, MAX_NAME)?, bstr(ndr, MAX_TEXT).flatten());
            Wmi::Query { language, query, notification: opnum >= 22 }
        }
        (names::WBEM_SERVICES, 24 | 25) => {
            dcom::this(ndr)?;
            let mut method = Method { path: bstr(ndr, MAX_NAME)?, ..Method::default() };
            let _ = read_method(&mut method, ndr);
            Wmi::Method(Box::new(method))
        }
        _ => return None,
    })
}

fn read_method(method: &mut Method, ndr: &mut Ndr<'_>) -> Option<()> {
    method.name = bstr(ndr, MAX_NAME)?;
    let _flags = ndr.u32()?;
    let _context = objref::unique_interface_pointer(ndr)?;
    method.input = object(ndr)?;
    Some(())
}

/// A `BSTR` ([MS-OAUT] 2.2.23): a pointer to a conformant structure of two lengths and characters.
fn bstr(ndr: &mut Ndr<'_>, max: usize) -> Option<Option<Text>> {
    if !ndr.pointer()? {
        return Some(None);
    }
    let units = ndr.count()?;
    let (bytes, _units) = (ndr.u32()?, ndr.u32()?);
    let (data, whole) = ndr.up_to(units.checked_mul(2)?);
    let stated = usize::try_from(bytes).ok().and_then(|bytes| data.get(..bytes)).unwrap_or(data);
    Some(Some(ndr.utf16(stated, whole, max)))
}

/// A pointer to an object that is sent itself. `Some(None)`: null, or not readable, which is told.
fn object(ndr: &mut Ndr<'_>) -> Option<Option<Box<wmio::Object>>> {
    let Some(bytes) = objref::unique_interface_pointer(ndr)? else { return Some(None) };
    let object = objref::read(bytes).and_then(|reference| reference.custom(wmio::read));
    if object.as_ref().is_none_or(|object| object.truncated) {
        ndr.give_up();
    }
    Some(object.map(Box::new))
}

/// The output of a method, of its answer: pointers to pointers ([MS-WMI] 3.1.4.3.22).
pub fn output(ndr: &mut Ndr<'_>) -> Option<Box<wmio::Object>> {
    dcom::that(ndr)?;
    if !ndr.pointer()? {
        return None;
    }
    object(ndr).flatten()
}

impl Wmi {
    /// Texts that are run or stored: a command line, a script, a query.
    #[must_use]
    pub fn texts(&self) -> Vec<Executed<'_>> {
        let of = |what: &'static str, text: &Text| Executed { what, text: text.text.clone().into() };
        match self {
            Self::Method(method) => method
                .input
                .iter()
                .flat_map(|input| input.texts())
                .map(|(name, text)| {
                    of(if name.eq_ignore_ascii_case("CommandLine") { "wmi_command_line" } else { "wmi_argument" }, text)
                })
                .collect(),
            Self::Put { object } => object
                .iter()
                .flat_map(|object| object.texts())
                .map(|(name, text)| match name.to_ascii_lowercase().as_str() {
                    "commandlinetemplate" | "executablepath" => of("wmi_command_line", text),
                    "scripttext" => of("wmi_script", text),
                    "query" => of("wmi_query", text),
                    _ => of("wmi_property", text),
                })
                .collect(),
            Self::Query { query: Some(query), .. } => vec![of("wmi_query", query)],
            _ => Vec::new(),
        }
    }

    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        match self {
            Self::Login { namespace } => {
                fields.set_some("namespace", namespace.as_ref());
            }
            Self::Prepare => {}
            Self::Method(method) => {
                fields.set_some("path", method.path.as_ref()).set_some("method", method.name.as_ref());
                fields.set_some("input", method.input.as_ref().map(|input| input.fields()));
            }
            Self::Query { language, query, .. } => {
                fields.set_some("language", language.as_ref()).set_some("query", query.as_ref());
            }
            Self::Put { object } => {
                fields.set_some("object", object.as_ref().map(|object| object.fields()));
            }
            Self::Named(path) => {
                fields.set_some("path", path.as_ref());
            }
        }
        fields
    }
}
