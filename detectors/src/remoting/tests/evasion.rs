//! Streams that a reader takes another way than a walk by the letter does, each beside one without what is listed.

use super::*;

const SID: u64 = 9_401_011;

/// A class record with members whose types only a reader knows ([MS-NRBF] 2.3.2.4), their values as bytes.
fn untyped(record: u8, class: &str, values: &[u8]) -> Vec<u8> {
    let text = |value: &str| [&[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    [&[record, 40, 0, 0, 0], text(class).as_slice(), &[1, 0, 0, 0], &text("m"), values].concat()
}

/// These bytes behind the header, then an object.
fn before(bytes: &[u8], class: &str) -> Vec<u8> {
    [&nrbf::HEADER[..], bytes, &nrbf::inert(class, LIBRARY)[nrbf::HEADER.len()..]].concat()
}

fn assert_pair(name: &str, make: &dyn Fn(&str) -> Vec<u8>) {
    assert_eq!(sids(&at_8000(&make(GADGET))), [SID], "{name}");
    assert_eq!(sids(&at_8000(&make("Lab.Job"))), [0_u64; 0], "{name}");
}

#[test]
fn records_that_cannot_be_followed_hide_nothing_behind_them() {
    // A number where a record could be: one of no type, one of a text that swallows the object, the end.
    for values in [[0x63, 0, 0, 0].as_slice(), &[6, 9, 0, 0, 0, 90], &[11, 0, 0, 0], &[9, 9, 9, 9, 9]] {
        assert_pair(&format!("untyped {values:?}"), &|class| before(&untyped(2, "System.Version", values), class));
    }
    assert_pair("an unknown record", &|class| before(&[99, 1, 2, 3], class));
    assert_pair("an array of more than there is", &|class| before(&[16, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f], class));
    assert_pair("nulls in excess", &|class| before(&[16, 1, 0, 0, 0, 1, 0, 0, 0, 13, 200], class));
    assert_pair("an object of no class", &|class| before(&[1, 1, 0, 0, 0, 77, 0, 0, 0], class));
    assert_pair("deep arrays", &|class| before(&[16, 1, 0, 0, 0, 1, 0, 0, 0].repeat(500), class));
    assert_pair("many values", &|class| before(&[&[16, 1, 0, 0, 0, 0, 0xff, 0, 0][..], &[10; 0xff00]].concat(), class));
}

#[test]
fn many_members_and_repeated_ids_hide_nothing() {
    let names: Vec<String> = (0..6_000).map(|number| format!("m{number}")).collect();
    let members: Vec<(&str, Value)> = names.iter().map(|name| (name.as_str(), Value::Null)).collect();
    let wide = |class: &str| Stream::default().object(1, "Lab.Wide", None, &members).object(2, class, None, &[]).end();
    assert_pair("members", &wide);
    let itself = |class: &str| Stream::default().object(1, class, None, &members).end();
    assert_pair("members of its own", &itself);
    // The same id twice: what comes later counts, and both are told.
    assert_pair("an id twice", &|class| {
        Stream::default().object(1, "Lab.A", None, &[]).object(1, class, None, &[]).object(1, "Lab.A", None, &[]).end()
    });
}

#[test]
fn the_header_is_read_as_readers_read_it() {
    let with = |class: &str, at: usize, byte: u8| {
        let mut bytes = nrbf::inert(class, LIBRARY);
        bytes[at] = byte;
        bytes
    };
    // Record type, minor version, a negative major version.
    for (at, byte) in [(0, 7), (0, b'<'), (13, 9), (12, 0x80)] {
        assert_pair(&format!("byte {at}"), &|class| with(class, at, byte));
        assert_pair(&format!("nested, byte {at}"), &|class| call(&[&BASE64.encode(&with(class, at, byte))]));
        let by_http = |class: &str| post("/x.rem", "application/octet-stream", &with(class, at, byte), "200");
        assert_eq!(sids(&played(&|| to_port(9_392), &by_http(GADGET))), [SID]);
        assert!(played(&|| to_port(9_392), &by_http("Lab.Job")).is_empty());
    }
}

#[test]
fn a_call_behind_an_object_is_no_excuse() {
    let call_at_the_end = |class: &str| {
        let object = nrbf::inert(class, "System.Data");
        [&object[..object.len() - 1], &call(&["a"])[nrbf::HEADER.len()..]].concat()
    };
    assert_eq!(sids(&at_8000(&call_at_the_end("System.Data.DataSet"))), [SID]);
    assert!(at_8000(&call_at_the_end("Lab.Job")).is_empty());
    let over_http = |content: &[u8]| played(&|| to_port(9_392), &post("/x.rem", "application/octet-stream", content, "200"));
    assert_eq!(sids(&over_http(&nrbf::inert("System.Data.DataSet", "System.Data"))), [SID]);
    assert!(over_http(&nrbf::inert("Lab.Job", "Lab")).is_empty());
}

#[test]
fn names_with_escapes_and_generic_names_are_compared_as_types() {
    for (attack, benign) in [
        ("System.Windows.Data.Object\\DataProvider", "System.Windows.Data.Object\\DataProviders"),
        (" System.Windows.Data.ObjectDataProvider", "System.Windows.Data.ObjectDataProvide r"),
        (
            "System.Data.Services.Internal.ExpandedWrapper`2[[System.String, mscorlib],[System.Object, mscorlib]]",
            "Lab.ExpandedWrapper`2[[System.String, mscorlib],[System.Object, mscorlib]]",
        ),
        (
            "Lab.Pair`2[[System.String, mscorlib],[System.Windows.Data.ObjectDataProvider[], PresentationFramework]]",
            "Lab.Pair`2[[System.String, mscorlib],[System.Windows.Data.Binding, PresentationFramework]]",
        ),
    ] {
        assert_eq!(sids(&at_8000(&nrbf::inert(attack, LIBRARY))), [SID], "{attack}");
        assert_eq!(sids(&at_8000(&nrbf::inert(benign, LIBRARY))), [0_u64; 0], "{benign}");
    }
}

#[test]
fn schemas_of_data_sets_name_types_too() {
    let data_set = |column: &str| {
        let schema = format!(
            "<?xml version=\"1.0\" encoding=\"utf-16\"?><xs:schema xmlns:xs=\"x\" xmlns:msdata=\"y\"><xs:element name=\"c\" \
             msdata:DataType=\"{column}\"/></xs:schema>"
        );
        Stream::default()
            .call("Save", "Lab.IServer, Lab", None)
            .array(1, false, &[Value::Reference(2)])
            .object(2, "System.Data.DataSet", None, &[("XmlSchema", schema.as_str().into()), ("XmlDiffGram", "<d/>".into())])
            .end()
    };
    let wrapper = "System.Data.Services.Internal.ExpandedWrapper`2[[System.Windows.Markup.XamlReader, PresentationFramework],\
                   [System.Windows.Data.ObjectDataProvider, PresentationFramework]], System.Data.Services";
    assert_eq!(sids(&at_8000(&data_set(wrapper))), [SID]);
    assert_eq!(sids(&at_8000(&data_set("System.Guid, mscorlib"))), [0_u64; 0]);
    let type_object =
        |of: &str| Stream::default().object(1, "System.UnitySerializationHolder", None, &[("Data", of.into())]).end();
    assert_eq!(sids(&at_8000(&type_object(&format!("Lab.List`1[[{GADGET}, X]]")))), [SID]);
    assert_eq!(sids(&at_8000(&type_object("Lab.List`1[[System.String, mscorlib]]"))), [0_u64; 0]);
}

#[test]
fn streams_inside_other_bodies_are_read_as_they_are() {
    let form = |stream: &[u8]| {
        [b"--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n".as_slice(), stream, b"\r\n--b--\r\n"].concat()
    };
    for decoys in [0, 3] {
        let body = |class: &str| {
            let decoy = form(&nrbf::inert("Lab.Job", "Lab")).repeat(decoys);
            post("/api", "multipart/form-data; boundary=b", &[decoy, form(&nrbf::inert(class, LIBRARY))].concat(), "200")
        };
        assert_eq!(sids(&played(&|| to_port(9_419), &body(GADGET))), [SID], "{decoys}");
        assert!(played(&|| to_port(9_419), &body("Lab.Job")).is_empty());
    }
}

#[test]
fn a_second_address_of_a_client_inside_is_a_suspicion_and_one_outside_an_attack() {
    let told = |content: &[u8]| {
        let found = at_8000(content);
        assert_eq!(sids(&found), [9_401_011]);
        (found[0].severity, found[0].suspected, found[0].confidence)
    };
    let back = |uri: &str| told(&nrbf::callback(uri, "/x.rem"));
    let suspected = (Some(3), true, Confidence::Low);
    // As where a virtual network, or a domain, is the first that a runtime asks for.
    assert_eq!(back("tcp://172.17.0.2:4444"), suspected);
    assert_eq!(back("tcp://console.other.lan:4444"), suspected);
    assert_eq!(back("tcp://198.51.100.7:4444"), (None, false, Confidence::High));
    assert_eq!(back("tcp://c2.example.net:4444"), (None, false, Confidence::Medium));
    // What does not wait for calls, and what is not alone.
    let address = "tcp://10.20.31.77:4444";
    assert_eq!(told(&nrbf::bare_reference(address)), (None, false, Confidence::High));
    assert_eq!(told(&nrbf::callback(address, "http://198.51.100.7/x")), (None, false, Confidence::High));
}

#[test]
fn base64_behind_what_cannot_be_followed_is_read() {
    for values in [[0x63, 0, 0, 0].as_slice(), &[11, 0, 0, 0]] {
        assert_pair("a text behind an object of unknown members", &|class| {
            let text = BASE64.encode(&nrbf::inert(class, LIBRARY));
            let len = u16::try_from(text.len()).unwrap();
            let len = [0x80 | (len & 0x7f) as u8, (len >> 7) as u8];
            [&nrbf::HEADER[..], &untyped(2, "System.Version", values), &[6, 50, 0, 0, 0], &len, text.as_bytes(), &[11]].concat()
        });
    }
}

#[test]
fn padding_in_front_of_a_gadget_hides_none() {
    // A text ([MS-NRBF] 2.5.7), its length in groups of seven bits.
    let text = |id: u8, text: &[u8]| {
        let mut record = vec![6, id, 1, 0, 0];
        let mut len = text.len();
        while len > 0x7f {
            record.push(0x80 | (len & 0x7f) as u8);
            len >>= 7;
        }
        record.push(len as u8);
        record.extend_from_slice(text);
        record
    };
    let gadget = nrbf::inert(GADGET, LIBRARY);
    for hidden in [gadget.clone(), text(2, BASE64.encode(&gadget).as_bytes())] {
        for padding in [150_000, 500_000] {
            let mut content = call(&["a"]);
            content.pop();
            content.extend(text(1, &vec![b'x'; padding]));
            content.extend_from_slice(&hidden);
            content.push(11);
            let returned = nrbf::reply(&Stream::default().returned(None).end());
            for request in [
                nrbf::request(URI, &content),
                nrbf::chunked(nrbf::operation::REQUEST, &nrbf::request_headers(URI), &content, 5_000),
            ] {
                let found = played(&|| to_port(8_000), &vec![(UP, request), (DOWN, returned.clone())]);
                assert_eq!(sids(&found), [9_401_011], "{padding}");
                assert_eq!(found[0].outcome, Outcome::Success);
            }
            for kind in ["application/octet-stream", "text/plain"] {
                let found = played(&|| to_port(8_000), &post("/x.rem", kind, &content, "200"));
                assert_eq!(sids(&found), [9_401_011], "{padding} {kind}");
            }
            // Nothing but padding, and other types.
            let harmless = String::from_utf8_lossy(GADGET.as_bytes()).replace("ObjectDataProvider", "Binding");
            let mut content = call(&["a"]);
            content.pop();
            content.extend(text(1, &vec![b'x'; padding]));
            content.extend_from_slice(&nrbf::inert(&harmless, LIBRARY));
            content.extend(text(2, GADGET.as_bytes()));
            content.push(11);
            assert!(played(&|| to_port(8_000), &vec![(UP, nrbf::request(URI, &content))]).is_empty());
            assert!(played(&|| to_port(8_000), &post("/x.rem", "application/octet-stream", &content, "200")).is_empty());
        }
    }
}
