//! Messages built as [MS-SMB2] 2.2 and [MS-CIFS] 2.2 lay them out.

use backstop_testkit::smb::{self, DENIED, Header, OK, Talk, command};

use super::*;

const SHARE: &str = r"\\VBR01\C$";

fn with_share() -> Talk {
    let mut talk = Talk::default();
    talk.connect(SHARE, 1, OK);
    talk
}

/// The last answered exchange of a command.
fn last<'a>(recorder: &'a Recorder, command: &str) -> &'a Fields {
    let all = recorder.transactions().map(|(_, fields)| fields).filter(|fields| fields.get("status").is_some());
    all.filter(|fields| text(fields, "command").ends_with(command)).last().unwrap()
}

#[test]
fn a_file_in_pieces_of_any_order_is_one_content() {
    let mut talk = with_share();
    let id = talk.create("a.txt", OK);
    for (offset, piece) in [(6, "ghi"), (0, "abc"), (3, "def")] {
        talk.write(id, offset, piece.as_bytes(), OK);
    }
    talk.close(id);
    let recorder = run(&talk.script);
    assert_eq!(contents(&recorder), [b"abcdefghi"]);
    assert_eq!(recorder.anomalies(), Vec::<&str>::new());
    // Writes of one file are one record.
    let writes = recorder.transactions().filter(|(_, fields)| text(fields, "command").ends_with("WRITE"));
    assert_eq!(writes.count(), 6);
}

#[test]
fn a_refused_login_create_and_connect_keep_their_status() {
    let mut talk = with_share();
    talk.create("denied.ps1", DENIED);
    talk.connect(r"\\VBR01\ADMIN$", 1, DENIED);
    let recorder = run(&talk.script);
    assert_eq!(text(last(&recorder, "CREATE"), "status"), "STATUS_ACCESS_DENIED");
    assert_eq!(text(last(&recorder, "CREATE"), "filename"), "denied.ps1");
    assert_eq!(text(last(&recorder, "TREE_CONNECT"), "share"), r"\\VBR01\ADMIN$");
}

#[test]
fn a_renamed_file_goes_on_under_its_new_name() {
    let mut talk = with_share();
    let id = talk.create("a.tmp", OK);
    talk.exchange(command::SET_INFO, &smb::set_info(id, 10, &smb::rename(r"temp\run.ps1")), OK, &[2, 0]);
    talk.write(id, 0, b"x", OK);
    let recorder = run(&talk.script);
    assert_eq!(text(last(&recorder, "WRITE"), "filename"), r"temp\run.ps1");
    let Some(Value::Object(rename)) = last(&recorder, "SET_INFO").get("rename") else { panic!("no rename") };
    assert_eq!((text(rename, "from"), text(rename, "to")), ("a.tmp", r"temp\run.ps1"));
}

/// 3.3.4.2: the interim response leaves the request open, the final one answers it.
#[test]
fn an_interim_response_answers_nothing() {
    let mut talk = with_share();
    let header = talk.header(command::CREATE);
    let id = talk.file_id();
    talk.say(UP, &[header.with(&smb::create("late.txt", 3, 5, 0))]);
    let interim = Header { status: 0x103, flags: 3, ..header };
    talk.say(DOWN, &[interim.with(&[9, 0, 0, 0, 0, 0, 0, 0, 0])]);
    talk.say(DOWN, &[Header { flags: 3, ..header }.with(&smb::created(id, 0))]);
    let recorder = run(&talk.script);
    let creates = answered(&recorder).into_iter().filter(|(command, ..)| command.ends_with("CREATE")).count();
    assert_eq!((creates, recorder.anomalies().len()), (1, 0));
}

