use super::*;

#[test]
fn a_call_and_its_reply_are_one_exchange() {
    let script = vec![(UP, nrbf::request(URI, &call("Version"))), (DOWN, nrbf::reply(&returned("11.0")))];
    let said = run(&script);
    let exchanges = exchanges(&said);
    assert_eq!(exchanges.len(), 2, "asked, answered");
    let over = exchanges[1];
    for (path, expected) in [
        ("request.operation", "request"),
        ("request.uri", URI),
        ("request.content_type", "application/octet-stream"),
        ("request.formatter", "binary"),
        ("request.method", "Version"),
        ("request.type", "Lab.IServer, Lab"),
        ("reply.formatter", "binary"),
        ("reply.returned", "value"),
    ] {
        assert_eq!(field(over, path), expected, "{path}");
    }
    assert!(said.events.contains(&Event::Confirmed(AppProto::Nrtp)));
    assert_eq!(said.anomalies(), [""; 0]);
    assert_eq!(texts(&said), ["one\ntwo", "11.0"]);
    testing::assert_every_segmentation_is_equal(&script);
}

#[test]
fn chunks_say_what_sized_content_says() {
    let headers = nrbf::request_headers(URI);
    for size in [1, 7, 50, 1_000] {
        let script = vec![
            (UP, nrbf::chunked(operation::REQUEST, &headers, &call("Send"), size)),
            (DOWN, nrbf::chunked(operation::REPLY, &[0, 0], &returned("done"), size)),
        ];
        let said = run(&script);
        let over = exchanges(&said)[1].clone();
        assert_eq!(field(&over, "request.method"), "Send", "{size}");
        assert_eq!(field(&over, "reply.returned"), "value", "{size}");
        assert_eq!(field(&over, "request.chunked"), "Bool(true)");
        assert_eq!(field(&over, "request.length"), format!("Uint({})", call("Send").len()));
        testing::assert_every_segmentation_is_equal(&script);
    }
}

#[test]
fn a_one_way_call_waits_for_nothing() {
    let headers = nrbf::request_headers(URI);
    let script = vec![
        (UP, nrbf::message(operation::ONE_WAY, &headers, &call("Note"))),
        (UP, nrbf::request(URI, &call("Version"))),
        (DOWN, nrbf::reply(&returned("1"))),
    ];
    let said = run(&script);
    let over: Vec<(String, bool)> =
        exchanges(&said).iter().map(|fields| (field(fields, "request.method"), fields.get("reply").is_some())).collect();
    let of = |method: &str, replied| (method.to_owned(), replied);
    assert_eq!(over, [of("Note", false), of("Note", false), of("Version", false), of("Version", true)]);
    assert_eq!(field(exchanges(&said)[0], "request.operation"), "one_way");
}

#[test]
fn requests_one_after_the_other_get_their_replies_in_order() {
    let script = vec![
        (UP, [nrbf::request(URI, &call("A")), nrbf::request(URI, &call("B"))].concat()),
        (DOWN, [nrbf::reply(&returned("a")), nrbf::failure("no such object")].concat()),
        (UP, nrbf::request(URI, &call("C"))),
    ];
    let said = run(&script);
    let over: Vec<(String, String)> =
        exchanges(&said).iter().map(|fields| (field(fields, "request.method"), field(fields, "reply.status_phrase"))).collect();
    let of = |method: &str, phrase: &str| (method.to_owned(), phrase.to_owned());
    assert_eq!(over, [of("A", ""), of("B", ""), of("A", ""), of("B", "no such object"), of("C", ""), of("C", "")]);
    testing::assert_every_segmentation_is_equal(&script);
}

#[test]
fn exceptions_and_failures_are_told_apart_from_values() {
    for (reply, expected) in [
        (nrbf::reply(&Stream::default().exception("System.InvalidOperationException").end()), "exception"),
        (nrbf::reply(&Stream::default().returned(None).end()), "nothing"),
        (nrbf::reply(&returned("x")), "value"),
        (nrbf::failure("busy"), ""),
    ] {
        let said = run(&[(UP, nrbf::request(URI, &call("M"))), (DOWN, reply)]);
        assert_eq!(field(exchanges(&said)[1], "reply.returned"), expected);
        assert_eq!(field(exchanges(&said)[1], "reply.status"), if expected.is_empty() { "Uint(1)" } else { "" });
    }
}

#[test]
fn headers_of_every_format_are_read() {
    let wide: Vec<u8> = "tcp://h/W".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let headers = [
        // The application's own, and ones that nobody knows, of every format.
        &[1, 0],
        nrbf::counted("X-Name").as_slice(),
        &nrbf::counted("value"),
        &[9, 0, 0],
        &[10, 0, 2, 7],
        &[11, 0, 3, 1, 2],
        &[12, 0, 4, 1, 2, 3, 4],
        &[13, 0, 1],
        &nrbf::counted("text"),
        // A URI as UTF-16.
        &[4, 0, 1, 0],
        &(wide.len() as i32).to_le_bytes(),
        &wide,
        &[0, 0],
    ]
    .concat();
    let script = vec![(UP, nrbf::message(operation::REQUEST, &headers, &call("M")))];
    let said = run(&script);
    assert_eq!(field(exchanges(&said)[0], "request.uri"), "tcp://h/W");
    assert_eq!(field(exchanges(&said)[0], "request.method"), "M");
    assert_eq!(said.anomalies(), [""; 0]);
    testing::assert_every_segmentation_is_equal(&script);
}

