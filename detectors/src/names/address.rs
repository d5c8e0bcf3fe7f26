//! 9404008: a backup server asks what its address outside is.

use crate::Meta;
use crate::finding::Stage;
use crate::mitre::T1016;

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_404_008,
    rev: 1,
    title: "BACKSTOP Backup server asks for its external address",
    category: "Potential Corporate Privacy Violation",
    severity: 3,
    mitre: &[T1016],
    cve: &[],
    stage: Stage::Control,
    help: "A backup server asked DNS for a name whose answer is the address that it has outside (myip.opendns.com and kin, list \
           detect_names.address_services). FIN7's scripts did so with nslookup before they called home. Once an hour for each \
           server and name. Silent: hosts that are no backup server, other names.",
};
