//! Makes the captures of `pcaps/veeam/r2_*`, `r3_*`, `r4_*` and `m1_*`, attacks beside their look-alikes, and compares them with the
//! files: what is in them is said here. `UPDATE_GOLDEN=1` writes them. What has the shape of an attack in them is inert.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::path::Path;

use backstop_testkit::nrbf::{self, Stream, Value, operation};
use backstop_testkit::pcap::{ETHERNET, PcapWriter};
use backstop_testkit::tls::{SUITES, Session};
use backstop_testkit::{Conversation, delivery};
use backstop_types::{Direction, Endpoint, PacketTime};
use common::{of_type, records, replay, shared, top};
use data_encoding::BASE64;
use serde_json::Value as Json;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;
const GADGET: &str = "System.Windows.Data.ObjectDataProvider";
const LIBRARY: &str = "PresentationFramework, Version=4.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35";
const URI: &str = "tcp://10.20.30.10:8000/AgentService";

type Turns = Vec<(Direction, Vec<u8>)>;

/// Connections one after the other, each of its own client port.
struct Capture {
    out: PcapWriter<Vec<u8>>,
    micros: u64,
    port: u16,
}

impl Capture {
    fn new() -> Self {
        Self { out: PcapWriter::new(Vec::new(), ETHERNET).unwrap(), micros: 1_795_000_000_000_000, port: 50_000 }
    }

    /// A connection to 10.20.30.10; segments of at most `mss` bytes.
    fn add(&mut self, client: u8, port: u16, mss: usize, turns: &Turns) {
        self.port += 1;
        let end = |last, port| Endpoint::new([10, 20, 30, last].into(), port);
        let mut talk = Conversation::new(end(client, self.port), end(10, port), (u32::from(self.port) << 8, 7_000));
        talk.mss = mss;
        for segment in talk.script(turns) {
            self.micros += 400;
            let frame = talk.frame(&segment);
            self.out.write(PacketTime::from_micros(self.micros), &frame).unwrap();
        }
        self.micros += 2_000_000;
    }

    fn assert_is(self, case: &str) {
        assert_file(case, "input.pcap", &self.out.finish().unwrap());
    }
}

fn assert_file(case: &str, name: &str, bytes: &[u8]) {
    let path = top().join("pcaps/veeam").join(case).join(name);
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(std::fs::read(&path).unwrap() == bytes, "{}: not what is made here", path.display());
}

fn call(arguments: &[&str]) -> Vec<u8> {
    Stream::default().call("Start", "Lab.IServer, Lab", Some(arguments)).end()
}

fn holding(inner: &[u8]) -> Vec<u8> {
    Stream::default().call("Save", "Lab.IServer, Lab", None).array(1, false, &[Value::Reference(2)]).bytes(2, inner).end()
}

fn answered(request: Vec<u8>) -> Turns {
    vec![(UP, request), (DOWN, nrbf::reply(&Stream::default().returned(Some("ok")).end()))]
}

fn post(target: &str, kind: &str, body: &[u8], status: u16) -> Turns {
    let len = body.len();
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: vbr01.example.lan\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\r\n");
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
    vec![(UP, [head.as_bytes(), body].concat()), (DOWN, answer.into_bytes())]
}

#[test]
fn remoting_over_tcp() {
    let mut capture = Capture::new();
    // Ordinary: texts, names of such types in texts, a callback to the console itself, an object of another type in bytes.
    let benign: Turns = [
        call(&["Backup job 1", GADGET]),
        nrbf::callback("tcp://10.20.30.5:50123", "/lab/sink.rem"),
        holding(&nrbf::inert("Lab.Job", "Lab")),
        call(&[&BASE64.encode(&nrbf::inert("Lab.Job", "Lab"))]),
    ]
    .into_iter()
    .flat_map(|content| answered(nrbf::request(URI, &content)))
    .collect();
    capture.add(5, 8_000, 1_460, &benign);
    capture.add(5, 6_170, 1, &answered(nrbf::request("tcp://10.20.30.10:6170/MountService", &call(&["trigger"]))));
    // The root in chunks of one byte; in bytes in bytes; in base64, in segments of one byte; behind what cannot be followed.
    let chunked = nrbf::chunked(operation::REQUEST, &nrbf::request_headers(URI), &nrbf::inert(GADGET, LIBRARY), 1);
    capture.add(77, 8_000, 1_460, &answered(chunked));
    capture.add(77, 8_000, 1_460, &answered(nrbf::request(URI, &holding(&holding(&nrbf::inert(GADGET, LIBRARY))))));
    capture.add(77, 8_000, 1, &answered(nrbf::request(URI, &call(&[&BASE64.encode(&nrbf::inert(GADGET, LIBRARY))]))));
    let broken = [&nrbf::HEADER[..], &[99, 1, 2], &nrbf::inert(GADGET, LIBRARY)[nrbf::HEADER.len()..]].concat();
    capture.add(77, 8_000, 1_460, &vec![(UP, nrbf::request(URI, &broken)), (DOWN, nrbf::failure("Object reference not set"))]);
    // A remote object of somebody else's, with the object of CVE-2024-40711.
    let reference = nrbf::bare_reference("http://198.51.100.7:8000/x");
    capture.add(77, 6_170, 1_460, &answered(nrbf::request("tcp://10.20.30.10:6170/trigger", &reference)));
    capture.assert_is("r2_remoting_objects");
}

