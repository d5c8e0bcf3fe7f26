//! 9404009: a backup server speaks with a service that takes and gives files without an account.

use crate::Meta;
use crate::finding::Stage;
use crate::mitre::{T1105, T1567};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_404_009,
    rev: 1,
    title: "BACKSTOP Backup server uses a file-drop service",
    category: "Potentially Bad Traffic",
    severity: 2,
    mitre: &[T1105, T1567],
    cve: &[],
    stage: Stage::Ingress,
    help: "A backup server asked DNS for, opened TLS to (server name), or asked by HTTP for a host of a service that takes and gives \
           files without an account (temp.sh and kin, list detect_names.file_drops). FIN7 fetched tools from such a one. One \
           alert an hour for each server and name, whichever of the three comes first. Silent: hosts that are no backup server.",
};