#[test]
fn remote_objects_tell_their_addresses_wherever_they_stand() {
    let address = "tcp://192.0.2.7:4444";
    // Behind the references to it, and in front of them.
    let before = Stream::default()
        .call("Subscribe", "T", None)
        .array(6, true, &[address.into()])
        .object(5, "System.Runtime.Remoting.Channels.ChannelDataStore", None, &[("_channelURIs", nrbf::Value::Reference(6))])
        .end();
    let text_before = Stream::default()
        .text(9, address)
        .object(1, "System.Runtime.Remoting.ObjRef", None, &[("url", nrbf::Value::Reference(9))])
        .end();
    for content in [nrbf::callback(address, "/x/y.rem"), before, text_before, nrbf::bare_reference(address)] {
        let said = run(&[(UP, nrbf::request(URI, &content))]);
        let addresses = field(exchanges(&said)[0], "request.object_addresses");
        assert!(addresses.contains(address), "{addresses}");
    }
    // A text that says the same is none.
    let said = run(&[(UP, nrbf::request(URI, &Stream::default().call("M", "T", Some(&[address])).end()))]);
    assert_eq!(field(exchanges(&said)[0], "request.object_addresses"), "");
}

#[test]
fn soap_is_recognised_and_names_its_call() {
    let soap = "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\"><SOAP-ENV:Body>\
                <i2:Send xmlns:i2=\"http://schemas.microsoft.com/clr/nsassem/Lab.IServer/Lab\"><text>hello</text></i2:Send>\
                </SOAP-ENV:Body></SOAP-ENV:Envelope>";
    let headers = [&[4, 0, 1], nrbf::counted(URI).as_slice(), &[6, 0, 1], &nrbf::counted("text/xml"), &[0, 0]].concat();
    let script = vec![(UP, nrbf::message(operation::REQUEST, &headers, soap.as_bytes()))];
    let said = run(&script);
    let over = exchanges(&said)[0].clone();
    assert_eq!(field(&over, "request.formatter"), "soap");
    assert_eq!(field(&over, "request.method"), "Send");
    assert_eq!(field(&over, "request.type"), "Lab.IServer");
    assert!(field(&over, "request.types").contains("Lab.IServer.Send"));
    let typed = soap.replace("<SOAP-ENV:Envelope", "<!DOCTYPE a [<!ENTITY b 'c'>]><SOAP-ENV:Envelope");
    let said = run(&[(UP, nrbf::message(operation::REQUEST, &headers, typed.as_bytes()))]);
    assert_eq!(said.anomalies(), [anomaly::FORBIDDEN_XML]);
}

#[test]
fn content_of_another_format_is_told_as_unknown() {
    let headers = [&[4, 0, 1], nrbf::counted(URI).as_slice(), &[0, 0]].concat();
    let said = run(&[(UP, nrbf::message(operation::REQUEST, &headers, b"\x1f\x8b\x08 packed by a sink"))]);
    assert_eq!(field(exchanges(&said)[0], "request.formatter"), "unknown");
    assert_eq!(said.anomalies(), [""; 0]);
}

fn token(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind, 1, 0], (bytes.len() as u16).to_be_bytes().as_slice(), bytes].concat()
}

#[test]
fn a_negotiated_stream_is_told_as_not_visible() {
    let ntlm = |number: u8| [b"NTLMSSP\0".as_slice(), &[number, 0, 0, 0], &[0; 40]].concat();
    let sealed = [0x16_u8, 1, 0, 0].iter().copied().chain([0x55; 278]).collect::<Vec<u8>>();
    let script = vec![
        (UP, token(0x16, &ntlm(1))),
        (DOWN, token(0x16, &ntlm(2))),
        (UP, token(0x14, &ntlm(3))),
        (DOWN, token(0x14, b"")),
        (UP, sealed.clone()),
        (DOWN, sealed),
    ];
    let said = run(&script);
    let records = exchanges(&said);
    assert_eq!(records.len(), 1);
    assert_eq!(field(records[0], "secured.mechanism"), "ntlm");
    assert_eq!(field(records[0], "secured.established"), "Bool(true)");
    assert_eq!(field(records[0], "visible"), "Bool(false)");
    assert_eq!(said.anomalies(), [""; 0]);
    testing::assert_every_segmentation_is_equal(&script);
    // Refused.
    let said = run(&[script[0].clone(), script[1].clone(), (UP, token(0x14, &ntlm(3))), (DOWN, token(0x15, &[0; 8]))]);
    assert_eq!(field(exchanges(&said)[0], "secured.established"), "Bool(false)");
    // Nothing is sealed: what is inside is there to be read.
    let mut plain: Script = script[..4].to_vec();
    plain.extend([(UP, nrbf::request(URI, &call("Open"))), (DOWN, nrbf::reply(&returned("x")))]);
    let said = run(&plain);
    assert_eq!(field(exchanges(&said)[2], "request.method"), "Open");
}

#[test]
fn what_only_looks_like_it_is_something_else() {
    for bytes in [
        b".NET is a platform; it was announced in 2000.".to_vec(),
        b".NET\x01\0\x09\0\0\0\0\0\0\0".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        token(0x16, b"something else altogether"),
        b"GET /.NET HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
    ] {
        let said = run(&[(UP, bytes.clone())]);
        assert!(exchanges(&said).is_empty(), "{bytes:02x?}");
        assert!(!said.events.contains(&Event::Confirmed(AppProto::Nrtp)));
    }
}
