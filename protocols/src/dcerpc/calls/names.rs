//! Names of interfaces and of their operations, by number.

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
    Interface { uuid: SVCCTL, name: "svcctl", operations: SVCCTL_OPERATIONS },
    Interface { uuid: ATSVC, name: "atsvc", operations: ATSVC_OPERATIONS },
    Interface { uuid: SASEC, name: "sasec", operations: SASEC_OPERATIONS },
    Interface { uuid: TASKS, name: "ITaskSchedulerService", operations: TASKS_OPERATIONS },
    Interface { uuid: EPMAPPER, name: "epmapper", operations: EPMAPPER_OPERATIONS },
    Interface { uuid: MGMT, name: "mgmt", operations: MGMT_OPERATIONS },
    Interface { uuid: ACTIVATION, name: "IRemoteActivation", operations: ACTIVATION_OPERATIONS },
    Interface { uuid: ACTIVATOR, name: "IRemoteSCMActivator", operations: ACTIVATOR_OPERATIONS },
    Interface { uuid: EXPORTER, name: "IObjectExporter", operations: EXPORTER_OPERATIONS },
    Interface { uuid: REM_UNKNOWN, name: "IRemUnknown", operations: REM_UNKNOWN_OPERATIONS },
    Interface { uuid: REM_UNKNOWN2, name: "IRemUnknown2", operations: REM_UNKNOWN2_OPERATIONS },
    Interface { uuid: WBEM_LOGIN, name: "IWbemLevel1Login", operations: WBEM_LOGIN_OPERATIONS },
    Interface { uuid: WBEM_LOGIN_CLIENT, name: "IWbemLoginClientID", operations: WBEM_LOGIN_CLIENT_OPERATIONS },
    Interface { uuid: WBEM_SERVICES, name: "IWbemServices", operations: WBEM_SERVICES_OPERATIONS },
    Interface { uuid: WBEM_ENUM, name: "IEnumWbemClassObject", operations: WBEM_ENUM_OPERATIONS },
    Interface { uuid: WBEM_FETCH, name: "IWbemFetchSmartEnum", operations: WBEM_FETCH_OPERATIONS },
    Interface { uuid: WBEM_SMART, name: "IWbemWCOSmartEnum", operations: WBEM_SMART_OPERATIONS },
    Interface { uuid: WINREG, name: "winreg", operations: WINREG_OPERATIONS },
    Interface { uuid: SRVSVC, name: "srvsvc", operations: SRVSVC_OPERATIONS },
    Interface { uuid: WKSSVC, name: "wkssvc", operations: WKSSVC_OPERATIONS },
    Interface { uuid: SAMR, name: "samr", operations: SAMR_OPERATIONS },
    Interface { uuid: LSARPC, name: "lsarpc", operations: LSARPC_OPERATIONS },
];

