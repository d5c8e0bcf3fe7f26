//! Names of interfaces and of their operations, by number.

use super::operations;

/// An interface: its name and its operations.
struct Interface {
    uuid: u128,
    name: &'static str,
    operations: &'static [(u16, &'static str)],
}

/// `svcctl` ([MS-SCMR] 3.1.4).
pub const SVCCTL: u128 = 0x367a_bb81_9844_35f1_ad32_98f0_3800_1003;
/// `atsvc` ([MS-TSCH] 3.2.5.2).
pub const ATSVC: u128 = 0x1ff7_0682_0a51_30e8_076d_740b_e8ce_e98b;
/// `sasec` ([MS-TSCH] 3.2.5.3).
pub const SASEC: u128 = 0x378e_52b0_c0a9_11cf_822d_00aa_0051_e40f;
/// `ITaskSchedulerService` ([MS-TSCH] 3.2.5.4).
pub const TASKS: u128 = 0x86d3_5949_83c9_4044_b424_db36_3231_fd0c;
/// `epmapper` (C706 appendix O).
pub const EPMAPPER: u128 = 0xe1af_8308_5d1f_11c9_91a4_0800_2b14_a0fa;
/// `mgmt` (C706 appendix Q).
pub const MGMT: u128 = 0xafa8_bd80_7d8a_11c9_bef4_0800_2b10_2989;
/// `IRemoteActivation` ([MS-DCOM] 3.1.2.5.2.3).
pub const ACTIVATION: u128 = 0x4d9f_4ab8_7d1c_11cf_861e_0020_af6e_7c57;
/// `IRemoteSCMActivator` ([MS-DCOM] 3.1.2.5.2.3).
pub const ACTIVATOR: u128 = 0x0000_01a0_0000_0000_c000_0000_0000_0046;
/// `IObjectExporter` ([MS-DCOM] 3.1.2.5.1).
pub const EXPORTER: u128 = 0x99fc_fec4_5260_101b_bbcb_00aa_0021_347a;
/// `IRemUnknown` ([MS-DCOM] 3.1.1.5.6).
pub const REM_UNKNOWN: u128 = 0x0000_0131_0000_0000_c000_0000_0000_0046;
/// `IRemUnknown2` ([MS-DCOM] 3.1.1.5.7).
pub const REM_UNKNOWN2: u128 = 0x0000_0143_0000_0000_c000_0000_0000_0046;
/// `IWbemLevel1Login` ([MS-WMI] 3.1.4.1).
pub const WBEM_LOGIN: u128 = 0xf309_ad18_d86a_11d0_a075_00c0_4fb6_8820;
/// `IWbemLoginClientID` ([MS-WMI] 3.1.4.10).
pub const WBEM_LOGIN_CLIENT: u128 = 0xd478_1cd6_e5d3_44df_ad94_930e_fe48_a887;
/// `IWbemServices` ([MS-WMI] 3.1.4.3).
pub const WBEM_SERVICES: u128 = 0x9556_dc99_828c_11cf_a37e_00aa_0032_40c7;
/// `IEnumWbemClassObject` ([MS-WMI] 3.1.4.4).
pub const WBEM_ENUM: u128 = 0x0279_47e1_d731_11ce_a357_0000_0000_0001;
/// `IWbemFetchSmartEnum` ([MS-WMI] 3.1.4.6).
pub const WBEM_FETCH: u128 = 0x1c1c_45ee_4395_11d2_b60b_0010_4b70_3efd;
/// `IWbemWCOSmartEnum` ([MS-WMI] 3.1.4.7).
pub const WBEM_SMART: u128 = 0x423e_c01e_2e35_11d2_b604_0010_4b70_3efd;
/// `winreg` ([MS-RRP] 3.1.5).
pub const WINREG: u128 = 0x338c_d001_2244_31f1_aaaa_9000_3800_1003;
/// `srvsvc` ([MS-SRVS] 3.1.4).
pub const SRVSVC: u128 = 0x4b32_4fc8_1670_01d3_1278_5a47_bf6e_e188;
/// `wkssvc` ([MS-WKST] 3.2.4).
pub const WKSSVC: u128 = 0x6bff_d098_a112_3610_9833_46c3_f87e_345a;
/// `samr` ([MS-SAMR] 3.1.5).
pub const SAMR: u128 = 0x1234_5778_1234_abcd_ef00_0123_4567_89ac;
/// `lsarpc` ([MS-LSAD] 3.1.4, [MS-LSAT] 3.1.4).
pub const LSARPC: u128 = 0x1234_5778_1234_abcd_ef00_0123_4567_89ab;

/// What an interface is called.
#[must_use]
pub fn interface_name(interface: u128) -> Option<&'static str> {
    find(interface).map(|known| known.name)
}

/// Classes of DCOM by which commands are run on other machines.
static CLASSES: &[(u128, &str)] = &[
    (0x8bc3_f05e_d86b_11d0_a075_00c0_4fb6_8820, "WbemLevel1Login"),
    (0x49b2_791a_b1ae_4c90_9b8e_e860_ba07_f889, "MMC20.Application"),
    (0x9ba0_5972_f6a8_11cf_a442_00a0_c90a_8f39, "ShellWindows"),
    (0xc08a_fd90_f2a1_11d1_8455_00a0_c91f_3880, "ShellBrowserWindow"),
    (0x0002_4500_0000_0000_c000_0000_0000_0046, "Excel.Application"),
];

