//! What a receiver hands to its application, told segment by segment.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod decoys;
mod delivery;
mod flows;
mod properties;

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use backstop_types::{Direction, Endpoint, FlowKey, IpProto, PacketTime};
use proptest::prelude::*;

use super::OverlapPolicy;
use super::queue::{Fresh, Piece, Queue};
use super::seq::Place;
use crate::counters::StreamCounters;
use crate::flow::{FlowConfig, FlowTable};
use crate::handler::{Cause, EndReason, FlowState, FlowView, Interest, StreamEnd, StreamHandler};
use crate::packet::flags::{ACK, FIN, PSH, RST, SYN, URG};
use crate::packet::{Packet, TcpFacts, Transport, VlanTags};

/// What the layer above saw of one flow.
#[derive(Clone, Debug, Default)]
struct Seen {
    data: [Vec<u8>; 2],
    gaps: [Vec<(u64, u64)>; 2],
    ends: Vec<(Direction, StreamEnd)>,
    conflicts: Vec<(Vec<u8>, Vec<u8>)>,
    end: Option<(EndReason, FlowState)>,
}

#[derive(Default)]
struct Recorder {
    flows: BTreeMap<u64, Seen>,
    bypass: bool,
}

fn at(direction: Direction) -> usize {
    usize::from(direction == Direction::ToClient)
}

impl StreamHandler for Recorder {
    type App = ();

    fn data(&mut self, flow: &FlowView, (): &mut (), direction: Direction, offset: u64, bytes: &[u8], _: &Cause) -> Interest {
        let seen = self.flows.entry(flow.first_number).or_default();
        let before: u64 = seen.gaps[at(direction)].iter().map(|(_, len)| len).sum();
        assert_eq!(offset, seen.data[at(direction)].len() as u64 + before, "offsets count every byte once");
        seen.data[at(direction)].extend_from_slice(bytes);
        if self.bypass { Interest::Bypass } else { Interest::Continue }
    }
    fn gap(&mut self, flow: &FlowView, (): &mut (), direction: Direction, offset: u64, len: u64, _: &Cause) -> Interest {
        self.flows.entry(flow.first_number).or_default().gaps[at(direction)].push((offset, len));
        Interest::Continue
    }
    fn conflict(&mut self, flow: &FlowView, (): &mut (), _: Direction, _: u64, used: &[u8], other: &[u8], _: &Cause) {
        self.flows.entry(flow.first_number).or_default().conflicts.push((used.to_vec(), other.to_vec()));
    }
    fn end_of_stream(&mut self, flow: &FlowView, (): &mut (), direction: Direction, end: StreamEnd, _: &Cause) {
        self.flows.entry(flow.first_number).or_default().ends.push((direction, end));
    }
    fn flow_end(&mut self, flow: &FlowView, (): (), reason: EndReason, _: &Cause) {
        let seen = self.flows.entry(flow.first_number).or_default();
        assert!(seen.end.is_none(), "a flow ends once");
        seen.end = Some((reason, flow.state));
    }
    fn wants_tick(&self, (): &()) -> bool {
        false
    }
    fn tick(&mut self, _: &FlowView, (): &mut (), _: &Cause) -> bool {
        false
    }
    fn is_precious(&self, (): &()) -> bool {
        false
    }
}

/// Two hosts, a wire between them, and a table that listens.
struct Wire {
    table: FlowTable<Recorder>,
    handler: Recorder,
    number: u64,
    /// Microseconds.
    now: u64,
    ip_id: u16,
    vlan: Option<u16>,
    port: u16,
}

const CLIENT_ISN: u32 = 0xffff_ff00;
const SERVER_ISN: u32 = 7_000;

/// A segment's numbers relative to the first byte of each direction.
#[derive(Clone, Copy)]
struct Shape<'a> {
    seq: i64,
    ack: i64,
    flags: u8,
    payload: &'a [u8],
    window: u16,
    timestamps: Option<(u32, u32)>,
    urgent: u16,
    signed: bool,
    fast_open: bool,
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Self {
            seq: 0,
            ack: 0,
            flags: ACK,
            payload: b"",
            window: 60_000,
            timestamps: None,
            urgent: 0,
            signed: false,
            fast_open: false,
        }
    }
}

impl Wire {
    fn new() -> Self {
        Self::with(FlowConfig::default())
    }