static SVCCTL_OPERATIONS: &[(u16, &str)] = &[
    (0, "RCloseServiceHandle"),
    (1, "RControlService"),
    (2, "RDeleteService"),
    (3, "RLockServiceDatabase"),
    (4, "RQueryServiceObjectSecurity"),
    (5, "RSetServiceObjectSecurity"),
    (6, "RQueryServiceStatus"),
    (7, "RSetServiceStatus"),
    (8, "RUnlockServiceDatabase"),
    (9, "RNotifyBootConfigStatus"),
    (11, "RChangeServiceConfigW"),
    (12, "RCreateServiceW"),
    (13, "REnumDependentServicesW"),
    (14, "REnumServicesStatusW"),
    (15, "ROpenSCManagerW"),
    (16, "ROpenServiceW"),
    (17, "RQueryServiceConfigW"),
    (18, "RQueryServiceLockStatusW"),
    (19, "RStartServiceW"),
    (20, "RGetServiceDisplayNameW"),
    (21, "RGetServiceKeyNameW"),
    (23, "RChangeServiceConfigA"),
    (24, "RCreateServiceA"),
    (25, "REnumDependentServicesA"),
    (26, "REnumServicesStatusA"),
    (27, "ROpenSCManagerA"),
    (28, "ROpenServiceA"),
    (29, "RQueryServiceConfigA"),
    (30, "RQueryServiceLockStatusA"),
    (31, "RStartServiceA"),
    (32, "RGetServiceDisplayNameA"),
    (33, "RGetServiceKeyNameA"),
    (35, "REnumServiceGroupW"),
    (36, "RChangeServiceConfig2A"),
    (37, "RChangeServiceConfig2W"),
    (38, "RQueryServiceConfig2A"),
    (39, "RQueryServiceConfig2W"),
    (40, "RQueryServiceStatusEx"),
    (41, "REnumServicesStatusExA"),
    (42, "REnumServicesStatusExW"),
    (44, "RCreateServiceWOW64A"),
    (45, "RCreateServiceWOW64W"),
    (47, "RNotifyServiceStatusChange"),
    (48, "RGetNotifyResults"),
    (49, "RCloseNotifyHandle"),
    (50, "RControlServiceExA"),
    (51, "RControlServiceExW"),
    (56, "RQueryServiceConfigEx"),
    (60, "RCreateWowService"),
    (64, "ROpenSCManager2"),
];
static ATSVC_OPERATIONS: &[(u16, &str)] = &[(0, "NetrJobAdd"), (1, "NetrJobDel"), (2, "NetrJobEnum"), (3, "NetrJobGetInfo")];
static SASEC_OPERATIONS: &[(u16, &str)] = &[
    (0, "SASetAccountInformation"),
    (1, "SASetNSAccountInformation"),
    (2, "SAGetNSAccountInformation"),
    (3, "SAGetAccountInformation"),
];
static TASKS_OPERATIONS: &[(u16, &str)] = &[
    (0, "SchRpcHighestVersion"),
    (1, "SchRpcRegisterTask"),
    (2, "SchRpcRetrieveTask"),
    (3, "SchRpcCreateFolder"),
    (4, "SchRpcSetSecurity"),
    (5, "SchRpcGetSecurity"),
    (6, "SchRpcEnumFolders"),
    (7, "SchRpcEnumTasks"),
    (8, "SchRpcEnumInstances"),
    (9, "SchRpcGetInstanceInfo"),
    (10, "SchRpcStopInstance"),
    (11, "SchRpcStop"),
    (12, "SchRpcRun"),
    (13, "SchRpcDelete"),
    (14, "SchRpcRename"),
    (15, "SchRpcScheduledRuntimes"),
    (16, "SchRpcGetLastRunInfo"),
    (17, "SchRpcGetTaskInfo"),
    (18, "SchRpcGetNumberOfMissedRuns"),
    (19, "SchRpcEnableTask"),
];
static EPMAPPER_OPERATIONS: &[(u16, &str)] = &[
    (0, "ept_insert"),
    (1, "ept_delete"),
    (2, "ept_lookup"),
    (3, "ept_map"),
    (4, "ept_lookup_handle_free"),
    (5, "ept_inq_object"),
    (6, "ept_mgmt_delete"),
];
static MGMT_OPERATIONS: &[(u16, &str)] = &[
    (0, "rpc__mgmt_inq_if_ids"),
    (1, "rpc__mgmt_inq_stats"),
    (2, "rpc__mgmt_is_server_listening"),
    (3, "rpc__mgmt_stop_server_listening"),
    (4, "rpc__mgmt_inq_princ_name"),
];
static ACTIVATION_OPERATIONS: &[(u16, &str)] = &[(0, "RemoteActivation")];
static ACTIVATOR_OPERATIONS: &[(u16, &str)] = &[(3, "RemoteGetClassObject"), (4, "RemoteCreateInstance")];
static EXPORTER_OPERATIONS: &[(u16, &str)] =
    &[(0, "ResolveOxid"), (1, "SimplePing"), (2, "ComplexPing"), (3, "ServerAlive"), (4, "ResolveOxid2"), (5, "ServerAlive2")];
static REM_UNKNOWN_OPERATIONS: &[(u16, &str)] = &[(3, "RemQueryInterface"), (4, "RemAddRef"), (5, "RemRelease")];
static REM_UNKNOWN2_OPERATIONS: &[(u16, &str)] =
    &[(3, "RemQueryInterface"), (4, "RemAddRef"), (5, "RemRelease"), (6, "RemQueryInterface2")];
static WBEM_LOGIN_OPERATIONS: &[(u16, &str)] =
    &[(3, "EstablishPosition"), (4, "RequestChallenge"), (5, "WBEMLogin"), (6, "NTLMLogin")];
