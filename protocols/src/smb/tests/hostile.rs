//! What an attacker may send: the parser says what is wrong, holds no more than its caps, and its work is linear.

use std::time::Instant;

use backstop_testkit::smb::{self, Header, OK, Talk, command};

use super::*;
use crate::smb::anomaly;

fn with_share() -> Talk {
    let mut talk = Talk::default();
    talk.connect(r"\\VBR01\C$", 1, OK);
    talk
}

fn anomalies(script: &[(Direction, Vec<u8>)]) -> Vec<&'static str> {
    run(script).anomalies()
}

#[test]
fn lengths_and_offsets_that_do_not_fit_are_told_and_the_next_message_is_read() {
    let mut base = with_share();
    let id = base.create("a", OK);
    // Data beyond the message; a name beyond it; an offset into the header.
    let mut beyond = smb::write(id, 0, b"abc");
    beyond[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut early = smb::write(id, 0, b"abc");
    early[2..4].copy_from_slice(&8_u16.to_le_bytes());
    let mut name = smb::create("name", 3, 5, 0);
    name[46..48].copy_from_slice(&u16::MAX.to_le_bytes());
    for (what, body) in [(command::WRITE, beyond), (command::WRITE, early), (command::CREATE, name), (command::READ, vec![49, 0])]
    {
        let mut talk = base.clone();
        let header = talk.header(what);
        talk.say(UP, &[header.with(&body)]);
        talk.put("b", b"still here", 64);
        let recorder = run(&talk.script);
        assert_eq!(recorder.anomalies(), [anomaly::MALFORMED_MESSAGE], "{what}");
        assert!(contents(&recorder).contains(&b"still here".as_slice()), "{what}");
    }
}

/// 3.3.5.2.7: `NextCommand` is 8-byte aligned, behind the header and in the frame. One that points back would loop.
#[test]
fn compounds_that_point_nowhere_end_with_their_frame() {
    for next in [1_u32, 8, 56, 63, 65, 1 << 20, u32::MAX, u32::MAX - 7] {
        let mut talk = with_share();
        let header = talk.header(command::ECHO);
        let mut message = header.with(&[4, 0, 0, 0, 0, 0, 0, 0]);
        message[20..24].copy_from_slice(&next.to_le_bytes());
        talk.say(UP, &[message]);
        talk.put("b", b"x", 1);
        let recorder = run(&talk.script);
        assert_eq!(recorder.anomalies(), [anomaly::MALFORMED_MESSAGE], "{next}");
        assert_eq!(contents(&recorder), [b"x"]);
    }
}

#[test]
fn what_is_no_frame_ends_the_parser_and_says_so() {
    let mut talk = with_share();
    talk.script.push((UP, b"GET / HTTP/1.1\r\n\r\n".to_vec()));
    talk.put("b", b"not read", 64);
    let recorder = run(&talk.script);
    assert_eq!(recorder.anomalies(), [anomaly::BAD_HEADER]);
    assert_eq!(contents(&recorder).len(), 0);
}

#[test]
fn a_response_from_the_client_is_told() {
    let mut talk = with_share();
    let header = Header { flags: 1, ..talk.header(command::ECHO) };
    talk.say(UP, &[header.with(&[4, 0, 0, 0])]);
    assert_eq!(anomalies(&talk.script), [anomaly::WRONG_DIRECTION]);
}

#[test]
fn a_compressed_message_that_lies_or_grows_too_much_is_told() {
    for (algorithm, original, packed, expected) in [
        (2_u16, 100_u32, &b"\0\0\0\0abc"[..], anomaly::MALFORMED_COMPRESSION),
        (3, 100, b"abc", anomaly::MALFORMED_COMPRESSION),
        (1, 1 << 30, b"abc", anomaly::UNDECODED_COMPRESSION),
        (9, 10, b"abc", anomaly::UNDECODED_COMPRESSION),
        // A compressed message in a compressed one.
        (2, 16, b"\0\0\0\0\xfcSMB\x04\0\0\0\x02\0\0\0\0\0\0\0", anomaly::BAD_HEADER),
    ] {
        let mut talk = with_share();
        let mut body = b"\xfcSMB".to_vec();
        body.extend(original.to_le_bytes());
        body.extend(algorithm.to_le_bytes());
        body.extend([0; 6]);
        body.extend(packed);
        talk.say(UP, &[body]);
        assert_eq!(anomalies(&talk.script), [expected], "{algorithm}");
    }
}

#[test]
fn files_trees_sessions_and_requests_are_capped() {
    let limits = Limits { max_files: 8, max_pending: 8, ..Limits::default() };
    let mut talk = Talk::default();
    for number in 0..40 {
        talk.connect(&format!(r"\\h\s{number}"), 1, OK);
        let id = talk.create(&format!("f{number}"), OK);
        talk.write(id, 0, b"x", OK);
    }
    for _ in 0..40 {
        let header = talk.header(command::ECHO);
        talk.say(UP, &[header.with(&[4, 0, 0, 0])]);
    }
    let mut recorder = Recorder::default();
    let mut driver = Driver::new(limits);
    for (direction, bytes) in &talk.script {
        driver.data(*direction, bytes, &mut recorder);
        assert!(driver.buffered() < 8 * 4 * 1_024);
    }
    testing::close(&mut driver, &mut recorder);
    assert_eq!(recorder.anomalies(), [anomaly::STATE_LIMIT, anomaly::PENDING_LIMIT]);
    // What had to make room was offered.
    assert_eq!(contents(&recorder).len(), 40);
}

#[test]
fn contents_are_capped_and_offered_in_parts() {
    let limits = Limits { max_file_bytes: 64 * 1_024, ..Limits::default() };
    let mut talk = with_share();
    let ids: Vec<_> = (0..20).map(|number| talk.create(&format!("f{number}"), OK)).collect();
    for (number, id) in ids.iter().enumerate() {
        talk.write(*id, 0, &vec![u8::try_from(number).unwrap(); 8_000], OK);
    }
    let mut recorder = Recorder::default();
    let mut driver = Driver::new(limits);
    for (direction, bytes) in &talk.script {
        driver.data(*direction, bytes, &mut recorder);
        assert!(driver.buffered() < 64 * 1_024 + 32 * 1_024);
    }
    testing::close(&mut driver, &mut recorder);
    assert_eq!(recorder.anomalies(), [anomaly::CONTENT_LIMIT]);
    assert_eq!(contents(&recorder).iter().map(|bytes| bytes.len()).sum::<usize>(), 160_000);
}

/// A sink that counts: what a recorder keeps would be most of the work.
#[derive(Default)]
struct Counts {
    transactions: u64,
    content: u64,
}

impl crate::Sink for Counts {
    fn transaction(&mut self, _: &crate::Transaction<'_>) {
        self.transactions += 1;
    }
    fn anomaly(&mut self, _: crate::Anomaly) {}
    fn content(&mut self, content: crate::Content<'_>) {
        self.content += content.bytes.len() as u64;
    }
    fn plaintext(&mut self, _: Direction, _: &[u8]) {}
    fn confirmed(&mut self, _: AppProto) {}
    fn in_sync(&mut self, _: AppProto, _: Direction, _: bool) {}
}

/// Runs `count` tiny writes at offsets that `place` gives; content offered per byte written, and seconds.
fn tiny_writes(count: u64, place: impl Fn(u64) -> (u64, u8)) -> (f64, f64) {
    let mut talk = with_share();
    let id = talk.create("a.bin", OK);
    let (mut counts, mut driver) = (Counts::default(), Driver::new(Limits::default()));
    for (direction, bytes) in &talk.script {
        driver.data(*direction, bytes, &mut counts);
    }
    talk.script.clear();
    let begun = Instant::now();
    for number in 0..count {
        let (offset, byte) = place(number);
        talk.write(id, offset, &[byte], OK);
        for (direction, bytes) in talk.script.drain(..) {
            driver.data(direction, &bytes, &mut counts);
        }
        assert!(driver.buffered() < 2 << 20);
    }
    testing::close(&mut driver, &mut counts);
    assert!(counts.transactions > count);
    (counts.content as f64 / count as f64, begun.elapsed().as_secs_f64())
}

#[test]
fn tiny_writes_of_any_order_cost_what_they_are() {
    type Order = (&'static str, fn(u64) -> (u64, u8));
    let orders: [Order; 7] = [
        ("forward", |number| (number, 1)),
        ("backward", |number| ((1 << 30) - number, 1)),
        ("same place", |number| (0, number as u8)),
        ("two places", |number| (number % 2 * 5_000, number as u8)),
        ("holes", |number| (number * 3, 1)),
        ("over", |number| (number % 2_000, (number / 2_000) as u8)),
        ("scattered", |number| (number.wrapping_mul(7_919) % 60_000, number as u8)),
    ];
    for (name, place) in orders {
        let (_, short) = tiny_writes(4_000, place);
        let (offered, long) = tiny_writes(40_000, place);
        // What a message of 181 bytes may bring to the rules.
        println!("{name}: {offered:.1} bytes offered a byte, {:.1} us, {:.1} us", short * 250.0, long * 25.0);
        assert!(offered < 200.0, "{name}: {offered} bytes offered for each written");
        assert!(long < short * 40.0 + 0.5, "{name}: {short} s for 4 000, {long} s for 40 000");
    }
}

/// A hole in one direction costs what is in it: what comes behind it in either direction is read, and is nobody's fault.
#[test]
fn a_hole_costs_what_is_in_it() {
    for (hole, at) in [(100_000, 50_000), (250_000, 100_000), (149_900, 50_000), (300_000, 10)] {
        let mut talk = with_share();
        let id = talk.create("large.vib", OK);
        talk.write(id, 0, &vec![7; 200_000], OK);
        talk.write(id, 200_000, &vec![8; 200_000], OK);
        talk.close(id);
        talk.put("b.txt", b"behind", 64);
        let stream: Vec<u8> =
            talk.script.iter().filter(|(direction, _)| *direction == UP).flat_map(|(_, bytes)| bytes.clone()).collect();
        let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
        let mut position = 0;
        let start = stream.len() - 401_000;
        for (direction, bytes) in &talk.script {
            if *direction == DOWN {
                driver.data(DOWN, bytes, &mut recorder);
                continue;
            }
            for byte in bytes.chunks(1_460) {
                let (from, to) = (position, position + byte.len());
                position = to;
                let (low, high) = ((start + at).clamp(from, to), (start + at + hole).clamp(from, to));
                driver.data(UP, &byte[..low - from], &mut recorder);
                if high > low {
                    driver.gap(UP, (high - low) as u64, &mut recorder);
                }
                driver.data(UP, &byte[high - from..], &mut recorder);
            }
        }
        testing::close(&mut driver, &mut recorder);
        assert_eq!(recorder.anomalies(), Vec::<&str>::new());
        let behind = answered(&recorder).into_iter().filter(|(_, status, name)| status == "SUCCESS" && name == "b.txt");
        let behind: Vec<String> = behind.map(|(command, ..)| command).collect();
        assert_eq!(behind, ["SMB2_CREATE", "SMB2_WRITE", "SMB2_CLOSE"], "{hole} at {at}");
        assert!(contents(&recorder).contains(&b"behind".as_slice()));
    }
}

/// Requests that wait behind a hole come after their responses.
#[test]
fn responses_that_come_first_are_paired() {
    let mut talk = Talk::default();
    let login = talk.script.len();
    talk.connect(r"\\VBR01\C$", 1, OK);
    talk.put(r"temp\a.ps1", b"late", 2);
    let (before, behind) = talk.script.split_at(login);
    let of = |direction| behind.iter().filter(move |(of, _)| *of == direction).cloned();
    let script: Script = before.iter().cloned().chain(of(DOWN)).chain(of(UP)).collect();
    let recorder = run(&script);
    assert_eq!(recorder.anomalies(), Vec::<&str>::new());
    assert_eq!(contents(&recorder), [b"late"]);
    let told = answered(&recorder);
    let expected = ["TREE_CONNECT", "CREATE", "WRITE", "WRITE", "CLOSE"].map(|command| format!("SMB2_{command}"));
    assert_eq!(told[3..].iter().map(|(command, ..)| command.clone()).collect::<Vec<_>>(), expected);
    assert!(told[4..].iter().all(|(_, status, name)| status == "SUCCESS" && name == r"temp\a.ps1"));
    testing::assert_every_segmentation_is_equal(&script);
    // Answers to nothing are forgotten.
    let mut talk = Talk::default();
    for _ in 0..1_000 {
        let header = Header { flags: 1, ..talk.header(command::CREATE) };
        talk.say(DOWN, &[header.with(&smb::created([7; 16], 0))]);
    }
    let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
    for (direction, bytes) in &talk.script {
        driver.data(*direction, bytes, &mut recorder);
        assert!(driver.buffered() < 40 * 512);
    }
}

/// Who asks for much at once does not hide what is opened.
#[test]
fn a_create_among_many_requests_keeps_its_place() {
    let mut talk = with_share();
    let (create, id) = (talk.header(command::CREATE), talk.file_id());
    talk.say(UP, &[create.with(&smb::create("a.ps1", 3, 5, 0))]);
    for _ in 0..400 {
        let header = talk.header(command::ECHO);
        talk.say(UP, &[header.with(&[4, 0, 0, 0])]);
    }
    talk.say(DOWN, &[Header { flags: 1, ..create }.with(&smb::created(id, 0))]);
    talk.write(id, 0, b"x", OK);
    let recorder = run(&talk.script);
    assert_eq!(recorder.anomalies(), [anomaly::PENDING_LIMIT]);
    let written = answered(&recorder).into_iter().find(|(command, ..)| command == "SMB2_WRITE");
    assert_eq!(written.map(|(_, _, name)| name), Some("a.ps1".to_owned()));
}

/// FSCTL_PIPE_TRANSCEIVE ([MS-SMB2] 2.2.31): what is there of a message longer than the cap is read, and the call behind it.
#[test]
fn calls_in_a_message_beyond_the_cap_are_read_as_far_as_it_goes() {
    let mut talk = Talk::default();
    talk.connect(r"\\VBR01\IPC$", 2, OK);
    let id = talk.create("svcctl", OK);
    let call = |call_id: u8, len: u16| {
        let mut pdu = vec![5, 0, 0, 3, 0x10, 0, 0, 0];
        pdu.extend(len.to_le_bytes());
        pdu.extend([0, 0, call_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0]);
        pdu.resize(usize::from(len), 0);
        pdu
    };
    let data = [call(1, 100), call(2, 65_000), call(3, 65_000), call(4, 65_000)].concat();
    let mut ioctl = vec![57, 0, 0, 0, 0x17, 0xc0, 0x11, 0];
    ioctl.extend(id);
    ioctl.extend(120_u32.to_le_bytes());
    ioctl.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    ioctl.resize(56, 0);
    ioctl.extend(data);
    let header = talk.header(command::IOCTL);
    talk.say(UP, &[header.with(&ioctl)]);
    talk.write(id, 0, &call(5, 100), OK);
    testing::assert_every_segmentation_is_equal(&talk.script);
    let recorder = run(&talk.script);
    assert_eq!(recorder.anomalies(), [anomaly::MESSAGE_TOO_LONG]);
    let calls: Vec<u64> = recorder
        .transactions()
        .filter_map(|(_, fields)| match fields.get("dcerpc") {
            Some(Value::Object(rpc)) if text(rpc, "response") == "UNREPLIED" => rpc.get("call_id").cloned(),
            _ => None,
        })
        .filter_map(|id| if let Value::Uint(id) = id { Some(id) } else { None })
        .collect();
    // Asked, and never answered; of the fourth its beginning is there.
    assert_eq!(calls, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
}