/// What a class is called, of those by which commands are run.
#[must_use]
pub fn class_name(class: u128) -> Option<&'static str> {
    CLASSES.iter().find(|(known, _)| *known == class).map(|(_, name)| *name)
}

/// What an operation is called.
#[must_use]
pub fn operation_name(interface: u128, opnum: u16) -> Option<&'static str> {
    let operations = find(interface)?.operations;
    let at = operations.binary_search_by_key(&opnum, |&(number, _)| number).ok()?;
    operations.get(at).map(|&(_, name)| name)
}

/// The interface of a name.
#[cfg(test)]
pub fn by_name(name: &str) -> Option<u128> {
    INTERFACES.iter().find(|known| known.name == name).map(|known| known.uuid)
}

fn find(interface: u128) -> Option<&'static Interface> {
    INTERFACES.iter().find(|known| known.uuid == interface)
}

/// All of them. Operations stand in the order of their numbers.
static INTERFACES: &[Interface] = &[
    Interface { uuid: SVCCTL, name: "svcctl", operations: operations::SVCCTL_OPERATIONS },
    Interface { uuid: ATSVC, name: "atsvc", operations: operations::ATSVC_OPERATIONS },
    Interface { uuid: SASEC, name: "sasec", operations: operations::SASEC_OPERATIONS },
    Interface { uuid: TASKS, name: "ITaskSchedulerService", operations: operations::TASKS_OPERATIONS },
    Interface { uuid: EPMAPPER, name: "epmapper", operations: operations::EPMAPPER_OPERATIONS },
    Interface { uuid: MGMT, name: "mgmt", operations: operations::MGMT_OPERATIONS },
    Interface { uuid: ACTIVATION, name: "IRemoteActivation", operations: operations::ACTIVATION_OPERATIONS },
    Interface { uuid: ACTIVATOR, name: "IRemoteSCMActivator", operations: operations::ACTIVATOR_OPERATIONS },
    Interface { uuid: EXPORTER, name: "IObjectExporter", operations: operations::EXPORTER_OPERATIONS },
    Interface { uuid: REM_UNKNOWN, name: "IRemUnknown", operations: operations::REM_UNKNOWN_OPERATIONS },
    Interface { uuid: REM_UNKNOWN2, name: "IRemUnknown2", operations: operations::REM_UNKNOWN2_OPERATIONS },
    Interface { uuid: WBEM_LOGIN, name: "IWbemLevel1Login", operations: operations::WBEM_LOGIN_OPERATIONS },
    Interface { uuid: WBEM_LOGIN_CLIENT, name: "IWbemLoginClientID", operations: operations::WBEM_LOGIN_CLIENT_OPERATIONS },
    Interface { uuid: WBEM_SERVICES, name: "IWbemServices", operations: operations::WBEM_SERVICES_OPERATIONS },
    Interface { uuid: WBEM_ENUM, name: "IEnumWbemClassObject", operations: operations::WBEM_ENUM_OPERATIONS },
    Interface { uuid: WBEM_FETCH, name: "IWbemFetchSmartEnum", operations: operations::WBEM_FETCH_OPERATIONS },
    Interface { uuid: WBEM_SMART, name: "IWbemWCOSmartEnum", operations: operations::WBEM_SMART_OPERATIONS },
    Interface { uuid: WINREG, name: "winreg", operations: operations::WINREG_OPERATIONS },
    Interface { uuid: SRVSVC, name: "srvsvc", operations: operations::SRVSVC_OPERATIONS },
    Interface { uuid: WKSSVC, name: "wkssvc", operations: operations::WKSSVC_OPERATIONS },
    Interface { uuid: SAMR, name: "samr", operations: operations::SAMR_OPERATIONS },
    Interface { uuid: LSARPC, name: "lsarpc", operations: operations::LSARPC_OPERATIONS },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_by_number_and_stand_in_order() {
        assert_eq!((interface_name(SVCCTL), operation_name(SVCCTL, 12)), (Some("svcctl"), Some("RCreateServiceW")));
        assert_eq!((operation_name(SVCCTL, 60), operation_name(SVCCTL, 10)), (Some("RCreateWowService"), None));
        assert_eq!(operation_name(WINREG, 22), Some("BaseRegSetValue"));
        assert_eq!(
            (operation_name(WBEM_SERVICES, 24), operation_name(LSARPC, 77)),
            (Some("ExecMethod"), Some("LsarLookupNames4"))
        );
        assert_eq!((interface_name(1), operation_name(1, 1)), (None, None));
        for one in INTERFACES {
            assert!(one.operations.is_sorted_by(|before, after| before.0 < after.0), "{}", one.name);
            assert_eq!(INTERFACES.iter().filter(|other| other.uuid == one.uuid || other.name == one.name).count(), 1);
        }
    }
}
