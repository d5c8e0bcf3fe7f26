//! The HTTP and DNS captures beside the tree: what their manifest states is in the records, every record fits the schemas, and
//! what nobody violated is no anomaly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use common::{final_counters, of_type, records, replay, schema, shared};
use serde_json::Value;

fn capture(folder: &str, name: &str) -> Option<Vec<Value>> {
    Some(records(&replay(&shared(folder)?.join(name), &["--set", "backup_servers=10.20.30.10"])))
}

fn alerts(records: &[Value], sid: u64) -> Vec<&Value> {
    of_type(records, "alert").into_iter().filter(|record| record["alert"]["signature_id"] == sid).collect()
}

fn lateral(name: &str) -> Option<Vec<Value>> {
    let records = capture("captures/lateral", &format!("{name}.pcap"))?;
    schema::assert_all_fit(&records);
    assert_eq!(of_type(&records, "anomaly"), Vec::<&Value>::new(), "{name}");
    Some(records)
}

/// Target and status of all exchanges, in order.
fn exchanges(records: &[Value]) -> Vec<(&str, u64)> {
    let all = of_type(records, "http");
    all.into_iter().map(|record| (record["http"]["url"].as_str().unwrap(), record["http"]["status"].as_u64().unwrap())).collect()
}

/// Signatures of alerts that a layer of decoded bytes led to, with the number of the exchange.
fn found_in<'a>(records: &'a [Value], layer: &str) -> Vec<(&'a Value, &'a Value)> {
    of_type(records, "alert")
        .into_iter()
        .filter(|record| record["alert"]["context"]["yara"]["scanned"]["layers"].to_string().contains(layer))
        .map(|record| (&record["alert"]["signature_id"], &record["tx_id"]))
        .collect()
}

#[test]
fn ordinary_browsing_is_told_and_raises_nothing() {
    let Some(records) = lateral("h1_http_benign") else { return };
    let expected = [
        ("/", 200),
        ("/app.js", 200),
        ("/logo.png", 200),
        ("/api/jobs", 200),
        ("/docs/powershell.html", 200),
        ("/missing", 404),
        ("/api/jobs", 200),
    ];
    assert_eq!(exchanges(&records), expected);
    assert_eq!(of_type(&records, "alert"), Vec::<&Value>::new());
}

#[test]
fn the_loader_is_found_behind_chunks_and_gzip() {
    let Some(records) = lateral("h2_http_loader") else { return };
    assert_eq!(exchanges(&records), [("/icsnd16_64refl.ps1", 200)]);
    let http = &of_type(&records, "http")[0]["http"];
    assert_eq!((&http["hostname"], &http["http_user_agent"]), (&"203.0.113.7".into(), &"curl/7.88.1".into()));
    // Content and name are one cause.
    let alert = &alerts(&records, 9_403_001)[..];
    assert_eq!(alert.len(), 1);
    assert_eq!((&alert[0]["src_ip"], &alert[0]["tx_id"]), (&"203.0.113.7".into(), &0.into()));
    assert_eq!(
        (&alert[0]["http"]["url"], &alert[0]["files"][0]["filename"]),
        (&"/icsnd16_64refl.ps1".into(), &"icsnd16_64refl.ps1".into())
    );
    assert_eq!(alert[0]["alert"]["metadata"]["outcome"][0], "success");
    let download = &alerts(&records, 9_404_007)[0];
    assert_eq!(download["alert"]["context"]["download"]["reasons"], serde_json::json!(["name"]));
    assert_eq!(of_type(&records, "alert").len(), 2);
    let file = of_type(&records, "fileinfo")[0];
    assert_eq!((&file["src_ip"], &file["fileinfo"]["state"]), (&"203.0.113.7".into(), &"CLOSED".into()));
    assert_eq!((&file["http"]["status"], &file["fileinfo"]["sha256"]), (&200.into(), &alert[0]["files"][0]["sha256"]));
}

