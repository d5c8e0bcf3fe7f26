use super::*;

fn gapped(before: &[(Direction, Vec<u8>)], gap: (Direction, u64), after: &[(Direction, Vec<u8>)]) -> Recorder {
    let mut recorder = Recorder::default();
    let mut driver = Driver::new(Limits::default());
    for (direction, bytes) in before {
        driver.data(*direction, bytes, &mut recorder);
    }
    driver.gap(gap.0, gap.1, &mut recorder);
    for (direction, bytes) in after {
        driver.data(*direction, bytes, &mut recorder);
    }
    testing::close(&mut driver, &mut recorder);
    recorder
}

#[test]
fn behind_a_gap_the_next_preamble_is_found() {
    let request = nrbf::request(URI, &call("Long"));
    // Inside headers: where content ends is not known.
    let (head, tail) = request.split_at(30);
    let next = [&tail[10..], nrbf::request(URI, &call("Next")).as_slice()].concat();
    let said = gapped(&[(UP, head.to_vec())], (UP, 10), &[(UP, next), (DOWN, nrbf::reply(&returned("x")))]);
    let methods: Vec<String> = exchanges(&said).iter().map(|fields| field(fields, "request.method")).collect();
    assert!(methods.contains(&"Next".to_owned()), "{methods:?}");
    assert!(said.events.contains(&Event::InSync(AppProto::Nrtp, UP, false)));
    assert!(said.events.contains(&Event::InSync(AppProto::Nrtp, UP, true)));
    assert_eq!(said.anomalies(), [""; 0]);
}

#[test]
fn a_gap_inside_sized_content_keeps_the_place_and_what_came_before() {
    let text = "x".repeat(4_000);
    let content = Stream::default().call("Long", "T", Some(&[&text])).end();
    let request = nrbf::request(URI, &content);
    let at = request.len() - 2_000;
    let after = [&request[at + 500..], nrbf::request(URI, &call("Next")).as_slice()].concat();
    let said = gapped(&[(UP, request[..at].to_vec())], (UP, 500), &[(UP, after)]);
    let over = exchanges(&said);
    assert_eq!(field(over[0], "request.method"), "Long");
    assert_eq!(field(over[0], "request.truncated"), "Bool(true)");
    assert_eq!(field(over[1], "request.method"), "Next");
    assert!(!said.events.contains(&Event::InSync(AppProto::Nrtp, UP, false)));
}

#[test]
fn a_lost_reply_does_not_move_those_behind_it() {
    let reply = nrbf::reply(&returned("first"));
    let said = gapped(
        &[(UP, nrbf::request(URI, &call("First")))],
        (DOWN, reply.len() as u64),
        &[(UP, nrbf::request(URI, &call("Second"))), (DOWN, nrbf::reply(&returned("second")))],
    );
    let answered: Vec<String> = exchanges(&said)
        .iter()
        .filter(|fields| fields.get("reply").is_some())
        .map(|fields| field(fields, "request.method"))
        .collect();
    assert_eq!(answered, ["Second"]);
}

#[test]
fn declared_lengths_cost_nothing() {
    let headers = nrbf::request_headers(URI);
    let mut huge = nrbf::message(operation::REQUEST, &headers, &[]);
    huge[10..14].copy_from_slice(&i32::MAX.to_le_bytes());
    let mut chunk = nrbf::chunked(operation::REQUEST, &headers, &[], 1);
    let at = chunk.len() - 6;
    chunk[at..at + 4].copy_from_slice(&i32::MAX.to_le_bytes());
    for bytes in [huge, chunk] {
        let mut recorder = Recorder::default();
        let mut driver = Driver::new(Limits::default());
        driver.data(UP, &bytes, &mut recorder);
        for _ in 0..2_000 {
            driver.data(UP, &[0x41; 1_000], &mut recorder);
            assert!(driver.buffered() < 3 * 256 * 1024, "{}", driver.buffered());
        }
        testing::close(&mut driver, &mut recorder);
        assert_eq!(exchanges(&recorder).len(), 2);
        assert!(recorder.anomalies().contains(&anomaly::CONTENT_CUT));
    }
}

#[test]
fn objects_behind_what_is_decoded_are_told_however_they_come() {
    let headers = nrbf::request_headers(URI);
    let inner = nrbf::inert("Lab.Hidden", "Lab");
    let text = data_encoding::BASE64.encode(&inner);
    for hidden in [inner.clone(), text.into_bytes()] {
        // A text in front of it; and so that it lies across the ends of windows.
        for padding in [200_000, 131_000, 179_900, 1_000_000] {
            let mut content = call("M");
            content.pop();
            content.extend(std::iter::repeat_n(b'x', padding));
            content.extend_from_slice(&[0; 3]);
            content.extend_from_slice(&hidden);
            content.push(11);
            for request in [
                nrbf::message(operation::REQUEST, &headers, &content),
                nrbf::chunked(operation::REQUEST, &headers, &content, 300_000),
                nrbf::chunked(operation::REQUEST, &headers, &content, 4_096),
            ] {
                let script =
                    vec![(UP, request.clone()), (UP, nrbf::request(URI, &call("N"))), (DOWN, nrbf::reply(&returned("x")))];
                let mut recorder = Recorder::default();
                let mut driver = Driver::new(Limits::default());
                for (direction, bytes) in &script {
                    for piece in bytes.chunks(1_460) {
                        driver.data(*direction, piece, &mut recorder);
                        assert!(driver.buffered() < 3 * 256 * 1024);
                    }
                }
                testing::close(&mut driver, &mut recorder);
                let told: Vec<String> = exchanges(&recorder).iter().map(|exchange| format!("{exchange:?}")).collect();
                let hits = told.iter().filter(|line| line.contains("Lab.Hidden")).count();
                assert!(hits >= 1, "{padding} {}", told.len());
                // The next request is read as ever.
                assert!(told.iter().any(|line| line.contains("\"N\"")), "{told:?}");
            }
        }
    }
}

