//! Sessions of a backup server to the outside that come like a clock, through the binary; and the nearest of what does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use backstop_testkit::Conversation;
use backstop_testkit::pcap::{ETHERNET, PcapWriter};
use backstop_types::{Direction, Endpoint, PacketTime};
use common::{of_type, records, replay, schema};
use serde_json::Value;

const START: u64 = 1_768_384_800_000_000;

/// Alerts of 9405004 for sessions that begin at these seconds and send so many bytes.
fn beacons(client: &str, server: &str, sessions: &[(u64, usize)], args: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.pcap");
    let mut out = PcapWriter::new(std::fs::File::create(&path).unwrap(), ETHERNET).unwrap();
    for (number, (second, sent)) in sessions.iter().enumerate() {
        let client = Endpoint::new(client.parse().unwrap(), 40_000 + number as u16);
        let mut talk = Conversation::new(client, Endpoint::new(server.parse().unwrap(), 443), (number as u32 * 1_000, 7));
        let mut segments = talk.handshake();
        segments.extend(talk.data(Direction::ToServer, &vec![0xa5; *sent]));
        segments.extend(talk.data(Direction::ToClient, &[0x5a; 120]));
        segments.extend(talk.close(Direction::ToServer));
        for (at, segment) in segments.iter().enumerate() {
            let time = PacketTime::from_micros(START + second * 1_000_000 + at as u64 * 10_000);
            out.write(time, &talk.frame(segment)).unwrap();
        }
    }
    out.finish().unwrap();
    let records = records(&replay(&path, args));
    schema::assert_all_fit(&records);
    let all = of_type(&records, "alert");
    all.into_iter().filter(|record| record["alert"]["signature_id"] == 9_405_004).cloned().collect()
}

#[test]
fn a_backup_server_that_calls_home_every_minute_is_suspected_once() {
    let clock: Vec<_> = (0..40).map(|beat| (beat * 60 + beat % 5, 200)).collect();
    let server = ["--set", "backup_servers=10.20.30.10"];
    let told = beacons("10.20.30.10", "203.0.113.9", &clock, &server);
    assert_eq!(told.len(), 1);
    let alert = &told[0]["alert"];
    assert_eq!((&alert["severity"], &alert["metadata"]["suspected"][0]), (&2.into(), &"true".into()));
    assert_eq!((&alert["source"]["ip"], &alert["target"]["ip"]), (&"203.0.113.9".into(), &"10.20.30.10".into()));
    let beacon = &alert["context"]["beacon"];
    assert!((58..=62).contains(&beacon["interval_seconds"].as_u64().unwrap()) && beacon["sessions"].as_u64().unwrap() >= 10);
    // The same by a host without the role, to a host inside, to one that may be called, and by people.
    let people: Vec<_> =
        [0, 3, 9, 400, 402, 2_900, 2_911, 3_600, 9_000, 9_010, 9_400, 20_000].map(|second| (second, 200)).to_vec();
    assert!(beacons("10.20.30.77", "203.0.113.9", &clock, &server).is_empty());
    assert!(beacons("10.20.30.10", "10.20.30.99", &clock, &server).is_empty());
    assert!(
        beacons("10.20.30.10", "203.0.113.9", &clock, &[&server[..], &["--set", "beacon.allowed=203.0.113.0/24"]].concat())
            .is_empty()
    );
    assert!(beacons("10.20.30.10", "203.0.113.9", &people, &server).is_empty());
    assert!(beacons("10.20.30.10", "203.0.113.9", &clock[..8], &server).is_empty());
}
