//! Streams to transactions: each recorded conversation through the driver in segments of 1,460 bytes, recognised by its
//! first bytes as in the sensor; and binary XML alone.

use std::hint::black_box;

use backstop_protocols::nbfse::{self, Dictionary};
use backstop_protocols::{Anomaly, AppProto, Content, Driver, Limits, Sink, Transaction, testing};
use backstop_testkit::conversation::MSS;
use backstop_testkit::fixture;
use backstop_types::Direction;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Counts and forgets.
#[derive(Default)]
struct Null(u64);

impl Sink for Null {
    fn transaction(&mut self, _: &Transaction<'_>) {
        self.0 += 1;
    }
    fn anomaly(&mut self, _: Anomaly) {}
    fn content(&mut self, content: Content<'_>) {
        self.0 += content.bytes.len() as u64;
    }
    fn plaintext(&mut self, _: Direction, _: &[u8]) {}
    fn confirmed(&mut self, _: AppProto) {}
    fn in_sync(&mut self, _: AppProto, _: Direction, _: bool) {}
}

fn run(script: &testing::Script) -> u64 {
    let (mut null, mut driver) = (Null::default(), Driver::new(Limits::default()));
    for (direction, bytes) in script {
        for segment in bytes.chunks(MSS) {
            driver.data(*direction, segment, &mut null);
        }
    }
    for direction in Direction::BOTH {
        driver.close(direction, &mut null);
    }
    null.0
}

fn conversations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parsers");
    for (name, script) in fixture::all("") {
        let bytes = script.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(run(&script))));
    }
    group.finish();
}

fn binary_xml(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nbfx");
    let limits = Limits::default();
    for name in ["nmf_ordinary_0", "nmf_dotnet_2"] {
        let scripts = fixture::all(name);
        let messages: Vec<Vec<u8>> =
            scripts.iter().flat_map(|(_, script)| fixture::envelopes(script, Direction::ToServer)).collect();
        assert!(!messages.is_empty(), "{name} has no messages");
        group.throughput(Throughput::Bytes(messages.iter().map(|message| message.len() as u64).sum()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut dictionary = Dictionary::default();
                for message in &messages {
                    let start = dictionary.read_table(message, &limits).unwrap_or(message.len());
                    let _ = black_box(nbfse::read(message.get(start..).unwrap_or_default(), &dictionary, &limits));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, conversations, binary_xml);
criterion_main!(benches);