#[test]
fn pipelined_requests_and_ranges_are_told_one_by_one() {
    let Some(records) = lateral("h5_pipeline_ranges") else { return };
    let told = exchanges(&records);
    assert_eq!(told[..3], [("/api/jobs", 200), ("/icsnd16_64refl.ps1", 200), ("/app.js", 200)]);
    assert_eq!(told[3..6], [("/gup18.ps1", 206); 3]);
    let ranges: Vec<_> =
        of_type(&records, "http").iter().filter_map(|record| record["http"]["content_range"]["end"].as_u64()).collect();
    assert_eq!(ranges, [1_023, 8_191, 54_325, 499]);
    let loaders = alerts(&records, 9_403_001);
    let names: Vec<_> = loaders.iter().map(|alert| alert["files"][0]["filename"].as_str().unwrap()).collect();
    assert_eq!(names, ["icsnd16_64refl.ps1", "gup18.ps1"]);
    assert_eq!(loaders[0]["tx_id"], 1);
    // Three connections: the file is told with the last of them, and no range of it besides.
    assert_eq!((&loaders[1]["files"][0]["size"], &loaders[1]["http"]["status"]), (&54_326.into(), &206.into()));
    let joined: Vec<_> =
        of_type(&records, "fileinfo").into_iter().filter(|record| record["fileinfo"]["filename"] == "gup18.ps1").collect();
    assert_eq!((joined.len(), &joined[0]["fileinfo"]["sha256"]), (1, &loaders[1]["files"][0]["sha256"]));
    assert_eq!(found_in(&records, "http.body").len(), 0, "no content rule tells the same");
    assert_eq!(final_counters(&records)["files"]["ranges_joined"], 1);
    let fetched: Vec<_> = alerts(&records, 9_404_007).iter().map(|alert| alert["http"]["url"].as_str().unwrap()).collect();
    assert_eq!(fetched, ["/icsnd16_64refl.ps1", "/gup18.ps1"], "many ranges are one cause");
}

#[test]
fn requests_of_winrm_are_told_without_what_logs_in() {
    let Some(records) = lateral("w1_winrm_basic") else { return };
    let told = exchanges(&records);
    assert_eq!((told.len(), told[0]), (9, ("/wsman", 401)));
    assert!(told[1..].iter().all(|told| *told == ("/wsman", 200)));
    let http: String = of_type(&records, "http").iter().map(|record| record.to_string()).collect();
    assert!(!http.contains("Basic ") && !http.contains("Inert"), "no credentials in a record");
}

#[test]
fn the_question_for_the_own_address_is_told_with_its_answer() {
    let Some(records) = lateral("d1_dns_myip") else { return };
    let dns = of_type(&records, "dns");
    assert_eq!(dns.len(), 14);
    let mine: Vec<_> = dns.iter().filter(|record| record["dns"]["rrname"] == "myip.opendns.com").collect();
    assert_eq!(mine.len(), 2);
    assert!(mine.iter().all(|record| record["src_ip"] == "10.20.30.10" && record["dest_ip"] == "208.67.222.222"));
    assert_eq!(mine[0]["dns"]["tx_id"], mine[1]["dns"]["tx_id"]);
    assert_eq!(mine[1]["dns"]["grouped"]["A"][0], "10.20.30.10");
    assert_eq!(final_counters(&records)["app"]["dns_udp_flows"], 7);
    let told = alerts(&records, 9_404_008);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["alert"]["target"]["ip"], &told[0]["dns"]["rrname"]),
        (&"10.20.30.10".into(), &"myip.opendns.com".into())
    );
}

