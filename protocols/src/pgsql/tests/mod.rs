#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod broken;
mod fixtures;
mod queries;
mod schema;
mod startup;

use backstop_types::Direction;

use super::{Copied, Kind, Parameter, Reply, Session, Stage, Transaction};
use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::driver::Driver;
use crate::registry::AppProto;
use crate::testing::Script;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;
const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
const GSSENC_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";

/// A typed message.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

fn startup_of(minor: u16, parameters: &[u8]) -> Vec<u8> {
    [&(parameters.len() as u32 + 9).to_be_bytes()[..], &[0, 3], &minor.to_be_bytes(), parameters, b"\0"].concat()
}

fn startup() -> Vec<u8> {
    startup_of(0, b"user\0ann\0database\0VeeamBackup\0application_name\0psql\0")
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"].concat())
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', &[name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"].concat())
}

/// Parameters with the format that all have.
fn bind(portal: &str, statement: &str, format: u8, values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0\0\x01\0", &[format]].concat();
    body.extend((values.len() as u16).to_be_bytes());
    for value in values {
        body.extend(value.map_or(-1, |value| value.len() as i32).to_be_bytes());
        body.extend(value.unwrap_or_default());
    }
    body.extend([0, 0]);
    message(b'B', &body)
}

fn describe() -> Vec<u8> {
    message(b'D', b"P\0")
}

fn execute(portal: &str) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), b"\0\0\0\0\0"].concat())
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn ok() -> Vec<u8> {
    message(b'R', &[0; 4])
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn tag(text: &str) -> Vec<u8> {
    message(b'C', &[text.as_bytes(), b"\0"].concat())
}

fn error(severity: &str, code: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("S{severity}\0V{severity}\0C{code}\0M{text}\0Fpostgres.c\0L1\0Rwho\0\0").as_bytes())
}

fn columns(names: &[&str]) -> Vec<u8> {
    let mut body = (names.len() as u16).to_be_bytes().to_vec();
    for name in names {
        body.extend(name.as_bytes());
        body.extend([0; 19]);
    }
    message(b'T', &body)
}

fn row(values: &[&str]) -> Vec<u8> {
    let mut body = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend(value.as_bytes());
    }
    message(b'D', &body)
}

/// ParseComplete, BindComplete, NoData.
fn bound() -> Vec<u8> {
    [message(b'1', b""), message(b'2', b"")].concat()
}

fn login() -> Script {
    vec![(UP, startup()), (DOWN, [ok(), message(b'K', b"\0\0\0\x07keyy"), ready()].concat())]
}

/// A login, and more.
fn after_login(more: &[(Direction, Vec<u8>)]) -> Script {
    [login(), more.to_vec()].concat()
}

/// A request as it was told, without the borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    tx_id: u64,
    stage: Stage,
    kind: Kind,
    text: Option<String>,
    text_cut: bool,
    parameters: Vec<Parameter>,
    function: Option<u32>,
    process_id: Option<u32>,
    copy_in: Copied,
    reply: Option<Reply>,
}

/// What was said.
#[derive(Debug, Default)]
struct Heard {
    startups: Vec<(Stage, Session)>,
    requests: Vec<Told>,
    anomalies: Vec<&'static str>,
    contents: Vec<(&'static str, Vec<u8>)>,
    sync: Vec<(Direction, bool)>,
    confirmed: Vec<AppProto>,
    records: usize,
}

impl Heard {
    /// Those that are over.
    fn over(&self) -> Vec<&Told> {
        self.requests.iter().filter(|told| told.stage != Stage::Requested).collect()
    }

    /// Stage and text of each request, in the order told.
    fn texts(&self) -> Vec<(Stage, &str)> {
        self.requests.iter().map(|told| (told.stage, told.text.as_deref().unwrap_or("-"))).collect()
    }
}

impl Sink for Heard {
    fn transaction(&mut self, transaction: &crate::Transaction<'_>) {
        let crate::Transaction::Pgsql(transaction) = transaction else { return };
        schema::assert_allowed(&transaction.fields());
        self.records += usize::from(transaction.is_record());
        match transaction {
            Transaction::Startup(startup) => self.startups.push((startup.stage, startup.session.clone())),
            Transaction::Request(request) => self.requests.push(Told {
                tx_id: request.tx_id,
                stage: request.stage,
                kind: request.kind,
                text: request.text.map(str::to_owned),
                text_cut: request.text_cut,
                parameters: request.parameters.to_vec(),
                function: request.function,
                process_id: request.process_id,
                copy_in: request.copy_in,
                reply: request.reply.cloned(),
            }),
        }
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.push(anomaly.event);
    }

    fn content(&mut self, content: Content<'_>) {
        self.contents.push((content.layers[0], content.bytes.to_vec()));
    }

    fn plaintext(&mut self, _: Direction, _: &[u8]) {}

    fn confirmed(&mut self, app_proto: AppProto) {
        self.confirmed.push(app_proto);
    }

    fn in_sync(&mut self, _: AppProto, direction: Direction, in_sync: bool) {
        self.sync.push((direction, in_sync));
    }
}

fn hear_with(limits: Limits, script: &[(Direction, Vec<u8>)]) -> Heard {
    let (mut heard, mut driver) = (Heard::default(), Driver::new(limits));
    for (direction, bytes) in script {
        driver.data(*direction, bytes, &mut heard);
    }
    for direction in Direction::BOTH {
        driver.close(direction, &mut heard);
    }
    heard
}

fn hear(script: &[(Direction, Vec<u8>)]) -> Heard {
    hear_with(Limits::default(), script)
}
