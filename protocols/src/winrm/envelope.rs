//! An envelope as a request; responses: `reply` ([MS-WSMV] 2.2.4, DSP0226).
//!
//! What runs is told by the body, not by the action: which of both a service believes is not known here. Nothing here chooses
//! between things that stand twice, each counts.

use super::anomaly;
use super::clixml::{self, whole_text};
use super::fragments::{self, Defragmenter, Output, Stream};
use super::psrp::{self, Assembled};
use super::streams::{Lines, decoded, expanded, is_base64};
use super::transaction::{Call, Command, CommandKind, Operation};
use super::wanted;
use crate::contract::Limits;
use crate::soap::{Element, xml};

/// Bytes of an id or address.
const MAX_NAME: usize = 256;
/// Commands of one request. A server takes one.
const MAX_COMMANDS: usize = 16;
/// What every envelope of WS-Management names, in UTF-8 and in UTF-16 of both orders.
const NAMESPACES: [&[u8]; 2] = [b"/wsman/", b"/\0w\0s\0m\0a\0n\0/"];
/// Bytes of a message for each node that is kept of it, at least.
const BYTES_PER_NODE: usize = 8;
/// The stream of input ([MS-PSRP] 3.1.5.1.1).
const STDIN: &str = "stdin";

/// A body as far as it is there.
#[derive(Clone, Copy)]
pub struct Body<'a> {
    pub bytes: &'a [u8],
    /// Bytes are missing.
    pub cut: bool,
    /// A cap of ours took the rest.
    pub capped: bool,
}

/// What reading gives besides.
pub struct Reader<'a> {
    pub limits: &'a Limits,
    pub fragments: &'a mut Defragmenter,
    pub lines: &'a mut Lines,
    pub tell: &'a mut dyn FnMut(&'static str),
    /// Decoded bytes that no command holds: messages, output.
    pub contents: &'a mut Vec<(&'static [&'static str], Vec<u8>)>,
}

/// Whether a body may be one of WS-Management.
pub fn may_be(bytes: &[u8]) -> bool {
    NAMESPACES.iter().any(|name| memchr::memmem::find(bytes, name).is_some())
}

/// UTF-8, or UTF-16 by its mark or by how a first element looks ([MS-WSMV] 2.2.1).
fn text(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [b'<' | b' ' | b'\t' | b'\r' | b'\n', 0, ..] => wide(bytes, u16::from_le_bytes),
        [0, b'<' | b' ' | b'\t' | b'\r' | b'\n', ..] => wide(bytes, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).into_owned(),
    }
}

