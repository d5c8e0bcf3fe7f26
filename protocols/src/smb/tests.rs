//! What the parser makes of conversations: real ones, built ones, hostile ones.

use backstop_types::{Direction, Fields, Value};

use crate::Limits;
use crate::driver::Driver;
use crate::registry::AppProto;
use crate::testing::{self, Event, Recorder, Script, run};

mod fixtures;
mod hostile;
mod messages;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    match fields.get(name) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// Command, status and name of each exchange that has a status.
fn answered(recorder: &Recorder) -> Vec<(String, String, String)> {
    recorder
        .transactions()
        .filter(|(app_proto, fields)| *app_proto == AppProto::Smb && fields.get("status").is_some())
        .map(|(_, fields)| {
            let name = ["filename", "directory", "share"].map(|name| text(fields, name));
            let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
            let command = text(fields, "command").replace("_COMMAND", "");
            (command, text(fields, "status").replace("STATUS_", ""), name.to_owned())
        })
        .collect()
}

fn contents(recorder: &Recorder) -> Vec<&[u8]> {
    recorder
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Content(layers, bytes, _) if layers == &["smb.file"] => Some(bytes.as_slice()),
            _ => None,
        })
        .collect()
}
