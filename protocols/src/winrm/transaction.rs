//! What a WinRM conversation says.

use backstop_types::{Fields, Value};

pub use crate::http::Stage;
use crate::http::{self, mask_target};
use crate::mask::mask;
use crate::smb::Identity;
use crate::soap::Fault;

/// Bytes of a command that a record shows.
const MAX_SHOWN: usize = 4 * 1024;
/// Bytes of a parameter's value, an id or an address that a record shows.
const MAX_VALUE: usize = 512;
/// Commands, messages and parameters that a record shows.
const MAX_LISTED: usize = 16;
/// Bytes of commands that a request keeps while it waits.
const MAX_KEPT: usize = 8 * 1024;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// It is not visible, or none of those below.
    #[default]
    Other,
    /// Nothing is asked yet: a round of authentication.
    Authenticate,
    /// A new shell.
    Create,
    /// A connection to a shell that was left.
    Connect,
    /// A command in a shell.
    Command,
    /// Output is fetched.
    Receive,
    /// Input is sent.
    Send,
    /// A command is interrupted or let go.
    Signal,
    /// A shell is left.
    Disconnect,
    /// A shell is ended.
    Delete,
    /// A method of a class is called.
    Invoke,
    /// Something is read: Get, Enumerate, Pull.
    Read,
    /// Who are you?
    Identify,
}

impl Operation {
    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Authenticate => "authenticate",
            Self::Create => "create",
            Self::Connect => "connect",
            Self::Command => "command",
            Self::Receive => "receive",
            Self::Send => "send",
            Self::Signal => "signal",
            Self::Disconnect => "disconnect",
            Self::Delete => "delete",
            Self::Invoke => "invoke",
            Self::Read => "read",
            Self::Identify => "identify",
        }
    }
}

/// How a body is encrypted ([MS-WSMV] 2.2.9.1): what it says is not visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// By what SPNEGO chose: NTLM or Kerberos.
    Spnego,
    /// By Kerberos.
    Kerberos,
    /// By CredSSP.
    CredSsp,
    /// By something else.
    Unknown,
}

impl Protection {
    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spnego => "spnego",
            Self::Kerberos => "kerberos",
            Self::CredSsp => "credssp",
            Self::Unknown => "unknown",
        }
    }
}

/// Where a command stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// A command line ([MS-WSMV] 2.2.4.11).
    Line,
    /// Input of a command ([MS-WSMV] 2.2.4.32).
    Input,
    /// A pipeline of PowerShell ([MS-PSRP] 2.2.2.10).
    Pipeline,
    /// Input of a pipeline ([MS-PSRP] 2.2.2.17).
    PipelineInput,
    /// What a pool of runspaces is made with ([MS-PSRP] 2.2.2.2): its scripts may read it. No record shows it.
    Pool,
    /// The command line of a process that a method starts (`Win32_Process`).
    Process,
}

impl CommandKind {
    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Input => "input",
            Self::Pipeline => "pipeline",
            Self::PipelineInput => "pipeline_input",
            Self::Pool => "pool",
            Self::Process => "process",
        }
    }

    /// How the text came about, for content rules.
    #[must_use]
    pub const fn layers(self) -> &'static [&'static str] {
        match self {
            Self::Line => &["winrm.command"],
            Self::Input => &["winrm.stdin"],
            Self::Pipeline => &["winrm.psrp", "clixml.pipeline"],
            Self::PipelineInput => &["winrm.psrp", "clixml.input"],
            Self::Pool => &["winrm.psrp", "clixml.pool"],
            Self::Process => &["winrm.process"],
        }
    }
}

/// A parameter of a command in a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; `None` where its place tells.
    pub name: Option<String>,
    /// Its value; `None` for secrets, and where there is none.
    pub value: Option<String>,
}

/// Something that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Where it stood.
    pub kind: CommandKind,
    /// Its text.
    pub text: String,
    /// Bytes of the whole text.
    pub length: u64,
    /// Parameters of a pipeline.
    pub parameters: Vec<Parameter>,
    /// The id of the command or pipeline.
    pub id: Option<String>,
    /// It is not all of it.
    pub truncated: bool,
    /// What stands there undecoded, where a cap of ours kept a part of it from being read.
    pub unread: Option<String>,
}

