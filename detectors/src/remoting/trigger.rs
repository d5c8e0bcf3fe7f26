//! 9401012: the object `trigger` of the mount service is called (CVE-2024-40711).

use backstop_protocols::nrtp::Message;

use super::manager::plain_path;
use crate::finding::Stage;
use crate::mitre::T1190;
use crate::{Context, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_401_012,
    rev: 1,
    title: "BACKSTOP Veeam mount service triggered",
    category: "Attempted Administrator Privilege Gain",
    severity: 1,
    mitre: &[T1190],
    cve: &["CVE_2024_40711"],
    stage: Stage::Exploit,
    help: "A remoting request, over TCP or HTTP, names the object trigger on a port of the mount service (detect_remoting.mount_ports): \
           so the exploitation of CVE-2024-40711 looked that was seen in 2024. One alert a flow. Silent: other objects, longer names, \
           other ports, and ordinary requests of HTTP to such a path.",
};

/// Whether a URI is that of the object. Neither case nor `%xx` nor detours count: what the service makes of it nobody has said.
pub fn is_trigger(uri: &str) -> bool {
    let object = Message::object(uri);
    let object = object.split(['?', '#']).next().unwrap_or_default();
    plain_path(object).trim_matches(['/', ' ']) == "trigger"
}

/// Whether the server's port is one of the service.
pub fn is_mount_service(context: &Context<'_>) -> bool {
    context.config.remoting.mount_ports.contains(&context.server.port)
}
