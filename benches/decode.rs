//! Frames to packets: time and packets per second for each kind of encapsulation, a batch at a time as the pipeline does.

mod support;

use std::hint::black_box;

use backstop_capture::decode::{DecodeConfig, Decoder};
use backstop_testkit::Rng;
use backstop_testkit::frame::{Frame, Tcp, flags, fragments};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const FRAMES: usize = 512;

/// Payloads of a simple IMIX: seven small, four middling, one large.
fn size(rng: &mut Rng) -> usize {
    *rng.pick(&[6, 6, 6, 6, 6, 6, 6, 536, 536, 536, 536, 1_460])
}

fn frames(kind: &str) -> Vec<Vec<u8>> {
    let mut rng = Rng::new(1);
    let mut out = Vec::new();
    while out.len() < FRAMES {
        let number = out.len();
        let mut payload = vec![0; size(&mut rng)];
        rng.fill(&mut payload);
        let client = support::host(1, (number % 200) as u8, 40_000 + number as u16);
        let frame = Frame { ip_id: number as u16, ..Frame::new(client, support::host(2, 7, 445)) };
        let tcp = Tcp { seq: rng.word() as u32, ack: 1, flags: flags::ACK, window: 501, timestamps: Some((7, 9)), urgent: 0 };
        match kind {
            "tcp" => out.push(frame.tcp(&tcp, &payload)),
            "qinq" => out.push(Frame { vlan: vec![100, 200], ..frame }.tcp(&tcp, &payload)),
            "vxlan" => out.push(frame.vxlan(9, &frame.tcp(&tcp, &payload))),
            "fragments" => out.extend(fragments(&frame.udp(&[number as u8; 4_000]), 1_480)),
            _ => match rng.below(20) {
                0..=11 => out.push(frame.tcp(&tcp, &payload)),
                12..=15 => out.push(Frame { vlan: vec![100], ..frame }.tcp(&tcp, &payload)),
                16..=17 => out.push(frame.udp(&payload)),
                18 => out.push(frame.vxlan(9, &frame.tcp(&tcp, &payload))),
                _ => out.extend(fragments(&frame.udp(&[1; 2_000]), 1_480)),
            },
        }
    }
    out
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for kind in ["tcp", "qinq", "vxlan", "fragments", "mix"] {
        let frames = frames(kind);
        let mut batch = support::batch(&frames);
        let (len, bytes) = (batch.slab.len(), batch.slab.len() as u64);
        group.throughput(Throughput::ElementsAndBytes { elements: frames.len() as u64, bytes });
        group.bench_function(kind, |bencher| {
            let mut decoder = Decoder::new(DecodeConfig::default(), [1, 2]);
            bencher.iter(|| {
                batch.slab.truncate(len);
                batch.packets.clear();
                decoder.decode(&mut batch);
                black_box(batch.packets.len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
