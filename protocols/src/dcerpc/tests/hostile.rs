//! Caps, gaps, and what is no conversation.

use super::talk::{FIRST, LAST, LITTLE, WHOLE};
use super::*;

#[test]
fn what_is_no_pdu_is_not_recognised() {
    let script = vec![(UP, b"\x05\x01\x00\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50 and more of it".to_vec())];
    assert!(lines(&script).lines.is_empty());
    let mut short = LITTLE.request(WHOLE, 1, (0, 0), b"", None);
    short[8] = 15;
    assert!(lines(&vec![(UP, short)]).lines.is_empty());
}

#[test]
fn arguments_beyond_the_cap_are_counted_and_told() {
    let limits = Limits { max_message: 1_000, ..Limits::default() };
    let mut script = LITTLE.bound();
    for at in 0..20_u8 {
        let flags = if at == 0 {
            FIRST
        } else if at == 19 {
            LAST
        } else {
            0
        };
        script.push((UP, LITTLE.request(flags, 2, (0, 12), &[at; 300], None)));
    }
    let out = lines_with(&script, limits);
    assert_eq!(out.anomalies, ["dcerpc_message_too_long"]);
    let call = out.records()[1];
    assert_eq!(number(object(&call.fields, "req"), "stub_data_size"), Some(6_000));
    assert!(call.context.get("truncated").is_some());
    assert_eq!(out.lines.iter().map(|line| line.stub.len()).max(), Some(1_000));
}

#[test]
fn no_text_in_front_of_them_hides_the_actions_of_a_task() {
    const TASKS: u128 = 0x86d3_5949_83c9_4044_b424_db36_3231_fd0c;
    let padding = "x".repeat(200_000);
    for front in
        [format!("<RegistrationInfo><Description>{padding}</Description></RegistrationInfo>"), format!("<!--{padding}-->")]
    {
        let xml = format!("<Task>{front}<Actions><Exec><Command>cmd.exe</Command></Exec></Actions></Task>\0");
        let units: Vec<u8> = xml.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let count = u32::try_from(units.len() / 2).unwrap();
        let mut stub: Vec<u8> = [0, count, 0, count].into_iter().flat_map(u32::to_le_bytes).chain(units).collect();
        stub.resize(stub.len().next_multiple_of(4) + 20, 0);
        let bind = LITTLE.contexts(&[(0, TASKS, (1, 0), &[talk::NDR])]);
        let mut script = vec![(UP, LITTLE.pdu(11, WHOLE, 1, &bind, None))];
        let pieces: Vec<&[u8]> = stub.chunks(5_000).collect();
        for (number, piece) in pieces.iter().enumerate() {
            let flags = if number == 0 { FIRST } else { 0 } | if number + 1 == pieces.len() { LAST } else { 0 };
            script.push((UP, LITTLE.request(flags, 2, (0, 1), piece, None)));
        }
        let out = lines(&script);
        assert_eq!(out.anomalies, Vec::<&str>::new());
        let call = out.records().last().copied().unwrap().clone();
        let arguments = format!("{:?}", object(&call.context, "arguments"));
        assert!(
            arguments.contains("cmd.exe") && !arguments.contains("truncated") && arguments.len() < 10_000,
            "{arguments:.500}"
        );
    }
}

#[test]
fn calls_that_wait_are_bounded_in_number_and_in_bytes() {
    let limits = Limits { max_message: 10_000, max_buffer: 70_000, ..Limits::default() };
    let (mut out, mut driver) = (Lines::default(), Driver::new(limits));
    for call_id in 0..2_000 {
        driver.data(UP, &LITTLE.request(FIRST, call_id, (0, 12), &[1; 5_000], None), &mut out);
        assert!(driver.buffered() < 100_000, "{}", driver.buffered());
    }
    testing::close(&mut driver, &mut out);
    assert_eq!(out.anomalies, ["dcerpc_pending_limit"]);
    // Each is told, as far as it came.
    assert_eq!(out.records().len(), 2_000);
    assert!(out.lines.iter().filter(|line| line.stage == Stage::Requested).all(|line| line.stub.len() == 5_000));
}