impl Reader<'_> {
    /// The envelope; whether something of it is missing.
    pub(super) fn tree(&mut self, body: Body<'_>) -> (Option<Element>, bool) {
        let text = text(body.bytes);
        let limits = self.limits;
        let limits = Limits { max_message: limits.max_envelope, max_text: limits.max_envelope, ..*limits };
        let limits = Limits { max_nodes: limits.max_nodes.max(text.len() / BYTES_PER_NODE), ..limits };
        if body.cut {
            (self.tell)(anomaly::MESSAGE_CUT);
        } else if body.capped {
            (self.tell)(anomaly::MESSAGE_LIMIT);
        }
        let whole = !body.cut && !body.capped;
        match xml::parse_wanted(&text, &limits, wanted::WANTED) {
            Ok(tree) if tree.root.name == "Envelope" => {
                if tree.capped {
                    (self.tell)(anomaly::MESSAGE_LIMIT);
                } else if tree.truncated && whole {
                    (self.tell)(anomaly::BAD_ENVELOPE);
                }
                (Some(tree.root), tree.truncated || !whole)
            }
            Ok(_) => {
                (self.tell)(anomaly::BAD_ENVELOPE);
                (None, true)
            }
            Err(error) => {
                if error == xml::XmlError::Forbidden {
                    (self.tell)(anomaly::FORBIDDEN_XML);
                } else if whole {
                    (self.tell)(anomaly::BAD_ENVELOPE);
                }
                (None, true)
            }
        }
    }

    /// Reads a request.
    pub fn call(&mut self, body: Body<'_>) -> Call {
        let (root, truncated) = self.tree(body);
        let mut call = Call { truncated, ..Call::default() };
        let Some(root) = root else { return call };
        let mut skips_cmd = false;
        for header in root.elements().filter(|part| part.name == "Header") {
            read_header(header, &mut call, &mut skips_cmd);
        }
        let parts = root.elements().filter(|part| part.name == "Body").flat_map(Element::elements);
        for part in parts {
            self.part(part, &mut call, skips_cmd);
        }
        if call.operation == Operation::Other {
            call.operation = call.action.as_deref().map_or(Operation::Other, by_action);
        }
        call
    }

    fn part(&mut self, part: &Element, call: &mut Call, skips_cmd: bool) {
        match part.name.as_str() {
            "Shell" => {
                call.operation = by_action_or(call, Operation::Create);
                call.shell_id = call.shell_id.take().or_else(|| part.attribute("ShellId").map(name));
                for opening in part.elements().filter(|inner| is_opening(&inner.name)) {
                    self.fragments_in(&whole_text(opening), None, call);
                }
            }
            "Connect" => {
                call.operation = Operation::Connect;
                for opening in part.elements().filter(|inner| is_opening(&inner.name)) {
                    self.fragments_in(&whole_text(opening), None, call);
                }
            }
            "CommandLine" => {
                call.operation = Operation::Command;
                self.command_line(part, call, skips_cmd);
            }
            "Send" => {
                call.operation = Operation::Send;
                for stream in part.elements().filter(|inner| inner.name == "Stream") {
                    call.command_id = call.command_id.take().or_else(|| stream.attribute("CommandId").map(name));
                    self.input(stream, call);
                }
            }
            "Receive" => {
                call.operation = Operation::Receive;
                let stream = part.child("DesiredStream");
                call.command_id = stream.and_then(|stream| stream.attribute("CommandId")).map(name);
            }
            "Signal" => {
                call.operation = Operation::Signal;
                call.command_id = part.attribute("CommandId").map(name);
                // The last part of an address ([MS-WSMV] 2.2.4.38).
                let code = part.child("Code").map(whole_text);
                call.signal = code.map(|code| name(code.rsplit('/').next().unwrap_or(&code)));
            }
            "Disconnect" | "Reconnect" => call.operation = Operation::Disconnect,
            "Identify" => call.operation = Operation::Identify,
            // The arguments of a method ([MS-WSMV] 3.1.4.1.30): a process with a command line.
            other if other.ends_with("_INPUT") => {
                call.operation = Operation::Invoke;
                for line in part.elements().filter(|inner| inner.name.eq_ignore_ascii_case("CommandLine")) {
                    let truncated = call.truncated;
                    self.text(call, CommandKind::Process, whole_text(line), None, truncated);
                }
            }
            _ => {}
        }
    }

    /// [MS-WSMV] 2.2.4.11: a command and its arguments; of PowerShell, fragments in the arguments ([MS-PSRP] 3.1.5.3.3).
    fn command_line(&mut self, part: &Element, call: &mut Call, skips_cmd: bool) {
        call.command_id = part.attribute("CommandId").map(name);
        let texts =
            |wanted: &str| -> Vec<String> { part.elements().filter(|inner| inner.name == wanted).map(whole_text).collect() };
        let (command, arguments) = (texts("Command").join(" "), texts("Arguments"));
        if !arguments.is_empty() && (is_powershell(call) || command.trim().is_empty()) {
            let mut any = false;
            let id = call.command_id.clone();
            for argument in &arguments {
                any |= self.fragments_in(argument, id.as_deref(), call);
            }
            if any {
                return;
            }
        }
        let mut line = command;
        for argument in arguments.iter().filter(|argument| !argument.is_empty()) {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(argument);
        }
        // `cmd /c` takes the quotes off that stand around a whole line.
        let inside = line.trim().strip_prefix('"').and_then(|line| line.strip_suffix('"'));
        if let Some(inside) = inside.filter(|inside| !skips_cmd && !inside.contains('"')) {
            line = inside.to_owned();
        }
        let (id, truncated) = (call.command_id.clone(), call.truncated);
        self.text(call, CommandKind::Line, line, id, truncated);
    }

    fn input(&mut self, of: &Element, call: &mut Call) {
        let text = whole_text(of);
        if text.trim().is_empty() {
            return;
        }
        let (id, stream) = (of.attribute("CommandId").map(name), of.attribute("Name").map(name));
        let stream = Stream::of(call.shell_id.as_deref(), id.as_deref(), stream.as_deref().unwrap_or(STDIN));
        let bytes = decoded(&text);
        // Whether the shell compresses was said when it was made, perhaps on another connection. What can be both is read as both.
        let plain = expanded(&bytes, self.limits.max_envelope);
        let input = plain.as_deref().unwrap_or(&bytes);
        let is_both = plain.is_some() && fragments::are_fragments(&bytes);
        if is_both {
            self.take(stream, &bytes, call);
        }
        if fragments::is_fragment(input) || (is_powershell(call) && !is_both) {
            self.take(stream, input, call);
        }
        if is_both || is_powershell(call) || fragments::is_fragment(input) {
            return;
        }
        let mut input = self.lines.join(stream, &String::from_utf8_lossy(input));
        // Text that only looks compressed is read as it stands, too.
        let is_text = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\r' | b'\n');
        if plain.is_some() && bytes.iter().all(is_text) {
            input = format!("{input}\n{}", String::from_utf8_lossy(&bytes));
        }
        self.text(call, CommandKind::Input, input, id, call.truncated);
    }

    /// Fragments in base64; whether there were some.
    fn fragments_in(&mut self, text: &str, command: Option<&str>, call: &mut Call) -> bool {
        let bytes = decoded(text);
        let any = fragments::is_fragment(&bytes) || (is_powershell(call) && is_base64(text));
        if any {
            self.take(Stream::of(call.shell_id.as_deref(), command, STDIN), &bytes, call);
        }
        any
    }

    fn take(&mut self, stream: Stream, bytes: &[u8], call: &mut Call) {
        let mut done = Vec::new();
        let mut out = Output { max: self.limits.max_envelope, done: &mut done, tell: self.tell };
        self.fragments.push(stream, bytes, call.truncated, &mut out);
        for message in done {
            self.message(message, call);
        }
    }

    /// A command that is text.
    fn text(&mut self, call: &mut Call, kind: CommandKind, text: String, id: Option<String>, truncated: bool) {
        if text.trim().is_empty() && kind != CommandKind::Line {
            return;
        }
        // Input comes in as many pieces as its sender likes.
        let is_input = matches!(kind, CommandKind::Input | CommandKind::PipelineInput);
        if let Some(last) = call.commands.last_mut().filter(|last| is_input && last.kind == kind && last.id == id) {
            if kind == CommandKind::PipelineInput {
                last.text.push('\n');
            }
            last.text.push_str(&text);
            last.length = last.text.len() as u64;
            last.truncated |= truncated;
            return;
        }
        let length = text.len() as u64;
        self.push(call, Command { kind, text, length, parameters: Vec::new(), id, truncated, unread: None });
    }

    fn push(&mut self, call: &mut Call, command: Command) {
        if call.commands.len() < MAX_COMMANDS {
            call.commands.push(command);
            return;
        }
        (self.tell)(anomaly::MESSAGE_LIMIT);
        call.truncated = true;
        // No command of its own, and looked at all the same.
        if let Some(last) = call.commands.last_mut() {
            let unread = last.unread.get_or_insert_default();
            for text in [Some(command.text), command.unread].into_iter().flatten() {
                unread.push('\n');
                unread.push_str(&text);
            }
        }
    }

    /// A message to the server.
    pub fn message(&mut self, assembled: Assembled, call: &mut Call) {
        let Assembled { message, data, cut } = assembled;
        let limits = Limits { max_message: self.limits.max_envelope, max_text: self.limits.max_envelope, ..*self.limits };
        call.truncated |= cut;
        match message.kind {
            psrp::SESSION_CAPABILITY => call.psrp_version = clixml::text(&data, "protocolversion", &limits),
            psrp::CREATE_PIPELINE => {
                let pipeline = clixml::pipeline(&data, &limits);
                if pipeline.forbidden {
                    (self.tell)(anomaly::FORBIDDEN_XML);
                }
                if pipeline.capped {
                    (self.tell)(anomaly::MESSAGE_LIMIT);
                }
                let unread = pipeline.capped || pipeline.truncated || pipeline.forbidden || pipeline.text.is_empty();
                let command = Command {
                    kind: CommandKind::Pipeline,
                    length: pipeline.text.len() as u64,
                    text: pipeline.text,
                    parameters: pipeline.parameters,
                    id: message.pipeline.clone(),
                    truncated: cut || pipeline.truncated,
                    unread: unread.then(|| clixml::unescape(&xml::unescape(&data))),
                };
                self.push(call, command);
            }
            // What a script reads, from wherever; and pieces of what is not known.
            kind if kind == psrp::TAIL || psrp::INPUTS.contains(&kind) => {
                let (mut text, truncated) = clixml::texts(&data, &limits);
                if truncated {
                    text.push('\n');
                    text.push_str(&clixml::unescape(&xml::unescape(&data)));
                }
                let is_pool = message.kind == psrp::INIT_RUNSPACEPOOL;
                let kind = if is_pool { CommandKind::Pool } else { CommandKind::PipelineInput };
                self.text(call, kind, text, message.pipeline.clone(), cut || truncated);
            }
            _ => self.contents.push((&["winrm.psrp"], data.into_bytes())),
        }
        if message.kind != psrp::TAIL {
            call.psrp.push(message);
        }
    }
}

