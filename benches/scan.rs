//! Streams to matches with the shipped rules: many tiny payloads in one scan or each in its own, with and without the
//! prefilter, and full windows of text and of what a file transfer carries.
#![allow(clippy::expect_used, reason = "a bench stops where its rules do not load")]

use std::hint::black_box;

use backstop_signatures::{Flush, RuleOptions, RuleSet, ScanLimits, Scanner, StreamScan};
use backstop_testkit::{Rng, traffic};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const TINY: usize = 48;
const WINDOWS: usize = 16;

fn rules(prefilter: bool) -> RuleSet {
    let limits = ScanLimits { prefilter, max_depth: u64::MAX, ..ScanLimits::default() };
    RuleSet::load(&RuleOptions { limits, ..RuleOptions::default() }).expect("the shipped rules")
}

/// One stream of these payloads. `each`: flushed after every one, as if the direction changed each time.
fn run(scanner: &mut Scanner<'_>, payloads: &[&[u8]], each: bool) -> usize {
    let mut out = Vec::new();
    let mut stream = StreamScan::new(scanner.rules().limits());
    let mut offset = 0;
    for payload in payloads {
        // An error is a time limit: nothing that a bench meets.
        let _ = stream.push(scanner, offset, payload, &mut out);
        offset += payload.len() as u64;
        if each {
            let _ = stream.flush(scanner, Flush::More, &mut out);
        }
    }
    let _ = stream.flush(scanner, Flush::End, &mut out);
    out.len()
}

fn scan(criterion: &mut Criterion) {
    let mut text = Vec::new();
    traffic::text(&mut Rng::new(1), WINDOWS * (64 << 10), &mut text);
    let mut mixed = Vec::new();
    traffic::mixed(&mut Rng::new(2), WINDOWS * (64 << 10), &mut mixed);
    let tiny: Vec<&[u8]> = text.chunks(TINY).take(1_000).collect();
    for prefilter in [true, false] {
        let rules = rules(prefilter);
        let mut scanner = Scanner::new(&rules);
        let name = if prefilter { "prefiltered" } else { "always" };
        let mut group = criterion.benchmark_group("scan");
        group.throughput(Throughput::ElementsAndBytes { elements: tiny.len() as u64, bytes: (tiny.len() * TINY) as u64 });
        for (kind, each) in [("tiny_batched", false), ("tiny_each", true)] {
            group.bench_function(BenchmarkId::new(kind, name), |bencher| {
                bencher.iter(|| black_box(run(&mut scanner, &tiny, each)));
            });
        }
        for (kind, bytes) in [("windows_text", &text), ("windows_mixed", &mixed)] {
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            let segments: Vec<&[u8]> = bytes.chunks(1_460).collect();
            let before = *scanner.counters();
            run(&mut scanner, &segments, false);
            let now = scanner.counters();
            println!("{kind}/{name}: {} scans, {} spared", now.scans - before.scans, now.prefiltered - before.prefiltered);
            group.bench_function(BenchmarkId::new(kind, name), |bencher| {
                bencher.iter(|| black_box(run(&mut scanner, &segments, false)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, scan);
criterion_main!(benches);