#[test]
fn every_violation_has_its_name() {
    let headers = nrbf::request_headers(URI);
    let good = nrbf::request(URI, &call("M"));
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let second = |bytes: Vec<u8>| [good.clone(), bytes].concat();
    let mut bad_chunk = nrbf::chunked(operation::REQUEST, &headers, b"abc", 3);
    let at = bad_chunk.len() - 8;
    bad_chunk[at] = b'x';
    let many: Vec<u8> = [9_u8, 0, 0].repeat(300);
    let in_server = nrbf::reply(&returned("x"));
    for (name, bytes) in [
        (anomaly::BAD_VERSION, with(4, &[2, 0])),
        (anomaly::BAD_OPERATION, second(with(6, &[7, 0]))),
        (anomaly::BAD_PREAMBLE, second(b"HELO".to_vec())),
        (anomaly::BAD_LENGTH, with(10, &(-1_i32).to_le_bytes())),
        (anomaly::BAD_LENGTH, bad_chunk),
        (anomaly::BAD_HEADER, with(16, &[9])),
        (anomaly::BAD_HEADER, with(17, &[2])),
        (anomaly::TOO_MANY_HEADERS, nrbf::message(operation::REQUEST, &[many.as_slice(), &[0, 0]].concat(), &[])),
        (anomaly::WRONG_SIDE, second(in_server)),
        (anomaly::MALFORMED_CONTENT, nrbf::request(URI, &[&nrbf::HEADER[..], &[99]].concat())),
    ] {
        let script = vec![(UP, bytes)];
        assert_eq!(run(&script).anomalies(), [name]);
        assert!(anomaly::is_violation(name));
        testing::assert_every_segmentation_is_equal(&script);
    }
}

#[test]
fn long_and_many_headers_hide_no_content() {
    let long = |len: usize| nrbf::counted(&"x".repeat(len));
    let custom = |name: Vec<u8>, value: Vec<u8>| [&[1, 0], name.as_slice(), value.as_slice()].concat();
    let short = || nrbf::counted("h");
    let ending = nrbf::request_headers(URI);
    for (anomaly, headers) in [
        (Some(anomaly::BAD_HEADER), custom(short(), long(300_000))),
        (Some(anomaly::BAD_HEADER), custom(long(20_000), short())),
        (Some(anomaly::BAD_HEADER), [&[3, 0, 1], long(70_000).as_slice()].concat()),
        (Some(anomaly::TOO_MANY_HEADERS), custom(short(), short()).repeat(2_000)),
        (None, custom(short(), long(16_000))),
        // Readers take no text where the length is negative, whatever the encoding says.
        (None, custom(vec![9, 0xff, 0xff, 0xff, 0xff], vec![0, 0, 0, 0, 0])),
    ] {
        let bytes = nrbf::message(operation::REQUEST, &[headers.as_slice(), &ending].concat(), &call("Hidden"));
        let script = vec![(UP, bytes), (DOWN, nrbf::reply(&returned("x")))];
        let said = run(&script);
        assert_eq!(said.anomalies(), anomaly.into_iter().collect::<Vec<_>>());
        let over = exchanges(&said);
        assert_eq!(field(over[0], "request.method"), "Hidden");
        testing::assert_every_segmentation_is_equal(&script);
    }
}

#[test]
fn nobody_answers_his_own_request() {
    let said =
        run(&[(UP, nrbf::request(URI, &call("M"))), (UP, nrbf::reply(&returned("forged"))), (DOWN, nrbf::failure("refused"))]);
    let over: Vec<(String, String)> = exchanges(&said)
        .iter()
        .filter(|fields| fields.get("reply").is_some())
        .map(|fields| (field(fields, "request.method"), field(fields, "reply.status_phrase")))
        .collect();
    assert_eq!(over, [(String::new(), String::new()), ("M".to_owned(), "refused".to_owned())]);
}

#[test]
fn requests_without_replies_are_bounded() {
    let mut driver = Driver::new(Limits::default());
    let mut recorder = Recorder::default();
    for number in 0..5_000 {
        driver.data(UP, &nrbf::request(&format!("tcp://h:1/{number}/{}", "u".repeat(900)), &call("M")), &mut recorder);
        assert!(driver.buffered() <= 2 * 256 * 1024, "{}", driver.buffered());
    }
    let mut client_first = Recorder::default();
    driver.close(UP, &mut client_first);
    driver.close(DOWN, &mut client_first);
    assert!(exchanges(&client_first).len() <= 256);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn damaged_conversations_say_the_same_whole_and_in_pieces(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        size in 1_usize..40,
        tail in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        let headers = nrbf::request_headers(URI);
        let mut up = [
            nrbf::chunked(operation::REQUEST, &headers, &call("A"), size),
            nrbf::request(URI, &nrbf::callback("tcp://192.0.2.1:1", "o")),
            tail,
        ].concat();
        for (place, byte) in changes {
            let len = up.len();
            up[place.index(len)] = byte;
        }
        testing::assert_every_segmentation_is_equal(&[(UP, up), (DOWN, nrbf::reply(&returned("x")))]);
    }
}
