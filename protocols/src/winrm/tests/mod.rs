//! Tests by what they are about. Messages are shaped as those of [MS-WSMV] 4 and [MS-PSRP] 4.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bodies;
mod evasion;
mod messages;
mod remoting;
mod ways;

use backstop_testkit::winrm::{
    CMD, POWERSHELL, SHELL, argument, command, command_response, create_pipeline, envelope, fragment, message, pipeline_command,
    pipeline_part, post, post_as, response, selector, send, wmi_class,
};
use backstop_types::{Direction, Fields, Value};
use data_encoding::BASE64;

use crate::registry::AppProto;
use crate::testing::{Event, Recorder, Script, assert_every_segmentation_is_equal, run, run_every_truncation};

const C: Direction = Direction::ToServer;
const S: Direction = Direction::ToClient;
/// Runs a conversation after checking that no segmentation changes what it says, and that no truncation breaks.
fn checked(script: &Script) -> Recorder {
    assert_every_segmentation_is_equal(script);
    let total: usize = script.iter().map(|(_, bytes)| bytes.len()).sum();
    run_every_truncation(script, total / 300 + 1);
    run(script)
}

fn said(turns: Vec<(Direction, Vec<u8>)>) -> Recorder {
    checked(&turns)
}

/// What is said of WinRM, all stages.
fn told(recorder: &Recorder) -> Vec<Fields> {
    recorder.transactions().filter(|(of, _)| *of == AppProto::Winrm).map(|(_, fields)| fields.clone()).collect()
}

fn text(fields: &Fields, name: &str) -> String {
    match fields.get(name) {
        Some(Value::Text(text)) => text.to_string(),
        _ => String::new(),
    }
}

fn object(fields: &Fields, name: &str) -> Fields {
    match fields.get(name) {
        Some(Value::Object(inner)) => inner.clone(),
        _ => Fields::new(),
    }
}

fn list(fields: &Fields, name: &str) -> Vec<Fields> {
    match fields.get(name) {
        Some(Value::List(list)) => {
            list.iter().filter_map(|each| if let Value::Object(inner) = each { Some(inner.clone()) } else { None }).collect()
        }
        _ => Vec::new(),
    }
}

/// Commands of everything that was told, each once: a request without response is told twice.
fn commands(recorder: &Recorder) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for command in told(recorder).into_iter().flat_map(|fields| list(&fields, "commands")) {
        let command = (text(&command, "kind"), text(&command, "text"));
        if !all.contains(&command) {
            all.push(command);
        }
    }
    all
}

fn contents(recorder: &Recorder) -> Vec<(Vec<&'static str>, String)> {
    let content = |event: &Event| match event {
        Event::Content(layers, bytes, _) if layers[0].starts_with("winrm") => {
            Some((layers.clone(), String::from_utf8_lossy(bytes).into_owned()))
        }
        _ => None,
    };
    recorder.events.iter().filter_map(content).collect()
}

fn debug(recorder: &Recorder) -> String {
    format!("{:?}", told(recorder))
}
