//! What the parser makes of conversations: real ones, built ones, hostile ones.

use backstop_testkit::nrbf::{self, Stream, operation};
use backstop_types::{Direction, Fields, Value};
use proptest::prelude::*;

use super::anomaly;
use crate::Limits;
use crate::driver::Driver;
use crate::registry::AppProto;
use crate::testing::{self, Event, Recorder, Script, run};

mod hostile;
mod messages;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;
const URI: &str = "tcp://10.20.30.10:8000/AgentService";

/// A part of the records, as text: `request.method`.
fn field(fields: &Fields, path: &str) -> String {
    let mut value = None;
    let mut inner = fields;
    for name in path.split('.') {
        value = inner.get(name);
        if let Some(Value::Object(object)) = value {
            inner = object;
        }
    }
    match value {
        Some(Value::Text(text)) => text.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

/// Records of exchanges that are over.
fn exchanges(recorder: &Recorder) -> Vec<&Fields> {
    let of = recorder.transactions().filter(|(app_proto, _)| *app_proto == AppProto::Nrtp);
    of.map(|(_, fields)| fields).collect()
}

fn call(method: &str) -> Vec<u8> {
    Stream::default().call(method, "Lab.IServer, Lab", Some(&["one", "two"])).end()
}

fn returned(value: &str) -> Vec<u8> {
    Stream::default().returned(Some(value)).end()
}

fn texts(recorder: &Recorder) -> Vec<String> {
    let text = |event: &Event| match event {
        Event::Content(_, bytes, _) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    };
    recorder.events.iter().filter_map(text).collect()
}
