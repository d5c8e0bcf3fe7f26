//! `anomaly`: what is wrong with a stream or a protocol.

use backstop_capture::handler::{Cause, FlowView};
use backstop_protocols::AppProto;
use backstop_types::Direction;
use serde::Serialize;

use super::common::Common;
use super::{EveSettings, write_line};

#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    anomaly: Anomaly<'a>,
}

#[derive(Serialize)]
struct Anomaly<'a> {
    r#type: &'static str,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_proto: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<&'static str>,
}

/// What is told.
pub struct Told<'a> {
    /// Stable name.
    pub event: &'a str,
    /// Who sent it.
    pub direction: Direction,
    /// The flow's protocol.
    pub app_proto: Option<AppProto>,
}

/// Writes a violation of an application protocol (`anomaly.type` `applayer`).
pub fn applayer(
    out: &mut Vec<u8>,
    settings: &EveSettings,
    flow: &FlowView,
    cause: &Cause,
    violated: Option<AppProto>,
    told: &Told<'_>,
) {
    if !settings.types.anomaly {
        return;
    }
    let anomaly =
        Anomaly { r#type: "applayer", event: told.event, app_proto: violated.map(AppProto::name), layer: Some("proto_parser") };
    write(out, settings, flow, cause, told, anomaly);
}

/// Writes an oddity of reassembly (`anomaly.type` `stream`).
pub fn stream(out: &mut Vec<u8>, settings: &EveSettings, flow: &FlowView, cause: &Cause, told: &Told<'_>) {
    if settings.types.anomaly {
        write(out, settings, flow, cause, told, Anomaly { r#type: "stream", event: told.event, app_proto: None, layer: None });
    }
}

fn write(out: &mut Vec<u8>, settings: &EveSettings, flow: &FlowView, cause: &Cause, told: &Told<'_>, anomaly: Anomaly<'_>) {
    let common = Common::of_flow(settings, "anomaly", cause.time, flow)
        .caused_by(settings, cause)
        .sent(told.direction)
        .protocol(told.app_proto);
    write_line(out, &Record { common, anomaly });
}
