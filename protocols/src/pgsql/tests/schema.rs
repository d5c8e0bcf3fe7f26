//! The `pgsql` object of Suricata's EVE schema: a closed object. The tests of the sensor check the lines against the file.

use backstop_types::{Fields, Value};

/// Type of a value by its path: `s`tring, `i`nteger, `b`oolean.
const ALLOWED: &[(&str, char)] = &[
    ("request.copy_data_in.data_size", 'i'),
    ("request.copy_data_in.msg_count", 'i'),
    ("request.message", 's'),
    ("request.password_redacted", 'b'),
    ("request.process_id", 'i'),
    ("request.protocol_version", 's'),
    ("request.sasl_authentication_mechanism", 's'),
    ("request.simple_query", 's'),
    ("request.startup_parameters.optional_parameters[].*", 's'),
    ("request.startup_parameters.user", 's'),
    ("response.code", 's'),
    ("response.command_completed", 's'),
    ("response.copy_data_out.data_size", 'i'),
    ("response.copy_data_out.row_count", 'i'),
    ("response.copy_in_response.columns", 'i'),
    ("response.copy_out_response.columns", 'i'),
    ("response.data_rows", 'i'),
    ("response.data_size", 'i'),
    ("response.field_count", 'i'),
    ("response.file", 's'),
    ("response.line", 's'),
    ("response.message", 's'),
    ("response.parameter_status[].*", 's'),
    ("response.process_id", 'i'),
    ("response.routine", 's'),
    ("response.severity_localizable", 's'),
    ("response.severity_non_localizable", 's'),
    ("response.ssl_accepted", 'b'),
    ("tx_id", 'i'),
];

/// Fails where the schema would.
pub fn assert_allowed(fields: &Fields) {
    object("", fields);
}

fn object(path: &str, fields: &Fields) {
    assert!(!fields.is_empty(), "an empty object at {path}");
    for (name, value) in fields.iter() {
        // Objects of a list have names of their own.
        let name = if path.ends_with("[].") { "*" } else { name };
        check(&format!("{path}{name}"), value);
    }
}

fn check(path: &str, value: &Value) {
    let of = match value {
        Value::Object(fields) => return object(&format!("{path}."), fields),
        Value::List(values) => {
            assert!(!values.is_empty(), "an empty list at {path}");
            return values.iter().for_each(|value| check(&format!("{path}[]"), value));
        }
        Value::Bool(_) => 'b',
        Value::Uint(_) | Value::Int(_) => 'i',
        Value::Text(_) => 's',
    };
    assert!(ALLOWED.contains(&(path, of)), "{path} is not of Suricata's schema");
}
