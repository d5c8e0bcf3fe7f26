//! Files put together: bytes per second with all sums and with one, and pieces of one byte at two sizes: four times the pieces may
//! take four times as long, in whatever order they come.

use std::hint::black_box;

use backstop_protocols::{AppProto, FilePart, FileState};
use backstop_types::Direction;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use self::files::{FileCounters, FileSettings, Tracker};

// The sensor is no library: its own source, compiled here.
#[allow(dead_code, unused_imports, reason = "the bench uses its part")]
#[path = "../src/files/mod.rs"]
mod files;

const PIECE: usize = 64 << 10;

fn part(offset: u64, bytes: &[u8], state: FileState) -> FilePart<'_> {
    FilePart { key: 0, tx_id: None, direction: Direction::ToServer, name: None, layers: &[], offset, bytes, size: None, state }
}

fn put(pieces: impl Iterator<Item = u64>, bytes: &[u8], settings: &FileSettings) -> Option<u64> {
    let (mut tracker, mut counters) = (Tracker::default(), FileCounters::default());
    for offset in pieces {
        tracker.add(AppProto::Smb, &part(offset, bytes, FileState::More), usize::MAX, settings, &mut counters);
    }
    let over = tracker.add(AppProto::Smb, &part(0, &[], FileState::Complete), usize::MAX, settings, &mut counters);
    over.finished.map(|file| file.facts().size)
}

fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("files");
    let (bytes, size) = (vec![7; PIECE], 8_u64 << 20);
    group.throughput(Throughput::Bytes(size));
    let all = FileSettings::default();
    let only = FileSettings { md5: false, sha1: false, ..FileSettings::default() };
    let none = FileSettings { sha256: false, ..only.clone() };
    for (name, settings) in [("all_sums", &all), ("sha256", &only), ("no_sum", &none)] {
        group.bench_function(name, |bencher| bencher.iter(|| put(black_box((0..size).step_by(PIECE)), &bytes, settings)));
    }
    group.finish();
}

fn tiny(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("files_tiny");
    group.sample_size(10);
    let settings = FileSettings { max_file: 1 << 30, max_flow: 1 << 30, ..FileSettings::default() };
    for count in [250_000_u64, 1_000_000] {
        group.throughput(Throughput::Elements(count));
        let mut measure = |name: &str, at: &dyn Fn(u64) -> u64| {
            let id = BenchmarkId::new(name, count);
            group.bench_function(id, |bencher| bencher.iter(|| put((0..count).map(at), b"x", &settings)));
        };
        measure("forward", &|number| number);
        measure("backward", &|number| count - 1 - number);
        measure("odd_then_even", &|number| (number * 2 + 1) % (count | 1));
        measure("over_each_other", &|number| number % 4_096);
    }
    group.finish();
}

criterion_group!(benches, hashing, tiny);
criterion_main!(benches);
