//! Both directions of a flow through the driver: any protocol of the registry, or probed. New protocols are covered on the
//! day they are listed.
//!
//! The first byte chooses the protocol, the second the caps and the size of pieces; each part is one delivery, its byte
//! says the direction, a gap before it, or the end of its direction behind it.

use backstop_protocols::testing::{Event, Recorder};
use backstop_protocols::{AppProto, Driver, Limits, PROTOCOLS};
use backstop_types::Direction;

use crate::split;

/// Part: sent by the server.
pub const TO_CLIENT: u8 = 0x01;
/// Part: a gap before it, as long as the upper bits say.
pub const GAP: u8 = 0x02;
/// Part: its direction ends behind it.
pub const CLOSE: u8 = 0x04;
/// Second byte: small caps.
pub const SMALL: u8 = 0x80;

/// Caps small enough to be reached by a short input.
pub(crate) const SMALL_LIMITS: Limits = Limits {
    max_buffer: 4 * 1024,
    max_message: 2 * 1024,
    max_depth: 8,
    max_nodes: 128,
    max_text: 512,
    max_dictionary_strings: 32,
    max_dictionary_bytes: 1024,
    max_pending: 4,
    max_layers: 3,
    max_undecrypted: 16 * 1024,
    max_decoded: 8 * 1024,
    max_range: 1024,
    max_uploads: 3,
    max_files: 4,
    max_file_bytes: 2 * 1024,
    max_envelope: 4 * 1024,
};

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&[protocol, size], rest)) = input.split_first_chunk::<2>() else { return };
    let protocol = PROTOCOLS.get(usize::from(protocol) % (PROTOCOLS.len() + 1)).map(|protocol| protocol.app_proto);
    let small = size & SMALL != 0;
    let limits = if small { SMALL_LIMITS } else { Limits::default() };
    check(protocol, &split::parts(rest), &limits, usize::from(size & !SMALL) + 1);
}

/// Runs a conversation whole and in pieces. With the caps out of reach both must say the same.
pub(crate) fn check(protocol: Option<AppProto>, parts: &[(u8, &[u8])], limits: &Limits, piece: usize) {
    let whole = converse(protocol, parts, limits, usize::MAX);
    let cut = converse(protocol, parts, limits, piece);
    let total: usize = parts.iter().map(|(_, part)| part.len()).sum();
    if *limits == Limits::default() && total < limits.max_message {
        assert!(whole == cut, "pieces of {piece} bytes say something else:\n{whole:#?}\n{cut:#?}");
    }
}

fn converse(protocol: Option<AppProto>, parts: &[(u8, &[u8])], limits: &Limits, piece: usize) -> Vec<Event> {
    let mut recorder = Recorder::default();
    let mut driver = match protocol {
        Some(known) => Driver::with_protocol(known, *limits),
        None => Driver::new(*limits),
    };
    // Two lanes a layer; a lane's buffer may have grown to twice what it holds.
    let cap = limits.max_layers * 2 * 2 * limits.max_buffer;
    for &(op, part) in parts {
        let direction = if op & TO_CLIENT == 0 { Direction::ToServer } else { Direction::ToClient };
        if op & GAP != 0 {
            driver.gap(direction, 1 << (op >> 3), &mut recorder);
        }
        for bytes in part.chunks(piece) {
            driver.data(direction, bytes, &mut recorder);
            let held = driver.buffered();
            assert!(held <= cap, "{held} bytes held, {cap} allowed");
        }
        if op & CLOSE != 0 {
            driver.close(direction, &mut recorder);
        }
    }
    for direction in Direction::BOTH {
        driver.close(direction, &mut recorder);
    }
    recorder.events
}
