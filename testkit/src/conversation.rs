//! A TCP connection as two hosts would have it: handshake, data in segments with acknowledgements, end.

use backstop_types::{Direction, Endpoint, PerDirection};

use crate::frame::flags::{ACK, FIN, PSH, RST, SYN};
use crate::frame::{Frame, Tcp};

/// Payload of a full segment on Ethernet with IPv4.
pub const MSS: usize = 1_460;

/// One segment, addresses left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which way it goes.
    pub direction: Direction,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags, see [`crate::frame::flags`].
    pub flags: u8,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// A connection in the making: gives segments in the order in which they are sent.
#[derive(Clone, Debug)]
pub struct Conversation {
    client: Endpoint,
    server: Endpoint,
    /// The next sequence number of each direction.
    next: PerDirection<u32>,
    /// Largest payload.
    pub mss: usize,
    /// The receiver acknowledges every so many data segments, and the last of a turn.
    pub ack_every: usize,
    /// VLAN ids of its frames, outermost first.
    pub vlan: Vec<u16>,
    ip_ids: PerDirection<u16>,
}

impl Conversation {
    /// A connection that begins at these sequence numbers (client's, server's).
    #[must_use]
    pub const fn new(client: Endpoint, server: Endpoint, isn: (u32, u32)) -> Self {
        Self {
            client,
            server,
            next: PerDirection { to_server: isn.0, to_client: isn.1 },
            mss: MSS,
            ack_every: 2,
            vlan: Vec::new(),
            ip_ids: PerDirection { to_server: 1, to_client: 1 },
        }
    }

    fn segment(&mut self, direction: Direction, flags: u8, payload: &[u8]) -> Segment {
        let seq = *self.next.get(direction);
        let ack = if flags & ACK == 0 { 0 } else { *self.next.get(direction.reverse()) };
        let space = payload.len() + usize::from(flags & SYN != 0) + usize::from(flags & FIN != 0);
        *self.next.get_mut(direction) = seq.wrapping_add(space as u32);
        Segment { direction, seq, ack, flags, payload: payload.to_vec() }
    }

    /// SYN, SYN-ACK, ACK.
    pub fn handshake(&mut self) -> Vec<Segment> {
        vec![
            self.segment(Direction::ToServer, SYN, b""),
            self.segment(Direction::ToClient, SYN | ACK, b""),
            self.segment(Direction::ToServer, ACK, b""),
        ]
    }

    /// One side's bytes in segments of at most [`Conversation::mss`], with the receiver's acknowledgements.
    pub fn data(&mut self, direction: Direction, bytes: &[u8]) -> Vec<Segment> {
        let pieces: Vec<usize> = bytes.chunks(self.mss.max(1)).map(<[u8]>::len).collect();
        self.data_in(direction, bytes, &pieces)
    }

    /// The same cut at these piece lengths; the last piece takes the rest.
    pub fn data_in(&mut self, direction: Direction, bytes: &[u8], pieces: &[usize]) -> Vec<Segment> {
        let mut out = Vec::new();
        let pieces = crate::delivery::cut(bytes, pieces);
        for (number, piece) in pieces.iter().enumerate() {
            let last = number + 1 == pieces.len();
            out.push(self.segment(direction, if last { ACK | PSH } else { ACK }, piece));
            if last || (self.ack_every > 0 && (number + 1) % self.ack_every == 0) {
                out.push(self.segment(direction.reverse(), ACK, b""));
            }
        }
        out
    }

    /// Nothing but the bytes, no acknowledgements: for one-sided captures.
    pub fn silent_data(&mut self, direction: Direction, bytes: &[u8]) -> Vec<Segment> {
        bytes.chunks(self.mss.max(1)).map(|piece| self.segment(direction, ACK, piece)).collect()
    }

    /// FIN of both sides, the given side first, and the last ACK.
    pub fn close(&mut self, first: Direction) -> Vec<Segment> {
        vec![self.segment(first, FIN | ACK, b""), self.segment(first.reverse(), FIN | ACK, b""), self.segment(first, ACK, b"")]
    }

    /// A reset by one side.
    pub fn reset(&mut self, direction: Direction) -> Segment {
        self.segment(direction, RST | ACK, b"")
    }

    /// The frame of a segment.
    pub fn frame(&mut self, segment: &Segment) -> Vec<u8> {
        let mut out = Vec::new();
        self.frame_into(segment, &mut out);
        out
    }

    /// The frame of a segment, into a buffer that is emptied first.
    pub fn frame_into(&mut self, segment: &Segment, out: &mut Vec<u8>) {
        let (source, destination) = match segment.direction {
            Direction::ToServer => (self.client, self.server),
            Direction::ToClient => (self.server, self.client),
        };
        let ip_id = self.ip_ids.get_mut(segment.direction);
        *ip_id = ip_id.wrapping_add(1);
        // A clone of no tags allocates nothing.
        let frame = Frame { vlan: self.vlan.clone(), source, destination, ttl: 64, ip_id: *ip_id };
        let tcp = Tcp { seq: segment.seq, ack: segment.ack, flags: segment.flags, window: 64_240, ..Tcp::default() };
        frame.tcp_into(&tcp, &segment.payload, out);
    }

    /// A whole connection: handshake, the turns of a script, end by the client.
    pub fn script(&mut self, turns: &[(Direction, Vec<u8>)]) -> Vec<Segment> {
        let mut out = self.handshake();
        for (direction, bytes) in turns {
            out.extend(self.data(*direction, bytes));
        }
        out.extend(self.close(Direction::ToServer));
        out
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn numbers_follow_each_other() {
        let end = |last, port| Endpoint::new(Ipv4Addr::new(10, 0, 0, last).into(), port);
        let mut talk = Conversation::new(end(1, 50_000), end(2, 80), (u32::MAX, 9));
        talk.mss = 2;
        let segments = talk.script(&[(Direction::ToServer, b"hello".to_vec()), (Direction::ToClient, b"ok".to_vec())]);
        let sent = |direction| {
            let of = segments.iter().filter(move |segment| segment.direction == direction);
            of.flat_map(|segment| segment.payload.clone()).collect::<Vec<u8>>()
        };
        assert_eq!((sent(Direction::ToServer), sent(Direction::ToClient)), (b"hello".to_vec(), b"ok".to_vec()));
        assert_eq!((segments[0].seq, segments[3].seq), (u32::MAX, 0));
        let last = segments.last().unwrap();
        assert_eq!((last.seq, last.ack), (6, 13));
    }
}