#[test]
fn lengths_that_do_not_fit_are_told_once_and_harm_nothing() {
    let mut script = LITTLE.bound();
    // A verifier longer than its PDU.
    let mut verifier = LITTLE.request(WHOLE, 2, (0, 12), b"stub", None);
    verifier[10] = 0xff;
    script.push((UP, verifier));
    // More padding than there are arguments.
    let mut padding = LITTLE.request(WHOLE, 3, (0, 12), b"stub", Some((10, 5, 0, &[0; 16])));
    let at = padding.len() - 22;
    padding[at] = 0xff;
    script.push((UP, padding));
    // A bind that promises more contexts than it has, and an ack that has none.
    let mut bind = LITTLE.contexts(&[]);
    bind[8] = 255;
    script.push((UP, LITTLE.pdu(14, WHOLE, 4, &bind, None)));
    script.push((DOWN, LITTLE.pdu(15, WHOLE, 4, &[0xff; 12], None)));
    script.push((UP, LITTLE.request(WHOLE, 5, (0, 12), b"after", None)));
    testing::assert_every_segmentation_is_equal(&script);
    let out = lines(&script);
    assert_eq!(out.anomalies, ["dcerpc_malformed_pdu"]);
    assert!(out.lines.iter().any(|line| line.stub == b"after"));
}

#[test]
fn fragments_out_of_order_and_answers_of_the_client_are_violations() {
    let mut script = LITTLE.bound();
    script.push((UP, LITTLE.request(LAST, 2, (0, 12), b"tail", None)));
    script.push((UP, LITTLE.request(FIRST, 3, (0, 12), b"one", None)));
    script.push((UP, LITTLE.request(WHOLE, 3, (0, 12), b"two", None)));
    script.push((UP, LITTLE.response(WHOLE, 3, 0, b"")));
    let out = lines(&script);
    assert_eq!(out.anomalies, ["dcerpc_fragment_order", "dcerpc_wrong_direction"]);
    let stubs: Vec<&[u8]> = out.lines.iter().map(|line| line.stub.as_slice()).filter(|stub| !stub.is_empty()).collect();
    assert_eq!(stubs, [b"tail".as_slice(), b"one", b"two"]);
}

#[test]
fn junk_among_pdus_is_told_and_the_next_pdu_is_found() {
    let mut script = LITTLE.bound();
    script.push((UP, b"\x05\x05junk of some length".to_vec()));
    script.push((UP, LITTLE.request(WHOLE, 2, (0, 12), b"after", None)));
    testing::assert_every_segmentation_is_equal(&script);
    let out = lines(&script);
    assert_eq!(out.anomalies, ["dcerpc_bad_header"]);
    assert!(out.lines.iter().any(|line| line.stub == b"after"));
}

#[test]
fn a_gap_within_a_pdu_keeps_the_place_and_one_beyond_it_is_searched() {
    for (from, len) in [(30, 20), (30, 200), (0, 24)] {
        let (mut out, mut driver) = (Lines::default(), Driver::new(Limits::default()));
        for (direction, bytes) in LITTLE.bound() {
            driver.data(direction, &bytes, &mut out);
        }
        let long = LITTLE.request(WHOLE, 2, (0, 12), &[7; 200], None);
        let after = LITTLE.request(WHOLE, 3, (0, 13), b"after", None);
        let all = [long, after.clone(), after].concat();
        driver.data(UP, &all[..from], &mut out);
        driver.gap(UP, len as u64, &mut out);
        driver.data(UP, &all[from + len..], &mut out);
        testing::close(&mut driver, &mut out);
        assert_eq!(out.anomalies, Vec::<&str>::new());
        assert!(out.lines.iter().any(|line| line.stub == b"after"), "{from} {len}");
        let first = out.lines.iter().find(|line| number(&line.fields, "call_id") == Some(2));
        assert_eq!(first.map(|line| line.context.get("truncated").is_some()), (from > 0).then_some(true));
    }
}
