//! Attacks on services that take objects, each beside what looks most like it. What has the shape of an attack is inert.

use backstop_protocols::soap::xml;
use backstop_protocols::testing::{Script, fixture};
use backstop_protocols::{Limits, Transaction, nmf, soap};
use backstop_testkit::nrbf::{self, Stream, Value};
use backstop_types::{Direction, Endpoint};
use data_encoding::BASE64;

use crate::testing::{Flow, object};
use crate::{Confidence, DetectConfig, Finding, Outcome};

mod deserialisation;
mod evasion;
mod manager;
mod trigger;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;
const GADGET: &str = "System.Windows.Data.ObjectDataProvider";
const LIBRARY: &str = "PresentationFramework, Version=4.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35";
const URI: &str = "tcp://10.20.30.10:8000/AgentService";

/// A flow from 10.20.30.77 to a port of 10.20.30.10.
fn to_port(port: u16) -> Flow {
    let mut flow = Flow::default();
    flow.server.port = port;
    flow
}

fn with(port: u16, change: impl Fn(&mut DetectConfig)) -> Flow {
    let mut flow = to_port(port);
    change(&mut flow.config);
    flow
}

/// Plays a conversation, whole and in pieces: what is found, the same each time.
fn played(new: &dyn Fn() -> Flow, script: &Script) -> Vec<Finding> {
    let play = |piece| {
        let mut flow = new();
        flow.replay_script(script, piece);
        flow.take()
    };
    let whole = play(usize::MAX);
    let cut = play(7);
    assert_eq!(sids(&whole), sids(&cut));
    whole
}

fn sids(findings: &[Finding]) -> Vec<u64> {
    findings.iter().map(|finding| finding.meta.sid()).collect()
}

/// One request over TCP and an answer to it.
fn remoting(content: &[u8]) -> Script {
    vec![(UP, nrbf::request(URI, content)), (DOWN, nrbf::reply(&Stream::default().returned(Some("ok")).end()))]
}

fn at_8000(content: &[u8]) -> Vec<Finding> {
    played(&|| to_port(8_000), &remoting(content))
}

/// A POST with its answer.
fn post(target: &str, content_type: &str, body: &[u8], status: &str) -> Script {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: vbr01\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
    vec![(UP, [head.as_bytes(), body].concat()), (DOWN, answer.into_bytes())]
}

/// An ordinary call with texts as arguments.
fn call(arguments: &[&str]) -> Vec<u8> {
    Stream::default().call("Start", "Lab.IServer, Lab", Some(arguments)).end()
}
