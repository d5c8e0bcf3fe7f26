//! A session whose keys are known, sealed on the way: what is mutated is behind the MAC.
//!
//! The first byte chooses the suite, the second the caps and the size of pieces; each part is one record: the lowest bit of its
//! byte is the direction, the next two the type, the others what happens to it.

use std::sync::Arc;

use backstop_protocols::testing::{Event, Recorder, Script};
use backstop_protocols::tls::KeyRing;
use backstop_protocols::{Driver, Limits};
use backstop_testkit::tls::{SUITES, Session, message};
use backstop_types::Direction;

use crate::split;

/// Part: sent by the server.
pub const TO_CLIENT: u8 = 0x01;
/// Part: in the place of the type, its number over 20.
pub const KIND: u8 = 0x06;
/// Part: the header of a handshake message is put before it, the first byte is its type.
pub const MESSAGE: u8 = 0x08;
/// Part: a bit of the sealed record is turned over.
pub const BROKEN: u8 = 0x10;
/// Part: the record is cut short and a gap takes its place.
pub const GAP: u8 = 0x20;
/// Part: as it is, unsealed.
pub const RAW: u8 = 0x40;
/// Part: the keys of its side change behind it (RFC 8446 §7.2).
pub const UPDATE: u8 = 0x80;
/// Second byte: keys come after everything else.
pub const LATE: u8 = 0x80;

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[suite, size], rest)) = input.split_first_chunk::<2>() else { return };
    let parts = split::parts(rest);
    let (script, gaps, log) = script(suite, &parts);
    let limits = Limits { max_undecrypted: 64 * 1024, ..Limits::default() };
    let whole = converse(&script, &gaps, &log, &limits, usize::MAX, size & LATE != 0);
    let cut = converse(&script, &gaps, &log, &limits, usize::from(size & !LATE) + 1, size & LATE != 0);
    assert!(whole == cut, "pieces say something else:\n{whole:#?}\n{cut:#?}");
}

fn script(suite: u8, parts: &[(u8, &[u8])]) -> (Script, Vec<usize>, String) {
    let mut session = Session::new(SUITES[usize::from(suite) % SUITES.len()], 7);
    let log = session.key_log();
    let (mut script, mut gaps) = (session.handshake(), Vec::new());
    for &(op, part) in parts {
        let direction = if op & TO_CLIENT == 0 { Direction::ToServer } else { Direction::ToClient };
        let part = &part[..part.len().min(16_000)];
        let content = match part.split_first() {
            Some((&kind, body)) if op & MESSAGE != 0 => message(kind, body),
            _ => part.to_vec(),
        };
        let kind = 20 + (op & KIND) / 2;
        let mut bytes = if op & RAW != 0 { content } else { session.seal(direction, kind, &content) };
        if op & BROKEN != 0
            && let Some(byte) = bytes.last_mut()
        {
            *byte ^= 1;
        }
        if op & UPDATE != 0 {
            session.update(direction);
        }
        if op & GAP != 0 {
            gaps.push(script.len());
        }
        script.push((direction, bytes));
    }
    (script, gaps, log)
}

fn converse(script: &Script, gaps: &[usize], log: &str, limits: &Limits, piece: usize, late: bool) -> Vec<Event> {
    let ring = Arc::new(KeyRing::new());
    ring.expect_key_log();
    if !late {
        ring.add_whole_key_log(log.as_bytes());
    }
    let (mut recorder, mut driver) = (Recorder::default(), Driver::with_keys(*limits, Some(Arc::clone(&ring))));
    let cap = limits.max_layers * 2 * 2 * limits.max_buffer + limits.max_undecrypted + 2 * 128 * 1024;
    for (at, (direction, bytes)) in script.iter().enumerate() {
        let lost = if gaps.contains(&at) { bytes.len() / 2 } else { 0 };
        let (there, missing) = bytes.split_at(bytes.len() - lost);
        for bytes in there.chunks(piece) {
            driver.data(*direction, bytes, &mut recorder);
            assert!(driver.buffered() <= cap && ring.waiting() <= limits.max_undecrypted);
        }
        if !missing.is_empty() {
            driver.gap(*direction, missing.len() as u64, &mut recorder);
        }
    }
    if late {
        ring.add_whole_key_log(log.as_bytes());
    }
    driver.poll(&mut recorder);
    for direction in Direction::BOTH {
        driver.close(direction, &mut recorder);
    }
    driver.stop_waiting(&mut recorder);
    assert!(!driver.is_waiting());
    assert_eq!(ring.waiting(), 0, "nothing waits behind the end");
    recorder.events
}
