//! An envelope as a response ([MS-WSMV] 2.2.4, DSP0226).

use super::clixml::{self, whole_text};
use super::envelope::{Body, Reader, name};
use super::fragments::{self, Output, Stream};
use super::psrp::{self, Assembled};
use super::streams::{decoded, expanded};
use super::transaction::{Call, Reply};
use crate::soap::{self, Element};

impl Reader<'_> {
    /// Reads a response.
    pub fn reply(&mut self, body: Body<'_>, call: &Call, reply: &mut Reply) {
        let (root, truncated) = self.tree(body);
        reply.truncated |= truncated;
        let Some(root) = root else { return };
        let message = soap::message(root, body.bytes.len() as u64, truncated);
        reply.fault = message.fault;
        let Some(part) = message.body else { return };
        match part.name.as_str() {
            "CommandResponse" => {
                reply.command_id = part.child("CommandId").map(whole_text).map(|id| name(&id)).filter(|id| !id.is_empty());
            }
            "ReceiveResponse" => self.output(&part, call, reply),
            "ResourceCreated" => {
                let selectors = part.child("ReferenceParameters").and_then(|parameters| parameters.child("SelectorSet"));
                let mut all = selectors.into_iter().flat_map(Element::elements);
                reply.shell_id = all.find(|one| one.attribute("Name") == Some("ShellId")).map(whole_text).map(|id| name(&id));
            }
            "Shell" => reply.shell_id = part.child("ShellId").map(whole_text).map(|id| name(&id)),
            other if other.ends_with("_OUTPUT") => {
                reply.return_value = part.child("ReturnValue").and_then(|value| whole_text(value).trim().parse().ok());
            }
            _ => {}
        }
    }

    /// [MS-WSMV] 2.2.4.31.
    fn output(&mut self, part: &Element, call: &Call, reply: &mut Reply) {
        for stream in part.elements().filter(|inner| inner.name == "Stream") {
            let mut bytes = decoded(&whole_text(stream));
            if bytes.is_empty() {
                continue;
            }
            if !fragments::are_fragments(&bytes) {
                bytes = expanded(&bytes, self.limits.max_envelope).unwrap_or(bytes);
            }
            if fragments::is_fragment(&bytes) {
                let mut done = Vec::new();
                let id = stream.attribute("CommandId").map(name);
                let stream = Stream::of(call.shell_id.as_deref(), id.as_deref(), "stdout");
                let mut out = Output { max: self.limits.max_envelope, done: &mut done, tell: self.tell };
                self.fragments.push(stream, &bytes, reply.truncated, &mut out);
                for Assembled { message, data, .. } in done {
                    if message.kind == psrp::PIPELINE_STATE {
                        reply.pipeline_state = clixml::number(&data, "PipelineState", self.limits).and_then(state_name);
                    }
                    self.contents.push((&["winrm.psrp"], data.into_bytes()));
                    reply.psrp.push(message);
                }
                continue;
            }
            let [output, errors] = &mut reply.output;
            let is_error = stream.attribute("Name") == Some("stderr");
            *(if is_error { errors } else { output }) += bytes.len() as u64;
            self.contents.push((&["winrm.output"], bytes));
        }
        let Some(state) = part.child("CommandState") else { return };
        reply.command_id = state.attribute("CommandId").map(name);
        reply.state = match state.attribute("State").and_then(|state| state.rsplit('/').next()) {
            Some("Done") => Some("done"),
            Some("Running") => Some("running"),
            Some("Pending") => Some("pending"),
            _ => None,
        };
        reply.exit_code = state.child("ExitCode").and_then(|code| whole_text(code).trim().parse().ok());
    }
}

/// [MS-PSRP] 2.2.3.4.
const fn state_name(state: i64) -> Option<&'static str> {
    Some(match state {
        0 => "not_started",
        1 => "running",
        2 => "stopping",
        3 => "stopped",
        4 => "completed",
        5 => "failed",
        6 => "disconnected",
        _ => return None,
    })
}
