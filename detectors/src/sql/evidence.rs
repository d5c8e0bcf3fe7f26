//! What a finding on a SQL server carries: decoded, bounded, without secrets.

use backstop_protocols::{pgsql, sql, tds};
use backstop_types::{Fields, Value};

use super::asked::{Request, value};
use crate::content::sql::{Hit, Reading};
pub use crate::veeam::evidence::plain;
use crate::veeam::evidence::{bounded, shown};
use crate::{Context, Finding, Meta};

/// Bytes of a name or a parameter shown.
const MAX_VALUE: usize = 512;
/// Parameters, tables, columns and errors shown.
const MAX_LISTED: usize = 16;

/// The object's name.
pub const fn object(request: &Request<'_>) -> &'static str {
    match request {
        Request::Tds(_) => "tds",
        Request::Pgsql(_) => "pgsql",
    }
}

/// A finding about a request.
pub fn finding(meta: &'static Meta, context: &Context<'_>, request: &Request<'_>, reading: &Reading) -> Finding {
    let max = context.config.max_excerpt;
    let text = request.text();
    let mut fields = session(request);
    if let Some(text) = &text {
        fields.set("sql", shown(text, max.saturating_mul(4)));
        fields.set("sql_length", text.len());
    }
    if !reading.kinds.is_empty() {
        fields.set("statements", reading.kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>());
    }
    if !reading.complete {
        fields.set("sql_unread", true);
    }
    let mut finding = plain(meta, context, Fields::new().with(object(request), fields));
    finding.tx_id = Some(request.tx_id());
    finding.excerpt = text.as_deref().map(|text| shown(text, max)).unwrap_or_default().into_bytes();
    finding.excerpt_of = text.map_or(0, |text| text.len() as u64);
    finding
}

/// Changes the object of a finding.
pub fn amend(finding: &mut Finding, object: &'static str, change: impl FnOnce(&mut Fields)) {
    let mut fields = match finding.context.get(object) {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Fields::new(),
    };
    change(&mut fields);
    finding.context.set(object, fields);
}

/// A finding on what a request carried: with who sent it.
pub fn carried(mut finding: Finding, request: &Request<'_>) -> Finding {
    finding.context.set(object(request), session(request));
    finding
}

/// The command that a condition runs.
pub fn set_command(fields: &mut Fields, hit: &Hit, max: usize) {
    fields.set_some("command", hit.command.as_deref().map(|command| shown(command, max)));
    if !hit.more_commands.is_empty() {
        fields.set("more_commands", hit.more_commands.iter().map(|command| shown(command, max)).collect::<Vec<_>>());
    }
}

fn text(value: Option<&str>) -> Option<String> {
    value.filter(|value| !value.is_empty()).map(|value| bounded(value, MAX_VALUE))
}

/// Who asks, where, and how.
fn session(request: &Request<'_>) -> Fields {
    let mut fields = Fields::new();
    match request {
        Request::Tds(request) => {
            let session = request.session;
            fields.set_some("user", text(session.user.as_deref()));
            fields.set_some("host", text(session.host.as_deref()));
            fields.set_some("application", text(session.application.as_deref()));
            fields.set_some("database", text(session.database.as_deref()));
            fields.set("kind", request.kind.name());
            let statement = request.statements.iter().find(|statement| statement.procedure.is_some());
            if let Some(statement) = statement {
                fields.set_some("procedure", text(statement.procedure.as_deref()));
                let parameters: Vec<String> = statement.parameters.iter().take(MAX_LISTED).filter_map(tds_parameter).collect();
                if !parameters.is_empty() {
                    fields.set("parameters", parameters);
                }
            }
            if request.truncated || request.statements.iter().any(|statement| statement.truncated) {
                fields.set("truncated", true);
            }
        }
        Request::Pgsql(request) => {
            let session = request.session;
            fields.set_some("user", text(session.user()));
            fields.set_some("application", text(session.application()));
            fields.set_some("database", text(session.database()));
            fields.set("kind", pgsql_kind(request.kind));
            let parameters = request.parameters.iter().take(MAX_LISTED).filter_map(|parameter| match parameter {
                pgsql::Parameter::Text(text) => Some(shown(text, MAX_VALUE)),
                pgsql::Parameter::Null | pgsql::Parameter::Binary(_) => None,
            });
            let parameters: Vec<String> = parameters.collect();
            if !parameters.is_empty() {
                fields.set("parameters", parameters);
            }
            if request.text_cut {
                fields.set("truncated", true);
            }
        }
    }
    fields
}

const fn pgsql_kind(kind: pgsql::Kind) -> &'static str {
    match kind {
        pgsql::Kind::SimpleQuery => "simple_query",
        pgsql::Kind::Prepare => "prepare",
        pgsql::Kind::Execute => "execute",
        pgsql::Kind::FunctionCall => "function_call",
        pgsql::Kind::Cancel => "cancel",
        pgsql::Kind::SslRequest => "ssl_request",
        pgsql::Kind::GssEncRequest => "gssenc_request",
    }
}

/// `@name=value`, the value of a secret left out.
fn tds_parameter(parameter: &tds::Parameter) -> Option<String> {
    let value = value(&parameter.value)?;
    Some(match parameter.name.as_deref() {
        Some(name) if sql::is_secret_name(name) => format!("{}=***", bounded(name, MAX_VALUE)),
        Some(name) => format!("{}={}", bounded(name, MAX_VALUE), shown(&value, MAX_VALUE)),
        None => shown(&value, MAX_VALUE),
    })
}

/// What the reply says; never rows.
pub fn reply(request: &Request<'_>) -> Option<Fields> {
    let mut fields = Fields::new();
    match request {
        Request::Tds(request) => {
            let reply = request.reply?;
            fields.set_some("ok", reply.ok());
            let errors = reply.errors.iter().take(MAX_LISTED);
            let errors: Vec<String> =
                errors.map(|error| format!("{}: {}", error.number, shown(&error.message, MAX_VALUE))).collect();
            if !errors.is_empty() {
                fields.set("errors", errors);
            }
            fields.set_some("rows", reply.rows);
            if !reply.columns.is_empty() {
                fields.set("columns", reply.columns.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>());
            }
            fields.set_some("return_status", reply.return_status.map(i64::from));
        }
        Request::Pgsql(request) => {
            let reply = request.reply?;
            fields.set("ok", reply.ok());
            if let Some(error) = &reply.error {
                fields.set("errors", vec![format!("{}: {}", error.code, shown(&error.message, MAX_VALUE))]);
            }
            if reply.rows > 0 {
                fields.set("rows", reply.rows);
            }
            if !reply.columns.is_empty() {
                fields.set("columns", reply.columns.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>());
            }
            fields.set_some("tag", reply.tag().map(str::to_owned));
        }
    }
    Some(fields)
}
