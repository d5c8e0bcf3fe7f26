//! What DNS messages say.

use backstop_types::{Fields, Value};

use super::message::{Message, Question};
use super::record::{Data, Record, code_name, kind_name};

/// A query or a response.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// Number within the flow, from 0; a response has that of its query.
    pub tx_id: u64,
    /// The message.
    pub message: &'a Message,
}

/// Types that have a list of their own in `grouped`.
const GROUPED: [(&str, u16); 7] = [("A", 1), ("AAAA", 28), ("CNAME", 5), ("MX", 15), ("NS", 2), ("PTR", 12), ("TXT", 16)];

impl Transaction<'_> {
    /// Number within the flow.
    #[must_use]
    pub const fn tx_id(&self) -> Option<u64> {
        Some(self.tx_id)
    }

    /// The decoded facts: Suricata's `dns` object, version 3, and the question of version 2 where there is one.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let message = self.message;
        let kind = if message.is_response() { "response" } else { "request" };
        let mut fields = Fields::new().with("version", 3_u8).with("type", kind).with("tx_id", self.tx_id);
        fields.set("id", message.id);
        fields.set("flags", format!("{:x}", message.flags));
        for (name, bit) in [("qr", 15), ("aa", 10), ("tc", 9), ("rd", 8), ("ra", 7), ("z", 6)] {
            if message.flags >> bit & 1 != 0 {
                fields.set(name, true);
            }
        }
        fields.set("opcode", message.flags >> 11 & 15);
        fields.set("rcode", code_name(message.flags & 15));
        if let [question] = message.questions.as_slice() {
            fields.set("rrname", question.name.clone());
            fields.set("rrtype", kind_name(question.kind));
        }
        fields.set("queries", message.questions.iter().map(question).collect::<Vec<_>>());
        let [answers, authorities, additionals] = &message.sections;
        for (name, records) in [("answers", answers), ("authorities", authorities), ("additionals", additionals)] {
            fields.set(name, records.iter().map(|each| record(each, name)).collect::<Vec<_>>());
        }
        fields.set("grouped", grouped(answers));
        fields
    }

    /// Each message is one.
    #[must_use]
    pub const fn is_record(&self) -> bool {
        true
    }
}

fn question(question: &Question) -> Value {
    let fields = Fields::new().with("rrname", question.name.clone()).with("rrtype", kind_name(question.kind));
    Value::Object(fields)
}

/// The data as one text.
fn text(data: &Data) -> Option<String> {
    match data {
        Data::Address(address) => Some(address.to_string()),
        Data::Name(name) => Some(name.clone()),
        Data::Text(text) => Some(text.clone()),
        Data::Soa(_) | Data::Srv { .. } | Data::Sshfp { .. } | Data::Other(_) => None,
    }
}

/// Each section has objects of its own in Suricata's schema.
fn record(record: &Record, section: &str) -> Value {
    let mut fields = Fields::new().with("rrname", record.name.clone()).with("rrtype", kind_name(record.kind));
    // The class and the time of OPT are something else (RFC 6891 §6.1.3).
    if record.kind != 41 {
        fields.set("ttl", record.ttl);
    }
    fields.set_some("rdata", text(&record.data));
    match &record.data {
        Data::Soa(soa) if section != "additionals" => {
            let mut object = Fields::new().with("mname", soa.mname.clone()).with("rname", soa.rname.clone());
            for (name, number) in ["serial", "refresh", "retry", "expire", "minimum"].into_iter().zip(soa.numbers) {
                object.set(name, number);
            }
            fields.set("soa", object);
        }
        Data::Srv { priority, weight, port, name } if section == "answers" => {
            let object = Fields::new().with("priority", *priority).with("weight", *weight);
            fields.set("srv", object.with("port", *port).with("name", name.clone()));
        }
        Data::Sshfp { algorithm, kind, fingerprint } if section == "answers" => {
            let object = Fields::new().with("fingerprint", fingerprint.clone()).with("algo", *algorithm).with("type", *kind);
            fields.set("sshfp", object);
        }
        _ => {}
    }
    Value::Object(fields)
}

fn grouped(answers: &[Record]) -> Fields {
    let mut fields = Fields::new();
    for (name, kind) in GROUPED {
        let texts: Vec<String> =
            answers.iter().filter(|record| record.kind == kind).filter_map(|record| text(&record.data)).collect();
        if !texts.is_empty() {
            fields.set(name, texts);
        }
    }
    fields
}