static WBEM_LOGIN_CLIENT_OPERATIONS: &[(u16, &str)] = &[(3, "SetClientInfo")];
static WBEM_SERVICES_OPERATIONS: &[(u16, &str)] = &[
    (3, "OpenNamespace"),
    (4, "CancelAsyncCall"),
    (5, "QueryObjectSink"),
    (6, "GetObject"),
    (7, "GetObjectAsync"),
    (8, "PutClass"),
    (9, "PutClassAsync"),
    (10, "DeleteClass"),
    (11, "DeleteClassAsync"),
    (12, "CreateClassEnum"),
    (13, "CreateClassEnumAsync"),
    (14, "PutInstance"),
    (15, "PutInstanceAsync"),
    (16, "DeleteInstance"),
    (17, "DeleteInstanceAsync"),
    (18, "CreateInstanceEnum"),
    (19, "CreateInstanceEnumAsync"),
    (20, "ExecQuery"),
    (21, "ExecQueryAsync"),
    (22, "ExecNotificationQuery"),
    (23, "ExecNotificationQueryAsync"),
    (24, "ExecMethod"),
    (25, "ExecMethodAsync"),
];
static WBEM_ENUM_OPERATIONS: &[(u16, &str)] = &[(3, "Reset"), (4, "Next"), (5, "NextAsync"), (6, "Clone"), (7, "Skip")];
static WBEM_FETCH_OPERATIONS: &[(u16, &str)] = &[(3, "GetSmartEnum")];
static WBEM_SMART_OPERATIONS: &[(u16, &str)] = &[(3, "Next")];
static WINREG_OPERATIONS: &[(u16, &str)] = &[
    (0, "OpenClassesRoot"),
    (1, "OpenCurrentUser"),
    (2, "OpenLocalMachine"),
    (3, "OpenPerformanceData"),
    (4, "OpenUsers"),
    (5, "BaseRegCloseKey"),
    (6, "BaseRegCreateKey"),
    (7, "BaseRegDeleteKey"),
    (8, "BaseRegDeleteValue"),
    (9, "BaseRegEnumKey"),
    (10, "BaseRegEnumValue"),
    (11, "BaseRegFlushKey"),
    (12, "BaseRegGetKeySecurity"),
    (13, "BaseRegLoadKey"),
    (15, "BaseRegOpenKey"),
    (16, "BaseRegQueryInfoKey"),
    (17, "BaseRegQueryValue"),
    (18, "BaseRegReplaceKey"),
    (19, "BaseRegRestoreKey"),
    (20, "BaseRegSaveKey"),
    (21, "BaseRegSetKeySecurity"),
    (22, "BaseRegSetValue"),
    (23, "BaseRegUnLoadKey"),
    (26, "BaseRegGetVersion"),
    (27, "OpenCurrentConfig"),
    (29, "BaseRegQueryMultipleValues"),
    (31, "BaseRegSaveKeyEx"),
    (32, "OpenPerformanceText"),
    (33, "OpenPerformanceNlsText"),
    (34, "BaseRegQueryMultipleValues2"),
    (35, "BaseRegDeleteKeyEx"),
];
static SRVSVC_OPERATIONS: &[(u16, &str)] = &[
    (8, "NetrConnectionEnum"),
    (9, "NetrFileEnum"),
    (10, "NetrFileGetInfo"),
    (11, "NetrFileClose"),
    (12, "NetrSessionEnum"),
    (13, "NetrSessionDel"),
    (14, "NetrShareAdd"),
    (15, "NetrShareEnum"),
    (16, "NetrShareGetInfo"),
    (17, "NetrShareSetInfo"),
    (18, "NetrShareDel"),
    (19, "NetrShareDelSticky"),
    (20, "NetrShareCheck"),
    (21, "NetrServerGetInfo"),
    (22, "NetrServerSetInfo"),
    (23, "NetrServerDiskEnum"),
    (24, "NetrServerStatisticsGet"),
    (25, "NetrServerTransportAdd"),
    (26, "NetrServerTransportEnum"),
    (27, "NetrServerTransportDel"),
    (28, "NetrRemoteTOD"),
    (30, "NetprPathType"),
    (31, "NetprPathCanonicalize"),
    (32, "NetprPathCompare"),
    (33, "NetprNameValidate"),
    (34, "NetprNameCanonicalize"),
    (35, "NetprNameCompare"),
    (36, "NetrShareEnumSticky"),
    (37, "NetrShareDelStart"),
    (38, "NetrShareDelCommit"),
    (39, "NetrpGetFileSecurity"),
    (40, "NetrpSetFileSecurity"),
    (41, "NetrServerTransportAddEx"),
    (43, "NetrDfsGetVersion"),
    (44, "NetrDfsCreateLocalPartition"),
    (45, "NetrDfsDeleteLocalPartition"),
    (46, "NetrDfsSetLocalVolumeState"),
    (48, "NetrDfsCreateExitPoint"),
    (49, "NetrDfsDeleteExitPoint"),
    (50, "NetrDfsModifyPrefix"),
    (51, "NetrDfsFixLocalVolume"),
    (52, "NetrDfsManagerReportSiteInfo"),
    (53, "NetrServerTransportDelEx"),
    (54, "NetrServerAliasAdd"),
    (55, "NetrServerAliasEnum"),
    (56, "NetrServerAliasDel"),
    (57, "NetrShareDelEx"),
];
static WKSSVC_OPERATIONS: &[(u16, &str)] = &[
    (0, "NetrWkstaGetInfo"),
    (1, "NetrWkstaSetInfo"),
    (2, "NetrWkstaUserEnum"),
    (5, "NetrWkstaTransportEnum"),
    (6, "NetrWkstaTransportAdd"),
    (7, "NetrWkstaTransportDel"),
    (8, "NetrUseAdd"),
    (9, "NetrUseGetInfo"),
    (10, "NetrUseDel"),
    (11, "NetrUseEnum"),
    (13, "NetrWorkstationStatisticsGet"),
    (20, "NetrGetJoinInformation"),
    (22, "NetrJoinDomain2"),
    (23, "NetrUnjoinDomain2"),
    (24, "NetrRenameMachineInDomain2"),
    (25, "NetrValidateName2"),
    (26, "NetrGetJoinableOUs2"),
    (27, "NetrAddAlternateComputerName"),
    (28, "NetrRemoveAlternateComputerName"),
    (29, "NetrSetPrimaryComputerName"),
    (30, "NetrEnumerateComputerNames"),
];
static SAMR_OPERATIONS: &[(u16, &str)] = &[
    (0, "SamrConnect"),
    (1, "SamrCloseHandle"),
    (2, "SamrSetSecurityObject"),
    (3, "SamrQuerySecurityObject"),
    (5, "SamrLookupDomainInSamServer"),
    (6, "SamrEnumerateDomainsInSamServer"),
    (7, "SamrOpenDomain"),
    (8, "SamrQueryInformationDomain"),
    (9, "SamrSetInformationDomain"),
    (10, "SamrCreateGroupInDomain"),
    (11, "SamrEnumerateGroupsInDomain"),
    (12, "SamrCreateUserInDomain"),
    (13, "SamrEnumerateUsersInDomain"),
    (14, "SamrCreateAliasInDomain"),
    (15, "SamrEnumerateAliasesInDomain"),
    (16, "SamrGetAliasMembership"),
    (17, "SamrLookupNamesInDomain"),
    (18, "SamrLookupIdsInDomain"),
    (19, "SamrOpenGroup"),
    (20, "SamrQueryInformationGroup"),
    (21, "SamrSetInformationGroup"),
    (22, "SamrAddMemberToGroup"),
    (23, "SamrDeleteGroup"),
    (24, "SamrRemoveMemberFromGroup"),
    (25, "SamrGetMembersInGroup"),
    (26, "SamrSetMemberAttributesOfGroup"),
    (27, "SamrOpenAlias"),
    (28, "SamrQueryInformationAlias"),
    (29, "SamrSetInformationAlias"),
    (30, "SamrDeleteAlias"),
    (31, "SamrAddMemberToAlias"),
    (32, "SamrRemoveMemberFromAlias"),
    (33, "SamrGetMembersInAlias"),
    (34, "SamrOpenUser"),
    (35, "SamrDeleteUser"),
    (36, "SamrQueryInformationUser"),
    (37, "SamrSetInformationUser"),
    (38, "SamrChangePasswordUser"),
    (39, "SamrGetGroupsForUser"),
    (40, "SamrQueryDisplayInformation"),
    (41, "SamrGetDisplayEnumerationIndex"),
    (44, "SamrGetUserDomainPasswordInformation"),
    (45, "SamrRemoveMemberFromForeignDomain"),
    (46, "SamrQueryInformationDomain2"),
    (47, "SamrQueryInformationUser2"),
    (48, "SamrQueryDisplayInformation2"),
    (49, "SamrGetDisplayEnumerationIndex2"),
    (50, "SamrCreateUser2InDomain"),
    (51, "SamrQueryDisplayInformation3"),
    (52, "SamrAddMultipleMembersToAlias"),
    (53, "SamrRemoveMultipleMembersFromAlias"),
    (54, "SamrOemChangePasswordUser2"),
    (55, "SamrUnicodeChangePasswordUser2"),
    (56, "SamrGetDomainPasswordInformation"),
    (57, "SamrConnect2"),
    (58, "SamrSetInformationUser2"),
    (62, "SamrConnect4"),
    (64, "SamrConnect5"),
    (65, "SamrRidToSid"),
    (66, "SamrSetDSRMPassword"),
    (67, "SamrValidatePassword"),
];
static LSARPC_OPERATIONS: &[(u16, &str)] = &[
    (0, "LsarClose"),
    (2, "LsarEnumeratePrivileges"),
    (3, "LsarQuerySecurityObject"),
    (4, "LsarSetSecurityObject"),
    (6, "LsarOpenPolicy"),
    (7, "LsarQueryInformationPolicy"),
    (8, "LsarSetInformationPolicy"),
    (10, "LsarCreateAccount"),
    (11, "LsarEnumerateAccounts"),
    (12, "LsarCreateTrustedDomain"),
    (13, "LsarEnumerateTrustedDomains"),
    (14, "LsarLookupNames"),
    (15, "LsarLookupSids"),
    (16, "LsarCreateSecret"),
    (17, "LsarOpenAccount"),
    (18, "LsarEnumeratePrivilegesAccount"),
    (19, "LsarAddPrivilegesToAccount"),
    (20, "LsarRemovePrivilegesFromAccount"),
    (23, "LsarGetSystemAccessAccount"),
    (24, "LsarSetSystemAccessAccount"),
    (25, "LsarOpenTrustedDomain"),
    (26, "LsarQueryInfoTrustedDomain"),
    (27, "LsarSetInformationTrustedDomain"),
    (28, "LsarOpenSecret"),
    (29, "LsarSetSecret"),
    (30, "LsarQuerySecret"),
    (31, "LsarLookupPrivilegeValue"),
    (32, "LsarLookupPrivilegeName"),
    (33, "LsarLookupPrivilegeDisplayName"),
    (34, "LsarDeleteObject"),
    (35, "LsarEnumerateAccountsWithUserRight"),
    (36, "LsarEnumerateAccountRights"),
    (37, "LsarAddAccountRights"),
    (38, "LsarRemoveAccountRights"),
    (39, "LsarQueryTrustedDomainInfo"),
    (40, "LsarSetTrustedDomainInfo"),
    (41, "LsarDeleteTrustedDomain"),
    (42, "LsarStorePrivateData"),
    (43, "LsarRetrievePrivateData"),
    (44, "LsarOpenPolicy2"),
    (45, "LsarGetUserName"),
    (46, "LsarQueryInformationPolicy2"),
    (47, "LsarSetInformationPolicy2"),
    (48, "LsarQueryTrustedDomainInfoByName"),
    (49, "LsarSetTrustedDomainInfoByName"),
    (50, "LsarEnumerateTrustedDomainsEx"),
    (51, "LsarCreateTrustedDomainEx"),
    (53, "LsarQueryDomainInformationPolicy"),
    (54, "LsarSetDomainInformationPolicy"),
    (55, "LsarOpenTrustedDomainByName"),
    (57, "LsarLookupSids2"),
    (58, "LsarLookupNames2"),
    (59, "LsarCreateTrustedDomainEx2"),
    (68, "LsarLookupNames3"),
    (73, "LsarQueryForestTrustInformation"),
    (74, "LsarSetForestTrustInformation"),
    (76, "LsarLookupSids3"),
    (77, "LsarLookupNames4"),
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
