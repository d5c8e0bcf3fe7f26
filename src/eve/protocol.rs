//! Records of transactions: `tls` as Suricata has it, `nmf` and `veeam` of our own, each with an object of its name.

use std::collections::BTreeMap;

use backstop_capture::handler::{Cause, FlowView};
use backstop_detectors::{Finding, MetaRef};
use backstop_protocols::{AppProto, PROTOCOLS, Transaction};
use backstop_types::{Fields, Value};
use serde::Serialize;

use super::common::Common;
use super::value::Json;
use super::{EveSettings, write_line};

#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    #[serde(flatten)]
    object: BTreeMap<&'static str, Json<'a>>,
}

/// Writes the record of a transaction, where its type is written.
pub fn write(out: &mut Vec<u8>, settings: &EveSettings, flow: &FlowView, cause: &Cause, transaction: &Transaction<'_>) {
    let app_proto = transaction.app_proto();
    if settings.types.protocol(app_proto) {
        object(out, settings, flow, cause, app_proto, transaction.tx_id(), &transaction.fields());
    }
}

/// Writes what brings an earlier alert of the same flow up to date: a record of the protocol that its evidence is of, with an
/// object `update` that names the signature.
pub fn update(out: &mut Vec<u8>, settings: &EveSettings, flow: &FlowView, cause: &Cause, finding: &Finding) {
    let MetaRef::Builtin(meta) = finding.meta else { return };
    let evidence = PROTOCOLS.iter().find_map(|protocol| match finding.context.get(protocol.name) {
        Some(Value::Object(fields)) => Some((protocol.app_proto, fields)),
        _ => None,
    });
    let Some((app_proto, fields)) = evidence.filter(|(app_proto, _)| settings.types.protocol(*app_proto)) else { return };
    let mut fields = fields.clone();
    fields.set("update", Fields::new().with("signature_id", meta.sid).with("outcome", finding.outcome.as_str()));
    object(out, settings, flow, cause, app_proto, finding.tx_id, &fields);
}

fn object(
    out: &mut Vec<u8>,
    settings: &EveSettings,
    flow: &FlowView,
    cause: &Cause,
    app_proto: AppProto,
    tx_id: Option<u64>,
    fields: &Fields,
) {
    let name = app_proto.name();
    let common = Common::of_flow(settings, name, cause.time, flow)
        .caused_by(settings, cause)
        .transaction(tx_id)
        .protocol(Some(app_proto));
    write_line(out, &Record { common, object: BTreeMap::from([(name, Json(fields))]) });
}
