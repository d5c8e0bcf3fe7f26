//! TCP segments through the flow table: a header of four bytes, then eight bytes a step.
//!
//! ```text
//! header = mode  client-isn(u16)  spare
//! step   = kind  seq(i16)  len(u8)  ack(i16)  flags(u8)  extra(u8)
//! ```
//! In strict mode all segments are cut from two texts that are known, so each byte delivered is checked against the text;
//! otherwise flags, overlaps with other bytes, several flows, VLANs and waits are free.

use std::net::Ipv4Addr;

use backstop_capture::flow::{FlowConfig, FlowTable};
use backstop_capture::handler::Cause;
use backstop_capture::packet::flags::{ACK, FIN, PSH, SYN};
use backstop_capture::packet::{Packet, TcpFacts, Transport, VlanTags};
use backstop_capture::tcp::OverlapPolicy;
use backstop_types::{Direction, Endpoint, FlowKey, IpProto, PacketTime};

use crate::ledger::Ledger;

/// Mode: check every byte.
pub const STRICT: u8 = 0x01;
/// Mode: begin with a handshake (strict mode always does).
pub const HANDSHAKE: u8 = 0x02;
/// Kind: sent by the server.
pub const TO_CLIENT: u8 = 0x01;
/// Kind: the packet before once more.
pub const COPY: u8 = 0x08;
/// Kind: tagged.
pub const TAGGED: u8 = 0x10;
/// Kind: bytes that contradict the text.
pub const OTHER: u8 = 0x20;
/// Kind: time passes first.
pub const WAIT: u8 = 0x40;
/// Kind: eight times the length.
pub const LONG: u8 = 0x80;

const MAX_FLOWS: usize = 4;
const MAX_QUEUED: usize = 24 * 1024;
/// All that a table of these caps may hold: a chunk of 256 flows (120 KiB), queues, four buffers of history, tables.
const MAX_MEMORY: usize = 176 * 1024;
const SERVER_ISN: u32 = 0x0fff_ff00;

/// The text of a direction: every place has its byte.
fn text(direction: Direction, at: u64) -> u8 {
    let word = at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(direction == Direction::ToClient) << 60);
    (word >> 56) as u8 ^ (word >> 31) as u8
}

struct Wire {
    table: FlowTable<Ledger>,
    ledger: Ledger,
    number: u64,
    micros: u64,
    client_isn: u32,
}

/// One step, decoded.
struct Step {
    direction: Direction,
    port: u16,
    seq: i64,
    ack: i64,
    len: usize,
    flags: u8,
    extra: u8,
    tagged: bool,
    other: bool,
}

