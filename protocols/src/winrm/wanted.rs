//! What of an envelope is read ([MS-WSMV] 2.2.4, DSP0226).

use crate::soap::{Element, xml};

/// What a message is asked for. Padding of other names takes no room from what runs.
pub const WANTED: xml::Wanted = xml::Wanted { element: is_wanted, attribute: is_wanted_attribute };

fn is_wanted(around: &[Element], name: &str) -> bool {
    let [_, section, rest @ ..] = around else { return around.is_empty() || matches!(name, "Header" | "Body") };
    match (section.name.as_str(), rest) {
        ("Header", []) => matches!(name, "Action" | "ResourceURI" | "SelectorSet" | "OptionSet"),
        ("Header", [set]) if set.name == "SelectorSet" => name == "Selector",
        ("Header", [set]) if set.name == "OptionSet" => name == "Option",
        ("Body", []) => PARTS.contains(&name) || name.ends_with("_INPUT") || name.ends_with("_OUTPUT"),
        ("Body", [part]) if part.name == "Fault" || part.name == "ResourceCreated" => true,
        ("Body", [part]) if part.name.ends_with("_INPUT") => name.eq_ignore_ascii_case("CommandLine"),
        ("Body", [_]) => INSIDE.contains(&name),
        _ => true,
    }
}

/// What stands in a body ([MS-WSMV] 2.2.4, DSP0226).
const PARTS: [&str; 13] = [
    "Shell",
    "Connect",
    "CommandLine",
    "Send",
    "Receive",
    "Signal",
    "Disconnect",
    "Reconnect",
    "Identify",
    "Fault",
    "CommandResponse",
    "ReceiveResponse",
    "ResourceCreated",
];
/// … and in one of those.
const INSIDE: [&str; 11] = [
    "Command",
    "Arguments",
    "Stream",
    "DesiredStream",
    "Code",
    "CommandId",
    "CommandState",
    "ShellId",
    "ReturnValue",
    "creationXml",
    "connectXml",
];

fn is_wanted_attribute(name: &str) -> bool {
    matches!(name, "Name" | "CommandId" | "ShellId" | "State")
}
