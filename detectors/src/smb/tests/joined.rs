//! Scripts that come through several opens of one file: what a reader of the share sees at the end.

use backstop_testkit::smb::{command, create, created, rename, set_info};

use super::*;

const FOUND: (u64, u8, Outcome) = (9_403_001, 1, Outcome::Success);
const WRITTEN: (u64, u8, Outcome) = (9_404_001, 2, Outcome::Success);

/// Opens a file for writing: 1 FILE_OPEN, 2 FILE_CREATE, 3 FILE_OPEN_IF, 5 FILE_OVERWRITE_IF ([MS-SMB2] 2.2.13).
fn opened(talk: &mut Talk, name: &str, disposition: u32, status: u32) -> [u8; 16] {
    let id = talk.file_id();
    talk.exchange(command::CREATE, &create(name, 0x0012_0196, disposition, 0x40), status, &created(id, 0));
    id
}

fn piece(talk: &mut Talk, name: &str, disposition: u32, offset: usize, bytes: &[u8]) {
    let id = opened(talk, name, disposition, OK);
    talk.write(id, offset as u64, bytes, OK);
    talk.close(id);
}

fn halves() -> (&'static [u8], &'static [u8]) {
    LOADER.as_bytes().split_at(LOADER.find("DeflateStream").unwrap() + 4)
}

#[test]
fn a_script_in_two_opens_is_one() {
    let (first, second) = halves();
    for (share, told_of_file) in [(ADMIN, true), (r"\\h\Backups", false)] {
        let expected = if told_of_file { vec![WRITTEN, FOUND] } else { vec![FOUND] };
        for (one, other) in [(0, first.len()), (first.len(), 0)] {
            let bytes = |offset: usize| if offset == 0 { first } else { second };
            for name in [r"temp\check.ps1", r"TEMP\Check.PS1"] {
                let mut talk = on(share);
                piece(&mut talk, r"temp\check.ps1", 2, one, bytes(one));
                piece(&mut talk, name, 1, other, bytes(other));
                assert_eq!(told(&replayed(&talk.script)), expected, "{share} {one} {name}");
            }
        }
    }
    // A text of another name, on an administrative share; and in thirty opens.
    let mut talk = on(ADMIN);
    piece(&mut talk, "update.log", 2, 0, first);
    piece(&mut talk, "update.log", 3, first.len(), second);
    assert_eq!(told(&replayed(&talk.script)), [FOUND]);
    let mut talk = on(ADMIN);
    for (number, bytes) in LOADER.as_bytes().chunks(8).enumerate() {
        piece(&mut talk, "check.ps1", 3, number * 8, bytes);
    }
    assert_eq!(told(&replayed(&talk.script)), [WRITTEN, FOUND]);
    // Appended to: [MS-FSA] 2.1.5.4.
    let mut talk = on(ADMIN);
    piece(&mut talk, "check.ps1", 2, 0, first);
    piece(&mut talk, "check.ps1", 1, usize::MAX, second);
    assert_eq!(told(&replayed(&talk.script)), [WRITTEN, FOUND]);
}

#[test]
fn opens_at_a_time_write_one_file() {
    let (first, second) = halves();
    let (third, fourth) = second.split_at(second.len() / 2);
    let mut talk = on(ADMIN);
    let one = opened(&mut talk, "check.ps1", 2, OK);
    let other = opened(&mut talk, "check.ps1", 1, OK);
    talk.write(one, 0, first, OK);
    talk.write(other, first.len() as u64, third, OK);
    talk.write(one, (first.len() + third.len()) as u64, fourth, OK);
    talk.close(other);
    talk.close(one);
    let mut found = told(&replayed(&talk.script));
    found.sort_by_key(|(sid, ..)| *sid);
    assert_eq!(found, [FOUND, (9_404_001, 1, Outcome::Success)]);
}