#[test]
fn captures_of_others_are_read_without_anomalies_of_ours() {
    let Some(folder) = shared("captures/public") else { return };
    let mut seen = (0, 0);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind.to_string_lossy().starts_with("pcap"))) {
        let records = records(&replay(file, &[]));
        schema::assert_all_fit(&records);
        seen.0 += of_type(&records, "http").len();
        seen.1 += of_type(&records, "dns").len();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let told: Vec<_> = of_type(&records, "anomaly")
            .iter()
            .filter_map(|record| record["anomaly"]["event"].as_str())
            .filter(|event| event.starts_with("HTTP_") || event.starts_with("DNS_"))
            .map(str::to_owned)
            .collect();
        assert_eq!(told, [""; 0], "{name}");
    }
    assert!(seen.0 >= 50 && seen.1 >= 70, "{seen:?}");
}

/// A body that matches a content rule at its beginning, and never ends; a question to another host later.
#[test]
fn a_response_that_does_not_end_keeps_no_alert_back() {
    use backstop_testkit::Conversation;
    use backstop_testkit::pcap::{ETHERNET, PcapWriter};
    use backstop_types::{Direction, Endpoint, PacketTime};

    if !cfg!(feature = "yara") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.pcap");
    let mut out = PcapWriter::new(std::fs::File::create(&path).unwrap(), ETHERNET).unwrap();
    let mut micros = 1_768_384_800_000_000;
    let mut talk = |port: u16, reply: &[u8], pause: u64| {
        let (client, server) =
            (Endpoint::new("10.20.30.77".parse().unwrap(), port), Endpoint::new("203.0.113.9".parse().unwrap(), 80));
        let mut talk = Conversation::new(client, server, (1, 1));
        let mut segments = talk.handshake();
        segments.extend(talk.data(Direction::ToServer, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
        segments.extend(talk.data(Direction::ToClient, reply));
        micros += pause;
        for segment in &segments {
            micros += 1_000;
            out.write(PacketTime::from_micros(micros), &talk.frame(segment)).unwrap();
        }
    };
    let mut body =
        b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n[Convert]::FromBase64String IO.Compression.DeflateStream \
        GetDelegateForFunctionPointer GlobalAssemblyCache\n"
            .to_vec();
    body.resize(200_000, b'.');
    talk(40_000, &body, 0);
    for port in 40_001..40_004 {
        talk(port, b"HTTP/1.1 204 No Content\r\n\r\n", 2_000_000);
    }
    out.finish().unwrap();
    let records = records(&replay(&path, &["--set", "files.max_file=64KiB"]));
    let order: Vec<&str> = records
        .iter()
        .filter_map(|record| record["event_type"].as_str())
        .filter(|kind| matches!(*kind, "alert" | "http"))
        .collect();
    assert!(order.iter().position(|kind| *kind == "alert").unwrap() < 3, "{order:?}");
    assert_eq!(order.iter().filter(|kind| **kind == "http").count(), 4);
}

/// Files of flows that raised an alert are stored, others are not; the next run finds them there.
#[test]
fn files_of_alerts_are_stored_by_their_sum() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let set = format!("files.store_dir={}", store.display());
    let case = |name: &str, workers: &str| {
        let capture = std::path::Path::new(common::top()).join("pcaps/http").join(name).join("input.pcap");
        records(&replay(&capture, &["--set", &set, "--workers", workers]))
    };
    let told = |records: &[Value]| of_type(records, "fileinfo")[0]["fileinfo"].clone();
    case("h1_http_benign", "1");
    assert_eq!(std::fs::read_dir(&store).unwrap().count(), 0);
    let first = told(&case("h2_http_loader", "2"));
    assert_eq!((&first["stored"], &first["storing"]), (&false.into(), &true.into()));
    let sum = first["sha256"].as_str().unwrap();
    let kept = std::fs::read(store.join(&sum[..2]).join(sum)).unwrap();
    assert_eq!(kept.len() as u64, first["size"].as_u64().unwrap());
    let second = told(&case("h2_http_loader", "1"));
    assert_eq!((&second["stored"], second.get("storing")), (&true.into(), None));
}
