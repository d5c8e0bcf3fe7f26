//! Gaps, the way back to records, and the probe.

use super::*;

#[test]
fn a_gap_inside_a_record_keeps_the_place() {
    let flight = [server_hello(b"", [9; 32], b""), chain_of(&[&certificate(), &[3; 900]]), message(14, b"")].concat();
    let flight = record_of(22, &flight);
    let (mut stages, mut driver) = (Stages::default(), Driver::new(Limits::default()));
    driver.data(UP, &record_of(22, &client_hello(b"same", b"\xc0\x2f", b"")), &mut stages);
    driver.data(DOWN, &flight[..1_000], &mut stages);
    driver.gap(DOWN, 300, &mut stages);
    driver.data(DOWN, &flight[1_300..], &mut stages);
    driver.data(DOWN, &record_of(20, b"\x01"), &mut stages);
    assert_eq!(stages.records.len(), 1);
    assert!(stages.anomalies.is_empty() && stages.in_sync.is_empty(), "{:?}", stages.in_sync);
    // The leaf came before the gap.
    assert_eq!(text(&stages.records[0], &["subject"]), "CN=Veeam Backup Server Certificate");
    let facts = stages.last();
    assert!(!facts.resumed && facts.traffic.to_client.incomplete);
}

#[test]
fn after_a_gap_across_records_two_headers_prove_the_place() {
    let (mut stages, mut driver) = (Stages::default(), Driver::new(Limits::default()));
    for (direction, bytes) in tls12(b"", b"", &message(14, b""), b"") {
        driver.data(direction, &bytes, &mut stages);
    }
    driver.gap(DOWN, 10_000, &mut stages);
    assert_eq!(stages.in_sync, [(DOWN, false)]);
    // A header that leads nowhere, then two that do.
    let lone = [b"\x17\x03\x03\x00\x08".as_slice(), &[0; 100]].concat();
    driver.data(DOWN, &lone, &mut stages);
    driver.data(DOWN, &record_of(23, &[8; 80]), &mut stages);
    assert_eq!(stages.in_sync.len(), 1);
    driver.data(DOWN, &record_of(23, &[8; 81]), &mut stages);
    assert_eq!(stages.in_sync, [(DOWN, false), (DOWN, true)]);
    for direction in Direction::BOTH {
        driver.close(direction, &mut stages);
    }
    assert_eq!(stages.last().traffic.to_client.application_sizes, [500, 81]);
    assert!(stages.anomalies.is_empty());
}

#[test]
fn bulk_data_is_passed_over_without_being_held() {
    let (mut stages, mut driver) = (Stages::default(), Driver::new(Limits::default()));
    for (direction, bytes) in tls12(b"", b"", &message(14, b""), b"") {
        driver.data(direction, &bytes, &mut stages);
    }
    let bulk = record_of(23, &[9; 16_408]).repeat(4);
    for _ in 0..100 {
        for piece in bulk.chunks(1_460) {
            driver.data(DOWN, piece, &mut stages);
            assert!(driver.buffered() < 64, "{}", driver.buffered());
        }
    }
    for direction in Direction::BOTH {
        driver.close(direction, &mut stages);
    }
    let traffic = &stages.last().traffic;
    assert_eq!(traffic.to_client.application_records, 401);
    assert_eq!(traffic.to_client.application_bytes, 500 + 400 * 16_408);
    assert_eq!(traffic.to_client.application_sizes.len(), MAX_SIZES);
    assert_eq!(traffic.to_server.encrypted_others, 1);
}

#[test]
fn a_session_is_picked_up_in_its_middle_without_a_record() {
    let up = [record_of(23, &[8; 80]), record_of(23, &[8; 90])].concat();
    // The other direction begins inside a record.
    let down = [b"tail of a record".to_vec(), record_of(23, &[8; 80]), record_of(23, &[8; 90])].concat();
    let stages = run(&[(UP, up), (DOWN, down)]);
    assert_eq!(stages.stages(), [Stage::End]);
    assert!(stages.anomalies.is_empty() && stages.confirmed.is_empty());
    assert_eq!(stages.last().traffic.to_server.application_records, 2);
    assert_eq!(stages.in_sync, [(DOWN, false), (DOWN, true)]);
}

#[test]
fn the_probe_knows_hellos_of_both_sides_and_leaves_look_alikes_alone() {
    let hello = record_of(22, &hex(RFC8448_CLIENT_HELLO));
    for direction in Direction::BOTH {
        assert_eq!(record::probe(direction, &hello), Probe::Certain);
        assert_eq!(record::probe(direction, &record_of(22, &hex(RFC8448_SERVER_HELLO))), Probe::Certain);
    }
    for len in 0..11 {
        assert_eq!(record::probe(UP, &hello[..len]), Probe::MoreBytes, "{len}");
    }
    let split: Vec<u8> = hello[5..].chunks(2).flat_map(|part| record_of(22, part)).collect();
    assert_eq!(record::probe(UP, &split), Probe::Certain);
    assert_eq!(record::probe(UP, &split[..20]), Probe::MoreBytes);
    let data = [record_of(23, &[8; 80]), record_of(23, &[8; 80])].concat();
    assert_eq!(record::probe(UP, &data), Probe::Possible);
    assert_eq!(record::probe(UP, &data[..85]), Probe::MoreBytes);
    for bytes in [
        b"GET / HTTP/1.1\r\n".as_slice(),
        // SSL 2.0 form (RFC 5246 appendix E.2).
        b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10",
        b"\x16\x03\x01\x00\x05\x0b\x00\x00\x01\x00",
        b"\x16\x03\x01\x00\x00\x01\x00\x00\x29\x03\x03",
        b"\x16\x03\x01\x00\x2d\x01\x00\x00\x05\x03\x03",
        b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x04\x03",
        b"\x16\x03\x09\x00\x2d\x01",
        b"\x17\x03\x03\x00\x02xxGET /",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x12\x01\x00\x34\x00\x00\x00\x00",
    ] {
        assert_eq!(record::probe(UP, bytes), Probe::No, "{bytes:02x?}");
    }
}

/// A stream of candidates is searched once, whatever they promise.
#[test]
fn the_search_for_a_record_is_linear() {
    let (mut recorder, mut driver) = (Recorder::default(), Driver::with_protocol(AppProto::Tls, Limits::default()));
    driver.gap(UP, 100, &mut recorder);
    let started = backstop_testkit::Stopwatch::start();
    let bytes = b"\x17\x03\x03\x00\x01".repeat(1_000_000);
    for piece in bytes.chunks(1_461) {
        driver.data(UP, piece, &mut recorder);
        assert!(driver.buffered() < 64);
    }
    assert!(started.elapsed().as_secs() < 10);
    assert!(recorder.anomalies().is_empty());
}
