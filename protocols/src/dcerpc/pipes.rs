//! Interfaces by the pipes that they are usually reached on, for binds that were not seen. A pipe may carry others: what follows from
//! its name is told as assumed.

use super::transaction::Interface;

/// Name of the pipe, UUID and version of the interface (section 1.9 or 2.1 of [MS-SCMR], [MS-TSCH], [MS-SRVS], [MS-WKST], [MS-SAMR],
/// [MS-LSAD], [MS-NRPC], [MS-RRP], [MS-RPRN], [MS-EVEN], [MS-DFSNM], [MS-EFSR]; C706 appendix O).
const USUAL: [(&str, u128, (u16, u16)); 13] = [
    ("svcctl", 0x367a_bb81_9844_35f1_ad32_98f0_3800_1003, (2, 0)),
    ("atsvc", 0x1ff7_0682_0a51_30e8_076d_740b_e8ce_e98b, (1, 0)),
    ("srvsvc", 0x4b32_4fc8_1670_01d3_1278_5a47_bf6e_e188, (3, 0)),
    ("wkssvc", 0x6bff_d098_a112_3610_9833_46c3_f87e_345a, (1, 0)),
    ("samr", 0x1234_5778_1234_abcd_ef00_0123_4567_89ac, (1, 0)),
    ("lsarpc", 0x1234_5778_1234_abcd_ef00_0123_4567_89ab, (0, 0)),
    ("netlogon", 0x1234_5678_1234_abcd_ef00_0123_4567_cffb, (1, 0)),
    ("winreg", 0x338c_d001_2244_31f1_aaaa_9000_3800_1003, (1, 0)),
    ("spoolss", 0x1234_5678_1234_abcd_ef00_0123_4567_89ab, (1, 0)),
    ("eventlog", 0x8227_3fdc_e32a_18c3_3f78_8279_29dc_23ea, (0, 0)),
    ("netdfs", 0x4fc7_42e0_4a10_11cf_8273_00aa_004a_e673, (3, 0)),
    ("efsrpc", 0xdf19_41c5_fe89_4e79_bf10_4636_57ac_f44d, (1, 0)),
    ("epmapper", 0xe1af_8308_5d1f_11c9_91a4_0800_2b14_a0fa, (3, 0)),
];

/// The interface that a pipe's name stands for.
pub fn usual(pipe: &str) -> Option<Interface> {
    let name = pipe.trim_start_matches('\\');
    let name =
        name.get(..5).filter(|head| head.eq_ignore_ascii_case(r"pipe\")).map_or(name, |_| name.get(5..).unwrap_or_default());
    let (_, uuid, version) = USUAL.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
    Some(Interface { uuid: *uuid, version: *version, assumed: true })
}
