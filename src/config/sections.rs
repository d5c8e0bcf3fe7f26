//! The tables of the file that change limits: each key is the field of the same name, absent keys leave the default.

use std::path::PathBuf;

use backstop_capture::decode::DecodeConfig;
use backstop_capture::defrag::DefragConfig;
use backstop_capture::flow::FlowConfig;
use backstop_capture::source::LiveConfig;
use backstop_detectors::beacon::BeaconConfig;
use backstop_detectors::content::ContentConfig;
use backstop_detectors::names::NamesConfig;
use backstop_detectors::remoting::RemotingConfig;
use backstop_detectors::smb::SmbConfig;
use backstop_detectors::sql::SqlConfig;
use backstop_detectors::winrm::WinrmConfig;
use backstop_detectors::{DetectConfig, EncryptedDump, TlsStack};
use backstop_protocols::Limits;
use backstop_protocols::tls::KeyLimits;
use backstop_signatures::ScanLimits;
use serde::Deserialize;

use super::human::{Count, Fingerprints, Names, Nets, Paths, Size, Span, Stored};
use crate::eve::sql::SqlSettings;
use crate::files::FileSettings;

/// Declares a table of the file and how it changes the settings of a crate.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident for $target:ty { $($(#[$attr:meta])* $key:ident : $kind:ty),* $(,)? } $(with { $($own:ident : $own_kind:ty),* $(,)? })?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$attr])* $key: Option<$kind>,)*
            $($(pub $own: Option<$own_kind>,)*)?
        }

        impl $name {
            /// Its keys.
            #[cfg(test)]
            pub const KEYS: &'static [&'static str] = &[$(stringify!($key),)* $($(stringify!($own),)*)?];

            /// Sets what the file sets.
            pub fn apply(&self, target: &mut $target) {
                $(if let Some(value) = &self.$key { target.$key = value.clone().into(); })*
            }
        }
    };
}

section! {
    /// `[capture]`
    CaptureSection for LiveConfig {
        interface: String, snaplen: Size, ring_bytes: Size, promiscuous: bool,
    } with { filter: String }
}
section! {
    /// `[detect]`
    DetectSection for DetectConfig {
        veeam_ports: Vec<u16>, hold: Span, policy_window: Span, malformed_window: Span, max_per_flow: Count, max_excerpt: Size,
    }
}
section! {
    /// `[encrypted_dump]`
    EncryptedDumpSection for EncryptedDump {
        enabled: bool, request_min: Size, request_max: Size, reply_min: Size, reply_max: Size, first_lookup_min: Size, lookup_request_min: Size,
        lookup_request_max: Size, lookup_reply_min: Size, lookup_reply_max: Size, min_lookups: Count, max_records: Count,
        max_bytes: Size, max_padding: Size, settle: Span,
    }
}
section! {
    /// `[tls_stack]`
    TlsStackSection for TlsStack { enabled: bool, allowed: Fingerprints }
}
section! {
    /// `[detect_sql]`
    DetectSqlSection for SqlConfig {
        backup_databases: Names, secret_tables: Names, inventory_tables: Names, inventory_count: Count,
        inventory_window: Span, login_failures: Count, login_window: Span, admin_users: Names,
    }
}
section! {
    /// `[detect_remoting]`
    DetectRemotingSection for RemotingConfig {
        ports: Vec<u16>, mount_ports: Vec<u16>, gadget_types: Names, sso_issuers: Names, max_body: Size,
    }
}
section! {
    /// `[detect_smb]`
    DetectSmbSection for SmbConfig {
        script_extensions: Names, max_held: Size, agents: Nets, host_count: Count, host_window: Span,
    }
}
section! {
    /// `[detect_winrm]`
    DetectWinrmSection for WinrmConfig { tls_ports: Vec<u16>, session_window: Span }
}
section! {
    /// `[detect_names]`
    DetectNamesSection for NamesConfig { address_services: Names, file_drops: Names, trusted_hosts: Names }
}
section! {
    /// `[beacon]`
    BeaconSection for BeaconConfig {
        min_sessions: Count, min_interval: Span, max_interval: Span, max_jitter: u32, max_bytes: Size, allowed: Nets,
    }
}
section! {
    /// `[content]`
    ContentSection for ContentConfig {
        max_input: Size, max_depth: Count, max_layers: Count, max_output: Size, max_tokens: Count, installer_hosts: Names,
    }
}
section! {
    /// `[files]`
    FilesSection for FileSettings {
        enabled: bool, max_file: Size, max_flow: Size, max_total: Size, max_ranges: Size, max_open: Count, max_hashed: Size, md5: bool, sha1: bool,
        sha256: bool, hash_media: bool, store_what: Stored, store_quota: Size,
    } with { store_dir: PathBuf }
}
section! {
    /// `[decode]`
    DecodeSection for DecodeConfig { max_layers: Count }
}
section! {
    /// `[defrag]`
    DefragSection for DefragConfig { max_datagrams: Count, max_bytes: Size, max_fragments: Count, timeout: Span }
}
section! {
    /// `[flow]`
    FlowSection for FlowConfig {
        max_flows: Count, max_half_open: Count, max_queued_bytes: Size, max_flow_queued_bytes: Size,
        max_flow_queued_segments: Count, history_buffers: Count, tcp_new: Span, tcp_established: Span, tcp_closed: Span,
        tcp_half_open: Span, udp_new: Span, udp_established: Span, icmp: Span, other: Span, verify_checksums: bool,
        urgent_inline: bool, small_segment: Count, gap_patience: Span,
    }
}
section! {
    /// `[parser]`
    ParserSection for Limits {
        max_buffer: Size, max_message: Size, max_depth: Count, max_nodes: Count, max_text: Size, max_dictionary_strings: Count,
        max_dictionary_bytes: Size, max_pending: Count, max_layers: Count, max_undecrypted: Size,
        max_decoded: Size, max_range: Size, max_uploads: Count, max_files: Count, max_file_bytes: Size,
        max_envelope: Size,
    }
}
section! {
    /// `[sql]`
    SqlSection for SqlSettings {
        #[serde(alias = "max-statement")] max_statement: Size,
        #[serde(alias = "mask-literals")] mask_literals: bool,
    }
}
section! {
    /// `[scan]`
    ScanSection for ScanLimits {
        scan_timeout: Span, window: Size, overlap: Size, max_depth: Size, prefilter: bool, max_held: Size, max_content: Size,
    }
}
section! {
    /// `[tls]`
    TlsSection for KeyLimits {
        max_sessions: Count, max_resumable: Count, max_rsa_keys: Count, max_waiting: Size, rsa_per_second: u32, rsa_burst: u32,
    } with { keylog: Paths, rsa_keys: Paths }
}
