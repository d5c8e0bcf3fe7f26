//! What a Veeam remote invocation says.

use backstop_types::Fields;

/// Bytes of SQL that are kept while a reply is waited for.
const MAX_KEPT_SQL: usize = 4_096;
/// Parameters and further methods that are.
const MAX_KEPT: usize = 16;

/// A stage of one invocation. The numbers of the exchange ([`crate::nmf::Exchange`]) are kept.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// The exchange that carries it.
    pub tx_id: u64,
    /// How far it is.
    pub stage: Stage,
    /// What was asked.
    pub call: &'a Call,
    /// What came back, at [`Stage::Answered`].
    pub reply: Option<&'a Reply>,
}

pub use crate::nmf::Stage;

/// One call of a Veeam WCF contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// From the action: `IRemoteInvokeService`.
    pub contract: String,
    /// From the action: `Invoke`, `GetDataTable`.
    pub operation: String,
    /// The operation's own scope argument.
    pub scope: Option<String>,
    /// The operation's own method argument.
    pub method: Option<String>,
    /// Further methods that the call names: a doubled argument, an inner specification, or what a specification that cannot be
    /// read as a tree says. Which of them the service takes is not known.
    pub more_methods: Vec<String>,
    /// The `RemoteInvokeSpec` inside the parameters, where there is one.
    pub spec: Option<Spec>,
    /// Text of the `SqlCommand` elements, unescaped, bounded; several are lines of it.
    pub sql: Option<String>,
    /// The texts of several `SqlCommand` elements, each for itself: one may not comment out the next. Empty where there is one.
    pub sql_texts: Vec<String>,
    /// A cap or a gap cut the SQL where only blanks and comments had come: what it does was not seen.
    pub sql_hidden: bool,
    /// Something was left out: a cap was reached or bytes are missing.
    pub truncated: bool,
}

/// The inner XML ([`Call::spec`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// Root element: `RemoteInvokeSpec`, `DbGetDataTableRemoteInvokeSpec`.
    pub kind: String,
    /// `ContextSessionId`.
    pub context_session_id: Option<String>,
    /// `Scope`.
    pub scope: Option<String>,
    /// `Method`.
    pub method: Option<String>,
    /// `Param` elements in order, bounded.
    pub params: Vec<Param>,
}

/// One `Param` of a spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Param {
    /// `ParamName`.
    pub name: String,
    /// `ParamType`.
    pub kind: String,
    /// `ParamValue` as readable text where it decodes to one (a string, a number, an id), bounded; else none.
    pub value: Option<String>,
    /// Bytes of the value on the wire.
    pub length: u64,
}

/// The kind of a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyKind {
    /// A SOAP fault.
    Fault,
    /// No return value.
    #[default]
    Empty,
    /// A return value.
    Value,
}

/// What came back. Never the value itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// What it is.
    pub kind: ReplyKind,
    /// Bytes of the message.
    pub length: u64,
    /// Class of the root object of the returned BinaryFormatter data, bounded.
    pub class: Option<String>,
    /// Credential objects found in it, where the data could be walked to its end.
    pub credential_count: Option<u64>,
    /// Reason of a fault, bounded.
    pub fault: Option<String>,
}

impl Call {
    /// Every method named by the call: its own argument and the spec's, each once.
    pub fn effective_methods(&self) -> impl Iterator<Item = &str> {
        let own = self.method.as_deref();
        let inner = self.spec.as_ref().and_then(|spec| spec.method.as_deref()).filter(|inner| Some(*inner) != own);
        own.into_iter().chain(inner).chain(self.more_methods.iter().map(String::as_str))
    }

    /// Each SQL text for itself.
    pub fn each_sql(&self) -> impl Iterator<Item = &str> {
        let only = self.sql.as_deref().filter(|_| self.sql_texts.is_empty());
        only.into_iter().chain(self.sql_texts.iter().map(String::as_str))
    }

    /// What is kept while the reply is waited for: detectors have seen the whole at [`Stage::Requested`].
    pub(super) fn trim(&mut self) {
        self.sql_texts = Vec::new();
        self.more_methods.truncate(MAX_KEPT);
        if let Some(sql) = &mut self.sql
            && sql.len() > MAX_KEPT_SQL
        {
            let end = (0..=MAX_KEPT_SQL).rev().find(|&end| sql.is_char_boundary(end)).unwrap_or(0);
            sql.truncate(end);
            sql.shrink_to_fit();
            self.truncated = true;
        }
        if let Some(spec) = &mut self.spec
            && spec.params.len() > MAX_KEPT
        {
            spec.params.truncate(MAX_KEPT);
            spec.params.shrink_to_fit();
            self.truncated = true;
        }
    }

    /// Bytes it keeps, roughly.
    pub(super) fn size(&self) -> usize {
        let texts = [Some(&self.contract), Some(&self.operation), self.scope.as_ref(), self.method.as_ref(), self.sql.as_ref()];
        let params = self.spec.iter().flat_map(|spec| &spec.params);
        let params = params.map(|param| param.name.len() + param.kind.len() + param.value.as_ref().map_or(0, String::len));
        let all = texts.into_iter().flatten().chain(&self.more_methods).map(String::len).chain(params);
        all.map(|len| len + size_of::<String>()).sum::<usize>() + size_of::<Self>()
    }

    /// Ids asked for: the readable values of the parameters.
    pub fn lookup_ids(&self) -> impl Iterator<Item = &str> {
        self.spec.iter().flat_map(|spec| spec.params.iter().filter_map(|param| param.value.as_deref()))
    }

    /// The decoded facts.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new().with("contract", self.contract.clone()).with("operation", self.operation.clone());
        let spec = self.spec.as_ref();
        fields.set_some("scope", self.scope.clone().or_else(|| spec.and_then(|spec| spec.scope.clone())));
        fields.set_some("method", self.method.clone().or_else(|| spec.and_then(|spec| spec.method.clone())));
        if let Some(spec) = spec {
            fields.set("spec", spec.kind.clone());
            fields.set_some("context_session_id", spec.context_session_id.clone());
            if !spec.params.is_empty() {
                fields
                    .set("params", spec.params.iter().map(|param| param.fields().into()).collect::<Vec<backstop_types::Value>>());
            }
        }
        if !self.more_methods.is_empty() {
            fields.set("more_methods", self.more_methods.clone());
        }
        fields.set_some("sql", self.sql.clone());
        if self.truncated {
            fields.set("truncated", true);
        }
        fields
    }
}

impl Param {
    fn fields(&self) -> Fields {
        let mut fields = Fields::new().with("name", self.name.clone()).with("type", self.kind.clone());
        fields.set_some("value", self.value.clone());
        fields.set("length", self.length);
        fields
    }
}

impl Reply {
    /// The decoded facts.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let kind = match self.kind {
            ReplyKind::Fault => "fault",
            ReplyKind::Empty => "empty",
            ReplyKind::Value => "value",
        };
        let mut fields = Fields::new().with("kind", kind).with("length", self.length);
        fields.set_some("class", self.class.clone());
        fields.set_some("credential_count", self.credential_count);
        fields.set_some("fault", self.fault.clone());
        fields
    }
}

impl Transaction<'_> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        Some(self.tx_id)
    }

    /// The decoded facts.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = self.call.fields();
        fields.set_some("reply", self.reply.map(Reply::fields));
        fields
    }

    /// Whether a record is written: calls that are over.
    #[must_use]
    pub fn is_record(&self) -> bool {
        self.stage != Stage::Requested
    }
}
