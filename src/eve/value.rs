//! Decoded facts as JSON.

use backstop_types::{Fields, Value};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Facts to be written.
pub struct Json<'a>(pub &'a Fields);

/// One of them.
pub struct JsonValue<'a>(pub &'a Value);

/// Facts to be written, without some of these names.
pub struct Without<'a>(pub &'a Fields, pub &'a [&'static str]);

/// Suricata's schema wants no empty list, and an empty object says nothing.
fn is_written(value: &Value) -> bool {
    match value {
        Value::List(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Without(self.0, &[]).serialize(serializer)
    }
}

impl Serialize for Without<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let written = self.0.iter().filter(|(name, value)| is_written(value) && !self.1.contains(name));
        for (name, value) in written {
            map.serialize_entry(name, &JsonValue(value))?;
        }
        map.end()
    }
}

impl Serialize for JsonValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Uint(value) => serializer.serialize_u64(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Text(value) => serializer.serialize_str(value),
            Value::List(list) => {
                let mut seq = serializer.serialize_seq(None)?;
                for value in list {
                    seq.serialize_element(&JsonValue(value))?;
                }
                seq.end()
            }
            Value::Object(fields) => Json(fields).serialize(serializer),
        }
    }
}
