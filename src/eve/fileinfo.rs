//! `fileinfo`: a file that a flow carried, as Suricata tells it.

use std::collections::BTreeMap;

use backstop_detectors::FileFacts;
use backstop_types::Fields;
use serde::Serialize;

use super::common::Common;
use super::opened::Opened;
use super::protocol::About;
use super::value::Json;
use super::{EveSettings, write_line};

#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    #[serde(flatten)]
    objects: BTreeMap<&'static str, Json<'a>>,
}

/// Writes the record of a file, its source the sender. `object` is what its carrier says of the transaction.
pub fn write(out: &mut Vec<u8>, settings: &EveSettings, about: About<'_>, file: &FileFacts<'_>, object: Option<&Fields>) {
    let About { flow, cause, app_proto, opened } = about;
    let common = Common::of_flow(settings, "fileinfo", cause.time, flow)
        .caused_by(settings, cause)
        .transaction(file.tx_id)
        .protocol(app_proto.or(Some(file.carrier)))
        .sent(file.direction);
    let fields = file.fields();
    let tls = Opened::tls(opened).map(|tls| ("tls", Json(tls)));
    let object = object.map(|object| (file.carrier.name(), Json(object)));
    write_line(out, &Record { common, objects: tls.into_iter().chain(object).chain([("fileinfo", Json(&fields))]).collect() });
}
