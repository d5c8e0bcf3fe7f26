//! Conversations built from the specification.

use super::talk::{BIG, FEATURES, FIRST, LAST, LITTLE, NDR, NDR64, OBJECT, SVCCTL, WHOLE};
use super::*;

#[test]
fn both_orders_of_bytes_say_the_same() {
    let said = [LITTLE, BIG].map(|talk| {
        let mut script = talk.bound();
        script.push((UP, talk.request(WHOLE | OBJECT, 9, (0, 0x0102), b"stub", None)));
        script.push((DOWN, talk.response(WHOLE, 9, 0, &talk.u32(5))));
        testing::assert_every_segmentation_is_equal(&script);
        let out = lines(&script);
        assert_eq!(out.anomalies, Vec::<&str>::new());
        let call = out.records()[1].clone();
        assert_eq!(text(&call.context, "object"), "00000000-0000-0000-0000-000000000011");
        (call.fields, call.returned, out.lines[2].stub.clone(), out.records()[0].fields.clone())
    });
    assert_eq!(said[0], said[1]);
    assert_eq!((number(object(&said[0].0, "req"), "opnum"), said[0].1), (Some(0x0102), Some(5)));
    assert_eq!(said[0].2, b"stub");
}

#[test]
fn each_context_has_its_own_result_and_syntax() {
    let talk = LITTLE;
    let other = 0x11_u128 << 64;
    let bind = talk.contexts(&[
        (0, SVCCTL, (2, 0), &[NDR]),
        (1, SVCCTL, (2, 0), &[NDR64]),
        (2, SVCCTL, (2, 0), &[FEATURES]),
        (3, other, (4, 1), &[NDR]),
    ]);
    let none = (0, 0);
    let ack = talk.results(r"\PIPE\ntsvcs", &[(2, 2, none), (0, 0, NDR64), (3, 3, none), (2, 1, none)]);
    let script = vec![
        (UP, talk.pdu(11, WHOLE, 1, &bind, None)),
        (DOWN, talk.pdu(12, WHOLE, 1, &ack, None)),
        (UP, talk.request(WHOLE, 2, (1, 0), b"", None)),
        (UP, talk.request(WHOLE, 3, (3, 0), b"", None)),
    ];
    let out = lines(&script);
    let bind = out.records()[0];
    let results: Vec<_> = interfaces(&bind.fields).iter().map(|one| number(one, "ack_result").unwrap()).collect();
    assert_eq!(results, [2, 0, 3, 2]);
    assert_eq!(text(&interfaces(&bind.fields)[3], "version"), "4.1");
    assert_eq!(text(&bind.context, "secondary_address"), r"\PIPE\ntsvcs");
    let Some(Value::List(syntaxes)) = interfaces(&bind.context)[2].get("syntaxes").cloned() else { panic!("none") };
    assert_eq!(syntaxes, [Value::from("features 0x3")]);
    let calls: Vec<_> =
        out.records()[1..].iter().map(|line| (text(&line.context, "uuid").len(), text(&line.context, "syntax"))).collect();
    // What the server did not accept names nothing.
    assert_eq!(calls, [(36, "ndr64"), (0, "ndr")]);
    assert!(
        out.records()[1..]
            .iter()
            .all(|line| line.stage == Stage::Unanswered && text(&line.fields, "response") == "RESPONSE_LOST")
    );
}

#[test]
fn a_rejected_alter_context_changes_nothing_and_an_accepted_one_does() {
    let talk = LITTLE;
    let other = 0x2222_u128;
    let mut script = talk.bound();
    let alter = talk.contexts(&[(0, other, (1, 0), &[NDR])]);
    for (call_id, result) in [(2, 2), (4, 0)] {
        script.push((UP, talk.pdu(14, WHOLE, call_id, &alter, None)));
        script.push((DOWN, talk.pdu(15, WHOLE, call_id, &talk.results("", &[(result, 0, NDR)]), None)));
        script.push((UP, talk.request(WHOLE, call_id + 1, (0, 12), b"", None)));
        script.push((DOWN, talk.fault(call_id + 1, 0x1c01_0002)));
    }
    let out = lines(&script);
    let calls: Vec<&Line> = out.records().into_iter().filter(|line| text(&line.fields, "request") == "REQUEST").collect();
    assert!(text(&calls[0].context, "uuid").starts_with("367abb81") && text(&calls[1].context, "uuid").ends_with("2222"));
    assert_eq!((text(&calls[0].fields, "response"), text(&calls[0].context, "fault")), ("FAULT", "nca_op_rng_error"));
    assert_eq!(text(&out.records()[1].fields, "response"), "ALTER_CONTEXT_RESP");
}