#[test]
fn remoting_over_http() {
    let mut capture = Capture::new();
    let binary = "application/octet-stream";
    capture.add(5, 9_392, 1_460, &post("/lab/Service.rem", binary, &call(&[GADGET]), 200));
    capture.add(5, 9_392, 1_460, &post("/trigger", "application/json", b"{\"run\": true}", 200));
    capture.add(77, 9_392, 7, &post("/lab/Service.rem", binary, &nrbf::inert(GADGET, LIBRARY), 500));
    capture.add(77, 8_000, 1_460, &post("/trigger", binary, &call(&["a"]), 200));
    capture.assert_is("r3_remoting_http");
}

/// A net.tcp session ([MC-NMF]) with one call of Veeam's service: its parameters are XML with objects in base64.
fn invocation(object: &[u8]) -> Turns {
    let envelope = |payload: &[u8]| {
        let mut out = nrbf::text(&"x".repeat(payload.len()));
        out.truncate(out.len() - payload.len());
        [&[6], out.as_slice(), payload].concat()
    };
    let parameters = format!(
        "<RemoteInvokeSpec ContextSessionId=\"00112233-4455-6677-8899-aabbccddeeff\" Scope=\"Lab\" Method=\"LabSave\"><Params><Param \
         ParamName=\"state\" ParamValue=\"{}\" ParamType=\"System.String\"/></Params></RemoteInvokeSpec>",
        BASE64.encode(object)
    );
    let action = b"http://tempuri.org/IRemoteInvokeService/Invoke";
    let id = [7; 16];
    let request = [
        &b"\x00\x56\x02\x0b\x01s\x04\x0b\x01a\x06\x56\x08\x44\x0a\x99"[..],
        &[action.len() as u8],
        action,
        b"\x44\x1a\xad",
        &id,
        b"\x01\x56\x0e\x40\x06Invoke\x40\x0aparameters\x9b",
        &(parameters.len() as u16).to_le_bytes(),
        parameters.as_bytes(),
        b"\x01\x01\x01",
    ]
    .concat();
    let reply = [
        &b"\x00\x56\x02\x0b\x01s\x04\x0b\x01a\x06\x56\x08\x44\x12\xad"[..],
        &id,
        b"\x01\x56\x0e\x40\x0eInvokeResponse\x40\x0cInvokeResult\x99\x02ok\x01\x01\x01",
    ]
    .concat();
    let open = b"\x00\x01\x00\x01\x02\x02\x1bnet.tcp://10.20.30.10:9401/\x03\x08\x0c".to_vec();
    vec![(UP, open), (DOWN, vec![0x0b]), (UP, envelope(&request)), (DOWN, envelope(&reply)), (UP, vec![7]), (DOWN, vec![7])]
}

#[test]
fn objects_in_invocations() {
    let mut capture = Capture::new();
    capture.add(5, 9_401, 1_460, &invocation(&nrbf::inert("Lab.Job", "Lab")));
    capture.add(77, 9_401, 100, &invocation(&nrbf::inert(GADGET, LIBRARY)));
    capture.assert_is("r4_invoke_objects");
}

fn login(issuer: &str, status: u16) -> Turns {
    let assertion = format!(
        "<saml2:Assertion xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_1\"><saml2:Issuer>{issuer}</saml2:Issuer>\
         <saml2:Subject><saml2:NameID>administrator@vsphere.local</saml2:NameID></saml2:Subject></saml2:Assertion>"
    );
    let token = BASE64.encode(assertion.as_bytes());
    let body = format!("<LoginSpec xmlns=\"http://www.veeam.com/ent/v1.0\"><VMwareSSOToken>{token}</VMwareSSOToken></LoginSpec>");
    post("/api/sessionMngr/?v=latest", "application/xml", body.as_bytes(), status)
}

#[test]
fn logins_of_the_enterprise_manager() {
    let mut capture = Capture::new();
    let (good, bad) = ("https://vcenter.example.lan/websso/SAML2/Metadata/vsphere.local", "https://sts.example.net/websso");
    capture.add(5, 9_398, 1_460, &login(good, 201));
    capture.add(77, 9_398, 1_460, &login(bad, 401));
    // The same inside TLS: with the keys beside it.
    let mut keys = String::new();
    for (number, issuer) in [(1, good), (2, bad)] {
        let mut session = Session::new(SUITES[usize::from(number)], number);
        keys.push_str(&session.key_log());
        let mut turns = session.handshake();
        for (direction, bytes) in login(issuer, 201) {
            let records = delivery::cut(&bytes, &[300, 300]).into_iter().map(|piece| session.seal(direction, 23, piece));
            turns.push((direction, records.collect::<Vec<_>>().concat()));
        }
        capture.add(77, 9_398, 1_460, &turns);
    }
    assert_file("m1_manager_sso", "keys.log", keys.as_bytes());
    capture.assert_is("m1_manager_sso");
}

fn alerts(path: &Path) -> Vec<Json> {
    let records = records(&replay(path, &["--set", "backup_servers=10.20.30.10"]));
    assert!(!of_type(&records, "nrtp").is_empty());
    of_type(&records, "alert").into_iter().cloned().collect()
}

#[test]
fn recorded_remoting_is_told_and_raises_nothing() {
    let Some(folder) = shared("captures/veeam") else { return };
    for name in ["r1_remoting_8000.pcap", "r1_remoting_6170.pcap"] {
        assert_eq!(alerts(&folder.join(name)), Vec::<Json>::new(), "{name}");
    }
}