#[test]
fn a_file_is_followed_through_a_rename() {
    let (first, second) = halves();
    let mut talk = on(ADMIN);
    piece(&mut talk, "a.tmp", 2, 0, first);
    let id = talk.open("a.tmp", 1);
    talk.exchange(command::SET_INFO, &set_info(id, 10, &rename("check.ps1")), OK, &[2, 0]);
    talk.close(id);
    piece(&mut talk, "check.ps1", 1, first.len(), second);
    assert_eq!(told(&replayed(&talk.script)), [WRITTEN, FOUND]);
}

#[test]
fn what_is_gone_or_elsewhere_is_not_joined() {
    let (first, second) = halves();
    // Emptied in between: a reader sees zeros and the second half.
    for disposition in [0, 2, 4, 5] {
        let mut talk = on(ADMIN);
        piece(&mut talk, "check.ps1", 2, 0, first);
        piece(&mut talk, "check.ps1", disposition, first.len(), second);
        assert_eq!(told(&replayed(&talk.script)), [WRITTEN], "{disposition}");
    }
    // One that was refused empties nothing.
    let mut talk = on(ADMIN);
    piece(&mut talk, "check.ps1", 2, 0, first);
    opened(&mut talk, "check.ps1", 2, 0xc000_0035);
    piece(&mut talk, "check.ps1", 1, first.len(), second);
    assert_eq!(told(&replayed(&talk.script)), [WRITTEN, FOUND]);
    // Another file, another share.
    let mut talk = on(ADMIN);
    piece(&mut talk, "check.ps1", 2, 0, first);
    piece(&mut talk, "other.ps1", 2, first.len(), second);
    talk.connect(r"\\10.20.30.10\C$", 1, OK);
    piece(&mut talk, "check.ps1", 1, first.len(), second);
    assert_eq!(told(&replayed(&talk.script)), [WRITTEN; 3]);
    // Ordinary scripts that are written in pieces.
    let mut talk = on(ADMIN);
    let (first, second) = ORDINARY.as_bytes().split_at(20);
    piece(&mut talk, "check.ps1", 2, 0, first);
    piece(&mut talk, "check.ps1", 1, 20, second);
    assert_eq!(told(&replayed(&talk.script)), [WRITTEN]);
}

/// What is held stays within the cap, and closed files make room for those that are open.
#[test]
fn closed_files_make_room() {
    let mut talk = on(ADMIN);
    let text = "# nothing but padding\r\n".repeat(2_000);
    for number in 0..100 {
        piece(&mut talk, &format!("{number}.txt"), 2, 0, text.as_bytes());
    }
    piece(&mut talk, "check.ps1", 2, 0, LOADER.as_bytes());
    let flow = replayed(&talk.script);
    assert_eq!((told(&flow), flow.out.content_cut), (vec![FOUND, (9_404_001, 1, Outcome::Success)], 0));
}

/// A long script that is opened for each of many small writes is not read whole each time, and what it becomes is seen all the same.
#[test]
fn many_small_opens_of_a_long_script_cost_what_they_are() {
    let run = |count: usize| {
        let mut talk = on(ADMIN);
        let padding = "# nothing but padding stands in this line of the script\r\n".repeat(8_000);
        for (number, bytes) in padding.as_bytes().chunks(60_000).enumerate() {
            piece(&mut talk, "check.ps1", 3, number * 60_000, bytes);
        }
        for number in 0..count {
            piece(&mut talk, "check.ps1", 3, number % 50, b"#");
        }
        piece(&mut talk, "check.ps1", 3, padding.len(), LOADER.as_bytes());
        let begun = backstop_testkit::Stopwatch::start();
        let flow = replayed(&talk.script);
        assert!(told(&flow).contains(&FOUND), "{count}");
        begun.elapsed().as_secs_f64()
    };
    let (short, long) = (run(100), run(1_000));
    assert!(long < short * 5.0 + 1.0, "{short} s for 100, {long} s for 1 000");
}