#[test]
fn fragments_of_calls_that_overlap_are_put_together() {
    let talk = LITTLE;
    let mut script = talk.bound();
    script.push((UP, talk.request(FIRST, 5, (0, 12), b"abc", None)));
    script.push((UP, talk.request(FIRST, 6, (0, 13), b"123", None)));
    script.push((UP, talk.request(0, 5, (0, 12), b"de", None)));
    script.push((UP, talk.request(LAST, 6, (0, 13), b"45", None)));
    script.push((UP, talk.request(LAST, 5, (0, 12), b"f", None)));
    script.push((DOWN, talk.response(FIRST, 5, 0, b"xx")));
    script.push((DOWN, talk.response(WHOLE, 6, 0, b"\x07\0\0\0")));
    script.push((DOWN, talk.response(LAST, 5, 0, b"x\x09\0\0\0")));
    testing::assert_every_segmentation_is_equal(&script);
    let out = lines(&script);
    assert_eq!(out.anomalies, Vec::<&str>::new());
    let stubs: Vec<&[u8]> = out.lines.iter().map(|line| line.stub.as_slice()).filter(|stub| !stub.is_empty()).collect();
    assert_eq!(stubs, [b"12345".as_slice(), b"abcdef"]);
    assert_eq!(out.contents, [b"12345".to_vec(), b"abcdef".to_vec()]);
    let calls: Vec<_> = out.records()[1..].iter().map(|line| (number(&line.fields, "call_id"), line.returned)).collect();
    assert_eq!(calls, [(Some(6), Some(7)), (Some(5), Some(9))]);
    let last = out.records()[2];
    assert_eq!(number(object(&last.fields, "req"), "frag_cnt"), Some(3));
    assert_eq!(
        (number(object(&last.fields, "res"), "frag_cnt"), number(object(&last.fields, "res"), "stub_data_size")),
        (Some(2), Some(7))
    );
}

