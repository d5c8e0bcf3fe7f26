//! Writes synthetic captures for `benches/floor`, as they are made: the file may be larger than memory.
//!
//!   generate KIND FILE [SCALE]
//!
//! | kind | at scale 1 |
//! |---|---|
//! | large | four TCP flows of full segments, about 150 MB of text and binary stretches |
//! | short | HTTP exchanges of nine to eleven packets each, about 400,000 packets |
//! | mix | HTTP, TLS, SMB, DNS and net.tcp at once, some segments again or out of order, about 600,000 packets |
//! | synflood | 60-byte SYNs from random sources, 1,000,000 packets |
//! | idle | 1,000,000 connections that exchange some bytes and stay open: for the memory of tracked flows |
//!
//! The same arguments give the same bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a tool of benches: what it builds is its own"
)]

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter};
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use backstop_testkit::fixture::{self, Script};
use backstop_testkit::frame::{Frame, Tcp, flags};
use backstop_testkit::pcap::{ETHERNET, PcapWriter};
use backstop_testkit::{Conversation, Rng, Segment, delivery, traffic};
use backstop_types::{Direction, Endpoint, PacketTime};

/// 2026-01-14 10:00:00 UTC.
const BEGIN_MICROS: u64 = 1_768_384_800_000_000;
/// Flows that send at the same time.
const CONCURRENT: usize = 48;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (kind, path, scale) = match arguments.as_slice() {
        [kind, path] => (kind, path, Some(1.0)),
        [kind, path, scale] => (kind, path, scale.parse::<f64>().ok().filter(|scale| *scale > 0.0)),
        _ => return usage(),
    };
    let Some(scale) = scale else { return usage() };
    let make = match kind.as_str() {
        "large" => large,
        "short" => short,
        "mix" => mix,
        "synflood" => syn_flood,
        "idle" => idle,
        _ => return usage(),
    };
    match write(make, path, scale) {
        Ok((packets, bytes)) => {
            println!("{kind}: {packets} packets, {bytes} bytes, {} bytes a packet", bytes / packets.max(1));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: generate large|short|mix|synflood|idle FILE [SCALE]");
    ExitCode::from(2)
}

fn write(make: fn(&mut Wire, f64) -> io::Result<()>, path: &str, scale: f64) -> io::Result<(u64, u64)> {
    let out = PcapWriter::new(BufWriter::with_capacity(1 << 20, File::create(path)?), ETHERNET)?;
    let mut wire = Wire { out, micros: BEGIN_MICROS, frame: Vec::new(), rng: Rng::new(1) };
    make(&mut wire, scale)?;
    let totals = wire.out.totals();
    wire.out.finish()?;
    Ok(totals)
}

/// The file, and the time on it.
struct Wire {
    out: PcapWriter<BufWriter<File>>,
    micros: u64,
    frame: Vec<u8>,
    rng: Rng,
}

impl Wire {
    /// Some microseconds pass, then the frame that was built goes out.
    fn send(&mut self, micros: u64) -> io::Result<()> {
        self.micros += micros;
        self.out.write(PacketTime::from_micros(self.micros), &self.frame)
    }

    fn segment(&mut self, talk: &mut Conversation, segment: &Segment, micros: u64) -> io::Result<()> {
        talk.frame_into(segment, &mut self.frame);
        self.send(micros)
    }

    fn segments(&mut self, talk: &mut Conversation, segments: &[Segment], micros: u64) -> io::Result<()> {
        segments.iter().try_for_each(|segment| self.segment(talk, segment, micros))
    }
}

fn scaled(count: f64, scale: f64) -> usize {
    (count * scale) as usize
}

/// An address of 10.`net`/16 and a port.
fn host(net: u8, number: usize, port: u16) -> Endpoint {
    let addr = Ipv4Addr::new(10, net, (number >> 8) as u8, number as u8);
    Endpoint::new(IpAddr::V4(addr), port)
}

/// A new connection: client of many, ephemeral port that walks, sequence numbers from anywhere.
fn connect(number: usize, port: u16, rng: &mut Rng) -> Conversation {
    let client = host(1, number % 4_000, 32_768 + (number % 28_000) as u16);
    let server = host(2, number % 60, port);
    Conversation::new(client, server, (rng.word() as u32, rng.word() as u32))
}

fn large(wire: &mut Wire, scale: f64) -> io::Result<()> {
    const FLOWS: usize = 4;
    const CHUNK: usize = 64 << 10;
    let mut rng = Rng::new(2);
    let mut talks: Vec<Conversation> = (0..FLOWS).map(|number| connect(number * 977, 5_000, &mut rng)).collect();
    for talk in &mut talks {
        let segments = talk.handshake();
        wire.segments(talk, &segments, 200)?;
        let segments = talk.data(Direction::ToServer, b"GET bulk\n");
        wire.segments(talk, &segments, 200)?;
    }
    let mut chunk = Vec::with_capacity(CHUNK);
    for turn in 0..scaled(150e6, scale) / CHUNK {
        chunk.clear();
        traffic::mixed(&mut rng, CHUNK, &mut chunk);
        let talk = &mut talks[turn % FLOWS];
        let segments = talk.data(Direction::ToClient, &chunk);
        wire.segments(talk, &segments, 12)?;
    }
    for talk in &mut talks {
        let segments = talk.close(Direction::ToClient);
        wire.segments(talk, &segments, 100)?;
    }
    Ok(())
}

/// Flows that send at the same time, a packet of one and then of another; `next` makes a new flow until it has no more.
fn interleave(wire: &mut Wire, micros: u64, mut next: impl FnMut(&mut Rng) -> Option<Flow>) -> io::Result<()> {
    let mut rng = wire.rng.clone();
    let mut active: Vec<Flow> = Vec::new();
    let mut more = true;
    loop {
        while more && active.len() < CONCURRENT {
            match next(&mut rng) {
                Some(flow) => active.push(flow),
                None => more = false,
            }
        }
        if active.is_empty() {
            wire.rng = rng;
            return Ok(());
        }
        // Hosts send in bursts.
        let place = rng.below(active.len());
        for _ in 0..rng.between(1, 4) {
            if !active[place].send(wire, micros)? {
                active.swap_remove(place);
                break;
            }
        }
    }
}

/// What a flow has still to send.
enum Flow {
    Tcp(Box<Conversation>, VecDeque<Segment>),
    /// A query and its answer.
    Udp(VecDeque<(Frame, Vec<u8>)>),
}

impl Flow {
    fn tcp(talk: Conversation, segments: Vec<Segment>) -> Self {
        Self::Tcp(Box::new(talk), segments.into())
    }

    /// Sends one packet; false when nothing is left.
    fn send(&mut self, wire: &mut Wire, micros: u64) -> io::Result<bool> {
        match self {
            Self::Tcp(talk, left) => {
                let Some(segment) = left.pop_front() else { return Ok(false) };
                wire.segment(talk, &segment, micros)?;
            }
            Self::Udp(left) => {
                let Some((frame, payload)) = left.pop_front() else { return Ok(false) };
                frame.udp_into(&payload, &mut wire.frame);
                wire.send(micros)?;
            }
        }
        Ok(true)
    }
}

fn short(wire: &mut Wire, scale: f64) -> io::Result<()> {
    // Handshake 3, request 1 + ACK 1, reply 1 or 2 + ACK 1, end 3.
    let count = scaled(400_000.0 / 10.5, scale);
    let mut number = 0;
    interleave(wire, 20, |rng| {
        number += 1;
        let mut talk = connect(number, 80, rng);
        let body = rng.between(200, 2_500);
        let segments = talk.script(&traffic::http(rng, body));
        (number <= count).then(|| Flow::tcp(talk, segments))
    })
}

fn idle(wire: &mut Wire, scale: f64) -> io::Result<()> {
    let mut rng = wire.rng.clone();
    for number in 0..scaled(1_000_000.0, scale) {
        let port = 32_768 + (number % 28_000) as u16;
        let mut talk = Conversation::new(
            host(1, number / 28_000, port),
            host(2, number % 60, 5_000),
            (rng.word() as u32, rng.word() as u32),
        );
        let mut segments = talk.handshake();
        segments.extend(talk.data(Direction::ToServer, b"hello"));
        segments.extend(talk.data(Direction::ToClient, b"good day to you"));
        for segment in &segments {
            wire.segment(&mut talk, segment, 5)?;
        }
    }
    Ok(())
}

fn mix(wire: &mut Wire, scale: f64) -> io::Result<()> {
    // Ordinary work with the service: attacks are rare, and a mix full of them measures how alerts are written.
    let ordinary = ["nmf_ordinary_0", "nmf_mention_0", "nmf_mention_1", "nmf_tls12_0", "nmf_tls12_1"];
    let mut sessions = fixture::all("nmf_");
    sessions.retain(|(name, _)| ordinary.contains(&name.as_str()));
    let count = scaled(44_200.0, scale);
    let mut number = 0;
    interleave(wire, 25, |rng| {
        number += 1;
        (number <= count).then(|| match rng.below(100) {
            0..=44 => dns(number, rng),
            45..=69 => {
                let body = size(rng, 40_000);
                let script = traffic::http(rng, body);
                talk(connect(number, 80, rng), &script, rng)
            }
            70..=92 => {
                let bytes = size(rng, 45_000);
                let script = traffic::tls(rng, bytes);
                talk(connect(number, 443, rng), &script, rng)
            }
            93..=96 => {
                let bytes = size(rng, 300_000);
                let script = traffic::smb(rng, bytes);
                talk(connect(number, 445, rng), &script, rng)
            }
            _ => talk(connect(number, 9401, rng), &rng.pick(&sessions).1.clone(), rng),
        })
    })
}

/// Most are small, a few are large: the mean is a fifth of the largest.
fn size(rng: &mut Rng, largest: usize) -> usize {
    let part = rng.below(1_000);
    let skewed = part * part / 1_000 * part / 1_000;
    200 + largest * skewed / 1_250
}

/// A whole connection; every eighth meets a network that loses, repeats or reorders.
fn talk(mut talk: Conversation, script: &Script, rng: &mut Rng) -> Flow {
    // Delayed acknowledgements of a receiver with off-loading.
    talk.ack_every = 4;
    let mut segments = talk.script(script);
    if rng.chance(12) && segments.len() > 8 {
        let last = segments.len() - 3;
        let data = &segments[3..last];
        let carried = match rng.below(3) {
            0 => delivery::lossy(data, 2, 6, rng),
            1 => delivery::retransmit(data, 2, rng),
            _ => {
                let mut data = data.to_vec();
                delivery::shuffle_within(&mut data, 3, rng);
                data
            }
        };
        segments = [&segments[..3], &carried, &segments[last..]].concat();
    }
    Flow::tcp(talk, segments)
}

fn dns(number: usize, rng: &mut Rng) -> Flow {
    let client = host(1, number % 4_000, 32_768 + (number % 28_000) as u16);
    let server = host(3, number % 3, 53);
    let (query, reply) = traffic::dns(rng);
    Flow::Udp([(Frame::new(client, server), query), (Frame::new(server, client), reply)].into())
}

fn syn_flood(wire: &mut Wire, scale: f64) -> io::Result<()> {
    let mut rng = Rng::new(3);
    let server = host(2, 1, 443);
    for _ in 0..scaled(1e6, scale) {
        let word = rng.word();
        let source = Endpoint::new(IpAddr::V4(Ipv4Addr::from_bits(word as u32)), (word >> 32) as u16);
        let frame = Frame { ttl: 40 + (word >> 48 & 0x3f) as u8, ip_id: (word >> 40) as u16, ..Frame::new(source, server) };
        let tcp = Tcp { seq: rng.word() as u32, flags: flags::SYN, window: 1_024, ..Tcp::default() };
        frame.tcp_into(&tcp, b"", &mut wire.frame);
        // Ethernet pads to sixty bytes.
        wire.frame.resize(60, 0);
        wire.send(1)?;
    }
    Ok(())
}
