//! Records: the object `tds`, bounded and without any secret.

use backstop_types::{Fields, Value as Fact};

use super::connection::version_name;
use super::login::Login;
use super::prelogin::Prelogin;
use super::reply::{Reply, ServerMessage};
use super::request::{Parameter, Statement};
use super::text;
use super::transaction::{Request, Session, Transaction};
use super::value::Value;
use crate::sql::{is_secret_name, redact};

/// Bytes of one text in the facts; what is written has a cap of its own.
const MAX_TEXT: usize = 64 * 1024;
/// Bytes of one parameter in a record.
const MAX_PARAMETER: usize = 1_024;
/// Statements, and parameters of one, in a record.
const MAX_LISTED: usize = 16;

impl Transaction<'_> {
    /// The decoded facts: the object `tds`.
    ///
    /// - a session has `session`: `encryption` (`none`, `login_only`, `full`, `strict`), `client_version`, `server_version`,
    ///   `instance`, `mars`, `fed_auth`, `handshake_records`;
    /// - a login has `login`: `version`, `host`, `user`, `application`, `server`, `library`, `language`, `database`,
    ///   `attach_file`, `packet_size`, `client_pid`, `integrated`, `sspi` (`mechanism`, `domain`, `user`, `workstation`),
    ///   `fed_auth`, `changes_password`; or `encrypted`, where TLS hides it; and `reply`;
    /// - a request has `version`, `user`, `host`, `application`, `database` of the session, and `kind` (`batch`, `rpc`,
    ///   `bulk`, `attention`, `transaction_manager`), `smp_session`, `statements` (`text`, `procedure`, `procedure_id`,
    ///   `parameters` with `name`, `type`, `output`, `value`; `prepared`, `truncated`), `bytes`, `truncated`; and `reply`;
    /// - a `reply` has `ok` where it is known, `complete`, `errors` and `infos` (`number`, `state`, `class`, `message`,
    ///   `procedure`), `rows`, `result_sets`, `columns`, `return_status`, `database`, `routing`, `attention`; of a login
    ///   also `program` and `program_version`.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let (mut fields, reply) = match self {
            Self::Session(session) => return Fields::new().with("session", of_session(session)),
            Self::Login(exchange) => {
                let login = exchange.login.map_or_else(|| Fields::new().with("encrypted", true), of_login);
                (Fields::new().with("login", login), exchange.reply)
            }
            Self::Request(request) => (of_request(request), request.reply),
        };
        fields.set_some("reply", reply.map(of_reply));
        fields
    }
}

fn set_flag(fields: &mut Fields, name: &'static str, flag: bool) {
    if flag {
        fields.set(name, true);
    }
}

fn of_session(session: &Session) -> Fields {
    let mut fields = Fields::new();
    fields.set_some("encryption", session.encryption.name());
    fields.set_some("client_version", session.client.as_ref().and_then(|client| client.version.clone()));
    fields.set_some("server_version", session.server.as_ref().and_then(|server| server.version.clone()));
    fields.set_some("instance", session.client.as_ref().and_then(|client| client.instance.clone()));
    let either = |of: fn(&Prelogin) -> bool| [&session.client, &session.server].into_iter().flatten().any(of);
    set_flag(&mut fields, "mars", either(|side| side.mars));
    set_flag(&mut fields, "fed_auth", either(|side| side.fed_auth));
    if session.handshake_records > 0 {
        fields.set("handshake_records", session.handshake_records);
    }
    fields
}

fn of_login(login: &Login) -> Fields {
    let mut fields = Fields::new();
    fields.set_some("version", version_name(login.tds_version));
    for (name, value) in [
        ("host", &login.host),
        ("user", &login.user),
        ("application", &login.application),
        ("server", &login.server),
        ("library", &login.library),
        ("language", &login.language),
        ("database", &login.database),
        ("attach_file", &login.attach_file),
    ] {
        fields.set_some(name, value.clone());
    }
    fields.set("packet_size", login.packet_size);
    fields.set("client_pid", login.client_pid);
    fields.set("integrated", login.integrated);
    if let Some(sspi) = &login.sspi {
        let mut of = Fields::new().with("mechanism", sspi.mechanism);
        of.set_some("domain", sspi.domain.clone());
        of.set_some("user", sspi.user.clone());
        of.set_some("workstation", sspi.workstation.clone());
        fields.set("sspi", of);
    }
    fields.set_some("fed_auth", login.fed_auth);
    set_flag(&mut fields, "changes_password", login.changes_password);
    fields
}

