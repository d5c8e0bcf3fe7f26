//! Real conversations (the README beside the fixtures names their origin).

use super::*;

/// Commands with their status, in the order of the answers; the first of equal ones in a row, with their number.
fn course(recorder: &Recorder) -> Vec<String> {
    let mut out: Vec<(String, usize)> = Vec::new();
    for (command, status, name) in answered(recorder) {
        let command = command.replace("SMB2_", "").replace("SMB1_", "1:");
        let line = if status == "SUCCESS" { format!("{command} {name}") } else { format!("{command} {name} {status}") };
        let line = line.trim_end().to_owned();
        match out.last_mut() {
            Some((last, count)) if *last == line => *count += 1,
            _ => out.push((line, 1)),
        }
    }
    out.into_iter().map(|(line, count)| if count == 1 { line } else { format!("{line} x{count}") }).collect()
}

fn replayed(name: &str) -> Recorder {
    let recorder = run(&testing::fixture(name).unwrap());
    assert_eq!(recorder.anomalies(), Vec::<&str>::new(), "{name}");
    recorder
}

/// The fields of the first answered exchange of a command.
fn first<'a>(recorder: &'a Recorder, command: &str) -> &'a Fields {
    let mut all = recorder.transactions().map(|(_, fields)| fields).filter(|fields| fields.get("status").is_some());
    all.find(|fields| text(fields, "command").ends_with(command)).unwrap()
}

