//! How much of SQL a record says: statements have a cap, and their literals may be masked.

use std::borrow::Cow;

use backstop_protocols::AppProto;
use backstop_protocols::sql::{Dialect, mask_literals};
use backstop_types::{Fields, Value};

/// Bytes of one message of a server. They are short unless somebody makes them long.
const MAX_MESSAGE: usize = 2_048;

/// `[sql]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlSettings {
    /// Bytes of statements and values of parameters in one record, all together.
    pub max_statement: usize,
    /// Literals are written as `?`.
    pub mask_literals: bool,
}

impl Default for SqlSettings {
    fn default() -> Self {
        Self { max_statement: 4 * 1024, mask_literals: false }
    }
}

/// Cuts and masks the texts of a record; whether something was cut off. Others than those of SQL stay as they are.
pub fn bound(fields: &mut Fields, of: AppProto, settings: &SqlSettings) -> bool {
    match of {
        AppProto::Tds => tds(fields, settings),
        AppProto::Pgsql => pgsql(fields, settings),
        _ => false,
    }
}

fn tds(fields: &mut Fields, settings: &SqlSettings) -> bool {
    let mut room = settings.max_statement;
    let mut any = false;
    for statement in objects(fields.get_mut("statements")) {
        let mut cut = false;
        if let Some(text) = text(statement.get_mut("text")) {
            cut |= mask_and_cut(text, Dialect::TransactSql, settings, &mut room);
        }
        for parameter in objects(statement.get_mut("parameters")) {
            if let Some(text) = text(parameter.get_mut("value")) {
                if settings.mask_literals {
                    *text = Cow::Borrowed("?");
                }
                cut |= take(text, &mut room);
            }
        }
        if cut {
            statement.set("truncated", true);
        }
        any |= cut;
    }
    for messages in ["errors", "infos"] {
        let reply = object(fields.get_mut("reply"));
        for message in objects(reply.and_then(|reply| reply.get_mut(messages))) {
            mask_message(message, Dialect::TransactSql, settings.mask_literals && messages == "errors");
        }
    }
    any
}

fn pgsql(fields: &mut Fields, settings: &SqlSettings) -> bool {
    let mut cut = false;
    let mut room = settings.max_statement;
    let query = object(fields.get_mut("request")).and_then(|request| text(request.get_mut("simple_query")));
    if let Some(text) = query
        && mask_and_cut(text, Dialect::Postgres, settings, &mut room)
    {
        text.to_mut().push('…');
        cut = true;
    }
    if let Some(response) = object(fields.get_mut("response")) {
        let is_error = response.get("code").is_some();
        // Double quotes hold values in messages, not names only.
        mask_message(response, Dialect::TransactSql, settings.mask_literals && is_error);
    }
    cut
}

fn mask_message(of: &mut Fields, dialect: Dialect, mask: bool) {
    if let Some(text) = text(of.get_mut("message")) {
        if mask {
            *text = Cow::Owned(mask_literals(text, dialect));
        }
        take(text, &mut MAX_MESSAGE.clone());
    }
}

/// Whether something was cut off. Masking first: a cut literal has no end.
fn mask_and_cut(text: &mut Cow<'static, str>, dialect: Dialect, settings: &SqlSettings, room: &mut usize) -> bool {
    if settings.mask_literals {
        *text = Cow::Owned(mask_literals(text, dialect));
    }
    take(text, room)
}

/// Leaves what there is room for.
fn take(text: &mut Cow<'static, str>, room: &mut usize) -> bool {
    let cut = text.len() > *room;
    if cut {
        let end = text.floor_char_boundary(*room);
        text.to_mut().truncate(end);
    }
    *room -= text.len();
    cut
}

fn text(value: Option<&mut Value>) -> Option<&mut Cow<'static, str>> {
    if let Some(Value::Text(text)) = value { Some(text) } else { None }
}

fn object(value: Option<&mut Value>) -> Option<&mut Fields> {
    if let Some(Value::Object(fields)) = value { Some(fields) } else { None }
}

fn objects(value: Option<&mut Value>) -> impl Iterator<Item = &mut Fields> {
    let list = if let Some(Value::List(list)) = value { list.as_mut_slice() } else { &mut [] };
    list.iter_mut().filter_map(|each| object(Some(each)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(texts: &[&str]) -> Fields {
        let statement = |text: &&str| {
            let parameter = Fields::new().with("type", "nvarchar").with("value", "value");
            let list = vec![Value::Object(parameter)];
            Value::Object(Fields::new().with("text", (*text).to_owned()).with("parameters", list))
        };
        let error = Fields::new().with("number", 245_u32).with("message", "cannot convert 'value'");
        let reply = Fields::new().with("errors", vec![Value::Object(error)]);
        Fields::new().with("statements", texts.iter().map(statement).collect::<Vec<_>>()).with("reply", reply)
    }

    fn json(fields: &Fields) -> String {
        serde_json::to_string(&super::super::value::Json(fields)).unwrap()
    }

    #[test]
    fn masked_records_have_no_data() {
        let settings = SqlSettings { mask_literals: true, ..SqlSettings::default() };
        let mut fields = batch(&["SELECT a FROM t WHERE b = 'value' AND c = 0xAB"]);
        bound(&mut fields, AppProto::Tds, &settings);
        let written = json(&fields);
        assert!(written.contains("b = '?' AND c = ?") && written.contains("cannot convert '?'"), "{written}");
        assert!(!written.contains("\"value\"}") && !written.contains("'value'"), "{written}");

        let request = Fields::new().with("simple_query", "SELECT \"a\" WHERE b = $1 OR b = $$value$$");
        let response = Fields::new().with("code", "22P02").with("message", "invalid input syntax for type integer: \"value\"");
        let mut fields = Fields::new().with("request", request).with("response", response);
        bound(&mut fields, AppProto::Pgsql, &settings);
        let written = json(&fields);
        assert!(written.contains("\\\"a\\\" WHERE b = $1 OR b = $$?$$") && written.contains("integer: \\\"?\\\""), "{written}");
    }

    #[test]
    fn the_cap_holds_for_all_statements_of_a_record_together() {
        let settings = SqlSettings { max_statement: 24, mask_literals: false };
        let mut fields = batch(&["SELECT a", "SELECT bé, c, d, e, f, g"]);
        bound(&mut fields, AppProto::Tds, &settings);
        let written = json(&fields);
        assert!(written.contains("\"SELECT a\"") && written.contains("\"SELECT bé,\""), "{written}");
        assert_eq!(written.matches("truncated").count(), 1, "{written}");
        assert_eq!(json(&batch(&["SELECT a"])).matches("truncated").count(), 0);

        let mut fields = Fields::new().with("request", Fields::new().with("simple_query", "é".repeat(20)));
        bound(&mut fields, AppProto::Pgsql, &SqlSettings { max_statement: 5, mask_literals: false });
        assert_eq!(json(&fields), "{\"request\":{\"simple_query\":\"éé…\"}}");
    }
}
