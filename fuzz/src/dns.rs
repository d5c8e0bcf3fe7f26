//! DNS messages in datagrams and in a stream: both say the same of the same messages.
//!
//! The first byte is the size of pieces of the stream. Each part is a message; the lowest bit of its byte is the direction.

use backstop_protocols::testing::{Event, Recorder};
use backstop_protocols::{AppProto, Driver, Limits, Surroundings};
use backstop_types::Direction;

use crate::{parser, split};

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((&size, rest)) = input.split_first() else { return };
    let parts = split::parts(rest);
    let framed: Vec<(u8, Vec<u8>)> = parts
        .iter()
        .map(|(op, message)| (op & parser::TO_CLIENT, [&(message.len() as u16).to_be_bytes(), *message].concat()))
        .collect();
    let framed: Vec<(u8, &[u8])> = framed.iter().map(|(op, bytes)| (*op, bytes.as_slice())).collect();
    parser::check(Some(AppProto::Dns), &framed, &Limits::default(), usize::from(size) + 1);

    let (mut datagrams, mut known) = (Recorder::default(), Driver::of_datagrams(Surroundings::default()));
    let (mut stream, mut same) = (Recorder::default(), Driver::with_protocol(AppProto::Dns, Limits::default()));
    for ((op, message), (_, framed)) in parts.iter().zip(&framed) {
        let direction = if op & parser::TO_CLIENT == 0 { Direction::ToServer } else { Direction::ToClient };
        known.data(direction, message, &mut datagrams);
        // What is said of a datagram that begins a flow is for its probe; from then on both are the same.
        if datagrams.events.is_empty() {
            continue;
        }
        same.data(direction, framed, &mut stream);
    }
    let told = |recorder: &Recorder| -> Vec<Event> { recorder.events.clone() };
    assert_eq!(told(&datagrams), told(&stream), "datagrams and a stream of the same messages");
}
