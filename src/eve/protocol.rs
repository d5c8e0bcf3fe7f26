//! Records of transactions: `tls` and `pgsql` as Suricata has them, `nmf`, `tds` and `veeam` of our own, each with an object of
//! its name.

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

/// Writes the record of a transaction, where its type is written; whether SQL in it was cut.
pub fn write(out: &mut Vec<u8>, settings: &EveSettings, about: About<'_>, transaction: &Transaction<'_>) -> bool {
    let of = transaction.app_proto();
    let mut cut = false;
    if settings.types.protocol(of) {
        let mut fields = transaction.fields();
        cut = super::sql::bound(&mut fields, of, &settings.sql);
        object(out, settings, about, of, transaction.tx_id(), &fields);
    }
    cut
}

/// Writes what brings an earlier alert of the same flow up to date: a record of the protocol that its evidence is of, with an
/// object `update` that names the signature. Suricata's objects have no place for it: of `pgsql` and `tls` there is none.
pub fn update(out: &mut Vec<u8>, settings: &EveSettings, about: About<'_>, finding: &Finding) {
    let MetaRef::Builtin(meta) = finding.meta else { return };
    let own = PROTOCOLS.iter().filter(|protocol| super::OWN.contains(&protocol.name));
    let evidence = own.into_iter().find_map(|protocol| match finding.context.get(protocol.name) {
        Some(Value::Object(fields)) => Some((protocol.app_proto, fields)),
        _ => None,
    });
    let Some((of, fields)) = evidence.filter(|(of, _)| settings.types.protocol(*of)) else { return };
    let mut fields = fields.clone();
    fields.set("update", Fields::new().with("signature_id", meta.sid).with("outcome", finding.outcome.as_str()));
    object(out, settings, about, of, finding.tx_id, &fields);
}

/// Which flow and packet a record is about.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The flow.
    pub flow: &'a FlowView,
    /// The packet.
    pub cause: &'a Cause,
    /// The flow's protocol.
    pub app_proto: Option<AppProto>,
}

fn object(out: &mut Vec<u8>, settings: &EveSettings, about: About<'_>, of: AppProto, tx_id: Option<u64>, fields: &Fields) {
    let About { flow, cause, app_proto } = about;
    let name = of.name();
    let common = Common::of_flow(settings, name, cause.time, flow)
        .caused_by(settings, cause)
        .transaction(tx_id)
        .protocol(app_proto.or(Some(of)));
    write_line(out, &Record { common, object: BTreeMap::from([(name, Json(fields))]) });
}
