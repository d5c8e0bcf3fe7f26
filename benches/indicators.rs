//! Lists of indicators: what a flow, a name and a file cost with a million entries, and what loading them takes.

use std::fmt::Write;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use backstop_signatures::indicators::{Indicators, Loader};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ENTRIES: u32 = 1_000_000;

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x2000_0000 + number * 7).into()
}

/// A third each: addresses, names, sums; and networks of every length.
fn list() -> String {
    let mut text = String::new();
    for number in 0..ENTRIES / 3 {
        writeln!(text, "{}\nhost{number}.evil{}.example\n{number:064x}", address(number), number % 1_000).unwrap_or_default();
    }
    for length in 8..32 {
        writeln!(text, "198.51.100.0/{length}\n*.tunnel{length}.example").unwrap_or_default();
    }
    text
}

fn load(text: &str) -> Indicators {
    let mut loader = Loader::new(usize::MAX);
    drop(loader.add("list", text.as_bytes()));
    loader.finish().0
}

fn indicators(criterion: &mut Criterion) {
    let text = list();
    let all = load(&text);
    let mut group = criterion.benchmark_group("indicators");
    for (name, wanted) in [("address_listed", address(4_711)), ("address_other", Ipv4Addr::new(203, 0, 113, 7).into())] {
        group.bench_function(name, |bencher| bencher.iter(|| all.address(black_box(wanted)).is_some()));
    }
    let long = format!("{}tunnel9.example", "a.".repeat(110));
    for (name, wanted) in
        [("name_listed", "host7.evil7.example"), ("name_other", "www.example.org"), ("name_of_many_labels", &long)]
    {
        group.bench_function(name, |bencher| bencher.iter(|| all.name(black_box(wanted)).is_some()));
    }
    let sum = format!("{:064x}", 4_711);
    group.bench_function("sum", |bencher| bencher.iter(|| all.sum(black_box(&sum)).is_some()));
    group.sample_size(10);
    group.throughput(Throughput::ElementsAndBytes { elements: all.len() as u64, bytes: text.len() as u64 });
    group.bench_function("load", |bencher| bencher.iter(|| load(black_box(&text)).len()));
    group.finish();
}

criterion_group!(benches, indicators);
criterion_main!(benches);
