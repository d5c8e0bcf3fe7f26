use super::*;

const SID: u64 = 9_401_012;

fn over_tcp(uri: &str) -> Script {
    vec![(UP, nrbf::request(uri, &call(&["a"]))), (DOWN, nrbf::reply(&Stream::default().returned(None).end()))]
}

#[test]
fn the_object_is_told_and_its_look_alikes_are_not() {
    let binary = "application/octet-stream";
    let pairs: Vec<(&str, Script, Script)> = vec![
        ("by its URI", over_tcp("tcp://10.20.30.10:8000/trigger"), over_tcp("tcp://10.20.30.10:8000/triggers")),
        ("in other letters", over_tcp("tcp://10.20.30.10:8000/TRIGGER"), over_tcp("tcp://10.20.30.10:8000/my-trigger")),
        ("without scheme", over_tcp("/trigger"), over_tcp("/jobs/trigger")),
        ("without slash", over_tcp("trigger"), over_tcp("trigger.rem")),
        ("with slashes", over_tcp("tcp://10.20.30.10:8000//trigger/"), over_tcp("tcp://trigger:8000/AgentService")),
        ("with octets", over_tcp("tcp://10.20.30.10:8000/%74rigger"), over_tcp("tcp://10.20.30.10:8000/%2574rigger")),
        ("with detours", over_tcp("tcp://10.20.30.10:8000/x/../trigger"), over_tcp("tcp://10.20.30.10:8000/trigger/../x")),
        ("with a query", over_tcp("tcp://10.20.30.10:8000/trigger?x=1"), over_tcp("tcp://10.20.30.10:8000/x?trigger")),
        (
            "over HTTP",
            post("/trigger", binary, &call(&["a"]), "200"),
            post("/trigger", "application/json", b"{\"run\": true}", "200"),
        ),
        (
            "over HTTP in SOAP",
            post("/trigger", "text/xml", b"<s:Envelope xmlns:s=\"x\"><s:Body><a:M xmlns:a=\"y\"/></s:Body></s:Envelope>", "200"),
            post("/trigger", "text/xml", b"<run/>", "200"),
        ),
        (
            "over HTTP, a POST",
            post("http://10.20.30.10:8000/trigger", binary, &call(&["a"]), "200"),
            vec![
                (UP, b"GET /trigger HTTP/1.1\r\nHost: vbr01\r\n\r\n".to_vec()),
                (DOWN, b"HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n".to_vec()),
            ],
        ),
    ];
    for (name, attack, benign) in pairs {
        let found = played(&|| to_port(8_000), &attack);
        assert_eq!(sids(&found), [SID], "{name}");
        assert_eq!(found[0].outcome, Outcome::Success, "{name}");
        assert!(String::from_utf8_lossy(&found[0].excerpt).to_ascii_lowercase().contains("rigger"));
        assert_eq!(sids(&played(&|| to_port(8_000), &benign)), [0_u64; 0], "{name}");
    }
}

#[test]
fn other_services_may_have_an_object_of_that_name() {
    let script = over_tcp("tcp://10.20.30.10/trigger");
    assert_eq!(sids(&played(&|| to_port(6_170), &script)), [SID]);
    assert!(played(&|| to_port(9_392), &script).is_empty());
    assert!(played(&|| with(8_000, |config| config.remoting.mount_ports = vec![7_000]), &script).is_empty());
}

#[test]
fn a_second_uri_hides_nothing_and_the_object_in_it_is_told_beside() {
    let headers =
        [&[4, 0, 1], nrbf::counted("tcp://h/AgentService").as_slice(), &[4, 0, 1], &nrbf::counted("tcp://h/trigger"), &[0, 0]]
            .concat();
    let script = vec![(UP, nrbf::message(nrbf::operation::REQUEST, &headers, &nrbf::inert(GADGET, LIBRARY)))];
    assert_eq!(sids(&played(&|| to_port(8_000), &script)), [SID, 9_401_011]);
}

#[test]
fn one_alert_a_flow() {
    let script: Script = (0..20).flat_map(|_| over_tcp("tcp://h/trigger")).collect();
    assert_eq!(sids(&played(&|| to_port(8_000), &script)), [SID]);
}