/// 3.2.4.1.4: related requests have the file id ff…, and the name is only in the CREATE.
#[test]
fn a_related_compound_is_followed() {
    let mut talk = with_share();
    let (create, write, close) = (talk.header(command::CREATE), talk.header(command::WRITE), talk.header(command::CLOSE));
    let related = |header: Header| Header { flags: 4, session: u64::MAX, tree: u32::MAX, ..header };
    let same = [0xff; 16];
    talk.say(
        UP,
        &[
            create.with(&smb::create(r"temp\x.bat", 3, 5, 0)),
            related(write).with(&smb::write(same, 0, b"@echo off")),
            related(close).with(&smb::close(same)),
        ],
    );
    let id = talk.file_id();
    let answer = |header: Header| Header { flags: 5, ..header };
    talk.say(
        DOWN,
        &[answer(create).with(&smb::created(id, 0)), answer(write).with(&smb::written(9)), answer(close).with(&[60; 60])],
    );
    let recorder = run(&talk.script);
    assert_eq!(contents(&recorder), [b"@echo off"]);
    assert_eq!(text(last(&recorder, "WRITE"), "filename"), r"temp\x.bat");
    assert_eq!(text(last(&recorder, "CLOSE"), "share"), SHARE);
    assert_eq!(recorder.anomalies(), Vec::<&str>::new());
}

/// 2.2.42.1: the whole message in plain LZ77, none of it in the clear ([MS-XCA] 2.4).
#[test]
fn a_compressed_write_is_read() {
    let mut talk = with_share();
    let id = talk.create("a.txt", OK);
    let header = talk.header(command::WRITE);
    let message = header.with(&smb::write(id, 0, b"compressed text"));
    // 32 literals behind each flag word of zeros.
    let packed: Vec<u8> = message.chunks(32).flat_map(|chunk| [&[0; 4][..], chunk].concat()).collect();
    let mut body = b"\xfcSMB".to_vec();
    body.extend(u32::try_from(message.len()).unwrap().to_le_bytes());
    body.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    body.extend(packed);
    talk.say(UP, &[body]);
    let recorder = run(&talk.script);
    assert_eq!(contents(&recorder), [b"compressed text"]);
    assert_eq!(recorder.anomalies(), Vec::<&str>::new());
}

/// RFC 1002 §4.3: port 139 begins with a session request, and may be kept alive.
#[test]
fn the_session_service_is_passed_over() {
    let mut talk = with_share();
    let request = [&b"\x81\0\0\x44\x20"[..], &[b'C'; 32], b"\0\x20", &[b'A'; 32], b"\0"].concat();
    talk.script.insert(0, (UP, request));
    talk.script.insert(1, (DOWN, b"\x82\0\0\0".to_vec()));
    talk.script.push((UP, b"\x85\0\0\0".to_vec()));
    talk.put("a", b"b", 1);
    let recorder = run(&talk.script);
    assert_eq!(contents(&recorder), [b"b"]);
    assert_eq!(recorder.anomalies(), Vec::<&str>::new());
}

mod smb1 {
    use super::*;

    fn message(command: u8, response: bool, words: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut out = b"\xffSMB".to_vec();
        out.push(command);
        out.extend([0; 4]);
        out.push(if response { 0x98 } else { 0x18 });
        out.extend([0x01, 0xc8]);
        out.extend([0; 12]);
        // TID, PID, UID, MID.
        out.extend([7, 0, 9, 0, 5, 0, command, 0]);
        out.push(u8::try_from(words.len() / 2).unwrap());
        out.extend(words);
        out.extend(u16::try_from(bytes.len()).unwrap().to_le_bytes());
        out.extend(bytes);
        smb::frame(&[out])
    }