fn object<'a>(fields: &'a Fields, name: &str) -> &'a Fields {
    match fields.get(name) {
        Some(Value::Object(fields)) => fields,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn a_script_written_to_an_administrative_share_and_read_back() {
    let recorder = replayed("smb_admin_write");
    let share = r"\\10.20.30.10\ADMIN$";
    let script = r"temp\8MDg144UDiaz.ps1";
    let log = r"temp\tjRoG0vVn8OE.log";
    let expected = [
        "1:NEGOTIATE_PROTOCOL".to_owned(),
        "NEGOTIATE_PROTOCOL".to_owned(),
        "SESSION_SETUP  MORE_PROCESSING_REQUIRED".to_owned(),
        "SESSION_SETUP".to_owned(),
        format!("TREE_CONNECT {share}"),
        format!("CREATE {script}"),
        format!("WRITE {script}"),
        format!("CLOSE {script}"),
        format!("TREE_DISCONNECT {share}"),
        format!("TREE_CONNECT {share}"),
        format!("CREATE {log}"),
        format!("WRITE {log}"),
        format!("CLOSE {log}"),
        format!("TREE_DISCONNECT {share}"),
        format!("TREE_CONNECT {share}"),
        format!("CREATE {script}"),
        format!("GET_INFO {script}"),
        format!("READ {script}"),
        format!("CLOSE {script}"),
        format!("TREE_DISCONNECT {share}"),
        "SESSION_LOGOFF".to_owned(),
    ];
    assert_eq!(course(&recorder), expected);
    let contents = contents(&recorder);
    assert_eq!(contents.len(), 3);
    assert!(contents[0] == contents[2] && contents[0].len() == 935 && contents[0].starts_with(b"return # INERT-TEST-TEXT-A"));
    let create = first(&recorder, "_CREATE");
    let ntlmssp = object(create, "ntlmssp");
    assert_eq!((text(ntlmssp, "domain"), text(ntlmssp, "user")), ("CORP", "Administrator"));
    assert_eq!((text(create, "share"), text(create, "share_type")), (share, "FILE"));
    assert_eq!((text(create, "disposition"), text(create, "access")), ("FILE_OVERWRITE_IF", "normal"));
    let negotiated = recorder.transactions().map(|(_, fields)| fields).find(|fields| text(fields, "dialect") == "3.11");
    assert!(matches!(negotiated.unwrap().get("client_dialects"), Some(Value::List(all)) if all.len() == 5));
}

#[test]
fn a_long_read_is_one_content() {
    let recorder = replayed("smb_admin_read");
    let contents = contents(&recorder);
    assert_eq!(contents.iter().map(|bytes| bytes.len()).collect::<Vec<_>>(), [35_646]);
    assert!(course(&recorder).contains(&r"READ temp\nFcv5ke38cnE.ps1".to_owned()));
}

#[test]
fn ordinary_copies_are_told_with_their_share() {
    let recorder = replayed("smb_script");
    assert!(course(&recorder).iter().any(|line| line.contains("TREE_CONNECT") && line.ends_with("Backups")));
    assert!(course(&recorder).iter().any(|line| line.ends_with("NOT_FOUND") && line.starts_with("IOCTL")));
    assert!(contents(&recorder).iter().all(|bytes| bytes.len() == 189 && bytes.starts_with(b"# weekly report")));
    let setup = recorder.transactions().map(|(_, fields)| fields);
    let setup = setup.filter(|fields| fields.get("ntlmssp").is_some()).last().unwrap();
    let ntlmssp = object(setup, "ntlmssp");
    assert_eq!([text(ntlmssp, "user"), text(ntlmssp, "host")], ["opsadmin", "OPS-022"]);
    assert!(!contents(&replayed("smb_copy")).is_empty());
}

#[test]
fn an_encrypted_session_is_told_once_and_nothing_of_it() {
    let recorder = replayed("smb_encrypted");
    let told = recorder.transactions().map(|(_, fields)| text(fields, "command")).filter(|command| *command == "SMB3_ENCRYPTED");
    assert_eq!(told.count(), 1);
    assert_eq!(course(&recorder).last().unwrap(), "SESSION_SETUP");
    assert_eq!(contents(&recorder).len(), 0);
}

#[test]
fn pipes_are_named_and_what_goes_through_them_is_told_in_order() {
    for (name, pipe) in [("smb_svcctl", "svcctl"), ("smb_enum_0", "srvsvc"), ("smb_enum_1", "wkssvc")] {
        let recorder = replayed(name);
        let create = first(&recorder, "_CREATE");
        assert_eq!((text(create, "named_pipe"), text(create, "share_type")), (pipe, "PIPE"));
        let pieces = recorder.events.iter().filter_map(|event| match event {
            Event::Content(layers, bytes, direction) if layers == &["smb.pipe"] => Some((*direction, bytes.as_slice())),
            _ => None,
        });
        let pieces: Vec<_> = pieces.collect();
        // A DCE/RPC bind (C706 12.6.4.3), and its answer.
        assert!(pieces[0].0 == UP && pieces[0].1.starts_with(&[5, 0, 11]), "{name}");
        assert!(pieces[1].0 == DOWN && pieces[1].1.starts_with(&[5, 0, 12]), "{name}");
        assert!(pieces[2..].iter().any(|(direction, bytes)| *direction == UP && bytes.starts_with(&[5, 0, 0])), "{name}");
    }
}

#[test]
fn compounds_name_their_file_once_and_long_writes_pass_in_pieces() {
    let recorder = replayed("smb_compound");
    let course = course(&recorder);
    for expected in ["CREATE notes.txt", "WRITE notes.txt", "CLOSE notes.txt", "READ notes.txt", "FIND <share_root>"] {
        assert!(course.iter().any(|line| line == expected), "{expected}: {course:?}");
    }
    let bytes: usize = contents(&recorder).iter().map(|bytes| bytes.len()).sum();
    assert!(bytes > 200_000);
}

/// The share of a pipe may have been connected before the capture began: its name says what it is.
#[test]
fn a_well_known_pipe_is_one_without_its_share() {
    for (name, interface) in [("smb_enum_0", "srvsvc"), ("smb_svcctl", "svcctl")] {
        let whole = testing::fixture(name).unwrap();
        let create = |bytes: &[u8]| bytes.get(4..8) == Some(b"\xfeSMB") && bytes.get(16..18) == Some(&[5, 0]);
        let at = whole.iter().position(|(direction, bytes)| *direction == UP && create(bytes)).unwrap();
        let rest: Script = whole[at..].to_vec();
        let calls = |script: &Script| {
            let recorder = run(script);
            let all = recorder.transactions().filter_map(|(_, fields)| match fields.get("dcerpc") {
                Some(Value::Object(rpc)) => Some(format!("{:?}", (rpc.get("request"), rpc.get("interfaces"), rpc.get("opnum")))),
                _ => None,
            });
            all.collect::<Vec<_>>()
        };
        assert!(calls(&rest)[0].contains(interface) && calls(&rest)[0].contains("BIND"), "{:?}", calls(&rest));
        assert_eq!(calls(&rest), calls(&whole), "{name}");
    }
}