    fn with(config: FlowConfig) -> Self {
        // The segments of these tests carry no checksum.
        let config = FlowConfig { verify_checksums: false, ..config };
        let table = FlowTable::new(config, [1, 2]);
        Self { table, handler: Recorder::default(), number: 0, now: 1_000_000, ip_id: 1, vlan: None, port: 50_000 }
    }

    fn packet(&mut self, from: Direction, shape: &Shape<'_>) -> Packet {
        self.number += 1;
        self.now += 100;
        self.ip_id = self.ip_id.wrapping_add(1).max(1);
        let client = Endpoint::new(Ipv4Addr::new(10, 0, 0, 1).into(), self.port);
        let server = Endpoint::new(Ipv4Addr::new(10, 0, 0, 2).into(), 9401);
        let (source, destination) = if from == Direction::ToServer { (client, server) } else { (server, client) };
        let (key, side) = FlowKey::new(IpProto::TCP, source, destination);
        let (own, other) = if from == Direction::ToServer { (CLIENT_ISN, SERVER_ISN) } else { (SERVER_ISN, CLIENT_ISN) };
        let mut vlan = VlanTags::default();
        if let Some(id) = self.vlan {
            vlan.push(id);
        }
        let facts = TcpFacts {
            seq: own.wrapping_add(1).wrapping_add(shape.seq as u32),
            ack: other.wrapping_add(1).wrapping_add(shape.ack as u32),
            flags: shape.flags,
            window: shape.window,
            urgent: shape.urgent,
            timestamps: shape.timestamps,
            window_scale: None,
            fast_open: shape.fast_open,
            signed: shape.signed,
        };
        let len = u32::try_from(shape.payload.len()).unwrap();
        Packet {
            time: PacketTime::from_micros(self.now),
            number: self.number,
            file: 0,
            file_number: self.number,
            key,
            side,
            hash: 0x1234_5678_9abc_def0 ^ u64::from(self.port),
            vlan,
            ttl: 64,
            ip_unsummed: false,
            ip_id: self.ip_id,
            wire_len: 54 + len,
            transport_offset: 0,
            transport_len: 20 + len,
            payload_offset: 20,
            payload_len: len,
            payload_wire_len: len,
            transport: Transport::Tcp(facts),
        }
    }

    fn give(&mut self, packet: &Packet, payload: &[u8]) {
        let mut transport = vec![0_u8; 20];
        // Stands for the checksum: the digest of a copy looks at it.
        let sum = payload.iter().fold(1_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(*byte)));
        transport[16..18].copy_from_slice(&sum.to_be_bytes());
        transport.extend_from_slice(payload);
        self.table.packet(packet, &transport, payload, &mut self.handler);
    }

    fn send(&mut self, from: Direction, shape: Shape<'_>) -> Packet {
        let packet = self.packet(from, &shape);
        self.give(&packet, shape.payload);
        packet
    }

    fn client(&mut self, seq: i64, ack: i64, payload: &[u8]) {
        self.send(Direction::ToServer, Shape { seq, ack, payload, flags: ACK | PSH, ..Shape::default() });
    }

    fn server(&mut self, seq: i64, ack: i64, payload: &[u8]) {
        self.send(Direction::ToClient, Shape { seq, ack, payload, flags: ACK | PSH, ..Shape::default() });
    }

    fn handshake(&mut self) {
        self.send(Direction::ToServer, Shape { seq: -1, ack: 0, flags: SYN, ..Shape::default() });
        self.send(Direction::ToClient, Shape { seq: -1, ack: 0, flags: SYN | ACK, ..Shape::default() });
        self.client(0, 0, b"");
    }

    fn wait(&mut self, millis: u64) {
        for _ in 0..millis.div_ceil(50) {
            self.now += 50_000;
            let cause = Cause { time: PacketTime::from_micros(self.now), number: self.number, file: 0, file_number: 0 };
            self.table.tick(&cause, &mut self.handler);
        }
    }

    /// Ends the capture; what was seen of the first flow.
    fn finish(mut self) -> (Seen, StreamCounters) {
        let (flows, counters) = self.finish_all();
        (flows.into_iter().next().unwrap_or_default(), counters)
    }

    fn finish_all(&mut self) -> (Vec<Seen>, StreamCounters) {
        let cause = Cause { time: PacketTime::from_micros(self.now), number: self.number, file: 0, file_number: 0 };
        self.table.finish(&cause, &mut self.handler);
        assert_eq!(self.table.active(), 0);
        (std::mem::take(&mut self.handler.flows).into_values().collect(), *self.table.counters())
    }
}
