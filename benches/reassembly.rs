//! Packets to streams: one long flow in order, shuffled, and with retransmissions, and many short flows, with a handler that
//! does nothing. Checksums are verified, as in the sensor.

mod support;

use std::hint::black_box;

use backstop_capture::batch::Batch;
use backstop_capture::decode::{DecodeConfig, Decoder};
use backstop_capture::flow::{FlowConfig, FlowTable};
use backstop_capture::handler::Cause;
use backstop_testkit::{Conversation, Rng, Segment, delivery, traffic};
use backstop_types::Direction;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const BYTES: usize = 1 << 20;

/// The frames of one flow of a megabyte whose data meets a network.
fn long_flow(network: impl Fn(&[Segment], &mut Rng) -> Vec<Segment>) -> Vec<Vec<u8>> {
    let mut rng = Rng::new(4);
    let mut text = Vec::new();
    traffic::mixed(&mut rng, BYTES, &mut text);
    let mut talk = Conversation::new(support::host(1, 1, 50_000), support::host(2, 1, 445), (u32::MAX - 70_000, 5));
    let begin = talk.handshake();
    let data = talk.data(Direction::ToServer, &text);
    let end = talk.close(Direction::ToServer);
    let segments = begin.into_iter().chain(network(&data, &mut rng)).chain(end);
    segments.map(|segment| talk.frame(&segment)).collect()
}

/// Exchanges of a small request and a small reply, one after the other.
fn short_flows() -> Vec<Vec<u8>> {
    let mut rng = Rng::new(6);
    let exchange = |port: u16| {
        let mut talk =
            Conversation::new(support::host(1, (port % 250) as u8, 40_000 + port), support::host(2, 1, 80), (port.into(), 9));
        let segments = talk.script(&traffic::http(&mut rng, 900));
        segments.iter().map(|segment| talk.frame(segment)).collect::<Vec<_>>()
    };
    (0..500).flat_map(exchange).collect()
}

fn run(batch: &Batch) -> u64 {
    let mut table = FlowTable::new(FlowConfig::default(), [1, 2]);
    let mut null = support::Null::default();
    for packet in &batch.packets {
        table.packet(packet, batch.transport(packet), batch.payload(packet), &mut null);
    }
    table.finish(&Cause::default(), &mut null);
    null.bytes
}

fn reassembly(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reassembly");
    let cases = [
        ("in_order", long_flow(|data, _| data.to_vec())),
        ("shuffled", {
            long_flow(|data, rng| {
                let mut data = data.to_vec();
                delivery::shuffle_within(&mut data, 8, rng);
                data
            })
        }),
        ("retransmitted", long_flow(|data, rng| delivery::retransmit(data, 20, rng))),
        // Nearer than the segments after which a hole that the peer acknowledged is given up.
        ("lossy", long_flow(|data, rng| delivery::lossy(data, 3, 6, rng))),
        ("short_flows", short_flows()),
    ];
    for (name, frames) in cases {
        let mut batch = support::batch(&frames);
        Decoder::new(DecodeConfig::default(), [1, 2]).decode(&mut batch);
        let bytes = run(&batch);
        assert!(name == "short_flows" || bytes == BYTES as u64, "{name}: {bytes} bytes delivered");
        group.throughput(Throughput::ElementsAndBytes { elements: batch.packets.len() as u64, bytes });
        group.bench_function(name, |bencher| bencher.iter(|| black_box(run(&batch))));
    }
    group.finish();
}

criterion_group!(benches, reassembly);
criterion_main!(benches);
