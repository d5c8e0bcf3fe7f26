//! Records of transactions: `dns`, `http`, `smb`, `tls` and `pgsql` as Suricata has them, `nmf`, `tds`, `veeam` and `winrm` of our own, each with an object of
//! its name. One that was found inside TLS has the session's `tls` object besides, and, of ours, `decrypted`.

use std::collections::BTreeMap;

use backstop_capture::handler::{Cause, FlowView};
use backstop_detectors::{Finding, MetaRef};
use backstop_protocols::{AppProto, PROTOCOLS, Transaction};
use backstop_types::{Fields, Value};
use serde::Serialize;

use super::common::Common;
use super::opened::Opened;
use super::value::Json;
use super::{EveSettings, is_own, write_line};

#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    #[serde(flatten)]
    object: BTreeMap<&'static str, Json<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

/// What Suricata's objects have no key for: its place for values of one's own.
#[derive(Serialize)]
struct Metadata<'a> {
    flowvars: Vec<Variable<'a>>,
}

#[derive(Serialize)]
struct Variable<'a> {
    key: &'static str,
    value: &'a str,
}

impl<'a> Metadata<'a> {
    /// Of a TLS session: its cipher suite, and the SHA-256 of each certificate of the server, the leaf first.
    fn of(transaction: &'a Transaction<'_>) -> Option<Self> {
        let Transaction::Tls(tls) = transaction else { return None };
        let cipher = tls.facts.cipher_name().map(|value| Variable { key: "tls_cipher", value });
        let chain = tls.facts.chain.sha256.iter().map(|value| Variable { key: "tls_certificate_sha256", value });
        let flowvars: Vec<Variable<'_>> = cipher.into_iter().chain(chain).collect();
        (!flowvars.is_empty()).then_some(Self { flowvars })
    }
}

/// What was written of a transaction.
#[derive(Default)]
pub struct Written {
    /// Its object, where there is a record: other records say the same.
    pub object: Option<Fields>,
    /// SQL in it was cut.
    pub cut: bool,
}

/// Writes the record of a transaction, where its type is written.
pub fn write(out: &mut Vec<u8>, settings: &EveSettings, about: About<'_>, transaction: &Transaction<'_>) -> Written {
    let of = transaction.app_proto();
    if !settings.types.protocol(of) {
        return Written::default();
    }
    let mut fields = transaction.fields();
    let cut = super::sql::bound(&mut fields, of, &settings.sql);
    if about.opened.is_some() && is_own(of.name()) {
        fields.set("decrypted", true);
    }
    object(out, settings, about, (of, transaction.tx_id()), &fields, Metadata::of(transaction));
    Written { object: Some(fields), cut }
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
    if about.opened.is_some() && is_own(of.name()) {
        fields.set("decrypted", true);
    }
    object(out, settings, about, (of, finding.tx_id), &fields, None);
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
    /// The TLS session that it was found in, if it was.
    pub opened: Option<&'a Opened>,
}

fn object(
    out: &mut Vec<u8>,
    settings: &EveSettings,
    about: About<'_>,
    (of, tx_id): (AppProto, Option<u64>),
    fields: &Fields,
    metadata: Option<Metadata<'_>>,
) {
    let About { flow, cause, app_proto, opened } = about;
    let name = of.name();
    let common = Common::of_flow(settings, name, cause.time, flow)
        .caused_by(settings, cause)
        .transaction(tx_id)
        .protocol(app_proto.or(Some(of)));
    let around = Opened::tls(opened).map(|tls| ("tls", Json(tls)));
    write_line(out, &Record { common, object: around.into_iter().chain([(name, Json(fields))]).collect(), metadata });
}