/// An AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3) with names and without any response.
fn authenticate() -> Vec<u8> {
    let names = ["LAB", "operator", "WKS-041"].map(|name| name.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    let mut token = b"NTLMSSP\0\x03\0\0\0".to_vec();
    token.resize(28, 0);
    let mut at = 72_u32;
    for name in &names {
        let len = u16::try_from(name.len()).unwrap();
        token.extend([len.to_le_bytes(), len.to_le_bytes()].concat());
        token.extend(at.to_le_bytes());
        at += u32::from(len);
    }
    token.resize(60, 0);
    token.extend(1_u32.to_le_bytes());
    token.resize(72, 0);
    token.extend(names.concat());
    token
}

#[test]
fn sealed_calls_are_told_without_arguments_and_signed_ones_without_their_verifier() {
    let talk = LITTLE;
    let bind = talk.contexts(&[(0, SVCCTL, (2, 0), &[NDR])]);
    let ack = talk.results("135", &[(0, 0, NDR)]);
    for (level, name) in [(5, "pkt_integrity"), (6, "pkt_privacy")] {
        let names = authenticate();
        let auth = |token: &'static [u8]| Some((10, level, 79, token));
        let script = vec![
            (UP, talk.pdu(11, WHOLE, 1, &bind, auth(b"NTLMSSP\0\x01\0\0\0"))),
            (DOWN, talk.pdu(12, WHOLE, 1, &ack, auth(b"NTLMSSP\0\x02\0\0\0"))),
            (UP, talk.pdu(16, WHOLE, 1, &[0; 4], Some((10, level, 79, &names)))),
            (UP, talk.request(WHOLE, 2, (0, 12), b"arguments", auth(&[9; 16]))),
            (DOWN, talk.response(WHOLE, 2, 0, &[0; 4])),
        ];
        let out = lines(&script);
        assert_eq!(out.anomalies, Vec::<&str>::new());
        let stub: Vec<u8> = out.lines.iter().flat_map(|line| line.stub.clone()).collect();
        let call = out.records()[1];
        assert_eq!(stub, if level == 5 { b"arguments".to_vec() } else { Vec::new() });
        assert_eq!(call.context.get("sealed").is_some(), level == 6);
        assert_eq!(number(object(&call.fields, "req"), "stub_data_size"), Some(9));
        let told = object(&call.context, "auth");
        let said = ["type", "level", "domain", "user", "workstation"].map(|name| text(told, name));
        assert_eq!(said, ["ntlm", name, "LAB", "operator", "WKS-041"]);
    }
}

#[test]
fn a_verifier_that_says_another_level_hides_nothing() {
    let talk = LITTLE;
    let bind = talk.contexts(&[(0, SVCCTL, (2, 0), &[NDR])]);
    let script = vec![
        (UP, talk.pdu(11, WHOLE, 1, &bind, Some((10, 2, 79, b"NTLMSSP\0\x01\0\0\0")))),
        (UP, talk.request(WHOLE, 2, (0, 12), b"arguments", Some((10, 6, 79, &[9; 16])))),
    ];
    let out = lines(&script);
    assert_eq!(out.anomalies, ["dcerpc_auth_level"]);
    assert!(out.lines.iter().any(|line| line.stub == b"arguments"));
}

#[test]
fn a_level_that_is_only_asked_for_hides_nothing() {
    let talk = LITTLE;
    let bind = talk.contexts(&[(0, SVCCTL, (2, 0), &[NDR])]);
    let ack = talk.results("135", &[(0, 0, NDR)]);
    let negotiate = b"NTLMSSP\0\x01\0\0\0";
    let asked = |level: u8| Some((10, level, 79, &negotiate[..]));
    let begin = vec![(UP, talk.pdu(11, WHOLE, 1, &bind, asked(5))), (DOWN, talk.pdu(12, WHOLE, 1, &ack, asked(5)))];
    let more = (UP, talk.pdu(14, WHOLE, 2, &bind, asked(6)));
    let call = |level: u8| (UP, talk.request(WHOLE, 3, (0, 12), b"arguments", Some((10, level, 79, &[9; 16]))));
    let is_seen = |script: &Script| lines(script).lines.iter().any(|line| line.stub == b"arguments");
    // Refused, and ignored: what is agreed to goes on.
    for refusal in [vec![(DOWN, talk.fault(2, 5))], vec![]] {
        for level in [5, 6] {
            assert!(is_seen(&[begin.clone(), vec![more.clone()], refusal.clone(), vec![call(level)]].concat()));
        }
    }
    // Agreed to.
    let agreed = (DOWN, talk.pdu(15, WHOLE, 2, &ack, asked(6)));
    assert!(!is_seen(&[begin.clone(), vec![more, agreed, call(6)]].concat()));
    // Nobody asked for any.
    assert!(is_seen(&[talk.bound(), vec![call(6)]].concat()));
    // Of what may be missing nothing is claimed.
    assert!(!is_seen(&vec![call(6)]));
}

#[test]
fn calls_tell_their_interface_where_no_bind_was_seen() {
    let talk = LITTLE;
    let stubs = include_str!("../calls/tests/stubs.txt");
    let stub = |name: &str| {
        let line = stubs.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        data_encoding::HEXLOWER.decode(line.as_bytes()).unwrap()
    };
    for (name, opnum, uuid) in [
        ("svcctl 12 ndr ", 12, "367abb81"),
        ("svcctl 12 ndr64 ", 12, "367abb81"),
        ("ITaskSchedulerService 1 ndr ", 1, "86d35949"),
        ("ITaskSchedulerService 1 ndr64 ", 1, "86d35949"),
        ("IWbemServices 24 ndr ", 24, "9556dc99"),
        ("IWbemServices 24 ndr64 ", 24, "9556dc99"),
    ] {
        let stub = stub(name);
        let call = |context: u16, stub: &[u8]| (UP, talk.request(WHOLE, 2, (context, opnum), stub, None));
        let known = |script: &Script| {
            let out = lines(script);
            let call = out.records().last().copied().unwrap().clone();
            call.context.get("uuid").is_some() && text(&call.context, "uuid").starts_with(uuid)
        };
        assert!(known(&vec![call(7, &stub)]), "{name}");
        // What follows on the same context is of the same interface.
        let answer = (DOWN, talk.response(WHOLE, 2, 7, &[0; 24]));
        assert!(known(&vec![call(7, &stub), answer.clone(), (UP, talk.request(WHOLE, 3, (7, 0), &[0; 20], None))]), "{name}");
        assert!(!known(&vec![call(7, &stub), answer, (UP, talk.request(WHOLE, 3, (8, 0), &[0; 20], None))]), "{name}");
        // Other arguments, another number, and calls of a bind that was seen.
        assert!(!known(&vec![call(7, &stub[..stub.len() / 2])]), "{name}");
        assert!(!known(&vec![(UP, talk.request(WHOLE, 2, (7, opnum + 2), &stub, None))]), "{name}");
        let bind = talk.contexts(&[(0, 0x1234, (1, 0), &[NDR])]);
        let ack = talk.results("135", &[(0, 0, NDR)]);
        let bound = vec![(UP, talk.pdu(11, WHOLE, 1, &bind, None)), (DOWN, talk.pdu(12, WHOLE, 1, &ack, None))];
        for context in [0, 7] {
            assert!(!known(&[bound.clone(), vec![call(context, &stub)]].concat()), "{name}");
        }
    }
}

#[test]
fn a_verification_trailer_names_the_interface_of_a_bind_that_was_not_seen() {
    let talk = LITTLE;
    let context = [talk.uuid(SVCCTL), talk.u32(2).to_vec(), talk.uuid(NDR64.0), talk.u32(NDR64.1).to_vec()].concat();
    let trailer =
        [&[0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71][..], &[1, 0, 4, 0, 1, 0, 0, 0], &[2, 0x40, 40, 0], &context].concat();
    let stub = [&[0xaa; 8][..], &trailer].concat();
    let out = lines(&vec![(UP, talk.request(WHOLE, 2, (7, 12), &stub, None))]);
    let call = out.records()[0];
    assert!(text(&call.context, "uuid").starts_with("367abb81"), "{call:?}");
    assert_eq!(text(&call.context, "syntax"), "ndr64");
}

#[test]
fn binds_are_refused_and_calls_given_up() {
    let talk = LITTLE;
    let bind = talk.contexts(&[(0, SVCCTL, (2, 0), &[NDR])]);
    let script = vec![
        (UP, talk.pdu(11, WHOLE, 1, &bind, None)),
        (DOWN, talk.pdu(13, WHOLE, 1, &[2, 0, 0, 0], None)),
        (UP, talk.request(WHOLE, 2, (0, 1), b"", None)),
        (UP, talk.pdu(18, WHOLE, 2, &[], None)),
        (UP, talk.pdu(19, WHOLE, 2, &[], None)),
        (DOWN, talk.pdu(17, WHOLE, 0, &[], None)),
    ];
    let out = lines(&script);
    assert_eq!(out.anomalies, Vec::<&str>::new());
    let [refused, orphan] = out.records()[..] else { panic!("{:?}", out.lines) };
    assert_eq!(text(&refused.fields, "response"), "BINDNAK");
    assert_eq!((text(&orphan.fields, "response"), orphan.stage), ("RESPONSE_LOST", Stage::Unanswered));
    assert!(orphan.context.get("cancelled").is_some() && orphan.context.get("orphaned").is_some());
}