/// The head of a message of PowerShell remoting ([MS-PSRP] 2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PsrpMessage {
    /// MessageType.
    pub kind: u32,
    /// It is for the server.
    pub to_server: bool,
    /// The pool of runspaces.
    pub runspace: Option<String>,
    /// The pipeline.
    pub pipeline: Option<String>,
    /// Bytes of its data.
    pub length: u64,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// What is asked for.
    pub operation: Operation,
    /// The action of WS-Addressing.
    pub action: Option<String>,
    /// What it is asked of.
    pub resource_uri: Option<String>,
    /// The shell.
    pub shell_id: Option<String>,
    /// The command in it.
    pub command_id: Option<String>,
    /// The body is encrypted.
    pub encrypted: Option<Protection>,
    /// What runs.
    pub commands: Vec<Command>,
    /// Messages of PowerShell remoting that are complete with this request.
    pub psrp: Vec<PsrpMessage>,
    /// The protocol version of PowerShell remoting.
    pub psrp_version: Option<String>,
    /// The signal.
    pub signal: Option<String>,
    /// Not all of the request was read.
    pub truncated: bool,
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Status of HTTP.
    pub status: u16,
    /// The fault.
    pub fault: Option<Fault>,
    /// The shell.
    pub shell_id: Option<String>,
    /// The command: it was started.
    pub command_id: Option<String>,
    /// `done`, `running`, `pending`.
    pub state: Option<&'static str>,
    /// The exit code of a command that is done.
    pub exit_code: Option<i64>,
    /// What a method returned.
    pub return_value: Option<i64>,
    /// Bytes of output, of errors.
    pub output: [u64; 2],
    /// Messages of PowerShell remoting that are complete with this response.
    pub psrp: Vec<PsrpMessage>,
    /// How a pipeline is: `completed`, `failed` …
    pub pipeline_state: Option<&'static str>,
    /// The body is encrypted.
    pub encrypted: Option<Protection>,
    /// Not all of the response was read.
    pub truncated: bool,
}

/// A stage of a request and its response.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// Number of the HTTP exchange within the flow.
    pub tx_id: u64,
    /// How far it is.
    pub stage: Stage,
    /// The request.
    pub call: &'a Call,
    /// The response, at [`Stage::Answered`].
    pub reply: Option<&'a Reply>,
    /// Who asks: from this request or an earlier one of the connection.
    pub identity: Option<&'a Identity>,
    /// The request itself says who asks.
    pub credentials: bool,
    /// The exchange that carries it.
    pub http: http::Exchange<'a>,
}

impl Call {
    /// Leaves what a record shows.
    pub(super) fn trim(&mut self) {
        let mut room = MAX_KEPT;
        self.commands.retain(|command| command.kind != CommandKind::Pool);
        self.commands.truncate(MAX_LISTED);
        for command in &mut self.commands {
            command.text.truncate(command.text.floor_char_boundary(room.min(MAX_SHOWN)));
            room -= command.text.len();
            command.text.shrink_to_fit();
            command.unread = None;
            command.parameters.truncate(MAX_LISTED);
            for value in command.parameters.iter_mut().filter_map(|parameter| parameter.value.as_mut()) {
                value.truncate(value.floor_char_boundary(room.min(MAX_VALUE)));
                value.shrink_to_fit();
                room -= value.len();
            }
        }
        self.psrp.truncate(MAX_LISTED);
    }

    /// Bytes that it keeps.
    pub(super) fn size(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let commands = self.commands.iter().map(|command| {
            let parameters = command.parameters.iter().map(|parameter| text(&parameter.value) + text(&parameter.name) + 48);
            command.text.capacity() + parameters.sum::<usize>() + size_of::<Command>()
        });
        commands.sum::<usize>()
            + [&self.action, &self.resource_uri, &self.shell_id, &self.command_id].into_iter().map(text).sum::<usize>()
            + self.psrp.len() * 160
            + size_of::<Self>()
    }

    /// The decoded facts, secrets left out.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new().with("operation", self.operation.as_str());
        fields.set_some("action", self.action.clone());
        fields.set_some("resource_uri", self.resource_uri.clone());
        fields.set_some("shell_id", self.shell_id.clone());
        fields.set_some("command_id", self.command_id.clone());
        if let Some(protection) = self.encrypted {
            fields.set("encrypted", protection.as_str());
        }
        if !self.commands.is_empty() {
            let commands: Vec<Value> = self.commands.iter().take(MAX_LISTED).map(|command| command.fields().into()).collect();
            fields.set("commands", commands);
        }
        messages(&mut fields, &self.psrp);
        fields.set_some("psrp_version", self.psrp_version.clone());
        fields.set_some("signal", self.signal.clone());
        if self.truncated {
            fields.set("truncated", true);
        }
        fields
    }
}

