//! What the parser makes of conversations: recorded ones, built ones, hostile ones.

mod built;
mod carriers;
mod hostile;
mod recorded;
mod talk;

use backstop_types::{Direction, Fields, Value};

use super::Stage;
use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::driver::Driver;
use crate::registry::{AppProto, Transaction};
use crate::testing::{self, Script};

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

/// A stage: its record, and what an alert would tell.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    stage: Stage,
    tx_id: Option<u64>,
    fields: Fields,
    context: Fields,
    stub: Vec<u8>,
    returned: Option<u32>,
}

/// Remembers binds and calls, whatever carries them.
#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    anomalies: Vec<&'static str>,
    contents: Vec<Vec<u8>>,
}

impl Lines {
    fn records(&self) -> Vec<&Line> {
        self.lines.iter().filter(|line| line.stage != Stage::Requested).collect()
    }
}

impl Sink for Lines {
    fn transaction(&mut self, transaction: &Transaction<'_>) {
        let Some(rpc) = transaction.rpc() else { return };
        let call = rpc.call();
        let stub = call.and_then(|call| call.request.as_ref()).map(|part| part.stub.clone()).unwrap_or_default();
        let returned = call.and_then(|call| call.returned);
        let (fields, context) = (rpc.fields(), rpc.context());
        self.lines.push(Line { stage: rpc.stage, tx_id: rpc.tx_id(), fields, context, stub, returned });
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.push(anomaly.event);
    }

    fn content(&mut self, content: Content<'_>) {
        if content.layers.last() == Some(&"dcerpc.stub") {
            self.contents.push(content.bytes.to_vec());
        }
    }

    fn plaintext(&mut self, _: Direction, _: &[u8]) {}
    fn confirmed(&mut self, _: AppProto) {}
    fn in_sync(&mut self, _: AppProto, _: Direction, _: bool) {}
}

fn lines(script: &Script) -> Lines {
    lines_with(script, Limits::default())
}

fn lines_with(script: &Script, limits: Limits) -> Lines {
    let (mut out, mut driver) = (Lines::default(), Driver::new(limits));
    for (direction, bytes) in script {
        driver.data(*direction, bytes, &mut out);
    }
    testing::close(&mut driver, &mut out);
    out
}

fn object<'a>(fields: &'a Fields, name: &str) -> &'a Fields {
    let Some(Value::Object(fields)) = fields.get(name) else { panic!("no {name} in {fields:?}") };
    fields
}

fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    if let Some(Value::Text(text)) = fields.get(name) { text } else { "" }
}

fn number(fields: &Fields, name: &str) -> Option<u64> {
    if let Some(Value::Uint(number)) = fields.get(name) { Some(*number) } else { None }
}

fn interfaces(fields: &Fields) -> Vec<Fields> {
    let Some(Value::List(all)) = fields.get("interfaces") else { return Vec::new() };
    let of = |value: &Value| if let Value::Object(fields) = value { fields.clone() } else { Fields::new() };
    all.iter().map(of).collect()
}