    /// Little-endian words.
    fn words(numbers: &[u16]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// [MS-CIFS] 2.2.4.55, 2.2.4.64, [MS-SMB] 2.2.4.3: a tree, a file in it, a write.
    #[test]
    fn a_write_of_the_first_version_is_followed() {
        let share = smb::wide("\\\\VBR01\\ADMIN$\0");
        let connect = message(0x75, false, &words(&[0xff, 0, 0, 1]), &[&[0][..], &share, b"?????\0"].concat());
        let connected = message(0x75, true, &words(&[0xff, 0, 0]), b"A:\0");
        let name = smb::wide("\\temp\\a.ps1");
        let mut create = vec![0xff, 0, 0, 0, 0];
        create.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        create.extend([0; 8]);
        create.extend([0x96, 1, 2, 0]);
        create.extend([0; 8]);
        create.extend([0; 8]);
        create.extend(5_u32.to_le_bytes());
        create.extend([0; 9]);
        let create = message(0xa2, false, &create, &[&[0][..], &name, &[0, 0]].concat());
        let mut created = vec![0xff, 0, 0, 0, 0, 0x34, 0x12];
        created.extend([0; 61]);
        let created = message(0xa2, true, &created, &[]);
        let data = b"Get-Date";
        let write = words(&[0xff, 0, 0x1234, 0, 0, 0, 0, 0, 0, 0, 8, 64, 0, 0]);
        let write = message(0x2f, false, &write, &[&[0][..], data].concat());
        let written = message(0x2f, true, &words(&[0xff, 0, 8, 0, 0, 0]), &[]);
        let close = message(0x04, false, &words(&[0x1234, 0, 0]), &[]);
        let closed = message(0x04, true, &[], &[]);
        let turns = [connect, connected, create, created, write, written, close, closed];
        let script: Script =
            turns.into_iter().enumerate().map(|(at, turn)| (if at % 2 == 0 { UP } else { DOWN }, turn)).collect();
        testing::assert_every_segmentation_is_equal(&script);
        let recorder = run(&script);
        assert_eq!(recorder.anomalies(), Vec::<&str>::new());
        assert_eq!(contents(&recorder), [b"Get-Date"]);
        let write = last(&recorder, "WRITE_ANDX");
        assert_eq!((text(write, "filename"), text(write, "share")), (r"\temp\a.ps1", r"\\VBR01\ADMIN$"));
    }

    /// A command; words and bytes of the request, and of the response.
    type Turn = (u8, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);

    fn connected(then: &[Turn]) -> Script {
        let share = smb::wide("\\\\VBR01\\ADMIN$\0");
        let mut script = vec![
            (UP, message(0x75, false, &words(&[0xff, 0, 0, 1]), &[&[0][..], &share, b"?????\0"].concat())),
            (DOWN, message(0x75, true, &words(&[0xff, 0, 0]), b"A:\0")),
        ];
        for (command, asked, bytes, answered, answer) in then {
            script.push((UP, message(*command, false, asked, bytes)));
            script.push((DOWN, message(*command, true, answered, answer)));
        }
        script
    }

    fn core(len: u16, data: &[u8]) -> Vec<u8> {
        [&[1][..], &len.to_le_bytes(), data].concat()
    }

    /// [MS-CIFS] 2.2.4.3, 2.2.4.4, 2.2.4.11, 2.2.4.12, 2.2.4.40: commands of the core protocol, which servers take to this day.
    #[test]
    fn core_commands_move_files_too() {
        // A format, and the name, at an even offset.
        let name = [&[4][..], &smb::wide("\\temp\\a.ps1\0")].concat();
        let made = (0x03, words(&[0, 0, 0]), name.clone(), words(&[0x1234]), vec![]);
        let first = (0x0b, words(&[0x1234, 4, 0, 0, 4]), core(4, b"Get-"), words(&[4]), vec![]);
        let last = (0x2c, words(&[0x1234, 4, 4, 0, 0, 0]), b"\0Date".to_vec(), words(&[4]), vec![]);
        let opened = (0x02, words(&[0, 0]), name, words(&[0x1235, 0, 0, 0, 8, 0, 0]), vec![]);
        let read = (0x0a, words(&[0x1235, 8, 0, 0, 8]), vec![], words(&[8, 0, 0, 0, 0]), core(8, b"Get-Date"));
        let closed = (0x04, words(&[0x1235, 0, 0]), vec![], vec![], vec![]);
        let script = connected(&[made, first, last, opened, read, closed]);
        testing::assert_every_segmentation_is_equal(&script);
        let recorder = run(&script);
        assert_eq!(recorder.anomalies(), Vec::<&str>::new());
        assert_eq!(contents(&recorder), [b"Get-Date", b"Get-Date"]);
        for command in ["_WRITE", "WRITE_AND_CLOSE", "_READ"] {
            let fields = super::last(&recorder, command);
            assert_eq!((text(fields, "filename"), text(fields, "share")), (r"\temp\a.ps1", r"\\VBR01\ADMIN$"), "{command}");
        }
    }

    /// [MS-CIFS] 2.2.7.1, 2.2.6.1: transactions that open.
    #[test]
    fn transactions_open_files() {
        let name = smb::wide("\\temp\\a.ps1");
        let write = |fid| (0x0b, words(&[fid, 8, 0, 0, 8]), core(8, b"Get-Date"), words(&[8]), vec![]);
        // 38 bytes of words: the parameters begin at 32 + 1 + 38 + 2 + 3.
        let mut asked = vec![0; 38];
        asked[23..27].copy_from_slice(&76_u32.to_le_bytes());
        asked[36] = 1;
        let mut parameters = vec![0; 53];
        parameters[8..12].copy_from_slice(&2_u32.to_le_bytes());
        parameters[28..32].copy_from_slice(&5_u32.to_le_bytes());
        parameters[44..48].copy_from_slice(&u32::try_from(name.len()).unwrap().to_le_bytes());
        let bytes = [&[0; 3][..], &parameters, &[0], &name].concat();
        let mut answered = vec![0; 36];
        answered[15..19].copy_from_slice(&72_u32.to_le_bytes());
        let answer = [&[0; 1][..], &[0, 0, 0x34, 0x12], &[0; 64]].concat();
        let nt = (0xa0, asked, bytes, answered, answer);
        // 30 bytes of words: the parameters begin at 32 + 1 + 30 + 2 + 3.
        let mut asked = vec![0; 30];
        asked[20] = 68;
        asked[26] = 1;
        let mut parameters = vec![0; 28];
        parameters[2] = 1;
        let bytes = [&[0; 3][..], &parameters, &name, &[0, 0]].concat();
        let mut answered = vec![0; 20];
        answered[8] = 56;
        let answer = [&[0; 1][..], &[0x35, 0x12], &[0; 28]].concat();
        let two = (0x32, asked, bytes, answered, answer);
        let script = connected(&[nt, write(0x1234), two, write(0x1235)]);
        testing::assert_every_segmentation_is_equal(&script);
        let recorder = run(&script);
        assert_eq!(recorder.anomalies(), Vec::<&str>::new());
        let writes = recorder.transactions().filter(|(_, fields)| text(fields, "command").ends_with("_WRITE"));
        assert!(writes.map(|(_, fields)| text(fields, "filename")).all(|name| name == r"\temp\a.ps1"));
        assert_eq!(contents(&recorder), [b"Get-Date", b"Get-Date"]);
    }
}

/// The CREATE of [MS-SMB2] 4.4, by the values that it gives: message 9 of a session and tree that began before.
#[test]
fn the_example_of_a_named_pipe_is_read_by_its_fields() {
    let mut message = b"\xfeSMB\x40\0\0\0\0\0\0\0\x05\0\x6f\0\0\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0".to_vec();
    message.extend(b"\x0d\0\0\0\0\x04\0\0");
    message.extend([0; 16]);
    // Size, security flags, oplock, impersonation; create flags and reserved; access, attributes, share, disposition, options.
    message.extend(b"\x39\0\0\x09\x02\0\0\0");
    message.extend([0; 16]);
    for number in [0x0012_019f_u32, 0, 3, 1, 0x40] {
        message.extend(number.to_le_bytes());
    }
    message.extend(b"\x78\0\x0c\0\0\0\0\0\0\0\0\0s\0r\0v\0s\0v\0c\0");
    let script = [(UP, smb::frame(&[message]))];
    testing::assert_every_segmentation_is_equal(&script);
    let recorder = run(&script);
    assert_eq!(recorder.anomalies(), Vec::<&str>::new());
    let (_, fields) = recorder.transactions().next().unwrap();
    assert_eq!((fields.get("session_id"), fields.get("tree_id")), (Some(&Value::Uint(0x0400_0000_000d)), Some(&Value::Uint(1))));
    assert_eq!((text(fields, "filename"), text(fields, "command")), ("srvsvc", "SMB2_COMMAND_CREATE"));
    assert_eq!(text(fields, "disposition"), "FILE_OPEN");
}
