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
fn validity_and_confidence_of_a_bundle_are_kept_and_an_envelope_is_read() {
    let text = r#"{"more":false,"objects":[{"type":"indicator","name":"n","pattern_type":"stix","valid_from":"2026-05-01T00:00:00Z",
        "valid_until":"2026-06-01T00:00:00.000Z","confidence":35,"pattern":"[domain-name:value = 'evil.example']"},
        {"type":"x-other","name":5,"pattern":{"objects":[{}]},"objects":[{"a":"]}"}]},
        {"type":"indicator","name":"a \"quoted\" ] }","pattern_type":"stix","pattern":"[domain-name:value = 'other.example']"}]}"#;
    let (all, warnings) = load("taxii.json", text);
    assert_eq!((all.len(), warnings), (2, Vec::new()));
    let told = all.name("evil.example").unwrap();
    let until = u64::from(told.until.unwrap());
    assert_eq!((told.is_over(at(until)), told.is_over(at(until + 1)), told.confidence), (false, true, Some(35)));
    let other = all.name("other.example").unwrap();
    assert_eq!((other.is_over(at(50_000)), other.confidence, other.note), (false, None, "a \"quoted\" ] }"));
}

#[test]
fn patterns_of_other_sums_and_negations_do_not_spoil_a_bundle() {
    let pattern = |pattern: &str| format!(r#"{{"type":"indicator","pattern_type":"stix","pattern":"{pattern}"}}"#);
    let objects = [
        pattern("[ipv4-addr:value != '198.51.100.7']"),
        pattern("[file:hashes.SSDEEP = '3:AAAA:BBBB']"),
        pattern("[file:hashes.'SHA-512' = 'cf83']"),
        pattern("[ipv4-addr:value = '198.51.100.8']"),
    ];
    let (all, warnings) = load("bundle.json", &format!(r#"{{"type":"bundle","objects":[{}]}}"#, objects.join(",\n")));
    assert_eq!((all.len(), all.counts().other_kinds, warnings.len()), (1, 3, 1));
    assert!(all.address("198.51.100.7".parse().unwrap()).is_none());
}

#[test]
fn lists_as_well_known_feeds_write_them() {
    // Header in the last comment, quotes behind blanks, address and port.
    let text = concat!(
        "################\n# Last updated: 2026-01-02 (UTC) #\n",
        "# \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"malware_printable\",\"confidence_level\"\n",
        "\"2026-01-02 03:04:05\", \"1\", \"198.51.100.7:443\", \"ip:port\", \"DICELOADER\", \"75\"\n",
        "\"2026-01-02 03:04:05\", \"2\", \"https://evil.example/a\", \"url\", \"x\", \"50\"\n# Number of entries: 2\n"
    );
    let (all, warnings) = load("feed.csv", text);
    let told = all.address("198.51.100.7".parse().unwrap()).unwrap();
    assert_eq!((all.len(), warnings, told.note, told.confidence), (2, Vec::new(), "DICELOADER", Some(75)));
    assert_eq!(told.date().unwrap(), "2026-01-02");
    // Quotes in remarks are none of the list's, wherever they stand.
    for text in ["# \"a\",\"value\",\"b\n# a 5\" disk\n", "type,value,note\nip,198.51.100.7,\"x\"\n# a 5\" disk\n# the end\n"] {
        load("remarks.csv", text);
    }
    // Two values in one, other kinds between.
    let text = concat!(
        "type,value,comment\nfilename|sha1,a.exe|da39a3ee5e6b4b0d3255bfef95601890afd80709,c\n",
        "domain|ip,evil.example|198.51.100.7,\nip-dst|port,198.51.100.8|443,\n",
        "imphash,d41d8cd98f00b204e9800998ecf8427e,\nemail-src,a@b.example,\n"
    );
    let (all, _) = load("events.csv", text);
    assert_eq!((all.len(), all.counts().other_kinds), (4, 2));
    assert!(all.sum("d41d8cd98f00b204e9800998ecf8427e").is_none());
    // A column a kind.
    let text = concat!(
        "md5_hash;sha1_hash;comment\nd41d8cd98f00b204e9800998ecf8427e;da39a3ee5e6b4b0d3255bfef95601890afd80709;empty\n",
        ";da39a3ee5e6b4b0d3255bfef95601890afd80700;\n"
    );
    let (all, warnings) = load("sums.csv", text);
    assert_eq!((all.len(), warnings), (3, Vec::new()));
    assert_eq!(all.sum("D41D8CD98F00B204E9800998ECF8427E").unwrap().note, "empty");
}

#[test]
fn names_of_many_labels_do_not_hide_what_they_stand_below() {
    let (all, _) = load("names", "*.evil.example\nb.other.example\n.c.evil.example deeper\n");
    let long = format!("{}evil.example", "a.".repeat(100));
    let told = all.name(&long).unwrap();
    assert_eq!((told.listed(&long), told.below), ("evil.example", 100));
    let told = all.name("x.y.c.evil.example.").unwrap();
    assert_eq!((told.listed("x.y.c.evil.example."), told.note), ("c.evil.example", "deeper"));
    assert!(all.name(&format!("{}other.example", "a.".repeat(100))).is_none());
    assert!(all.name(&"a".repeat(100_000)).is_none());
}

#[test]
fn the_smallest_network_counts() {
    let (all, _) = load("nets", "198.51.0.0/16 large\n198.51.100.0/24 small\n198.51.100.0/28 smallest\n198.51.100.9 one\n");
    let note = |text: &str| all.address(text.parse().unwrap()).map(|told| told.note);
    assert_eq!([note("198.51.100.9"), note("198.51.100.8")], [Some("one"), Some("smallest")]);
    assert_eq!([note("198.51.100.99"), note("198.51.7.7"), note("198.52.0.0")], [Some("small"), Some("large"), None]);
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
        ("{\"type\":\"malware\",\n\"objects\":[]}", 1),
        ("{\"type\":\"bundle\",\"objects\":[\n{},\n{\"type\":\"indicator\",\n\"revoked\":1}]}", 4),
        ("{\"objects\":[{},\n\n{\"type\":\"indicator\",\"pattern_type\":\"stix\",\"pattern\":\"[ipv4-addr:value='x y']\"}]}", 3),
        ("# one\ntype,value,note\nip,198.51.100.1,\"open\nip,198.51.100.2,\n", 3),
    ] {
        let error = Loader::new(10).add("f", text.as_bytes()).unwrap_err();
        assert_eq!((error.file.as_str(), error.line), ("f", line), "{text:?}: {error}");
    }
    assert_eq!(Loader::new(10).add("f", b"a.example\n\xff").unwrap_err().line, 2);
}

#[test]
fn severity_ages_with_packet_time() {
    let told = |day| Indicator { source: "", note: "", day, until: None, confidence: None, below: 0 };
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
    loader.add("newest", b"# date: 2026-01-01\nevil.example newest\n").unwrap();
    let (all, warnings) = loader.finish();
    assert_eq!((all.len(), warnings.len()), (2, 1));
    assert_eq!((all.counts().entries, all.counts().over_cap), (2, 2));
    assert_eq!(all.name("evil.example").unwrap().date().unwrap(), "2026-01-01", "what is known is renewed when all is full");
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
