//! `tls_session`: written when a TLS session has ended. How much of it there was, and whether it was opened: facts that Suricata's
//! `tls` has no place for, so a record of its own.

use backstop_protocols::tls::{Alert, Facts, Traffic};
use backstop_types::{Direction, Fields};
use serde::Serialize;

use super::common::Common;
use super::protocol::About;
use super::value::Json;
use super::{EveSettings, write_line};

#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    tls_session: Json<'a>,
}

/// Writes the record. `keys`: the sensor was given keys, so that a session that stayed closed says why.
pub fn write(out: &mut Vec<u8>, settings: &EveSettings, about: About<'_>, facts: &Facts, keys: bool) {
    let About { flow, cause, app_proto, .. } = about;
    let common = Common::of_flow(settings, "tls_session", cause.time, flow)
        .caused_by(settings, cause)
        .transaction(Some(0))
        .protocol(app_proto);
    let session = session(facts, keys);
    write_line(out, &Record { common, tls_session: Json(&session) });
}

fn session(facts: &Facts, keys: bool) -> Fields {
    let mut session = Fields::new().with("version", facts.version_name());
    session.set_some("cipher", cipher(facts));
    session.set_some("sni", facts.sni().map(str::to_owned));
    session.set("certificate_sha256", facts.chain.sha256.clone());
    set_true(&mut session, "client_certificate", facts.client_certificate);
    set_true(&mut session, "resumed", facts.resumed);
    set_true(&mut session, "retried", facts.retried);
    session.set("decrypted", facts.decrypted);
    session.set_some("key_source", facts.key_source.filter(|_| facts.decrypted).map(backstop_protocols::tls::KeySource::name));
    session.set_some("why_not", facts.why_not.filter(|_| keys));
    if facts.early_records > 0 {
        session.set("early_records", facts.early_records);
    }
    session.set_some("alert", facts.fatal_alert.or(facts.sealed_alert).map(alert));
    // The client's direction is that of the flow, unless the flow was picked up the wrong way round.
    let client = facts.client.unwrap_or(Direction::ToServer);
    session.set("client", traffic(facts.traffic.get(client)));
    session.set("server", traffic(facts.traffic.get(client.reverse())));
    session
}

fn set_true(fields: &mut Fields, name: &'static str, value: bool) {
    if value {
        fields.set(name, true);
    }
}

/// Its name, or its number where nobody here knows the name.
fn cipher(facts: &Facts) -> Option<String> {
    facts.cipher().map(|number| facts.cipher_name().map_or_else(|| format!("0x{number:04x}"), str::to_owned))
}

fn alert(alert: Alert) -> Fields {
    Fields::new().with("direction", alert.direction.as_str()).with("level", alert.level).with("description", alert.description)
}

fn traffic(traffic: &Traffic) -> Fields {
    let mut fields = Fields::new()
        .with("records", traffic.records)
        .with("bytes", traffic.bytes)
        .with("application_records", traffic.application_records)
        .with("application_bytes", traffic.application_bytes);
    set_true(&mut fields, "incomplete", traffic.incomplete);
    fields
}