fn messages(fields: &mut Fields, messages: &[PsrpMessage]) {
    if !messages.is_empty() {
        fields.set("psrp", messages.iter().take(MAX_LISTED).map(|message| message.fields().into()).collect::<Vec<Value>>());
    }
}

fn shown(text: &str, max: usize) -> String {
    // Masked before it is cut: half a secret is one, too.
    let head = text.get(..text.floor_char_boundary(max.saturating_mul(2))).unwrap_or(text);
    let mut masked = mask(head).0;
    masked.truncate(masked.floor_char_boundary(max));
    masked
}

impl Command {
    /// The decoded facts, secrets left out.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new().with("kind", self.kind.as_str()).with("text", shown(&self.text, MAX_SHOWN));
        fields.set("length", self.length);
        if !self.parameters.is_empty() {
            let parameter = |parameter: &Parameter| {
                let mut fields = Fields::new();
                fields.set_some("name", parameter.name.as_deref().map(|name| shown(name, MAX_VALUE)));
                fields.set_some("value", parameter.value.as_deref().map(|value| shown(value, MAX_VALUE)));
                Value::from(fields)
            };
            fields.set("parameters", self.parameters.iter().take(MAX_LISTED).map(parameter).collect::<Vec<_>>());
        }
        fields.set_some("id", self.id.clone());
        if self.truncated {
            fields.set("truncated", true);
        }
        fields
    }
}

impl PsrpMessage {
    fn fields(&self) -> Fields {
        let mut fields = Fields::new().with("type", super::type_name(self.kind));
        if super::type_name(self.kind) == "UNKNOWN" {
            fields.set("number", self.kind);
        }
        fields.set_some("runspace", self.runspace.clone());
        fields.set_some("pipeline", self.pipeline.clone());
        fields.set("length", self.length);
        fields
    }
}

impl Reply {
    /// The decoded facts: what came back is counted, never kept.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new().with("status", self.status);
        if let Some(fault) = &self.fault {
            let reason = shown(&fault.reason, MAX_VALUE);
            fields.set("fault", Fields::new().with("code", fault.code.clone()).with("reason", reason));
        }
        fields.set_some("shell_id", self.shell_id.clone());
        fields.set_some("command_id", self.command_id.clone());
        fields.set_some("state", self.state);
        fields.set_some("exit_code", self.exit_code);
        fields.set_some("return_value", self.return_value);
        let [output, errors] = self.output;
        fields.set_some("output_length", Some(output).filter(|length| *length > 0));
        fields.set_some("errors_length", Some(errors).filter(|length| *length > 0));
        messages(&mut fields, &self.psrp);
        fields.set_some("pipeline_state", self.pipeline_state);
        if let Some(protection) = self.encrypted {
            fields.set("encrypted", protection.as_str());
        }
        if self.truncated {
            fields.set("truncated", true);
        }
        fields
    }
}

/// The decoded names of whoever asks.
fn identity_fields(identity: &Identity, fields: &mut Fields) {
    fields.set_some("auth", identity.mechanism);
    fields.set_some("user", identity.user.clone());
    fields.set_some("domain", identity.domain.clone());
    fields.set_some("workstation", identity.host.clone());
    fields.set_some("realm", identity.realm.clone());
    if !identity.service.is_empty() {
        fields.set("service", identity.service.join("/"));
    }
}

impl Transaction<'_> {
    /// Number of the HTTP exchange within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        Some(self.tx_id)
    }

    /// The decoded facts, secrets left out.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = self.call.fields();
        if let Some(request) = self.http.request {
            fields.set("url", mask_target(&request.target));
        }
        if let Some(identity) = self.identity {
            identity_fields(identity, &mut fields);
        }
        fields.set_some("reply", self.reply.map(Reply::fields));
        fields
    }

    /// Suricata's object of the exchange that carries it.
    #[must_use]
    pub fn http_fields(&self) -> Fields {
        http::Transaction::Exchange(self.http).fields()
    }

    /// Whether a record is written: requests that are over.
    #[must_use]
    pub fn is_record(&self) -> bool {
        self.stage != Stage::Requested
    }
}