/// Elements that carry the first messages of PowerShell remoting ([MS-PSRP] 3.1.5.3.1, 3.1.5.3.17).
fn is_opening(name: &str) -> bool {
    matches!(name, "creationXml" | "connectXml")
}

fn is_powershell(call: &Call) -> bool {
    call.resource_uri.as_deref().is_some_and(|uri| uri.to_ascii_lowercase().contains("/powershell/"))
}

fn read_header(header: &Element, call: &mut Call, skips_cmd: &mut bool) {
    for part in header.elements() {
        match part.name.as_str() {
            "Action" if call.action.is_none() => call.action = Some(name(&whole_text(part))),
            "ResourceURI" if call.resource_uri.is_none() => call.resource_uri = Some(name(&whole_text(part))),
            "SelectorSet" => {
                let shell = part.elements().find(|one| one.attribute("Name") == Some("ShellId"));
                call.shell_id = call.shell_id.take().or_else(|| shell.map(whole_text).map(|id| name(&id)));
            }
            "OptionSet" => {
                *skips_cmd |= part.elements().any(|option| {
                    option.attribute("Name") == Some("WINRS_SKIP_CMD_SHELL")
                        && whole_text(option).trim().eq_ignore_ascii_case("true")
                });
            }
            _ => {}
        }
    }
}

/// What an action alone says.
fn by_action(action: &str) -> Operation {
    match action.rsplit('/').next().unwrap_or_default() {
        "Create" => Operation::Create,
        "Connect" => Operation::Connect,
        "Command" => Operation::Command,
        "Receive" => Operation::Receive,
        "Send" => Operation::Send,
        "Signal" => Operation::Signal,
        "Delete" => Operation::Delete,
        "Disconnect" | "Reconnect" => Operation::Disconnect,
        "Get" | "Enumerate" | "Pull" | "Release" => Operation::Read,
        _ => Operation::Other,
    }
}

/// A shell is made, or changed by Put.
fn by_action_or(call: &Call, otherwise: Operation) -> Operation {
    match call.action.as_deref().map(by_action) {
        Some(Operation::Other) | None => otherwise,
        Some(named) => named,
    }
}

pub fn name(text: &str) -> String {
    text.trim().chars().take(MAX_NAME).map(|character| if character.is_control() { ' ' } else { character }).collect()
}
