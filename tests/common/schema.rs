//! Records against our schema and, where it is present, against Suricata's.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::top;

static OURS: LazyLock<Validator> = LazyLock::new(|| {
    let text = std::fs::read_to_string(top().join("docs/eve-schema.json")).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
});

/// A test input beside the tree, never a part of it.
static SURICATA: LazyLock<Option<Validator>> = LazyLock::new(|| {
    let path = top().join("../shared/data/suricata-eve-schema.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("skipped: Suricata's schema is not here");
        return None;
    };
    Some(jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap())
});

/// Event types that only we have.
const OWN: [&str; 7] = ["nmf", "nrtp", "tds", "veeam", "winrm", "tls_session", "sensor_stats"];

fn assert_fits(validator: &Validator, record: &Value, whose: &str) {
    let errors: Vec<String> = validator.iter_errors(record).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{whose} schema refuses {record}:\n{}", errors.join("\n"));
}

/// Asserts that every record fits the schemas that speak of it.
pub fn assert_all_fit(records: &[Value]) {
    for record in records {
        assert_fits(&OURS, record, "our");
        let event_type = record["event_type"].as_str().unwrap();
        if let Some(suricata) = SURICATA.as_ref().filter(|_| !OWN.contains(&event_type)) {
            assert_fits(suricata, record, "Suricata's");
        }
    }
}