impl Wire {
    fn packet(&mut self, step: &Step) -> (Packet, Vec<u8>) {
        self.number += 1;
        self.micros += 100;
        let client = Endpoint::new(Ipv4Addr::new(10, 0, 0, 1).into(), 50_000 + step.port);
        let server = Endpoint::new(Ipv4Addr::new(10, 0, 0, 2).into(), 9401);
        let to_server = step.direction == Direction::ToServer;
        let (source, destination) = if to_server { (client, server) } else { (server, client) };
        let (own, other) = if to_server { (self.client_isn, SERVER_ISN) } else { (SERVER_ISN, self.client_isn) };
        let (key, side) = FlowKey::new(IpProto::TCP, source, destination);
        let mut vlan = VlanTags::default();
        if step.tagged {
            vlan.push(u16::from(step.extra & 3) + 1);
        }
        let facts = TcpFacts {
            seq: own.wrapping_add(1).wrapping_add(step.seq as u32),
            ack: other.wrapping_add(1).wrapping_add(step.ack as u32),
            flags: step.flags,
            window: if step.extra & 0x80 == 0 { 60_000 } else { u16::from(step.extra) * 16 },
            urgent: u16::from(step.extra & 0x1f),
            timestamps: (step.extra & 0x60 == 0x20).then_some((u32::from(step.extra) << 26, 0)),
            window_scale: (step.flags & SYN != 0 && step.extra & 0x40 != 0).then_some(step.extra & 0x1f),
            fast_open: step.extra & 0x60 == 0x60,
            signed: step.extra == 0x5f,
        };
        let mut transport = vec![0; 20];
        transport[4..8].copy_from_slice(&facts.seq.to_be_bytes());
        transport[8..12].copy_from_slice(&facts.ack.to_be_bytes());
        let mask = if step.other { 0x55 } else { 0 };
        transport.extend((0..step.len as i64).map(|at| text(step.direction, (step.seq + at) as u64) ^ mask));
        // Stands for the checksum: the digest of a copy looks at it.
        let sum = transport.iter().fold(1_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(*byte)));
        transport[16..18].copy_from_slice(&sum.to_be_bytes());
        let len = u32::try_from(step.len).unwrap();
        let packet = Packet {
            time: PacketTime::from_micros(self.micros),
            number: self.number,
            file: 0,
            file_number: self.number,
            key,
            side,
            hash: 0x1234_5678_9abc_def0 ^ u64::from(step.port),
            vlan,
            ttl: 64,
            ip_unsummed: false,
            ip_id: (self.number as u16).max(1),
            wire_len: 54 + len,
            transport_offset: 0,
            transport_len: 20 + len,
            payload_offset: 20,
            payload_len: len,
            payload_wire_len: len,
            transport: Transport::Tcp(facts),
        };
        (packet, transport)
    }

    fn give(&mut self, packet: &Packet, transport: &[u8]) {
        self.table.packet(packet, transport, &transport[20..], &mut self.ledger);
        assert!(self.table.active() <= MAX_FLOWS, "flows are bounded");
        let memory = self.table.memory();
        assert!(memory <= MAX_MEMORY, "{memory} bytes held");
    }

    fn cause(&self) -> Cause {
        Cause { time: PacketTime::from_micros(self.micros), number: self.number, file: 0, file_number: 0 }
    }

    fn wait(&mut self, ticks: u64, micros: u64) {
        for _ in 0..ticks {
            self.micros += micros;
            let cause = self.cause();
            self.table.tick(&cause, &mut self.ledger);
        }
    }
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((header, rest)) = input.split_first_chunk::<4>() else { return };
    let [mode, low, high, _] = *header;
    let strict = mode & STRICT != 0;
    let policies = OverlapPolicy::NAMES;
    let config = FlowConfig {
        max_flows: MAX_FLOWS,
        max_half_open: 4,
        max_queued_bytes: MAX_QUEUED,
        max_flow_queued_bytes: MAX_QUEUED / 2,
        max_flow_queued_segments: 64,
        history_buffers: 4,
        verify_checksums: false,
        urgent_inline: mode & 0x80 != 0,
        default_policy: policies[usize::from(mode >> 3 & 0x0f) % policies.len()].1,
        ..FlowConfig::default()
    };
    let mut wire = Wire {
        table: FlowTable::new(config, [1, 2]),
        ledger: Ledger { truth: strict.then_some(text as fn(Direction, u64) -> u8), ..Ledger::default() },
        number: 0,
        micros: 1_000_000,
        client_isn: 0xffff_0000 | u32::from(u16::from_le_bytes([low, high])),
    };
    if strict || mode & HANDSHAKE != 0 {
        for (direction, seq, flags) in
            [(Direction::ToServer, -1, SYN), (Direction::ToClient, -1, SYN | ACK), (Direction::ToServer, 0, ACK)]
        {
            let step = Step { direction, port: 0, seq, ack: 0, len: 0, flags, extra: 0, tagged: false, other: false };
            let (packet, transport) = wire.packet(&step);
            wire.give(&packet, &transport);
        }
    }
    let mut before: Option<(Packet, Vec<u8>)> = None;
    for step in rest.as_chunks::<8>().0.iter().take(256) {
        let [kind, seq_low, seq_high, len, ack_low, ack_high, flags, extra] = *step;
        if kind & WAIT != 0 {
            // Strict mode stays inside every timeout: a flow that begins anew has another origin.
            if strict {
                let room = 5_000_000_u64.saturating_sub(wire.micros) / 50_000;
                wire.wait(u64::from(extra & 0x0f).min(room), 50_000);
            } else {
                // Up to half an hour at once; the long waits are single ticks, each looks at every second passed.
                let shift = extra >> 4;
                wire.wait(if shift > 6 { 1 } else { u64::from(extra & 0x07) }, 50_000 << shift);
            }
        }
        if kind & COPY != 0
            && let Some((packet, transport)) = &before
        {
            wire.number += 1;
            let mut packet = Packet { number: wire.number, ttl: packet.ttl ^ (extra & 1), ..*packet };
            packet.time = PacketTime::from_micros(wire.micros);
            if kind & TAGGED != 0 {
                packet.vlan.push(9);
            }
            wire.give(&packet, transport);
            continue;
        }
        let step = Step {
            direction: if kind & TO_CLIENT == 0 { Direction::ToServer } else { Direction::ToClient },
            port: if strict { 0 } else { u16::from(kind >> 1 & 3) },
            seq: i64::from(i16::from_le_bytes([seq_low, seq_high])),
            ack: i64::from(i16::from_le_bytes([ack_low, ack_high])),
            len: usize::from(len) * if kind & LONG == 0 { 1 } else { 8 },
            flags: if strict { ACK | (flags & (PSH | FIN)) } else { flags & 0x3f },
            extra: if strict { extra & 0x80 } else { extra },
            tagged: !strict && kind & TAGGED != 0,
            other: !strict && kind & OTHER != 0,
        };
        let (packet, transport) = wire.packet(&step);
        wire.give(&packet, &transport);
        before = Some((packet, transport));
    }
    let cause = wire.cause();
    wire.table.finish(&cause, &mut wire.ledger);
    assert_eq!(wire.table.active(), 0);
    assert_eq!(wire.table.counters().flows, wire.ledger.flows_ended, "every flow ends");
}
