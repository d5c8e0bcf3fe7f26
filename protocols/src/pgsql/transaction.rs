//! What a PostgreSQL conversation says.

use backstop_types::Fields;

use super::backend::Report;
use super::frontend::Parameter;
use super::session::Session;
pub use crate::nmf::Stage;
use crate::sql::redact;

/// The startup of a session, or one request in it.
#[derive(Clone, Copy, Debug)]
pub enum Transaction<'a> {
    /// A stage of the startup.
    Startup(Startup<'a>),
    /// A stage of a request and its reply.
    Request(Request<'a>),
}

/// A stage of the startup: requested with the StartupMessage, answered when the server is ready or refuses.
#[derive(Clone, Copy, Debug)]
pub struct Startup<'a> {
    /// Number within the flow, from 0.
    pub tx_id: u64,
    /// How far it is.
    pub stage: Stage,
    /// What is known by now.
    pub session: &'a Session,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Query: the simple protocol (55.2.2).
    SimpleQuery,
    /// Parse that no Execute stood behind when it was answered (55.2.3).
    Prepare,
    /// Execute: a prepared statement with its parameters (55.2.3).
    Execute,
    /// FunctionCall (55.2.5).
    FunctionCall,
    /// CancelRequest (55.2.8).
    Cancel,
    /// SSLRequest (55.2.10).
    SslRequest,
    /// GSSENCRequest (55.2.11).
    GssEncRequest,
}

/// A request with its reply.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Number within the flow, from 0.
    pub tx_id: u64,
    /// How far it is.
    pub stage: Stage,
    /// What it asks for.
    pub kind: Kind,
    /// The statement; of an Execute the prepared one, `None` where that was not seen. Behind [`Stage::Requested`] it may be
    /// a shorter head of it. Passwords in it are there: [`redact`] them in what is written.
    pub text: Option<&'a str>,
    /// A cap or a gap took the end of `text`.
    pub text_cut: bool,
    /// Parameters of Execute, arguments of FunctionCall: the first 64, and 16 KiB of their texts.
    pub parameters: &'a [Parameter],
    /// Object id of the function that FunctionCall names.
    pub function: Option<u32>,
    /// Process that CancelRequest names.
    pub process_id: Option<u32>,
    /// Data of `COPY … FROM STDIN` by now.
    pub copy_in: Copied,
    /// The reply, at [`Stage::Answered`].
    pub reply: Option<&'a Reply>,
    /// The session, as far as it is known.
    pub session: &'a Session,
}

/// CopyData in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Messages; from the server that is rows.
    pub messages: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Which COPY the server began, with the number of columns (55.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// From the client.
    In(u16),
    /// To the client.
    Out(u16),
    /// Both: replication.
    Both,
}

/// A reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The first error.
    pub error: Option<Report>,
    /// Its end was seen, and no byte of the server was missing meanwhile.
    pub complete: bool,
    /// Command tags, for example `SELECT 6`; several of a query with several statements, the first 16.
    pub tags: Vec<String>,
    /// Columns of the last result.
    pub column_count: Option<u16>,
    /// Their names, the first 64.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: u64,
    /// Bytes of their values.
    pub row_bytes: u64,
    /// The last COPY that began.
    pub copy: Option<Copy>,
    /// Its data to the client.
    pub copy_out: Copied,
    /// A part of the rows was asked for, and more wait (PortalSuspended).
    pub suspended: bool,
    /// The function returned (FunctionCallResponse).
    pub returned: bool,
    /// The answer to an encryption request.
    pub accepted: Option<bool>,
}

impl Reply {
    /// The server did what it was asked.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.error.is_none() && self.accepted != Some(false) && (self.complete || self.returned || !self.tags.is_empty())
    }

    /// The last command tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tags.last().map(String::as_str)
    }

    fn fields(&self, kind: Kind) -> Fields {
        let mut fields = self.error.as_ref().map(Report::fields).unwrap_or_default();
        match (kind, self.accepted) {
            (Kind::SslRequest, Some(accepted)) => {
                fields.set("ssl_accepted", accepted);
            }
            (_, Some(accepted)) => {
                fields.set("message", if accepted { "gssenc_accepted" } else { "gssenc_refused" });
            }
            (_, None) => {}
        }
        fields.set_some("field_count", self.column_count);
        if self.rows > 0 {
            fields.set("data_rows", self.rows);
            fields.set("data_size", self.row_bytes);
        }
        match self.copy {
            Some(Copy::In(columns)) => {
                fields.set("copy_in_response", Fields::new().with("columns", columns));
            }
            Some(Copy::Out(columns)) => {
                fields.set("copy_out_response", Fields::new().with("columns", columns));
            }
            Some(Copy::Both) | None => {}
        }
        if self.copy_out.messages > 0 {
            let copied = Fields::new().with("row_count", self.copy_out.messages).with("data_size", self.copy_out.bytes);
            fields.set("copy_data_out", copied);
        }
        if !self.tags.is_empty() {
            fields.set("command_completed", self.tags.join("; "));
        }
        fields
    }
}

impl Request<'_> {
    /// What stands in the record as the message; the simple protocol has none, as in Suricata.
    fn message(&self) -> Option<String> {
        Some(match (self.kind, self.function) {
            (Kind::SimpleQuery, _) => return None,
            (Kind::Prepare, _) => "Parse".to_owned(),
            (Kind::Execute, _) => "Execute".to_owned(),
            (Kind::FunctionCall, Some(function)) => format!("Function Call {function}"),
            (Kind::FunctionCall, None) => "Function Call".to_owned(),
            (Kind::Cancel, _) => "Cancel Request".to_owned(),
            (Kind::SslRequest, _) => "SSL Request".to_owned(),
            (Kind::GssEncRequest, _) => "GSSENC Request".to_owned(),
        })
    }

    fn request_fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.set_some("message", self.message());
        fields.set_some("simple_query", self.text.map(|text| redact(text).into_owned()));
        fields.set_some("process_id", self.process_id);
        if self.copy_in.messages > 0 {
            let copied = Fields::new().with("msg_count", self.copy_in.messages).with("data_size", self.copy_in.bytes);
            fields.set("copy_data_in", copied);
        }
        fields
    }
}

impl Transaction<'_> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        match self {
            Self::Startup(startup) => Some(startup.tx_id),
            Self::Request(request) => Some(request.tx_id),
        }
    }

    /// The decoded facts: what Suricata's `pgsql` object allows. A prepared statement stands where a simple one does; the
    /// parameters bound to it have no place there.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let (request, response, tx_id) = match self {
            Self::Startup(startup) => (startup.session.request_fields(), startup.session.response_fields(), startup.tx_id),
            Self::Request(request) => {
                let reply = request.reply.map(|reply| reply.fields(request.kind)).unwrap_or_default();
                (request.request_fields(), reply, request.tx_id)
            }
        };
        let mut fields = Fields::new();
        if !request.is_empty() {
            fields.set("request", request);
        }
        if !response.is_empty() {
            fields.set("response", response);
        }
        fields.with("tx_id", tx_id)
    }

    /// Whether a record is written: when a startup or a request is over.
    #[must_use]
    pub fn is_record(&self) -> bool {
        match self {
            Self::Startup(startup) => startup.stage != Stage::Requested,
            Self::Request(request) => request.stage != Stage::Requested,
        }
    }
}
