//! What a finding on WinRM carries: decoded, bounded, without secrets.

use backstop_protocols::winrm::{Call, Command, Transaction};
use backstop_types::{Fields, Value};

use super::META;
use crate::veeam::evidence::{bounded, plain, shown};
use crate::{Context, Finding};

/// Parameters shown of a command.
const MAX_PARAMETERS: usize = 16;
/// Bytes shown of a value.
const MAX_VALUE: usize = 512;

/// Shell, resource and who asks.
pub fn about(of: &Transaction<'_>) -> Fields {
    let Call { operation, resource_uri, shell_id, encrypted, psrp_version, .. } = of.call;
    let mut fields = Fields::new().with("operation", operation.as_str());
    fields.set_some("resource_uri", resource_uri.as_deref().map(|uri| bounded(uri, MAX_VALUE)));
    fields.set_some("shell_id", shell_id.clone());
    fields.set_some("encrypted", encrypted.map(|protection| protection.as_str()));
    fields.set_some("psrp_version", psrp_version.clone());
    if let Some(identity) = of.identity {
        fields.set_some("auth", identity.mechanism);
        fields.set_some("user", identity.user.as_deref().map(|user| bounded(user, MAX_VALUE)));
        fields.set_some("domain", identity.domain.as_deref().map(|domain| bounded(domain, MAX_VALUE)));
        fields.set_some("workstation", identity.host.as_deref().map(|host| bounded(host, MAX_VALUE)));
    }
    fields
}

/// The same, and a command.
pub fn of_command(of: &Transaction<'_>, command: &Command, max: usize) -> Fields {
    let mut fields = about(of);
    fields.set("kind", command.kind.as_str());
    fields.set("command", shown(&command.text, max.saturating_mul(4)));
    fields.set("command_length", command.length);
    fields.set_some("command_id", command.id.clone());
    if !command.parameters.is_empty() {
        let parameters = command.parameters.iter().take(MAX_PARAMETERS).map(|parameter| {
            let mut fields = Fields::new();
            fields.set_some("name", parameter.name.as_deref().map(|name| shown(name, MAX_VALUE)));
            fields.set_some("value", parameter.value.as_deref().map(|value| shown(value, MAX_VALUE)));
            Value::from(fields)
        });
        fields.set("parameters", parameters.collect::<Vec<_>>());
    }
    if command.truncated {
        fields.set("truncated", true);
    }
    fields
}

/// 9404006 on a command.
pub fn finding(context: &Context<'_>, of: &Transaction<'_>, command: &Command, fields: Fields) -> Finding {
    let mut finding = plain(&META, context, Fields::new().with("winrm", fields));
    finding.tx_id = Some(of.tx_id);
    finding.excerpt = shown(&command.text, context.config.max_excerpt).into_bytes();
    finding.excerpt_of = command.length;
    finding
}

/// Changes the object `winrm`.
pub fn amend(finding: &mut Finding, change: impl FnOnce(&mut Fields)) {
    if let Some(Value::Object(fields)) = finding.context.get_mut("winrm") {
        change(fields);
    }
}