fn of_request(request: &Request<'_>) -> Fields {
    let (mut fields, session) = (Fields::new(), request.session);
    fields.set_some("version", session.version_name());
    fields.set_some("user", session.user.clone());
    fields.set_some("host", session.host.clone());
    fields.set_some("application", session.application.clone());
    fields.set_some("database", session.database.clone());
    fields.set("kind", request.kind.name());
    fields.set_some("smp_session", request.smp_session);
    if !request.statements.is_empty() {
        let listed = request.statements.iter().take(MAX_LISTED).map(|each| Fact::Object(of_statement(each)));
        fields.set("statements", listed.collect::<Vec<_>>());
    }
    fields.set("bytes", request.bytes);
    set_flag(&mut fields, "truncated", request.truncated || request.statements.len() > MAX_LISTED);
    fields
}

fn of_statement(statement: &Statement) -> Fields {
    let mut fields = Fields::new();
    let mut truncated = statement.truncated;
    if let Some(text) = &statement.text {
        truncated |= text.len() > MAX_TEXT;
        fields.set("text", redact(text::head(text, MAX_TEXT)).into_owned());
    }
    fields.set_some("procedure", statement.procedure.clone());
    fields.set_some("procedure_id", statement.procedure_id);
    if !statement.parameters.is_empty() {
        truncated |= statement.parameters.len() > MAX_LISTED;
        let listed = statement.parameters.iter().take(MAX_LISTED).map(|each| Fact::Object(of_parameter(statement, each)));
        fields.set("parameters", listed.collect::<Vec<_>>());
    }
    set_flag(&mut fields, "prepared", statement.prepared);
    set_flag(&mut fields, "truncated", truncated);
    fields
}

/// What is the statement's text already has no value of its own.
fn of_parameter(statement: &Statement, parameter: &Parameter) -> Fields {
    let mut fields = Fields::new();
    fields.set_some("name", parameter.name.clone());
    fields.set("type", parameter.type_name);
    set_flag(&mut fields, "output", parameter.output);
    if parameter.name.as_deref().is_some_and(is_secret_name) {
        return fields.with("value", "***");
    }
    let value = match &parameter.value {
        Value::Text { text, .. } if statement.text.as_ref() == Some(text) => return fields,
        Value::Null => return fields,
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Scalar(text) => text.clone(),
        Value::Text { text, .. } => redact(text::head(text, MAX_PARAMETER)).into_owned(),
        Value::Binary { len, .. } => format!("{len} bytes"),
        Value::Table { name, columns, rows } => format!("{name}: {rows} rows of {columns} columns"),
    };
    fields.with("value", value)
}

fn of_reply(reply: &Reply) -> Fields {
    let mut fields = Fields::new();
    fields.set_some("ok", reply.ok());
    fields.set("complete", reply.complete);
    set_messages(&mut fields, "errors", &reply.errors);
    set_messages(&mut fields, "infos", &reply.infos);
    fields.set_some("rows", reply.rows);
    if reply.result_sets > 0 {
        fields.set("result_sets", reply.result_sets);
        fields.set("columns", reply.columns.clone());
    }
    fields.set_some("return_status", reply.return_status.map(i64::from));
    fields.set_some("database", reply.database.clone());
    fields.set_some("routing", reply.routing.clone());
    set_flag(&mut fields, "attention", reply.attention);
    if let Some(ack) = &reply.login_ack {
        fields.set("program", ack.program.clone());
        fields.set("program_version", ack.version.clone());
    }
    fields
}

fn set_messages(fields: &mut Fields, name: &'static str, messages: &[ServerMessage]) {
    if messages.is_empty() {
        return;
    }
    let one = |message: &ServerMessage| {
        let mut fields = Fields::new()
            .with("number", i64::from(message.number))
            .with("state", message.state)
            .with("class", message.class)
            .with("message", message.message.clone());
        fields.set_some("procedure", message.procedure.clone());
        Fact::Object(fields)
    };
    fields.set(name, messages.iter().map(one).collect::<Vec<_>>());
}
