//! TLS with keys: sealed bytes to plaintext, through the driver in segments of 1,460 bytes. `scripts/tls-floor.sh` prints what
//! `openssl speed` does with the same ciphers beside it.

use std::hint::black_box;
use std::sync::Arc;

use backstop_protocols::tls::KeyRing;
use backstop_protocols::{Anomaly, AppProto, Content, Driver, Limits, Sink, Transaction};
use backstop_testkit::conversation::MSS;
use backstop_testkit::tls::{SUITES, Session};
use backstop_types::Direction;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Plaintext a round.
const BYTES: usize = 1 << 20;

/// Counts and forgets.
#[derive(Default)]
struct Null(u64);

impl Sink for Null {
    fn transaction(&mut self, _: &Transaction<'_>) {}
    fn anomaly(&mut self, _: Anomaly) {}
    fn content(&mut self, _: Content<'_>) {}
    fn plaintext(&mut self, _: Direction, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
    fn confirmed(&mut self, _: AppProto) {}
    fn in_sync(&mut self, _: AppProto, _: Direction, _: bool) {}
}

fn opened(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tls");
    group.sample_size(20);
    for suite in SUITES {
        for len in [16_384, 1_024] {
            let mut session = Session::new(suite, 3);
            let ring = KeyRing::new();
            ring.add_whole_key_log(session.key_log().as_bytes());
            let ring = Arc::new(ring);
            let handshake = session.handshake();
            let content = vec![0xe5; len];
            let sealed: Vec<u8> = (0..BYTES / len).flat_map(|_| session.seal(Direction::ToClient, 23, &content)).collect();
            group.throughput(Throughput::Bytes(BYTES as u64));
            let begun = || {
                let (mut null, mut driver) = (Null::default(), Driver::with_keys(Limits::default(), Some(Arc::clone(&ring))));
                handshake.iter().for_each(|(direction, bytes)| driver.data(*direction, bytes, &mut null));
                (null, driver)
            };
            group.bench_with_input(BenchmarkId::new(suite.name, len), &sealed, |bencher, sealed| {
                bencher.iter_batched(
                    begun,
                    |(mut null, mut driver)| {
                        for segment in sealed.chunks(MSS) {
                            driver.data(Direction::ToClient, segment, &mut null);
                        }
                        assert_eq!(black_box(null.0), BYTES as u64);
                        driver
                    },
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, opened);
criterion_main!(benches);
