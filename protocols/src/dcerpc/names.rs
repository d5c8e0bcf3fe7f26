//! Names of numbers, those of PDUs as Suricata writes them.

use super::association::Level;

/// Who authenticates ([MS-RPCE] 2.2.1.1.7).
#[must_use]
pub const fn auth_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "none",
        9 => "spnego",
        10 => "ntlm",
        14 => "schannel",
        16 => "kerberos",
        68 => "netlogon",
        255 => "default",
        _ => return None,
    })
}

impl Level {
    /// Its name ([MS-RPCE] 2.2.1.1.8).
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "default",
            1 => "none",
            2 => "connect",
            3 => "call",
            4 => "pkt",
            5 => "pkt_integrity",
            6 => "pkt_privacy",
            _ => return None,
        })
    }
}

/// Why a call failed (C706 appendix E, [MS-RPCE] 3.3.3.5): what is met often.
#[must_use]
pub const fn fault_name(status: u32) -> Option<&'static str> {
    Some(match status {
        0x0000_0005 => "access_denied",
        0x0000_06f7 => "bad_stub_data",
        0x0000_0721 => "sec_pkg_error",
        0x1c01_0002 => "nca_op_rng_error",
        0x1c01_0003 => "nca_unk_if",
        0x1c01_0006 => "nca_you_crashed",
        0x1c01_000b => "nca_proto_error",
        0x1c01_0013 => "nca_out_args_too_big",
        0x1c01_0014 => "nca_server_too_busy",
        0x1c01_0017 => "nca_unsupported_type",
        0x1c00_0002 => "nca_addr_error",
        0x1c00_000c => "nca_fault_ndr",
        0x1c00_0012 => "nca_fault_unspec",
        0x1c00_001a => "nca_fault_context_mismatch",
        _ => return None,
    })
}
