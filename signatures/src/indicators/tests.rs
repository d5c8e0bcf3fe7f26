//! Lists as people and feeds write them.

use backstop_types::PacketTime;

use super::*;

fn load(file: &str, text: &str) -> (Indicators, Vec<String>) {
    let mut loader = Loader::new(MAX_ENTRIES);
    loader.add(file, text.as_bytes()).unwrap();
    loader.finish()
}

fn at(days: u64) -> PacketTime {
    PacketTime::from_nanos(days * 86_400_000_000_000)
}

#[test]
fn the_shipped_list_has_its_source_and_date() {
    let (all, warnings) = load(SHIPPED.0, SHIPPED.1);
    assert_eq!((all.len(), warnings), (12, Vec::new()));
    let told = all.address("217.12.206.176".parse().unwrap()).unwrap();
    assert_eq!(
        (told.source, told.note, told.date().unwrap().as_str()),
        ("WithSecureLabs/iocs FIN7VEEAM", "DICELOADER C2", "2023-04-26")
    );
    assert!(all.sum("8687b6b1508a93556d6e30d14e5c4ee9971f2d80").is_some() && all.has_sums());
    assert!(all.address("217.12.206.177".parse().unwrap()).is_none());
}

#[test]
fn columns_may_stand_in_any_order_and_rows_of_other_kinds_are_left_out() {
    let text = "note,Indicator Type,Value,first_seen\n\"a \"\"b\"\", c\",IP,198[.]51[.]100[.]7,2026-01-02 10:00\n,Command line,whoami,\nx,domain,hxxp://Evil[.]example/path,\n";
    let (all, warnings) = load("list.csv", text);
    let told = all.address("198.51.100.7".parse().unwrap()).unwrap();
    assert_eq!((told.note, told.date().unwrap().as_str()), ("a \"b\", c", "2026-01-02"));
    assert!(all.name("evil.example").unwrap().day.is_none());
    assert_eq!((all.len(), warnings.len()), (2, 1));
}

#[test]
fn one_value_a_line_with_comments() {
    let text = "# Source: my team\n# date: 2026-02-03\n\n198.51.100.0/24 scanners\n*.evil.example # all of it\nother.example\n2001:db8::7\n";
    let (all, warnings) = load("plain.txt", text);
    assert_eq!((all.len(), warnings), (4, Vec::new()));
    assert_eq!(all.address("198.51.100.99".parse().unwrap()).unwrap().note, "scanners");
    assert_eq!(all.address("2001:db8::7".parse().unwrap()).unwrap().source, "my team");
    assert!(all.name("A.b.EVIL.example.").is_some() && all.name("evil.example").is_some());
    assert!(all.name("www.other.example").is_none() && all.name("other.example").is_some());
    assert!(all.name("notevil.example").is_none() && all.name("").is_none());
}

#[test]
fn a_bundle_gives_what_compares_one_value() {
    let text = r#"{"type":"bundle","id":"bundle--1","objects":[
        {"type":"identity","name":"x"},
        {"type":"indicator","name":"n","pattern_type":"stix","valid_from":"2026-05-01T00:00:00Z",
         "pattern":"[ipv4-addr:value = '198.51.100.7'] OR [domain-name:value = 'evil.example' OR url:value = 'http://bad.example:8080/a']"},
        {"type":"indicator","pattern_type":"stix","pattern":"[file:hashes.'SHA-256' = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad']","created":"2026-05-02T00:00:00Z"},
        {"type":"indicator","pattern_type":"stix","pattern":"[ipv4-addr:value = '198.51.100.8' AND domain-name:value = 'a.example']"},
        {"type":"indicator","pattern_type":"yara","pattern":"rule x {}"},
        {"type":"indicator","revoked":true,"pattern_type":"stix","pattern":"[ipv4-addr:value = '198.51.100.9']"}]}"#;
    let (all, warnings) = load("bundle.json", text);
    assert_eq!((all.len(), warnings.len()), (4, 1));
    assert_eq!(all.name("bad.example").unwrap().date().unwrap(), "2026-05-01");
    assert!(all.sum("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").is_some());
    assert!(all.address("198.51.100.9".parse().unwrap()).is_none());
}

#[test]
fn what_would_match_ordinary_traffic_is_left_out_with_a_word() {
    let text = "0.0.0.0/0\n10.0.0.1\n127.0.0.1\n192.168.0.0/16\ncom\n224.0.0.1\n::1\nfe80::1\n198.51.100.1/4\n";
    let (all, warnings) = load("broad", text);
    assert_eq!((all.len(), warnings.len()), (0, 9));
    assert!(warnings[0].starts_with("broad:1: left out"));
}

#[test]
fn errors_name_file_and_line() {
    for (text, line) in [
        ("198.51.100.1\nnot:an_indicator\n", 2),
        ("type,value\nip,198.51.100.1\nip,300.1.1.1\n", 3),
        ("# date: yesterday\n198.51.100.1\n", 1),
        ("deadbeef\nabc\u{7}d.example\n", 2),
        ("{\"type\":\"bundle\"}", 1),
        ("{\n\"type\":", 2),
    ] {
        let error = Loader::new(10).add("f", text.as_bytes()).unwrap_err();
        assert_eq!((error.file.as_str(), error.line), ("f", line), "{text:?}: {error}");
    }
    assert_eq!(Loader::new(10).add("f", b"a.example\n\xff").unwrap_err().line, 2);
}

#[test]
fn severity_ages_with_packet_time() {
    let told = |day| Indicator { source: "", note: "", day };
    let ages = Age::default();
    let severity = |day, now| told(day).severity(at(now), ages);
    assert_eq!([severity(Some(20_000), 20_010), severity(Some(20_000), 20_365), severity(Some(20_000), 21_095)], [1, 2, 3]);
    assert_eq!(severity(None, 20_000), 2);
    assert_eq!(severity(Some(20_000), 19_000), 1, "a capture from before");
}

#[test]
fn the_newer_of_two_entries_counts_and_the_cap_holds() {
    let mut loader = Loader::new(2);
    loader.add("old", b"# date: 2020-01-01\nevil.example old\n").unwrap();
    loader.add("new", b"# date: 2025-01-01\nevil.example new\n").unwrap();
    loader.add("more", b"a.example\nb.example\nc.example\n").unwrap();
    let (all, warnings) = loader.finish();
    assert_eq!((all.len(), warnings.len()), (2, 1));
    assert_eq!(all.name("evil.example").unwrap().note, "new");
}

#[test]
fn two_million_entries_take_bounded_memory_and_are_found() {
    let text: String =
        (0..2_000_000_u32).map(|number| format!("{}\n", std::net::Ipv4Addr::from_bits(0x2000_0000 + number))).collect();
    let (all, _) = load("many", &text);
    assert_eq!(all.len(), 2_000_000);
    assert!(all.address(std::net::Ipv4Addr::from_bits(0x2000_0000 + 1_999_999).into()).is_some());
    // A table is at most 8/7 of a power of two; an address and its entry take 12 bytes, and a byte beside them.
    assert!(all.bytes() < 60 * 1024 * 1024, "{}", all.bytes());
}
