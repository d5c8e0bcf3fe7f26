//! Keeps books of what reassembly tells: every byte once, in order, nothing behind the end, each flow ended once.

use backstop_capture::handler::{Cause, EndReason, FlowView, Interest, StreamEnd, StreamHandler};
use backstop_types::Direction;

/// What was told of one flow.
#[derive(Default)]
pub struct Book {
    next: [u64; 2],
    ended: [bool; 2],
}

/// A handler that checks the order of calls. `truth` is asked about every byte of a whole conversation.
#[derive(Default)]
pub struct Ledger {
    /// The byte at an offset of a direction, where it is known.
    pub truth: Option<fn(Direction, u64) -> u8>,
    /// Flows whose end was told.
    pub flows_ended: u64,
}

fn place(direction: Direction) -> usize {
    usize::from(direction == Direction::ToClient)
}

impl StreamHandler for Ledger {
    type App = Book;

    fn data(&mut self, flow: &FlowView, book: &mut Book, direction: Direction, offset: u64, bytes: &[u8], _: &Cause) -> Interest {
        assert!(!bytes.is_empty(), "a delivery has bytes");
        assert!(!book.ended[place(direction)], "nothing comes behind the end");
        assert_eq!(book.next[place(direction)], offset, "each byte once and in order");
        book.next[place(direction)] = offset + bytes.len() as u64;
        if let Some(truth) = self.truth
            && flow.handshake
            && !flow.midstream
        {
            for (at, byte) in (offset..).zip(bytes) {
                assert_eq!(*byte, truth(direction, at), "byte {at} {}", direction.as_str());
            }
        }
        Interest::Continue
    }

    fn gap(&mut self, _: &FlowView, book: &mut Book, direction: Direction, offset: u64, len: u64, _: &Cause) -> Interest {
        assert!(len > 0, "a gap has a length");
        assert!(!book.ended[place(direction)], "no gap behind the end");
        assert_eq!(book.next[place(direction)], offset, "a gap stands where bytes are missing");
        book.next[place(direction)] = offset + len;
        Interest::Continue
    }

    fn conflict(&mut self, _: &FlowView, _: &mut Book, _: Direction, _: u64, used: &[u8], other: &[u8], _: &Cause) {
        assert_eq!(used.len(), other.len(), "two copies of one range");
        assert_ne!(used, other, "copies that differ");
        assert!(self.truth.is_none(), "no copies differ in a whole conversation");
    }

    fn end_of_stream(&mut self, _: &FlowView, book: &mut Book, direction: Direction, _: StreamEnd, _: &Cause) {
        assert!(!book.ended[place(direction)], "a direction ends once");
        book.ended[place(direction)] = true;
    }

    fn flow_end(&mut self, _: &FlowView, _: Book, _: EndReason, _: &Cause) {
        self.flows_ended += 1;
    }

    fn wants_tick(&self, book: &Book) -> bool {
        book.next[0] % 3 == 1
    }

    fn tick(&mut self, _: &FlowView, book: &mut Book, _: &Cause) -> bool {
        book.next[0] % 3 == 1
    }

    fn is_precious(&self, book: &Book) -> bool {
        book.next[1] % 5 == 1
    }
}
