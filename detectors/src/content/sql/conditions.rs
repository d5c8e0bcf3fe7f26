//! Conditions 9402001 to 9402006 of the catalogue.

use super::statement::{Call, Script, script};

/// A condition that a text meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its id in the catalogue.
    pub sid: u64,
    /// What it is called.
    pub name: &'static str,
    /// The command that would run, where there is one and it is constant.
    pub command: Option<String>,
}

/// Objects by which `sp_OACreate` runs programs or fetches files.
const AUTOMATION: [&str; 8] = [
    "wscript.shell",
    "shell.application",
    "msxml2.",
    "microsoft.xmlhttp",
    "winhttp.",
    "scripting.filesystemobject",
    "adodb.stream",
    // The class id of WScript.Shell.
    "{72c24dd5-d70a-438b-8a42-98424b88afb8}",
];

/// Languages of PostgreSQL that may do what the server may do.
const UNTRUSTED: [&str; 8] = ["plpythonu", "plpython2u", "plpython3u", "plperlu", "pltclu", "plsh", "plrubyu", "c"];

/// The conditions a text meets, each once, in order of their ids.
#[must_use]
pub fn conditions(text: &str) -> Vec<Hit> {
    let script = script(text);
    let mut hits = Vec::new();
    let mut add = |sid, name, command: Option<&str>| {
        if !hits.iter().any(|hit: &Hit| hit.sid == sid) {
            hits.push(Hit { sid, name, command: command.map(str::to_owned) });
        }
    };
    if script.calls.iter().any(enables_xp_cmdshell) {
        add(9_402_001, "xp_cmdshell enabled", None);
    }
    if let Some(call) = script.calls.iter().find(|call| call.name == "xp_cmdshell") {
        add(9_402_002, "xp_cmdshell executed", call.arguments.first().and_then(|argument| argument.value.as_deref()));
    }
    if let Some(command) = automation(&script) {
        add(9_402_003, "OLE automation execution", command);
    }
    if script.assemblies.iter().any(|bytes| bytes.starts_with(b"MZ")) {
        add(9_402_004, "CLR assembly from bytes", None);
    }
    if let Some(call) = script.calls.iter().find(|call| is_command_step(call)) {
        add(9_402_005, "SQL Agent command step", call.argument("@command", 5));
    }
    if let Some(command) = script.programs.first() {
        add(9_402_006, "PostgreSQL program execution", Some(command));
    } else if script.languages.iter().any(|language| UNTRUSTED.contains(&language.as_str()))
        || script.calls.iter().any(|call| call.name == "lo_export")
    {
        add(9_402_006, "PostgreSQL program execution", None);
    }
    hits
}

/// `sp_configure` takes the beginning of an option's name where no other begins so.
fn enables_xp_cmdshell(call: &Call) -> bool {
    let option = call.argument("@configname", 0).map(|name| name.trim().to_lowercase());
    let value = call.argument("@configvalue", 1).map(str::trim);
    call.name == "sp_configure"
        && option.is_some_and(|name| name.len() >= 4 && "xp_cmdshell".starts_with(&name))
        && value.and_then(|value| value.parse::<i64>().ok()) == Some(1)
}

/// An object that runs programs, and a method called after it was made; the method's argument.
fn automation(script: &Script) -> Option<Option<&str>> {
    let made = script.calls.iter().position(|call| {
        let object = call.argument("@progid", 0).map(|object| object.trim().to_lowercase());
        call.name == "sp_oacreate" && object.is_some_and(|object| AUTOMATION.iter().any(|known| object.starts_with(known)))
    })?;
    let method = script.calls.iter().skip(made).find(|call| call.name == "sp_oamethod")?;
    Some(method.arguments.iter().skip(3).find_map(|argument| argument.value.as_deref()))
}

fn is_command_step(call: &Call) -> bool {
    let subsystem = call.argument("@subsystem", 4).map(|subsystem| subsystem.trim().to_lowercase());
    call.name == "sp_add_jobstep" && subsystem.is_some_and(|subsystem| subsystem == "cmdexec" || subsystem == "powershell")
}
