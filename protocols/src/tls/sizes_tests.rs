#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use backstop_types::Direction;

use super::hello::ServerHello;
use super::keys_tests::open;
use super::*;
use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::driver::Driver;
use crate::testing;

fn facts(version: u16, cipher: u16, extensions: &[u16]) -> Facts {
    let selected_version = (version == 0x0304).then_some(version);
    let hello = ServerHello {
        legacy_version: version.min(0x0303),
        selected_version,
        cipher,
        extensions: extensions.to_vec(),
        ..ServerHello::default()
    };
    Facts { server_hello: Some(hello), ..Facts::default() }
}

/// A way to wrap, the content, and the fragment that it makes by the specification.
const FRAGMENTS: [(u16, u16, &[u16], usize, usize); 22] = [
    // TLS 1.0, no IV: 647 + 20 + padding; with encrypt-then-MAC the MAC stands outside.
    (0x0301, 0xc014, &[], 1, 32),
    (0x0301, 0xc014, &[], 647, 672),
    (0x0301, 0xc014, &[22], 647, 676),
    (0x0301, 0x000a, &[], 647, 672),
    (0x0301, 0x0005, &[], 647, 667),
    (0x0302, 0x002f, &[], 647, 688),
    (0x0302, 0x002f, &[22], 647, 692),
    (0x0303, 0xc027, &[], 647, 704),
    (0x0303, 0xc028, &[], 647, 720),
    (0x0303, 0xc028, &[22], 647, 720),
    (0x0303, 0xc028, &[], 1, 80),
    (0x0303, 0xc030, &[], 1, 25),
    (0x0303, 0xc030, &[], 647, 671),
    (0x0303, 0x009c, &[22], 647, 671),
    (0x0303, 0xc09c, &[], 647, 671),
    (0x0303, 0xc0a0, &[], 647, 663),
    (0x0303, 0xcca8, &[], 647, 663),
    (0x0304, 0x1301, &[], 1, 18),
    (0x0304, 0x1302, &[], 647, 664),
    (0x0304, 0x1303, &[], 647, 664),
    (0x0304, 0x1304, &[], 647, 664),
    (0x0304, 0x1305, &[], 647, 656),
];

#[test]
fn the_length_of_a_record_gives_the_range_of_its_content() {
    for (version, cipher, extensions, content, fragment) in FRAGMENTS {
        let wrapping = Wrapping::of(&facts(version, cipher, extensions)).unwrap();
        let range = wrapping.content(fragment).unwrap();
        assert!(range.contains(&content), "{version:04x} {cipher:04x}: {content} is not in {range:?}");
        assert!(range.end() - range.start() < 16, "{version:04x} {cipher:04x}: {range:?}");
        // What is shorter than a block and its MAC is no record.
        assert_eq!(wrapping.content(7), None);
        assert!(*wrapping.content(18_432).unwrap().start() > 16_000);
    }
}

#[test]
fn nothing_is_said_of_what_is_not_known() {
    for (version, cipher) in [(0x0303, 0x0001), (0x0303, 0x1a1a), (0x0300, 0xc014), (0x0304, 0xc030), (0x0305, 0x1301)] {
        assert_eq!(Wrapping::of(&facts(version, cipher, &[])), None, "{version:04x} {cipher:04x}");
    }
    let mut compressed = facts(0x0303, 0xc030, &[]);
    compressed.server_hello.as_mut().unwrap().compression = 1;
    assert_eq!(Wrapping::of(&compressed), None);
    assert_eq!(Wrapping::of(&Facts::default()), None);
}

#[test]
fn real_sessions_carried_what_the_ranges_say() {
    for name in ["tls13_echo", "tls12_echo_gcm", "tls12_echo_cbc", "tls10_echo_cbc", "nmf_tls12_1", "nmf_tls12_rsa_0"] {
        let script = testing::fixture(name).unwrap();
        let opened = open(&script, &testing::fixture_keys(name).unwrap().unwrap());
        let facts = &opened.facts;
        let wrapping = Wrapping::of(facts).unwrap();
        let ends = usize::from(facts.version() == Some(0x0304));
        for (direction, said) in [(Direction::ToServer, opened.up.len()), (Direction::ToClient, opened.down.len())] {
            let sizes = &facts.traffic.get(direction).application_sizes;
            let sum = |end: fn(std::ops::RangeInclusive<usize>) -> usize| {
                sizes.iter().map(|&len| end(wrapping.content(len.into()).unwrap())).sum::<usize>()
            };
            let (least, most) = (sum(|range| *range.start()), sum(|range| *range.end()));
            if ends == 0 {
                assert!((least..=most).contains(&said), "{name} {direction:?}: {said} is not in {least}..={most}");
            } else {
                // The rest of the handshake and the alert count as application data, too.
                assert!(least > said, "{name} {direction:?}");
            }
        }
    }
}

/// Directions of records in the order in which they were told.
#[derive(Default)]
struct Records(Vec<(Direction, u64, Option<u16>)>);

impl Sink for Records {
    fn transaction(&mut self, transaction: &crate::Transaction<'_>) {
        if let crate::Transaction::Tls(Transaction { stage: Stage::Record(direction), facts }) = transaction {
            let traffic = facts.traffic.get(*direction);
            let size = traffic.application_sizes.get(traffic.application_records as usize - 1).copied();
            self.0.push((*direction, traffic.application_records, size));
        }
    }
    fn anomaly(&mut self, _: Anomaly) {}
    fn content(&mut self, _: Content<'_>) {}
    fn plaintext(&mut self, _: Direction, _: &[u8]) {}
    fn confirmed(&mut self, _: AppProto) {}
    fn in_sync(&mut self, _: AppProto, _: Direction, _: bool) {}
}

#[test]
fn records_are_told_in_the_order_of_both_directions_and_no_more_than_are_kept() {
    let told = |name: &str| {
        let (mut records, mut driver) = (Records::default(), Driver::new(Limits::default()));
        for (direction, bytes) in testing::fixture(name).unwrap() {
            driver.data(direction, &bytes, &mut records);
        }
        records.0
    };
    let sizes: Vec<u16> = told("nmf_tls12_1").iter().filter_map(|(_, _, size)| *size).collect();
    assert_eq!(sizes, [25, 25, 671, 2158, 25]);
    let mut records = Records::default();
    let mut driver = Driver::new(Limits::default());
    for (direction, bytes) in testing::fixture("tls12_echo_gcm").unwrap() {
        driver.data(direction, &bytes, &mut records);
    }
    let before = records.0.len();
    for _ in 0..100 {
        driver.data(Direction::ToClient, &[23, 3, 3, 0, 40], &mut records);
        driver.data(Direction::ToClient, &[7; 40], &mut records);
    }
    assert!(records.0.len() - before <= MAX_SIZES + 1);
    let (_, number, size) = *records.0.last().unwrap();
    assert_eq!((number, size), (MAX_SIZES as u64 + 1, None));
}
