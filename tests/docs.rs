//! What the documents say is true.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use common::{records, replay, top};
use serde_json::Value;

fn text(name: &str) -> String {
    std::fs::read_to_string(top().join(name)).unwrap()
}

#[test]
fn the_alert_in_the_readme_is_one_that_is_written() {
    let readme = text("README.md");
    let block = readme.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an alert");
    let shown: Value = serde_json::from_str(block).unwrap();
    let written = records(&replay(std::path::Path::new("pcaps/veeam/a1_getall/input.pcap"), &[]));
    assert!(written.contains(&shown), "the README shows an alert that is not written any more");
}

#[test]
fn links_lead_somewhere() {
    for name in ["README.md", "CONTRIBUTING.md"] {
        for link in text(name).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(link.starts_with("http") || top().join(link).exists(), "{name}: {link}");
        }
    }
}

#[test]
fn the_schema_knows_every_event_type_of_the_guide() {
    let schema: Value = serde_json::from_str(&text("docs/eve-schema.json")).unwrap();
    let guide = text("docs/siem.md");
    for event_type in schema["properties"]["event_type"]["enum"].as_array().unwrap() {
        let name = format!("`{}`", event_type.as_str().unwrap());
        assert!(guide.contains(&name), "docs/siem.md does not mention {name}");
    }
}

#[test]
fn every_counter_of_evasion_is_in_the_reassembly_guide_or_names_itself() {
    let guide = text("docs/reassembly.md");
    for counter in [
        "overlap_different_data",
        "bad_checksum",
        "checksum_offload",
        "checksum_unusable",
        "out_of_window",
        "invalid_ack",
        "paws_drop",
        "rst_invalid",
        "data_after_fin",
        "gap",
    ] {
        assert!(guide.contains(&format!("`{counter}`")), "{counter}");
    }
}
